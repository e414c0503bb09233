//! Input that is no good is refused in the dialect's own shape, names what is wrong, and reaches nobody.

use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

use crate::app::{ADMIN_KEY, Setup};
use crate::wire::{assert_nothing_was_made, assert_refused};

const JSON: (&str, &str) = ("content-type", "application/json");
const ENDPOINTS: [&str; 3] = ["/v1/videos", "/v1/videos/generations", "/v1/chat/completions"];

/// Values that are nonsense for every text field that has a list of choices.
fn no_choices() -> Vec<Value> {
    vec![
        json!(7),
        json!(true),
        json!([]),
        json!({}),
        json!(""),
        json!("四百八十"),
        json!("x".repeat(100_000)),
        json!("\u{0}"),
    ]
}

/// Values that are no length.
fn no_lengths() -> Vec<Value> {
    let texts = [
        "four",
        "",
        " 6",
        "6 ",
        "+6",
        "-6",
        "6.0",
        "６",
        "٦",
        "0",
        "601",
        "99999999999999999999",
        "6s",
        "0x6",
        "\u{0}6",
    ];
    let others = [
        json!(0),
        json!(-1),
        json!(6.5),
        json!(601),
        json!(1e300),
        json!(u64::MAX),
        json!(true),
        json!([6]),
        json!({}),
    ];
    texts.into_iter().map(|text| json!(text)).chain(others).collect()
}

/// Every documented field with values that it cannot have: the request, and the field's name.
fn bad_videos(length: &'static str, extra: &[&'static str]) -> Vec<(Value, &'static str)> {
    let base = || json!({ "prompt": "a red fox" });
    let with = |field: &str, value: &Value| {
        let mut body = base();
        body[field] = value.clone();
        body
    };
    let mut bad = vec![(json!({}), "prompt")];
    for prompt in
        [Value::Null, json!(""), json!(" \t\n\u{3000}"), json!(7), json!([]), json!({}), json!(false)]
    {
        bad.push((with("prompt", &prompt), "prompt"));
    }
    bad.push((with("prompt", &json!("狐".repeat(32_001))), "prompt"));
    for model in no_choices() {
        bad.push((with("model", &model), "model"));
    }
    for field in ["resolution", "aspect_ratio"].iter().chain(extra) {
        for value in no_choices() {
            bad.push((with(field, &value), field));
        }
    }
    for value in no_lengths() {
        bad.push((with(length, &value), length));
    }
    for field in ["fps", "negative_prompt", "seed", "ключ", "", "\u{1}"] {
        bad.push((with(field, &json!(1)), field));
    }
    bad
}

#[tokio::test]
async fn bad_fields_of_openai_videos() {
    let app = Setup::default().start().await;
    let mut bad = bad_videos("seconds", &["size"]);
    for size in [
        "1280X720",
        "1280x720x1",
        "0x0",
        "-1x-1",
        "99999999999x1",
        "1280x",
        "x720",
        "１２８０x７２０",
        "4000x720",
    ] {
        bad.push((json!({ "prompt": "a fox", "size": size }), "size"));
    }
    bad.push((json!({ "prompt": "a fox", "seconds": 4, "duration": 4 }), "duration"));
    bad.push((json!({ "prompt": "a fox", "duration": "four" }), "duration"));
    bad.push((json!({ "prompt": "a fox", "size": "1920x1080" }), "size"));
    bad.push((json!({ "prompt": "a fox", "seconds": 16 }), "seconds"));
    for field in ["characters", "video", "image"] {
        bad.push((json!({ "prompt": "a fox", field: { "file_id": "x" } }), field));
    }
    for (image, param) in [
        (json!({ "file_id": "x" }), "input_reference.file_id"),
        (json!({ "image_url": "http://example.com/a.png" }), "input_reference"),
        (json!({ "image_url": "https://127.0.0.1/a.png" }), "input_reference"),
        (json!({ "image_url": "data:image/png;base64,Zm94" }), "input_reference"),
        (json!({ "image_url": 7 }), "input_reference.image_url"),
        (json!({ "image_url": "https://example.com/a.png", "url": "b" }), "input_reference.image_url"),
        (json!({}), "input_reference"),
        (json!([1]), "input_reference"),
    ] {
        bad.push((json!({ "prompt": "a fox", "input_reference": image }), param));
    }
    for (body, param) in bad {
        let response = app.post("/v1/videos", &[JSON], body.to_string()).await;
        assert_refused("/v1/videos", response, Some(param), &body.to_string()).await;
        // A form can say the same of texts.
        let fields = body.as_object().unwrap();
        if fields.values().all(Value::is_string) && !fields.is_empty() && !param.contains(['\u{1}']) {
            let fields: Vec<(&str, &str)> =
                fields.iter().map(|(k, v)| (k.as_str(), v.as_str().unwrap())).collect();
            let response = app.post_form("/v1/videos", "b0undary", &[], &fields).await;
            assert_refused("/v1/videos", response, Some(param), &format!("{fields:?}")).await;
        }
    }
    assert_nothing_was_made(&app).await;
}

#[tokio::test]
async fn bad_fields_of_xai_generations() {
    let app = Setup::default().start().await;
    let mut bad = bad_videos("duration", &[]);
    bad.push((json!({ "prompt": "a fox", "seconds": "long" }), "seconds"));
    bad.push((json!({ "prompt": "a fox", "duration": 6, "seconds": 6 }), "seconds"));
    for field in
        ["image", "image_url", "reference_images", "last_frame", "keyframes", "generate_audio", "output"]
    {
        bad.push((json!({ "prompt": "a fox", field: [1] }), field));
    }
    for (body, param) in bad {
        let response = app.post("/v1/videos/generations", &[JSON], body.to_string()).await;
        assert_refused("/v1/videos/generations", response, Some(param), &body.to_string()).await;
    }
    assert_nothing_was_made(&app).await;
}

#[tokio::test]
async fn bad_fields_of_chat_completions() {
    let app = Setup::default().start().await;
    let messages = json!([{ "role": "user", "content": "a red fox" }]);
    let mut bad: Vec<(Value, String)> = Vec::new();
    let mut with = |field: &str, value: Value, param: &str| {
        let mut body = json!({ "messages": messages });
        body[field] = value;
        bad.push((body, param.to_owned()));
    };
    for value in [json!(7), json!("a fox"), json!({}), Value::Null, json!([])] {
        with("messages", value, "messages");
    }
    for value in [json!(7), json!("a fox"), json!([]), Value::Null] {
        with("messages", json!([{ "role": "user", "content": "a fox" }, value]), "messages[1]");
    }
    for value in [json!(7), json!({}), json!(true)] {
        with("messages", json!([{ "role": "user", "content": value }]), "messages[0].content");
    }
    for part in [
        json!({ "type": "image_url", "image_url": { "link": "https://x/y.png" } }),
        json!({ "type": "input_audio", "input_audio": {} }),
        json!({ "type": "file", "file": {} }),
        json!({ "type": "text" }),
        json!({ "type": "text", "text": 7 }),
        json!({ "type": "x".repeat(100_000) }),
        json!(7),
        json!("a fox"),
    ] {
        with("messages", json!([{ "role": "user", "content": [part] }]), "messages[0].content[0]");
    }
    with("messages", json!([{ "role": "user", "content": "狐".repeat(32_001) }]), "messages");
    with("messages", json!([{ "role": "user", "content": " \n" }]), "messages");
    for model in no_choices() {
        with("model", model, "model");
    }
    for stream in [json!("perhaps"), json!(2), json!([]), json!({})] {
        with("stream", stream, "stream");
    }
    for config in [json!(7), json!([]), json!("720p"), json!(true)] {
        with("video_config", config, "video_config");
    }
    for field in ["resolution_name", "aspect_ratio", "preset", "size"] {
        for value in no_choices() {
            with("video_config", json!({ field: value }), &format!("video_config.{field}"));
        }
    }
    for field in ["video_length", "seconds"] {
        for value in no_lengths() {
            with("video_config", json!({ field: value }), &format!("video_config.{field}"));
        }
    }
    with("video_config", json!({ "seconds": 6, "video_length": 6 }), "video_config.seconds");
    with("video_config", json!({ "fps": 60 }), "video_config.fps");
    with("video_config", json!({ "resolution_name": "1080p" }), "video_config.resolution_name");
    with("video_config", json!({ "video_length": 16 }), "video_config.video_length");
    for (body, param) in bad {
        let response = app.post("/v1/chat/completions", &[JSON], body.to_string()).await;
        assert_refused("/v1/chat/completions", response, Some(&param), &body.to_string()).await;
    }
    assert_nothing_was_made(&app).await;
}

#[tokio::test]
async fn bodies_that_are_no_request() {
    let app = Setup::default().start().await;
    let deep = |open: &str, close: &str| format!("{}{}", open.repeat(100_000), close.repeat(100_000));
    let bodies: Vec<Vec<u8>> = vec![
        Vec::new(),
        b"null".to_vec(),
        b"[]".to_vec(),
        b"\"a fox\"".to_vec(),
        b"7".to_vec(),
        b"{".to_vec(),
        b"{]".to_vec(),
        b"{\"prompt\":\"a fox\",}".to_vec(),
        b"{\"prompt\":\"a fox\"} {}".to_vec(),
        b"{'prompt':'a fox'}".to_vec(),
        b"{\"prompt\":NaN}".to_vec(),
        b"{\"prompt\":1e999}".to_vec(),
        b"{\"prompt\":\"\xff\xfe\"}".to_vec(),
        b"{\"prompt\":\"\xed\xa0\x80\"}".to_vec(),
        b"{\"prompt\":\"\\ud800\"}".to_vec(),
        b"{\"prompt\":\"line\nbreak\"}".to_vec(),
        b"\xef\xbb\xbf{\"prompt\":\"a fox\"}".to_vec(),
        b"\0".to_vec(),
        b"prompt=a+fox".to_vec(),
        deep("[", "]").into_bytes(),
        deep("{\"a\":", "}").into_bytes(),
        format!("{{\"prompt\":\"a fox\",\"messages\":{0},\"user\":{0}}}", deep("[", "]")).into_bytes(),
    ];
    for path in ENDPOINTS {
        for body in &bodies {
            let what = String::from_utf8_lossy(body);
            let response = app.post(path, &[JSON], body.clone()).await;
            let refused = assert_refused(path, response, None, &what).await;
            assert_eq!(refused.status, StatusCode::BAD_REQUEST);
        }
        for other in ["text/plain", "application/x-www-form-urlencoded", "application/xml", "\u{e9}", ";;;"] {
            let headers = [("content-type", other)];
            let body = json!({ "prompt": "a fox", "messages": [{ "role": "user", "content": "a fox" }] })
                .to_string();
            let refused = assert_refused(path, app.post(path, &headers, body).await, None, other).await;
            assert_eq!(refused.status, StatusCode::UNSUPPORTED_MEDIA_TYPE, "{path}: {other}");
        }
    }
    for path in ["/v1/videos/generations", "/v1/chat/completions"] {
        let response = app.post_form(path, "b", &[], &[("prompt", "a fox")]).await;
        assert_eq!(
            assert_refused(path, response, None, "a form").await.status,
            StatusCode::UNSUPPORTED_MEDIA_TYPE
        );
    }
    assert_nothing_was_made(&app).await;
}

#[tokio::test]
async fn bad_forms() {
    let app = Setup::default().start().await;
    let part = |disposition: &str, content: &[u8]| {
        let head = format!("--b\r\nContent-Disposition: {disposition}\r\n\r\n");
        [head.as_bytes(), content, b"\r\n"].concat()
    };
    let prompt = part("form-data; name=\"prompt\"", b"a fox");
    let end = b"--b--\r\n";
    let forms: Vec<(Vec<u8>, Option<&str>)> = vec![
        (Vec::new(), None),
        (end.to_vec(), None),
        (b"--b\r\n".to_vec(), None),
        (prompt.clone(), None),
        ([&prompt[..], &prompt, end].concat(), Some("prompt")),
        ([&part("form-data; name=\"prompt\"", b"\xff\xfe")[..], end].concat(), None),
        (
            [&part("form-data; name=\"prompt\"; filename=\"a.txt\"", b"a fox")[..], end].concat(),
            Some("prompt"),
        ),
        ([&prompt[..], &part("form-data", b"x"), end].concat(), Some("")),
        ([&prompt[..], &part("form-data; name=\"fps\"", b"60"), end].concat(), Some("fps")),
        ([&prompt[..], &part("form-data; name=\"seconds\"", b""), end].concat(), Some("seconds")),
        (b"a fox".to_vec(), None),
    ];
    for (form, param) in forms {
        let what = String::from_utf8_lossy(&form).into_owned();
        let headers = [("content-type", "multipart/form-data; boundary=b")];
        let response = app.post("/v1/videos", &headers, form.clone()).await;
        assert_refused("/v1/videos", response, param, &what).await;
        for content_type in
            ["multipart/form-data", "multipart/form-data; boundary=", "multipart/form-data; boundary=other"]
        {
            let response = app.post("/v1/videos", &[("content-type", content_type)], form.clone()).await;
            assert_refused("/v1/videos", response, None, &what).await;
        }
    }
    assert_nothing_was_made(&app).await;
}

#[tokio::test]
async fn every_script_reaches_the_upstream_as_it_was_written() {
    let app = Setup { video_seconds: 0.0, ..Setup::default() }.start().await;
    let prompts = [
        "雪の中の赤い狐",
        "ثعلب أحمر في الثلج",
        "🦊❄️👩‍👩‍👧‍👦",
        "e\u{301}toile \u{202e}drawkcab\u{202c}",
        "a\u{0}b\u{7}c\u{1b}[31m",
        "line\r\nbreak\ttab \"quote\" \\ </video>",
        "'; DROP TABLE jobs; --",
        &"狐".repeat(32_000),
    ];
    for prompt in prompts {
        let body = json!({ "prompt": prompt, "resolution": "480p" });
        let made = app.ask(Method::POST, "/v1/videos", Some(body)).await;
        assert_eq!(made.status, StatusCode::OK, "{prompt:?}");
        assert_eq!(made.body["prompt"], *prompt);
        let video = app.finished(made.body["id"].as_str().unwrap()).await;
        assert_eq!((&video["prompt"], &video["status"]), (&json!(prompt), &json!("completed")));
        assert_eq!(app.simulator.generations().last().unwrap().prompt, prompt);
    }
}

#[tokio::test]
async fn bad_questions_of_the_operator() {
    let app = Setup::default().start().await;
    for (method, path) in [
        (Method::GET, "/tokens?limit=many"),
        (Method::GET, "/tokens?after=x"),
        (Method::GET, "/tokens/x"),
        (Method::GET, "/tokens/tok_99999999999999999999"),
        (Method::GET, "/tokens/%FF"),
        (Method::GET, "/tokens/tok_999"),
        (Method::POST, "/tokens/tok_999/disable"),
        (Method::DELETE, "/tokens/tok_999"),
        (Method::GET, "/jobs?state=odd"),
        (Method::GET, "/jobs?limit=-1"),
        (Method::GET, "/jobs?after=x"),
        (Method::GET, "/jobs/x"),
        (Method::POST, "/jobs/video_00000000000000000000000000000000/cancel"),
        (Method::GET, "/route?resolution=4k"),
        (Method::GET, "/route?seconds=0"),
        (Method::GET, "/route?model=x"),
        (Method::GET, "/route?resolution=1080p"),
        (Method::POST, "/upstreams/x/check"),
        (Method::DELETE, "/keys/x"),
        (Method::DELETE, "/keys/key_999"),
        (Method::POST, "/keys"),
        (Method::PATCH, "/config"),
        (Method::GET, "/tokens/export?secrets=perhaps"),
        (Method::POST, "/tokens/import?dry_run=perhaps"),
    ] {
        let path = format!("/admin/v1{path}");
        let response = app.request_as(ADMIN_KEY, method, &path, None).await;
        assert_refused(&path, response, None, "").await;
    }
    for body in [
        json!({}),
        json!({ "name": "" }),
        json!({ "name": 7 }),
        json!({ "name": "x".repeat(81) }),
        json!({ "name": "a", "b": 1 }),
    ] {
        let response = app.request_as(ADMIN_KEY, Method::POST, "/admin/v1/keys", Some(body.clone())).await;
        assert_refused("/admin/v1/keys", response, None, &body.to_string()).await;
    }
    for body in [
        json!({}),
        json!({ "set": 7 }),
        json!({ "set": { "video.nonsense": 1 } }),
        json!({ "set": { "": 1 } }),
        json!({ "set": { "video.pools": [] } }),
    ] {
        let response = app.request_as(ADMIN_KEY, Method::PATCH, "/admin/v1/config", Some(body.clone())).await;
        assert_refused("/admin/v1/config", response, None, &body.to_string()).await;
    }
}
