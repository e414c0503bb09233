//! A request that is not fulfilled, in the words and the shape of the client's dialect.

use axum::response::{IntoResponse, Response};
use filmgate_domain::{JobFailure, JobId, NoToken, SpecError, Timestamp};
use filmgate_engine::AdmitError;
use filmgate_store::StoreError;
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use serde_json::json;

use crate::dialect::{Dialect, Names};

/// Why a request is not fulfilled. Each dialect has its own shape for it.
#[derive(Clone, Debug)]
pub(crate) struct Refusal {
    pub(crate) status: StatusCode,
    /// A stable word for programs.
    pub(crate) code: String,
    /// A sentence for people: what is wrong and what to do.
    pub(crate) message: String,
    /// The field of the request that is at fault.
    pub(crate) param: Option<String>,
    /// After how many seconds it is worth asking again.
    pub(crate) retry_after: Option<u64>,
    /// The job that was made all the same; then a retry must not be tried.
    pub(crate) job: Option<JobId>,
}

pub(crate) const SHOULD_RETRY: HeaderName = HeaderName::from_static("x-should-retry");

impl Refusal {
    pub(crate) fn new(status: StatusCode, code: &str, message: impl Into<String>) -> Self {
        let (code, message) = (code.to_owned(), message.into());
        Self { status, code, message, param: None, retry_after: None, job: None }
    }

    /// 400, naming the field.
    pub(crate) fn invalid(param: &str, message: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, "invalid_value", message).about(param)
    }

    /// 404 for an id that is unknown, or somebody else's.
    pub(crate) fn no_such_video() -> Self {
        Self::new(StatusCode::NOT_FOUND, "not_found", "there is no such video")
    }

    pub(crate) fn about(mut self, param: &str) -> Self {
        self.param = Some(param.to_owned());
        self
    }

    /// A job that failed while its client waited: not the client's request to repeat.
    pub(crate) fn job_failed(job: JobId, failure: &JobFailure) -> Self {
        let mut refusal = Self::new(StatusCode::UNPROCESSABLE_ENTITY, &failure.code, failure.message.clone());
        refusal.job = Some(job);
        refusal
    }

    /// A request that was not admitted. `names` are those of its dialect, `input` that of what the video was to
    /// be made from.
    pub(crate) fn not_admitted(
        error: &AdmitError,
        now: Timestamp,
        names: Names,
        input: Option<&str>,
    ) -> Self {
        match error {
            AdmitError::NoToken(NoToken::UnknownModel { model, known }) => {
                // The client chose the name, and may have chosen a megabyte of it.
                let model: String = model.chars().take(100).collect();
                let error = NoToken::UnknownModel { model: model.into(), known: known.clone() };
                Self::new(StatusCode::NOT_FOUND, "model_not_found", error.to_string()).about("model")
            }
            AdmitError::NoToken(NoToken::Undeliverable(why)) => {
                let param = match (why.longest, input) {
                    // Nothing at all is to be had in this mode.
                    (None, Some(input)) if why.available.is_empty() => input,
                    (None, _) => names.resolution,
                    (Some(_), _) => names.seconds,
                };
                Self::new(StatusCode::BAD_REQUEST, "undeliverable", error.to_string()).about(param)
            }
            AdmitError::NoToken(shortage @ NoToken::Shortage(_)) => {
                let message = error.to_string();
                Self::too_many(message, shortage.expected(), now)
            }
            AdmitError::Limit(reached) => Self::too_many(reached.to_string(), reached.again_at, now),
            AdmitError::Overload(overload) => {
                let mut refusal =
                    Self::new(StatusCode::TOO_MANY_REQUESTS, "overloaded", overload.to_string());
                refusal.retry_after = Some(overload.retry_after().as_secs());
                refusal
            }
            AdmitError::Store(StoreError::KeyClaimed) => crate::idempotency::in_progress(),
            AdmitError::Store(_) | AdmitError::Inputs(_) => Self::storage(),
            AdmitError::Stopping => {
                let mut refusal = Self::new(StatusCode::SERVICE_UNAVAILABLE, "stopping", error.to_string());
                refusal.retry_after = Some(2);
                refusal
            }
        }
    }

    /// 429; `again_at` is when it is worth asking again, if that is known.
    fn too_many(message: String, again_at: Option<Timestamp>, now: Timestamp) -> Self {
        let mut refusal = Self::new(StatusCode::TOO_MANY_REQUESTS, "rate_limit_exceeded", message);
        let wait = again_at.map(|at| at.since(now).as_millis().div_ceil(1000));
        refusal.retry_after = wait.map(|seconds| u64::try_from(seconds).unwrap_or(u64::MAX).max(1));
        refusal
    }

    /// The books cannot be read or written; the reason is in the log, not in the answer.
    pub(crate) fn storage() -> Self {
        let message = "filmgate cannot reach its storage at the moment; nothing was accepted";
        Self::new(StatusCode::SERVICE_UNAVAILABLE, "storage_unavailable", message)
    }

    pub(crate) fn into_response(self, dialect: Dialect) -> Response {
        let mut headers = HeaderMap::new();
        if let Some(seconds) = self.retry_after {
            headers.insert(header::RETRY_AFTER, HeaderValue::from(seconds));
        }
        if self.job.is_some() {
            headers.insert(SHOULD_RETRY, HeaderValue::from_static("false"));
        }
        if self.status == StatusCode::UNAUTHORIZED {
            headers.insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        }
        let body = match dialect {
            Dialect::OpenAi => self.openai_body(),
            Dialect::Xai => json!({ "code": self.code.replace('_', "-"), "error": self.sentence() }),
        };
        (self.status, headers, axum::Json(body)).into_response()
    }

    /// The message, with the name of the field for dialects that have no other place for it.
    fn sentence(&self) -> String {
        match &self.param {
            Some(param) if !self.message.contains(&**param) => format!("`{param}`: {}", self.message),
            _ => self.message.clone(),
        }
    }

    /// `{"error":{"message","type","param","code"}}`, with the job's id where there is one.
    pub(crate) fn openai_body(&self) -> serde_json::Value {
        let kind = match self.status.as_u16() {
            401 => "authentication_error",
            403 => "permission_error",
            429 => "rate_limit_error",
            500.. => "server_error",
            _ => "invalid_request_error",
        };
        let mut error = json!({
            "message": self.message, "type": kind, "param": self.param, "code": self.code,
        });
        if let Some(job) = self.job {
            error["video_id"] = json!(crate::dialect::openai::spell(job));
        }
        json!({ "error": error })
    }
}

impl From<StoreError> for Refusal {
    fn from(error: StoreError) -> Self {
        tracing::error!(%error, "the store cannot be read");
        Self::storage()
    }
}

/// For a field named `param`.
pub(crate) fn bad_spec(param: &str) -> impl FnOnce(SpecError) -> Refusal + '_ {
    move |error| Refusal::invalid(param, error.to_string())
}
