//! What a kill, a power cut or a stop leaves behind: every unfinished job goes on where it was, with its own
//! token, nothing is made twice, and the books are right.

use std::time::Duration;

use filmgate::config::Sources;
use filmgate::start::Offline;
use filmgate_simulator::SimulatorConfig;
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};
use tower::ServiceExt as _;

use crate::app::{Setup, TestApp};
use crate::books;
use crate::gate::Gate;

fn attempts(job: &Value) -> &Vec<Value> {
    job["attempts"].as_array().unwrap()
}

/// Creates a video and waits until its job is in this state.
pub(crate) async fn create_until(app: &TestApp, prompt: &str, state: &str) -> String {
    let video = app.create(prompt, "720p", 6).await;
    let id = video["id"].as_str().unwrap().to_owned();
    app.reaches(&id, state).await;
    id
}

/// The gateway's data directory, opened while the gateway is stopped: no job moves.
async fn offline(app: &TestApp) -> Offline {
    let sources = Sources { preset: None, file: None, env: Vec::new(), set: app.settings() };
    filmgate::start::offline(&sources, &app.data_dir()).await.unwrap()
}

/// Admits a video while the gateway is stopped, so that its job stays where admission leaves it.
pub(crate) async fn admit_at_rest(app: &TestApp, prompt: &str) -> String {
    let offline = offline(app).await;
    let body = json!({ "prompt": prompt, "resolution": "720p", "seconds": "6", "aspect_ratio": "16:9" });
    let request = http::Request::post("/v1/videos")
        .header(http::header::AUTHORIZATION, format!("Bearer {}", app.client_key))
        .header(http::header::CONTENT_TYPE, "application/json")
        .body(axum::body::Body::from(body.to_string()))
        .unwrap();
    let response = offline.router.clone().oneshot(request).await.unwrap();
    assert_eq!(response.status(), StatusCode::OK);
    let body = axum::body::to_bytes(response.into_body(), 1 << 20).await.unwrap();
    let video: Value = serde_json::from_slice(&body).unwrap();
    assert_eq!(video["filmgate"]["state"], "reserved");
    offline.close().await;
    video["id"].as_str().unwrap().to_owned()
}

#[tokio::test]
async fn a_reserved_job_is_submitted_with_its_token() {
    let mut app = Setup { tokens: [0, 4], ..Setup::default() }.start().await;
    app.kill();
    let id = admit_at_rest(&app, "one").await;
    assert!(app.simulator.generations().is_empty());
    app.launch().await;
    let job = app.ended(&id).await;
    assert_eq!(job["state"], "completed");
    let [attempt] = &attempts(&job)[..] else { panic!("{job}") };
    let [made] = &app.simulator.generations()[..] else { panic!("made more or less than once") };
    assert_eq!(attempt["token"], app.token_ids[&made.token.name].as_str());
    books::balance(&app).await;
}

#[tokio::test]
async fn a_reserved_job_whose_time_is_up_is_not_sent_any_more() {
    let mut app = Setup::default().set("jobs.deadline=\"1s\"").start().await;
    app.kill();
    let id = admit_at_rest(&app, "one").await;
    tokio::time::sleep(Duration::from_millis(1100)).await;
    app.launch().await;
    let job = app.ended(&id).await;
    assert_eq!(job["failure"]["code"], "deadline_exceeded", "{job}");
    let [attempt] = &attempts(&job)[..] else { panic!("{job}") };
    assert_eq!((&attempt["outcome"], &attempt["charged"]), (&json!("unsent"), &json!(false)));
    assert!(app.simulator.generations().is_empty());
    books::balance(&app).await;
}

#[tokio::test]
async fn a_reserved_job_that_is_cancelled_gives_everything_back() {
    let mut app = Setup { tokens: [0, 1], ..Setup::default() }.start().await;
    app.kill();
    let id = admit_at_rest(&app, "one").await;
    let offline = offline(&app).await;
    let request = http::Request::post(format!("/admin/v1/jobs/{id}/cancel"))
        .header(http::header::AUTHORIZATION, format!("Bearer {}", offline.admin_key))
        .body(axum::body::Body::empty())
        .unwrap();
    assert_eq!(offline.router.clone().oneshot(request).await.unwrap().status(), StatusCode::OK);
    offline.close().await;
    app.launch().await;
    let job = app.job(&id).await;
    assert_eq!((&job["state"], &job["failure"]["code"]), (&json!("failed"), &json!("cancelled")));
    let [attempt] = &attempts(&job)[..] else { panic!("{job}") };
    assert_eq!((&attempt["outcome"], &attempt["charged"]), (&json!("unsent"), &json!(false)));
    assert_eq!(app.token("super-1").await["quota"], 140);
    assert!(app.simulator.generations().is_empty());
    books::balance(&app).await;
}

#[tokio::test]
async fn a_job_killed_while_it_is_submitted_is_unknown_and_never_sent_again() {
    let slow = |config: &mut SimulatorConfig| config.answer_delay = Duration::from_millis(600);
    let mut app = Setup { simulator: slow, ..Setup::default() }.start().await;
    let id = create_until(&app, "one", "submitting").await;
    app.kill();
    app.launch().await;
    let job = app.ended(&id).await;
    assert_eq!(job["failure"]["code"], "outcome_unknown", "{job}");
    let [attempt] = &attempts(&job)[..] else { panic!("{job}") };
    assert_eq!((&attempt["outcome"], &attempt["charged"]), (&json!("unknown"), &json!(true)));
    let held = attempt["slot_until"].as_i64().unwrap() - attempt["sent_at"].as_i64().unwrap();
    assert_eq!(held, 30 * 60 * 1000);
    books::balance(&app).await;
    // The provider accepts it all the same, a moment after the kill, unless that came before the request left;
    // and another restart changes nothing.
    for _ in 0..100 {
        if !app.simulator.generations().is_empty() {
            break;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    app.kill();
    app.launch().await;
    assert_eq!(app.make("two", "720p", 6).await["status"], "completed");
    assert!(books::generations(&app).get("one").is_none_or(|made| *made == 1));
    assert_eq!(app.job(&id).await, job);
    books::balance(&app).await;
}

#[tokio::test]
async fn a_queued_job_goes_on_to_wait_for_a_token() {
    let mut app = Setup { tokens: [0, 1], ..Setup::default() }.start().await;
    let id = create_until(&app, "[busy] one", "queued").await;
    app.kill();
    app.launch().await;
    let job = app.ended(&id).await;
    assert_eq!(job["state"], "completed", "{job}");
    let outcomes: Vec<&Value> = attempts(&job).iter().map(|attempt| &attempt["outcome"]).collect();
    assert_eq!(outcomes, ["refused", "done"]);
    let waited = attempts(&job)[1]["reserved_at"].as_i64().unwrap()
        - attempts(&job)[0]["answered_at"].as_i64().unwrap();
    assert!(waited >= 1000, "the token was to be left alone for a second, not {waited} ms");
    assert_eq!(books::generations(&app)["[busy] one"], 1);
    books::balance(&app).await;
}

#[tokio::test]
async fn a_running_job_is_polled_with_its_own_token() {
    let mut app = Setup { tokens: [0, 4], video_seconds: 0.1, ..Setup::default() }.start().await;
    let id = create_until(&app, "[slow] one", "running").await;
    let before = app.job(&id).await;
    app.kill();
    app.launch().await;
    let status = app.get(&format!("/v1/videos/{id}")).await;
    assert_eq!(status["id"], id.as_str());
    let job = app.ended(&id).await;
    assert_eq!(job["state"], "completed", "{job}");
    let [attempt] = &attempts(&job)[..] else { panic!("{job}") };
    for field in ["token", "upstream_id", "sent_at", "answered_at", "reserved_at"] {
        assert_eq!(attempt[field], attempts(&before)[0][field], "{field}");
    }
    // To any other token the provider would say that it knows no such video.
    let [made] = &app.simulator.generations()[..] else { panic!("made more or less than once") };
    assert_eq!(attempt["token"], app.token_ids[&made.token.name].as_str());
    books::balance(&app).await;
}

#[tokio::test]
async fn a_running_job_ends_even_when_its_token_was_disabled_or_removed() {
    let mut app = Setup { tokens: [0, 2], video_seconds: 0.1, ..Setup::default() }.start().await;
    app.with_token("super-2", "disable").await;
    let first = create_until(&app, "[slow] one", "running").await;
    app.with_token("super-2", "enable").await;
    app.with_token("super-1", "disable").await;
    let second = create_until(&app, "[slow] two", "running").await;
    app.admin(Method::DELETE, &format!("/tokens/{}", app.token_ids["super-2"]), None).await;
    app.kill();
    app.launch().await;
    for id in [first, second] {
        assert_eq!(app.ended(&id).await["state"], "completed");
    }
    assert_eq!(app.token("super-1").await["status"], "disabled");
    assert_eq!(app.tokens("ssoSuper").await.len(), 1);
    assert_eq!(app.simulator.generations().len(), 2);
}

#[tokio::test]
async fn a_job_killed_while_its_file_comes_in_fetches_it_again() {
    let (gate, mut app) = Gate::before(Setup::default()).await;
    gate.shut();
    let id = create_until(&app, "one", "delivering").await;
    app.kill();
    assert!(!app.file(&id).exists());
    // What was there of the file, were it larger.
    let partial = app.data_dir().join("media/partial").join(app.file(&id).file_stem().unwrap());
    std::fs::write(&partial, b"half a video").unwrap();
    gate.open();
    app.launch().await;
    let job = app.ended(&id).await;
    assert_eq!(job["state"], "completed", "{job}");
    assert!(!partial.exists());
    let served = app.content(&id).await.bytes().await.unwrap();
    assert_eq!(served.len() as u64, job["filmgate"]["delivered"]["bytes"]);
    assert_eq!(served, std::fs::read(app.file(&id)).unwrap());
    assert_eq!(app.simulator.generations().len(), 1);
    books::balance(&app).await;
}

#[tokio::test]
async fn a_file_that_was_renamed_before_the_kill_is_not_fetched_again() {
    let (gate, mut app) = Gate::before(Setup::default()).await;
    let finished = app.make("one", "720p", 6).await;
    gate.shut();
    let id = create_until(&app, "two", "delivering").await;
    app.kill();
    std::fs::copy(app.file(finished["id"].as_str().unwrap()), app.file(&id)).unwrap();
    app.launch().await;
    // The gate is still shut.
    let job = app.ended(&id).await;
    assert_eq!(job["state"], "completed", "{job}");
    assert_eq!(job["filmgate"]["delivered"], finished["filmgate"]["delivered"]);
}

#[tokio::test]
async fn a_finished_video_is_served_after_a_kill() {
    let mut app = Setup::default().start().await;
    let before = app.make("one", "720p", 6).await;
    let id = before["id"].as_str().unwrap();
    let bytes = app.content(id).await.bytes().await.unwrap();
    let job = app.job(id).await;
    app.kill();
    app.launch().await;
    assert_eq!(app.get(&format!("/v1/videos/{id}")).await, before);
    assert_eq!(app.job(id).await, job);
    let response = app.content(id).await;
    assert_eq!(response.status(), StatusCode::OK);
    assert_eq!(response.bytes().await.unwrap(), bytes);
    assert_eq!(app.simulator.generations()[0].fetches, 1);
}

#[tokio::test]
async fn what_is_known_about_tokens_survives_a_kill() {
    let mut app = Setup { tokens: [2, 3], ..Setup::default() }.start().await;
    for prompt in ["one", "two", "[moderate]", "[fail]", "[lost]"] {
        let video = app.make(prompt, "480p", 6).await;
        assert!(video["status"] == "completed" || !video["error"].is_null());
    }
    app.with_token("super-1", "disable").await;
    app.at_provider("super-2", json!({ "remaining": 0 })).await;
    app.at_provider("super-3", json!({ "valid": false })).await;
    let video = app.make("cools both", "720p", 6).await;
    assert_eq!(video["filmgate"]["pool"], "ssoBasic");
    let all = async |app: &TestApp| [app.tokens("ssoBasic").await, app.tokens("ssoSuper").await].concat();
    let before = all(&app).await;
    let statuses: Vec<&Value> = before.iter().map(|token| &token["status"]).collect();
    assert_eq!(statuses, ["active", "active", "disabled", "cooling", "cooling"]);
    // Two made, one moderated, one unknown, one fallback; the failed one was given back.
    assert_eq!(before.iter().map(|token| token["spent"].as_u64().unwrap()).sum::<u64>(), 5 * 4);
    app.kill();
    app.launch().await;
    assert_eq!(all(&app).await, before);
    books::balance(&app).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_clean_stop_loses_nothing_and_leaves_no_outcome_open() {
    let setup = Setup { tokens: [0, 4], video_seconds: 0.3, ..Setup::default() };
    let slow = |config: &mut SimulatorConfig| config.answer_delay = Duration::from_millis(150);
    let mut app = Setup { simulator: slow, ..setup }.start().await;
    let mut ids = Vec::new();
    for n in 0..20 {
        ids.push(app.create(&format!("job {n}"), "720p", 6).await["id"].as_str().unwrap().to_owned());
    }
    assert!(app.stop(), "exit code");
    books::is_sound(&app);
    app.launch().await;
    for id in &ids {
        let job = app.ended(id).await;
        // Also those in the middle of their submission: the stop waited for the answer.
        assert_eq!(job["state"], "completed", "{job}");
        assert_eq!(attempts(&job).len(), 1);
    }
    let made = books::generations(&app);
    assert!(made.len() == 20 && made.values().all(|times| *times == 1), "{made:?}");
    books::balance(&app).await;
}

/// 64 files of a pool are fetched at once; a stop is no failure of the others, or some stops would end them for good.
#[tokio::test(flavor = "multi_thread")]
async fn files_that_wait_for_their_turn_at_a_stop_have_not_been_tried() {
    let setup = Setup { tokens: [8, 0], ..Setup::default() }.set("pools.ssoBasic.max_in_flight=0");
    let (gate, mut app) = Gate::before(setup).await;
    gate.shut();
    let mut ids = Vec::new();
    for n in 0..150 {
        ids.push(app.create(&format!("video {n}"), "480p", 6).await["id"].as_str().unwrap().to_owned());
    }
    for id in &ids {
        app.reaches(id, "delivering").await;
    }
    assert!(app.stop(), "exit code");
    assert!(!app.messages("WARN").iter().any(|line| line.starts_with("not delivered")), "{}", app.logs());
    gate.open();
    app.launch().await;
    for id in &ids {
        assert_eq!(app.ended(id).await["state"], "completed");
    }
    books::balance(&app).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stop_does_not_wait_for_videos_in_the_making() {
    // It takes ten times as long when it is slow: longer than a restart on any machine.
    let mut app = Setup { video_seconds: 0.5, ..Setup::default() }.start().await;
    let id = create_until(&app, "[slow] one", "running").await;
    assert!(app.stop());
    app.launch().await;
    assert_eq!(app.job(&id).await["state"], "running");
    assert_eq!(app.ended(&id).await["state"], "completed");
    assert_eq!(app.simulator.generations().len(), 1);
}

#[tokio::test]
async fn a_stop_does_not_wait_for_ever_for_an_answer() {
    let mut app = Setup::default().set("server.shutdown_grace=\"1s\"").start().await;
    let id = create_until(&app, "[hang] one", "submitting").await;
    assert!(app.stop(), "exit code");
    app.launch().await;
    let job = app.ended(&id).await;
    assert_eq!(job["failure"]["code"], "outcome_unknown", "{job}");
    assert_eq!(books::generations(&app)["[hang] one"], 1);
    books::balance(&app).await;
}

#[tokio::test]
async fn a_running_job_ends_although_its_pool_is_not_configured_any_more() {
    let mut app = Setup { tokens: [0, 1], video_seconds: 0.1, ..Setup::default() }.start().await;
    let id = create_until(&app, "[slow] one", "running").await;
    app.kill();
    app.also_set("video.pools=[\"ssoBasic\"]");
    app.launch().await;
    assert_eq!(app.ended(&id).await["state"], "completed");
    app.kill();
    app.also_set("video.pools=[\"ssoBasic\", \"ssoSuper\"]");
    app.launch().await;
    // What it spent counts when the pool is back.
    books::balance(&app).await;
    assert_eq!(app.token("super-1").await["quota"], 140 - 4);
}

/// Slow: the gateway waits five seconds for a database before it takes a write for failed.
#[tokio::test]
async fn slow_a_database_that_cannot_be_written_for_a_while_loses_nothing() {
    let app = Setup { tokens: [0, 2], video_seconds: 0.1, ..Setup::default() }.start().await;
    let id = create_until(&app, "[slow] one", "running").await;
    let other = rusqlite::Connection::open(app.data_dir().join("filmgate.db")).unwrap();
    other.execute_batch("BEGIN IMMEDIATE").unwrap();
    // It is not accepted, and nothing stays reserved for it.
    let body = json!({ "prompt": "two", "resolution": "720p", "seconds": "6" });
    let response = app.request(Method::POST, "/v1/videos", Some(body)).await;
    assert_eq!(response.status(), StatusCode::SERVICE_UNAVAILABLE);
    app.says("ERROR", "the job cannot be written; trying again").await;
    other.execute_batch("ROLLBACK").unwrap();
    assert_eq!(app.ended(&id).await["state"], "completed");
    assert_eq!(books::jobs(&app).await.len(), 1);
    assert_eq!(app.simulator.generations().len(), 1);
    books::balance(&app).await;
}

#[tokio::test]
async fn a_second_process_does_not_get_the_data_directory() {
    let app = Setup::default().start().await;
    let mut second = std::process::Command::new(crate::app::binary());
    second.args(["serve", "--listen", "127.0.0.1:0", "--data-dir"]).arg(app.data_dir());
    let output = second.output().unwrap();
    assert!(!output.status.success());
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(said.contains("another filmgate uses"), "{said}");
    assert_eq!(app.make("one", "480p", 6).await["status"], "completed");
}
