//! Upstream tokens: added once, kept sealed, wiped when nothing needs them.

use filmgate_domain::*;
use filmgate_store::{Added, Known, Store, StoreError};

use crate::{admitted, at, delivering, file, happen, people, stores, token};

fn info(pool: &str, secret: &str) -> TokenInfo {
    TokenInfo::new(TokenId(0), pool, Secret::new(secret), at(0))
}

async fn secrets(store: &Store) -> Vec<(String, bool)> {
    let tokens = store.tokens().await.unwrap();
    tokens.iter().map(|t| (t.info.token.expose().to_owned(), t.removed)).collect()
}

/// Secrets do not compare; everything else does.
fn same(one: &TokenInfo, other: &TokenInfo) -> bool {
    format!("{one:?}") == format!("{other:?}") && one.token.expose() == other.token.expose()
}

#[tokio::test]
async fn everything_about_a_token_reads_back() {
    for place in stores() {
        let store = place.open();
        let plain = info("ssoBasic", "plain");
        let mut full = info("ssoSuper", "eyJ0eXAiOiJKV1QiLCJhbGciOiJIUzI1NiJ9.body.signature");
        full.status = TokenStatus::Cooling;
        full.cooling_until = Some(at(60));
        full.opening = Some((at(5), 12));
        full.created_at = at(1);
        full.last_used_at = Some(at(2));
        full.use_count = u64::MAX >> 1;
        full.failures_in_a_row = 3;
        full.fail_count = 4;
        full.last_fail_at = Some(at(3));
        full.last_fail_reason = Some("403 forbidden".into());
        full.last_sync_at = Some(at(4));
        full.tags = vec!["a \"b\"".to_owned(), "日本".to_owned(), String::new()];
        full.note = "from\nthe old box".to_owned();

        let added = store.add_tokens(vec![plain.clone(), full.clone()]).await.unwrap();
        let [Added::New(first), Added::New(second)] = added[..] else { panic!("{added:?}") };
        store.close().await;

        let store = place.open();
        let tokens = store.tokens().await.unwrap();
        assert_eq!(tokens.len(), 2);
        assert!(same(&tokens[0].info, &TokenInfo { id: first, ..plain }));
        assert!(same(&tokens[1].info, &TokenInfo { id: second, ..full }));
    }
}

#[tokio::test]
async fn every_status_reads_back() {
    for place in stores() {
        let store = place.open();
        let id = token(&store, "ssoBasic", "secret").await;
        let statuses =
            [TokenStatus::Disabled, TokenStatus::Expired, TokenStatus::Cooling, TokenStatus::Active];
        for status in statuses {
            store.save_tokens(&[&TokenInfo { id, status, ..info("ssoBasic", "secret") }]).await.unwrap();
            assert_eq!(store.tokens().await.unwrap()[0].info.status, status);
        }
    }
}

#[tokio::test]
async fn saving_keeps_note_tags_and_state_and_never_the_secret_or_pool() {
    for place in stores() {
        let store = place.open();
        let id = token(&store, "ssoBasic", "secret").await;
        let mut changed = info("elsewhere", "another secret");
        changed.id = id;
        changed.note = "spare".to_owned();
        changed.tags = vec!["old".to_owned()];
        changed.fail_count = 9;
        store.save_tokens(&[&changed]).await.unwrap();
        let stored = store.tokens().await.unwrap().remove(0).info;
        let expected = TokenInfo { pool: "ssoBasic".into(), token: Secret::new("secret"), ..changed };
        assert!(same(&stored, &expected), "{stored:?}");

        let unknown = TokenInfo { id: TokenId(99), ..info("ssoBasic", "x") };
        let missing = StoreError::Missing { what: "token", id: "tok_99".to_owned() };
        assert_eq!(store.save_tokens(&[&unknown]).await, Err(missing));
    }
}

#[tokio::test]
async fn a_secret_is_kept_once() {
    for place in stores() {
        let store = place.open();
        let first = token(&store, "ssoBasic", "one").await;
        let list = vec![info("ssoSuper", "one"), info("ssoSuper", "two"), info("ssoBasic", "two")];
        let added = store.add_tokens(list).await.unwrap();
        let [Added::Duplicate(one), Added::New(two), Added::Duplicate(again)] = added[..] else {
            panic!("{added:?}")
        };
        assert_eq!((one, again), (first, two));
        let tokens = store.tokens().await.unwrap();
        assert_eq!(tokens.iter().map(|t| &*t.info.pool).collect::<Vec<_>>(), ["ssoBasic", "ssoSuper"]);
    }
}

#[tokio::test]
async fn a_removed_token_comes_back_under_its_id() {
    for place in stores() {
        let store = place.open();
        let id = token(&store, "ssoBasic", "secret").await;
        store.remove_token(id, at(1)).await.unwrap();
        assert_eq!(secrets(&store).await, []);

        // In another pool it is another token.
        let added = store.add_tokens(vec![info("ssoSuper", "secret")]).await.unwrap();
        let [Added::New(other)] = added[..] else { panic!("{added:?}") };
        assert_ne!(other, id, "ids are never reused");
        store.remove_token(other, at(2)).await.unwrap();

        let mut back = info("ssoBasic", "secret");
        back.note = "back again".to_owned();
        back.created_at = at(3);
        assert_eq!(store.add_tokens(vec![back.clone()]).await.unwrap(), [Added::Revived(id)]);
        let tokens = store.tokens().await.unwrap();
        assert_eq!(tokens.len(), 1);
        assert!(!tokens[0].removed);
        assert!(same(&tokens[0].info, &TokenInfo { id, ..back }));
        store.wipe_token(id).await.unwrap();
        assert_eq!(secrets(&store).await, [("secret".to_owned(), false)], "wiped what is in use");
    }
}

#[tokio::test]
async fn a_removed_token_keeps_its_secret_while_a_job_needs_it() {
    for place in stores() {
        let store = place.open();
        let (caller, id) = people(&store).await;
        let mut running = admitted(caller, id, at(0), 1);
        let mut fetching = delivering(caller, id, at(0), 2);
        store.admit(&running).await.unwrap();
        store.admit(&fetching).await.unwrap();
        store.remove_token(id, at(1)).await.unwrap();
        let kept = [("the-first-token".to_owned(), true)];
        assert_eq!(secrets(&store).await, kept);

        happen(&mut running, Event::Cancelled, at(2));
        store.advance(&running, &[]).await.unwrap();
        assert_eq!(secrets(&store).await, kept, "its attempt is settled, but the file is not here");
        store.remove_token(id, at(3)).await.unwrap();
        store.close().await;

        let store = place.open();
        assert_eq!(secrets(&store).await, kept);
        happen(&mut fetching, Event::Fetched(file(1)), at(4));
        store.advance(&fetching, &[]).await.unwrap();
        assert_eq!(secrets(&store).await, []);
        store.wipe_token(id).await.unwrap();
        assert_eq!(store.job(fetching.id).await.unwrap().unwrap().attempts[0].token, id);
    }
}

#[tokio::test]
async fn a_wiped_token_is_gone_even_for_a_job_that_used_it() {
    for place in stores() {
        let store = place.open();
        let (caller, id) = people(&store).await;
        store.admit(&admitted(caller, id, at(0), 1)).await.unwrap();
        store.remove_token(id, at(1)).await.unwrap();
        store.wipe_token(id).await.unwrap();
        assert_eq!(secrets(&store).await, []);
        let missing = StoreError::Missing { what: "token", id: "tok_99".to_owned() };
        assert_eq!(store.remove_token(TokenId(99), at(1)).await, Err(missing));
    }
}

#[tokio::test]
async fn what_would_become_of_a_token_is_known_before() {
    for place in stores() {
        let store = place.open();
        let (one, two) = (token(&store, "ssoBasic", "one").await, token(&store, "ssoBasic", "two").await);
        store.remove_token(two, at(1)).await.unwrap();
        let asked = [("ssoSuper", "one"), ("ssoBasic", "two"), ("ssoSuper", "two"), ("ssoBasic", "three")];
        let asked = asked.map(|(pool, secret)| (pool.into(), Secret::new(secret)));
        let known = store.known_tokens(asked.into()).await.unwrap();
        assert_eq!(known, [Known::Present(one), Known::Removed(two), Known::No, Known::No]);
        assert_eq!(store.tokens().await.unwrap().len(), 1, "nothing was added");
    }
}

#[tokio::test]
async fn many_tokens_are_removed_at_once_and_only_those_in_use_keep_their_secrets() {
    for place in stores() {
        let store = place.open();
        let (caller, used) = people(&store).await;
        let (spare, kept) =
            (token(&store, "ssoBasic", "spare").await, token(&store, "ssoBasic", "kept").await);
        store.admit(&admitted(caller, used, at(0), 1)).await.unwrap();
        let missing = StoreError::Missing { what: "token", id: "tok_99".to_owned() };
        let all_or_none = store.remove_tokens(vec![spare, TokenId(99)], at(1)).await;
        assert_eq!(all_or_none, Err(missing));
        assert_eq!(secrets(&store).await.len(), 3);
        store.remove_tokens(vec![used, spare], at(1)).await.unwrap();
        let left = [("the-first-token".to_owned(), true), ("kept".to_owned(), false)];
        assert_eq!(secrets(&store).await, left);
        store.remove_tokens(vec![kept], at(2)).await.unwrap();
    }
}
