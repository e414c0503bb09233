//! `/admin/v1/keys`: the keys of clients and of operators. A key is shown once, when it is made; only its hash is kept.

use std::time::Duration;

use axum::Json;
use axum::extract::State;
use filmgate_domain::{CallerId, KeyId, Secret, Timestamp};
use filmgate_store::{KeyRecord, KeyScope, NewKey, hash_key};
use http::StatusCode;
use serde_json::{Value, json};

use super::{AdminError, id};
use crate::App;
use crate::auth::{By, Operator, hint, new_key};
use crate::extract::{Body, Name};
use crate::fields::Fields;
use crate::refusal::Refusal;

type Answer = Result<Json<Value>, AdminError>;

/// What a fresh key begins with.
fn prefix(scope: KeyScope) -> &'static str {
    match scope {
        KeyScope::Client => "fg-",
        KeyScope::ReadOnly => "fgr-",
        KeyScope::Admin => "fga-",
    }
}

pub(crate) async fn list(State(app): State<App>, _: Operator) -> Answer {
    let keys = app.engine.store().keys().await?;
    let keys: Vec<Value> = keys
        .iter()
        .map(|key| {
            json!({
                "id": key.id, "name": key.name, "caller": key.caller, "caller_name": key.caller_name,
                "key": format!("{}...", key.hint), "scope": key.scope.as_str(), "created_at": key.created_at,
                "expires_at": key.expires_at, "last_used_at": key.last_used_at, "revoked_at": key.revoked_at,
            })
        })
        .collect();
    Ok(Json(json!({ "keys": keys })))
}

/// The length of a key that somebody brings along. Fresh ones are longer.
const GIVEN: std::ops::RangeInclusive<usize> = 6..=512;

/// How long the key before stays valid after a rotation, unless the request says otherwise; and at most.
pub(crate) const KEEP: Duration = Duration::from_secs(24 * 3600);
const KEEP_AT_MOST: Duration = Duration::from_secs(30 * 24 * 3600);

/// After how long a key may expire, at most: ten years.
const LASTS_AT_MOST: Duration = Duration::from_secs(10 * 365 * 24 * 3600);

/// The longest name of a key or a caller, in characters.
pub(crate) const LONGEST_NAME: usize = 80;

/// A key that was just made. Its text is shown this once.
pub(crate) struct Made {
    pub(crate) id: KeyId,
    pub(crate) name: String,
    pub(crate) caller: CallerId,
    pub(crate) caller_name: String,
    pub(crate) scope: KeyScope,
    pub(crate) expires_at: Option<Timestamp>,
    pub(crate) key: Secret,
}

impl Made {
    fn render(&self) -> Value {
        let Self { id, name, caller, caller_name, scope, expires_at, key } = self;
        json!({
            "id": id, "name": name, "caller": caller, "caller_name": caller_name, "scope": scope.as_str(),
            "expires_at": expires_at, "key": key.expose(),
        })
    }
}

/// A key to make.
pub(crate) struct Order<'a> {
    pub(crate) name: &'a str,
    /// To whom it belongs.
    pub(crate) caller: &'a str,
    pub(crate) scope: KeyScope,
    /// `None`: it does not expire.
    pub(crate) expires_in: Option<Duration>,
    /// The text of a key that somebody brings along.
    pub(crate) given: Option<String>,
}

/// Makes a key. `caller` names whose jobs it sees; keys of the same caller see the same jobs. `key` is the text of
/// one that applications have already; without it, a fresh one is made.
pub(crate) async fn create(State(app): State<App>, operator: Operator, Body(body): Body) -> Answer {
    let mut fields = Fields::from_json(&body)?;
    let name = fields.text("name")?.unwrap_or_default();
    let caller = fields.text("caller")?.unwrap_or_else(|| name.clone());
    let given = fields.text("key")?;
    let scope = scope(&mut fields)?;
    let expires_in = span(&mut fields, "expires_in_seconds", 1, LASTS_AT_MOST)?;
    fields.finish(&[])?;
    let order = Order { name: &name, caller: &caller, scope, expires_in, given };
    Ok(Json(make(&app, operator.by(), order).await?.render()))
}

fn scope(fields: &mut Fields) -> Result<KeyScope, Refusal> {
    let Some(word) = fields.text("scope")? else { return Ok(KeyScope::Client) };
    word.parse().map_err(|_| {
        let words = KeyScope::ALL.map(KeyScope::as_str).join(", ");
        Refusal::invalid("scope", format!("`scope` must be one of {words}"))
    })
}

/// Takes out a length of time in seconds.
fn span(fields: &mut Fields, name: &str, least: u64, most: Duration) -> Result<Option<Duration>, Refusal> {
    let Some(value) = fields.take(name) else { return Ok(None) };
    let most = most.as_secs();
    let seconds = value.as_u64().filter(|seconds| (least..=most).contains(seconds));
    let wrong = || Refusal::invalid(name, format!("`{name}` must be a whole number from {least} to {most}"));
    seconds.map(|seconds| Some(Duration::from_secs(seconds))).ok_or_else(wrong)
}

/// Makes a key, and its caller with it if there is none of that name.
pub(crate) async fn make(app: &App, by: By, order: Order<'_>) -> Result<Made, Refusal> {
    let Order { name, caller, scope, expires_in, given } = order;
    let (name, caller) = (name.trim(), caller.trim());
    for (field, text) in [("name", name), ("caller", caller)] {
        if !is_name(text) {
            let whose = if field == "name" { "key" } else { field };
            let message = format!(
                "give the {whose} a name of 1 to {LONGEST_NAME} characters, none of them a control character"
            );
            return Err(Refusal::invalid(field, message));
        }
    }
    let (now, store) = (app.engine.now(), app.engine.store());
    let key = match given {
        Some(key) => admissible(key, scope, &store.keys().await?, now)?,
        None => fresh(scope)?,
    };
    let is_new = store.callers().await?.iter().all(|known| known.name != caller);
    let caller_id = store.add_caller(caller, now).await?;
    let expires_at = expires_in.map(|lasts| now + lasts);
    let new = NewKey {
        caller: caller_id,
        name: name.to_owned(),
        hash: hash_key(&key),
        hint: hint(&key),
        scope,
        expires_at,
        created_at: now,
    };
    let id = app.keys.add(store, new).await?;
    if is_new {
        app.audit(by, "caller.create", &caller_id.to_string(), caller.to_owned()).await;
    }
    let until = expires_at.map(|end| format!(", until {end}")).unwrap_or_default();
    let detail = format!("{name}, of {caller_id} {caller}, {}{until}", scope.as_str());
    app.audit(by, "key.create", &id.to_string(), detail).await;
    let (name, caller_name, key) = (name.to_owned(), caller.to_owned(), Secret::new(key));
    Ok(Made { id, name, caller: caller_id, caller_name, scope, expires_at, key })
}

/// A name that can stand in a table and in a line of the log.
fn is_name(text: &str) -> bool {
    (1..=LONGEST_NAME).contains(&text.chars().count()) && !text.chars().any(char::is_control)
}

/// Makes a key in the place of another, which stays valid for `keep_seconds`.
pub(crate) async fn replace(
    State(app): State<App>,
    operator: Operator,
    Name(text): Name,
    Body(body): Body,
) -> Answer {
    let mut fields = Fields::from_json(&body)?;
    let keep = span(&mut fields, "keep_seconds", 0, KEEP_AT_MOST)?.unwrap_or(KEEP);
    let expires_in = span(&mut fields, "expires_in_seconds", 1, LASTS_AT_MOST)?;
    fields.finish(&[])?;
    let previous = id(&text, "key_7")?;
    let Rotated { made, previous_until } = rotate(&app, operator.by(), previous, keep, expires_in).await?;
    let mut answer = made.render();
    answer["previous"] = json!(previous);
    answer["previous_until"] = json!(previous_until);
    Ok(Json(answer))
}

/// A key that took the place of another.
pub(crate) struct Rotated {
    pub(crate) made: Made,
    /// Until when the one before is valid.
    pub(crate) previous_until: Timestamp,
}

/// Makes a key of the same name, caller and scope as another, which stays valid for a while. The new one expires when
/// the other would have, unless `expires_in` says otherwise.
pub(crate) async fn rotate(
    app: &App,
    by: By,
    previous: KeyId,
    keep: Duration,
    expires_in: Option<Duration>,
) -> Result<Rotated, Refusal> {
    let (now, store) = (app.engine.now(), app.engine.store());
    let before = store.keys().await?.into_iter().find(|key| key.id == previous);
    let before = before.ok_or_else(|| no_such_key(previous))?;
    let ended = || {
        let message = format!("{previous} is not valid any more; make a new key");
        Refusal::new(StatusCode::CONFLICT, "key_revoked", message)
    };
    let previous_until = before.ends_at().map_or(now + keep, |end| end.min(now + keep));
    let KeyRecord { name, caller, caller_name, scope, expires_at, .. } = before;
    let key = fresh(scope)?;
    let expires_at = expires_in.map(|lasts| now + lasts).or(expires_at);
    let new = NewKey {
        caller,
        name: name.clone(),
        hash: hash_key(&key),
        hint: hint(&key),
        scope,
        expires_at,
        created_at: now,
    };
    let id = app.keys.rotate(store, previous, new, now + keep).await?.ok_or_else(ended)?;
    let detail = format!("{id} takes its place; it is valid until {previous_until}");
    app.audit(by, "key.rotate", &previous.to_string(), detail).await;
    let made = Made { id, name, caller, caller_name, scope, expires_at, key: Secret::new(key) };
    Ok(Rotated { made, previous_until })
}

fn fresh(scope: KeyScope) -> Result<String, Refusal> {
    new_key(prefix(scope)).map_err(|error| {
        tracing::error!(%error, "no randomness for a key");
        Refusal::new(StatusCode::SERVICE_UNAVAILABLE, "no_randomness", "no key could be made; try again")
    })
}

/// A key that somebody brings along: one that can travel in a header, and that nobody has.
/// What opens more than one caller's videos is made here, such that nobody guesses it.
fn admissible(key: String, scope: KeyScope, known: &[KeyRecord], now: Timestamp) -> Result<String, Refusal> {
    if scope != KeyScope::Client {
        return Err(Refusal::invalid("key", "only a client key can be brought along; leave `key` out"));
    }
    if !GIVEN.contains(&key.len()) || !key.bytes().all(|byte| byte.is_ascii_graphic()) {
        let message = format!(
            "a key has {} to {} visible ASCII characters, without spaces",
            GIVEN.start(),
            GIVEN.end()
        );
        return Err(Refusal::invalid("key", message));
    }
    let hash = hash_key(&key);
    match known.iter().find(|record| record.hash == hash) {
        None => Ok(key),
        Some(record) if record.is_valid(now) => {
            let id = record.id;
            Err(Refusal::new(StatusCode::CONFLICT, "key_exists", format!("that key is {id} already"))
                .about("key"))
        }
        Some(KeyRecord { id, .. }) => {
            let message =
                format!("that key is {id}, which is not valid any more; such a key does not come back");
            Err(Refusal::new(StatusCode::CONFLICT, "key_revoked", message).about("key"))
        }
    }
}

pub(crate) async fn revoke(State(app): State<App>, operator: Operator, Name(text): Name) -> Answer {
    let key: KeyId = id(&text, "key_7")?;
    end(&app, operator.by(), key).await?;
    Ok(Json(json!({ "id": key, "revoked": true })))
}

/// Makes a key useless from now on.
pub(crate) async fn end(app: &App, by: By, key: KeyId) -> Result<(), Refusal> {
    if !app.keys.revoke(app.engine.store(), key, app.engine.now()).await? {
        return Err(no_such_key(key));
    }
    app.audit(by, "key.revoke", &key.to_string(), String::new()).await;
    Ok(())
}

fn no_such_key(key: KeyId) -> Refusal {
    Refusal::new(StatusCode::NOT_FOUND, "not_found", format!("there is no key {key}"))
}
