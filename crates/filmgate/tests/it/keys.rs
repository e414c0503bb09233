//! Keys that open nothing, and the one that does.

use reqwest::header::{AUTHORIZATION, HeaderValue};
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

use crate::app::{ADMIN_KEY, Setup, TestApp};
use crate::wire::{Answer, assert_nothing_was_made, assert_openai_error, assert_xai_error};

/// A key that was good once.
async fn revoked(app: &TestApp) -> String {
    let made = app.admin(Method::POST, "/keys", Some(json!({ "name": "old" }))).await;
    app.admin(Method::DELETE, &format!("/keys/{}", made["id"].as_str().unwrap()), None).await;
    made["key"].as_str().unwrap().to_owned()
}

/// Credentials that are not those of a client: `None` is no header at all.
async fn no_credentials(app: &TestApp) -> Vec<Option<HeaderValue>> {
    let key = &app.client_key;
    let texts = [
        "",
        "Bearer",
        "Bearer ",
        "Bearer  ",
        "Basic dXNlcjpwYXNz",
        key,
        &format!("Token {key}"),
        &format!("Bearer{key}"),
        &format!("Bearer {key}x"),
        &format!("Bearer {}", &key[..key.len() - 1]),
        &format!("Bearer {}", key.to_uppercase()),
        &format!("Bearer {key}, Bearer {key}"),
        &format!("Bearer {}", "x".repeat(7_000)),
        &format!("Bearer {ADMIN_KEY}"),
        &format!("Bearer {}", revoked(app).await),
    ];
    let values = texts.into_iter().map(|text| Some(HeaderValue::from_str(text).unwrap()));
    values.chain([None, Some(HeaderValue::from_bytes(b"Bearer \xff\xfe").unwrap())]).collect()
}

#[tokio::test]
async fn whoever_is_no_client_gets_401() {
    let app = Setup::default().start().await;
    let credentials = no_credentials(&app).await;
    let uuid = "00000000-0000-0000-0000-000000000000";
    let paths = [
        (Method::POST, "/v1/videos".to_owned()),
        (Method::POST, "/v1/videos/generations".to_owned()),
        (Method::POST, "/v1/chat/completions".to_owned()),
        (Method::GET, format!("/v1/videos/{uuid}")),
        (Method::GET, format!("/v1/videos/{uuid}/content")),
        (Method::GET, "/v1/videos/x".to_owned()),
        (Method::GET, format!("/v1/models?api_key={}", app.client_key)),
    ];
    for (nth, (method, path)) in paths.into_iter().enumerate() {
        // An address of its own for each, since many wrong keys from one address are not even looked at.
        let address = std::net::IpAddr::from([127, 0, 1, nth as u8]);
        let http = reqwest::Client::builder().no_proxy().local_address(address).build().unwrap();
        for value in &credentials {
            let request = http.request(method.clone(), format!("{}{path}", app.url));
            let request = request.header("x-api-key", &app.client_key).json(&json!({}));
            let request = value.iter().fold(request, |request, value| request.header(AUTHORIZATION, value));
            let answer = Answer::of(request.send().await.unwrap()).await;
            assert_eq!(answer.status, StatusCode::UNAUTHORIZED, "{path} {value:?}");
            assert_eq!(answer.header("www-authenticate"), "Bearer");
            if path.contains(uuid) || path.ends_with("generations") {
                assert_xai_error(&answer.body);
            } else {
                assert_openai_error(&answer.body);
            }
        }
    }
    assert_nothing_was_made(&app).await;
}

#[tokio::test]
async fn whoever_is_not_the_operator_is_refused() {
    let app = Setup::default().start().await;
    for wrong in [
        app.client_key.clone(),
        String::new(),
        "fga-admin".to_owned(),
        ADMIN_KEY.to_uppercase(),
        revoked(&app).await,
    ] {
        for (method, path) in [
            (Method::GET, "/tokens"),
            (Method::POST, "/tokens/import"),
            (Method::GET, "/tokens/export?secrets=true"),
            (Method::POST, "/keys"),
            (Method::GET, "/config"),
        ] {
            let response = app.request_as(&wrong, method, &format!("/admin/v1{path}"), Some(json!({}))).await;
            let expected =
                if wrong == app.client_key { StatusCode::FORBIDDEN } else { StatusCode::UNAUTHORIZED };
            assert_eq!(response.status(), expected, "{path}");
            assert_openai_error(&response.json().await.unwrap());
        }
    }
}

#[tokio::test]
async fn the_case_of_the_scheme_does_not_matter() {
    let app = Setup::default().start().await;
    let request = app.http.get(format!("{}/v1/models", app.url));
    let lower = request.header(AUTHORIZATION, format!("bearer  {}", app.client_key)).send().await.unwrap();
    assert_eq!(lower.status(), StatusCode::OK);
}

#[tokio::test]
async fn a_key_in_use_is_seen_to_be_in_use() {
    let app = Setup::default().start().await;
    app.get("/v1/models").await;
    let used = async || {
        let keys = app.admin(Method::GET, "/keys", None).await;
        let keys: Vec<Value> = keys["keys"].as_array().unwrap().clone();
        keys.into_iter().find(|key| key["name"] == "tests").unwrap()["last_used_at"].is_i64()
    };
    while !used().await {
        tokio::time::sleep(std::time::Duration::from_millis(10)).await;
    }
}
