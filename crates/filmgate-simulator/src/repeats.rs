//! Creates that come again with the same `Idempotency-Key`: one video is made of all of them.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use axum::http::HeaderMap;
use serde_json::Value;
use uuid::Uuid;

use crate::ledger::AccountId;

type Key = (AccountId, String);

/// The creates by account and key. `None` while one is on its way.
pub(crate) struct Repeats {
    honoured: bool,
    by_key: Mutex<HashMap<Key, Option<(Uuid, Value)>>>,
}

/// What a create is.
pub(crate) enum Repeat {
    /// The first with its key, or one without.
    First(Claim),
    /// The same as one that has not been answered yet.
    OnTheWay,
    /// The same as one that was taken: its id and its answer.
    Known(Uuid, Value),
}

/// Keeps the key of a create until it is known whether that is taken; a refused one frees it. It goes where the
/// order goes, not with the connection.
pub(crate) struct Claim {
    repeats: Arc<Repeats>,
    key: Option<Key>,
}

impl Repeats {
    pub(crate) fn new(honoured: bool) -> Self {
        Self { honoured, by_key: Mutex::default() }
    }

    pub(crate) fn claim(self: &Arc<Self>, owner: AccountId, headers: &HeaderMap) -> Repeat {
        let sent = headers.get("idempotency-key").and_then(|key| key.to_str().ok());
        let Some(sent) = sent.filter(|_| self.honoured) else {
            return Repeat::First(Claim { repeats: Arc::clone(self), key: None });
        };
        let key = (owner, sent.to_owned());
        let mut by_key = self.by_key();
        match by_key.get(&key) {
            Some(Some((id, body))) => Repeat::Known(*id, body.clone()),
            Some(None) => Repeat::OnTheWay,
            None => {
                by_key.insert(key.clone(), None);
                Repeat::First(Claim { repeats: Arc::clone(self), key: Some(key) })
            }
        }
    }

    fn by_key(&self) -> MutexGuard<'_, HashMap<Key, Option<(Uuid, Value)>>> {
        self.by_key.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Claim {
    /// The create was taken, whether or not its client learns of it.
    pub(crate) fn taken(mut self, id: Uuid, body: Value) {
        if let Some(key) = self.key.take() {
            self.repeats.by_key().insert(key, Some((id, body)));
        }
    }
}

impl Drop for Claim {
    fn drop(&mut self) {
        if let Some(key) = self.key.take() {
            self.repeats.by_key().remove(&key);
        }
    }
}
