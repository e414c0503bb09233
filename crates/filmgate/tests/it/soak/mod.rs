//! Killed at random moments under load, with upstreams of all three kinds behind it. At the end three books are
//! compared: what clients were told, what the database holds, what the providers made.
//!
//! `cargo xtask soak --kills N` runs the long form.

mod books;
pub(crate) mod clients;
mod providers;

use std::fmt;
use std::time::Duration;

use rand::rngs::StdRng;
use rand::{RngExt as _, SeedableRng as _};
use reqwest::Method;
use serde_json::json;

use crate::app::{TestApp, seed};
use crate::webhooks::receiver::Receiver;
use clients::Clients;
use providers::Providers;

/// What the books say at the end.
#[derive(Debug)]
struct Report {
    seed: u64,
    kills: u32,
    /// Jobs that are in the database; every one that a client was told of is.
    accepted: usize,
    completed: usize,
    /// Told to a client, and not in the database.
    lost: usize,
    /// Videos beyond one for a job, at the providers.
    made_twice: usize,
    /// Reservations and slots that nothing released.
    unsettled: usize,
    outcome_unknown: usize,
    /// Lost answers that were found out.
    reconciled: usize,
    /// Requests that were refused for want of a token.
    refused: usize,
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { seed, kills, accepted, completed, lost, made_twice, unsettled, .. } = self;
        write!(
            f,
            "{kills} kills (seed {seed}): {accepted} accepted, {completed} completed, {lost} lost, {made_twice} made \
             twice, {unsettled} unsettled, {} outcome unknown, {} lost answers found out, {} refused",
            self.outcome_unknown, self.reconciled, self.refused
        )
    }
}

async fn soak(kills: u32, seed: u64) -> Report {
    eprintln!("seed {seed}");
    let mut rng = StdRng::seed_from_u64(seed);
    let receiver = Receiver::start(&[]);
    let (providers, mut app) = Providers::with_gateway().await;
    app.admin(Method::PUT, "/webhooks/tests", Some(json!({ "url": receiver.url("/hook") }))).await;
    let clients = Clients::start(&app, seed);
    for n in 1..=kills {
        clients.may_go_on(&app.url);
        tokio::time::sleep(Duration::from_millis(rng.random_range(1..700))).await;
        app.kill();
        // Now and then it does not even come up.
        if rng.random_bool(0.1) {
            app.begin();
            tokio::time::sleep(Duration::from_millis(rng.random_range(5..300))).await;
            app.kill();
        }
        app.launch().await;
        if n % 50 == 0 {
            eprintln!("{n} kills");
        }
    }
    clients.may_go_on(&app.url);
    eprintln!("no more kills: the clients finish");
    let told = clients.stop().await;
    eprintln!("the clients have finished: the gateway does");
    rest(&app).await;
    books::compare(app, &providers, &told, &receiver, (kills, seed)).await
}

/// Waits until nothing is open any more: every job, every slot that was held, every webhook.
async fn rest(app: &TestApp) {
    for _ in 0..2400 {
        let open = books::open_jobs(app) + books::untold(app);
        if open == 0 && books::held(app).await == 0 {
            return;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    let held = books::held(app).await;
    panic!("{} jobs, {} webhooks and {held} claims stay open", books::open_jobs(app), books::untold(app));
}

const SEED: u64 = 20_261_130;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn slow_twenty_kills_lose_nothing_and_make_nothing_twice() {
    eprintln!("{}", soak(20, seed(SEED)).await);
}

/// `cargo xtask soak` runs this one; it says in the environment how many kills, and where the report goes.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "as long as `cargo xtask soak --kills N` says"]
async fn as_many_kills_as_asked() {
    let kills = std::env::var("FILMGATE_SOAK_KILLS").expect("FILMGATE_SOAK_KILLS: how many");
    let report = soak(kills.parse().unwrap(), seed(SEED)).await;
    let file = std::env::var_os("FILMGATE_SOAK_REPORT").expect("FILMGATE_SOAK_REPORT: a file");
    std::fs::write(file, report.to_string()).unwrap();
}
