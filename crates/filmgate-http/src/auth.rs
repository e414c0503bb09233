//! Who asks: client keys for the dialects, one admin key for the operator.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use arc_swap::ArcSwap;
use axum::extract::FromRequestParts;
use axum::response::{IntoResponse as _, Response};
use filmgate_domain::{CallerId, KeyId, Timestamp};
use filmgate_store::{AuditEntry, KeyRecord, Store, StoreError, hash_key};
use http::request::Parts;
use http::{HeaderMap, StatusCode, header};
use subtle::ConstantTimeEq as _;

use crate::App;
use crate::dialect::Dialect;
use crate::refusal::Refusal;

/// The client keys that are valid, by their hash: looking up a hash leaks nothing about the key.
#[derive(Clone, Default)]
pub(crate) struct Keys {
    by_hash: Arc<ArcSwap<ByHash>>,
    /// Held from reading to taking into use: an earlier reading never takes the place of a later one, in which a
    /// key was revoked.
    loading: Arc<tokio::sync::Mutex<()>>,
}

type ByHash = HashMap<[u8; 32], Arc<Key>>;

struct Key {
    id: KeyId,
    caller: CallerId,
    /// From when on it is not valid any more.
    until: Option<Timestamp>,
    /// When its use was last written down, in milliseconds; zero: not since the start.
    noted: AtomicI64,
}

/// How often the use of a key is written down, at most.
const NOTE_USE_EVERY: Duration = Duration::from_secs(60);

impl Keys {
    /// Reads the keys anew.
    pub(crate) async fn load(&self, store: &Store, now: Timestamp) -> Result<(), StoreError> {
        let _turn = self.loading.lock().await;
        let keys = store.keys().await?;
        let valid = keys.into_iter().filter(|key| key.is_valid(now));
        let entry = |key: KeyRecord| {
            let KeyRecord { id, caller, revoked_at: until, .. } = key;
            (key.hash, Arc::new(Key { id, caller, until, noted: AtomicI64::new(0) }))
        };
        self.by_hash.store(Arc::new(valid.map(entry).collect()));
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
        let id = store.add_key(caller, name, hash_key(key), &hint(key), now).await?;
        self.load(store, now).await?;
        Ok(id)
    }

    /// Adds a key in the place of another, which is valid until `keep_until`. `None` when that one is not valid.
    pub(crate) async fn rotate(
        &self,
        store: &Store,
        id: KeyId,
        key: &str,
        keep_until: Timestamp,
        now: Timestamp,
    ) -> Result<Option<KeyId>, StoreError> {
        let new = store.rotate_key(id, hash_key(key), &hint(key), keep_until, now).await?;
        self.load(store, now).await?;
        Ok(new)
    }

    /// Makes a key useless. False when it is not known, or was before.
    pub(crate) async fn revoke(&self, store: &Store, id: KeyId, now: Timestamp) -> Result<bool, StoreError> {
        let revoked = store.revoke_key(id, now).await?;
        self.load(store, now).await?;
        Ok(revoked)
    }

    fn find(&self, key: &str, now: Timestamp) -> Option<Arc<Key>> {
        let found = self.by_hash.load().get(&hash_key(key)).cloned();
        found.filter(|key| key.until.is_none_or(|until| now < until))
    }
}

/// What a key is known again by: of a short one that an operator brought along, a third.
fn hint(key: &str) -> String {
    key.chars().take((key.chars().count() / 3).min(7)).collect()
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
        let now = app.engine.now();
        let found = bearer(&parts.headers).and_then(|key| app.keys.find(key, now));
        match found {
            Some(key) => {
                key.note_use(app.engine.store(), now);
                Ok(Caller(key.caller))
            }
            None => Err(unauthorized("client key").into_response(Dialect::of_path(parts.uri.path()))),
        }
    }
}

/// By which way an operator acts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum By {
    /// The page at `/admin`.
    Page,
    /// The admin API, which the command line uses too.
    Api,
}

impl By {
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Page => "page",
            Self::Api => "api",
        }
    }
}

/// The operator: the admin key came with the request.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Operator;

impl FromRequestParts<App> for Operator {
    type Rejection = Response;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, Response> {
        if bearer(&parts.headers).is_some_and(|key| app.is_admin_key(key)) {
            return Ok(Operator);
        }
        Err(unauthorized("admin key").into_response(Dialect::OpenAi).into_response())
    }
}

impl App {
    /// Whether this is the operator's key.
    pub(crate) fn is_admin_key(&self, key: &str) -> bool {
        hash_key(key).ct_eq(&self.admin_key).into()
    }

    /// Notes what an operator did. It is done by then: a note that cannot be written is told in the log.
    pub(crate) async fn audit(&self, by: By, action: &str, subject: &str, detail: String) {
        let (via, at) = (by.as_str(), self.engine.now());
        tracing::info!(via, action, subject, detail, "an operator acted");
        let entry = AuditEntry {
            id: 0,
            at,
            via: via.into(),
            action: action.into(),
            subject: subject.into(),
            detail: detail.into(),
        };
        if let Err(error) = self.engine.store().note_audit(entry).await {
            tracing::error!(%error, action, subject, "what an operator did could not be noted");
        }
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
