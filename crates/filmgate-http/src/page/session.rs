//! Signing in with the admin key or another key of an operator, and who is signed in.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv4Addr};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use axum::extract::{FromRequestParts, Query, State};
use axum::response::{IntoResponse as _, Redirect, Response};
use cookie::{Cookie, SameSite};
use filmgate_domain::{KeyId, Timestamp};
use filmgate_store::{KeyScope, Session, Store, StoreError, hash_key};
use http::request::Parts;
use http::{HeaderMap, HeaderValue, Method, StatusCode, header};
use maud::{Markup, html};
use serde::Deserialize;

use crate::App;
use crate::auth::{By, Via, new_key, only_reads};
use crate::serve::Peer;

use super::forms::Form;
use super::layout;
use super::look::{Look, cookie, inside};
use super::parts::{Tone, note};

const COOKIE: &str = "filmgate_session";

/// How many browsers are signed in with the same key, at most; the one that signed in first goes.
const MOST: usize = 100;

/// How long a browser stays signed in.
const LASTS: Duration = Duration::from_secs(7 * 24 * 3600);

/// Wrong keys that an address may try at the sign-in before it has to pause.
pub(crate) const FREE_TRIES: u32 = 5;

/// Who is signed in. Cloning shares it.
#[derive(Clone, Default)]
pub(crate) struct Sessions(Arc<Mutex<HashMap<[u8; 32], Session>>>);

impl Sessions {
    /// Reads who was signed in before a restart.
    pub(crate) async fn load(&self, store: &Store) -> Result<(), StoreError> {
        let sessions = store.sessions().await?;
        self.open().extend(sessions.into_iter().map(|session| (session.hash, session)));
        Ok(())
    }

    /// Adds one; those that have expired go. The answer is one that has to make room.
    fn begin(&self, session: Session) -> Option<[u8; 32]> {
        let mut open = self.open();
        open.retain(|_, other| session.created_at < other.expires_at);
        let same = || open.values().filter(|other| other.key == session.key);
        let first = same().min_by_key(|other| other.created_at).map(|other| other.hash);
        let first = first.filter(|_| same().count() >= MOST);
        if let Some(first) = first {
            open.remove(&first);
        }
        open.insert(session.hash, session);
        first
    }

    /// Ends one.
    fn end(&self, hash: &[u8; 32]) -> Option<Session> {
        self.open().remove(hash)
    }

    /// How many browsers are signed in.
    pub(super) fn count(&self, now: Timestamp) -> usize {
        self.open().values().filter(|session| now < session.expires_at).count()
    }

    /// Signs every browser out.
    pub(super) async fn end_all(&self, store: &Store) -> Result<(), StoreError> {
        store.end_sessions().await?;
        self.open().clear();
        Ok(())
    }

    fn get(&self, hash: &[u8; 32], now: Timestamp) -> Option<Session> {
        self.open().get(hash).copied().filter(|session| now < session.expires_at)
    }

    fn open(&self) -> MutexGuard<'_, HashMap<[u8; 32], Session>> {
        self.0.lock().expect("no panic under this lock")
    }
}

/// An operator who is signed in, and who may do what the request is for: one with a key that is only for looking
/// sees every page, and no form of theirs is taken. Whoever is not signed in is led to the sign-in.
#[derive(Clone, Copy, Debug)]
pub(super) struct Visitor {
    pub(super) look: Look,
    hash: [u8; 32],
    key: Option<KeyId>,
    scope: KeyScope,
}

impl Visitor {
    /// By which way and with which key a visitor acts.
    pub(super) fn by(&self) -> By {
        By { via: Via::Page, key: self.key }
    }

    /// Whether this one only looks.
    pub(super) fn is_read_only(&self) -> bool {
        self.scope == KeyScope::ReadOnly
    }

    /// What tells this session from others.
    pub(super) fn session(&self) -> [u8; 32] {
        self.hash
    }

    /// Whether the session still stands: a stream may live longer.
    pub(super) fn is_signed_in(&self, app: &App) -> bool {
        signed_in(app, &self.hash).is_some()
    }
}

/// A session that stands, and what it may do: it ends with its key.
fn signed_in(app: &App, hash: &[u8; 32]) -> Option<(Session, KeyScope)> {
    let session = app.sessions.get(hash, app.engine.now())?;
    Some((session, app.operator_scope(session.key)?))
}

impl FromRequestParts<App> for Visitor {
    type Rejection = Response;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, Response> {
        let look = Look::of(&parts.headers);
        let hash = cookie(&parts.headers, COOKIE).map(|cookie| hash_of(&cookie, app.admin_key.hash()));
        let Some((session, scope)) = hash.and_then(|hash| signed_in(app, &hash)) else {
            return Err(to_sign_in(parts));
        };
        let visitor = Self { look, hash: session.hash, key: session.key, scope };
        if visitor.is_read_only() && !only_reads(&parts.method) {
            let why = note(Tone::Bad, &look.t("read-only-refused"));
            return Err((StatusCode::FORBIDDEN, layout::bare(look, "filmgate", &why)).into_response());
        }
        Ok(visitor)
    }
}

/// What a session is known by: its cookie and the admin key of the time. Whoever replaces the key signs out all who
/// came in with the one before.
fn hash_of(cookie: &str, admin_key: &[u8; 32]) -> [u8; 32] {
    hash_key(&format!("{} {cookie}", hex::encode(admin_key)))
}

fn to_sign_in(parts: &Parts) -> Response {
    let wants_page = parts.headers.get(header::ACCEPT).is_some_and(|accepted| {
        accepted.to_str().is_ok_and(|accepted| accepted.contains("text/html") || accepted == "*/*")
    });
    if parts.method == Method::GET && !wants_page {
        return (StatusCode::UNAUTHORIZED, "sign in at /admin\n").into_response();
    }
    let here = if parts.method == Method::GET { parts.uri.path_and_query() } else { None };
    let here = here.map_or("/admin", |here| here.as_str());
    let query = serde_html_form::to_string([("next", inside(here))]).unwrap_or_default();
    Redirect::to(&format!("/admin/sign-in?{query}")).into_response()
}

#[derive(Deserialize)]
pub(super) struct Next {
    #[serde(default)]
    next: String,
}

pub(super) async fn form(look: Look, Query(Next { next }): Query<Next>) -> Response {
    layout::bare(look, &look.t("sign-in-title"), &sign_in_form(look, &next, None)).into_response()
}

#[derive(Deserialize)]
pub(super) struct SignIn {
    #[serde(default)]
    key: String,
    #[serde(default)]
    next: String,
}

pub(super) async fn sign_in(
    State(app): State<App>,
    look: Look,
    peer: Option<Peer>,
    Form(SignIn { key, next }): Form<SignIn>,
) -> Response {
    let now = app.engine.now();
    // A request that did not come over a socket is the program's own.
    let from = peer.map_or(IpAddr::V4(Ipv4Addr::LOCALHOST), |Peer(from)| from.ip());
    let refuse = |status: StatusCode, why: String| {
        let page = layout::bare(look, &look.t("sign-in-title"), &sign_in_form(look, &next, Some(&why)));
        (status, page).into_response()
    };
    if let Some(wait) = app.sign_in_brake.wait(from, now) {
        let seconds = wait.as_secs() + 1;
        let why = look.with("sign-in-wait", [("seconds", seconds.into())]);
        let mut response = refuse(StatusCode::TOO_MANY_REQUESTS, why);
        response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from(seconds));
        return response;
    }
    let Some((key, scope)) = app.sign_in_with(key.trim()) else {
        app.sign_in_brake.wrong(from, now);
        tracing::warn!(%from, "somebody tried to sign in with a wrong admin key");
        return refuse(StatusCode::UNAUTHORIZED, look.t("sign-in-wrong"));
    };
    // Whoever has a lesser key does not buy new tries at a greater one with it.
    if scope == KeyScope::Admin {
        app.sign_in_brake.right(from);
    }
    match begin(&app, key, now).await {
        Ok(secret) => {
            let mut response = Redirect::to(inside(&next)).into_response();
            set_cookie(&mut response, &session_cookie(&app, secret, LASTS));
            response
        }
        Err(error) => {
            tracing::error!(%error, "a session could not be written");
            refuse(StatusCode::SERVICE_UNAVAILABLE, look.t("sign-in-failed"))
        }
    }
}

async fn begin(
    app: &App,
    key: Option<KeyId>,
    now: Timestamp,
) -> Result<String, Box<dyn std::error::Error + Send + Sync>> {
    let secret = new_key("")?;
    let hash = hash_of(&secret, app.admin_key.hash());
    let session = Session { hash, created_at: now, expires_at: now + LASTS, key };
    app.engine.store().add_session(session).await?;
    if let Some(first) = app.sessions.begin(session) {
        app.engine.store().end_session(first).await?;
    }
    app.audit(By { via: Via::Page, key }, "session.begin", "operator", String::new()).await;
    Ok(secret)
}

pub(super) async fn sign_out(State(app): State<App>, headers: HeaderMap) -> Response {
    if let Some(hash) = cookie(&headers, COOKIE).map(|cookie| hash_of(&cookie, app.admin_key.hash()))
        && let Some(Session { key, .. }) = app.sessions.end(&hash)
    {
        if let Err(error) = app.engine.store().end_session(hash).await {
            tracing::error!(%error, "the end of a session could not be written");
        }
        app.audit(By { via: Via::Page, key }, "session.end", "operator", String::new()).await;
    }
    let mut response = Redirect::to("/admin/sign-in").into_response();
    set_cookie(&mut response, &session_cookie(&app, String::new(), Duration::ZERO));
    response
}

fn session_cookie(app: &App, secret: String, lasts: Duration) -> Cookie<'static> {
    let seconds = i64::try_from(lasts.as_secs()).unwrap_or(i64::MAX);
    let cookie = Cookie::build((COOKIE, secret)).path("/admin").same_site(SameSite::Lax).http_only(true);
    let over_tls = app.engine.settings().public_url.starts_with("https://");
    cookie.max_age(cookie::time::Duration::seconds(seconds)).secure(over_tls).build()
}

pub(super) fn set_cookie(response: &mut Response, cookie: &Cookie<'_>) {
    if let Ok(value) = HeaderValue::from_str(&cookie.to_string()) {
        response.headers_mut().append(header::SET_COOKIE, value);
    }
}

fn sign_in_form(look: Look, next: &str, problem: Option<&str>) -> Markup {
    html! {
        form.card.sign-in method="post" action="/admin/sign-in" {
            h1 { "filmgate" }
            @if let Some(problem) = problem { p.note.bad role="alert" { (problem) } }
            // Password managers file a key under a name.
            input type="text" name="username" value="operator" autocomplete="username" hidden;
            label for="key" { (look.t("sign-in-key")) }
            input #key type="password" name="key" autocomplete="current-password" required autofocus;
            input type="hidden" name="next" value=(inside(next));
            button.primary type="submit" { (look.t("sign-in-button")) }
            p.hint { (look.t("sign-in-hint")) " " code { "admin.key" } }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_has_so_many_browsers_and_no_more() {
        let sessions = Sessions::default();
        let session = |n: u8, key: Option<KeyId>| {
            let created_at = Timestamp::from_millis(n.into());
            Session { hash: [n; 32], created_at, expires_at: created_at + LASTS, key }
        };
        sessions.begin(session(200, None));
        let one = Some(KeyId(1));
        assert!((0..MOST as u8).all(|n| sessions.begin(session(n, one)).is_none()));
        assert_eq!(sessions.begin(session(150, one)), Some([0; 32]));
        let now = Timestamp::from_millis(300);
        assert_eq!(sessions.count(now), MOST + 1);
        assert!(sessions.get(&[200; 32], now).is_some(), "others are not put out");
        assert!(sessions.get(&[0; 32], now).is_none());
    }

    #[test]
    fn another_admin_key_ends_every_session() {
        let (before, after) = (hash_key("fga-before"), hash_key("fga-after"));
        assert_eq!(hash_of("cookie", &before), hash_of("cookie", &before));
        assert_ne!(hash_of("cookie", &before), hash_of("cookie", &after));
        assert_ne!(hash_of("cookie", &before), hash_of("another", &before));
    }
}
