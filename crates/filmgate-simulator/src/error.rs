//! Refusals, and how xAI words them: `{"code": "invalid-argument", "error": "text"}`.

use axum::{
    Json,
    http::{HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use serde_json::json;

use crate::order::Dialect;

/// An answer that refuses.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ApiError {
    pub(crate) status: StatusCode,
    /// xAI's code.
    pub(crate) code: &'static str,
    /// OpenAI's code, where the status does not say enough.
    openai_code: Option<&'static str>,
    /// The field that is wrong; only OpenAI tells it apart.
    pub(crate) param: Option<String>,
    pub(crate) message: String,
    /// Whole seconds.
    pub(crate) retry_after: Option<u64>,
}

impl ApiError {
    pub(crate) fn new(status: StatusCode, code: &'static str, message: impl Into<String>) -> Self {
        Self { status, code, openai_code: None, param: None, message: message.into(), retry_after: None }
    }

    pub(crate) fn invalid(message: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, "invalid-argument", message)
    }

    /// The body does not have the right form, as opposed to a value that is out of range.
    pub(crate) fn malformed(message: impl Into<String>) -> Self {
        Self::new(StatusCode::UNPROCESSABLE_ENTITY, "invalid-argument", message)
    }

    pub(crate) fn unauthenticated(message: impl Into<String>) -> Self {
        Self::new(StatusCode::UNAUTHORIZED, "unauthenticated", message)
    }

    pub(crate) fn not_found(message: impl Into<String>) -> Self {
        Self::new(StatusCode::NOT_FOUND, "not-found", message)
    }

    pub(crate) fn exhausted(message: impl Into<String>, retry_after_seconds: u64) -> Self {
        let error = Self::new(StatusCode::TOO_MANY_REQUESTS, "resource-exhausted", message);
        Self { retry_after: Some(retry_after_seconds), ..error }
    }

    pub(crate) fn internal(message: impl Into<String>) -> Self {
        Self::new(StatusCode::INTERNAL_SERVER_ERROR, "internal", message)
    }

    pub(crate) fn nothing_here() -> Self {
        Self::not_found("there is nothing at this path")
    }

    pub(crate) fn method_not_allowed() -> Self {
        let message = "this path does not take this method";
        Self::new(StatusCode::METHOD_NOT_ALLOWED, "method-not-allowed", message)
    }

    /// Names the field that is wrong.
    pub(crate) fn about(self, param: impl Into<String>) -> Self {
        Self { param: Some(param.into()), ..self }
    }

    pub(crate) fn openai_code(self, code: &'static str) -> Self {
        Self { openai_code: Some(code), ..self }
    }

    /// The code that stands in the answer.
    pub(crate) fn code_in(&self, dialect: Dialect) -> &'static str {
        match (dialect, self.openai_code) {
            (Dialect::Xai, _) => self.code,
            (Dialect::OpenAi, Some(code)) => code,
            (Dialect::OpenAi, None) => match self.status.as_u16() {
                401 => "invalid_api_key",
                404 => "not_found",
                405 => "method_not_allowed",
                409 => "conflict",
                415 => "unsupported_media_type",
                429 => "rate_limit_exceeded",
                500.. => "server_error",
                _ => "invalid_value",
            },
        }
    }

    /// The status, and `Retry-After` if it was set, with a body in either shape.
    pub(crate) fn with_body(&self, body: serde_json::Value) -> Response {
        let mut response = (self.status, Json(body)).into_response();
        if let Some(seconds) = self.retry_after {
            response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from(seconds));
        }
        response
    }
}

impl IntoResponse for ApiError {
    fn into_response(self) -> Response {
        self.with_body(json!({"code": self.code, "error": self.message}))
    }
}
