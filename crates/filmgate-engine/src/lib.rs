//! Carries a job from its admission to its delivered file.
//!
//! One file for each part of the way: [`admit`](Engine::admit), `submit`, `poll`, `settle`, `deliver`; and
//! `recover` for what a restart finds. What *should* happen is decided in `filmgate_domain::step`; here it is
//! carried out. A job that waits is an entry in a heap, not a task.

mod admit;
mod cell;
mod clock;
mod deliver;
mod metrics;
mod operator;
mod poll;
mod recover;
mod retention;
mod scheduler;
mod settle;
mod submit;

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use arc_swap::ArcSwap;
use filmgate_domain::{
    CallerId, Catalog, Job, JobId, RoutingSettings, Rules, Secret, Timestamp, TokenId, TokenManager,
};
use filmgate_store::{Store, StoreError};
use filmgate_upstream::Upstream;
use rand::rngs::StdRng;
use tokio::sync::{Semaphore, watch};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

pub use admit::{Admission, AdmitError, Request};
pub use clock::{SystemClock, Timer};
pub use filmgate_upstream::Checked;
pub use metrics::Metrics;
pub use operator::{OperatorError, PoolView, TokenView};

use cell::Cell;
use scheduler::Scheduler;

/// The job engine. Cloning it is cheap; all clones are the same engine.
#[derive(Clone)]
pub struct Engine {
    inner: Arc<Inner>,
}

/// What an engine is made of.
pub struct Parts {
    /// The book of everything.
    pub store: Store,
    /// Time.
    pub timer: Arc<dyn Timer>,
    /// Chance: the seed of jitter, ids and draws among equal tokens.
    pub rng: StdRng,
    /// Where videos are kept. Created if missing.
    pub media_dir: PathBuf,
    /// Whether jobs move on. False: the books can be read and kept, but nothing is sent or fetched.
    pub works: bool,
    /// The rest, which a reload can change.
    pub settings: Settings,
}

/// What a reload can change.
#[derive(Clone)]
pub struct Settings {
    /// Pools and models.
    pub catalog: Arc<Catalog>,
    /// The switches of `[video]`.
    pub routing: RoutingSettings,
    /// The limits of `[jobs]`.
    pub rules: Rules,
    /// How long a job may take until its upstream is done.
    pub deadline: Duration,
    /// Refusals in a row after which a token expires.
    pub fail_threshold: u32,
    /// How long a refused token pauses; doubles with each refusal.
    pub first_pause: Duration,
    /// How long a finished video is kept.
    pub keep: Duration,
    /// Bytes that all kept videos may take together.
    pub max_bytes: u64,
    /// The largest single video, in bytes.
    pub max_file: u64,
    /// The upstreams by name.
    pub upstreams: HashMap<Box<str>, Line>,
}

/// An upstream and how often it is asked about a video in the making.
#[derive(Clone)]
pub struct Line {
    /// The adapter.
    pub upstream: Arc<dyn Upstream>,
    /// The usual pause between two questions about one video.
    pub poll_every: Duration,
}

pub(crate) struct Inner {
    store: Store,
    timer: Arc<dyn Timer>,
    desk: Mutex<Desk>,
    settings: ArcSwap<Settings>,
    /// Adapters that are not configured any more but may still have jobs.
    retired: Mutex<HashMap<Box<str>, Line>>,
    /// The jobs that are not at their end.
    active: Mutex<HashMap<JobId, Arc<Cell>>>,
    /// Which job an identical request of the same caller started last.
    recent: Mutex<HashMap<(CallerId, [u8; 32]), Recent>>,
    scheduler: Scheduler,
    media_dir: PathBuf,
    metrics: Metrics,
    /// Work that a clean stop waits for.
    tasks: TaskTracker,
    stopping: CancellationToken,
    /// Bounds how many files are fetched at once.
    deliveries: Semaphore,
}

/// Where tokens are chosen: everything under one lock, held for nanoseconds and never across an await.
pub(crate) struct Desk {
    pub(crate) manager: TokenManager,
    pub(crate) rng: StdRng,
}

pub(crate) struct Recent {
    job: JobId,
    finished_at: Option<Timestamp>,
}

/// How many files are fetched at once: enough to keep a line busy, few enough to bound memory.
const DELIVERIES_AT_ONCE: usize = 64;

impl Engine {
    /// Reads the books, takes up every unfinished job where it was, and starts to work.
    ///
    /// # Errors
    /// When the store cannot be read or the media directory cannot be made.
    pub async fn start(parts: Parts) -> Result<Engine, StartError> {
        let Parts { store, timer, rng, media_dir, works, settings } = parts;
        tokio::fs::create_dir_all(media_dir.join(deliver::PARTIAL)).await.map_err(StartError::Media)?;
        let mut manager = TokenManager::new(Arc::clone(&settings.catalog), settings.routing);
        manager.set_blame_rule(settings.fail_threshold, settings.first_pause);
        let engine = Engine {
            inner: Arc::new(Inner {
                store,
                timer,
                desk: Mutex::new(Desk { manager, rng }),
                settings: ArcSwap::from_pointee(settings),
                retired: Mutex::default(),
                active: Mutex::default(),
                recent: Mutex::default(),
                scheduler: Scheduler::default(),
                media_dir,
                metrics: Metrics::default(),
                tasks: TaskTracker::new(),
                stopping: CancellationToken::new(),
                deliveries: Semaphore::new(DELIVERIES_AT_ONCE),
            }),
        };
        engine.recover(works).await?;
        if works {
            tokio::spawn(engine.clone().run_scheduler());
            tokio::spawn(engine.clone().run_retention());
        }
        Ok(engine)
    }

    /// Stops cleanly: no new work; submissions and commits in progress end first, for at most `grace`.
    /// What is left goes on at the next start. False when the time was not enough.
    pub async fn stop(&self, grace: Duration) -> bool {
        self.inner.stopping.cancel();
        self.inner.tasks.close();
        let ended = tokio::time::timeout(grace, self.inner.tasks.wait()).await.is_ok();
        self.inner.store.clone().close().await;
        ended
    }

    /// A job in its latest state.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub async fn job(&self, id: JobId) -> Result<Option<Arc<Job>>, StoreError> {
        if let Some(cell) = self.cell(id) {
            return Ok(Some(cell.job()));
        }
        Ok(self.inner.store.job(id).await?.map(Arc::new))
    }

    /// Follows an unfinished job: each change can be awaited. `None` when it is not in progress.
    pub fn follow(&self, id: JobId) -> Option<watch::Receiver<Arc<Job>>> {
        self.cell(id).map(|cell| cell.subscribe())
    }

    /// The current time.
    pub fn now(&self) -> Timestamp {
        self.inner.timer.now()
    }

    /// The settings in use.
    pub fn settings(&self) -> Arc<Settings> {
        self.inner.settings.load_full()
    }

    /// The store, for reading.
    pub fn store(&self) -> &Store {
        &self.inner.store
    }

    /// Counters and gauges.
    pub fn metrics(&self) -> &Metrics {
        &self.inner.metrics
    }

    /// Where the file of a completed job lies.
    pub fn file(&self, job: JobId) -> PathBuf {
        deliver::path(&self.inner.media_dir, job)
    }

    /// When retention will remove the file of a job that finished then.
    pub fn kept_until(&self, finished_at: Timestamp) -> Timestamp {
        finished_at + self.inner.settings.load().keep
    }

    pub(crate) fn desk(&self) -> MutexGuard<'_, Desk> {
        self.inner.desk.lock().expect("no panic while the desk is locked")
    }

    pub(crate) fn cell(&self, id: JobId) -> Option<Arc<Cell>> {
        self.inner.active.lock().expect("no panic under this lock").get(&id).cloned()
    }

    /// The adapter of an upstream, also of one that is not configured any more.
    pub(crate) fn line(&self, upstream: &str) -> Option<Line> {
        let configured = self.inner.settings.load().upstreams.get(upstream).cloned();
        configured
            .or_else(|| self.inner.retired.lock().expect("no panic under this lock").get(upstream).cloned())
    }

    /// The credential that a job submits, polls and fetches with.
    pub(crate) fn credential(&self, cell: &Cell, token: TokenId) -> Option<Secret> {
        cell.credential(token).or_else(|| {
            let secret = self.desk().manager.get(token).map(|info| info.token.clone())?;
            cell.keep_credential(token, secret.clone());
            Some(secret)
        })
    }

    pub(crate) fn media_dir(&self) -> &Path {
        &self.inner.media_dir
    }
}

/// Why an engine does not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The books cannot be read.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The media directory cannot be made.
    #[error("the media directory cannot be made: {0}")]
    Media(std::io::Error),
}
