//! What answers say to browsers.

use reqwest::header::HeaderMap;
use reqwest::{Method, StatusCode};
use serde_json::json;

use super::{Real, operations, page_routes};
use crate::app::{ADMIN_KEY, Setup};
use crate::page::Browser;

#[track_caller]
fn assert_guarded(what: &str, headers: &HeaderMap) {
    let header = |name: &str| headers.get(name).map_or("", |value| value.to_str().unwrap());
    assert_eq!(header("x-content-type-options"), "nosniff", "{what}");
    assert!(["no-referrer", "same-origin"].contains(&header("referrer-policy")), "{what}");
    let kind = header("content-type");
    let is_file = kind.starts_with("video/") || kind.starts_with("image/");
    if !is_file {
        let policy = header("content-security-policy");
        assert!(
            policy.contains("default-src 'none'") && policy.contains("frame-ancestors 'none'"),
            "{what}: {policy:?}"
        );
        assert!(!policy.contains("unsafe"), "{what}: {policy}");
    }
    let is_part_of_the_page =
        what.contains("style.css") || what.contains("script.js") || what.contains("icon.svg");
    let kept = header("cache-control");
    let expected = if is_part_of_the_page {
        !kept.is_empty()
    } else {
        ["no-store", "private, no-cache"].contains(&kept)
    };
    assert!(expected || kept == "no-cache", "{what}: {kept:?}");
    // What an answer with a key, a link or a page of the operator's says about keeping it.
    if kind.contains("json") || (kind.contains("html") && what.contains("/admin")) {
        assert_eq!(kept, "no-store", "{what}");
    }
}

#[tokio::test]
async fn every_answer_of_every_route_is_guarded() {
    let app = Setup::default().start().await;
    let real = Real::of(&app).await;
    for operation in operations(&app).await {
        let path = real
            .path(&operation.path.replace("{model}", "grok-video").replace("/media/{name}", "/media/x.mp4"));
        let key = if operation.key == "admin_key" { ADMIN_KEY } else { &app.client_key };
        for key in ["", key] {
            // Of all that is done nothing may end the scene early.
            let method =
                if operation.method == Method::DELETE { Method::OPTIONS } else { operation.method.clone() };
            let body = (method == Method::POST).then(|| json!({}));
            let answer = app.request_as(key, method, &path, body).await;
            assert_guarded(&format!("{} {path} {}", operation.method, answer.status()), answer.headers());
        }
    }
    let unknown = app.request(Method::GET, "/nowhere", None).await;
    assert_eq!(unknown.status(), StatusCode::NOT_FOUND);
    assert_guarded("/nowhere", unknown.headers());
    let mut browser = Browser::new(&app);
    for signed_in in [false, true] {
        if signed_in {
            browser = Browser::signed_in(&app).await;
        }
        for route in page_routes() {
            let path = real.path(&route);
            let answer = browser.get(&path).await;
            assert_guarded(&format!("{path} {}", answer.status()), answer.headers());
            if answer.status() != StatusCode::METHOD_NOT_ALLOWED {
                assert_eq!(answer.headers()["x-frame-options"], "DENY", "{path}");
            }
        }
    }
}

#[tokio::test]
async fn no_form_of_the_page_is_taken_from_another_site() {
    let app = Setup::default().start().await;
    let real = Real::of(&app).await;
    let browser = Browser::signed_in(&app).await;
    let before = app.admin(Method::GET, "/audit?limit=1", None).await;
    for route in page_routes() {
        let path = real.path(&route);
        for (name, value) in [
            ("sec-fetch-site", "cross-site"),
            ("sec-fetch-site", "same-site"),
            ("origin", "https://evil.example"),
            ("origin", "null"),
        ] {
            let form = "sure=yes&name=forged&action=disable&deed=disable&lang=en";
            let request = browser.request(Method::POST, &path).header(name, value).body(form);
            let request = request.header("content-type", "application/x-www-form-urlencoded");
            let answer = request.send().await.unwrap();
            let refused = [StatusCode::FORBIDDEN, StatusCode::METHOD_NOT_ALLOWED].contains(&answer.status());
            assert!(refused, "{path} {name}: {value}: {}", answer.status());
        }
    }
    assert_eq!(app.admin(Method::GET, "/audit?limit=1", None).await, before, "nothing was done");
}
