//! Every fault of an upstream at every stage: what `docs/faults.md` says of it is what happens.
//!
//! Each line of the page is a job in a pool of its own, with three tokens. All lines of a table run beside each
//! other against one gateway, behind which a meddler plays the faults.

mod kinds;
mod meddler;
mod mp4;
mod others;
mod page;

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::Duration;

use filmgate_simulator::{SimToken, SimulatorConfig, demo_tokens};
use reqwest::Method;
use serde_json::{Map, Value, json};
use tokio::net::TcpListener;

use crate::app::{Setup, TestApp};
use crate::books;
use kinds::{Fault, Section, WORDS};
use meddler::{Deed, Meddler, Play, Stage, decoy};
use page::Row;

const TOKENS: usize = 3;
const MOST_TOKENS: usize = 400;
/// What a gateway may use while dozens of upstreams' answers have no end, in MiB.
const MOST_MEMORY: u64 = 400;

/// A gateway with a meddler before its upstream.
struct Table {
    app: TestApp,
    meddler: Meddler,
    /// Further upstreams: names and base URLs.
    further: Vec<(String, String)>,
    /// How long a connection to those may take.
    patience: &'static str,
}

fn many_tokens(config: &mut SimulatorConfig) {
    config.tokens = [demo_tokens("basic", 1), demo_tokens("super", MOST_TOKENS)].concat();
    config.honours_idempotency_keys = true;
}

fn secrets() -> Vec<String> {
    let all: Vec<SimToken> = demo_tokens("super", MOST_TOKENS);
    // The first is in ssoSuper.
    all.into_iter().skip(1).map(|token| token.secret).collect()
}

impl Table {
    async fn start(section: Section, mut setup: Setup) -> Table {
        let own = std::mem::take(&mut setup.set);
        let meddler = Meddler::start().await;
        let (kind, path, lost_answer) = match section {
            Section::Repeat => ("xai", "/v1", "repeat"),
            Section::LookUp => ("openai", "/openai/v1", "look_up"),
            _ => ("xai", "/v1", "give_up"),
        };
        let setup = Setup {
            tokens: [1, 1],
            simulator: many_tokens,
            files_at: Some(format!("http://{}", meddler.addr)),
            ..setup
        };
        let setup = setup
            .set(&format!("upstreams.xai.kind=\"{kind}\""))
            .set(&format!("upstreams.xai.base_url=\"http://{}{path}\"", meddler.addr))
            .set(&format!("upstreams.xai.lost_answer=\"{lost_answer}\""))
            .set("upstreams.xai.look_up_grace=\"1s\"")
            .set("upstreams.xai.connect_timeout=\"2s\"")
            .set("upstreams.xai.header_timeout=\"5s\"")
            .set("upstreams.xai.fetch_timeout=\"25s\"")
            .set("media.max_file=\"18MiB\"");
        let app = own.iter().fold(setup, |setup, setting| setup.set(setting)).start().await;
        meddler.leads_to(app.simulator.addr());
        let further = if section == Section::Connect { dead_upstreams().await } else { Vec::new() };
        Table { app, meddler, further, patience: "1s" }
    }

    /// Gives each row a pool of its own.
    async fn pools_of(&self, faults: &[Fault]) {
        let mut pools = Vec::new();
        for (n, fault) in faults.iter().enumerate() {
            let upstream = if fault.play.is_none() { upstream_of(&fault.name) } else { "xai".to_owned() };
            // With only one token, a job and its decoy share it.
            let tokens = if fault.name.starts_with("another job's id") { 1 } else { TOKENS };
            pools.push((format!("row{n}"), upstream, tokens));
        }
        self.pools(&pools).await;
    }

    /// Makes pools of these names at these upstreams, with so many tokens, each with a model of its name.
    async fn pools(&self, pools: &[(String, String, usize)]) {
        let names = || pools.iter().map(|(name, ..)| name.as_str());
        let mut set = Map::new();
        set.insert("video.pools".to_owned(), ["ssoBasic", "ssoSuper"].into_iter().chain(names()).collect());
        set.insert("video.models".to_owned(), ["grok-imagine-video"].into_iter().chain(names()).collect());
        set.insert("models.grok-imagine-video.pools".to_owned(), json!(["ssoBasic", "ssoSuper"]));
        for (name, base_url) in &self.further {
            set.insert(format!("upstreams.{name}.base_url"), json!(base_url));
            set.insert(format!("upstreams.{name}.poll_every"), json!("50ms"));
            set.insert(format!("upstreams.{name}.connect_timeout"), json!(self.patience));
        }
        let openai = self.app.settings().iter().any(|setting| setting.contains("\"openai\""));
        let model = if openai { "sora-2-pro" } else { "grok-imagine-video" };
        for (name, upstream, _) in pools {
            set.insert(format!("pools.{name}.upstream"), json!(upstream));
            set.insert(
                format!("pools.{name}.delivers"),
                json!([{ "resolution": "720p", "max_seconds": 15 }]),
            );
            // Of what has no quota, nobody keeps what was spent.
            set.insert(format!("pools.{name}.quota_units"), json!(1000));
            set.insert(format!("pools.{name}.quota_window"), json!("20h"));
            set.insert(format!("models.{name}.pools"), json!([name]));
            set.insert(format!("models.{name}.upstream_names"), json!({ name: model }));
        }
        self.app.admin(Method::PATCH, "/config", Some(json!({ "set": set }))).await;
        let mut secrets = secrets().into_iter();
        let tokens =
            pools.iter().map(|(name, _, count)| (name.clone(), secrets.by_ref().take(*count).collect()));
        let tokens: Map<String, Value> = tokens.collect();
        self.app.admin(Method::POST, "/tokens/import", Some(Value::Object(tokens))).await;
    }

    /// Starts the job of a row. Returns its id.
    async fn begin(&self, name: &str, fault: &Fault) -> String {
        if let Some(play) = &fault.play {
            self.meddler.play(name, play.clone());
        }
        if fault.name.starts_with("another job's") {
            self.begin_decoy(name, fault).await;
        }
        self.create(name, name).await
    }

    async fn begin_decoy(&self, name: &str, fault: &Fault) {
        let decoy = decoy(name);
        let held = fault.name.starts_with("another job's id");
        if held {
            let waits = Deed::Answer(202, "", r#"{"status":"pending"}"#.to_owned());
            let play = Play { stage: Stage::Poll, script: vec![waits], always: true, passed_on: false };
            self.meddler.play(&decoy, play);
        }
        let id = self.create(name, &decoy).await;
        self.app.reaches(&id, if held { "running" } else { "completed" }).await;
    }

    /// A job in the pool of a row.
    async fn create(&self, pool: &str, name: &str) -> String {
        let prompt = format!("a fox {}", Meddler::mark(name));
        let body = json!({ "model": pool, "prompt": prompt, "size": "1280x720", "seconds": "6" });
        let answer = self.app.ask(Method::POST, "/v1/videos", Some(body)).await;
        assert!(answer.status.is_success(), "{name}: {}", answer.body);
        answer.body["id"].as_str().unwrap().to_owned()
    }

    /// What became of it, in the words of the page.
    async fn outcome(&self, name: &str, id: &str, fault: &Fault) -> Row {
        let job = self.ended(id).await;
        let attempts = job["attempts"].as_array().unwrap();
        let last = attempts.last().unwrap();
        let outcomes = attempts.iter().map(|attempt| attempt["outcome"].as_str().unwrap().to_owned());
        let ends = job["failure"]["code"].as_str().unwrap_or("completed").to_owned();
        let video = self.app.get(&format!("/v1/videos/{id}")).await;
        let seen = video["error"]["code"].as_str().or(video["status"].as_str()).unwrap();
        assert_eq!(seen, ends, "{}: what the client sees: {video}", fault.name);
        let progress = if ends == "completed" { json!(100) } else { job["progress"].clone() };
        assert_eq!(video["progress"], progress, "{video}");
        let made = books::generations(&self.app);
        let made = made.get(&format!("a fox {}", Meddler::mark(name))).copied().unwrap_or(0);
        Row {
            fault: fault.name.clone(),
            played: fault.how_often().to_owned(),
            ends,
            attempts: counted(outcomes).join(", "),
            charged: if last["charged"] == true { "yes" } else { "no" }.to_owned(),
            slot: if last["slot_until"].is_null() { "free" } else { "held" }.to_owned(),
            tokens: self.tokens(name).await,
            fault_of: job["failure"]["fault"].as_str().unwrap_or("–").to_owned(),
            words: if job.to_string().contains(WORDS) { "yes" } else { "no" }.to_owned(),
            made: made.to_string(),
        }
    }

    /// Waits until a job has ended. Six fetches alone take more than a minute.
    async fn ended(&self, id: &str) -> Value {
        for _ in 0..1500 {
            let job = self.app.job(id).await;
            if !job["finished_at"].is_null() {
                return job;
            }
            tokio::time::sleep(Duration::from_millis(200)).await;
        }
        panic!("{id} does not end: {}", self.app.job(id).await);
    }

    /// `1 active, 2 cooling 60 s`
    async fn tokens(&self, pool: &str) -> String {
        let tokens = self.app.tokens(pool).await;
        let mut states: Vec<String> = tokens.iter().map(state_of).collect();
        states.sort();
        counted(states.into_iter()).join(", ")
    }
}

fn state_of(token: &Value) -> String {
    let status = token["status"].as_str().unwrap().to_owned();
    let fails = token["fail_count"].as_u64().unwrap();
    match token["cooling_until"].as_i64() {
        Some(until) => {
            let pause = until - token["last_fail_at"].as_i64().unwrap();
            format!("{status} {} s", (pause + 500) / 1000)
        }
        None if fails > 0 => format!("{status} again"),
        None => status,
    }
}

/// `3 refused`; once is only named where it is one of several.
fn counted(words: impl Iterator<Item = String>) -> Vec<String> {
    let mut counted: Vec<(String, usize)> = Vec::new();
    for word in words {
        match counted.last_mut() {
            Some((last, count)) if *last == word => *count += 1,
            _ => counted.push((word, 1)),
        }
    }
    counted
        .into_iter()
        .map(|(word, count)| if count > 1 { format!("{count} {word}") } else { word })
        .collect()
}

fn upstream_of(fault: &str) -> String {
    format!("dead-{}", fault.replace(' ', "-"))
}

/// Upstreams that no request reaches.
async fn dead_upstreams() -> Vec<(String, String)> {
    let free = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
    let at = |addr: SocketAddr| format!("http://{addr}/v1");
    let [reset, closed, plain] = [visited(true).await, visited(false).await, visited(false).await];
    let dead = [
        ("refused", at(free)),
        ("time-out", at(deaf().await)),
        ("reset", at(reset)),
        ("closed at once", at(closed)),
        ("no TLS", format!("https://{plain}/v1")),
        ("no such name", "http://nowhere.invalid/v1".to_owned()),
    ];
    dead.map(|(fault, base_url)| (upstream_of(fault), base_url)).into()
}

/// Whoever connects there is put out at once, by a reset or not.
async fn visited(reset: bool) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let addr = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((visitor, _)) = listener.accept().await {
            tokio::spawn(async move {
                // Something of the request is here: earlier, it would be chance whether anything had gone out.
                let _ = visitor.peek(&mut [0]).await;
                if reset {
                    visitor.set_zero_linger().unwrap();
                }
            });
        }
    });
    addr
}

/// Connections to there never come about: those that nobody takes are too many already.
async fn deaf() -> SocketAddr {
    let socket = tokio::net::TcpSocket::new_v4().unwrap();
    socket.bind(([127, 0, 0, 1], 0).into()).unwrap();
    let listener = socket.listen(1).unwrap();
    let addr = listener.local_addr().unwrap();
    let mut waiting = Vec::new();
    loop {
        let connecting = tokio::net::TcpStream::connect(addr);
        match tokio::time::timeout(Duration::from_millis(300), connecting).await {
            Ok(connected) => waiting.push(connected.unwrap()),
            Err(_) => break,
        }
        assert!(waiting.len() < 100, "the backlog has no end");
    }
    // They stay until the test ends.
    tokio::spawn(async move {
        std::future::pending::<()>().await;
        drop((listener, waiting));
    });
    addr
}

/// Plays these faults, and compares what becomes of them with the page.
async fn play(section: Section, setup: Setup, wanted: impl Fn(&Fault) -> bool) {
    let table = Table::start(section, setup).await;
    let faults: Vec<Fault> = section.faults().into_iter().filter(|fault| wanted(fault)).collect();
    table.pools_of(&faults).await;
    let mut jobs = Vec::new();
    for (n, fault) in faults.iter().enumerate() {
        let name = format!("row{n}");
        jobs.push((table.begin(&name, fault).await, name, fault));
    }
    let (page, mut wrong) = (page::rows(section), Vec::new());
    let mut found = Vec::new();
    for (id, name, fault) in &jobs {
        let row = table.outcome(name, id, fault).await;
        if !page.contains(&row) {
            wrong.push(format!("{row}\n    {}", table.app.job(id).await["failure"]["message"]));
        }
        found.push(row.to_string());
        if let Some(play) = &fault.play {
            let least = if play.always { 1 } else { play.script.len() };
            assert!(table.meddler.played(name) >= least, "{row} was not played: {:?}", play.script);
        }
        table.meddler.stop(&decoy(name));
    }
    let (heading, wrong) = (section.heading(), wrong.join("\n"));
    assert!(wrong.is_empty(), "{heading}: not as docs/faults.md has it:\n{wrong}\n\n{}", found.join("\n"));
    let peak = table.app.peak_memory() >> 20;
    println!("{heading}: {} faults, at most {peak} MiB of memory", jobs.len());
    assert!(peak < MOST_MEMORY, "{peak} MiB of memory were in use");
    nothing_leaks(&table, &jobs.iter().map(|(id, ..)| id.as_str()).collect::<Vec<_>>()).await;
    for job in books::jobs(&table.app).await {
        table.ended(job["id"].as_str().unwrap()).await;
    }
    books::balance(&table.app).await;
}

/// The upstream quotes credentials in its answers: they are shown to nobody.
async fn nothing_leaks(table: &Table, ids: &[&str]) {
    let mut shown = table.app.logs();
    for id in ids {
        shown += &table.app.job(id).await.to_string();
        shown += &table.app.get(&format!("/v1/videos/{id}")).await.to_string();
    }
    for secret in secrets() {
        assert!(!shown.contains(&secret), "a token is shown");
    }
}

#[test]
fn every_fault_has_a_line_in_the_page() {
    use Section::{Connect, Fetch, LookUp, Poll, Repeat, Submit};
    for section in [Connect, Submit, Repeat, LookUp, Poll, Fetch] {
        let lines = page::rows(section).into_iter().map(|row| (row.fault, row.played));
        let lines: Vec<(String, String)> = lines.collect();
        let faults = section.faults().into_iter();
        let faults: Vec<_> = faults.map(|fault| (fault.name.clone(), fault.how_often().to_owned())).collect();
        let mut counts: BTreeMap<&(String, String), usize> = BTreeMap::new();
        lines.iter().for_each(|line| *counts.entry(line).or_default() += 1);
        assert!(counts.values().all(|count| *count == 1), "twice: {counts:?}");
        assert_eq!(lines, faults, "{}", section.heading());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn slow_an_upstream_that_no_connection_reaches() {
    play(Section::Connect, Setup::default(), |_| true).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn slow_a_submission_that_goes_wrong() {
    play(Section::Submit, Setup::default(), |_| true).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn slow_a_submission_that_is_sent_again_with_its_key() {
    play(Section::Repeat, Setup::default(), |_| true).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn slow_a_submission_that_is_looked_for() {
    play(Section::LookUp, Setup::default(), |_| true).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn slow_a_poll_that_goes_wrong_once() {
    play(Section::Poll, Setup::default(), |fault| !fault.always).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn slow_polls_that_always_go_wrong() {
    play(Section::Poll, Setup::default().set("jobs.deadline=\"15s\""), |fault| fault.always).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn slow_a_fetch_that_goes_wrong_once() {
    play(Section::Fetch, Setup::default(), |fault| !fault.always).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn slow_fetches_that_always_go_wrong() {
    // Six times the time of one that drips, and the pauses between.
    let setup = Setup::default().set("upstreams.xai.fetch_timeout=\"10s\"");
    play(Section::Fetch, setup, |fault| fault.always).await;
}
