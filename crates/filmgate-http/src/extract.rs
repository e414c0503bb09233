//! Parts of a request. What cannot be read is refused in the shape of the dialect, not in axum's words.

use std::borrow::Cow;
use std::convert::Infallible;
use std::time::Duration;

use axum::extract::{FromRequest, FromRequestParts, Path, Query, Request};
use axum::response::Response;
use bytes::{Bytes, BytesMut};
use futures_util::StreamExt as _;
use http::request::Parts;
use http::{StatusCode, Uri};
use http_body::Body as _;
use serde::de::DeserializeOwned;
use url::form_urlencoded;

use crate::App;
use crate::auth::Caller;
use crate::dialect::Dialect;
use crate::load::{SMALL_BODY, Taken};
use crate::refusal::Refusal;

/// The one variable part of a path. What is not UTF-8 names nothing, like any other unknown name.
pub(crate) struct Name(pub(crate) String);

impl FromRequestParts<App> for Name {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, Infallible> {
        let name = Path::<String>::from_request_parts(parts, app).await;
        Ok(Self(name.map_or_else(|_| char::REPLACEMENT_CHARACTER.to_string(), |Path(name)| name)))
    }
}

/// The parameters after the `?`.
pub(crate) struct Params<T>(pub(crate) T);

impl<T: DeserializeOwned> FromRequestParts<App> for Params<T> {
    type Rejection = Response;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, Response> {
        let params = Query::<T>::from_request_parts(parts, app).await;
        params.map(|Query(params)| Self(params)).map_err(|rejection| {
            let refusal = Refusal::new(StatusCode::BAD_REQUEST, "invalid_query", rejection.body_text());
            let culprit = culprit::<T>(parts.uri.query().unwrap_or_default());
            let refusal = culprit.into_iter().fold(refusal, |refusal, name| refusal.about(&name));
            refusal.into_response(Dialect::of_path(parts.uri.path()))
        })
    }
}

/// Which parameter of a query cannot be read: alone, or because it is there twice. None of ours has to be there.
fn culprit<T: DeserializeOwned>(query: &str) -> Option<String> {
    let pairs: Vec<(Cow<'_, str>, Cow<'_, str>)> = form_urlencoded::parse(query.as_bytes()).collect();
    let fails = |pairs: &[&(Cow<'_, str>, Cow<'_, str>)]| {
        let query =
            form_urlencoded::Serializer::new(String::new()).extend_pairs(pairs.iter().copied()).finish();
        format!("/?{query}").parse::<Uri>().is_ok_and(|uri| Query::<T>::try_from_uri(&uri).is_err())
    };
    let alone = pairs.iter().find(|pair| fails(&[pair]));
    let twice = || {
        pairs.iter().find(|pair| {
            let same: Vec<_> = pairs.iter().filter(|(name, _)| *name == pair.0).collect();
            same.len() > 1 && fails(&same)
        })
    };
    alone.or_else(twice).map(|(name, _)| name.chars().take(100).collect())
}

/// The largest body of a route, in bytes.
#[derive(Clone, Copy, Debug)]
pub(crate) struct BodyLimit(pub(crate) usize);

impl BodyLimit {
    /// That of the route of a request.
    pub(crate) fn of(extensions: &http::Extensions) -> Self {
        extensions.get().copied().unwrap_or(Self(0))
    }
}

/// How much of a body that nobody wants is read all the same, in bytes: a client that is still writing when the
/// connection ends never sees why.
pub(crate) const READ_ON: usize = 16 * 1024 * 1024;

/// The whole body.
pub(crate) struct Body(pub(crate) Bytes);

impl FromRequest<App> for Body {
    type Rejection = Response;

    async fn from_request(request: Request, app: &App) -> Result<Self, Response> {
        let dialect = Dialect::of_path(request.uri().path());
        let limit = BodyLimit::of(request.extensions());
        let whole = read(app, request.into_body(), limit, None).await;
        whole.map(|(body, _)| Self(body)).map_err(|refusal| refusal.into_response(dialect))
    }
}

/// How much of a body has to come in a second, in bytes, once it had `server.body_timeout`.
const SLOWEST: u64 = 16 * 1024;

/// Reads a whole body. That of a client takes its share of the memory there is for bodies: what its headers say, or
/// more and more where they say nothing.
pub(crate) async fn read(
    app: &App,
    body: axum::body::Body,
    limit: BodyLimit,
    client: Option<Caller>,
) -> Result<(Bytes, Option<Taken>), Refusal> {
    let BodyLimit(limit) = limit;
    let timeout = app.settings.load().requests.body_timeout;
    let announced = body.size_hint().lower();
    let mut memory = match client {
        Some(caller) if announced > SMALL_BODY && announced <= limit as u64 => {
            Some(app.body_memory(caller, announced)?)
        }
        _ => None,
    };
    let began = tokio::time::Instant::now();
    let mut chunks = body.into_data_stream();
    let (mut whole, mut length) = (BytesMut::new(), 0usize);
    loop {
        let until = began + timeout + Duration::from_millis(length as u64 * 1000 / SLOWEST);
        let chunk = match tokio::time::timeout_at(until, chunks.next()).await {
            Ok(Some(Ok(chunk))) => chunk,
            Ok(None) => break,
            Ok(Some(Err(_))) => {
                let message = "the request body did not arrive whole";
                return Err(Refusal::new(StatusCode::BAD_REQUEST, "invalid_body", message));
            }
            Err(_) => return Err(too_slow(timeout)),
        };
        length += chunk.len();
        if length > limit {
            // What was read is of no use any more; the rest is read for the client's sake.
            (whole, memory) = (BytesMut::new(), None);
            if length > limit.saturating_add(READ_ON) {
                break;
            }
            continue;
        }
        if let Some(caller) = client {
            app.grow(&mut memory, caller, length as u64)?;
        }
        whole.extend_from_slice(&chunk);
    }
    if length > limit {
        let message = format!("the request body is larger than {limit} bytes");
        return Err(Refusal::new(StatusCode::PAYLOAD_TOO_LARGE, "body_too_large", message));
    }
    Ok((whole.freeze(), memory))
}

fn too_slow(timeout: Duration) -> Refusal {
    let message = format!(
        "the request body came too slowly: it may take {} s (server.body_timeout), and a second more for each 16 KiB",
        timeout.as_secs_f64()
    );
    Refusal::new(StatusCode::REQUEST_TIMEOUT, "body_too_slow", message)
}

#[cfg(test)]
mod tests {
    use rstest::rstest;
    use serde::Deserialize;

    use super::*;

    #[derive(Deserialize)]
    struct Page {
        #[expect(dead_code, reason = "only whether it can be read counts")]
        limit: Option<u32>,
        #[expect(dead_code, reason = "only whether it can be read counts")]
        after: Option<String>,
    }

    #[rstest]
    #[case("after=x&limit=many", Some("limit"))]
    #[case("limit=1&after=a&after=b", Some("after"))]
    #[case("x=1&x=2&limit=", Some("limit"))]
    #[case("limit=1&x=1&x=2", None)]
    fn what_is_wrong_in_a_query_is_named(#[case] query: &str, #[case] name: Option<&str>) {
        assert_eq!(culprit::<Page>(query).as_deref(), name);
    }
}
