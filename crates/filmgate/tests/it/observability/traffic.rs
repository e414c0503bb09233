//! Videos of every kind: whatever can be counted happens.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::time::Duration;

use axum::Router;
use axum::routing::post;
use http::StatusCode;
use reqwest::Method;
use serde_json::{Value, json};

use crate::app::{Setup, TestApp};

/// A gateway whose videos' ends are told to a receiver that is not always in the mood.
pub(super) struct Watched {
    pub(super) app: TestApp,
    receiver: String,
}

impl Watched {
    pub(super) async fn start() -> Self {
        let setup = Setup::default().set("outside.allow_private=true").set("webhooks.first_retry=\"1ms\"");
        let mut app = setup.start().await;
        outlives_a_restart(&mut app).await;
        let receiver = receiver().await;
        app.admin(Method::PUT, "/webhooks/tests", Some(json!({ "url": format!("{receiver}/hook") }))).await;
        Self { app, receiver }
    }
}

/// A video that is older than the process which counts it.
async fn outlives_a_restart(app: &mut TestApp) {
    let id = crate::recovery::create_until(app, "[slow]", "running").await;
    app.kill();
    app.launch().await;
    app.finished(&id).await;
}

/// Takes every other webhook at /hook, and wants none at /gone.
async fn receiver() -> String {
    let calls = Arc::new(AtomicUsize::new(0));
    let hook = move || {
        let is_odd = calls.fetch_add(1, SeqCst).is_multiple_of(2);
        async move { if is_odd { StatusCode::INTERNAL_SERVER_ERROR } else { StatusCode::NO_CONTENT } }
    };
    let router = Router::new().route("/hook", post(hook)).route("/gone", post(|| async { StatusCode::GONE }));
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let addr = listener.local_addr().unwrap();
    tokio::spawn(axum::serve(listener, router).into_future());
    format!("http://{addr}")
}

/// Everything once.
pub(super) async fn round(watched: &Watched) {
    let app = &watched.app;
    app.make("a fox", "480p", 6).await;
    app.make("a fox", "720p", 6).await;
    for (prompt, code) in [("[moderate]", "moderation_blocked"), ("[error]", "outcome_unknown")] {
        assert_eq!(app.make(prompt, "480p", 6).await["error"]["code"], code);
    }
    assert_eq!(app.make("[lie]", "720p", 6).await["filmgate"]["verdict"], "downgraded");
    app.make("[unauthorized]", "480p", 6).await;
    for pool in ["ssoBasic", "ssoSuper"] {
        app.each_token(pool, "reset").await;
    }

    app.each_token("ssoBasic", "disable").await;
    assert_eq!(app.make("a fox", "480p", 6).await["filmgate"]["route"], "upgrade");
    app.each_token("ssoBasic", "enable").await;
    app.each_token("ssoSuper", "disable").await;
    assert_eq!(app.make("a fox", "720p", 6).await["filmgate"]["route"], "fallback");
    assert_eq!(ask(app, json!({ "on_shortage": "fail" })).await.0, StatusCode::TOO_MANY_REQUESTS);
    app.each_token("ssoSuper", "enable").await;
    let waiting = somebody_waits(app).await;
    is_served(app, &waiting).await;

    assert_eq!(ask(app, json!({ "model": "none-such" })).await.0, StatusCode::NOT_FOUND);
    assert_eq!(ask(app, json!({ "resolution": "1080p" })).await.0, StatusCode::BAD_REQUEST);
    let told = ask(app, json!({ "webhook_url": format!("{}/gone", watched.receiver) })).await.1;
    app.finished(told["id"].as_str().unwrap()).await;
    until_told(app).await;
    // One that is still in the making when somebody looks.
    ask(app, json!({ "prompt": "[slow]" })).await;
}

/// A video that waits for a token: all that could make it are switched off. Returns its id.
pub(super) async fn somebody_waits(app: &TestApp) -> String {
    app.each_token("ssoSuper", "disable").await;
    let (status, video) = ask(app, json!({ "on_shortage": "wait" })).await;
    assert_eq!((status, &video["status"]), (StatusCode::OK, &json!("queued")), "{video}");
    video["id"].as_str().unwrap().to_owned()
}

/// They are switched on again, and it is made.
pub(super) async fn is_served(app: &TestApp, id: &str) {
    app.each_token("ssoSuper", "enable").await;
    assert_eq!(app.finished(id).await["status"], "completed");
}

async fn ask(app: &TestApp, more: Value) -> (StatusCode, Value) {
    let mut body = json!({ "prompt": "a fox", "resolution": "720p", "seconds": "6", "aspect_ratio": "16:9" });
    body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    let answer = app.request(Method::POST, "/v1/videos", Some(body)).await;
    (answer.status(), answer.json().await.unwrap())
}

/// Waits until every webhook was delivered or given up.
async fn until_told(app: &TestApp) {
    for _ in 0..400 {
        let answer = app.admin(Method::GET, "/webhooks/deliveries", None).await;
        let deliveries = answer["deliveries"].as_array().unwrap();
        if deliveries.iter().all(|delivery| delivery["state"] != "pending") {
            return;
        }
        tokio::time::sleep(Duration::from_millis(25)).await;
    }
    panic!("webhooks are still on their way");
}
