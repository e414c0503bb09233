//! The routes that belong to no dialect, and what the creates of all dialects have in common.

use std::sync::Arc;

use axum::{
    Json, Router,
    body::Bytes,
    extract::{DefaultBodyLimit, Path, State},
    http::{HeaderMap, StatusCode, header},
    middleware::from_fn_with_state,
    response::{Html, IntoResponse, Response},
    routing::{get, post},
};
use serde::Deserialize;
use serde_json::{Value, json};
use uuid::Uuid;

use crate::{
    app::{Answer, App, Received},
    error::ApiError,
    files,
    jobs::Refusal,
    ledger::{AccountId, TokenReport},
    limits, openai,
    order::{Dialect, Order},
    repeats::Repeat,
    xai::{self, parse_json},
};

/// Seven reference images of several megabytes each, as data URIs.
const MAX_BODY_BYTES: usize = 256 * 1024 * 1024;

pub(crate) fn router(app: Arc<App>) -> Router {
    Router::new()
        .nest("/v1", xai::router())
        .nest("/openai/v1", openai::router())
        .route("/files/{name}", get(files::serve))
        .route("/simulator/generations", get(generations))
        .route("/simulator/tokens", get(tokens))
        .route("/simulator/tokens/{name}", post(change_token))
        .fallback(async || ApiError::nothing_here())
        .method_not_allowed_fallback(async || ApiError::method_not_allowed())
        .layer(from_fn_with_state(Arc::clone(&app), limits::tell))
        .layer(DefaultBodyLimit::max(MAX_BODY_BYTES))
        .with_state(app)
}

/// A create in either dialect: who asks, what is asked (`read`), and the answer. What is refused is noted.
pub(crate) async fn submit(
    app: &Arc<App>,
    dialect: Dialect,
    headers: &HeaderMap,
    read: impl AsyncFnOnce(AccountId) -> Result<Order, ApiError>,
) -> Result<Response, ApiError> {
    let received_at_ms = app.now_ms();
    let id = Uuid::new_v4();
    let mut seen = Seen::default();
    let result = async {
        let owner = authenticate(app, headers)?;
        seen.token = Some(app.books().ledger.report(owner, app.now_ms()).name);
        let order = read(owner).await?;
        seen.prompt = Some(order.prompt.clone());
        let claim = match app.repeats.claim(owner, headers) {
            Repeat::Known(id, body) => return Ok((id, body, Answer::Id)),
            Repeat::OnTheWay => {
                let message = "A request with this Idempotency-Key is in progress.";
                return Err(ApiError::new(StatusCode::CONFLICT, "aborted", message));
            }
            Repeat::First(claim) => claim,
        };
        let body = match dialect {
            Dialect::Xai => xai::taken(id),
            Dialect::OpenAi => openai::taken(app, id, &order, received_at_ms),
        };
        let received = Received { id, owner, order, received_at_ms };
        let answer = app.take(received, claim, body.clone()).await?;
        Ok((id, body, answer))
    };
    let (id, body, answer) = result.await.inspect_err(|error: &ApiError| {
        app.note_refusal(Refusal {
            received_at_ms,
            token: seen.token,
            prompt: seen.prompt,
            status: error.status.as_u16(),
            code: error.code_in(dialect).to_owned(),
        });
    })?;
    match answer {
        Answer::Id => {
            app.answered(id);
            Ok(Json(body).into_response())
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

pub(crate) fn authenticate(app: &App, headers: &HeaderMap) -> Result<AccountId, ApiError> {
    let value = headers.get(header::AUTHORIZATION).and_then(|value| value.to_str().ok());
    let secret = value.and_then(|value| value.strip_prefix("Bearer ")).map(str::trim);
    let secret = secret.ok_or_else(|| ApiError::unauthenticated("No bearer token was sent."))?;
    let account = app.books().ledger.account(secret);
    account.ok_or_else(|| ApiError::unauthenticated("The bearer token is not known or not valid."))
}
