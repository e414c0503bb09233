//! `/admin/v1/keys`: client keys. A key is shown once, when it is made; only its hash is kept.

use axum::Json;
use axum::extract::State;
use filmgate_domain::KeyId;
use http::StatusCode;
use serde_json::{Value, json};

use super::{AdminError, id};
use crate::App;
use crate::auth::{Operator, new_key};
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

/// Makes a key. `caller` names whose jobs it sees; keys of the same caller see the same jobs.
pub(crate) async fn create(State(app): State<App>, _: Operator, Body(body): Body) -> Answer {
    let mut fields = Fields::from_json(&body)?;
    let name = fields.text("name")?.unwrap_or_default();
    let caller = fields.text("caller")?.unwrap_or_else(|| name.clone());
    fields.finish(&[])?;
    if name.trim().is_empty() || name.chars().count() > 80 || caller.chars().count() > 80 {
        return Err(Refusal::invalid("name", "give the key a name of 1 to 80 characters").into());
    }
    let now = app.engine.now();
    let key = new_key(PREFIX).map_err(|error| {
        tracing::error!(%error, "no randomness for a key");
        Refusal::new(StatusCode::SERVICE_UNAVAILABLE, "no_randomness", "no key could be made; try again")
    })?;
    let store = app.engine.store();
    let caller_id = store.add_caller(caller.trim(), now).await?;
    let key_id = app.keys.add(store, caller_id, name.trim(), &key, now).await?;
    Ok(Json(
        json!({ "id": key_id, "name": name.trim(), "caller": caller_id, "caller_name": caller.trim(), "key": key }),
    ))
}

pub(crate) async fn revoke(State(app): State<App>, _: Operator, Name(text): Name) -> Answer {
    let key: KeyId = id(&text, "key_7")?;
    let store = app.engine.store();
    if !store.revoke_key(key, app.engine.now()).await? {
        let message = format!("there is no key {key}");
        return Err(Refusal::new(StatusCode::NOT_FOUND, "not_found", message).into());
    }
    app.keys.load(store).await?;
    Ok(Json(json!({ "id": key, "revoked": true })))
}
