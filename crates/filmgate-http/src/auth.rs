//! Who asks: a client with its key, or an operator with the admin key or a key of an operator's scope.

mod brake;
mod keys;

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::extract::FromRequestParts;
use axum::response::Response;
use filmgate_domain::{CallerId, KeyId, Timestamp};
use filmgate_store::{AuditEntry, KeyScope, hash_key};
use http::request::Parts;
use http::{HeaderMap, Method, StatusCode, header};
use subtle::ConstantTimeEq as _;

pub(crate) use brake::Brake;
pub use keys::new_key;
pub(crate) use keys::{Keys, hint};

use crate::App;
use crate::dialect::Dialect;
use crate::refusal::Refusal;
use crate::serve::Peer;

use keys::{Key, Seen, is_made};

/// Wrong keys that an address may send to the API before it has to pause.
pub(crate) const FREE_TRIES: u32 = 20;

/// The key that comes with the data directory.
#[derive(Clone)]
pub(crate) struct AdminKey {
    hash: [u8; 32],
    seen: Arc<Seen>,
}

impl AdminKey {
    pub(crate) fn new(hash: [u8; 32]) -> Self {
        Self { hash, seen: Arc::default() }
    }

    pub(crate) fn hash(&self) -> &[u8; 32] {
        &self.hash
    }

    fn is(&self, text: &str) -> bool {
        hash_key(text).ct_eq(&self.hash).into()
    }
}

/// Whose key came with a request.
enum Holder {
    Admin(AdminKey),
    Of(Arc<Key>),
}

impl Holder {
    fn scope(&self) -> KeyScope {
        match self {
            Self::Admin(_) => KeyScope::Admin,
            Self::Of(key) => key.scope,
        }
    }

    fn key(&self) -> Option<KeyId> {
        match self {
            Self::Admin(_) => None,
            Self::Of(key) => Some(key.id),
        }
    }

    fn seen(&self) -> &Seen {
        match self {
            Self::Admin(admin) => &admin.seen,
            Self::Of(key) => &key.seen,
        }
    }

    /// Why it opens nothing, if it has ended.
    fn end(&self, now: Timestamp) -> Option<Refusal> {
        let Self::Of(key) = self else { return None };
        if key.is_valid(now) {
            return None;
        }
        let expired = key.expires_at.is_some_and(|end| end <= now);
        let message = if expired { "this key has expired" } else { "this key was revoked" };
        Some(Refusal::new(StatusCode::UNAUTHORIZED, "invalid_api_key", message))
    }
}

impl App {
    fn holder(&self, text: &str) -> Option<Holder> {
        if self.admin_key.is(text) {
            return Some(Holder::Admin(self.admin_key.clone()));
        }
        self.keys.find(text).map(Holder::Of)
    }

    /// Whose key came with a request; `wanted` is what the refusal asks for.
    ///
    /// Whoever sends many wrong keys has to pause, and meanwhile a key that could be guessed is not even looked at.
    /// Others at the same address go on: nobody guesses a key that filmgate made, and one that an operator brought
    /// along is known by having been right from there before.
    fn identify(&self, parts: &Parts, wanted: &str) -> Result<Holder, Refusal> {
        let Some(text) = bearer(&parts.headers) else { return Err(unauthorized(wanted)) };
        let now = self.engine.now();
        // A request that did not come over a socket is the program's own.
        let network = parts.extensions.get::<Peer>().map(|Peer(from)| brake::network(from.ip()));
        let found = self.holder(text);
        if let Some(network) = network
            && let Some(wait) = self.key_brake.wait(network, now)
            && !found.as_ref().is_some_and(|holder| is_made(text) || holder.seen().from(network))
        {
            return Err(too_many_wrong(wait));
        }
        let Some(holder) = found else {
            if let Some(network) = network {
                self.note_wrong_key(network, now);
            }
            return Err(unauthorized(wanted));
        };
        if let Some(refusal) = holder.end(now) {
            return Err(refusal);
        }
        if let Some(network) = network {
            holder.seen().note(network);
        }
        if let Holder::Of(key) = &holder {
            key.note_use(self.engine.store(), now);
        }
        Ok(holder)
    }

    fn note_wrong_key(&self, from: IpAddr, now: Timestamp) {
        self.key_brake.wrong(from, now);
        if let Some(pause) = self.key_brake.wait(from, now) {
            tracing::warn!(%from, seconds = pause.as_secs(), "many wrong keys come from an address; it has to pause");
        }
    }

    /// The key by which somebody signs in, and what it opens. `None` within the first when it is the admin key.
    pub(crate) fn sign_in_with(&self, text: &str) -> Option<(Option<KeyId>, KeyScope)> {
        let now = self.engine.now();
        let holder = self.holder(text).filter(|holder| holder.end(now).is_none())?;
        if holder.scope() == KeyScope::Client {
            return None;
        }
        if let Holder::Of(key) = &holder {
            key.note_use(self.engine.store(), now);
        }
        Some((holder.key(), holder.scope()))
    }

    /// What somebody who signed in with this key may do now. `None` when it has ended, or never was an operator's.
    pub(crate) fn operator_scope(&self, key: Option<KeyId>) -> Option<KeyScope> {
        let Some(id) = key else { return Some(KeyScope::Admin) };
        let key = self.keys.get(id).filter(|key| key.is_valid(self.engine.now()))?;
        (key.scope != KeyScope::Client).then_some(key.scope)
    }
}

/// The client whose key came with a request.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Caller(pub(crate) CallerId);

impl FromRequestParts<App> for Caller {
    type Rejection = Response;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, Response> {
        let client = match app.identify(parts, "client key") {
            Ok(Holder::Of(key)) if key.scope == KeyScope::Client => Ok(Self(key.caller)),
            // The admin key was never one of the keys that clients may have.
            Ok(Holder::Admin(_)) => Err(unauthorized("client key")),
            Ok(Holder::Of(_)) => {
                Err(out_of_scope("this is an operator's key; videos are made with a client key"))
            }
            Err(refusal) => Err(refusal),
        };
        client.map_err(|refusal| refusal.into_response(Dialect::of_path(parts.uri.path())))
    }
}

/// By which way an operator acts, and with which key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct By {
    pub(crate) via: Via,
    /// `None`: the admin key.
    pub(crate) key: Option<KeyId>,
}

/// By which way an operator acts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Via {
    /// The page at `/admin`.
    Page,
    /// The admin API, which the command line uses too.
    Api,
}

impl Via {
    fn as_str(self) -> &'static str {
        match self {
            Self::Page => "page",
            Self::Api => "api",
        }
    }
}

/// An operator whose key came with a request, and who may do what the request is for: a key that is only for
/// looking opens what is read, by whatever route, and nothing else.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Operator {
    key: Option<KeyId>,
    scope: KeyScope,
}

impl Operator {
    pub(crate) fn by(self) -> By {
        By { via: Via::Api, key: self.key }
    }

    /// Whether secrets may be shown to this operator.
    pub(crate) fn sees_secrets(self) -> bool {
        self.scope == KeyScope::Admin
    }
}

impl FromRequestParts<App> for Operator {
    type Rejection = Response;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, Response> {
        let operator = app.identify(parts, "admin key").and_then(|holder| {
            let (key, scope) = (holder.key(), holder.scope());
            match scope {
                KeyScope::Client => {
                    Err(out_of_scope("this is a client key; it opens nothing of the operator's"))
                }
                KeyScope::ReadOnly if !only_reads(&parts.method) => Err(read_only()),
                KeyScope::ReadOnly | KeyScope::Admin => Ok(Self { key, scope }),
            }
        });
        operator.map_err(|refusal| refusal.into_response(Dialect::OpenAi))
    }
}

/// Whether a request of this method changes nothing.
pub(crate) fn only_reads(method: &Method) -> bool {
    matches!(*method, Method::GET | Method::HEAD)
}

/// 403 for a key that is only for looking.
pub(crate) fn read_only() -> Refusal {
    out_of_scope(
        "this key is read_only: it changes nothing and is shown no secret; that takes a key of scope admin",
    )
}

fn out_of_scope(message: &str) -> Refusal {
    Refusal::new(StatusCode::FORBIDDEN, "insufficient_scope", message)
}

impl App {
    /// Notes what an operator did. It is done by then: a note that cannot be written is told in the log.
    pub(crate) async fn audit(&self, by: By, action: &str, subject: &str, detail: String) {
        let (via, at) = (by.via.as_str(), self.engine.now());
        let actor = match by.key.map(|id| (id, self.keys.get(id))) {
            None => "admin key".to_owned(),
            Some((id, Some(key))) => format!("{id} {}", key.name),
            Some((id, None)) => id.to_string(),
        };
        tracing::info!(via, actor, action, subject, detail, "an operator acted");
        let entry = AuditEntry {
            id: 0,
            at,
            via: via.into(),
            actor: actor.into(),
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

/// 429 for an address that has to pause.
fn too_many_wrong(wait: Duration) -> Refusal {
    let seconds = wait.as_secs() + 1;
    let message = format!("too many wrong keys came from your address; try again in {seconds} s");
    let mut refusal = Refusal::new(StatusCode::TOO_MANY_REQUESTS, "too_many_wrong_keys", message);
    refusal.retry_after = Some(seconds);
    refusal
}

fn bearer(headers: &HeaderMap) -> Option<&str> {
    let value = headers.get(header::AUTHORIZATION)?.to_str().ok()?;
    let (scheme, key) = value.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| key.trim()).filter(|key| !key.is_empty())
}
