//! Everything that can go wrong at the provider, end to end: how the job ends, whether it is charged, and that
//! no video is ever made twice.

use std::net::TcpListener;
use std::time::Duration;

use filmgate_simulator::{AcceptMode, Render, Simulator, SimulatorConfig};
use serde_json::{Value, json};

use crate::app::{Setup, TestApp};
use crate::books;

/// How a job ended: its code, how each attempt ended, whether the last was charged, whether it holds its slot.
pub(crate) fn ending(job: &Value) -> (String, Vec<&str>, bool, bool) {
    let attempts = job["attempts"].as_array().unwrap();
    let last = attempts.last().unwrap();
    let code = job["failure"]["code"].as_str().unwrap_or("completed").to_owned();
    let outcomes = attempts.iter().map(|attempt| attempt["outcome"].as_str().unwrap()).collect();
    (code, outcomes, last["charged"] == true, !last["slot_until"].is_null())
}

pub(crate) fn ended_as(
    code: &str,
    outcomes: &[&'static str],
    charged: bool,
    slot: bool,
) -> (String, Vec<&'static str>, bool, bool) {
    (code.to_owned(), outcomes.to_vec(), charged, slot)
}

pub(crate) async fn end_of(app: &TestApp, prompt: &str, resolution: &str) -> Value {
    let video = app.create(prompt, resolution, 6).await;
    app.ended(video["id"].as_str().unwrap()).await
}

/// A port on which nothing listens.
fn free_port() -> std::net::SocketAddr {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap()
}

#[tokio::test]
async fn each_ending_has_its_code_and_its_price() {
    let app = Setup::default().start().await;
    // Prompt, code, outcome, charged, slot held, made by the provider.
    let endings = [
        ("[fail] one", "upstream_failed", "failed", false, false, 1),
        ("[expire] one", "expired", "failed", false, false, 1),
        ("[moderate] one", "moderation_blocked", "moderated", true, false, 1),
        ("[error] one", "outcome_unknown", "unknown", true, true, 0),
        ("[lost] one", "outcome_unknown", "unknown", true, true, 1),
        ("[garbage] one", "outcome_unknown", "unknown", true, true, 1),
    ];
    for (prompt, code, outcome, charged, slot, made) in endings {
        let job = end_of(&app, prompt, "720p").await;
        assert_eq!(ending(&job), ended_as(code, &[outcome], charged, slot), "{job}");
        assert_eq!(books::generations(&app).get(prompt).copied().unwrap_or(0), made, "{prompt}");
        let status = app.get(&format!("/v1/videos/{}", job["id"].as_str().unwrap())).await;
        assert_eq!((&status["status"], &status["error"]["code"]), (&json!("failed"), &json!(code)));
    }
    books::balance(&app).await;
    // None of it was a token's fault.
    for token in app.tokens("ssoSuper").await {
        assert_eq!((&token["status"], &token["fail_count"]), (&json!("active"), &json!(0)), "{token}");
    }
    // And no submission was sent a second time: one create for each prompt reached the provider.
    assert_eq!(app.simulator.refusals().len(), 1);
    assert_eq!(app.simulator.generations().len(), 5);
}

#[tokio::test]
async fn an_answer_that_never_comes_leaves_the_outcome_unknown() {
    let app = Setup::default()
        .set("upstreams.xai.connect_timeout=\"500ms\"")
        .set("upstreams.xai.header_timeout=\"500ms\"");
    let app = app.start().await;
    let job = end_of(&app, "[hang] one", "720p").await;
    assert_eq!(ending(&job), ended_as("outcome_unknown", &["unknown"], true, true));
    let [attempt] = &job["attempts"].as_array().unwrap()[..] else { panic!("{job}") };
    let held = attempt["slot_until"].as_i64().unwrap() - attempt["sent_at"].as_i64().unwrap();
    assert_eq!(held, 30 * 60 * 1000);
    books::balance(&app).await;
    // Billed there, and not sent again: neither now nor by a restart.
    let mut app = app;
    app.kill();
    app.launch().await;
    assert_eq!(app.make("another", "720p", 6).await["status"], "completed");
    assert_eq!(books::generations(&app)["[hang] one"], 1);
    books::balance(&app).await;
}

#[tokio::test]
async fn outcomes_that_are_not_charged_are_a_setting() {
    let app = Setup::default().set("jobs.charge=[\"done\", \"failed\"]").start().await;
    for (prompt, charged) in [("[moderate]", false), ("[error]", false), ("[fail]", true), ("fine", true)] {
        let job = end_of(&app, prompt, "480p").await;
        assert_eq!(job["attempts"][0]["charged"], charged, "{job}");
    }
    books::balance(&app).await;
}

#[tokio::test]
async fn an_upstream_that_is_down_is_tried_three_times_and_nothing_is_charged() {
    let app = Setup::default().set(&format!("upstreams.xai.base_url=\"http://{}/v1\"", free_port()));
    let app = app.start().await;
    let job = end_of(&app, "one", "720p").await;
    assert_eq!(ending(&job), ended_as("upstream_unreachable", &["refused"; 3], false, false));
    for token in app.tokens("ssoSuper").await {
        assert_eq!((&token["status"], &token["fail_count"]), (&json!("active"), &json!(0)), "{token}");
    }
    books::balance(&app).await;
}

#[tokio::test]
async fn an_upstream_that_comes_back_between_attempts_makes_the_video() {
    let addr = free_port();
    let app = Setup { tokens: [0, 1], ..Setup::default() }
        .set(&format!("upstreams.xai.base_url=\"http://{addr}/v1\""));
    let app = app.start().await;
    let video = app.create("one", "720p", 6).await;
    let id = video["id"].as_str().unwrap();
    app.job_until(id, "refused once", |job| !job["attempts"][0]["outcome"].is_null()).await;
    let config = SimulatorConfig {
        tokens: app.sim_tokens.concat(),
        video_seconds: 0.05,
        render: Render::Flat,
        ..SimulatorConfig::default()
    };
    let back = Simulator::start(config, addr).await.unwrap();
    let job = app.ended(id).await;
    let (code, outcomes, charged, slot) = ending(&job);
    assert_eq!((&*code, charged, slot), ("completed", true, false), "{job}");
    assert_eq!(outcomes.last(), Some(&"done"));
    assert_eq!(back.generations().len(), 1);
    books::balance(&app).await;
}

#[tokio::test]
async fn a_request_that_the_provider_rejects_is_not_tried_again() {
    let app =
        Setup::default().set("models.grok-imagine-video.upstream_names={ ssoSuper = \"no-such-model\" }");
    let app = app.start().await;
    let job = end_of(&app, "one", "720p").await;
    assert_eq!(ending(&job), ended_as("upstream_rejected", &["refused"], false, false));
    assert_eq!(job["failure"]["fault"], "caller");
    assert_eq!(app.simulator.refusals().len(), 1);
    books::balance(&app).await;
}

#[tokio::test]
async fn a_deadline_ends_the_job_and_the_slot_stays_taken() {
    let app = Setup { video_seconds: 60.0, ..Setup::default() }.set("jobs.deadline=\"1s\"").start().await;
    let job = end_of(&app, "one", "720p").await;
    assert_eq!(ending(&job), ended_as("deadline_exceeded", &["timed_out"], true, true));
    let lasted = job["finished_at"].as_i64().unwrap() - job["created_at"].as_i64().unwrap();
    assert!(lasted >= 1000, "{lasted}");
    assert_eq!(app.simulator.generations().len(), 1);
    books::balance(&app).await;
}

#[tokio::test]
async fn polls_that_fail_end_nothing_and_blame_nobody() {
    let app = Setup { tokens: [0, 1], ..Setup::default() }.start().await;
    let video = app.create("[slow] one", "720p", 6).await;
    let id = video["id"].as_str().unwrap();
    app.reaches(id, "running").await;
    app.at_provider("super-1", json!({ "valid": false })).await;
    app.says("WARN", "could not be asked about, asking again").await;
    // Long over by now at the provider, and still not ended here.
    tokio::time::sleep(Duration::from_millis(700)).await;
    assert_eq!(app.job(id).await["state"], "running");
    let token = app.token("super-1").await;
    assert_eq!((&token["status"], &token["fail_count"]), (&json!("active"), &json!(0)), "{token}");
    app.at_provider("super-1", json!({ "valid": true })).await;
    let job = app.ended(id).await;
    assert_eq!(ending(&job), ended_as("completed", &["done"], true, false));
    assert_eq!(app.simulator.generations().len(), 1);
}

#[tokio::test]
async fn a_provider_that_restarts_and_forgets_ends_the_job_only_at_its_deadline() {
    let app = Setup { video_seconds: 60.0, ..Setup::default() }.set("jobs.deadline=\"2s\"").start().await;
    let video = app.create("one", "720p", 6).await;
    let id = video["id"].as_str().unwrap();
    app.reaches(id, "running").await;
    let (addr, tokens) = (app.simulator.addr(), app.sim_tokens.concat());
    let config = SimulatorConfig { tokens, ..SimulatorConfig::default() };
    let mut app = app;
    let spare = Simulator::start(SimulatorConfig::default(), free_port()).await.unwrap();
    std::mem::replace(&mut app.simulator, spare).stop().await;
    let forgetful = Simulator::start(config, addr).await.unwrap();
    let job = app.ended(id).await;
    assert_eq!(ending(&job), ended_as("deadline_exceeded", &["timed_out"], true, true));
    let lasted = job["finished_at"].as_i64().unwrap() - job["created_at"].as_i64().unwrap();
    assert!(lasted >= 2000, "{lasted}");
    assert!(forgetful.generations().is_empty(), "it was sent again");
}

#[tokio::test]
async fn polls_with_an_empty_body_mean_pending() {
    let app = Setup::default().start().await;
    let job = end_of(&app, "[quiet] [slow] one", "720p").await;
    assert_eq!(ending(&job), ended_as("completed", &["done"], true, false));
    assert!(app.simulator.generations()[0].polls > 1);
    assert!(!app.messages("WARN").iter().any(|line| line.contains("could not be asked")));
}

#[tokio::test]
async fn a_provider_that_accepts_after_its_answer_is_asked_until_it_knows() {
    let later = |config: &mut SimulatorConfig| {
        config.accept = AcceptMode::AfterAnswer { delay: Duration::from_millis(300) };
    };
    let app = Setup { simulator: later, ..Setup::default() }.start().await;
    let job = end_of(&app, "one", "720p").await;
    assert_eq!(ending(&job), ended_as("completed", &["done"], true, false));
    assert_eq!(app.simulator.generations().len(), 1);
}
