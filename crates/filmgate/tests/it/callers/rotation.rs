//! Keys in the place of others.

use std::time::Duration;

use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

use crate::app::{ADMIN_KEY, Setup, TestApp};
use crate::wire::Answer;

async fn app() -> TestApp {
    Setup { tokens: [0, 0], ..Setup::default() }.start().await
}

/// What a client with this key is told.
pub(super) async fn status_with(app: &TestApp, key: &Value) -> StatusCode {
    app.request_as(key.as_str().unwrap(), Method::GET, "/v1/models", None).await.status()
}

async fn studio(app: &TestApp) -> Value {
    app.admin(Method::POST, "/keys", Some(json!({ "name": "laptop", "caller": "studio" }))).await
}

/// Replaces a key, by what was answered when it was made.
async fn rotate(app: &TestApp, made: &Value, body: Value) -> Answer {
    let path = format!("/admin/v1/keys/{}/rotate", made["id"].as_str().unwrap());
    Answer::of(app.request_as(ADMIN_KEY, Method::POST, &path, Some(body)).await).await
}

#[tokio::test]
async fn the_old_key_ends_by_itself_and_stays_so() {
    let mut app = app().await;
    let old = studio(&app).await;
    let new = rotate(&app, &old, json!({ "keep_seconds": 2 })).await.body;
    assert!(new["key"].as_str().unwrap().starts_with("fg-") && new["key"] != old["key"]);
    assert_eq!([&new["name"], &new["caller"], &new["previous"]], [&old["name"], &old["caller"], &old["id"]]);
    assert_eq!(
        [status_with(&app, &old["key"]).await, status_with(&app, &new["key"]).await],
        [StatusCode::OK; 2]
    );
    while status_with(&app, &old["key"]).await == StatusCode::OK {
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    assert_eq!(status_with(&app, &new["key"]).await, StatusCode::OK);
    app.kill();
    app.launch().await;
    assert_eq!(status_with(&app, &old["key"]).await, StatusCode::UNAUTHORIZED);
    assert_eq!(status_with(&app, &new["key"]).await, StatusCode::OK);

    let third = rotate(&app, &new, json!({ "keep_seconds": 0 })).await.body;
    assert_eq!(status_with(&app, &new["key"]).await, StatusCode::UNAUTHORIZED, "at once");
    assert_eq!(status_with(&app, &third["key"]).await, StatusCode::OK);
}

#[tokio::test]
async fn a_key_that_is_about_to_end_can_be_ended_before() {
    let app = app().await;
    let old = studio(&app).await;
    let new = rotate(&app, &old, json!({})).await.body;
    let listed = app.admin(Method::GET, "/keys", None).await;
    let listed =
        listed["keys"].as_array().unwrap().iter().find(|key| key["id"] == old["id"]).unwrap().clone();
    assert_eq!(listed["revoked_at"], new["previous_until"], "a day, where nothing is said");
    app.admin(Method::DELETE, &format!("/keys/{}", old["id"].as_str().unwrap()), None).await;
    assert_eq!(status_with(&app, &old["key"]).await, StatusCode::UNAUTHORIZED);
    assert_eq!(status_with(&app, &new["key"]).await, StatusCode::OK);

    let actions = async |subject: &Value| {
        let audit =
            app.admin(Method::GET, &format!("/audit?subject={}", subject.as_str().unwrap()), None).await;
        let entries = audit["entries"].as_array().unwrap().clone();
        entries.iter().map(|entry| entry["action"].as_str().unwrap().to_owned()).collect::<Vec<_>>()
    };
    assert_eq!(actions(&old["id"]).await, ["key.revoke", "key.rotate", "key.create"]);
    assert_eq!(actions(&old["caller"]).await, ["caller.create"]);
    for key in [&old["key"], &new["key"]] {
        assert!(!app.logs().contains(key.as_str().unwrap()), "a key is in the log");
    }
}

#[tokio::test]
async fn what_cannot_be_replaced() {
    let app = app().await;
    let key = studio(&app).await;
    for wrong in [json!(-1), json!(2_592_001), json!("1"), json!(1.5)] {
        let answer = rotate(&app, &key, json!({ "keep_seconds": wrong })).await;
        let said = (answer.status, &answer.body["error"]["param"]);
        assert_eq!(said, (StatusCode::BAD_REQUEST, &json!("keep_seconds")), "{wrong}");
    }
    assert_eq!(rotate(&app, &json!({ "id": "key_99" }), json!({})).await.status, StatusCode::NOT_FOUND);
    assert_eq!(rotate(&app, &json!({ "id": "laptop" }), json!({})).await.status, StatusCode::BAD_REQUEST);
    rotate(&app, &key, json!({ "keep_seconds": 0 })).await;
    let revoked = rotate(&app, &key, json!({})).await;
    let said = (revoked.status, &revoked.body["error"]["code"]);
    assert_eq!(said, (StatusCode::CONFLICT, &json!("key_revoked")));
    let keys = app.admin(Method::GET, "/keys", None).await;
    let of_studio =
        keys["keys"].as_array().unwrap().iter().filter(|key| key["caller_name"] == "studio").count();
    assert_eq!(of_studio, 2, "nothing was made");
}
