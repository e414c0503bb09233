//! The keys that there are: what each opens, until when, and from where it was right before.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use arc_swap::ArcSwap;
use filmgate_domain::{CallerId, KeyId, Timestamp};
use filmgate_store::{KeyRecord, KeyScope, NewKey, Store, StoreError, hash_key};

/// The keys by their hash: looking up a hash leaks nothing about the key. Ended ones are among them, so that whoever
/// has one is told that it ended. Cloning shares them.
#[derive(Clone, Default)]
pub(crate) struct Keys {
    known: Arc<ArcSwap<Known>>,
    /// Held from reading to taking into use: an earlier reading never takes the place of a later one, in which a
    /// key was revoked.
    loading: Arc<tokio::sync::Mutex<()>>,
}

#[derive(Default)]
struct Known {
    by_hash: HashMap<[u8; 32], Arc<Key>>,
    by_id: HashMap<KeyId, Arc<Key>>,
}

pub(super) struct Key {
    pub(super) id: KeyId,
    pub(super) caller: CallerId,
    pub(super) name: Box<str>,
    pub(super) scope: KeyScope,
    pub(super) revoked_at: Option<Timestamp>,
    pub(super) expires_at: Option<Timestamp>,
    /// When its use was last written down, in milliseconds; zero: not since the start.
    noted: AtomicI64,
    pub(super) seen: Arc<Seen>,
}

/// How often the use of a key is written down, at most.
const NOTE_USE_EVERY: Duration = Duration::from_secs(60);

impl Keys {
    /// Reads the keys anew.
    pub(crate) async fn load(&self, store: &Store) -> Result<(), StoreError> {
        let _turn = self.loading.lock().await;
        let records = store.keys().await?;
        let before = self.known.load();
        let mut known = Known::default();
        for record in records {
            let hash = record.hash;
            let key = Arc::new(Key::new(record, &before));
            known.by_id.insert(key.id, Arc::clone(&key));
            known.by_hash.insert(hash, key);
        }
        self.known.store(Arc::new(known));
        Ok(())
    }

    /// Adds a key.
    pub(crate) async fn add(&self, store: &Store, key: NewKey) -> Result<KeyId, StoreError> {
        let id = store.add_key(key).await?;
        self.load(store).await?;
        Ok(id)
    }

    /// Adds a key in the place of another, which is valid until `keep_until`. `None` when that one is not valid.
    pub(crate) async fn rotate(
        &self,
        store: &Store,
        id: KeyId,
        key: NewKey,
        keep_until: Timestamp,
    ) -> Result<Option<KeyId>, StoreError> {
        let new = store.rotate_key(id, key, keep_until).await?;
        self.load(store).await?;
        Ok(new)
    }

    /// Makes a key useless. False when it is not known, or was before.
    pub(crate) async fn revoke(&self, store: &Store, id: KeyId, now: Timestamp) -> Result<bool, StoreError> {
        let revoked = store.revoke_key(id, now).await?;
        self.load(store).await?;
        Ok(revoked)
    }

    /// The key of this text, also one that has ended.
    pub(super) fn find(&self, text: &str) -> Option<Arc<Key>> {
        self.known.load().by_hash.get(&hash_key(text)).cloned()
    }

    /// A key, also one that has ended.
    pub(super) fn get(&self, id: KeyId) -> Option<Arc<Key>> {
        self.known.load().by_id.get(&id).cloned()
    }
}

impl Key {
    fn new(record: KeyRecord, before: &Known) -> Self {
        let KeyRecord { id, caller, name, scope, expires_at, revoked_at, .. } = record;
        let before = before.by_id.get(&id);
        let seen = before.map_or_else(Arc::default, |key| Arc::clone(&key.seen));
        let noted = before.map_or(0, |key| key.noted.load(Ordering::Relaxed));
        let (name, noted) = (name.into(), AtomicI64::new(noted));
        Self { id, caller, name, scope, revoked_at, expires_at, noted, seen }
    }

    pub(super) fn is_valid(&self, now: Timestamp) -> bool {
        [self.revoked_at, self.expires_at].into_iter().flatten().all(|end| now < end)
    }

    /// Writes down that the key is in use, now and then; nobody waits for it.
    pub(super) fn note_use(&self, store: &Store, now: Timestamp) {
        let noted = self.noted.load(Ordering::Relaxed);
        if now.since(Timestamp::from_millis(noted)) < NOTE_USE_EVERY {
            return;
        }
        let taken = self.noted.compare_exchange(noted, now.as_millis(), Ordering::Relaxed, Ordering::Relaxed);
        if taken.is_ok() {
            store.touch_key(self.id, now).detach();
        }
    }
}

/// The networks from which a key was right last: whoever guesses from there does not keep its holder out.
#[derive(Default)]
pub(super) struct Seen(Mutex<[Option<IpAddr>; 8]>);

impl Seen {
    /// Whether the key was right from there.
    pub(super) fn from(&self, network: IpAddr) -> bool {
        self.0.lock().expect("no panic under this lock").contains(&Some(network))
    }

    /// Notes that it was; the oldest is forgotten.
    pub(super) fn note(&self, network: IpAddr) {
        let mut networks = self.0.lock().expect("no panic under this lock");
        if !networks.contains(&Some(network)) {
            networks.rotate_right(1);
            networks[0] = Some(network);
        }
    }
}

/// What a key is known again by: of a short one that an operator brought along, a third.
pub(crate) fn hint(key: &str) -> String {
    key.chars().take((key.chars().count() / 3).min(7)).collect()
}

/// How many random bytes are in a key that filmgate makes.
const RANDOM: usize = 24;

/// A fresh random key: a prefix that says what it is for, and 192 bits.
///
/// # Errors
/// When the system has no randomness.
pub fn new_key(prefix: &str) -> std::io::Result<String> {
    let mut random = [0; RANDOM];
    getrandom::fill(&mut random).map_err(std::io::Error::other)?;
    Ok(format!("{prefix}{}", hex::encode(random)))
}

/// Whether a text has the form of a key that filmgate made, which nobody guesses.
pub(super) fn is_made(key: &str) -> bool {
    let random = key.rsplit('-').next().unwrap_or_default();
    random.len() == 2 * RANDOM && random.bytes().all(|byte| byte.is_ascii_hexdigit())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_keys_that_were_made_here_are_beyond_guessing() {
        assert!(is_made(&new_key("fg-").unwrap()) && is_made(&new_key("fga-").unwrap()));
        for weak in ["", "fg-", "hunter2", "fg-0123456789", &"z".repeat(48)] {
            assert!(!is_made(weak), "{weak}");
        }
    }

    #[test]
    fn the_last_networks_of_a_key_are_known() {
        let seen = Seen::default();
        let network = |n: u8| IpAddr::from([192, 0, 2, n]);
        (0..9).for_each(|n| seen.note(network(n)));
        assert!(!seen.from(network(0)), "the oldest is forgotten");
        assert!((1..9).all(|n| seen.from(network(n))));
    }
}
