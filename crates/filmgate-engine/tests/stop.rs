//! A stop while the database cannot be written any more.

use std::collections::HashMap;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::time::Duration;

use async_trait::async_trait;
use filmgate_domain::{
    AspectRatio, Catalog, Failure, JobState, Polled, Resolution, RoutingSettings, Rules, Seconds, Secret,
    Shape, Timestamp, TokenId, TokenInfo, VideoSpec,
};
use filmgate_engine::{Checked, Engine, Line, Parts, Request, Settings, SystemClock};
use filmgate_store::{MasterKey, Store};
use filmgate_upstream::{Order, Receipt, RemoteFile, Upstream};
use rand::SeedableRng as _;
use rand::rngs::StdRng;

/// Takes every order, counts them, and never gets done.
#[derive(Default)]
struct Counting(AtomicUsize);

#[async_trait]
impl Upstream for Counting {
    async fn submit(&self, _: &Secret, order: &Order<'_>) -> Result<Receipt, Failure> {
        self.0.fetch_add(1, SeqCst);
        Ok(Receipt { upstream_id: order.job.to_string().into() })
    }

    async fn poll(&self, _: &Secret, _: &str) -> Result<Polled, Failure> {
        Ok(Polled::Pending { progress: None })
    }

    async fn fetch(&self, _: &Secret, _: &str) -> Result<RemoteFile, Failure> {
        unreachable!("nothing is ever done")
    }

    async fn check(&self, _: &Secret) -> Result<Checked, Failure> {
        Ok(Checked::Accepted)
    }
}

async fn start(dir: &Path, key: &MasterKey, upstream: &Arc<Counting>, works: bool) -> Engine {
    let line =
        Line { upstream: Arc::clone(upstream) as Arc<dyn Upstream>, poll_every: Duration::from_secs(60) };
    let settings = Settings {
        catalog: Arc::new(Catalog::founding()),
        routing: RoutingSettings::default(),
        rules: Rules::default(),
        deadline: Duration::from_secs(900),
        fail_threshold: 5,
        first_pause: Duration::from_secs(60),
        keep: Duration::from_secs(3600),
        max_bytes: 1 << 30,
        max_file: 1 << 20,
        upstreams: HashMap::from([("xai".into(), line)]),
    };
    let store = Store::open(&dir.join("test.db"), key).unwrap();
    let (timer, rng) = (Arc::new(SystemClock), StdRng::seed_from_u64(1));
    Engine::start(Parts { store, timer, rng, media_dir: dir.join("media"), works, settings }).await.unwrap()
}

/// One thread, so that the order of what happens is certain.
#[tokio::test]
async fn a_submission_that_is_not_on_disk_does_not_go_out() {
    let dir = tempfile::tempdir().unwrap();
    let key = MasterKey::generate();
    let upstream = Arc::new(Counting::default());

    // Admitted where nothing works, the job stays reserved.
    let engine = start(dir.path(), &key, &upstream, false).await;
    let now = Timestamp::from_millis(0);
    let caller = engine.store().add_caller("tests", now).await.unwrap();
    engine
        .add_tokens(vec![TokenInfo::new(TokenId(0), "ssoBasic", Secret::new("secret"), now)])
        .await
        .unwrap();
    let shape =
        Shape { resolution: Resolution::P480, seconds: Seconds::DEFAULT, aspect_ratio: AspectRatio::R16x9 };
    let spec = VideoSpec::new("grok-imagine-video", "a red fox", shape).unwrap();
    let request = Request { caller, spec, fingerprint: [0; 32], is_retry: false };
    let job = engine.admit(request).await.unwrap().job.id;
    assert!(engine.stop(Duration::from_secs(5)).await);

    // The disk is gone before the job is looked at, and then somebody stops filmgate.
    let engine = start(dir.path(), &key, &upstream, true).await;
    engine.store().clone().close().await;
    tokio::time::sleep(Duration::from_millis(50)).await;
    assert!(engine.stop(Duration::from_secs(5)).await, "it stops although nothing can be written");
    assert_eq!(upstream.0.load(SeqCst), 0, "sent, and the next start does not know it");

    // The next start finds the job where it was, and sends it once.
    let engine = start(dir.path(), &key, &upstream, true).await;
    let mut changes = engine.follow(job).unwrap();
    changes.wait_for(|job| job.state == JobState::Running).await.unwrap();
    assert_eq!(upstream.0.load(SeqCst), 1);
    engine.stop(Duration::from_secs(5)).await;
}
