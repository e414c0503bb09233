//! `/admin/v1/jobs`: every job of every caller, with all that happened to it. The page does here what it does.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use filmgate_domain::{Attempt, Job, JobId};
use filmgate_engine::AgainError;
use filmgate_store::JobFilter;
use http::StatusCode;
use serde::Deserialize;
use serde_json::{Value, json};

use super::job_query::{JobQuery, read_id, read_id_in};
use super::{AdminError, page_size};
use crate::App;
use crate::auth::{By, Caller, Operator};
use crate::dialect::{WEBHOOK, choice, openai, report};
use crate::extract::{Name, Params};
use crate::refusal::Refusal;
use crate::webhooks;

type Answer = Result<Json<Value>, AdminError>;

/// Which page of a list.
#[derive(Deserialize)]
pub(crate) struct Place {
    after: Option<String>,
    limit: Option<u32>,
}

/// Jobs, newest first, in pages. A page that is short may still have one behind it: only so many jobs are looked
/// at for one.
pub(crate) async fn list(
    State(app): State<App>,
    _: Operator,
    Params(query): Params<JobQuery>,
    Params(place): Params<Place>,
) -> Answer {
    let after = place.after.as_deref().map(|text| read_id_in("after", text)).transpose()?;
    let limit = page_size(place.limit, 50, 1000)?;
    let filter = JobFilter { after, limit, ..query.filter(&app).await? };
    let page = app.engine.store().job_page(&filter).await?;
    let jobs: Vec<Value> = page.jobs.iter().map(render).collect();
    let next = page.next.map(openai::spell);
    Ok(Json(json!({ "jobs": jobs, "has_more": next.is_some(), "next": next })))
}

pub(crate) async fn show(State(app): State<App>, _: Operator, Name(text): Name) -> Answer {
    let job = app.engine.job(read_id(&text)?).await?.ok_or_else(Refusal::no_such_video)?;
    Ok(Json(render(&job)))
}

pub(crate) async fn cancel(State(app): State<App>, operator: Operator, Name(text): Name) -> Answer {
    let job = end(&app, operator.by(), read_id(&text)?).await?;
    Ok(Json(render(&job)))
}

pub(crate) async fn again(State(app): State<App>, operator: Operator, Name(text): Name) -> Answer {
    let job = make_again(&app, operator.by(), read_id(&text)?).await?;
    Ok(Json(render(&job)))
}

/// Ends an unfinished job.
pub(crate) async fn end(app: &App, by: By, id: JobId) -> Result<Arc<Job>, Refusal> {
    app.engine.cancel(id).await?;
    app.audit(by, "job.cancel", &openai::spell(id), String::new()).await;
    app.engine.job(id).await?.ok_or_else(Refusal::no_such_video)
}

/// Makes a job's video again, for the same caller, as another job.
pub(crate) async fn make_again(app: &App, by: By, id: JobId) -> Result<Arc<Job>, Refusal> {
    let job = app.engine.job(id).await?.ok_or_else(Refusal::no_such_video)?;
    let gone = |why: &str| Refusal::new(StatusCode::CONFLICT, "cannot_make_again", why);
    if job.deleted_at.is_some() {
        return Err(gone("its caller deleted this video, so it is not made again"));
    }
    // Its caller may have lost the secret that signs, or the address be refused by now: that stops no video.
    let webhook = match &job.webhook {
        Some(url) => webhooks::accept(app, Caller(job.caller), url, WEBHOOK).await.ok(),
        None => None,
    };
    let made = app.engine.again(&job, choice::USUAL_WAIT, webhook).await.map_err(|error| match error {
        AgainError::InputGone(_) => gone(&error.to_string()),
        AgainError::Admit(error) => {
            let now = app.engine.now();
            Refusal::not_admitted(
                &error,
                now,
                openai::NAMES,
                (!job.spec.inputs.is_empty()).then_some("input"),
            )
        }
    })?;
    app.audit(by, "job.again", &openai::spell(id), format!("as {}", openai::spell(made.id))).await;
    Ok(made)
}

fn render(job: &Job) -> Value {
    json!({
        "id": openai::spell(job.id),
        "caller": job.caller,
        "model": job.spec.model,
        "prompt": job.spec.prompt,
        "state": job.state,
        "progress": job.progress,
        "created_at": job.created_at,
        "deadline": job.deadline,
        "finished_at": job.finished_at,
        "failure": job.failure,
        "file_removed_at": job.file_removed_at,
        "attempts": job.attempts.iter().map(attempt).collect::<Vec<_>>(),
        "filmgate": report::report(job),
    })
}

fn attempt(attempt: &Attempt) -> Value {
    json!({
        "n": attempt.n,
        "token": attempt.token,
        "pool": attempt.pool,
        "upstream": attempt.upstream,
        "model": attempt.model,
        "route": attempt.route,
        "reason": attempt.reason,
        "sent": attempt.sent,
        "units": attempt.units,
        "charged": attempt.charged,
        "reserved_at": attempt.reserved_at,
        "sent_at": attempt.sent_at,
        "lost_answer": attempt.lost_answer,
        "lost_at": attempt.lost_at,
        "answered_at": attempt.answered_at,
        "settled_at": attempt.settled_at,
        "slot_until": attempt.slot_until,
        "upstream_id": attempt.upstream_id,
        "cost_ticks": attempt.cost_ticks,
        "outcome": attempt.outcome,
        "error": attempt.error,
    })
}
