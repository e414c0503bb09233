//! xAI's video API, and servers compatible with it.
//!
//! `POST videos/generations`, `videos/edits` and `videos/extensions`; `GET videos/{id}`. xAI itself knows no
//! idempotency key and has no list of requests, so a submission whose answer is lost cannot be looked up.

mod wire;

#[cfg(any(test, feature = "fuzzing"))]
pub(crate) use wire::request_id;

use async_trait::async_trait;
use filmgate_domain::{Cause, Failure, Polled, Secret};
use http::StatusCode;
use reqwest::Method;

use crate::client::{Client, Reply};
use crate::failure::Call;
use crate::lenient::is_usable_id;
use crate::{Checked, Order, Receipt, RemoteFile, Takes, Told, Upstream, check, fetch, with_key};

/// The adapter.
pub(crate) struct Xai {
    client: Client,
}

impl Xai {
    pub(crate) fn new(client: Client) -> Self {
        Self { client }
    }

    #[cfg(any(test, feature = "fuzzing"))]
    pub(crate) fn client(&self) -> &Client {
        &self.client
    }
}

#[async_trait]
impl Upstream for Xai {
    fn takes(&self) -> Takes {
        Takes { urls: true, ids: false }
    }

    async fn submit(&self, token: &Secret, order: &Order<'_>) -> Result<Receipt, Failure> {
        let call = self.client.submission(token);
        let (path, body) = wire::order(order).map_err(|what| call.unsent(Cause::Rejected, what))?;
        let request = self.client.request(&call, Method::POST, &["videos", path])?;
        let request = with_key(request, order);
        tracing::debug!(job = %order.job, attempt = order.attempt, model = order.model, shape = %order.shape, "submit");
        let Reply { status, limits, body } = self.client.answer(&call, request.json(&body)).await?;
        match wire::request_id(&body) {
            Some(upstream_id) => Ok(Receipt { upstream_id, limits }),
            None => Err(call.garbage(status, "without a usable request_id", &body)),
        }
    }

    async fn poll(&self, token: &Secret, upstream_id: &str) -> Result<Told, Failure> {
        let call = self.client.question(token);
        if !is_usable_id(upstream_id) {
            return Err(
                call.unsent(Cause::Garbage, "the upstream's id of the video cannot be put into a URL")
            );
        }
        let request = self.client.request(&call, Method::GET, &["videos", upstream_id])?;
        let mut response = self.client.send(&call, request).await?;
        let (status, limits) = (response.status(), self.client.limits(&response));
        if !status.is_success() {
            return Err(self.client.refusal(&call, response).await);
        }
        let body = self.client.body(&call, &mut response).await;
        let polled = if status == StatusCode::ACCEPTED {
            // The status says it all; the body is at times empty.
            Polled::Pending { progress: wire::progress(&body.unwrap_or_default()) }
        } else {
            self.polled(&call, status, &body?)?
        };
        Ok(Told { polled, limits })
    }

    async fn fetch(&self, token: &Secret, url: &str) -> Result<RemoteFile, Failure> {
        fetch::fetch(&self.client, token, url).await
    }

    async fn check(&self, token: &Secret) -> Result<Checked, Failure> {
        check::check(&self.client, token).await
    }
}

impl Xai {
    /// What the answer to a poll says.
    pub(crate) fn polled(&self, call: &Call<'_>, status: StatusCode, body: &[u8]) -> Result<Polled, Failure> {
        let answer = wire::Answer::parse(body)
            .ok_or_else(|| call.garbage(status, "with something that is no state of a video", body))?;
        let cost_ticks = answer.cost_ticks();
        Ok(match answer.state() {
            wire::State::Pending => Polled::Pending { progress: answer.progress() },
            wire::State::Unknown(word) => {
                // A word that was added later is more likely one more stage than an end, and the job's
                // deadline ends it in any case. The AI SDK does the same.
                tracing::debug!(status = call.redact(word), "unknown state of a video, taken as pending");
                Polled::Pending { progress: answer.progress() }
            }
            wire::State::Done { url: "" } => Polled::Moderated { reason: None, cost_ticks },
            wire::State::Done { url } => match self.client.base().join(url) {
                Ok(url) if url.has_host() => Polled::Done { url: url.as_str().into(), cost_ticks },
                _ => return Err(call.garbage(status, "with a file address that is no URL", &[])),
            },
            wire::State::Moderated => {
                let words = answer.words();
                let reason = (!words.is_empty()).then(|| call.redact(&words.to_string()));
                Polled::Moderated { reason, cost_ticks }
            }
            wire::State::Failed => {
                let words = answer.words();
                let reason = if words.is_empty() { "no reason given".into() } else { words.to_string() };
                Polled::Failed { reason: call.redact(&reason) }
            }
            wire::State::Expired => Polled::Expired,
            wire::State::NoUrl => return Err(call.garbage(status, "done, but without a file", body)),
        })
    }
}
