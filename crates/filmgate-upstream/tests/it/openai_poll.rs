//! Polls in the OpenAI dialect: every state, and what is no state.

use filmgate_domain::{Cause, Certainty, Polled};
use proptest::prelude::*;
use rstest::rstest;
use serde_json::{Value, json};

use crate::openai::{ESCAPED, ID, openai};
use crate::server::{Server, answer, ok};
use crate::token;

async fn polled(body: &Value) -> Polled {
    let server = Server::answering([ok(&body.to_string())]).await;
    let polled = openai(&server.base()).poll(&token(), ID).await.unwrap().polled;
    // Without the port, which is another each time.
    match polled {
        Polled::Done { url, cost_ticks } => {
            Polled::Done { url: url.replace(&server.base(), "BASE").into(), cost_ticks }
        }
        polled => polled,
    }
}

fn pending(progress: Option<u8>) -> Polled {
    Polled::Pending { progress }
}

fn failed(reason: &str) -> Polled {
    Polled::Failed { reason: reason.into() }
}

fn moderated(reason: &str) -> Polled {
    Polled::Moderated { reason: Some(reason.into()), cost_ticks: None }
}

fn done() -> Polled {
    Polled::Done { url: format!("BASE/videos/{ESCAPED}/content").into(), cost_ticks: None }
}

#[rstest]
#[tokio::test]
async fn words_of_work(
    #[values("queued", "in_progress", "processing", "pending", "running", "Queued", "dreaming", "")]
    word: &str,
) {
    assert_eq!(polled(&json!({ "status": word, "progress": 33.5 })).await, pending(Some(33)));
}

#[rstest]
#[tokio::test]
async fn words_of_success(#[values("completed", "succeeded", "success", "done", "SUCCESS")] word: &str) {
    assert_eq!(polled(&json!({ "status": word })).await, done());
}

#[rstest]
#[tokio::test]
async fn words_of_failure(#[values("failed", "cancelled", "canceled")] word: &str) {
    assert_eq!(polled(&json!({ "status": word })).await, failed("no reason given"));
}

#[rstest]
#[case(json!({ "status": "queued", "progress": "42%" }), pending(Some(42)))]
#[case(json!({ "status": "queued", "progress": null }), pending(None))]
#[case(json!({ "status": "expired" }), Polled::Expired)]
#[case(json!({ "status": "failed", "error": { "code": "expired", "message": "too late" } }), Polled::Expired)]
#[case(
    json!({ "status": "failed", "error": { "code": "server_error", "message": "out of GPUs" } }),
    failed("server_error: out of GPUs")
)]
#[case(json!({ "status": "failed", "error": "out of GPUs" }), failed("out of GPUs"))]
#[case(
    json!({ "status": "failed", "error": { "code": "moderation_blocked", "message": "no" } }),
    moderated("moderation_blocked: no")
)]
#[case(
    json!({ "status": "completed", "error": { "message": "Blocked by moderation" } }),
    moderated("Blocked by moderation")
)]
#[case(json!({ "status": "completed", "error": "out of GPUs" }), failed("out of GPUs"))]
#[case(json!({ "status": "completed", "error": { "why": 7 } }), failed("no reason given"))]
#[case(json!({ "status": "completed", "error": { "code": "", "message": null } }), done())]
#[case(json!({ "status": "completed", "error": {} }), done())]
#[case(json!({ "status": "completed", "error": "" }), done())]
#[case(json!({ "status": "completed", "error": null, "seconds": 4, "size": 7 }), done())]
#[tokio::test]
async fn states(#[case] body: Value, #[case] expected: Polled) {
    assert_eq!(polled(&body).await, expected);
}

#[rstest]
#[case(json!("https://bucket.example.com/v.mp4?sig=1"), "https://bucket.example.com/v.mp4?sig=1")]
#[case(json!("/v.mp4"), "BASE/videos/a/content")]
#[case(json!("file:///v.mp4"), "BASE/videos/a/content")]
#[case(json!("http://10.0.0.1/v.mp4"), "BASE/videos/a/content")]
#[case(json!(""), "BASE/videos/a/content")]
#[case(json!(null), "BASE/videos/a/content")]
#[tokio::test]
async fn a_url_is_used_where_filmgate_goes_there(#[case] url: Value, #[case] expected: &str) {
    let body =
        json!({ "status": "completed", "url": url, "video_url": "https://elsewhere.example.com/v.mp4" });
    let server = Server::answering([ok(&body.to_string())]).await;
    let url = expected.replace("BASE", &server.base());
    let polled = openai(&server.base()).poll(&token(), "a").await.unwrap().polled;
    assert_eq!(polled, Polled::Done { url: url.into(), cost_ticks: None });
}

#[tokio::test]
async fn no_url_is_used_that_an_answer_about_another_video_names() {
    for (named, is_used) in [("a", true), ("b", false)] {
        let url = "https://bucket.example.com/v.mp4";
        let body = json!({ "id": named, "status": "completed", "url": url });
        let server = Server::answering([ok(&body.to_string())]).await;
        let polled = openai(&server.base()).poll(&token(), "a").await.unwrap().polled;
        let own = format!("{}/videos/a/content", server.base());
        let url = if is_used { url } else { &own };
        assert_eq!(polled, Polled::Done { url: url.into(), cost_ticks: None });
    }
}

#[tokio::test]
async fn accepted_is_pending_whatever_it_says() {
    let server = Server::answering([answer("202 Accepted", "")]).await;
    assert_eq!(openai(&server.base()).poll(&token(), "a").await.unwrap().polled, pending(None));
}

#[rstest]
#[case(ok(""), Cause::Garbage)]
#[case(ok("[]"), Cause::Garbage)]
#[case(ok("{}"), Cause::Garbage)]
#[case(ok(r#"{"status":7}"#), Cause::Garbage)]
#[case(ok("<html><title>Log in</title>"), Cause::Garbage)]
#[case(answer("302 Found\nLocation: /login", ""), Cause::Redirected)]
#[case(answer("401 Unauthorized", ""), Cause::Credential)]
#[case(answer("404 Not Found", r#"{"detail":"Video not found"}"#), Cause::Rejected)]
#[case(answer("429 Too Many Requests", ""), Cause::RateLimited)]
#[case(answer("503 Service Unavailable", ""), Cause::Server)]
#[case(b"HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\n{".to_vec(), Cause::Broken)]
#[tokio::test]
async fn what_is_no_state(#[case] answer: Vec<u8>, #[case] cause: Cause) {
    let server = Server::answering([answer]).await;
    let failure = openai(&server.base()).poll(&token(), "a").await.unwrap_err();
    assert_eq!((failure.cause, failure.certainty), (cause, Certainty::Refused), "{failure}");
}

#[tokio::test]
async fn ids_are_one_path_segment() {
    let id = format!("video_{}", "aB+/".repeat(36));
    let server = Server::answering([ok(r#"{"status":"queued"}"#)]).await;
    openai(&server.base()).poll(&token(), &id).await.unwrap();
    let path = format!("GET /v1/videos/{} HTTP/1.1\r\n", id.replace('/', "%2F"));
    assert!(server.requests()[0].starts_with(&path), "{}", server.requests()[0]);
}

#[rstest]
#[tokio::test]
async fn ids_that_would_name_something_else_are_not_asked_for(#[values("", "..", "a\tb")] id: &str) {
    let server = Server::start([]).await;
    let failure = openai(&server.base()).poll(&token(), id).await.unwrap_err();
    assert_eq!((failure.cause, server.connections()), (Cause::Garbage, 0));
}

fn any_json() -> impl Strategy<Value = Value> {
    const WORDS: [&str; 8] =
        ["completed", "failed", "queued", "expired", "blocked by moderation", "50%", "https://a/b", "data:x"];
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        prop::sample::select(&WORDS[..]).prop_map(Value::from),
        ".{0,20}".prop_map(Value::from),
    ];
    let keys =
        prop::sample::select(vec!["status", "error", "code", "message", "progress", "url", "id", "type"]);
    leaf.prop_recursive(4, 32, 8, move |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            prop::collection::hash_map(keys.clone().prop_map(str::to_owned), inner, 0..8)
                .prop_map(|fields| Value::Object(fields.into_iter().collect())),
        ]
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]

    #[test]
    fn no_answer_is_a_panic(
        status in 200u16..600,
        body in prop_oneof![any_json().prop_map(|json| json.to_string().into_bytes()), prop::collection::vec(any::<u8>(), 0..200)],
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let head = format!("HTTP/1.1 {status} X\r\nContent-Length: {}\r\nConnection: close\r\n\r\n", body.len());
            let answer = [head.into_bytes(), body].concat();
            let server = Server::answering([answer]).await;
            // Whatever it is, it is an answer or a failure of a question.
            if let Err(failure) = openai(&server.base()).poll(&token(), "a").await {
                assert_eq!(failure.certainty, Certainty::Refused);
            }
        });
    }
}
