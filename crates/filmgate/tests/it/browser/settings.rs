//! Settings by mouse and keyboard: the configuration, webhooks, upstreams, the audit trail, signing out.

use std::sync::{Arc, Mutex};

use axum::extract::State;
use http::{HeaderMap, StatusCode};
use reqwest::Method;
use serde_json::{Value, json};
use standardwebhooks::Webhook;

use super::chrome::{Chrome, Screen};
use super::pages::check;
use crate::app::{ADMIN_KEY, Setup, TestApp};

async fn app() -> TestApp {
    Setup { tokens: [1, 1], video_seconds: 0.0, ..Setup::default() }
        .set("outside.allow_private=true")
        .start()
        .await
}

/// What a receiver of webhooks was sent.
type Received = Arc<Mutex<Vec<(HeaderMap, String)>>>;

/// Takes every webhook; returns its address.
async fn receiver() -> (String, Received) {
    let received = Received::default();
    let take = async |State(received): State<Received>, headers: HeaderMap, body: String| {
        received.lock().unwrap().push((headers, body));
        StatusCode::NO_CONTENT
    };
    let router = axum::Router::new().fallback(take).with_state(Arc::clone(&received));
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/hook", listener.local_addr().unwrap());
    tokio::spawn(async { axum::serve(listener, router).await.unwrap() });
    (url, received)
}

/// Whether the latest webhook was signed with this secret.
fn is_signed(received: &Received, secret: &str) -> bool {
    let received = received.lock().unwrap();
    let (headers, body) = received.last().unwrap();
    Webhook::new(secret).unwrap().verify(body.as_bytes(), headers).is_ok()
}

/// A field or a button of the webhook of the tests' caller.
fn of_tests(action: &str, what: &str) -> String {
    format!("form[action$='/webhooks/{action}']:has(input[value=tests]) {what}")
}

/// The webhooks that are set up.
async fn webhooks(app: &TestApp) -> Value {
    app.admin(Method::GET, "/webhooks", None).await["webhooks"].clone()
}

#[tokio::test]
async fn settings_are_found_and_a_broken_file_is_not_used() {
    if !super::ready("browser::settings_are_found_and_a_broken_file_is_not_used") {
        return;
    }
    let app = app().await;
    let file = app.data_dir().join("filmgate.toml");
    std::fs::write(&file, "[video]\nbusy_wait = \"9s\"\n").unwrap();
    let chrome = Chrome::signed_in(&app, Screen::Desk, "en").await;
    chrome.press("header nav a[href='/admin/settings']").await;
    chrome.press_button("Read it again").await;
    chrome.read("read again: 1 value is different.").await;
    chrome.fill("input[name=filter]", "busy_WAIT").await;
    chrome.press_button("Show").await;
    chrome.until("return document.querySelectorAll('table.settings tbody tr').length === 1").await;
    let row = chrome.words("table.settings tbody").await;
    assert!(row.contains("\"9s\"") && row.contains("filmgate.toml:2"), "{row}");

    std::fs::write(&file, "[video]\nbusy_wait = \"soon\"\nupgrade_reserve = 2\n").unwrap();
    chrome.press_button("Read it again").await;
    chrome.read("the old one stays in use").await;
    chrome.read("filmgate.toml:2:13: `video.busy_wait`").await;
    chrome.read("filmgate.toml:3:19:").await;
    chrome.was_refused().await;
    check(&chrome, "a broken file", "en", Screen::Desk).await;
    chrome.press("input[name=own]").await;
    chrome.press_button("Show").await;
    chrome.until("return !document.querySelector('table.settings').closest('section').innerText.includes('link_ttl')").await;
    let own = chrome.text().await;
    assert!(own.contains("\"9s\"") && own.contains("allow_private"), "{own}");

    std::fs::write(&file, "[video]\nbusy_wait = \"2s\"\n").unwrap();
    chrome.press_button("Read it again").await;
    chrome.read("read again: 1 value is different.").await;
    chrome.read("\"2s\"").await;
}

#[tokio::test]
async fn a_webhook_is_set_tested_rotated_and_removed() {
    if !super::ready("browser::a_webhook_is_set_tested_rotated_and_removed") {
        return;
    }
    let (url, received) = receiver().await;
    let app = app().await;
    let chrome = Chrome::signed_in(&app, Screen::Desk, "en").await;
    chrome.go("/admin/settings").await;
    chrome.press_button("Webhooks").await;
    chrome.fill(&of_tests("set", "input[type=url]"), &url).await;
    chrome.press(&of_tests("set", "button")).await;
    let first = chrome.words("#webhook-secret").await;
    check(&chrome, "a secret", "en", Screen::Desk).await;
    assert_eq!(webhooks(&app).await[0]["url"], url);
    chrome.press(&of_tests("test", "button")).await;
    chrome.read("The test for tests was delivered: 204").await;
    assert!(is_signed(&received, &first));
    assert!(!chrome.text().await.contains(&first), "a secret is shown once");

    app.make("a fox", "480p", 6).await;
    for _ in 0..400 {
        if received.lock().unwrap().len() == 2 {
            break;
        }
        tokio::time::sleep(std::time::Duration::from_millis(25)).await;
    }
    chrome.choose("select[name=state]", "delivered").await;
    chrome.press_button("Show").await;
    chrome.see("form[action$='/webhooks/retry'] button").await;
    check(&chrome, "/admin/settings/webhooks", "en", Screen::Desk).await;
    chrome.choose("select[name=state]", "given_up").await;
    chrome.press_button("Show").await;
    chrome.read("There are no such deliveries.").await;

    chrome.press(&of_tests("rotate", "button")).await;
    chrome.read("The one before signs as well for a day.").await;
    let second = chrome.words("#webhook-secret").await;
    chrome.press(&of_tests("test", "button")).await;
    chrome.read("The test for tests was delivered: 204").await;
    assert!(first != second && is_signed(&received, &first) && is_signed(&received, &second));

    chrome.press(&of_tests("remove", "button")).await;
    assert!(chrome.decline().await.starts_with("Remove address and secret?"));
    assert_eq!(webhooks(&app).await[0]["url"], url);
    chrome.press(&of_tests("remove", "button")).await;
    chrome.confirm().await;
    chrome.read("Address and secret are removed.").await;
    assert_eq!(webhooks(&app).await, json!([]));
}

#[tokio::test]
async fn upstreams_are_checked_and_the_trail_tells_what_was_done() {
    if !super::ready("browser::upstreams_are_checked_and_the_trail_tells_what_was_done") {
        return;
    }
    let app = app().await;
    app.at_provider("super-1", json!({ "valid": false })).await;
    let chrome = Chrome::signed_in(&app, Screen::Desk, "en").await;
    chrome.go("/admin/settings/upstreams").await;
    chrome.press_button("Check").await;
    chrome.read("1 of 2 answered well.").await;
    chrome.read("credential accepted").await;
    check(&chrome, "/admin/settings/upstreams/check", "en", Screen::Desk).await;
    let id = app.token_ids["super-1"].clone();
    chrome.press_button(&id).await;
    chrome.press_button("Disable").await;
    chrome.read("The token is disabled.").await;
    assert_eq!(app.token("super-1").await["status"], "disabled");
    app.with_token("super-1", "enable").await;

    chrome.go("/admin/settings").await;
    chrome.press_button("Audit trail").await;
    chrome.read("token.disable").await;
    check(&chrome, "/admin/settings/audit", "en", Screen::Desk).await;
    chrome.press_button("token.disable").await;
    chrome.until("return document.querySelectorAll('main tbody tr').length === 1").await;
    let row = chrome.words("main tbody tr").await;
    assert!(row.contains(&id) && row.contains("page"), "{row}");
    chrome.fill("input[name=action]", "").await;
    chrome.fill("input[name=subject]", &id).await;
    chrome.press_button("Show").await;
    chrome.read("token.enable").await;
    let trail = chrome.words("main table").await;
    assert!(trail.contains("token.disable") && !trail.contains("session.begin"), "{trail}");
    assert!(!trail.contains(ADMIN_KEY));
}

#[tokio::test]
async fn every_browser_is_signed_out() {
    if !super::ready("browser::every_browser_is_signed_out") {
        return;
    }
    let app = app().await;
    let other = crate::page::Browser::signed_in(&app).await;
    let chrome = Chrome::signed_in(&app, Screen::Desk, "en").await;
    chrome.go("/admin/settings").await;
    chrome.read("2 browsers are signed in.").await;
    chrome.press_button("Sign out everywhere").await;
    assert_eq!(chrome.decline().await, "Sign out every browser, this one too?");
    assert_eq!(other.get("/admin/settings").await.status(), StatusCode::OK);
    chrome.press_button("Sign out everywhere").await;
    chrome.confirm().await;
    chrome.see("input[name=key]").await;
    assert_eq!(other.get("/admin/settings").await.status(), StatusCode::SEE_OTHER);
    chrome.go("/admin/tokens").await;
    chrome.see("input[name=key]").await;
    assert!(chrome.place().await.starts_with("/admin/sign-in"));
}

#[tokio::test]
async fn the_parts_of_the_settings_fit_a_phone_in_the_dark() {
    if !super::ready("browser::the_parts_of_the_settings_fit_a_phone_in_the_dark") {
        return;
    }
    let (url, _received) = receiver().await;
    let app = app().await;
    app.admin(Method::PUT, "/webhooks/tests", Some(json!({ "url": url }))).await;
    app.make("a fox", "480p", 6).await;
    let chrome = Chrome::signed_in(&app, Screen::Phone, "zh-CN").await;
    chrome.press("footer button[value=dark]").await;
    chrome.see("html[data-theme=dark]").await;
    chrome.go("/admin/settings/webhooks").await;
    chrome.press(&of_tests("rotate", "button")).await;
    chrome.see("#webhook-secret").await;
    check(&chrome, "a secret", "zh-CN", Screen::Phone).await;
    chrome.go("/admin/settings/upstreams").await;
    chrome.press("form[action$='/check'] button").await;
    chrome.see("main table").await;
    check(&chrome, "/admin/settings/upstreams/check", "zh-CN", Screen::Phone).await;
    chrome.go("/admin/settings/audit").await;
    check(&chrome, "/admin/settings/audit", "zh-CN", Screen::Phone).await;
    std::fs::write(app.data_dir().join("filmgate.toml"), "[video]\nbusy_wait = \"soon\"\n").unwrap();
    chrome.go("/admin/settings").await;
    chrome.press("form[action$='/reload'] button").await;
    chrome.see("ul.note.bad").await;
    chrome.was_refused().await;
    check(&chrome, "a broken file", "zh-CN", Screen::Phone).await;
}
