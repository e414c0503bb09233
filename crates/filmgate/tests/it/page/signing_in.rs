//! Who gets in, who does not, and how long.

use reqwest::header::{LOCATION, RETRY_AFTER, SET_COOKIE};
use reqwest::{Method, StatusCode};

use super::Browser;
use crate::app::{ADMIN_KEY, Setup, TestApp};

async fn app() -> TestApp {
    Setup { tokens: [0, 0], ..Setup::default() }.start().await
}

#[tokio::test]
async fn without_the_key_nothing_is_shown() {
    let app = app().await;
    let browser = Browser::new(&app);
    for path in
        ["/admin", "/admin/tokens", "/admin/videos", "/admin/routing", "/admin/studio", "/admin/clients"]
    {
        let answer = browser.get(path).await;
        assert_eq!(answer.status(), StatusCode::SEE_OTHER, "{path}");
        assert!(
            answer.headers()[LOCATION].to_str().unwrap().starts_with("/admin/sign-in?next=%2Fadmin"),
            "{path}"
        );
    }
    let live = browser.http.get(format!("{}/admin/live", browser.url)).header("accept", "text/event-stream");
    assert_eq!(
        live.send().await.unwrap().status(),
        StatusCode::UNAUTHORIZED,
        "a stream is not led to a page"
    );
    let wrong = browser.post("/admin/sign-in", &[("key", "fga-wrong")]).await;
    assert_eq!(wrong.status(), StatusCode::UNAUTHORIZED);
    assert!(!wrong.headers().contains_key(SET_COOKIE));
    assert!(wrong.text().await.unwrap().contains("That is not the admin key, nor"));
    let large = "x".repeat(20 * 1024);
    for (path, field) in [("/admin/sign-in", "key"), ("/admin/look", "back")] {
        let answer = browser.post(path, &[(field, &large)]).await;
        assert_eq!(answer.status(), StatusCode::PAYLOAD_TOO_LARGE, "{path}: it is not kept in memory");
    }
}

#[tokio::test]
async fn whoever_signs_in_comes_where_they_wanted_and_stays_in_over_a_restart() {
    let mut app = app().await;
    let mut browser = Browser::new(&app);
    let fields = [("key", ADMIN_KEY), ("next", "/admin/tokens?pool=ssoSuper")];
    let answer = browser.post("/admin/sign-in", &fields).await;
    assert_eq!(answer.headers()[LOCATION], "/admin/tokens?pool=ssoSuper");
    let cookie = answer.headers()[SET_COOKIE].to_str().unwrap().to_owned();
    assert!(
        cookie.contains("HttpOnly") && cookie.contains("SameSite=Lax") && cookie.contains("Path=/admin"),
        "{cookie}"
    );
    assert!(!cookie.contains("Secure"), "over plain HTTP a browser would not send it back: {cookie}");
    browser.keep_cookie(&answer);
    assert!(browser.page("/admin").await.contains("ssoSuper"));

    app.kill();
    app.launch().await;
    browser.url = app.url.clone();
    assert!(browser.page("/admin").await.contains("ssoSuper"));

    let out = browser.post("/admin/sign-out", &[]).await;
    assert_eq!(out.headers()[LOCATION], "/admin/sign-in");
    assert_eq!(
        browser.get("/admin").await.status(),
        StatusCode::SEE_OTHER,
        "the cookie is worth nothing any more"
    );
}

#[tokio::test]
async fn a_redirect_never_leads_elsewhere() {
    let app = app().await;
    for next in ["https://evil.example/", "//evil.example", "/\\evil.example", "/v1/videos"] {
        let answer = Browser::new(&app).post("/admin/sign-in", &[("key", ADMIN_KEY), ("next", next)]).await;
        assert_eq!(answer.headers()[LOCATION], "/admin", "{next}");
    }
}

#[tokio::test]
async fn guessing_is_slowed_down_and_told_in_the_log() {
    let app = app().await;
    let browser = Browser::new(&app);
    for _ in 0..5 {
        assert_eq!(
            browser.post("/admin/sign-in", &[("key", "guess")]).await.status(),
            StatusCode::UNAUTHORIZED
        );
    }
    let braked = browser.post("/admin/sign-in", &[("key", ADMIN_KEY)]).await;
    assert_eq!(braked.status(), StatusCode::TOO_MANY_REQUESTS, "not even the right key is looked at");
    let seconds: u64 = braked.headers()[RETRY_AFTER].to_str().unwrap().parse().unwrap();
    assert!((1..=3).contains(&seconds), "{seconds}");
    assert!(app.logs().contains("somebody tried to sign in with a wrong admin key"));
    assert!(!app.logs().contains("guess"), "what was tried may be nearly the key");
}

#[tokio::test]
async fn pages_of_other_sites_cannot_act_in_the_operators_name() {
    let app = app().await;
    let browser = Browser::signed_in(&app).await;
    let forged = browser.request(Method::POST, "/admin/sign-out").header("sec-fetch-site", "cross-site");
    assert_eq!(forged.send().await.unwrap().status(), StatusCode::FORBIDDEN);
    let older = browser.request(Method::POST, "/admin/sign-out").header("origin", "https://evil.example");
    assert_eq!(older.send().await.unwrap().status(), StatusCode::FORBIDDEN);
    let answer = browser.get("/admin").await;
    assert_eq!(answer.status(), StatusCode::OK, "nobody was signed out");
    let policy = answer.headers()["content-security-policy"].to_str().unwrap();
    assert!(
        policy.starts_with("default-src 'none'; script-src 'self'") && !policy.contains("unsafe"),
        "{policy}"
    );
    assert_eq!(answer.headers()["cache-control"], "no-store");
    let page = answer.text().await.unwrap();
    assert!(!page.contains("<script>") && !page.contains("style=\"") && !page.contains("onclick"), "{page}");
}

#[tokio::test]
async fn language_and_colours_are_the_browsers_until_somebody_chooses() {
    let app = app().await;
    let mut browser = Browser::signed_in(&app).await;
    let chinese = browser.request(Method::GET, "/admin").header("accept-language", "zh-CN,zh;q=0.9,en;q=0.8");
    let page = chinese.send().await.unwrap().text().await.unwrap();
    assert!(page.contains("<html lang=\"zh-CN\" data-theme=\"auto\">") && page.contains("概览"), "{page}");
    assert!(browser.page("/admin").await.contains("<html lang=\"en\" data-theme=\"auto\">"));

    let chosen = browser.post("/admin/look", &[("theme", "dark"), ("back", "/admin/videos")]).await;
    assert_eq!(chosen.headers()[LOCATION], "/admin/videos");
    browser.keep_cookie(&chosen);
    let chosen = browser.post("/admin/look", &[("lang", "zh-CN"), ("back", "https://evil.example")]).await;
    assert_eq!(chosen.headers()[LOCATION], "/admin");
    browser.keep_cookie(&chosen);
    assert!(browser.page("/admin").await.contains("<html lang=\"zh-CN\" data-theme=\"dark\">"));
}
