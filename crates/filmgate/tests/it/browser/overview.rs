//! The overview in a browser: it moves by itself, and what it says of trouble leads to the remedy.

use serde_json::json;

use super::chrome::{Chrome, Screen};
use super::pages::check;
use crate::app::Setup;

/// Tells a page from the same page loaded once more.
async fn mark(chrome: &Chrome) {
    chrome.run("window.marked = true").await;
}

async fn is_marked(chrome: &Chrome) -> bool {
    chrome.run("return window.marked === true").await == json!(true)
}

#[tokio::test]
async fn figures_move_and_the_focus_stays() {
    if !super::ready("browser::figures_move_and_the_focus_stays") {
        return;
    }
    let app = Setup { tokens: [2, 1], ..Setup::default() }.start().await;
    let chrome = Chrome::signed_in(&app, Screen::Desk, "en").await;
    chrome.read("Nothing needs attention.").await;
    chrome.read("0 videos ended: none").await;
    mark(&chrome).await;
    let focus = "document.querySelector('[data-live] a[href=\"/admin/tokens?pool=ssoSuper&status=disabled\"]').focus()";
    chrome.run(focus).await;
    chrome.run("document.querySelector('#course-table summary').click()").await;

    app.make("a fox", "480p", 6).await;
    app.make("a fox", "720p", 6).await;
    chrome.read("2 videos ended: 2 as asked").await;
    chrome.read("156 of 160 units left").await;
    app.each_token("ssoSuper", "disable").await;
    app.make("a fox", "720p", 6).await;
    chrome.read("3 videos ended: 2 as asked, 1 fallen back").await;
    chrome.read("ssoSuper has no active token, so it makes no videos.").await;
    chrome.read("1 video was made by a lesser pool within the last hour").await;

    assert!(is_marked(&chrome).await, "the page was not loaded again");
    let focused = chrome.run("return document.activeElement.getAttribute('href')").await;
    assert_eq!(focused, "/admin/tokens?pool=ssoSuper&status=disabled");
    assert_eq!(
        chrome.run("return document.activeElement.innerText").await,
        "1 disabled",
        "it is the new one"
    );
    assert_eq!(chrome.run("return document.querySelector('#course-table').open").await, json!(true));
    check(&chrome, "the overview at work", "en", Screen::Desk).await;
}

#[tokio::test]
async fn what_needs_attention_leads_to_where_it_is_mended() {
    if !super::ready("browser::what_needs_attention_leads_to_where_it_is_mended") {
        return;
    }
    let app = Setup { tokens: [2, 1], ..Setup::default() }.start().await;
    app.make("[lie] a fox", "720p", 6).await;
    app.each_token("ssoSuper", "disable").await;
    let lesser = app.make("a fox", "720p", 6).await;
    let chrome = Chrome::signed_in(&app, Screen::Desk, "en").await;
    for (said, action, place) in [
        ("ssoSuper has no active token", "See its tokens", "/admin/tokens?pool=ssoSuper"),
        ("1 video from ssoSuper was less than what its upstream", "Change the pool", "/admin/routing"),
        ("1 video was less than asked", "See the videos", "/admin/videos?verdict=downgraded&since=1h"),
        ("1 video was made by a lesser pool", "See the videos", "/admin/videos?route=fallback&since=1h"),
    ] {
        chrome.go("/admin").await;
        chrome.read(said).await;
        let item = format!(
            "[...document.querySelectorAll('.attention li')].find((item) => item.innerText.includes({said:?}))"
        );
        let link = chrome.run(&format!("return {item}.querySelector('a').innerText")).await;
        assert_eq!(link, action, "{said}");
        chrome.press(&format!(".attention a[href={place:?}]")).await;
        chrome.until(&format!("return location.pathname + location.search === {place:?}")).await;
        assert_eq!(chrome.complaints().await, Vec::<String>::new(), "{place}");
    }
    let id = lesser["id"].as_str().unwrap();
    chrome.see(&format!("main tbody a[href='/admin/videos/{id}']")).await;
    assert_eq!(chrome.run("return document.querySelectorAll('main tbody tr').length").await, 1);

    let phone = Chrome::signed_in(&app, Screen::Phone, "zh-CN").await;
    phone.press("footer button[value=dark]").await;
    phone.see("html[data-theme=dark]").await;
    phone.read("ssoSuper").await;
    check(&phone, "the overview in trouble", "zh-CN", Screen::Phone).await;
}

#[tokio::test]
async fn the_range_is_chosen_and_moves_too() {
    if !super::ready("browser::the_range_is_chosen_and_moves_too") {
        return;
    }
    let app = Setup { tokens: [2, 1], ..Setup::default() }.start().await;
    let chrome = Chrome::signed_in(&app, Screen::Desk, "en").await;
    for (range, name) in [("7d", "7 days"), ("24h", "24 hours"), ("1h", "1 hour")] {
        chrome.press(&format!("nav.ranges a[href^='/admin?range={range}']")).await;
        chrome.until(&format!("return location.search === '?range={range}'")).await;
        chrome.read(&format!("Within {name} 0 videos ended: none.")).await;
        let chosen = chrome.run("return document.querySelector('nav.ranges [aria-current]').innerText").await;
        assert_eq!(chosen, name);
    }
    mark(&chrome).await;
    app.make("a fox", "480p", 6).await;
    chrome.read("Within 1 hour 1 video ended: 1 as asked.").await;
    assert!(is_marked(&chrome).await, "the page was not loaded again");
    assert!(chrome.run("return document.querySelectorAll('.plot .bars g').length").await.as_u64() >= Some(1));
    assert_eq!(chrome.complaints().await, Vec::<String>::new());
}
