//! The disk is full, the database is damaged, the data directory is gone: a clear word, and nothing lost that was
//! promised.

use std::io::{Seek as _, SeekFrom, Write as _};
use std::path::Path;
use std::time::Duration;

use reqwest::{Method, StatusCode};
use serde_json::json;

use crate::app::{Setup, TestApp};
use crate::books;
use crate::recovery::create_until;
use crate::shell::Shell;

/// Overwrites what follows the first page.
fn damage(database: &Path) {
    let mut file = std::fs::OpenOptions::new().write(true).open(database).unwrap();
    let bytes = file.metadata().unwrap().len();
    file.seek(SeekFrom::Start(4096)).unwrap();
    file.write_all(&vec![0x5a; usize::try_from(bytes).unwrap() - 4096]).unwrap();
}

/// Asks for a video; whether it was accepted. A gateway that is not there accepts nothing.
async fn is_accepted(app: &TestApp) -> bool {
    let request = app.http.post(format!("{}/v1/videos", app.url)).bearer_auth(&app.client_key);
    let body = json!({ "prompt": "too late", "resolution": "480p", "seconds": "6" });
    match request.json(&body).send().await {
        Ok(response) => {
            let status = response.status();
            assert!(status.is_success() || status == StatusCode::SERVICE_UNAVAILABLE, "{response:?}");
            status.is_success()
        }
        Err(_) => false,
    }
}

#[tokio::test]
async fn a_damaged_database_is_refused_at_the_start() {
    let mut app = Setup::default().start().await;
    app.make("one", "480p", 6).await;
    assert!(app.stop());
    let database = app.data_dir().join("filmgate.db");
    damage(&database);
    let before = std::fs::read(&database).unwrap();
    let said = Shell::of(&app).run(&["serve"]).with_code(5);
    assert!(
        said.err.contains("the database is damaged") && said.err.contains("filmgate restore"),
        "{}",
        said.err
    );
    assert!(!said.err.contains("panicked"), "{}", said.err);
    assert_eq!(std::fs::read(&database).unwrap(), before, "something was written");
}

#[tokio::test]
async fn a_database_that_is_damaged_while_it_is_in_use_ends_the_gateway() {
    let mut app = Setup::default().start().await;
    for n in 0..4 {
        app.make(&format!("video {n}"), "480p", 6).await;
    }
    let database = app.data_dir().join("filmgate.db");
    let other = rusqlite::Connection::open(&database).unwrap();
    other.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(())).unwrap();
    drop(other);
    damage(&database);
    // Whatever reads it first. What is in the memory of a connection is good for a while.
    for path in ["/jobs?limit=1000", "/audit", "/callers", "/webhooks/deliveries", "/keys"] {
        let request = app.http.get(format!("{}/admin/v1{path}", app.url)).bearer_auth(crate::app::ADMIN_KEY);
        let _ = request.send().await;
    }
    assert_eq!(app.exit_code().await, Some(5));
    app.says("ERROR", "nothing is accepted any more").await;
    assert!(app.logs().contains("the database is damaged"), "{}", app.logs());
}

#[tokio::test]
async fn a_data_directory_that_vanishes_ends_the_gateway_and_nothing_more_is_accepted() {
    let mut app = Setup::default().start().await;
    app.make("one", "480p", 6).await;
    let elsewhere = tempfile::tempdir().unwrap();
    let kept = elsewhere.path().join("moved");
    std::fs::rename(app.data_dir(), &kept).unwrap();
    assert!(!is_accepted(&app).await, "what is accepted now is gone with the process");
    assert_eq!(app.exit_code().await, Some(5));
    app.says("ERROR", "nothing is accepted any more").await;
    assert!(app.logs().contains("was removed or replaced while it was in use"), "{}", app.logs());
    assert!(!app.data_dir().exists(), "nothing was made in its place");
    // Everything is there when it is back.
    std::fs::rename(&kept, app.data_dir()).unwrap();
    app.launch().await;
    assert_eq!(books::jobs(&app).await.len(), 1);
    assert_eq!(app.make("two", "480p", 6).await["status"], "completed");
}

#[tokio::test]
async fn a_data_directory_that_vanishes_is_missed_though_nobody_asks_for_anything() {
    let mut app = Setup::default().start().await;
    for name in ["filmgate.db", "filmgate.db-wal", "filmgate.db-shm"] {
        std::fs::remove_file(app.data_dir().join(name)).unwrap();
    }
    assert_eq!(app.exit_code().await, Some(5));
}

#[tokio::test]
async fn a_full_disk_refuses_and_everything_goes_on_when_there_is_room() {
    let setup = Setup { tokens: [0, 3], video_seconds: 0.1, may_fill: true, ..Setup::default() };
    let app = setup.start().await;
    let running = create_until(&app, "[slow] one", "running").await;
    app.largest_file("0");
    let body = json!({ "prompt": "two", "resolution": "720p", "seconds": "6" });
    for _ in 0..3 {
        let response = app.request(Method::POST, "/v1/videos", Some(body.clone())).await;
        assert_eq!(response.status(), StatusCode::SERVICE_UNAVAILABLE);
        let error = response.json::<serde_json::Value>().await.unwrap();
        assert_eq!(error["error"]["code"], "storage_unavailable", "{error}");
    }
    app.says("ERROR", "the job could not be written and is not admitted").await;
    app.says("ERROR", "the job cannot be written; trying again").await;
    // What needs no room is answered.
    assert_eq!(app.get(&format!("/v1/videos/{running}")).await["id"], running.as_str());
    app.largest_file("unlimited");
    assert_eq!(app.ended(&running).await["state"], "completed");
    assert_eq!(app.make("three", "720p", 6).await["status"], "completed");
    assert_eq!(books::jobs(&app).await.len(), 2);
    assert_eq!(app.simulator.generations().len(), 2);
    books::balance(&app).await;
}

/// Slow: a disk that took no file is left alone for a while.
#[tokio::test]
async fn slow_a_video_waits_for_room_on_the_disk_and_is_not_given_up() {
    let app = Setup::default().start().await;
    let partial = app.data_dir().join("media/partial");
    std::fs::remove_dir(&partial).unwrap();
    std::fs::write(&partial, "in the way").unwrap();
    let id = create_until(&app, "one", "delivering").await;
    app.says("WARN", "not delivered: the video could not be kept on disk").await;
    // Longer than all the tries that an upstream which delivers badly gets within so many pauses.
    tokio::time::sleep(Duration::from_secs(6)).await;
    assert_eq!(app.job(&id).await["state"], "delivering");
    std::fs::remove_file(&partial).unwrap();
    std::fs::create_dir(&partial).unwrap();
    assert_eq!(app.ended(&id).await["state"], "completed");
    assert_eq!(app.simulator.generations().len(), 1);
    books::balance(&app).await;
}
