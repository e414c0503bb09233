//! Tokens by mouse and keyboard: in and out, a long list, many at once, one that was blamed.

use reqwest::Method;
use serde_json::{Value, json};

use super::chrome::{Chrome, Screen};
use super::pages::check;
use crate::app::{Setup, TestApp};

async fn app(tokens: [usize; 2]) -> TestApp {
    Setup { tokens, video_seconds: 0.0, ..Setup::default() }.start().await
}

/// A gateway with 120 tokens, and the operator in front of their list.
async fn many() -> (TestApp, Chrome) {
    let app = app([0, 0]).await;
    let secrets =
        |count: u32, of: &str| (0..count).map(|n| format!("{of}-{n:04}-secret")).collect::<Vec<_>>();
    let tokens = json!({ "ssoBasic": secrets(100, "basic"), "ssoSuper": secrets(20, "super") });
    app.admin(Method::POST, "/tokens/import", Some(tokens)).await;
    let chrome = Chrome::signed_in(&app, Screen::Desk, "en").await;
    chrome.press("header nav a[href='/admin/tokens']").await;
    chrome.read("120 of 120 tokens").await;
    (app, chrome)
}

/// The ids in the rows that are shown.
async fn rows(chrome: &Chrome) -> Vec<String> {
    let ids = chrome.run("return [...document.getElementsByName('id')].map((box) => box.value)").await;
    serde_json::from_value(ids).unwrap()
}

/// Has the only Super token refused by its upstream, and the video that met with it cancelled.
async fn blame(app: &TestApp) {
    let video = app.create("one [unauthorized]", "720p", 6).await;
    let id = video["id"].as_str().unwrap();
    app.job_until(id, "refused", |job| job["attempts"][0]["outcome"] == "refused").await;
    app.admin(Method::POST, &format!("/jobs/{id}/cancel"), None).await;
    assert_eq!(app.token("super-1").await["status"], "cooling");
}

/// How many tokens of a pool are in this state.
async fn count(app: &TestApp, pool: &str, status: &str) -> usize {
    app.tokens(pool).await.iter().filter(|token| token["status"] == status).count()
}

#[tokio::test]
async fn tokens_come_in_one_by_one_and_many_after_a_look() {
    if !super::ready("browser::tokens_come_in_one_by_one_and_many_after_a_look") {
        return;
    }
    let app = app([1, 0]).await;
    let chrome = Chrome::signed_in(&app, Screen::Desk, "en").await;
    chrome.go("/admin/tokens").await;
    chrome.press_button("Add tokens").await;
    chrome.see("textarea[name=text]").await;
    check(&chrome, "/admin/tokens/add", "en", Screen::Desk).await;

    let form = "form[action='/admin/tokens/add']";
    chrome.choose(&format!("{form} select[name=pool]"), "ssoSuper").await;
    chrome.fill(&format!("{form} input[name=token]"), "a-token-typed-by-hand").await;
    chrome.fill(&format!("{form} input[name=tags]"), "eu, spare").await;
    chrome.fill(&format!("{form} input[name=note]"), "from May").await;
    chrome.press_button("Add the token").await;
    chrome.read("The token was added.").await;
    let page = chrome.text().await;
    assert!(page.contains("a-token...") && !page.contains("a-token-typed-by-hand"), "{page}");
    let added = &app.tokens("ssoSuper").await[0];
    assert_eq!(chrome.words("h1").await, added["id"].as_str().unwrap());
    assert_eq!((&added["tags"], &added["note"]), (&json!(["eu", "spare"]), &json!("from May")));

    chrome.go("/admin/tokens/add").await;
    let known = &app.sim_tokens[0][0].secret;
    let lines = format!("first-of-many-0123\n{known}\nhas a space\nfirst-of-many-0123\nsecond-of-many-012\n");
    chrome.choose("form[enctype] select[name=pool]", "ssoBasic").await;
    chrome.fill("textarea[name=text]", &lines).await;
    chrome.press_button("See what would happen").await;
    chrome.read("Twice in the text").await;
    check(&chrome, "/admin/tokens/import/...", "en", Screen::Desk).await;
    let preview = chrome.text().await;
    assert!(preview.contains("line 3") && preview.contains("no credential has: spaces"), "{preview}");
    assert!(!preview.contains("first-of-many-0123"), "{preview}");
    assert_eq!(app.tokens("ssoBasic").await.len(), 1, "nothing is added yet");
    chrome.press_button("Add 2").await;
    chrome.read("Added: 2. There already: 2. Refused: 1.").await;
    assert_eq!(app.tokens("ssoBasic").await.len(), 3);
    assert_eq!(rows(&chrome).await.len(), 4);
}

#[tokio::test]
async fn a_long_list_is_filtered_searched_sorted_and_paged() {
    if !super::ready("browser::a_long_list_is_filtered_searched_sorted_and_paged") {
        return;
    }
    let (app, chrome) = many().await;
    let basic: Vec<Value> = app.tokens("ssoBasic").await.iter().map(|token| token["id"].clone()).collect();
    chrome.choose("select[name=pool]", "ssoBasic").await;
    chrome.press_button("Show").await;
    chrome.read("100 of 120 tokens").await;
    assert_eq!(json!(rows(&chrome).await), json!(basic[..50]));
    chrome.press_button("Next").await;
    chrome.read("Page 2 of 2").await;
    assert_eq!(json!(rows(&chrome).await), json!(basic[50..]));

    // Sorted the other way round, it begins anew, and is still of this pool.
    chrome.press("th[aria-sort=ascending] a").await;
    chrome.see("th[aria-sort=descending] a").await;
    let backwards: Vec<&Value> = basic.iter().rev().take(50).collect();
    assert_eq!(json!(rows(&chrome).await), json!(backwards));
    assert!(chrome.text().await.contains("Page 1 of 2"));

    let wanted = basic[70].as_str().unwrap();
    chrome.fill("input[name=q]", wanted).await;
    chrome.press_button("Show").await;
    chrome.read("1 of 120 tokens").await;
    assert_eq!(rows(&chrome).await, [wanted]);
    chrome.press_button(wanted).await;
    chrome.read("First characters").await;
    assert_eq!(chrome.place().await, format!("/admin/tokens/{wanted}"));
}

#[tokio::test]
async fn ticked_rows_are_disabled_and_all_that_match_enabled() {
    if !super::ready("browser::ticked_rows_are_disabled_and_all_that_match_enabled") {
        return;
    }
    let (app, chrome) = many().await;
    chrome.press_button("Disable").await;
    chrome.read("No token was chosen.").await;
    chrome.was_refused().await;
    chrome.press_button("Back to the list").await;
    chrome.choose("select[name=pool]", "ssoSuper").await;
    chrome.press_button("Show").await;
    chrome.read("20 of 120 tokens").await;
    chrome.press("input[data-all=id]").await;
    // All but the first.
    chrome.press("tbody tr:first-child input[name=id]").await;
    chrome.press_button("Disable").await;
    chrome.read("Disabled: 19.").await;
    assert_eq!(count(&app, "ssoSuper", "disabled").await, 19);
    assert_eq!(rows(&chrome).await.len(), 20, "the list is the one that was looked at");

    chrome.choose("select[name=pool]", "").await;
    chrome.choose("select[name=status]", "disabled").await;
    chrome.press_button("Show").await;
    chrome.read("19 of 120 tokens").await;
    chrome.press("input[name=scope][value=all]").await;
    chrome.press_button("Enable").await;
    chrome.see("main form button[type=submit].primary").await;
    check(&chrome, "/admin/tokens/bulk/...", "en", Screen::Desk).await;
    assert_eq!(count(&app, "ssoSuper", "disabled").await, 19, "nothing is done yet");
    chrome.press_button("Enable (19)").await;
    chrome.read("Enabled: 19.").await;
    assert_eq!(count(&app, "ssoSuper", "active").await, 20);
    // The figures above the list are of all tokens.
    assert!(chrome.words("ul.statuses").await.contains("120 tokens"));
}

#[tokio::test]
async fn a_blamed_token_is_forgiven_reset_noted_and_removed() {
    if !super::ready("browser::a_blamed_token_is_forgiven_reset_noted_and_removed") {
        return;
    }
    let app = app([0, 1]).await;
    let path = format!("/admin/tokens/{}", app.token_ids["super-1"]);
    let chrome = Chrome::signed_in(&app, Screen::Desk, "en").await;
    chrome.go(&path).await;
    assert!(!chrome.text().await.contains("Take back the last blame"));
    blame(&app).await;
    // The figures move by themselves.
    chrome.read("1 in a row").await;
    chrome.reload().await;
    chrome.read("Unauthorized, as the prompt asked.").await;
    check(&chrome, &path, "en", Screen::Desk).await;
    chrome.press_button("Take back the last blame").await;
    chrome.read("The last blame was taken back.").await;
    let token = app.token("super-1").await;
    assert_eq!((&token["status"], &token["fail_count"]), (&json!("active"), &json!(0)), "{token}");

    app.at_provider("super-1", json!({ "remaining": 0 })).await;
    app.make("two", "720p", 6).await;
    assert_eq!(app.token("super-1").await["status"], "cooling");
    chrome.reload().await;
    chrome.press_button("Reset").await;
    chrome.read("Every blame is forgotten.").await;
    assert_eq!(app.token("super-1").await["status"], "active");

    chrome.fill("input[name=tags]", "tired").await;
    chrome.fill("textarea[name=note]", "asks for\ntoo much").await;
    chrome.press_button("Save").await;
    chrome.read("Tags and note are saved.").await;
    let token = app.token("super-1").await;
    let note = token["note"].as_str().unwrap().replace("\r\n", "\n");
    assert_eq!((&token["tags"], &*note), (&json!(["tired"]), "asks for\ntoo much"));
    for deed in ["token.forgive", "token.reset", "token.edit"] {
        assert!(chrome.text().await.contains(deed), "{deed}");
    }

    chrome.press_button("Remove").await;
    chrome.read("their secrets are wiped for good").await;
    assert_eq!(app.tokens("ssoSuper").await.len(), 1, "it is looked at first");
    chrome.press_button("Remove (1)").await;
    chrome.read("Removed: 1.").await;
    assert!(app.tokens("ssoSuper").await.is_empty());
}

#[tokio::test]
async fn tokens_are_saved_as_a_file() {
    if !super::ready("browser::tokens_are_saved_as_a_file") {
        return;
    }
    let app = app([1, 1]).await;
    let secret = app.sim_tokens[0][0].secret.clone();
    let chrome = Chrome::signed_in(&app, Screen::Desk, "en").await;
    chrome.go("/admin/tokens").await;
    chrome.press_button("Export").await;
    chrome.press_button("Download").await;
    let saved: Value = serde_json::from_str(&chrome.saved("filmgate-tokens.json").await).unwrap();
    assert_eq!(saved["ssoSuper"].as_array().unwrap().len(), 1);
    assert!(!saved.to_string().contains(&secret[..30]));

    // Without the tick the browser itself refuses.
    chrome.press_button("Download with secrets").await;
    assert_eq!(chrome.run("return document.querySelector('[name=sure]').validity.valid").await, false);
    chrome.press("input[name=sure]").await;
    chrome.press_button("Download with secrets").await;
    let saved: Value = serde_json::from_str(&chrome.saved("filmgate-tokens.json").await).unwrap();
    assert_eq!(saved["ssoBasic"][0]["token"], secret.as_str());
    let entries = app.admin(Method::GET, "/audit?action=token.export", None).await;
    assert!(entries["entries"][0]["detail"].as_str().unwrap().contains("with their secrets"), "{entries}");
}

#[tokio::test]
async fn the_pages_of_tokens_fit_a_phone_in_the_dark() {
    if !super::ready("browser::the_pages_of_tokens_fit_a_phone_in_the_dark") {
        return;
    }
    let app = app([0, 1]).await;
    app.make("one", "720p", 6).await;
    blame(&app).await;
    let chrome = Chrome::signed_in(&app, Screen::Phone, "zh-CN").await;
    chrome.press("footer button[value=dark]").await;
    chrome.see("html[data-theme=dark]").await;
    let one = format!("/admin/tokens/{}", app.token_ids["super-1"]);
    for path in [&*one, "/admin/tokens/add", "/admin/tokens/export", "/admin/tokens?q=nobody"] {
        chrome.go(path).await;
        check(&chrome, path, "zh-CN", Screen::Phone).await;
    }
    chrome.go("/admin/tokens/add").await;
    chrome.fill("textarea[name=text]", "a-token-of-a-phone-012\nhas a space").await;
    chrome.press("form[enctype] button").await;
    chrome.see("form[action^='/admin/tokens/import/']").await;
    check(&chrome, "/admin/tokens/import/...", "zh-CN", Screen::Phone).await;
    chrome.go(&one).await;
    chrome.press("button[value=remove]").await;
    chrome.see("form[action^='/admin/tokens/bulk/']").await;
    check(&chrome, "/admin/tokens/bulk/...", "zh-CN", Screen::Phone).await;
}
