//! Every route of the simulator.

use std::sync::Arc;

use axum::{
    Json, Router,
    body::Bytes,
    extract::{DefaultBodyLimit, Path, State, rejection::BytesRejection},
    http::{HeaderMap, StatusCode, header},
    response::{Html, IntoResponse, Response},
    routing::{get, post},
};
use serde::Deserialize;
use serde_json::{Value, json};

use crate::{
    app::{Answer, App},
    error::ApiError,
    faults::Fault,
    files,
    jobs::{Refusal, Status},
    ledger::{AccountId, TokenReport},
    model::Model,
    wire::{Order, parse_json},
};

/// Seven reference images of several megabytes each, as data URIs.
const MAX_BODY_BYTES: usize = 256 * 1024 * 1024;

pub(crate) fn router(app: Arc<App>) -> Router {
    Router::new()
        .route("/v1/models", get(models))
        .route("/v1/videos/generations", post(create))
        .route("/v1/videos/edits", post(edits))
        .route("/v1/videos/extensions", post(extensions))
        .route("/v1/videos/{request_id}", get(poll))
        .route("/files/{name}", get(files::serve))
        .route("/simulator/generations", get(generations))
        .route("/simulator/tokens", get(tokens))
        .route("/simulator/tokens/{name}", post(change_token))
        .fallback(async || ApiError::not_found("there is nothing at this path"))
        .method_not_allowed_fallback(async || {
            let message = "this path does not take this method";
            ApiError::new(StatusCode::METHOD_NOT_ALLOWED, "method-not-allowed", message)
        })
        .layer(DefaultBodyLimit::max(MAX_BODY_BYTES))
        .with_state(app)
}

/// `POST /v1/videos/generations`.
async fn create(
    State(app): State<Arc<App>>,
    headers: HeaderMap,
    body: Result<Bytes, BytesRejection>,
) -> Result<Response, ApiError> {
    let received_at_ms = app.now_ms();
    let mut seen = Seen::default();
    let result = read_and_take(&app, &headers, body, &mut seen).await;
    let answer = result.inspect_err(|error| {
        app.note_refusal(Refusal {
            received_at_ms,
            token: seen.token,
            prompt: seen.prompt,
            status: error.status.as_u16(),
            code: error.code.to_owned(),
        });
    })?;
    match answer {
        Answer::Id(id) => {
            app.answered(id);
            Ok(Json(json!({"request_id": id.to_string()})).into_response())
        }
        Answer::Garbage => Ok(Html("<p>This is not JSON, as the prompt asked.</p>").into_response()),
        Answer::Lost => {
            Err(ApiError::new(StatusCode::GATEWAY_TIMEOUT, "deadline-exceeded", "Lost, as the prompt asked."))
        }
        Answer::Never => {
            app.stopping.cancelled().await;
            Err(ApiError::new(StatusCode::SERVICE_UNAVAILABLE, "unavailable", "the simulator stops"))
        }
    }
}

/// What was known of a create when it was refused.
#[derive(Default)]
struct Seen {
    token: Option<String>,
    prompt: Option<String>,
}

async fn read_and_take(
    app: &Arc<App>,
    headers: &HeaderMap,
    body: Result<Bytes, BytesRejection>,
    seen: &mut Seen,
) -> Result<Answer, ApiError> {
    let owner = authenticate(app, headers)?;
    seen.token = Some(app.books().ledger.report(owner, app.now_ms()).name);
    let media_type =
        headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    if !media_type.to_ascii_lowercase().starts_with("application/json") {
        let message = "Expected request with `Content-Type: application/json`";
        return Err(ApiError::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, "invalid-argument", message));
    }
    let body = body.map_err(|err| ApiError::new(err.status(), "invalid-argument", err.body_text()))?;
    let order = Order::from_json(&body)?;
    seen.prompt = Some(order.prompt.clone());
    app.take(owner, order).await
}

/// `GET /v1/videos/{request_id}`.
async fn poll(
    State(app): State<Arc<App>>,
    headers: HeaderMap,
    Path(request_id): Path<String>,
) -> Result<Response, ApiError> {
    let caller = authenticate(&app, &headers)?;
    let now_ms = app.now_ms();
    let url = app.file_url(&request_id);
    let mut books = app.books();
    // Another account's video is as unknown as one that never was.
    let job = books.jobs.get(&request_id).filter(|job| job.owner == caller);
    let job = job.ok_or_else(|| ApiError::not_found("Deferred request not found."))?;
    job.generation.polls += 1;
    let pending = job.status(now_ms) == Status::Pending;
    if pending && job.faults.has(Fault::Quiet) {
        return Ok(StatusCode::ACCEPTED.into_response());
    }
    let status = if pending { StatusCode::ACCEPTED } else { StatusCode::OK };
    Ok((status, Json(job.poll_body(now_ms, &url))).into_response())
}

/// `GET /v1/models`: also a way to check a credential that costs nothing.
async fn models(State(app): State<Arc<App>>, headers: HeaderMap) -> Result<Json<Value>, ApiError> {
    authenticate(&app, &headers)?;
    let model =
        |model: Model| json!({"id": model.name(), "object": "model", "created": 0, "owned_by": "xai"});
    Ok(Json(json!({"object": "list", "data": Model::ALL.map(model)})))
}

async fn edits(State(app): State<Arc<App>>, headers: HeaderMap) -> Result<(), ApiError> {
    authenticate(&app, &headers)?;
    Err(ApiError::invalid("the simulator does not offer edits (POST /v1/videos/edits)"))
}

async fn extensions(State(app): State<Arc<App>>, headers: HeaderMap) -> Result<(), ApiError> {
    authenticate(&app, &headers)?;
    Err(ApiError::invalid("the simulator does not offer extensions (POST /v1/videos/extensions)"))
}

/// `GET /simulator/generations`: what was accepted, and what was refused. Needs no token.
async fn generations(State(app): State<Arc<App>>) -> Json<Value> {
    let now_ms = app.now_ms();
    let books = app.books();
    Json(json!({"generations": books.jobs.generations(now_ms), "refusals": books.jobs.refusals()}))
}

/// `GET /simulator/tokens`: every token, without its secret.
async fn tokens(State(app): State<Arc<App>>) -> Json<Value> {
    let now_ms = app.now_ms();
    Json(json!({"tokens": app.books().ledger.reports(now_ms)}))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct TokenChange {
    remaining: Option<u32>,
    valid: Option<bool>,
}

/// `POST /simulator/tokens/{name}` with `{"remaining": 0}` or `{"valid": false}` (or both).
async fn change_token(
    State(app): State<Arc<App>>,
    Path(name): Path<String>,
    body: Bytes,
) -> Result<Json<TokenReport>, ApiError> {
    let change: TokenChange = parse_json(&body)?;
    let now_ms = app.now_ms();
    app.books().ledger.change(&name, change.remaining, change.valid, now_ms).map(Json)
}

fn authenticate(app: &App, headers: &HeaderMap) -> Result<AccountId, ApiError> {
    let value = headers.get(header::AUTHORIZATION).and_then(|value| value.to_str().ok());
    let secret = value.and_then(|value| value.strip_prefix("Bearer ")).map(str::trim);
    let secret = secret.ok_or_else(|| ApiError::unauthenticated("No bearer token was sent."))?;
    let account = app.books().ledger.account(secret);
    account.ok_or_else(|| ApiError::unauthenticated("The bearer token is not known or not valid."))
}
