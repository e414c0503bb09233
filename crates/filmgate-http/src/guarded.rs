//! What every answer says to browsers, unless it says something else itself: do not guess its type, do not keep it, do
//! not tell others where it was, and load nothing with it.

use http::{HeaderValue, Response, header};

/// An answer that is no page has nothing to load, and stands in no frame.
const NOTHING: HeaderValue = HeaderValue::from_static("default-src 'none'; frame-ancestors 'none'");

pub(crate) fn guard<B>(mut response: Response<B>) -> Response<B> {
    let headers = response.headers_mut();
    let kind = headers.get(header::CONTENT_TYPE).and_then(|kind| kind.to_str().ok()).unwrap_or_default();
    // A browser that shows a video or an image by itself makes a page around it, which has to load it.
    let is_media = kind.starts_with("video/") || kind.starts_with("image/");
    if !is_media {
        headers.entry(header::CONTENT_SECURITY_POLICY).or_insert(NOTHING);
    }
    headers.entry(header::X_CONTENT_TYPE_OPTIONS).or_insert(HeaderValue::from_static("nosniff"));
    headers.entry(header::REFERRER_POLICY).or_insert(HeaderValue::from_static("no-referrer"));
    // Answers hold signed links and what is only for whoever asked.
    headers.entry(header::CACHE_CONTROL).or_insert(HeaderValue::from_static("no-store"));
    response
}
