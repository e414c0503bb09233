//! Talks to the providers that make the videos.
//!
//! An adapter is five verbs, [`Upstream`]: submit, find, poll, fetch, check. Only adapters know the providers'
//! JSON, and only [`redact`] decides what of a provider's words may be shown. [`connect`] builds the adapter that the
//! settings name, with its own pooled HTTP client.
//!
//! A new provider is a sibling of `xai.rs` and `openai.rs`, a [`Kind`] and an arm in [`connect`].

mod address;
mod check;
mod client;
mod failure;
mod fetch;
#[cfg(any(test, feature = "fuzzing"))]
#[doc(hidden)]
pub mod fuzzing;
mod lenient;
mod openai;
mod outside;
mod ranges;
mod rate_limit;
mod redact;
mod retry_after;
mod settings;
mod words;
mod xai;

use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use filmgate_domain::{
    Cause, Certainty, Failure, JobId, Mode, Polled, RateLimit, Role, Seconds, Secret, Shape, Timestamp,
};

pub use fetch::RemoteFile;
pub use outside::{Answered, Fetched, Outside, OutsideError};
pub use redact::redact;
pub use settings::{Body, ConnectError, Kind, RateLimits, UpstreamSettings};

/// A provider that makes videos.
///
/// A [`Failure`] of [`Upstream::submit`] says whether a video may come of it all the same. For the other verbs
/// that question does not arise; their failures always carry [`Certainty::Refused`].
///
/// [`Certainty::Refused`]: filmgate_domain::Certainty::Refused
#[async_trait]
pub trait Upstream: Send + Sync {
    /// In which forms it takes what a video is made from.
    fn takes(&self) -> Takes;

    /// Starts a video. The request goes out at most once.
    ///
    /// # Errors
    /// When the upstream did not take it, or it cannot be told whether it did.
    async fn submit(&self, token: &Secret, order: &Order<'_>) -> Result<Receipt, Failure>;

    /// Looks for the video of an order whose answer was lost: the ids of all videos of this token that may be
    /// it, in a list that is complete. [`Kind::can_list`] says whether the dialect has such a list.
    ///
    /// # Errors
    /// When the upstream cannot be asked, or what it lists does not tell.
    async fn find(&self, _token: &Secret, _lost: &Lost<'_>) -> Result<Vec<Box<str>>, Failure> {
        Err(Failure {
            cause: Cause::Rejected,
            certainty: Certainty::Refused,
            status: None,
            retry_after: None,
            message: "this upstream does not list its videos".to_owned(),
        })
    }

    /// Asks how a video stands. `token` is the one that submitted it.
    ///
    /// # Errors
    /// When the upstream could not be asked, or its answer makes no sense; the video may well be fine.
    async fn poll(&self, token: &Secret, upstream_id: &str) -> Result<Told, Failure>;

    /// Opens the file that [`Polled::Done`] named.
    ///
    /// # Errors
    /// When there is no such file to be had there, or the address is one that filmgate does not go to.
    async fn fetch(&self, token: &Secret, url: &str) -> Result<RemoteFile, Failure>;

    /// Whether the upstream can be reached and accepts the credential, without making a video.
    ///
    /// # Errors
    /// When it cannot be reached, or does not accept the credential.
    async fn check(&self, token: &Secret) -> Result<Checked, Failure>;
}

/// What is asked of an upstream.
#[derive(Clone, Copy, Debug)]
pub struct Order<'a> {
    /// The model, by the upstream's own name.
    pub model: &'a str,
    /// What the video shows.
    pub prompt: &'a str,
    /// Its form. Of an extension: that of the whole.
    pub shape: Shape,
    /// How it is made.
    pub mode: Mode,
    /// What it is made from, in forms that the upstream takes.
    pub inputs: &'a [OrderInput],
    /// Of an extension: how much is added.
    pub added: Option<Seconds>,
    /// The job it is for.
    pub job: JobId,
    /// Which attempt at the job this is; 1 for the first.
    pub attempt: u32,
    /// Whether the upstream makes one video of all orders with one `Idempotency-Key`.
    pub has_key: bool,
}

impl Order<'_> {
    /// The `Idempotency-Key` of the attempt, the same each time it is sent.
    fn idempotency_key(&self) -> Option<String> {
        self.has_key.then(|| format!("filmgate-{}-{}", self.job, self.attempt))
    }
}

/// An order whose answer was lost: what its video is known by.
#[derive(Clone, Copy, Debug)]
pub struct Lost<'a> {
    /// What the video shows.
    pub prompt: &'a str,
    /// When the order was about to go out, by our clock.
    pub sent_at: Timestamp,
}

/// In which forms an upstream takes what a video is made from. Files it always takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Takes {
    /// Addresses, which it fetches itself.
    pub urls: bool,
    /// Its own ids of videos that it made for the same token.
    pub ids: bool,
}

/// An image or a video that goes into a video.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OrderInput {
    /// What it is there for.
    pub role: Role,
    /// The thing itself, or where it is.
    pub content: Content,
}

/// The thing itself, or where it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Content {
    /// An address that the upstream can fetch without a credential.
    Url(String),
    /// The file.
    File {
        /// Such as `image/png`.
        media_type: Box<str>,
        /// All of it.
        bytes: Bytes,
    },
    /// A video that this upstream made for this token, by its id there.
    Made(Box<str>),
}

/// The upstream took an order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Receipt {
    /// The upstream's id of the video.
    pub upstream_id: Box<str>,
    /// What it says is left for the token.
    pub limits: Option<RateLimit>,
}

/// What an upstream told of a video.
#[derive(Clone, Debug, PartialEq)]
pub struct Told {
    /// How it stands.
    pub polled: Polled,
    /// What is left for the token.
    pub limits: Option<RateLimit>,
}

/// Nothing was told of what is left.
impl From<Polled> for Told {
    fn from(polled: Polled) -> Self {
        Self { polled, limits: None }
    }
}

/// What a check found out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Checked {
    /// The upstream answers and accepts the credential.
    Accepted,
    /// The upstream answers, but has nothing that would tell whether it accepts the credential.
    Reachable,
}

/// Puts the order's key, if it has one, into its request.
fn with_key(request: reqwest::RequestBuilder, order: &Order<'_>) -> reqwest::RequestBuilder {
    match order.idempotency_key() {
        Some(key) => request.header("idempotency-key", key),
        None => request,
    }
}

/// Builds the adapter for these settings. Nothing is sent yet.
///
/// # Errors
/// When a setting makes no sense, or the HTTP client cannot be built.
pub fn connect(settings: &UpstreamSettings) -> Result<Arc<dyn Upstream>, ConnectError> {
    let client = client::Client::new(settings)?;
    match settings.kind {
        Kind::Xai => Ok(Arc::new(xai::Xai::new(client))),
        Kind::OpenAi => Ok(Arc::new(openai::OpenAi::new(client, settings.body))),
    }
}
