//! A stop while the database cannot be written any more, a client that hangs up meanwhile, and a step that panics.

use std::collections::HashMap;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::task::Poll;
use std::time::Duration;

use async_trait::async_trait;
use filmgate_domain::{
    AspectRatio, Catalog, Failure, JobState, LostAnswer, Polled, Resolution, RoutingSettings, Rules, Seconds,
    Secret, Shape, Timestamp, TokenId, TokenInfo, VideoSpec,
};
use filmgate_engine::{
    Checked, Choice, Engine, Keep, Line, LoadLimits, Outside, Parts, Request, Settings, SystemClock,
};
use filmgate_store::{Claim, MasterKey, Scope, Store};
use filmgate_upstream::{Order, Receipt, RemoteFile, Takes, Told, Upstream};
use rand::SeedableRng as _;
use rand::rngs::StdRng;

/// Takes every order, counts them, and never gets done.
#[derive(Default)]
struct Counting {
    orders: AtomicUsize,
    questions: AtomicUsize,
    /// The next so many calls panic.
    panics: AtomicUsize,
}

impl Counting {
    fn perhaps_panic(&self) {
        let is_left = self.panics.fetch_update(SeqCst, SeqCst, |left| left.checked_sub(1));
        assert!(is_left.is_err(), "as the test wants");
    }
}

#[async_trait]
impl Upstream for Counting {
    async fn submit(&self, _: &Secret, order: &Order<'_>) -> Result<Receipt, Failure> {
        self.orders.fetch_add(1, SeqCst);
        self.perhaps_panic();
        Ok(Receipt { upstream_id: order.job.to_string().into(), limits: None })
    }

    fn takes(&self) -> Takes {
        Takes { urls: true, ids: false }
    }

    async fn poll(&self, _: &Secret, _: &str) -> Result<Told, Failure> {
        self.questions.fetch_add(1, SeqCst);
        self.perhaps_panic();
        Ok(Polled::Pending { progress: None }.into())
    }

    async fn fetch(&self, _: &Secret, _: &str) -> Result<RemoteFile, Failure> {
        unreachable!("nothing is ever done")
    }

    async fn check(&self, _: &Secret) -> Result<Checked, Failure> {
        Ok(Checked::Accepted)
    }
}

async fn start(dir: &Path, key: &MasterKey, upstream: &Arc<Counting>, works: bool) -> Engine {
    let line = Line {
        upstream: Arc::clone(upstream) as Arc<dyn Upstream>,
        lost_answer: LostAnswer::GiveUp,
        look_up_grace: Duration::from_secs(60),
        poll_every: Duration::from_millis(20),
        fetch_timeout: Duration::from_secs(60),
    };
    let settings = Settings {
        catalog: Arc::new(Catalog::founding()),
        routing: RoutingSettings::default(),
        rules: Rules::default(),
        load: LoadLimits { max_unfinished: 1000, max_waiting: 100 },
        busy_wait: Duration::from_secs(20),
        deadline: Duration::from_secs(900),
        fail_threshold: 5,
        first_pause: Duration::from_secs(60),
        keep: Duration::from_secs(3600),
        max_bytes: 1 << 30,
        max_file: 1 << 20,
        public_url: "http://127.0.0.1".to_owned(),
        link_ttl: Duration::from_secs(60),
        outside: Arc::new(Outside::new(false, Duration::from_secs(1)).unwrap()),
        upstreams: HashMap::from([("xai".into(), line)]),
    };
    let store = Store::open(&dir.join("test.db"), key).unwrap();
    let (timer, rng) = (Arc::new(SystemClock), StdRng::seed_from_u64(1));
    Engine::start(Parts {
        store,
        timer,
        rng,
        media_dir: dir.join("media"),
        link_key: [0; 32],
        works,
        on_end: None,
        settings,
    })
    .await
    .unwrap()
}

/// A request for a video, of a caller and for a token that are there from now on.
async fn red_fox(engine: &Engine) -> Request {
    let now = Timestamp::from_millis(0);
    let caller = engine.store().add_caller("tests", now).await.unwrap();
    let token = TokenInfo::new(TokenId(0), "ssoBasic", Secret::new("secret"), now);
    engine.add_tokens(vec![token]).await.unwrap();
    let shape =
        Shape { resolution: Resolution::P480, seconds: Seconds::DEFAULT, aspect_ratio: AspectRatio::R16x9 };
    let spec = VideoSpec::new("grok-imagine-video", "a red fox", shape).unwrap();
    let (files, choice) = (Vec::new(), Choice::default());
    Request { files, choice, caller, spec, fingerprint: [0; 32], keep: None }
}

/// One thread, so that the order of what happens is certain.
#[tokio::test]
async fn a_submission_that_is_not_on_disk_does_not_go_out() {
    let dir = tempfile::tempdir().unwrap();
    let key = MasterKey::generate();
    let upstream = Arc::new(Counting::default());

    // Admitted where nothing works, the job stays reserved.
    let engine = start(dir.path(), &key, &upstream, false).await;
    let request = red_fox(&engine).await;
    let job = engine.admit(request).await.unwrap().id;
    assert!(engine.stop(Duration::from_secs(5)).await);

    // The disk is gone before the job is looked at, and then somebody stops filmgate.
    let engine = start(dir.path(), &key, &upstream, true).await;
    engine.store().clone().close().await;
    tokio::time::sleep(Duration::from_millis(50)).await;
    assert!(engine.stop(Duration::from_secs(5)).await, "it stops although nothing can be written");
    assert_eq!(upstream.orders.load(SeqCst), 0, "sent, and the next start does not know it");

    // The next start finds the job where it was, and sends it once.
    let engine = start(dir.path(), &key, &upstream, true).await;
    let mut changes = engine.follow(job).unwrap();
    changes.wait_for(|job| job.state == JobState::Running).await.unwrap();
    assert_eq!(upstream.orders.load(SeqCst), 1);
    engine.stop(Duration::from_secs(5)).await;
}

/// Repeats of a request wait while its `keep` is held: one that was let in earlier would make a second video.
#[tokio::test]
async fn a_client_that_hangs_up_lets_no_repeat_in_before_the_job_is_on_disk() {
    let dir = tempfile::tempdir().unwrap();
    let upstream = Arc::new(Counting::default());
    let engine = start(dir.path(), &MasterKey::generate(), &upstream, false).await;
    let request = red_fox(&engine).await;
    let scope = Scope { caller: request.caller, path: "/v1/videos".into(), key: "k".into() };
    let claim = Claim { scope: scope.clone(), fingerprint: [0; 32], answer: None };
    let (held, released) = tokio::sync::oneshot::channel::<()>();
    let keep: Keep = Box::new(move |_| {
        let _held = &held;
        Some(claim.clone())
    });

    let mut admitting = Box::pin(engine.admit(Request { keep: Some(keep), ..request }));
    let begun = std::future::poll_fn(|cx| Poll::Ready(admitting.as_mut().poll(cx).is_pending()));
    assert!(begun.await, "nothing was written yet");
    drop(admitting);

    assert!(released.await.is_err(), "nothing is ever sent");
    let joinable = engine.joinable(scope.caller, [0; 32]).await.unwrap().unwrap();
    let remembered = engine.store().remembered(&scope, engine.now()).await.unwrap().unwrap();
    assert_eq!(remembered.job, joinable.id);
    assert_eq!(engine.store().unfinished().await.unwrap().len(), 1);
    assert!(engine.stop(Duration::from_secs(5)).await);
}

#[tokio::test]
async fn a_step_that_panics_leaves_no_job_behind() {
    let dir = tempfile::tempdir().unwrap();
    let upstream = Arc::new(Counting::default());
    let engine = start(dir.path(), &MasterKey::generate(), &upstream, true).await;

    // Whether this one was taken, nobody knows: it is not sent again.
    upstream.panics.store(1, SeqCst);
    let job = engine.admit(red_fox(&engine).await).await.unwrap().id;
    if let Some(mut changes) = engine.follow(job) {
        let _ = changes.wait_for(|job| job.state.is_final()).await;
    }
    let ended = engine.job(job).await.unwrap().unwrap();
    assert_eq!(ended.failure.as_ref().map(|failure| &*failure.code), Some("outcome_unknown"));
    assert_eq!(upstream.orders.load(SeqCst), 1);

    // This one is asked about again.
    let job = engine.admit(red_fox(&engine).await).await.unwrap().id;
    let mut changes = engine.follow(job).unwrap();
    changes.wait_for(|job| job.state == JobState::Running).await.unwrap();
    upstream.panics.store(2, SeqCst);
    while upstream.panics.load(SeqCst) > 0 {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    let asked = upstream.questions.load(SeqCst);
    while upstream.questions.load(SeqCst) == asked {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    assert_eq!(engine.job(job).await.unwrap().unwrap().state, JobState::Running);
    assert!(engine.stop(Duration::from_secs(5)).await);
}
