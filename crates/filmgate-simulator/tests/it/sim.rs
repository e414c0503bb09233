//! A running simulator and what tests do with it.

use std::time::Duration;

use filmgate_simulator::{Delivered, Generation, Render, Simulator, SimulatorConfig, demo_tokens};
use mp4_atom::{Decode as _, Moov};
use reqwest::{
    Client, Method, RequestBuilder, Response, StatusCode,
    multipart::{Form, Part},
    redirect::Policy,
};
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

/// A running simulator, and a client that holds one token of each kind.
pub(crate) struct Sim {
    pub(crate) sim: Simulator,
    pub(crate) client: Client,
}

impl Sim {
    /// Flat videos that take no time.
    pub(crate) async fn start() -> Self {
        Self::with(quick()).await
    }

    pub(crate) async fn with(config: SimulatorConfig) -> Self {
        // The tests speak plain HTTP, but the client wants to know how it would encrypt.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let sim = Simulator::start(config, ([127, 0, 0, 1], 0).into()).await.expect("started");
        let client = Client::builder().no_proxy().redirect(Policy::none()).build().expect("a client");
        Self { sim, client }
    }

    pub(crate) fn request(&self, method: Method, path: &str) -> RequestBuilder {
        self.client.request(method, format!("http://{}{path}", self.sim.addr()))
    }

    /// A create of xAI's dialect, such as `edits`.
    pub(crate) fn post(&self, tier: &str, what: &str, body: &Value) -> RequestBuilder {
        self.request(Method::POST, &format!("/v1/videos/{what}")).bearer_auth(secret(tier)).json(body)
    }

    pub(crate) fn create(&self, tier: &str, body: &Value) -> RequestBuilder {
        self.post(tier, "generations", body)
    }

    pub(crate) async fn created(&self, tier: &str, body: &Value) -> String {
        self.taken(self.create(tier, body)).await
    }

    /// The id that a create of xAI's dialect answers.
    pub(crate) async fn taken(&self, create: RequestBuilder) -> String {
        let response = create.send().await.expect("answered");
        assert_eq!(response.status(), StatusCode::OK);
        let body: Value = response.json().await.expect("JSON");
        body["request_id"].as_str().expect("a request_id").to_owned()
    }

    pub(crate) async fn poll(&self, tier: &str, id: &str) -> Response {
        let request = self.request(Method::GET, &format!("/v1/videos/{id}")).bearer_auth(secret(tier));
        request.send().await.expect("answered")
    }

    pub(crate) async fn finished(&self, tier: &str, id: &str) -> Value {
        loop {
            let response = self.poll(tier, id).await;
            match response.status() {
                StatusCode::ACCEPTED => tokio::time::sleep(Duration::from_millis(5)).await,
                StatusCode::OK => return response.json().await.expect("JSON"),
                status => panic!("{status}"),
            }
        }
    }

    pub(crate) async fn made(&self, tier: &str, body: &Value) -> Value {
        let id = self.created(tier, body).await;
        self.finished(tier, &id).await
    }

    pub(crate) async fn file(&self, done: &Value) -> Response {
        let url = done["video"]["url"].as_str().expect("a url");
        self.client.get(url).send().await.expect("answered")
    }

    /// What the books say of the video that came last.
    pub(crate) fn last(&self) -> Generation {
        self.sim.generations().pop().expect("a generation")
    }

    pub(crate) fn delivered(&self) -> Delivered {
        self.last().delivered.expect("a file")
    }

    /// A request of OpenAI's dialect by the `super` token, such as `GET /videos`.
    pub(crate) fn openai(&self, method: Method, path: &str) -> RequestBuilder {
        self.openai_as("super", method, path)
    }

    pub(crate) fn openai_as(&self, tier: &str, method: Method, path: &str) -> RequestBuilder {
        self.client.request(method, format!("{}{path}", self.sim.openai_url())).bearer_auth(secret(tier))
    }

    /// A create of OpenAI's dialect as its own clients send it: multipart.
    pub(crate) fn openai_form(&self, path: &str, fields: &[(&str, &str)]) -> RequestBuilder {
        self.openai(Method::POST, path).multipart(form(fields))
    }

    /// The video object that a request answers.
    pub(crate) async fn video(&self, request: RequestBuilder) -> Value {
        let response = request.send().await.expect("answered");
        let status = response.status();
        let body: Value = response.json().await.expect("JSON");
        assert_eq!(status, StatusCode::OK, "{body}");
        assert_eq!((&body["object"], body.as_object().map(|keys| keys.len())), (&json!("video"), Some(13)));
        body
    }

    /// The same, and waits until it has ended.
    pub(crate) async fn ended(&self, request: RequestBuilder) -> Value {
        let taken = self.video(request).await;
        let path = video_path(&taken);
        loop {
            let video = self.video(self.openai(Method::GET, &path)).await;
            if !matches!(video["status"].as_str(), Some("queued" | "in_progress" | "processing")) {
                return video;
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }

    /// The file of a video of OpenAI's dialect.
    pub(crate) fn content(&self, video: &Value) -> RequestBuilder {
        self.openai(Method::GET, &format!("{}/content", video_path(video)))
    }

    /// Waits until so many videos have been accepted.
    pub(crate) async fn accepted(&self, count: usize) {
        while self.sim.generations().len() < count {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }

    pub(crate) async fn change(&self, token: &str, change: Value) {
        let request = self.request(Method::POST, &format!("/simulator/tokens/{token}")).json(&change);
        assert_eq!(request.send().await.expect("answered").status(), StatusCode::OK);
    }
}

pub(crate) fn quick() -> SimulatorConfig {
    SimulatorConfig { video_seconds: 0.0, render: Render::Flat, ..SimulatorConfig::default() }
}

pub(crate) fn secret(tier: &str) -> String {
    demo_tokens(tier, 1).remove(0).secret
}

pub(crate) fn order(prompt: &str) -> Value {
    json!({"model": "grok-imagine-video", "prompt": prompt, "resolution": "720p", "duration": 10})
}

pub(crate) async fn refusal(request: RequestBuilder, status: u16) -> Value {
    let response = request.send().await.expect("answered");
    assert_eq!(response.status().as_u16(), status);
    let body: Value = response.json().await.expect("JSON");
    assert!(body["code"].is_string() && body["error"].is_string(), "{body}");
    body
}

/// Whether every box of an MP4 lies inside the file, and which they are.
pub(crate) fn boxes(file: &[u8]) -> (bool, Vec<String>) {
    let (mut names, mut at) = (Vec::new(), 0);
    while at + 8 <= file.len() {
        let length = u32::from_be_bytes(file[at..at + 4].try_into().expect("four bytes"));
        names.push(String::from_utf8_lossy(&file[at + 4..at + 8]).into_owned());
        at += length as usize;
    }
    (at == file.len(), names)
}

/// The path of a video of OpenAI's dialect, escaped as it must be.
pub(crate) fn video_path(video: &Value) -> String {
    let id = video["id"].as_str().expect("an id");
    format!("/videos/{}", id.replace('+', "%2B").replace('/', "%2F").replace('=', "%3D"))
}

pub(crate) fn form(fields: &[(&str, &str)]) -> Form {
    let text = |form: Form, (name, value): &(&str, &str)| form.text((*name).to_owned(), (*value).to_owned());
    fields.iter().fold(Form::new(), text)
}

pub(crate) fn file(bytes: impl Into<Vec<u8>>, name: &str, media_type: &str) -> Part {
    Part::bytes(bytes.into()).file_name(name.to_owned()).mime_str(media_type).expect("a media type")
}

/// A refusal of OpenAI's dialect.
pub(crate) async fn openai_refusal(request: RequestBuilder, status: u16) -> Value {
    let response = request.send().await.expect("answered");
    let (answered, body) = (response.status().as_u16(), response.text().await.expect("text"));
    assert_eq!(answered, status, "{body}");
    let body: Value = serde_json::from_str(&body).expect("JSON");
    let error = &body["error"];
    assert!(error["message"].is_string() && error["type"].is_string() && error["code"].is_string(), "{body}");
    assert!(error.get("param").is_some(), "{body}");
    error.clone()
}

pub(crate) fn sha256(data: &[u8]) -> String {
    hex::encode(Sha256::digest(data))
}

/// Width, height and length in seconds of an MP4, as its header says.
pub(crate) fn measured(file: &[u8]) -> (u16, u16, f64) {
    let at = file.windows(4).position(|name| name == b"moov").expect("a moov") - 4;
    let moov = Moov::decode(&mut &file[at..]).expect("a readable moov");
    let (track, movie) = (&moov.trak[0].tkhd, &moov.mvhd);
    let seconds = movie.duration as f64 / f64::from(movie.timescale);
    (track.width.integer(), track.height.integer(), seconds)
}
