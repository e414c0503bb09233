//! Where HTTP itself goes wrong: bodies that are too large, methods and paths that are not there, connections
//! that are no good.

use reqwest::{Method, StatusCode};
use serde_json::json;

use crate::app::{ADMIN_KEY, Setup};
use crate::wire::{
    Answer, assert_nothing_was_made, assert_openai_error, assert_refused, assert_xai_error, read_to_end,
};

const JSON: (&str, &str) = ("content-type", "application/json");

#[tokio::test]
async fn a_body_that_is_too_large() {
    let app = Setup::default().set("server.max_body=\"1MiB\"").start().await;
    let large = format!("{{\"prompt\":\"{}\"}}", "x".repeat(2 << 20));
    for _ in 0..5 {
        for path in ["/v1/videos", "/v1/videos/generations", "/v1/chat/completions"] {
            let response = app.post(path, &[JSON], large.clone()).await;
            let refused = assert_refused(path, response, None, "2 MiB").await;
            assert_eq!(refused.status, StatusCode::PAYLOAD_TOO_LARGE);
        }
        let response = app.post_form("/v1/videos", "b", &[], &[("prompt", &large)]).await;
        assert_eq!(response.status(), StatusCode::PAYLOAD_TOO_LARGE);
        let key =
            app.request_as(ADMIN_KEY, Method::POST, "/admin/v1/keys", Some(json!({ "name": large }))).await;
        assert_eq!(
            assert_refused("/admin/v1/keys", key, None, "2 MiB").await.status,
            StatusCode::PAYLOAD_TOO_LARGE
        );
    }
    // A form may be as large as anything else.
    let roomy = Setup::default().set("server.max_body=\"5MiB\"").start().await;
    let fields = [("prompt", "a fox"), ("user", large.as_str()), ("seconds", "none")];
    let refused = Answer::of(roomy.post_form("/v1/videos", "b", &[], &fields).await).await;
    assert_eq!(refused.body["error"]["param"], "seconds", "{}", refused.body);
    // The limit is a setting, and what is just below it is read.
    let small = Setup::default().set("server.max_body=\"1KiB\"").start().await;
    let response = small.post("/v1/videos", &[JSON], " ".repeat(1025)).await;
    assert_eq!(response.status(), StatusCode::PAYLOAD_TOO_LARGE);
    assert_eq!(small.post("/v1/videos", &[JSON], " ".repeat(1024)).await.status(), StatusCode::BAD_REQUEST);
    assert_nothing_was_made(&app).await;
}

#[tokio::test]
async fn wrong_methods_and_unknown_paths() {
    let app = Setup::default().start().await;
    let (openai, xai) = ("video_00000000000000000000000000000000", "00000000-0000-0000-0000-000000000000");
    let (openai, xai) = (format!("/v1/videos/{openai}"), format!("/v1/videos/{xai}"));
    for (path, wrong, allowed) in [
        ("/v1/videos", Method::PUT, "POST"),
        ("/v1/videos/generations", Method::DELETE, "POST"),
        (&openai, Method::POST, "GET"),
        (&xai, Method::PATCH, "GET"),
        (&format!("{openai}/content"), Method::POST, "GET"),
        (&format!("{xai}/content"), Method::DELETE, "GET"),
        ("/v1/chat/completions", Method::GET, "POST"),
        ("/v1/models", Method::POST, "GET"),
        ("/media/x.mp4", Method::POST, "GET"),
        ("/healthz", Method::POST, "GET"),
        ("/metrics", Method::DELETE, "GET"),
        ("/admin/v1/tokens", Method::PUT, "GET"),
        ("/admin/v1/config", Method::POST, "GET"),
    ] {
        let answer = app.ask(wrong.clone(), path, None).await;
        assert_eq!(answer.status, StatusCode::METHOD_NOT_ALLOWED, "{wrong} {path}: {}", answer.body);
        if path.starts_with(&xai) || path.ends_with("generations") {
            assert_xai_error(&answer.body);
        } else {
            assert_openai_error(&answer.body);
        }
        assert!(answer.header("allow").contains(allowed), "{path}: {:?}", answer.header("allow"));
    }
    let long = format!("/v1/{}", "x".repeat(5_000));
    for path in [
        "/",
        "/v1",
        "/v1/",
        "/v1/video",
        "/v1/videos/",
        "/V1/videos",
        "/admin/v1/nothing",
        "/v1/%FF",
        "/media/",
        &long,
    ] {
        for method in [Method::GET, Method::POST, Method::OPTIONS] {
            let answer = app.ask(method.clone(), path, None).await;
            let wrong = matches!(answer.status, StatusCode::NOT_FOUND | StatusCode::METHOD_NOT_ALLOWED);
            assert!(wrong, "{method} {path}: {}", answer.status);
            assert_openai_error(&answer.body);
            assert!(answer.body.to_string().len() < 500, "{path}");
        }
    }
}

#[tokio::test]
async fn connections_that_are_no_good_are_ended() {
    let app =
        Setup { video_seconds: 0.8, ..Setup::default() }.set("server.header_timeout=\"300ms\"").start().await;
    let many = "x-header: 1\r\n".repeat(1_000);
    let huge = format!("x-header: {}\r\n", "x".repeat(1 << 20));
    for flood in [many, huge] {
        let request = format!("GET /healthz HTTP/1.1\r\nhost: x\r\n{flood}\r\n");
        let answer = read_to_end(app.connect_and_send(request.as_bytes()));
        assert!(answer.is_empty() || answer.starts_with("HTTP/1.1 431 "), "{answer}");
    }
    // Headers that never end, a request that never begins, half a preface of HTTP/2, and a whole one.
    for slow in [
        "GET /healthz HTTP/1.1\r\nhost:",
        "",
        "P",
        "PRI * HTTP/2.0\r\n\r\nSM",
        "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    ] {
        read_to_end(app.connect_and_send(slow.as_bytes()));
    }
    for nonsense in [
        "\r\n\r\n\0\0\0\0",
        "GET / HTTP/9.9\r\n\r\n",
        "\u{16}\u{3}\u{1}\u{2}",
        "GET /\u{0} HTTP/1.1\r\n\r\n",
        "POST /v1/videos HTTP/1.1\r\nhost: x\r\ncontent-length: -1\r\n\r\n",
    ] {
        let answer = read_to_end(app.connect_and_send(nonsense.as_bytes()));
        assert!(answer.is_empty() || answer.starts_with("HTTP/1.1 4"), "{answer}");
    }
    // A good request may take longer than its headers.
    let body = json!({ "messages": [{ "role": "user", "content": "a fox" }] });
    let answer = app.request(Method::POST, "/v1/chat/completions", Some(body)).await;
    assert_eq!(answer.status(), StatusCode::OK);
}
