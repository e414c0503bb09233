//! The xAI dialect, as `@ai-sdk/xai` uses it: strict about types, blind to unknown fields.

use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

use crate::app::{Setup, TestApp};
use crate::wire::{Answer, assert_xai_error, snapshot};

async fn generate(app: &TestApp, body: Value) -> Answer {
    app.ask(Method::POST, "/v1/videos/generations", Some(body)).await
}

/// Creates a video; the path of its status.
async fn created(app: &TestApp, prompt: &str) -> String {
    let answer = generate(app, json!({ "prompt": prompt })).await;
    assert_eq!(answer.status, StatusCode::OK, "{}", answer.body);
    format!("/v1/videos/{}", answer.body["request_id"].as_str().unwrap())
}

/// The end of a video, whatever it is.
async fn ended(app: &TestApp, path: &str) -> Answer {
    let answer = app.until(path, |body| body["status"] != "pending").await;
    assert_eq!(answer.status, StatusCode::OK, "everything that is not pending is 200: {}", answer.body);
    answer
}

#[tokio::test]
async fn a_video_in_the_making() {
    let app = Setup { video_seconds: 3600.0, ..Setup::default() }.start().await;
    let body =
        json!({ "model": "grok-imagine-video", "prompt": "a red fox", "resolution": "720p", "duration": 10 });
    let made = generate(&app, body).await;
    assert_eq!(made.status, StatusCode::OK);
    let id = made.body["request_id"].as_str().unwrap();
    assert_eq!(id.split('-').map(str::len).collect::<Vec<_>>(), [8, 4, 4, 4, 12]);
    snapshot("xai_created", &made.body);

    let path = format!("/v1/videos/{id}");
    let pending = app.until(&path, |body| body["filmgate"]["state"] == "running").await;
    assert_eq!(pending.status, StatusCode::ACCEPTED);
    assert!(pending.body["progress"].is_i64());
    assert_eq!(pending.header("x-filmgate-pool"), "ssoSuper");
    assert_eq!(pending.header("x-filmgate-route"), "primary");
    assert!(!pending.header("x-request-id").is_empty());
    snapshot("xai_pending", &pending.body);
}

#[tokio::test]
async fn a_video_that_is_done() {
    let app = Setup { video_seconds: 0.0, ..Setup::default() }.start().await;
    let done = ended(&app, &created(&app, "a red fox").await).await;
    assert_eq!(done.body["status"], "done");
    let video = &done.body["video"];
    assert!(video["duration"].is_i64() && done.body["usage"]["cost_in_usd_ticks"].is_i64(), "{}", done.body);
    // Clients refuse relative links, and edits at xAI want links to end in .mp4.
    let url = reqwest::Url::parse(video["url"].as_str().unwrap()).unwrap();
    assert!(url.path().ends_with(".mp4"));
    assert_eq!(app.http.get(url).send().await.unwrap().status(), StatusCode::OK);
    snapshot("xai_done", &done.body);
}

#[tokio::test]
async fn videos_that_end_otherwise() {
    let app = Setup { video_seconds: 0.0, ..Setup::default() }.start().await;
    for (word, name) in
        [("[fail]", "failed"), ("[moderate]", "moderated"), ("[expire]", "expired"), ("[error]", "unknown")]
    {
        let ended = ended(&app, &created(&app, word).await).await;
        snapshot(&format!("xai_{name}"), &ended.body);
        match name {
            "moderated" => {
                assert_eq!(ended.body["video"]["url"], "", "a string, or xai 3.x fails");
                assert_eq!(ended.body["video"]["respect_moderation"], false);
            }
            "expired" => assert_eq!(ended.body["status"], "expired"),
            _ => {
                let known =
                    ["invalid_argument", "permission_denied", "failed_precondition", "internal_error"];
                assert!(known.contains(&ended.body["error"]["code"].as_str().unwrap()));
                assert_eq!((&ended.body["status"], &ended.body["progress"]), (&json!("failed"), &json!(0)));
            }
        }
    }
}

#[tokio::test]
async fn one_job_two_spellings() {
    let app = Setup { video_seconds: 0.0, ..Setup::default() }.start().await;
    let path = created(&app, "a red fox").await;
    let done = ended(&app, &path).await.body;
    let hex = path.rsplit('/').next().unwrap().replace('-', "");
    let openai = app.get(&format!("/v1/videos/video_{hex}")).await;
    assert_eq!((&openai["object"], &openai["status"]), (&json!("video"), &json!("completed")));
    assert_eq!(openai["filmgate"], done["filmgate"]);
    assert_eq!(openai["seconds"], done["video"]["duration"].to_string());
    let both = [format!("{path}/content"), format!("/v1/videos/video_{hex}/content")];
    for content in both {
        let file = app.request(Method::GET, &content, None).await.bytes().await.unwrap();
        assert_eq!(file.len(), done["filmgate"]["delivered"]["bytes"]);
    }
}

#[tokio::test]
async fn refusals_have_the_dialects_shape() {
    let app = Setup { tokens: [0, 0], ..Setup::default() }.start().await;
    for (name, status, body) in [
        ("xai_400", 400, json!({ "prompt": "a fox", "duration": "long" })),
        ("xai_400_both", 400, json!({ "prompt": "a fox", "duration": 6, "seconds": 6 })),
        ("xai_400_undeliverable", 400, json!({ "prompt": "a fox", "duration": 16 })),
        (
            "xai_400_unsupported",
            400,
            json!({ "prompt": "a fox", "last_frame": { "url": "https://x/y.png" } }),
        ),
        ("xai_400_unknown", 400, json!({ "prompt": "a fox", "negative_prompt": "snow" })),
        ("xai_404_model", 404, json!({ "prompt": "a fox", "model": "sora-9" })),
        ("xai_429", 429, json!({ "prompt": "a fox" })),
    ] {
        let refused = generate(&app, body).await;
        assert_eq!(refused.status.as_u16(), status, "{}", refused.body);
        assert_xai_error(&refused.body);
        snapshot(name, &refused.body);
    }
    let never = "/v1/videos/01a20000-0000-7000-8000-000000000000";
    for path in [never.to_owned(), format!("{never}/content")] {
        let unknown = app.ask(Method::GET, &path, None).await;
        assert_eq!(unknown.status, StatusCode::NOT_FOUND);
        assert_xai_error(&unknown.body);
        let stranger = Answer::of(app.request_as("fg-nobody", Method::GET, &path, None).await).await;
        assert_eq!(stranger.status, StatusCode::UNAUTHORIZED);
        assert_xai_error(&stranger.body);
    }
    let wrong_method = app.ask(Method::PUT, "/v1/videos/generations", None).await;
    assert_eq!(wrong_method.status, StatusCode::METHOD_NOT_ALLOWED);
    assert_xai_error(&wrong_method.body);
}

#[tokio::test]
async fn defaults_and_other_spellings() {
    let app = Setup { video_seconds: 3600.0, ..Setup::default() }.start().await;
    for (body, asked) in [
        (json!({ "prompt": "a fox" }), ("480p", 8, "16:9")),
        (
            json!({ "prompt": "a fox", "duration": null, "resolution": null, "user": "me" }),
            ("480p", 8, "16:9"),
        ),
        (json!({ "prompt": "a fox", "duration": "6", "aspect_ratio": "9:16" }), ("480p", 6, "9:16")),
        (json!({ "prompt": "a fox", "seconds": 5.0, "resolution": "720p" }), ("720p", 5, "16:9")),
    ] {
        let made = generate(&app, body).await;
        assert_eq!(made.status, StatusCode::OK, "{}", made.body);
        let (resolution, seconds, aspect_ratio) = asked;
        let asked = json!({ "resolution": resolution, "seconds": seconds, "aspect_ratio": aspect_ratio });
        assert_eq!(made.body["filmgate"]["asked"], asked);
    }
}
