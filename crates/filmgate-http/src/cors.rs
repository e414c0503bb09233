//! Which web pages may call filmgate from a browser. Client keys travel in a header, so no cookie is involved.

use std::time::Duration;

use http::{HeaderName, HeaderValue, Method, header};
use tower_http::cors::{AllowHeaders, AllowOrigin, CorsLayer};

use crate::dialect::report;

/// How long a browser may remember the answer to its question.
const REMEMBERED: Duration = Duration::from_secs(3600);

/// Lets pages of these origins in; `*` means all, none means none.
pub(crate) fn layer(origins: &[String]) -> CorsLayer {
    let allowed = if origins.iter().any(|origin| origin == "*") {
        AllowOrigin::any()
    } else {
        AllowOrigin::list(origins.iter().filter_map(|origin| HeaderValue::from_str(origin).ok()))
    };
    let told = [
        report::POOL,
        report::ROUTE,
        HeaderName::from_static("x-filmgate-replayed"),
        header::RETRY_AFTER,
        header::CONTENT_RANGE,
        HeaderName::from_static("x-request-id"),
        HeaderName::from_static("openai-poll-after-ms"),
    ];
    // Where no origin makes a difference, no cache has to be told that one does.
    let vary = if origins.is_empty() { vec![] } else { vec![header::ORIGIN] };
    CorsLayer::new()
        .vary(vary)
        .allow_origin(allowed)
        .allow_methods([Method::GET, Method::HEAD, Method::POST, Method::DELETE])
        .allow_headers(AllowHeaders::mirror_request())
        .expose_headers(told)
        .max_age(REMEMBERED)
}
