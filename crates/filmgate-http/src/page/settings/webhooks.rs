//! Where callers are told that their videos ended, and what was told.

use std::collections::BTreeMap;

use axum::extract::{Query, State};
use axum::response::{IntoResponse as _, Redirect, Response};
use filmgate_domain::CallerId;
use filmgate_store::{Caller, Delivery, DeliveryState, Webhook};
use http::StatusCode;
use maud::{Markup, html};
use serde::Deserialize;

use crate::App;
use crate::admin::webhooks::{
    Changed, ListQuery, Tested, new_secret_of, page_of, send_again, send_test, set_address, take_away,
};
use crate::dialect::openai;
use crate::page::forms::Form;
use crate::page::look::Look;
use crate::page::parts::{Tone, badge, maybe_time, select, table, time};
use crate::page::session::Visitor;
use crate::refusal::Refusal;

use super::{Part, render};

/// Deliveries on a page.
const ON_A_PAGE: u32 = 50;

#[derive(Default, Deserialize)]
#[serde(default)]
pub(super) struct Wanted {
    caller: String,
    state: String,
    after: String,
    done: String,
}

/// A form that is about a caller.
#[derive(Deserialize)]
pub(super) struct About {
    #[serde(default)]
    caller: String,
    #[serde(default)]
    url: String,
}

pub(super) async fn page(State(app): State<App>, visitor: Visitor, Query(wanted): Query<Wanted>) -> Response {
    let look = visitor.look;
    let told = match &*wanted.done {
        "set" => Some(look.t("settings-webhook-is-set")),
        "removed" => Some(look.t("settings-webhook-removed")),
        "retried" => Some(look.t("settings-webhook-retried")),
        _ => None,
    };
    answer(&app, &visitor, &wanted, StatusCode::OK, told.map(|text| (Tone::Good, text)), None).await
}

pub(super) async fn set(State(app): State<App>, visitor: Visitor, Form(form): Form<About>) -> Response {
    let url = Some(form.url.trim().to_owned()).filter(|url| !url.is_empty());
    match set_address(&app, visitor.by(), &form.caller, url).await {
        Ok(changed) if changed.secret.is_some() => secret(&app, &visitor, &changed).await,
        Ok(_) => Redirect::to("/admin/settings/webhooks?done=set").into_response(),
        Err(refusal) => refuse(&app, &visitor, refusal).await,
    }
}

pub(super) async fn rotate(State(app): State<App>, visitor: Visitor, Form(form): Form<About>) -> Response {
    match new_secret_of(&app, visitor.by(), &form.caller).await {
        Ok(changed) => secret(&app, &visitor, &changed).await,
        Err(refusal) => refuse(&app, &visitor, refusal).await,
    }
}

pub(super) async fn remove(State(app): State<App>, visitor: Visitor, Form(form): Form<About>) -> Response {
    match take_away(&app, visitor.by(), &form.caller).await {
        Ok(_) => Redirect::to("/admin/settings/webhooks?done=removed").into_response(),
        Err(refusal) => refuse(&app, &visitor, refusal).await,
    }
}

/// What came back is told at once: it is kept nowhere else.
pub(super) async fn test(State(app): State<App>, visitor: Visitor, Form(form): Form<About>) -> Response {
    let look = visitor.look;
    let told = match send_test(&app, visitor.by(), &form.caller).await {
        Ok(Tested { caller, error: None, status, .. }) => {
            let status = status.map(|status| status.to_string()).unwrap_or_default();
            let values = [("caller", caller.name.into()), ("status", status.into())];
            (Tone::Good, look.with("settings-webhook-tested", values))
        }
        Ok(Tested { caller, error: Some(error), .. }) => {
            let values = [("caller", caller.name.into()), ("error", error.into())];
            (Tone::Bad, look.with("settings-webhook-test-failed", values))
        }
        Err(refusal) => return refuse(&app, &visitor, refusal).await,
    };
    answer(&app, &visitor, &Wanted::default(), StatusCode::OK, Some(told), None).await
}

#[derive(Deserialize)]
pub(super) struct Again {
    #[serde(default)]
    id: String,
}

pub(super) async fn retry(State(app): State<App>, visitor: Visitor, Form(form): Form<Again>) -> Response {
    match send_again(&app, visitor.by(), &form.id).await {
        Ok(_) => Redirect::to("/admin/settings/webhooks?done=retried").into_response(),
        Err(refusal) => refuse(&app, &visitor, refusal).await,
    }
}

/// The page with a secret that is shown this once: it is in the answer, not in an address.
async fn secret(app: &App, visitor: &Visitor, changed: &Changed) -> Response {
    let look = visitor.look;
    let Some(secret) = &changed.secret else {
        return Redirect::to("/admin/settings/webhooks").into_response();
    };
    let shown = html! {
        section.card #secret role="status" {
            h2 { (look.with("settings-secret", [("caller", changed.caller.name.as_str().into())])) }
            p { code #webhook-secret { (secret.expose()) } " "
                button type="button" data-copy="webhook-secret" data-copied=(look.t("settings-copied")) { (look.t("settings-copy")) } }
            p.hint {
                (look.t("settings-secret-once"))
                @if changed.previous_until.is_some() { " " (look.t("settings-secret-before")) }
            }
        }
    };
    answer(app, visitor, &Wanted::default(), StatusCode::OK, None, Some(shown)).await
}

async fn refuse(app: &App, visitor: &Visitor, refusal: Refusal) -> Response {
    let told = Some((Tone::Bad, refusal.message));
    answer(app, visitor, &Wanted::default(), refusal.status, told, None).await
}

async fn answer(
    app: &App,
    visitor: &Visitor,
    wanted: &Wanted,
    status: StatusCode,
    told: Option<(Tone, String)>,
    first: Option<Markup>,
) -> Response {
    let (status, told, body) = match body(app, visitor.look, wanted).await {
        Ok(body) => (status, told, html! { @if let Some(first) = &first { (first) } (body) }),
        Err(refusal) => (refusal.status, Some((Tone::Bad, refusal.message)), first.unwrap_or_default()),
    };
    (status, render(visitor, Part::Webhooks, told, &body)).into_response()
}

async fn body(app: &App, look: Look, wanted: &Wanted) -> Result<Markup, Refusal> {
    let store = app.engine.store();
    let (callers, webhooks) = (store.callers().await?, store.webhooks().await?);
    let given = |text: &String| Some(text.clone()).filter(|text| !text.is_empty());
    let query = ListQuery {
        caller: given(&wanted.caller),
        state: given(&wanted.state),
        after: given(&wanted.after),
        limit: Some(ON_A_PAGE),
        ..ListQuery::default()
    };
    let (deliveries, has_more) = page_of(app, query).await?;
    let older = deliveries.last().filter(|_| has_more).map(|last| last.id.to_string());
    Ok(html! {
        section.card {
            h2 { (look.t("settings-addresses")) }
            p.hint { (look.t("settings-addresses-about")) }
            @if callers.is_empty() { p { (look.t("settings-no-callers")) } }
            @for caller in &callers {
                (address(app, look, caller, webhooks.iter().find(|webhook| webhook.caller == caller.id)))
            }
        }
        section.card {
            h2 { (look.t("settings-deliveries")) }
            (filters(look, &callers, wanted))
            @if deliveries.is_empty() { p { (look.t("settings-no-deliveries")) } }
            @else { (list(app, look, &callers, &deliveries)) }
            @if let Some(id) = older {
                a.button rel="next" href=(page_at(wanted, &id)) { (look.t("settings-older")) }
            }
        }
    })
}

/// A caller's address, and what can be done with it.
fn address(app: &App, look: Look, caller: &Caller, webhook: Option<&Webhook>) -> Markup {
    let now = app.engine.now();
    let url = webhook.and_then(|webhook| webhook.url.as_deref());
    let id = format!("url-{}", caller.id);
    let button = |action: &str, text: String, sure: Option<String>| {
        html! {
            form method="post" action={ "/admin/settings/webhooks/" (action) } data-confirm=[sure] {
                input type="hidden" name="caller" value=(caller.name);
                button type="submit" aria-label={ (text) ": " (caller.name) } { (text) }
            }
        }
    };
    html! {
        div.webhook {
            h3 { (caller.name) }
            form.row method="post" action="/admin/settings/webhooks/set" {
                input type="hidden" name="caller" value=(caller.name);
                label for=(id) { span { (look.t("settings-url")) }
                    input id=(id) type="url" name="url" size="40" value=[url] placeholder="https://"; }
                button type="submit" { (look.t("settings-set")) }
            }
            @if let Some(webhook) = webhook {
                p.hint {
                    (look.t("settings-created")) " " (time(webhook.created_at, now))
                    @if let Some(at) = webhook.rotated_at { " · " (look.t("settings-rotated")) " " (time(at, now)) }
                    @if let Some(until) = webhook.previous_until.filter(|until| *until > now) {
                        " · " (look.t("settings-previous-until")) " " (time(until, now))
                    }
                }
                div.row {
                    @if url.is_some() { (button("test", look.t("settings-test"), None)) }
                    (button("rotate", look.t("settings-rotate"), None))
                    (button("remove", look.t("settings-remove"), Some(look.t("settings-remove-sure"))))
                }
            } @else {
                p.hint { (look.t("settings-no-webhook")) }
                div.row { (button("rotate", look.t("settings-make-secret"), None)) }
            }
        }
    }
}

fn filters(look: Look, callers: &[Caller], wanted: &Wanted) -> Markup {
    let all = || (String::new(), look.t("settings-all"));
    let names = callers.iter().map(|caller| (caller.name.clone(), caller.name.clone()));
    let names: Vec<(String, String)> = std::iter::once(all()).chain(names).collect();
    let states = [DeliveryState::Pending, DeliveryState::Delivered, DeliveryState::GivenUp];
    let states = states.map(|state| (state.as_str().to_owned(), state_word(look, state)));
    let states: Vec<(String, String)> = std::iter::once(all()).chain(states).collect();
    html! {
        form.row method="get" action="/admin/settings/webhooks" {
            (select("caller", &look.t("settings-caller"), &names, &wanted.caller))
            (select("state", &look.t("settings-state"), &states, &wanted.state))
            button type="submit" { (look.t("settings-find")) }
        }
    }
}

fn state_word(look: Look, state: DeliveryState) -> String {
    look.t(&format!("settings-state-{}", state.as_str()))
}

fn page_at(wanted: &Wanted, after: &str) -> String {
    let filters = [("caller", &*wanted.caller), ("state", &*wanted.state), ("after", after)];
    let given: Vec<_> = filters.into_iter().filter(|(_, value)| !value.is_empty()).collect();
    format!("/admin/settings/webhooks?{}", serde_html_form::to_string(given).unwrap_or_default())
}

fn list(app: &App, look: Look, callers: &[Caller], deliveries: &[Delivery]) -> Markup {
    let now = app.engine.now();
    let names: BTreeMap<CallerId, &str> = callers.iter().map(|caller| (caller.id, &*caller.name)).collect();
    let tone = |state| match state {
        DeliveryState::Pending => Tone::Warn,
        DeliveryState::Delivered => Tone::Good,
        DeliveryState::GivenUp => Tone::Bad,
    };
    let columns = ["time", "video", "caller", "url", "state", "tries", "error", "next"];
    let markup = html! {
        table {
            thead { tr {
                @for column in columns { th scope="col" { (look.t(&format!("settings-column-{column}"))) } }
                th scope="col" { (look.t("settings-column-retry")) }
            } }
            tbody {
                @for delivery in deliveries {
                    @let job = openai::spell(delivery.job);
                    tr {
                        td { (time(delivery.created_at, now)) }
                        td { a.mono href={ "/admin/videos/" (job) } { (job) } }
                        td { (names.get(&delivery.caller).copied().unwrap_or("-")) }
                        td { code { (delivery.url) } }
                        td { (badge(tone(delivery.state()), &state_word(look, delivery.state()))) }
                        td.number { (delivery.tries) }
                        td { (delivery.last_error.as_deref().unwrap_or("-")) }
                        td { (maybe_time(delivery.next_at, now)) }
                        td {
                            form method="post" action="/admin/settings/webhooks/retry" {
                                input type="hidden" name="id" value=(delivery.id);
                                button type="submit" aria-label={ (look.t("settings-retry")) ": " (job) } { (look.t("settings-retry")) }
                            }
                        }
                    }
                }
            }
        }
    };
    table(&look.t("settings-deliveries"), &markup)
}
