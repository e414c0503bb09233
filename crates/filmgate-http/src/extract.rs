//! Parts of a request. What cannot be read is refused in the shape of the dialect, not in axum's words.

use std::convert::Infallible;

use axum::extract::{FromRequest, FromRequestParts, Path, Query, Request};
use axum::response::Response;
use bytes::{Bytes, BytesMut};
use futures_util::StreamExt as _;
use http::StatusCode;
use http::request::Parts;
use serde::de::DeserializeOwned;

use crate::App;
use crate::dialect::Dialect;
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
            refusal.into_response(Dialect::of_path(parts.uri.path()))
        })
    }
}

/// The largest body of a route, in bytes.
#[derive(Clone, Copy, Debug)]
pub(crate) struct BodyLimit(pub(crate) usize);

/// How much of a body that nobody wants is read all the same, in bytes: a client that is still writing when the
/// connection ends never sees why.
pub(crate) const READ_ON: usize = 16 * 1024 * 1024;

/// The whole body.
pub(crate) struct Body(pub(crate) Bytes);

impl FromRequest<App> for Body {
    type Rejection = Response;

    async fn from_request(request: Request, _: &App) -> Result<Self, Response> {
        let dialect = Dialect::of_path(request.uri().path());
        let limit = request.extensions().get::<BodyLimit>().map_or(0, |limit| limit.0);
        read(request.into_body(), limit).await.map(Self).map_err(|refusal| refusal.into_response(dialect))
    }
}

async fn read(body: axum::body::Body, limit: usize) -> Result<Bytes, Refusal> {
    let mut chunks = body.into_data_stream();
    let (mut whole, mut length) = (BytesMut::new(), 0);
    while let Some(chunk) = chunks.next().await {
        let chunk = chunk.map_err(|_| {
            Refusal::new(StatusCode::BAD_REQUEST, "invalid_body", "the request body did not arrive whole")
        })?;
        length += chunk.len();
        if length <= limit {
            whole.extend_from_slice(&chunk);
        } else if length > limit.saturating_add(READ_ON) {
            break;
        }
    }
    if length > limit {
        let message = format!("the request body is larger than {limit} bytes");
        return Err(Refusal::new(StatusCode::PAYLOAD_TOO_LARGE, "body_too_large", message));
    }
    Ok(whole.freeze())
}
