//! What an operator says about an upstream, and what can be wrong with it.

use std::fmt;
use std::time::Duration;

use filmgate_domain::Mode;
use serde::{Deserialize, Serialize};
use url::Url;

/// Which dialect an upstream speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// The video API of xAI, or a server compatible with it.
    Xai,
    /// The OpenAI Videos API: vLLM-Omni, SGLang, new-api and others.
    #[serde(rename = "openai")]
    OpenAi,
}

impl Kind {
    /// The word in the configuration.
    pub const fn as_str(self) -> &'static str {
        match self {
            Kind::Xai => "xai",
            Kind::OpenAi => "openai",
        }
    }

    /// Whether the dialect has a list of the videos of a token.
    pub const fn can_list(self) -> bool {
        matches!(self, Kind::OpenAi)
    }

    /// The modes that the dialect has. A server may well have fewer.
    pub const fn modes(self) -> &'static [Mode] {
        match self {
            Kind::Xai => &Mode::ALL,
            Kind::OpenAi => &[Mode::Text, Mode::Image, Mode::Edit, Mode::Extend],
        }
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// How the body of a submission is written, where the dialect leaves a choice.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Body {
    /// `multipart/form-data`: what every SDK of OpenAI sends, and the one form that all servers can take a file in.
    #[default]
    Multipart,
    /// JSON, with an image as a data URI.
    Json,
}

/// What is made of the headers in which an upstream says how much is left for a token.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RateLimits {
    /// Nothing.
    Ignore,
    /// They count something of the upstream's own. A token with nothing left pauses until there is more.
    #[default]
    Pause,
    /// They count the units of the token's pool.
    Units,
}

/// How to reach an upstream. `Debug` hides what the proxy's address may hold.
#[derive(Clone, PartialEq, Eq)]
pub struct UpstreamSettings {
    /// The dialect.
    pub kind: Kind,
    /// How submissions are written. Only [`Kind::OpenAi`] leaves a choice.
    pub body: Body,
    /// The address that the API's paths are appended to, such as `https://api.x.ai/v1`. No user name, query
    /// or fragment.
    pub base_url: Url,
    /// The header that carries the token, such as `authorization`.
    pub credential_header: String,
    /// What stands before the token in it, such as `Bearer ` with its space.
    pub credential_prefix: String,
    /// A proxy for everything that goes to this upstream: `http://`, `https://`, `socks5://` (names are
    /// resolved here) or `socks5h://` (the proxy resolves them), with a user name and password if need be.
    /// Without one there is none: the proxies of the environment are not used.
    pub proxy: Option<String>,
    /// What is made of the headers that say how much is left for a token.
    pub rate_limits: RateLimits,
    /// How long a connection may take to come about: name, TCP, proxy and TLS together.
    pub connect_timeout: Duration,
    /// How long the upstream may take to begin its answer. Where a connection has to be made first, that may
    /// take `connect_timeout` on top. The body of an answer that is no file has to be complete in this time too.
    pub header_timeout: Duration,
    /// How long nothing may arrive while a body is being read.
    pub idle_timeout: Duration,
}

impl fmt::Debug for UpstreamSettings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("UpstreamSettings")
            .field("kind", &self.kind)
            .field("body", &self.body)
            .field("base_url", &self.base_url.as_str())
            .field("credential_header", &self.credential_header)
            .field("proxy", &self.proxy.as_deref().map(|proxy| crate::redact(proxy, &[])))
            .field("rate_limits", &self.rate_limits)
            .field("connect_timeout", &self.connect_timeout)
            .field("header_timeout", &self.header_timeout)
            .field("idle_timeout", &self.idle_timeout)
            .finish_non_exhaustive()
    }
}

/// Why no upstream can be built from the settings.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ConnectError {
    /// The base URL cannot be used.
    #[error("base_url {0}; use the like of https://api.x.ai/v1")]
    BaseUrl(&'static str),
    /// The credential header's name or prefix cannot be sent.
    #[error("{0} cannot be sent in an HTTP header; use the like of \"authorization\" and \"Bearer \"")]
    Credential(&'static str),
    /// The proxy's address cannot be used.
    #[error("proxy {0}; use the like of http://host:3128 or socks5://host:1080")]
    Proxy(&'static str),
    /// The HTTP client could not be built.
    #[error("the HTTP client could not be built: {0}")]
    Client(String),
}
