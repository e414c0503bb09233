//! From settings to running parts.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use filmgate_engine::{Line, LoadLimits, Outside, Settings};
use filmgate_http::{HttpSettings, InputLimits, RequestLimits, WebhookSettings};
use filmgate_upstream::{Body, UpstreamSettings, connect};

use crate::config::{ChatContent, Config, Loaded, UpstreamBody, UpstreamConfig};

pub(super) fn is_official_xai(upstream: &UpstreamConfig) -> bool {
    let url = url::Url::parse(&upstream.base_url).ok();
    url.is_some_and(|url| url.host_str() == Some("api.x.ai"))
}

/// How long a connection to an address that a client named may take to come about.
const OUTSIDE_CONNECT: Duration = Duration::from_secs(10);

pub(crate) fn http_settings(config: &Config) -> HttpSettings {
    HttpSettings {
        chat_content: match config.chat.content {
            ChatContent::Html => filmgate_http::ChatContent::Html,
            ChatContent::Url => filmgate_http::ChatContent::Url,
        },
        chat_ping: config.chat.ping_every,
        max_body: usize::try_from(config.server.max_body).unwrap_or(usize::MAX),
        requests: RequestLimits {
            body_timeout: config.server.body_timeout,
            max_creations: u64::from(config.server.max_creations.get()),
            max_streams: u64::from(config.server.max_streams.get()),
            max_body_memory: config.server.max_body_memory,
        },
        inputs: InputLimits {
            max_image: config.inputs.max_image,
            max_video: config.inputs.max_video,
            fetch_timeout: config.inputs.fetch_timeout,
        },
        webhooks: WebhookSettings {
            first_retry: config.webhooks.first_retry,
            timeout: config.webhooks.timeout,
        },
        cors_origins: config.server.cors_origins.iter().map(|o| o.as_str().to_owned()).collect(),
    }
}

/// What the engine needs of the settings. `kept` may give an adapter that is already there.
pub(crate) fn engine_settings(
    loaded: &Loaded,
    listening: SocketAddr,
    kept: impl Fn(&str, &UpstreamConfig) -> Option<Line>,
) -> anyhow::Result<Settings> {
    let config = &loaded.config;
    let mut upstreams = HashMap::new();
    for (name, upstream) in config.upstreams.iter().filter(|(_, upstream)| !upstream.base_url.is_empty()) {
        let line = match kept(name, upstream) {
            Some(line) => line,
            None => line(upstream).with_context(|| format!("upstream {name}"))?,
        };
        upstreams.insert(name.as_str().into(), line);
    }
    let outside = Outside::new(config.outside.allow_private, OUTSIDE_CONNECT).context("outside")?;
    Ok(Settings {
        catalog: Arc::new(loaded.catalog.clone()),
        routing: config.routing(),
        rules: config.rules(),
        load: LoadLimits {
            max_unfinished: config.jobs.max_unfinished.get() as usize,
            max_waiting: config.jobs.max_waiting.get() as usize,
        },
        busy_wait: config.video.busy_wait,
        deadline: config.jobs.deadline,
        fail_threshold: config.tokens.fail_threshold.get(),
        first_pause: config.tokens.first_pause,
        keep: config.media.keep,
        max_bytes: config.media.max_bytes,
        max_file: config.media.max_file,
        public_url: config.public_url(listening),
        link_ttl: config.media.link_ttl,
        outside: Arc::new(outside),
        upstreams,
    })
}

fn line(upstream: &UpstreamConfig) -> anyhow::Result<Line> {
    let settings = UpstreamSettings {
        kind: upstream.kind,
        body: match upstream.body {
            UpstreamBody::Auto | UpstreamBody::Multipart => Body::Multipart,
            UpstreamBody::Json => Body::Json,
        },
        base_url: upstream.base_url.parse().context("base_url")?,
        credential_header: upstream.credential_header.clone(),
        credential_prefix: upstream.credential_prefix.clone(),
        proxy: upstream.proxy.as_ref().map(|proxy| proxy.expose().to_owned()),
        rate_limits: upstream.rate_limits,
        connect_timeout: upstream.connect_timeout,
        header_timeout: upstream.header_timeout,
        idle_timeout: upstream.idle_timeout,
    };
    Ok(Line {
        upstream: connect(&settings)?,
        lost_answer: upstream.lost_answer,
        look_up_grace: upstream.look_up_grace,
        poll_every: upstream.poll_every,
        fetch_timeout: upstream.fetch_timeout,
    })
}
