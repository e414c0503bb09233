//! OpenAI's dialect: creates, polls, files, lists.

use std::time::Duration;

use filmgate_simulator::{
    AcceptMode, Delivered, Dialect, ManualClock, Operation, Resolution, SimulatorConfig,
};
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

use crate::sim::{
    Sim, file, form, measured, openai_refusal, order, quick, refusal, secret, sha256, video_path,
};

const FOX: &[(&str, &str)] =
    &[("prompt", "a fox"), ("model", "sora-2"), ("seconds", "8"), ("size", "1280x720")];

#[tokio::test]
async fn a_video_is_made_from_a_form_and_from_json() {
    let sim = Sim::start().await;
    let json = json!({"prompt": "a fox", "model": "sora-2", "seconds": 8, "size": "1280x720", "fps": 24});
    for create in [sim.openai_form("/videos", FOX), sim.openai(Method::POST, "/videos").json(&json)] {
        let video = sim.ended(create).await;
        assert_eq!((&video["status"], &video["progress"]), (&json!("completed"), &json!(100)));
        assert_eq!((&video["seconds"], &video["size"]), (&json!("8"), &json!("1280x720")));
        assert_eq!((&video["model"], &video["prompt"]), (&json!("sora-2"), &json!("a fox")));
        assert_eq!((&video["error"], &video["remixed_from_video_id"]), (&Value::Null, &Value::Null));
        assert!(video["created_at"].is_u64() && video["completed_at"].is_u64());
        let bytes = sim.content(&video).send().await.expect("answered").bytes().await.expect("bytes");
        assert_eq!(measured(&bytes), (1280, 720, 8.0));

        let made = sim.last();
        assert_eq!((made.dialect, made.operation), (Dialect::OpenAi, Operation::Generation));
        assert_eq!(Some(made.request_id.as_str()), video["id"].as_str());
        assert_eq!((made.asked.size.as_deref(), made.token.name.as_str()), (Some("1280x720"), "super-1"));
        assert!(made.answered() && made.polls > 0);
    }
}

#[tokio::test]
async fn a_basic_token_gets_less_and_is_told_the_length() {
    let sim = Sim::start().await;
    let create = sim.openai_as("basic", Method::POST, "/videos").multipart(form(FOX));
    let taken = sim.video(create).await;
    assert_eq!((&taken["status"], &taken["seconds"]), (&json!("queued"), &json!("8")));
    let poll = || sim.openai_as("basic", Method::GET, &video_path(&taken));
    let mut video = taken.clone();
    while video["status"] != "completed" {
        video = sim.video(poll()).await;
    }
    assert_eq!((&video["seconds"], &video["size"]), (&json!("6"), &json!("1280x720")));
    let made = Delivered { resolution: Resolution::P480, width: 752, height: 416, seconds: 6 };
    assert_eq!(sim.delivered(), made);
    openai_refusal(sim.openai(Method::GET, &video_path(&taken)), 404).await;
    openai_refusal(sim.content(&taken), 404).await;
}

#[tokio::test]
async fn sizes_are_classes() {
    let sim = Sim::start().await;
    for (size, width, height) in
        [("720x1280", 720, 1280), ("1024x1792", 720, 1280), ("848x480", 752, 416), ("1024x1024", 720, 720)]
    {
        sim.ended(sim.openai_form("/videos", &[("prompt", "a fox"), ("size", size)])).await;
        assert_eq!((sim.delivered().width, sim.delivered().height), (width, height), "{size}");
    }
    let defaults = sim.ended(sim.openai_form("/videos", &[("prompt", "a fox")])).await;
    assert_eq!((&defaults["size"], &defaults["seconds"]), (&json!("720x1280"), &json!("4")));
    assert_eq!(defaults["model"], "sora-2");

    let large =
        |model| sim.openai_form("/videos", &[("prompt", "a"), ("size", "1920x1080"), ("model", model)]);
    assert_eq!(openai_refusal(large("sora-2"), 400).await["param"], "size");
    sim.ended(large("sora-2-pro")).await;
    assert_eq!(sim.delivered().resolution, Resolution::P720, "that is the most super has");
    assert_eq!(sim.last().asked.resolution, Resolution::P1080);
    sim.ended(large("grok-imagine-video-1.5")).await;
}

#[tokio::test]
async fn ids_must_be_escaped() {
    let sim = Sim::start().await;
    let video = sim.ended(sim.openai_form("/videos", FOX)).await;
    let id = video["id"].as_str().expect("an id");
    assert!(id.starts_with("video_") && id.contains('/') && id.contains('+') && id.ends_with('='), "{id}");
    sim.video(sim.openai(Method::GET, &video_path(&video))).await;
    for path in ["", "/content", "/remix"] {
        let unescaped = sim.openai(Method::GET, &format!("/videos/{id}{path}"));
        assert_eq!(openai_refusal(unescaped, 404).await["message"], "there is nothing at this path");
    }
    // What is no id of this dialect is unknown, xAI's ids included.
    let xai = sim.created("super", &order("a hare")).await;
    openai_refusal(sim.openai(Method::GET, &format!("/videos/{xai}")), 404).await;
    let again = sim.poll("super", &video_path(&video)["/videos/".len()..]).await;
    assert_eq!(again.status(), StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn content_needs_the_token_and_takes_ranges() {
    let sim = Sim::start().await;
    let video = sim.ended(sim.openai_form("/videos", FOX)).await;
    let response = sim.content(&video).send().await.expect("answered");
    assert_eq!(response.headers()["content-type"], "video/mp4");
    assert_eq!(response.headers()["accept-ranges"], "bytes");
    let file = response.bytes().await.expect("bytes");
    assert_eq!(file[4..8], *b"ftyp");

    let path = format!("{}/content", video_path(&video));
    let bare = sim.client.get(format!("{}{path}", sim.sim.openai_url()));
    assert_eq!(openai_refusal(bare, 401).await["code"], "invalid_api_key");
    openai_refusal(sim.openai_as("basic", Method::GET, &path), 404).await;

    let part = sim.content(&video).header("range", "bytes=4-7").send().await.expect("answered");
    assert_eq!(part.status(), StatusCode::PARTIAL_CONTENT);
    assert_eq!(part.headers()["content-range"], format!("bytes 4-7/{}", file.len()).as_str());
    assert_eq!(part.bytes().await.expect("bytes"), "ftyp");
    let beyond = sim.content(&video).header("range", "bytes=99999999-").send().await.expect("answered");
    assert_eq!(beyond.status(), StatusCode::RANGE_NOT_SATISFIABLE);
    let head = sim.openai(Method::HEAD, &path).send().await.expect("answered");
    assert_eq!(head.headers()["content-length"], file.len().to_string().as_str());
    assert_eq!(sim.last().fetches, 3, "HEAD does not count");

    sim.openai(Method::GET, &format!("{path}?variant=video")).send().await.expect("answered");
    openai_refusal(sim.openai(Method::GET, &format!("{path}?variant=thumbnail")), 400).await;
    let id = video["id"].as_str().expect("an id");
    let guessed = format!("http://{}/files/{id}.mp4", sim.sim.addr());
    assert_eq!(sim.client.get(guessed).send().await.expect("answered").status(), StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn progress_grows_and_content_waits() {
    let time = ManualClock::at(1_700_000_000_000);
    let config = SimulatorConfig { clock: time.clock(), video_seconds: 10.0, ..quick() };
    let sim = Sim::with(config).await;
    let taken = sim.video(sim.openai_form("/videos", FOX)).await;
    for (step_ms, status, progress) in
        [(0, "queued", 0), (2_500, "in_progress", 25), (7_499, "in_progress", 99)]
    {
        time.advance(Duration::from_millis(step_ms));
        let video = sim.video(sim.openai(Method::GET, &video_path(&taken))).await;
        assert_eq!((&video["status"], &video["progress"]), (&json!(status), &json!(progress)));
        assert_eq!(video["completed_at"], Value::Null);
        let error = openai_refusal(sim.content(&taken), 404).await;
        assert!(error["message"].as_str().expect("text").starts_with("Video is not ready yet"), "{error}");
    }
    openai_refusal(sim.openai(Method::DELETE, &video_path(&taken)), 409).await;
    time.advance(Duration::from_secs(1));
    let mut video = taken;
    while video["status"] != "completed" {
        video = sim.video(sim.openai(Method::GET, &video_path(&video))).await;
    }
    assert_eq!(
        (&video["created_at"], &video["completed_at"]),
        (&json!(1_700_000_000), &json!(1_700_000_010))
    );
}

#[tokio::test]
async fn a_first_frame_is_a_file_or_an_address() {
    let sim = Sim::start().await;
    // A PNG header of 10x20 pixels, and nothing more.
    let png = b"\x89PNG\r\n\x1a\n\0\0\0\x0dIHDR\0\0\0\x0a\0\0\0\x14";
    let with_file = |media_type| {
        let frame = file(*png, "frame.png", media_type);
        sim.openai(Method::POST, "/videos").multipart(form(FOX).part("input_reference", frame))
    };
    sim.ended(with_file("image/png")).await;
    let input = sim.last().inputs.remove(0);
    assert_eq!((input.role.as_str(), input.kind, input.bytes), ("input_reference", "data", Some(24)));
    assert_eq!((input.media_type.as_deref(), input.pixels), (Some("image/png"), Some((10, 20))));
    assert_eq!(input.sha256, Some(sha256(png)));
    let error = openai_refusal(with_file("application/octet-stream"), 400).await;
    assert_eq!(
        (&error["param"], &error["code"]),
        (&json!("input_reference"), &json!("unsupported_mimetype"))
    );

    let address = "https://cdn.example/frame.png";
    let bracket = [FOX, &[("input_reference[image_url]", address)]].concat();
    let nested = json!({"prompt": "a fox", "input_reference": {"image_url": address}});
    for create in [sim.openai_form("/videos", &bracket), sim.openai(Method::POST, "/videos").json(&nested)] {
        sim.ended(create).await;
        let input = sim.last().inputs.remove(0);
        assert_eq!((input.kind, input.reference.as_deref()), ("url", Some(address)));
    }
    let data = json!({"prompt": "a", "input_reference": {"image_url": "data:image/png;base64,aGVsbG8="}});
    sim.ended(sim.openai(Method::POST, "/videos").json(&data)).await;
    assert_eq!(sim.last().inputs[0].bytes, Some(5));
    for frame in [json!({}), json!({"file_id": "f_1"}), json!({"image_url": "http://a/b.png"}), json!("x")] {
        let body = json!({"prompt": "a fox", "input_reference": frame});
        openai_refusal(sim.openai(Method::POST, "/videos").json(&body), 400).await;
    }
}

#[tokio::test]
async fn bad_creates_name_the_field() {
    let sim = Sim::start().await;
    for (body, status, param, code) in [
        (json!({}), 400, "prompt", "invalid_value"),
        (json!({"prompt": " "}), 400, "prompt", "invalid_value"),
        (json!({"prompt": "a".repeat(32_001)}), 400, "prompt", "invalid_value"),
        (json!({"prompt": 3}), 400, "prompt", "invalid_value"),
        (json!({"prompt": "a", "model": "sora-9"}), 404, "model", "model_not_found"),
        (json!({"prompt": "a", "seconds": "0"}), 400, "seconds", "invalid_value"),
        (json!({"prompt": "a", "seconds": 21}), 400, "seconds", "invalid_value"),
        (json!({"prompt": "a", "seconds": "4.5"}), 400, "seconds", "invalid_value"),
        (json!({"prompt": "a", "seconds": true}), 400, "seconds", "invalid_value"),
        (json!({"prompt": "a", "size": "large"}), 400, "size", "invalid_value"),
        (json!({"prompt": "a", "size": "721x1280"}), 400, "size", "invalid_value"),
        (json!({"prompt": "a", "size": "3840x2160"}), 400, "size", "invalid_value"),
    ] {
        let error = openai_refusal(sim.openai(Method::POST, "/videos").json(&body), status).await;
        assert_eq!((&error["param"], &error["code"]), (&json!(param), &json!(code)), "{body}");
        assert_eq!(error["type"], "invalid_request_error");
    }
    openai_refusal(sim.openai(Method::POST, "/videos").body("hello"), 415).await;
    assert_eq!((sim.sim.generations().len(), sim.sim.refusals().len()), (0, 13));
    assert_eq!(sim.sim.refusals()[4].code, "model_not_found");
}

#[tokio::test]
async fn both_dialects_share_tokens_and_quotas() {
    let sim = Sim::start().await;
    sim.change("super-1", json!({"remaining": 8})).await;
    sim.video(sim.openai_form("/videos", FOX)).await;
    sim.created("super", &order("a hare")).await;
    let response = sim.openai_form("/videos", FOX).send().await.expect("answered");
    assert!(response.headers().contains_key("retry-after"));
    let error = openai_refusal(sim.openai_form("/videos", FOX), 429).await;
    assert_eq!(
        (&error["type"], &error["code"]),
        (&json!("insufficient_quota"), &json!("insufficient_quota"))
    );
    refusal(sim.create("super", &order("a hare")), 429).await;
    let dialects: Vec<_> = sim.sim.generations().iter().map(|made| made.dialect).collect();
    assert_eq!(dialects, [Dialect::OpenAi, Dialect::Xai]);

    sim.change("super-1", json!({"valid": false})).await;
    openai_refusal(sim.openai(Method::GET, "/models"), 401).await;
}

#[tokio::test]
async fn faults_work_in_this_dialect() {
    let sim = Sim::start().await;
    let post = |prompt: &str| sim.openai_form("/videos", &[("prompt", prompt), ("size", "1280x720")]);
    for (word, code) in
        [("[fail]", "internal_error"), ("[moderate]", "moderation_blocked"), ("[expire]", "expired")]
    {
        let video = sim.ended(post(word)).await;
        assert_eq!((&video["status"], &video["error"]["code"]), (&json!("failed"), &json!(code)));
        openai_refusal(sim.content(&video), 404).await;
    }
    assert_eq!(openai_refusal(post("[error]"), 500).await["code"], "server_error");
    assert_eq!(openai_refusal(post("[unauthorized]"), 401).await["code"], "invalid_api_key");
    assert_eq!(openai_refusal(post("[busy]"), 429).await["code"], "rate_limit_exceeded");
    assert_eq!(openai_refusal(post("[lost]"), 504).await["type"], "server_error");
    let garbage = post("[garbage]").send().await.expect("answered");
    assert_eq!(garbage.status(), StatusCode::OK);
    assert!(garbage.json::<Value>().await.is_err());
    assert!(!sim.last().answered());
    let hanging = tokio::spawn(post("[hang]").send());
    sim.accepted(6).await;
    assert!(!hanging.is_finished());
    hanging.abort();

    sim.ended(post("[lie]")).await;
    assert_eq!(sim.delivered().height, 416);
    let whole = sim.ended(post("a fox")).await;
    let whole = sim.content(&whole).send().await.expect("answered").bytes().await.expect("bytes");
    let cut = sim.ended(post("[cutoff]")).await;
    let cut = sim.content(&cut).send().await.expect("answered").bytes().await.expect("bytes");
    assert!(cut.len() < whole.len());
    let broken = sim.ended(post("[hangup]")).await;
    assert!(sim.content(&broken).send().await.expect("answered").bytes().await.is_err());
    let page = sim.ended(post("[notvideo]")).await;
    let page = sim.content(&page).send().await.expect("answered").text().await.expect("text");
    assert!(page.starts_with("<!doctype html>"));
}

#[tokio::test]
async fn polls_may_be_empty_videos_slow_and_ids_early() {
    let time = ManualClock::at(0);
    let sim = Sim::with(SimulatorConfig { clock: time.clock(), video_seconds: 6.0, ..quick() }).await;
    let video = sim.video(sim.openai_form("/videos", &[("prompt", "[quiet]")])).await;
    let quiet = sim.openai(Method::GET, &video_path(&video)).send().await.expect("answered");
    assert_eq!(quiet.status(), StatusCode::ACCEPTED);
    assert_eq!(quiet.bytes().await.expect("bytes").len(), 0);

    let slow = sim.video(sim.openai_form("/videos", &[("prompt", "[slow]")])).await;
    time.advance(Duration::from_secs(59));
    let slow = sim.video(sim.openai(Method::GET, &video_path(&slow))).await;
    assert_eq!((&slow["status"], &slow["progress"]), (&json!("in_progress"), &json!(98)));

    let accept = AcceptMode::AfterAnswer { delay: Duration::from_secs(1) };
    let sim = Sim::with(SimulatorConfig { accept, ..quick() }).await;
    let video = sim.video(sim.openai_form("/videos", FOX)).await;
    openai_refusal(sim.openai(Method::GET, &video_path(&video)), 404).await;
    sim.accepted(1).await;
    let found = sim.video(sim.openai(Method::GET, &video_path(&video))).await;
    assert_eq!((&found["id"], &found["created_at"]), (&video["id"], &video["created_at"]));
}

#[tokio::test]
async fn videos_are_listed_in_pages() {
    let sim = Sim::start().await;
    let list = async |query: &str| {
        let response = sim.openai(Method::GET, &format!("/videos{query}")).send().await.expect("answered");
        response.json::<Value>().await.expect("JSON")
    };
    let none = list("").await;
    assert_eq!(
        (&none["data"], &none["first_id"], &none["has_more"]),
        (&json!([]), &Value::Null, &json!(false))
    );
    for prompt in ["one", "two", "three"] {
        sim.video(sim.openai_form("/videos", &[("prompt", prompt)])).await;
    }
    sim.created("super", &order("of the other dialect")).await;
    let prompts = |page: &Value| -> Vec<String> {
        let data = page["data"].as_array().expect("a list").iter();
        data.map(|video| video["prompt"].as_str().expect("a prompt").to_owned()).collect()
    };
    assert_eq!(prompts(&list("").await), ["three", "two", "one"]);
    let page = list("?order=asc&limit=2").await;
    assert_eq!((prompts(&page), &page["has_more"]), (vec!["one".to_owned(), "two".to_owned()], &json!(true)));
    assert_eq!((&page["first_id"], &page["last_id"]), (&page["data"][0]["id"], &page["data"][1]["id"]));
    let after = video_path(&page["data"][1])["/videos/".len()..].to_owned();
    let rest = list(&format!("?order=asc&after={after}")).await;
    assert_eq!((prompts(&rest), &rest["has_more"]), (vec!["three".to_owned()], &json!(false)));
    for query in ["?limit=0", "?limit=101", "?limit=x", "?order=up"] {
        openai_refusal(sim.openai(Method::GET, &format!("/videos{query}")), 400).await;
    }
    openai_refusal(sim.openai(Method::GET, "/videos?after=video_no"), 404).await;
    let other = sim.openai_as("basic", Method::GET, "/videos").send().await.expect("answered");
    assert_eq!(other.json::<Value>().await.expect("JSON")["data"], json!([]));
}

#[tokio::test]
async fn what_was_deleted_is_gone_but_stays_in_the_books() {
    let sim = Sim::start().await;
    let video = sim.ended(sim.openai_form("/videos", FOX)).await;
    let delete =
        || sim.openai(Method::DELETE, &video_path(&video)).header("content-type", "application/json");
    let response = delete().send().await.expect("answered");
    let deleted: Value = response.json().await.expect("JSON");
    assert_eq!(deleted, json!({"id": video["id"], "object": "video.deleted", "deleted": true}));
    openai_refusal(delete(), 404).await;
    openai_refusal(sim.openai(Method::GET, &video_path(&video)), 404).await;
    openai_refusal(sim.content(&video), 404).await;
    let list = sim.openai(Method::GET, "/videos").send().await.expect("answered");
    assert_eq!(list.json::<Value>().await.expect("JSON")["data"], json!([]));
    assert!(sim.last().deleted);
    assert_eq!(sim.sim.tokens()[3].remaining, Some(136));
}

#[tokio::test]
async fn models_and_paths() {
    let sim = Sim::start().await;
    let models = sim.openai(Method::GET, "/models").send().await.expect("answered");
    let models: Value = models.json().await.expect("JSON");
    let names: Vec<_> = models["data"].as_array().expect("a list").iter().map(|model| &model["id"]).collect();
    assert_eq!((names[0], names[1], names.len()), (&json!("sora-2"), &json!("sora-2-pro"), 5));
    openai_refusal(sim.openai(Method::GET, "/nothing"), 404).await;
    openai_refusal(sim.openai(Method::PUT, "/videos"), 405).await;
    openai_refusal(sim.openai(Method::GET, "/videos/edits"), 405).await;
    for (method, path) in [(Method::GET, "/models"), (Method::GET, "/videos"), (Method::POST, "/videos")] {
        let bare = sim.client.request(method, format!("{}{path}", sim.sim.openai_url()));
        openai_refusal(bare, 401).await;
    }
    assert!(!format!("{:?}", sim.sim).contains(&secret("super")));
}
