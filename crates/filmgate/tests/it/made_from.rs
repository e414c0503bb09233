//! What videos are made from: images and earlier videos, in every form that a client may send them.

use std::io::{Read as _, Write as _};
use std::net::TcpListener;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

use crate::app::{Setup, TestApp};
use crate::wire::Answer;

const PNG: &[u8] = include_bytes!("../../../../clients/picture.png");

/// A gateway whose upstream is done at the first question.
fn at_once() -> Setup {
    Setup { video_seconds: 0.0, ..Setup::default() }
}

fn picture_uri() -> String {
    format!("data:image/png;base64,{}", STANDARD.encode(PNG))
}

async fn post(app: &TestApp, path: &str, body: Value) -> Answer {
    app.ask(Method::POST, path, Some(body)).await
}

/// A form with a file in it.
async fn post_file(app: &TestApp, path: &str, field: &str, file: &[u8], prompt: &str) -> Answer {
    let head = format!(
        "--b\r\nContent-Disposition: form-data; name=\"prompt\"\r\n\r\n{prompt}\r\n--b\r\n\
         Content-Disposition: form-data; name=\"{field}\"; filename=\"f\"\r\n\r\n"
    );
    let body = [head.as_bytes(), file, b"\r\n--b--\r\n"].concat();
    Answer::of(app.post(path, &[("content-type", "multipart/form-data; boundary=b")], body).await).await
}

fn kept_inputs(app: &TestApp) -> usize {
    std::fs::read_dir(app.data_dir().join("media/inputs")).unwrap().count()
}

#[tokio::test]
async fn an_accepted_image_outlives_a_crash_and_goes_when_its_job_ends() {
    let mut app = Setup { tokens: [0, 1], ..at_once() }.start().await;
    app.with_token("super-1", "disable").await;
    let body = json!({
        "prompt": "it moves", "input_reference": { "image_url": picture_uri() }, "on_shortage": "wait",
    });
    let created = post(&app, "/v1/videos", body).await;
    assert_eq!(created.status, StatusCode::OK, "{}", created.body);
    assert_eq!((&created.body["status"], kept_inputs(&app)), (&json!("queued"), 1));
    app.kill();
    app.launch().await;
    assert_eq!(kept_inputs(&app), 1);
    app.with_token("super-1", "enable").await;
    let video = app.finished(created.body["id"].as_str().unwrap()).await;
    assert_eq!(video["status"], "completed", "{video}");
    let generation = &app.simulator.generations()[0];
    let sent = &generation.inputs[0];
    let expected = ("image", Some(PNG.len()), Some(imagesize(PNG)));
    assert_eq!((&*sent.role, sent.bytes, sent.pixels), expected);
    assert_eq!(kept_inputs(&app), 0);
}

#[tokio::test]
async fn the_first_frame_gives_the_ratio_that_the_client_leaves_open() {
    let app = at_once().start().await;
    let size = imagesize(PNG);
    let expected = filmgate_domain::AspectRatio::nearest(size.0, size.1);
    let image = json!({ "url": picture_uri() });
    let made = post(&app, "/v1/videos/generations", json!({ "prompt": "x", "image": image })).await;
    assert_eq!(made.body["filmgate"]["asked"]["aspect_ratio"], json!(expected));
    let named = json!({ "prompt": "x", "image": image, "aspect_ratio": "1:1" });
    let made = post(&app, "/v1/videos/generations", named).await;
    assert_eq!(made.body["filmgate"]["asked"]["aspect_ratio"], "1:1");
    let wordless = post(&app, "/v1/videos/generations", json!({ "image": image })).await;
    assert_eq!(wordless.status, StatusCode::OK, "{}", wordless.body);
    let part = json!([{ "type": "image_url", "image_url": image }, { "type": "text", "text": "it moves" }]);
    let chat = json!({ "messages": [{ "role": "user", "content": part }] });
    let answer = post(&app, "/v1/chat/completions", chat).await;
    assert_eq!(answer.body["filmgate"]["asked"]["aspect_ratio"], json!(expected));
    let roles: Vec<String> = app.simulator.generations().iter().map(|g| g.inputs[0].role.clone()).collect();
    assert_eq!(roles, ["image"; 4]);
}

/// Width and height stand in the first chunk of a PNG.
fn imagesize(png: &[u8]) -> (u32, u32) {
    let number = |at: usize| u32::from_be_bytes(png[at..at + 4].try_into().unwrap());
    (number(16), number(20))
}

/// A web server that answers everything with this, and counts.
fn serve(body: &'static [u8]) -> (String, Arc<AtomicUsize>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let (url, asked) =
        (format!("http://{}/a.png", listener.local_addr().unwrap()), Arc::new(AtomicUsize::new(0)));
    let counted = Arc::clone(&asked);
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let Ok(mut stream) = stream else { return };
            counted.fetch_add(1, Ordering::SeqCst);
            let _ = stream.read(&mut [0; 4096]);
            let head =
                format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\nconnection: close\r\n\r\n", body.len());
            let _ = stream.write_all(&[head.as_bytes(), body].concat());
        }
    });
    (url, asked)
}

#[tokio::test]
async fn a_private_address_is_gone_to_only_where_the_operator_allows_it() {
    let (url, asked) = serve(PNG);
    let body = json!({ "prompt": "x", "image": { "url": url } });
    let careful = at_once().start().await;
    let refused = post(&careful, "/v1/videos/generations", body.clone()).await;
    assert_eq!((refused.status, asked.load(Ordering::SeqCst)), (StatusCode::BAD_REQUEST, 0));
    let open = at_once().set("outside.allow_private=true").start().await;
    let expected = filmgate_domain::AspectRatio::nearest(imagesize(PNG).0, imagesize(PNG).1);
    let made = post(&open, "/v1/videos/generations", body).await;
    assert_eq!(made.body["filmgate"]["asked"]["aspect_ratio"], json!(expected), "{}", made.body);
    assert_eq!(asked.load(Ordering::SeqCst), 1, "it was looked at once");
    let (page, _) = serve(b"<html>no picture</html>");
    let body = json!({ "prompt": "x", "image": { "url": page } });
    let refused = post(&open, "/v1/videos/generations", body).await;
    assert!(refused.body["error"].as_str().unwrap().contains("`image` is not an image"), "{}", refused.body);
}

#[tokio::test]
async fn what_is_too_large_or_no_picture_is_refused_and_nothing_is_kept() {
    let app = at_once().set("inputs.max_image=\"1KiB\"").start().await;
    let large = [PNG, &[0; 2048]].concat();
    for file in [&large[..], b"GIF89a", b"", b"\x89PNG\r\n\x1a\n"] {
        let refused = post_file(&app, "/v1/videos", "input_reference", file, "a fox").await;
        assert_eq!(refused.status, StatusCode::BAD_REQUEST);
        assert_eq!(refused.body["error"]["param"], "input_reference");
    }
    let refused = post_file(&app, "/v1/videos/edits", "video", b"not an mp4 at all", "a fox").await;
    assert_eq!(refused.body["error"]["param"], "video");
    assert_eq!((kept_inputs(&app), app.upstream_saw()), (0, 0));
}

#[tokio::test]
async fn edits_and_extensions_of_every_kind_of_source() {
    let app = at_once().start().await;
    let source = app.make("a red fox", "720p", 4).await;
    let id = source["id"].as_str().unwrap();
    let file = app.content(id).await.bytes().await.unwrap();
    let job: filmgate_domain::JobId = id.strip_prefix("video_").unwrap().parse().unwrap();
    let link = app.get(&format!("/v1/videos/{job}")).await["video"]["url"].clone();
    let uri = format!("data:video/mp4;base64,{}", STANDARD.encode(&file));

    let mut made = vec![
        post(&app, &format!("/v1/videos/{id}/remix"), json!({ "prompt": "remix" })).await,
        post(&app, "/v1/videos/edits", json!({ "prompt": "edit", "video": { "id": id } })).await,
        post_file(&app, "/v1/videos/edits", "video", &file, "edit a file").await,
    ];
    for answer in &made {
        assert_eq!(answer.status, StatusCode::OK, "{}", answer.body);
    }
    assert_eq!(made[0].body["remixed_from_video_id"], *id);
    assert_eq!(made[2].body["remixed_from_video_id"], Value::Null);
    for url in [link, json!(uri)] {
        let body = json!({ "prompt": "xai edit", "video": { "url": url } });
        made.push(post(&app, "/v1/videos/edits", body).await);
    }
    for Answer { body, .. } in &made {
        let asked = json!({ "resolution": "720p", "seconds": 4, "aspect_ratio": "16:9" });
        assert_eq!(
            (&body["filmgate"]["asked"], &body["filmgate"]["pool"]),
            (&asked, &json!("ssoSuper")),
            "{body}"
        );
    }
    let extension = json!({ "prompt": "on it runs", "video": { "id": id }, "seconds": "8" });
    let extended = post(&app, "/v1/videos/extensions", extension).await;
    assert_eq!(extended.body["seconds"], "12", "the whole: {}", extended.body);
    let done = app.finished(extended.body["id"].as_str().unwrap()).await;
    assert_eq!((&done["seconds"], &done["filmgate"]["verdict"]), (&json!("12"), &json!("as_asked")));
    let generation = app.simulator.generations().into_iter().last().unwrap();
    assert_eq!((generation.asked.seconds, generation.inputs.len()), (8, 1));
    let videos = app.get("/v1/videos").await["data"].as_array().unwrap().clone();
    for video in videos {
        let done = app.finished(video["id"].as_str().unwrap()).await;
        assert_eq!(done["status"], "completed", "{done}");
    }
}

#[tokio::test]
async fn what_cannot_be_a_source_is_refused_by_name() {
    let app = Setup { video_seconds: 3600.0, ..Setup::default() }.start().await;
    let running = app.create("a red fox", "480p", 4).await;
    let id = running["id"].as_str().unwrap();
    let stranger = app.new_key("stranger").await;
    let edit = |id: &str| json!({ "prompt": "x", "video": { "id": id } });
    let early = post(&app, "/v1/videos/edits", edit(id)).await;
    assert_eq!(
        (early.status, &early.body["error"]["code"]),
        (StatusCode::BAD_REQUEST, &json!("video_not_usable"))
    );
    for (key, id) in
        [(&stranger, id), (&app.client_key, "video_00000000000000000000000000000000"), (&app.client_key, "x")]
    {
        let answer = app.request_as(key, Method::POST, "/v1/videos/edits", Some(edit(id))).await;
        let answer = Answer::of(answer).await;
        assert_eq!((answer.status, &answer.body["error"]["param"]), (StatusCode::NOT_FOUND, &json!("video")));
    }
    for (path, body, param) in [
        ("/v1/videos/edits", json!({ "prompt": "x", "seconds": 4 }), "video"),
        ("/openai/v1/videos/edits", json!({ "prompt": "x", "video": {} }), "video"),
        (
            "/v1/videos/edits",
            json!({ "prompt": "x", "video": { "id": id, "url": "https://a.example/b.mp4" } }),
            "video",
        ),
        (
            "/v1/videos/extensions",
            json!({ "prompt": "x", "video": { "id": id }, "seconds": "no" }),
            "seconds",
        ),
        (
            "/v1/videos/extensions",
            json!({ "prompt": "x", "video": { "id": id }, "size": "1280x720" }),
            "size",
        ),
    ] {
        let refused = post(&app, path, body).await;
        assert_eq!(
            (refused.status, &refused.body["error"]["param"]),
            (StatusCode::BAD_REQUEST, &json!(param)),
            "{path}"
        );
    }
    for (method, path) in
        [(Method::POST, "/v1/videos/characters"), (Method::GET, "/v1/videos/characters/char_1")]
    {
        let refused = app.ask(method, path, None).await;
        assert_eq!(
            (refused.status, &refused.body["error"]["code"]),
            (StatusCode::BAD_REQUEST, &json!("unsupported_operation"))
        );
    }
    assert_eq!(app.jobs().await.len(), 1);
}
