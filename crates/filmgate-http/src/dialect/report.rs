//! What filmgate tells about a job beyond what the dialects can say: the `filmgate` object and headers.

use filmgate_domain::{Attempt, Delivered, Job, JobState, Outcome, Route, Shape, Verdict};
use http::{HeaderMap, HeaderName, HeaderValue};
use serde::Serialize;

/// The pool of the current attempt.
pub(crate) const POOL: HeaderName = HeaderName::from_static("x-filmgate-pool");
/// `primary`, `upgrade` or `fallback`.
pub(crate) const ROUTE: HeaderName = HeaderName::from_static("x-filmgate-route");

/// Pool, route, why, asked, sent, delivered, verdict, and every attempt.
#[derive(Serialize)]
pub(crate) struct Report<'a> {
    state: JobState,
    pool: Option<&'a str>,
    route: Option<Route>,
    reason: Option<&'a str>,
    asked: Shape,
    sent: Option<Shape>,
    delivered: Option<File<'a>>,
    verdict: Option<Verdict>,
    shortfalls: Vec<String>,
    routes: Vec<Try<'a>>,
}

/// What came, as it was measured.
#[derive(Serialize)]
struct File<'a> {
    width: u32,
    height: u32,
    seconds: f64,
    codec: &'a str,
    bytes: u64,
    sha256: &'a str,
}

/// One attempt, without what is the operator's own.
#[derive(Serialize)]
struct Try<'a> {
    n: u32,
    pool: &'a str,
    route: Route,
    sent: Shape,
    outcome: Option<Outcome>,
    error: Option<&'a str>,
}

pub(crate) fn report(job: &Job) -> Report<'_> {
    let (current, delivered) = (job.attempt(), job.delivered.as_ref());
    let shortfalls = delivered.map(|file| file.shortfalls(&job.spec.shape)).unwrap_or_default();
    Report {
        state: job.state,
        pool: current.map(|attempt| &*attempt.pool),
        route: current.map(|attempt| attempt.route),
        reason: current.map(|attempt| &*attempt.reason).filter(|reason| !reason.is_empty()),
        asked: job.spec.shape,
        sent: current.map(|attempt| attempt.sent),
        delivered: delivered.map(file),
        verdict: job.verdict(),
        shortfalls: shortfalls.iter().map(ToString::to_string).collect(),
        routes: job.attempts.iter().map(of_attempt).collect(),
    }
}

fn file(delivered: &Delivered) -> File<'_> {
    let Delivered { width, height, duration_ms, codec, bytes, sha256 } = delivered;
    let seconds = *duration_ms as f64 / 1000.0;
    File { width: *width, height: *height, seconds, codec, bytes: *bytes, sha256 }
}

fn of_attempt(attempt: &Attempt) -> Try<'_> {
    let Attempt { n, pool, route, sent, outcome, error, .. } = attempt;
    Try { n: *n, pool, route: *route, sent: *sent, outcome: *outcome, error: error.as_deref() }
}

/// Headers that describe the current attempt.
pub(crate) fn headers(job: &Job) -> HeaderMap {
    let mut headers = HeaderMap::new();
    if let Some(attempt) = job.attempt() {
        if let Ok(pool) = HeaderValue::from_str(&attempt.pool) {
            headers.insert(POOL, pool);
        }
        headers.insert(ROUTE, HeaderValue::from_static(attempt.route.as_str()));
    }
    headers
}
