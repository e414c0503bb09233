//! Durable admits per second beside what the disk can do: `cargo bench -p filmgate-store [-- DIRECTORY]`.
//!
//! Every row has its own loop of append + fdatasync just before it, since the speed of a disk drifts; ratios
//! say more than figures. The database lies in the directory given, or in a temporary one.

use std::fs::OpenOptions;
use std::io::Write as _;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use filmgate_domain::*;
use filmgate_store::{MasterKey, Store};
use rand::SeedableRng as _;
use rand::rngs::StdRng;

/// Concurrent callers, and how many jobs they admit together.
const ROWS: [(u32, u32); 4] = [(1, 4_000), (32, 60_000), (128, 120_000), (1_000, 300_000)];

/// Raw appends before each row, of about the bytes that one job takes.
const RAW: usize = 1_000;
const RAW_BYTES: usize = 1_024;

fn main() {
    // `cargo bench` adds `--bench`.
    let given = std::env::args().skip(1).find(|argument| !argument.starts_with("--"));
    let temporary;
    let directory = match &given {
        Some(directory) => Path::new(directory),
        None => {
            temporary = tempfile::tempdir().expect("a temporary directory");
            temporary.path()
        }
    };
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).build().expect("a runtime");

    println!("durable admits (job + reservation in one commit) in {}", directory.display());
    println!("{:>36} | {:^20} | {:^20} |", "", "append + fdatasync", "admit to raw");
    println!(
        "{:>8} {:>8} {:>8} {:>9} | {:>10} {:>9} | {:>10} {:>9} | CPU us a job",
        "callers", "jobs/s", "p50 ms", "p99 ms", "a second", "p50 ms", "per second", "p50"
    );
    for (callers, jobs) in ROWS {
        let (raw_per_second, raw_p50) = raw(directory);
        let cpu_before = cpu_seconds();
        let (per_second, mut times) = runtime.block_on(admits(directory, callers, jobs));
        let cpu =
            cpu_before.zip(cpu_seconds()).map(|(before, after)| (after - before) / f64::from(jobs) * 1e6);
        let (p50, p99) = (percentile(&mut times, 50), percentile(&mut times, 99));
        println!(
            "{callers:>8} {per_second:>8.0} {:>8.3} {:>9.3} | {raw_per_second:>10.0} {:>9.3} | {:>10.2} {:>9.2} | {}",
            millis(p50),
            millis(p99),
            millis(raw_p50),
            per_second / raw_per_second,
            millis(p50) / millis(raw_p50),
            cpu.map_or("unknown here".to_owned(), |cpu| format!("{cpu:.1}")),
        );
    }
}

/// What the disk does: appends to a file, each synced, one after the other.
fn raw(directory: &Path) -> (f64, Duration) {
    let path = directory.join("raw");
    let mut file = OpenOptions::new().create_new(true).append(true).open(&path).expect("a new file");
    let bytes = [0x5a; RAW_BYTES];
    let start = now();
    let mut times = Vec::with_capacity(RAW);
    for _ in 0..RAW {
        let begun = now();
        file.write_all(&bytes).and_then(|()| file.sync_data()).expect("room on the disk");
        times.push(begun.elapsed());
    }
    let per_second = RAW as f64 / start.elapsed().as_secs_f64();
    std::fs::remove_file(&path).expect("the file is ours");
    (per_second, percentile(&mut times, 50))
}

/// Admits `jobs` jobs on a fresh database, each caller one after the other. How long each took, as its
/// caller saw it.
async fn admits(directory: &Path, callers: u32, jobs: u32) -> (f64, Vec<Duration>) {
    let directory = tempfile::tempdir_in(directory).expect("a directory");
    let store = Store::open(&directory.path().join("filmgate.db"), &MasterKey::generate()).expect("a store");
    let at = Timestamp::from_millis(1_764_000_000_000);
    let caller = store.add_caller("bench", at).await.expect("a caller");
    let token = TokenInfo::new(TokenId(0), "ssoBasic", Secret::new("bench-token"), at);
    store.add_tokens(vec![token]).await.expect("a token");

    let left = Arc::new(AtomicU32::new(jobs));
    let start = now();
    let tasks: Vec<_> = (0..callers)
        .map(|seed| {
            let (store, left) = (store.clone(), Arc::clone(&left));
            tokio::spawn(async move {
                let mut rng = StdRng::seed_from_u64(u64::from(seed));
                let mut times = Vec::new();
                while left.try_update_down() {
                    let at = at + start.elapsed();
                    let begun = now();
                    store.admit(&job(caller, at, &mut rng)).await.expect("admitted");
                    times.push(begun.elapsed());
                }
                times
            })
        })
        .collect();
    let mut times = Vec::new();
    for task in tasks {
        times.extend(task.await.expect("no panic"));
    }
    let per_second = f64::from(jobs) / start.elapsed().as_secs_f64();
    store.close().await;
    (per_second, times)
}

trait CountDown {
    /// Takes one, unless nothing is left.
    fn try_update_down(&self) -> bool;
}

impl CountDown for AtomicU32 {
    fn try_update_down(&self) -> bool {
        self.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| left.checked_sub(1)).is_ok()
    }
}

/// A job as it is when a request was admitted: one open attempt.
fn job(caller: CallerId, at: Timestamp, rng: &mut StdRng) -> Job {
    let shape =
        Shape { resolution: Resolution::P480, seconds: Seconds::DEFAULT, aspect_ratio: AspectRatio::R16x9 };
    let prompt = "a red fox runs through fresh snow at dawn, low sun behind birches, breath visible, slow \
                  motion, shot on a long lens, shallow depth of field, gentle camera pan from left to right";
    let attempt = Attempt {
        n: 1,
        token: TokenId(1),
        pool: "ssoBasic".into(),
        upstream: "xai".into(),
        model: "grok-imagine-video".into(),
        route: Route::Primary,
        reason: "".into(),
        sent: shape,
        units: 4,
        reserved_at: at,
        sent_at: None,
        lost_answer: LostAnswer::GiveUp,
        lost_at: None,
        answered_at: None,
        upstream_id: None,
        video_url: None,
        cost_ticks: None,
        outcome: None,
        error: None,
        settled_at: None,
        charged: false,
        slot_until: None,
    };
    let spec = VideoSpec::new("grok-imagine-video", prompt, shape).expect("a prompt");
    let times = (at, at + Duration::from_secs(900));
    let job = Job::new(JobId::new(at, rng), caller, spec, [7; 32], times);
    Job { state: JobState::Reserved, attempts: vec![attempt], ..job }
}

fn percentile(times: &mut [Duration], percent: usize) -> Duration {
    let nth = (times.len() * percent / 100).min(times.len() - 1);
    *times.select_nth_unstable(nth).1
}

/// CPU time of this process so far, user and system, where the system tells it.
fn cpu_seconds() -> Option<f64> {
    let stat = std::fs::read_to_string("/proc/self/stat").ok()?;
    let fields: Vec<&str> = stat.rsplit_once(')')?.1.split_whitespace().collect();
    let ticks = fields.get(11)?.parse::<f64>().ok()? + fields.get(12)?.parse::<f64>().ok()?;
    // The kernel counts in hundredths of a second for user space, whatever it does inside.
    Some(ticks / 100.0)
}

fn millis(time: Duration) -> f64 {
    time.as_secs_f64() * 1000.0
}

#[expect(clippy::disallowed_methods, reason = "a bench measures real time")]
fn now() -> Instant {
    Instant::now()
}
