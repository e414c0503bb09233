//! What becomes of a video when no sufficient token is free: the client decides, end to end.

use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

use crate::app::{Setup, TestApp};
use crate::books;
use crate::wire::Answer;

/// One Super token that makes one video at a time, which takes longer than any test; a cancelled one frees its
/// slot at once.
fn one_slot() -> Setup {
    let setup = Setup { tokens: [1, 1], video_seconds: 600.0, ..Setup::default() };
    setup.set("pools.ssoSuper.max_in_flight=1").set("jobs.slot_hold=\"0s\"")
}

async fn ask_as(app: &TestApp, key: &str, prompt: &str, more: Value) -> Answer {
    let mut body = json!({ "prompt": prompt, "resolution": "720p", "seconds": "6", "aspect_ratio": "16:9" });
    body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    Answer::of(app.request_as(key, Method::POST, "/v1/videos", Some(body)).await).await
}

async fn ask(app: &TestApp, prompt: &str, more: Value) -> Answer {
    ask_as(app, &app.client_key, prompt, more).await
}

fn id(answer: &Answer) -> String {
    answer.body["id"].as_str().unwrap_or_else(|| panic!("not accepted: {}", answer.body)).to_owned()
}

/// Asks for a video that takes the only slot.
async fn busy(app: &TestApp) -> String {
    let id = id(&ask(app, "busy", json!({})).await);
    app.reaches(&id, "running").await;
    id
}

/// Asks for a video that waits as long as it has to.
async fn waiting(app: &TestApp, key: &str, prompt: &str) -> String {
    let answer = ask_as(app, key, prompt, json!({ "on_shortage": "wait" })).await;
    assert_eq!(answer.status, StatusCode::OK);
    assert_eq!(answer.body["status"], "queued", "{}", answer.body);
    let report = &answer.body["filmgate"];
    assert_eq!(
        (&report["state"], &report["pool"], &report["route"]),
        (&json!("queued"), &json!(null), &json!(null))
    );
    assert!(!answer.headers.contains_key("x-filmgate-pool"));
    id(&answer)
}

async fn end(app: &TestApp, id: &str) {
    app.admin(Method::POST, &format!("/jobs/{id}/cancel"), None).await;
}

async fn is_queued(app: &TestApp, id: &str) {
    let job = app.job(id).await;
    assert_eq!((&job["state"], &job["attempts"]), (&json!("queued"), &json!([])), "{job}");
}

// ---- fail ----

#[tokio::test]
async fn fail_refuses_at_once_and_says_when_to_come_back() {
    let app = Setup { tokens: [1, 1], ..Setup::default() };
    let app =
        app.set("pools.ssoSuper.quota_units=4").set("pools.ssoSuper.quota_window=\"10m\"").start().await;
    app.make("one", "720p", 6).await;
    let refused = ask(&app, "two", json!({ "on_shortage": "fail" })).await;
    assert_eq!(refused.status, StatusCode::TOO_MANY_REQUESTS);
    let seconds: u64 = refused.header("retry-after").parse().unwrap();
    assert!((1..=600).contains(&seconds), "{seconds}");
    let message = refused.body["error"]["message"].as_str().unwrap();
    for part in ["ssoSuper: 1 token out of quota until ", "ssoBasic: the client wants no fallback"] {
        assert!(message.contains(part), "{part:?} in {message:?}");
    }
    assert_eq!(app.jobs().await.len(), 1);
    // Who does not say so gets less at once: nothing is merely busy.
    let less = ask(&app, "three", json!({})).await;
    assert_eq!(less.body["filmgate"]["route"], "fallback", "{}", less.body);
}

#[tokio::test]
async fn fail_takes_a_sufficient_token_where_there_is_one() {
    let app = Setup::default().start().await;
    let answer = ask(&app, "one", json!({ "on_shortage": "fail" })).await;
    assert_eq!(answer.body["filmgate"]["pool"], "ssoSuper");
    assert_eq!(app.finished(&id(&answer)).await["status"], "completed");
}

// ---- wait ----

#[tokio::test]
async fn wait_is_served_when_the_busy_video_ends() {
    let app = Setup { tokens: [1, 1], video_seconds: 0.5, ..Setup::default() };
    let app = app.set("pools.ssoSuper.max_in_flight=1").start().await;
    let first = busy(&app).await;
    let second = waiting(&app, &app.client_key, "two").await;
    app.says("INFO", "waits for a token, 600 s at most: ssoSuper: 1 token 1 in flight, the limit").await;
    let video = app.finished(&second).await;
    let report = &video["filmgate"];
    assert_eq!(
        (&report["route"], &report["pool"], &report["verdict"]),
        (&json!("primary"), &json!("ssoSuper"), &json!("as_asked"))
    );
    assert_eq!(report["reason"], json!(null));
    app.says("INFO", "served after ").await;
    // The time to make it counts from the token on.
    let (first, second) = (app.job(&first).await, app.job(&second).await);
    let reserved_at = second["attempts"][0]["reserved_at"].as_i64().unwrap();
    assert!(reserved_at > second["created_at"].as_i64().unwrap());
    assert!(reserved_at >= first["attempts"][0]["settled_at"].as_i64().unwrap());
    assert_eq!(second["deadline"].as_i64().unwrap() - reserved_at, 15 * 60 * 1000);
    let metrics = app.http.get(format!("{}/metrics", app.url)).send().await.unwrap().text().await.unwrap();
    assert!(metrics.contains("filmgate_token_wait_seconds_count{pool=\"ssoSuper\"} 1"), "{metrics}");
    books::balance(&app).await;
}

#[tokio::test]
async fn wait_as_a_header_ends_when_its_time_is_up() {
    let app = one_slot().start().await;
    busy(&app).await;
    let body = json!({ "prompt": "two", "resolution": "720p", "seconds": "6" }).to_string();
    let headers = [
        ("content-type", "application/json"),
        ("x-filmgate-on-shortage", "wait"),
        ("x-filmgate-max-wait", "1"),
    ];
    let answer = Answer::of(app.post("/v1/videos", &headers, body).await).await;
    assert_eq!((answer.status, &answer.body["status"]), (StatusCode::OK, &json!("queued")));
    let job = app.ended(&id(&answer)).await;
    assert_eq!(job["failure"]["code"], "no_token_available", "{job}");
    let message = job["failure"]["message"].as_str().unwrap();
    for part in ["ssoSuper: 1 token 1 in flight, the limit", "the client wants no fallback", "waited 1."] {
        assert!(message.contains(part), "{part:?} in {message:?}");
    }
    let waited = job["finished_at"].as_i64().unwrap() - job["created_at"].as_i64().unwrap();
    assert!(waited >= 1000, "{waited}");
    assert_eq!((job["attempts"].as_array().unwrap().len(), app.simulator.generations().len()), (0, 1));
}

#[tokio::test]
async fn a_token_that_is_added_or_enabled_wakes_a_waiting_job() {
    let app = Setup { tokens: [0, 1], ..Setup::default() }.start().await;
    app.with_token("super-1", "disable").await;
    let first = waiting(&app, &app.client_key, "one").await;
    is_queued(&app, &first).await;
    app.with_token("super-1", "enable").await;
    assert_eq!(app.finished(&first).await["status"], "completed");

    app.admin(Method::DELETE, &format!("/tokens/{}", app.token_ids["super-1"]), None).await;
    let second = waiting(&app, &app.client_key, "two").await;
    let again = json!({ "ssoSuper": [app.sim_tokens[1][0].secret] });
    app.admin(Method::POST, "/tokens/import", Some(again)).await;
    assert_eq!(app.finished(&second).await["filmgate"]["route"], "primary");
    books::balance(&app).await;
}

#[tokio::test]
async fn a_token_that_comes_back_by_itself_wakes_a_waiting_job() {
    let app = Setup { tokens: [0, 1], ..Setup::default() };
    let app = app.set("pools.ssoSuper.quota_units=4").set("pools.ssoSuper.quota_window=\"2s\"").start().await;
    let first = app.make("one", "720p", 6).await;
    let answered =
        app.job(first["id"].as_str().unwrap()).await["attempts"][0]["answered_at"].as_i64().unwrap();
    let second = waiting(&app, &app.client_key, "two").await;
    assert_eq!(app.finished(&second).await["status"], "completed");
    let reserved = app.job(&second).await["attempts"][0]["reserved_at"].as_i64().unwrap();
    assert!(reserved - answered >= 2000, "{}", reserved - answered);
}

// ---- fallback, and a busy slot ----

#[tokio::test]
async fn a_busy_slot_is_no_reason_for_a_worse_video() {
    let app = one_slot().start().await;
    let first = busy(&app).await;
    let answer = ask(&app, "two", json!({})).await;
    assert_eq!((answer.status, &answer.body["filmgate"]["state"]), (StatusCode::OK, &json!("queued")));
    end(&app, &first).await;
    let second = app.reaches(&id(&answer), "running").await;
    assert_eq!(
        (&second["attempts"][0]["pool"], &second["attempts"][0]["route"]),
        (&json!("ssoSuper"), &json!("primary"))
    );
    assert!(!app.messages("WARN").iter().any(|line| line.contains("Falling back")));
}

#[tokio::test]
async fn when_the_slot_stays_busy_it_falls_back_and_says_so() {
    let app = one_slot().set("video.busy_wait=\"300ms\"").start().await;
    busy(&app).await;
    let answer = ask(&app, "two", json!({})).await;
    assert_eq!(answer.body["filmgate"]["state"], "queued");
    let job = app.reaches(&id(&answer), "running").await;
    let attempt = &job["attempts"][0];
    assert_eq!((&attempt["pool"], &attempt["route"]), (&json!("ssoBasic"), &json!("fallback")));
    let reason = attempt["reason"].as_str().unwrap();
    assert!(reason.starts_with("ssoSuper: 1 token 1 in flight, the limit; waited 0."), "{reason}");
    assert!(attempt["reserved_at"].as_i64().unwrap() - job["created_at"].as_i64().unwrap() >= 300);
    let warning = "Video token routing: ssoSuper pool has no available token for resolution=720p, length=6s. \
                   Falling back to ssoBasic pool.";
    app.says("WARN", warning).await;
}

#[tokio::test]
async fn without_busy_wait_or_fallback_nobody_waits_for_a_busy_slot() {
    let mut app = one_slot().set("video.busy_wait=\"0s\"").start().await;
    let first = busy(&app).await;
    let answer = ask(&app, "two", json!({})).await;
    assert_eq!(answer.body["filmgate"]["route"], "fallback", "{}", answer.body);
    assert_eq!(answer.body["filmgate"]["reason"], "ssoSuper: 1 token 1 in flight, the limit");
    end(&app, &first).await;
    app.kill();
    app.also_set("video.busy_wait=\"20s\"");
    app.also_set("video.allow_fallback_to_basic=false");
    app.launch().await;
    busy(&app).await;
    assert_eq!(ask(&app, "three", json!({})).await.status, StatusCode::TOO_MANY_REQUESTS);
}

#[tokio::test]
async fn a_slot_is_not_waited_for_where_the_quota_is_gone_too() {
    let app = one_slot().set("pools.ssoSuper.quota_units=4").start().await;
    busy(&app).await;
    let answer = ask(&app, "two", json!({})).await;
    assert_eq!(answer.body["filmgate"]["route"], "fallback", "{}", answer.body);
}

// ---- a submission that was refused ----

#[tokio::test]
async fn who_wants_no_fallback_gets_none_after_a_refusal_either() {
    let app = Setup { tokens: [1, 1], ..Setup::default() }.start().await;
    let fail = ask(&app, "[busy] one", json!({ "on_shortage": "fail" })).await;
    let job = app.ended(&id(&fail)).await;
    assert_eq!(job["failure"]["code"], "no_token_available", "{job}");
    assert_eq!(job["attempts"].as_array().unwrap().len(), 1);
    app.with_token("super-1", "reset").await;
    let wait = ask(&app, "[busy] two", json!({ "on_shortage": "wait" })).await;
    let job = app.ended(&id(&wait)).await;
    let routes: Vec<&Value> = job["attempts"].as_array().unwrap().iter().map(|a| &a["pool"]).collect();
    assert_eq!(
        (&job["state"], routes),
        (&json!("completed"), vec![&json!("ssoSuper"), &json!("ssoSuper")]),
        "{job}"
    );
    books::balance(&app).await;
}

// ---- the order ----

#[tokio::test]
async fn callers_take_turns_and_each_ones_oldest_goes_first() {
    let app = one_slot().start().await;
    let [many, one] = [app.new_key("many").await, app.new_key("one").await];
    let mut at_work = busy(&app).await;
    let mut expected = Vec::new();
    for prompt in ["a1", "a2", "a3"] {
        expected.push(waiting(&app, &many, prompt).await);
    }
    expected.insert(1, waiting(&app, &one, "b1").await);
    for (nth, next) in expected.iter().enumerate() {
        end(&app, &at_work).await;
        app.reaches(next, "running").await;
        for later in &expected[nth + 1..] {
            is_queued(&app, later).await;
        }
        at_work.clone_from(next);
    }
}

#[tokio::test]
async fn a_newcomer_gets_only_what_nobody_waits_for() {
    let app = one_slot().start().await;
    let first = busy(&app).await;
    let patient = waiting(&app, &app.client_key, "patient").await;
    let small = json!({ "resolution": "480p" });
    let newcomer = ask(&app, "small", small).await;
    assert_eq!(newcomer.body["filmgate"]["pool"], "ssoBasic", "{}", newcomer.body);
    end(&app, &first).await;
    let hasty = ask(&app, "hasty", json!({ "on_shortage": "fail" })).await;
    assert_eq!(hasty.status, StatusCode::TOO_MANY_REQUESTS);
    app.reaches(&patient, "running").await;
}

// ---- what else may happen to one that waits ----

#[tokio::test]
async fn a_waiting_job_can_be_cancelled_and_the_next_is_served() {
    let app = one_slot().start().await;
    let first = busy(&app).await;
    let [second, third] =
        [waiting(&app, &app.client_key, "two").await, waiting(&app, &app.client_key, "three").await];
    end(&app, &second).await;
    let job = app.job(&second).await;
    assert_eq!((&job["failure"]["code"], &job["attempts"]), (&json!("cancelled"), &json!([])), "{job}");
    end(&app, &first).await;
    app.reaches(&third, "running").await;
    assert!(!books::generations(&app).contains_key("two"));
}

#[tokio::test]
async fn a_kill_or_a_stop_ends_no_waiting() {
    let mut app = one_slot().start().await;
    let first = busy(&app).await;
    let patient = waiting(&app, &app.client_key, "patient").await;
    let before = app.job(&patient).await;
    app.kill();
    app.launch().await;
    assert_eq!(app.job(&patient).await, before);
    assert!(app.stop());
    app.launch().await;
    assert_eq!(app.job(&patient).await, before);
    // It holds nothing: these are the busy one's. And it is still before any newcomer.
    let super_1 = app.token("super-1").await;
    assert_eq!((&super_1["in_flight"], &super_1["reserved"]), (&json!(1), &json!(4)), "{super_1}");
    end(&app, &first).await;
    let hasty = ask(&app, "hasty", json!({ "on_shortage": "fail" })).await;
    assert_eq!(hasty.status, StatusCode::TOO_MANY_REQUESTS);
    app.reaches(&patient, "running").await;
}

#[tokio::test]
async fn time_that_passes_while_the_gateway_is_down_counts() {
    let mut app = one_slot().start().await;
    busy(&app).await;
    let answer = ask(&app, "two", json!({ "on_shortage": "wait", "max_wait": 1 })).await;
    app.kill();
    tokio::time::sleep(std::time::Duration::from_millis(1100)).await;
    app.launch().await;
    assert_eq!(app.ended(&id(&answer)).await["failure"]["code"], "no_token_available");
}
