//! The studio: a video is made by form, watched as it comes, and its request copied as code.

mod code;
mod form;
mod make;
mod wish;

use axum::Router;
use axum::extract::State;
use axum::response::{IntoResponse as _, Response};
use axum::routing::get;
use filmgate_domain::{Job, Mode, NoToken, Timestamp, VideoSpec, Wanted};
use filmgate_store::{JobFilter, StoreError};
use http::StatusCode;
use maud::{Markup, html};

use crate::App;
use crate::dialect::Draft;
use crate::extract::Params;
use crate::refusal::{Refusal, bad_spec};

use super::layout::{self, Section};
use super::look::Look;
use super::parts::{Tone, note, table, time};
use super::session::Visitor;
use super::videos::{address, route_badge, shorten, state_badge};
use code::Request;
use wish::{NAMES, Wish};

/// The caller that videos of the studio are made for, unless another is chosen.
const CALLER: &str = "studio";

/// The videos that are shown below the form.
const SHOWN: u32 = 8;

pub(super) fn routes() -> Router<App> {
    Router::new().route("/admin/studio", get(page).post(make::make))
}

async fn page(State(app): State<App>, visitor: Visitor, Params(wish): Params<Wish>) -> Response {
    let look = visitor.look;
    let checked = match wish.is_checked() {
        true => check(&app, &wish, look).map(Some),
        false => Ok(None),
    };
    let (problem, answer) = match checked {
        Ok(answer) => (None, answer),
        Err(refusal) => (Some(refusal), None),
    };
    render(&app, &visitor, &wish, problem.as_ref(), answer).await
}

/// The form, with what is to be said about it, and the last videos.
async fn render(
    app: &App,
    visitor: &Visitor,
    wish: &Wish,
    problem: Option<&Refusal>,
    answer: Option<Markup>,
) -> Response {
    let look = visitor.look;
    let last = match last_videos(app).await {
        Ok(last) => last,
        Err(error) => {
            let refusal = Refusal::from(error);
            let page = layout::page(
                visitor,
                Section::Studio,
                &look.t("nav-studio"),
                &note(Tone::Bad, &refusal.message),
            );
            return (refusal.status, page).into_response();
        }
    };
    let body = html! {
        p.hint { (look.t("studio-about")) }
        (form::form(app, wish, &last.callers, problem, look))
        @if let Some(answer) = answer { (answer) }
        (videos(&last.jobs, look, app.engine.now()))
    };
    let status = problem.map_or(StatusCode::OK, |refusal| refusal.status);
    (status, layout::page(visitor, Section::Studio, &look.t("nav-studio"), &body)).into_response()
}

struct Last {
    jobs: Vec<Job>,
    /// The names of all callers.
    callers: Vec<String>,
}

async fn last_videos(app: &App) -> Result<Last, StoreError> {
    let store = app.engine.store();
    let callers = store.callers().await?;
    let jobs = match callers.iter().find(|caller| caller.name == CALLER) {
        Some(caller) => {
            let filter = JobFilter { caller: Some(caller.id), limit: SHOWN, ..JobFilter::default() };
            store.jobs(&filter).await?
        }
        None => Vec::new(),
    };
    Ok(Last { jobs, callers: callers.into_iter().map(|caller| caller.name).collect() })
}

fn videos(jobs: &[Job], look: Look, now: Timestamp) -> Markup {
    if jobs.is_empty() {
        return html! {};
    }
    let body = html! {
        table {
            thead { tr {
                th scope="col" { (look.t("videos-when")) }
                th scope="col" { (look.t("videos-state")) }
                th scope="col" { (look.t("studio-prompt")) }
                th scope="col" { (look.t("videos-asked")) }
                th scope="col" { (look.t("videos-pool-route")) }
            } }
            tbody {
                @for job in jobs {
                    tr {
                        td { a href=(address(job.id)) { (time(job.created_at, now)) } }
                        td { (state_badge(job, look)) }
                        td.prompt { (shorten(&job.spec.prompt)) }
                        td { (job.spec.shape) }
                        td { @if let Some(attempt) = job.attempt() { (attempt.pool) " " (route_badge(attempt.route, look)) } }
                    }
                }
            }
        }
    };
    html! { section.card { h2 { (look.t("studio-last")) } (table(&look.t("studio-last"), &body)) } }
}

/// Where such a video would go now, and the request as code. Nothing is made.
fn check(app: &App, wish: &Wish, look: Look) -> Result<Markup, Refusal> {
    let draft = wish.draft(None)?;
    let mode = if wish.has_image() { Mode::Image } else { Mode::Text };
    let model = draft.model.clone().unwrap_or_else(|| app.default_model());
    let shape = shape_of(&draft);
    // What is looked at when it is made, save the image.
    let spec = VideoSpec::made_from(&*model, &draft.prompt, shape, (mode, Vec::new()));
    let spec = spec.map_err(bad_spec(NAMES.prompt))?;
    let fallback = draft.choice.on_shortage == filmgate_domain::OnShortage::Fallback;
    let decided = app.engine.explain(&Wanted { model: &model, shape, mode, fallback });
    let refuse = |error: NoToken| {
        Refusal::not_admitted(&error.into(), app.engine.now(), NAMES, Some("input_reference"))
    };
    let decision = decided.map_err(refuse)?;
    let request =
        Request { model: &model, prompt: &spec.prompt, shape, choice: &draft.choice, image: wish.image() };
    let query = [
        ("model", &*model),
        ("resolution", shape.resolution.as_str()),
        ("seconds", &shape.seconds.to_string()),
    ];
    let routing = serde_html_form::to_string(query).unwrap_or_default();
    Ok(html! {
        section.card {
            h2 { (look.t("studio-where")) }
            @match &decision.chosen {
                Some(chosen) => {
                    @let values = [("pool", chosen.pool.to_string().into()), ("sent", chosen.sent.to_string().into())];
                    p { (look.with("studio-would-go", values)) " " (route_badge(chosen.route, look)) }
                },
                None => (note(Tone::Warn, &look.t("studio-no-token"))),
            }
            @if !decision.passed_over.is_empty() {
                p { (look.t("videos-passed-over")) }
                ul lang="en" { @for pool in &decision.passed_over { li { (pool) } } }
            }
            p { a href={ "/admin/routing?" (routing) } { (look.t("studio-routing")) } }
        }
        (code_section(app, &request, look))
    })
}

fn shape_of(draft: &Draft) -> filmgate_domain::Shape {
    let aspect_ratio = draft.aspect_ratio.unwrap_or(draft.usual_ratio);
    filmgate_domain::Shape { resolution: draft.resolution, seconds: draft.seconds, aspect_ratio }
}

/// The request that made a video, as code; nothing where it cannot be told in the OpenAI dialect alone.
pub(super) fn code_of(app: &App, job: &Job, look: Look) -> Markup {
    let choice = code::choice_of(job);
    match Request::of(job, &choice) {
        Some(request) => code_section(app, &request, look),
        None => html! {},
    }
}

/// The address of a form that is filled in with what a video was asked for.
pub(super) fn like(job: &Job) -> String {
    let query = serde_html_form::to_string(Wish::of(job)).unwrap_or_default();
    format!("/admin/studio?{query}")
}

fn code_section(app: &App, request: &Request<'_>, look: Look) -> Markup {
    let base = format!("{}/v1", app.engine.settings().public_url);
    let languages = [
        ("curl", "code-curl", request.curl(&base)),
        ("Python", "code-python", request.python(&base)),
        ("Node", "code-node", request.node(&base)),
    ];
    html! {
        section.card {
            h2 { (look.t("studio-code")) }
            p.hint { (look.t("studio-code-about")) " " code { "FILMGATE_API_KEY" } }
            @for (name, id, text) in &languages {
                details open[*name == "curl"] {
                    summary { (name) }
                    pre tabindex="0" { code id=(id) { (text) } }
                    button type="button" data-copy=(id) data-copied=(look.t("studio-copied")) { (look.t("studio-copy")) }
                }
            }
        }
    }
}
