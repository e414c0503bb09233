//! Quota, end to end: the upstream's own figures correct ours, every ending is charged as the rule says, and the ledger
//! adds up.

use std::collections::BTreeMap;

use filmgate_simulator::{LimitHeaders, SimulatorConfig};
use reqwest::{Method, StatusCode};
use rstest::rstest;
use serde_json::{Value, json};

use crate::app::{ADMIN_KEY, Setup, TestApp};
use crate::books;
use crate::faults::{end_of, ended_as, ending};

const TWO_HOURS: i64 = 2 * 3600 * 1000;

fn tell(style: LimitHeaders) -> fn(&mut SimulatorConfig) {
    match style {
        LimitHeaders::Seconds => |config| config.limit_headers = Some(LimitHeaders::Seconds),
        LimitHeaders::Spelled => |config| config.limit_headers = Some(LimitHeaders::Spelled),
        LimitHeaders::Epoch => |config| config.limit_headers = Some(LimitHeaders::Epoch),
    }
}

/// One Super token, of which the upstream tells what is left.
fn telling(style: LimitHeaders) -> Setup {
    Setup { tokens: [0, 1], simulator: tell(style), ..Setup::default() }
}

async fn refused(app: &TestApp) {
    let body = json!({ "prompt": "one more", "resolution": "720p", "seconds": "6" });
    let response = app.request(Method::POST, "/v1/videos", Some(body)).await;
    assert_eq!(response.status(), StatusCode::TOO_MANY_REQUESTS);
}

// ---- what the upstream says ----

#[rstest]
#[tokio::test]
async fn a_token_that_the_upstream_says_has_nothing_left_waits_until_it_has(
    #[values(LimitHeaders::Seconds, LimitHeaders::Spelled, LimitHeaders::Epoch)] style: LimitHeaders,
    #[values("xai", "openai")] kind: &str,
) {
    let mut app = telling(style).start().await;
    if kind == "openai" {
        app.kill();
        app.also_set("upstreams.xai.kind=\"openai\"");
        let base_url = app.simulator.openai_url();
        app.also_set(&format!("upstreams.xai.base_url=\"{base_url}\""));
        app.launch().await;
    }
    // Enough for one.
    app.at_provider("super-1", json!({ "remaining": 4 })).await;
    let job = end_of(&app, "one", "720p").await;
    assert_eq!(ending(&job), ended_as("completed", &["done"], true, false), "{job}");
    let token = app.token("super-1").await;
    let counted = (&token["status"], &token["fail_count"], &token["quota"]);
    assert_eq!(counted, (&json!("cooling"), &json!(0), &json!(136)), "{token}");
    let answered = job["attempts"][0]["answered_at"].as_i64().unwrap();
    let pause = token["cooling_until"].as_i64().unwrap() - answered;
    assert!((TWO_HOURS - 60_000..=TWO_HOURS + 60_000).contains(&pause), "{pause}");
    refused(&app).await;
    assert_eq!(app.simulator.refusals(), [], "the upstream was not asked in vain");
    books::balance(&app).await;
}

#[tokio::test]
async fn units_that_somebody_else_spent_are_not_ours_any_more() {
    let setup = telling(LimitHeaders::Seconds).set("upstreams.xai.rate_limits=\"units\"");
    let mut app = setup.start().await;
    app.at_provider("super-1", json!({ "remaining": 44 })).await;
    assert_eq!(app.make("one", "720p", 6).await["status"], "completed");
    let token = app.token("super-1").await;
    let figures = (&token["quota"], &token["spent"], &token["status"]);
    assert_eq!(figures, (&json!(40), &json!(100), &json!("active")), "{token}");
    app.kill();
    app.launch().await;
    assert_eq!(app.token("super-1").await["quota"], 40, "also after a restart");
    let ledger = app.admin(Method::GET, "/ledger?pool=ssoSuper", None).await;
    let closing = &ledger["pools"][0]["closing"];
    let expected = json!({
        "granted": 140, "available": 40, "reserved": 0, "spent": 100, "elsewhere": 96, "over": 0,
    });
    assert_eq!(closing, &expected, "{ledger}");
}

#[tokio::test]
async fn what_the_headers_say_can_be_ignored() {
    let app = telling(LimitHeaders::Seconds).set("upstreams.xai.rate_limits=\"ignore\"").start().await;
    app.at_provider("super-1", json!({ "remaining": 4 })).await;
    assert_eq!(app.make("one", "720p", 6).await["status"], "completed");
    let token = app.token("super-1").await;
    assert_eq!((&token["status"], &token["quota"]), (&json!("active"), &json!(136)));
}

#[tokio::test]
async fn an_upstream_with_less_quota_than_configured_is_believed_and_told_of() {
    let app = Setup { tokens: [0, 1], ..Setup::default() }.start().await;
    app.at_provider("super-1", json!({ "remaining": 0 })).await;
    let body = json!({ "prompt": "one", "resolution": "720p", "seconds": "6", "on_shortage": "fail" });
    let video: Value = app.request(Method::POST, "/v1/videos", Some(body)).await.json().await.unwrap();
    let job = app.ended(video["id"].as_str().unwrap()).await;
    assert_eq!(ending(&job), ended_as("no_token_available", &["refused"], false, false), "{job}");
    let token = app.token("super-1").await;
    assert_eq!((&token["status"], &token["fail_count"]), (&json!("cooling"), &json!(1)));
    let pause = token["cooling_until"].as_i64().unwrap() - token["last_fail_at"].as_i64().unwrap();
    assert!((TWO_HOURS - 60_000..=TWO_HOURS + 60_000).contains(&pause), "{pause}");
    let told = token["last_fail_reason"].as_str().unwrap();
    let parts = ["429", "quota of this account is used up", "by our own book 136 units are left"];
    assert!(parts.iter().all(|part| told.contains(part)), "{told}");
    refused(&app).await;
    assert_eq!(app.simulator.refusals().len(), 1, "it is left alone until then");
    books::balance(&app).await;
}

// ---- the ledger ----

/// The lines that the attempts of all jobs make: by token, `[attempts, reserved, charged, given back, open, ticks]`.
async fn audited(app: &TestApp) -> BTreeMap<String, [i64; 6]> {
    let mut lines: BTreeMap<String, [i64; 6]> = BTreeMap::new();
    for attempt in books::jobs(app).await.iter().flat_map(|job| job["attempts"].as_array().unwrap()) {
        let [attempts, reserved, charged, given_back, open, ticks] =
            lines.entry(attempt["token"].as_str().unwrap().to_owned()).or_default();
        let units = attempt["units"].as_i64().unwrap();
        *reserved += units;
        if attempt["settled_at"].is_null() {
            *open += units;
        } else {
            *attempts += 1;
            *(if attempt["charged"] == true { charged } else { given_back }) += units;
        }
        *ticks += attempt["cost_ticks"].as_i64().unwrap_or(0);
    }
    lines
}

/// The same from the ledger of yesterday, today and tomorrow: a test may run at midnight.
async fn told(app: &TestApp) -> BTreeMap<String, [i64; 6]> {
    let (from, to) = ("2020-01-01T00:00:00Z", "2020-02-01T00:00:00Z");
    let long_ago = app.admin(Method::GET, &format!("/ledger?from={from}&to={to}"), None).await;
    assert_eq!(long_ago["tokens"], json!([]), "nothing had happened");
    let now = long_ago["now"].as_i64().unwrap();
    let [from, to] = [now - 86_400_000, now + 86_400_000]
        .map(|at| filmgate_domain::Timestamp::from_millis(at).to_string());
    let ledger = app.admin(Method::GET, &format!("/ledger?from={from}&to={to}"), None).await;
    let line = |line: &Value| {
        let number = |name: &str| line[name].as_i64().unwrap();
        assert_eq!(
            number("carried") + number("reserved"),
            number("charged") + number("given_back") + number("open"),
            "{line}"
        );
        let balance = |name: &str| line["closing"][name].as_i64().unwrap();
        assert_eq!(
            balance("granted") + balance("over"),
            balance("available") + balance("reserved") + balance("spent"),
            "{line}"
        );
        let attempts: i64 =
            line["outcomes"].as_object().unwrap().values().map(|o| o["attempts"].as_i64().unwrap()).sum();
        [
            attempts,
            number("reserved"),
            number("charged"),
            number("given_back"),
            number("open"),
            number("cost_ticks"),
        ]
    };
    let tokens = ledger["tokens"].as_array().unwrap();
    let lines: BTreeMap<String, [i64; 6]> =
        tokens.iter().map(|token| (token["token"].as_str().unwrap().to_owned(), line(token))).collect();
    for pool in ledger["pools"].as_array().unwrap() {
        let of_pool = tokens.iter().filter(|token| token["pool"] == pool["pool"]);
        let mut sum = [0; 6];
        of_pool.for_each(|token| sum.iter_mut().zip(line(token)).for_each(|(sum, more)| *sum += more));
        assert_eq!(line(pool), sum, "{pool}");
    }
    lines
}

#[tokio::test]
async fn the_ledger_adds_up_for_every_ending_and_after_a_restart() {
    let setup = Setup { tokens: [1, 2], ..Setup::default() };
    let mut app = setup.set("upstreams.xai.header_timeout=\"500ms\"").start().await;
    for prompt in [
        "one",
        "[moderate] two",
        "[fail] three",
        "[expire] four",
        "[lost] five",
        "[error] six",
        "[busy] seven",
    ] {
        end_of(&app, prompt, "720p").await;
    }
    assert_eq!(app.make("eight", "480p", 6).await["status"], "completed");
    end_of(&app, "[hang] nine", "720p").await;
    let lines = told(&app).await;
    assert_eq!(lines, audited(&app).await);
    assert!(lines.values().any(|line| line[5] > 0), "the upstream told what it cost: {lines:?}");
    books::balance(&app).await;

    // A removed token still stands in it.
    let gone = app.token_ids["super-1"].clone();
    app.admin(Method::DELETE, &format!("/tokens/{gone}"), None).await;
    app.kill();
    app.launch().await;
    assert_eq!(told(&app).await, lines);
    let ledger = app.admin(Method::GET, &format!("/ledger?token={gone}"), None).await;
    let [line] = &ledger["tokens"].as_array().unwrap()[..] else { panic!("{ledger}") };
    assert_eq!(
        (&line["token"], &line["removed"], &line["pool"]),
        (&json!(gone), &json!(true), &json!("ssoSuper"))
    );
    assert_eq!(line["closing"]["granted"], 0, "{line}");
}

#[tokio::test]
async fn what_is_no_day_is_refused() {
    let app = Setup { tokens: [0, 0], ..Setup::default() }.start().await;
    for query in ["day=today", "to=2026-01-01T00:00:00Z", "from=2020-01-01T00:00:00Z", "token=seven"] {
        let path = format!("/admin/v1/ledger?{query}");
        let response = app.request_as(ADMIN_KEY, Method::GET, &path, None).await;
        assert_eq!(response.status(), StatusCode::BAD_REQUEST, "{query}");
    }
    let path = "/admin/v1/ledger";
    let response = app.request(Method::GET, path, None).await;
    assert_eq!(response.status(), StatusCode::FORBIDDEN, "a client's key does not open it");
}

// ---- the rule ----

/// Every ending that an upstream brings about, by the rule as it is and turned round.
#[rstest]
#[case("one", "done")]
#[case("[moderate] one", "moderated")]
#[case("[fail] one", "failed")]
#[case("[expire] one", "failed")]
#[case("[lost] one", "unknown")]
#[case("[busy] one", "refused")]
#[tokio::test]
async fn each_ending_is_charged_as_the_operator_says(#[case] prompt: &str, #[case] outcome: &str) {
    let mut app = Setup { tokens: [0, 1], ..Setup::default() }.set("jobs.max_attempts=1").start().await;
    let charged = async |app: &TestApp, nth: &str| {
        let job = end_of(app, &format!("{prompt} {nth}"), "720p").await;
        let attempt = &job["attempts"][0];
        assert_eq!(attempt["outcome"], outcome, "{job}");
        let spent = app.token("super-1").await["spent"].as_u64().unwrap();
        books::balance(app).await;
        (attempt["charged"].as_bool().unwrap(), spent)
    };
    let by_default = ["done", "moderated", "unknown", "timed_out", "cancelled"].contains(&outcome);
    assert_eq!(charged(&app, "first").await, (by_default, if by_default { 4 } else { 0 }));
    app.kill();
    let rule = if by_default { "[]".to_owned() } else { format!("[\"{outcome}\"]") };
    app.also_set(&format!("jobs.charge={rule}"));
    app.launch().await;
    app.with_token("super-1", "reset").await;
    let (now, spent) = charged(&app, "second").await;
    assert_eq!((now, spent), (!by_default, 4), "what was charged before stays, and nothing else comes to it");
}
