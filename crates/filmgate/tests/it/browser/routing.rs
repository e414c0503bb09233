//! Routing by mouse and keyboard: what if, a switch from its preview to its undo, a draft that is wrong.

use std::path::PathBuf;

use reqwest::Method;
use serde_json::json;

use super::chrome::{Chrome, Screen};
use super::pages::check;
use crate::app::{Setup, TestApp};

async fn app() -> TestApp {
    Setup { tokens: [1, 1], video_seconds: 0.0, ..Setup::default() }.start().await
}

fn file_of(app: &TestApp) -> PathBuf {
    app.data_dir().join("filmgate.toml")
}

/// The tick of a switch.
fn switch(key: &str) -> String {
    format!("#draft input[type=checkbox][name='video.{key}']")
}

#[tokio::test]
async fn what_if_answers_for_now_and_for_a_shortage() {
    if !super::ready("browser::what_if_answers_for_now_and_for_a_shortage") {
        return;
    }
    let app = app().await;
    let chrome = Chrome::signed_in(&app, Screen::Desk, "en").await;
    chrome.press("header nav a[href='/admin/routing']").await;
    chrome.choose("#what-if select[name=resolution]", "720p").await;
    chrome.fill("#what-if input[name=seconds]", "6").await;
    chrome.press_button("Show").await;
    chrome.read("720p 6 s with grok-imagine-video goes to ssoSuper, as asked.").await;
    chrome.read("cannot deliver 720p 6 s from text").await;
    let token = chrome.words("#answer .note a").await;
    assert_eq!(token, app.token_ids["super-1"]);
    check(&chrome, "what if", "en", Screen::Desk).await;

    // What was asked stays filled in: only the shortage is added.
    chrome.press("#what-if input[name=short][value=ssoSuper]").await;
    chrome.press_button("Show").await;
    chrome.read("goes to ssoBasic: a fallback, which is asked for 480p 6 s.").await;
    chrome.read("(assumed for this answer)").await;
    chrome.choose("#what-if select[name=on_shortage]", "fail").await;
    chrome.press_button("Show").await;
    chrome.read("gets no token now.").await;
    chrome.read("the client wants no fallback").await;

    // Without the pretence, and with a real one.
    chrome.press("#what-if input[name=short][value=ssoSuper]").await;
    chrome.press_button("Show").await;
    chrome.read("goes to ssoSuper, as asked.").await;
    app.with_token("super-1", "disable").await;
    // The same question again.
    chrome.press_button("Show").await;
    chrome.read("1 token: disabled").await;
    let jobs = app.admin(Method::GET, "/jobs", None).await;
    assert_eq!(jobs["jobs"], json!([]), "nothing was made");
}

#[tokio::test]
async fn a_switch_is_previewed_applied_and_undone() {
    if !super::ready("browser::a_switch_is_previewed_applied_and_undone") {
        return;
    }
    let app = app().await;
    let text = "# Mine.\n[video]\nlog_fallback_warning = true # loud\n";
    std::fs::write(file_of(&app), text).unwrap();
    app.admin(Method::POST, "/config/reload", None).await;
    for (prompt, resolution) in [("one", "720p"), ("two", "480p")] {
        app.make(prompt, resolution, 6).await;
    }
    let chrome = Chrome::signed_in(&app, Screen::Desk, "en").await;
    chrome.go("/admin/routing").await;
    chrome.press(&switch("allow_fallback_to_basic")).await;
    chrome.press("#draft input[name=short][value=ssoSuper]").await;
    chrome.press_button("Preview").await;
    chrome.read("The last 2 videos, routed again").await;
    chrome.read("1 of 2 go another way.").await;
    let preview = chrome.words("#preview").await;
    for part in
        ["ssoBasic (fallback)", "no token at once: waits, or is refused", "video.allow_fallback_to_basic"]
    {
        assert!(preview.contains(part), "{part} in {preview}");
    }
    check(&chrome, "/admin/routing/preview", "en", Screen::Desk).await;
    assert_eq!(std::fs::read_to_string(file_of(&app)).unwrap(), text, "nothing is written yet");

    chrome.press_button("Apply").await;
    chrome.read("Applied: 1 value is different.").await;
    let written = std::fs::read_to_string(file_of(&app)).unwrap();
    assert_eq!(written, format!("{text}allow_fallback_to_basic = false\n"));
    let ticked = format!("return document.querySelector(\"{}\").checked", switch("allow_fallback_to_basic"));
    assert_eq!(chrome.run(&ticked).await, false);
    chrome.choose("#what-if select[name=resolution]", "720p").await;
    chrome.press("#what-if input[name=short][value=ssoSuper]").await;
    chrome.press_button("Show").await;
    chrome.read("a fallback is not allowed").await;
    let audit = app.admin(Method::GET, "/audit?action=config.change", None).await;
    let entry = &audit["entries"][0];
    assert_eq!((&entry["via"], &entry["detail"]), (&json!("page"), &json!("true -> false")), "{audit}");

    chrome.press_button("Undo the last change").await;
    assert_eq!(chrome.decline().await, "Undo the last change of the configuration?");
    assert_eq!(std::fs::read_to_string(file_of(&app)).unwrap(), written);
    chrome.press_button("Undo the last change").await;
    chrome.confirm().await;
    chrome.read("Undone: 1 value is different.").await;
    assert_eq!(std::fs::read_to_string(file_of(&app)).unwrap(), text);
    assert_eq!(chrome.run(&ticked).await, true);
}

#[tokio::test]
async fn a_wrong_draft_is_told_and_keeps_what_was_typed() {
    if !super::ready("browser::a_wrong_draft_is_told_and_keeps_what_was_typed") {
        return;
    }
    let app = app().await;
    let chrome = Chrome::signed_in(&app, Screen::Desk, "en").await;
    chrome.go("/admin/routing").await;
    let reserve = "#draft input[name='video.upgrade_reserve']";
    chrome.fill(reserve, "7").await;
    chrome.press_button("Preview").await;
    chrome.read("expected a number from 0 to 1, found 7").await;
    chrome.was_refused().await;
    check(&chrome, "a wrong draft", "en", Screen::Desk).await;
    let typed = format!("return document.querySelector(\"{reserve}\").value");
    assert_eq!(chrome.run(&typed).await, "7");
    chrome.fill(reserve, "0.5").await;
    chrome.press_button("Preview").await;
    chrome.read("There are no videos to route again").await;
    chrome.press_button("Discard").await;
    chrome.until(&format!("{typed} === '0.2'")).await;
    assert!(!chrome.text().await.contains("What this would change"));
    assert!(!file_of(&app).exists());
}

#[tokio::test]
async fn a_preview_fits_a_phone_in_the_dark() {
    if !super::ready("browser::a_preview_fits_a_phone_in_the_dark") {
        return;
    }
    let app = app().await;
    app.make("one", "720p", 6).await;
    let chrome = Chrome::signed_in(&app, Screen::Phone, "zh-CN").await;
    chrome.press("footer button[value=dark]").await;
    chrome.see("html[data-theme=dark]").await;
    for query in ["resolution=720p&seconds=6&short=ssoSuper", "resolution=1080p&seconds=6"] {
        chrome.go(&format!("/admin/routing?{query}")).await;
        check(&chrome, query, "zh-CN", Screen::Phone).await;
        // The answer is below the question, and in sight.
        chrome.until("return document.activeElement.id === 'answer'").await;
        let top = "return document.getElementById('answer').getBoundingClientRect().top < innerHeight";
        assert_eq!(chrome.run(top).await, true, "{query}");
    }
    chrome.press(&switch("allow_fallback_to_basic")).await;
    chrome.press("#draft input[name=short][value=ssoSuper]").await;
    chrome.press("#draft button.primary").await;
    chrome.see("#preview").await;
    check(&chrome, "/admin/routing/preview", "zh-CN", Screen::Phone).await;
    chrome.press("#preview button.primary").await;
    chrome.see("#undo form").await;
    check(&chrome, "an applied change", "zh-CN", Screen::Phone).await;
    chrome.fill("#draft input[name='video.pools']", "ssoBasic, ssoSupper").await;
    chrome.press("#draft button.primary").await;
    chrome.see("#draft [aria-invalid=true]").await;
    chrome.was_refused().await;
    check(&chrome, "a wrong draft", "zh-CN", Screen::Phone).await;
}
