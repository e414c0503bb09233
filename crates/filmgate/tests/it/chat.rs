//! Chat completions for video models, and retries of SDKs that got no answer.

use std::time::Duration;

use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

use crate::app::{Setup, TestApp};
use crate::wire::{Answer, assert_openai_error, events, read_to_end, snapshot};

const PATH: &str = "/v1/chat/completions";

fn at_once() -> Setup {
    Setup { video_seconds: 0.0, ..Setup::default() }
}

/// Era A of grok2api.
fn era_a(prompt: &str) -> Value {
    json!({
        "model": "grok-imagine-1.0-video",
        "messages": [{ "role": "user", "content": prompt }],
        "video_config": {
            "aspect_ratio": "16:9", "video_length": 6, "resolution_name": "480p", "preset": "normal",
        },
    })
}

/// Era C of grok2api.
fn era_c(prompt: &str) -> Value {
    json!({
        "model": "grok-imagine-video",
        "messages": [{ "role": "user", "content": [{ "type": "text", "text": prompt }] }],
        "video_config": { "seconds": 10, "size": "1280x720", "resolution_name": "720p" },
    })
}

fn streamed(mut body: Value) -> Value {
    body["stream"] = json!(true);
    body
}

async fn chat(app: &TestApp, body: Value) -> Answer {
    app.ask(Method::POST, PATH, Some(body)).await
}

/// The events of a streamed answer, as names and data.
async fn stream(app: &TestApp, body: Value) -> Vec<(String, String)> {
    let response = app.request(Method::POST, PATH, Some(streamed(body))).await;
    assert_eq!(response.status(), StatusCode::OK);
    assert_eq!(response.headers()["content-type"], "text/event-stream");
    events(&response.text().await.unwrap())
}

/// A stream without what depends on the moment: how often progress is told, and comments. Data is JSON.
fn steady_stream(events: &[(String, String)]) -> Value {
    let told = events.iter().filter(|(name, data)| name != ":" && !data.contains("reasoning_content"));
    let parsed = told.map(|(name, data)| {
        let data = serde_json::from_str(data).unwrap_or_else(|_| json!(data));
        json!({ "event": name, "data": data })
    });
    parsed.collect()
}

#[tokio::test]
async fn both_eras_get_a_completion() {
    for (name, content, body) in [
        ("era_a", "html", era_a("a red fox")),
        ("era_c", "html", era_c("a red fox")),
        ("era_a_url", "url", era_a("a red fox")),
    ] {
        let app = at_once().set(&format!("chat.content=\"{content}\"")).start().await;
        let answer = chat(&app, body.clone()).await;
        assert_eq!(answer.status, StatusCode::OK);
        assert_eq!(answer.header("x-filmgate-route"), "primary");
        assert!(!answer.header("x-filmgate-pool").is_empty() && !answer.header("x-request-id").is_empty());
        snapshot(&format!("chat_{name}"), &answer.body);

        let events = stream(&app, body).await;
        snapshot(&format!("chat_{name}_stream"), &steady_stream(&events));
        let said = answer.body["choices"][0]["message"]["content"].as_str().unwrap();
        let link = said.strip_prefix("<video controls><source src=\"").unwrap_or(said);
        let link = link.split('"').next().unwrap().replace("&amp;", "&");
        assert_eq!(app.http.get(&link).send().await.unwrap().status(), StatusCode::OK, "{link}");
    }
}

#[tokio::test]
async fn a_stream_tells_how_it_goes() {
    let app = Setup { video_seconds: 0.4, ..Setup::default() }.start().await;
    let events = stream(&app, era_a("a red fox")).await;
    let progress: Vec<u32> = events
        .iter()
        .filter_map(|(_, data)| serde_json::from_str::<Value>(data).ok())
        .filter_map(|chunk| Some(chunk["choices"][0]["delta"]["reasoning_content"].as_str()?.to_owned()))
        .map(|line| line.trim_end().strip_suffix('%').unwrap().rsplit(' ').next().unwrap().parse().unwrap())
        .collect();
    assert!(progress.len() >= 2 && progress.is_sorted(), "{progress:?}");
    let ids: std::collections::HashSet<String> = events
        .iter()
        .filter_map(|(_, data)| serde_json::from_str::<Value>(data).ok())
        .map(|chunk| chunk["id"].as_str().unwrap().to_owned())
        .collect();
    assert_eq!(ids.len(), 1, "all chunks belong to one completion");
}

#[tokio::test]
async fn a_failure_after_acceptance_is_422_and_not_to_be_retried() {
    let app = at_once().start().await;
    for (prompt, code) in [
        ("[fail]", "upstream_failed"),
        ("[moderate]", "moderation_blocked"),
        ("[expire]", "expired"),
        ("[error]", "outcome_unknown"),
        ("[garbage]", "outcome_unknown"),
        ("[notvideo]", "not_a_video"),
    ] {
        let failed = chat(&app, era_a(prompt)).await;
        assert_eq!(failed.status, StatusCode::UNPROCESSABLE_ENTITY, "{prompt}: {}", failed.body);
        assert_openai_error(&failed.body);
        assert_eq!(failed.body["error"]["code"], code, "{prompt}");
        assert_eq!(failed.header("x-should-retry"), "false");
        assert_eq!(failed.header("x-filmgate-pool"), "ssoBasic");
        let id = failed.body["error"]["video_id"].as_str().unwrap();
        let video = app.get(&format!("/v1/videos/{id}")).await;
        assert_eq!((&video["status"], &video["error"]["code"]), (&json!("failed"), &json!(code)));
    }
    snapshot("chat_failed", &chat(&app, era_a("[fail]")).await.body);
}

#[tokio::test]
async fn a_failure_in_mid_stream_is_an_event() {
    let app = at_once().start().await;
    let events = stream(&app, era_c("[moderate]")).await;
    let [.., (name, error), done] = &events[..] else { panic!("{events:?}") };
    assert_eq!((name.as_str(), done), ("error", &(String::new(), "[DONE]".to_owned())));
    let error: Value = serde_json::from_str(error).unwrap();
    assert_openai_error(&error);
    assert!(error["error"]["video_id"].is_string());
    snapshot("chat_failed_stream", &steady_stream(&events));
}

#[tokio::test]
async fn what_is_refused_before_acceptance_is_no_stream() {
    let app = Setup { tokens: [0, 0], ..Setup::default() }.start().await;
    let refused = chat(&app, streamed(era_a("a red fox"))).await;
    assert_eq!(refused.status, StatusCode::TOO_MANY_REQUESTS);
    assert_openai_error(&refused.body);
    assert_eq!(refused.header("x-should-retry"), "", "it may be retried");
    let mut wrong = streamed(era_a("a red fox"));
    wrong["video_config"]["video_length"] = json!(7.5);
    let wrong = chat(&app, wrong).await;
    assert_eq!(
        (wrong.status, &wrong.body["error"]["code"]),
        (StatusCode::BAD_REQUEST, &json!("invalid_video_length"))
    );
    assert_eq!(wrong.body["error"]["param"], "video_config.video_length");
}

#[tokio::test]
async fn a_quiet_stream_is_kept_alive_by_comments() {
    let app =
        Setup { video_seconds: 3600.0, ..Setup::default() }.set("chat.ping_every=\"30ms\"").start().await;
    let mut response = app.request(Method::POST, PATH, Some(streamed(era_a("a red fox")))).await;
    let mut text = String::new();
    while text.matches(": ping\n\n").count() < 3 {
        let chunk = response.chunk().await.unwrap().expect("the stream goes on");
        text += std::str::from_utf8(&chunk).unwrap();
    }
    let pings = events(&text).into_iter().filter(|event| *event == (":".to_owned(), "ping".to_owned()));
    assert!(pings.count() >= 3);
}

#[tokio::test]
async fn a_client_that_goes_away_stops_nothing() {
    let app = Setup { video_seconds: 0.5, ..Setup::default() }.start().await;
    for body in [era_a("a red fox"), streamed(era_a("a red fox"))] {
        let body = body.to_string();
        let head = format!(
            "POST {PATH} HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {}\r\ncontent-type: application/json\r\n\
             content-length: {}\r\n\r\n",
            app.client_key,
            body.len()
        );
        let before = app.jobs().await.len();
        let connection = app.connect_and_send(format!("{head}{body}").as_bytes());
        let id = loop {
            let jobs = app.jobs().await;
            if jobs.len() > before {
                break jobs[0]["id"].as_str().unwrap().to_owned();
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        };
        drop(connection);
        assert_eq!(app.finished(&id).await["status"], "completed");
    }
    assert_eq!(app.simulator.generations().len(), 2);
}

/// What the OpenAI SDKs send with a retry.
const RETRY: &[(&str, &str)] = &[("content-type", "application/json"), ("x-stainless-retry-count", "1")];
const FIRST: &[(&str, &str)] = &[("content-type", "application/json"), ("x-stainless-retry-count", "0")];

async fn completion(app: &TestApp, headers: &[(&str, &str)], body: &Value) -> Answer {
    let answer = Answer::of(app.post(PATH, headers, body.to_string()).await).await;
    assert_eq!(answer.status, StatusCode::OK, "{}", answer.body);
    answer
}

#[tokio::test]
async fn an_identical_retry_joins_the_job() {
    let app = Setup { video_seconds: 0.6, ..Setup::default() }.start().await;
    let body = era_a("a red fox");
    // The first runs, and its client has lost patience.
    let (first, retry) = tokio::join!(completion(&app, FIRST, &body), async {
        while app.jobs().await.is_empty() {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        completion(&app, RETRY, &body).await
    });
    assert_eq!(first.body["id"], retry.body["id"]);
    // It has ended a moment ago: still the same.
    assert_eq!(completion(&app, RETRY, &body).await.body["id"], first.body["id"]);
    let again = stream_of_retry(&app, &body).await;
    assert!(again.contains(first.body["id"].as_str().unwrap()));
    assert_eq!(app.simulator.generations().len(), 1);

    // Another body is another video, also when it differs in a blank only; and so is the same one asked anew.
    completion(&app, RETRY, &era_a("a red fox.")).await;
    assert_eq!(app.simulator.generations().len(), 2);
    completion(&app, FIRST, &body).await;
    assert_eq!(app.simulator.generations().len(), 3);
    let no_sdk = [("content-type", "application/json")];
    completion(&app, &no_sdk, &body).await;
    assert_eq!(app.simulator.generations().len(), 4);
    for nonsense in ["yes", "-1", "", "1.5"] {
        let headers = [("content-type", "application/json"), ("x-stainless-retry-count", nonsense)];
        completion(&app, &headers, &body).await;
    }
    assert_eq!(app.simulator.generations().len(), 8);
}

/// The same bytes, so that the retry is identical: the body says `stream` in neither.
async fn stream_of_retry(app: &TestApp, body: &Value) -> String {
    completion(app, RETRY, body).await.body.to_string()
}

#[tokio::test]
async fn a_retry_of_somebody_else_joins_nothing() {
    let app = at_once().start().await;
    let body = era_a("a red fox");
    completion(&app, FIRST, &body).await;
    let stranger = app.new_key("stranger").await;
    let url = format!("{}{PATH}", app.url);
    let request = app.http.post(url).bearer_auth(stranger).json(&body).header("x-stainless-retry-count", "1");
    assert_eq!(request.send().await.unwrap().status(), StatusCode::OK);
    assert_eq!(app.simulator.generations().len(), 2);
}

#[tokio::test]
async fn a_retried_create_joins_too_whatever_its_boundary() {
    let mut app = Setup { video_seconds: 3600.0, ..Setup::default() }.start().await;
    let fields = [("prompt", "a red fox"), ("seconds", "4")];
    let id = |video: Answer| video.body["id"].as_str().unwrap().to_owned();
    let headers = [("x-stainless-retry-count", "0")];
    let first = id(Answer::of(app.post_form("/v1/videos", "aaaa0001", &headers, &fields).await).await);
    let headers = [("x-stainless-retry-count", "2")];
    let retry = |boundary| app.post_form("/v1/videos", boundary, &headers, &fields);
    assert_eq!(id(Answer::of(retry("bbbbbb0002").await).await), first);
    // The same path, another form.
    let other = [("prompt", "a red fox"), ("seconds", "5")];
    assert_ne!(id(Answer::of(app.post_form("/v1/videos", "cccc", &headers, &other).await).await), first);
    // The same bytes at another path are another request.
    let body = json!({ "prompt": "a red fox" }).to_string();
    let by_openai = Answer::of(app.post("/v1/videos", FIRST, body.clone()).await).await;
    let by_xai = Answer::of(app.post("/v1/videos/generations", RETRY, body.clone()).await).await;
    assert_ne!(by_openai.body["filmgate"]["asked"], by_xai.body["filmgate"]["asked"]);
    let again = Answer::of(app.post("/v1/videos/generations", RETRY, body).await).await;
    assert_eq!(again.body["request_id"], by_xai.body["request_id"]);

    let made = app.jobs().await.len();
    assert!(app.stop());
    app.launch().await;
    let after_restart = app.post_form("/v1/videos", "d".repeat(32).as_str(), &headers, &fields).await;
    assert_eq!(id(Answer::of(after_restart).await), first);
    assert_eq!(app.jobs().await.len(), made);
}

#[tokio::test]
async fn a_retry_after_a_restart_finds_what_has_just_ended() {
    let mut app = at_once().start().await;
    let body = era_a("a red fox");
    let first = completion(&app, FIRST, &body).await;
    app.kill();
    app.launch().await;
    assert_eq!(completion(&app, RETRY, &body).await.body["id"], first.body["id"]);
    assert_eq!(app.simulator.generations().len(), 1);
}

#[tokio::test]
async fn a_stop_leaves_no_client_without_an_answer() {
    let setup = Setup { video_seconds: 3600.0, ..Setup::default() }.set("server.shutdown_grace=\"1s\"");
    let mut app = setup.start().await;
    let wait = |body: Value| {
        let body = body.to_string();
        let head = format!(
            "POST {PATH} HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {}\r\ncontent-length: {}\r\n\r\n",
            app.client_key,
            body.len()
        );
        app.connect_and_send(format!("{head}{body}").as_bytes())
    };
    let (plain, streamed) = (wait(era_a("a red fox")), wait(streamed(era_a("a red fox"))));
    while app.jobs().await.iter().filter(|job| job["state"] == "running").count() < 2 {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    app.stop();
    let plain = read_to_end(plain);
    let (head, body) = plain.split_once("\r\n\r\n").unwrap_or_else(|| panic!("no answer: {plain:?}"));
    assert!(head.starts_with("HTTP/1.1 422 ") && head.contains("x-should-retry: false"), "{head}");
    let error: Value = serde_json::from_str(body).unwrap();
    assert_openai_error(&error);
    assert_eq!(error["error"]["code"], "interrupted");
    let streamed = read_to_end(streamed);
    assert!(
        streamed.contains("event: error\ndata: {\"error\":") && streamed.contains("interrupted"),
        "{streamed}"
    );
    assert!(streamed.contains("data: [DONE]"), "{streamed}");

    app.launch().await;
    let id = error["error"]["video_id"].as_str().unwrap();
    app.until(&format!("/v1/videos/{id}"), |video| video["status"] == "in_progress").await;
    assert_eq!(app.simulator.generations().len(), 2);
}
