//! The clients' pages: callers with what they use, limits, keys that are shown once.

use reqwest::header::LOCATION;
use reqwest::{Method, StatusCode};
use serde_json::json;

use super::Browser;
use crate::app::{Setup, TestApp};

async fn app() -> TestApp {
    Setup { tokens: [2, 2], ..Setup::default() }.start().await
}

/// The text between two marks.
fn between<'a>(page: &'a str, before: &str, after: &str) -> Option<&'a str> {
    page.split_once(before)?.1.split_once(after).map(|(text, _)| text)
}

/// Where a caller's page is.
async fn address(app: &TestApp, name: &str) -> String {
    let callers = app.admin(Method::GET, "/callers", None).await;
    let caller = callers["callers"].as_array().unwrap().iter().find(|caller| caller["name"] == name).unwrap();
    format!("/admin/clients/{}", caller["id"].as_str().unwrap())
}

async fn works(app: &TestApp, key: &str) -> bool {
    app.request_as(key, Method::GET, "/v1/models", None).await.status() == StatusCode::OK
}

async fn actions(app: &TestApp) -> Vec<String> {
    let audit = app.admin(Method::GET, "/audit", None).await;
    let by_page = audit["entries"].as_array().unwrap().iter().filter(|entry| entry["via"] == "page").cloned();
    by_page.map(|entry| entry["action"].as_str().unwrap().to_owned()).collect()
}

#[tokio::test]
async fn a_caller_is_made_and_its_key_is_shown_once() {
    let app = app().await;
    let browser = Browser::signed_in(&app).await;
    let answer = browser.post("/admin/clients", &[("name", " Kurzfilm <b> ")]).await;
    assert_eq!(answer.status(), StatusCode::SEE_OTHER);
    let location = answer.headers()[LOCATION].to_str().unwrap().to_owned();
    assert!(location.starts_with("/admin/clients/caller_") && !location.contains("fg-"), "{location}");
    let shown = browser.get(&location).await;
    assert_eq!(shown.headers()["cache-control"], "no-store");
    let page = shown.text().await.unwrap();
    let key = between(&page, "<code id=\"fresh-key\">", "</code>").expect("the key").to_owned();
    assert!(works(&app, &key).await);
    assert!(page.contains("data-copy=\"fresh-key\"") && page.contains("Kurzfilm &lt;b&gt;"), "{page}");

    let again = browser.page(&location).await;
    assert!(!again.contains(&key) && !again.contains("fresh-key"), "a reload shows it again");
    assert!(again.contains("was shown once") && again.contains(&key[..7]), "{again}");
    assert!(!browser.page("/admin/clients").await.contains(&key));
    assert!(!app.logs().contains(&key), "the key is in the log");
    assert_eq!(actions(&app).await, ["key.create", "caller.create", "session.begin"]);

    let taken = browser.post("/admin/clients", &[("name", "Kurzfilm <b>")]).await;
    assert_eq!(taken.status(), StatusCode::CONFLICT);
    let page = taken.text().await.unwrap();
    assert!(page.contains("role=\"alert\"") && page.contains("already"), "{page}");
    let long = "x".repeat(81);
    for wrong in ["", "  ", &*long] {
        let answer = browser.post("/admin/clients", &[("name", wrong)]).await;
        assert_eq!(answer.status(), StatusCode::BAD_REQUEST);
        assert!(answer.text().await.unwrap().contains("A name has 1 to 80 characters."));
    }
    assert_eq!(actions(&app).await.len(), 3, "nothing was made");
}

#[tokio::test]
async fn another_session_is_not_shown_a_key() {
    let app = app().await;
    let (maker, other) = (Browser::signed_in(&app).await, Browser::signed_in(&app).await);
    let answer = maker.post("/admin/clients", &[("name", "studio")]).await;
    let location = answer.headers()[LOCATION].to_str().unwrap().to_owned();
    assert!(!other.page(&location).await.contains("fresh-key"));
    assert!(maker.page(&location).await.contains("fresh-key"));
}

#[tokio::test]
async fn keys_are_added_replaced_and_revoked() {
    let app = app().await;
    let browser = Browser::signed_in(&app).await;
    let address = address(&app, "tests").await;
    let page = browser.act(&format!("{address}/keys"), &[("name", "phone")]).await;
    let phone = between(&page, "<code id=\"fresh-key\">", "</code>").unwrap().to_owned();
    let id =
        between(&page, "<th scope=\"row\">phone<br><span class=\"hint\">", "</span>").unwrap().to_owned();

    let rotate = format!("{address}/keys/{id}/rotate");
    let page = browser.act(&rotate, &[("keep", "3600")]).await;
    let second = between(&page, "<code id=\"fresh-key\">", "</code>").unwrap().to_owned();
    assert!(page.contains("valid until") && works(&app, &phone).await && works(&app, &second).await);
    let page = browser.act(&rotate, &[("keep", "0")]).await;
    let third = between(&page, "<code id=\"fresh-key\">", "</code>").unwrap().to_owned();
    assert!(!works(&app, &phone).await && works(&app, &second).await && works(&app, &third).await);

    let revoke = format!("{address}/keys/{id}/revoke");
    for path in [&rotate, &revoke] {
        let answer = browser.post(path, &[("keep", "0")]).await;
        assert!([StatusCode::CONFLICT, StatusCode::NOT_FOUND].contains(&answer.status()), "{path}");
        assert!(answer.text().await.unwrap().contains("role=\"alert\""));
    }
    let listed = app.admin(Method::GET, "/keys", None).await;
    let hint = format!("{}...", &third[..7]);
    let key = listed["keys"].as_array().unwrap().iter().find(|key| key["key"] == hint).unwrap();
    let page = browser.act(&format!("{address}/keys/{}/revoke", key["id"].as_str().unwrap()), &[]).await;
    assert!(page.contains("The key was revoked.") && !works(&app, &third).await);
    assert_eq!(
        actions(&app).await,
        ["key.revoke", "key.rotate", "key.rotate", "key.create", "session.begin"]
    );
    assert!(works(&app, &app.client_key).await);
}

#[tokio::test]
async fn a_key_is_reached_through_its_own_caller_only() {
    let app = app().await;
    let browser = Browser::signed_in(&app).await;
    let made = app.admin(Method::POST, "/keys", Some(json!({ "name": "other" }))).await;
    let address = address(&app, "tests").await;
    let path = format!("{address}/keys/{}/revoke", made["id"].as_str().unwrap());
    assert_eq!(browser.post(&path, &[]).await.status(), StatusCode::NOT_FOUND);
    assert!(works(&app, made["key"].as_str().unwrap()).await);
    for nobody in ["/admin/clients/caller_99", "/admin/clients/x", "/admin/clients/%FF"] {
        assert_eq!(browser.get(nobody).await.status(), StatusCode::NOT_FOUND, "{nobody}");
        let answer = browser.post(&format!("{nobody}/keys"), &[("name", "x")]).await;
        assert_eq!(answer.status(), StatusCode::NOT_FOUND, "{nobody}");
    }
}

#[tokio::test]
async fn limits_are_set_and_what_is_used_is_shown() {
    let app = app().await;
    let browser = Browser::signed_in(&app).await;
    let address = address(&app, "tests").await;
    let path = format!("{address}/limits");
    let typed = [("max_in_flight", "3"), ("requests_per_minute", ""), ("units_per_day", " 8 ")];
    let page = browser.act(&path, &typed).await;
    assert!(
        page.contains("The limits are in force.") && page.contains("0 of 3") && page.contains("0 of 8"),
        "{page}"
    );
    assert_eq!(actions(&app).await[0], "caller.limit");
    app.make("a fox", "480p", 6).await;
    let page = browser.page(&address).await;
    assert!(
        page.contains("4 of 8") && page.contains("value=\"3\"") && page.contains("value=\"8\""),
        "{page}"
    );
    let list = browser.page("/admin/clients").await;
    assert!(list.contains("4 of 8") && list.contains(&format!("href=\"{address}\"")), "{list}");

    for wrong in ["0", "-1", "many", "4294967296", "1.5"] {
        let answer = browser.post(&path, &[("max_in_flight", wrong), ("units_per_day", "9")]).await;
        assert_eq!(answer.status(), StatusCode::BAD_REQUEST, "{wrong}");
        let page = answer.text().await.unwrap();
        assert!(
            page.contains(&format!("value=\"{wrong}\"")) && page.contains("Nothing was changed."),
            "{page}"
        );
    }
    app.make("a fox", "480p", 6).await;
    let refused = app.request(Method::POST, "/v1/videos", Some(json!({ "prompt": "a fox" }))).await;
    assert_eq!(refused.status(), StatusCode::TOO_MANY_REQUESTS);
    browser.act(&path, &[]).await;
    assert!(!browser.page(&address).await.contains(" of 8"), "empty lifts all");
    app.make("a fox", "480p", 6).await;
}

#[tokio::test]
async fn the_days_and_the_way_to_videos_webhook_and_setup_are_there() {
    let app = app().await;
    let browser = Browser::signed_in(&app).await;
    app.make("a fox", "480p", 6).await;
    app.make("[moderate]", "480p", 6).await;
    app.admin(Method::PUT, "/webhooks/tests", Some(json!({ "url": "https://a.example/hook?a=1&b=2" }))).await;
    let address = address(&app, "tests").await;
    let id = address.rsplit('/').next().unwrap();
    let page = browser.page(&address).await;
    let days = between(&page, "<h2 id=\"days\">", "</section>").unwrap();
    assert_eq!(days.matches("<th scope=\"row\">").count(), 14);
    assert!(
        days.contains("<td class=\"number\">2</td>") && days.contains("<td class=\"number\">1</td>"),
        "{days}"
    );
    assert!(page.contains(&format!("/admin/videos?caller={id}")), "{page}");
    assert!(page.contains("https://a.example/hook?a=1&amp;b=2"), "{page}");
    for part in
        ["/v1</code>", "client.videos.create_and_poll(", "client.videos.downloadContent(", "ID=$(curl -sf"]
    {
        assert!(page.contains(part), "{part}");
    }
    assert!(!page.contains("{base}"));
}

#[tokio::test]
async fn callers_are_found_by_their_name_and_shown_in_pages() {
    let app = app().await;
    let browser = Browser::signed_in(&app).await;
    for n in 0..105 {
        app.new_key(&format!("app {n:03}")).await;
    }
    let rows = |page: &str| page.matches("<tr><th scope=\"row\">").count();
    let first = browser.page("/admin/clients").await;
    assert_eq!(rows(&first), 100);
    let second = browser.page("/admin/clients?page=2").await;
    assert_eq!(rows(&second), 7, "with that of the tests and that of the first start");
    assert!(second.contains("aria-current=\"page\">2</a>"), "{second}");
    let found = browser.page("/admin/clients?q=APP+10").await;
    assert_eq!(rows(&found), 5);
    assert!(found.contains("data-live=\"/admin/clients/live?q=APP+10&amp;page=1\""), "{found}");
    assert!(browser.page("/admin/clients?q=nobody").await.contains("No caller has such a name."));
}

#[tokio::test]
async fn the_figures_are_live() {
    let app = app().await;
    let browser = Browser::signed_in(&app).await;
    for path in ["/admin/clients/live", &format!("{}/live", address(&app, "tests").await)] {
        let mut stream = browser.request(Method::GET, path).send().await.unwrap();
        assert_eq!(stream.headers()["content-type"], "text/event-stream");
        let mut seen = String::new();
        let mut until = async |wanted: &str| {
            while !seen.contains(wanted) {
                let chunk = stream.chunk().await.unwrap().expect("the stream goes on");
                seen.push_str(&String::from_utf8_lossy(&chunk));
            }
        };
        until("event: html").await;
        app.admin(Method::PATCH, "/callers/tests", Some(json!({ "limits": { "units_per_day": 77 } }))).await;
        until("0 of 77").await;
        app.admin(Method::PATCH, "/callers/tests", Some(json!({ "limits": { "units_per_day": null } })))
            .await;
    }
}

#[tokio::test]
async fn it_speaks_chinese() {
    let app = app().await;
    let browser = Browser::signed_in(&app).await;
    let address = address(&app, "tests").await;
    for (path, words) in [("/admin/clients", ["调用方", "新建调用方"]), (&*address, ["限额", "每日视频"])]
    {
        let page =
            browser.request(Method::GET, path).header("accept-language", "zh-CN").send().await.unwrap();
        let page = page.text().await.unwrap();
        assert!(words.iter().all(|word| page.contains(word)), "{page}");
        assert!(!page.contains("Unknown local"), "{page}");
    }
}
