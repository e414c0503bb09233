//! What a stranger makes of the description: schemathesis sends thousands of requests, sensible and not, to every
//! operation, and looks for 5xx, statuses that are not described, and answers of another form than described.

use reqwest::{Method, StatusCode};
use serde_json::json;

use super::client::python;
use crate::app::{ADMIN_KEY, Setup};

#[tokio::test]
async fn no_answer_differs_from_the_description() {
    let client = python("schemathesis", "schemathesis/run.py");
    if !client.is_ready("clients::schemathesis::no_answer_differs_from_the_description") {
        return;
    }
    let app = Setup { video_seconds: 0.0, ..Setup::default() }.start().await;
    let gateway = json!({ "url": app.url, "key": app.client_key, "admin_key": ADMIN_KEY });
    // Meanwhile this test's own connections go on.
    let run = tokio::task::spawn_blocking(move || client.tell(&gateway.to_string()));
    let (ended_well, said) = run.await.unwrap();
    assert!(ended_well, "{said}");

    // Every operation was reached, and videos were made: a run that is refused everywhere would show nothing.
    let metrics = app.request(Method::GET, "/metrics", None).await;
    assert_eq!(metrics.status(), StatusCode::OK);
    let metrics = metrics.text().await.unwrap();
    let counted =
        |part: &str| metrics.lines().any(|line| line.starts_with("filmgate_http") && line.contains(part));
    let document: serde_json::Value =
        app.request(Method::GET, "/openapi.json", None).await.json().await.unwrap();
    for path in document["paths"].as_object().unwrap().keys() {
        assert!(counted(&format!("route=\"{path}\"")), "{path} was not asked:\n{said}");
    }
    for route in ["videos", "videos/generations", "chat/completions"] {
        let made = format!("method=\"POST\",route=\"/v1/{route}\",status=\"200\"");
        assert!(counted(&made), "{made}:\n{said}\n{metrics}");
    }
}
