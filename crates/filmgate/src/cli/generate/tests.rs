//! Against a gateway of the tests' own, over real HTTP.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use axum::Router;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::IntoResponse as _;
use axum::routing::{get, post};
use clap::Parser as _;
use filmgate_http::Limits;
use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;

use super::*;
use crate::cli::Cli;

/// A true 480p of six seconds.
const CLIP: &[u8] = include_bytes!("../../../../filmgate-media/tests/samples/h264_480p_moov_at_end.mp4");

/// What the gateway of the tests says at the end.
#[derive(Clone)]
struct Script {
    last: Value,
    polls: Arc<AtomicU32>,
}

/// Starts a gateway whose video is in progress, then out of reach, and then as `last` has it.
async fn gateway(last: Value) -> (String, Script) {
    let script = Script { last, polls: Arc::default() };
    let authorized =
        |headers: &HeaderMap| headers.get("authorization").is_some_and(|v| v == "Bearer fg-test");
    let create = move |headers: HeaderMap, body: axum::Json<Value>| async move {
        if !authorized(&headers) {
            return (StatusCode::UNAUTHORIZED, axum::Json(json!({ "error": { "message": "who?" } })));
        }
        if body["prompt"] == "busy" {
            let error = json!({ "error": { "message": "later", "code": "rate_limit_exceeded" } });
            return (StatusCode::TOO_MANY_REQUESTS, axum::Json(error));
        }
        (StatusCode::OK, axum::Json(json!({ "id": "video_1", "status": "queued", "prompt": body["prompt"] })))
    };
    let poll = |Path(id): Path<String>, State(script): State<Script>| async move {
        assert_eq!(id, "video_1");
        match script.polls.fetch_add(1, Ordering::Relaxed) {
            0 => axum::Json(json!({ "id": id, "status": "in_progress", "progress": 40 })).into_response(),
            1 => StatusCode::BAD_GATEWAY.into_response(),
            _ => axum::Json(script.last).into_response(),
        }
    };
    let router = Router::new()
        .route("/v1/videos", post(create))
        .route("/v1/videos/{id}", get(poll))
        .route("/v1/videos/{id}/content", get(|| async { CLIP }))
        .with_state(script.clone());
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let base = format!("http://{}", listener.local_addr().unwrap());
    let limits = Limits {
        header_timeout: Duration::from_secs(10),
        keep_alive_timeout: Duration::from_secs(10),
        stall_timeout: Duration::from_secs(10),
        max_connections: 10,
        grace: Duration::ZERO,
    };
    tokio::spawn(filmgate_http::serve(listener, router, limits, CancellationToken::new()));
    (base, script)
}

/// Runs `filmgate generate` with these arguments.
async fn generate(base: &str, key: &str, args: &[&str]) -> anyhow::Result<ExitCode> {
    let start = ["filmgate", "generate", "--base-url", base, "--api-key", key];
    let cli = Cli::try_parse_from(start.iter().chain(args)).unwrap();
    crate::cli::run(cli).await
}

#[tokio::test]
async fn a_video_is_made_saved_and_judged() {
    let shape = json!({ "resolution": "480p", "seconds": 6, "aspect_ratio": "16:9" });
    let last = json!({ "id": "video_1", "status": "completed", "progress": 100, "error": null, "filmgate": {
        "pool": "ssoSuper", "route": "primary", "reason": null, "asked": shape, "sent": shape, "verdict": "as_asked",
        "delivered": { "width": 752, "height": 416, "seconds": 6.0, "codec": "h264", "bytes": CLIP.len(), "sha256": "" },
        "shortfalls": [], "routes": [] } });
    let (base, _) = gateway(last).await;
    let dir = tempfile::tempdir().unwrap();
    let output = dir.path().to_str().unwrap();
    let code = generate(&base, "fg-test", &["a red fox", "-o", output]).await.unwrap();
    assert_eq!(code, ExitCode::SUCCESS);
    assert_eq!(std::fs::read(dir.path().join("a-red-fox.mp4")).unwrap(), CLIP);
}

#[tokio::test]
async fn less_than_asked_exits_with_3_whoever_measured_it() {
    // Another gateway: it says nothing of what it delivered.
    let (base, _) = gateway(json!({ "id": "video_1", "status": "completed" })).await;
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("fox.mp4");
    let args = ["fox", "--resolution", "1080p", "-o", file.to_str().unwrap()];
    assert_eq!(generate(&base, "fg-test", &args).await.unwrap(), ExitCode::from(exit::DOWNGRADED));
    assert!(file.exists());
}

#[tokio::test]
async fn a_failed_video_leaves_no_file() {
    let error = json!({ "code": "moderation_blocked", "message": "no" });
    let (base, _) = gateway(json!({ "id": "video_1", "status": "failed", "error": error })).await;
    let dir = tempfile::tempdir().unwrap();
    let args = ["fox", "-o", dir.path().to_str().unwrap()];
    assert_eq!(generate(&base, "fg-test", &args).await.unwrap(), ExitCode::FAILURE);
    assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 0);
}

#[tokio::test]
async fn a_video_is_resumed_by_its_id() {
    let last = json!({ "id": "video_1", "status": "completed", "prompt": "Red Fox" });
    let (base, script) = gateway(last).await;
    let dir = tempfile::tempdir().unwrap();
    let args = ["--resume", "video_1", "-o", dir.path().to_str().unwrap()];
    let code = generate(&format!("{base}/v1/"), "fg-test", &args).await.unwrap();
    assert_eq!(code, ExitCode::SUCCESS);
    assert_eq!(std::fs::read(dir.path().join("video-1.mp4")).unwrap(), CLIP);
    assert_eq!(script.polls.load(Ordering::Relaxed), 3);
}

#[tokio::test]
async fn refusals_are_told_in_the_words_of_the_gateway() {
    let (base, _) = gateway(Value::Null).await;
    let dir = tempfile::tempdir().unwrap();
    let output = dir.path().to_str().unwrap();
    let error = generate(&base, "wrong", &["fox", "-o", output]).await.unwrap_err();
    assert!(format!("{error:#}").ends_with("`filmgate key create`: who? (401)"), "{error:#}");
    assert!(!format!("{error:?}").contains("wrong"));
    let code = generate(&base, "fg-test", &["busy", "-o", output]).await.unwrap();
    assert_eq!(code, ExitCode::from(exit::NO_TOKEN));
}

#[tokio::test]
async fn a_gateway_that_is_not_there_is_told_with_what_to_do() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let base = format!("http://{}", listener.local_addr().unwrap());
    drop(listener);
    let dir = tempfile::tempdir().unwrap();
    let error = generate(&base, "fg-test", &["fox", "-o", dir.path().to_str().unwrap()]).await.unwrap_err();
    let text = format!("{error:#}");
    assert!(text.starts_with("no gateway answers at") && text.contains("filmgate demo"), "{text}");
}
