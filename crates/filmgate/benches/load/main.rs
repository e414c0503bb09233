//! The whole gateway under load, beside nginx as a plain reverse proxy and what the disk can do:
//! `cargo bench -p filmgate --bench load [-- SETTING...]`, each a `key=value` of the gateway's configuration.
//!
//! Clients ask one after the other, so many at once, first for new videos (each is on disk when it is answered, and
//! submitted after that), then how one is doing; at last the same while more is asked for than can be carried. nginx passes the same requests to the same upstream and stores
//! nothing. Everything runs on one machine, so the generator and the upstream take their share of it; ratios, and CPU
//! time per request, say more than figures a second.

mod flood;
mod message;
mod nginx;
mod process;
mod upstream;

use std::io::Write as _;
use std::net::SocketAddr;
use std::path::Path;
use std::time::{Duration, Instant};

use serde_json::json;

use message::Asker;
use nginx::Nginx;
use process::{Gateway, Usage};

/// Clients at once.
const CLIENTS: [usize; 3] = [1, 32, 128];

/// How long each row is measured, once it is warm.
const MEASURED: Duration = Duration::from_secs(4);
const WARM_UP: Duration = Duration::from_secs(1);

/// The tokens that the gateway has.
const TOKENS: usize = 10_000;

/// Raw appends, of about the bytes that one job takes.
const RAW: usize = 500;
const RAW_BYTES: usize = 1_024;

fn main() {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build();
    runtime.expect("a runtime").block_on(measure());
}

async fn measure() {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let upstream = upstream::start().await;
    // `cargo bench` adds `--bench`.
    let settings = std::env::args().skip(1).filter(|argument| !argument.starts_with("--")).collect();
    let mut gateway = Gateway::start(directory.path(), upstream, settings).await;
    gateway.import(TOKENS).await;
    let cold = gateway.restart().await;
    let idle = gateway.usage().resident;
    println!("cold start with {TOKENS} tokens: {:.0} ms; idle: {:.1} MB", millis(cold), megabytes(idle));

    let nginx = Nginx::start(directory.path(), upstream).await;
    if nginx.is_none() {
        println!(
            "\n!! There is no nginx here, so there is NO REFERENCE and no ratio. Debian and Ubuntu have it: \
             apt-get install nginx-light\n"
        );
    }
    let body = json!({
        "model": "grok-imagine-video", "prompt": PROMPT, "seconds": "6", "resolution": "480p",
        "aspect_ratio": "16:9",
    });
    println!("new videos: POST /v1/videos, durable when answered; nginx stores nothing");
    heading();
    let ask = |key: &str| message::request("POST", "/v1/videos", key, &body.to_string());
    for clients in CLIENTS {
        let raw = raw(directory.path());
        let reference = reference(nginx.as_ref(), clients, &ask("none")).await;
        let ours = gateway.row(clients, &ask(gateway.key())).await;
        print_row(&ours, reference.as_ref(), Some(raw));
    }
    println!("under load: {:.1} MB, with all those videos unfinished", megabytes(gateway.usage().resident));

    println!("how a video is doing: GET /v1/videos/ID");
    heading();
    let id = gateway.one_video(&ask(gateway.key())).await;
    let ask = |key: &str| message::request("GET", &format!("/v1/videos/{id}"), key, "");
    for clients in CLIENTS {
        let reference = reference(nginx.as_ref(), clients, &ask("none")).await;
        let ours = gateway.row(clients, &ask(gateway.key())).await;
        print_row(&ours, reference.as_ref(), None);
    }

    let create = message::request("POST", "/v1/videos", gateway.key(), &body.to_string());
    flood::measure(gateway.address(), &create, &ask(gateway.key())).await;
    println!("in the flood: {:.1} MB, with all those videos unfinished", megabytes(gateway.usage().resident));
}

const PROMPT: &str = "a red fox runs through fresh snow at dawn, low sun behind birches, breath visible, slow motion, \
                      shot on a long lens, shallow depth of field, gentle camera pan from left to right";

/// What so many clients saw.
struct Row {
    clients: usize,
    per_second: f64,
    p50: Duration,
    p99: Duration,
    /// CPU time of the server for each request.
    cpu: Duration,
}

async fn reference(nginx: Option<&Nginx>, clients: usize, request: &[u8]) -> Option<Row> {
    let nginx = nginx?;
    Some(row(nginx.address(), || nginx.usage(), clients, request).await)
}

/// Has so many clients ask the same again and again.
async fn row(at: SocketAddr, usage: impl Fn() -> Usage, clients: usize, request: &[u8]) -> Row {
    ask_for(WARM_UP, at, clients, request).await;
    let (before, begun) = (usage().cpu, now());
    let mut times = ask_for(MEASURED, at, clients, request).await;
    let (took, cpu) = (begun.elapsed(), usage().cpu - before);
    let count = times.len();
    let (p50, p99) = (percentile(&mut times, 50), percentile(&mut times, 99));
    Row { clients, per_second: count as f64 / took.as_secs_f64(), p50, p99, cpu: cpu.div_f64(count as f64) }
}

/// The time that so many of a hundred requests did not exceed.
fn percentile(times: &mut [Duration], percent: usize) -> Duration {
    let nth = (times.len() * percent / 100).min(times.len() - 1);
    *times.select_nth_unstable(nth).1
}

/// How long each request took, of clients that ask for so long.
async fn ask_for(long: Duration, at: SocketAddr, clients: usize, request: &[u8]) -> Vec<Duration> {
    let until = now() + long;
    let asking = |request: Vec<u8>| async move {
        let mut asker = Asker::connect(at).await;
        let mut times = Vec::new();
        while now() < until {
            let begun = now();
            let answer = asker.ask(&request).await;
            assert!(answer.starts_with("HTTP/1.1 2"), "{answer}");
            times.push(begun.elapsed());
        }
        times
    };
    let tasks: Vec<_> = (0..clients).map(|_| tokio::spawn(asking(request.to_vec()))).collect();
    let mut times = Vec::new();
    for task in tasks {
        times.extend(task.await.expect("no panic"));
    }
    times
}

/// Appends a second that are each on disk before the next.
fn raw(directory: &Path) -> f64 {
    let path = directory.join("raw");
    let mut file = std::fs::File::create(&path).expect("a new file");
    let begun = now();
    for _ in 0..RAW {
        file.write_all(&[0x5a; RAW_BYTES]).and_then(|()| file.sync_data()).expect("room on the disk");
    }
    let per_second = RAW as f64 / begun.elapsed().as_secs_f64();
    std::fs::remove_file(&path).expect("the file is ours");
    per_second
}

fn heading() {
    println!("{:>8} | {:^37} | {:^37} | {:^15} |", "", "filmgate", "nginx", "to nginx");
    let part = format!("{:>9} {:>8} {:>8} {:>9}", "a second", "p50 ms", "p99 ms", "CPU us");
    println!("{:>8} | {part} | {part} | {:>8} {:>6} | fdatasync/s", "clients", "rate", "CPU");
}

fn print_row(ours: &Row, reference: Option<&Row>, raw: Option<f64>) {
    let part = |row: &Row| {
        let Row { per_second, p50, p99, cpu, .. } = row;
        let cpu = cpu.as_secs_f64() * 1e6;
        format!("{per_second:>9.0} {:>8.3} {:>8.3} {cpu:>9.1}", millis(*p50), millis(*p99))
    };
    let (beside, ratio) = match reference {
        Some(row) => {
            let (rate, cpu) =
                (ours.per_second / row.per_second, ours.cpu.as_secs_f64() / row.cpu.as_secs_f64());
            (part(row), format!("{rate:>8.2} {cpu:>6.1}"))
        }
        None => ("none here".to_owned(), String::new()),
    };
    let raw = raw.map_or(String::new(), |raw| format!("{raw:.0}"));
    println!("{:>8} | {} | {beside:>37} | {ratio:>15} | {raw}", ours.clients, part(ours));
}

fn millis(time: Duration) -> f64 {
    time.as_secs_f64() * 1000.0
}

fn megabytes(bytes: u64) -> f64 {
    bytes as f64 / 1e6
}

#[expect(clippy::disallowed_methods, reason = "a bench measures real time")]
fn now() -> Instant {
    Instant::now()
}
