//! Callers and their client keys.

use filmgate_domain::*;
use filmgate_store::{Caller, KeyRecord, StoreError, hash_key};

use crate::{at, stores};

#[tokio::test]
async fn a_caller_is_known_by_its_name() {
    for place in stores() {
        let store = place.open();
        let first = store.add_caller("studio", at(1)).await.unwrap();
        let other = store.add_caller("Studio", at(2)).await.unwrap();
        assert_eq!(store.add_caller("studio", at(3)).await.unwrap(), first);
        let callers = [
            Caller { id: first, name: "studio".to_owned(), created_at: at(1) },
            Caller { id: other, name: "Studio".to_owned(), created_at: at(2) },
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
