//! A caller who wants what another caller has.

use std::collections::BTreeSet;

use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

use super::operations;
use crate::app::{Setup, TestApp};
use crate::webhooks::receiver::Receiver;
use crate::wire::{Answer, read_to_end};

/// What stands in the victim's prompts, and must not come out.
const PROMPT: &str = "the-victims-own-words";

/// A gateway with one caller's videos in it, and the key of another.
struct Scene {
    app: TestApp,
    thief: String,
    /// Finished, and waiting for a token.
    videos: [String; 2],
    before: Value,
}

impl Scene {
    async fn new() -> Self {
        let app = Setup::default().start().await;
        let thief = app.new_key("thief").await;
        let done = app.make(PROMPT, "480p", 6).await;
        for pool in ["ssoBasic", "ssoSuper"] {
            app.each_token(pool, "disable").await;
        }
        let body = json!({
            "prompt": PROMPT, "resolution": "480p", "seconds": "6", "on_shortage": "wait", "max_wait": 3600,
        });
        let headers = [("content-type", "application/json"), ("idempotency-key", "the-victims-key")];
        let waiting = Answer::of(app.post("/v1/videos", &headers, body.to_string()).await).await.body;
        let videos = [&done, &waiting].map(|video| video["id"].as_str().unwrap().to_owned());
        let before = json!([app.job(&videos[0]).await, app.job(&videos[1]).await]);
        Self { app, thief, videos, before }
    }

    /// Nothing of the victim's was touched.
    async fn is_as_before(&self) {
        let now = json!([self.app.job(&self.videos[0]).await, self.app.job(&self.videos[1]).await]);
        assert_eq!(now, self.before);
        assert_eq!(self.app.content(&self.videos[0]).await.status(), StatusCode::OK);
    }
}

/// An id in every spelling that somebody may try.
fn spellings(id: &str) -> Vec<String> {
    let hex = id.strip_prefix("video_").unwrap();
    let job: filmgate_domain::JobId = hex.parse().unwrap();
    let uuid = job.to_string();
    let encoded = |text: &str| text.bytes().map(|byte| format!("%{byte:02x}")).collect::<String>();
    vec![
        id.to_owned(),
        uuid.clone(),
        hex.to_owned(),
        id.to_uppercase(),
        format!("video_{}", hex.to_uppercase()),
        uuid.to_uppercase(),
        format!("video_{uuid}"),
        format!("{{{uuid}}}").replace('{', "%7B").replace('}', "%7D"),
        format!("urn:uuid:{uuid}"),
        encoded(id),
        encoded(&uuid),
        encoded(id).replace('%', "%25"),
        format!("{id}%00"),
        format!("%20{id}"),
        format!("{id}%0d%0a"),
        format!("{id};x=1"),
        format!("{id}%2f"),
        format!("x%2f..%2f{id}"),
        format!("..%2fvideos%2f{id}"),
        format!("./{id}"),
        format!("x/../{id}"),
        format!("{id}/."),
        format!("{id}/"),
        format!("{id}.mp4"),
        format!("{id}%3fx"),
        format!("{id}%23x"),
        format!("ｖideo_{hex}"),
    ]
}

/// Sends a request as it stands: a client would tidy up the path. The status and the body.
fn raw(app: &TestApp, method: &Method, path: &str, key: &str) -> (u16, String) {
    let body = if *method == Method::GET { String::new() } else { json!({ "prompt": "mine" }).to_string() };
    let head = format!(
        "{method} {path} HTTP/1.1\r\nhost: gate\r\nauthorization: Bearer {key}\r\nconnection: close\r\n\
         content-type: application/json\r\ncontent-length: {}\r\n\r\n{body}",
        body.len()
    );
    let text = read_to_end(app.connect_and_send(head.as_bytes()));
    let status = text.split(' ').nth(1).unwrap_or_default().parse().unwrap_or_default();
    (status, text.split_once("\r\n\r\n").map(|(_, body)| body.to_owned()).unwrap_or_default())
}

#[tokio::test(flavor = "multi_thread")]
async fn another_callers_video_is_not_there_by_any_route_in_any_spelling() {
    let scene = Scene::new().await;
    let app = &scene.app;
    let unknown = "video_0197f3c0111170008000000000000000";
    let mut tried = BTreeSet::new();
    for operation in operations(app).await.into_iter().filter(|operation| operation.key == "client_key") {
        // Of characters there are none, and a model is nobody's.
        if !operation.path.contains("/videos/{id}") {
            continue;
        }
        for mount in &operation.mounts {
            for video in &scene.videos {
                for (theirs, none) in spellings(video).iter().zip(spellings(unknown)) {
                    let at = |id: &str| format!("{mount}{}", operation.path.replace("{id}", id));
                    let (status, body) = raw(app, &operation.method, &at(theirs), &scene.thief);
                    let what = format!("{} {}: {status} {body}", operation.method, at(theirs));
                    assert!((400..500).contains(&status), "{what}");
                    assert!(!body.contains(PROMPT), "{what}");
                    let (same, other) = raw(app, &operation.method, &at(&none), &scene.thief);
                    assert_eq!(status, same, "{what}");
                    assert_eq!(
                        body.replace(theirs.as_str(), &none),
                        other,
                        "{what}: the answer tells that it is there"
                    );
                }
            }
        }
        tried.insert(format!("{} {}", operation.method, operation.path));
    }
    assert!(tried.len() >= 5, "{tried:?}");
    scene.is_as_before().await;
    assert_eq!(app.simulator.generations().len(), 1, "nothing was made from it");
}

#[tokio::test]
async fn nothing_is_made_from_another_callers_video() {
    let scene = Scene::new().await;
    for video in &scene.videos {
        let plain = spellings(video).into_iter().filter(|id| !id.contains('%')).chain([format!("{video}\0")]);
        for id in plain {
            for (path, source) in [
                ("/v1/videos/edits", json!({ "id": id })),
                ("/openai/v1/videos/edits", json!({ "id": id })),
                ("/v1/videos/extensions", json!({ "id": id })),
                ("/xai/v1/videos/edits", json!({ "url": format!("{}/media/{id}.mp4", scene.app.url) })),
                (
                    "/xai/v1/videos/extensions",
                    json!({ "url": format!("{}/v1/videos/{id}/content", scene.app.url) }),
                ),
                ("/xai/v1/videos/extensions", json!({ "url": format!("file:///media/{id}.mp4") })),
                ("/xai/v1/videos/edits", json!({ "url": id })),
            ] {
                let body = json!({ "prompt": "mine now", "video": source, "seconds": "6" });
                let answer = scene.app.request_as(&scene.thief, Method::POST, path, Some(body)).await;
                let answer = Answer::of(answer).await;
                assert!(
                    answer.status.is_client_error(),
                    "{path} {source}: {} {}",
                    answer.status,
                    answer.body
                );
                assert!(!answer.body.to_string().contains(PROMPT), "{}", answer.body);
            }
        }
    }
    scene.is_as_before().await;
    assert_eq!(scene.app.simulator.generations().len(), 1);
}

#[tokio::test]
async fn lists_hold_ones_own_videos_only() {
    let scene = Scene::new().await;
    let id = &scene.videos[1];
    for mount in ["/v1", "/openai/v1", "/xai/v1"] {
        for query in [
            "",
            "?limit=100",
            "?order=asc",
            &format!("?after={id}"),
            &format!("?after={id}&order=asc"),
            "?caller=tests",
            "?caller=caller_2",
            "?user=tests",
            "?after=video_00000000000000000000000000000000&order=asc",
        ] {
            let path = format!("{mount}/videos{query}");
            let answer = Answer::of(scene.app.request_as(&scene.thief, Method::GET, &path, None).await).await;
            assert_eq!((answer.status, &answer.body["data"]), (StatusCode::OK, &json!([])), "{mount}{query}");
        }
    }
}

#[tokio::test]
async fn an_idempotency_key_of_another_caller_gives_nothing_of_theirs() {
    let scene = Scene::new().await;
    let body = json!({
        "prompt": PROMPT, "resolution": "480p", "seconds": "6", "on_shortage": "wait", "max_wait": 3600,
    });
    let request = scene.app.http.post(format!("{}/v1/videos", scene.app.url)).bearer_auth(&scene.thief);
    let request = request.header("idempotency-key", "the-victims-key").json(&body);
    let answer = Answer::of(request.send().await.unwrap()).await;
    assert_eq!(
        (answer.status, answer.header("x-filmgate-replayed")),
        (StatusCode::OK, ""),
        "{}",
        answer.body
    );
    let own = answer.body["id"].as_str().unwrap();
    assert!(!scene.videos.iter().any(|video| video == own));
    assert_ne!(scene.app.job(own).await["caller"], scene.before[1]["caller"]);
    scene.is_as_before().await;
}

#[tokio::test]
async fn a_callers_webhook_is_told_of_that_callers_videos_only() {
    let receiver = Receiver::start(&[]);
    let app =
        Setup { video_seconds: 0.0, ..Setup::default() }.set("outside.allow_private=true").start().await;
    app.admin(Method::PUT, "/webhooks/tests", Some(json!({ "url": receiver.url("/hook") }))).await;
    let thief = app.new_key("thief").await;
    let body = json!({ "prompt": "a fox", "resolution": "480p", "seconds": "6" });
    let theirs = app.request_as(&thief, Method::POST, "/v1/videos", Some(body)).await;
    let theirs: Value = theirs.json().await.unwrap();
    app.ended(theirs["id"].as_str().unwrap()).await;
    // What is told is told in order: were the first one told here, it would have come before this.
    let own = app.make("a fox", "480p", 6).await;
    assert_eq!(receiver.gets(1).await[0].json()["data"]["id"], own["id"]);
}
