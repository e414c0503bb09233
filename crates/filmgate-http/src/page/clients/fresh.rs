//! Keys on their way to whoever made them: a form is answered with a redirect, and the page that it leads to shows
//! the key, once. A reload shows it no more.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use filmgate_domain::{KeyId, Secret, Timestamp};

/// How long a browser may take to follow.
const FOLLOWS_IN: Duration = Duration::from_secs(120);

/// The keys that were made and not shown yet, each for the session that made it. Cloning shares it.
#[derive(Clone, Default)]
pub(crate) struct FreshKeys(Arc<Mutex<Kept>>);

/// By key and session, each until then.
type Kept = HashMap<(KeyId, [u8; 32]), (Secret, Timestamp)>;

impl FreshKeys {
    /// Keeps the text of a key for a session. Those that nobody came for go.
    pub(super) fn keep(&self, id: KeyId, session: [u8; 32], key: Secret, now: Timestamp) {
        let mut kept = self.0.lock().expect("no panic under this lock");
        kept.retain(|_, (_, until)| now < *until);
        kept.insert((id, session), (key, now + FOLLOWS_IN));
    }

    /// The text of a key, the first time that its session asks.
    pub(super) fn take(&self, id: KeyId, session: [u8; 32], now: Timestamp) -> Option<Secret> {
        let mut kept = self.0.lock().expect("no panic under this lock");
        kept.remove(&(id, session)).filter(|(_, until)| now < *until).map(|(key, _)| key)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_shown_once_soon_and_to_its_session() {
        let (fresh, now) = (FreshKeys::default(), Timestamp::from_millis(1_764_000_000_000));
        let (one, two, late) = (KeyId(1), KeyId(2), now + FOLLOWS_IN);
        fresh.keep(one, [1; 32], Secret::new("fg-one"), now);
        fresh.keep(two, [1; 32], Secret::new("fg-two"), now);
        assert!(fresh.take(one, [2; 32], now).is_none());
        assert!(fresh.take(one, [1; 32], now).is_some_and(|key| key.expose() == "fg-one"));
        assert!(fresh.take(one, [1; 32], now).is_none());
        assert!(fresh.take(two, [1; 32], late).is_none());
        fresh.keep(one, [1; 32], Secret::new("fg-one"), now);
        fresh.keep(two, [1; 32], Secret::new("fg-two"), late);
        assert_eq!(fresh.0.lock().unwrap().len(), 1, "what nobody came for goes");
    }
}
