//! The dialects that clients speak. Each turns a request into a `VideoSpec`, and a job into an answer.
//!
//! Any video can be looked at in two spellings of its id; the spelling chooses the dialect of the answer.

pub(crate) mod chat;
pub(crate) mod openai;
pub(crate) mod report;
pub(crate) mod xai;

use filmgate_domain::{CallerId, JobId, VideoSpec};
use filmgate_engine::{Admission, AdmitError, Request};
use http::HeaderMap;
use sha2::{Digest as _, Sha256};

use crate::App;

/// The shape of bodies and errors.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Dialect {
    OpenAi,
    Xai,
}

impl Dialect {
    /// Which dialect a path belongs to, for errors that come before anything was parsed.
    pub(crate) fn of_path(path: &str) -> Dialect {
        let Some(rest) = path.strip_prefix("/v1/videos/") else { return Dialect::OpenAi };
        let first = rest.split('/').next().unwrap_or_default();
        let is_xai = first == "generations" || matches!(spelling(first), Some((Dialect::Xai, _)));
        if is_xai { Dialect::Xai } else { Dialect::OpenAi }
    }
}

/// The dialect and the job that a spelled id stands for: `video_` + 32 hex, or a hyphenated UUID.
pub(crate) fn spelling(text: &str) -> Option<(Dialect, JobId)> {
    let (dialect, id, length) = match text.strip_prefix("video_") {
        Some(hex) => (Dialect::OpenAi, hex, 32),
        None => (Dialect::Xai, text, 36),
    };
    if id.len() != length {
        return None;
    }
    id.parse().ok().map(|job| (dialect, job))
}

/// Admits a video of this caller. `path` and `body` make two requests identical.
pub(crate) async fn admit(
    app: &App,
    caller: CallerId,
    spec: VideoSpec,
    (path, body): (&str, &[u8]),
    headers: &HeaderMap,
) -> Result<Admission, AdmitError> {
    let mut hash = Sha256::new();
    hash.update(path.as_bytes());
    hash.update([0]);
    hash.update(strip_boundary(headers, body));
    // The OpenAI SDKs repeat a request that got no answer, and say so.
    let retries = headers.get("x-stainless-retry-count").and_then(|v| v.to_str().ok());
    let is_retry = retries.and_then(|n| n.parse::<u32>().ok()).is_some_and(|n| n > 0);
    let fingerprint = hash.finalize().into();
    app.engine.admit(Request { caller, spec, fingerprint, is_retry }).await
}

/// A form's boundary is random and changes with each retry; without it, identical forms are identical.
fn strip_boundary(headers: &HeaderMap, body: &[u8]) -> Vec<u8> {
    let content_type = headers.get(http::header::CONTENT_TYPE).and_then(|v| v.to_str().ok()).unwrap_or("");
    let boundary = content_type.split("boundary=").nth(1).map(|b| b.trim_matches('"').as_bytes());
    let Some(boundary) = boundary.filter(|b| !b.is_empty()) else { return body.to_vec() };
    let mut stripped = Vec::with_capacity(body.len());
    let mut rest = body;
    while let Some(at) = rest.windows(boundary.len()).position(|window| window == boundary) {
        stripped.extend_from_slice(&rest[..at]);
        rest = &rest[at + boundary.len()..];
    }
    stripped.extend_from_slice(rest);
    stripped
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_spellings_and_no_third() {
        let job = JobId::from_bytes([0xab; 16]);
        assert_eq!(spelling(&format!("video_{}", job.simple())), Some((Dialect::OpenAi, job)));
        assert_eq!(spelling(&job.to_string()), Some((Dialect::Xai, job)));
        let upper = job.to_string().to_uppercase();
        for wrong in ["", "video_", "generations", &job.simple(), &format!("video_{job}"), &upper] {
            assert_eq!(spelling(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn paths_tell_the_dialect_of_errors() {
        let uuid = JobId::from_bytes([1; 16]).to_string();
        assert_eq!(Dialect::of_path("/v1/videos/generations"), Dialect::Xai);
        assert_eq!(Dialect::of_path(&format!("/v1/videos/{uuid}")), Dialect::Xai);
        assert_eq!(Dialect::of_path(&format!("/v1/videos/{uuid}/content")), Dialect::Xai);
        for path in ["/v1/videos", "/v1/videos/video_x", "/v1/chat/completions", "/"] {
            assert_eq!(Dialect::of_path(path), Dialect::OpenAi, "{path}");
        }
    }

    #[test]
    fn forms_that_differ_in_their_boundary_only_are_identical() {
        let stripped = |boundary: &str| {
            let mut headers = HeaderMap::new();
            let value = format!("multipart/form-data; boundary={boundary}");
            headers.insert(http::header::CONTENT_TYPE, value.parse().unwrap());
            strip_boundary(&headers, format!("--{boundary}\r\nx\r\n--{boundary}--").as_bytes())
        };
        assert_eq!(stripped("abc"), stripped("123456"));
    }
}
