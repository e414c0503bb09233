//! What a caller may use, end to end: refused in every dialect beyond it, never exceeded, remembered over a restart.

mod rotation;

use filmgate_simulator::SimulatorConfig;
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};
use tokio::task::JoinSet;

use crate::app::{Setup, TestApp, client};
use crate::shell::Shell;
use crate::wire::{Answer, assert_openai_error, assert_xai_error};
use rotation::status_with;

/// Two pools without limits of their own, so that only the caller's count.
fn roomy(video_seconds: f64) -> Setup {
    let at_provider = |config: &mut SimulatorConfig| {
        for tier in &mut config.tiers {
            tier.max_in_flight = None;
        }
    };
    let setup = Setup { tokens: [10, 10], video_seconds, simulator: at_provider, ..Setup::default() };
    setup.set("pools.ssoBasic.max_in_flight=0").set("pools.ssoSuper.max_in_flight=0")
}

/// Limits the caller of the tests.
async fn limit(app: &TestApp, limits: Value) -> Value {
    app.admin(Method::PATCH, "/callers/tests", Some(json!({ "limits": limits }))).await
}

/// The caller of the tests, as the operator sees it.
async fn tests(app: &TestApp) -> Value {
    let callers = app.admin(Method::GET, "/callers", None).await;
    let found = callers["callers"].as_array().unwrap().iter().find(|caller| caller["name"] == "tests");
    found.unwrap().clone()
}

async fn video(app: &TestApp, prompt: &str) -> Answer {
    let body = json!({ "prompt": prompt, "resolution": "480p", "seconds": "6" });
    app.ask(Method::POST, "/v1/videos", Some(body)).await
}

/// How many of many requests at once are accepted. The others have to be refused for the caller's limit.
async fn accepted(app: &TestApp, count: usize) -> Vec<String> {
    let mut requests = JoinSet::new();
    for n in 0..count {
        let body = json!({ "prompt": format!("video {n}"), "resolution": "480p", "seconds": "6" });
        let request =
            client().post(format!("{}/v1/videos", app.url)).bearer_auth(&app.client_key).json(&body);
        requests.spawn(async move { Answer::of(request.send().await.unwrap()).await });
    }
    let mut ids = Vec::new();
    for answer in requests.join_all().await {
        if answer.status == StatusCode::OK {
            ids.push(answer.body["id"].as_str().unwrap().to_owned());
        } else {
            assert_eq!(
                (answer.status, &answer.body["error"]["code"]),
                (StatusCode::TOO_MANY_REQUESTS, &json!("rate_limit_exceeded"))
            );
            assert!(
                answer.body["error"]["message"].as_str().unwrap().starts_with("this key may"),
                "{}",
                answer.body
            );
        }
    }
    ids
}

#[tokio::test(flavor = "multi_thread")]
async fn of_a_hundred_requests_at_once_as_many_get_in_as_may_be_in_flight() {
    let app = roomy(3600.0).start().await;
    let changed = limit(&app, json!({ "max_in_flight": 7 })).await;
    let limits = json!({ "max_in_flight": 7, "requests_per_minute": null, "units_per_day": null });
    assert_eq!(changed["limits"], limits);
    let mut ids = accepted(&app, 100).await;
    assert_eq!(ids.len(), 7);
    assert_eq!(tests(&app).await["use"]["in_flight"], 7);
    let refused = video(&app, "one more").await;
    assert_eq!(refused.header("retry-after"), "", "nobody knows when a video ends");
    assert_openai_error(&refused.body);
    assert_eq!(refused.body["error"]["param"], Value::Null);
    assert_eq!(refused.body["error"]["type"], "rate_limit_error");

    // One that ends makes room for one, at once for whoever saw it end.
    let one = ids.pop().unwrap();
    app.admin(Method::POST, &format!("/jobs/{one}/cancel"), None).await;
    assert_eq!(accepted(&app, 20).await.len(), 1);
    // Another caller is not affected.
    let other = app.new_key("other").await;
    let body = json!({ "prompt": "mine", "resolution": "480p", "seconds": "6" });
    assert_eq!(app.request_as(&other, Method::POST, "/v1/videos", Some(body)).await.status(), StatusCode::OK);
    limit(&app, json!({ "max_in_flight": null })).await;
    assert_eq!(accepted(&app, 5).await.len(), 5);
}

#[tokio::test(flavor = "multi_thread")]
async fn units_of_a_day_are_never_exceeded_and_survive_a_kill() {
    let mut app = roomy(0.05).start().await;
    // Four units a video.
    limit(&app, json!({ "units_per_day": 42 })).await;
    let ids = accepted(&app, 100).await;
    assert!(!ids.is_empty() && ids.len() <= 10, "{}", ids.len());
    let more = accepted(&app, 20).await;
    assert_eq!(ids.len() + more.len(), 10, "what others held for a moment is there again");
    for id in ids.iter().chain(&more) {
        assert_eq!(app.ended(id).await["state"], "completed");
    }
    let used = tests(&app).await["use"].clone();
    let expected =
        json!({ "in_flight": 0, "requests_last_minute": 10, "units_reserved": 0, "units_last_day": 40 });
    assert_eq!(used, expected);
    let refused = video(&app, "one more").await;
    let seconds: u64 = refused.header("retry-after").parse().unwrap();
    assert!((86_000..=86_800).contains(&seconds), "{seconds}");
    let message = refused.body["error"]["message"].as_str().unwrap();
    for part in
        ["42 units in 24 hours (units_per_day)", "40 are used or reserved", "costs 4", "raise the limit"]
    {
        assert!(message.contains(part), "{message}");
    }

    app.kill();
    app.launch().await;
    assert_eq!(tests(&app).await["use"], expected);
    assert_eq!(video(&app, "one more").await.status, StatusCode::TOO_MANY_REQUESTS);
    limit(&app, json!({ "units_per_day": 44 })).await;
    assert_eq!(accepted(&app, 5).await.len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_video_that_fails_uncharged_gives_its_units_back() {
    let app = roomy(0.05).start().await;
    limit(&app, json!({ "units_per_day": 4 })).await;
    let failed = video(&app, "[fail]").await;
    assert_eq!(failed.status, StatusCode::OK, "{}", failed.body);
    let job = app.ended(failed.body["id"].as_str().unwrap()).await;
    assert_eq!((&job["state"], &job["attempts"][0]["charged"]), (&json!("failed"), &json!(false)));
    assert_eq!(video(&app, "a fox").await.status, StatusCode::OK);
    assert_eq!(video(&app, "another fox").await.status, StatusCode::TOO_MANY_REQUESTS);
}

#[tokio::test(flavor = "multi_thread")]
async fn unfinished_videos_are_counted_after_a_kill() {
    let mut app = roomy(3600.0).start().await;
    limit(&app, json!({ "max_in_flight": 3, "units_per_day": 100 })).await;
    let ids = accepted(&app, 10).await;
    assert_eq!(ids.len(), 3);
    for id in &ids {
        // One that is on its way to the upstream ends with the kill, since nobody knows whether it arrived.
        app.reaches(id, "running").await;
    }
    app.kill();
    app.launch().await;
    let used = tests(&app).await["use"].clone();
    assert_eq!((&used["in_flight"], &used["units_reserved"]), (&json!(3), &json!(12)));
    assert_eq!(used["requests_last_minute"], 3);
    assert_eq!(video(&app, "one more").await.status, StatusCode::TOO_MANY_REQUESTS);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_video_that_waits_for_a_token_holds_the_most_that_it_may_cost() {
    let app = roomy(0.05).start().await;
    for pool in ["ssoBasic", "ssoSuper"] {
        app.each_token(pool, "disable").await;
    }
    limit(&app, json!({ "units_per_day": 4, "max_in_flight": 9 })).await;
    let body = json!({ "prompt": "a fox", "resolution": "480p", "seconds": "6", "on_shortage": "wait", "max_wait": 600 });
    let first = app.ask(Method::POST, "/v1/videos", Some(body.clone())).await;
    assert_eq!(first.status, StatusCode::OK, "{}", first.body);
    let used = tests(&app).await["use"].clone();
    assert_eq!((&used["in_flight"], &used["units_reserved"]), (&json!(1), &json!(4)));
    let second = app.ask(Method::POST, "/v1/videos", Some(body)).await;
    assert_eq!(second.status, StatusCode::TOO_MANY_REQUESTS);
    assert_eq!(tests(&app).await["use"], used, "what was refused holds nothing");
    app.each_token("ssoBasic", "enable").await;
    assert_eq!(app.ended(first.body["id"].as_str().unwrap()).await["state"], "completed");
    assert_eq!(tests(&app).await["use"]["units_last_day"], 4);
}

#[tokio::test(flavor = "multi_thread")]
async fn every_way_to_make_a_video_counts_and_a_repeated_answer_does_not() {
    let app = roomy(0.05).start().await;
    let source = app.make("a fox", "720p", 6).await;
    let id = source["id"].as_str().unwrap();
    limit(&app, json!({ "requests_per_minute": 2 })).await;
    let body = json!({ "prompt": "with a key", "resolution": "480p", "seconds": "6" }).to_string();
    let headers = [("content-type", "application/json"), ("idempotency-key", "k1")];
    let first = Answer::of(app.post("/v1/videos", &headers, body.clone()).await).await;
    assert_eq!(first.status, StatusCode::OK, "{}", first.body);

    let ways = [
        ("/v1/videos", json!({ "prompt": "a" })),
        ("/v1/videos/generations", json!({ "prompt": "b" })),
        ("/v1/videos/edits", json!({ "prompt": "c", "video": { "id": id } })),
        ("/xai/v1/videos/extensions", json!({ "prompt": "d", "video": { "id": id } })),
        (&format!("/v1/videos/{id}/remix"), json!({ "prompt": "e" })),
        ("/v1/chat/completions", json!({ "messages": [{ "role": "user", "content": "f" }] })),
        ("/v1/chat/completions", json!({ "messages": [{ "role": "user", "content": "f" }], "stream": true })),
    ];
    for (path, body) in ways {
        let refused = app.ask(Method::POST, path, Some(body)).await;
        assert_eq!(refused.status, StatusCode::TOO_MANY_REQUESTS, "{path}: {}", refused.body);
        let seconds: u64 = refused.header("retry-after").parse().unwrap();
        assert!((1..=61).contains(&seconds), "{path}: {seconds}");
        let is_xai = path.contains("generations") || path.starts_with("/xai");
        if is_xai {
            assert_xai_error(&refused.body);
            assert_eq!(refused.body["code"], "rate-limit-exceeded");
        } else {
            assert_openai_error(&refused.body);
            assert_eq!(refused.body["error"]["code"], "rate_limit_exceeded", "{path}");
        }
        assert!(
            refused.body.to_string().contains("2 videos a minute (requests_per_minute)"),
            "{}",
            refused.body
        );
    }
    // What was made before is given again, however often.
    for _ in 0..5 {
        let again = Answer::of(app.post("/v1/videos", &headers, body.clone()).await).await;
        assert_eq!((again.status, again.header("x-filmgate-replayed")), (StatusCode::OK, "true"));
    }
    // Looking is no request that makes a video.
    assert_eq!(app.ask(Method::GET, &format!("/v1/videos/{id}"), None).await.status, StatusCode::OK);
    assert_eq!(tests(&app).await["use"]["requests_last_minute"], 2);
    let metrics = app.http.get(format!("{}/metrics", app.url)).send().await.unwrap().text().await.unwrap();
    assert!(metrics.contains(r#"jobs_refused_total{code="caller_limit"} 7"#), "{metrics}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_that_makes_nothing_does_not_count() {
    let app = roomy(0.05).start().await;
    limit(&app, json!({ "requests_per_minute": 1, "max_in_flight": 1, "units_per_day": 4 })).await;
    let unknown = json!({ "prompt": "a fox", "model": "none" });
    let undeliverable = json!({ "prompt": "a fox", "resolution": "1080p", "on_shortage": "fail" });
    for body in [unknown, undeliverable, json!({ "prompt": "" })] {
        let refused = app.ask(Method::POST, "/v1/videos", Some(body)).await;
        assert!(refused.status.is_client_error() && refused.status != StatusCode::TOO_MANY_REQUESTS);
    }
    let used = tests(&app).await["use"].clone();
    let nothing =
        json!({ "in_flight": 0, "requests_last_minute": 0, "units_reserved": 0, "units_last_day": 0 });
    assert_eq!(used, nothing);
    assert_eq!(video(&app, "a fox").await.status, StatusCode::OK);
}

#[tokio::test]
async fn limits_are_checked_and_audited() {
    let app = Setup { tokens: [0, 0], ..Setup::default() }.start().await;
    for (body, param) in [
        (json!({ "limits": { "max_in_flight": 0 } }), "limits.max_in_flight"),
        (json!({ "limits": { "units_per_day": -1 } }), "limits.units_per_day"),
        (json!({ "limits": { "requests_per_minute": 1.5 } }), "limits.requests_per_minute"),
        (json!({ "limits": { "max_in_flight": "3" } }), "limits.max_in_flight"),
        (json!({ "limits": { "units_per_day": 4_294_967_296_u64 } }), "limits.units_per_day"),
        (json!({ "limits": { "odd": 3 } }), "limits.odd"),
        (json!({ "limits": {}, "odd": 3 }), "odd"),
        (json!({}), "limits"),
    ] {
        let answer = app.request_as(
            crate::app::ADMIN_KEY,
            Method::PATCH,
            "/admin/v1/callers/tests",
            Some(body.clone()),
        );
        let answer = Answer::of(answer.await).await;
        assert_eq!(
            (answer.status, &answer.body["error"]["param"]),
            (StatusCode::BAD_REQUEST, &json!(param)),
            "{body}"
        );
    }
    let missing = app.request_as(
        crate::app::ADMIN_KEY,
        Method::PATCH,
        "/admin/v1/callers/nobody",
        Some(json!({ "limits": {} })),
    );
    assert_eq!(missing.await.status(), StatusCode::NOT_FOUND);
    limit(&app, json!({ "max_in_flight": 3, "units_per_day": 9 })).await;
    let changed = limit(&app, json!({ "max_in_flight": null, "requests_per_minute": 5 })).await;
    let expected = json!({ "max_in_flight": null, "requests_per_minute": 5, "units_per_day": 9 });
    assert_eq!(changed["limits"], expected, "what is not named stays");
    assert_eq!(tests(&app).await["limits"], expected);
    let audit = app.admin(Method::GET, "/audit?action=caller.limit", None).await;
    let details: Vec<_> = audit["entries"].as_array().unwrap().iter().map(|entry| &entry["detail"]).collect();
    assert_eq!(
        details,
        [
            "max_in_flight none, requests_per_minute 5, units_per_day 9",
            "max_in_flight 3, requests_per_minute none, units_per_day 9"
        ]
    );
}

#[tokio::test]
async fn the_command_line_limits_and_rotates_with_a_server_and_without() {
    let mut app = roomy(0.05).start().await;
    let shell = Shell::of(&app);
    app.make("a fox", "480p", 6).await;
    let set = shell.ok(&["caller", "limit", "tests", "--units-per-day", "9", "--max-in-flight", "3"]);
    assert!(set.contains("0 of 3") && set.contains("4 of 9"), "{set}");
    let rotated = shell.json(&["key", "rotate", "key_2", "--keep-seconds", "0"]);
    assert_eq!(rotated["previous"], "key_2");
    assert_eq!(status_with(&app, &json!(app.client_key)).await, StatusCode::UNAUTHORIZED);
    shell.run(&["key", "rotate", "key_2"]).with_code(1).says("key_2 is not valid any more");
    shell.run(&["caller", "limit", "nobody", "--max-in-flight", "3"]).with_code(1).says("nobody");

    assert!(app.stop());
    let offline = Shell::of(&app);
    assert!(offline.ok(&["caller", "list"]).contains("4 of 9"), "spent before the stop");
    let lifted = offline.json(&["caller", "limit", "tests", "--units-per-day", "none"]);
    assert_eq!(
        lifted["limits"],
        json!({ "max_in_flight": 3, "requests_per_minute": null, "units_per_day": null })
    );
    let again = offline.json(&["key", "rotate", rotated["id"].as_str().unwrap()]);
    app.launch().await;
    for key in [&rotated, &again] {
        assert_eq!(status_with(&app, &key["key"]).await, StatusCode::OK);
    }
    assert_eq!(tests(&app).await["limits"], lifted["limits"]);
}
