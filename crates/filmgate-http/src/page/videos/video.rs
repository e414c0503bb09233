//! One video: its life, where it went and why, what came out, and what can be done about it.

use std::sync::Arc;

use axum::extract::State;
use axum::response::{Html, IntoResponse as _, Response};
use filmgate_domain::{Job, JobId, Timestamp};
use filmgate_store::{Delivery, DeliveryFilter, StoreError};
use maud::{Markup, html};
use serde::Deserialize;

use crate::App;
use crate::admin::job_query::read_id;
use crate::dialect::openai;
use crate::extract::{Name, Params};
use crate::refusal::Refusal;
use crate::serve::Closing;

use super::super::layout::{self, Section};
use super::super::live::{self, Live};
use super::super::look::Look;
use super::super::parts::{Tone, badge, bar, maybe_time, note, nothing_here, table, time};
use super::super::session::Visitor;
use super::super::studio;
use super::words::{address, route_badge, shorten, state_badge};
use super::{attempts, compare, timeline};

/// What was done just before.
#[derive(Default, Deserialize)]
#[serde(default)]
pub(super) struct Done {
    done: String,
    /// Which video was made again.
    of: String,
}

/// What the page says first.
pub(super) enum Said<'a> {
    Refused(&'a Refusal),
    Done(Done),
}

/// A video, and whom it belongs to.
struct View {
    job: Arc<Job>,
    caller: String,
    /// Who was, or is to be, told its end.
    deliveries: Vec<Delivery>,
    now: Timestamp,
}

pub(super) async fn page(
    State(app): State<App>,
    visitor: Visitor,
    Name(text): Name,
    Params(done): Params<Done>,
) -> Response {
    let Ok(id) = read_id(text.trim()) else { return missing(&visitor) };
    match render(&app, &visitor, id, Some(Said::Done(done))).await {
        Ok(Some(page)) => page.into_response(),
        Ok(None) => missing(&visitor),
        Err(error) => failed(&visitor, &error.into()),
    }
}

pub(super) async fn updates(
    State(app): State<App>,
    visitor: Visitor,
    closing: Closing,
    Name(text): Name,
) -> Response {
    let Ok(id) = read_id(&text) else { return missing(&visitor) };
    let own = app.clone();
    live::stream(app, visitor, closing, move || {
        let app = own.clone();
        async move {
            match view(&app, id).await {
                // The page has the player, too.
                Ok(Some(view)) if view.job.state.is_final() => Live::Reload,
                Ok(Some(view)) => Live::Html(story(&view, visitor.look)),
                Ok(None) => Live::End,
                // The page says what is wrong.
                Err(_) => Live::Reload,
            }
        }
    })
}

/// The page of a video; none when there is no such video.
pub(super) async fn render(
    app: &App,
    visitor: &Visitor,
    id: JobId,
    said: Option<Said<'_>>,
) -> Result<Option<Html<String>>, StoreError> {
    let Some(view) = view(app, id).await? else { return Ok(None) };
    let (job, look) = (&*view.job, visitor.look);
    let live = (!job.state.is_final()).then(|| format!("{}/live", address(id)));
    let body = html! {
        @match &said {
            Some(Said::Refused(refusal)) => (note(Tone::Bad, &refusal.message)),
            Some(Said::Done(done)) => (done_note(done, look)),
            None => {}
        }
        (head(&view, look))
        div data-live=[live] { (story(&view, look)) }
        @if !job.spec.inputs.is_empty() {
            section.card { h2 { (look.t("videos-made-from")) } (attempts::inputs(job, look)) }
        }
        @if !view.deliveries.is_empty() {
            section.card { h2 { (look.t("videos-webhooks")) } (deliveries(&view, look)) }
        }
        (studio::code_of(app, job, look))
    };
    Ok(Some(layout::page(visitor, Section::Videos, &openai::spell(id), &body)))
}

async fn view(app: &App, id: JobId) -> Result<Option<View>, StoreError> {
    let Some(job) = app.engine.job(id).await? else { return Ok(None) };
    let store = app.engine.store();
    // They are written down with the end.
    let deliveries = match job.state.is_final() {
        true => store.deliveries(&DeliveryFilter { job: Some(id), ..DeliveryFilter::default() }).await?,
        false => Vec::new(),
    };
    let callers = store.callers().await?;
    let caller = callers.into_iter().find(|caller| caller.id == job.caller);
    let caller = caller.map_or_else(|| job.caller.to_string(), |caller| caller.name);
    Ok(Some(View { job, caller, deliveries, now: app.engine.now() }))
}

pub(super) fn missing(visitor: &Visitor) -> Response {
    let (status, body) = nothing_here(visitor.look);
    let title = visitor.look.t("nav-videos");
    (status, layout::page(visitor, Section::Videos, &title, &body)).into_response()
}

pub(super) fn failed(visitor: &Visitor, refusal: &Refusal) -> Response {
    let title = visitor.look.t("nav-videos");
    let page = layout::page(visitor, Section::Videos, &title, &note(Tone::Bad, &refusal.message));
    (refusal.status, page).into_response()
}

fn done_note(done: &Done, look: Look) -> Markup {
    match (&*done.done, read_id(&done.of)) {
        ("cancelled", _) => note(Tone::Good, &look.t("videos-cancelled")),
        ("made", _) => note(Tone::Good, &look.t("videos-made")),
        ("again", Ok(of)) => html! {
            p.note.good role="status" {
                (look.t("videos-made-again")) " " a href=(address(of)) { (openai::spell(of)) }
            }
        },
        _ => html! {},
    }
}

/// Player and deeds: what must not be replaced while somebody uses it.
fn head(view: &View, look: Look) -> Markup {
    let (job, here) = (&*view.job, address(view.job.id));
    html! {
        @if job.has_file() {
            video.player controls preload="metadata" playsinline poster={ (here) "/poster" } src={ (here) "/file" }
                aria-label=(shorten(&job.spec.prompt)) {}
        } @else if job.deleted_at.is_some() {
            (note(Tone::Plain, &look.t("videos-was-deleted")))
        } @else if job.file_removed_at.is_some() {
            (note(Tone::Plain, &look.t("videos-was-removed")))
        }
        @if let Some(failure) = &job.failure {
            p.note.bad { strong { (failure.code) } ": " span lang="en" { (failure.message) } }
        }
        div.row.deeds {
            @if job.has_file() {
                a.button href={ (here) "/file" } download={ (openai::spell(job.id)) ".mp4" } { (look.t("videos-download")) }
            }
            @if job.deleted_at.is_none() {
                form method="post" action={ (here) "/again" } data-confirm=(look.t("videos-again-sure")) {
                    button type="submit" { (look.t("videos-again")) }
                }
                a.button href=(studio::like(job)) { (look.t("videos-in-studio")) }
            }
            @if !job.state.is_final() {
                form method="post" action={ (here) "/cancel" } data-confirm=(look.t("videos-cancel-sure")) {
                    button.danger type="submit" { (look.t("videos-cancel")) }
                }
            }
        }
    }
}

/// What changes while the video is made.
fn story(view: &View, look: Look) -> Markup {
    let View { job, caller, deliveries, now } = view;
    html! {
        section.card {
            div.spread {
                p {
                    (state_badge(job, look)) " "
                    @if let Some(attempt) = job.attempt() {
                        (attempt.pool) " " (route_badge(attempt.route, look))
                    }
                }
                p.hint { (job.spec.model) " · " (caller) " · " (time(job.created_at, *now)) }
            }
            @if !job.state.is_final() {
                @let label = look.with("videos-progress", [("progress", job.progress.into())]);
                (bar(job.progress.into(), 100, Tone::Plain, &label))
            }
            p.prompt { (job.spec.prompt) }
        }
        section.card { h2 { (look.t("videos-compared")) } (compare::comparison(job, look)) }
        section.card { h2 { (look.t("videos-decision")) } (attempts::decision(job, look)) (wishes(job, look, *now)) }
        section.card { h2 { (look.t("videos-timeline")) } (timeline::timeline(job, deliveries, look, *now)) }
        section.card { h2 { (look.t("videos-attempts")) } (attempts::attempts(job, look, *now)) }
    }
}

/// What the client chose besides the video.
fn wishes(job: &Job, look: Look, now: Timestamp) -> Markup {
    html! {
        dl {
            dt { (look.t("videos-on-shortage")) }
            dd { (look.t(&format!("videos-shortage-{}", job.on_shortage.as_str()))) }
            @if let Some(until) = job.wait_until { dt { (look.t("videos-waits-until")) } dd { (time(until, now)) } }
            @if !job.state.is_final() { dt { (look.t("videos-deadline")) } dd { (time(job.deadline, now)) } }
            @if let Some(webhook) = &job.webhook { dt { (look.t("videos-webhook")) } dd { code { (webhook) } } }
        }
    }
}

fn deliveries(view: &View, look: Look) -> Markup {
    let body = html! {
        table {
            thead { tr {
                th scope="col" { (look.t("videos-webhook")) }
                th scope="col" { (look.t("videos-state")) }
                th.number scope="col" { (look.t("videos-tries")) }
                th scope="col" { (look.t("videos-last-answer")) }
                th scope="col" { (look.t("videos-last-try")) }
                th scope="col" { (look.t("videos-next-try")) }
            } }
            tbody { @for delivery in &view.deliveries { (delivery_row(delivery, look, view.now)) } }
        }
    };
    table(&look.t("videos-webhooks"), &body)
}

fn delivery_row(delivery: &Delivery, look: Look, now: Timestamp) -> Markup {
    use filmgate_store::DeliveryState as State;
    let state = delivery.state();
    let tone = match state {
        State::Delivered => Tone::Good,
        State::Pending => Tone::Warn,
        State::GivenUp => Tone::Bad,
    };
    html! {
        tr {
            td { code { (delivery.url) } }
            td { (badge(tone, &look.t(&format!("videos-webhook-{}", state.as_str())))) }
            td.number { (delivery.tries) }
            td {
                @match (delivery.last_status, &delivery.last_error) {
                    (Some(status), Some(error)) => { (status) ": " span lang="en" { (error) } },
                    (Some(status), None) => { (status) },
                    (None, Some(error)) => span lang="en" { (error) },
                    (None, None) => { "-" },
                }
            }
            td { (maybe_time(delivery.last_try_at, now)) }
            td { (maybe_time(delivery.next_at, now)) }
        }
    }
}
