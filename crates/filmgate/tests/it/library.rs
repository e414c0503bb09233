//! What there is already: lists, deleting, waiting for the end, events, the two mounts, other people's pages.

use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

use crate::app::{Setup, TestApp};
use crate::wire::Answer;

/// A gateway whose upstream is done at the first question.
fn at_once() -> Setup {
    Setup { video_seconds: 0.0, ..Setup::default() }
}

fn id(video: &Value) -> &str {
    video["id"].as_str().unwrap()
}

fn ids(page: &Value) -> Vec<&str> {
    page["data"].as_array().unwrap().iter().map(id).collect()
}

async fn refused(app: &TestApp, method: Method, path: &str, status: u16) -> Value {
    let answer = app.ask(method, path, None).await;
    assert_eq!(answer.status.as_u16(), status, "{path}: {}", answer.body);
    answer.body
}

#[tokio::test]
async fn pages_follow_each_other_whatever_happens_between_them() {
    let app = at_once().start().await;
    assert_eq!(
        app.get("/v1/videos").await,
        json!({ "object": "list", "first_id": null, "last_id": null, "has_more": false, "data": [] })
    );
    let mut made = Vec::new();
    for n in 0..5 {
        made.push(app.make(&format!("video {n}"), "480p", 4).await["id"].as_str().unwrap().to_owned());
    }
    let first = app.get("/v1/videos?limit=2").await;
    assert_eq!((ids(&first), &first["has_more"]), (vec![&*made[4], &made[3]], &json!(true)));
    assert_eq!((&first["first_id"], &first["last_id"]), (&json!(made[4]), &json!(made[3])));
    // The one that the next page goes on after is deleted meanwhile.
    app.request(Method::DELETE, &format!("/v1/videos/{}", made[3]), None).await;
    let next = app.get(&format!("/v1/videos?limit=2&after={}", made[3])).await;
    assert_eq!((ids(&next), &next["has_more"]), (vec![&*made[2], &made[1]], &json!(true)));
    let last = app.get(&format!("/v1/videos?limit=2&after={}", made[1])).await;
    assert_eq!((ids(&last), &last["has_more"]), (vec![&*made[0]], &json!(false)));
    let oldest = app.get("/v1/videos?order=asc").await;
    assert_eq!(ids(&oldest), [&*made[0], &made[1], &made[2], &made[4]]);

    let stranger = app.new_key("stranger").await;
    let theirs = Answer::of(app.request_as(&stranger, Method::GET, "/v1/videos", None).await).await;
    assert_eq!(ids(&theirs.body), [""; 0]);
    for (query, param) in [
        ("limit=0", "limit"),
        ("limit=101", "limit"),
        ("limit=x", "limit"),
        ("order=up", "order"),
        ("after=x", "after"),
    ] {
        let body = refused(&app, Method::GET, &format!("/v1/videos?{query}"), 400).await;
        assert_eq!(body["error"]["param"], param);
    }
}

#[tokio::test]
async fn a_deleted_video_is_gone_and_one_in_the_making_stays() {
    let app = at_once().start().await;
    let video = app.make("a red fox", "480p", 4).await;
    let path = format!("/v1/videos/{}", id(&video));
    let thumbnail = app.request(Method::GET, &format!("{path}/content?variant=thumbnail"), None).await;
    assert_eq!(thumbnail.status(), StatusCode::OK);
    let file = app.file(id(&video));
    let poster =
        file.parent().unwrap().join("posters").join(file.with_extension("webp").file_name().unwrap());
    assert!(file.exists() && poster.exists());
    let link = app.get(&xai_path(&video)).await["video"]["url"].as_str().unwrap().to_owned();

    let deleted = app.ask(Method::DELETE, &path, None).await;
    assert_eq!(deleted.body, json!({ "id": id(&video), "object": "video.deleted", "deleted": true }));
    assert!(!file.exists() && !poster.exists());
    for path in [&path, &format!("{path}/content"), &format!("{path}/events"), &xai_path(&video)] {
        refused(&app, Method::GET, path, 404).await;
    }
    refused(&app, Method::DELETE, &path, 404).await;
    assert_eq!(app.http.get(link).send().await.unwrap().status(), StatusCode::NOT_FOUND);

    let slow = Setup { video_seconds: 3600.0, ..Setup::default() }.start().await;
    let running = slow.create("a red fox", "480p", 4).await;
    let early = slow.ask(Method::DELETE, &format!("/v1/videos/{}", id(&running)), None).await;
    assert_eq!((early.status, early.header("x-should-retry")), (StatusCode::CONFLICT, "false"));
    assert_eq!(early.body["error"]["code"], "video_in_progress");
    slow.get(&format!("/v1/videos/{}", id(&running))).await;
}

/// The same video in the other spelling.
fn xai_path(video: &Value) -> String {
    let job: filmgate_domain::JobId = id(video).strip_prefix("video_").unwrap().parse().unwrap();
    format!("/v1/videos/{job}")
}

#[tokio::test]
async fn a_long_poll_answers_at_the_end_or_when_its_time_is_up() {
    let app = Setup { video_seconds: 0.4, ..Setup::default() }.start().await;
    let video = app.create("a red fox", "480p", 4).await;
    let done = app.get(&format!("/v1/videos/{}?wait=30", id(&video))).await;
    assert_eq!(done["status"], "completed");
    let again = app.get(&format!("/v1/videos/{}?wait=30", id(&video))).await;
    assert_eq!(again, done);

    let slow = Setup { video_seconds: 3600.0, ..Setup::default() }.start().await;
    let video = slow.create("a red fox", "480p", 4).await;
    let pending = slow.ask(Method::GET, &format!("{}?wait=1", xai_path(&video)), None).await;
    assert_eq!((pending.status, &pending.body["status"]), (StatusCode::ACCEPTED, &json!("pending")));
    for wait in ["51", "-1", "soon"] {
        let body = refused(&slow, Method::GET, &format!("/v1/videos/{}?wait={wait}", id(&video)), 400).await;
        assert_eq!(body["error"]["param"], "wait");
    }
}

/// The events of a stream that ends: names and data.
async fn events(app: &TestApp, path: &str) -> Vec<(String, Value)> {
    let response = app.request(Method::GET, path, None).await;
    assert_eq!(response.headers()["content-type"], "text/event-stream");
    let text = response.text().await.unwrap();
    let blocks = text.split("\n\n").filter(|block| block.contains("event:"));
    let line = |block: &str, name: &str| {
        let found = block.lines().find_map(|line| line.strip_prefix(name).map(str::trim));
        found.unwrap().to_owned()
    };
    let event = |block| (line(block, "event:"), serde_json::from_str(&line(block, "data:")).unwrap());
    blocks.map(event).collect()
}

#[tokio::test]
async fn a_stream_tells_what_a_status_request_would_until_the_end() {
    let app = Setup { video_seconds: 0.5, ..Setup::default() }.start().await;
    let video = app.create("a red fox", "480p", 4).await;
    // One upstream serves any number of listeners.
    let path = format!("/v1/videos/{}/events", id(&video));
    let other = format!("{}/events", xai_path(&video));
    let (openai, xai) = tokio::join!(events(&app, &path), events(&app, &other));
    let last = openai.last().unwrap();
    assert_eq!(
        (&*last.0, &last.1),
        ("video.completed", &app.get(&format!("/v1/videos/{}", id(&video))).await)
    );
    assert!(openai.len() > 1 && openai[..openai.len() - 1].iter().all(|(name, _)| name == "video.updated"));
    assert_eq!(xai.last().unwrap().1["status"], "done");
    let late = events(&app, &path).await;
    assert_eq!(late, std::slice::from_ref(last), "who comes late is told the end at once");

    let failed = app.create("[error]", "480p", 4).await;
    let told = events(&app, &format!("/v1/videos/{}/events", id(&failed))).await;
    assert_eq!(told.last().unwrap().0, "video.failed");
    refused(&app, Method::GET, "/v1/videos/video_x/events", 404).await;
}

#[tokio::test]
async fn a_mount_forces_its_dialect() {
    let app = at_once().start().await;
    let video = app.make("a red fox", "480p", 4).await;
    let uuid = xai_path(&video).rsplit('/').next().unwrap().to_owned();
    for spelling in [id(&video), &uuid] {
        let openai = app.get(&format!("/openai/v1/videos/{spelling}")).await;
        assert_eq!((&openai["object"], &openai["id"]), (&json!("video"), &video["id"]));
        let xai = app.get(&format!("/xai/v1/videos/{spelling}")).await;
        assert_eq!(xai["status"], "done");
    }
    let body = json!({ "prompt": "it snows", "video": { "id": id(&video) } });
    let edit = app.ask(Method::POST, "/xai/v1/videos/edits", Some(body.clone())).await;
    assert!(edit.body["request_id"].is_string(), "{}", edit.body);
    let edit = app.ask(Method::POST, "/v1/videos/edits", Some(body)).await;
    assert_eq!(edit.body["remixed_from_video_id"], video["id"]);
    for (path, is_xai) in
        [("/xai/v1/videos/x", true), ("/openai/v1/videos/x", false), ("/xai/v1/nothing", true)]
    {
        let body = refused(&app, Method::GET, path, 404).await;
        assert_eq!(body["error"].is_string(), is_xai, "{body}");
    }
}

#[tokio::test]
async fn pages_of_other_origins_may_call_when_the_operator_says_so() {
    let ask = async |app: &TestApp, origin: &str| {
        let request = app.http.request(Method::OPTIONS, format!("{}/v1/videos", app.url));
        let request = request.header("origin", origin).header("access-control-request-method", "POST");
        let answer = request.header("access-control-request-headers", "authorization").send().await.unwrap();
        answer.headers().get("access-control-allow-origin").map(|v| v.to_str().unwrap().to_owned())
    };
    let closed = Setup::default().start().await;
    assert_eq!(ask(&closed, "https://app.example.com").await, None);
    let open = Setup::default().set("server.cors_origins=[\"https://app.example.com\"]").start().await;
    assert_eq!(ask(&open, "https://app.example.com").await.as_deref(), Some("https://app.example.com"));
    assert_eq!(ask(&open, "https://evil.example.com").await, None);
    let answer = open.request(Method::GET, "/v1/models", None).await;
    assert!(answer.headers().get("access-control-allow-origin").is_none(), "it has no origin");
    let all = Setup::default().set("server.cors_origins=[\"*\"]").start().await;
    assert_eq!(ask(&all, "https://anyone.example.com").await.as_deref(), Some("*"));
}
