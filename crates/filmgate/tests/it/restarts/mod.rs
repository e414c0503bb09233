//! Stopped and started again, as an upgrade does it, while clients go on asking: what was begun is finished, whoever
//! follows a video is told to come back, and nothing is lost or made twice.

mod clients;
mod line;
mod stops;

use std::net::TcpListener;
use std::time::Duration;

use filmgate_simulator::SimulatorConfig;
use rand::rngs::StdRng;
use rand::{RngExt as _, SeedableRng as _};
use tokio::time::Instant;

use crate::app::{Setup, TestApp, seed, without_limits};
use crate::books;
use crate::soak::clients::sha256;
use clients::{Clients, Seen, creation};
use line::{Line, Outcome};

const RESTARTS: u32 = 20;

/// How long requests in progress may take. None here takes that long.
const GRACE: Duration = Duration::from_secs(10);

/// A port that no connection of anybody's is given while the gateway is away: the system gives those from 32768 on.
fn port(rng: &mut StdRng) -> u16 {
    loop {
        let port = rng.random_range(20_000..32_000);
        if TcpListener::bind(("127.0.0.1", port)).is_ok() {
            return port;
        }
    }
}

/// A gateway at an address that it keeps, with tokens enough.
async fn gateway(rng: &mut StdRng) -> TestApp {
    let unlimited = |config: &mut SimulatorConfig| {
        config.tiers = without_limits(["basic", "super"]);
        config.answer_delay = Duration::from_millis(15);
    };
    let setup = Setup { tokens: [8, 0], video_seconds: 0.15, simulator: unlimited, ..Setup::default() };
    setup
        .set(&format!("server.listen=\"127.0.0.1:{}\"", port(rng)))
        .set(&format!("server.shutdown_grace=\"{}s\"", GRACE.as_secs()))
        .set("pools.ssoBasic.quota_units=100000")
        .set("pools.ssoBasic.max_in_flight=0")
        .start()
        .await
}

/// A finished video whose file is large from now on.
async fn large_video(app: &TestApp) -> (String, Vec<u8>) {
    let video = app.make("a large one", "480p", 6).await;
    let id = video["id"].as_str().unwrap().to_owned();
    let file: Vec<u8> = (0..8 << 20).map(|n: u32| (n.wrapping_mul(2_654_435_761) >> 24) as u8).collect();
    std::fs::write(app.file(&id), &file).unwrap();
    (id, file)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn slow_twenty_restarts_under_load_cut_no_answer_and_lose_nothing() {
    let seed = seed(20_261_206);
    let mut rng = StdRng::seed_from_u64(seed);
    let mut app = gateway(&mut rng).await;
    let large = large_video(&app).await;
    let (begun, mut up) = (Instant::now(), Duration::ZERO);
    let clients = Clients::start(&app, large, seed);
    let mut longest = Duration::ZERO;
    for _ in 0..RESTARTS {
        let pause = Duration::from_millis(rng.random_range(200..450));
        tokio::time::sleep(pause).await;
        up += pause;
        let told = Instant::now();
        app.signal("TERM");
        assert_eq!(app.exit_code().await, Some(0));
        longest = longest.max(told.elapsed());
        app.launch().await;
    }
    assert!(longest < GRACE / 2, "a stop took {longest:?}");
    let seen = clients.stop().await;
    let a_second = seen.answers as f64 / up.as_secs_f64();
    eprintln!(
        "{RESTARTS} restarts in {:?}, the longest stop {longest:?}; {} answers ({a_second:.0} for each second up), {} \
         refused, {} closed, {} unanswered, {} cut; {} made, {} of them found again; {} streams told to resume, {} told \
         the end; {} files, {} large",
        begun.elapsed(),
        seen.answers,
        seen.refused,
        seen.closed,
        seen.unanswered,
        seen.cut.len(),
        seen.made.len(),
        seen.found_again,
        seen.told_to_resume,
        seen.told_the_end,
        seen.files.len(),
        seen.large,
    );
    assert_eq!(seen.cut, Vec::<String>::new());
    assert_eq!(seen.complaints, Vec::<String>::new());
    // Or nothing was tried.
    assert!(a_second > 50.0 && seen.refused > 0, "{a_second} answers a second");
    assert!(seen.told_to_resume >= RESTARTS as usize && seen.told_the_end > 10);
    // Who is told that it stops is not answered by it again and again.
    let followers = clients::FOLLOWING as usize * RESTARTS as usize;
    assert!(seen.told_to_resume <= 2 * followers, "{} times", seen.told_to_resume);
    assert!(seen.files.len() > 50 && seen.large > RESTARTS as usize);
    replays_are_the_same(&app, &seen).await;
    nothing_is_lost_or_made_twice(&mut app, &seen).await;
}

/// Each creation, sent once more, has the answer that it had.
async fn replays_are_the_same(app: &TestApp, seen: &Seen) {
    let mut line = Line::to(app.address());
    for (name, id) in &seen.made {
        let Outcome::Whole(answer) = line.ask(&creation(&app.client_key, name)).await else {
            panic!("no answer to a replay of {name}");
        };
        assert_eq!(answer.json()["id"], **id, "{name}");
        assert_eq!(answer.header("x-filmgate-replayed"), "true", "{name}");
    }
}

async fn nothing_is_lost_or_made_twice(app: &mut TestApp, seen: &Seen) {
    for (name, id) in &seen.made {
        let job = app.ended(id).await;
        assert_eq!(job["state"], "completed", "{name}: {job}");
        assert_eq!(job["attempts"].as_array().unwrap().len(), 1, "{job}");
    }
    for (id, hash) in &seen.files {
        assert_eq!(sha256(&std::fs::read(app.file(id)).unwrap()), *hash, "{id}");
    }
    let jobs = books::jobs(app).await;
    // And the large one.
    assert_eq!(jobs.len(), seen.made.len() + 1, "jobs that nobody was told of");
    let made = books::generations(app);
    assert!(made.len() == jobs.len() && made.values().all(|times| *times == 1), "{made:?}");
    books::balance(app).await;
    assert!(app.stop());
    books::is_sound(app);
    assert_eq!(app.partial_files(), 0);
}
