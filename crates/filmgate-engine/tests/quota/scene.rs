//! An engine with an upstream that follows a script, and a clock that the test sets.

use std::collections::{HashMap, VecDeque};
use std::path::Path;
use std::pin::Pin;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use filmgate_domain::{
    AspectRatio, Catalog, Cause, Certainty, Clock, Cost, Failure, Job, JobId, JobState, LostAnswer,
    OnShortage, Period, Polled, Pool, Quota, RateLimit, Resolution, RoutingSettings, Rules, Seconds, Secret,
    Shape, Timestamp, TokenId, TokenInfo, VideoSpec,
};
use filmgate_engine::{
    Checked, Choice, Engine, Line, LoadLimits, Outside, Parts, Request, Settings, Timer, TokenView,
};
use filmgate_store::{MasterKey, Store};
use filmgate_upstream::{Order, Receipt, RemoteFile, Takes, Told, Upstream};
use rand::SeedableRng as _;
use rand::rngs::StdRng;
use tokio::sync::watch;

pub(crate) const BEGIN: Timestamp = Timestamp::from_millis(1_764_000_000_000);
pub(crate) const MINUTE: Duration = Duration::from_secs(60);
pub(crate) const HOUR: Duration = Duration::from_secs(3600);
const TOKEN: TokenId = TokenId(1);

/// A clock that a test sets.
pub(crate) struct Hand(watch::Sender<Timestamp>);

impl Hand {
    pub(crate) fn shows(&self, at: Timestamp) {
        self.0.send_replace(at);
    }
}

impl Clock for Hand {
    fn now(&self) -> Timestamp {
        *self.0.borrow()
    }
}

impl Timer for Hand {
    fn sleep_until(&self, at: Timestamp) -> Pin<Box<dyn Future<Output = ()> + Send + '_>> {
        let mut shown = self.0.subscribe();
        Box::pin(async move {
            let _ = shown.wait_for(|now| *now >= at).await;
        })
    }
}

/// Answers as it is told, in this order; then it takes everything, and says nothing of what is left. Its videos are
/// blocked at the first question, which charges them.
#[derive(Default)]
pub(crate) struct Scripted {
    pub(crate) submissions: Mutex<VecDeque<Result<Option<RateLimit>, Failure>>>,
    pub(crate) polls: Mutex<VecDeque<Told>>,
    /// Questions about this video, and fetches of a file of this name, panic.
    pub(crate) panics: Mutex<Option<String>>,
}

impl Scripted {
    fn perhaps_panic(&self, what: &str) {
        let panics = self.panics.lock().unwrap().as_deref() == Some(what);
        assert!(!panics, "as the test wants");
    }
}

#[async_trait]
impl Upstream for Scripted {
    async fn submit(&self, _: &Secret, order: &Order<'_>) -> Result<Receipt, Failure> {
        let limits = self.submissions.lock().unwrap().pop_front().unwrap_or(Ok(None))?;
        Ok(Receipt { upstream_id: order.job.to_string().into(), limits })
    }

    fn takes(&self) -> Takes {
        Takes { urls: true, ids: false }
    }

    async fn poll(&self, _: &Secret, id: &str) -> Result<Told, Failure> {
        self.perhaps_panic(id);
        let next = self.polls.lock().unwrap().pop_front();
        Ok(next.unwrap_or_else(|| Polled::Moderated { reason: None, cost_ticks: Some(3) }.into()))
    }

    async fn fetch(&self, _: &Secret, url: &str) -> Result<RemoteFile, Failure> {
        self.perhaps_panic(url);
        Err(refused(Cause::Rejected, None))
    }

    async fn check(&self, _: &Secret) -> Result<Checked, Failure> {
        Ok(Checked::Accepted)
    }
}

/// What a token has in an hour and what a video costs, in units; and what is done about lost answers.
#[derive(Clone, Copy)]
pub(crate) struct Budget {
    pub(crate) units: u32,
    pub(crate) cost: u32,
    pub(crate) lost_answer: LostAnswer,
}

/// A gateway with one Basic token.
pub(crate) struct Scene {
    dir: tempfile::TempDir,
    key: MasterKey,
    pub(crate) timer: Arc<Hand>,
    pub(crate) upstream: Arc<Scripted>,
    pub(crate) engine: Engine,
    budget: Budget,
    made: u8,
}

impl Scene {
    /// Two videos in an hour.
    pub(crate) async fn new() -> Self {
        Self::with(Budget { units: 8, cost: 4, lost_answer: LostAnswer::GiveUp }).await
    }

    pub(crate) async fn with(budget: Budget) -> Self {
        let (dir, key) = (tempfile::tempdir().unwrap(), MasterKey::generate());
        let (timer, upstream) = (Arc::new(Hand(watch::Sender::new(BEGIN))), Arc::new(Scripted::default()));
        let engine = start(dir.path(), &key, &timer, &upstream, budget).await;
        let token = TokenInfo::new(TokenId(0), "ssoBasic", Secret::new("a-token-of-some-length"), BEGIN);
        engine.add_tokens(vec![token]).await.unwrap();
        Self { dir, key, timer, upstream, engine, budget, made: 0 }
    }

    pub(crate) async fn restart(&mut self) {
        assert!(self.engine.stop(Duration::from_secs(30)).await);
        self.engine = start(self.dir.path(), &self.key, &self.timer, &self.upstream, self.budget).await;
    }

    pub(crate) fn answers(&self, answer: Result<Option<RateLimit>, Failure>) {
        self.upstream.submissions.lock().unwrap().push_back(answer);
    }

    /// Asks for a video that waits as long as it has to.
    pub(crate) async fn ask(&mut self) -> JobId {
        self.made += 1;
        let choice = Choice { on_shortage: OnShortage::Wait, max_wait: Some(HOUR * 24), ..Choice::default() };
        let request = self.request([self.made; 32], choice).await;
        self.engine.admit(request).await.unwrap().id
    }

    pub(crate) async fn request(&self, fingerprint: [u8; 32], choice: Choice) -> Request {
        let caller = self.engine.store().add_caller("tests", BEGIN).await.unwrap();
        let shape = Shape {
            resolution: Resolution::P480,
            seconds: Seconds::DEFAULT,
            aspect_ratio: AspectRatio::R16x9,
        };
        let spec = VideoSpec::new("grok-imagine-video", "a red fox", shape).unwrap();
        Request { caller, spec, files: Vec::new(), choice, fingerprint, keep: None }
    }

    /// Waits until a job is so.
    pub(crate) async fn until(&self, id: JobId, is_so: impl Fn(&Job) -> bool) -> Arc<Job> {
        if let Some(mut changes) = self.engine.follow(id) {
            let seen = changes.wait_for(|job| is_so(job)).await;
            if let Ok(job) = seen {
                return Arc::clone(&job);
            }
        }
        let job = self.engine.job(id).await.unwrap().unwrap();
        assert!(is_so(&job), "{job:?}");
        job
    }

    pub(crate) async fn running(&self, id: JobId) -> Arc<Job> {
        self.until(id, |job| job.state == JobState::Running).await
    }

    /// Asks for a video and has it end: its units are spent, as of when its submission was answered.
    pub(crate) async fn spend(&mut self) {
        let id = self.ask().await;
        self.running(id).await;
        self.moves_on(id, |job| job.state.is_final()).await;
    }

    /// Lets the time pass, some seconds at a time, until a job is so: when it is asked about next is decided a moment
    /// after its last change is seen.
    pub(crate) async fn moves_on(&self, id: JobId, is_so: impl Fn(&Job) -> bool) {
        while !is_so(&self.engine.job(id).await.unwrap().unwrap()) {
            self.timer.shows(self.engine.now() + Duration::from_secs(5));
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    pub(crate) fn view(&self) -> TokenView {
        self.engine.token(TOKEN).unwrap()
    }

    pub(crate) fn token(&self) -> TokenInfo {
        self.view().info
    }

    pub(crate) fn left(&self) -> u32 {
        self.token().quota.unwrap()
    }

    /// The ledger of all time says of the token what the manager does, and adds up.
    pub(crate) async fn ledger_agrees(&self) {
        let period = Period { from: BEGIN - HOUR, until: self.engine.now() + HOUR };
        let ledger = self.engine.ledger(period).await.unwrap();
        let view = self.view();
        let line = &ledger.pools[0].1;
        assert_eq!(&*ledger.pools[0].0, "ssoBasic");
        let closing = line.closing;
        assert_eq!(closing.granted, view.granted.map(u64::from));
        assert_eq!(closing.available, view.info.quota.map(u64::from));
        let used = (u64::from(view.reserved), u64::from(view.spent));
        assert_eq!((closing.reserved, closing.spent), used, "{ledger:?}");
        let account = &line.account;
        let ended = account.charged() + account.given_back() + account.open;
        assert_eq!(account.carried + account.reserved, ended);
    }
}

/// The clock may stand still over a restart: then only chance tells the ids of videos from those before.
static STARTS: AtomicU64 = AtomicU64::new(0);

async fn start(
    dir: &Path,
    key: &MasterKey,
    timer: &Arc<Hand>,
    upstream: &Arc<Scripted>,
    budget: Budget,
) -> Engine {
    let founding = Catalog::founding();
    let quota = Some(Quota { units: budget.units, window: HOUR });
    let costs = vec![Cost { resolution: None, max_seconds: None, units: budget.cost, units_per_second: 0 }];
    let pools = founding.pools().iter();
    let pools = pools.map(|pool| Pool { quota, costs: costs.clone(), ..(**pool).clone() }).collect();
    let line = Line {
        upstream: Arc::clone(upstream) as Arc<dyn Upstream>,
        lost_answer: budget.lost_answer,
        look_up_grace: MINUTE,
        poll_every: Duration::from_secs(10),
        fetch_timeout: MINUTE,
    };
    let settings = Settings {
        catalog: Arc::new(Catalog::new(pools, founding.models().to_vec()).unwrap()),
        routing: RoutingSettings::default(),
        rules: Rules::default(),
        busy_wait: Duration::ZERO,
        deadline: HOUR * 24,
        fail_threshold: 1,
        first_pause: MINUTE,
        load: LoadLimits { max_unfinished: 20_000, max_waiting: 2_000 },
        keep: HOUR,
        max_bytes: 1 << 30,
        max_file: 1 << 20,
        public_url: "http://127.0.0.1".to_owned(),
        link_ttl: MINUTE,
        outside: Arc::new(Outside::new(false, Duration::from_secs(1)).unwrap()),
        upstreams: HashMap::from([("xai".into(), line)]),
    };
    let parts = Parts {
        store: Store::open(&dir.join("test.db"), key).unwrap(),
        timer: Arc::clone(timer) as Arc<dyn Timer>,
        rng: StdRng::seed_from_u64(STARTS.fetch_add(1, Ordering::Relaxed)),
        media_dir: dir.join("media"),
        link_key: [0; 32],
        works: true,
        on_end: None,
        settings,
    };
    Engine::start(parts).await.unwrap()
}

pub(crate) fn refused(cause: Cause, retry_after: Option<Duration>) -> Failure {
    Failure { cause, certainty: Certainty::Refused, status: Some(429), retry_after, message: "no".to_owned() }
}
