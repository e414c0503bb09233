//! Serves the files of completed jobs, with ranges and conditions.

use axum::extract::{Path, Query, Request, State};
use axum::response::{IntoResponse as _, Response};
use filmgate_domain::{Job, JobState};
use http::{HeaderValue, StatusCode, header};
use serde::Deserialize;
use tower::ServiceExt as _;
use tower_http::services::ServeFile;

use crate::App;
use crate::auth::Caller;
use crate::dialect::{Dialect, spelling};
use crate::refusal::Refusal;

/// `GET /v1/videos/{id}/content`
pub(crate) async fn content(
    State(app): State<App>,
    caller: Caller,
    Path(id): Path<String>,
    Query(query): Query<Variant>,
    request: Request,
) -> Response {
    let dialect = spelling(&id).map_or(Dialect::OpenAi, |(dialect, _)| dialect);
    let found = async {
        if let Some(variant) = query.variant.filter(|variant| variant != "video") {
            let variant: String = variant.chars().take(40).collect();
            return Err(Refusal::invalid("variant", format!("there is no {variant:?} of videos; only \"video\"")));
        }
        let job = app.find(caller, &id).await?.1;
        ready(&job)?;
        Ok(job)
    };
    match found.await {
        Ok(job) => serve(&app, &job, request).await,
        Err(refusal) => refusal.into_response(dialect),
    }
}

/// The `variant` of a content request.
#[derive(Deserialize)]
pub(crate) struct Variant {
    variant: Option<String>,
}

/// What makes a link work.
#[derive(Deserialize)]
pub(crate) struct Signed {
    #[serde(default)]
    expires: i64,
    #[serde(default)]
    signature: String,
}

/// `GET /media/{id}.mp4`: a signed link needs no key.
pub(crate) async fn signed(
    State(app): State<App>,
    Path(name): Path<String>,
    Query(signed): Query<Signed>,
    request: Request,
) -> Response {
    let found = async {
        let id = name.strip_suffix(".mp4").and_then(|id| id.parse().ok()).ok_or_else(Refusal::no_such_video)?;
        if !app.links.check(id, signed.expires, &signed.signature, app.engine.now()) {
            let message = "this link has expired or was altered; get a fresh one from the video's status";
            return Err(Refusal::new(StatusCode::FORBIDDEN, "invalid_link", message));
        }
        let job = app.engine.job(id).await?.ok_or_else(Refusal::no_such_video)?;
        ready(&job)?;
        Ok(job)
    };
    match found.await {
        Ok(job) => serve(&app, &job, request).await,
        Err(refusal) => refusal.into_response(Dialect::OpenAi),
    }
}

fn ready(job: &Job) -> Result<(), Refusal> {
    let missing = |code: &str, message: &str| Refusal::new(StatusCode::NOT_FOUND, code, message);
    if job.has_file() {
        return Ok(());
    }
    Err(match job.state {
        JobState::Completed => missing("video_expired", "the video was removed when its time was up"),
        JobState::Failed => missing("video_failed", "there is no video: it failed; its status says why"),
        _ => missing("video_not_ready", "Video is not ready yet, use GET /v1/videos/{id} to check its status."),
    })
}

async fn serve(app: &App, job: &Job, request: Request) -> Response {
    let mp4 = "video/mp4".parse().expect("a valid media type");
    let service = ServeFile::new_with_mime(app.engine.file(job.id), &mp4);
    let mut response = match service.oneshot(request).await {
        Ok(response) => response.into_response(),
        Err(never) => match never {},
    };
    if response.status() == StatusCode::NOT_FOUND {
        tracing::error!(job = %job.id, "the file of a completed job is missing on disk");
        let message = "the file of this video is missing";
        return Refusal::new(StatusCode::NOT_FOUND, "video_missing", message).into_response(Dialect::OpenAi);
    }
    if let Some(delivered) = &job.delivered
        && let Ok(tag) = HeaderValue::from_str(&format!("\"{}\"", delivered.sha256))
    {
        response.headers_mut().insert(header::ETAG, tag);
    }
    response.headers_mut().insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    response
}
