//! The end of a video is told: to whom, in which words, signed, and until somebody has it.

mod operator;
pub(crate) mod receiver;

use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

use crate::app::{Setup, TestApp};
use crate::clients::webhooks::{is_genuine, verifiers};
use crate::wire::{assert_nothing_was_made, assert_openai_error, assert_xai_error, snapshot};
use receiver::Answer::{Silence, Status};
use receiver::{Received, Receiver};

/// A gateway that tells receivers of this machine, and is quick to try again.
fn setup() -> Setup {
    Setup { video_seconds: 0.0, ..Setup::default() }
        .set("outside.allow_private=true")
        .set("webhooks.first_retry=\"1ms\"")
}

impl TestApp {
    /// Sets the webhook of the caller of the tests; returns its secret.
    async fn set_webhook(&self, url: &str) -> String {
        let set = self.admin(Method::PUT, "/webhooks/tests", Some(json!({ "url": url }))).await;
        set["secret"].as_str().unwrap().to_owned()
    }

    /// The deliveries, newest first.
    async fn deliveries(&self) -> Vec<Value> {
        let answer = self.admin(Method::GET, "/webhooks/deliveries", None).await;
        answer["deliveries"].as_array().unwrap().clone()
    }

    /// Waits until the newest delivery is as wanted.
    async fn delivery_until(&self, is_so: impl Fn(&Value) -> bool) -> Value {
        for _ in 0..1200 {
            if let Some(newest) = self.deliveries().await.first()
                && is_so(newest)
            {
                return newest.clone();
            }
            tokio::time::sleep(std::time::Duration::from_millis(25)).await;
        }
        panic!("no delivery is as wanted: {:#?}", self.deliveries().await);
    }

    /// Has a delivery sent again.
    async fn retry(&self, delivery: &Value) {
        let id = delivery["id"].as_str().unwrap();
        self.admin(Method::POST, &format!("/webhooks/deliveries/{id}/retry"), None).await;
    }

    async fn delivery_is(&self, state: &str) -> Value {
        self.delivery_until(|delivery| delivery["state"] == state).await
    }

    /// Asks for a video of the prompt whose end is to be told to `url`.
    async fn ask_telling(&self, prompt: &str, url: &str) -> reqwest::Response {
        let body = json!({ "prompt": prompt, "resolution": "480p", "seconds": "4", "webhook_url": url });
        self.request(Method::POST, "/v1/videos", Some(body)).await
    }
}

/// The headers of a webhook besides those of HTTP itself.
fn headers_of(received: &Received) -> Value {
    let names = received.headers.keys().map(|name| name.as_str());
    let fixed = ["content-type", "user-agent"];
    let shown = |name: &str| match name {
        "webhook-id" => json!("evt_[32 hex]"),
        "webhook-timestamp" => json!("[unix time]"),
        "webhook-signature" => json!("v1,[base64]"),
        name if fixed.contains(&name) => json!(received.header(name).split('/').next().unwrap()),
        _ => json!("[there]"),
    };
    names.map(|name| (name.to_owned(), shown(name))).collect()
}

#[tokio::test]
async fn the_end_of_each_video_is_told_and_signed() {
    let receiver = Receiver::start(&[]);
    let app = setup().start().await;
    let secret = app.set_webhook(&receiver.url("/hook")).await;
    for (prompt, resolution, name) in
        [("a fox", "480p", "completed"), ("[lie]", "720p", "downgraded"), ("[moderate]", "480p", "failed")]
    {
        let before = receiver.received().len();
        let video = app.make(prompt, resolution, 6).await;
        let received = receiver.gets(before + 1).await.pop().unwrap();
        assert!(received.is_genuine(&secret), "{received:?}");
        let forged = Received { body: received.body.replace("video", "vid30"), ..received.clone() };
        assert!(!forged.is_genuine(&secret));
        assert_eq!(received.header("content-type"), "application/json");

        let event = received.json();
        assert_eq!(event["id"], received.header("webhook-id"));
        assert_eq!(event["type"], format!("video.{}", video["status"].as_str().unwrap()));
        for key in ["id", "model", "status", "size", "seconds", "completed_at", "error", "filmgate"] {
            assert_eq!(event["data"][key], video[key], "{key}");
        }
        assert!(!received.body.contains(prompt), "a webhook holds no prompt: {}", received.body);
        snapshot(&format!("webhook_{name}"), &json!({ "headers": headers_of(&received), "body": event }));
    }
}

#[tokio::test]
async fn a_cancelled_video_is_told_as_failed() {
    let receiver = Receiver::start(&[]);
    let app = Setup { video_seconds: 1000.0, ..setup() }.start().await;
    app.set_webhook(&receiver.url("/hook")).await;
    let video = app.create("a fox", "480p", 6).await;
    app.admin(Method::POST, &format!("/jobs/{}/cancel", video["id"].as_str().unwrap()), None).await;
    let event = receiver.gets(1).await[0].json();
    assert_eq!((&event["type"], &event["data"]["id"]), (&json!("video.failed"), &video["id"]));
    assert_eq!(event["data"]["error"]["code"], "cancelled");
}

#[tokio::test]
async fn what_fails_is_tried_again_with_the_same_id_and_body() {
    let receiver = Receiver::start(&[Status(500), Status(301), Silence]);
    let app = setup().set("webhooks.timeout=\"500ms\"").start().await;
    let secret = app.set_webhook(&receiver.url("/hook?key=not-for-the-log")).await;
    app.make("a fox", "480p", 6).await;
    let received = receiver.gets(4).await;
    for again in &received {
        assert_eq!(again.header("webhook-id"), received[0].header("webhook-id"));
        assert_eq!((&again.body, &again.path), (&received[0].body, &received[0].path));
        assert!(again.is_genuine(&secret));
    }
    let delivery = app.delivery_is("delivered").await;
    assert_eq!((&delivery["tries"], &delivery["last_status"]), (&json!(4), &json!(204)));
    assert_eq!(delivery["id"], received[0].header("webhook-id"));
    let metrics = app.http.get(format!("{}/metrics", app.url)).send().await.unwrap().text().await.unwrap();
    for count in [r#"tries_total{outcome="failed"} 3"#, r#"tries_total{outcome="delivered"} 1"#] {
        assert!(metrics.contains(&format!("filmgate_webhook_{count}")), "{count}");
    }
    app.says("INFO", "webhook delivered").await;
    assert_eq!(
        app.messages("WARN").iter().filter(|line| line.starts_with("webhook not delivered; again")).count(),
        3
    );
    assert!(!app.logs().contains("not-for-the-log") && !app.logs().contains("whsec_"));
}

#[tokio::test]
async fn whoever_is_gone_is_told_no_more() {
    let receiver = Receiver::start(&[Status(410)]);
    let app = setup().start().await;
    app.set_webhook(&receiver.url("/hook")).await;
    app.make("a fox", "480p", 6).await;
    let delivery = app.delivery_is("given_up").await;
    let error = "the receiver answered 410 Gone: as the test wants";
    assert_eq!((&delivery["tries"], &delivery["last_error"]), (&json!(1), &json!(error)));
    // Unless the operator wants it.
    app.retry(&delivery).await;
    let received = receiver.gets(2).await;
    assert_eq!(received[0].header("webhook-id"), received[1].header("webhook-id"));
    assert_eq!(app.delivery_is("delivered").await["tries"], 2);
}

#[tokio::test]
async fn nothing_is_lost_when_filmgate_is_killed_or_stopped_while_it_tells() {
    let receiver = Receiver::start(&[Silence, Silence]);
    let mut app = setup().start().await;
    app.set_webhook(&receiver.url("/hook")).await;
    app.make("a fox", "480p", 6).await;
    receiver.gets(1).await;
    app.kill();
    app.launch().await;
    receiver.gets(2).await;
    assert!(app.stop(), "a silent receiver does not keep filmgate from ending");
    app.launch().await;
    let received = receiver.gets(3).await;
    for again in &received {
        assert_eq!(again.header("webhook-id"), received[0].header("webhook-id"));
        assert_eq!(again.body, received[0].body);
    }
    app.delivery_is("delivered").await;
    assert_eq!(receiver.received().len(), 3);
}

#[tokio::test]
async fn what_ends_while_nobody_listens_is_told_later() {
    let receiver = Receiver::start(&[]);
    let app = setup().set("webhooks.first_retry=\"1h\"").start().await;
    let nobody = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    app.set_webhook(&format!("http://{nobody}/hook")).await;
    let video = app.make("a fox", "480p", 6).await;
    let failed = app.delivery_until(|delivery| delivery["tries"] == 1).await;
    assert_eq!(failed["state"], "pending");
    assert!(failed["last_error"].as_str().unwrap().contains("cannot be reached"), "{failed}");
    // The video is deleted and the address corrected; the event is the same.
    app.request(Method::DELETE, &format!("/v1/videos/{}", video["id"].as_str().unwrap()), None).await;
    app.admin(Method::PUT, "/webhooks/tests", Some(json!({ "url": receiver.url("/hook") }))).await;
    app.retry(&failed).await;
    let event = receiver.gets(1).await[0].json();
    assert_eq!((&event["type"], &event["data"]["id"]), (&json!("video.completed"), &video["id"]));
}

#[tokio::test]
async fn a_request_may_name_an_address_besides_its_callers_own() {
    let receiver = Receiver::start(&[]);
    let app = setup().start().await;
    let secret = app.set_webhook(&receiver.url("/standing")).await;
    let asked = app.ask_telling("a fox", &receiver.url("/asked")).await;
    let video: Value = asked.json().await.unwrap();
    let mut received = receiver.gets(2).await;
    received.sort_by_key(|received| received.path.clone());
    assert_eq!([&*received[0].path, &*received[1].path], ["/asked", "/standing"]);
    assert_ne!(received[0].header("webhook-id"), received[1].header("webhook-id"));
    for received in &received {
        assert!(received.is_genuine(&secret));
        assert_eq!(received.json()["data"]["id"], video["id"]);
    }
    // The same address is told once; the other dialects have the field too.
    app.ask_telling("a fox", &receiver.url("/standing")).await;
    receiver.gets(3).await;
    let body = json!({ "prompt": "a fox", "webhook_url": receiver.url("/xai") });
    let created: Value =
        app.request(Method::POST, "/v1/videos/generations", Some(body)).await.json().await.unwrap();
    let received = receiver.gets(5).await;
    let told: Vec<_> = received[3..].iter().map(|r| r.json()["data"]["request_id"].clone()).collect();
    assert_eq!(told, [created["request_id"].clone(), created["request_id"].clone()]);
}

#[tokio::test]
async fn callers_are_told_of_their_own_videos_only() {
    let receiver = Receiver::start(&[]);
    let app = setup().start().await;
    let secret = app.set_webhook(&receiver.url("/tests")).await;
    let other_key = app.new_key("other").await;
    let silent_key = app.new_key("silent").await;
    let set = app.admin(Method::PUT, "/webhooks/other", Some(json!({ "url": receiver.url("/other") }))).await;
    let other_secret = set["secret"].as_str().unwrap().to_owned();
    assert_ne!(secret, other_secret);
    let mut ids = Vec::new();
    for key in [&app.client_key, &other_key, &silent_key] {
        let body = json!({ "prompt": "a fox", "resolution": "480p" });
        let created = app.request_as(key, Method::POST, "/v1/videos", Some(body)).await;
        let video: Value = created.json().await.unwrap();
        app.ended(video["id"].as_str().unwrap()).await;
        ids.push(video["id"].clone());
    }
    let received = receiver.gets(2).await;
    for (path, id, secret, others) in
        [("/tests", &ids[0], &secret, &other_secret), ("/other", &ids[1], &other_secret, &secret)]
    {
        let [received] = &received.iter().filter(|r| r.path == path).collect::<Vec<_>>()[..] else {
            panic!()
        };
        assert_eq!(&received.json()["data"]["id"], id);
        assert!(received.is_genuine(secret) && !received.is_genuine(others));
    }
    assert_eq!(app.deliveries().await.len(), 2);
}

#[tokio::test]
async fn without_a_secret_no_address_is_taken() {
    let receiver = Receiver::start(&[]);
    let app = setup().start().await;
    let refused = app.ask_telling("a fox", &receiver.url("/hook")).await;
    assert_eq!(refused.status(), StatusCode::BAD_REQUEST);
    let body: Value = refused.json().await.unwrap();
    assert_openai_error(&body);
    assert_eq!(body["error"]["param"], "webhook_url");
    let message = body["error"]["message"].as_str().unwrap();
    assert!(message.contains("`filmgate webhook rotate tests`"), "{message}");
    assert_nothing_was_made(&app).await;

    let made = app.admin(Method::POST, "/webhooks/tests/rotate", None).await;
    assert_eq!(made["previous_until"], Value::Null);
    assert!(app.ask_telling("a fox", &receiver.url("/hook")).await.status().is_success());
    assert!(receiver.gets(1).await[0].is_genuine(made["secret"].as_str().unwrap()));
}

#[tokio::test]
async fn private_addresses_are_not_told_unless_that_is_allowed() {
    // It says nothing, so that no TLS comes about.
    let silent = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    silent.set_nonblocking(true).unwrap();
    let quick = setup().set("webhooks.timeout=\"300ms\"").set("webhooks.first_retry=\"1h\"");
    let mut app = quick.start().await;
    app.set_webhook(&format!("https://localhost:{}/hook", silent.local_addr().unwrap().port())).await;
    app.make("a fox", "480p", 6).await;
    let failed = app.delivery_until(|delivery| delivery["tries"] == 1).await;
    assert!(silent.accept().is_ok(), "it was gone to: {failed}");
    while silent.accept().is_ok() {}

    app.kill();
    app.also_set("outside.allow_private=false");
    app.launch().await;
    app.retry(&failed).await;
    let refused = app.delivery_until(|delivery| delivery["tries"] == 2).await;
    assert!(refused["last_error"].as_str().unwrap().contains("private network"), "{refused}");
    assert_eq!((&refused["state"], &refused["last_status"]), (&json!("pending"), &Value::Null));
    assert!(silent.accept().is_err(), "nobody went there");

    let saw = app.upstream_saw();
    for url in
        ["https://127.0.0.1/x", "https://localhost/x", "https://10.0.0.1", "http://example.com", "nonsense"]
    {
        let refused = app.ask_telling("a fox", url).await;
        assert_eq!(refused.status(), StatusCode::BAD_REQUEST, "{url}");
        assert_eq!(refused.json::<Value>().await.unwrap()["error"]["param"], "webhook_url", "{url}");
        let body = json!({ "prompt": "a fox", "webhook_url": url });
        let refused = app.request(Method::POST, "/v1/videos/generations", Some(body)).await;
        assert_eq!(refused.status(), StatusCode::BAD_REQUEST, "{url}");
        assert_xai_error(&refused.json().await.unwrap());
        let body = Some(json!({ "url": url }));
        let refused =
            app.request_as(crate::app::ADMIN_KEY, Method::PUT, "/admin/v1/webhooks/tests", body).await;
        assert_eq!(refused.status(), StatusCode::BAD_REQUEST, "{url}");
        assert_eq!(refused.json::<Value>().await.unwrap()["error"]["param"], "url", "{url}");
    }
    assert_eq!(app.upstream_saw(), saw);
}

#[tokio::test]
async fn a_dead_receiver_does_not_hold_up_the_others() {
    let dead = Receiver::start(&[Silence; 40]);
    let alive = Receiver::start(&[]);
    let app = Setup { tokens: [4, 4], ..setup() }.start().await;
    app.admin(Method::POST, "/webhooks/tests/rotate", None).await;
    for nth in 0..20 {
        let asked = app.ask_telling("a fox", &dead.url(&format!("/{nth}"))).await;
        let video: Value = asked.json().await.unwrap();
        app.ended(video["id"].as_str().unwrap()).await;
    }
    dead.gets(4).await;
    app.ask_telling("a fox", &alive.url("/hook")).await;
    alive.gets(1).await;
    assert_eq!(dead.received().len(), 4, "four at a time");
}

/// What other people's software thinks of it.
#[tokio::test]
async fn slow_the_packages_take_webhooks_for_genuine() {
    let test = "webhooks::slow_the_packages_take_webhooks_for_genuine";
    if !verifiers().iter().all(|package| package.is_ready(test)) {
        return;
    }
    let receiver = Receiver::start(&[]);
    let app = setup().start().await;
    let old = app.set_webhook(&receiver.url("/hook")).await;
    let rotated = app.admin(Method::POST, "/webhooks/tests/rotate", None).await;
    let new = rotated["secret"].as_str().unwrap();
    app.make("雪の中の狐", "480p", 6).await;
    let received = receiver.gets(1).await.remove(0);
    let stranger = "whsec_c3RyYW5nZXIgc3RyYW5nZXIgc3RyYW5nZXIgc3RyYW4=";
    for package in verifiers() {
        let takes = |secret: &str| is_genuine(&package, secret, &received.standard_headers(), &received.body);
        assert!(takes(new) && takes(&old) && !takes(stranger));
    }
}
