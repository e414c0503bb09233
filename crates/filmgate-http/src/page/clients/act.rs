//! What the forms of the clients' pages do.

use std::time::Duration;

use axum::extract::{Path, State};
use axum::response::{IntoResponse as _, Redirect, Response};
use filmgate_domain::{CallerId, KeyId};
use filmgate_store::KeyScope;
use http::StatusCode;
use maud::html;
use serde::Deserialize;

use crate::App;
use crate::admin::callers::{self, LimitChange};
use crate::admin::keys::{self, Made, Order};
use crate::extract::Name;
use crate::page::forms::Form;
use crate::page::look::Look;
use crate::page::session::Visitor;
use crate::refusal::Refusal;

use super::caller::KEEPS;
use super::{Filter, LASTS, caller, problem};

#[derive(Deserialize)]
pub(super) struct NewKey {
    #[serde(default)]
    name: String,
    #[serde(default)]
    scope: String,
    /// How long it lasts, in seconds.
    #[serde(default)]
    lasts: u64,
}

impl NewKey {
    /// The key that was asked for. Only what the form offers: whatever else is said gives less.
    fn order<'a>(&'a self, caller: &'a str) -> Order<'a> {
        let scope = self.scope.parse().unwrap_or(KeyScope::Client);
        let offered = LASTS.iter().any(|(seconds, _)| *seconds == self.lasts);
        let lasts = if offered { self.lasts } else { LASTS[1].0 };
        let expires_in = (lasts > 0).then(|| Duration::from_secs(lasts));
        Order { name: &self.name, caller, scope, expires_in, given: None }
    }
}

/// A caller, and its first key.
pub(super) async fn create(State(app): State<App>, visitor: Visitor, Form(new): Form<NewKey>) -> Response {
    let look = visitor.look;
    let name = &new.name;
    let refuse = async |status: StatusCode, why: String| {
        let said = super::Said { problem: Some((status, why)), name: name.clone() };
        super::render(&app, &visitor, &Filter::default(), &said).await
    };
    match app.engine.store().callers().await {
        // Another key for it is asked for on its own page.
        Ok(callers) if callers.iter().any(|caller| caller.name == name.trim()) => {
            let name = name.trim().to_owned();
            return refuse(
                StatusCode::CONFLICT,
                look.with("clients-problem-exists", [("name", name.into())]),
            )
            .await;
        }
        Ok(_) => {}
        Err(error) => {
            let refusal = Refusal::from(error);
            return refuse(refusal.status, problem(&refusal, look)).await;
        }
    }
    match keys::make(&app, visitor.by(), new.order(name)).await {
        Ok(made) => show(&app, &visitor, made, "created"),
        Err(refusal) => refuse(refusal.status, problem(&refusal, look)).await,
    }
}

/// Leads to the caller's page, which shows the key once.
fn show(app: &App, visitor: &Visitor, made: Made, done: &str) -> Response {
    let Made { id, caller, key, .. } = made;
    app.fresh_keys.keep(id, visitor.session(), key, app.engine.now());
    Redirect::to(&format!("/admin/clients/{caller}?done={done}&key={id}")).into_response()
}

/// Another key for a caller.
pub(super) async fn add_key(
    State(app): State<App>,
    visitor: Visitor,
    Name(id): Name,
    Form(new): Form<NewKey>,
) -> Response {
    let made = async {
        let caller = find(&app, &id).await?;
        keys::make(&app, visitor.by(), new.order(&caller)).await
    };
    match made.await {
        Ok(made) => show(&app, &visitor, made, "key"),
        Err(refusal) => {
            let said = caller::Said { name: new.name, ..Default::default() };
            refused(&app, &visitor, &id, &refusal, said).await
        }
    }
}

/// The name of a caller.
async fn find(app: &App, id: &str) -> Result<String, Refusal> {
    let wanted = id.parse::<CallerId>().ok();
    let callers = app.engine.store().callers().await?;
    let found = callers.into_iter().find(|caller| Some(caller.id) == wanted).map(|caller| caller.name);
    found.ok_or_else(|| Refusal::new(StatusCode::NOT_FOUND, "not_found", "there is no such caller"))
}

async fn refused(app: &App, visitor: &Visitor, id: &str, refusal: &Refusal, said: caller::Said) -> Response {
    let problem = Some((refusal.status, problem(refusal, visitor.look)));
    let said = caller::Said { problem, ..said };
    caller::render(app, visitor, id, &html! {}, &said).await
}

#[derive(Deserialize)]
pub(super) struct Keep {
    keep: u64,
}

/// A new key in the place of another.
pub(super) async fn rotate(
    State(app): State<App>,
    visitor: Visitor,
    Path((id, key)): Path<(String, String)>,
    Form(Keep { keep }): Form<Keep>,
) -> Response {
    // Only what the form offers.
    let keep = KEEPS.iter().map(|(seconds, _)| *seconds).find(|seconds| *seconds == keep).unwrap_or_default();
    let rotated = async {
        let key = own(&app, &id, &key).await?;
        keys::rotate(&app, visitor.by(), key, Duration::from_secs(keep), None).await
    };
    match rotated.await {
        Ok(rotated) => show(&app, &visitor, rotated.made, "rotated"),
        Err(refusal) => refused(&app, &visitor, &id, &refusal, caller::Said::default()).await,
    }
}

/// A key that belongs to this caller.
async fn own(app: &App, id: &str, key: &str) -> Result<KeyId, Refusal> {
    let (caller, key) = (id.parse::<CallerId>().ok(), key.parse::<KeyId>().ok());
    let keys = app.engine.store().keys().await?;
    let found = keys.iter().find(|known| Some(known.id) == key && Some(known.caller) == caller);
    let missing = || Refusal::new(StatusCode::NOT_FOUND, "not_found", "there is no such key");
    found.map(|known| known.id).ok_or_else(missing)
}

/// Makes a key useless.
pub(super) async fn revoke(
    State(app): State<App>,
    visitor: Visitor,
    Path((id, key)): Path<(String, String)>,
) -> Response {
    let revoked = async {
        let key = own(&app, &id, &key).await?;
        keys::end(&app, visitor.by(), key).await
    };
    match revoked.await {
        Ok(()) => Redirect::to(&format!("/admin/clients/{id}?done=revoked")).into_response(),
        Err(refusal) => refused(&app, &visitor, &id, &refusal, caller::Said::default()).await,
    }
}

#[derive(Deserialize)]
pub(super) struct Limits {
    #[serde(default)]
    max_in_flight: String,
    #[serde(default)]
    requests_per_minute: String,
    #[serde(default)]
    units_per_day: String,
}

/// What a caller may use from now on.
pub(super) async fn limit(
    State(app): State<App>,
    visitor: Visitor,
    Name(id): Name,
    Form(typed): Form<Limits>,
) -> Response {
    let Some(change) = read(&typed) else {
        let Limits { max_in_flight, requests_per_minute, units_per_day } = typed;
        let limits = Some([max_in_flight, requests_per_minute, units_per_day]);
        let problem = Some((StatusCode::BAD_REQUEST, wrong_limit(visitor.look)));
        let said = caller::Said { problem, limits, name: String::new() };
        return caller::render(&app, &visitor, &id, &html! {}, &said).await;
    };
    let changed = async {
        let missing = || Refusal::new(StatusCode::NOT_FOUND, "not_found", "there is no such caller");
        let caller = id.parse::<CallerId>().map_err(|_| missing())?;
        callers::allow(&app, visitor.by(), caller, change).await
    };
    match changed.await {
        Ok(_) => Redirect::to(&format!("/admin/clients/{id}?done=limits")).into_response(),
        Err(refusal) => refused(&app, &visitor, &id, &refusal, caller::Said::default()).await,
    }
}

fn wrong_limit(look: Look) -> String {
    look.with("clients-problem-limit", [("most", crate::page::parts::number(u32::MAX.into()).into())])
}

/// What was typed: a number, or nothing for no limit.
fn read(typed: &Limits) -> Option<LimitChange> {
    let limit = |text: &str| match text.trim() {
        "" => Some(None),
        text => text.parse::<u32>().ok().filter(|limit| *limit > 0).map(Some),
    };
    Some(LimitChange {
        max_in_flight: Some(limit(&typed.max_in_flight)?),
        requests_per_minute: Some(limit(&typed.requests_per_minute)?),
        units_per_day: Some(limit(&typed.units_per_day)?),
    })
}
