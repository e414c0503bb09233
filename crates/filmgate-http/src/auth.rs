//! Who asks: client keys for the dialects, one admin key for the operator.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use arc_swap::ArcSwap;
use axum::extract::FromRequestParts;
use axum::response::{IntoResponse as _, Response};
use filmgate_domain::{CallerId, KeyId, Timestamp};
use filmgate_store::{Store, StoreError, hash_key};
use http::request::Parts;
use http::{HeaderMap, StatusCode, header};
use subtle::ConstantTimeEq as _;

use crate::App;
use crate::dialect::Dialect;
use crate::refusal::Refusal;

/// The client keys that are not revoked, by their hash: looking up a hash leaks nothing about the key.
#[derive(Clone, Default)]
pub(crate) struct Keys {
    by_hash: Arc<ArcSwap<ByHash>>,
}

type ByHash = HashMap<[u8; 32], Arc<Key>>;

struct Key {
    id: KeyId,
    caller: CallerId,
    /// When its use was last written down, in milliseconds; zero: not since the start.
    noted: AtomicI64,
}

/// How often the use of a key is written down, at most.
const NOTE_USE_EVERY: Duration = Duration::from_secs(60);

impl Keys {
    /// Reads the keys anew.
    pub(crate) async fn load(&self, store: &Store) -> Result<(), StoreError> {
        let keys = store.keys().await?;
        let valid = keys.into_iter().filter(|key| key.revoked_at.is_none());
        let entry = |id, caller| Arc::new(Key { id, caller, noted: AtomicI64::new(0) });
        self.by_hash.store(Arc::new(valid.map(|key| (key.hash, entry(key.id, key.caller))).collect()));
        Ok(())
    }

    /// Adds a key of a caller. Only its hash and its first characters are kept.
    pub(crate) async fn add(
        &self,
        store: &Store,
        caller: CallerId,
        name: &str,
        key: &str,
        now: Timestamp,
    ) -> Result<KeyId, StoreError> {
        let hint: String = key.chars().take(7).collect();
        let id = store.add_key(caller, name, hash_key(key), &hint, now).await?;
        self.load(store).await?;
        Ok(id)
    }

    fn find(&self, key: &str) -> Option<Arc<Key>> {
        self.by_hash.load().get(&hash_key(key)).cloned()
    }
}

impl Key {
    /// Writes down that the key is in use, now and then; nobody waits for it.
    fn note_use(&self, store: &Store, now: Timestamp) {
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

/// The client whose key came with a request.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Caller(pub(crate) CallerId);

impl FromRequestParts<App> for Caller {
    type Rejection = Response;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, Response> {
        let found = bearer(&parts.headers).and_then(|key| app.keys.find(key));
        match found {
            Some(key) => {
                key.note_use(app.engine.store(), app.engine.now());
                Ok(Caller(key.caller))
            }
            None => Err(unauthorized("client key").into_response(Dialect::of_path(parts.uri.path()))),
        }
    }
}

/// The operator: the admin key came with the request.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Operator;

impl FromRequestParts<App> for Operator {
    type Rejection = Response;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, Response> {
        let given = bearer(&parts.headers).map(hash_key);
        if given.is_some_and(|hash| bool::from(hash.ct_eq(&app.admin_key))) {
            return Ok(Operator);
        }
        Err(unauthorized("admin key").into_response(Dialect::OpenAi).into_response())
    }
}

fn unauthorized(what: &str) -> Refusal {
    let message = format!("send a valid {what} as `Authorization: Bearer KEY`");
    Refusal::new(StatusCode::UNAUTHORIZED, "invalid_api_key", message)
}

fn bearer(headers: &HeaderMap) -> Option<&str> {
    let value = headers.get(header::AUTHORIZATION)?.to_str().ok()?;
    let (scheme, key) = value.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| key.trim()).filter(|key| !key.is_empty())
}

/// A fresh random key: a prefix that says what it is for, and 192 bits.
///
/// # Errors
/// When the system has no randomness.
pub fn new_key(prefix: &str) -> std::io::Result<String> {
    let mut random = [0; 24];
    getrandom::fill(&mut random).map_err(std::io::Error::other)?;
    Ok(format!("{prefix}{}", hex::encode(random)))
}
