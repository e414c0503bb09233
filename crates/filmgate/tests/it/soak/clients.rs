//! The clients: they ask in every dialect, with idempotency keys, and again where the gateway was gone; they look at
//! what becomes of their videos, and write down what they are told.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use rand::rngs::StdRng;
use rand::{RngExt as _, SeedableRng as _};
use reqwest::{Response, StatusCode};
use serde_json::{Value, json};
use tokio::sync::watch;
use tokio::task::JoinSet;

use super::providers::MODELS;
use crate::app::TestApp;

const CLIENTS: u64 = 12;

/// What goes wrong at the provider; mostly nothing.
const FAULTS: [&str; 14] = [
    "",
    "",
    "",
    "",
    "",
    "",
    "[slow]",
    "[slow]",
    "[fail]",
    "[moderate]",
    "[lost]",
    "[garbage]",
    "[busy]",
    "[hang]",
];

/// What clients were told.
#[derive(Debug, Default)]
pub(super) struct Told {
    /// The ids of accepted videos, as 32 hex digits, with their prompts.
    pub(super) accepted: Vec<(String, String)>,
    /// How videos ended, by their prompts: `completed` or `failed`.
    pub(super) ended: Vec<(String, &'static str)>,
    /// Requests that were refused for want of a token.
    pub(super) refused: usize,
    /// Files that were downloaded: prompt and SHA-256.
    pub(super) files: Vec<(String, String)>,
    /// What no client should see.
    pub(super) complaints: Vec<String>,
}

/// Clients at work.
pub(super) struct Clients {
    /// Where the gateway is; empty at the end.
    address: watch::Sender<String>,
    told: Arc<Mutex<Told>>,
    tasks: JoinSet<()>,
}

impl Clients {
    pub(super) fn start(app: &TestApp, seed: u64) -> Self {
        let address = watch::Sender::new(app.url.clone());
        let told = Arc::<Mutex<Told>>::default();
        let mut tasks = JoinSet::new();
        for n in 0..CLIENTS {
            let client = Client {
                name: format!("client {n}"),
                http: app.http.clone(),
                key: app.client_key.clone(),
                address: address.subscribe(),
                told: Arc::clone(&told),
                rng: StdRng::seed_from_u64(seed ^ (n + 1)),
            };
            tasks.spawn(client.work());
        }
        Self { address, told, tasks }
    }

    /// The gateway is here now.
    pub(super) fn may_go_on(&self, url: &str) {
        self.address.send_replace(url.to_owned());
    }

    /// Each client finishes what it is at.
    pub(super) async fn stop(self) -> Told {
        let url = self.address.borrow().clone();
        self.address.send_replace(format!("{url}#last"));
        self.tasks.join_all().await;
        std::mem::take(&mut *self.told.lock().unwrap())
    }
}

struct Client {
    name: String,
    http: reqwest::Client,
    key: String,
    address: watch::Receiver<String>,
    told: Arc<Mutex<Told>>,
    rng: StdRng,
}

impl Client {
    async fn work(mut self) {
        for n in 0.. {
            if self.address.borrow().ends_with("#last") {
                return;
            }
            let fault = FAULTS[self.rng.random_range(0..FAULTS.len())];
            let prompt = format!("{fault} {} video {n}", self.name).trim().to_owned();
            let model = MODELS[self.rng.random_range(0..MODELS.len())];
            match self.rng.random_range(0..4) {
                0 => self.chat(&prompt, model, false).await,
                1 => self.chat(&prompt, model, true).await,
                2 => self.create("/v1/videos/generations", &prompt, model).await,
                _ => self.create("/v1/videos", &prompt, model).await,
            }
            let pause = self.rng.random_range(0..120);
            tokio::time::sleep(Duration::from_millis(pause)).await;
        }
    }

    fn url(&self, path: &str) -> String {
        let address = self.address.borrow();
        format!("{}{path}", address.trim_end_matches("#last"))
    }

    fn note(&self, note: impl FnOnce(&mut Told)) {
        note(&mut self.told.lock().unwrap());
    }

    fn complain(&self, what: String) {
        self.note(|told| told.complaints.push(what));
    }

    /// Asks until there is an answer that counts: the gateway may be gone for a moment.
    async fn post(&self, path: &str, body: &Value, prompt: &str) -> Response {
        loop {
            let request = self.http.post(self.url(path)).bearer_auth(&self.key).json(body);
            match request.header("idempotency-key", prompt.replace(' ', "-")).send().await {
                Ok(response) if response.status() == StatusCode::CONFLICT => {}
                Ok(response) if response.status() == StatusCode::SERVICE_UNAVAILABLE => {}
                Ok(response) => return response,
                Err(_) => {}
            }
            tokio::time::sleep(Duration::from_millis(40)).await;
        }
    }

    async fn create(&mut self, path: &str, prompt: &str, model: &str) {
        let resolution = ["480p", "720p"][self.rng.random_range(0..2)];
        let mut body = json!({ "model": model, "prompt": prompt, "resolution": resolution, "duration": 6, "aspect_ratio": "16:9" });
        if self.rng.random_bool(0.3) {
            body["on_shortage"] = json!("wait");
            body["max_wait"] = json!(2);
        }
        let answer = loop {
            let response = self.post(path, &body, prompt).await;
            let status = response.status();
            if status == StatusCode::TOO_MANY_REQUESTS {
                return self.note(|told| told.refused += 1);
            }
            // A connection that ends in the middle of an answer is one more reason to ask again.
            match response.json::<Value>().await {
                Ok(answer) if status.is_success() => break answer,
                Ok(answer) => return self.complain(format!("{prompt}: {status}: {answer}")),
                Err(_) => tokio::time::sleep(Duration::from_millis(40)).await,
            }
        };
        let id = answer["id"].as_str().or(answer["request_id"].as_str()).unwrap().to_owned();
        self.note(|told| told.accepted.push((plain(&id), prompt.to_owned())));
        match self.rng.random_range(0..4) {
            0 => {}
            1 => self.follow(&id).await,
            _ => self.look_after(&id, prompt).await,
        }
    }

    /// Asks how it stands, a few times, and fetches the file where there is one.
    async fn look_after(&mut self, id: &str, prompt: &str) {
        for _ in 0..self.rng.random_range(1..30) {
            tokio::time::sleep(Duration::from_millis(60)).await;
            let path = format!("/v1/videos/video_{}", plain(id));
            let Ok(response) = self.http.get(self.url(&path)).bearer_auth(&self.key).send().await else {
                continue;
            };
            if response.status() != StatusCode::OK {
                return self.complain(format!("{prompt} was accepted, and then: {}", response.status()));
            }
            let Ok(video) = response.json::<Value>().await else { continue };
            match video["status"].as_str() {
                Some("completed") => {
                    self.note(|told| told.ended.push((prompt.to_owned(), "completed")));
                    return self.download(id, prompt).await;
                }
                Some("failed") => {
                    return self.note(|told| told.ended.push((prompt.to_owned(), "failed")));
                }
                _ => {}
            }
        }
    }

    async fn download(&self, id: &str, prompt: &str) {
        let url = self.url(&format!("/v1/videos/video_{}/content", plain(id)));
        let Ok(response) = self.http.get(url).bearer_auth(&self.key).send().await else { return };
        let status = response.status();
        // Where the gateway is killed meanwhile, the connection ends before the file does.
        let Ok(bytes) = response.bytes().await else { return };
        if status != StatusCode::OK {
            return self.complain(format!("{prompt} was completed, and its file: {status}"));
        }
        let sha256 = sha256(&bytes);
        self.note(|told| told.files.push((prompt.to_owned(), sha256)));
    }

    /// Reads its events as far as they go.
    async fn follow(&self, id: &str) {
        let url = self.url(&format!("/v1/videos/{id}/events"));
        if let Ok(response) = self.http.get(url).bearer_auth(&self.key).send().await {
            let _ = response.text().await;
        }
    }

    async fn chat(&mut self, prompt: &str, model: &str, stream: bool) {
        let body =
            json!({ "model": model, "messages": [{ "role": "user", "content": prompt }], "stream": stream });
        for _ in 0..20 {
            let response = self.post("/v1/chat/completions", &body, prompt).await;
            let status = response.status();
            if status == StatusCode::TOO_MANY_REQUESTS {
                return self.note(|told| told.refused += 1);
            }
            let Ok(text) = response.text().await else { continue };
            let whole = !stream || text.contains("data: [DONE]");
            let ended = match status {
                _ if !whole => continue,
                StatusCode::OK if text.contains("event: error") => "failed",
                StatusCode::OK => "completed",
                StatusCode::UNPROCESSABLE_ENTITY => "failed",
                _ => return self.complain(format!("{prompt}: {status}: {text}")),
            };
            return self.note(|told| told.ended.push((prompt.to_owned(), ended)));
        }
    }
}

pub(crate) fn sha256(bytes: &[u8]) -> String {
    use sha2::Digest as _;
    hex::encode(sha2::Sha256::digest(bytes))
}

/// An id in either spelling as 32 hex digits.
pub(super) fn plain(id: &str) -> String {
    id.trim_start_matches("video_").replace('-', "")
}
