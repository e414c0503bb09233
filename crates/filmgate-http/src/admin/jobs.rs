//! `/admin/v1/jobs`: every job of every caller, with all that happened to it.

use axum::Json;
use axum::extract::State;
use filmgate_domain::{Attempt, Job, JobId, JobState};
use filmgate_store::JobFilter;
use serde::Deserialize;
use serde_json::{Value, json};

use super::AdminError;
use crate::App;
use crate::auth::Operator;
use crate::dialect::{openai, report, spelling};
use crate::extract::{Name, Params};
use crate::refusal::Refusal;

type Answer = Result<Json<Value>, AdminError>;

#[derive(Deserialize)]
pub(crate) struct ListQuery {
    state: Option<String>,
    after: Option<String>,
    limit: Option<u32>,
}

/// Jobs, newest first, in pages.
pub(crate) async fn list(State(app): State<App>, _: Operator, Params(query): Params<ListQuery>) -> Answer {
    let state = query.state.map(|text| text.parse::<JobState>()).transpose();
    let state = state.map_err(|error| Refusal::invalid("state", error.to_string()))?;
    let after = query.after.as_deref().map(read_id).transpose()?;
    let limit = query.limit.unwrap_or(50).clamp(1, 1000);
    let filter = JobFilter { state, after, limit: limit + 1, ..JobFilter::default() };
    let mut jobs = app.engine.store().jobs(&filter).await?;
    let has_more = jobs.len() > limit as usize;
    jobs.truncate(limit as usize);
    let jobs: Vec<Value> = jobs.iter().map(render).collect();
    Ok(Json(json!({ "jobs": jobs, "has_more": has_more })))
}

pub(crate) async fn show(State(app): State<App>, _: Operator, Name(text): Name) -> Answer {
    let job = app.engine.job(read_id(&text)?).await?.ok_or_else(Refusal::no_such_video)?;
    Ok(Json(render(&job)))
}

pub(crate) async fn cancel(State(app): State<App>, _: Operator, Name(text): Name) -> Answer {
    let id = read_id(&text)?;
    app.engine.cancel(id).await?;
    let job = app.engine.job(id).await?.ok_or_else(Refusal::no_such_video)?;
    Ok(Json(render(&job)))
}

fn read_id(text: &str) -> Result<JobId, Refusal> {
    let (_, id) = spelling(text)
        .ok_or_else(|| Refusal::invalid("id", "that is not a job's id, such as video_ and 32 hex digits"))?;
    Ok(id)
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
        "answered_at": attempt.answered_at,
        "settled_at": attempt.settled_at,
        "slot_until": attempt.slot_until,
        "upstream_id": attempt.upstream_id,
        "cost_ticks": attempt.cost_ticks,
        "outcome": attempt.outcome,
        "error": attempt.error,
    })
}
