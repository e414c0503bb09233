//! What filmgate tells about a job beyond what the dialects can say: the `filmgate` object and headers.

use filmgate_domain::{Attempt, Job, Shape};
use http::{HeaderMap, HeaderName, HeaderValue};
use serde_json::{Value, json};

/// The pool of the current attempt.
pub(crate) const POOL: HeaderName = HeaderName::from_static("x-filmgate-pool");
/// `primary`, `upgrade` or `fallback`.
pub(crate) const ROUTE: HeaderName = HeaderName::from_static("x-filmgate-route");

/// Pool, route, why, asked, sent, delivered, verdict, and every attempt.
pub(crate) fn report(job: &Job) -> Value {
    let current = job.attempt();
    let shortfalls = job.delivered.as_ref().map(|delivered| delivered.shortfalls(&job.spec.shape));
    let missing: Option<Vec<String>> = shortfalls.map(|s| s.iter().map(ToString::to_string).collect());
    json!({
        "state": job.state,
        "pool": current.map(|a| &*a.pool),
        "route": current.map(|a| a.route),
        "reason": current.map(|a| &*a.reason).filter(|reason| !reason.is_empty()),
        "asked": shape(&job.spec.shape),
        "sent": current.map(|a| shape(&a.sent)),
        "delivered": job.delivered.as_ref().map(|d| json!({
            "width": d.width, "height": d.height, "seconds": d.duration_ms as f64 / 1000.0,
            "codec": d.codec, "bytes": d.bytes, "sha256": d.sha256,
        })),
        "verdict": job.verdict(),
        "shortfalls": missing.unwrap_or_default(),
        "routes": job.attempts.iter().map(route).collect::<Vec<_>>(),
    })
}

fn route(attempt: &Attempt) -> Value {
    json!({
        "n": attempt.n, "pool": attempt.pool, "route": attempt.route, "sent": shape(&attempt.sent),
        "outcome": attempt.outcome, "error": attempt.error,
    })
}

fn shape(shape: &Shape) -> Value {
    json!({
        "resolution": shape.resolution, "seconds": shape.seconds, "aspect_ratio": shape.aspect_ratio,
    })
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
