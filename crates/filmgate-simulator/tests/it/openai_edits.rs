//! OpenAI's dialect: edits, extensions and remixes.

use filmgate_simulator::{Delivered, Operation, Resolution, SimulatorConfig, Tier, demo_tokens};
use reqwest::{Method, RequestBuilder};
use serde_json::{Value, json};

use crate::sim::{Sim, file, form, measured, openai_refusal, order, quick, sha256, video_path};

/// A video of 720p, 9:16 and 8 s.
async fn film(sim: &Sim) -> Value {
    sim.ended(sim.openai_form("/videos", &[("prompt", "a fox"), ("seconds", "8")])).await
}

async fn bytes(sim: &Sim, video: &Value) -> Vec<u8> {
    sim.content(video).send().await.expect("answered").bytes().await.expect("bytes").to_vec()
}

/// The same request three times: a file, an id in a form, an id in JSON.
async fn of_each_kind(sim: &Sim, path: &str, source: &Value) -> [RequestBuilder; 3] {
    let id = source["id"].as_str().expect("an id");
    let words = [("prompt", "now at night"), ("seconds", "5")];
    let part = file(bytes(sim, source).await, "fox.mp4", "video/mp4");
    let json = json!({"prompt": "now at night", "seconds": "5", "video": {"id": id}});
    [
        sim.openai(Method::POST, path).multipart(form(&words).part("video", part)),
        sim.openai_form(path, &[words[0], words[1], ("video[id]", id)]),
        sim.openai(Method::POST, path).json(&json),
    ]
}

#[tokio::test]
async fn an_edit_keeps_size_and_length() {
    let sim = Sim::start().await;
    let source = film(&sim).await;
    for create in of_each_kind(&sim, "/videos/edits", &source).await {
        let video = sim.ended(create).await;
        assert_eq!((&video["seconds"], &video["size"]), (&json!("8"), &json!("720x1280")));
        assert_eq!((&video["model"], &video["remixed_from_video_id"]), (&json!("sora-2"), &Value::Null));
        assert_eq!(measured(&bytes(&sim, &video).await), (720, 1280, 8.0));
        let made = sim.last();
        assert_eq!((made.operation, made.inputs.len()), (Operation::Edit, 1));
        assert_eq!(made.inputs[0].role, "video");
    }
}

#[tokio::test]
async fn an_extension_is_stitched() {
    let sim = Sim::start().await;
    let source = film(&sim).await;
    for create in of_each_kind(&sim, "/videos/extensions", &source).await {
        let video = sim.ended(create).await;
        assert_eq!((&video["seconds"], &video["size"]), (&json!("13"), &json!("720x1280")));
        assert_eq!(measured(&bytes(&sim, &video).await), (720, 1280, 13.0));
        assert_eq!((sim.last().operation, sim.last().asked.seconds), (Operation::Extension, 5));
    }
    let id = source["id"].as_str().expect("an id");
    let taken =
        sim.video(sim.openai_form("/videos/extensions", &[("prompt", "on"), ("video[id]", id)])).await;
    assert_eq!((&taken["status"], &taken["seconds"]), (&json!("queued"), &json!("12")), "4 s are added");
}

#[tokio::test]
async fn the_books_tell_which_video() {
    let sim = Sim::start().await;
    let source = film(&sim).await;
    let file = bytes(&sim, &source).await;
    let [upload, by_id, _] = of_each_kind(&sim, "/videos/edits", &source).await;
    sim.video(upload).await;
    let input = sim.last().inputs.remove(0);
    assert_eq!((input.kind, input.media_type.as_deref()), ("data", Some("video/mp4")));
    assert_eq!((input.bytes, input.pixels), (Some(file.len()), Some((720, 1280))));
    assert_eq!(input.sha256, Some(sha256(&file)));
    sim.video(by_id).await;
    let input = sim.last().inputs.remove(0);
    assert_eq!((input.kind, input.reference.as_deref()), ("video_id", source["id"].as_str()));
    let form = Delivered { resolution: Resolution::P720, width: 720, height: 1280, seconds: 8 };
    assert_eq!(sim.last().source, Some(form));
}

#[tokio::test]
async fn a_remix_tells_what_it_is_made_from() {
    let sim = Sim::start().await;
    let source = film(&sim).await;
    let path = format!("{}/remix", video_path(&source));
    let video = sim.ended(sim.openai(Method::POST, &path).json(&json!({"prompt": "a hare"}))).await;
    assert_eq!(video["remixed_from_video_id"], source["id"]);
    assert_eq!((&video["seconds"], &video["size"]), (&json!("8"), &json!("720x1280")));
    assert_eq!((&video["prompt"], &video["model"]), (&json!("a hare"), &json!("sora-2")));
    let made = sim.last();
    assert_eq!((made.operation, made.remixed_from.as_deref()), (Operation::Remix, source["id"].as_str()));
    assert_eq!(made.inputs[0].kind, "video_id");

    openai_refusal(sim.openai(Method::POST, &path).json(&json!({})), 400).await;
    let failed = sim.ended(sim.openai_form("/videos", &[("prompt", "[fail]")])).await;
    for (tier, video, status) in
        [("super", &json!({"id": "video_no"}), 404), ("super", &failed, 400), ("basic", &source, 404)]
    {
        let path = format!("{}/remix", video_path(video));
        openai_refusal(sim.openai_as(tier, Method::POST, &path).json(&json!({"prompt": "a"})), status).await;
    }
}

#[tokio::test]
async fn a_tier_makes_less_of_them() {
    let tiers = vec![Tier { delivers: vec![(Resolution::P480, 3)], ..Tier::super_() }, Tier::official()];
    let tokens = [demo_tokens("super", 1), demo_tokens("official", 1)].concat();
    let sim = Sim::with(SimulatorConfig { tiers, tokens, ..quick() }).await;
    let large = [("prompt", "a fox"), ("model", "sora-2-pro"), ("size", "1920x1080"), ("seconds", "5")];
    let create = sim.openai_as("official", Method::POST, "/videos").multipart(form(&large));
    let taken = sim.video(create).await;
    let content = format!("{}/content", video_path(&taken));
    let file_of = async || {
        loop {
            let response = sim.openai_as("official", Method::GET, &content).send().await.expect("answered");
            if response.status().is_success() {
                return response.bytes().await.expect("bytes").to_vec();
            }
        }
    };
    let source = file_of().await;
    assert_eq!(measured(&source), (1920, 1080, 5.0));

    let upload = |path: &str, model: &str| {
        let words = form(&[("prompt", "a"), ("model", model), ("seconds", "6")]);
        let part = file(source.clone(), "fox.mp4", "video/mp4");
        sim.openai(Method::POST, path).multipart(words.part("video", part))
    };
    let edited = sim.ended(upload("/videos/edits", "sora-2-pro")).await;
    assert_eq!(measured(&bytes(&sim, &edited).await), (752, 416, 3.0));
    assert_eq!((sim.last().asked.resolution, &edited["size"]), (Resolution::P1080, &json!("1920x1080")));
    let extended = sim.ended(upload("/videos/extensions", "sora-2")).await;
    assert_eq!(measured(&bytes(&sim, &extended).await), (752, 416, 8.0), "5 s are kept, 3 s of 6 s made");
    assert_eq!(extended["seconds"], "8");
    assert_eq!(sim.last().asked.resolution, Resolution::P720, "sora-2 makes no 1080p");
}

#[tokio::test]
async fn videos_that_are_refused() {
    let sim = Sim::start().await;
    let source = film(&sim).await;
    let id = source["id"].as_str().expect("an id");
    let upload = |data: &[u8], media_type| {
        let words = form(&[("prompt", "a")]).part("video", file(data, "fox.mp4", media_type));
        sim.openai(Method::POST, "/videos/edits").multipart(words)
    };
    let both = form(&[("prompt", "a"), ("video[id]", id)]).part("video", file(*b"x", "a.mp4", "video/mp4"));
    let xai = sim.made("super", &order("a hare")).await;
    assert_eq!(xai["status"], "done");
    let xai = sim.last().request_id;
    let fields = |fields: &[(&str, &str)]| sim.openai_form("/videos/edits", fields);
    for (request, status, param) in [
        (upload(b"no video", "video/mp4"), 400, "video"),
        (upload(b"", "video/mp4"), 400, "video"),
        (upload(b"no video", "video/webm"), 400, "video"),
        (sim.openai(Method::POST, "/videos/edits").multipart(both), 400, "video"),
        (fields(&[("prompt", "a")]), 400, "video"),
        (fields(&[("prompt", "a"), ("video[id]", "video_no")]), 404, "video_id"),
        (fields(&[("prompt", "a"), ("video[id]", &xai)]), 404, "video_id"),
        (fields(&[("video[id]", id)]), 400, "prompt"),
        (fields(&[("prompt", "a"), ("video[id]", id), ("model", "sora-9")]), 404, "model"),
        (
            sim.openai_form("/videos/extensions", &[("prompt", "a"), ("video[id]", id), ("seconds", "21")]),
            400,
            "seconds",
        ),
    ] {
        assert_eq!(openai_refusal(request, status).await["param"], param);
    }
    let other = json!({"prompt": "a", "video": {"id": id}});
    openai_refusal(sim.openai_as("basic", Method::POST, "/videos/edits").json(&other), 404).await;
    assert_eq!(sim.sim.generations().len(), 2);
}

#[tokio::test]
async fn a_whole_has_at_most_two_minutes() {
    let sim = Sim::with(SimulatorConfig {
        tiers: vec![Tier { delivers: vec![(Resolution::P720, 60)], ..Tier::super_() }],
        tokens: demo_tokens("super", 1),
        ..quick()
    })
    .await;
    let mut video = film(&sim).await;
    let extend = |video: &Value, seconds: &str| {
        let id = video["id"].as_str().expect("an id");
        sim.openai_form("/videos/extensions", &[("prompt", "on"), ("video[id]", id), ("seconds", seconds)])
    };
    for whole in ["28", "48", "68", "88", "108"] {
        video = sim.ended(extend(&video, "20")).await;
        assert_eq!(video["seconds"], whole);
    }
    assert_eq!(openai_refusal(extend(&video, "13"), 400).await["param"], "seconds");
    assert_eq!(sim.ended(extend(&video, "12")).await["seconds"], "120");
}

#[tokio::test]
async fn faults_work_in_each_of_them() {
    let sim = Sim::start().await;
    let source = film(&sim).await;
    let id = source["id"].as_str().expect("an id");
    for path in ["/videos/edits", "/videos/extensions", &format!("{}/remix", video_path(&source))] {
        let post = |word: &str| {
            let body = json!({"prompt": format!("{path} {word}"), "video": {"id": id}});
            sim.openai(Method::POST, path).json(&body)
        };
        assert_eq!(sim.ended(post("[fail]")).await["status"], "failed");
        assert_eq!(sim.ended(post("[moderate]")).await["error"]["code"], "moderation_blocked");
        openai_refusal(post("[busy]"), 429).await;
        openai_refusal(post("[error]"), 500).await;
        openai_refusal(post("[lost]"), 504).await;
        let before = sim.sim.generations().len();
        let hanging = tokio::spawn(post("[hang]").send());
        sim.accepted(before + 1).await;
        assert!(!hanging.is_finished());
        hanging.abort();
    }
    sim.change("super-1", json!({"remaining": 0})).await;
    let body = json!({"prompt": "a", "video": {"id": id}});
    let error = openai_refusal(sim.openai(Method::POST, "/videos/edits").json(&body), 429).await;
    assert_eq!(error["code"], "insufficient_quota");
}
