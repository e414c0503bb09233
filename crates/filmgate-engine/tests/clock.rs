//! The system's clock is set while filmgate is at work: by an hour forward or back, or by a year. Nothing comes too
//! early, nothing too late.

use std::collections::HashMap;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst};
use std::time::Duration;

use async_trait::async_trait;
use filmgate_domain::{
    AspectRatio, Catalog, Clock, Failure, Job, JobState, LostAnswer, OnShortage, Polled, Resolution,
    RoutingSettings, Rules, Seconds, Secret, Shape, Timestamp, TokenId, TokenInfo, VideoSpec,
};
use filmgate_engine::{
    Checked, Choice, Engine, Line, LoadLimits, Outside, Parts, Request, Settings, Steady, Timer,
};
use filmgate_store::{MasterKey, Store};
use filmgate_upstream::{Order, Receipt, RemoteFile, Takes, Told, Upstream};
use rand::SeedableRng as _;
use rand::rngs::StdRng;
use tokio::sync::watch;

const HOUR: i64 = 3_600_000;
/// What the clock is set by, in milliseconds.
const SET_BY: [i64; 3] = [-HOUR, HOUR, 8760 * HOUR];
const BEGIN: Timestamp = Timestamp::from_millis(1_764_000_010_000);

/// A machine: what its clock shows, and how long it runs.
struct Machine {
    shown: watch::Sender<(Timestamp, Duration)>,
    steady: Steady,
}

impl Machine {
    /// Sets the clock, as an administrator would.
    fn set_by(&self, millis: i64) {
        self.shown.send_modify(|(clock, _)| *clock = Timestamp::from_millis(clock.as_millis() + millis));
    }

    /// Lets time pass.
    fn pass(&self, time: Duration) {
        self.shown.send_modify(|(clock, uptime)| {
            *clock = *clock + time;
            *uptime += time;
        });
    }
}

impl Clock for Machine {
    fn now(&self) -> Timestamp {
        let (clock, uptime) = *self.shown.borrow();
        self.steady.show(clock, uptime)
    }
}

impl Timer for Machine {
    fn sleep_until(&self, at: Timestamp) -> Pin<Box<dyn Future<Output = ()> + Send + '_>> {
        let mut shown = self.shown.subscribe();
        Box::pin(async move { while self.now() < at && shown.changed().await.is_ok() {} })
    }
}

/// Takes every order; says that each is pending until it is told to block them all.
#[derive(Default)]
struct Patient {
    polls: AtomicUsize,
    blocks: AtomicBool,
}

#[async_trait]
impl Upstream for Patient {
    async fn submit(&self, _: &Secret, order: &Order<'_>) -> Result<Receipt, Failure> {
        Ok(Receipt { upstream_id: order.job.to_string().into(), limits: None })
    }

    fn takes(&self) -> Takes {
        Takes { urls: true, ids: false }
    }

    async fn poll(&self, _: &Secret, _: &str) -> Result<Told, Failure> {
        self.polls.fetch_add(1, SeqCst);
        if self.blocks.load(SeqCst) {
            return Ok(Polled::Moderated { reason: None, cost_ticks: None }.into());
        }
        Ok(Polled::Pending { progress: None }.into())
    }

    async fn fetch(&self, _: &Secret, _: &str) -> Result<RemoteFile, Failure> {
        unreachable!("nothing is ever made")
    }

    async fn check(&self, _: &Secret) -> Result<Checked, Failure> {
        Ok(Checked::Accepted)
    }
}

/// An engine on a machine, with one token.
struct Bench {
    machine: Arc<Machine>,
    upstream: Arc<Patient>,
    engine: Engine,
    requests: u8,
    _dir: tempfile::TempDir,
}

impl Bench {
    async fn start() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let shown = watch::Sender::new((BEGIN, Duration::from_secs(1000)));
        let machine = Arc::new(Machine { shown, steady: Steady::default() });
        let upstream = Arc::new(Patient::default());
        let poll_every = Duration::from_secs(5);
        let line = Line {
            upstream: Arc::clone(&upstream) as Arc<dyn Upstream>,
            lost_answer: LostAnswer::GiveUp,
            look_up_grace: Duration::from_secs(60),
            poll_every,
            fetch_timeout: Duration::from_secs(60),
        };
        let settings = Settings {
            catalog: Arc::new(Catalog::founding()),
            routing: RoutingSettings::default(),
            rules: Rules::default(),
            busy_wait: Duration::ZERO,
            deadline: Duration::from_secs(900),
            fail_threshold: 5,
            first_pause: Duration::from_secs(60),
            load: LoadLimits { max_unfinished: 1000, max_waiting: 100 },
            keep: Duration::from_secs(3600),
            max_bytes: 1 << 30,
            max_file: 1 << 20,
            public_url: "http://127.0.0.1".to_owned(),
            link_ttl: Duration::from_secs(60),
            outside: Arc::new(Outside::new(false, Duration::from_secs(1)).unwrap()),
            upstreams: HashMap::from([("xai".into(), line)]),
        };
        let engine = Engine::start(Parts {
            store: Store::open(&dir.path().join("test.db"), &MasterKey::generate()).unwrap(),
            timer: Arc::clone(&machine) as Arc<dyn Timer>,
            rng: StdRng::seed_from_u64(1),
            media_dir: dir.path().join("media"),
            link_key: [0; 32],
            works: true,
            on_end: None,
            settings,
        })
        .await
        .unwrap();
        let token = TokenInfo::new(TokenId(0), "ssoBasic", Secret::new("secret"), BEGIN);
        engine.add_tokens(vec![token]).await.unwrap();
        Self { machine, upstream, engine, requests: 0, _dir: dir }
    }

    /// Asks for a video at this resolution, which is waited for a minute if need be.
    async fn ask(&mut self, resolution: Resolution) -> Arc<Job> {
        let caller = self.engine.store().add_caller("tests", BEGIN).await.unwrap();
        let shape = Shape { resolution, seconds: Seconds::DEFAULT, aspect_ratio: AspectRatio::R16x9 };
        let spec = VideoSpec::new("grok-imagine-video", "a red fox", shape).unwrap();
        let max_wait = Some(Duration::from_secs(60));
        let choice = Choice { on_shortage: OnShortage::Wait, max_wait, ..Choice::default() };
        self.requests += 1;
        let (files, fingerprint) = (Vec::new(), [self.requests; 32]);
        let request = Request { files, choice, caller, spec, fingerprint, keep: None };
        self.engine.admit(request).await.unwrap()
    }

    /// Waits until a job is in this state.
    async fn until(&self, job: &Job, state: JobState) -> Arc<Job> {
        loop {
            let latest = self.engine.job(job.id).await.unwrap().unwrap();
            if latest.state == state {
                return latest;
            }
            assert!(!latest.state.is_final(), "{latest:?}");
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    }

    /// Lets time pass in seconds, until the upstream was asked once more.
    async fn until_asked(&self) -> u64 {
        let before = self.upstream.polls.load(SeqCst);
        for second in 1.. {
            self.machine.pass(Duration::from_secs(1));
            for _ in 0..50 {
                if self.upstream.polls.load(SeqCst) > before {
                    return second;
                }
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
            assert!(second < 60, "nobody asks any more");
        }
        unreachable!()
    }
}

#[tokio::test]
async fn slow_a_video_in_the_making_is_asked_about_as_before_and_not_given_up() {
    for set_by in SET_BY {
        let mut bench = Bench::start().await;
        let job = bench.ask(Resolution::P480).await;
        let running = bench.until(&job, JobState::Running).await;
        bench.until_asked().await;
        bench.machine.set_by(set_by);
        for _ in 0..5 {
            // Every five seconds, give or take the jitter and the tenth by which the time approaches the clock's.
            let seconds = bench.until_asked().await;
            assert!(seconds <= 8, "{seconds} s after the clock was set by {set_by} ms");
        }
        assert_eq!(bench.engine.job(job.id).await.unwrap().unwrap().state, JobState::Running);
        assert_eq!(running.deadline, bench.engine.job(job.id).await.unwrap().unwrap().deadline);
        bench.upstream.blocks.store(true, SeqCst);
        bench.until_asked().await;
        let ended = bench.until(&job, JobState::Failed).await;
        assert_eq!(ended.failure.as_ref().unwrap().code, "moderation_blocked", "set by {set_by} ms");
        assert!(ended.finished_at.unwrap() > ended.created_at);
    }
}

#[tokio::test]
async fn a_deadline_passes_when_its_time_has_gone_by() {
    for set_by in SET_BY {
        let mut bench = Bench::start().await;
        let job = bench.ask(Resolution::P480).await;
        bench.until(&job, JobState::Running).await;
        bench.machine.set_by(set_by);
        bench.until_asked().await;
        assert_eq!(bench.engine.job(job.id).await.unwrap().unwrap().state, JobState::Running);
        // 900 s, and a tenth more where the time goes slower to approach the clock's.
        bench.machine.pass(Duration::from_secs(1010));
        let ended = bench.until(&job, JobState::Failed).await;
        assert_eq!(ended.failure.as_ref().unwrap().code, "deadline_exceeded", "set by {set_by} ms");
    }
}

#[tokio::test]
async fn what_was_spent_comes_back_when_its_window_has_gone_by() {
    for set_by in SET_BY {
        let mut bench = Bench::start().await;
        let left = |bench: &Bench| bench.engine.pools()[0].summary.left.unwrap();
        let all = left(&bench);
        let job = bench.ask(Resolution::P480).await;
        bench.until(&job, JobState::Running).await;
        bench.upstream.blocks.store(true, SeqCst);
        bench.until_asked().await;
        bench.until(&job, JobState::Failed).await;
        let spent = left(&bench);
        assert!(spent < all);
        bench.machine.set_by(set_by);
        bench.machine.pass(Duration::from_secs(60));
        assert_eq!(left(&bench), spent, "set by {set_by} ms, and no unit is back");
        let window = Catalog::founding().pools()[0].quota.unwrap().window;
        bench.machine.pass(window + window / 8);
        assert_eq!(left(&bench), all, "set by {set_by} ms");
    }
}

#[tokio::test]
async fn who_waits_for_a_token_waits_as_long_as_it_said() {
    for set_by in SET_BY {
        let mut bench = Bench::start().await;
        // No token can make it.
        let job = bench.ask(Resolution::P720).await;
        assert_eq!(job.state, JobState::Queued);
        bench.machine.set_by(set_by);
        bench.machine.pass(Duration::from_secs(30));
        tokio::time::sleep(Duration::from_millis(50)).await;
        assert_eq!(
            bench.engine.job(job.id).await.unwrap().unwrap().state,
            JobState::Queued,
            "set by {set_by} ms"
        );
        bench.machine.pass(Duration::from_secs(40));
        let ended = bench.until(&job, JobState::Failed).await;
        assert_eq!(ended.failure.as_ref().unwrap().code, "no_token_available");
    }
}

#[tokio::test]
async fn ids_stay_in_the_order_of_the_requests() {
    for set_by in SET_BY {
        let mut bench = Bench::start().await;
        let mut ids = Vec::new();
        for _ in 0..3 {
            ids.push(bench.ask(Resolution::P480).await.id);
            bench.machine.pass(Duration::from_millis(5));
        }
        bench.machine.set_by(set_by);
        for _ in 0..3 {
            bench.machine.pass(Duration::from_millis(5));
            ids.push(bench.ask(Resolution::P480).await.id);
        }
        assert!(ids.is_sorted(), "set by {set_by} ms: {ids:?}");
    }
}
