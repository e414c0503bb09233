//! xAI's dialect: edits and extensions.

use std::time::Duration;

use base64::{Engine as _, engine::general_purpose::STANDARD};
use filmgate_simulator::{Delivered, Dialect, Operation, Resolution, SimulatorConfig};
use reqwest::Method;
use serde_json::{Value, json};

use crate::sim::{Sim, measured, order, quick, refusal, secret, sha256};

fn with_video(url: &str) -> Value {
    json!({"model": "grok-imagine-video", "prompt": "now at night", "video": {"url": url}})
}

/// A video of so many seconds that `super` makes: 720p, 9:16.
async fn film(sim: &Sim, seconds: u32) -> Value {
    let body = json!({
        "model": "grok-imagine-video", "prompt": "a fox",
        "resolution": "720p", "duration": seconds, "aspect_ratio": "9:16",
    });
    sim.made("super", &body).await
}

fn url(done: &Value) -> String {
    done["video"]["url"].as_str().expect("a url").to_owned()
}

async fn data_uri(sim: &Sim, done: &Value) -> String {
    let file = sim.file(done).await.bytes().await.expect("bytes");
    format!("data:video/mp4;base64,{}", STANDARD.encode(file))
}

#[tokio::test]
async fn an_edit_delivers_size_and_length_of_its_source_wherever_that_is() {
    let sim = Sim::start().await;
    let source = film(&sim, 7).await;
    let own = url(&source);
    let encrypted = own.replace("http://", "https://");
    for (source, size) in [
        (own.clone(), (720, 1280, 7.0)),
        (encrypted, (720, 1280, 7.0)),
        (data_uri(&sim, &source).await, (720, 1280, 7.0)),
        ("https://cdn.example/fox.mp4?token=1".to_owned(), (752, 416, 6.0)),
    ] {
        let id = sim.taken(sim.post("super", "edits", &with_video(&source))).await;
        let done = sim.finished("super", &id).await;
        assert_eq!((&done["status"], done["video"]["duration"].as_f64()), (&json!("done"), Some(size.2)));
        assert_eq!(measured(&sim.file(&done).await.bytes().await.expect("bytes")), size);
        let made = sim.last();
        assert_eq!((made.dialect, made.operation, made.request_id), (Dialect::Xai, Operation::Edit, id));
        assert_eq!((made.inputs.len(), made.inputs[0].role.as_str()), (1, "video"));
    }
}

#[tokio::test]
async fn what_an_edit_starts_from_is_in_the_books() {
    let sim = Sim::start().await;
    let source = film(&sim, 7).await;
    let file = sim.file(&source).await.bytes().await.expect("bytes");
    sim.taken(sim.post("super", "edits", &with_video(&data_uri(&sim, &source).await))).await;
    let made = sim.last();
    let input = &made.inputs[0];
    assert_eq!((input.kind, input.bytes, input.pixels), ("data", Some(file.len()), Some((720, 1280))));
    assert_eq!(input.sha256, Some(sha256(&file)));
    let form = Delivered { resolution: Resolution::P720, width: 720, height: 1280, seconds: 7 };
    assert_eq!((made.source, made.asked.seconds), (Some(form), 7));

    sim.taken(sim.post("super", "edits", &with_video(&url(&source)))).await;
    let input = sim.last().inputs.remove(0);
    assert_eq!((input.kind, input.reference, input.bytes), ("url", Some(url(&source)), None));
}

#[tokio::test]
async fn an_extension_is_one_file_of_the_whole_length() {
    let sim = Sim::start().await;
    let source = film(&sim, 10).await;
    let mut body = with_video(&url(&source));
    let id = sim.taken(sim.post("super", "extensions", &body)).await;
    let done = sim.finished("super", &id).await;
    assert_eq!(done["video"]["duration"], 16, "6 s are added unless another length is asked");
    assert_eq!(measured(&sim.file(&done).await.bytes().await.expect("bytes")), (720, 1280, 16.0));
    assert_eq!(done["usage"]["cost_in_usd_ticks"], 4_200_000_000_i64, "6 s of 720p are new");
    assert_eq!(sim.last().operation, Operation::Extension);

    body["duration"] = json!(10);
    let id = sim.taken(sim.post("super", "extensions", &body)).await;
    assert_eq!(sim.finished("super", &id).await["video"]["duration"], 20);
    assert_eq!((sim.last().asked.seconds, sim.delivered().seconds), (10, 20));
    sim.finished("super", &id).await;
}

#[tokio::test]
async fn a_tier_makes_less_of_edits_and_extensions_as_well() {
    let sim = Sim::start().await;
    let source = film(&sim, 8).await;
    let id = sim.taken(sim.post("basic", "edits", &with_video(&url(&source)))).await;
    let done = sim.finished("basic", &id).await;
    assert_eq!(measured(&sim.file(&done).await.bytes().await.expect("bytes")), (416, 752, 6.0));

    let mut body = with_video(&url(&source));
    body["duration"] = json!(10);
    let id = sim.taken(sim.post("basic", "extensions", &body)).await;
    sim.finished("basic", &id).await;
    let made = Delivered { resolution: Resolution::P480, width: 416, height: 752, seconds: 14 };
    assert_eq!(sim.delivered(), made, "8 s are kept, and of the 10 s it makes 6");

    let tokens = sim.sim.tokens();
    assert_eq!((tokens[0].remaining, tokens[3].remaining), (Some(72), Some(136)));
}

#[tokio::test]
async fn sources_that_are_refused() {
    let sim = Sim::start().await;
    let (long, short) = (film(&sim, 9).await, film(&sim, 1).await);
    let base = url(&long).rsplit_once('/').expect("a path").0.to_owned();
    let other_model = json!({
        "model": "grok-imagine-video-1.5", "prompt": "at night", "video": {"url": "https://a.example/b.mp4"},
    });
    for (what, body, about) in [
        ("edits", with_video(&url(&long)), "8.7 s"),
        ("edits", with_video(&data_uri(&sim, &long).await), "8.7 s"),
        ("extensions", with_video(&url(&short)), "2 to 15 s"),
        ("edits", with_video(&format!("{base}/11111111-1111-4111-8111-111111111111.mp4")), "no video"),
        ("edits", with_video(&base), "no video"),
        ("edits", with_video("http://cdn.example/fox.mp4"), "https"),
        ("edits", with_video("https://cdn.example/fox.mov"), ".mp4"),
        ("edits", other_model, "only offered by"),
    ] {
        let error = refusal(sim.post("super", what, &body), 400).await;
        assert!(error["error"].as_str().expect("text").contains(about), "{error}");
    }
    assert_eq!((sim.sim.generations().len(), sim.sim.refusals().len()), (2, 8));
}

#[tokio::test]
async fn a_video_that_has_not_ended_cannot_be_edited() {
    let time = filmgate_simulator::ManualClock::at(0);
    let config = SimulatorConfig { clock: time.clock(), video_seconds: 6.0, ..quick() };
    let sim = Sim::with(config).await;
    let id = sim.created("super", &json!({"model": "grok-imagine-video", "prompt": "a fox"})).await;
    let link = format!("http://{}/files/{id}.mp4", sim.sim.addr());
    refusal(sim.post("super", "edits", &with_video(&link)), 400).await;
    time.advance(Duration::from_secs(6));
    sim.finished("super", &id).await;
    sim.taken(sim.post("super", "edits", &with_video(&link))).await;
}

#[tokio::test]
async fn links_lead_home_under_the_public_name_and_under_the_address() {
    let config = SimulatorConfig { public_base: Some("http://sim.example:9000".to_owned()), ..quick() };
    let sim = Sim::with(config).await;
    let id = sim.created("super", &order("a fox")).await;
    let done = sim.finished("super", &id).await;
    assert!(url(&done).starts_with("http://sim.example:9000/files/"));
    for host in ["http://sim.example:9000".to_owned(), format!("http://{}", sim.sim.addr())] {
        let mut body = with_video(&format!("{host}/files/{id}.mp4"));
        body["duration"] = json!(2);
        sim.taken(sim.post("super", "extensions", &body)).await;
        assert_eq!(sim.last().source.map(|source| source.seconds), Some(10));
    }
}

#[tokio::test]
async fn faults_work_in_edits_and_extensions() {
    let sim = Sim::start().await;
    for what in ["edits", "extensions"] {
        let post = |word: &str| {
            let mut body = with_video("https://cdn.example/fox.mp4");
            body["prompt"] = json!(format!("{what} {word}"));
            sim.post("super", what, &body)
        };
        let ended = async |word: &str| sim.finished("super", &sim.taken(post(word)).await).await;
        assert_eq!(ended("[fail]").await["status"], "failed");
        assert_eq!(ended("[moderate]").await["video"]["respect_moderation"], false);
        assert_eq!(ended("[expire]").await["status"], "expired");
        refusal(post("[error]"), 500).await;
        refusal(post("[unauthorized]"), 401).await;
        refusal(post("[busy]"), 429).await;
        refusal(post("[lost]"), 504).await;
        let before = sim.sim.generations().len();
        let hanging = tokio::spawn(post("[hang]").send());
        sim.accepted(before + 1).await;
        assert!(!hanging.is_finished());
        hanging.abort();
        let file = sim.file(&ended("[hangup]").await).await;
        assert!(file.bytes().await.is_err());
    }
    sim.change("super-1", json!({"remaining": 0})).await;
    refusal(sim.post("super", "edits", &with_video("https://cdn.example/fox.mp4")), 429).await;
}

#[tokio::test]
async fn edits_need_a_token_and_json() {
    let sim = Sim::start().await;
    for path in ["/v1/videos/edits", "/v1/videos/extensions"] {
        let body = with_video("https://cdn.example/fox.mp4");
        refusal(sim.request(Method::POST, path).json(&body), 401).await;
        let text = sim.request(Method::POST, path).bearer_auth(secret("super")).body(body.to_string());
        refusal(text, 415).await;
        refusal(sim.request(Method::DELETE, path), 405).await;
    }
}
