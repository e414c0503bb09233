//! A single stop: who waits for something is sent away at once, who is being answered is not.

use std::io::Read as _;
use std::net::TcpStream;
use std::time::Duration;

use reqwest::{Method, StatusCode};
use tokio::task::JoinSet;
use tokio::time::Instant;

use crate::app::{Setup, TestApp};
use crate::page::Browser;
use crate::wire::{self, read_to_end};

/// A stop, which has to be over long before the grace of 30 s is.
async fn stops_soon(app: &mut TestApp) {
    let begun = Instant::now();
    app.signal("TERM");
    assert_eq!(app.exit_code().await, Some(0));
    let took = begun.elapsed();
    assert!(took < Duration::from_secs(5), "clients that could come back were waited for: {took:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn who_follows_a_video_is_told_at_once_that_the_gateway_stops_and_goes_on_at_the_next() {
    let mut app = Setup { video_seconds: 0.3, ..Setup::default() }.start().await;
    let video = app.create("[slow] one", "480p", 6).await;
    let path = format!("/v1/videos/{}", video["id"].as_str().unwrap());
    app.reaches(video["id"].as_str().unwrap(), "running").await;
    let events = app.request(Method::GET, &format!("{path}/events"), None).await;
    let url = format!("{}{path}?wait=30", app.url);
    let waits = tokio::spawn(app.http.get(url).bearer_auth(&app.client_key).send());
    // It waits by then.
    tokio::time::sleep(Duration::from_millis(200)).await;
    stops_soon(&mut app).await;

    let events = events.text().await.expect("a stream that ends as it should");
    assert!(events.contains("retry:"), "{events}");
    let (name, data) = wire::events(&events).pop().unwrap();
    let told: serde_json::Value = serde_json::from_str(&data).unwrap();
    assert_eq!(
        (&*name, &told["id"], &told["status"]),
        ("gateway.stopping", &video["id"], &"in_progress".into())
    );
    let waited = waits.await.unwrap().unwrap();
    assert_eq!(waited.status(), StatusCode::OK);
    assert_eq!(waited.json::<serde_json::Value>().await.unwrap()["status"], "in_progress");

    app.launch().await;
    let events = app.request(Method::GET, &format!("{path}/events"), None).await.text().await.unwrap();
    assert_eq!(wire::events(&events).pop().unwrap().0, "video.completed", "{events}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_page_that_is_open_holds_up_no_stop() {
    let mut app = Setup::default().start().await;
    let browser = Browser::signed_in(&app).await;
    let page = browser.page("/admin").await;
    let live = page.split("data-live=\"").nth(1).and_then(|rest| rest.split('"').next()).unwrap();
    let region = browser.get(live).await;
    assert_eq!(region.status(), StatusCode::OK);
    stops_soon(&mut app).await;
    assert!(region.text().await.expect("a stream that ends as it should").contains("event: html"));
}

#[tokio::test(flavor = "multi_thread")]
async fn who_asks_nothing_or_half_of_something_holds_up_no_stop() {
    let mut app = Setup::default().start().await;
    let whole = "GET /healthz HTTP/1.1\r\nhost: x\r\n\r\n";
    let half = "GET /healthz HTTP/1.1\r\nhost:";
    let again = format!("{whole}{half}");
    let preface = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
    let _held = ["", half, whole, &again, preface].map(|bytes| app.connect_and_send(bytes.as_bytes()));
    tokio::time::sleep(Duration::from_millis(200)).await;
    stops_soon(&mut app).await;
}

/// The system takes connections for a gateway that does not look: all these clients believe that they are connected,
/// and have asked, when it is told to stop.
#[tokio::test(flavor = "multi_thread")]
async fn who_was_connected_before_the_stop_is_answered() {
    let mut app = Setup::default().start().await;
    app.signal("STOP");
    let request =
        format!("GET /v1/videos HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {}\r\n\r\n", app.client_key);
    let clients: Vec<TcpStream> = (0..40).map(|_| app.connect_and_send(request.as_bytes())).collect();
    app.signal("TERM");
    app.signal("CONT");
    let answers: Vec<String> = clients.into_iter().map(read_to_end).collect();
    let unanswered = answers.iter().filter(|answer| !answer.starts_with("HTTP/1.1 200")).count();
    assert_eq!(unanswered, 0, "of {}", answers.len());
    assert_eq!(app.exit_code().await, Some(0));
}

/// One connection carries them all; it is told to end, and they are not.
#[tokio::test(flavor = "multi_thread")]
async fn requests_of_one_http2_connection_that_are_open_at_a_stop_get_their_whole_answers() {
    let mut app = Setup { video_seconds: 0.3, ..Setup::default() }.start().await;
    let video = app.make("a fox", "480p", 6).await;
    let running = app.create("[slow] a hare", "480p", 6).await;
    let [video, running] = [video, running].map(|video| video["id"].as_str().unwrap().to_owned());
    // More than a stream may send before somebody reads.
    let file: Vec<u8> = (0..16 << 20).map(|n: u32| (n >> 8) as u8).collect();
    std::fs::write(app.file(&video), &file).unwrap();
    let http = reqwest::Client::builder().no_proxy().http2_prior_knowledge().build().unwrap();
    let get = |path: String| http.get(format!("{}{path}", app.url)).bearer_auth(&app.client_key).send();
    let events = get(format!("/v1/videos/{running}/events")).await.unwrap();
    let mut files = JoinSet::new();
    for _ in 0..4 {
        let answer = get(format!("/v1/videos/{video}/content")).await.unwrap();
        assert_eq!((answer.status(), answer.version()), (StatusCode::OK, reqwest::Version::HTTP_2));
        files.spawn(async move {
            tokio::time::sleep(Duration::from_millis(300)).await;
            answer.bytes().await
        });
    }
    app.signal("TERM");
    assert!(events.text().await.unwrap().contains("gateway.stopping"));
    for got in files.join_all().await {
        assert!(got.expect("the whole file") == file);
    }
    assert_eq!(app.exit_code().await, Some(0));
}

/// How many bytes of a body come.
fn rest_of(mut client: TcpStream, length: usize) -> usize {
    let (mut head, mut got, mut buffer) = (Vec::new(), 0, vec![0; 1 << 16]);
    while !head.ends_with(b"\r\n\r\n") {
        let mut byte = [0];
        client.read_exact(&mut byte).unwrap();
        head.extend(byte);
    }
    while got < length {
        match client.read(&mut buffer) {
            Ok(0) | Err(_) => break,
            Ok(n) => got += n,
        }
    }
    got
}

/// The end of a file lies here for as long as the client does not take it, which must not look like a connection on
/// which nothing goes on. How much lies where depends on the system: so it is tried with many lengths.
#[tokio::test(flavor = "multi_thread")]
async fn who_is_slow_to_take_the_end_of_a_file_gets_it_in_the_end_also_when_the_gateway_stops() {
    const LENGTHS: usize = 280;
    const STEP: usize = 16 * 1024;
    for stops in [false, true] {
        let mut app = Setup::default().set("server.header_timeout=\"200ms\"").start().await;
        let video = app.make("a fox", "480p", 6).await;
        let id = video["id"].as_str().unwrap().to_owned();
        std::fs::write(app.file(&id), vec![7; LENGTHS * STEP]).unwrap();
        let mut clients: Vec<(usize, TcpStream)> = Vec::new();
        for n in 64..=LENGTHS {
            let request = format!(
                "GET /v1/videos/{id}/content HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {}\r\nrange: bytes=0-{}\r\n\r\n",
                app.client_key,
                n * STEP - 1
            );
            let mut client = app.connect_and_send(request.as_bytes());
            let mut first = [0; 12];
            client.read_exact(&mut first).unwrap();
            assert_eq!(&first, b"HTTP/1.1 206");
            clients.push((n * STEP, client));
        }
        if stops {
            app.signal("TERM");
        }
        // Long beyond the time for a connection on which nothing is asked.
        tokio::time::sleep(Duration::from_secs(1)).await;
        let got = clients.into_iter().map(|(length, client)| (length, rest_of(client, length)));
        let cut: Vec<(usize, usize)> = got.filter(|(length, got)| got != length).collect();
        assert_eq!(cut, [], "wanted, and got; stopped: {stops}");
        if stops {
            assert_eq!(app.exit_code().await, Some(0));
        }
    }
}
