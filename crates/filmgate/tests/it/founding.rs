//! The founding document, end to end, by its numbers (F1 to F4 and F9 also stand in the domain's tests).

use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

use crate::app::{Setup, TestApp};

/// The request bodies of the document, with `messages` added.
fn founding_body(resolution: &str, seconds: Value, stream: bool) -> Value {
    json!({
        "model": "grok-video",
        "messages": [{ "role": "user", "content": "a red fox in the snow" }],
        "video_config": { "resolution_name": resolution, "video_length": seconds },
        "stream": stream,
    })
}

async fn chat(app: &TestApp, resolution: &str, seconds: u32) -> Value {
    let body = founding_body(resolution, json!(seconds), false);
    let response = app.request(Method::POST, "/v1/chat/completions", Some(body)).await;
    assert_eq!(response.status(), StatusCode::OK);
    response.json().await.unwrap()
}

fn routed(answer: &Value) -> (&str, &str, &str) {
    let report = &answer["filmgate"];
    let word = |name: &str| report[name].as_str().unwrap_or("-");
    (word("pool"), word("route"), word("verdict"))
}

#[tokio::test]
async fn f9_1_480p_6s_uses_basic() {
    let app = Setup::default().start().await;
    assert_eq!(routed(&chat(&app, "480p", 6).await), ("ssoBasic", "primary", "as_asked"));
}

#[tokio::test]
async fn f9_2_720p_6s_uses_super() {
    let app = Setup::default().start().await;
    assert_eq!(routed(&chat(&app, "720p", 6).await), ("ssoSuper", "primary", "as_asked"));
}

#[tokio::test]
async fn f9_3_480p_10s_uses_super() {
    let app = Setup::default().start().await;
    assert_eq!(routed(&chat(&app, "480p", 10).await), ("ssoSuper", "primary", "as_asked"));
}

#[tokio::test]
async fn f9_4_720p_without_super_falls_back_and_says_so() {
    let app = Setup { tokens: [2, 0], ..Setup::default() }.start().await;
    let answer = chat(&app, "720p", 6).await;
    assert_eq!(routed(&answer), ("ssoBasic", "fallback", "downgraded"));
    assert_eq!(answer["filmgate"]["asked"]["resolution"], "720p");
    assert_eq!(answer["filmgate"]["sent"]["resolution"], "480p");
    assert_eq!(answer["filmgate"]["delivered"]["height"], 416);
    assert_eq!(answer["filmgate"]["reason"], "ssoSuper: no tokens");
    // The upstream was asked for what the fallback pool delivers, not for what it would silently shrink.
    assert_eq!(app.simulator.generations()[0].asked.seconds, 6);
}

#[tokio::test]
async fn f6_the_documents_requests_work_streamed() {
    let app = Setup::default().start().await;
    let body = founding_body("720p", Value::Null, true);
    let response = app.request(Method::POST, "/v1/chat/completions", Some(body)).await;
    assert_eq!(response.headers()["content-type"], "text/event-stream");
    assert_eq!(response.headers()["x-filmgate-pool"], "ssoSuper");
    let text = response.text().await.unwrap();
    assert!(text.trim_end().ends_with("data: [DONE]"), "{text}");
    let chunks: Vec<Value> = text
        .lines()
        .filter_map(|line| line.strip_prefix("data: "))
        .filter_map(|data| serde_json::from_str(data).ok())
        .collect();
    assert!(chunks.iter().all(|chunk| chunk["object"] == "chat.completion.chunk"));
    let content: String =
        chunks.iter().filter_map(|c| c["choices"][0]["delta"]["content"].as_str()).collect();
    assert!(content.starts_with("<video controls><source src=\"http://"), "{content}");
    let last = chunks.last().unwrap();
    assert_eq!(last["choices"][0]["finish_reason"], "stop");
    assert_eq!(last["filmgate"]["verdict"], "as_asked");
}

#[tokio::test]
async fn f7_allow_fallback_to_basic_false_refuses() {
    let app = Setup { tokens: [1, 0], ..Setup::default() }.set("video.allow_fallback_to_basic=false");
    let app = app.start().await;
    let body = founding_body("720p", json!(6), false);
    let response = app.request(Method::POST, "/v1/chat/completions", Some(body)).await;
    assert_eq!(response.status(), StatusCode::TOO_MANY_REQUESTS);
    // Nobody knows when a token will be added.
    assert!(!response.headers().contains_key("retry-after"));
    let error: Value = response.json().await.unwrap();
    assert_eq!(error["error"]["code"], "rate_limit_exceeded");
    assert!(app.simulator.generations().is_empty());
}

#[tokio::test]
async fn f7_retry_after_tells_when_a_token_is_expected() {
    // A quota of one video in ten minutes, and one token.
    let app = Setup { tokens: [0, 1], ..Setup::default() }
        .set("video.allow_fallback_to_basic=false")
        .set("pools.ssoSuper.quota_units=4")
        .set("pools.ssoSuper.quota_window=\"10m\"");
    let app = app.start().await;
    chat(&app, "720p", 6).await;
    let body = founding_body("720p", json!(6), false);
    let response = app.request(Method::POST, "/v1/chat/completions", Some(body)).await;
    assert_eq!(response.status(), StatusCode::TOO_MANY_REQUESTS);
    let seconds: u64 = response.headers()["retry-after"].to_str().unwrap().parse().unwrap();
    assert!((1..=600).contains(&seconds), "{seconds}");
}

#[tokio::test]
async fn f7_smart_token_routing_false_is_the_old_loop() {
    let app = Setup::default().set("video.smart_token_routing=false").start().await;
    // The first pool gets it, whatever it asks for, unchanged; the provider silently makes less of it.
    let answer = chat(&app, "720p", 10).await;
    assert_eq!(answer["filmgate"]["pool"], "ssoBasic");
    assert_eq!(answer["filmgate"]["sent"]["resolution"], "720p");
    assert_eq!(answer["filmgate"]["sent"]["seconds"], 10);
    assert_eq!(answer["filmgate"]["verdict"], "downgraded");
}

#[tokio::test]
async fn f7_f8_log_lines_are_exactly_the_documents() {
    for (warning_on, expected_warnings) in [(true, 1), (false, 0)] {
        let app = Setup { tokens: [1, 1], ..Setup::default() };
        let app = app.set(&format!("video.log_fallback_warning={warning_on}")).start().await;
        chat(&app, "720p", 6).await;
        app.each_token("ssoSuper", "disable").await;
        chat(&app, "720p", 6).await;
        app.each_token("ssoBasic", "disable").await;
        let body = founding_body("720p", json!(6), false);
        app.request(Method::POST, "/v1/chat/completions", Some(body)).await;
        let none = "Video token routing: no available token in any pool (resolution=720p, length=6s)";
        app.says("WARN", none).await;

        let routing = |level: &str| -> Vec<String> {
            let lines = app.messages(level).into_iter();
            lines.filter(|line| line.starts_with("Video token routing")).collect()
        };
        assert_eq!(
            routing("INFO"),
            [
                "Video token routing: resolution=720p, length=6s -> pool=ssoSuper (token=eyJ0eXAiOi...)",
                "Video token routing: fallback from ssoSuper -> ssoBasic (token=eyJ0eXAiOi...)",
            ]
        );
        let shortage = "Video token routing: ssoSuper pool has no available token for resolution=720p, \
                        length=6s. Falling back to ssoBasic pool.";
        let warnings = routing("WARN");
        assert_eq!(warnings.iter().filter(|line| *line == shortage).count(), expected_warnings);
        assert_eq!(warnings.iter().filter(|line| *line == none).count(), 1);
        assert_eq!(warnings.len(), expected_warnings + 1);
    }
}

#[tokio::test]
async fn f8_an_upgrade_logs_the_names_the_other_way_round() {
    let app = Setup { tokens: [0, 1], ..Setup::default() }.start().await;
    assert_eq!(routed(&chat(&app, "480p", 6).await), ("ssoSuper", "upgrade", "as_asked"));
    let line = "Video token routing: fallback from ssoBasic -> ssoSuper (token=eyJ0eXAiOi...)";
    app.says("INFO", line).await;
    assert!(!app.messages("WARN").iter().any(|message| message.contains("Falling back")));
}

#[tokio::test]
async fn f10_a_lying_upstream_is_found_out() {
    let app = Setup::default().start().await;
    let video = app.make("[lie] a promise", "720p", 6).await;
    assert_eq!(routed(&video), ("ssoSuper", "primary", "downgraded"));
    assert_eq!(video["size"], "752x416");
    assert_eq!(video["filmgate"]["shortfalls"][0], "720p became 752x416");
    app.says("WARN", "downgraded: asked 720p 6s 16:9").await;
    let metrics = app.http.get(format!("{}/metrics", app.url)).send().await.unwrap().text().await.unwrap();
    assert!(metrics.contains("filmgate_videos_downgraded_total{pool=\"ssoSuper\"} 1"), "{metrics}");
    assert!(metrics.contains("filmgate_videos_below_sent_total{pool=\"ssoSuper\"} 1"), "{metrics}");
}
