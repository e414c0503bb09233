//! Coming and going, choosing how the page looks, and doing without a mouse.

use fantoccini::key::Key;
use reqwest::Method;
use serde_json::json;

use super::chrome::{Chrome, Screen};
use super::pages::{PAGES, check};
use crate::app::{ADMIN_KEY, Setup};

#[tokio::test]
async fn one_signs_in_and_out() {
    if !super::ready("browser::one_signs_in_and_out") {
        return;
    }
    let app = Setup::default().start().await;
    let chrome = Chrome::open(&app, Screen::Desk, "en").await;
    chrome.go("/admin/videos").await;
    chrome.fill("input[name=key]", "fga-not-the-key").await;
    chrome.press("main button[type=submit]").await;
    chrome.see(".note.bad[role=alert]").await;
    chrome.was_refused().await;
    check(&chrome, "a wrong key", "en", Screen::Desk).await;
    chrome.fill("input[name=key]", ADMIN_KEY).await;
    chrome.press("main button[type=submit]").await;
    chrome.see("header nav").await;
    chrome.go("/admin/tokens").await;
    chrome.see("header nav a[aria-current=page][href='/admin/tokens']").await;
    chrome.press("footer form[action='/admin/sign-out'] button").await;
    chrome.see("input[name=key]").await;
    chrome.go("/admin/tokens").await;
    chrome.see("input[name=key]").await;
    assert_eq!(chrome.run("return document.querySelector('header nav')").await, serde_json::Value::Null);
}

#[tokio::test]
async fn who_only_looks_sees_every_page_and_can_press_nothing_that_changes_something() {
    if !super::ready("browser::who_only_looks_sees_every_page_and_can_press_nothing_that_changes_something") {
        return;
    }
    let app = Setup::default().start().await;
    app.make("a fox", "480p", 6).await;
    let body = json!({ "name": "grafana", "scope": "read_only" });
    let made = app.admin(Method::POST, "/keys", Some(body)).await;
    let chrome = Chrome::open(&app, Screen::Desk, "en").await;
    chrome.go("/admin").await;
    chrome.fill("input[name=key]", made["key"].as_str().unwrap()).await;
    chrome.press("main button[type=submit]").await;
    chrome.see("header nav").await;
    for path in PAGES {
        chrome.go(path).await;
        check(&chrome, path, "en", Screen::Desk).await;
        let usable = "return document.querySelectorAll('main form[method=post] :is(button, input, select, textarea):enabled').length";
        assert_eq!(chrome.run(usable).await, 0, "{path}");
    }
    // Looking for something is no change.
    chrome.go("/admin/videos").await;
    let searches = "return document.querySelectorAll('main form[method=get] button:enabled').length > 0";
    assert_eq!(chrome.run(searches).await, true);
    chrome.press("footer button[value=dark]").await;
    chrome.see("html[data-theme=dark]").await;
}

#[tokio::test]
async fn language_and_colours_change_where_one_is() {
    if !super::ready("browser::language_and_colours_change_where_one_is") {
        return;
    }
    let app = Setup::default().start().await;
    let chrome = Chrome::signed_in(&app, Screen::Desk, "zh-CN").await;
    let here = "/admin/videos?state=failed&since=24h";
    chrome.go(here).await;
    chrome.see("html[lang=zh-CN]").await;
    for (button, changed) in [
        ("lang=en", "lang=en"),
        ("value=dark", "data-theme=dark"),
        ("lang=zh-CN", "lang=zh-CN"),
        ("value=light", "data-theme=light"),
        ("value=auto", "data-theme=auto"),
    ] {
        chrome.press(&format!("footer button[{button}]")).await;
        chrome.see(&format!("html[{changed}]")).await;
        assert_eq!(chrome.place().await, here, "{button}");
        chrome.see(&format!("footer button[{button}][aria-pressed=true]")).await;
    }
    let chosen = chrome.run("return document.querySelector('select[name=state]').value").await;
    assert_eq!(chosen, "failed");
    assert_eq!(chrome.complaints().await, Vec::<String>::new());
}

/// Goes on with Tab until this has the focus, and the focus can be seen.
async fn tab_to(chrome: &Chrome, css: &str) {
    for _ in 0..30 {
        chrome.strike(Key::Tab).await;
        let there = chrome.run(&format!("return document.activeElement.matches({css:?})")).await;
        if there == true {
            let outline = "return getComputedStyle(document.activeElement).outlineStyle";
            assert_ne!(chrome.run(outline).await, "none", "{css} shows that it has the focus");
            return;
        }
    }
    panic!("Tab never came to {css}");
}

#[tokio::test]
async fn a_keyboard_is_enough() {
    if !super::ready("browser::a_keyboard_is_enough") {
        return;
    }
    let app = Setup::default().start().await;
    let video = app.make("a fox", "480p", 6).await;
    let chrome = Chrome::open(&app, Screen::Desk, "en").await;
    chrome.go("/admin").await;
    chrome.see("input[name=key]").await;
    if chrome.run("return document.activeElement.name").await != "key" {
        tab_to(&chrome, "input[name=key]").await;
    }
    chrome.page.active_element().await.unwrap().send_keys(ADMIN_KEY).await.unwrap();
    chrome.strike(Key::Enter).await;
    chrome.see("header nav").await;
    tab_to(&chrome, "header nav a[href='/admin/videos']").await;
    chrome.strike(Key::Enter).await;
    chrome.until("return location.pathname === '/admin/videos'").await;
    chrome.see("main table").await;
    // The first stop leads past the menu.
    chrome.strike(Key::Tab).await;
    assert_eq!(chrome.run("return document.activeElement.className").await, "skip");
    chrome.strike(Key::Enter).await;
    let main = "document.querySelector('main').contains(document.activeElement)";
    chrome.until(&format!("return {main}")).await;
    let id = video["id"].as_str().unwrap();
    tab_to(&chrome, &format!("main tbody a[href='/admin/videos/{id}']")).await;
    chrome.strike(Key::Enter).await;
    chrome.read("Asked, sent, delivered").await;
}
