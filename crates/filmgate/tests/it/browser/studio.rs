//! The studio in a browser: a video is made by form, watched as it comes, played, and copied as code.

use filmgate_simulator::Render;
use reqwest::Method;

use super::chrome::{Chrome, Screen};
use super::pages::check;
use super::videos::plays;
use crate::app::Setup;

/// Copies, or marks for copying: that depends on what the browser allows.
async fn copies(chrome: &Chrome, id: &str) {
    chrome.press(&format!("button[data-copy={id}]")).await;
    chrome
        .until(&format!(
            "const code = document.getElementById('{id}').textContent; \
             return document.querySelector('button[data-copy={id}]').innerText === 'Copied' \
               || getSelection().toString().trim() === code.trim()"
        ))
        .await;
}

#[tokio::test]
async fn a_video_is_made_by_form_watched_and_played() {
    if !super::ready("browser::a_video_is_made_by_form_watched_and_played") {
        return;
    }
    let mut setup = Setup { video_seconds: 3.0, ..Setup::default() };
    setup.simulator = |config| config.render = Render::Small;
    let app = setup.start().await;
    let chrome = Chrome::signed_in(&app, Screen::Desk, "en").await;
    chrome.press("header nav a[href='/admin/studio']").await;
    chrome.fill("textarea[name=prompt]", "a red fox, 狐狸").await;
    chrome.choose("select[name=resolution]", "720p").await;
    chrome.fill("input[name=seconds]", "8").await;
    chrome.choose("select[name=aspect_ratio]", "9:16").await;

    chrome.press_button("Check first").await;
    chrome.read("ssoSuper would be asked for 720p 8s 9:16.").await;
    chrome.read("ssoBasic: cannot deliver 720p 8s").await;
    copies(&chrome, "code-curl").await;
    check(&chrome, "a request that was checked", "en", Screen::Desk).await;
    assert!(app.simulator.generations().is_empty(), "nothing was made yet");

    chrome.press_button("Make the video").await;
    chrome.read("The video is accepted. This page follows it.").await;
    chrome.read("In the making:").await;
    let place = chrome.place().await;
    plays(&chrome, [720, 1280]).await;
    assert_eq!(chrome.place().await, place);
    chrome.read("The file is what was asked for.").await;
    for (name, id) in [("Python", "code-python"), ("Node", "code-node")] {
        let summary =
            format!("[...document.querySelectorAll('summary')].find((one) => one.innerText === '{name}')");
        chrome.run(&format!("{summary}.click()")).await;
        copies(&chrome, id).await;
    }
    check(&chrome, "a video with its code", "en", Screen::Desk).await;

    chrome.press_button("Change it in the studio").await;
    chrome.until("return location.pathname === '/admin/studio'").await;
    let filled =
        "return document.querySelector('textarea').value + document.querySelector('[name=seconds]').value";
    assert_eq!(chrome.run(filled).await, "a red fox, 狐狸8");
    chrome.read("The studio's last videos").await;
    let jobs = app.admin(Method::GET, "/jobs?caller=studio", None).await;
    assert_eq!(jobs["jobs"].as_array().unwrap().len(), 1, "{jobs}");
}

#[tokio::test]
async fn what_is_wrong_is_told_beside_its_field() {
    if !super::ready("browser::what_is_wrong_is_told_beside_its_field") {
        return;
    }
    let app = Setup::default().start().await;
    let chrome = Chrome::signed_in(&app, Screen::Phone, "en").await;
    chrome.press("footer button[value=dark]").await;
    chrome.see("html[data-theme=dark]").await;
    chrome.go("/admin/studio").await;
    chrome.fill("textarea[name=prompt]", "a red fox").await;
    // The browser sees this itself.
    chrome.fill("input[name=seconds]", "0").await;
    chrome.press_button("Make the video").await;
    assert_eq!(
        chrome.run("return document.querySelector('[name=seconds]').validity.rangeUnderflow").await,
        true
    );
    assert_eq!(chrome.place().await, "/admin/studio");
    chrome.fill("input[name=seconds]", "6").await;
    chrome.choose("select[name=resolution]", "1080p").await;
    chrome.press_button("Make the video").await;
    chrome.see("select[name=resolution][aria-invalid=true][aria-describedby=wrong-resolution]").await;
    let told = "return document.querySelector('select[name=resolution]').closest('label').querySelector('.wrong').innerText";
    assert!(chrome.run(told).await.as_str().unwrap().contains("1080p"), "it is beside the field");
    let kept = "return document.querySelector('textarea[name=prompt]').value";
    assert_eq!(chrome.run(kept).await, "a red fox");
    chrome.was_refused().await;
    check(&chrome, "a form with a mistake", "en", Screen::Phone).await;
    chrome.choose("select[name=resolution]", "480p").await;
    chrome.fill("textarea[name=prompt]", "  ").await;
    chrome.press_button("Make the video").await;
    chrome.see("#wrong-prompt").await;
    assert!(app.simulator.generations().is_empty());
    chrome.fill("textarea[name=prompt]", "a red fox").await;
    chrome.press_button("Make the video").await;
    chrome.read("The video is accepted.").await;
}
