//! The OpenAI Videos dialect, as openai-python, openai-node and LiteLLM use it.

use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

use crate::app::{Setup, TestApp};
use crate::wire::{Answer, assert_openai_error, snapshot};

/// A gateway whose upstream takes an hour for a video.
fn slow() -> Setup {
    Setup { video_seconds: 3600.0, ..Setup::default() }
}

/// A gateway whose upstream is done at the first question.
fn at_once() -> Setup {
    Setup { video_seconds: 0.0, ..Setup::default() }
}

async fn create(app: &TestApp, body: Value) -> Answer {
    app.ask(Method::POST, "/v1/videos", Some(body)).await
}

fn path(video: &Value) -> String {
    format!("/v1/videos/{}", video["id"].as_str().unwrap())
}

/// All 13 fields with the types that strict clients (LiteLLM) want.
#[track_caller]
fn assert_strict(video: &Value) {
    let id = video["id"].as_str().unwrap();
    let hex = id.strip_prefix("video_").unwrap();
    assert!(hex.len() == 32 && hex.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f')), "{id}");
    assert_eq!(video["object"], "video");
    for field in ["model", "prompt", "size", "seconds"] {
        assert!(video[field].is_string(), "{field}: {video}");
    }
    for field in ["progress", "created_at"] {
        assert!(video[field].is_i64(), "{field}: {video}");
    }
    assert!((0..=100).contains(&video["progress"].as_i64().unwrap()));
    assert!(video["seconds"].as_str().unwrap().parse::<u32>().is_ok());
    let status = video["status"].as_str().unwrap();
    let is_completed = status == "completed";
    assert!(matches!(status, "queued" | "in_progress" | "completed" | "failed"), "{status}");
    assert_eq!((video["completed_at"].is_i64(), video["expires_at"].is_i64()), (is_completed, is_completed));
    assert_eq!(
        (video["completed_at"].is_null(), video["expires_at"].is_null()),
        (!is_completed, !is_completed)
    );
    assert!(video.as_object().unwrap().contains_key("remixed_from_video_id"));
    assert_eq!(video["error"].is_object(), status == "failed");
    if status == "failed" {
        assert!(video["error"]["code"].is_string() && video["error"]["message"].is_string());
        assert_eq!(video["error"].as_object().unwrap().len(), 2);
    } else {
        assert!(video.as_object().unwrap().contains_key("error") && video["error"].is_null());
    }
    assert!(video["filmgate"].is_object());
    assert_eq!(video.as_object().unwrap().len(), 13 + 1, "{video}");
}

#[tokio::test]
async fn a_video_in_the_making() {
    let app = slow().start().await;
    let body = json!({ "prompt": "a red fox", "size": "1280x720", "seconds": "4" });
    let created = create(&app, body).await;
    assert_eq!(created.status, StatusCode::OK);
    assert_strict(&created.body);
    snapshot("openai_created", &created.body);

    let running = app.until(&path(&created.body), |video| video["status"] == "in_progress").await;
    assert_eq!(running.status, StatusCode::OK);
    assert_strict(&running.body);
    snapshot("openai_in_progress", &running.body);

    for answer in [&created, &running] {
        assert_eq!(answer.header("openai-poll-after-ms"), "5000");
        assert_eq!(answer.header("x-filmgate-pool"), "ssoSuper");
        assert_eq!(answer.header("x-filmgate-route"), "primary");
        assert!(!answer.header("x-request-id").is_empty());
        assert_eq!(answer.header("content-type"), "application/json");
    }
    assert_ne!(created.header("x-request-id"), running.header("x-request-id"));
}

#[tokio::test]
async fn a_video_whose_submission_is_not_answered_is_queued() {
    let app = slow().start().await;
    let created = create(&app, json!({ "prompt": "[hang]" })).await;
    let queued = app.until(&path(&created.body), |video| video["filmgate"]["state"] == "submitting").await;
    assert_strict(&queued.body);
    assert_eq!(queued.header("openai-poll-after-ms"), "5000");
    snapshot("openai_queued", &queued.body);
}

#[tokio::test]
async fn a_completed_video_says_what_was_delivered() {
    let app = Setup { tokens: [1, 0], ..Setup::default() }.start().await;
    let body = json!({ "prompt": "a red fox", "size": "1280x720", "seconds": 10, "model": "sora-2" });
    let created = create(&app, body).await;
    assert_eq!((&created.body["size"], &created.body["seconds"]), (&json!("1280x720"), &json!("10")));

    let done = app.until(&path(&created.body), |video| video["status"] == "completed").await;
    assert_strict(&done.body);
    // A basic token makes 480p of 6 s, and says so in the dialect's own fields.
    assert_eq!((&done.body["size"], &done.body["seconds"]), (&json!("752x416"), &json!("6")));
    assert_eq!(done.header("openai-poll-after-ms"), "", "nothing is to be waited for");
    assert_eq!(done.header("x-filmgate-route"), "fallback");
    snapshot("openai_completed", &done.body);
}

#[tokio::test]
async fn a_failed_video_says_why() {
    let app = at_once().start().await;
    for (prompt, code) in
        [("[fail]", "upstream_failed"), ("[moderate]", "moderation_blocked"), ("[expire]", "expired")]
    {
        let created = create(&app, json!({ "prompt": prompt })).await;
        let failed = app.until(&path(&created.body), |video| video["status"] == "failed").await;
        assert_eq!(failed.status, StatusCode::OK);
        assert_strict(&failed.body);
        assert_eq!(failed.body["error"]["code"], code);
        assert_eq!(failed.header("openai-poll-after-ms"), "");
        snapshot(&format!("openai_failed_{code}"), &failed.body);
    }
}

#[tokio::test]
async fn a_form_means_the_same_as_json() {
    let app = slow().start().await;
    let fields = [
        ("prompt", "ein Fuchs im Schnee, 雪の中の狐"),
        ("model", "grok-video"),
        ("seconds", "8"),
        ("size", "1792x1024"),
        ("resolution", "480p"),
    ];
    let response = app.post_form("/v1/videos", "5f0c1f3ef4f94cbb8c1be2a41c2e1d4f", &[], &fields).await;
    let by_form = Answer::of(response).await;
    assert_eq!(by_form.status, StatusCode::OK, "{}", by_form.body);
    assert_strict(&by_form.body);

    let body: Value = fields.iter().map(|(name, value)| ((*name).to_owned(), json!(value))).collect();
    let by_json = create(&app, body).await;
    for field in ["prompt", "model", "seconds", "size"] {
        assert_eq!(by_form.body[field], by_json.body[field]);
    }
    assert_eq!(by_form.body["prompt"], "ein Fuchs im Schnee, 雪の中の狐");
    assert_eq!(
        by_form.body["filmgate"]["asked"],
        json!({ "resolution": "480p", "seconds": 8, "aspect_ratio": "16:9" })
    );
    assert_eq!(by_form.body["filmgate"]["asked"], by_json.body["filmgate"]["asked"]);
}

#[tokio::test]
async fn what_changes_nothing_is_taken_and_what_would_is_refused() {
    let app = slow().start().await;
    let harmless =
        json!({ "prompt": "a fox", "user": "me", "metadata": { "a": "b" }, "safety_identifier": "x" });
    assert_eq!(create(&app, harmless).await.status, StatusCode::OK);
    let fields = [("prompt", "a fox"), ("user", "me"), ("metadata[a]", "b")];
    let form = Answer::of(app.post_form("/v1/videos", "b", &[], &fields).await).await;
    assert_eq!(form.status, StatusCode::OK, "{}", form.body);

    for (name, value) in [("characters[]", "c"), ("video[id]", "v")] {
        let form =
            Answer::of(app.post_form("/v1/videos", "b", &[], &[("prompt", "fox"), (name, value)]).await)
                .await;
        assert_eq!(form.status, StatusCode::BAD_REQUEST);
        assert_openai_error(&form.body);
        assert_eq!(
            (&form.body["error"]["code"], &form.body["error"]["param"]),
            (&json!("unsupported_parameter"), &json!(name.split('[').next()))
        );
    }
    let file = "--b\r\nContent-Disposition: form-data; name=\"input_reference\"; filename=\"a.png\"\r\n\
                Content-Type: image/png\r\n\r\n\u{1}PNG\r\n--b--\r\n";
    let headers = [("content-type", "multipart/form-data; boundary=b")];
    let refused = Answer::of(app.post("/v1/videos", &headers, file).await).await;
    assert_eq!(refused.body["error"]["param"], "input_reference");
    assert_eq!(app.jobs().await.len(), 2, "nothing was made of what was refused");
}

#[tokio::test]
async fn refusals_have_the_dialects_shape() {
    let app = Setup { tokens: [0, 0], ..Setup::default() }.start().await;
    for (name, status, body) in [
        ("openai_400", 400, json!({ "prompt": "a fox", "seconds": "four" })),
        ("openai_400_undeliverable", 400, json!({ "prompt": "a fox", "size": "1920x1080" })),
        ("openai_404_model", 404, json!({ "prompt": "a fox", "model": "sora-9" })),
        ("openai_429", 429, json!({ "prompt": "a fox" })),
    ] {
        let refused = create(&app, body).await;
        assert_eq!(refused.status.as_u16(), status, "{}", refused.body);
        assert_openai_error(&refused.body);
        assert!(!refused.header("x-request-id").is_empty());
        snapshot(name, &refused.body);
    }
    let unknown = app.ask(Method::GET, &format!("/v1/videos/video_{}", "0".repeat(32)), None).await;
    assert_eq!(unknown.status, StatusCode::NOT_FOUND);
    snapshot("openai_404_video", &unknown.body);
    let stranger = Answer::of(app.request_as("fg-nobody", Method::GET, "/v1/models", None).await).await;
    assert_eq!(stranger.status, StatusCode::UNAUTHORIZED);
    assert_eq!(stranger.header("www-authenticate"), "Bearer");
    snapshot("openai_401", &stranger.body);
}

#[tokio::test]
async fn a_video_is_its_callers_alone() {
    let app = Setup::default().start().await;
    let video = app.make("a fox", "480p", 4).await;
    let id = video["id"].as_str().unwrap();
    let uuid = uuid_of(id);
    let stranger = app.new_key("stranger").await;
    for spelled in [id, &uuid] {
        for rest in ["", "/content"] {
            let path = format!("/v1/videos/{spelled}{rest}");
            let own = app.request(Method::GET, &path, None).await;
            assert_eq!(own.status(), StatusCode::OK, "{path}");
            let foreign = Answer::of(app.request_as(&stranger, Method::GET, &path, None).await).await;
            assert_eq!(foreign.status, StatusCode::NOT_FOUND, "{path}");
            // Not told apart from a video that there never was.
            let never =
                format!("/v1/videos/{}{rest}", spelled.replace(&spelled[spelled.len() - 6..], "aaaaaa"));
            let unknown = app.ask(Method::GET, &never, None).await;
            assert_eq!((foreign.status, foreign.body), (unknown.status, unknown.body));
        }
    }
    // Another key of the same caller sees it.
    let body = json!({ "name": "second", "caller": "tests" });
    let second = app.admin(Method::POST, "/keys", Some(body)).await;
    let seen =
        app.request_as(second["key"].as_str().unwrap(), Method::GET, &format!("/v1/videos/{id}"), None).await;
    assert_eq!(seen.status(), StatusCode::OK);
}

fn uuid_of(id: &str) -> String {
    let hex = id.strip_prefix("video_").unwrap();
    [&hex[..8], &hex[8..12], &hex[12..16], &hex[16..20], &hex[20..]].join("-")
}

#[tokio::test]
async fn no_third_spelling_of_an_id() {
    let app = slow().start().await;
    let video = create(&app, json!({ "prompt": "a fox" })).await.body;
    let hex = video["id"].as_str().unwrap().strip_prefix("video_").unwrap().to_owned();
    let uuid = uuid_of(video["id"].as_str().unwrap());
    let wrong = [
        hex.clone(),
        format!("VIDEO_{hex}"),
        format!("video_{}", hex.to_uppercase()),
        format!("video_{uuid}"),
        format!("video_{hex}0"),
        format!("video_{}", &hex[..31]),
        format!("video-{hex}"),
        format!("{{{uuid}}}"),
        format!("urn:uuid:{uuid}"),
        uuid.to_uppercase(),
        "video_".to_owned(),
        "generations".to_owned() + "x",
        "%E2%98%83".to_owned(),
        "%FF%FE".to_owned(),
        "..%2F..%2Fmaster.key".to_owned(),
        "%00".to_owned(),
        "x".repeat(5000),
    ];
    for id in wrong {
        for rest in ["", "/content"] {
            let answer = app.ask(Method::GET, &format!("/v1/videos/{id}{rest}"), None).await;
            assert_eq!(answer.status, StatusCode::NOT_FOUND, "{id}");
            assert_openai_error(&answer.body);
        }
    }
}

#[tokio::test]
async fn the_models_on_offer() {
    let app = Setup::default().start().await;
    let models = app.get("/v1/models").await;
    snapshot("openai_models", &models);
    let by_alias = app.get("/v1/models/sora-2").await;
    assert_eq!(by_alias, models["data"][0]);
    let unknown = app.ask(Method::GET, "/v1/models/gpt-4", None).await;
    assert_eq!(unknown.status, StatusCode::NOT_FOUND);
    assert_openai_error(&unknown.body);
}
