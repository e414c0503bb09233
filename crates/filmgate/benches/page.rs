//! How long the pages at `/admin` take with many tokens and videos, beside how long they take with a few:
//! `cargo bench -p filmgate --bench page`. Requests go to the router itself, without a socket.

use std::path::Path;
use std::time::{Duration, Instant};

use axum::body::{Body, to_bytes};
use filmgate::config::Sources;
use filmgate::start::{Offline, offline};
use filmgate_domain::*;
use filmgate_store::{MasterKey, Store};
use http::{Request, header};
use rand::rngs::StdRng;
use rand::{RngExt as _, SeedableRng as _};
use tower::ServiceExt as _;

/// Tokens and videos: a few as the reference, and many.
const SIZES: [usize; 2] = [100, 100_000];

/// Requests of which the median counts.
const TIMES: usize = 21;

const PAGES: [(&str, &str); 12] = [
    ("overview", "/admin"),
    ("overview, 7 days", "/admin?range=7d"),
    ("tokens", "/admin/tokens"),
    ("tokens by quota, last page", "/admin/tokens?sort=quota&order=desc&page=1000"),
    ("tokens, a search", "/admin/tokens?q=tok_77"),
    ("videos", "/admin/videos"),
    ("videos that failed", "/admin/videos?state=failed"),
    ("videos, a rare verdict", "/admin/videos?verdict=downgraded"),
    ("videos of a pool in a day", "/admin/videos?pool=ssoSuper&since=24h"),
    ("routing", "/admin/routing"),
    ("clients", "/admin/clients"),
    ("settings", "/admin/settings"),
];

fn main() {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build();
    runtime.expect("a runtime").block_on(async {
        let (few, many) = (measured(SIZES[0]).await, measured(SIZES[1]).await);
        println!("pages with {} and with {} tokens and videos: median of {TIMES}", SIZES[0], SIZES[1]);
        println!("{:>28} {:>10} {:>10} {:>7} {:>9}", "", "few, ms", "many, ms", "ratio", "many, kB");
        for ((name, few, _), (_, many, bytes)) in few.iter().zip(&many) {
            let ratio = many.as_secs_f64() / few.as_secs_f64();
            println!(
                "{name:>28} {:>10.2} {:>10.2} {ratio:>7.1} {:>9.1}",
                millis(*few),
                millis(*many),
                *bytes as f64 / 1e3
            );
        }
    });
}

async fn measured(size: usize) -> Vec<(&'static str, Duration, usize)> {
    let directory = tempfile::tempdir().expect("a temporary directory");
    // Makes the keys.
    open(directory.path()).await.close().await;
    seed(directory.path(), size).await;
    let gateway = open(directory.path()).await;
    let cookie = sign_in(&gateway).await;
    let mut results = Vec::new();
    for (name, path) in PAGES {
        let mut times = Vec::new();
        let mut length = 0;
        for _ in 0..TIMES {
            let begun = now();
            length = get(&gateway, path, &cookie).await;
            times.push(begun.elapsed());
        }
        times.sort_unstable();
        results.push((name, times[TIMES / 2], length));
    }
    if size == SIZES[0] {
        for asset in ["/admin/script.js", "/admin/style.css"] {
            println!("{asset}: {:.1} kB", get(&gateway, asset, &cookie).await as f64 / 1e3);
        }
    }
    gateway.close().await;
    results
}

async fn open(directory: &Path) -> Offline {
    offline(&Sources::default(), directory).await.expect("a gateway")
}

async fn sign_in(gateway: &Offline) -> String {
    let request =
        Request::post("/admin/sign-in").header(header::CONTENT_TYPE, "application/x-www-form-urlencoded");
    let request = request.body(Body::from(format!("key={}", gateway.admin_key))).expect("a request");
    let response = gateway.router.clone().oneshot(request).await.expect("an answer");
    let cookie = response.headers().get(header::SET_COOKIE).expect("signed in").to_str().expect("text");
    cookie.split(';').next().unwrap_or_default().to_owned()
}

/// The length of a page.
async fn get(gateway: &Offline, path: &str, cookie: &str) -> usize {
    let request = Request::get(path).header(header::COOKIE, cookie).header(header::ACCEPT, "text/html");
    let request = request.body(Body::empty()).expect("a request");
    let response = gateway.router.clone().oneshot(request).await.expect("an answer");
    assert!(response.status().is_success(), "{path}: {}", response.status());
    to_bytes(response.into_body(), usize::MAX).await.expect("a body").len()
}

/// Fills the books: tokens in both pools, and finished videos of a week, one of a hundred failed and one of a
/// thousand downgraded.
async fn seed(directory: &Path, size: usize) {
    let key = std::fs::read_to_string(directory.join("master.key")).expect("a master key");
    let key = MasterKey::from_hex(key.trim()).expect("a master key");
    let store = Store::open(&directory.join("filmgate.db"), &key).expect("a store");
    let mut rng = StdRng::seed_from_u64(1);
    let now = Timestamp::from_millis(i64::try_from(unix_millis()).expect("a time of this age"));
    let caller = store.add_caller("bench", now).await.expect("a caller");
    let tokens = (0..size).map(|n| {
        let pool = if n % 2 == 0 { "ssoBasic" } else { "ssoSuper" };
        TokenInfo::new(TokenId(0), pool, Secret::new(format!("secret-of-the-bench-{n}")), now)
    });
    store.add_tokens(tokens.collect()).await.expect("tokens");
    let week = Duration::from_secs(7 * 24 * 3600);
    let mut written = Vec::new();
    for n in 0..size {
        let at = now - week + week.mul_f64(n as f64 / size as f64);
        written.push(store.admit(&job(caller, n, size, at, &mut rng)));
    }
    for job in written {
        job.await.expect("admitted");
    }
    store.close().await;
}

fn job(caller: CallerId, n: usize, size: usize, at: Timestamp, rng: &mut StdRng) -> Job {
    let resolution = if n.is_multiple_of(3) { Resolution::P720 } else { Resolution::P480 };
    let shape = Shape { resolution, seconds: Seconds::DEFAULT, aspect_ratio: AspectRatio::R16x9 };
    let (failed, downgraded) = (n % 100 == 50, n % 1000 == 1);
    let pool = if resolution == Resolution::P720 { "ssoSuper" } else { "ssoBasic" };
    let parity = usize::from(pool == "ssoSuper");
    let finished = at + Duration::from_secs(rng.random_range(20..90));
    let attempt = Attempt {
        n: 1,
        token: TokenId(1 + (n % (size / 2) * 2 + parity) as i64),
        pool: pool.into(),
        upstream: "xai".into(),
        model: "grok-imagine-video".into(),
        route: Route::Primary,
        reason: "".into(),
        sent: shape,
        units: 4,
        reserved_at: at,
        sent_at: Some(at),
        lost_answer: LostAnswer::GiveUp,
        lost_at: None,
        answered_at: Some(at),
        upstream_id: Some(format!("upstream-{n}").into()),
        video_url: None,
        cost_ticks: None,
        outcome: Some(if failed { Outcome::Failed } else { Outcome::Done }),
        error: failed.then(|| "the upstream could not make it".into()),
        settled_at: Some(finished),
        charged: !failed,
        slot_until: None,
    };
    let (width, height) = if downgraded || pool == "ssoBasic" { (752, 416) } else { (1280, 720) };
    let delivered = Delivered {
        width: if downgraded { width / 2 } else { width },
        height: if downgraded { height / 2 } else { height },
        duration_ms: 6_000,
        codec: "h264".into(),
        bytes: 900_000,
        sha256: "0".repeat(64).into(),
    };
    let spec = VideoSpec::new("grok-imagine-video", "a red fox in the snow", shape).expect("a prompt");
    let job = Job::new(JobId::new(at, rng), caller, spec, [7; 32], (at, at + Duration::from_secs(900)));
    let failure = failed.then(|| JobFailure {
        code: "upstream_failed".into(),
        message: "the upstream could not make it".into(),
        fault: Fault::Upstream,
    });
    Job {
        state: if failed { JobState::Failed } else { JobState::Completed },
        progress: if failed { 0 } else { 100 },
        finished_at: Some(finished),
        delivered: (!failed).then_some(delivered),
        failure,
        // The files were never there.
        file_removed_at: (!failed).then_some(finished),
        attempts: vec![attempt],
        ..job
    }
}

fn millis(time: Duration) -> f64 {
    time.as_secs_f64() * 1000.0
}

#[expect(clippy::disallowed_methods, reason = "a bench measures real time")]
fn now() -> Instant {
    Instant::now()
}

#[expect(clippy::disallowed_methods, reason = "the videos are of the last week")]
fn unix_millis() -> u128 {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    since.map_or(0, |since| since.as_millis())
}
