//! Keeps the page to itself: what it may load, who may frame it, and that no other page acts in its name.

use axum::extract::Request;
use axum::middleware::Next;
use axum::response::{IntoResponse as _, Response};
use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header};

/// Nothing inline, nothing from elsewhere.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; media-src 'self'; \
    connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'";

const HEADERS: [(HeaderName, &str); 5] = [
    (header::CONTENT_SECURITY_POLICY, POLICY),
    (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
    (header::X_FRAME_OPTIONS, "DENY"),
    (header::REFERRER_POLICY, "same-origin"),
    (HeaderName::from_static("cross-origin-opener-policy"), "same-origin"),
];

/// Refuses what another site's page had the browser send, and says on every answer what the page may do.
pub(super) async fn guard(request: Request, next: Next) -> Response {
    let reads = matches!(*request.method(), Method::GET | Method::HEAD);
    let mut response = if reads || is_own(request.headers()) {
        next.run(request).await
    } else {
        (StatusCode::FORBIDDEN, "this came from a page of another site, and nothing was done\n")
            .into_response()
    };
    let headers = response.headers_mut();
    for (name, value) in HEADERS {
        headers.insert(name, HeaderValue::from_static(value));
    }
    // Pages hold what only the operator may see; what may be kept says so itself.
    headers.entry(header::CACHE_CONTROL).or_insert(HeaderValue::from_static("no-store"));
    response
}

/// Browsers tell where a request comes from: newer ones by `Sec-Fetch-Site`, older ones by `Origin`. What tells
/// neither is no browser, and carries no cookie that it was not given on purpose.
fn is_own(headers: &HeaderMap) -> bool {
    if let Some(site) = headers.get("sec-fetch-site") {
        return site == "same-origin" || site == "none";
    }
    let Some(origin) = headers.get(header::ORIGIN) else { return true };
    let origin = origin.to_str().ok().and_then(|origin| origin.split_once("://")).map(|(_, host)| host);
    let host = headers.get(header::HOST).and_then(|host| host.to_str().ok());
    origin.is_some() && origin == host
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case::no_browser(&[], true)]
    #[case::own_form(&[("sec-fetch-site", "same-origin")], true)]
    #[case::typed_in(&[("sec-fetch-site", "none")], true)]
    #[case::sibling(&[("sec-fetch-site", "same-site")], false)]
    #[case::stranger(&[("sec-fetch-site", "cross-site"), ("origin", "http://gate:8000"), ("host", "gate:8000")], false)]
    #[case::older_browser(&[("origin", "http://gate:8000"), ("host", "gate:8000")], true)]
    #[case::older_stranger(&[("origin", "http://evil.example"), ("host", "gate:8000")], false)]
    #[case::other_port(&[("origin", "http://gate:9000"), ("host", "gate:8000")], false)]
    #[case::sandboxed(&[("origin", "null"), ("host", "gate:8000")], false)]
    fn only_the_page_itself_may_act(#[case] sent: &[(&'static str, &'static str)], #[case] own: bool) {
        let headers =
            sent.iter().map(|(name, value)| (HeaderName::from_static(name), HeaderValue::from_static(value)));
        assert_eq!(is_own(&headers.collect()), own);
    }
}
