//! What browsers send: form bodies.

use axum::extract::{FromRequest, Request};
use axum::response::{IntoResponse as _, Response};
use http::StatusCode;
use serde::de::DeserializeOwned;

use crate::App;
use crate::extract::Body;

/// A form that was filled in. Fields of the same name are a list where the type asks for one.
pub(super) struct Form<T>(pub(super) T);

impl<T: DeserializeOwned> FromRequest<App> for Form<T> {
    type Rejection = Response;

    async fn from_request(request: Request, app: &App) -> Result<Self, Response> {
        let Body(body) = Body::from_request(request, app).await?;
        serde_html_form::from_bytes(&body).map(Self).map_err(|error| {
            (StatusCode::BAD_REQUEST, format!("the form cannot be read: {error}\n")).into_response()
        })
    }
}
