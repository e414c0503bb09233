//! Callers, what they may use and did, and their client keys.

use std::time::Duration;

use filmgate_domain::*;
use filmgate_store::{Asked, Caller, CallerLimits, KeyRecord, Spent, StoreError, hash_key};

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

#[tokio::test]
async fn a_key_is_listed_used_and_revoked() {
    for place in stores() {
        let store = place.open();
        let caller = store.add_caller("studio", at(0)).await.unwrap();
        let id = store.add_key(caller, "laptop", hash_key("fg-secret"), "fg-sec", at(1)).await.unwrap();
        let mut expected = KeyRecord {
            id,
            caller,
            caller_name: "studio".to_owned(),
            name: "laptop".to_owned(),
            hint: "fg-sec".to_owned(),
            hash: hash_key("fg-secret"),
            created_at: at(1),
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
        store.add_key(caller, "one", hash_key("a"), "a", at(1)).await.unwrap();
        assert!(store.add_key(caller, "two", hash_key("a"), "a", at(1)).await.is_err());
        let missing = StoreError::Missing { what: "caller", id: "caller_99".to_owned() };
        assert_eq!(store.add_key(CallerId(99), "three", hash_key("b"), "b", at(1)).await, Err(missing));
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
        let old = store.add_key(caller, "laptop", hash_key("a"), "a", at(1)).await.unwrap();
        let new = store.rotate_key(old, hash_key("b"), "b", at(100), at(10)).await.unwrap().unwrap();
        let [before, after] = &store.keys().await.unwrap()[..] else { panic!("two keys") };
        assert_eq!((before.id, before.revoked_at), (old, Some(at(100))));
        assert!(before.is_valid(at(99)) && !before.is_valid(at(100)));
        let expected = (new, caller, "laptop", "b", at(10), None);
        let KeyRecord { id, caller, name, hint, created_at, revoked_at, .. } = after;
        assert_eq!((*id, *caller, &**name, &**hint, *created_at, *revoked_at), expected);

        // Its end does not move back, only forward.
        assert!(store.rotate_key(old, hash_key("c"), "c", at(500), at(20)).await.unwrap().is_some());
        assert_eq!(store.keys().await.unwrap()[0].revoked_at, Some(at(100)));
        assert!(!store.revoke_key(old, at(200)).await.unwrap());
        assert!(store.revoke_key(old, at(30)).await.unwrap());
        assert_eq!(store.keys().await.unwrap()[0].revoked_at, Some(at(30)));

        let hash = hash_key("d");
        assert_eq!(store.rotate_key(old, hash, "d", at(500), at(30)).await.unwrap(), None);
        assert_eq!(store.rotate_key(KeyId(99), hash, "d", at(500), at(40)).await.unwrap(), None);
        assert_eq!(store.keys().await.unwrap().len(), 3);
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
