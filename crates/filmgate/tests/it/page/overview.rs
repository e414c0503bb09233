//! The overview: what it counts, what it says of the pools, and what it wants to be looked at.

use std::time::Duration;

use super::Browser;
use crate::app::{Setup, TestApp};

/// The overview, once this is on it: what it shows may be two seconds old.
async fn overview(browser: &Browser, path: &str, wanted: &str) -> String {
    let mut page = String::new();
    for _ in 0..100 {
        page = browser.page(path).await;
        if page.contains(wanted) {
            return page;
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    panic!("{path} never said {wanted:?}: {page}");
}

async fn restart(app: &mut TestApp, browser: &mut Browser) {
    app.launch().await;
    browser.url = app.url.clone();
}

#[tokio::test]
async fn videos_are_counted_by_how_they_went_and_what_is_wrong_is_told_with_its_remedy() {
    let app = Setup { tokens: [2, 1], ..Setup::default() }.start().await;
    let browser = Browser::signed_in(&app).await;
    let page = browser.page("/admin").await;
    assert!(page.contains("Nothing needs attention.") && page.contains("0 videos ended: none"), "{page}");
    assert!(page.contains("160 of 160 units left") && page.contains("Nothing was spent lately."), "{page}");

    app.make("a red fox", "480p", 6).await;
    app.make("a red fox", "720p", 6).await;
    app.each_token("ssoSuper", "disable").await;
    app.make("a red fox", "720p", 6).await;

    let page = overview(&browser, "/admin", "3 videos ended: 2 as asked, 1 fallen back").await;
    for said in [
        "ssoSuper has no active token, so it makes no videos.",
        "1 video was made by a lesser pool within the last hour",
        "href=\"/admin/videos?route=fallback&amp;since=1h\"",
        "152 of 160 units left",
        // Two videos in what counts as five minutes: nothing comes back for 20 hours.
        "ssoBasic runs out at ",
        "1.6 units a minute",
        "<a href=\"/admin/tokens?pool=ssoSuper&amp;status=disabled\"><strong>1</strong> disabled</a>",
    ] {
        assert!(page.contains(said), "{said}: {page}");
    }
    assert!(!page.contains("Nothing needs attention."), "{page}");
    for range in ["24h", "7d"] {
        let page = browser.page(&format!("/admin?range={range}")).await;
        assert!(
            page.contains("3 videos ended") && page.contains("data-live=\"/admin/live/course?range="),
            "{page}"
        );
        assert_eq!(page.matches("<title>").count(), 1 + 1, "the page's own, and one bar");
    }
}

#[tokio::test]
async fn a_pool_that_runs_out_is_announced_before_it_does() {
    // 40 units, four a video; nothing comes back for a day.
    let pool = [r#"pools.ssoSuper.quota_units=40"#, r#"pools.ssoSuper.quota_window="24h""#];
    let setup = Setup { tokens: [1, 1], ..Setup::default() }.set(pool[0]).set(pool[1]);
    let app = setup.start().await;
    let browser = Browser::signed_in(&app).await;
    for _ in 0..5 {
        app.make("a red fox", "720p", 6).await;
    }
    let page = overview(&browser, "/admin", "20 of 40 units left").await;
    let page = if page.contains("ssoSuper runs out at") {
        page
    } else {
        overview(&browser, "/admin", "ssoSuper runs out at").await
    };
    assert_eq!(page.matches("ssoSuper runs out at").count(), 2, "on its card, and as what needs attention");
    for _ in 0..5 {
        app.make("a red fox", "720p", 6).await;
    }
    overview(&browser, "/admin", "ssoSuper has too little left for a video until").await;
}

#[tokio::test]
async fn what_was_counted_is_still_there_after_a_stop_and_what_was_written_after_a_kill() {
    let mut app = Setup { tokens: [1, 0], ..Setup::default() }.start().await;
    let mut browser = Browser::signed_in(&app).await;
    app.make("a red fox", "480p", 6).await;
    assert!(app.stop());
    restart(&mut app, &mut browser).await;
    overview(&browser, "/admin", "1 video ended: 1 as asked").await;

    app.make("a red fox", "480p", 6).await;
    assert!(app.stop(), "a minute is written in two parts");
    restart(&mut app, &mut browser).await;
    overview(&browser, "/admin", "2 videos ended: 2 as asked").await;

    app.kill();
    restart(&mut app, &mut browser).await;
    overview(&browser, "/admin", "2 videos ended: 2 as asked").await;
}

#[tokio::test]
async fn the_figures_come_by_themselves_in_the_language_of_the_page() {
    let app = Setup { tokens: [1, 0], ..Setup::default() }.start().await;
    let browser = Browser::signed_in(&app).await;
    for (path, beginning) in
        [("/admin/live", "需要关注"), ("/admin/live/course?range=24h", "24 小时内共结束")]
    {
        let request = browser.request(reqwest::Method::GET, path).header("accept-language", "zh");
        let mut stream = request.send().await.unwrap();
        assert_eq!(stream.headers()["content-type"], "text/event-stream", "{path}");
        let first = stream.chunk().await.unwrap().unwrap();
        let first = String::from_utf8_lossy(&first).into_owned();
        assert!(first.starts_with("event: html\n") && first.contains(beginning), "{path}: {first}");
    }
}
