//! The xAI dialect: `/v1`.

mod generation;
mod video;
mod wire;

use std::sync::Arc;

use axum::{
    Json, Router,
    body::Bytes,
    extract::{Path, State, rejection::BytesRejection},
    http::{HeaderMap, StatusCode, header},
    response::{IntoResponse, Response},
    routing::{get, post},
};
use serde_json::{Value, json};
use uuid::Uuid;

pub(crate) use wire::parse_json;

use crate::{
    app::App,
    error::ApiError,
    faults::Fault,
    http::{authenticate, submit},
    jobs::{Job, Status},
    model::Model,
    order::{Dialect, Order},
};

pub(crate) fn router() -> Router<Arc<App>> {
    Router::new()
        .route("/models", get(models))
        .route("/videos/generations", post(generate))
        .route("/videos/edits", post(edit))
        .route("/videos/extensions", post(extend))
        .route("/videos/{request_id}", get(poll))
}

/// The answer to a create.
pub(crate) fn taken(id: Uuid) -> Value {
    json!({"request_id": id.to_string()})
}

type Body = Result<Bytes, BytesRejection>;

async fn generate(State(app): State<Arc<App>>, headers: HeaderMap, body: Body) -> Result<Response, ApiError> {
    create(&app, &headers, body, |_, body| generation::order(body)).await
}

async fn edit(State(app): State<Arc<App>>, headers: HeaderMap, body: Body) -> Result<Response, ApiError> {
    create(&app, &headers, body, video::edit).await
}

async fn extend(State(app): State<Arc<App>>, headers: HeaderMap, body: Body) -> Result<Response, ApiError> {
    create(&app, &headers, body, video::extension).await
}

async fn create(
    app: &Arc<App>,
    headers: &HeaderMap,
    body: Body,
    read: fn(&App, &[u8]) -> Result<Order, ApiError>,
) -> Result<Response, ApiError> {
    let order = async |_| {
        let media_type =
            headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
        if !media_type.to_ascii_lowercase().starts_with("application/json") {
            let message = "Expected request with `Content-Type: application/json`";
            return Err(ApiError::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, "invalid-argument", message));
        }
        let body = body.map_err(|err| ApiError::new(err.status(), "invalid-argument", err.body_text()))?;
        read(app, &body)
    };
    submit(app, Dialect::Xai, headers, order).await
}

/// `GET /v1/videos/{request_id}`.
async fn poll(
    State(app): State<Arc<App>>,
    headers: HeaderMap,
    Path(request_id): Path<String>,
) -> Result<Response, ApiError> {
    let caller = authenticate(&app, &headers)?;
    let now_ms = app.now_ms();
    let mut books = app.books();
    let id = Uuid::parse_str(&request_id).ok();
    let job = id.and_then(|id| books.jobs.of(caller, id, Dialect::Xai));
    let job = job.ok_or_else(|| ApiError::not_found("Deferred request not found."))?;
    job.generation.polls += 1;
    let pending = job.status(now_ms) == Status::Pending;
    if pending && job.faults.has(Fault::Quiet) {
        return Ok(StatusCode::ACCEPTED.into_response());
    }
    let status = if pending { StatusCode::ACCEPTED } else { StatusCode::OK };
    Ok((status, Json(report(job, now_ms, &app.file_url(job)))).into_response())
}

/// The body of a poll.
fn report(job: &Job, now_ms: u64, url: &str) -> Value {
    let generation = &job.generation;
    let model = &generation.model;
    let video = |url: &str, respected: bool| {
        json!({
            "status": "done", "progress": 100, "model": model,
            "video": {"url": url, "duration": job.seconds(), "respect_moderation": respected},
            "usage": {"cost_in_usd_ticks": generation.cost_in_usd_ticks},
        })
    };
    match job.status(now_ms) {
        Status::Pending => json!({"status": "pending", "progress": job.progress(now_ms), "model": model}),
        Status::Done => video(url, true),
        Status::Moderated => video("", false),
        Status::Failed => json!({
            "status": "failed", "progress": 0, "model": model,
            "error": {"code": "internal_error", "message": job.why_failed()},
        }),
        Status::Expired => json!({"status": "expired", "model": model}),
    }
}

/// `GET /v1/models`: also a way to check a credential that costs nothing.
async fn models(State(app): State<Arc<App>>, headers: HeaderMap) -> Result<Json<Value>, ApiError> {
    authenticate(&app, &headers)?;
    let model =
        |model: Model| json!({"id": model.name(), "object": "model", "created": 0, "owned_by": "xai"});
    Ok(Json(json!({"object": "list", "data": Model::XAI.map(model)})))
}
