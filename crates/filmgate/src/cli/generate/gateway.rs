//! A gateway that speaks the OpenAI Videos dialect: filmgate, or any other.

use std::io::Write;
use std::time::Duration;

use anyhow::{Context as _, bail};
use filmgate_domain::Secret;
use http::header::RETRY_AFTER;
use reqwest::{Method, RequestBuilder, Response};
use url::Url;

use super::{Connection, Order, Video};
use crate::cli::client::Server;
use crate::cli::refused::Refused;
use crate::cli::{Globals, web};

/// How long a gateway may say nothing.
const SILENCE: Duration = Duration::from_secs(120);

/// A gateway, and how to talk to it.
pub(in crate::cli) struct Gateway {
    http: reqwest::Client,
    base: Url,
    key: Option<Secret>,
}

impl Gateway {
    /// The gateway at `base`, with or without `/v1` at its end.
    pub(in crate::cli) fn new(base: Url, key: Option<Secret>) -> anyhow::Result<Self> {
        Self::known_by(None, base, key)
    }

    /// The clients' side of a server.
    pub(in crate::cli) fn of(server: &Server, key: Option<Secret>) -> anyhow::Result<Self> {
        Self::known_by(server.certificate.as_deref(), server.client_url()?, key)
    }

    fn known_by(certificate: Option<&str>, mut base: Url, key: Option<Secret>) -> anyhow::Result<Self> {
        base.set_query(None);
        base.set_fragment(None);
        if !base.path().trim_end_matches('/').ends_with("/v1") {
            base = web::below(&base, &["v1"]);
        }
        Ok(Self { http: web::client(&base, Some(SILENCE), certificate)?, base, key })
    }

    /// The gateway that was named, or the server that has the data directory.
    pub(super) async fn find(connection: &Connection, globals: &Globals) -> anyhow::Result<Self> {
        let key = connection.api_key.clone().filter(|key| !key.expose().is_empty());
        // A variable that is set to nothing is not set.
        if let Some(base) = connection.base_url.as_deref().filter(|base| !base.trim().is_empty()) {
            return Self::new(web::address(base)?, key);
        }
        let Some(server) = Server::find(globals).await? else {
            bail!(
                "there is no gateway to ask: name one with --base-url or FILMGATE_BASE_URL, or start one with \
                 `filmgate serve`, or `filmgate demo` to try it out"
            );
        };
        if key.is_none() {
            bail!(
                "the gateway asks for a client key; make one: export FILMGATE_API_KEY=$(filmgate key create me)"
            );
        }
        Self::of(&server, key)
    }

    /// Asks for a video. It is asked for once: nobody wants two.
    pub(super) async fn create(&self, order: &Order) -> anyhow::Result<Video> {
        let request = self.request(Method::POST, &["videos"])?.json(&order.body());
        self.answer(request).await
    }

    /// How a video is.
    pub(super) async fn video(&self, id: &str) -> anyhow::Result<Video> {
        self.answer(self.request(Method::GET, &["videos", id])?).await
    }

    /// Writes the file of a finished video; answers its size in bytes.
    pub(super) async fn download(
        &self,
        id: &str,
        into: &mut impl Write,
        mut progress: impl FnMut(u64, Option<u64>),
    ) -> anyhow::Result<u64> {
        let mut response = self.send(self.request(Method::GET, &["videos", id, "content"])?).await?;
        let total = response.content_length();
        let mut written = 0;
        let broken = "the download broke off";
        while let Some(chunk) = response.chunk().await.map_err(reqwest::Error::without_url).context(broken)? {
            into.write_all(&chunk).context("the file cannot be written")?;
            written += chunk.len() as u64;
            progress(written, total);
        }
        Ok(written)
    }

    fn request(&self, method: Method, path: &[&str]) -> anyhow::Result<RequestBuilder> {
        let request = self.http.request(method, web::below(&self.base, path));
        let Some(key) = &self.key else { return Ok(request) };
        let value = http::HeaderValue::try_from(format!("Bearer {}", key.expose())).ok();
        let mut value = value.context("the client key has characters that no key has")?;
        value.set_sensitive(true);
        Ok(request.header(http::header::AUTHORIZATION, value))
    }

    async fn answer(&self, request: RequestBuilder) -> anyhow::Result<Video> {
        let response = self.send(request).await?;
        let body = response.bytes().await.map_err(reqwest::Error::without_url);
        let body = body.context("the gateway's answer broke off")?;
        let json = serde_json::from_slice(&body)
            .with_context(|| format!("{} does not answer in JSON; is it an OpenAI Videos API?", self.base))?;
        Video::read(json)
    }

    /// Sends a request; what is no success is an error.
    async fn send(&self, request: RequestBuilder) -> anyhow::Result<Response> {
        let sent = request.send().await.map_err(reqwest::Error::without_url);
        let response = sent.with_context(|| self.unreachable())?;
        if response.status().is_success() {
            return Ok(response);
        }
        let status = response.status().as_u16();
        let retry_after = response.headers().get(RETRY_AFTER).and_then(|value| value.to_str().ok());
        let retry_after = retry_after.map(str::to_owned);
        let body = response.bytes().await.unwrap_or_default();
        let refused = Err(Refused::read(status, retry_after.as_deref(), &body));
        match (status, &self.key) {
            (401, None) => refused.context("the gateway asks for a key; set FILMGATE_API_KEY or --api-key"),
            (401, Some(_)) => refused.context(
                "the gateway does not know this client key; its operator makes keys with `filmgate key create`",
            ),
            _ => refused.map_err(Into::into),
        }
    }

    fn unreachable(&self) -> String {
        let base = &self.base;
        if web::is_this_machine(base) {
            format!(
                "no gateway answers at {base}; start one with `filmgate serve`, or `filmgate demo` to try it out"
            )
        } else {
            format!("no gateway answers at {base}")
        }
    }
}
