//! Guessing at keys of the API.

use std::net::IpAddr;

use reqwest::{Method, StatusCode};
use serde_json::json;

use crate::app::{ADMIN_KEY, Setup, TestApp};
use crate::wire::{Answer, assert_openai_error};

/// A request with a key from an address of this machine.
async fn from(app: &TestApp, address: [u8; 4], key: &str, path: &str) -> Answer {
    // Another test of this process may have been first.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let http = reqwest::Client::builder().no_proxy().local_address(IpAddr::from(address)).build().unwrap();
    let request = http.request(Method::GET, format!("{}{path}", app.url)).bearer_auth(key);
    Answer::of(request.send().await.unwrap()).await
}

const HERE: [u8; 4] = [127, 0, 0, 1];
const ELSEWHERE: [u8; 4] = [127, 0, 0, 2];

#[tokio::test]
async fn whoever_guesses_at_keys_has_to_pause() {
    let app = Setup { tokens: [0, 0], ..Setup::default() }.start().await;
    let mut refused = 0;
    let braked = loop {
        let path = if refused % 2 == 0 { "/v1/models" } else { "/admin/v1/pools" };
        let answer = from(&app, HERE, &format!("guess-number-{refused}"), path).await;
        if answer.status == StatusCode::TOO_MANY_REQUESTS {
            break answer;
        }
        assert_eq!(answer.status, StatusCode::UNAUTHORIZED);
        refused += 1;
        assert!(refused <= 20, "at both doors together");
    };
    assert_eq!(refused, 20);
    assert_openai_error(&braked.body);
    assert_eq!(braked.body["error"]["code"], "too_many_wrong_keys");
    let seconds: u64 = braked.header("retry-after").parse().unwrap();
    assert!((1..=3).contains(&seconds), "{seconds}");
    app.says("WARN", "many wrong keys come from an address").await;
    assert!(!app.logs().contains("guess-number"), "what was tried may be nearly a key");
}

#[tokio::test]
async fn slow_keys_that_nobody_guesses_go_on_while_somebody_does() {
    let app = Setup { tokens: [0, 0], ..Setup::default() }.start().await;
    for key in ["their-own-1", "their-own-2"] {
        app.admin(Method::POST, "/keys", Some(json!({ "name": key, "key": key }))).await;
    }
    assert_eq!(from(&app, HERE, "their-own-1", "/v1/models").await.status, StatusCode::OK);
    // Pauses double: until one is long enough for what follows.
    while guess(&app).await.header("retry-after").parse::<u64>().unwrap_or_default() < 10 {
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    }
    let fresh = app.new_key("made while somebody guesses").await;
    for (key, path) in
        [(&*fresh, "/v1/models"), ("their-own-1", "/v1/models"), (ADMIN_KEY, "/admin/v1/pools")]
    {
        assert_eq!(from(&app, HERE, key, path).await.status, StatusCode::OK, "{path}");
    }
    // A key that could be guessed, and was never right from here, is as good as a guess.
    let braked = from(&app, HERE, "their-own-2", "/v1/models").await;
    assert_eq!(braked.status, StatusCode::TOO_MANY_REQUESTS, "{}", braked.body);
    assert_eq!(from(&app, ELSEWHERE, "their-own-2", "/v1/models").await.status, StatusCode::OK);
    assert_eq!(from(&app, ELSEWHERE, "wrong", "/v1/models").await.status, StatusCode::UNAUTHORIZED);
}

async fn guess(app: &TestApp) -> Answer {
    from(app, HERE, "a-guess-at-a-key", "/v1/models").await
}

#[tokio::test]
async fn who_sends_no_key_or_one_that_ended_does_not_guess() {
    let app = Setup { tokens: [0, 0], ..Setup::default() }.start().await;
    let made = app.admin(Method::POST, "/keys", Some(json!({ "name": "old" }))).await;
    app.admin(Method::DELETE, &format!("/keys/{}", made["id"].as_str().unwrap()), None).await;
    let old = made["key"].as_str().unwrap();
    for _ in 0..30 {
        let answer = from(&app, HERE, old, "/v1/models").await;
        assert_eq!(answer.status, StatusCode::UNAUTHORIZED);
        assert!(answer.body.to_string().contains("this key was revoked"), "{}", answer.body);
        let nobody = app.http.get(format!("{}/v1/models", app.url)).send().await.unwrap();
        assert_eq!(nobody.status(), StatusCode::UNAUTHORIZED);
    }
    assert_eq!(from(&app, HERE, "wrong", "/v1/models").await.status, StatusCode::UNAUTHORIZED, "still free");
}
