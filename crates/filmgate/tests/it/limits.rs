//! What a token may do, end to end: in flight, in a minute, in a window. The simulator counts for itself.

use std::collections::BTreeSet;
use std::time::Duration;

use filmgate_simulator::SimulatorConfig;
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};
use tokio::task::JoinSet;

use crate::app::{Setup, TestApp, client};
use crate::books;
use crate::operator::ask;

/// Asks for many videos at once; returns the ids of those that were accepted.
async fn burst(app: &TestApp, count: usize) -> Vec<String> {
    let mut requests = JoinSet::new();
    for n in 0..count {
        let body = json!({ "prompt": format!("video {n}"), "resolution": "480p", "seconds": "6" });
        let request =
            client().post(format!("{}/v1/videos", app.url)).bearer_auth(&app.client_key).json(&body);
        requests.spawn(async move {
            let response = request.send().await.unwrap();
            let accepted = response.status().is_success();
            if !accepted {
                assert_eq!(response.status(), StatusCode::TOO_MANY_REQUESTS);
            }
            let video: Value = response.json().await.unwrap();
            accepted.then(|| video["id"].as_str().unwrap().to_owned())
        });
    }
    requests.join_all().await.into_iter().flatten().collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn never_more_in_flight_than_a_token_may_have() {
    let one = |config: &mut SimulatorConfig| config.tiers[0].max_in_flight = Some(1);
    let setup = Setup { tokens: [3, 0], video_seconds: 0.1, simulator: one, ..Setup::default() };
    let app = setup.set("pools.ssoBasic.max_in_flight=1").start().await;
    let mut accepted = Vec::new();
    for _ in 0..4 {
        accepted.extend(burst(&app, 12).await);
        for id in &accepted {
            app.ended(id).await;
        }
    }
    assert!(accepted.len() >= 4 * 3, "each burst finds three idle tokens: {}", accepted.len());
    for id in &accepted {
        assert_eq!(app.job(id).await["state"], "completed");
    }
    // The provider, which counts for itself, never had reason to complain.
    assert_eq!(app.simulator.refusals(), []);
    assert_eq!(app.simulator.generations().len(), accepted.len());
    books::balance(&app).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn never_more_than_the_quota_and_all_of_it() {
    let app = Setup { tokens: [2, 0], ..Setup::default() }.set("pools.ssoBasic.max_in_flight=0");
    let app = app.start().await;
    // Eighty units a token at four a video.
    let accepted = burst(&app, 60).await;
    assert_eq!(accepted.len(), 40);
    for id in &accepted {
        assert_eq!(app.ended(id).await["state"], "completed");
    }
    assert_eq!(app.simulator.refusals(), []);
    for token in app.simulator.tokens() {
        assert_eq!((token.accepted, token.remaining), (20, Some(0)));
    }
    books::balance(&app).await;
    assert!(burst(&app, 3).await.is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn never_more_submissions_in_a_minute_than_a_token_may_have() {
    let app = Setup { tokens: [2, 0], ..Setup::default() }.set("pools.ssoBasic.submits_per_minute=3");
    let mut app = app.start().await;
    assert_eq!(burst(&app, 10).await.len(), 6);
    // A restart does not forget them.
    app.kill();
    app.launch().await;
    assert!(burst(&app, 3).await.is_empty());
    let response = ask(&app, "one", "480p").await;
    let seconds: u64 = response.headers()["retry-after"].to_str().unwrap().parse().unwrap();
    assert!((1..=60).contains(&seconds), "{seconds}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_burst_is_spread_over_the_tokens() {
    let app = Setup { tokens: [4, 0], ..Setup::default() }.start().await;
    let accepted = burst(&app, 8).await;
    let mut used = BTreeSet::new();
    for id in &accepted {
        used.insert(app.ended(id).await["attempts"][0]["token"].as_str().unwrap().to_owned());
    }
    assert_eq!((accepted.len(), used.len()), (8, 4));
    assert!(app.simulator.tokens().iter().all(|token| token.accepted == 2));
}

/// Asks again until the video is accepted; the last refusal has to say when.
async fn ask_until_accepted(app: &TestApp, prompt: &str) -> Value {
    for _ in 0..400 {
        let response = ask(app, prompt, "480p").await;
        if response.status().is_success() {
            return response.json().await.unwrap();
        }
        let seconds: u64 = response.headers()["retry-after"].to_str().unwrap().parse().unwrap();
        assert!((1..=3).contains(&seconds), "{seconds}");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    panic!("never accepted");
}

#[tokio::test]
async fn units_come_back_one_window_after_their_submission_was_answered() {
    let app = Setup { tokens: [1, 0], ..Setup::default() }
        .set("pools.ssoBasic.quota_units=4")
        .set("pools.ssoBasic.quota_window=\"2s\"");
    let mut app = app.start().await;
    let first = app.make("one", "480p", 6).await;
    assert_eq!(ask(&app, "two", "480p").await.status(), StatusCode::TOO_MANY_REQUESTS);
    // Also when the gateway was not there in between.
    app.kill();
    app.launch().await;
    let second = ask_until_accepted(&app, "three").await;
    let job = async |video: &Value| app.ended(video["id"].as_str().unwrap()).await;
    let answered = job(&first).await["attempts"][0]["answered_at"].as_i64().unwrap();
    let waited = job(&second).await["attempts"][0]["reserved_at"].as_i64().unwrap() - answered;
    assert!(waited >= 2000, "{waited}");
}

#[tokio::test]
async fn a_held_slot_comes_back_when_its_time_is_over() {
    let app = Setup { tokens: [1, 0], ..Setup::default() }
        .set("pools.ssoBasic.max_in_flight=1")
        .set("jobs.slot_hold=\"2s\"");
    let mut app = app.start().await;
    let lost = app.make("[lost]", "480p", 6).await;
    assert_eq!(app.token("basic-1").await["in_flight"], 1);
    assert_eq!(ask(&app, "one", "480p").await.status(), StatusCode::TOO_MANY_REQUESTS);
    app.kill();
    app.launch().await;
    let second = ask_until_accepted(&app, "two").await;
    let lost = app.job(lost["id"].as_str().unwrap()).await;
    let second = app.ended(second["id"].as_str().unwrap()).await;
    let slot_until = lost["attempts"][0]["slot_until"].as_i64().unwrap();
    assert_eq!(slot_until - lost["attempts"][0]["sent_at"].as_i64().unwrap(), 2000);
    assert!(second["attempts"][0]["reserved_at"].as_i64().unwrap() >= slot_until);
    assert_eq!(app.token("basic-1").await["in_flight"], 0);
}

#[tokio::test]
async fn what_a_token_had_left_when_it_was_imported_is_all_that_it_gives() {
    let mut app = Setup { tokens: [1, 0], ..Setup::default() }.start().await;
    app.admin(Method::DELETE, &format!("/tokens/{}", app.token_ids["basic-1"]), None).await;
    // In another pool it is another token, with books of its own.
    let token = json!({ "token": app.sim_tokens[0][0].secret, "quota": 6, "use_count": 33, "note": "mine" });
    let answer = app.admin(Method::POST, "/tokens/import", Some(json!({ "ssoSuper": [token] }))).await;
    let path = format!("/tokens/{}", answer["added"][0]["id"].as_str().unwrap());
    for _ in 0..2 {
        let token = app.admin(Method::GET, &path, None).await;
        assert_eq!((&token["quota"], &token["spent"]), (&json!(6), &json!(134)), "{token}");
        assert_eq!((&token["use_count"], &token["note"]), (&json!(33), &json!("mine")));
        app.kill();
        app.launch().await;
    }
    app.make("one", "720p", 6).await;
    assert_eq!(ask(&app, "two", "720p").await.status(), StatusCode::TOO_MANY_REQUESTS);
    assert_eq!(app.admin(Method::GET, &path, None).await["quota"], 2);
}
