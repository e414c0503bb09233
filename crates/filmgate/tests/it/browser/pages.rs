//! Every page, in both languages and both themes, on a desk and on a phone: nothing is broken, nobody is kept out.

use super::axe;
use super::chrome::{Chrome, Screen};
use crate::app::Setup;

/// Every address of the menu, and the ledger.
pub(super) const PAGES: [&str; 8] = [
    "/admin",
    "/admin/tokens",
    "/admin/tokens/ledger",
    "/admin/videos",
    "/admin/routing",
    "/admin/studio",
    "/admin/clients",
    "/admin/settings",
];

async fn look_at_all(test: &str, screen: Screen, language: &str, theme: &str) {
    if !super::ready(test) {
        return;
    }
    let app = Setup::default().start().await;
    let chrome = Chrome::open(&app, screen, language).await;
    chrome.go("/admin").await;
    check(&chrome, "/admin/sign-in", language, screen).await;
    drop(chrome);
    let chrome = Chrome::signed_in(&app, screen, language).await;
    chrome.press(&format!("footer button[value={theme}]")).await;
    chrome.see(&format!("html[data-theme={theme}]")).await;
    for path in PAGES {
        chrome.go(path).await;
        check(&chrome, path, language, screen).await;
    }
}

/// Nobody is kept out, nothing is wider than the screen, nothing went wrong.
pub(super) async fn check(chrome: &Chrome, path: &str, language: &str, screen: Screen) {
    chrome.see(&format!("html[lang={language:?}] h1")).await;
    let findings = axe::findings(chrome).await;
    assert!(findings.is_empty(), "{path}: {}", findings.join("\n\n"));
    let too_wide = chrome.run("return document.documentElement.scrollWidth - innerWidth").await;
    assert!(too_wide.as_i64().unwrap() <= 0, "{path} is {too_wide} px too wide for {screen:?}");
    assert_eq!(chrome.complaints().await, Vec::<String>::new(), "{path}");
}

#[tokio::test]
async fn at_a_desk_in_english_light() {
    look_at_all("browser::at_a_desk_in_english_light", Screen::Desk, "en", "light").await;
}

#[tokio::test]
async fn at_a_desk_in_chinese_dark() {
    look_at_all("browser::at_a_desk_in_chinese_dark", Screen::Desk, "zh-CN", "dark").await;
}

#[tokio::test]
async fn on_a_phone_in_chinese_light() {
    look_at_all("browser::on_a_phone_in_chinese_light", Screen::Phone, "zh-CN", "light").await;
}

#[tokio::test]
async fn on_a_phone_in_english_dark() {
    look_at_all("browser::on_a_phone_in_english_dark", Screen::Phone, "en", "dark").await;
}
