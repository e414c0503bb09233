//! What an operator does while the gateway runs: the admin API and signals, end to end.

use std::time::Duration;

use filmgate_simulator::SimulatorConfig;
use reqwest::{Method, Response, StatusCode};
use serde_json::{Value, json};

use crate::app::{ADMIN_KEY, Setup, TestApp};
use crate::books;

/// A request to the admin API that is refused: its status, code and message.
pub(crate) async fn refused(
    app: &TestApp,
    method: Method,
    path: &str,
    body: Option<Value>,
) -> (u16, String, String) {
    let response = app.request_as(ADMIN_KEY, method, &format!("/admin/v1{path}"), body).await;
    let status = response.status().as_u16();
    let answer: Value = response.json().await.unwrap();
    let word = |name: &str| answer["error"][name].as_str().unwrap_or_default().to_owned();
    (status, word("code"), word("message"))
}

async fn pool_of(app: &TestApp, resolution: &str) -> String {
    let route = app.admin(Method::GET, &format!("/route?resolution={resolution}&seconds=6"), None).await;
    route["decision"]["chosen"]["pool"].as_str().unwrap_or("none").to_owned()
}

pub(crate) async fn ask(app: &TestApp, prompt: &str, resolution: &str) -> Response {
    let body = json!({ "prompt": prompt, "resolution": resolution, "seconds": "6" });
    app.request(Method::POST, "/v1/videos", Some(body)).await
}

// ---- tokens and pools ----

#[tokio::test]
async fn pools_tell_what_is_left() {
    let app = Setup { tokens: [2, 1], ..Setup::default() }.start().await;
    app.make("one", "720p", 6).await;
    app.with_token("basic-1", "disable").await;
    let answer = app.admin(Method::GET, "/pools", None).await;
    let [basic, superior] = &answer["pools"].as_array().unwrap()[..] else { panic!("{answer}") };
    assert_eq!((&basic["name"], &superior["name"]), (&json!("ssoBasic"), &json!("ssoSuper")));
    assert_eq!((&basic["granted"], &basic["left"]), (&json!(80), &json!(80)));
    assert_eq!(basic["tokens"], json!({ "active": 1, "cooling": 0, "disabled": 1, "expired": 0 }));
    assert_eq!((&superior["granted"], &superior["left"]), (&json!(140), &json!(136)));
    assert_eq!(superior["quota"], json!({ "units": 140, "window_seconds": 7200 }));
    assert_eq!((&superior["in_flight"], &superior["max_in_flight"]), (&json!(0), &json!(8)));
}

#[tokio::test]
async fn tokens_are_listed_in_pages_and_by_state() {
    let app = Setup { tokens: [3, 2], ..Setup::default() }.start().await;
    app.with_token("basic-2", "disable").await;
    let list = async |query: &str| app.admin(Method::GET, &format!("/tokens?{query}"), None).await;
    let ids = |answer: &Value| -> Vec<String> {
        answer["tokens"].as_array().unwrap().iter().map(|t| t["id"].as_str().unwrap().to_owned()).collect()
    };
    let first = list("limit=2").await;
    assert_eq!(first["has_more"], true);
    let second = list(&format!("limit=3&after={}", ids(&first)[1])).await;
    assert_eq!(second["has_more"], false);
    assert_eq!([ids(&first), ids(&second)].concat(), ids(&list("").await));
    assert_eq!(ids(&list("status=disabled").await), [app.token_ids["basic-2"].clone()]);
    assert_eq!(ids(&list("pool=ssoSuper").await).len(), 2);
    assert_eq!(ids(&list("pool=ssoBasic&status=active").await).len(), 2);
    // No list shows more of a token than its first characters.
    let all = list("").await.to_string();
    for token in app.sim_tokens.iter().flatten() {
        assert!(!all.contains(&token.secret[..30]));
    }
    for (method, path) in [
        (Method::GET, "/tokens/tok_999"),
        (Method::POST, "/tokens/tok_999/disable"),
        (Method::POST, "/tokens/tok_999/enable"),
        (Method::POST, "/tokens/tok_999/reset"),
        (Method::DELETE, "/tokens/tok_999"),
    ] {
        let (status, code, message) = refused(&app, method, path, None).await;
        assert_eq!((status, &*code, &*message), (404, "not_found", "there is no token tok_999"));
    }
    assert_eq!(refused(&app, Method::GET, "/tokens/7", None).await.0, 400);
}

#[tokio::test]
async fn enabling_does_not_excuse_and_a_reset_does_not_enable() {
    let app = Setup { tokens: [0, 1], ..Setup::default() }.start().await;
    assert_eq!(app.with_token("super-1", "disable").await["status"], "disabled");
    assert_eq!(app.with_token("super-1", "reset").await["status"], "disabled");
    assert_eq!(app.with_token("super-1", "enable").await["status"], "active");
    app.at_provider("super-1", json!({ "remaining": 0 })).await;
    app.make("one", "720p", 6).await;
    assert_eq!(app.with_token("super-1", "enable").await["status"], "cooling");
    assert_eq!(app.with_token("super-1", "reset").await["status"], "active");
}

#[tokio::test]
async fn a_token_removed_with_a_job_in_flight_goes_when_the_job_ends() {
    let mut app = Setup { tokens: [0, 1], video_seconds: 0.1, ..Setup::default() }.start().await;
    let video = app.create("[slow] one", "720p", 6).await;
    let id = video["id"].as_str().unwrap();
    app.reaches(id, "running").await;
    let path = format!("/tokens/{}", app.token_ids["super-1"]);
    assert_eq!(app.admin(Method::DELETE, &path, None).await["removed"], true);
    assert!(app.tokens("ssoSuper").await.is_empty());
    assert_eq!(refused(&app, Method::DELETE, &path, None).await.0, 404);
    assert_eq!(ask(&app, "two", "720p").await.status(), StatusCode::TOO_MANY_REQUESTS);
    assert_eq!(app.job(id).await["state"], "running");
    assert_eq!(app.ended(id).await["state"], "completed");

    // Wiped by now, without a restart; only what is written last may still be on its way.
    let sealed = || -> Option<Vec<u8>> {
        let db = rusqlite::Connection::open(app.data_dir().join("filmgate.db")).unwrap();
        db.query_row("SELECT sealed FROM tokens", [], |row| row.get(0)).unwrap()
    };
    for _ in 0..200 {
        if sealed().is_none() {
            break;
        }
        tokio::time::sleep(Duration::from_millis(25)).await;
    }
    assert_eq!(sealed(), None);

    // Added again, it is the same token with the same books.
    let secret = app.sim_tokens[1][0].secret.clone();
    let answer = app.admin(Method::POST, "/tokens/import", Some(json!({ "ssoSuper": [secret] }))).await;
    assert_eq!(answer["added"][0]["id"], app.token_ids["super-1"].as_str(), "{answer}");
    app.kill();
    app.launch().await;
    books::balance(&app).await;
    assert_eq!(app.make("three", "720p", 6).await["status"], "completed");
}

#[tokio::test]
async fn a_token_removed_and_added_again_while_its_job_runs_stays() {
    let mut app = Setup { tokens: [0, 1], video_seconds: 0.1, ..Setup::default() }.start().await;
    let video = app.create("[slow] one", "720p", 6).await;
    let id = video["id"].as_str().unwrap();
    app.reaches(id, "running").await;
    app.admin(Method::DELETE, &format!("/tokens/{}", app.token_ids["super-1"]), None).await;
    let again = json!({ "ssoSuper": [app.sim_tokens[1][0].secret] });
    let answer = app.admin(Method::POST, "/tokens/import", Some(again)).await;
    assert_eq!(answer["added"][0]["id"], app.token_ids["super-1"].as_str(), "{answer}");
    assert_eq!(app.token("super-1").await["in_flight"], 1);
    assert_eq!(app.ended(id).await["state"], "completed");
    books::balance(&app).await;
    app.kill();
    app.launch().await;
    books::balance(&app).await;
    assert_eq!(app.make("two", "720p", 6).await["status"], "completed");
}

#[tokio::test]
async fn a_removed_token_keeps_its_secret_while_any_of_its_jobs_needs_it() {
    let (gate, mut app) = crate::gate::Gate::before(Setup { tokens: [0, 1], ..Setup::default() }).await;
    gate.shut();
    let mut ids = Vec::new();
    for prompt in ["one", "two"] {
        let video = app.create(prompt, "720p", 6).await;
        ids.push(video["id"].as_str().unwrap().to_owned());
        app.reaches(&ids[ids.len() - 1], "delivering").await;
    }
    app.admin(Method::DELETE, &format!("/tokens/{}", app.token_ids["super-1"]), None).await;
    // The end of one of them must not take the secret away from the other.
    app.admin(Method::POST, &format!("/jobs/{}/cancel", ids[0]), None).await;
    tokio::time::sleep(Duration::from_millis(200)).await;
    app.kill();
    gate.open();
    app.launch().await;
    assert_eq!(app.ended(&ids[1]).await["state"], "completed");
}

#[tokio::test]
async fn tokens_go_out_and_come_in_as_they_were() {
    let app = Setup { tokens: [2, 2], ..Setup::default() }.start().await;
    app.make("one", "480p", 6).await;
    app.make("two", "720p", 6).await;
    app.make("[busy] three", "720p", 6).await;
    app.with_token("basic-2", "disable").await;
    let exported = app.admin(Method::GET, "/tokens/export?secrets=true", None).await;
    app.says("WARN", "tokens exported with their secrets").await;
    let shown = app.admin(Method::GET, "/tokens/export", None).await.to_string();
    for token in app.sim_tokens.iter().flatten() {
        assert!(exported.to_string().contains(&token.secret));
        assert!(!shown.contains(&token.secret[..30]));
    }

    let other = Setup { tokens: [0, 0], ..Setup::default() }.start().await;
    let answer = other.admin(Method::POST, "/tokens/import", Some(exported.clone())).await;
    assert_eq!(answer["added"].as_array().unwrap().len(), 4, "{answer}");
    let mut again = other.admin(Method::GET, "/tokens/export?secrets=true", None).await;
    let mut before = exported.clone();
    for pool in ["ssoBasic", "ssoSuper"] {
        for tokens in [&mut again, &mut before] {
            for token in tokens[pool].as_array_mut().unwrap() {
                // A cooling says nothing about its end, and is over after the import.
                if token["status"] == "cooling" {
                    token["status"] = json!("active");
                }
            }
        }
    }
    assert_eq!(again, before);
    let answer = other.admin(Method::POST, "/tokens/import", Some(exported)).await;
    assert_eq!(answer["duplicates"].as_array().unwrap().len(), 4, "{answer}");
    assert_eq!(answer["added"], json!([]));
}

#[tokio::test]
async fn session_cookies_are_refused_by_the_official_api() {
    let app = Setup { tokens: [0, 0], ..Setup::default() };
    let app = app.set("upstreams.xai.base_url=\"https://api.x.ai/v1\"").start().await;
    let tokens = json!({ "ssoBasic": ["sso=eyJ0eXAiOiJKV1QifQ.cookie", "xai-a-real-key"] });
    let answer = app.admin(Method::POST, "/tokens/import", Some(tokens)).await;
    let refusals = answer["refused"].as_array().unwrap();
    assert_eq!((refusals.len(), &refusals[0]["place"]), (1, &json!("ssoBasic[0]")), "{answer}");
    let reason = refusals[0]["reason"].as_str().unwrap();
    assert!(reason.contains("official xAI API") && reason.contains("--upstream URL"), "{reason}");
    assert!(!answer.to_string().contains("cookie\""), "{answer}");
    assert_eq!(app.tokens("ssoBasic").await.len(), 1);
}

// ---- routing ----

#[tokio::test]
async fn a_dry_run_explains_every_pool_that_is_passed_over() {
    let app = Setup { tokens: [2, 3], ..Setup::default() }.set("pools.ssoSuper.max_in_flight=1");
    let app = Setup { video_seconds: 30.0, ..app }.start().await;
    assert_eq!((&*pool_of(&app, "480p").await, &*pool_of(&app, "720p").await), ("ssoBasic", "ssoSuper"));
    // One Super token busy, one disabled, one cooling.
    app.with_token("super-1", "disable").await;
    app.with_token("super-2", "disable").await;
    let busy = app.create("one", "720p", 6).await;
    app.reaches(busy["id"].as_str().unwrap(), "running").await;
    app.with_token("super-2", "enable").await;
    app.at_provider("super-2", json!({ "remaining": 0 })).await;
    let cooling = app.create("two", "720p", 6).await;
    app.job_until(cooling["id"].as_str().unwrap(), "refused", |job| job["attempts"][1].is_object()).await;
    let route = app.admin(Method::GET, "/route?resolution=720p&seconds=6", None).await;
    let explanation = route["explanation"].as_str().unwrap();
    for part in ["ssoBasic", "ssoSuper: ", "1 token disabled", "1 token cooling until", "in flight"] {
        assert!(explanation.contains(part), "{part:?} in {explanation:?}");
    }
    assert_eq!(route["decision"]["chosen"]["pool"], "ssoBasic");
    assert_eq!(route["decision"]["chosen"]["route"], "fallback");

    app.each_token("ssoBasic", "disable").await;
    let route = app.admin(Method::GET, "/route?resolution=720p&seconds=6", None).await;
    assert!(route["decision"]["chosen"].is_null(), "{route}");
    assert_eq!(route["expected"], app.token("super-2").await["cooling_until"], "{route}");
    // Nothing was reserved by asking.
    assert_eq!(app.token("super-2").await["reserved"], 0);
    for (query, code) in [
        ("resolution=1080p", "undeliverable"),
        ("seconds=99", "undeliverable"),
        ("resolution=huge", "invalid_value"),
    ] {
        let (status, found, message) = refused(&app, Method::GET, &format!("/route?{query}"), None).await;
        assert_eq!((status, &*found), (400, code), "{query}: {message}");
    }
    let (status, code, _) = refused(&app, Method::GET, "/route?model=no-such-model", None).await;
    assert_eq!((status, &*code), (404, "model_not_found"));
}

// ---- jobs ----

#[tokio::test]
async fn jobs_are_listed_newest_first_in_pages_and_by_state() {
    let app = Setup::default().start().await;
    let mut ids = Vec::new();
    for prompt in ["one", "[fail] two", "three"] {
        ids.push(app.make(prompt, "480p", 6).await["id"].as_str().unwrap().to_owned());
    }
    let list = async |query: &str| app.admin(Method::GET, &format!("/jobs?{query}"), None).await;
    let found = |answer: &Value| -> Vec<String> {
        answer["jobs"].as_array().unwrap().iter().map(|j| j["id"].as_str().unwrap().to_owned()).collect()
    };
    let first = list("limit=2").await;
    assert_eq!((found(&first), &first["has_more"]), (vec![ids[2].clone(), ids[1].clone()], &json!(true)));
    let second = list(&format!("limit=2&after={}", ids[1])).await;
    assert_eq!((found(&second), &second["has_more"]), (vec![ids[0].clone()], &json!(false)));
    assert_eq!(found(&list("state=failed").await), [ids[1].clone()]);
    assert_eq!(found(&list("state=completed").await), [ids[2].clone(), ids[0].clone()]);
    assert_eq!(refused(&app, Method::GET, "/jobs?state=odd", None).await.0, 400);
    let missing = "/jobs/video_0197f3c0111170008000000000000000";
    assert_eq!(refused(&app, Method::GET, missing, None).await.0, 404);
    assert_eq!(refused(&app, Method::GET, "/jobs/7", None).await.0, 400);
}

/// Cancels a job; returns it and how it ended: outcome, charged, slot held.
async fn cancel(app: &TestApp, id: &str) -> (Value, bool, bool) {
    let job = app.admin(Method::POST, &format!("/jobs/{id}/cancel"), None).await;
    assert_eq!((&job["state"], &job["failure"]["code"]), (&json!("failed"), &json!("cancelled")), "{job}");
    let last = job["attempts"].as_array().unwrap().last().unwrap().clone();
    (last["outcome"].clone(), last["charged"] == true, !last["slot_until"].is_null())
}

#[tokio::test]
async fn a_job_can_be_cancelled_in_each_state() {
    let slow = |config: &mut SimulatorConfig| config.answer_delay = Duration::from_millis(300);
    let app = Setup { tokens: [0, 1], video_seconds: 0.5, simulator: slow, ..Setup::default() }.start().await;
    let create = async |prompt: &str, state: &str| {
        let video = app.create(prompt, "720p", 6).await;
        let id = video["id"].as_str().unwrap().to_owned();
        app.reaches(&id, state).await;
        id
    };
    let submitting = create("submitting", "submitting").await;
    assert_eq!(cancel(&app, &submitting).await, (json!("cancelled"), true, true));
    let running = create("[slow] running", "running").await;
    assert_eq!(cancel(&app, &running).await, (json!("cancelled"), true, true));
    let queued = create("[busy] queued", "queued").await;
    assert_eq!(cancel(&app, &queued).await, (json!("refused"), false, false));
    app.with_token("super-1", "reset").await;

    // What the provider says later changes nothing any more.
    let done = app.make("done", "720p", 6).await;
    assert_eq!(done["status"], "completed");
    for id in [&submitting, &running, &queued, &done["id"].as_str().unwrap().to_owned()] {
        let (status, code, message) = refused(&app, Method::POST, &format!("/jobs/{id}/cancel"), None).await;
        assert_eq!((status, &*code), (404, "not_found"), "{message}");
    }
    for id in [&submitting, &running, &queued] {
        assert_eq!(app.job(id).await["failure"]["code"], "cancelled");
        let status = app.get(&format!("/v1/videos/{id}")).await;
        assert_eq!((&status["status"], &status["error"]["code"]), (&json!("failed"), &json!("cancelled")));
    }
    assert!(!books::generations(&app).contains_key("[busy] queued"));
    books::balance(&app).await;
}

// ---- upstreams ----

#[tokio::test]
async fn a_check_tells_reachability_and_credential_of_each_token() {
    let app = Setup { tokens: [1, 1], ..Setup::default() }.start().await;
    app.at_provider("super-1", json!({ "valid": false })).await;
    let answer = app.admin(Method::POST, "/upstreams/xai/check", None).await;
    let [good, bad] = &answer["results"].as_array().unwrap()[..] else { panic!("{answer}") };
    assert_eq!((&good["token"], &good["ok"]), (&json!(app.token_ids["basic-1"]), &json!(true)));
    assert_eq!((&bad["ok"], &bad["code"]), (&json!(false), &json!("upstream_unauthorized")));
    assert!(bad["message"].as_str().unwrap().contains("401"), "{bad}");
    // A check makes no video and blames nobody.
    assert!(app.simulator.generations().is_empty() && app.simulator.refusals().is_empty());
    assert_eq!(app.token("super-1").await["status"], "active");
    let (status, _, message) = refused(&app, Method::POST, "/upstreams/other/check", None).await;
    assert_eq!((status, &*message), (404, "there is no upstream \"other\"; there is xai"));
}

#[tokio::test]
async fn a_check_of_an_upstream_that_is_down_says_so() {
    let app = Setup { tokens: [1, 0], ..Setup::default() };
    let app = app.set("upstreams.xai.base_url=\"http://127.0.0.1:9/v1\"").start().await;
    let answer = app.admin(Method::POST, "/upstreams/xai/check", None).await;
    let [result] = &answer["results"].as_array().unwrap()[..] else { panic!("{answer}") };
    assert_eq!((&result["ok"], &result["code"]), (&json!(false), &json!("upstream_unreachable")));
}
