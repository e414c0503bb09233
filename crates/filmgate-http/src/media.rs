//! Serves the files of completed jobs, with ranges and conditions.

use axum::extract::{Request, State};
use axum::response::{IntoResponse as _, Response};
use filmgate_domain::{Job, JobState};
use http::{HeaderMap, HeaderValue, StatusCode, header};
use serde::Deserialize;
use tower::ServiceExt as _;
use tower_http::services::ServeFile;

use crate::App;
use crate::auth::Caller;
use crate::dialect::{Dialect, spelling};
use crate::extract::{Name, Params};
use crate::refusal::Refusal;

/// `GET /v1/videos/{id}/content`
pub(crate) async fn content(
    State(app): State<App>,
    caller: Caller,
    Name(id): Name,
    Params(query): Params<Variant>,
    request: Request,
) -> Response {
    let dialect = spelling(&id).map_or(Dialect::OpenAi, |(dialect, _)| dialect);
    let found = async {
        if let Some(variant) = query.variant.filter(|variant| variant != "video") {
            let variant: String = variant.chars().take(40).collect();
            return Err(Refusal::invalid(
                "variant",
                format!("there is no {variant:?} of videos; only \"video\""),
            ));
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
    Name(name): Name,
    Params(signed): Params<Signed>,
    request: Request,
) -> Response {
    let found = async {
        let id =
            name.strip_suffix(".mp4").and_then(|id| id.parse().ok()).ok_or_else(Refusal::no_such_video)?;
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
        _ => {
            missing("video_not_ready", "Video is not ready yet, use GET /v1/videos/{id} to check its status.")
        }
    })
}

async fn serve(app: &App, job: &Job, mut request: Request) -> Response {
    let tag = job.delivered.as_ref().map(|delivered| format!("\"{}\"", delivered.sha256)).unwrap_or_default();
    let mut response = if has_it_already(request.headers_mut(), &tag) {
        StatusCode::NOT_MODIFIED.into_response()
    } else {
        let mp4 = "video/mp4".parse().expect("a valid media type");
        match ServeFile::new_with_mime(app.engine.file(job.id), &mp4).oneshot(request).await {
            Ok(response) => response.into_response(),
            Err(never) => match never {},
        }
    };
    if response.status() == StatusCode::NOT_FOUND {
        tracing::error!(job = %job.id, "the file of a completed job is missing on disk");
        let message = "the file of this video is missing";
        return Refusal::new(StatusCode::NOT_FOUND, "video_missing", message).into_response(Dialect::OpenAi);
    }
    if let Ok(tag) = HeaderValue::from_str(&tag) {
        response.headers_mut().insert(header::ETAG, tag);
    }
    response.headers_mut().insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
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
