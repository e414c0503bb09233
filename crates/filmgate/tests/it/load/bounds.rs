//! The limits of all callers together: unfinished jobs, jobs that wait for a token, connections.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::time::Duration;

use reqwest::{Method, StatusCode};
use serde_json::json;
use tokio::task::JoinSet;

use super::{all_ways_are_shed, assert_shed};
use crate::app::Setup;
use crate::books;
use crate::wire::read_to_end;

#[tokio::test(flavor = "multi_thread")]
async fn more_unfinished_videos_than_all_may_have_are_refused_and_leave_no_trace() {
    let app = Setup { video_seconds: 3600.0, ..Setup::default() }.set("jobs.max_unfinished=3").start().await;
    let mut ids = Vec::new();
    for n in 0..3 {
        ids.push(app.create(&format!("video {n}"), "480p", 6).await["id"].as_str().unwrap().to_owned());
    }
    for id in &ids {
        app.reaches(id, "running").await;
    }
    all_ways_are_shed(&app, "jobs.max_unfinished").await;
    // Another caller is refused, too: the limit is that of all.
    let other = app.new_key("another").await;
    let body = json!({ "prompt": "a fox" });
    let refused = app.request_as(&other, Method::POST, "/v1/videos", Some(body)).await;
    assert_eq!(refused.status(), StatusCode::TOO_MANY_REQUESTS);
    assert_eq!((app.jobs().await.len(), app.upstream_saw()), (3, 3));
    // Whoever looks is answered.
    let status = app.ask(Method::GET, &format!("/v1/videos/{}", ids[0]), None).await;
    assert_eq!((status.status, &status.body["status"]), (StatusCode::OK, &json!("in_progress")));
    let metrics = app.http.get(format!("{}/metrics", app.url)).send().await.unwrap().text().await.unwrap();
    assert!(metrics.contains(r#"jobs_refused_total{code="overloaded"} 5"#), "{metrics}");
    // The place of one that ends goes to the next.
    app.admin(Method::POST, &format!("/jobs/{}/cancel", ids[0]), None).await;
    app.create("the next", "480p", 6).await;
    all_ways_are_shed(&app, "jobs.max_unfinished").await;
    books::balance(&app).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn never_more_unfinished_videos_however_many_come_at_once() {
    let setup = Setup { tokens: [8, 0], video_seconds: 3600.0, ..Setup::default() };
    let app = setup.set("jobs.max_unfinished=7").start().await;
    let body = json!({ "prompt": "a fox", "resolution": "480p", "seconds": "6" });
    let mut requests = JoinSet::new();
    for _ in 0..60 {
        let request = app.http.post(format!("{}/v1/videos", app.url)).bearer_auth(&app.client_key);
        let request = request.json(&body);
        requests.spawn(async move { request.send().await.unwrap().status() });
    }
    let answers = requests.join_all().await;
    let accepted = answers.iter().filter(|status| status.is_success()).count();
    let shed = answers.iter().filter(|status| **status == StatusCode::TOO_MANY_REQUESTS).count();
    // One on its way counts as one that is here, and may yet be refused: so at most seven, and at least one.
    assert!((1..=7).contains(&accepted) && accepted + shed == 60, "{accepted} accepted, {shed} shed");
    assert_eq!(app.jobs().await.len(), accepted);
}

#[tokio::test(flavor = "multi_thread")]
async fn more_that_wait_for_a_token_than_may_are_refused_and_one_with_a_token_is_taken() {
    let setup = Setup { tokens: [1, 1], video_seconds: 3600.0, ..Setup::default() };
    let app = setup
        .set("pools.ssoBasic.max_in_flight=1")
        .set("video.allow_upgrade_to_super=false")
        .set("jobs.max_waiting=2")
        .start()
        .await;
    app.create("busy", "480p", 6).await;
    let wait = json!({
        "prompt": "waits", "resolution": "480p", "seconds": "6", "on_shortage": "wait", "max_wait": 600,
    });
    for _ in 0..2 {
        let waits = app.ask(Method::POST, "/v1/videos", Some(wait.clone())).await;
        assert_eq!(waits.status, StatusCode::OK, "{}", waits.body);
    }
    assert_shed("/v1/videos", &app.ask(Method::POST, "/v1/videos", Some(wait)).await, "jobs.max_waiting");
    assert_eq!(app.jobs().await.len(), 3);
    app.create("has a token", "720p", 6).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn connections_beyond_the_limit_are_told_so_and_others_go_on() {
    let app = Setup::default().set("server.max_connections=8").start().await;
    let request = b"GET /healthz HTTP/1.1\r\nhost: x\r\n\r\n";
    // `app.http` has some of its own, which end by and by.
    let mut held: Vec<TcpStream> = Vec::new();
    let refusal = loop {
        let mut stream = app.connect_and_send(request);
        let mut first = [0; 12];
        stream.read_exact(&mut first).unwrap();
        if &first == b"HTTP/1.1 503" {
            break read_to_end(stream);
        }
        assert_eq!(&first, b"HTTP/1.1 200");
        held.push(stream);
        assert!(held.len() <= 8, "more connections than there may be");
    };
    assert!(refusal.contains("retry-after: 1") && refusal.contains("server.max_connections"), "{refusal}");
    app.says("WARN", "connections are turned away").await;
    // Those that are there are served on.
    let mut kept = held.pop().unwrap();
    kept.write_all(request).unwrap();
    drop(held);
    for _ in 0..200 {
        let again = TcpStream::connect(app.address()).unwrap();
        (&again).write_all(request).unwrap();
        let mut first = [0; 12];
        if (&again).read_exact(&mut first).is_ok() && &first == b"HTTP/1.1 200" {
            return;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    panic!("no connection is taken any more");
}
