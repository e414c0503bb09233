//! The overview: whether videos come out as asked, which pool runs short and when, and what wants attention.

mod attention;
mod course;
mod pools;
mod watch;

use std::time::Duration;

use axum::extract::{Query, State};
use axum::response::{Html, Response};
use axum::routing::get;
use axum::{Extension, Router};
use filmgate_domain::Timestamp;
use filmgate_store::StoreError;
use jiff::tz::TimeZone;
use maud::{Markup, html};
use serde::Deserialize;

use crate::App;
use crate::serve::Closing;

use super::layout::{self, Section};
use super::live::{self, Live};
use super::look::Look;
use super::parts::{Tone, note, number, span};
use super::session::Visitor;
use watch::{Glance, Range, Watch};

pub(super) fn routes() -> Router<App> {
    Router::new()
        .route("/admin", get(page))
        .route("/admin/live", get(live_now))
        .route("/admin/live/course", get(live_course))
        .layer(Extension(Watch::default()))
}

#[derive(Deserialize)]
struct Asked {
    #[serde(default)]
    range: String,
}

async fn page(
    State(app): State<App>,
    Extension(watch): Extension<Watch>,
    visitor: Visitor,
    Query(asked): Query<Asked>,
) -> Html<String> {
    let (look, range) = (visitor.look, Range::of(&asked.range));
    let body = html! {
        div data-live="/admin/live" { (now(&app, &watch, look).await) }
        section.card aria-labelledby="course" {
            div.spread {
                h2 #course { (look.t("course-title")) }
                (course::ranges(range, look))
            }
            div data-live={ "/admin/live/course?range=" (range.as_str()) } {
                (course_of(&app, &watch, range, look).await)
            }
        }
    };
    layout::page(&visitor, Section::Overview, &look.t("nav-overview"), &body)
}

async fn live_now(
    State(app): State<App>,
    Extension(watch): Extension<Watch>,
    visitor: Visitor,
    closing: Closing,
) -> Response {
    let own = app.clone();
    live::stream(app, visitor, closing, move || {
        let (app, watch) = (own.clone(), watch.clone());
        async move { Live::Html(now(&app, &watch, visitor.look).await) }
    })
}

async fn live_course(
    State(app): State<App>,
    Extension(watch): Extension<Watch>,
    visitor: Visitor,
    closing: Closing,
    Query(asked): Query<Asked>,
) -> Response {
    let (own, range) = (app.clone(), Range::of(&asked.range));
    live::stream(app, visitor, closing, move || {
        let (app, watch) = (own.clone(), watch.clone());
        async move { Live::Html(course_of(&app, &watch, range, visitor.look).await) }
    })
}

async fn now(app: &App, watch: &Watch, look: Look) -> Markup {
    match watch.glance(app).await {
        Ok(glance) => html! {
            (attention::section(&glance, look))
            (figures(&glance, look))
            (pools::section(&glance, look))
        },
        Err(error) => unreadable(&error, look),
    }
}

async fn course_of(app: &App, watch: &Watch, range: Range, look: Look) -> Markup {
    match watch.history(app, range).await {
        Ok(history) => course::region(&history, look),
        Err(error) => unreadable(&error, look),
    }
}

fn unreadable(error: &StoreError, look: Look) -> Markup {
    tracing::error!(%error, "the overview cannot be shown");
    note(Tone::Bad, &look.t("overview-unreadable"))
}

/// The figures of now.
fn figures(glance: &Glance, look: Look) -> Markup {
    let figure = |figure: String, what: String| {
        html! { div { div.figure { (figure) } div.hint { (what) } } }
    };
    let longest = glance.making.waits_since.map_or(Duration::ZERO, |since| glance.now.since(since));
    html! {
        section.card.figures aria-label=(look.t("now-title")) {
            (figure(super::chart::figure(glance.per_minute), look.t("now-per-minute")))
            (figure(number(glance.making.making), look.t("now-making")))
            (figure(number(glance.making.waiting), match glance.making.waiting {
                0 => look.t("now-waiting"),
                _ => look.with("now-waiting-since", [("time", span(longest).into())]),
            }))
            (figure(number(glance.hour.total()), look.t("now-hour")))
        }
    }
}

/// A point in time for a sentence, in the server's time zone: with its date when it is half a day away.
fn clock(at: Timestamp, now: Timestamp) -> String {
    let near = now.since(at).max(at.since(now)) < Duration::from_secs(12 * 3600);
    local(at, if near { "%H:%M" } else { "%Y-%m-%d %H:%M" })
}

fn local(at: Timestamp, format: &str) -> String {
    let moment = jiff::Timestamp::from_millisecond(at.as_millis()).unwrap_or_default();
    moment.to_zoned(TimeZone::system()).strftime(format).to_string()
}

/// Where the tokens of a pool are, of one status or of all.
fn tokens_at(pool: &str, status: Option<&str>) -> String {
    let filter = [Some(("pool", pool)), status.map(|status| ("status", status))];
    let query: Vec<_> = filter.into_iter().flatten().collect();
    format!("/admin/tokens?{}", serde_html_form::to_string(query).unwrap_or_default())
}
