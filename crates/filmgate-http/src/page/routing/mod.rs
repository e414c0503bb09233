//! Routing: where a video would go and why; the switches and pools, changed after a look at what that does.

mod draft;
mod form;
mod preview;
mod what_if;

use axum::Router;
use axum::extract::{RawQuery, State};
use axum::response::{IntoResponse as _, Redirect, Response};
use axum::routing::{get, post};
use http::StatusCode;
use maud::{Markup, html};

use crate::admin::config::{apply, undo_last};
use crate::admin::preview::{MOST, NoPreview, Preview, USUAL, preview};
use crate::{App, ConfigProblem, NotUndone};

use super::forms::Form;
use super::layout::{self, Section};
use super::look::Look;
use super::parts::{Tone, note};
use super::session::Visitor;

use draft::{Fields, Sent};
use form::Extent;
use what_if::Asked;

pub(super) fn routes() -> Router<App> {
    Router::new()
        .route("/admin/routing", get(page))
        .route("/admin/routing/preview", post(look_at))
        .route("/admin/routing/apply", post(take))
        .route("/admin/routing/undo", post(undo))
}

/// What stands on the page besides what always does.
struct Shown {
    asked: Asked,
    fields: Fields,
    extent: Extent,
    /// A preview, and the values that it is of.
    preview: Option<(Preview, Vec<(String, String)>)>,
    note: Option<(Tone, String)>,
}

impl Shown {
    fn new(app: &App, sent: &Sent) -> Self {
        let of = |name| sent.iter().filter(move |(field, _)| field == name).map(|(_, value)| value);
        let last = of("last").next().and_then(|last| last.trim().parse().ok()).unwrap_or(USUAL);
        let extent = Extent { last: last.clamp(1, MOST), short: of("short").cloned().collect() };
        let fields = Fields::new(app.configuration.values(), sent);
        Self { asked: Asked::default(), fields, extent, preview: None, note: None }
    }
}

async fn page(State(app): State<App>, visitor: Visitor, RawQuery(query): RawQuery) -> Response {
    let asked: Asked = serde_html_form::from_str(&query.unwrap_or_default()).unwrap_or_default();
    let look = visitor.look;
    let note = match &*asked.done {
        "applied" => Some(look.with("routing-done-applied", [("n", asked.n.into())])),
        "undone" => Some(look.with("routing-done-undone", [("n", asked.n.into())])),
        _ => None,
    };
    let shown = Shown { asked, note: note.map(|text| (Tone::Good, text)), ..Shown::new(&app, &Vec::new()) };
    render(&app, &visitor, &shown)
}

async fn look_at(State(app): State<App>, visitor: Visitor, Form(sent): Form<Sent>) -> Response {
    let mut shown = Shown::new(&app, &sent);
    let values = shown.fields.values();
    match preview(&app, &values, shown.extent.last, shown.extent.short.clone()).await {
        Ok(preview) => {
            shown.preview = Some((preview, values));
            render(&app, &visitor, &shown)
        }
        Err(NoPreview::Draft(problem)) => refuse(&app, &visitor, shown, problem),
        Err(NoPreview::Refused(refusal)) => {
            shown.note = Some((Tone::Bad, refusal.message));
            (refusal.status, render(&app, &visitor, &shown)).into_response()
        }
    }
}

/// Takes what was previewed into use: the fields are its keys, with their values as TOML.
async fn take(State(app): State<App>, visitor: Visitor, Form(values): Form<Sent>) -> Response {
    match apply(&app, visitor.by(), &values).await {
        Ok(changes) => {
            Redirect::to(&format!("/admin/routing?done=applied&n={}", changes.len())).into_response()
        }
        Err(problem) => refuse(&app, &visitor, Shown::new(&app, &Vec::new()), problem),
    }
}

fn refuse(app: &App, visitor: &Visitor, mut shown: Shown, problem: ConfigProblem) -> Response {
    shown.note = Some((Tone::Bad, visitor.look.t("routing-wrong")));
    shown.fields.blame(problem);
    (StatusCode::BAD_REQUEST, render(app, visitor, &shown)).into_response()
}

async fn undo(State(app): State<App>, visitor: Visitor) -> Response {
    match undo_last(&app, visitor.by()).await {
        Ok(changes) => {
            Redirect::to(&format!("/admin/routing?done=undone&n={}", changes.len())).into_response()
        }
        Err(reason) => {
            let mut shown = Shown::new(&app, &Vec::new());
            shown.note = Some((Tone::Bad, not_undone(visitor.look, &reason)));
            (StatusCode::CONFLICT, render(&app, &visitor, &shown)).into_response()
        }
    }
}

fn not_undone(look: Look, reason: &NotUndone) -> String {
    match reason {
        NotUndone::Nothing => look.t("routing-undo-nothing"),
        NotUndone::ChangedSince { file } => {
            look.with("routing-undo-changed", [("file", file.as_str().into())])
        }
        NotUndone::Problem(ConfigProblem(mistakes)) => {
            let lines: Vec<String> = mistakes.iter().map(ToString::to_string).collect();
            format!("{} {}", look.t("routing-undo-problem"), lines.join("; "))
        }
    }
}

fn render(app: &App, visitor: &Visitor, shown: &Shown) -> Response {
    let look = visitor.look;
    let body = html! {
        @if let Some((tone, text)) = &shown.note { (note(*tone, text)) }
        @if let Some((found, values)) = &shown.preview {
            (preview::render(look, found, values, &shown.extent.short))
        }
        (what_if::render(app, look, &shown.asked))
        section.card #edit {
            h2 { (look.t("routing-edit")) }
            (form::render(look, &shown.fields, &shown.extent, &app.configuration.writes_to()))
        }
        (last_change(app, look))
    };
    layout::page(visitor, Section::Routing, &look.t("nav-routing"), &body).into_response()
}

/// The last change, which can be undone.
fn last_change(app: &App, look: Look) -> Markup {
    html! {
        section.card #undo {
            h2 { (look.t("routing-undo-title")) }
            @match app.configuration.undo_would() {
                Ok(changes) => {
                    p { (look.t("routing-undo-about")) }
                    (preview::changes(look, &look.t("routing-undo-title"), &changes))
                    @if changes.is_empty() { p.hint { (look.t("routing-undo-same")) } }
                    form method="post" action="/admin/routing/undo" data-confirm=(look.t("routing-undo-sure")) {
                        button type="submit" { (look.t("routing-undo")) }
                    }
                }
                Err(reason) => p.hint { (not_undone(look, &reason)) },
            }
        }
    }
}
