//! The list of videos, newest first: narrowed, in pages, with a line above that tells what is new.

use std::collections::HashMap;

use axum::extract::State;
use axum::response::{IntoResponse as _, Redirect, Response};
use filmgate_domain::{CallerId, Job, JobId, JobState, Route, Timestamp, Verdict};
use filmgate_store::JobFilter;
use http::StatusCode;
use maud::{Markup, html};
use serde::Deserialize;

use crate::App;
use crate::admin::job_query::{JobQuery, read_id};
use crate::dialect::openai;
use crate::extract::Params;
use crate::refusal::Refusal;
use crate::serve::Closing;

use super::super::layout::{self, Section};
use super::super::live::{self, Live};
use super::super::look::Look;
use super::super::parts::{Tone, note, number, select, span, table, time};
use super::super::session::Visitor;
use super::words::{address, route_badge, route_word, state_badge, state_word, verdict_word};

/// Videos on a page.
const ON_A_PAGE: u32 = 50;

/// How many new videos are looked at to count them: nobody reads on beyond a thousand.
const COUNTED: u32 = 1000;

/// Which page.
#[derive(Default, Deserialize)]
#[serde(default)]
pub(super) struct Place {
    /// The one video that is looked for.
    id: String,
    /// Older than this one.
    after: String,
    /// Newer than this one.
    before: String,
}

/// What stands on a page.
struct Page {
    jobs: Vec<Job>,
    /// Where the older ones begin.
    older: Option<JobId>,
    /// Where the newer ones begin.
    newer: Option<JobId>,
}

pub(super) async fn page(
    State(app): State<App>,
    visitor: Visitor,
    Params(query): Params<JobQuery>,
    Params(place): Params<Place>,
) -> Response {
    let wanted = place.id.trim();
    let mut problem = None;
    if !wanted.is_empty() {
        match read_id(wanted) {
            Ok(id) => return Redirect::to(&address(id)).into_response(),
            Err(refusal) => problem = Some(refusal),
        }
    }
    let found = match problem {
        Some(refusal) => Err(refusal),
        None => find(&app, &query, &place).await,
    };
    let callers: HashMap<CallerId, String> = match app.engine.store().callers().await {
        Ok(callers) => callers.into_iter().map(|caller| (caller.id, caller.name)).collect(),
        Err(error) => return super::video::failed(&visitor, &error.into()),
    };
    let look = visitor.look;
    let status = found.as_ref().map_or_else(|refusal| refusal.status, |_| StatusCode::OK);
    let body = html! {
        (news(&app, &query, look))
        (filters(&app, &query, wanted, &callers, look))
        @match &found {
            Ok(page) => (rows(&app, page, &query, &callers, look)),
            Err(refusal) => (note(Tone::Bad, &refusal.message)),
        }
    };
    (status, layout::page(&visitor, Section::Videos, &look.t("nav-videos"), &body)).into_response()
}

async fn find(app: &App, query: &JobQuery, place: &Place) -> Result<Page, Refusal> {
    let cursor = |text: &str| (!text.is_empty()).then(|| read_id(text)).transpose();
    let (after, before) = (cursor(&place.after)?, cursor(&place.before)?);
    let filter = JobFilter { limit: ON_A_PAGE, ..query.filter(app).await? };
    let store = app.engine.store();
    if let Some(before) = before {
        let filter = JobFilter { ascending: true, after: Some(before), ..filter };
        let mut page = store.job_page(&filter).await?;
        page.jobs.reverse();
        // Without any, the way back is where one came from.
        let older = page.jobs.last().map_or(before, |job| job.id);
        return Ok(Page { jobs: page.jobs, older: Some(older), newer: page.next });
    }
    let page = store.job_page(&JobFilter { after, ..filter }).await?;
    let newer = after.map(|after| page.jobs.first().map_or(after, |job| job.id));
    Ok(Page { jobs: page.jobs, older: page.next, newer })
}

// ---- what is new ----

/// When the page was loaded.
#[derive(Deserialize)]
pub(super) struct Loaded {
    loaded: i64,
}

/// The line above the list; it moves by itself.
fn news(app: &App, query: &JobQuery, look: Look) -> Markup {
    let now = app.engine.now();
    let live = with(query, "/admin/videos/live", &[("loaded", &now.as_millis().to_string())]);
    html! { div data-live=(live) { (line(app, query, (0, true), look)) } }
}

pub(super) async fn updates(
    State(app): State<App>,
    visitor: Visitor,
    closing: Closing,
    Params(query): Params<JobQuery>,
    Params(Loaded { loaded }): Params<Loaded>,
) -> Response {
    let own = app.clone();
    live::stream(app, visitor, closing, move || {
        let (app, query) = (own.clone(), query.clone());
        async move {
            match count_new(&app, &query, Timestamp::from_millis(loaded)).await {
                Ok(new) => Live::Html(line(&app, &query, new, visitor.look)),
                Err(_) => Live::End,
            }
        }
    })
}

async fn count_new(app: &App, query: &JobQuery, loaded: Timestamp) -> Result<(u64, bool), Refusal> {
    let filter = query.filter(app).await?;
    let filter = JobFilter { from: filter.from.max(Some(loaded)), ..filter };
    let count = app.engine.store().count_jobs(&filter, COUNTED).await?;
    Ok((count.jobs, count.all))
}

fn line(app: &App, query: &JobQuery, (new, all): (u64, bool), look: Look) -> Markup {
    let active = app.engine.active_by_state();
    let (waiting, making): (Vec<_>, Vec<_>) =
        active.into_iter().partition(|(state, _)| *state == JobState::Queued);
    let sum = |counts: &[(JobState, u64)]| number(counts.iter().map(|(_, count)| count).sum());
    let values = [("making", sum(&making).into()), ("waiting", sum(&waiting).into())];
    html! {
        p.news {
            (look.with("videos-in-the-making", values))
            @if new > 0 || !all {
                @let new = if all { number(new) } else { format!("{}+", number(new)) };
                " " a href=(with(query, "/admin/videos", &[])) { (look.with("videos-new", [("new", new.into())])) }
            }
        }
    }
}

// ---- what is looked for ----

fn filters(app: &App, query: &JobQuery, id: &str, callers: &HashMap<CallerId, String>, look: Look) -> Markup {
    let any = || vec![(String::new(), look.t("videos-any"))];
    let options = |words: Vec<(String, String)>| [any(), words].concat();
    let states = JobState::ALL.map(|state| (state.to_string(), state_word(state, look)));
    let pools = app.engine.pools().into_iter().map(|view| view.pool.name.to_string());
    let mut pools: Vec<_> = pools.map(|name| (name.clone(), name)).collect();
    if !query.pool.is_empty() && pools.iter().all(|(name, _)| *name != query.pool) {
        pools.push((query.pool.clone(), query.pool.clone()));
    }
    let routes = Route::ALL.map(|route| (route.to_string(), route_word(route, look)));
    let verdicts = Verdict::ALL.map(|verdict| (verdict.to_string(), verdict_word(verdict, look)));
    let spans = ["1h", "24h", "7d"].map(|span| (span.to_owned(), look.t(&format!("videos-since-{span}"))));
    let mut names: Vec<&String> = callers.values().collect();
    names.sort_unstable();
    let moment = |name: &str, label: String, value: &str| {
        html! { label { span { (label) } input type="datetime-local" name=(name) value=(value); } }
    };
    html! {
        form.card.row method="get" action="/admin/videos" {
            (select("state", &look.t("videos-state"), &options(states.into()), &query.state))
            (select("pool", &look.t("videos-pool"), &options(pools), &query.pool))
            (select("route", &look.t("videos-route"), &options(routes.into()), &query.route))
            (select("verdict", &look.t("videos-verdict"), &options(verdicts.into()), &query.verdict))
            label { span { (look.t("videos-caller")) }
                input type="text" name="caller" value=(query.caller) list="callers" autocomplete="off";
            }
            datalist #callers { @for name in names { option value=(name) {} } }
            (select("since", &look.t("videos-since"), &options(spans.into()), &query.since))
            (moment("from", look.t("videos-from"), &query.from))
            (moment("to", look.t("videos-to"), &query.to))
            label { span { (look.t("videos-id")) }
                input type="text" name="id" value=(id) placeholder="video_…" autocomplete="off" spellcheck="false";
            }
            button.primary type="submit" { (look.t("videos-show")) }
            a.button href="/admin/videos" { (look.t("videos-show-all")) }
        }
    }
}

/// An address with what the list is narrowed to, and something more.
fn with(query: &JobQuery, address: &str, more: &[(&str, &str)]) -> String {
    let JobQuery { state, pool, route, verdict, caller, since, from, to } = query;
    let given = [
        ("state", state),
        ("pool", pool),
        ("route", route),
        ("verdict", verdict),
        ("caller", caller),
        ("since", since),
        ("from", from),
        ("to", to),
    ];
    let given =
        given.into_iter().map(|(name, value)| (name, &**value)).filter(|(_, value)| !value.is_empty());
    let pairs: Vec<(&str, &str)> = given.chain(more.iter().copied()).collect();
    match serde_html_form::to_string(&pairs) {
        Ok(text) if !text.is_empty() => format!("{address}?{text}"),
        _ => address.to_owned(),
    }
}

// ---- what was found ----

fn rows(app: &App, page: &Page, query: &JobQuery, callers: &HashMap<CallerId, String>, look: Look) -> Markup {
    let now = app.engine.now();
    let body = html! {
        table {
            thead { tr {
                th scope="col" { (look.t("videos-when")) }
                th scope="col" { (look.t("videos-state")) }
                th scope="col" { (look.t("videos-model")) }
                th scope="col" { (look.t("videos-asked-delivered")) }
                th scope="col" { (look.t("videos-pool-route")) }
                th scope="col" { (look.t("videos-caller")) }
                th.number scope="col" { (look.t("videos-took")) }
            } }
            tbody {
                @for job in &page.jobs {
                    // What is in memory is ahead of the disk.
                    (row(&app.engine.latest(job.clone()), callers, look, now))
                }
            }
        }
    };
    let link = |id: JobId, word: &str, rel: &str, key: &str| {
        let address = with(query, "/admin/videos", &[(word, &openai::spell(id))]);
        html! { a.button href=(address) rel=(rel) { (look.t(key)) } }
    };
    html! {
        @if page.jobs.is_empty() {
            @let key = if page.older.is_some() && page.newer.is_none() { "videos-none-so-far" } else { "videos-none" };
            p { (look.t(key)) }
        } @else {
            div.card { (table(&look.t("nav-videos"), &body)) }
        }
        @if page.newer.is_some() || page.older.is_some() {
            nav.row aria-label=(look.t("videos-pages")) {
                @if let Some(id) = page.newer { (link(id, "before", "prev", "videos-newer")) }
                @if let Some(id) = page.older { (link(id, "after", "next", "videos-older")) }
            }
        }
    }
}

fn row(job: &Job, callers: &HashMap<CallerId, String>, look: Look, now: Timestamp) -> Markup {
    html! {
        tr {
            td { a href=(address(job.id)) { (time(job.created_at, now)) } }
            td {
                (state_badge(job, look))
                @if let Some(failure) = &job.failure { " " span.hint { (failure.code) } }
            }
            td { (job.spec.model) }
            td { (asked_and_delivered(job)) }
            td {
                @match job.attempt() {
                    Some(attempt) => { (attempt.pool) " " (route_badge(attempt.route, look)) },
                    None => { "-" },
                }
            }
            td { (callers.get(&job.caller).map_or_else(|| job.caller.to_string(), Clone::clone)) }
            td.number { (job.finished_at.map_or_else(|| "-".to_owned(), |at| span(at.since(job.created_at)))) }
        }
    }
}

fn asked_and_delivered(job: &Job) -> String {
    let asked = job.spec.shape;
    let came = match &job.delivered {
        Some(file) => format!("{}x{} {:.1}s", file.width, file.height, file.duration_ms as f64 / 1000.0),
        None => "-".to_owned(),
    };
    format!("{asked} → {came}")
}
