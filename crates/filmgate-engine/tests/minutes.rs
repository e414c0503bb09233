//! How finished videos went is written down once a minute, and seen before that, too.

use std::collections::HashMap;
use std::path::Path;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use filmgate_domain::{
    AspectRatio, Catalog, Clock, Course, OnShortage, Resolution, RoutingSettings, Rules, Seconds, Shape,
    Timestamp, VideoSpec,
};
use filmgate_engine::{Choice, Engine, LoadLimits, Outside, Parts, Request, Settings, Timer};
use filmgate_store::{MasterKey, MinuteRow, Store};
use rand::SeedableRng as _;
use rand::rngs::StdRng;
use tokio::sync::watch;

const MINUTE: Duration = Duration::from_secs(60);

/// Ten seconds into a minute.
const BEGIN: Timestamp = Timestamp::from_millis(1_764_000_010_000);

/// A clock that a test sets.
struct Hand(watch::Sender<Timestamp>);

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

async fn start(dir: &Path, key: &MasterKey, timer: &Arc<Hand>) -> Engine {
    let settings = Settings {
        catalog: Arc::new(Catalog::founding()),
        routing: RoutingSettings::default(),
        rules: Rules::default(),
        load: LoadLimits { max_unfinished: 1000, max_waiting: 100 },
        busy_wait: Duration::from_secs(20),
        deadline: Duration::from_secs(900),
        fail_threshold: 5,
        first_pause: MINUTE,
        keep: Duration::from_secs(3600),
        max_bytes: 1 << 30,
        max_file: 1 << 20,
        public_url: "http://127.0.0.1".to_owned(),
        link_ttl: MINUTE,
        outside: Arc::new(Outside::new(false, Duration::from_secs(1)).unwrap()),
        upstreams: HashMap::new(),
    };
    let parts = Parts {
        store: Store::open(&dir.join("test.db"), key).unwrap(),
        timer: Arc::clone(timer) as Arc<dyn Timer>,
        rng: StdRng::seed_from_u64(1),
        media_dir: dir.join("media"),
        link_key: [0; 32],
        works: true,
        on_end: None,
        settings,
    };
    Engine::start(parts).await.unwrap()
}

/// Asks for a video that no token can make, and gives it up.
async fn fail(engine: &Engine, fingerprint: u8) {
    let caller = engine.store().add_caller("tests", BEGIN).await.unwrap();
    let shape =
        Shape { resolution: Resolution::P480, seconds: Seconds::DEFAULT, aspect_ratio: AspectRatio::R16x9 };
    let spec = VideoSpec::new("grok-imagine-video", "a red fox", shape).unwrap();
    let choice = Choice {
        on_shortage: OnShortage::Wait,
        max_wait: Some(Duration::from_secs(600)),
        ..Choice::default()
    };
    let fingerprint = [fingerprint; 32];
    let request = Request { caller, spec, files: Vec::new(), choice, fingerprint, keep: None };
    let job = engine.admit(request).await.unwrap();
    engine.cancel(job.id).await.unwrap();
}

fn failed(rows: &[MinuteRow]) -> Vec<(i64, &str, u64)> {
    let seconds = |row: &MinuteRow| row.at.as_seconds() - BEGIN.as_seconds();
    rows.iter().map(|row| (seconds(row), &*row.pool, row.counted.of(Course::Failed))).collect()
}

#[tokio::test]
async fn a_minute_is_written_when_it_is_over_and_nothing_is_seen_twice() {
    let (dir, key) = (tempfile::tempdir().unwrap(), MasterKey::generate());
    let timer = Arc::new(Hand(watch::Sender::new(BEGIN)));
    let engine = start(dir.path(), &key, &timer).await;
    let from = BEGIN - MINUTE;
    let on_disk = async || engine.store().minutes(from, BEGIN + MINUTE * 10, MINUTE).await.unwrap();

    fail(&engine, 1).await;
    fail(&engine, 2).await;
    assert_eq!(on_disk().await, [], "the minute is not over");
    assert_eq!(failed(&engine.minutes(from, MINUTE).await.unwrap()), [(-10, "", 2)]);

    timer.0.send_replace(BEGIN + Duration::from_secs(50));
    while on_disk().await.is_empty() {
        assert_eq!(failed(&engine.minutes(from, MINUTE).await.unwrap()), [(-10, "", 2)]);
    }
    assert_eq!(failed(&on_disk().await), [(-10, "", 2)]);

    fail(&engine, 3).await;
    let both = engine.minutes(from, MINUTE).await.unwrap();
    assert_eq!(failed(&both), [(-10, "", 2), (50, "", 1)]);
    let together = engine.minutes(from, MINUTE * 60).await.unwrap();
    assert_eq!(together.iter().map(|row| row.counted.total()).sum::<u64>(), 3);

    assert!(engine.stop(Duration::from_secs(5)).await);
    let engine = start(dir.path(), &key, &timer).await;
    assert_eq!(engine.minutes(from, MINUTE).await.unwrap(), both, "a clean stop loses nothing");
    assert!(engine.stop(Duration::from_secs(5)).await);
}
