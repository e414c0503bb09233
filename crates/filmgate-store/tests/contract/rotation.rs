//! Another master key, and copies for backups.

use std::time::Duration;

use filmgate_domain::*;
use filmgate_store::{
    Added, Known, MasterKey, Rotated, Store, StoreError, copy_database, restore_database, rotate_master_key,
};

use crate::{admitted, at, completed, people, token};

/// A database with what is sealed in it, closed: two tokens, one that was removed, and a webhook's two secrets.
async fn sealed(path: &std::path::Path, key: &MasterKey) -> CallerId {
    let store = Store::open(path, key).unwrap();
    let (caller, first) = people(&store).await;
    let gone = token(&store, "ssoBasic", "removed").await;
    token(&store, "ssoSuper", "the-second-token").await;
    store.remove_token(gone, at(1)).await.unwrap();
    store.admit(&admitted(caller, first, at(0), 1)).await.unwrap();
    store.admit(&completed(caller, first, at(0), 2)).await.unwrap();
    let secret = |text: &str| Secret::new(text);
    store.set_webhook(caller, Some("https://x.example"), secret("whsec_1"), at(0)).await.unwrap();
    store.rotate_webhook(caller, secret("whsec_2"), Duration::from_secs(3600), at(0)).await.unwrap();
    store.close().await;
    caller
}

async fn opens(path: &std::path::Path, key: &MasterKey, caller: CallerId) {
    let store = Store::open(path, key).unwrap();
    let tokens = store.tokens().await.unwrap();
    let secrets: Vec<&str> = tokens.iter().map(|token| token.info.token.expose()).collect();
    assert_eq!(secrets, ["the-first-token", "the-second-token"]);
    let hooks = store.webhook_secrets(caller, at(10)).await.unwrap();
    assert_eq!(hooks.iter().map(Secret::expose).collect::<Vec<_>>(), ["whsec_2", "whsec_1"]);
    let known = store.known_tokens(vec![("ssoBasic".into(), Secret::new("the-first-token"))]).await.unwrap();
    assert!(matches!(known[..], [Known::Present(_)]), "{known:?}");
    assert_eq!(store.unfinished().await.unwrap().len(), 1);
    store.close().await;
}

#[tokio::test]
async fn a_key_takes_the_place_of_another_again_and_again() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("filmgate.db");
    let mut key = MasterKey::generate();
    let caller = sealed(&path, &key).await;
    for _ in 0..3 {
        let next = MasterKey::generate();
        let done = rotate_master_key(&path, &key, &next, at(2)).unwrap();
        assert_eq!(done, Rotated::Now { tokens: 2, webhooks: 2 });
        assert_eq!(rotate_master_key(&path, &key, &next, at(2)).unwrap(), Rotated::Before);
        let refused = Store::open(&path, &key).map(drop).unwrap_err();
        assert_eq!(refused, StoreError::WrongMasterKey { path: path.display().to_string() });
        opens(&path, &next, caller).await;
        key = next;
    }
    // What is new is sealed with the newest key.
    let store = Store::open(&path, &key).unwrap();
    token(&store, "ssoBasic", "one more").await;
    store.close().await;
    assert_eq!(Store::open(&path, &key).unwrap().tokens().await.unwrap().len(), 3);
}

#[tokio::test]
async fn with_a_wrong_key_nothing_is_sealed_anew() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("filmgate.db");
    let key = MasterKey::generate();
    let caller = sealed(&path, &key).await;
    let (wrong, new) = (MasterKey::generate(), MasterKey::generate());
    let refused = rotate_master_key(&path, &wrong, &new, at(2)).unwrap_err();
    assert_eq!(refused, StoreError::WrongMasterKey { path: path.display().to_string() });
    opens(&path, &key, caller).await;
}

/// What was sealed with the old key must not be found by who gets that key later.
#[tokio::test]
async fn nothing_that_was_sealed_before_is_left_in_the_file() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("filmgate.db");
    let (key, new) = (MasterKey::generate(), MasterKey::generate());
    sealed(&path, &key).await;
    let db = rusqlite::Connection::open(&path).unwrap();
    let mut select = db.prepare("SELECT sealed FROM tokens WHERE sealed IS NOT NULL").unwrap();
    let sealed: Vec<Vec<u8>> = select.query_map([], |row| row.get(0)).unwrap().map(Result::unwrap).collect();
    drop(select);
    drop(db);
    rotate_master_key(&path, &key, &new, at(2)).unwrap();
    for entry in std::fs::read_dir(dir.path()).unwrap() {
        let path = entry.unwrap().path();
        let bytes = std::fs::read(&path).unwrap();
        for old in &sealed {
            assert!(!bytes.windows(old.len()).any(|window| window == old), "{}", path.display());
        }
    }
    assert_eq!(sealed.len(), 2);
}

#[tokio::test]
async fn a_copy_of_a_database_in_use_has_what_was_acknowledged_and_opens_once_restored() {
    let dir = tempfile::tempdir().unwrap();
    let [path, copy] = ["filmgate.db", "copy.db"].map(|name| dir.path().join(name));
    let key = MasterKey::generate();
    let caller = sealed(&path, &key).await;
    let store = Store::open(&path, &key).unwrap();
    let info = TokenInfo::new(TokenId(0), "ssoBasic", Secret::new("late"), at(0));
    let [Added::New(late)] = store.add_tokens(vec![info]).await.unwrap()[..] else { panic!("not new") };
    // A write that is not committed is not in it, and does not wait for it.
    let other = rusqlite::Connection::open(&path).unwrap();
    other.execute_batch("BEGIN IMMEDIATE; DELETE FROM keys; DELETE FROM attempts").unwrap();
    let snapshot = copy_database(&path, &copy, &[MasterKey::generate(), key.clone()]).unwrap();
    other.execute_batch("ROLLBACK").unwrap();
    assert_eq!((snapshot.jobs, snapshot.opens_with, snapshot.files.len()), (2, Some(1), 1));
    assert!(copy_database(&path, &copy, &[]).is_err(), "it takes the place of nothing");
    store.remove_token(late, at(3)).await.unwrap();
    store.close().await;

    // A copy is no database: what is queued in it may have been sent since.
    let backup = StoreError::Backup { path: copy.display().to_string() };
    assert_eq!(Store::open(&copy, &key).map(drop), Err(backup));
    let wrong = StoreError::WrongMasterKey { path: copy.display().to_string() };
    assert_eq!(restore_database(&copy, &MasterKey::generate()), Err(wrong));
    restore_database(&copy, &key).unwrap();
    let restored = Store::open(&copy, &key).unwrap();
    assert_eq!(restored.tokens().await.unwrap().len(), 3);
    assert_eq!(restored.webhook_secrets(caller, at(10)).await.unwrap().len(), 2);
    // And a database is no copy.
    let no_backup = StoreError::NoBackup { path: path.display().to_string() };
    assert_eq!(restore_database(&path, &key), Err(no_backup));
}
