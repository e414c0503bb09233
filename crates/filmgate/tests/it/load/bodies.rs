//! Bodies: too many at once, too large together, too slow, without end.

use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::time::Duration;

use reqwest::{Method, StatusCode};
use serde_json::json;

use super::{MIB, all_ways_are_shed, assert_shed};
use crate::app::{Setup, TestApp};
use crate::wire::{Answer, assert_nothing_was_made, assert_xai_error, read_to_end};

/// The head of a request that makes a video, with these headers.
fn head(app: &TestApp, path: &str, key: &str, headers: &str) -> String {
    format!(
        "POST {path} HTTP/1.1\r\nhost: {}\r\nauthorization: Bearer {key}\r\ncontent-type: application/json\r\n\
         {headers}\r\n\r\n",
        app.address()
    )
}

/// A request whose body is announced and does not come.
fn stalled(app: &TestApp, key: &str, length: u64) -> TcpStream {
    app.connect_and_send(head(app, "/v1/videos", key, &format!("content-length: {length}")).as_bytes())
}

/// Asks again and again until the answer has this status.
async fn becomes(app: &TestApp, body: &serde_json::Value, status: StatusCode) -> Answer {
    for _ in 0..400 {
        let answer = app.ask(Method::POST, "/v1/videos", Some(body.clone())).await;
        if answer.status == status {
            return answer;
        }
        tokio::time::sleep(Duration::from_millis(25)).await;
    }
    panic!("it never was {status}");
}

#[tokio::test(flavor = "multi_thread")]
async fn who_sends_many_bodies_at_once_takes_half_of_the_places_at_most() {
    let app = Setup::default().set("server.max_creations=2").set("server.body_timeout=\"1h\"").start().await;
    let stalled = stalled(&app, &app.client_key, 100);
    let broken = json!({ "prompt": 5 });
    let shed = becomes(&app, &broken, StatusCode::TOO_MANY_REQUESTS).await;
    assert_shed("/v1/videos", &shed, "half of server.max_creations");
    all_ways_are_shed(&app, "half of server.max_creations").await;
    assert_nothing_was_made(&app).await;
    // The others have the other half.
    let other = app.new_key("another").await;
    let body = json!({ "prompt": "a fox" });
    let made = app.request_as(&other, Method::POST, "/v1/videos", Some(body)).await;
    assert_eq!(made.status(), StatusCode::OK);
    assert_eq!(app.request(Method::GET, "/v1/videos", None).await.status(), StatusCode::OK);
    drop(stalled);
    becomes(&app, &broken, StatusCode::BAD_REQUEST).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn large_bodies_share_the_memory_there_is_for_them_and_small_ones_need_none() {
    let app = Setup::default()
        .set("server.max_body=\"4MiB\"")
        .set("inputs.max_image=\"4MiB\"")
        .set("inputs.max_video=\"4MiB\"")
        .set("server.max_body_memory=\"6MiB\"")
        .set("server.body_timeout=\"1h\"")
        .start()
        .await;
    let first = stalled(&app, &app.client_key, 3 * MIB);
    let large = json!({ "prompt": 5, "user": "x".repeat(2 << 20) });
    let shed = becomes(&app, &large, StatusCode::TOO_MANY_REQUESTS).await;
    assert_shed("/v1/videos", &shed, "half of server.max_body_memory");
    // Another caller has what is left, and not more.
    let other = app.new_key("another").await;
    let second = stalled(&app, &other, 3 * MIB);
    let third = app.new_key("a third").await;
    for _ in 0..400 {
        let answer = app.request_as(&third, Method::POST, "/v1/videos", Some(large.clone())).await;
        if answer.status() == StatusCode::TOO_MANY_REQUESTS {
            break;
        }
        tokio::time::sleep(Duration::from_millis(25)).await;
    }
    let shed =
        Answer::of(app.request_as(&third, Method::POST, "/v1/videos", Some(large.clone())).await).await;
    assert_shed("/v1/videos", &shed, "server.max_body_memory");
    // One that does not say how long it is, takes its share as it grows.
    let mut endless =
        app.connect_and_send(head(&app, "/v1/videos", &third, "transfer-encoding: chunked").as_bytes());
    let chunk = format!("10000\r\n{}\r\n", "x".repeat(0x10000));
    for _ in 0..4 {
        let _ = endless.write_all(chunk.as_bytes());
    }
    let mut first_words = [0; 12];
    endless.read_exact(&mut first_words).unwrap();
    assert_eq!(&first_words, b"HTTP/1.1 429");
    // What is small is made meanwhile.
    app.make("a fox", "480p", 6).await;
    assert_eq!(app.jobs().await.len(), 1);
    drop((first, second));
    becomes(&app, &large, StatusCode::BAD_REQUEST).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn slow_a_body_that_comes_too_slowly_is_not_waited_for() {
    let app = Setup::default().set("server.body_timeout=\"500ms\"").start().await;
    for path in ["/v1/videos", "/v1/videos/generations", "/v1/chat/completions"] {
        let mut slow =
            app.connect_and_send(head(&app, path, &app.client_key, "content-length: 1000").as_bytes());
        // A byte now and then, as long as anybody listens.
        let writer = slow.try_clone().unwrap();
        let drip = tokio::task::spawn_blocking(move || {
            while (&writer).write_all(b" ").is_ok() {
                std::thread::sleep(Duration::from_millis(20));
            }
        });
        let mut first = [0; 12];
        slow.read_exact(&mut first).unwrap();
        assert_eq!(&first, b"HTTP/1.1 408", "{path}");
        let rest = read_to_end(slow);
        let (_, body) = rest.split_once("\r\n\r\n").unwrap();
        let body: serde_json::Value = serde_json::from_str(body).unwrap();
        assert!(body.to_string().contains("server.body_timeout"), "{body}");
        if path.contains("generations") {
            assert_xai_error(&body);
        }
        drip.await.unwrap();
    }
    assert_nothing_was_made(&app).await;
    app.make("a fox", "480p", 6).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_body_without_end_is_ended() {
    let app = Setup::default().set("server.max_body=\"1MiB\"").start().await;
    let before = app.resident();
    let admin = crate::app::ADMIN_KEY;
    for (path, key, status) in [
        ("/v1/videos", app.client_key.as_str(), "413"),
        ("/v1/videos", "wrong", "401"),
        ("/v1/nothing", "wrong", "404"),
        ("/admin/v1/keys", admin, "413"),
        ("/admin/v1/keys", "wrong", "401"),
        ("/admin/sign-in", "wrong", "413"),
    ] {
        let stream = app.connect_and_send(head(&app, path, key, "transfer-encoding: chunked").as_bytes());
        let writer = stream.try_clone().unwrap();
        let endless = tokio::task::spawn_blocking(move || {
            let chunk = format!("10000\r\n{}\r\n", "x".repeat(0x10000));
            let mut sent = 0;
            while sent < 256 * MIB && (&writer).write_all(chunk.as_bytes()).is_ok() {
                sent += 0x10000;
            }
            sent
        });
        let answer = read_to_end(stream);
        assert!(answer.is_empty() || answer.starts_with(&format!("HTTP/1.1 {status}")), "{path}: {answer}");
        let sent = endless.await.unwrap();
        assert!(sent < 64 * MIB, "{path}: {sent} bytes were taken");
    }
    let grown = app.resident().saturating_sub(before);
    assert!(grown < 64 * MIB, "{grown} bytes more than before");
    app.make("a fox", "480p", 6).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_fetched_for_a_video_shares_that_memory() {
    let app = Setup::default()
        .set("server.max_body=\"4MiB\"")
        .set("inputs.max_image=\"4MiB\"")
        .set("inputs.max_video=\"4MiB\"")
        .set("server.max_body_memory=\"4MiB\"")
        .set("outside.allow_private=true")
        .set("server.body_timeout=\"1h\"")
        .start()
        .await;
    // A server with something large.
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = format!("http://{}/large.png", listener.local_addr().unwrap());
    std::thread::spawn(move || {
        while let Ok((mut stream, _)) = listener.accept() {
            // What was asked has to be read, or the connection is reset at its end.
            let _ = stream.read(&mut [0; 4096]);
            // Whoever has no room for it may leave.
            let _ = stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 3145728\r\n\r\n");
            let _ = stream.write_all(&vec![7; 3 << 20]);
        }
    });
    let image = json!({ "prompt": "a fox", "image": { "url": address } });
    let stalled = stalled(&app, &app.client_key, 3 * MIB);
    becomes(&app, &json!({ "prompt": 5, "user": "x".repeat(2 << 20) }), StatusCode::TOO_MANY_REQUESTS).await;
    let shed = app.ask(Method::POST, "/v1/videos/generations", Some(image.clone())).await;
    assert_shed("/v1/videos/generations", &shed, "server.max_body_memory");
    assert_nothing_was_made(&app).await;
    // Where there is room, it is looked at, and is no picture.
    drop(stalled);
    for _ in 0..400 {
        let looked_at = app.ask(Method::POST, "/v1/videos/generations", Some(image.clone())).await;
        if looked_at.status == StatusCode::BAD_REQUEST {
            assert!(looked_at.body.to_string().contains("is not an image"), "{}", looked_at.body);
            return;
        }
        tokio::time::sleep(Duration::from_millis(25)).await;
    }
    panic!("there is never room again");
}
