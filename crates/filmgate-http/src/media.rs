//! Serves the files of completed jobs, with ranges and conditions.

mod range;

use std::path::PathBuf;

use axum::extract::{Request, State};
use axum::response::{IntoResponse as _, Response};
use filmgate_domain::{Job, JobId, JobState};
use filmgate_engine::{PosterError, ProbeError};
use http::{HeaderMap, HeaderValue, StatusCode, Uri, header};
use serde::Deserialize;
use tower::ServiceExt as _;
use tower_http::services::ServeFile;

use crate::App;
use crate::auth::Caller;
use crate::dialect::Dialect;
use crate::extract::{Name, Params};
use crate::refusal::Refusal;

/// `GET /v1/videos/{id}/content`
pub(crate) async fn content(
    State(app): State<App>,
    caller: Caller,
    uri: Uri,
    Name(id): Name,
    Params(query): Params<Variant>,
    request: Request,
) -> Response {
    let dialect = Dialect::of_path(uri.path());
    let found = async {
        let wants_poster = match query.variant.as_deref() {
            None | Some("video") => false,
            Some("thumbnail") => true,
            Some("spritesheet") => {
                let message = "there are no spritesheets; ask for \"video\" or \"thumbnail\"";
                let refusal = Refusal::new(StatusCode::BAD_REQUEST, "unsupported_operation", message);
                return Err(refusal.about("variant"));
            }
            Some(_) => {
                let message = "`variant` must be \"video\" or \"thumbnail\"";
                return Err(Refusal::invalid("variant", message));
            }
        };
        let part = if wants_poster { Part::Poster } else { Part::Video };
        give(&app, &*app.find(caller, &id).await?, part, request).await
    };
    found.await.unwrap_or_else(|refusal| refusal.into_response(dialect))
}

/// What can be had of a video.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Part {
    Video,
    /// Its first frame.
    Poster,
}

/// Serves a file of a job. Whether whoever asks may have it was looked at before.
pub(crate) async fn give(app: &App, job: &Job, part: Part, request: Request) -> Result<Response, Refusal> {
    ready(job)?;
    let kept = match part {
        Part::Video => Kept::video(app, job),
        Part::Poster => poster(app, job).await?,
    };
    Ok(serve(kept, request).await)
}

/// A file that is kept.
struct Kept {
    job: JobId,
    path: PathBuf,
    media_type: &'static str,
    /// What changes whenever the file does.
    tag: String,
}

impl Kept {
    fn video(app: &App, job: &Job) -> Self {
        let tag = job.delivered.as_ref().map(|delivered| format!("\"{}\"", delivered.sha256));
        let path = app.engine.file(job.id);
        Self { job: job.id, path, media_type: "video/mp4", tag: tag.unwrap_or_default() }
    }
}

/// The first frame. A video whose codec cannot be decoded here has none, and is none the worse for it.
async fn poster(app: &App, job: &Job) -> Result<Kept, Refusal> {
    match app.engine.poster(job).await {
        Ok(path) => {
            let tag = Kept::video(app, job).tag.replacen('"', "\"poster-", 1);
            Ok(Kept { job: job.id, path, media_type: "image/webp", tag })
        }
        Err(PosterError::Video(ProbeError::Io(error))) => {
            tracing::error!(job = %job.id, %error, "the poster of a video could not be made");
            Err(Refusal::storage())
        }
        Err(error) => {
            let message = format!("there is no thumbnail of this video: {error}");
            Err(Refusal::new(StatusCode::BAD_REQUEST, "thumbnail_unavailable", message).about("variant"))
        }
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
    Name(name): Name,
    Params(signed): Params<Signed>,
    request: Request,
) -> Response {
    let found = async {
        let id =
            name.strip_suffix(".mp4").and_then(|id| id.parse().ok()).ok_or_else(Refusal::no_such_video)?;
        if !app.engine.is_link(id, signed.expires, &signed.signature) {
            let message = "this link has expired or was altered; get a fresh one from the video's status";
            return Err(Refusal::new(StatusCode::FORBIDDEN, "invalid_link", message));
        }
        let job = app.engine.job(id).await?.filter(|job| job.deleted_at.is_none());
        let job = job.ok_or_else(Refusal::no_such_video)?;
        ready(&job)?;
        Ok(Kept::video(&app, &job))
    };
    match found.await {
        Ok(kept) => serve(kept, request).await,
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
        _ => {
            missing("video_not_ready", "Video is not ready yet, use GET /v1/videos/{id} to check its status.")
        }
    })
}

async fn serve(kept: Kept, mut request: Request) -> Response {
    let Kept { job, path, media_type, tag } = kept;
    let mut response = if has_it_already(request.headers_mut(), &tag) {
        StatusCode::NOT_MODIFIED.into_response()
    } else {
        if request.headers().contains_key(header::RANGE)
            && let Ok(file) = tokio::fs::metadata(&path).await
        {
            range::tidy(&request.method().clone(), request.headers_mut(), file.len());
        }
        let media_type = media_type.parse().expect("a valid media type");
        match ServeFile::new_with_mime(path, &media_type).oneshot(request).await {
            Ok(response) => response.into_response(),
            Err(never) => match never {},
        }
    };
    if response.status() == StatusCode::NOT_FOUND {
        tracing::error!(%job, "the file of a completed job is missing on disk");
        let message = "the file of this video is missing";
        return Refusal::new(StatusCode::NOT_FOUND, "video_missing", message).into_response(Dialect::OpenAi);
    }
    if let Ok(tag) = HeaderValue::from_str(&tag) {
        response.headers_mut().insert(header::ETAG, tag);
    }
    // Whoever watched may keep it, and asks each time whether it is still there for them.
    let kept = HeaderValue::from_static("private, no-cache");
    response.headers_mut().insert(header::CACHE_CONTROL, kept);
    response
}

/// Whether the client says that it holds the file with this entity tag. `ServeFile` knows conditions on
/// times only: those on tags are answered here, and a range that is wanted of another file is dropped.
fn has_it_already(headers: &mut HeaderMap, tag: &str) -> bool {
    if let Some(wanted) = headers.remove(header::IF_RANGE)
        && wanted != tag
    {
        headers.remove(header::RANGE);
    }
    if !headers.contains_key(header::IF_NONE_MATCH) {
        return false;
    }
    // Tags are the better condition: where there are some, times do not count.
    headers.remove(header::IF_MODIFIED_SINCE);
    let held = headers.get_all(header::IF_NONE_MATCH).into_iter().filter_map(|value| value.to_str().ok());
    held.flat_map(|list| list.split(','))
        .map(str::trim)
        .any(|held| held == "*" || held.strip_prefix("W/").unwrap_or(held) == tag)
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case("if-none-match", "\"a\"", true, true)]
    #[case("if-none-match", "W/\"b\", W/\"a\"", true, true)]
    #[case("if-none-match", "*", true, true)]
    #[case("if-none-match", "\"b\"", false, true)]
    #[case("if-none-match", "a", false, true)]
    #[case("if-range", "\"a\"", false, true)]
    #[case("if-range", "\"b\"", false, false)]
    #[case("if-range", "W/\"a\"", false, false)]
    #[case("if-range", "Mon, 23 Nov 2026 04:00:00 GMT", false, false)]
    fn conditions_on_tags(
        #[case] name: &'static str,
        #[case] value: &'static str,
        #[case] has_it: bool,
        #[case] keeps_range: bool,
    ) {
        let mut headers = HeaderMap::new();
        headers.insert(header::RANGE, HeaderValue::from_static("bytes=0-1"));
        headers.insert(name, HeaderValue::from_static(value));
        assert_eq!(has_it_already(&mut headers, "\"a\""), has_it);
        assert_eq!(headers.contains_key(header::RANGE), keeps_range);
    }
}
