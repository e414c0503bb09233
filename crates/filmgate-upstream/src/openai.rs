//! Servers that speak OpenAI's Videos API: vLLM-Omni, SGLang, new-api, LiteLLM and other gateways.
//!
//! `POST videos`, `videos/{id}/remix`, `videos/edits` and `videos/extensions`; `GET videos`, `videos/{id}` and
//! `videos/{id}/content`. The API knows no idempotency key, but a list of videos, in which one can be found that
//! was ordered and not answered. Not every server has all of it: vLLM-Omni makes videos from text and from an
//! image only, which its pools then have to say.

mod find;
mod wire;

#[cfg(any(test, feature = "fuzzing"))]
pub(crate) use wire::video_id;

use async_trait::async_trait;
use filmgate_domain::{Cause, Failure, Polled, Secret};
use http::StatusCode;
use reqwest::Method;
use url::Url;

use crate::client::{Client, Reply};
use crate::failure::Call;
use crate::lenient::is_usable_id;
use crate::settings::Body;
use crate::words::Words;
use crate::{Checked, Lost, Order, Receipt, RemoteFile, Takes, Told, Upstream, check, fetch, with_key};

/// The adapter.
pub(crate) struct OpenAi {
    client: Client,
    body: Body,
}

impl OpenAi {
    pub(crate) fn new(client: Client, body: Body) -> Self {
        Self { client, body }
    }

    #[cfg(any(test, feature = "fuzzing"))]
    pub(crate) fn client(&self) -> &Client {
        &self.client
    }
}

#[async_trait]
impl Upstream for OpenAi {
    fn takes(&self) -> Takes {
        Takes { urls: false, ids: true }
    }

    async fn submit(&self, token: &Secret, order: &Order<'_>) -> Result<Receipt, Failure> {
        let call = self.client.submission(token);
        let refused = |what: &str| call.unsent(Cause::Rejected, what);
        let creation = wire::Creation::of(order).map_err(refused)?;
        let request = self.client.request(&call, Method::POST, &creation.path)?;
        let request = with_key(creation.write(request, self.body).map_err(refused)?, order);
        tracing::debug!(job = %order.job, attempt = order.attempt, model = order.model, shape = %order.shape, "submit");
        let Reply { status, limits, body } = self.client.answer(&call, request).await?;
        match wire::video_id(&body) {
            Some(upstream_id) => Ok(Receipt { upstream_id, limits }),
            None => Err(call.garbage(status, "without a usable id", &body)),
        }
    }

    async fn find(&self, token: &Secret, lost: &Lost<'_>) -> Result<Vec<Box<str>>, Failure> {
        find::find(&self.client, token, lost).await
    }

    async fn poll(&self, token: &Secret, upstream_id: &str) -> Result<Told, Failure> {
        let call = self.client.question(token);
        if !is_usable_id(upstream_id) {
            return Err(
                call.unsent(Cause::Garbage, "the upstream's id of the video cannot be put into a URL")
            );
        }
        let request = self.client.request(&call, Method::GET, &["videos", upstream_id])?;
        let Reply { status, limits, body } = self.client.answer(&call, request).await?;
        let polled = self.read(&call, upstream_id, status, &body)?;
        Ok(Told { polled, limits })
    }

    async fn fetch(&self, token: &Secret, url: &str) -> Result<RemoteFile, Failure> {
        fetch::fetch(&self.client, token, url).await
    }

    async fn check(&self, token: &Secret) -> Result<Checked, Failure> {
        check::check(&self.client, token).await
    }
}

impl OpenAi {
    /// What the answer to a poll says.
    pub(crate) fn read(
        &self,
        call: &Call<'_>,
        id: &str,
        status: StatusCode,
        body: &[u8],
    ) -> Result<Polled, Failure> {
        match wire::Answer::parse(body) {
            Some(answer) => Ok(self.polled(call, id, &answer)),
            // The status says it all.
            None if status == StatusCode::ACCEPTED => Ok(Polled::Pending { progress: None }),
            None => Err(call.garbage(status, "with something that is no state of a video", body)),
        }
    }

    fn polled(&self, call: &Call<'_>, id: &str, answer: &wire::Answer) -> Polled {
        match answer.state() {
            wire::State::Pending => Polled::Pending { progress: answer.progress() },
            wire::State::Unknown(word) => {
                // As for xAI: more likely one more stage than an end, and the job's deadline ends it in any case.
                tracing::debug!(status = call.redact(word), "unknown state of a video, taken as pending");
                Polled::Pending { progress: answer.progress() }
            }
            wire::State::Done => {
                Polled::Done { url: self.file(id, answer).as_str().into(), cost_ticks: None }
            }
            wire::State::Moderated(words) => {
                Polled::Moderated { reason: Some(reason(call, &words)), cost_ticks: None }
            }
            wire::State::Failed(words) => Polled::Failed { reason: reason(call, &words) },
            wire::State::Expired => Polled::Expired,
        }
    }

    /// Where the file is: at `videos/{id}/content`, the one address that the dialect defines and every server
    /// answers at, with the credential and for as long as it keeps the video.
    ///
    /// The exception is SGLang, once it has put the file into cloud storage: the answer then has a `url`, and
    /// the content endpoint is documented to refuse. Addresses under other names, which gateways add, lead
    /// elsewhere for as long as somebody else likes, while their content endpoint works; they are not used. Nor
    /// is a `url` that filmgate does not go to, or one in an answer that names another video.
    fn file(&self, id: &str, answer: &wire::Answer) -> Url {
        let about_another = answer.id().is_some_and(|named| named != id);
        let named = answer.url().filter(|_| !about_another).and_then(|url| Url::parse(url).ok());
        let named = named.filter(|url| fetch::problem(url, self.client.base()).is_none());
        named.unwrap_or_else(|| self.client.url(&["videos", id, "content"]))
    }
}

fn reason(call: &Call<'_>, words: &Words) -> String {
    if words.is_empty() { "no reason given".to_owned() } else { call.redact(&words.to_string()) }
}
