//! `/admin/v1/webhooks`: where callers are told that their videos ended, and what was told. A secret is shown
//! once, when it is made.

use std::time::Duration;

use axum::Json;
use axum::extract::State;
use filmgate_domain::{JobId, Secret, Timestamp};
use filmgate_store::{Caller, Delivery, DeliveryFilter, DeliveryState, EventId, Webhook};
use http::StatusCode;
use serde::Deserialize;
use serde_json::{Value, json};

use super::{AdminError, page_size};
use crate::App;
use crate::auth::{By, Operator};
use crate::dialect::{openai, spelling};
use crate::extract::{Body, Name, Params};
use crate::fields::Fields;
use crate::refusal::Refusal;
use crate::webhooks::{Event, complaint, new_secret};

type Answer = Result<Json<Value>, AdminError>;

/// How long the secret before signs as well after a rotation.
const KEEP_PREVIOUS: Duration = Duration::from_secs(24 * 3600);

pub(crate) async fn list(State(app): State<App>, _: Operator) -> Answer {
    let webhooks = app.engine.store().webhooks().await?;
    let now = app.engine.now();
    let webhooks: Vec<Value> = webhooks
        .iter()
        .map(|webhook| {
            let Webhook { caller, caller_name, url, created_at, rotated_at, previous_until } = webhook;
            json!({
                "caller": caller, "caller_name": caller_name, "url": url, "created_at": created_at,
                "rotated_at": rotated_at, "previous_until": previous_until.filter(|until| *until > now),
            })
        })
        .collect();
    Ok(Json(json!({ "webhooks": webhooks })))
}

/// A caller's webhook after a change.
pub(crate) struct Changed {
    pub(crate) caller: Caller,
    /// The standing address.
    pub(crate) url: Option<String>,
    /// The secret that was made, which is shown this once.
    pub(crate) secret: Option<Secret>,
    /// Until when the secret before signs as well.
    pub(crate) previous_until: Option<Timestamp>,
}

/// What came of a test.
pub(crate) struct Tested {
    pub(crate) caller: Caller,
    pub(crate) id: EventId,
    pub(crate) url: Box<str>,
    pub(crate) status: Option<u16>,
    /// Why it was not delivered.
    pub(crate) error: Option<String>,
}

/// Sets a caller's standing address, or takes it away. The first time it makes a secret too.
pub(crate) async fn set_address(
    app: &App,
    by: By,
    caller: &str,
    url: Option<String>,
) -> Result<Changed, Refusal> {
    let settings = app.engine.settings();
    let checked = url.map(|url| settings.outside.check(&url)).transpose();
    let url = checked.map_err(|error| Refusal::invalid("url", format!("`url`: {error}")))?;
    let url = url.as_ref().map(|url| url.as_str().to_owned());
    let caller = find(app, caller).await?;
    let secret = secret()?;
    let (store, now) = (app.engine.store(), app.engine.now());
    let is_new = store.set_webhook(caller.id, url.as_deref(), secret.clone(), now).await?;
    let detail = url.as_deref().map_or_else(|| "no standing address".to_owned(), server_of);
    app.audit(by, "webhook.set", &caller.name, detail).await;
    Ok(Changed { caller, url, secret: is_new.then_some(secret), previous_until: None })
}

/// Replaces a caller's secret, or makes its first; the one before signs as well for a day.
pub(crate) async fn new_secret_of(app: &App, by: By, caller: &str) -> Result<Changed, Refusal> {
    let caller = find(app, caller).await?;
    let (secret, now) = (secret()?, app.engine.now());
    let store = app.engine.store();
    store.rotate_webhook(caller.id, secret.clone(), KEEP_PREVIOUS, now).await?;
    let both = store.webhook_secrets(caller.id, now).await?.len() > 1;
    app.audit(by, "webhook.rotate", &caller.name, String::new()).await;
    let previous_until = both.then(|| now + KEEP_PREVIOUS);
    Ok(Changed { caller, url: None, secret: Some(secret), previous_until })
}

/// Removes a caller's address and secret.
pub(crate) async fn take_away(app: &App, by: By, caller: &str) -> Result<Caller, Refusal> {
    let caller = find(app, caller).await?;
    if !app.engine.store().remove_webhook(caller.id, app.engine.now()).await? {
        return Err(no_webhook(&caller));
    }
    app.audit(by, "webhook.remove", &caller.name, String::new()).await;
    Ok(caller)
}

/// Sends a caller's standing address an event of type `webhook.test`, once, and tells what came back.
pub(crate) async fn send_test(app: &App, by: By, caller: &str) -> Result<Tested, Refusal> {
    let caller = find(app, caller).await?;
    let (store, now) = (app.engine.store(), app.engine.now());
    let webhooks = store.webhooks().await?;
    let webhook = webhooks.into_iter().find(|webhook| webhook.caller == caller.id);
    let webhook = webhook.ok_or_else(|| no_webhook(&caller))?;
    let Some(url) = webhook.url else {
        let message = format!("{:?} has no standing address; set one first", caller.name);
        return Err(Refusal::new(StatusCode::CONFLICT, "no_url", message));
    };
    let secrets = store.webhook_secrets(caller.id, now).await?;
    let event = Event::test(caller.id, now)?;
    let answered = event.send(app, &url, &secrets).await;
    let (status, error) = match &answered {
        Ok(answered) => (Some(answered.status.as_u16()), complaint(answered)),
        Err(error) => (None, Some(error.to_string())),
    };
    // Not the receiver's words: they may repeat the address.
    let detail = match &answered {
        Ok(answered) => format!("the receiver answered {}", answered.status),
        Err(error) => error.to_string(),
    };
    app.audit(by, "webhook.test", &caller.name, detail).await;
    Ok(Tested { caller, id: event.id, url, status, error })
}

/// Sends a delivery again as soon as there is room, whatever became of it before.
pub(crate) async fn send_again(app: &App, by: By, delivery: &str) -> Result<Delivery, Refusal> {
    let id = event_id("id", delivery)?;
    let store = app.engine.store();
    store.retry_delivery(id, app.engine.now()).await?;
    let delivery = store.delivery(id).await?.ok_or_else(|| {
        Refusal::new(StatusCode::NOT_FOUND, "not_found", format!("there is no delivery {id}"))
    })?;
    app.audit(by, "webhook.retry", &id.to_string(), server_of(&delivery.url)).await;
    Ok(delivery)
}

/// `{"url": …}`, or null for none.
pub(crate) async fn set(
    State(app): State<App>,
    operator: Operator,
    Name(text): Name,
    Body(body): Body,
) -> Answer {
    let mut fields = Fields::from_json(&body)?;
    let url = fields.text("url")?;
    fields.finish(&[])?;
    let Changed { caller, url, secret, .. } = set_address(&app, operator.by(), &text, url).await?;
    let mut answer = json!({ "caller": caller.id, "caller_name": caller.name, "url": url });
    if let Some(secret) = secret {
        answer["secret"] = json!(secret.expose());
    }
    Ok(Json(answer))
}

pub(crate) async fn rotate(State(app): State<App>, operator: Operator, Name(text): Name) -> Answer {
    let Changed { caller, secret, previous_until, .. } = new_secret_of(&app, operator.by(), &text).await?;
    Ok(Json(json!({
        "caller": caller.id, "caller_name": caller.name, "secret": secret.as_ref().map(Secret::expose),
        "previous_until": previous_until,
    })))
}

pub(crate) async fn remove(State(app): State<App>, operator: Operator, Name(text): Name) -> Answer {
    let caller = take_away(&app, operator.by(), &text).await?;
    Ok(Json(json!({ "caller": caller.id, "caller_name": caller.name, "removed": true })))
}

pub(crate) async fn test(State(app): State<App>, operator: Operator, Name(text): Name) -> Answer {
    let Tested { caller, id, url, status, error } = send_test(&app, operator.by(), &text).await?;
    Ok(Json(json!({
        "id": id.to_string(), "caller": caller.id, "caller_name": caller.name, "url": url,
        "delivered": error.is_none(), "status": status, "error": error,
    })))
}

/// Which deliveries to list.
#[derive(Default, Deserialize)]
pub(crate) struct ListQuery {
    pub(crate) caller: Option<String>,
    pub(crate) job: Option<String>,
    pub(crate) state: Option<String>,
    pub(crate) after: Option<String>,
    pub(crate) limit: Option<u32>,
}

/// Deliveries, newest first, and whether there are more.
pub(crate) async fn page_of(app: &App, query: ListQuery) -> Result<(Vec<Delivery>, bool), Refusal> {
    let caller = match &query.caller {
        Some(text) => Some(find(app, text).await?.id),
        None => None,
    };
    let state = query.state.map(|text| text.parse::<DeliveryState>()).transpose();
    let state = state.map_err(|error| Refusal::invalid("state", error))?;
    let job = query.job.as_deref().map(job_id).transpose()?;
    let after = query.after.as_deref().map(|text| event_id("after", text)).transpose()?;
    let limit = page_size(query.limit, 50, 1000)?;
    let filter = DeliveryFilter { caller, job, state, after, limit: limit + 1 };
    let mut deliveries = app.engine.store().deliveries(&filter).await?;
    let has_more = deliveries.len() > limit as usize;
    deliveries.truncate(limit as usize);
    Ok((deliveries, has_more))
}

pub(crate) async fn deliveries(
    State(app): State<App>,
    _: Operator,
    Params(query): Params<ListQuery>,
) -> Answer {
    let (deliveries, has_more) = page_of(&app, query).await?;
    let deliveries: Vec<Value> = deliveries.iter().map(render).collect();
    Ok(Json(json!({ "deliveries": deliveries, "has_more": has_more })))
}

pub(crate) async fn retry(State(app): State<App>, operator: Operator, Name(text): Name) -> Answer {
    Ok(Json(render(&send_again(&app, operator.by(), &text).await?)))
}

fn render(delivery: &Delivery) -> Value {
    json!({
        "id": delivery.id.to_string(),
        "type": format!("video.{}", delivery.event),
        "caller": delivery.caller,
        "job": openai::spell(delivery.job),
        "url": delivery.url,
        "state": delivery.state().as_str(),
        "created_at": delivery.created_at,
        "tries": delivery.tries,
        "last_try_at": delivery.last_try_at,
        "last_status": delivery.last_status,
        "last_error": delivery.last_error,
        "next_at": delivery.next_at,
        "delivered_at": delivery.delivered_at,
        "given_up_at": delivery.given_up_at,
    })
}

/// A caller by its name, or else by its id.
pub(super) async fn find(app: &App, text: &str) -> Result<Caller, Refusal> {
    let mut callers = app.engine.store().callers().await?;
    let named = callers.iter().position(|caller| caller.name == text);
    let found = named.or_else(|| callers.iter().position(|caller| caller.id.to_string() == text));
    let nobody = || {
        let text: String = text.chars().take(100).collect();
        let message = format!("there is no caller {text:?}");
        Refusal::new(StatusCode::NOT_FOUND, "not_found", message).about("caller")
    };
    Ok(callers.swap_remove(found.ok_or_else(nobody)?))
}

/// What the log and the audit may know of an address: both path and query may hold what opens it.
fn server_of(url: &str) -> String {
    url::Url::parse(url).map(|url| url.origin().ascii_serialization()).unwrap_or_default()
}

fn no_webhook(caller: &Caller) -> Refusal {
    let message = format!("{:?} has no webhook", caller.name);
    Refusal::new(StatusCode::NOT_FOUND, "not_found", message)
}

fn job_id(text: &str) -> Result<JobId, Refusal> {
    let found = spelling(text).map(|(_, id)| id);
    found.ok_or_else(|| Refusal::invalid("job", "that is not a job's id, such as video_ and 32 hex digits"))
}

fn event_id(name: &str, text: &str) -> Result<EventId, Refusal> {
    super::id_in(name, text, "evt_ and 32 hex digits")
}

fn secret() -> Result<Secret, Refusal> {
    new_secret().map_err(|error| {
        tracing::error!(%error, "no randomness for a secret");
        Refusal::new(StatusCode::SERVICE_UNAVAILABLE, "no_randomness", "no secret could be made; try again")
    })
}
