//! `/admin/v1/callers`: who owns videos, what they may use, and what they use.

use std::collections::HashMap;

use axum::Json;
use axum::extract::State;
use filmgate_domain::{CallerId, Timestamp};
use filmgate_engine::CallerUse;
use filmgate_store::{Caller, CallerLimits, StoreError};
use serde_json::{Value, json};

use super::AdminError;
use super::webhooks::find;
use crate::App;
use crate::auth::{By, Operator};
use crate::extract::{Body, Name};
use crate::fields::Fields;
use crate::refusal::Refusal;

type Answer = Result<Json<Value>, AdminError>;

/// A caller at a glance.
pub(crate) struct CallerView {
    pub(crate) caller: Caller,
    pub(crate) used: CallerUse,
    /// How many of its keys are valid.
    pub(crate) keys: usize,
    /// When one of its keys was last used.
    pub(crate) last_used_at: Option<Timestamp>,
}

/// All callers, by id.
pub(crate) async fn views(app: &App) -> Result<Vec<CallerView>, StoreError> {
    let (store, now) = (app.engine.store(), app.engine.now());
    let callers = store.callers().await?;
    let mut keys: HashMap<CallerId, (usize, Option<Timestamp>)> = HashMap::new();
    for key in store.keys().await? {
        let (valid, last) = keys.entry(key.caller).or_default();
        *valid += usize::from(key.is_valid(now));
        *last = (*last).max(key.last_used_at);
    }
    let used = app.engine.callers_use();
    let view = |caller: Caller| {
        let (keys, last_used_at) = keys.get(&caller.id).copied().unwrap_or_default();
        let used = used.get(&caller.id).copied().unwrap_or_default();
        CallerView { caller, used, keys, last_used_at }
    };
    Ok(callers.into_iter().map(view).collect())
}

pub(crate) async fn list(State(app): State<App>, _: Operator) -> Answer {
    let callers: Vec<Value> = views(&app).await?.iter().map(render).collect();
    Ok(Json(json!({ "callers": callers })))
}

/// Changes what a caller may use: `{"limits": {"max_in_flight": 3, "units_per_day": null}}`. What is not named
/// stays as it is, and null is no limit.
pub(crate) async fn change(
    State(app): State<App>,
    operator: Operator,
    Name(text): Name,
    Body(body): Body,
) -> Answer {
    let mut fields = Fields::from_json(&body)?;
    let mut limits = fields.object("limits")?.ok_or_else(|| {
        Refusal::invalid("limits", "send the limits to change: {\"limits\": {\"max_in_flight\": 3}}")
    })?;
    fields.finish(&[])?;
    let change = LimitChange {
        max_in_flight: limit(&mut limits, "max_in_flight")?,
        requests_per_minute: limit(&mut limits, "requests_per_minute")?,
        units_per_day: limit(&mut limits, "units_per_day")?,
    };
    limits.finish(&[])?;
    let caller = find(&app, &text).await?;
    allow(&app, operator.by(), caller.id, change).await?;
    let view = views(&app).await?.into_iter().find(|view| view.caller.id == caller.id);
    Ok(Json(render(&view.ok_or_else(Refusal::storage)?)))
}

/// A limit that a request names: a number, or null for none.
fn limit(fields: &mut Fields, name: &'static str) -> Result<Option<Option<u32>>, Refusal> {
    match fields.take_as_said(name) {
        None => Ok(None),
        Some(Value::Null) => Ok(Some(None)),
        Some(value) => {
            let number = value.as_u64().and_then(|number| u32::try_from(number).ok()).filter(|n| *n > 0);
            let name = fields.name(name);
            let message =
                format!("`{name}` must be a whole number from 1 to {}, or null for no limit", u32::MAX);
            number.map(|number| Some(Some(number))).ok_or_else(|| Refusal::invalid(&name, message))
        }
    }
}

/// The limits to change.
#[derive(Clone, Copy, Debug)]
pub(crate) struct LimitChange {
    pub(crate) max_in_flight: Option<Option<u32>>,
    pub(crate) requests_per_minute: Option<Option<u32>>,
    pub(crate) units_per_day: Option<Option<u32>>,
}

/// Changes what a caller may use.
pub(crate) async fn allow(
    app: &App,
    by: By,
    caller: CallerId,
    change: LimitChange,
) -> Result<CallerLimits, Refusal> {
    let LimitChange { max_in_flight, requests_per_minute, units_per_day } = change;
    let limits = app.engine.change_limits(caller, |limits| {
        limits.max_in_flight = max_in_flight.unwrap_or(limits.max_in_flight);
        limits.requests_per_minute = requests_per_minute.unwrap_or(limits.requests_per_minute);
        limits.units_per_day = units_per_day.unwrap_or(limits.units_per_day);
    });
    let limits = limits.await?.ok_or_else(|| {
        Refusal::new(http::StatusCode::NOT_FOUND, "not_found", format!("there is no caller {caller}"))
    })?;
    let word = |limit: Option<u32>| limit.map_or_else(|| "none".to_owned(), |limit| limit.to_string());
    let detail = format!(
        "max_in_flight {}, requests_per_minute {}, units_per_day {}",
        word(limits.max_in_flight),
        word(limits.requests_per_minute),
        word(limits.units_per_day)
    );
    app.audit(by, "caller.limit", &caller.to_string(), detail).await;
    Ok(limits)
}

fn render(view: &CallerView) -> Value {
    let CallerView { caller, used, keys, last_used_at } = view;
    let CallerLimits { max_in_flight, requests_per_minute, units_per_day } = caller.limits;
    let CallerUse { in_flight, requests, reserved, spent } = used;
    json!({
        "id": caller.id,
        "name": caller.name,
        "created_at": caller.created_at,
        "keys": keys,
        "last_used_at": last_used_at,
        "limits": {
            "max_in_flight": max_in_flight, "requests_per_minute": requests_per_minute,
            "units_per_day": units_per_day,
        },
        "use": {
            "in_flight": in_flight, "requests_last_minute": requests, "units_reserved": reserved,
            "units_last_day": spent,
        },
    })
}
