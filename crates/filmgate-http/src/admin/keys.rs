//! `/admin/v1/keys`: client keys. A key is shown once, when it is made; only its hash is kept.

use std::time::Duration;

use axum::Json;
use axum::extract::State;
use filmgate_domain::{CallerId, KeyId, Secret, Timestamp};
use filmgate_store::{KeyRecord, hash_key};
use http::StatusCode;
use serde_json::{Value, json};

use super::{AdminError, id};
use crate::App;
use crate::auth::{By, Operator, new_key};
use crate::extract::{Body, Name};
use crate::fields::Fields;
use crate::refusal::Refusal;

type Answer = Result<Json<Value>, AdminError>;

/// What every client key begins with.
pub(crate) const PREFIX: &str = "fg-";

pub(crate) async fn list(State(app): State<App>, _: Operator) -> Answer {
    let keys = app.engine.store().keys().await?;
    let keys: Vec<Value> = keys
        .iter()
        .map(|key| {
            json!({
                "id": key.id, "name": key.name, "caller": key.caller, "caller_name": key.caller_name,
                "key": format!("{}...", key.hint), "created_at": key.created_at,
                "last_used_at": key.last_used_at, "revoked_at": key.revoked_at,
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

/// The longest name of a key or a caller, in characters.
pub(crate) const LONGEST_NAME: usize = 80;

/// A key that was just made. Its text is shown this once.
pub(crate) struct Made {
    pub(crate) id: KeyId,
    pub(crate) name: String,
    pub(crate) caller: CallerId,
    pub(crate) caller_name: String,
    pub(crate) key: Secret,
}

impl Made {
    fn render(&self) -> Value {
        let Self { id, name, caller, caller_name, key } = self;
        json!({
            "id": id, "name": name, "caller": caller, "caller_name": caller_name, "key": key.expose(),
        })
    }
}

/// Makes a key. `caller` names whose jobs it sees; keys of the same caller see the same jobs. `key` is the text of
/// one that applications have already; without it, a fresh one is made.
pub(crate) async fn create(State(app): State<App>, _: Operator, Body(body): Body) -> Answer {
    let mut fields = Fields::from_json(&body)?;
    let name = fields.text("name")?.unwrap_or_default();
    let caller = fields.text("caller")?.unwrap_or_else(|| name.clone());
    let given = fields.text("key")?;
    fields.finish(&[])?;
    Ok(Json(make(&app, By::Api, &name, &caller, given).await?.render()))
}

/// Makes a key, and its caller with it if there is none of that name.
pub(crate) async fn make(
    app: &App,
    by: By,
    name: &str,
    caller: &str,
    given: Option<String>,
) -> Result<Made, Refusal> {
    let (name, caller) = (name.trim(), caller.trim());
    if [name, caller].iter().any(|text| text.is_empty() || text.chars().count() > LONGEST_NAME) {
        return Err(Refusal::invalid("name", "give the key a name of 1 to 80 characters"));
    }
    let (now, store) = (app.engine.now(), app.engine.store());
    let key = match given {
        Some(key) => admissible(key, &store.keys().await?, now)?,
        None => fresh()?,
    };
    let is_new = store.callers().await?.iter().all(|known| known.name != caller);
    let caller_id = store.add_caller(caller, now).await?;
    let id = app.keys.add(store, caller_id, name, &key, now).await?;
    if is_new {
        app.audit(by, "caller.create", &caller_id.to_string(), caller.to_owned()).await;
    }
    app.audit(by, "key.create", &id.to_string(), format!("{name}, of {caller_id} {caller}")).await;
    let (name, caller_name) = (name.to_owned(), caller.to_owned());
    Ok(Made { id, name, caller: caller_id, caller_name, key: Secret::new(key) })
}

/// Makes a key in the place of another, which stays valid for `keep_seconds`.
pub(crate) async fn replace(
    State(app): State<App>,
    _: Operator,
    Name(text): Name,
    Body(body): Body,
) -> Answer {
    let mut fields = Fields::from_json(&body)?;
    let keep = keep(&mut fields)?;
    fields.finish(&[])?;
    let previous = id(&text, "key_7")?;
    let Rotated { made, previous_until } = rotate(&app, By::Api, previous, keep).await?;
    let mut answer = made.render();
    answer["previous"] = json!(previous);
    answer["previous_until"] = json!(previous_until);
    Ok(Json(answer))
}

fn keep(fields: &mut Fields) -> Result<Duration, Refusal> {
    let Some(value) = fields.take("keep_seconds") else { return Ok(KEEP) };
    let keep = value.as_u64().map(Duration::from_secs).filter(|keep| *keep <= KEEP_AT_MOST);
    keep.ok_or_else(|| {
        let most = KEEP_AT_MOST.as_secs();
        Refusal::invalid("keep_seconds", format!("`keep_seconds` must be a whole number from 0 to {most}"))
    })
}

/// A key that took the place of another.
pub(crate) struct Rotated {
    pub(crate) made: Made,
    /// Until when the one before is valid.
    pub(crate) previous_until: Timestamp,
}

/// Makes a key of the same name and caller as another, which stays valid for a while.
pub(crate) async fn rotate(app: &App, by: By, previous: KeyId, keep: Duration) -> Result<Rotated, Refusal> {
    let (now, store) = (app.engine.now(), app.engine.store());
    let before = store.keys().await?.into_iter().find(|key| key.id == previous);
    let before = before.ok_or_else(|| no_such_key(previous))?;
    let revoked = || {
        let message = format!("{previous} is not valid any more; make a new key");
        Refusal::new(StatusCode::CONFLICT, "key_revoked", message)
    };
    let (key, until) = (fresh()?, now + keep);
    let new = app.keys.rotate(store, previous, &key, until, now).await?.ok_or_else(revoked)?;
    let previous_until = before.revoked_at.map_or(until, |at| at.min(until));
    let detail = format!("{} takes its place; it is valid until {previous_until}", new);
    app.audit(by, "key.rotate", &previous.to_string(), detail).await;
    let KeyRecord { name, caller, caller_name, .. } = before;
    Ok(Rotated { made: Made { id: new, name, caller, caller_name, key: Secret::new(key) }, previous_until })
}

fn fresh() -> Result<String, Refusal> {
    new_key(PREFIX).map_err(|error| {
        tracing::error!(%error, "no randomness for a key");
        Refusal::new(StatusCode::SERVICE_UNAVAILABLE, "no_randomness", "no key could be made; try again")
    })
}

/// A key that somebody brings along: one that can travel in a header, and that nobody has.
fn admissible(key: String, known: &[KeyRecord], now: Timestamp) -> Result<String, Refusal> {
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
            let message = format!("that key is {id}, which was revoked; a revoked key does not come back");
            Err(Refusal::new(StatusCode::CONFLICT, "key_revoked", message).about("key"))
        }
    }
}

pub(crate) async fn revoke(State(app): State<App>, _: Operator, Name(text): Name) -> Answer {
    let key: KeyId = id(&text, "key_7")?;
    end(&app, By::Api, key).await?;
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
