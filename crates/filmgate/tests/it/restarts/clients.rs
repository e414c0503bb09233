//! Clients of a gateway that is stopped and started again and again: they go on as the contract allows, and write down
//! what they saw.

use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use rand::rngs::StdRng;
use rand::{RngExt as _, SeedableRng as _};
use serde_json::{Value, json};
use tokio::task::JoinSet;

use super::line::{Answer, Line, Outcome, Pace};
use crate::app::TestApp;
use crate::soak::clients::sha256;
use crate::wire;

/// Clients that ask for anything, one request after the other.
const ASKING: u64 = 9;
/// Clients that make videos and follow them.
pub(super) const FOLLOWING: u64 = 3;
/// Clients that download a large file, slowly.
const LOADING: u64 = 2;

/// What all clients saw.
#[derive(Debug, Default)]
pub(super) struct Seen {
    /// Videos that were made: the idempotency key, the id.
    pub(super) made: Vec<(String, String)>,
    /// Files that were downloaded: the id, the SHA-256.
    pub(super) files: Vec<(String, String)>,
    /// Whole answers.
    pub(super) answers: usize,
    /// Connections that nobody took: no gateway was there.
    pub(super) refused: usize,
    /// Connections that were closed while they were idle.
    pub(super) closed: usize,
    /// New connections that were taken and ended without a byte.
    pub(super) unanswered: usize,
    /// Creations that got no answer and had made a video.
    pub(super) found_again: usize,
    /// Streams of events that were told that the gateway stops.
    pub(super) told_to_resume: usize,
    /// Streams of events that were told the end.
    pub(super) told_the_end: usize,
    /// Large files that came whole.
    pub(super) large: usize,
    /// Answers that began and did not end.
    pub(super) cut: Vec<String>,
    /// Whatever else no client should see.
    pub(super) complaints: Vec<String>,
}

/// What clients share.
pub(super) struct Common {
    address: String,
    key: String,
    /// A video whose file is large, and that file.
    large: (String, Vec<u8>),
    seen: Mutex<Seen>,
    ends: AtomicBool,
}

pub(super) struct Clients {
    common: Arc<Common>,
    tasks: JoinSet<()>,
}

impl Clients {
    pub(super) fn start(app: &TestApp, large: (String, Vec<u8>), seed: u64) -> Self {
        let (address, key) = (app.address().to_owned(), app.client_key.clone());
        let common = Common { address, key, large, seen: Mutex::default(), ends: AtomicBool::new(false) };
        let (common, mut tasks) = (Arc::new(common), JoinSet::new());
        for n in 0..ASKING + FOLLOWING + LOADING {
            let line = Line::to(&common.address);
            let rng = StdRng::seed_from_u64(seed ^ (n + 1));
            let mut client = Client { name: format!("client-{n}"), common: Arc::clone(&common), line, rng };
            tasks.spawn(async move {
                match n {
                    n if n < ASKING => client.ask_for_anything().await,
                    n if n < ASKING + FOLLOWING => client.follow_videos().await,
                    _ => client.download_slowly().await,
                }
            });
        }
        Self { common, tasks }
    }

    /// Each finishes what it is at.
    pub(super) async fn stop(self) -> Seen {
        self.common.ends.store(true, Relaxed);
        self.tasks.join_all().await;
        std::mem::take(&mut *self.common.seen.lock().unwrap())
    }
}

/// A request as it goes out.
pub(super) fn request(method: &str, path: &str, key: &str, more: &str, body: Option<&Value>) -> Vec<u8> {
    let body = body.map(Value::to_string).unwrap_or_default();
    let length = body.len();
    format!(
        "{method} {path} HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {key}\r\ncontent-type: application/json\r\n\
         {more}content-length: {length}\r\n\r\n{body}"
    )
    .into_bytes()
}

/// A request that makes a video, with an idempotency key that is its prompt.
pub(super) fn creation(key: &str, name: &str) -> Vec<u8> {
    let prompt = name.replace('+', " ");
    let body = json!({ "prompt": prompt, "resolution": "480p", "seconds": "6", "aspect_ratio": "16:9" });
    request("POST", "/v1/videos", key, &format!("idempotency-key: {name}\r\n"), Some(&body))
}

struct Client {
    name: String,
    common: Arc<Common>,
    line: Line,
    rng: StdRng,
}

impl Client {
    fn note(&self, note: impl FnOnce(&mut Seen)) {
        note(&mut self.common.seen.lock().unwrap());
    }

    fn ends(&self) -> bool {
        self.common.ends.load(Relaxed)
    }

    async fn pause(&mut self, most: u64) {
        let pause = self.rng.random_range(0..most);
        tokio::time::sleep(Duration::from_millis(pause)).await;
    }

    /// Sends a request until it is answered: again only where not one byte of an answer came. Says whether it
    /// was sent more than once.
    async fn send(&mut self, request: &[u8]) -> (Answer, bool) {
        let mut again = false;
        loop {
            match self.line.ask(request).await {
                Outcome::Whole(answer) => {
                    self.note(|seen| seen.answers += 1);
                    return (answer, again);
                }
                Outcome::Refused => self.note(|seen| seen.refused += 1),
                Outcome::Closed => self.note(|seen| seen.closed += 1),
                Outcome::Unanswered => self.note(|seen| seen.unanswered += 1),
                Outcome::Cut(problem) => {
                    let request = String::from_utf8_lossy(request);
                    let line = request.lines().next().unwrap_or_default();
                    self.note(|seen| seen.cut.push(format!("{line}: {problem}")));
                }
            }
            again = true;
            self.pause(40).await;
        }
    }

    async fn get(&mut self, path: &str) -> Answer {
        let request = request("GET", path, &self.common.key, "", None);
        let (answer, _) = self.send(&request).await;
        if answer.status != 200 {
            let problem = format!("{path}: {} {}", answer.status, answer.json());
            self.note(|seen| seen.complaints.push(problem));
        }
        answer
    }

    /// Makes a video; its id.
    async fn create(&mut self, name: &str) -> String {
        let request = creation(&self.common.key, name);
        let (answer, again) = self.send(&request).await;
        let id = answer.json()["id"].as_str().unwrap_or_default().to_owned();
        let replayed = again && answer.header("x-filmgate-replayed") == "true";
        self.note(|seen| {
            seen.found_again += usize::from(replayed);
            if answer.status == 200 && !id.is_empty() {
                seen.made.push((name.to_owned(), id.clone()));
            } else {
                seen.complaints.push(format!("{name}: {} {}", answer.status, answer.json()));
            }
        });
        id
    }

    async fn ask_for_anything(&mut self) {
        let (mut n, mut id, mut completed) = (0, String::new(), None);
        while !self.ends() {
            match self.rng.random_range(0..20) {
                _ if id.is_empty() => id = self.create(&format!("{}+video+{n}", self.name)).await,
                0..4 => id = self.create(&format!("{}+video+{n}", self.name)).await,
                4..7 => self.list().await,
                7..11 if completed.is_some() => self.download(completed.clone().unwrap_or_default()).await,
                what => {
                    let wait = if what == 19 { "?wait=5" } else { "" };
                    let video = self.get(&format!("/v1/videos/{id}{wait}")).await.json();
                    if video["status"] == "completed" {
                        completed = Some(id.clone());
                    }
                }
            }
            n += 1;
            self.pause(130).await;
        }
    }

    async fn list(&mut self) {
        let list = self.get("/v1/videos?limit=5").await.json();
        if list["data"].as_array().is_none_or(|videos| videos.is_empty()) {
            self.note(|seen| seen.complaints.push(format!("a list: {list}")));
        }
    }

    async fn download(&mut self, id: String) {
        let file = self.get(&format!("/v1/videos/{id}/content")).await;
        let hash = sha256(&file.body);
        let tag = file.header("etag").trim_matches('"').to_owned();
        self.note(|seen| {
            if tag != hash {
                seen.complaints.push(format!("the file of {id} is {hash}, and its tag says {tag}"));
            }
            seen.files.push((id, hash));
        });
    }

    async fn download_slowly(&mut self) {
        let pace = Pace { bytes: 64 * 1024, pause: Duration::from_millis(1) };
        self.line = Line::to(&self.common.address).at_pace(pace);
        while !self.ends() {
            let path = format!("/v1/videos/{}/content", self.common.large.0);
            let file = self.get(&path).await;
            let is_whole = file.body == self.common.large.1;
            self.note(|seen| {
                seen.large += usize::from(is_whole);
                if !is_whole {
                    seen.complaints.push(format!("a large file: {} bytes of another", file.body.len()));
                }
            });
        }
    }

    /// Makes videos that take a while, and follows each to its end, at whichever gateway is there.
    async fn follow_videos(&mut self) {
        for n in 0.. {
            if self.ends() {
                return;
            }
            let id = self.create(&format!("[slow]+{}+video+{n}", self.name)).await;
            let path = format!("/v1/videos/{id}/events");
            loop {
                let text = String::from_utf8_lossy(&self.get(&path).await.body).into_owned();
                let last = wire::events(&text).into_iter().rfind(|(name, _)| name != ":");
                let (name, data) = last.unwrap_or_default();
                let video: Value = serde_json::from_str(&data).unwrap_or_default();
                match &*name {
                    "video.completed" if video["id"] == *id && video["status"] == "completed" => {
                        self.note(|seen| seen.told_the_end += 1);
                        break;
                    }
                    "gateway.stopping" if video["id"] == *id && video["status"] != "completed" => {
                        self.note(|seen| seen.told_to_resume += 1);
                    }
                    _ => {
                        self.note(|seen| seen.complaints.push(format!("a stream's last event: {text}")));
                        break;
                    }
                }
            }
        }
    }
}
