//! Traces end to end: a gateway that was built with the feature `otel`, a simulated provider, and a receiver of OTLP
//! over HTTP.

#[path = "../it/app.rs"]
#[expect(dead_code, reason = "what only the other tests use")]
mod app;
mod receiver;

use reqwest::Method;
use serde_json::{Value, json};

use app::{Setup, TestApp};
use receiver::{Receiver, Span};

const CLIENT: &str = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";

/// A gateway that sends its traces to this receiver, as JSON.
fn traced(receiver: &Receiver) -> Setup {
    let env = vec![
        ("OTEL_EXPORTER_OTLP_ENDPOINT", receiver.url()),
        ("OTEL_EXPORTER_OTLP_PROTOCOL", "http/json".to_owned()),
        ("OTEL_EXPORTER_OTLP_HEADERS", "x-tenant=films".to_owned()),
        ("OTEL_EXPORTER_OTLP_TIMEOUT", "300".to_owned()),
    ];
    Setup { env, video_seconds: 0.2, ..Setup::default() }
}

async fn make_traced(app: &TestApp, prompt: &str, traceparent: &str) -> Value {
    let body = json!({ "prompt": prompt, "resolution": "720p", "seconds": "6", "aspect_ratio": "16:9" });
    let request = app.http.post(format!("{}/v1/videos", app.url)).bearer_auth(&app.client_key).json(&body);
    let answer = request.header("traceparent", traceparent).send().await.unwrap();
    let video: Value = answer.json().await.unwrap();
    app.finished(video["id"].as_str().unwrap()).await
}

/// The trace that a job has of its own.
fn own_trace(video: &Value) -> String {
    video["id"].as_str().unwrap().strip_prefix("video_").unwrap().to_owned()
}

#[tokio::test]
async fn a_video_is_one_trace_from_request_to_delivery() {
    let receiver = Receiver::start().await;
    let app = traced(&receiver).start().await;
    app.says("INFO", &format!("traces are exported to {}, one for each video", receiver.url())).await;
    let video = make_traced(&app, "a [lie] about a fox", CLIENT).await;
    assert_eq!(video["status"], "completed", "{video}");

    let spans = receiver.trace("0af7651916cd43dd8448eb211c80319c").await;
    let [root, choose, attempt, submit, poll, deliver] =
        named(&spans, ["make video", "choose", "attempt", "submit", "poll", "deliver"]);
    assert_eq!(spans.len(), 6, "{spans:?}");
    assert_eq!(root.parent, "b7ad6b7169203331", "the client's span is the parent");
    for child in [choose, attempt, deliver] {
        assert_eq!(child.parent, root.id, "{child:?}");
    }
    assert_eq!((&submit.parent, &poll.parent), (&attempt.id, &attempt.id));
    let line = [choose.from, choose.to, submit.from, submit.to, poll.from, poll.to, deliver.from, deliver.to];
    assert!(line.is_sorted(), "{line:?}");
    assert!(root.from == choose.from && root.to == deliver.to && attempt.to == poll.to);
    // The simulator takes that long.
    assert!(poll.to - poll.from >= 150_000_000, "{poll:?}");

    let job = app.job(video["id"].as_str().unwrap()).await;
    let id: filmgate_domain::JobId = own_trace(&video).parse().unwrap();
    for (span, key, value) in [
        (root, "filmgate.job.id", &*id.to_string()),
        (root, "filmgate.model", "grok-imagine-video"),
        (root, "filmgate.pool", "ssoSuper"),
        (root, "filmgate.route", "primary"),
        (root, "filmgate.asked", "720p 6s 16:9"),
        (root, "filmgate.sent", "720p 6s 16:9"),
        (root, "filmgate.verdict", "downgraded"),
        (choose, "filmgate.token.id", job["attempts"][0]["token"].as_str().unwrap()),
        (attempt, "filmgate.outcome", "done"),
        (poll, "filmgate.upstream.video_id", job["attempts"][0]["upstream_id"].as_str().unwrap()),
    ] {
        assert_eq!(span.attributes[key], value, "{key} of {span:?}\n{job:#}");
    }
    assert!(root.attributes["filmgate.delivered"].starts_with("752x416, "), "{root:?}");
    assert!(deliver.events.contains(&"measured".to_owned()));
    assert!(spans.iter().all(|span| span.error.is_none()), "{spans:?}");

    let request = receiver.requests().remove(0);
    assert_eq!(request.path, "/v1/traces");
    assert_eq!(request.header("x-tenant"), "films", "OTEL_EXPORTER_OTLP_HEADERS are sent");
    assert_eq!(request.service(), "filmgate");
    for secret in app.sim_tokens.iter().flatten().map(|token| &token.secret).chain([&app.client_key]) {
        assert!(!request.body.contains(secret.as_str()), "a secret is in the trace");
    }
    assert!(!request.body.contains("about a fox"), "a prompt is in the trace");
}

#[tokio::test]
async fn what_goes_wrong_is_an_error_of_its_span() {
    let receiver = Receiver::start().await;
    let app = traced(&receiver).start().await;
    let moderated = app.make("[moderate]", "720p", 6).await;
    let spans = receiver.trace(&own_trace(&moderated)).await;
    let [root, attempt] = named(&spans, ["make video", "attempt"]);
    assert_eq!(root.parent, "", "nobody's child");
    assert_eq!(root.attributes["error.type"], "moderation_blocked");
    assert_eq!(root.error.as_deref(), moderated["error"]["message"].as_str());
    assert_eq!(attempt.attributes["filmgate.outcome"], "moderated");

    // Each token that refuses is an attempt of its own.
    let refused = app.make("[unauthorized]", "720p", 6).await;
    let spans = receiver.trace(&own_trace(&refused)).await;
    let attempts: Vec<&Span> = spans.iter().filter(|span| span.name == "attempt").collect();
    assert!(attempts.len() > 1 && attempts.iter().all(|span| span.error.is_some()), "{spans:?}");
    let submissions: Vec<&Span> = spans.iter().filter(|span| span.name == "submit").collect();
    assert_eq!(submissions.len(), attempts.len());
    assert!(submissions.iter().all(|span| span.attributes["error.type"] == "refused"));
}

#[tokio::test]
async fn a_trace_is_whole_after_a_crash() {
    let receiver = Receiver::start().await;
    let mut app = Setup { video_seconds: 1.5, ..traced(&receiver) }.start().await;
    let video = app.create("a fox", "720p", 6).await;
    app.reaches(video["id"].as_str().unwrap(), "running").await;
    app.kill();
    app.launch().await;
    assert_eq!(app.finished(video["id"].as_str().unwrap()).await["status"], "completed");

    let spans = receiver.trace(&own_trace(&video)).await;
    let names: Vec<&str> = spans.iter().map(|span| span.name.as_str()).collect();
    assert_eq!(names, ["make video", "choose", "attempt", "submit", "poll", "deliver"]);
    let [poll] = named(&spans, ["poll"]);
    assert!(poll.to - poll.from >= 1_400_000_000, "{poll:?}");
}

#[tokio::test]
async fn a_client_that_records_nothing_gets_no_trace() {
    let receiver = Receiver::start().await;
    let app = traced(&receiver).start().await;
    make_traced(&app, "a fox", &CLIENT.replace("-01", "-00")).await;
    let recorded = app.make("a fox", "720p", 6).await;
    receiver.trace(&own_trace(&recorded)).await;
    assert_eq!(receiver.requests().len(), 1);
}

#[tokio::test]
async fn a_receiver_that_hangs_disturbs_nobody() {
    let receiver = Receiver::start().await;
    receiver.hang(true);
    let mut app = traced(&receiver).start().await;
    for _ in 0..6 {
        assert_eq!(app.make("a fox", "480p", 6).await["status"], "completed");
    }
    app.says("WARN", "traces cannot be exported").await;
    let told = |app: &TestApp| app.messages("WARN").iter().filter(|line| line.contains("trace")).count();
    assert_eq!(told(&app), 1, "told once, not for each: {}", app.logs());

    receiver.hang(false);
    // One may still be on its way into nothing.
    for _ in 0..100 {
        app.make("a fox", "480p", 6).await;
        if !receiver.requests().is_empty() {
            break;
        }
    }
    app.says("WARN", "traces are exported again; those of ").await;
    assert_eq!(told(&app), 2, "{}", app.logs());

    // And a stop does not wait for it for long.
    receiver.hang(true);
    app.make("a fox", "480p", 6).await;
    assert!(app.stop(), "{}", app.logs());
}

#[tokio::test]
async fn what_is_left_is_sent_when_filmgate_is_stopped() {
    let receiver = Receiver::start().await;
    let mut app = traced(&receiver).start().await;
    let video = app.make("a fox", "480p", 6).await;
    assert!(app.stop());
    assert_eq!(receiver.spans_of(&own_trace(&video)).len(), 6);
}

#[tokio::test]
async fn without_an_endpoint_nothing_is_exported() {
    let app = Setup::default().start().await;
    app.says("INFO", "traces are not exported; OTEL_EXPORTER_OTLP_ENDPOINT is not set").await;
    let grpc = vec![
        ("OTEL_EXPORTER_OTLP_ENDPOINT", "http://127.0.0.1:4317".to_owned()),
        ("OTEL_EXPORTER_OTLP_PROTOCOL", "grpc".to_owned()),
    ];
    let app = Setup { env: grpc, ..Setup::default() }.start().await;
    app.says("ERROR", "OTEL_EXPORTER_OTLP_ENDPOINT is set, but no traces are exported: the protocol is")
        .await;
    assert_eq!(app.request(Method::GET, "/v1/models", None).await.status(), 200);
}

#[tokio::test]
async fn protobuf_is_what_is_sent_usually() {
    let receiver = Receiver::start().await;
    let env = vec![("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", format!("{}/elsewhere", receiver.url()))];
    let app = Setup { env, ..Setup::default() }.start().await;
    let video = app.make("a fox", "480p", 6).await;
    let request = receiver.first().await;
    assert_eq!((&*request.path, request.header("content-type")), ("/elsewhere", "application/x-protobuf"));
    // Field 2 of a span is its name, field 1 of it 16 bytes of trace id; that is enough to know it by.
    let id: filmgate_domain::JobId = own_trace(&video).parse().unwrap();
    let trace_id = [&[0x0a, 16][..], id.as_bytes()].concat();
    assert_eq!(request.raw.windows(18).filter(|bytes| *bytes == trace_id).count(), 6);
    assert!(request.raw.windows(10).any(|bytes| bytes == b"make video"));
}

/// The first span of each of these names.
fn named<'a, const N: usize>(spans: &'a [Span], names: [&str; N]) -> [&'a Span; N] {
    names.map(|name| {
        spans.iter().find(|span| span.name == name).unwrap_or_else(|| panic!("no {name} in {spans:?}"))
    })
}
