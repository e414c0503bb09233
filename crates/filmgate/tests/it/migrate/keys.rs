//! Keys that applications have already: those of the old gateway, and any others.

use reqwest::StatusCode;
use serde_json::{Value, json};

use super::{Move, lists, status};
use crate::app::{ADMIN_KEY, Setup};

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn weak_keys_work_and_are_told() {
    let moving = Move::begin().await;
    moving.write("config.toml", "[app]\napi_key = [\"sk-123\", \"123\"]\napp_key = \"sk-123\"\n");
    let told = moving.run(&["--upstream", &moving.upstream(), "--apply", "--json"]).with_code(0).json();
    let (_, needs) = lists(&told);
    let has = |words: &str| needs.iter().any(|need| need.contains(words));
    assert!(has("the client key sk... has only 6 characters, which can be guessed"), "{needs:#?}");
    assert!(has("the key 1... is so short that it is no protection"), "{needs:#?}");
    assert!(has("app.app_key is the same text as a client key"), "{needs:#?}");
    let serving = moving.serve().await;
    assert_eq!(status(&serving, "/v1/models", "sk-123").await, StatusCode::OK);
    assert_eq!(status(&serving, "/v1/models", "123").await, StatusCode::UNAUTHORIZED);
    assert_eq!(status(&serving, "/admin/v1/tokens", "sk-123").await, StatusCode::FORBIDDEN);
    let commands =
        told["needs_you"].as_array().unwrap().iter().flat_map(|need| need["todo"].as_array().unwrap());
    let commands: Vec<&str> =
        commands.filter_map(Value::as_str).filter(|line| line.starts_with("filmgate key")).collect();
    assert_eq!(commands.len(), 3, "{commands:#?}");
    for command in commands {
        let words: Vec<&str> = command.split_whitespace().skip(1).collect();
        moving.shell().run(&words).with_code(0);
    }
    assert_eq!(status(&serving, "/v1/models", "sk-123").await, StatusCode::UNAUTHORIZED, "it was revoked");
}

/// What moving in needs of the admin API: a key whose text applications have already.
#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn a_key_that_applications_have_is_taken_once() {
    let app = Setup { tokens: [0, 0], ..Setup::default() }.start().await;
    let create = async |key: &str| {
        let body = Some(json!({ "name": "theirs", "key": key }));
        let answer = app.request_as(ADMIN_KEY, reqwest::Method::POST, "/admin/v1/keys", body).await;
        (answer.status().as_u16(), answer.json::<Value>().await.unwrap())
    };
    for wrong in ["", "five5", "with a blank", "schlüssel", &"x".repeat(513)] {
        let (status, answer) = create(wrong).await;
        assert_eq!((status, &answer["error"]["param"]), (400, &json!("key")), "{wrong}: {answer}");
    }
    let (status, made) = create("123456").await;
    assert_eq!((status, &made["key"]), (200, &json!("123456")));
    assert_eq!(create("123456").await.1["error"]["code"], "key_exists");
    let listed = app.admin(reqwest::Method::GET, "/keys", None).await;
    let hint =
        listed["keys"].as_array().unwrap().iter().find(|key| key["id"] == made["id"]).unwrap()["key"].clone();
    assert_eq!(hint, "12...", "of a short key less is shown");
    app.admin(reqwest::Method::DELETE, &format!("/keys/{}", made["id"].as_str().unwrap()), None).await;
    let (status, answer) = create("123456").await;
    assert_eq!((status, &answer["error"]["code"]), (409, &json!("key_revoked")));
}
