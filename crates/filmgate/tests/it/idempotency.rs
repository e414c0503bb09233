//! Repeated requests: one key, one video and one answer; and SDKs that repeat themselves without a key.

mod many;
mod races;
mod retries;

use std::collections::BTreeMap;
use std::time::Duration;

use reqwest::header::HeaderMap;
use reqwest::{Method, RequestBuilder, StatusCode};
use serde_json::{Value, json};
use tokio::task::{JoinHandle, JoinSet};

use crate::app::{Setup, TestApp};
use crate::books;
use crate::wire::{assert_openai_error, assert_xai_error, events, form};

const OPENAI: &str = "/v1/videos";
const XAI: &str = "/v1/videos/generations";
const CHAT: &str = "/v1/chat/completions";

/// An answer, to the byte.
#[derive(Debug, PartialEq)]
struct Raw {
    status: StatusCode,
    headers: HeaderMap,
    body: String,
}

impl Raw {
    fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_else(|_| panic!("no JSON: {self:?}"))
    }

    fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().unwrap())
    }

    /// The code of an error, in either dialect.
    fn code(&self) -> String {
        let body = self.json();
        let code = if body["error"].is_string() { &body["code"] } else { &body["error"]["code"] };
        code.as_str().unwrap_or_else(|| panic!("no code: {body}")).replace('-', "_")
    }

    /// The video that it is about, as 32 hex digits.
    fn video(&self) -> String {
        let body = self.json();
        let id = ["id", "request_id"].iter().find_map(|field| body[field].as_str());
        let id = id.or_else(|| body["error"]["video_id"].as_str());
        let id = id.unwrap_or_else(|| panic!("no id: {body}"));
        id.trim_start_matches("video_").trim_start_matches("chatcmpl-").replace('-', "")
    }
}

/// A request whose body is JSON.
fn request(app: &TestApp, path: &str, headers: &[(&str, &str)], body: &Value) -> RequestBuilder {
    let request = app.http.post(format!("{}{path}", app.url)).bearer_auth(&app.client_key).json(body);
    headers.iter().fold(request, |request, (name, value)| request.header(*name, *value))
}

async fn send(request: RequestBuilder) -> Raw {
    let response = request.send().await.unwrap();
    let (status, headers) = (response.status(), response.headers().clone());
    Raw { status, headers, body: response.text().await.unwrap() }
}

/// Sends a request without waiting for its answer.
fn begin(request: RequestBuilder) -> JoinHandle<Raw> {
    tokio::spawn(send(request))
}

async fn with_key(app: &TestApp, path: &str, key: &str, body: &Value) -> Raw {
    send(request(app, path, &[("idempotency-key", key)], body)).await
}

fn conversation(prompt: &str) -> Value {
    json!({ "model": "grok-video", "messages": [{ "role": "user", "content": prompt }] })
}

fn streamed(prompt: &str) -> Value {
    let mut body = conversation(prompt);
    body["stream"] = json!(true);
    body
}

#[track_caller]
fn assert_replayed(again: &Raw, first: &Raw) {
    assert_eq!((again.status, &again.body), (first.status, &first.body));
    assert_eq!(again.header("content-type"), first.header("content-type"));
    assert_eq!(first.header("x-filmgate-replayed"), "");
    assert_eq!(again.header("x-filmgate-replayed"), "true");
}

#[tokio::test]
async fn of_sixty_four_at_once_with_one_key_one_makes_a_video() {
    let app = Setup { tokens: [0, 8], ..Setup::default() }.start().await;
    let mut race = JoinSet::new();
    for n in 0..64 {
        for key in ["k1", "k2", "k3", "k4"] {
            // A quarter of them say something else.
            let prompt = if n % 4 == 3 { format!("{key} other") } else { format!("{key} usual") };
            let body = json!({ "prompt": prompt, "seconds": "4", "size": "1280x720" });
            let request = request(&app, OPENAI, &[("idempotency-key", key)], &body);
            race.spawn(async move { (key, prompt, send(request).await) });
        }
    }
    let mut answers: BTreeMap<&str, Vec<(String, Raw)>> = BTreeMap::new();
    for (key, prompt, answer) in race.join_all().await {
        answers.entry(key).or_default().push((prompt, answer));
    }
    assert_eq!(app.jobs().await.len(), 4);
    for (key, answers) in answers {
        let (winner, first) = answers.iter().find(|(_, answer)| answer.status == StatusCode::OK).unwrap();
        for (prompt, answer) in &answers {
            match answer.status {
                StatusCode::OK => assert_eq!((prompt, &answer.body), (winner, &first.body)),
                StatusCode::CONFLICT => {
                    let told = (&*answer.code(), answer.header("retry-after"));
                    assert_eq!(told, ("idempotency_in_progress", "1"));
                }
                _ => {
                    assert_ne!(prompt, winner);
                    assert_eq!(answer.status, StatusCode::UNPROCESSABLE_ENTITY);
                    assert_eq!(answer.code(), "idempotency_key_reused");
                }
            }
        }
        let fresh = answers
            .iter()
            .filter(|(_, a)| a.status == StatusCode::OK && a.header("x-filmgate-replayed").is_empty());
        assert_eq!(fresh.count(), 1, "one was first");
        app.ended(&format!("video_{}", first.video())).await;
        let body = json!({ "prompt": winner, "seconds": "4", "size": "1280x720" });
        assert_eq!(with_key(&app, OPENAI, key, &body).await.body, first.body);
    }
    assert_eq!(books::generations(&app).len(), 4);
    assert!(books::generations(&app).values().all(|times| *times == 1), "{:?}", books::generations(&app));
    books::balance(&app).await;
}

#[tokio::test]
async fn every_creation_is_replayed_byte_for_byte_after_a_kill_and_a_delete() {
    let mut app = Setup { tokens: [0, 8], ..Setup::default() }.start().await;
    let source = app.make("the source", "480p", 4).await["id"].as_str().unwrap().to_owned();
    let source_url = app.get(&format!("/xai/v1/videos/{source}")).await["video"]["url"].clone();
    let remix = format!("/v1/videos/{source}/remix");
    let cases = [
        (OPENAI, json!({ "prompt": "one", "seconds": 4, "size": "1280x720" })),
        ("/openai/v1/videos", json!({ "prompt": "two", "seconds": 4, "size": "1280x720" })),
        (XAI, json!({ "prompt": "three" })),
        (&*remix, json!({ "prompt": "four" })),
        ("/v1/videos/edits", json!({ "prompt": "five", "video": { "id": source } })),
        ("/v1/videos/edits", json!({ "prompt": "six", "video": { "url": source_url } })),
        ("/v1/videos/extensions", json!({ "prompt": "seven", "seconds": "4", "video": { "id": source } })),
    ];
    let made = app.jobs().await.len();
    let mut firsts = Vec::new();
    for (n, (path, body)) in cases.iter().enumerate() {
        let first = with_key(&app, path, &format!("key-{n}"), body).await;
        assert_eq!(first.status, StatusCode::OK, "{first:?}");
        assert_replayed(&with_key(&app, path, &format!("key-{n}"), body).await, &first);
        firsts.push(first);
    }
    let fields = [("prompt", "a form"), ("seconds", "4")];
    let of_form = async |app: &TestApp, boundary: &str| {
        let content_type = format!("multipart/form-data; boundary={boundary}");
        let request = app.http.post(format!("{}{OPENAI}", app.url)).bearer_auth(&app.client_key);
        let request = request.header("content-type", content_type).header("idempotency-key", "form");
        send(request.body(form(boundary, &fields))).await
    };
    let first_form = of_form(&app, "one-b0undary").await;
    assert_eq!(first_form.status, StatusCode::OK, "{first_form:?}");

    // The jobs have changed, and so would a status.
    for first in firsts.iter().chain([&first_form]) {
        app.ended(&format!("video_{}", first.video())).await;
    }
    app.kill();
    app.launch().await;
    // The source is needed no more, and neither is a video.
    for id in [&source, &format!("video_{}", firsts[0].video())] {
        let deleted = app.request(Method::DELETE, &format!("/v1/videos/{id}"), None).await;
        assert_eq!(deleted.status(), StatusCode::OK);
    }
    for (n, ((path, body), first)) in cases.iter().zip(&firsts).enumerate() {
        assert_replayed(&with_key(&app, path, &format!("key-{n}"), body).await, first);
        let other = with_key(&app, path, &format!("key-{n}"), &json!({ "prompt": "other" })).await;
        assert_eq!(
            (other.status, &*other.code()),
            (StatusCode::UNPROCESSABLE_ENTITY, "idempotency_key_reused")
        );
    }
    assert_replayed(&of_form(&app, "another-b0undary-2").await, &first_form);
    assert_eq!(app.jobs().await.len(), made + cases.len() + 1 - 2, "two are deleted");
    assert!(books::generations(&app).values().all(|times| *times == 1), "{:?}", books::generations(&app));
}

#[tokio::test]
async fn a_completion_is_replayed_byte_for_byte_after_a_kill() {
    let mut app = Setup { tokens: [0, 4], video_seconds: 0.0, ..Setup::default() }.start().await;
    let good = with_key(&app, CHAT, "good", &conversation("a fox")).await;
    let bad = with_key(&app, CHAT, "bad", &conversation("[fail]")).await;
    assert_eq!((good.status, bad.status), (StatusCode::OK, StatusCode::UNPROCESSABLE_ENTITY));
    // Links tell when they expire: one made a second later is another.
    tokio::time::sleep(Duration::from_millis(1100)).await;
    for restarts in [false, true] {
        if restarts {
            app.kill();
            app.launch().await;
        }
        assert_replayed(&with_key(&app, CHAT, "good", &conversation("a fox")).await, &good);
        let bad_again = with_key(&app, CHAT, "bad", &conversation("[fail]")).await;
        assert_replayed(&bad_again, &bad);
        assert_eq!((bad.header("x-should-retry"), bad_again.header("x-should-retry")), ("false", "false"));
    }
    let other = with_key(&app, CHAT, "good", &conversation("another fox")).await;
    assert_eq!((other.status, &*other.code()), (StatusCode::UNPROCESSABLE_ENTITY, "idempotency_key_reused"));
    assert_eq!(app.jobs().await.len(), 2);
}

/// What a stream says besides how things stand at the moment.
fn said(stream: &Raw) -> Vec<(String, String)> {
    assert_eq!(stream.header("content-type"), "text/event-stream");
    let events = events(&stream.body).into_iter();
    events.filter(|(name, data)| name != ":" && !data.contains("reasoning_content")).collect()
}

#[tokio::test]
async fn a_stream_is_followed_and_replayed_after_a_kill() {
    let mut app = Setup { tokens: [0, 4], video_seconds: 0.4, ..Setup::default() }.start().await;
    let body = streamed("a fox");
    let (first, meanwhile) = tokio::join!(with_key(&app, CHAT, "s", &body), async {
        while app.jobs().await.is_empty() {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        with_key(&app, CHAT, "s", &body).await
    });
    assert!(said(&first).iter().any(|(_, data)| data.contains("/media/")), "{first:?}");
    assert_eq!((said(&meanwhile), meanwhile.header("x-filmgate-replayed")), (said(&first), "true"));
    let failed = with_key(&app, CHAT, "f", &streamed("[fail]")).await;
    assert_eq!(said(&failed)[1].0, "error");
    tokio::time::sleep(Duration::from_millis(1100)).await;
    let again = with_key(&app, CHAT, "s", &streamed("a fox")).await;
    assert_eq!(said(&again), said(&first));
    app.kill();
    app.launch().await;
    assert_replayed_stream(&with_key(&app, CHAT, "s", &streamed("a fox")).await, &again);
    assert_eq!(said(&with_key(&app, CHAT, "f", &streamed("[fail]")).await), said(&failed));
    assert_eq!(app.jobs().await.len(), 2);
}

/// Once the video is there, there is no progress to tell: all of it is the same.
#[track_caller]
fn assert_replayed_stream(again: &Raw, earlier: &Raw) {
    assert_eq!(again.body, earlier.body);
    assert_eq!(again.header("x-filmgate-replayed"), "true");
}

#[tokio::test]
async fn a_completion_whose_gateway_was_killed_is_joined_by_its_repeat() {
    let mut app = Setup { tokens: [0, 4], video_seconds: 0.1, ..Setup::default() }.start().await;
    for (key, body) in [("plain", conversation("[slow] one")), ("streamed", streamed("[slow] two"))] {
        let before = app.jobs().await.len();
        let lost = tokio::spawn(request(&app, CHAT, &[("idempotency-key", key)], &body).send());
        while app.jobs().await.iter().filter(|job| job["state"] == "running").count() == 0 {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        app.kill();
        drop(lost.await);
        app.launch().await;
        let other = with_key(&app, CHAT, key, &conversation("other")).await;
        assert_eq!(other.code(), "idempotency_key_reused", "the claim is there before the answer");
        let joined = with_key(&app, CHAT, key, &body).await;
        assert_eq!((joined.status, joined.header("x-filmgate-replayed")), (StatusCode::OK, "true"));
        assert!(joined.body.contains("/media/"), "{joined:?}");
        assert_eq!(app.jobs().await.len(), before + 1);
        tokio::time::sleep(Duration::from_millis(1100)).await;
        let again = with_key(&app, CHAT, key, &body).await;
        if key == "plain" {
            assert_eq!(again.body, joined.body);
        } else {
            assert_eq!(said(&again), said(&joined));
        }
    }
    assert!(books::generations(&app).values().all(|times| *times == 1));
}

#[tokio::test]
async fn keys_of_other_callers_and_paths_are_others() {
    let app = Setup { tokens: [0, 8], video_seconds: 3600.0, ..Setup::default() }.start().await;
    let body = json!({ "prompt": "a fox", "seconds": 4 });
    let mut videos = Vec::new();
    for path in [OPENAI, "/openai/v1/videos", XAI, "/xai/v1/videos/generations"] {
        videos.push(with_key(&app, path, "k", &body).await.video());
    }
    videos.push(with_key(&app, OPENAI, "K", &body).await.video());
    let stranger = app.new_key("stranger").await;
    let theirs = request(&app, OPENAI, &[("idempotency-key", "k")], &body);
    // The last one counts.
    let mut theirs = theirs.build().unwrap();
    theirs.headers_mut().insert("authorization", format!("Bearer {stranger}").parse().unwrap());
    let theirs = app.http.execute(theirs).await.unwrap().json::<Value>().await.unwrap();
    videos.push(theirs["id"].as_str().unwrap().replace("video_", ""));
    let number = videos.len();
    videos.sort_unstable();
    videos.dedup();
    assert_eq!(videos.len(), number);
}

#[tokio::test]
async fn what_was_refused_may_be_sent_again() {
    let app = Setup { tokens: [0, 1], video_seconds: 3600.0, ..Setup::default() }.start().await;
    for (path, body) in [
        (OPENAI, json!({ "prompt": "a fox", "seconds": 4, "size": "1280x720" })),
        (XAI, json!({ "prompt": "a fox" })),
    ] {
        app.each_token("ssoSuper", "disable").await;
        let malformed = with_key(&app, path, "k", &json!({ "prompt": 7 })).await;
        assert_eq!(malformed.status, StatusCode::BAD_REQUEST);
        let refused = with_key(&app, path, "k", &body).await;
        assert_eq!(refused.status, StatusCode::TOO_MANY_REQUESTS, "{refused:?}");
        app.each_token("ssoSuper", "enable").await;
        let first = with_key(&app, path, "k", &body).await;
        assert_eq!((first.status, first.header("x-filmgate-replayed")), (StatusCode::OK, ""), "{first:?}");
        assert_replayed(&with_key(&app, path, "k", &body).await, &first);
    }
    assert_eq!(app.jobs().await.len(), 2);
}

#[tokio::test]
async fn a_key_that_is_none_is_refused_by_name() {
    let app = Setup { video_seconds: 3600.0, ..Setup::default() }.start().await;
    let longest = "k".repeat(255);
    for (path, body) in
        [(OPENAI, json!({ "prompt": "x" })), (XAI, json!({ "prompt": "x" })), (CHAT, conversation("x"))]
    {
        for bad in ["", "two words", "tab\there", &"k".repeat(256)] {
            let refused = with_key(&app, path, bad, &body).await;
            assert_eq!(refused.status, StatusCode::BAD_REQUEST, "{bad:?}");
            if path == XAI {
                assert_xai_error(&refused.json())
            } else {
                assert_openai_error(&refused.json())
            }
            assert!(refused.body.contains("Idempotency-Key"), "{refused:?}");
        }
        let twice = [("idempotency-key", "a"), ("idempotency-key", "b")];
        assert_eq!(send(request(&app, path, &twice, &body)).await.status, StatusCode::BAD_REQUEST);
    }
    assert!(app.jobs().await.is_empty());
    assert_eq!(with_key(&app, OPENAI, &longest, &json!({ "prompt": "x" })).await.status, StatusCode::OK);
}

#[tokio::test]
async fn after_a_day_a_key_is_forgotten() {
    let mut app = Setup { tokens: [0, 4], video_seconds: 3600.0, ..Setup::default() }.start().await;
    let body = json!({ "prompt": "a fox", "seconds": 4 });
    let mut firsts = Vec::new();
    for key in ["almost", "yesterday", "never-again"] {
        firsts.push(with_key(&app, OPENAI, key, &body).await);
    }
    app.kill();
    let db = rusqlite::Connection::open(app.data_dir().join("filmgate.db")).unwrap();
    let age = |hours: i64, key: &str| {
        let sql = "UPDATE answers SET created_at = created_at - ?1 * 3600000 WHERE idempotency_key = ?2";
        assert_eq!(db.execute(sql, (hours, key)).unwrap(), 1);
    };
    age(23, "almost");
    age(24, "yesterday");
    age(24, "never-again");
    app.launch().await;
    assert_replayed(&with_key(&app, OPENAI, "almost", &body).await, &firsts[0]);
    let anew = with_key(&app, OPENAI, "yesterday", &json!({ "prompt": "another" })).await;
    assert_eq!((anew.status, anew.header("x-filmgate-replayed")), (StatusCode::OK, ""), "{anew:?}");
    // Retention comes by when the gateway starts.
    let kept = || -> Vec<String> {
        let mut keys = db.prepare("SELECT idempotency_key FROM answers ORDER BY 1").unwrap();
        keys.query_map((), |row| row.get(0)).unwrap().map(Result::unwrap).collect()
    };
    for _ in 0..200 {
        if kept() == ["almost", "yesterday"] {
            return;
        }
        tokio::time::sleep(Duration::from_millis(25)).await;
    }
    panic!("kept: {:?}", kept());
}
