//! Videos in a browser: found, followed, played, cancelled, made again.

use filmgate_simulator::Render;
use serde_json::{Value, json};

use super::chrome::{Chrome, Screen};
use super::pages::check;
use crate::app::{Setup, TestApp};

/// A gateway whose provider makes real pictures.
async fn filming(video_seconds: f64) -> TestApp {
    let simulator: fn(&mut filmgate_simulator::SimulatorConfig) = |config| config.render = Render::Small;
    Setup { video_seconds, simulator, ..Setup::default() }.start().await
}

fn id_of(video: &Value) -> &str {
    video["id"].as_str().unwrap()
}

/// Plays the video on the page: its time goes on, and its picture is of this size.
pub(super) async fn plays(chrome: &Chrome, size: [u32; 2]) {
    chrome.see("video.player").await;
    chrome
        .run(
            "const video = document.querySelector('video'); video.muted = true; window.refused = null; \
             video.play().catch((error) => { window.refused = `${error}` })",
        )
        .await;
    chrome.until("return refused !== null || document.querySelector('video').currentTime > 0.5").await;
    let seen = chrome
        .run("const { videoWidth, videoHeight, paused } = document.querySelector('video'); return { refused, paused, size: [videoWidth, videoHeight] }")
        .await;
    assert_eq!(seen, json!({ "refused": null, "paused": false, "size": size }));
}

#[tokio::test]
async fn an_unfinished_video_is_followed_until_it_plays() {
    if !super::ready("browser::an_unfinished_video_is_followed_until_it_plays") {
        return;
    }
    // Long enough for a slow machine to look at it meanwhile.
    let app = filming(10.0).await;
    let chrome = Chrome::signed_in(&app, Screen::Desk, "en").await;
    let video = app.create("a red fox", "720p", 10).await;
    chrome.go("/admin/videos").await;
    chrome.press(&format!("main a[href='/admin/videos/{}']", id_of(&video))).await;
    chrome.read("In the making:").await;
    assert_eq!(chrome.run("return document.querySelector('video')").await, Value::Null);
    check(&chrome, "an unfinished video", "en", Screen::Desk).await;
    chrome.see("video.player").await;
    chrome.read("The file is what was asked for.").await;
    plays(&chrome, [1280, 720]).await;
    check(&chrome, "a video", "en", Screen::Desk).await;
    // One can jump in it.
    chrome.run("document.querySelector('video').currentTime = 8").await;
    chrome.until("return document.querySelector('video').currentTime > 8.2").await;
}

#[tokio::test]
async fn a_downgraded_video_tells_what_was_asked_sent_and_delivered() {
    if !super::ready("browser::a_downgraded_video_tells_what_was_asked_sent_and_delivered") {
        return;
    }
    let app = filming(0.05).await;
    let video = app.make("[lie] a red fox", "720p", 6).await;
    let chrome = Chrome::signed_in(&app, Screen::Phone, "zh-CN").await;
    chrome.press("footer button[value=dark]").await;
    chrome.see("html[data-theme=dark]").await;
    chrome.go(&format!("/admin/videos/{}", id_of(&video))).await;
    chrome.read("720p 变成了 752x416").await;
    check(&chrome, "a downgraded video", "zh-CN", Screen::Phone).await;
    chrome.press("footer button[lang=en]").await;
    chrome.read("The file is less than what was asked for: 720p became 752x416.").await;
    assert!(chrome.place().await.ends_with(id_of(&video)), "one stays where one is");
    let rows = "return [...document.querySelectorAll('main tbody tr')].map((row) => row.innerText.split(/\\s*\\t\\s*/))";
    let rows = chrome.run(rows).await;
    let resolution = rows.as_array().unwrap().iter().find(|row| row[0] == "Resolution").unwrap();
    assert_eq!((&resolution[1], &resolution[2]), (&json!("720p"), &json!("720p")), "{resolution}");
    assert!(resolution[3].as_str().unwrap().starts_with("480p"), "{resolution}");
    chrome.read("The upstream was asked for more than it delivered.").await;
    plays(&chrome, [752, 416]).await;
}

#[tokio::test]
async fn the_list_is_narrowed_and_tells_what_is_new() {
    if !super::ready("browser::the_list_is_narrowed_and_tells_what_is_new") {
        return;
    }
    let app = Setup::default().start().await;
    app.make("a fox", "480p", 6).await;
    let failed = app.make("a fox [fail]", "480p", 6).await;
    app.make("[lie] a fox", "720p", 6).await;
    let chrome = Chrome::signed_in(&app, Screen::Desk, "en").await;
    chrome.go("/admin/videos").await;
    let rows = "return document.querySelectorAll('main tbody tr').length";
    assert_eq!(chrome.run(rows).await, 3);
    chrome.choose("select[name=state]", "failed").await;
    chrome.press_button("Show").await;
    chrome.until("return document.querySelectorAll('main tbody tr').length === 1").await;
    chrome.see(&format!("main tbody a[href='/admin/videos/{}']", id_of(&failed))).await;
    assert!(chrome.place().await.contains("state=failed"));
    chrome.press_button("Show all").await;
    chrome.until("return document.querySelectorAll('main tbody tr').length === 3").await;
    chrome.choose("select[name=verdict]", "downgraded").await;
    chrome.choose("select[name=pool]", "ssoSuper").await;
    chrome.fill("input[name=caller]", "tests").await;
    chrome.press_button("Show").await;
    chrome.until("return document.querySelectorAll('main tbody tr').length === 1").await;
    chrome.read("720p 6s 16:9 → 752x416 6.0s").await;
    chrome.fill("input[name=caller]", "nobody").await;
    chrome.press_button("Show").await;
    chrome.see(".note.bad[role=alert]").await;

    chrome.go("/admin/videos").await;
    chrome.was_refused().await;
    app.create("a hare", "480p", 6).await;
    chrome.read("1 new since this page was loaded: show them").await;
    assert_eq!(chrome.run(rows).await, 3, "nothing moves below the reader's eyes");
    chrome.press(".news a").await;
    chrome.until("return document.querySelectorAll('main tbody tr').length === 4").await;
    chrome.fill("input[name=id]", id_of(&failed)).await;
    chrome.press_button("Show").await;
    chrome.read("The upstream's answer:").await;
    chrome.read("The simulated generation failed, as its prompt asked.").await;
    check(&chrome, "a failed video", "en", Screen::Desk).await;
}

#[tokio::test]
async fn every_attempt_is_told_with_the_words_of_its_upstream() {
    if !super::ready("browser::every_attempt_is_told_with_the_words_of_its_upstream") {
        return;
    }
    let app = Setup::default().start().await;
    let name = app.sim_tokens[0][0].name.clone();
    let other = app.sim_tokens[0][1].name.clone();
    app.at_provider(&name, json!({ "valid": false })).await;
    // Nothing else is in its pool.
    app.with_token(&other, "disable").await;
    let video = app.make("a fox", "480p", 6).await;
    let attempts = app.job(id_of(&video)).await["attempts"].as_array().unwrap().len();
    assert!(attempts > 1, "it was tried again elsewhere: {video}");
    let chrome = Chrome::signed_in(&app, Screen::Desk, "en").await;
    chrome.go(&format!("/admin/videos/{}", id_of(&video))).await;
    let shown = chrome.run("return document.querySelectorAll('article.attempt').length").await;
    assert_eq!(shown, attempts);
    let words = chrome.run("return document.querySelector('article.attempt pre').innerText").await;
    assert!(words.as_str().unwrap().contains("401"), "{words}");
    chrome.press("article.attempt dd a").await;
    chrome.until("return location.pathname.startsWith('/admin/tokens/tok_')").await;
}

#[tokio::test]
async fn a_video_is_cancelled_and_made_again() {
    if !super::ready("browser::a_video_is_cancelled_and_made_again") {
        return;
    }
    let app = Setup { video_seconds: 60.0, ..Setup::default() }.start().await;
    let video = app.create("a fox", "480p", 6).await;
    app.reaches(id_of(&video), "running").await;
    let chrome = Chrome::signed_in(&app, Screen::Desk, "en").await;
    let here = format!("/admin/videos/{}", id_of(&video));
    chrome.go(&here).await;
    chrome.press_button("Cancel").await;
    chrome.page.dismiss_alert().await.unwrap();
    assert_eq!(app.job(id_of(&video)).await["state"], "running", "nobody said yes");
    chrome.press_button("Cancel").await;
    chrome.confirm().await;
    chrome.read("The video is cancelled.").await;
    app.ended(id_of(&video)).await;
    assert_eq!(chrome.run("return document.querySelector('button.danger')").await, Value::Null);
    check(&chrome, "a cancelled video", "en", Screen::Desk).await;

    chrome.press_button("Make again").await;
    chrome.confirm().await;
    chrome.read("The same request was made once more.").await;
    let place = chrome.place().await;
    assert!(place.starts_with("/admin/videos/video_") && !place.starts_with(&here), "{place}");
    chrome.press(&format!(".note a[href='{here}']")).await;
    chrome.until(&format!("return location.pathname === '{here}'")).await;
}
