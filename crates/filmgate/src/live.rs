//! The configuration in use: from settings to running parts, and how it changes while filmgate runs.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use anyhow::Context as _;
use arc_swap::ArcSwap;
use async_trait::async_trait;
use filmgate_engine::{Engine, Line, Outside, Settings};
use filmgate_http::{App, ConfigProblem, Configuration, HttpSettings, InputLimits, WebhookSettings};
use filmgate_upstream::{Body, UpstreamSettings, connect};

use crate::config::{self, ChatContent, Config, Loaded, Sources, UpstreamBody, UpstreamConfig};

/// The configuration in use, and what has to hear of a change.
pub(crate) struct Live {
    sources: Sources,
    /// Where a change is written when there is no file yet.
    new_file: PathBuf,
    loaded: ArcSwap<Loaded>,
    listening: SocketAddr,
    /// One change at a time.
    changing: tokio::sync::Mutex<()>,
    users: OnceLock<(Engine, App)>,
}

impl Live {
    pub(crate) fn new(sources: Sources, new_file: PathBuf, loaded: Loaded, listening: SocketAddr) -> Self {
        Self {
            sources,
            new_file,
            loaded: ArcSwap::from_pointee(loaded),
            listening,
            changing: tokio::sync::Mutex::default(),
            users: OnceLock::new(),
        }
    }

    /// Who is told of changes.
    pub(crate) fn attach(&self, engine: Engine, app: App) {
        // Attached once, at the start.
        let _ = self.users.set((engine, app));
    }

    fn take_into_use(&self, loaded: Loaded) -> Result<(), ConfigProblem> {
        let Some((engine, app)) = self.users.get() else { return Ok(()) };
        let before = self.loaded.load();
        let kept = |name: &str, config: &UpstreamConfig| {
            let same = before.config.upstreams.get(name) == Some(config);
            engine.settings().upstreams.get(name).filter(|_| same).cloned()
        };
        let settings = engine_settings(&loaded, self.listening, kept);
        let settings = settings.map_err(|error| ConfigProblem(vec![format!("{error:#}")]))?;
        engine.reload(settings);
        app.reload(http_settings(&loaded.config));
        warn_of_restart(&before.config, &loaded.config);
        for warning in &loaded.warnings {
            tracing::warn!("{warning}");
        }
        tracing::info!("configuration taken into use");
        self.loaded.store(Arc::new(loaded));
        Ok(())
    }
}

#[async_trait]
impl Configuration for Live {
    fn show(&self) -> String {
        config::render(&self.loaded.load())
    }

    fn file(&self) -> Option<String> {
        self.sources.file.as_ref().map(|path| path.display().to_string())
    }

    fn is_official_xai(&self, upstream: &str) -> bool {
        self.loaded.load().config.upstreams.get(upstream).is_some_and(is_official_xai)
    }

    async fn reload(&self) -> Result<(), ConfigProblem> {
        let _one_at_a_time = self.changing.lock().await;
        let mut sources = self.sources.clone();
        if sources.file.is_none() && self.new_file.exists() {
            sources.file = Some(self.new_file.clone());
        }
        self.take_into_use(config::load(&sources).map_err(problem)?)
    }

    async fn change(&self, values: &[(String, String)]) -> Result<(), ConfigProblem> {
        let _one_at_a_time = self.changing.lock().await;
        let one = |line: String| ConfigProblem(vec![line]);
        let path = self.sources.file.clone().unwrap_or_else(|| self.new_file.clone());
        let mut text = match std::fs::read_to_string(&path) {
            Ok(text) => text,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => String::new(),
            Err(error) => return Err(one(format!("{} cannot be read: {error}", path.display()))),
        };
        for (key, value) in values {
            let parsed = toml::from_str::<toml::Table>(&format!("value = {value}"));
            let value = parsed.ok().and_then(|mut table| table.remove("value"));
            let value = value.ok_or_else(|| one(format!("`{key}`: not a value that TOML knows")))?;
            text = config::edit(&text, key, &value).map_err(|error| one(error.to_string()))?;
        }
        let sources = Sources { file: Some(path.clone()), ..self.sources.clone() };
        let loaded = config::load_text(&sources, &text).map_err(problem)?;
        write(&path, &text).map_err(|error| one(format!("{} cannot be written: {error}", path.display())))?;
        self.take_into_use(loaded)
    }
}

/// Replaces a file in one step: whoever reads it sees the old text or the new one.
fn write(path: &std::path::Path, text: &str) -> std::io::Result<()> {
    let directory = path.parent().filter(|p| !p.as_os_str().is_empty()).unwrap_or(std::path::Path::new("."));
    let mut file = tempfile::NamedTempFile::new_in(directory)?;
    std::io::Write::write_all(&mut file, text.as_bytes())?;
    file.as_file().sync_all()?;
    file.persist(path)?;
    Ok(())
}

fn problem(errors: config::ConfigErrors) -> ConfigProblem {
    ConfigProblem(errors.0.iter().map(ToString::to_string).collect())
}

/// Some settings are read once.
fn warn_of_restart(before: &Config, after: &Config) {
    let fixed = [
        ("server.listen", before.server.listen != after.server.listen),
        ("server.max_body", before.server.max_body != after.server.max_body),
        ("server.cors_origins", before.server.cors_origins != after.server.cors_origins),
        ("server.header_timeout", before.server.header_timeout != after.server.header_timeout),
        ("server.shutdown_grace", before.server.shutdown_grace != after.server.shutdown_grace),
        ("media.dir", before.media.dir != after.media.dir),
        ("log", before.log != after.log),
    ];
    for (key, _) in fixed.iter().filter(|(_, changed)| *changed) {
        tracing::warn!("`{key}` changed; that takes effect at the next start");
    }
}

pub(crate) fn is_official_xai(upstream: &UpstreamConfig) -> bool {
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
        connect_timeout: upstream.connect_timeout,
        header_timeout: upstream.header_timeout,
        idle_timeout: upstream.idle_timeout,
    };
    Ok(Line { upstream: connect(&settings)?, poll_every: upstream.poll_every })
}
