//! Whose fault a refusal is, end to end: what becomes of the token, which token comes next, and that neither a
//! success nor a refusal in flight overrules the operator.

use std::collections::BTreeSet;
use std::time::Duration;

use filmgate_simulator::SimulatorConfig;
use reqwest::{Method, StatusCode};
use serde_json::json;

use crate::app::{Setup, TestApp};
use crate::books;
use crate::faults::{end_of, ended_as, ending};

/// Makes one video with the second of two Super tokens, so that the first has the most quota left and is
/// chosen next.
async fn prefer_super_1(app: &TestApp) {
    app.with_token("super-1", "disable").await;
    assert_eq!(app.make("first", "720p", 6).await["status"], "completed");
    app.with_token("super-1", "enable").await;
}

/// Waits until a token is in this state.
async fn token_is(app: &TestApp, name: &str, status: &str) {
    for _ in 0..400 {
        if app.token(name).await["status"] == status {
            return;
        }
        tokio::time::sleep(Duration::from_millis(25)).await;
    }
    panic!("{name} never was {status}: {}", app.token(name).await);
}

#[tokio::test]
async fn a_throttled_token_cools_and_another_makes_the_video() {
    let app = Setup { tokens: [0, 2], ..Setup::default() }.start().await;
    let job = end_of(&app, "[busy] one", "720p").await;
    assert_eq!(ending(&job), ended_as("completed", &["refused", "done"], true, false));
    let [first, second] = &job["attempts"].as_array().unwrap()[..] else { panic!("{job}") };
    assert_ne!(first["token"], second["token"]);
    assert_eq!(first["charged"], false);
    assert!(first["error"].as_str().unwrap().contains("429 Too Many Requests"), "{first}");
    assert_eq!(second["pool"], "ssoSuper");
    books::balance(&app).await;
    assert_eq!(books::generations(&app)["[busy] one"], 1);
    // The provider named one second; then the token is back by itself.
    let name =
        ["super-1", "super-2"].into_iter().find(|name| app.token_ids[*name] == first["token"]).unwrap();
    assert_eq!(app.token(name).await["fail_count"], 1);
    token_is(&app, name, "active").await;
}

#[tokio::test]
async fn a_throttled_job_without_another_token_waits_for_it() {
    let app = Setup { tokens: [0, 1], ..Setup::default() }.start().await;
    let job = end_of(&app, "[busy] one", "720p").await;
    assert_eq!(ending(&job), ended_as("completed", &["refused", "done"], true, false));
    let [first, second] = &job["attempts"].as_array().unwrap()[..] else { panic!("{job}") };
    assert_eq!(first["token"], second["token"]);
    let waited = second["reserved_at"].as_i64().unwrap() - first["answered_at"].as_i64().unwrap();
    assert!(waited >= 1000, "the provider asked for a second, not {waited} ms");
    books::balance(&app).await;
}

#[tokio::test]
async fn a_quota_that_the_provider_counts_otherwise_cools_until_it_says() {
    let app = Setup { tokens: [0, 2], ..Setup::default() }.start().await;
    prefer_super_1(&app).await;
    app.at_provider("super-1", json!({ "remaining": 0 })).await;
    let job = end_of(&app, "one", "720p").await;
    assert_eq!(ending(&job), ended_as("completed", &["refused", "done"], true, false));
    let token = app.token("super-1").await;
    assert_eq!(token["status"], "cooling");
    // Super's window there is two hours, and the provider rounds up to whole seconds.
    let answered = job["attempts"][0]["answered_at"].as_i64().unwrap();
    let pause = token["cooling_until"].as_i64().unwrap() - answered;
    assert!((7_190_000..=7_200_000).contains(&pause), "{pause}");
    assert!(token["last_fail_reason"].as_str().unwrap().contains("quota"), "{token}");
    books::balance(&app).await;
}

#[tokio::test]
async fn when_every_token_cools_beyond_the_deadline_the_job_fails_at_once() {
    let app = Setup { tokens: [0, 1], ..Setup::default() }.start().await;
    app.at_provider("super-1", json!({ "remaining": 0 })).await;
    let job = end_of(&app, "one", "720p").await;
    assert_eq!(ending(&job), ended_as("no_token_available", &["refused"], false, false));
    assert!(app.simulator.generations().is_empty());
    books::balance(&app).await;
    // The next client is told when to come back.
    let body = json!({ "prompt": "two", "resolution": "720p", "seconds": "6" });
    let response = app.request(Method::POST, "/v1/videos", Some(body)).await;
    assert_eq!(response.status(), StatusCode::TOO_MANY_REQUESTS);
    let seconds: u64 = response.headers()["retry-after"].to_str().unwrap().parse().unwrap();
    assert!((7_100..=7_200).contains(&seconds), "{seconds}");
}

#[tokio::test]
async fn one_job_blames_at_most_two_tokens() {
    let app = Setup { tokens: [2, 3], ..Setup::default() }.start().await;
    let job = end_of(&app, "[unauthorized] one", "720p").await;
    let refused = ["refused"; 3];
    assert_eq!(ending(&job), ended_as("upstream_unauthorized", &refused, false, false));
    let attempts = job["attempts"].as_array().unwrap();
    let used: BTreeSet<&str> = attempts.iter().map(|attempt| attempt["token"].as_str().unwrap()).collect();
    assert_eq!(used.len(), 3, "{job}");
    let tokens = app.tokens("ssoSuper").await;
    let with_status = |status: &str| tokens.iter().filter(|token| token["status"] == status).count();
    assert_eq!((with_status("cooling"), with_status("active")), (2, 1));
    for token in tokens.iter().filter(|token| token["status"] == "cooling") {
        assert_eq!(token["fail_count"], 1);
        let pause = token["cooling_until"].as_i64().unwrap() - token["last_fail_at"].as_i64().unwrap();
        assert_eq!(pause, 60_000);
    }
    assert_eq!(app.simulator.refusals().len(), 3);
    books::balance(&app).await;
}

#[tokio::test]
async fn a_bad_token_is_passed_over() {
    let app = Setup { tokens: [0, 2], ..Setup::default() }.start().await;
    prefer_super_1(&app).await;
    app.at_provider("super-1", json!({ "valid": false })).await;
    let job = end_of(&app, "one", "720p").await;
    assert_eq!(ending(&job), ended_as("completed", &["refused", "done"], true, false));
    assert_eq!(job["attempts"][0]["token"], app.token_ids["super-1"].as_str());
    // It has the most quota, and is nevertheless not chosen again while it cools.
    for n in 0..3 {
        let job = end_of(&app, &format!("more {n}"), "720p").await;
        assert_eq!(ending(&job), ended_as("completed", &["done"], true, false));
    }
    let bad = app.token("super-1").await;
    assert_eq!((&bad["status"], &bad["fail_count"]), (&json!("cooling"), &json!(1)));
    assert!(bad["last_fail_reason"].as_str().unwrap().contains("401"), "{bad}");
    books::balance(&app).await;
}

#[tokio::test]
async fn a_token_that_is_refused_too_often_expires_until_it_is_reset() {
    let app = Setup { tokens: [0, 1], ..Setup::default() }
        .set("tokens.fail_threshold=2")
        .set("tokens.first_pause=\"200ms\"");
    let mut app = app.start().await;
    app.at_provider("super-1", json!({ "valid": false })).await;
    let job = end_of(&app, "one", "720p").await;
    let outcomes: Vec<_> = job["attempts"].as_array().unwrap().iter().map(|a| &a["outcome"]).collect();
    assert_eq!(outcomes, ["refused", "refused"]);
    assert_eq!(job["failure"]["code"], "no_token_available");
    assert_eq!(app.token("super-1").await["status"], "expired");

    app.kill();
    app.launch().await;
    app.at_provider("super-1", json!({ "valid": true })).await;
    assert_eq!(app.token("super-1").await["status"], "expired");
    let body = json!({ "prompt": "two", "resolution": "720p", "seconds": "6" });
    let response = app.request(Method::POST, "/v1/videos", Some(body)).await;
    assert_eq!(response.status(), StatusCode::TOO_MANY_REQUESTS);

    assert_eq!(app.with_token("super-1", "reset").await["status"], "active");
    assert_eq!(app.make("three", "720p", 6).await["status"], "completed");
    books::balance(&app).await;
}

#[tokio::test]
async fn the_pause_of_a_refused_token_doubles_and_a_success_ends_the_series() {
    let app = Setup { tokens: [0, 1], ..Setup::default() }.set("tokens.first_pause=\"100ms\"");
    let app = app.set("jobs.max_blames=3").start().await;
    let job = end_of(&app, "[unauthorized] one", "720p").await;
    assert_eq!(job["attempts"].as_array().unwrap().len(), 3);
    // 100 ms, 200 ms, and the third refusal set 400 ms.
    let token = app.token("super-1").await;
    assert_eq!(token["fail_count"], 3);
    let attempts = job["attempts"].as_array().unwrap();
    let pause = |n: usize| {
        attempts[n]["reserved_at"].as_i64().unwrap() - attempts[n - 1]["answered_at"].as_i64().unwrap()
    };
    assert!(pause(1) >= 100 && pause(2) >= 200, "{} {}", pause(1), pause(2));
    token_is(&app, "super-1", "active").await;
    assert_eq!(app.make("two", "720p", 6).await["status"], "completed");
    // Three more in a row: were the first three still counted, it would expire at the fifth.
    let job = end_of(&app, "[unauthorized] three", "720p").await;
    let attempts = job["attempts"].as_array().unwrap();
    let token = app.token("super-1").await;
    assert_eq!((attempts.len(), &token["fail_count"]), (3, &json!(6)), "{token}");
    assert_ne!(token["status"], "expired");
}

#[tokio::test]
async fn a_success_in_flight_does_not_re_enable_a_disabled_token() {
    let slow = |config: &mut SimulatorConfig| config.answer_delay = Duration::from_millis(400);
    let app = Setup { tokens: [0, 1], simulator: slow, ..Setup::default() }.start().await;
    let video = app.create("one", "720p", 6).await;
    let id = video["id"].as_str().unwrap();
    app.reaches(id, "submitting").await;
    assert_eq!(app.with_token("super-1", "disable").await["status"], "disabled");
    let job = app.ended(id).await;
    assert_eq!(ending(&job), ended_as("completed", &["done"], true, false));
    let token = app.token("super-1").await;
    assert_eq!((&token["status"], &token["use_count"]), (&json!("disabled"), &json!(1)));
    let body = json!({ "prompt": "two", "resolution": "720p", "seconds": "6" });
    let response = app.request(Method::POST, "/v1/videos", Some(body)).await;
    assert_eq!(response.status(), StatusCode::TOO_MANY_REQUESTS);
    books::balance(&app).await;
}

#[tokio::test]
async fn a_refusal_in_flight_does_not_change_a_disabled_token() {
    let slow = |config: &mut SimulatorConfig| config.answer_delay = Duration::from_millis(400);
    let app = Setup { tokens: [0, 1], simulator: slow, ..Setup::default() }.start().await;
    app.at_provider("super-1", json!({ "remaining": 0 })).await;
    let video = app.create("one", "720p", 6).await;
    let id = video["id"].as_str().unwrap();
    app.reaches(id, "submitting").await;
    app.with_token("super-1", "disable").await;
    let job = app.ended(id).await;
    assert_eq!(ending(&job), ended_as("no_token_available", &["refused"], false, false));
    assert_eq!(app.token("super-1").await["status"], "disabled");
}

#[tokio::test]
async fn a_fallback_after_a_refusal_keeps_the_policy() {
    let app = Setup { tokens: [1, 1], ..Setup::default() }.start().await;
    app.at_provider("super-1", json!({ "valid": false })).await;
    let job = end_of(&app, "one", "720p").await;
    assert_eq!(ending(&job), ended_as("completed", &["refused", "done"], true, false));
    let [first, second] = &job["attempts"].as_array().unwrap()[..] else { panic!("{job}") };
    assert_eq!((&first["pool"], &first["route"]), (&json!("ssoSuper"), &json!("primary")));
    assert_eq!((&second["pool"], &second["route"]), (&json!("ssoBasic"), &json!("fallback")));
    assert_eq!(second["sent"]["resolution"], "480p");
    assert!(second["reason"].as_str().unwrap().starts_with("ssoSuper: 1 token cooling until "), "{second}");
    assert_eq!(job["filmgate"]["verdict"], "downgraded");
    assert_eq!(job["filmgate"]["routes"].as_array().unwrap().len(), 2);
    let warning = "Video token routing: ssoSuper pool has no available token for resolution=720p, length=6s. \
                   Falling back to ssoBasic pool.";
    app.says("WARN", warning).await;
    books::balance(&app).await;
}

#[tokio::test]
async fn no_refusal_leads_to_a_fallback_that_is_not_allowed() {
    let app = Setup { tokens: [1, 1], ..Setup::default() }
        .set("video.allow_fallback_to_basic=false")
        .set("tokens.first_pause=\"200ms\"");
    let app = app.start().await;
    app.at_provider("super-1", json!({ "valid": false })).await;
    let job = end_of(&app, "one", "720p").await;
    assert_eq!(ending(&job), ended_as("upstream_unauthorized", &["refused"; 3], false, false));
    for attempt in job["attempts"].as_array().unwrap() {
        assert_eq!(attempt["pool"], "ssoSuper");
    }
    assert!(app.simulator.generations().is_empty());
    books::balance(&app).await;
}

#[tokio::test]
async fn how_often_a_job_is_tried_is_a_setting() {
    let app = Setup { tokens: [2, 2], ..Setup::default() }.set("jobs.max_attempts=1").start().await;
    let job = end_of(&app, "[busy] one", "720p").await;
    assert_eq!(ending(&job), ended_as("upstream_rate_limited", &["refused"], false, false));
    // Tried or not: the provider asked that this token be left alone.
    assert_eq!(app.tokens("ssoSuper").await.iter().filter(|token| token["fail_count"] == 1).count(), 1);
    books::balance(&app).await;
}
