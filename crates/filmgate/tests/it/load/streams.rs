//! Those that wait for a video's end: a bound on how many, and on what each costs.

use std::io::Read as _;
use std::net::{Shutdown, TcpStream};
use std::time::Duration;

use reqwest::{Method, StatusCode};

use super::assert_shed;
use crate::app::{Setup, TestApp};
use crate::wire::{Answer, assert_nothing_was_made};

/// Streams in the test of many.
const MANY: usize = 2000;

/// What each may cost the gateway at most, in bytes. docs/limits.md says what it is.
const EACH: u64 = 48 * 1024;

/// A client that follows a video; what it was told at once has arrived.
fn follow(app: &TestApp, id: &str) -> TcpStream {
    let request = format!(
        "GET /v1/videos/{id}/events HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {}\r\n\r\n",
        app.client_key
    );
    let mut stream = app.connect_and_send(request.as_bytes());
    assert!(read_until(&mut stream, "video.updated").starts_with("HTTP/1.1 200"));
    stream
}

fn read_until(stream: &mut TcpStream, word: &str) -> String {
    let (mut all, mut buffer) = (String::new(), [0; 4096]);
    while !all.contains(word) {
        let n = stream.read(&mut buffer).unwrap();
        assert!(n > 0, "it ended after {all:?}");
        all.push_str(&String::from_utf8_lossy(&buffer[..n]));
    }
    all
}

#[tokio::test(flavor = "multi_thread")]
async fn thousands_of_idle_streams_cost_little_and_hold_up_nobody() {
    crate::load::raise_open_files(3 * MANY as u64);
    let app = Setup { video_seconds: 3600.0, ..Setup::default() }.start().await;
    let video = app.create("a long one", "480p", 6).await;
    let id = video["id"].as_str().unwrap();
    app.reaches(id, "running").await;
    let before = app.resident();
    let mut streams: Vec<TcpStream> = (0..MANY).map(|_| follow(&app, id)).collect();
    let each = app.resident().saturating_sub(before) / MANY as u64;
    eprintln!("{MANY} streams, {each} bytes each");
    assert!(each < EACH, "{each} bytes for each stream");
    // Others are served as ever.
    let short = app.create("[fail] a short one", "480p", 6).await;
    assert_eq!(app.get(&format!("/v1/videos/{id}")).await["status"], "in_progress");
    app.admin(Method::POST, &format!("/jobs/{}/cancel", short["id"].as_str().unwrap()), None).await;
    // Each of them is told the end.
    app.admin(Method::POST, &format!("/jobs/{id}/cancel"), None).await;
    for stream in &mut streams {
        read_until(stream, "video.failed");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn more_that_wait_than_may_are_refused_and_plain_questions_never() {
    let app = Setup { video_seconds: 3600.0, ..Setup::default() }.set("server.max_streams=4").start().await;
    let video = app.create("a long one", "480p", 6).await;
    let id = video["id"].as_str().unwrap();
    let path = format!("/v1/videos/{id}");
    let mut held = vec![follow(&app, id), follow(&app, id)];
    for waiting in [format!("{path}/events"), format!("{path}?wait=30")] {
        let refused = app.ask(Method::GET, &waiting, None).await;
        assert_shed(&waiting, &refused, "half of server.max_streams");
    }
    let chat = serde_json::json!({ "messages": [{ "role": "user", "content": "a fox" }] });
    let refused = app.ask(Method::POST, "/v1/chat/completions", Some(chat)).await;
    assert_shed("/v1/chat/completions", &refused, "half of server.max_streams");
    assert_eq!(app.jobs().await.len(), 1, "a chat that cannot be answered makes nothing");
    for plain in [path.clone(), format!("{path}?wait=0"), "/v1/videos".to_owned()] {
        assert_eq!(app.ask(Method::GET, &plain, None).await.status, StatusCode::OK, "{plain}");
    }
    // Another caller follows its own.
    let other = app.new_key("another").await;
    let made = app.request_as(&other, Method::POST, "/v1/videos", Some(serde_json::json!({ "prompt": "b" })));
    let made = Answer::of(made.await).await;
    let theirs = format!("/v1/videos/{}?wait=1", made.body["id"].as_str().unwrap());
    assert_eq!(app.request_as(&other, Method::GET, &theirs, None).await.status(), StatusCode::OK);
    // A place comes free when somebody leaves.
    held.pop();
    for _ in 0..400 {
        if app.ask(Method::GET, &format!("{path}?wait=1"), None).await.status == StatusCode::OK {
            return;
        }
        tokio::time::sleep(Duration::from_millis(25)).await;
    }
    panic!("no place ever came free");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stream_whose_client_is_gone_is_forgotten() {
    let app = Setup { video_seconds: 3600.0, ..Setup::default() }.set("server.max_streams=2").start().await;
    assert_nothing_was_made(&app).await;
    let video = app.create("a long one", "480p", 6).await;
    let id = video["id"].as_str().unwrap();
    let waits = format!("/v1/videos/{id}?wait=1");
    for way in [Shutdown::Write, Shutdown::Both] {
        follow(&app, id).shutdown(way).unwrap();
        assert_eq!(app.until(&waits, |body| body["status"] == "in_progress").await.status, StatusCode::OK);
    }
}
