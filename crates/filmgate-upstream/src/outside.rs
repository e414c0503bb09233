//! Goes to addresses that clients name, and never to a private one.
//!
//! A client must not use filmgate to reach what only filmgate can reach (server-side request forgery). So the
//! literal host is checked, every address that a name resolves to is checked and only those are connected to,
//! redirects are followed by hand and checked again, and no proxy, which would resolve names itself, is used.

mod error;
pub(crate) mod resolver;

use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::StatusCode;
use http::header::{ACCEPT_ENCODING, CONTENT_ENCODING, HeaderMap};
use reqwest::dns::Resolve;
use reqwest::{ClientBuilder, RequestBuilder, Response};
use url::{Host, Url};

pub use error::OutsideError;

use crate::address::{is_internal, is_local_name};
use crate::client::{build, use_ring};
use crate::fetch::{MAX_REDIRECTS, content_type, redirect_target};
use crate::redact;
use crate::settings::ConnectError;

/// The longest address, in bytes; more than servers commonly take.
const LONGEST_ADDRESS: usize = 8 << 10;

/// How much of an answer to a delivery is read for the log, in bytes.
const LONGEST_COMPLAINT: usize = 4 << 10;

/// Goes to addresses that clients name: never to a private one, unless the operator allows it.
///
/// Each request has a connection of its own and goes out at most once. The proxies of the environment are not
/// used. A clone shares everything with the original.
#[derive(Clone, Debug)]
pub struct Outside {
    client: reqwest::Client,
    allow_private: bool,
}

/// What was at an address.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fetched {
    /// All of it.
    pub bytes: Bytes,
    /// What the server says it is, such as `image/png`: at most 100 characters, and not to be trusted.
    pub content_type: Option<String>,
}

/// How a delivery was answered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answered {
    /// The status, be it success, redirect or error.
    pub status: StatusCode,
    /// For the log: how the answer begins, redacted, at most 300 characters. Empty in case of success.
    pub words: String,
}

impl Outside {
    /// Names are resolved by the system, and a connection has to come about within `connect_timeout`.
    ///
    /// With `allow_private`, any address is gone to, by `http://` too. Whoever may name an address then reaches
    /// whatever this machine reaches, such as the metadata service of a cloud.
    ///
    /// # Errors
    /// When the HTTP client cannot be built.
    pub fn new(allow_private: bool, connect_timeout: Duration) -> Result<Self, ConnectError> {
        let system = Arc::new(resolver::System::new());
        Self::with_resolver(allow_private, connect_timeout, system, |builder| builder)
    }

    /// [`Outside::new`] with names resolved by `resolver`, and the HTTP client prepared by `prepare`: with
    /// certificates to trust, say. The rules hold whatever these two do, save for names that `prepare` pins to
    /// an address ([`ClientBuilder::resolve`]): those are not looked up, so what they lead to is not checked.
    ///
    /// # Errors
    /// When the HTTP client cannot be built.
    pub fn with_resolver(
        allow_private: bool,
        connect_timeout: Duration,
        resolver: Arc<dyn Resolve>,
        prepare: impl Fn(ClientBuilder) -> ClientBuilder,
    ) -> Result<Self, ConnectError> {
        use_ring();
        let guard = Arc::new(resolver::Guard { inner: resolver, allow_private });
        let builder = || {
            prepare(reqwest::Client::builder())
                .user_agent(concat!("filmgate/", env!("CARGO_PKG_VERSION")))
                .dns_resolver(Arc::clone(&guard))
                .no_proxy()
                .redirect(reqwest::redirect::Policy::none())
                .referer(false)
                .retry(reqwest::retry::never())
                // Unpacked, a small file can be of any size.
                .no_gzip()
                .no_brotli()
                .no_deflate()
                .no_zstd()
                .http1_only()
                .connect_timeout(connect_timeout)
                // A strange server is not to hold a connection open, and each one is made to an address just checked.
                .pool_max_idle_per_host(0)
        };
        Ok(Self { client: build(builder, true)?, allow_private })
    }

    /// Whether filmgate may go to this address, as far as that can be told without resolving its name.
    ///
    /// # Errors
    /// Those that [are refusals](OutsideError::is_refusal).
    pub fn check(&self, url: &str) -> Result<Url, OutsideError> {
        let url = Url::parse(url).map_err(|_| OutsideError::Address("it is no URL"))?;
        self.check_parsed(&url)?;
        Ok(url)
    }

    fn check_parsed(&self, url: &Url) -> Result<(), OutsideError> {
        if url.as_str().len() > LONGEST_ADDRESS {
            return Err(OutsideError::Address("it is longer than 8192 bytes"));
        }
        match url.scheme() {
            "https" => {}
            "http" if self.allow_private => {}
            _ => return Err(OutsideError::Address("it has to begin with https://")),
        }
        if !url.username().is_empty() || url.password().is_some() {
            return Err(OutsideError::Address("it must not hold a user name or a password"));
        }
        let host = url.host().ok_or(OutsideError::Address("it names no host"))?;
        if !self.allow_private && leads_inside(&host) {
            return Err(OutsideError::Private);
        }
        Ok(())
    }

    /// Fetches what is at `url`, through at most 3 redirects: at most `limit` bytes, and within `time` from the
    /// lookup of the name to the last byte.
    ///
    /// # Errors
    /// When filmgate does not go there, or did not get all of it.
    pub async fn get(&self, url: &str, limit: usize, time: Duration) -> Result<Fetched, OutsideError> {
        self.get_within(url, limit, time, |_| true).await
    }

    /// [`Outside::get`] that asks, before it keeps so many bytes, whether there is `room` for them.
    ///
    /// # Errors
    /// Also when there is none.
    pub async fn get_within(
        &self,
        url: &str,
        limit: usize,
        time: Duration,
        room: impl FnMut(usize) -> bool,
    ) -> Result<Fetched, OutsideError> {
        let getting = async {
            let (url, response) = self.follow(self.check(url)?).await?;
            read(&url, response, limit, room).await
        };
        tokio::time::timeout(time, getting).await.unwrap_or(Err(OutsideError::TooSlow(time)))
    }

    /// The first answer that is no redirect, and where it was.
    async fn follow(&self, mut url: Url) -> Result<(Url, Response), OutsideError> {
        for _ in 0..=MAX_REDIRECTS {
            let request = self.client.get(url.clone()).header(ACCEPT_ENCODING, "identity");
            let response = send(&url, request).await?;
            if response.status().is_success() {
                return Ok((url, response));
            }
            url = redirect_target(&url, &response).ok_or(OutsideError::Status(response.status()))?;
            self.check_parsed(&url).map_err(|error| match error {
                OutsideError::Address(_) => OutsideError::Redirect("to one that filmgate does not go to"),
                error => error,
            })?;
        }
        Err(OutsideError::Redirect("more than 3 times"))
    }

    /// Delivers `body` to `url`, within `time` from the lookup of the name to the headers of the answer. A
    /// redirect is an answer like any other.
    ///
    /// # Errors
    /// When filmgate does not go there, or was not answered. Of the latter,
    /// [`Unreachable`](OutsideError::Unreachable) is certain not to have arrived.
    pub async fn post(
        &self,
        url: &str,
        headers: HeaderMap,
        body: Bytes,
        time: Duration,
    ) -> Result<Answered, OutsideError> {
        let url = self.check(url)?;
        let request = self.client.post(url.clone()).headers(headers).body(body);
        let mut late = pin!(tokio::time::sleep(time));
        let mut response = tokio::select! {
            response = send(&url, request) => response?,
            () = &mut late => return Err(OutsideError::TooSlow(time)),
        };
        let mut words = Vec::new();
        if !response.status().is_success() {
            // Late words are no words; those that came are used.
            tokio::select! {
                () = listen(&mut response, &mut words) => {}
                () = late => {}
            }
        }
        Ok(Answered { status: response.status(), words: redact(&String::from_utf8_lossy(&words), &[]) })
    }
}

fn leads_inside(host: &Host<&str>) -> bool {
    is_internal(host) || matches!(host, Host::Domain(name) if is_local_name(name))
}

async fn send(url: &Url, request: RequestBuilder) -> Result<Response, OutsideError> {
    request.send().await.map_err(|error| OutsideError::transport(url, error))
}

async fn read(
    url: &Url,
    mut response: Response,
    limit: usize,
    mut room: impl FnMut(usize) -> bool,
) -> Result<Fetched, OutsideError> {
    if response.headers().get(CONTENT_ENCODING).is_some_and(|encoding| encoding != "identity") {
        return Err(OutsideError::Compressed);
    }
    if response.content_length().is_some_and(|length| length > limit as u64) {
        return Err(OutsideError::TooLarge(limit));
    }
    let mut bytes = Vec::new();
    while let Some(chunk) = response.chunk().await.map_err(|error| OutsideError::transport(url, error))? {
        if chunk.len() > limit - bytes.len() {
            return Err(OutsideError::TooLarge(limit));
        }
        if !room(bytes.len() + chunk.len()) {
            return Err(OutsideError::NoRoom);
        }
        bytes.extend_from_slice(&chunk);
    }
    Ok(Fetched { bytes: bytes.into(), content_type: content_type(&response) })
}

/// Reads how an answer begins. Its status stands, whatever becomes of this.
async fn listen(response: &mut Response, words: &mut Vec<u8>) {
    while words.len() < LONGEST_COMPLAINT {
        match response.chunk().await {
            Ok(Some(chunk)) => {
                words.extend_from_slice(&chunk[..chunk.len().min(LONGEST_COMPLAINT - words.len())])
            }
            Ok(None) | Err(_) => return,
        }
    }
}
