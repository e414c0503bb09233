//! SDKs that repeat themselves without a key.

use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

use super::{OPENAI, Raw, XAI, request, send};
use crate::app::{Setup, TestApp};
use crate::wire::form;

/// As an OpenAI SDK that tries for the nth time.
async fn retry(app: &TestApp, path: &str, n: &str, body: &Value) -> Raw {
    send(request(app, path, &[("x-stainless-retry-count", n)], body)).await
}

#[tokio::test]
async fn a_retry_on_any_path_joins_also_after_a_restart_and_without_its_source() {
    let mut app = Setup { tokens: [0, 8], video_seconds: 0.1, ..Setup::default() }.start().await;
    let source = app.make("the source", "480p", 4).await["id"].as_str().unwrap().to_owned();
    let source_url = app.get(&format!("/xai/v1/videos/{source}")).await["video"]["url"].clone();
    let remix = format!("/v1/videos/{source}/remix");
    let cases = [
        (OPENAI, json!({ "prompt": "[slow] one", "seconds": 4, "size": "1280x720" })),
        (XAI, json!({ "prompt": "[slow] two" })),
        (&*remix, json!({ "prompt": "[slow] three" })),
        ("/v1/videos/edits", json!({ "prompt": "[slow] four", "video": { "id": source } })),
        ("/v1/videos/edits", json!({ "prompt": "[slow] five", "video": { "url": source_url } })),
        (
            "/v1/videos/extensions",
            json!({ "prompt": "[slow] six", "seconds": "4", "video": { "id": source } }),
        ),
    ];
    let mut firsts = Vec::new();
    for (path, body) in &cases {
        let first = retry(&app, path, "0", body).await;
        assert_eq!(first.status, StatusCode::OK, "{first:?}");
        assert_eq!(retry(&app, path, "1", body).await.video(), first.video());
        firsts.push(first.video());
    }
    let deleted = app.request(Method::DELETE, &format!("/v1/videos/{source}"), None).await;
    assert_eq!(deleted.status(), StatusCode::OK);
    for restarts in [false, true] {
        if restarts {
            app.kill();
            app.launch().await;
        }
        for ((path, body), first) in cases.iter().zip(&firsts) {
            assert_eq!(retry(&app, path, "2", body).await.video(), *first, "{path}");
        }
    }
    assert_eq!(app.jobs().await.len(), cases.len(), "the source is not listed any more");
}

#[tokio::test]
async fn a_form_with_a_file_is_joined_too() {
    let app = Setup { tokens: [0, 4], video_seconds: 3600.0, ..Setup::default() }.start().await;
    let png = b"\x89PNG\r\n\x1a\n\0\0\0\x0dIHDR\0\0\x02\x80\0\0\x01\xe0\x08\x02\0\0\0--not-a-boundary--";
    let upload = async |n: &str, boundary: &str, file: &[u8]| {
        let mut body = form(boundary, &[("prompt", "a fox")]);
        body.truncate(body.len() - boundary.len() - 6);
        let head = format!(
            "--{boundary}\r\nContent-Disposition: form-data; name=\"input_reference\"; filename=\"a.png\"\r\n\r\n"
        );
        let body = [&*body, head.as_bytes(), file, format!("\r\n--{boundary}--\r\n").as_bytes()].concat();
        let content_type = format!("multipart/form-data; boundary=\"{boundary}\"; charset=utf-8");
        let request = app.http.post(format!("{}{OPENAI}", app.url)).bearer_auth(&app.client_key);
        let request = request.header("content-type", content_type).header("x-stainless-retry-count", n);
        let answer = send(request.body(body)).await;
        assert_eq!(answer.status, StatusCode::OK, "{answer:?}");
        answer.video()
    };
    let first = upload("0", "first-b0undary", png).await;
    assert_eq!(upload("1", "second-b", png).await, first);
    assert_ne!(upload("1", "third-b0undary", &[&png[..], b"."].concat()).await, first);
    assert_eq!(app.jobs().await.len(), 2);
}
