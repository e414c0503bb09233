//! Parts of a request. What cannot be read is refused in the shape of the dialect, not in axum's words.

use std::convert::Infallible;

use axum::extract::{FromRequest, FromRequestParts, Path, Query, Request};
use axum::response::Response;
use bytes::Bytes;
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

/// The whole body.
pub(crate) struct Body(pub(crate) Bytes);

impl FromRequest<App> for Body {
    type Rejection = Response;

    async fn from_request(request: Request, app: &App) -> Result<Self, Response> {
        let dialect = Dialect::of_path(request.uri().path());
        Bytes::from_request(request, app).await.map(Self).map_err(|rejection| {
            let status = rejection.status();
            let refusal = if status == StatusCode::PAYLOAD_TOO_LARGE {
                Refusal::new(status, "body_too_large", "the request body is too large")
            } else {
                Refusal::new(StatusCode::BAD_REQUEST, "invalid_body", "the request body did not arrive whole")
            };
            refusal.into_response(dialect)
        })
    }
}
