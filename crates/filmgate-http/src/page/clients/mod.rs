//! Clients: who asks for videos, with which keys, how much, and how much they may.

mod act;
mod caller;
mod days;
mod figures;
mod fresh;
mod setup;

use axum::Router;
use axum::extract::{Query, State};
use axum::response::{IntoResponse as _, Response};
use axum::routing::{get, post};
use filmgate_domain::Timestamp;
use filmgate_store::KeyScope;
use http::StatusCode;
use maud::{Markup, html};
use serde::Deserialize;

use crate::App;
use crate::admin::callers::{self, CallerView};
use crate::admin::keys::LONGEST_NAME;
use crate::refusal::Refusal;
use crate::serve::Closing;

use super::layout::{self, Section};
use super::live::{self, Live};
use super::look::Look;
use super::parts::{self, Tone, maybe_time, note, number};
use super::session::Visitor;

pub(crate) use fresh::FreshKeys;

/// How many callers are shown at once.
const ON_A_PAGE: usize = 100;

pub(super) fn routes() -> Router<App> {
    Router::new()
        .route("/admin/clients", get(page).post(act::create))
        .route("/admin/clients/live", get(updates))
        .route("/admin/clients/{id}", get(caller::page))
        .route("/admin/clients/{id}/live", get(caller::updates))
        .route("/admin/clients/{id}/limits", post(act::limit))
        .route("/admin/clients/{id}/keys", post(act::add_key))
        .route("/admin/clients/{id}/keys/{key}/rotate", post(act::rotate))
        .route("/admin/clients/{id}/keys/{key}/revoke", post(act::revoke))
}

/// Which callers to show.
#[derive(Clone, Default, Deserialize)]
pub(super) struct Filter {
    /// A part of their name.
    #[serde(default)]
    q: String,
    /// The page, from 1.
    #[serde(default)]
    page: Option<usize>,
}

impl Filter {
    fn query(&self, page: usize) -> String {
        serde_html_form::to_string([("q", &*self.q), ("page", &*page.to_string())]).unwrap_or_default()
    }
}

async fn page(State(app): State<App>, visitor: Visitor, Query(filter): Query<Filter>) -> Response {
    render(&app, &visitor, &filter, &Said::default()).await
}

/// What the page says besides: what went wrong with a form, and what was typed into it.
#[derive(Default)]
struct Said {
    problem: Option<(StatusCode, String)>,
    name: String,
}

async fn render(app: &App, visitor: &Visitor, filter: &Filter, said: &Said) -> Response {
    let look = visitor.look;
    let now = app.engine.now();
    let (status, table) = match callers::views(app).await {
        Ok(views) => (StatusCode::OK, table(&views, filter, look, now)),
        Err(error) => failed(&error.into(), look),
    };
    let address = format!("/admin/clients/live?{}", filter.query(filter.page.unwrap_or(1)));
    let body = html! {
        @if let Some((_, problem)) = &said.problem { (note(Tone::Bad, problem)) }
        section.card {
            h2 #callers { (look.t("clients-callers")) }
            p.hint { (look.t("clients-callers-hint")) }
            form.row.spaced method="get" action="/admin/clients" role="search" {
                (parts::field("q", &look.t("clients-search"), &filter.q))
                button type="submit" { (look.t("clients-search-button")) }
            }
            div data-live=(address) { (table) }
        }
        (new_caller(look, &said.name))
        (setup::render(app, look))
    };
    let page = layout::page(visitor, Section::Clients, &look.t("nav-clients"), &body);
    let status = said.problem.as_ref().map_or(status, |(status, _)| *status);
    (status, page).into_response()
}

async fn updates(
    State(app): State<App>,
    visitor: Visitor,
    Query(filter): Query<Filter>,
    closing: Closing,
) -> Response {
    let own = app.clone();
    live::stream(app, visitor, closing, move || {
        let (app, filter, look) = (own.clone(), filter.clone(), visitor.look);
        async move {
            match callers::views(&app).await {
                Ok(views) => Live::Html(table(&views, &filter, look, app.engine.now())),
                Err(error) => Live::Html(failed(&error.into(), look).1),
            }
        }
    })
}

/// What takes the place of what could not be read or done.
fn failed(refusal: &Refusal, look: Look) -> (StatusCode, Markup) {
    (refusal.status, note(Tone::Bad, &problem(refusal, look)))
}

/// What was wrong, in the reader's language.
fn problem(refusal: &Refusal, look: Look) -> String {
    match &*refusal.code {
        "key_revoked" => look.t("clients-problem-revoked"),
        "not_found" => look.t("nothing-here"),
        "invalid_value" => look.with("clients-problem-name", [("most", LONGEST_NAME.into())]),
        _ => look.t("clients-problem-failed"),
    }
}

fn table(views: &[CallerView], filter: &Filter, look: Look, now: Timestamp) -> Markup {
    let wanted = filter.q.trim().to_lowercase();
    let fits = |view: &&CallerView| view.caller.name.to_lowercase().contains(&wanted);
    let mut found: Vec<&CallerView> = views.iter().filter(fits).collect();
    found.sort_by_cached_key(|view| view.caller.name.to_lowercase());
    let pages = found.len().div_ceil(ON_A_PAGE).max(1);
    let page = filter.page.unwrap_or(1).clamp(1, pages);
    let shown = found.iter().skip((page - 1) * ON_A_PAGE).take(ON_A_PAGE);
    let rows = html! {
        table {
            thead { tr {
                th scope="col" { (look.t("clients-name")) }
                th.number scope="col" { (look.t("clients-keys-valid")) }
                th scope="col" { (look.t("clients-in-flight")) }
                th scope="col" { (look.t("clients-last-minute")) }
                th scope="col" { (look.t("clients-last-day")) }
                th scope="col" { (look.t("clients-last-used")) }
            } }
            tbody { @for view in shown { (row(view, look, now)) } }
        }
    };
    html! {
        @if found.is_empty() {
            p { (look.t(if views.is_empty() { "clients-none" } else { "clients-none-found" })) }
        } @else {
            (parts::table(&look.t("clients-callers"), &rows))
        }
        @if pages > 1 {
            nav aria-label=(look.t("clients-pages")) {
                ul {
                    @for number in 1..=pages {
                        li { a href={ "/admin/clients?" (filter.query(number)) } aria-current=[(number == page).then_some("page")] { (number) } }
                    }
                }
            }
        }
    }
}

fn row(view: &CallerView, look: Look, now: Timestamp) -> Markup {
    let address = format!("/admin/clients/{}", view.caller.id);
    html! {
        tr {
            th scope="row" { a #(view.caller.id) href=(address) { (view.caller.name) } }
            td.number { (number(view.keys as u64)) }
            @for figure in figures::figures(view) { td.share { (figure.render(look)) } }
            td { (maybe_time(view.last_used_at, now)) }
        }
    }
}

fn new_caller(look: Look, name: &str) -> Markup {
    html! {
        section.card aria-labelledby="new" {
            h2 #new { (look.t("clients-new-title")) }
            p.hint { (look.t("clients-new-hint")) }
            form.row method="post" action="/admin/clients" {
                label { span { (look.t("clients-name")) }
                    input type="text" name="name" value=(name) required maxlength=(LONGEST_NAME) autocomplete="off";
                }
                (opens_and_lasts(look))
                button.primary type="submit" { (look.t("clients-new-button")) }
            }
        }
    }
}

/// How long a key may last, in seconds, and what that is called; the first is for ever.
const LASTS: [(u64, &str); 5] = [
    (0, "clients-lasts-on"),
    (604_800, "clients-lasts-week"),
    (2_592_000, "clients-lasts-month"),
    (7_776_000, "clients-lasts-quarter"),
    (31_536_000, "clients-lasts-year"),
];

fn scope_name(scope: KeyScope, look: Look) -> String {
    look.t(match scope {
        KeyScope::Client => "clients-scope-client",
        KeyScope::ReadOnly => "clients-scope-read-only",
        KeyScope::Admin => "clients-scope-admin",
    })
}

/// The fields that say what a key opens, and for how long.
fn opens_and_lasts(look: Look) -> Markup {
    html! {
        label { span { (look.t("clients-scope")) }
            select name="scope" {
                @for scope in KeyScope::ALL { option value=(scope.as_str()) { (scope_name(scope, look)) } }
            }
        }
        label { span { (look.t("clients-lasts")) }
            select name="lasts" {
                @for (seconds, name) in LASTS { option value=(seconds) { (look.t(name)) } }
            }
        }
    }
}
