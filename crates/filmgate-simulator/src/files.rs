//! The videos themselves: `GET` and `HEAD /files/{id}.mp4`, whole or in part. No token needed.

use std::{ops::Range, sync::Arc};

use axum::{
    body::{Body, Bytes},
    extract::{Path, RawQuery, State},
    http::{HeaderMap, HeaderValue, Method, StatusCode, header},
    response::{Html, IntoResponse, Response},
};
use futures_util::{StreamExt as _, stream};
use uuid::Uuid;

use crate::{
    app::{App, Books},
    error::ApiError,
    faults::{Fault, Faults},
    jobs::{Job, Status},
    render::Clip,
};

/// How a file is spoilt on its way out.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Spoilt {
    No,
    /// Half of it, and the connection ends.
    Hangup,
    /// A page instead.
    NotVideo,
}

/// `GET /files/{id}.mp4`.
pub(crate) async fn serve(
    State(app): State<Arc<App>>,
    method: Method,
    Path(name): Path<String>,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
) -> Result<Response, ApiError> {
    let now_ms = app.now_ms();
    let film = {
        let mut books = app.books();
        Film::of(find(&app, &mut books, &name, query.as_deref(), now_ms)?, &method)
    };
    send(&app, film.ok_or_else(unknown)?, &headers).await
}

/// The video that a link leads to, if it is done and the link is signed where it must be.
pub(crate) fn find<'a>(
    app: &App,
    books: &'a mut Books,
    name: &str,
    query: Option<&str>,
    now_ms: u64,
) -> Result<&'a mut Job, ApiError> {
    let id = name.strip_suffix(".mp4").and_then(|id| Uuid::parse_str(id).ok()).ok_or_else(unknown)?;
    let job = books.jobs.get(id).filter(|job| job.status(now_ms) == Status::Done && !job.generation.deleted);
    let job = job.ok_or_else(unknown)?;
    let signed = query.unwrap_or_default().split('&').find_map(|pair| pair.strip_prefix("signature="));
    match app.signature(job) {
        Some(signature) if signed != Some(&*signature) => {
            let message = "the link to this file is not signed, or not for it";
            Err(ApiError::new(StatusCode::FORBIDDEN, "permission-denied", message))
        }
        _ => Ok(job),
    }
}

fn unknown() -> ApiError {
    ApiError::not_found("there is no such file")
}

/// What is to be sent, and what is wrong with it.
pub(crate) struct Film {
    clip: Clip,
    faults: Faults,
}

impl Film {
    /// That of a video; a `GET` counts as a fetch. `None` if it ends without a file.
    pub(crate) fn of(job: &mut Job, method: &Method) -> Option<Self> {
        job.generation.fetches += u32::from(method == Method::GET);
        Some(Self { clip: job.clip.clone()?, faults: job.faults.clone() })
    }
}

/// Sends a video, whole or the part that was asked for.
pub(crate) async fn send(app: &App, film: Film, headers: &HeaderMap) -> Result<Response, ApiError> {
    let (file, spoilt) = drawn(app, &film).await?;
    if spoilt == Spoilt::NotVideo {
        return Ok(Html("<!doctype html><title>Oops</title><p>This is not a video.</p>").into_response());
    }
    let whole = file.len();
    let range = headers.get(header::RANGE).and_then(|value| value.to_str().ok());
    let (status, part) = match range.map_or(Wanted::Whole, |range| wanted(range, whole)) {
        Wanted::Whole => (StatusCode::OK, 0..whole),
        Wanted::Part(part) => (StatusCode::PARTIAL_CONTENT, part),
        Wanted::Nothing => return Ok(unsatisfiable(whole)),
    };
    let content_range = format!("bytes {}-{}/{whole}", part.start, part.end.saturating_sub(1));
    let bytes = file.slice(part);
    let length = bytes.len();
    let body = if spoilt == Spoilt::Hangup { breaking_off(&bytes) } else { Body::from(bytes) };
    let mut response = (status, body).into_response();
    let head = response.headers_mut();
    head.insert(header::CONTENT_TYPE, HeaderValue::from_static("video/mp4"));
    head.insert(header::ACCEPT_RANGES, HeaderValue::from_static("bytes"));
    head.insert(header::CONTENT_LENGTH, HeaderValue::from(length));
    if status == StatusCode::PARTIAL_CONTENT {
        head.insert(header::CONTENT_RANGE, text(&content_range));
    }
    Ok(response)
}

/// The bytes of a video that is done, cut short if its prompt said so.
async fn drawn(app: &App, Film { clip, faults }: &Film) -> Result<(Bytes, Spoilt), ApiError> {
    let mut file = padded(app.studio.film(clip).await.map_err(ApiError::internal)?, app.config.padding);
    if faults.has(Fault::Cutoff) {
        // In the middle of the pictures, which are the last box.
        file.truncate(file.len() * 6 / 10);
    }
    let spoilt = match faults {
        faults if faults.has(Fault::NotVideo) => Spoilt::NotVideo,
        faults if faults.has(Fault::Hangup) => Spoilt::Hangup,
        _ => Spoilt::No,
    };
    Ok((file, spoilt))
}

/// A file with a `free` box of so many bytes at its end.
fn padded(file: Bytes, padding: usize) -> Bytes {
    const HEAD: usize = 8;
    let Ok(size) = u32::try_from(HEAD + padding) else { return file };
    if padding == 0 {
        return file;
    }
    // Of no byte but zero, two files would be hard to tell apart where it matters.
    let filling = (0..padding).map(|n| (n % 251) as u8);
    [&file[..], &size.to_be_bytes(), b"free"].concat().into_iter().chain(filling).collect()
}

/// Half of the bytes, then an error, upon which the connection is closed.
fn breaking_off(bytes: &Bytes) -> Body {
    let half = bytes.slice(..bytes.len() / 2);
    let sent = stream::once(async move { Ok::<_, std::io::Error>(half) });
    let broken = stream::once(async {
        // A body that fails at once takes the unsent head with it.
        tokio::task::yield_now().await;
        Err(std::io::Error::other("hung up, as the prompt asked"))
    });
    Body::from_stream(sent.chain(broken))
}

fn unsatisfiable(whole: usize) -> Response {
    let content_range = text(&format!("bytes */{whole}"));
    (StatusCode::RANGE_NOT_SATISFIABLE, [(header::CONTENT_RANGE, content_range)]).into_response()
}

fn text(value: &str) -> HeaderValue {
    HeaderValue::from_str(value).unwrap_or_else(|_| HeaderValue::from_static(""))
}

#[derive(Debug, PartialEq, Eq)]
enum Wanted {
    Whole,
    Part(Range<usize>),
    Nothing,
}

/// Reads a `Range` header with one range. Anything else is ignored, as RFC 9110 section 14.2 allows.
fn wanted(range: &str, whole: usize) -> Wanted {
    let Some((first, last)) = range.strip_prefix("bytes=").and_then(|range| range.split_once('-')) else {
        return Wanted::Whole;
    };
    let part = match (first.trim().parse::<usize>(), last.trim().parse::<usize>()) {
        (Ok(first), Ok(last)) if first <= last => first..last.saturating_add(1).min(whole),
        (Ok(first), Err(_)) if last.trim().is_empty() => first..whole,
        (Err(_), Ok(suffix)) if first.trim().is_empty() => whole.saturating_sub(suffix)..whole,
        _ => return Wanted::Whole,
    };
    if part.start < part.end { Wanted::Part(part) } else { Wanted::Nothing }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges() {
        assert_eq!(wanted("bytes=0-9", 100), Wanted::Part(0..10));
        assert_eq!(wanted("bytes=90-", 100), Wanted::Part(90..100));
        assert_eq!(wanted("bytes=-10", 100), Wanted::Part(90..100));
        assert_eq!(wanted("bytes=-500", 100), Wanted::Part(0..100));
        assert_eq!(wanted("bytes=50-500", 100), Wanted::Part(50..100));
        assert_eq!(wanted("bytes=100-", 100), Wanted::Nothing);
        assert_eq!(wanted("bytes=-0", 100), Wanted::Nothing);
    }

    #[test]
    fn what_is_no_single_range_is_ignored() {
        for range in ["bytes=5-2", "bytes=0-1,4-5", "bytes=-", "items=0-1", "bytes=a-b"] {
            assert_eq!(wanted(range, 100), Wanted::Whole, "{range}");
        }
    }
}
