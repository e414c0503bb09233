//! What went wrong, whose fault it is, and whether it is certain that no video is being made.

use std::borrow::Cow;
use std::fmt;
use std::time::Duration;

use serde::{Deserialize, Serialize};

/// Whose fault a failure is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Fault {
    /// The request cannot be fulfilled as it stands.
    Caller,
    /// The credential.
    Token,
    /// The provider.
    Upstream,
    /// Filmgate or its operator.
    Gateway,
}

/// What kind of failure an upstream answered with, or what kept it from answering.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Cause {
    /// 401, 402, 403: the credential is not accepted.
    Credential,
    /// 429: too many requests, or out of quota there.
    RateLimited,
    /// 400, 404, 413, 422 and the like: the request itself is not accepted.
    Rejected,
    /// The upstream's moderation does not accept the prompt.
    Moderated,
    /// No connection came about.
    Unreachable,
    /// A redirect: the base URL of the upstream is wrong.
    Redirected,
    /// No answer in time.
    Timeout,
    /// The connection broke after the request went out.
    Broken,
    /// 408, 409, 5xx.
    Server,
    /// An answer that makes no sense.
    Garbage,
}

impl Cause {
    /// The stable code of a job that ends so.
    pub const fn code(self) -> &'static str {
        match self {
            Cause::Credential => "upstream_unauthorized",
            Cause::RateLimited => "upstream_rate_limited",
            Cause::Rejected => "upstream_rejected",
            Cause::Moderated => "moderation_blocked",
            Cause::Unreachable => "upstream_unreachable",
            Cause::Redirected => "upstream_redirected",
            Cause::Timeout => "upstream_timeout",
            Cause::Broken => "upstream_connection_lost",
            Cause::Server => "upstream_error",
            Cause::Garbage => "upstream_garbage",
        }
    }

    /// Whose fault it is.
    pub const fn fault(self) -> Fault {
        match self {
            Cause::Rejected | Cause::Moderated => Fault::Caller,
            Cause::Credential | Cause::RateLimited => Fault::Token,
            Cause::Redirected => Fault::Gateway,
            Cause::Unreachable | Cause::Timeout | Cause::Broken | Cause::Server | Cause::Garbage => {
                Fault::Upstream
            }
        }
    }
}

/// Whether a failed submission may have started a video all the same.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Certainty {
    /// The upstream is certainly not making it.
    Refused,
    /// It may be making it: never send it again.
    Unknown,
}

/// A failed call to an upstream.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct Failure {
    /// What kind of failure.
    pub cause: Cause,
    /// Whether a video may come of it all the same (only a submission can leave that open).
    pub certainty: Certainty,
    /// The HTTP status, if there was an answer.
    pub status: Option<u16>,
    /// How long the upstream wants to be left alone, if it said so.
    pub retry_after: Option<Duration>,
    /// What happened, with the upstream's own words, redacted and shortened.
    pub message: String,
}

/// Why a job failed: a stable code for programs, a sentence for people.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct JobFailure {
    /// A stable code, such as `moderation_blocked`.
    pub code: Cow<'static, str>,
    /// What happened and what to do about it.
    pub message: String,
    /// Whose fault it is.
    pub fault: Fault,
}

impl JobFailure {
    /// A failure of this code.
    pub fn new(code: &'static str, fault: Fault, message: impl Into<String>) -> Self {
        Self { code: Cow::Borrowed(code), message: message.into(), fault }
    }

    /// The submission ended without an answer; it may or may not have started a video.
    pub fn outcome_unknown(why: &str) -> Self {
        let message = format!(
            "it is not known whether the upstream took the submission ({why}); it may have been billed, and \
             filmgate does not send it again by itself"
        );
        Self::new("outcome_unknown", Fault::Upstream, message)
    }

    /// The upstream blocked the prompt or the video.
    pub fn moderated(reason: Option<&str>) -> Self {
        let reason = reason.map(|r| format!(": {r}")).unwrap_or_default();
        let message = format!("the upstream's moderation blocked the video{reason}");
        Self::new("moderation_blocked", Fault::Caller, message)
    }
}

impl From<&Failure> for JobFailure {
    fn from(failure: &Failure) -> Self {
        Self::new(failure.cause.code(), failure.cause.fault(), failure.message.clone())
    }
}

impl fmt::Display for JobFailure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.code, self.message)
    }
}
