//! Settings on the page: what is in effect, webhooks, upstreams, the audit trail, who is signed in.

use reqwest::header::LOCATION;
use reqwest::{Method, StatusCode};
use serde_json::json;

use super::Browser;
use crate::app::{Setup, TestApp};
use crate::shell::Shell;

async fn app() -> TestApp {
    Setup { tokens: [1, 1], video_seconds: 0.0, ..Setup::default() }
        .set("outside.allow_private=true")
        .set("webhooks.first_retry=\"1h\"")
        .start()
        .await
}

#[tokio::test]
async fn every_value_is_shown_with_its_source() {
    let env = vec![("FILMGATE__MEDIA__KEEP", "3d".to_owned())];
    let app = Setup { tokens: [0, 0], env, ..Setup::default() }.start().await;
    app.admin(Method::PATCH, "/config", Some(json!({ "set": { "video.busy_wait": "9s" } }))).await;
    let browser = Browser::signed_in(&app).await;
    let page = browser.page("/admin/settings").await;
    let file = app.data_dir().join("filmgate.toml").display().to_string();
    for part in [
        "environment FILMGATE__MEDIA__KEEP",
        &format!("{file}:2"),
        "--set",
        "default",
        "The pools in use, from weakest to strongest.",
        "<code>[pools.ssoBasic]</code>",
        "1 browser is signed in.",
        "SQLite",
        env!("CARGO_PKG_VERSION"),
    ] {
        assert!(page.contains(part), "{part} in {page}");
    }
    let found = browser.page("/admin/settings?filter=busy_WAIT").await;
    assert!(found.contains("<code>busy_wait</code>") && !found.contains("<code>keep</code>"), "{found}");
    let own = browser.page("/admin/settings?own=1").await;
    assert!(own.contains("<code>keep</code>") && !own.contains("<code>link_ttl</code>"));
    assert!(browser.page("/admin/settings?filter=nonsense").await.contains("No setting fits."));
    let chinese =
        browser.request(Method::GET, "/admin/settings").header("accept-language", "zh").send().await;
    assert!(chinese.unwrap().text().await.unwrap().contains("环境变量 FILMGATE__MEDIA__KEEP"));
}

#[tokio::test]
async fn what_waits_for_a_restart_is_told() {
    let mut app = app().await;
    let mut browser = Browser::signed_in(&app).await;
    assert!(!browser.page("/admin/settings").await.contains("Changed, but not in effect"));
    app.admin(Method::PATCH, "/config", Some(json!({ "set": { "server.header_timeout": "11s" } }))).await;
    let told = "Changed, but not in effect before the next start: server.header_timeout";
    assert!(browser.page("/admin/settings").await.contains(told));
    app.kill();
    app.launch().await;
    browser.url = app.url.clone();
    assert!(!browser.page("/admin/settings").await.contains("Changed, but not in effect"));
}

#[tokio::test]
async fn a_bad_file_is_told_line_by_line_and_not_used() {
    let app = app().await;
    let browser = Browser::signed_in(&app).await;
    let file = app.data_dir().join("filmgate.toml");
    std::fs::write(&file, "[video]\nbusy_wait = \"soon\"\nupgrade_reserve = 2\n").unwrap();
    let answer = browser.post("/admin/settings/reload", &[]).await;
    assert_eq!(answer.status(), StatusCode::BAD_REQUEST);
    let page = answer.text().await.unwrap();
    for part in ["the old one stays in use", "filmgate.toml:2:13: `video.busy_wait`", "filmgate.toml:3:19:"] {
        assert!(page.contains(part), "{part} in {page}");
    }
    std::fs::write(&file, "[video]\nbusy_wait = \"2s\"\n").unwrap();
    let page = browser.act("/admin/settings/reload", &[]).await;
    assert!(page.contains("read again: 1 value is different."), "{page}");
    let audit = browser.page("/admin/settings/audit?action=config.").await;
    assert!(
        audit.contains("config.reload") && audit.contains("&quot;20s&quot; -&gt; &quot;2s&quot;"),
        "{audit}"
    );
}

#[tokio::test]
async fn a_webhook_from_its_first_address_to_its_end() {
    let app = app().await;
    let browser = Browser::signed_in(&app).await;
    let path = "/admin/settings/webhooks";
    assert!(browser.page(path).await.contains("No address and no secret so far."));
    let secret_in = |page: &str| {
        let rest = page.split_once("id=\"webhook-secret\">").map(|(_, rest)| rest.to_owned());
        rest.and_then(|rest| rest.split_once('<').map(|(secret, _)| secret.to_owned()))
    };
    // Nobody listens there.
    let url = "http://127.0.0.1:9/hook-of-secret?key=secret";
    let set = browser.post(&format!("{path}/set"), &[("caller", "tests"), ("url", url)]).await;
    assert_eq!(set.status(), StatusCode::OK);
    let first = secret_in(&set.text().await.unwrap()).expect("a secret");
    assert!(first.starts_with("whsec_"));
    let page = browser.page(path).await;
    assert!(page.contains(&format!("value=\"{url}\"")) && !page.contains("whsec_"), "{page}");
    let tested = browser.post(&format!("{path}/test"), &[("caller", "tests")]).await;
    assert!(tested.text().await.unwrap().contains("The test for tests was not delivered:"));

    app.make("a fox", "480p", 6).await;
    let mut page = String::new();
    for _ in 0..400 {
        page = browser.page(&format!("{path}?state=pending")).await;
        if page.contains("td class=\"number\">1<") {
            break;
        }
        tokio::time::sleep(std::time::Duration::from_millis(25)).await;
    }
    let (_, rest) = page.split_once("name=\"id\" value=\"evt_").expect("a delivery that was tried");
    let delivery = format!("evt_{}", rest.split_once('"').unwrap().0);
    assert!(browser.page(&format!("{path}?state=delivered")).await.contains("There are no such deliveries."));
    let retried = browser.act(&format!("{path}/retry"), &[("id", &delivery)]).await;
    assert!(retried.contains("It is sent again as soon as there is room."));

    let rotated = browser.post(&format!("{path}/rotate"), &[("caller", "tests")]).await.text().await.unwrap();
    assert_ne!(secret_in(&rotated).expect("a secret"), first);
    assert!(rotated.contains("The one before signs as well for a day."));
    let bad = browser.post(&format!("{path}/set"), &[("caller", "tests"), ("url", "ftp://x")]).await;
    assert_eq!(bad.status(), StatusCode::BAD_REQUEST);
    let nobody = browser.post(&format!("{path}/rotate"), &[("caller", "nobody")]).await;
    assert_eq!(nobody.status(), StatusCode::NOT_FOUND);
    let removed = browser.act(&format!("{path}/remove"), &[("caller", "tests")]).await;
    assert!(removed.contains("Address and secret are removed."));

    let trail = app.admin(Method::GET, "/audit?action=webhook.", None).await;
    let actions = trail["entries"].as_array().unwrap().iter().map(|entry| entry["action"].as_str().unwrap());
    let expected = ["webhook.remove", "webhook.rotate", "webhook.retry", "webhook.test", "webhook.set"];
    assert_eq!(actions.collect::<Vec<_>>(), expected);
    let trail = trail.to_string();
    assert!(trail.contains("http://127.0.0.1:9\"") && !trail.contains("secret") && !trail.contains("whsec_"));
}

#[tokio::test]
async fn an_upstream_is_checked_token_by_token() {
    let app = app().await;
    app.at_provider("super-1", json!({ "valid": false })).await;
    let browser = Browser::signed_in(&app).await;
    let path = "/admin/settings/upstreams";
    assert!(browser.page(path).await.contains("ssoBasic, ssoSuper"));
    let page = browser.post(&format!("{path}/check"), &[("name", "xai")]).await.text().await.unwrap();
    assert!(page.contains("1 of 2 answered well.") && page.contains("credential accepted"), "{page}");
    assert!(page.contains(&format!("href=\"/admin/tokens/{}\"", app.token_ids["super-1"])));
    let missing = browser.post(&format!("{path}/check"), &[("name", "other")]).await;
    assert_eq!(missing.status(), StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn the_audit_trail_is_paged_and_filtered() {
    let app = app().await;
    for nth in 1..=60 {
        let set = json!({ "set": { "video.upgrade_reserve": f64::from(nth) / 100.0 } });
        app.admin(Method::PATCH, "/config", Some(set)).await;
    }
    let browser = Browser::signed_in(&app).await;
    let first = browser.page("/admin/settings/audit?subject=video.upgrade_reserve").await;
    assert_eq!(first.matches("config.change</code>").count(), 50);
    assert!(first.contains("0.59 -&gt; 0.6<") && !first.contains("session.begin</code>"), "{first}");
    let (_, rest) = first.split_once("rel=\"next\" href=\"").expect("a next page");
    let next = rest.split_once('"').unwrap().0.replace("&amp;", "&");
    let second = browser.page(&next).await;
    assert!(second.contains("0.2 -&gt; 0.01<"), "{second}");
    assert!(!second.contains("rel=\"next\""), "{second}");

    let shell = Shell::of(&app);
    let shown = shell.ok(&["audit", "--subject", "video.upgrade_reserve", "--limit", "2"]);
    assert!(shown.contains("config.change") && shown.contains("0.59 -> 0.6"), "{shown}");
    let shown: serde_json::Value =
        serde_json::from_str(&shell.ok(&["audit", "--action", "session.", "--json"])).unwrap();
    assert_eq!(shown["entries"][0]["action"], "session.begin");
}

#[tokio::test]
async fn everybody_is_signed_out_at_once() {
    let app = app().await;
    let (one, other) = (Browser::signed_in(&app).await, Browser::signed_in(&app).await);
    assert!(one.page("/admin/settings").await.contains("2 browsers are signed in."));
    let answer = one.post("/admin/settings/sign-out-everywhere", &[]).await;
    assert_eq!(answer.headers()[LOCATION], "/admin/sign-in");
    for browser in [one, other] {
        assert_eq!(browser.get("/admin/settings").await.status(), StatusCode::SEE_OTHER);
    }
    let trail = app.admin(Method::GET, "/audit?action=session.end_all", None).await;
    assert_eq!(trail["entries"][0]["detail"], "2 signed out");
}
