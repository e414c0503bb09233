//! Whoever was admitted is somewhere: at every scrape, also one that lands in the middle of something, the admitted
//! videos are those that ended and those that are open.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use filmgate_simulator::SimulatorConfig;
use rand::rngs::StdRng;
use rand::{RngExt as _, SeedableRng as _};
use reqwest::{Method, StatusCode};
use rusqlite::{Connection, OpenFlags};
use serde_json::{Value, json};
use tokio::task::JoinSet;

use super::exposition::Exposed;
use crate::app::{ADMIN_KEY, Setup, TestApp, without_limits};
use crate::books;

/// What goes wrong at the provider; half of the time nothing.
const FAULTS: [&str; 14] = [
    "",
    "",
    "",
    "",
    "",
    "",
    "[slow]",
    "[fail]",
    "[moderate]",
    "[error]",
    "[lost]",
    "[garbage]",
    "[hang]",
    "[lie]",
];

/// The terms, as one scrape has them.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
struct Terms {
    admitted: f64,
    taken_up: f64,
    completed: f64,
    failed: f64,
    cancelled: f64,
    unknown: f64,
    open: f64,
}

impl Terms {
    fn of(exposed: &Exposed) -> Self {
        let mut terms = Self::default();
        for sample in &exposed.samples {
            let term = match (&*sample.name, sample.labels.get("code").map(String::as_str)) {
                ("filmgate_jobs_admitted_total", _) => &mut terms.admitted,
                ("filmgate_jobs_taken_up", _) => &mut terms.taken_up,
                ("filmgate_jobs_completed_total", _) => &mut terms.completed,
                ("filmgate_jobs_failed_total", Some("cancelled")) => &mut terms.cancelled,
                ("filmgate_jobs_failed_total", Some("outcome_unknown")) => &mut terms.unknown,
                ("filmgate_jobs_failed_total", _) => &mut terms.failed,
                ("filmgate_jobs_active", _) => &mut terms.open,
                _ => continue,
            };
            *term += sample.value;
        }
        terms
    }

    fn ended(&self) -> f64 {
        self.completed + self.failed + self.cancelled + self.unknown
    }

    #[track_caller]
    fn add_up(&self) {
        assert_eq!(self.admitted + self.taken_up, self.ended() + self.open, "{self:?}");
    }

    /// Nothing that is counted grows less.
    #[track_caller]
    fn go_on_from(&self, before: &Self) {
        let counted = |terms: &Self| {
            let Self { admitted, completed, failed, cancelled, unknown, .. } = *terms;
            [admitted, completed, failed, cancelled, unknown]
        };
        let all = counted(before).into_iter().zip(counted(self));
        assert!(all.into_iter().all(|(before, now)| before <= now), "{before:?}, and then {self:?}");
        assert_eq!(before.taken_up, self.taken_up, "what was there at the start stays so");
    }
}

/// Clients, an operator and faults.
struct Load {
    ends: Arc<AtomicBool>,
    tasks: JoinSet<()>,
}

impl Load {
    fn on(app: &TestApp, seed: u64) -> Self {
        let (ends, mut tasks) = (Arc::<AtomicBool>::default(), JoinSet::new());
        let (made, asked) = (Arc::<Mutex<Vec<String>>>::default(), Arc::<AtomicUsize>::default());
        for n in 0..6 {
            let create = app.http.post(format!("{}/v1/videos", app.url)).bearer_auth(&app.client_key);
            let mut rng = StdRng::seed_from_u64(seed ^ (n + 1));
            let (ends, made, asked) = (Arc::clone(&ends), Arc::clone(&made), Arc::clone(&asked));
            tasks.spawn(async move {
                while !ends.load(SeqCst) {
                    let body = order(asked.fetch_add(1, SeqCst), &mut rng);
                    // The gateway may be killed meanwhile.
                    let Ok(answer) = create.try_clone().unwrap().json(&body).send().await else { return };
                    let (status, video) = (answer.status(), answer.json::<Value>().await);
                    if let (StatusCode::OK, Ok(video)) = (status, video) {
                        made.lock().unwrap().push(video["id"].as_str().unwrap().to_owned());
                    }
                    tokio::time::sleep(Duration::from_millis(rng.random_range(0..10))).await;
                }
            });
        }
        let (http, url) = (app.http.clone(), format!("{}/admin/v1/jobs", app.url));
        let (mut rng, ended) = (StdRng::seed_from_u64(seed), Arc::clone(&ends));
        tasks.spawn(async move {
            while !ended.load(SeqCst) {
                let id = {
                    let made = made.lock().unwrap();
                    made.len().checked_sub(1).map(|last| made[rng.random_range(last / 2..=last)].clone())
                };
                if let Some(id) = id {
                    let verb = ["cancel", "cancel", "again"][rng.random_range(0..3)];
                    // One that is at its end cannot be cancelled, one that was not cannot be made again.
                    let _ = http.post(format!("{url}/{id}/{verb}")).bearer_auth(ADMIN_KEY).send().await;
                }
                tokio::time::sleep(Duration::from_millis(15)).await;
            }
        });
        Self { ends, tasks }
    }

    async fn end(self) {
        self.ends.store(true, SeqCst);
        self.tasks.join_all().await;
    }
}

fn order(n: usize, rng: &mut StdRng) -> Value {
    let prompt = format!("{} video {n}", FAULTS[rng.random_range(0..FAULTS.len())]);
    let resolution = ["480p", "720p"][rng.random_range(0..2)];
    let mut body = json!({ "prompt": prompt, "resolution": resolution, "seconds": "6" });
    if rng.random_bool(0.3) {
        body["on_shortage"] = json!("wait");
        body["max_wait"] = json!(1);
    }
    body
}

fn generous(config: &mut SimulatorConfig) {
    config.tiers = without_limits(["basic", "super"]);
    config.answer_delay = Duration::from_millis(5);
}

async fn gateway() -> TestApp {
    let setup = Setup { tokens: [4, 4], video_seconds: 0.1, simulator: generous, ..Setup::default() };
    let mut lines = vec![
        "upstreams.xai.header_timeout=\"500ms\"".to_owned(),
        "upstreams.xai.connect_timeout=\"500ms\"".to_owned(),
        "jobs.deadline=\"2s\"".to_owned(),
        "jobs.slot_hold=\"0s\"".to_owned(),
        "video.busy_wait=\"500ms\"".to_owned(),
        "tokens.first_pause=\"200ms\"".to_owned(),
    ];
    for pool in ["ssoBasic", "ssoSuper"] {
        lines.push(format!("pools.{pool}.quota_units=100000"));
    }
    lines.iter().fold(setup, |setup, line| setup.set(line)).start().await
}

/// Scrapes as fast as it goes, each time after the other; the last scrape.
async fn scrape_for(app: &TestApp, time: Duration, scrapes: &mut usize) -> Terms {
    let mut before = Terms::of(&Exposed::by(app).await);
    let mut end = std::pin::pin!(tokio::time::sleep(time));
    loop {
        let exposed = tokio::select! {
            biased;
            () = &mut end => return before,
            exposed = Exposed::by(app) => exposed,
        };
        let terms = Terms::of(&exposed);
        terms.add_up();
        terms.go_on_from(&before);
        before = terms;
        *scrapes += 1;
    }
}

/// Jobs in the database file.
fn in_the_database(app: &TestApp, condition: &str) -> f64 {
    let path = app.data_dir().join("filmgate.db");
    let db = Connection::open_with_flags(path, OpenFlags::SQLITE_OPEN_READ_ONLY).unwrap();
    let sql = format!("SELECT count(*) FROM jobs WHERE {condition}");
    db.query_row(&sql, (), |row| row.get(0)).unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn at_every_scrape_the_admitted_are_the_ended_and_the_open() {
    let mut app = gateway().await;
    let mut scrapes = 0;
    let load = Load::on(&app, 1);
    let first = scrape_for(&app, Duration::from_millis(2000), &mut scrapes).await;
    assert_eq!(first.taken_up, 0.0, "it began with nothing");
    app.kill();
    load.end().await;
    let (left, ended) =
        (in_the_database(&app, "finished_at IS NULL"), in_the_database(&app, "finished_at IS NOT NULL"));
    assert!(left > 0.0, "nothing was open at the kill");

    app.launch().await;
    let load = Load::on(&app, 2);
    let again = scrape_for(&app, Duration::from_millis(2000), &mut scrapes).await;
    assert_eq!(again.taken_up, left, "each job that the kill left open, and no other");
    load.end().await;
    let mut last = again;
    for _ in 0..400 {
        last = Terms::of(&Exposed::by(&app).await);
        last.add_up();
        if last.open == 0.0 {
            break;
        }
        tokio::time::sleep(Duration::from_millis(25)).await;
    }
    eprintln!("{scrapes} scrapes; before the kill {first:?}, at the end {last:?}");
    assert_eq!(last.open, 0.0);
    let more = in_the_database(&app, "finished_at IS NOT NULL") - ended;
    assert_eq!(last.ended(), more, "what ended since the start is what the database has more");
    for (code, counted) in [("cancelled", last.cancelled), ("outcome_unknown", last.unknown)] {
        assert!(counted > 0.0, "nothing was {code}: {last:?}");
    }
    assert!(last.completed > 0.0 && last.failed > 0.0, "{last:?}");
    assert!(scrapes > 20, "only {scrapes} scrapes");
    app.kill();
    books::is_sound(&app);
}

/// A counter that begins with its first event hides that from `increase()`, and a sum from whoever adds up.
#[tokio::test]
async fn each_term_is_there_before_anything_happens() {
    let app = Setup { tokens: [1, 0], ..Setup::default() }.start().await;
    let exposed = Exposed::by(&app).await;
    for code in ["cancelled", "outcome_unknown"] {
        let there = |name: &str| exposed.samples.iter().any(|s| s.name == name && s.labels["code"] == code);
        assert!(there("filmgate_jobs_failed_total"), "{code}");
    }
    assert_eq!(Terms::of(&exposed), Terms::default());
    let id = app.create("[slow]", "480p", 6).await["id"].as_str().unwrap().to_owned();
    let terms = Terms::of(&Exposed::by(&app).await);
    assert_eq!((terms.admitted, terms.open), (1.0, 1.0));
    app.admin(Method::POST, &format!("/jobs/{id}/cancel"), None).await;
    let terms = Terms::of(&Exposed::by(&app).await);
    assert_eq!((terms.admitted, terms.open, terms.cancelled), (1.0, 0.0, 1.0));
}
