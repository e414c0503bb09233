//! Callers, what they may use and did, and their client keys.

use std::time::Duration;

use filmgate_domain::*;
use filmgate_store::{Asked, Caller, CallerLimits, KeyRecord, KeyScope, NewKey, Spent, StoreError, hash_key};

use crate::{at, people, queued, reserved, stores};

#[tokio::test]
async fn a_caller_is_known_by_its_name() {
    for place in stores() {
        let store = place.open();
        let first = store.add_caller("studio", at(1)).await.unwrap();
        let other = store.add_caller("Studio", at(2)).await.unwrap();
        assert_eq!(store.add_caller("studio", at(3)).await.unwrap(), first);
        let limits = CallerLimits::default();
        let callers = [
            Caller { id: first, name: "studio".to_owned(), created_at: at(1), limits },
            Caller { id: other, name: "Studio".to_owned(), created_at: at(2), limits },
        ];
        assert_eq!(store.callers().await.unwrap(), callers);
    }
}

/// A client key without an end.
fn key(caller: CallerId, name: &str, text: &str, made: u64) -> NewKey {
    NewKey {
        caller,
        name: name.to_owned(),
        hash: hash_key(text),
        hint: text.chars().take(6).collect(),
        scope: KeyScope::Client,
        expires_at: None,
        created_at: at(made),
    }
}

#[tokio::test]
async fn a_key_is_listed_used_and_revoked() {
    for place in stores() {
        let store = place.open();
        let caller = store.add_caller("studio", at(0)).await.unwrap();
        let id = store.add_key(key(caller, "laptop", "fg-secret", 1)).await.unwrap();
        let mut expected = KeyRecord {
            id,
            caller,
            caller_name: "studio".to_owned(),
            name: "laptop".to_owned(),
            hint: "fg-sec".to_owned(),
            hash: hash_key("fg-secret"),
            scope: KeyScope::Client,
            created_at: at(1),
            expires_at: None,
            last_used_at: None,
            revoked_at: None,
        };
        assert_eq!(store.keys().await.unwrap(), [expected.clone()]);

        store.touch_key(id, at(5)).await.unwrap();
        store.touch_key(id, at(3)).await.unwrap();
        expected.last_used_at = Some(at(5));
        assert_eq!(store.keys().await.unwrap(), [expected.clone()]);

        assert!(store.revoke_key(id, at(7)).await.unwrap());
        assert!(!store.revoke_key(id, at(8)).await.unwrap());
        assert!(!store.revoke_key(KeyId(99), at(8)).await.unwrap());
        expected.revoked_at = Some(at(7));
        assert_eq!(store.keys().await.unwrap(), [expected]);
    }
}

#[tokio::test]
async fn a_key_is_added_once_and_for_a_known_caller() {
    for place in stores() {
        let store = place.open();
        let caller = store.add_caller("studio", at(0)).await.unwrap();
        store.add_key(key(caller, "one", "a", 1)).await.unwrap();
        assert!(store.add_key(key(caller, "two", "a", 1)).await.is_err());
        let missing = StoreError::Missing { what: "caller", id: "caller_99".to_owned() };
        assert_eq!(store.add_key(key(CallerId(99), "three", "b", 1)).await, Err(missing));
        assert_eq!(store.keys().await.unwrap().len(), 1);
    }
}

#[tokio::test]
async fn limits_are_kept_and_lifted() {
    for place in stores() {
        let store = place.open();
        let caller = store.add_caller("studio", at(0)).await.unwrap();
        let limits =
            CallerLimits { max_in_flight: Some(3), requests_per_minute: None, units_per_day: Some(u32::MAX) };
        assert!(store.set_limits(caller, limits).await.unwrap());
        assert_eq!(store.callers().await.unwrap()[0].limits, limits);
        assert_eq!(store.add_caller("studio", at(1)).await.unwrap(), caller);
        assert_eq!(store.callers().await.unwrap()[0].limits, limits, "a second time changes nothing");
        assert!(store.set_limits(caller, CallerLimits::default()).await.unwrap());
        assert_eq!(store.callers().await.unwrap()[0].limits, CallerLimits::default());
        assert!(!store.set_limits(CallerId(99), limits).await.unwrap());
    }
}

#[tokio::test]
async fn a_key_is_replaced_and_stays_valid_for_a_while() {
    for place in stores() {
        let store = place.open();
        let caller = store.add_caller("studio", at(0)).await.unwrap();
        let old = store.add_key(key(caller, "laptop", "a", 1)).await.unwrap();
        let new = store.rotate_key(old, key(caller, "", "b", 10), at(100)).await.unwrap().unwrap();
        let [before, after] = &store.keys().await.unwrap()[..] else { panic!("two keys") };
        assert_eq!((before.id, before.revoked_at), (old, Some(at(100))));
        assert!(before.is_valid(at(99)) && !before.is_valid(at(100)));
        let expected = (new, caller, "laptop", "b", at(10), None);
        let KeyRecord { id, caller: of, name, hint, created_at, revoked_at, .. } = after;
        assert_eq!((*id, *of, &**name, &**hint, *created_at, *revoked_at), expected);

        // Its end does not move back, only forward.
        assert!(store.rotate_key(old, key(caller, "", "c", 20), at(500)).await.unwrap().is_some());
        assert_eq!(store.keys().await.unwrap()[0].revoked_at, Some(at(100)));
        assert!(!store.revoke_key(old, at(200)).await.unwrap());
        assert!(store.revoke_key(old, at(30)).await.unwrap());
        assert_eq!(store.keys().await.unwrap()[0].revoked_at, Some(at(30)));

        let late = |made| key(caller, "", "d", made);
        assert_eq!(store.rotate_key(old, late(30), at(500)).await.unwrap(), None);
        assert_eq!(store.rotate_key(KeyId(99), late(40), at(500)).await.unwrap(), None);
        assert_eq!(store.keys().await.unwrap().len(), 3);
    }
}

#[tokio::test]
async fn a_key_ends_when_it_expires_and_what_takes_its_place_opens_no_more() {
    for place in stores() {
        let store = place.open();
        let caller = store.add_caller("ops", at(0)).await.unwrap();
        let looking =
            NewKey { scope: KeyScope::ReadOnly, expires_at: Some(at(50)), ..key(caller, "grafana", "a", 1) };
        let old = store.add_key(looking).await.unwrap();
        let [before] = &store.keys().await.unwrap()[..] else { panic!("one key") };
        assert!(before.is_valid(at(49)) && !before.is_valid(at(50)));

        // Whatever scope the new one claims.
        let claim = NewKey { scope: KeyScope::Admin, expires_at: Some(at(90)), ..key(caller, "", "b", 10) };
        store.rotate_key(old, claim, at(70)).await.unwrap().unwrap();
        let [before, after] = &store.keys().await.unwrap()[..] else { panic!("two keys") };
        assert_eq!((before.revoked_at, before.ends_at()), (Some(at(70)), Some(at(50))));
        assert_eq!(
            (after.scope, after.expires_at, &*after.name),
            (KeyScope::ReadOnly, Some(at(90)), "grafana")
        );

        let late = NewKey { created_at: at(50), ..key(caller, "", "c", 50) };
        assert_eq!(store.rotate_key(old, late, at(500)).await.unwrap(), None, "it has expired");
    }
}

/// A job with one attempt: charged at a time, or not charged.
fn job(caller: CallerId, token: TokenId, created: u64, answered: Option<u64>) -> Job {
    let open = reserved(1, token, at(created));
    let attempt = Attempt {
        answered_at: answered.map(at),
        settled_at: Some(at(answered.unwrap_or(created) + 1)),
        outcome: Some(if answered.is_some() { Outcome::Done } else { Outcome::Refused }),
        charged: answered.is_some(),
        ..open
    };
    let state = if answered.is_some() { JobState::Completed } else { JobState::Failed };
    let finished_at = attempt.settled_at;
    Job { state, finished_at, attempts: vec![attempt], ..queued(caller, at(created), created) }
}

#[tokio::test]
async fn what_callers_asked_for_and_spent_is_counted() {
    let grain = Duration::from_secs(100);
    for place in stores() {
        let store = place.open();
        let (me, token) = people(&store).await;
        let other = store.add_caller("other", at(0)).await.unwrap();
        let videos = [
            (me, 10, Some(20)),
            (me, 30, None),
            (me, 90, Some(110)),
            (me, 210, Some(220)),
            (other, 211, Some(299)),
        ];
        for (caller, created, answered) in videos {
            store.admit(&job(caller, token, created, answered)).await.unwrap();
        }
        let spent = store.spent_by_callers(at(20), grain).await.unwrap();
        let expected = [(me, 100, 4), (me, 200, 4), (other, 200, 4)].map(|(caller, at_, units)| Spent {
            caller,
            at: at(at_),
            units,
        });
        assert_eq!(spent, expected, "units count where their submission was answered, after the beginning");

        let asked = async |since, most| store.asked_by_caller(me, since, grain, most).await.unwrap();
        let first = Asked { at: at(0), videos: 3, failed: 1, units: 8 };
        let second = Asked { at: at(200), videos: 1, failed: 0, units: 4 };
        assert_eq!(asked(at(0), 10).await, [first, second]);
        assert_eq!(asked(at(100), 10).await, [second]);
        let latest = Asked { at: at(0), videos: 1, failed: 0, units: 4 };
        assert_eq!(asked(at(0), 2).await, [latest, second], "the latest two");
    }
}
