//! Carries a job from its admission to its delivered file.
//!
//! One file for each part of the way: [`admit`](Engine::admit), `submit`, `poll`, `settle`, `deliver`; and
//! `recover` for what a restart finds. What *should* happen is decided in `filmgate_domain::step`; here it is
//! carried out. A job that waits is an entry in a heap, not a task.

mod admit;
mod again;
mod background;
mod cell;
mod claims;
mod clock;
mod deliver;
mod disk;
mod glance;
mod heed;
mod inputs;
mod lanes;
mod ledger;
mod limits;
mod links;
mod load;
mod metrics;
mod minutes;
mod operator;
mod poll;
mod poster;
mod reconcile;
mod recover;
mod restored;
mod retention;
mod room;
mod scheduler;
mod settle;
mod submit;
mod token_changes;
mod tokens;
mod unfinished;
mod waiting;
mod what_if;

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::atomic::AtomicU64;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use arc_swap::ArcSwap;
use bytes::Bytes;
use filmgate_domain::{
    CallerId, Catalog, Job, JobId, LostAnswer, RoutingSettings, Rules, Secret, Timestamp, TokenId,
    TokenManager,
};
use filmgate_store::{Store, StoreError};
use filmgate_upstream::Upstream;
use rand::rngs::StdRng;
use tokio::sync::{Notify, Semaphore, watch};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

pub use admit::{AdmitError, Choice, Keep, Request};
pub use again::AgainError;
pub use background::Background;
pub use clock::{Steady, SystemClock, Timer};
pub use filmgate_media::{Measured, PosterError, ProbeError};
pub use filmgate_upstream::{Answered, Checked, Outside, OutsideError};
pub use glance::Making;
pub use ledger::{LedgerLine, PeriodLedger};
pub use limits::{CallerUse, LimitReached, Limited};
pub use load::{LoadLimits, Overload};
pub use metrics::Metrics;
pub use operator::{OperatorError, PoolView};
pub use restored::Restored;
pub use token_changes::{Changed, Deed};
pub use tokens::{TokenFilter, TokenPage, TokenQuery, TokenSort, TokenView};

use cell::Cell;
use claims::Claims;
use lanes::{FILES_AT_ONCE, Lanes, ORDERS_AT_ONCE};
use limits::Limits;
use links::Links;
use load::Arrivals;
use minutes::Minutes;
use room::Room;
use scheduler::Scheduler;
use unfinished::Unfinished;

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
    /// The key that signs links.
    pub link_key: [u8; 32],
    /// Whether jobs move on. False: the books can be read and kept, but nothing is sent or fetched.
    pub works: bool,
    /// Told each job that ends.
    pub on_end: Option<OnEnd>,
    /// The rest, which a reload can change.
    pub settings: Settings,
}

/// Told a job at its end, once that is on disk, and the `traceparent` of the request that it came with, unless
/// a restart lies between. Must not block: the job's own task calls it.
pub type OnEnd = Box<dyn Fn(&Arc<Job>, Option<&str>) + Send + Sync>;

/// What a reload can change.
#[derive(Clone)]
pub struct Settings {
    /// Pools and models.
    pub catalog: Arc<Catalog>,
    /// The switches of `[video]`.
    pub routing: RoutingSettings,
    /// The limits of `[jobs]`.
    pub rules: Rules,
    /// The limits of all jobs together.
    pub load: LoadLimits,
    /// How long a busy token is waited for before a fallback; zero: not at all.
    pub busy_wait: Duration,
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
    /// The address that clients use, without a slash at the end.
    pub public_url: String,
    /// How long links to videos work.
    pub link_ttl: Duration,
    /// Goes to addresses that clients name.
    pub outside: Arc<Outside>,
    /// The upstreams by name.
    pub upstreams: HashMap<Box<str>, Line>,
}

/// An upstream, and how it is dealt with.
#[derive(Clone)]
pub struct Line {
    /// The adapter.
    pub upstream: Arc<dyn Upstream>,
    /// What is done when the answer to a submission is lost.
    pub lost_answer: LostAnswer,
    /// How long after that a video that the upstream does not list may still appear there.
    pub look_up_grace: Duration,
    /// The usual pause between two questions about one video.
    pub poll_every: Duration,
    /// How long one fetch of a file may take.
    pub fetch_timeout: Duration,
}

pub(crate) struct Inner {
    store: Store,
    timer: Arc<dyn Timer>,
    desk: Mutex<Desk>,
    settings: ArcSwap<Settings>,
    /// Adapters that are not configured any more but may still have jobs.
    retired: Mutex<HashMap<Box<str>, Line>>,
    /// The jobs that are not at their end.
    unfinished: Mutex<Unfinished>,
    /// Which job an identical request of the same caller started last.
    recent: Mutex<HashMap<(CallerId, [u8; 32]), Recent>>,
    scheduler: Scheduler,
    /// Says that the room, or when a token comes free by itself, is not as it was.
    stirred: Notify,
    media_dir: PathBuf,
    links: Links,
    metrics: Metrics,
    minutes: Minutes,
    /// Bytes of all kept videos, as of the last round of retention.
    kept_bytes: AtomicU64,
    /// What callers may use and use. Its lock is taken under that of the desk, never the other way round.
    limits: Limits,
    changing_limits: tokio::sync::Mutex<()>,
    /// Its lock is taken before that of `unfinished`.
    arrivals: Arrivals,
    on_end: Option<OnEnd>,
    background: Background,
    /// Work that a clean stop waits for.
    tasks: TaskTracker,
    stopping: CancellationToken,
    /// Bound how many submissions, questions and files of one pool are on the wire at once.
    submissions: Lanes,
    questions: Lanes,
    files: Lanes,
    /// Bounds how many posters are made at once.
    decoders: Semaphore,
    /// What can be one job's only.
    claims: Claims,
    /// Held while a video that an upstream lists is given to a job: no two get the same.
    adopting: tokio::sync::Mutex<()>,
}

/// Where tokens are chosen: everything under one lock, held for nanoseconds and never across an await.
pub(crate) struct Desk {
    pub(crate) manager: TokenManager,
    pub(crate) rng: StdRng,
    /// The jobs that wait for a token.
    pub(crate) room: Room,
}

pub(crate) struct Recent {
    job: JobId,
    finished_at: Option<Timestamp>,
}

impl Engine {
    /// Reads the books, takes up every unfinished job where it was, and starts to work.
    ///
    /// # Errors
    /// When the store cannot be read or the media directory cannot be made.
    pub async fn start(parts: Parts) -> Result<Engine, StartError> {
        let Parts { store, timer, rng, media_dir, link_key, works, on_end, settings } = parts;
        for inner in [deliver::PARTIAL, inputs::INPUTS, poster::POSTERS] {
            disk::create_dir_all(media_dir.join(inner)).await.map_err(StartError::Media)?;
        }
        deliver::sync_dirs(&media_dir).await.map_err(StartError::Media)?;
        let mut manager = TokenManager::new(Arc::clone(&settings.catalog), settings.routing);
        manager.set_blame_rule(settings.fail_threshold, settings.first_pause);
        let engine = Engine {
            inner: Arc::new(Inner {
                store,
                timer,
                desk: Mutex::new(Desk { manager, rng, room: Room::default() }),
                settings: ArcSwap::from_pointee(settings),
                retired: Mutex::default(),
                unfinished: Mutex::default(),
                recent: Mutex::default(),
                scheduler: Scheduler::default(),
                stirred: Notify::new(),
                media_dir,
                links: Links::new(link_key),
                metrics: Metrics::default(),
                minutes: Minutes::default(),
                kept_bytes: AtomicU64::default(),
                limits: Limits::default(),
                changing_limits: tokio::sync::Mutex::default(),
                arrivals: Arrivals::default(),
                on_end,
                background: Background::start(),
                tasks: TaskTracker::new(),
                stopping: CancellationToken::new(),
                submissions: Lanes::new(ORDERS_AT_ONCE),
                questions: Lanes::new(ORDERS_AT_ONCE),
                files: Lanes::new(FILES_AT_ONCE),
                decoders: Semaphore::new(poster::DECODERS),
                claims: Claims::default(),
                adopting: tokio::sync::Mutex::default(),
            }),
        };
        engine.recover(works).await?;
        if works {
            tokio::spawn(engine.clone().run_scheduler());
            tokio::spawn(engine.clone().run_waiting());
            tokio::spawn(engine.clone().run_retention());
            tokio::spawn(engine.clone().run_minutes());
        }
        Ok(engine)
    }

    /// Has something done that a clean stop waits for.
    pub(crate) fn work(&self, work: impl Future<Output = ()> + Send + 'static) {
        self.inner.background.spawn(self.inner.tasks.track_future(work));
    }

    /// Where work is done that comes last.
    pub fn background(&self) -> &Background {
        &self.inner.background
    }

    /// Stops cleanly: no new work; submissions and commits in progress end first, for at most `grace`.
    /// What is left goes on at the next start. False when the time was not enough.
    pub async fn stop(&self, grace: Duration) -> bool {
        self.inner.stopping.cancel();
        self.inner.tasks.close();
        let ended = tokio::time::timeout(grace, self.inner.tasks.wait()).await.is_ok();
        self.save_minutes().await;
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

    /// The latest state of a job that was read from the store a moment ago.
    pub fn latest(&self, job: Job) -> Arc<Job> {
        self.cell(job.id).map_or_else(|| Arc::new(job), |cell| cell.job())
    }

    /// Follows an unfinished job: each change can be awaited. `None` when it is not in progress.
    pub fn follow(&self, id: JobId) -> Option<watch::Receiver<Arc<Job>>> {
        self.cell(id).map(|cell| cell.subscribe())
    }

    /// The current time.
    pub fn now(&self) -> Timestamp {
        self.inner.timer.now()
    }

    /// What other machines' clocks show.
    pub fn time_elsewhere(&self) -> Timestamp {
        self.inner.timer.elsewhere()
    }

    /// The settings in use.
    pub fn settings(&self) -> Arc<Settings> {
        self.inner.settings.load_full()
    }

    /// The store, for reading.
    pub fn store(&self) -> &Store {
        &self.inner.store
    }

    /// Counters that need no lock.
    pub fn metrics(&self) -> &Metrics {
        &self.inner.metrics
    }

    /// Where the file of a completed job lies.
    pub fn file(&self, job: JobId) -> PathBuf {
        deliver::path(&self.inner.media_dir, job)
    }

    /// A fresh link to the file of a job: whoever has it can watch, for as long as the settings say.
    pub fn link(&self, job: JobId) -> String {
        let settings = self.inner.settings.load();
        self.inner.links.make(&settings.public_url, job, self.now(), settings.link_ttl)
    }

    /// Whether a link to the file of a job was made here and still works.
    pub fn is_link(&self, job: JobId, expires: i64, signature: &str) -> bool {
        self.inner.links.check(job, expires, signature, self.now())
    }

    /// Whether some pool of this model belongs to an upstream that takes files only, and fetches nothing.
    pub fn needs_files(&self, model: &str) -> bool {
        let settings = self.inner.settings.load();
        let Some(model) = settings.catalog.model(model) else { return false };
        let mut pools = settings.catalog.pools_of(model).map(|index| &settings.catalog.pools()[index]);
        pools.any(|pool| {
            settings.upstreams.get(&pool.upstream).is_some_and(|line| !line.upstream.takes().urls)
        })
    }

    /// Measures a video that a client sent.
    ///
    /// # Errors
    /// When it is no video that filmgate can read.
    pub async fn measure(&self, video: Bytes) -> Result<Measured, ProbeError> {
        let length = video.len() as u64;
        let probe = move || filmgate_media::probe(&mut std::io::Cursor::new(video), length);
        let absurd = |_| ProbeError::Io(std::io::Error::other("measuring it failed"));
        disk::run(probe).await.map_err(absurd)?
    }

    /// When retention will remove the file of a job that finished then.
    pub fn kept_until(&self, finished_at: Timestamp) -> Timestamp {
        finished_at + self.inner.settings.load().keep
    }

    /// Whether a panic left what is in memory half changed: a defect, after which nothing can be admitted any more and
    /// only a start from what is on disk helps.
    pub fn is_broken(&self) -> bool {
        let Inner { desk, unfinished, recent, retired, scheduler, limits, arrivals, claims, minutes, .. } =
            &*self.inner;
        let own = [desk.is_poisoned(), unfinished.is_poisoned(), recent.is_poisoned(), retired.is_poisoned()];
        let theirs = [scheduler.is_broken(), limits.is_broken(), arrivals.is_broken(), claims.is_broken()];
        own.contains(&true) || theirs.contains(&true) || minutes.is_broken()
    }

    pub(crate) fn desk(&self) -> MutexGuard<'_, Desk> {
        self.inner.desk.lock().expect("no panic while the desk is locked")
    }

    pub(crate) fn recent(&self) -> MutexGuard<'_, HashMap<(CallerId, [u8; 32]), Recent>> {
        self.inner.recent.lock().expect("no panic under this lock")
    }

    pub(crate) fn cell(&self, id: JobId) -> Option<Arc<Cell>> {
        self.unfinished().get(id).cloned()
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
