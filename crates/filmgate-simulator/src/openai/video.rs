//! The video object.

use serde_json::{Value, json};
use uuid::Uuid;

use super::id::spelled;
use crate::{
    app::App,
    config::OpenAiManners,
    jobs::{Job, Status},
    order::Order,
};

/// What stays the same from the create to the end, save the length: a tier may make it shorter.
struct Facts<'a> {
    id: &'a str,
    model: &'a str,
    prompt: &'a str,
    size: Option<&'a str>,
    seconds: u32,
    received_at_ms: u64,
    remixed_from: Option<&'a str>,
}

/// How a video stands.
struct Stand {
    status: &'static str,
    progress: u64,
    completed_at_ms: Option<u64>,
    error: Option<(&'static str, String)>,
}

/// The answer to a create. In the simulator's books there may be nothing yet.
pub(crate) fn taken(app: &App, id: Uuid, order: &Order, received_at_ms: u64) -> Value {
    let facts = Facts {
        id: &spelled(id),
        model: order.model.name(),
        prompt: &order.prompt,
        size: order.size.as_deref(),
        seconds: order.total_seconds(),
        received_at_ms,
        remixed_from: order.remixed_from.as_deref(),
    };
    let stand = Stand { status: "queued", progress: 0, completed_at_ms: None, error: None };
    object(&facts, stand, app.config.openai)
}

/// The answer to a poll.
pub(super) fn report(app: &App, job: &Job, now_ms: u64) -> Value {
    let generation = &job.generation;
    let stand = stand(job, now_ms, app.config.openai);
    let facts = Facts {
        id: &generation.request_id,
        model: &generation.model,
        prompt: &generation.prompt,
        size: generation.asked.size.as_deref(),
        // What was asked until the file is there; then what the file is.
        seconds: if stand.status == "completed" { job.seconds() } else { job.asked_seconds() },
        received_at_ms: generation.received_at_ms,
        remixed_from: generation.remixed_from.as_deref(),
    };
    object(&facts, stand, app.config.openai)
}

fn stand(job: &Job, now_ms: u64, manners: OpenAiManners) -> Stand {
    let ended = |status, error| Stand {
        status,
        progress: if status == "completed" { 100 } else { job.progress(now_ms) },
        completed_at_ms: Some(job.generation.ends_at_ms),
        error,
    };
    match job.status(now_ms) {
        Status::Pending => {
            let progress = job.progress(now_ms);
            let status = if progress == 0 { "queued" } else { "in_progress" };
            Stand { status, progress, completed_at_ms: None, error: None }
        }
        Status::Done => ended("completed", None),
        Status::Moderated => {
            let status = if manners.moderation_as_completed_with_error { "completed" } else { "failed" };
            let message = "This video was blocked by moderation, as its prompt asked.";
            ended(status, Some(("moderation_blocked", message.to_owned())))
        }
        Status::Failed => ended("failed", Some(("internal_error", job.why_failed().to_owned()))),
        Status::Expired => {
            ended("failed", Some(("expired", "The video expired, as its prompt asked.".to_owned())))
        }
    }
}

fn object(facts: &Facts<'_>, stand: Stand, manners: OpenAiManners) -> Value {
    let status = match stand.status {
        "in_progress" if manners.odd_statuses => "processing",
        "completed" if manners.odd_statuses => "succeeded",
        "failed" if manners.odd_statuses => "cancelled",
        status => status,
    };
    let seconds =
        if manners.numeric_seconds { json!(facts.seconds) } else { json!(facts.seconds.to_string()) };
    let error = stand.error.map(|(code, message)| json!({"code": code, "message": message}));
    json!({
        "id": facts.id,
        "object": "video",
        "model": facts.model,
        "status": status,
        "progress": stand.progress,
        "created_at": facts.received_at_ms / 1000,
        "completed_at": stand.completed_at_ms.map(|at| at / 1000),
        // The files stay as long as the simulator runs.
        "expires_at": null,
        "prompt": facts.prompt,
        "size": facts.size,
        "seconds": seconds,
        "remixed_from_video_id": facts.remixed_from,
        "error": error,
    })
}
