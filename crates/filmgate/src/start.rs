//! Puts the concrete parts together and starts them.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::{Context as _, bail};
use filmgate_domain::{Clock as _, Secret, TokenId, TokenInfo};
use filmgate_engine::{Engine, OnEnd, Parts, Restored, SystemClock};
use filmgate_http::{App, AppParts, Configuration as _, Door, Limits, Tls, new_key, router, serve};
use filmgate_store::{StoreError, hash_key};
use rand::SeedableRng as _;
use rand::rngs::{StdRng, SysRng};
use tokio::net::TcpListener;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use crate::config::{self, Config, Loaded, Sources};
use crate::data_dir::{self, DataDir};
use crate::files;
use crate::live::{Live, engine_settings, http_settings};
use crate::logging;
use crate::secured::{self, Secured};
use crate::telemetry::Traces;

/// How often it is looked whether the database is still there.
const LOOK_EVERY: std::time::Duration = std::time::Duration::from_secs(2);

/// How to start.
pub struct Options {
    /// Where settings come from.
    pub sources: Sources,
    /// Where everything is kept.
    pub data_dir: PathBuf,
    /// Whether another port is taken when the wanted one is in use.
    pub any_port: bool,
}

/// A gateway that runs.
pub struct Running {
    /// Where it listens.
    pub listening: SocketAddr,
    /// The address that clients use, without `/v1`.
    pub public_url: String,
    /// The operator's key.
    pub admin_key: String,
    /// The admin key was made just now.
    pub is_new_admin_key: bool,
    /// The first client key, made because there was none. It is shown this once.
    pub first_client_key: Option<String>,
    /// The engine.
    pub engine: Engine,
    /// The directory of everything.
    pub data_dir: PathBuf,
    /// The port in the settings was in use.
    pub wanted_port_taken: Option<SocketAddr>,
    /// The certificate that it shows.
    pub(crate) tls: Option<Tls>,
    local_url: String,
    app: App,
    config: Arc<Live>,
    grace: std::time::Duration,
    held: DataDir,
    stop: CancellationToken,
    serving: JoinHandle<()>,
    /// Delivers webhooks.
    telling: JoinHandle<()>,
    traces: Traces,
}

/// The parts of a gateway, before anything listens.
struct Assembled {
    engine: Engine,
    app: App,
    live: Arc<Live>,
    admin_key: (String, bool),
}

/// Whether jobs move on.
enum Work {
    /// They do.
    Yes {
        /// Told each that ends.
        on_end: Option<OnEnd>,
    },
    /// The books can be read and kept, and nothing is sent or fetched.
    No,
}

/// Starts a gateway.
///
/// # Errors
/// When the configuration, the data directory, the database or the port are not usable; the message says
/// what to do.
pub async fn start(options: Options) -> anyhow::Result<Running> {
    let loaded = load(&options.sources)?;
    logging::init(&loaded.config.log);
    let held = DataDir::take(&options.data_dir)?;
    let (listener, wanted_port_taken) = listen(loaded.config.server.listen, options.any_port).await?;
    let listening = listener.local_addr()?;
    let limits = Limits {
        header_timeout: loaded.config.server.header_timeout,
        keep_alive_timeout: loaded.config.server.keep_alive_timeout,
        stall_timeout: loaded.config.server.stall_timeout,
        max_connections: files::connections(loaded.config.server.max_connections.get() as usize),
        grace: loaded.config.server.shutdown_grace,
    };
    let public_url = loaded.config.public_url(listening);
    let tls = secured::read(&loaded.config)?;
    for warning in &loaded.warnings {
        tracing::warn!("{warning}");
    }
    let config = loaded.config.clone();
    let (traces, on_end) = Traces::start();
    let assembled = assemble(options.sources, &held, loaded, listening, Work::Yes { on_end }).await?;
    let Assembled { engine, app, live, admin_key: (admin_key, is_new_admin_key) } = assembled;
    adopt_xai_key(&engine, &config).await?;
    let first_client_key = first_client_key(&engine, &app).await?;
    let local_url = format!("{}://{}", config.scheme(), reachable(listening));
    let admin_url = format!("{local_url}/admin/v1");
    data_dir::write_server(held.path(), &admin_url, tls.as_ref().map(Tls::fingerprint).as_deref())?;
    if let Some(tls) = &tls {
        live.secure(Secured::new(tls.clone(), &config, held.path(), admin_url));
    }
    let stop = CancellationToken::new();
    let door = Door { listener, tls: tls.clone() };
    let serving = tokio::spawn(serve(door, router(app.clone()), limits, stop.clone()));
    let telling = tokio::spawn(app.clone().deliver_webhooks(stop.clone()));
    Ok(Running {
        listening,
        public_url,
        admin_key,
        is_new_admin_key,
        first_client_key,
        engine,
        data_dir: options.data_dir,
        wanted_port_taken,
        tls,
        local_url,
        app,
        config: live,
        grace: limits.grace,
        held,
        stop,
        serving,
        telling,
        traces,
    })
}

impl Running {
    /// Reads the configuration anew; a bad one is told and changes nothing.
    pub async fn reload(&self) {
        if let Err(problem) = self.config.reload().await {
            for line in problem.0 {
                tracing::error!("the new configuration is not used: {line}");
            }
        }
    }

    /// The address under which this machine reaches the gateway, without `/v1`.
    pub fn local_url(&self) -> String {
        self.local_url.clone()
    }

    /// Makes another client key.
    ///
    /// # Errors
    /// When it cannot be written.
    pub async fn new_client_key(&self, name: &str) -> anyhow::Result<String> {
        let key = new_key("fg-")?;
        self.app.add_client_key(name, &key).await?;
        Ok(key)
    }

    /// Returns when nothing can be accepted any more: the database is damaged or gone, which is a [`StoreError`], or
    /// what is in memory is not to be trusted.
    pub async fn until_lost(&self) -> anyhow::Error {
        let store = self.engine.store();
        let broken = async {
            // Where nothing is written, nobody else would notice that the database is gone.
            while store.look().is_ok() {
                if self.engine.is_broken() {
                    return;
                }
                tokio::time::sleep(LOOK_EVERY).await;
            }
            std::future::pending().await
        };
        tokio::select! {
            lost = store.until_lost() => lost.into(),
            () = broken => anyhow::anyhow!(
                "a mistake of filmgate's own left what it has in memory half changed; start it again: it goes on from \
                 what is on disk, and loses nothing. Please report what the log says of a panic"
            ),
        }
    }

    /// Stops cleanly: requests and submissions in progress end first.
    pub async fn stop(self) {
        self.stop.cancel();
        let (served, told) = tokio::join!(self.serving, self.telling);
        if served.is_err() || told.is_err() || !self.engine.stop(self.grace).await {
            tracing::warn!("stopped before everything had ended; the next start goes on with it");
        }
        self.traces.stop().await;
        self.held.forget_server();
    }
}

/// An opened data directory whose admin API is called in-process.
pub struct Offline {
    /// Every route.
    pub router: axum::Router,
    /// The operator's key.
    pub admin_key: String,
    engine: Engine,
    _held: DataDir,
}

impl Offline {
    /// Does what has to be done once with books that come from a backup.
    ///
    /// # Errors
    /// When they cannot be read or written.
    pub async fn settle_restored(&self) -> Result<Restored, StoreError> {
        self.engine.settle_restored().await
    }

    /// Closes the books.
    pub async fn close(self) {
        self.engine.stop(std::time::Duration::from_secs(10)).await;
    }
}

/// Opens a data directory that no server holds. No job moves on meanwhile.
///
/// # Errors
/// When the configuration, the data directory or the database are not usable.
pub async fn offline(sources: &Sources, data_dir: &Path) -> anyhow::Result<Offline> {
    let loaded = load(sources)?;
    let held = DataDir::take(data_dir)?;
    let listening = loaded.config.server.listen;
    let assembled = assemble(sources.clone(), &held, loaded, listening, Work::No).await?;
    let Assembled { engine, app, admin_key: (admin_key, _), .. } = assembled;
    Ok(Offline { router: router(app), admin_key, engine, _held: held })
}

/// Whether a server holds this data directory.
///
/// # Errors
/// When the directory cannot be looked into.
pub fn is_locked(data_dir: &Path) -> anyhow::Result<bool> {
    data_dir::is_locked(data_dir)
}

/// Reads the settings; all mistakes in them are one error.
pub(crate) fn load(sources: &Sources) -> anyhow::Result<Loaded> {
    config::load(sources).map_err(|errors| {
        let count = errors.0.len();
        let noun = if count == 1 { "mistake" } else { "mistakes" };
        anyhow::anyhow!("{count} {noun} in the configuration\n{errors}")
    })
}

async fn assemble(
    sources: Sources,
    held: &DataDir,
    loaded: Loaded,
    listening: SocketAddr,
    work: Work,
) -> anyhow::Result<Assembled> {
    let (store, master_key) = held.open_store()?;
    let rng = StdRng::try_from_rng(&mut SysRng).context("the system has no randomness")?;
    let media_dir = loaded.config.media_dir(held.path());
    let settings = engine_settings(&loaded, listening, |_, _| None)?;
    let (timer, link_key) = (Arc::new(SystemClock), master_key.derive("links"));
    let (works, on_end) = match work {
        Work::Yes { on_end } => (true, on_end),
        Work::No => (false, None),
    };
    let parts = Parts { store, timer, rng, media_dir, link_key, works, on_end, settings };
    let engine = Engine::start(parts).await?;
    let admin_key = held.admin_key()?;
    let http = http_settings(&loaded.config);
    let new_file = held.path().join("filmgate.toml");
    let live = Arc::new(Live::new(sources, new_file, loaded, listening));
    let app = App::new(AppParts {
        engine: engine.clone(),
        admin_key: hash_key(&admin_key.0),
        settings: http,
        configuration: live.clone(),
    });
    let app = app.await?;
    live.attach(engine.clone(), app.clone());
    Ok(Assembled { engine, app, live, admin_key })
}

async fn listen(wanted: SocketAddr, any_port: bool) -> anyhow::Result<(TcpListener, Option<SocketAddr>)> {
    match TcpListener::bind(wanted).await {
        Ok(listener) => Ok((listener, None)),
        Err(error) if error.kind() == std::io::ErrorKind::AddrInUse && any_port => {
            let listener = TcpListener::bind(SocketAddr::new(wanted.ip(), 0)).await?;
            Ok((listener, Some(wanted)))
        }
        Err(error) if error.kind() == std::io::ErrorKind::AddrInUse => bail!(
            "{wanted} is in use by another program; stop that, or choose another address with \
             --set server.listen=\"{}:{}\"",
            wanted.ip(),
            wanted.port().wrapping_add(1)
        ),
        Err(error) => Err(error).with_context(|| format!("cannot listen on {wanted}")),
    }
}

/// The address under which this machine reaches its own server.
fn reachable(listening: SocketAddr) -> SocketAddr {
    let ip = match listening.ip() {
        ip if !ip.is_unspecified() => ip,
        std::net::IpAddr::V4(_) => std::net::Ipv4Addr::LOCALHOST.into(),
        std::net::IpAddr::V6(_) => std::net::Ipv6Addr::LOCALHOST.into(),
    };
    SocketAddr::new(ip, listening.port())
}

/// `XAI_API_KEY` is the token of the pool `xai`, which `--preset xai` has.
async fn adopt_xai_key(engine: &Engine, config: &Config) -> anyhow::Result<()> {
    let Some(key) = data_dir::secret_from_env("XAI_API_KEY")? else { return Ok(()) };
    if !config.video.pools.iter().any(|pool| pool == "xai") {
        tracing::warn!("XAI_API_KEY is not used: there is no pool `xai`; start with --preset xai");
        return Ok(());
    }
    let token = TokenInfo::new(TokenId(0), "xai", Secret::new(key), SystemClock.now());
    engine.add_tokens(vec![token]).await?;
    Ok(())
}

/// The first start makes a client key, so that there is something to call with.
async fn first_client_key(engine: &Engine, app: &App) -> anyhow::Result<Option<String>> {
    if !engine.store().keys().await?.is_empty() {
        return Ok(None);
    }
    let key = new_key("fg-")?;
    app.add_client_key("default", &key).await?;
    Ok(Some(key))
}
