//! The one HTTP client: pools, proxies, time-outs, the credential, and bodies of bounded size.

use std::sync::{Arc, Once};
use std::time::Duration;

use filmgate_domain::{Cause, Certainty, Failure, RateLimit, Secret};
use http::StatusCode;
use http::header::{HeaderName, HeaderValue, LOCATION};
use reqwest::{Method, RequestBuilder, Response};
use url::Url;

use crate::failure::Call;
use crate::outside::resolver::{Neighbours, System};
use crate::rate_limit::rate_limit;
use crate::retry_after::{real_time, retry_after};
use crate::settings::{ConnectError, RateLimits, UpstreamSettings};
use crate::words::Words;

/// The longest answer that is read, in bytes. Files do not count: they are streamed.
const LONGEST_ANSWER: usize = 1 << 20;

/// How much of an answer is read for the words of a failure, in bytes.
const LONGEST_COMPLAINT: usize = 64 << 10;

/// How long an idle connection is kept for the next submission. Servers that close idle connections after 5 s
/// are common; a submission that meets such an end halfway has an unknown outcome and costs the operator a
/// video, so it goes out on a connection that was in use a moment ago, or on a new one.
const IDLE_FOR_SUBMISSIONS: Duration = Duration::from_secs(3);

/// The same for everything else, which can be sent again: long enough for one poll to find that of the last.
const IDLE_FOR_THE_REST: Duration = Duration::from_secs(60);

/// Sends requests to one upstream.
pub(crate) struct Client {
    submissions: reqwest::Client,
    rest: reqwest::Client,
    base: Url,
    host: String,
    credential_header: HeaderName,
    credential_prefix: String,
    rate_limits: RateLimits,
    /// Connecting included.
    until_headers: Duration,
    until_answered: Duration,
    idle_timeout: Duration,
}

impl Client {
    pub(crate) fn new(settings: &UpstreamSettings) -> Result<Self, ConnectError> {
        let base = base_url(&settings.base_url)?;
        let credential_header = HeaderName::from_bytes(settings.credential_header.as_bytes())
            .map_err(|_| ConnectError::Credential("credential_header"))?;
        HeaderValue::from_str(&settings.credential_prefix)
            .map_err(|_| ConnectError::Credential("credential_prefix"))?;
        use_ring();
        Ok(Self {
            submissions: pool(settings, &base, IDLE_FOR_SUBMISSIONS)?,
            rest: pool(settings, &base, IDLE_FOR_THE_REST)?,
            host: host_of(&base),
            base,
            credential_header,
            credential_prefix: settings.credential_prefix.clone(),
            rate_limits: settings.rate_limits,
            until_headers: settings.connect_timeout.saturating_add(settings.header_timeout),
            until_answered: settings.header_timeout,
            idle_timeout: settings.idle_timeout,
        })
    }

    /// Where the API is; ends with a slash.
    pub(crate) fn base(&self) -> &Url {
        &self.base
    }

    /// The address of a path below the base URL. The segments must be neither `.` nor `..`.
    pub(crate) fn url(&self, path: &[&str]) -> Url {
        let mut url = self.base.clone();
        url.path_segments_mut().expect("a base URL with a host has a path").pop_if_empty().extend(path);
        url
    }

    /// How long a body may pause.
    pub(crate) fn idle_timeout(&self) -> Duration {
        self.idle_timeout
    }

    /// A submission: when it fails halfway, its outcome is unknown.
    pub(crate) fn submission<'a>(&'a self, token: &'a Secret) -> Call<'a> {
        Call { host: &self.host, token: Some(token), under_way: Certainty::Unknown }
    }

    /// Any other call.
    pub(crate) fn question<'a>(&'a self, token: &'a Secret) -> Call<'a> {
        Call { host: &self.host, token: Some(token), under_way: Certainty::Refused }
    }

    /// A request for a path below the base URL, with the credential. The segments must be neither `.` nor `..`.
    pub(crate) fn request(
        &self,
        call: &Call<'_>,
        method: Method,
        path: &[&str],
    ) -> Result<RequestBuilder, Failure> {
        let url = self.url(path);
        let pool = match call.under_way {
            Certainty::Unknown => &self.submissions,
            Certainty::Refused => &self.rest,
        };
        let request = pool.request(method, url).header(http::header::ACCEPT, "application/json");
        Ok(request.header(&self.credential_header, self.credential(call)?))
    }

    /// A request for a file, with the credential where `trusted`.
    pub(crate) fn file_request(
        &self,
        call: &Call<'_>,
        url: &Url,
        trusted: bool,
    ) -> Result<RequestBuilder, Failure> {
        let request = self.rest.get(url.clone());
        if trusted {
            Ok(request.header(&self.credential_header, self.credential(call)?))
        } else {
            Ok(request)
        }
    }

    /// Sends it and waits for the headers of the answer.
    pub(crate) async fn send(&self, call: &Call<'_>, request: RequestBuilder) -> Result<Response, Failure> {
        // Connecting has its own, shorter time-out, so when this one fires the request is out.
        match tokio::time::timeout(self.until_headers, request.send()).await {
            Ok(Ok(response)) => Ok(response),
            Ok(Err(error)) => Err(call.transport(&error.without_url())),
            Err(_) => {
                let message = format!("{} did not answer within {:?}", call.host, self.until_answered);
                Err(call.sent(Cause::Timeout, &message))
            }
        }
    }

    /// Sends it and reads an answer of success.
    pub(crate) async fn answer(&self, call: &Call<'_>, request: RequestBuilder) -> Result<Reply, Failure> {
        let mut response = self.send(call, request).await?;
        let (status, limits) = (response.status(), self.limits(&response));
        if !status.is_success() {
            return Err(self.refusal(call, response).await);
        }
        Ok(Reply { status, limits, body: self.body(call, &mut response).await? })
    }

    /// What the headers of an answer say is left for the token.
    pub(crate) fn limits(&self, response: &Response) -> Option<RateLimit> {
        rate_limit(response.headers(), self.rate_limits, real_time)
    }

    /// The whole body of an answer that is no file.
    pub(crate) async fn body(&self, call: &Call<'_>, response: &mut Response) -> Result<Vec<u8>, Failure> {
        let mut body = Vec::new();
        let reading = async {
            while let Some(chunk) = next_chunk(call, response, self.idle_timeout).await? {
                if body.len() + chunk.len() > LONGEST_ANSWER {
                    let what = format!("with more than {LONGEST_ANSWER} bytes");
                    return Err(call.garbage(response.status(), &what, &[]));
                }
                body.extend_from_slice(&chunk);
            }
            Ok(())
        };
        match tokio::time::timeout(self.until_answered, reading).await {
            Ok(read) => read.map(|()| body),
            Err(_) => {
                let message =
                    format!("{} did not finish its answer within {:?}", call.host, self.until_answered);
                Err(call.sent(Cause::Timeout, &message))
            }
        }
    }

    /// What an answer without success means. Its body only adds words: whatever becomes of that, the status
    /// stands.
    pub(crate) async fn refusal(&self, call: &Call<'_>, mut response: Response) -> Failure {
        let status = response.status();
        if status.is_redirection() {
            let location = response.headers().get(LOCATION).map(|to| String::from_utf8_lossy(to.as_bytes()));
            return call.redirected(status, location.as_deref());
        }
        let pause = retry_after(response.headers(), real_time).or_else(|| {
            let limits = self.limits(&response).filter(|limits| limits.remaining == 0);
            limits.filter(|_| status == StatusCode::TOO_MANY_REQUESTS).and_then(|limits| limits.reset)
        });
        let mut body = Vec::new();
        let reading = async {
            while body.len() < LONGEST_COMPLAINT {
                match next_chunk(call, &mut response, self.idle_timeout).await {
                    Ok(Some(chunk)) => body.extend_from_slice(&chunk),
                    Ok(None) | Err(_) => break,
                }
            }
        };
        // Late words are no words; those that came are used.
        let _ = tokio::time::timeout(self.until_answered, reading).await;
        call.status(status, &Words::of_body(&body), pause)
    }

    fn credential(&self, call: &Call<'_>) -> Result<HeaderValue, Failure> {
        let token = call.token.map(Secret::expose).unwrap_or_default();
        if token.trim().is_empty() {
            return Err(call.unsent(Cause::Credential, "the token is empty"));
        }
        // Bytes beyond ASCII could be sent, but no two servers read them alike.
        let value = Some(format!("{}{token}", self.credential_prefix)).filter(|text| text.is_ascii());
        let mut value = value.and_then(|text| HeaderValue::from_str(&text).ok()).ok_or_else(|| {
            let message = "the token holds characters that cannot be sent in an HTTP header (a line break, say, \
                           or letters beyond ASCII); import it again";
            call.unsent(Cause::Credential, message)
        })?;
        // Keeps it out of what the HTTP libraries log.
        value.set_sensitive(true);
        Ok(value)
    }
}

/// An answer of success.
pub(crate) struct Reply {
    pub(crate) status: StatusCode,
    /// What is left for the token.
    pub(crate) limits: Option<RateLimit>,
    pub(crate) body: Vec<u8>,
}

/// The next piece of a body; `None` at its end.
pub(crate) async fn next_chunk(
    call: &Call<'_>,
    response: &mut Response,
    idle_timeout: Duration,
) -> Result<Option<bytes::Bytes>, Failure> {
    match tokio::time::timeout(idle_timeout, response.chunk()).await {
        Ok(Ok(chunk)) => Ok(chunk),
        Ok(Err(error)) => Err(call.transport(&error.without_url())),
        Err(_) => {
            let message = format!("{} sent nothing for {idle_timeout:?}", call.host);
            Err(call.sent(Cause::Timeout, &message))
        }
    }
}

/// As an operator would write it: `api.x.ai`, `127.0.0.1:9000`.
pub(crate) fn host_of(url: &Url) -> String {
    match (url.host_str(), url.port()) {
        (Some(host), Some(port)) => format!("{host}:{port}"),
        (Some(host), None) => host.to_owned(),
        (None, _) => "the upstream".to_owned(),
    }
}

fn base_url(url: &Url) -> Result<Url, ConnectError> {
    if !matches!(url.scheme(), "http" | "https") || !url.has_host() {
        return Err(ConnectError::BaseUrl("has to begin with http:// or https://"));
    }
    if !url.username().is_empty() || url.password().is_some() {
        return Err(ConnectError::BaseUrl("must not hold a user name; tokens are added to a pool"));
    }
    if url.query().is_some() || url.fragment().is_some() {
        return Err(ConnectError::BaseUrl("must not hold a query or a fragment"));
    }
    let mut url = url.clone();
    if !url.path().ends_with('/') {
        url.set_path(&format!("{}/", url.path()));
    }
    Ok(url)
}

/// TLS needs a provider of cryptography, chosen once in a process. Another choice made before stands.
pub(crate) fn use_ring() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| drop(rustls::crypto::ring::default_provider().install_default()));
}

fn pool(settings: &UpstreamSettings, base: &Url, idle: Duration) -> Result<reqwest::Client, ConnectError> {
    let proxy = settings.proxy.as_deref().map(proxy).transpose()?;
    let upstream = base.host().expect("a base URL has a host").to_owned();
    let names = Arc::new(Neighbours { inner: Arc::new(System::new()), upstream });
    let builder = || {
        let builder = reqwest::Client::builder()
            .user_agent(concat!("filmgate/", env!("CARGO_PKG_VERSION")))
            .redirect(reqwest::redirect::Policy::none())
            .referer(false)
            .retry(reqwest::retry::never())
            .connect_timeout(settings.connect_timeout)
            .pool_idle_timeout(idle);
        match proxy.clone() {
            // It resolves names itself, where it is.
            Some(proxy) => builder.proxy(proxy),
            None => builder.no_proxy().dns_resolver(Arc::clone(&names)),
        }
    };
    build(builder, base.scheme() == "http")
}

/// Builds it. Where it is of use without TLS, a machine without any CA certificates is no reason not to.
pub(crate) fn build(
    builder: impl Fn() -> reqwest::ClientBuilder,
    of_use_without_tls: bool,
) -> Result<reqwest::Client, ConnectError> {
    let built = match builder().build() {
        Err(error) if of_use_without_tls => {
            tracing::warn!(%error, "no https:// address can be fetched from: the system has no CA certificates");
            builder().tls_certs_only([]).build()
        }
        built => built,
    };
    built.map_err(|error| ConnectError::Client(crate::redact(&chain(&error), &[])))
}

fn proxy(text: &str) -> Result<reqwest::Proxy, ConnectError> {
    let url = Url::parse(text).map_err(|_| ConnectError::Proxy("is no URL"))?;
    if !matches!(url.scheme(), "http" | "https" | "socks5" | "socks5h") {
        return Err(ConnectError::Proxy("has to begin with http://, https://, socks5:// or socks5h://"));
    }
    if url.host_str().is_none_or(str::is_empty) {
        return Err(ConnectError::Proxy("names no host"));
    }
    reqwest::Proxy::all(url).map_err(|_| ConnectError::Proxy("cannot be used"))
}

fn chain(error: &dyn std::error::Error) -> String {
    std::iter::successors(Some(error), |error| error.source())
        .map(ToString::to_string)
        .collect::<Vec<_>>()
        .join(": ")
}
