//! Killed again and again while files come in: what is served is whole or is not there, and nothing piles up.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use filmgate_simulator::SimulatorConfig;
use rand::rngs::StdRng;
use rand::{RngExt as _, SeedableRng as _};
use reqwest::StatusCode;
use serde_json::Value;
use tokio::task::JoinHandle;
use tokio::time::Instant;

use super::id;
use crate::app::{Setup, TestApp, seed, without_limits};
use crate::books;
use crate::gate::Gate;

const KILLS: u32 = 50;

/// During the first kills no file comes in whole: more of them than a file is fetched for, if it fails.
const WITHOUT_A_CHANCE: u32 = 8;

/// Videos that are on their way at once.
const AT_ONCE: usize = 5;

/// Enough for several writes to the disk.
const PADDING: usize = 1 << 20;

fn large_files(config: &mut SimulatorConfig) {
    config.tiers = without_limits(["basic", "super"]);
    config.padding = PADDING;
    config.honours_idempotency_keys = true;
}

/// What clients got of a video: a whole file, or not yet any. An answer that a kill cut short is none.
async fn look(request: reqwest::RequestBuilder) -> Result<Option<Vec<u8>>, reqwest::Error> {
    let response = request.send().await?;
    let status = response.status();
    let body = response.bytes().await?.to_vec();
    if status == StatusCode::OK {
        return Ok(Some(body));
    }
    let refusal: Value = serde_json::from_slice(&body).unwrap_or_default();
    assert_eq!((status, &refusal["error"]["code"]), (StatusCode::NOT_FOUND, &"video_not_ready".into()));
    Ok(None)
}

/// A client that asks for the files of these videos until the gateway is gone. Each whole file that it got; `any`: whether
/// it has got one.
fn ask_for_files(
    app: &TestApp,
    ids: Vec<String>,
    any: &Arc<AtomicBool>,
) -> JoinHandle<Vec<(String, Vec<u8>)>> {
    let any = Arc::clone(any);
    let (http, url, key) = (app.http.clone(), app.url.clone(), app.client_key.clone());
    tokio::spawn(async move {
        let mut got = BTreeMap::new();
        loop {
            for id in &ids {
                let request = http.get(format!("{url}/v1/videos/{id}/content")).bearer_auth(&key);
                match look(request).await {
                    Ok(Some(file)) => {
                        got.insert(id.clone(), file);
                        any.store(true, Ordering::Relaxed);
                    }
                    Ok(None) => {}
                    Err(_) => return got.into_iter().collect(),
                }
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    })
}

/// The videos of this test: what the provider made, and what became of it here.
#[derive(Default)]
struct Videos {
    /// By their ids.
    prompts: BTreeMap<String, String>,
    /// The files, as the provider gives them to others.
    files: BTreeMap<String, Vec<u8>>,
    completed: BTreeSet<String>,
    /// How often each was killed while its file came in.
    killed: BTreeMap<String, u32>,
}

impl Videos {
    fn on_their_way(&self) -> Vec<String> {
        self.prompts.keys().filter(|id| !self.completed.contains(*id)).cloned().collect()
    }

    async fn top_up(&mut self, app: &TestApp) {
        for _ in self.on_their_way().len()..AT_ONCE {
            let prompt = format!("video {}", self.prompts.len());
            let video = app.create(&prompt, "480p", 6).await;
            self.prompts.insert(id(&video).to_owned(), prompt);
        }
    }

    /// The file of a video, from the provider itself.
    async fn file(&mut self, app: &TestApp, id: &str) -> &[u8] {
        if !self.files.contains_key(id) {
            let made = app.simulator.generations();
            let made = made.iter().find(|made| made.prompt == self.prompts[id]).expect("a file of a video");
            let url = format!("http://{}/files/{}.mp4", app.simulator.addr(), made.request_id);
            let file = app.http.get(url).send().await.unwrap().bytes().await.unwrap();
            assert!(file.len() > PADDING);
            self.files.insert(id.to_owned(), file.to_vec());
        }
        &self.files[id]
    }

    /// What lies on the disk when the gateway is dead: under its name, a file is whole; beside them are only files of
    /// videos that are on their way. True if a part of one is among these.
    async fn inspect(&mut self, app: &TestApp) -> bool {
        let on_their_way = self.on_their_way();
        let known: BTreeMap<PathBuf, String> =
            self.prompts.keys().map(|id| (app.file(id), id.clone())).collect();
        for path in files_in(&app.data_dir().join("media")) {
            let id = known.get(&path).unwrap_or_else(|| panic!("whose is {}?", path.display())).clone();
            assert!(std::fs::read(&path).unwrap() == self.file(app, &id).await, "{id} is not whole");
        }
        let mut in_the_middle = false;
        for path in files_in(&app.data_dir().join("media/partial")) {
            let id = known.iter().find(|(file, _)| file.file_stem() == path.file_name());
            let (_, id) = id.unwrap_or_else(|| panic!("whose is {}?", path.display()));
            assert!(on_their_way.contains(id), "{id} is completed, and a part of it stays");
            *self.killed.entry(id.clone()).or_default() += 1;
            let length = std::fs::metadata(&path).unwrap().len() as usize;
            in_the_middle |= length > 0 && length < PADDING;
        }
        in_the_middle
    }
}

/// Waits for something that a kill should not come before: how long that takes depends on the machine.
async fn until(is_so: impl Fn() -> bool) {
    for _ in 0..2_000 {
        if is_so() {
            return;
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    panic!("no file comes in");
}

fn files_in(directory: &Path) -> BTreeSet<PathBuf> {
    let paths = std::fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().path());
    paths.filter(|path| path.is_file()).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn slow_killed_fifty_times_while_files_come_in_no_part_of_one_is_served_and_nothing_piles_up() {
    let (mut rng, begun) = (StdRng::seed_from_u64(seed(20_261_208)), Instant::now());
    let setup = Setup { tokens: [4, 0], video_seconds: 0.02, simulator: large_files, ..Setup::default() };
    let setup = setup.set("pools.ssoBasic.quota_units=100000").set("pools.ssoBasic.max_in_flight=0");
    // A kill may come before the upstream has answered a submission.
    let setup = setup.set("upstreams.xai.lost_answer=\"repeat\"");
    let (gate, mut app) = Gate::before(setup).await;
    let beside = files_in(&app.data_dir());
    let (mut videos, mut in_the_middle, mut served) = (Videos::default(), 0, 0);
    for n in 0..KILLS {
        // So long a file takes, in ms.
        let takes = if n < WITHOUT_A_CHANCE { 700 } else { rng.random_range(40..400) };
        gate.pace(PADDING / takes);
        videos.top_up(&app).await;
        let any = Arc::new(AtomicBool::new(false));
        let client = ask_for_files(&app, videos.on_their_way(), &any);
        if n >= WITHOUT_A_CHANCE && rng.random_bool(0.3) {
            until(|| any.load(Ordering::Relaxed)).await;
        } else {
            let partial = app.data_dir().join("media/partial");
            until(|| !files_in(&partial).is_empty() || any.load(Ordering::Relaxed)).await;
        }
        tokio::time::sleep(Duration::from_millis(rng.random_range(0..120))).await;
        app.kill();
        for (id, file) in client.await.unwrap() {
            assert!(file == videos.file(&app, &id).await, "{} bytes were served as {id}", file.len());
            served += 1;
            videos.completed.insert(id);
        }
        in_the_middle += u32::from(videos.inspect(&app).await);
        app.launch().await;
    }
    gate.pace(0);
    let ids: Vec<String> = videos.prompts.keys().cloned().collect();
    for id in &ids {
        let job = app.ended(id).await;
        assert_eq!(job["state"], "completed", "{job}");
        assert!(app.content(id).await.bytes().await.unwrap() == videos.file(&app, id).await, "{id}");
    }
    let most = videos.killed.values().max().copied().unwrap_or_default();
    eprintln!(
        "{KILLS} kills in {:?}: {} videos, {served} seen whole between kills, {in_the_middle} kills in the middle of a \
         file, one video killed {most} times",
        begun.elapsed(),
        ids.len()
    );
    assert!(in_the_middle >= 5 && served >= 5 && most > 6, "that was too easy");
    assert!(books::generations(&app).values().all(|times| *times == 1));
    books::balance(&app).await;
    assert_eq!(files_in(&app.data_dir()), beside);
    assert_eq!(files_in(&app.data_dir().join("media")).len(), ids.len());
    assert_eq!(files_in(&app.data_dir().join("media/partial")), BTreeSet::new());
}
