//! Routing on the page: what if, a draft and what it would change, apply, undo.

use std::path::PathBuf;

use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

use super::Browser;
use crate::app::{Setup, TestApp};
use crate::operator::refused;
use crate::shell::Shell;

fn file_of(app: &TestApp) -> PathBuf {
    app.data_dir().join("filmgate.toml")
}

/// What a form would send that lets a pool deliver no more than 480p.
const NO_720P: [(&str, &str); 2] =
    [("pools.ssoSuper.delivers.0.resolution", "480p"), ("pools.ssoSuper.delivers.0.max_seconds", "15")];

/// The fields that a preview offers to apply.
fn offered(page: &str) -> Vec<(String, String)> {
    let (_, form) = page.split_once("action=\"/admin/routing/apply\"").expect("something to apply");
    let (form, _) = form.split_once("</form>").unwrap();
    let inputs = form.split("<input type=\"hidden\" name=\"").skip(1);
    let value = |rest: &str| {
        let (name, rest) = rest.split_once("\" value=\"").unwrap();
        let value = rest.split_once('"').unwrap().0.replace("&quot;", "\"");
        (name.to_owned(), value)
    };
    inputs.map(value).collect()
}

fn as_fields(values: &[(String, String)]) -> Vec<(&str, &str)> {
    values.iter().map(|(name, value)| (&**name, &**value)).collect()
}

#[tokio::test]
async fn what_if_shows_every_pool_and_why() {
    let app = Setup { tokens: [1, 1], ..Setup::default() }.start().await;
    let browser = Browser::signed_in(&app).await;
    assert!(!browser.page("/admin/routing").await.contains("id=\"answer\""));
    let ask = "/admin/routing?model=grok-imagine-video&resolution=720p&seconds=6&mode=text";
    let as_it_is = browser.page(&format!("{ask}&on_shortage=fallback")).await;
    let token = &app.token_ids["super-1"];
    for part in [
        "720p 6 s with grok-imagine-video goes to ssoSuper, as asked.",
        &format!("href=\"/admin/tokens/{token}\""),
        "cannot deliver 720p 6 s from text",
        "Not needed: a pool before it has a token.",
    ] {
        assert!(as_it_is.contains(part), "{part}");
    }
    let short = browser.page(&format!("{ask}&on_shortage=fallback&short=ssoSuper")).await;
    assert!(short.contains("goes to ssoBasic: a fallback, which is asked for 480p 6 s."));
    assert!(short.contains("no tokens") && short.contains("(assumed for this answer)"));
    let strict = browser.page(&format!("{ask}&on_shortage=fail&short=ssoSuper")).await;
    assert!(strict.contains("gets no token now.") && strict.contains("the client wants no fallback"));

    app.each_token("ssoSuper", "disable").await;
    let disabled = browser.page(&format!("{ask}&on_shortage=fallback")).await;
    assert!(disabled.contains("1 token: disabled"), "{disabled}");
    let undeliverable = browser.page("/admin/routing?resolution=1080p&seconds=6").await;
    assert!(undeliverable.contains("no pool delivers 1080p 6s with grok-imagine-video"));
    assert!(browser.page("/admin/routing?resolution=odd").await.contains("role=\"alert\""));

    let chinese =
        browser.request(Method::GET, &format!("{ask}&short=ssoSuper")).header("accept-language", "zh-CN");
    let chinese = chinese.send().await.unwrap().text().await.unwrap();
    assert!(chinese.contains("由 ssoBasic 生成：降级，向上游请求 480p 6 s。"), "{chinese}");
}

#[tokio::test]
async fn a_draft_is_previewed_applied_and_undone() {
    let app = Setup { tokens: [1, 1], ..Setup::default() }.start().await;
    let text = "# Mine.\n[video]\nlog_fallback_warning = true # loud\n";
    std::fs::write(file_of(&app), text).unwrap();
    app.admin(Method::POST, "/config/reload", None).await;
    let videos = [app.make("one", "720p", 6).await, app.make("two", "480p", 6).await];
    let browser = Browser::signed_in(&app).await;
    assert!(browser.page("/admin/routing").await.contains("There is no change to undo."));

    // Previewed: nothing is written.
    let preview = browser.post("/admin/routing/preview", &NO_720P).await;
    assert_eq!(preview.status(), StatusCode::OK);
    let preview = preview.text().await.unwrap();
    let id = videos[0]["id"].as_str().unwrap();
    for part in [
        "1 of 2 go another way.",
        "ssoSuper (primary)",
        "<strong>refused: no pool delivers it</strong>",
        &format!("href=\"/admin/videos/{id}\""),
        "Nobody waits (busy_wait is left out)",
        "<code>pools.ssoSuper.delivers</code>",
    ] {
        assert!(preview.contains(part), "{part} in {preview}");
    }
    assert_eq!(std::fs::read_to_string(file_of(&app)).unwrap(), text);

    // Applied: it is in the file, in use and in the audit trail.
    let values = offered(&preview);
    let written = "[{ resolution = \"480p\", max_seconds = 15 }]";
    assert_eq!(as_fields(&values), [("pools.ssoSuper.delivers", written)]);
    let applied = browser.act("/admin/routing/apply", &as_fields(&values)).await;
    assert!(applied.contains("Applied: 1 value is different."), "{applied}");
    let after = std::fs::read_to_string(file_of(&app)).unwrap();
    assert_eq!(after, format!("{text}\n[pools.ssoSuper]\ndelivers = {written}\n"));
    let body = json!({ "prompt": "three", "resolution": "720p", "seconds": "6" });
    assert_eq!(app.request(Method::POST, "/v1/videos", Some(body)).await.status(), StatusCode::BAD_REQUEST);
    let audit = app.admin(Method::GET, "/audit?action=config.change", None).await;
    let [entry] = &audit["entries"].as_array().unwrap()[..] else { panic!("{audit}") };
    assert_eq!((&entry["via"], &entry["subject"]), (&json!("page"), &json!("pools.ssoSuper.delivers")));
    assert!(
        entry["detail"].as_str().unwrap().ends_with("}] -> [{ resolution = \"480p\", max_seconds = 15 }]")
    );

    // Undone, byte by byte; and the undo undone.
    let undone = browser.act("/admin/routing/undo", &[]).await;
    assert!(undone.contains("Undone: 1 value is different."));
    assert_eq!(std::fs::read_to_string(file_of(&app)).unwrap(), text);
    app.make("four", "720p", 6).await;
    browser.act("/admin/routing/undo", &[]).await;
    assert_eq!(std::fs::read_to_string(file_of(&app)).unwrap(), after);
    let audit = app.admin(Method::GET, "/audit?subject=pools.ssoSuper.delivers", None).await;
    let actions: Vec<&Value> =
        audit["entries"].as_array().unwrap().iter().map(|entry| &entry["action"]).collect();
    assert_eq!(actions, ["config.undo", "config.undo", "config.change"]);
}

#[tokio::test]
async fn a_preview_plays_the_quota_and_the_switches() {
    let app = Setup { tokens: [1, 1], video_seconds: 0.0, ..Setup::default() }.start().await;
    for nth in 0..3 {
        app.make(&format!("video {nth}"), "720p", 6).await;
    }
    let browser = Browser::signed_in(&app).await;
    let quota =
        [("pools.ssoSuper.quota_units", "8"), ("video.allow_fallback_to_basic", "false"), ("last", "50")];
    let preview = browser.post("/admin/routing/preview", &quota).await.text().await.unwrap();
    assert!(preview.contains("1 of 3 go another way.") && preview.contains("no token at once"), "{preview}");
    let short = [("video.allow_fallback_to_basic", "false"), ("last", "2"), ("short", "ssoSuper")];
    let preview = browser.post("/admin/routing/preview", &short).await.text().await.unwrap();
    assert!(preview.contains("2 of 2 go another way."), "{preview}");
    assert!(
        preview.contains("ssoBasic (fallback)") && preview.contains("As if there were no token in ssoSuper.")
    );
    let same =
        browser.post("/admin/routing/preview", &[("video.busy_wait", "20s")]).await.text().await.unwrap();
    assert!(same.contains("Nothing is different from what is in use."));

    let body = json!({ "set": { "pools.ssoSuper.quota_units": 8 }, "last": 3 });
    let api = app.admin(Method::POST, "/config/preview", Some(body)).await;
    assert_eq!((&api["videos"], api["changed"].as_array().unwrap().len()), (&json!(3), 1), "{api}");
    assert_eq!(api["changed"][0]["after"]["pool"], "ssoBasic", "{api}");
    let (status, code, _) =
        refused(&app, Method::POST, "/config/preview", Some(json!({ "set": {}, "last": 0 }))).await;
    assert_eq!((status, &*code), (400, "invalid_value"));
}

#[tokio::test]
async fn a_wrong_draft_is_told_beside_its_fields_and_changes_nothing() {
    let app = Setup { tokens: [1, 1], ..Setup::default() }.start().await;
    let browser = Browser::signed_in(&app).await;
    let wrong = [
        ("video.upgrade_reserve", "7"),
        ("video.pools", "ssoBasic, ssoSupper"),
        ("pools.ssoBasic.delivers.0.resolution", "480p"),
        ("pools.ssoBasic.delivers.0.max_seconds", "long"),
    ];
    for path in ["/admin/routing/preview", "/admin/routing/apply"] {
        let fields = if path.ends_with("preview") { &wrong[..] } else { &wrong[..1] };
        let answer = browser.post(path, fields).await;
        assert_eq!(answer.status(), StatusCode::BAD_REQUEST, "{path}");
        let page = answer.text().await.unwrap();
        assert!(page.contains("expected a number from 0 to 1, found 7"), "{page}");
        assert!(page.contains("This cannot be used") && !page.contains("action=\"/admin/routing/apply\""));
        if path.ends_with("preview") {
            for part in
                ["did you mean `ssoSuper`?", "`pools.ssoBasic.delivers[0].max_seconds`", "value=\"long\""]
            {
                assert!(page.contains(part), "{part} in {page}");
            }
        }
    }
    assert!(!file_of(&app).exists());
}

#[tokio::test]
async fn what_the_environment_or_a_flag_sets_cannot_be_filled_in() {
    let env = vec![("FILMGATE__VIDEO__UPGRADE_RESERVE", "0.5".to_owned())];
    let app = Setup { tokens: [1, 1], env, ..Setup::default() }.set("video.busy_wait=\"3s\"").start().await;
    let browser = Browser::signed_in(&app).await;
    let page = browser.page("/admin/routing").await;
    assert!(page.contains("Set by the environment variable FILMGATE__VIDEO__UPGRADE_RESERVE"), "{page}");
    assert!(page.contains("Set by --set on the command line"));
    assert!(page.contains("name=\"video.busy_wait\" value=\"3s\" disabled"), "{page}");
    // Whoever sends it all the same is told.
    let preview =
        browser.post("/admin/routing/preview", &[("video.busy_wait", "9s")]).await.text().await.unwrap();
    assert!(preview.contains("It would be written, but has no effect"), "{preview}");
}

#[tokio::test]
async fn a_file_that_was_changed_by_hand_is_not_undone() {
    let app = Setup { tokens: [1, 1], ..Setup::default() }.start().await;
    let shell = Shell::of(&app);
    shell.run(&["config", "undo"]).with_code(1).says("there is no change to undo");
    let change = json!({ "set": { "video.upgrade_reserve": 0.5 } });
    app.admin(Method::PATCH, "/config", Some(change)).await;
    let would = app.admin(Method::GET, "/config/undo", None).await;
    assert_eq!(
        would["changes"],
        json!([{ "key": "video.upgrade_reserve", "before": "0.5", "after": "0.2" }])
    );
    let by_hand = std::fs::read_to_string(file_of(&app)).unwrap() + "busy_wait = \"1s\"\n";
    std::fs::write(file_of(&app), &by_hand).unwrap();
    let browser = Browser::signed_in(&app).await;
    let answer = browser.post("/admin/routing/undo", &[]).await;
    assert_eq!(answer.status(), StatusCode::CONFLICT);
    assert!(answer.text().await.unwrap().contains("was changed in another way since"));
    let (status, code, _) = refused(&app, Method::POST, "/config/undo", None).await;
    assert_eq!((status, &*code), (409, "changed_since"));
    assert_eq!(std::fs::read_to_string(file_of(&app)).unwrap(), by_hand);

    // As it was left, it can be undone; by the command line too, and the empty file is one without settings.
    std::fs::write(file_of(&app), by_hand.replace("busy_wait = \"1s\"\n", "")).unwrap();
    let shown = shell.ok(&["config", "undo", "--dry-run"]);
    assert!(shown.contains("video.upgrade_reserve") && shown.contains("0.5"), "{shown}");
    shell.ok(&["config", "undo"]);
    assert_eq!(std::fs::read_to_string(file_of(&app)).unwrap(), "");
}

#[tokio::test]
async fn what_undoes_a_change_is_for_its_owner_only_and_shows_no_password() {
    let app = Setup { tokens: [1, 1], ..Setup::default() }.start().await;
    for password in ["hunter2", "hunter3"] {
        let proxy = format!("http://me:{password}@127.0.0.1:1");
        let change = json!({ "set": { "upstreams.xai.proxy": proxy } });
        app.admin(Method::PATCH, "/config", Some(change)).await;
    }
    let kept = app.data_dir().join("filmgate.undo.json");
    assert!(std::fs::read_to_string(&kept).unwrap().contains("hunter2"));
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt as _;
        assert_eq!(std::fs::metadata(&kept).unwrap().permissions().mode() & 0o777, 0o600);
    }
    let browser = Browser::signed_in(&app).await;
    let would = app.admin(Method::GET, "/config/undo", None).await;
    let masked = json!("\"http://***@127.0.0.1:1\"");
    assert_eq!(
        would["changes"],
        json!([{ "key": "upstreams.xai.proxy", "before": masked, "after": masked }])
    );
    let audit = app.admin(Method::GET, "/audit", None).await;
    assert_eq!(audit["entries"][0]["action"], "session.begin");
    assert_eq!(audit["entries"][1]["subject"], "upstreams.xai.proxy");
    let pages = ["/admin/routing", "/admin/settings", "/admin/settings/upstreams", "/admin/settings/audit"];
    let mut all = app.logs() + &would.to_string() + &audit.to_string();
    for path in pages {
        all += &browser.page(path).await;
    }
    assert!(all.contains("***@127.0.0.1:1") && !all.contains("hunter"));
    for name in ["filmgate.db", "filmgate.db-wal"] {
        let bytes = std::fs::read(app.data_dir().join(name)).unwrap();
        assert!(!bytes.windows(6).any(|window| window == b"hunter"), "{name}");
    }
}
