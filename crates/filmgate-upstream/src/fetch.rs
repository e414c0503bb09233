//! Fetching a file: where it may come from, who gets the credential, and the file as it arrives.

use std::fmt;
use std::pin::Pin;

use bytes::Bytes;
use filmgate_domain::{Cause, Certainty, Failure, Secret};
use futures_util::stream::{self, Stream, StreamExt as _};
use http::header::{CONTENT_TYPE, LOCATION};
use reqwest::Response;
use url::Url;

use crate::address::may_fetch;
use crate::client::{Client, host_of, next_chunk};
use crate::failure::Call;
use crate::words::Words;

/// How many redirects a file's address may lead through.
pub(crate) const MAX_REDIRECTS: usize = 3;

type Chunks = Pin<Box<dyn Stream<Item = Result<Bytes, Failure>> + Send>>;

/// A file on its way here. It is read piece by piece and never held as a whole.
pub struct RemoteFile {
    /// Its size in bytes, if the upstream says.
    pub length: Option<u64>,
    /// What the upstream says it is, such as `video/mp4`.
    pub content_type: Option<String>,
    chunks: Chunks,
    failed: Option<Failure>,
}

impl RemoteFile {
    /// A file that arrives as these pieces.
    pub fn new(
        length: Option<u64>,
        content_type: Option<String>,
        chunks: impl Stream<Item = Result<Bytes, Failure>> + Send + 'static,
    ) -> Self {
        Self { length, content_type, chunks: Box::pin(chunks), failed: None }
    }

    /// The next piece; `None` when the file is complete. How much there is in all is the caller's concern.
    ///
    /// # Errors
    /// When nothing arrived for the idle time-out, or the connection broke before the file was complete. The
    /// failure stays: a file that failed is never complete later.
    pub async fn chunk(&mut self) -> Result<Option<Bytes>, Failure> {
        if let Some(failure) = &self.failed {
            return Err(failure.clone());
        }
        let chunk = self.chunks.next().await.transpose();
        self.failed = chunk.as_ref().err().cloned();
        chunk
    }
}

impl fmt::Debug for RemoteFile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RemoteFile")
            .field("length", &self.length)
            .field("content_type", &self.content_type)
            .finish_non_exhaustive()
    }
}

/// Opens the file at `url`.
///
/// The credential goes only to the origin of the base URL, and no further once a redirect has led away from it.
pub(crate) async fn fetch(client: &Client, token: &Secret, url: &str) -> Result<RemoteFile, Failure> {
    let call = client.question(token);
    let mut url = client
        .base()
        .join(url)
        .map_err(|_| call.unsent(Cause::Garbage, &format!("{} named a file that is no URL", call.host)))?;
    let mut trusted = true;
    for _ in 0..=MAX_REDIRECTS {
        check_address(&call, &url, client.base())?;
        trusted &= url.origin() == client.base().origin();
        let host = host_of(&url);
        let hop = Call { host: &host, ..call };
        let response = client.send(&hop, client.file_request(&hop, &url, trusted)?).await?;
        if response.status().is_success() {
            return Ok(open(client, host, response));
        }
        url = match redirect_target(&url, &response) {
            Some(next) => next,
            // One that leads nowhere says nothing about the base URL.
            None if response.status().is_redirection() => {
                return Err(hop.status(response.status(), &Words::default(), None));
            }
            None => return Err(client.refusal(&hop, response).await),
        };
    }
    let message = format!("{} redirects a file more than {MAX_REDIRECTS} times", call.host);
    Err(call.unsent(Cause::Redirected, &message))
}

/// Where a redirect leads.
pub(crate) fn redirect_target(url: &Url, response: &Response) -> Option<Url> {
    if !matches!(response.status().as_u16(), 301 | 302 | 303 | 307 | 308) {
        return None;
    }
    url.join(response.headers().get(LOCATION)?.to_str().ok()?).ok()
}

fn check_address(call: &Call<'_>, url: &Url, base: &Url) -> Result<(), Failure> {
    let Some(problem) = problem(url, base) else { return Ok(()) };
    let message = format!("{} named a file at {problem}: {}", call.host, call.redact(url.as_str()));
    Err(call.unsent(Cause::Garbage, &message))
}

/// Why filmgate does not go to an address that the upstream at `base` names, if it does not.
pub(crate) fn problem(url: &Url, base: &Url) -> Option<&'static str> {
    if !matches!(url.scheme(), "http" | "https") {
        Some("neither http nor https")
    } else if !url.username().is_empty() || url.password().is_some() {
        Some("an address with a user name")
    } else if !may_fetch(url, base) {
        Some("an internal address, which is not the upstream's own")
    } else {
        None
    }
}

/// What the server says the file is: at most 100 characters.
pub(crate) fn content_type(response: &Response) -> Option<String> {
    let text = response.headers().get(CONTENT_TYPE)?.to_str().ok()?;
    Some(text.chars().take(100).collect())
}

fn open(client: &Client, host: String, response: Response) -> RemoteFile {
    let length = response.content_length();
    let content_type = content_type(&response);
    let idle_timeout = client.idle_timeout();
    let chunks = stream::try_unfold((response, host), move |(mut response, host)| async move {
        let call = Call { host: &host, token: None, under_way: Certainty::Refused };
        let chunk = next_chunk(&call, &mut response, idle_timeout).await?;
        Ok(chunk.map(|chunk| (chunk, (response, host))))
    });
    RemoteFile::new(length, content_type, chunks)
}
