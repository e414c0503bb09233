//! Clients by mouse and keyboard: a caller and its keys, from the first to the last, and what it may use.

use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

use super::chrome::{Chrome, Screen};
use super::pages::check;
use crate::app::{Setup, TestApp};

async fn app() -> TestApp {
    Setup { tokens: [1, 1], video_seconds: 0.0, ..Setup::default() }.start().await
}

/// What a request with this key is answered.
async fn answer(app: &TestApp, key: &str) -> StatusCode {
    app.request_as(key, Method::GET, "/v1/models", None).await.status()
}

/// A caller, by its name.
async fn caller(app: &TestApp, name: &str) -> Value {
    let callers = app.admin(Method::GET, "/callers", None).await;
    callers["callers"].as_array().unwrap().iter().find(|caller| caller["name"] == name).unwrap().clone()
}

/// What was done on the page, latest first.
async fn deeds(app: &TestApp) -> Vec<String> {
    let audit = app.admin(Method::GET, "/audit", None).await;
    let by_page = audit["entries"].as_array().unwrap().iter().filter(|entry| entry["via"] == "page").cloned();
    by_page.map(|entry| entry["action"].as_str().unwrap().to_owned()).collect()
}

/// Makes a caller by hand; returns its key, which is on the page.
async fn make_caller(chrome: &Chrome, name: &str) -> String {
    chrome.press("header nav a[href='/admin/clients']").await;
    chrome.fill("form[action='/admin/clients'] input[name=name]", name).await;
    chrome.press("form[action='/admin/clients'] button.primary").await;
    chrome.words("#fresh-key").await
}

#[tokio::test]
async fn a_new_key_is_shown_once_and_works() {
    if !super::ready("browser::a_new_key_is_shown_once_and_works") {
        return;
    }
    let app = app().await;
    let chrome = Chrome::signed_in(&app, Screen::Desk, "en").await;
    let key = make_caller(&chrome, "Kurzfilm & Söhne").await;
    chrome.read("The caller was made.").await;
    assert_eq!(chrome.words("h1").await, "Kurzfilm & Söhne");
    assert_eq!(answer(&app, &key).await, StatusCode::OK);
    check(&chrome, "a caller with its new key", "en", Screen::Desk).await;

    // It is copied, and pasted where somebody writes.
    chrome.press("button[data-copy=fresh-key]").await;
    chrome.read("Copied").await;
    chrome.fill("form[action$='/keys'] input[name=name]", "\u{E009}v").await;
    let pasted = "return document.querySelector(\"form[action$='/keys'] input[name=name]\").value";
    assert_eq!(chrome.run(pasted).await, key.as_str());

    chrome.reload().await;
    chrome.read("Its key was shown once, and cannot be shown again.").await;
    let source = chrome.page.source().await.unwrap();
    assert!(!source.contains(&key) && source.contains(&key[..7]), "a reload shows the key again");
    // What it uses moves by itself.
    let body = json!({ "prompt": "a fox", "resolution": "480p", "seconds": "6" });
    assert!(app.request_as(&key, Method::POST, "/v1/videos", Some(body)).await.status().is_success());
    let used = "return [...document.querySelectorAll('[data-live] .figure')].some((it) => it.innerText.trim() === '1')";
    chrome.until(used).await;

    chrome.press_button("All callers").await;
    chrome.fill("input[name=q]", "kurz").await;
    chrome.press_button("Search").await;
    chrome.until("return document.querySelectorAll('#callers ~ div tbody tr').length === 1").await;
    chrome.fill("form[action='/admin/clients'] input[name=name]", "Kurzfilm & Söhne").await;
    chrome.press_button("Make it, with a key").await;
    chrome.read("There is a caller “Kurzfilm & Söhne” already.").await;
    assert_eq!(deeds(&app).await, ["key.create", "caller.create", "session.begin"]);
}

#[tokio::test]
async fn a_key_is_replaced_and_revoked() {
    if !super::ready("browser::a_key_is_replaced_and_revoked") {
        return;
    }
    let app = app().await;
    let chrome = Chrome::signed_in(&app, Screen::Desk, "en").await;
    let first = make_caller(&chrome, "studio").await;
    chrome.choose("select[name=keep]", "3600").await;
    chrome.press_button("Replace").await;
    chrome.read("A new key was made in the place of the old one.").await;
    chrome.read("valid until").await;
    let second = chrome.words("#fresh-key").await;
    assert_eq!((answer(&app, &first).await, answer(&app, &second).await), (StatusCode::OK, StatusCode::OK));

    chrome.fill("form[action$='/keys'] input[name=name]", "phone").await;
    chrome.press_button("Make a key").await;
    chrome.read("A key was made.").await;
    let phone = chrome.words("#fresh-key").await;
    assert_eq!(answer(&app, &phone).await, StatusCode::OK);

    // The newest stands first.
    chrome.press_button("Revoke").await;
    assert!(chrome.decline().await.contains("Revoke the key “phone”?"));
    assert_eq!(answer(&app, &phone).await, StatusCode::OK, "nothing was done");
    chrome.press_button("Revoke").await;
    chrome.confirm().await;
    chrome.read("The key was revoked.").await;
    assert_eq!(answer(&app, &phone).await, StatusCode::UNAUTHORIZED);
    assert_eq!(answer(&app, &second).await, StatusCode::OK);
    assert_eq!(chrome.words("#ended-keys summary").await, "Not valid any more: 1");
    chrome.press("#ended-keys summary").await;
    chrome.read("not valid since").await;
    check(&chrome, "a caller with keys of the past", "en", Screen::Desk).await;
    let done = ["key.revoke", "key.create", "key.rotate", "key.create", "caller.create", "session.begin"];
    assert_eq!(deeds(&app).await, done);
}

#[tokio::test]
async fn limits_are_set_and_taken_away() {
    if !super::ready("browser::limits_are_set_and_taken_away") {
        return;
    }
    let app = app().await;
    let chrome = Chrome::signed_in(&app, Screen::Desk, "en").await;
    let key = make_caller(&chrome, "studio").await;
    let ask = async |seconds: &str| {
        let body = json!({ "prompt": "a fox", "resolution": "480p", "seconds": seconds });
        app.request_as(&key, Method::POST, "/v1/videos", Some(body)).await.status()
    };
    // The browser itself refuses what is no limit.
    chrome.fill("input[name=requests_per_minute]", "0").await;
    chrome.press_button("Set limits").await;
    let valid = "return document.querySelector('[name=requests_per_minute]').validity.valid";
    assert_eq!(chrome.run(valid).await, false);
    chrome.fill("input[name=requests_per_minute]", "1").await;
    chrome.fill("input[name=units_per_day]", "400").await;
    chrome.press_button("Set limits").await;
    chrome.read("The limits are in force.").await;
    let limits = caller(&app, "studio").await["limits"].clone();
    assert_eq!(limits["requests_per_minute"], 1, "{limits}");
    assert_eq!((&limits["units_per_day"], &limits["max_in_flight"]), (&json!(400), &Value::Null));
    assert_eq!(ask("6").await, StatusCode::OK);
    assert_eq!(ask("6").await, StatusCode::TOO_MANY_REQUESTS);
    chrome.read("1 of 1").await;
    check(&chrome, "a caller at its limit", "en", Screen::Desk).await;

    chrome.fill("input[name=requests_per_minute]", "").await;
    chrome.press_button("Set limits").await;
    chrome.until(&valid.replace("validity.valid", "value === ''")).await;
    chrome.read("The limits are in force.").await;
    assert_eq!(caller(&app, "studio").await["limits"]["requests_per_minute"], Value::Null);
    assert_eq!(ask("6").await, StatusCode::OK);
}

#[tokio::test]
async fn a_caller_fits_a_phone_in_the_dark() {
    if !super::ready("browser::a_caller_fits_a_phone_in_the_dark") {
        return;
    }
    let app = app().await;
    app.make("one", "720p", 6).await;
    let tests = caller(&app, "tests").await;
    let path = format!("/admin/clients/{}", tests["id"].as_str().unwrap());
    let chrome = Chrome::signed_in(&app, Screen::Phone, "zh-CN").await;
    chrome.press("footer button[value=dark]").await;
    chrome.see("html[data-theme=dark]").await;
    chrome.go(&path).await;
    chrome.run("document.querySelectorAll('details').forEach((it) => { it.open = true; })").await;
    check(&chrome, &path, "zh-CN", Screen::Phone).await;
    chrome.fill("form[action$='/keys'] input[name=name]", "phone").await;
    chrome.press("form[action$='/keys'] button").await;
    chrome.see("#fresh-key").await;
    check(&chrome, "a new key", "zh-CN", Screen::Phone).await;
    chrome.press("form[action$='/rotate'] button.danger").await;
    chrome.confirm().await;
    chrome.read("已吊销密钥。").await;
    check(&chrome, "a revoked key", "zh-CN", Screen::Phone).await;
}
