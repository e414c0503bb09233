//! The OpenAI Videos dialect: `/openai/v1`.

mod form;
mod id;
mod video;
mod wire;

use std::sync::Arc;

use axum::{
    Json, Router,
    extract::{Path, Query, Request, State, rejection::QueryRejection},
    http::{HeaderMap, Method, StatusCode, header},
    response::{IntoResponse, Response},
    routing::{get, post},
};
use serde::Deserialize;
use serde_json::{Value, json};

pub(crate) use id::spelled;
pub(crate) use video::taken;

use crate::{
    app::App,
    error::ApiError,
    faults::Fault,
    files::{self, Film},
    http::{authenticate, submit},
    jobs::{Job, Status},
    ledger::AccountId,
    model::Model,
    order::{Dialect, Order},
};
use form::Form;

const MAX_PAGE: usize = 100;
const DEFAULT_PAGE: usize = 20;

pub(crate) fn router() -> Router<Arc<App>> {
    Router::new()
        .route("/models", get(models))
        .route("/videos", get(list).post(generate))
        .route("/videos/edits", post(edit))
        .route("/videos/extensions", post(extend))
        .route("/videos/{id}", get(retrieve).delete(delete))
        .route("/videos/{id}/content", get(content))
        .route("/videos/{id}/remix", post(remix))
        .fallback(async || Error(ApiError::nothing_here()))
        .method_not_allowed_fallback(async || Error(ApiError::method_not_allowed()))
}

/// A refusal in OpenAI's shape: `{"error": {"message", "type", "param", "code"}}`.
struct Error(ApiError);

impl From<ApiError> for Error {
    fn from(error: ApiError) -> Self {
        Self(error)
    }
}

impl IntoResponse for Error {
    fn into_response(self) -> Response {
        let Self(error) = self;
        let code = error.code_in(Dialect::OpenAi);
        let kind = match error.status.as_u16() {
            429 => code,
            500.. => "server_error",
            _ => "invalid_request_error",
        };
        let (message, param) = (&error.message, &error.param);
        error.with_body(json!({"error": {"message": message, "type": kind, "param": param, "code": code}}))
    }
}

type Answered = Result<Response, Error>;

/// `POST /videos`.
async fn generate(State(app): State<Arc<App>>, request: Request) -> Answered {
    let only = app.config.openai.multipart_only;
    create(&app, request, only, |_, _, form| wire::generation(form)).await
}

/// `POST /videos/edits`.
async fn edit(State(app): State<Arc<App>>, request: Request) -> Answered {
    let only = app.config.openai.multipart_only;
    create(&app, request, only, wire::edit).await
}

/// `POST /videos/extensions`.
async fn extend(State(app): State<Arc<App>>, request: Request) -> Answered {
    let only = app.config.openai.multipart_only;
    create(&app, request, only, wire::extension).await
}

/// `POST /videos/{id}/remix`: has no file, so every server takes JSON.
async fn remix(State(app): State<Arc<App>>, Path(id): Path<String>, request: Request) -> Answered {
    create(&app, request, false, move |app, owner, form| wire::remix(app, owner, &id, form)).await
}

async fn create(
    app: &Arc<App>,
    request: Request,
    multipart_only: bool,
    read: impl FnOnce(&App, AccountId, Form) -> Result<Order, ApiError>,
) -> Answered {
    let headers = request.headers().clone();
    let order = async |owner| read(app, owner, Form::read(request, multipart_only).await?);
    Ok(submit(app, Dialect::OpenAi, &headers, order).await?)
}

/// `GET /videos/{id}`.
async fn retrieve(State(app): State<Arc<App>>, Path(id): Path<String>, headers: HeaderMap) -> Answered {
    let owner = authenticate(&app, &headers)?;
    let now_ms = app.now_ms();
    with_job(&app, owner, &id, |job| {
        job.generation.polls += 1;
        if job.status(now_ms) == Status::Pending && job.faults.has(Fault::Quiet) {
            return Ok(StatusCode::ACCEPTED.into_response());
        }
        Ok(Json(video::report(&app, job, now_ms)).into_response())
    })
}

/// `DELETE /videos/{id}`: only what has ended.
async fn delete(State(app): State<Arc<App>>, Path(id): Path<String>, headers: HeaderMap) -> Answered {
    let owner = authenticate(&app, &headers)?;
    let now_ms = app.now_ms();
    with_job(&app, owner, &id, |job| {
        if job.status(now_ms) == Status::Pending {
            let message = "Only a video that has ended can be deleted.";
            return Err(Error(ApiError::new(StatusCode::CONFLICT, "failed-precondition", message)));
        }
        job.generation.deleted = true;
        Ok(Json(json!({"id": id, "object": "video.deleted", "deleted": true})).into_response())
    })
}

#[derive(Deserialize)]
struct Variant {
    variant: Option<String>,
}

/// `GET /videos/{id}/content`.
async fn content(
    State(app): State<Arc<App>>,
    method: Method,
    Path(id): Path<String>,
    query: Result<Query<Variant>, QueryRejection>,
    headers: HeaderMap,
) -> Answered {
    let owner = authenticate(&app, &headers)?;
    let Query(Variant { variant }) = query.map_err(bad_query)?;
    if let Some(other) = variant.filter(|variant| variant != "video") {
        return Err(Error(ApiError::invalid(format!("{other} is not simulated")).about("variant")));
    }
    let now_ms = app.now_ms();
    let film = with_job(&app, owner, &id, |job| {
        if job.status(now_ms) != Status::Done {
            return Err(Error(ApiError::not_found("Video is not ready yet, use GET /v1/videos/{video_id}.")));
        }
        if app.config.openai.content_redirects {
            return Ok(Err(app.file_url(job)));
        }
        let film = Film::of(job, &method);
        film.map(Ok).ok_or_else(|| Error(no_video(&id)))
    })?;
    match film {
        Ok(film) => Ok(files::send(&app, film, &headers).await?),
        Err(link) => Ok((StatusCode::FOUND, [(header::LOCATION, link)]).into_response()),
    }
}

#[derive(Deserialize)]
struct Page {
    after: Option<String>,
    limit: Option<usize>,
    order: Option<String>,
}

/// `GET /videos`: newest first unless `order=asc`.
async fn list(
    State(app): State<Arc<App>>,
    query: Result<Query<Page>, QueryRejection>,
    headers: HeaderMap,
) -> Answered {
    let owner = authenticate(&app, &headers)?;
    let Query(page) = query.map_err(bad_query)?;
    let limit = page.limit.unwrap_or(DEFAULT_PAGE);
    if !(1..=MAX_PAGE).contains(&limit) {
        return Err(Error(ApiError::invalid(format!("limit must be 1 to {MAX_PAGE}")).about("limit")));
    }
    let now_ms = app.now_ms();
    let books = app.books();
    let listed = |job: &&Job| now_ms >= job.generation.accepted_at_ms + app.config.openai.listed_after_ms;
    let mut jobs: Vec<&Job> = books.jobs.all_of(owner, Dialect::OpenAi).filter(listed).collect();
    match page.order.as_deref() {
        None | Some("desc") => jobs.reverse(),
        Some("asc") => {}
        Some(_) => return Err(Error(ApiError::invalid("order must be asc or desc").about("order"))),
    }
    if let Some(after) = page.after {
        let position = jobs.iter().position(|job| job.generation.request_id == after);
        let position = position.ok_or_else(|| Error(no_video(&after)))?;
        jobs.drain(..=position);
    }
    let has_more = jobs.len() > limit;
    jobs.truncate(limit);
    let data: Vec<Value> = jobs.into_iter().map(|job| video::report(&app, job, now_ms)).collect();
    let id = |video: Option<&Value>| video.map(|video| video["id"].clone());
    let (first, last) = (id(data.first()), id(data.last()));
    let body = json!({
        "object": "list", "data": data, "first_id": first, "last_id": last, "has_more": has_more,
    });
    Ok(Json(body).into_response())
}

/// `GET /models`.
async fn models(State(app): State<Arc<App>>, headers: HeaderMap) -> Answered {
    authenticate(&app, &headers)?;
    let model =
        |model: Model| json!({"id": model.name(), "object": "model", "created": 0, "owned_by": "simulator"});
    Ok(Json(json!({"object": "list", "data": Model::ALL.map(model)})).into_response())
}

/// Does something with a video of this account.
fn with_job<T>(
    app: &App,
    owner: AccountId,
    id: &str,
    act: impl FnOnce(&mut Job) -> Result<T, Error>,
) -> Result<T, Error> {
    let mut books = app.books();
    let job = id::parse(id).and_then(|id| books.jobs.of(owner, id, Dialect::OpenAi));
    act(job.ok_or_else(|| no_video(id))?)
}

fn no_video(id: &str) -> ApiError {
    ApiError::not_found(format!("Video with id '{id}' not found.")).about("video_id")
}

fn bad_query(err: QueryRejection) -> Error {
    Error(ApiError::invalid(err.body_text()))
}
