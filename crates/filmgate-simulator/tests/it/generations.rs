//! xAI's dialect: videos from words and images, quotas and faults.

use std::time::Duration;

use filmgate_simulator::{
    AcceptMode, Delivered, ManualClock, Resolution, SimulatorConfig, Status, Tier, demo_tokens,
};
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

use crate::sim::{Sim, boxes, order, quick, refusal, secret};

#[tokio::test]
async fn super_delivers_what_is_asked_and_basic_silently_less() {
    let sim = Sim::start().await;
    let done = sim.made("super", &order("a fox")).await;
    assert_eq!(done["status"], "done");
    assert_eq!(done["progress"], 100);
    assert_eq!(done["video"]["duration"], 10);
    assert_eq!(done["video"]["respect_moderation"], true);
    assert_eq!(done["usage"]["cost_in_usd_ticks"], 7_000_000_000_i64);
    let made = Delivered { resolution: Resolution::P720, width: 1280, height: 720, seconds: 10 };
    assert_eq!(sim.delivered(), made);

    let done = sim.made("basic", &order("a fox")).await;
    assert_eq!((&done["status"], &done["video"]["duration"]), (&json!("done"), &json!(6)));
    assert_eq!(done["usage"]["cost_in_usd_ticks"], 3_000_000_000_i64);
    let made = Delivered { resolution: Resolution::P480, width: 752, height: 416, seconds: 6 };
    assert_eq!(sim.delivered(), made);
}

#[tokio::test]
async fn the_file_is_an_mp4_in_whole_and_in_part() {
    let sim = Sim::start().await;
    let done = sim.made("super", &order("a fox")).await;
    let url = done["video"]["url"].as_str().expect("a url");
    assert!(url.starts_with("http://127.0.0.1:") && url.ends_with(".mp4"), "{url}");
    let response = sim.file(&done).await;
    assert_eq!(response.headers()["content-type"], "video/mp4");
    assert_eq!(response.headers()["accept-ranges"], "bytes");
    let file = response.bytes().await.expect("bytes");
    assert_eq!(boxes(&file), (true, ["ftyp", "moov", "mdat", "free"].map(str::to_owned).to_vec()));

    let head = sim.client.head(url).send().await.expect("answered");
    assert_eq!(head.headers()["content-length"], file.len().to_string().as_str());
    let part = sim.client.get(url).header("range", "bytes=4-7").send().await.expect("answered");
    assert_eq!(part.status(), StatusCode::PARTIAL_CONTENT);
    assert_eq!(part.headers()["content-range"], format!("bytes 4-7/{}", file.len()).as_str());
    assert_eq!(part.bytes().await.expect("bytes"), "ftyp");
    let beyond = sim.client.get(url).header("range", "bytes=99999999-").send().await.expect("answered");
    assert_eq!(beyond.status(), StatusCode::RANGE_NOT_SATISFIABLE);
    assert_eq!(sim.sim.generations()[0].fetches, 3, "HEAD does not count");
}

#[cfg(feature = "h264")]
#[tokio::test]
async fn drawn_videos_are_mp4_as_well() {
    let sim = Sim::with(SimulatorConfig { render: filmgate_simulator::Render::Small, ..quick() }).await;
    let done = sim.made("basic", &order("a fox")).await;
    let file = sim.file(&done).await.bytes().await.expect("bytes");
    assert!(boxes(&file).0 && file.len() > 10_000, "{} bytes", file.len());
}

#[tokio::test]
async fn progress_grows_with_time() {
    let time = ManualClock::at(1_000_000);
    let sim = Sim::with(SimulatorConfig { video_seconds: 6.0, clock: time.clock(), ..quick() }).await;
    let id = sim.created("super", &order("a fox")).await;
    for (step_ms, progress) in [(0, 0), (1_500, 25), (3_000, 75), (1_499, 99)] {
        time.advance(Duration::from_millis(step_ms));
        let response = sim.poll("super", &id).await;
        assert_eq!(response.status(), StatusCode::ACCEPTED);
        let body: Value = response.json().await.expect("JSON");
        assert_eq!((&body["status"], &body["progress"]), (&json!("pending"), &json!(progress)));
    }
    time.advance(Duration::from_millis(1));
    assert_eq!(sim.finished("super", &id).await["status"], "done");

    let id = sim.created("super", &order("a [slow] fox")).await;
    time.advance(Duration::from_secs(59));
    assert_eq!(sim.poll("super", &id).await.status(), StatusCode::ACCEPTED);
    time.advance(Duration::from_secs(1));
    assert_eq!(sim.finished("super", &id).await["status"], "done");
}

#[tokio::test]
async fn tokens_are_checked() {
    let sim = Sim::start().await;
    let models = |token: &str| sim.request(Method::GET, "/v1/models").bearer_auth(token);
    let body: Value = models(&secret("basic")).send().await.expect("answered").json().await.expect("JSON");
    assert_eq!(body["data"][0]["id"], "grok-imagine-video");
    refusal(models("eyJ0eXAiOinothing"), 401).await;
    refusal(sim.request(Method::GET, "/v1/models"), 401).await;
    let create =
        sim.request(Method::POST, "/v1/videos/generations").bearer_auth("wrong").json(&order("a fox"));
    refusal(create, 401).await;

    sim.change("basic-1", json!({"valid": false})).await;
    refusal(models(&secret("basic")), 401).await;
    sim.change("basic-1", json!({"valid": true})).await;
    assert_eq!(models(&secret("basic")).send().await.expect("answered").status(), StatusCode::OK);
}

#[tokio::test]
async fn a_video_is_unknown_to_other_tokens() {
    let sim = Sim::start().await;
    let id = sim.created("super", &order("a fox")).await;
    assert_eq!(sim.poll("basic", &id).await.status(), StatusCode::NOT_FOUND);
    assert_eq!(
        sim.poll("super", "11111111-1111-4111-8111-111111111111").await.status(),
        StatusCode::NOT_FOUND
    );
    sim.finished("super", &id).await;
}

#[tokio::test]
async fn a_used_up_quota_is_429_until_the_window_has_rolled() {
    let time = ManualClock::at(0);
    let sim = Sim::with(SimulatorConfig { clock: time.clock(), ..quick() }).await;
    for _ in 0..20 {
        sim.created("basic", &order("a fox")).await;
    }
    time.advance(Duration::from_secs(3600));
    let response = sim.create("basic", &order("a fox")).send().await.expect("answered");
    assert_eq!(response.status(), StatusCode::TOO_MANY_REQUESTS);
    assert_eq!(response.headers()["retry-after"], (19 * 3600).to_string().as_str());
    sim.created("super", &order("another token has its own quota")).await;
    time.advance(Duration::from_secs(19 * 3600));
    sim.created("basic", &order("a fox")).await;
    assert_eq!(sim.sim.tokens()[0].remaining, Some(76));
    assert_eq!(sim.sim.generations().len(), 22);
}

#[tokio::test]
async fn a_quota_can_be_drained() {
    let sim = Sim::start().await;
    sim.change("super-1", json!({"remaining": 4})).await;
    sim.created("super", &order("a fox")).await;
    let body = refusal(sim.create("super", &order("a fox")), 429).await;
    assert_eq!(body["code"], "resource-exhausted");
    let unknown = sim.request(Method::POST, "/simulator/tokens/nobody").json(&json!({"valid": true}));
    refusal(unknown, 404).await;
}

#[tokio::test]
async fn a_tier_may_limit_unfinished_videos() {
    let time = ManualClock::at(0);
    let tiers = vec![Tier { max_in_flight: Some(1), ..Tier::super_() }];
    let tokens = demo_tokens("super", 1);
    let config = SimulatorConfig { tiers, tokens, clock: time.clock(), video_seconds: 6.0, ..quick() };
    let sim = Sim::with(config).await;
    let id = sim.created("super", &order("a fox")).await;
    refusal(sim.create("super", &order("a hare")), 429).await;
    time.advance(Duration::from_secs(6));
    sim.finished("super", &id).await;
    sim.created("super", &order("a hare")).await;
}

#[tokio::test]
async fn videos_that_end_without_a_file() {
    let sim = Sim::start().await;
    let failed = sim.made("super", &order("a [fail] fox")).await;
    assert_eq!((&failed["status"], &failed["error"]["code"]), (&json!("failed"), &json!("internal_error")));
    assert_eq!(sim.sim.tokens()[3].remaining, Some(140), "a failed video gives its units back");
    let moderated = sim.made("super", &order("a [moderate] fox")).await;
    assert_eq!(moderated["status"], "done");
    assert_eq!(moderated["video"]["url"], "");
    assert_eq!(moderated["video"]["respect_moderation"], false);
    assert_eq!(sim.sim.tokens()[3].remaining, Some(136), "a moderated one does not");
    assert_eq!(sim.made("super", &order("an [expire] fox")).await["status"], "expired");
    let statuses: Vec<_> = sim.sim.generations().iter().map(|generation| generation.status).collect();
    assert_eq!(statuses, [Status::Failed, Status::Moderated, Status::Expired]);
}

#[tokio::test]
async fn creates_that_are_turned_away_make_nothing() {
    let sim = Sim::start().await;
    refusal(sim.create("super", &order("an [unauthorized] fox")), 401).await;
    refusal(sim.create("super", &order("an [error] fox")), 500).await;
    let busy = sim.create("super", &order("a [busy] fox")).send().await.expect("answered");
    assert_eq!(busy.status(), StatusCode::TOO_MANY_REQUESTS);
    assert_eq!(busy.headers()["retry-after"], "1");
    assert_eq!(sim.sim.generations().len(), 0);
    sim.created("super", &order("a [busy] fox")).await;
    refusal(sim.create("super", &order("another [busy] fox")), 429).await;
    assert_eq!(sim.sim.generations().len(), 1);
    let refused: Vec<_> = sim.sim.refusals().iter().map(|refusal| refusal.status).collect();
    assert_eq!(refused, [401, 500, 429, 429]);
}

#[tokio::test]
async fn creates_whose_answer_is_lost_make_a_video_all_the_same() {
    let sim = Sim::start().await;
    refusal(sim.create("super", &order("a [lost] fox")), 504).await;
    let garbage = sim.create("super", &order("a [garbage] fox")).send().await.expect("answered");
    assert_eq!(garbage.status(), StatusCode::OK);
    assert!(garbage.json::<Value>().await.is_err());
    let hanging = tokio::spawn(sim.create("super", &order("a [hang] fox")).send());
    sim.accepted(3).await;
    assert!(!hanging.is_finished());
    hanging.abort();
    let generations = sim.sim.generations();
    assert!(generations.iter().all(|generation| !generation.answered() && generation.units == 4));
}

#[tokio::test]
async fn a_client_that_hangs_up_does_not_stop_its_video() {
    let sim = Sim::with(SimulatorConfig { answer_delay: Duration::from_millis(1500), ..quick() }).await;
    let create = sim.create("super", &order("a fox")).timeout(Duration::from_millis(500));
    assert!(create.send().await.expect_err("hung up").is_timeout());
    assert_eq!(sim.sim.generations().len(), 0, "it hung up before the video was accepted");
    sim.accepted(1).await;
    let generation = sim.sim.generations().remove(0);
    assert!(!generation.answered());
    assert_eq!(sim.sim.tokens()[3].remaining, Some(136));
}

#[tokio::test]
async fn it_may_answer_before_it_accepts() {
    let accept = AcceptMode::AfterAnswer { delay: Duration::from_secs(1) };
    let sim = Sim::with(SimulatorConfig { accept, ..quick() }).await;
    let id = sim.created("super", &order("a fox")).await;
    assert_eq!(sim.sim.generations().len(), 0);
    assert_eq!(sim.poll("super", &id).await.status(), StatusCode::NOT_FOUND);
    sim.accepted(1).await;
    assert_eq!(sim.finished("super", &id).await["status"], "done");
    let generation = sim.sim.generations().remove(0);
    assert!(generation.answered_at_ms.is_some_and(|at| at <= generation.accepted_at_ms));
}

#[tokio::test]
async fn pending_may_be_an_empty_body() {
    let time = ManualClock::at(0);
    let sim = Sim::with(SimulatorConfig { clock: time.clock(), video_seconds: 6.0, ..quick() }).await;
    let id = sim.created("super", &order("a [quiet] fox")).await;
    let response = sim.poll("super", &id).await;
    assert_eq!(response.status(), StatusCode::ACCEPTED);
    assert_eq!(response.bytes().await.expect("bytes").len(), 0);
    time.advance(Duration::from_secs(6));
    assert_eq!(sim.finished("super", &id).await["status"], "done");
}

#[tokio::test]
async fn files_can_be_spoilt() {
    let sim = Sim::start().await;
    let whole = sim.made("super", &order("a fox")).await;
    let whole = sim.file(&whole).await.bytes().await.expect("bytes");

    let cut = sim.made("super", &order("a [cutoff] fox")).await;
    let cut = sim.file(&cut).await.bytes().await.expect("its Content-Length is honest");
    assert!(cut.len() < whole.len());
    assert_eq!(boxes(&cut), (false, ["ftyp", "moov", "mdat"].map(str::to_owned).to_vec()));

    let broken = sim.made("super", &order("a [hangup] fox")).await;
    let response = sim.file(&broken).await;
    assert_eq!(response.content_length(), Some(whole.len() as u64));
    assert!(response.bytes().await.is_err());

    let page = sim.made("super", &order("[notvideo]")).await;
    let response = sim.file(&page).await;
    assert_eq!(response.status(), StatusCode::OK);
    assert!(response.text().await.expect("text").starts_with("<!doctype html>"));
}

#[tokio::test]
async fn a_lie_is_480p_whatever_was_asked() {
    let sim = Sim::start().await;
    let done = sim.made("super", &order("a [lie] fox")).await;
    assert_eq!((&done["status"], &done["video"]["duration"]), (&json!("done"), &json!(10)));
    let made = Delivered { resolution: Resolution::P480, width: 752, height: 416, seconds: 10 };
    assert_eq!(sim.delivered(), made);
}

#[tokio::test]
async fn generations_tell_what_was_received_but_no_secret() {
    let sim = Sim::start().await;
    let mut body = order("");
    // A PNG header of 10x20 pixels, and nothing more.
    let png = "iVBORw0KGgoAAAANSUhEUgAAAAoAAAAU";
    body["image"] = json!({"url": format!("data:image/png;base64,{png}")});
    sim.made("super", &body).await;
    refusal(sim.create("super", &json!({"model": "grok-imagine-video"})), 400).await;
    let report = sim.request(Method::GET, "/simulator/generations").send().await.expect("answered");
    let text = report.text().await.expect("text");
    assert!(!text.contains(&secret("super")));
    let report: Value = serde_json::from_str(&text).expect("JSON");
    let generation = &report["generations"][0];
    assert_eq!(generation["token"], json!({"name": "super-1", "tier": "super", "prefix": "eyJ0eXAiOi"}));
    assert_eq!(generation["asked"], json!({"resolution": "720p", "seconds": 10, "aspect_ratio": "9:16"}));
    assert_eq!(generation["delivered"]["height"], 1280);
    assert_eq!((&generation["dialect"], &generation["operation"]), (&json!("xai"), &json!("generation")));
    assert_eq!(generation["inputs"][0]["bytes"], 24);
    assert_eq!(generation["inputs"][0]["sha256"].as_str().expect("a hash").len(), 64);
    assert_eq!(report["refusals"][0]["status"], 400);
    assert_eq!(report["refusals"][0]["token"], "super-1");
    assert!(!format!("{:?}", sim.sim).contains(&secret("super")));
}

#[tokio::test]
async fn other_paths_answer_in_the_same_shape() {
    let sim = Sim::start().await;
    let post = |path: &str| sim.request(Method::POST, path).bearer_auth(secret("super")).json(&json!({}));
    refusal(post("/v1/videos/edits"), 422).await;
    refusal(post("/v1/videos/extensions"), 422).await;
    refusal(sim.request(Method::GET, "/v1/nothing"), 404).await;
    refusal(sim.request(Method::GET, "/v2/nothing"), 404).await;
    refusal(sim.request(Method::DELETE, "/v1/models"), 405).await;
    refusal(sim.request(Method::GET, "/files/nothing.mp4"), 404).await;
    let text = sim.request(Method::POST, "/v1/videos/generations").bearer_auth(secret("super")).body("{}");
    refusal(text, 415).await;
}

#[tokio::test]
async fn stopping_ends_answers_that_never_come() {
    let sim = Sim::start().await;
    let addr = sim.sim.addr();
    let hanging = tokio::spawn(sim.create("super", &order("a [hang] fox")).send());
    sim.accepted(1).await;
    sim.sim.stop().await;
    let ended = hanging.await.expect("no panic");
    assert!(ended.is_ok_and(|response| response.status() == StatusCode::SERVICE_UNAVAILABLE));
    assert!(tokio::net::TcpStream::connect(addr).await.is_err());
}

#[tokio::test]
async fn a_configuration_without_sense_does_not_start() {
    let config = SimulatorConfig { tokens: demo_tokens("gold", 1), ..quick() };
    let started = filmgate_simulator::Simulator::start(config, ([127, 0, 0, 1], 0).into());
    let error = started.await.expect_err("no such tier");
    assert!(error.to_string().contains("gold"), "{error}");
}
