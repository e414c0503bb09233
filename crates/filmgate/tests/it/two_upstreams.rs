//! Two upstreams of different kinds side by side: what goes to each, by id and as a file, and back.

use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use filmgate_simulator::{Dialect, Generation, Operation, SimulatorConfig, demo_tokens};
use reqwest::multipart::{Form, Part};
use reqwest::{Method, StatusCode};
use rstest::rstest;
use serde_json::{Value, json};

use crate::app::{Setup, TestApp};
use crate::books;
use crate::gate::Gate;
use crate::wire::Answer;

/// 320 by 180 pixels of one colour.
const PNG: &str = concat!(
    "iVBORw0KGgoAAAANSUhEUgAAAUAAAAC0CAIAAABqhmJGAAABk0lEQVR42u3TAQkAAAzDsCm5psu+rOsYBKKg0NwOUCoSgIEB",
    "AwMGBgMDBgYMDBgYDAwYGDAwGBgwMGBgwMBgYMDAgIEBA4OBAQMDBgYDAwYGDAwYGAwMGBgwMGBgMDBgYMDAYGDAwICBAQOD",
    "gQEDAwYGA6sABgYMDBgYDAwYGDAwYGAwMGBgwMBgYMDAgIEBA4OBAQMDBgYMDAYGDAwYGAwMGBgwMGBgMDBgYMDAgIHBwICB",
    "AQODgQEDAwYGDAwGBgwMGBgMDBgYMDBgYDAwYGDAwICBwcCAgQEDg4EBAwMGBgwMBgYMDBgYMDAYGDAwYGAwMGBgwMCAgcHA",
    "gIEBAwMGBgMDBgYMDAYGDAwYGDAwGBgwMGBgMDBgYMDAgIHBwICBAQMDBgYDAwYGDAwGBgwMGBgwMBgYMDBgYMDAYGDAwICB",
    "wcCAgQEDAwYGAwMGBgwMBlYBDAwYGDAwGBgwMGBgwMBgYMDAgIHBwICBAQMDBgYDAwYGDAwYGAwMGBgwMBgYMDBgYMDAYGDA",
    "wICBAQNDtwdw/4XxDrBDowAAAABJRU5ErkJggg==",
);
/// As `sha256sum` has it.
const PNG_SHA256: &str = "070504d9f7f48b2a8d822c3a76e238ecae9c7967927e229796b4ee9dd150b1b7";

/// The tokens of the pool `gpu`, by their names at the simulator.
const GPU: [&str; 2] = ["super-2", "super-3"];

fn more_tokens(config: &mut SimulatorConfig) {
    config.tokens.extend(demo_tokens("super", 3).split_off(1));
    // As vLLM-Omni.
    config.openai.multipart_only = true;
}

/// A gateway with the pools of the founding rule at xAI, and one for the model `wan` at a server of OpenAI's
/// dialect.
async fn start(content_redirects: bool) -> TestApp {
    let simulator: fn(&mut SimulatorConfig) = if content_redirects {
        |config| {
            more_tokens(config);
            config.openai.content_redirects = true;
        }
    } else {
        more_tokens
    };
    let mut app = Setup { tokens: [1, 1], simulator, ..Setup::default() }.start().await;
    add_server(&mut app).await;
    app
}

async fn add_server(app: &mut TestApp) {
    let set = json!({
        "video.pools": ["ssoBasic", "ssoSuper", "gpu"],
        "video.models": ["grok-imagine-video", "wan"],
        "upstreams.server.kind": "openai",
        "upstreams.server.base_url": app.simulator.openai_url(),
        "upstreams.server.poll_every": "50ms",
        "pools.gpu.upstream": "server",
        "pools.gpu.delivers": [{ "resolution": "720p", "max_seconds": 12 }],
        "models.grok-imagine-video.pools": ["ssoBasic", "ssoSuper"],
        "models.wan.pools": ["gpu"],
        "models.wan.upstream_names": { "gpu": "sora-2-pro" },
    });
    app.admin(Method::PATCH, "/config", Some(json!({ "set": set }))).await;
    let secrets: Vec<String> = demo_tokens("super", 3).split_off(1).into_iter().map(|t| t.secret).collect();
    let answer = app.admin(Method::POST, "/tokens/import", Some(json!({ "gpu": secrets }))).await;
    for (name, added) in GPU.iter().zip(answer["added"].as_array().unwrap()) {
        app.token_ids.insert((*name).to_owned(), added["id"].as_str().unwrap().to_owned());
    }
}

/// Posts it, and waits until the video is completed.
async fn made(app: &TestApp, path: &str, body: Value) -> Value {
    let answer = app.ask(Method::POST, path, Some(body)).await;
    assert_eq!(answer.status, StatusCode::OK, "{}", answer.body);
    completed(app, &answer.body).await
}

async fn completed(app: &TestApp, video: &Value) -> Value {
    let video = app.finished(video["id"].as_str().unwrap()).await;
    assert_eq!(video["status"], "completed", "{video}");
    video
}

fn wan(prompt: &str) -> Value {
    json!({ "model": "wan", "prompt": prompt, "seconds": "4", "size": "1280x720" })
}

fn last(app: &TestApp) -> Generation {
    app.simulator.generations().pop().expect("the simulator made a video")
}

/// Lets only one of the tokens of `gpu` be taken.
async fn only(app: &TestApp, name: &str) {
    for other in GPU {
        app.with_token(other, if other == name { "enable" } else { "disable" }).await;
    }
}

#[rstest]
#[case::by_bearer(false)]
#[case::by_redirect(true)]
#[tokio::test]
async fn each_video_goes_to_the_upstream_of_its_model(#[case] content_redirects: bool) {
    let app = start(content_redirects).await;
    let xai = app.make("a red fox", "480p", 4).await;
    let at_xai = last(&app);
    assert_eq!((at_xai.dialect, at_xai.model.as_str()), (Dialect::Xai, "grok-imagine-video"));
    assert_eq!(xai["status"], "completed", "{xai}");

    let video = made(&app, "/v1/videos", wan("a blue fox")).await;
    let at_server = last(&app);
    assert_eq!((at_server.dialect, at_server.model.as_str()), (Dialect::OpenAi, "sora-2-pro"));
    assert!(at_server.request_id.contains('/') && at_server.request_id.contains('+'), "an awkward id");
    assert_eq!((&video["size"], &video["seconds"]), (&json!("1280x720"), &json!("4")));
    assert_eq!(video["filmgate"]["pool"], "gpu", "{video}");
    let file = app.content(video["id"].as_str().unwrap()).await.bytes().await.unwrap();
    assert_eq!(file.len(), video["filmgate"]["delivered"]["bytes"]);
    assert_eq!(last(&app).fetches, 1);
    assert_eq!(app.simulator.refusals(), []);
}

#[tokio::test]
async fn an_image_arrives_as_it_was_sent() {
    let app = start(false).await;
    let image = Part::bytes(STANDARD.decode(PNG).unwrap()).file_name("a.png").mime_str("image/png").unwrap();
    let form = Form::new().text("model", "wan").text("prompt", "it moves").text("seconds", "4");
    let form = form.text("size", "1280x720").part("input_reference", image);
    let request = app.http.post(format!("{}/v1/videos", app.url)).bearer_auth(&app.client_key);
    let answer = Answer::of(request.multipart(form).send().await.unwrap()).await;
    assert_eq!(answer.status, StatusCode::OK, "{}", answer.body);
    completed(&app, &answer.body).await;
    let [input] = &last(&app).inputs[..] else { panic!("one input") };
    assert_eq!((input.role.as_str(), input.kind), ("input_reference", "data"));
    assert_eq!(input.media_type.as_deref(), Some("image/png"));
    assert_eq!(input.sha256.as_deref(), Some(PNG_SHA256));
}

#[tokio::test]
async fn an_edit_is_a_remix_where_the_token_made_the_video_and_else_sends_the_file() {
    let app = start(false).await;
    only(&app, GPU[0]).await;
    let source = made(&app, "/v1/videos", wan("a blue fox")).await;
    let id = source["id"].as_str().unwrap();
    let first = last(&app);

    let remix = made(&app, &format!("/v1/videos/{id}/remix"), json!({ "prompt": "now red" })).await;
    let at_server = last(&app);
    assert_eq!((at_server.operation, at_server.token.name.as_str()), (Operation::Remix, GPU[0]));
    assert_eq!(at_server.remixed_from.as_deref(), Some(&*first.request_id));
    assert_eq!(remix["remixed_from_video_id"], id);

    only(&app, GPU[1]).await;
    made(&app, "/v1/videos/edits", json!({ "prompt": "now green", "video": { "id": id } })).await;
    let at_server = last(&app);
    assert_eq!((at_server.operation, at_server.token.name.as_str()), (Operation::Edit, GPU[1]));
    let [input] = &at_server.inputs[..] else { panic!("one input") };
    assert_eq!((input.role.as_str(), input.kind), ("video", "data"));
    assert_eq!(json!(input.sha256), source["filmgate"]["delivered"]["sha256"], "{source}");

    only(&app, GPU[0]).await;
    let body = json!({ "prompt": "it runs", "video": { "id": id }, "seconds": "4" });
    let longer = made(&app, "/v1/videos/extensions", body).await;
    let at_server = last(&app);
    assert_eq!((at_server.operation, at_server.inputs[0].kind), (Operation::Extension, "video_id"));
    assert_eq!(longer["seconds"], "8", "{longer}");
}

#[tokio::test]
async fn what_the_dialect_cannot_do_is_neither_offered_nor_sent() {
    let app = start(false).await;
    let models = app.get("/v1/models").await;
    let offers = |id: &str| -> Vec<String> {
        let model = models["data"].as_array().unwrap().iter().find(|model| model["id"] == id).unwrap();
        let offers = model["filmgate"]["offers"].as_array().unwrap().iter();
        let text = |offer: &Value| {
            let word = |key: &str| offer[key].as_str().unwrap().to_owned();
            format!("{} {}", word("mode"), word("resolution"))
        };
        offers.map(text).collect()
    };
    assert_eq!(offers("wan"), ["text 720p", "image 720p", "edit 720p", "extend 720p"]);
    assert_eq!(offers("grok-imagine-video").len(), 10, "five modes in two resolutions");

    let body = json!({
        "model": "wan", "prompt": "a fox", "resolution": "720p", "duration": 4,
        "reference_images": [{ "url": format!("data:image/png;base64,{PNG}") }],
    });
    let refused = app.ask(Method::POST, "/v1/videos/generations", Some(body)).await;
    assert_eq!(refused.status, StatusCode::BAD_REQUEST, "{}", refused.body);
    let why = "`reference_images[0]`: no pool makes a video with reference images with wan";
    assert_eq!(refused.body["error"], why);
    assert_eq!(app.upstream_saw(), 0);
}

/// Waits until so many jobs are in this state.
async fn so_many(app: &TestApp, count: usize, state: &str) {
    for _ in 0..600 {
        let jobs = books::jobs(app).await;
        if jobs.iter().filter(|job| job["state"] == state).count() >= count {
            return;
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    panic!("never {count} jobs that are {state}");
}

/// More files hang than are fetched from one upstream at once (64).
#[tokio::test]
async fn files_that_hang_at_one_upstream_keep_no_file_of_the_other_waiting() {
    const HANGING: usize = 70;
    let setup = Setup { tokens: [4, 1], simulator: more_tokens, ..Setup::default() };
    let (gate, mut app) = Gate::before(setup.set("upstreams.xai.header_timeout=\"10m\"")).await;
    add_server(&mut app).await;
    gate.shut();
    for n in 0..HANGING {
        app.create(&format!("fox {n}"), "480p", 6).await;
    }
    so_many(&app, HANGING, "delivering").await;
    made(&app, "/v1/videos", wan("a blue fox")).await;
    so_many(&app, HANGING, "delivering").await;
    gate.open();
    so_many(&app, HANGING + 1, "completed").await;
}

/// vLLM-Omni has no edits, say.
#[tokio::test]
async fn what_a_server_cannot_do_is_refused_once_its_pool_says_so() {
    let app = start(false).await;
    let video = made(&app, "/v1/videos", wan("a blue fox")).await;
    let delivers = json!([{ "resolution": "720p", "max_seconds": 12, "modes": ["text", "image"] }]);
    let set = json!({ "set": { "pools.gpu.delivers": delivers } });
    app.admin(Method::PATCH, "/config", Some(set)).await;
    let path = format!("/v1/videos/{}/remix", video["id"].as_str().unwrap());
    let refused = app.ask(Method::POST, &path, Some(json!({ "prompt": "now red" }))).await;
    assert_eq!(refused.status, StatusCode::BAD_REQUEST, "{}", refused.body);
    let error = &refused.body["error"];
    assert_eq!(error["message"], "no pool makes an edit of a video with wan");
    assert_eq!(error["param"], "video_id", "{error}");
    assert_eq!(app.upstream_saw(), 1);
}
