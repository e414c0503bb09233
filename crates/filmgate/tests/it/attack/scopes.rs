//! What a key opens, and until when.

use std::time::Duration;

use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

use super::{Real, operations, page_routes};
use crate::app::{ADMIN_KEY, Setup, TestApp};
use crate::page::Browser;
use crate::shell::Shell;
use crate::wire::{Answer, assert_nothing_was_made, assert_openai_error};

/// A key of a scope: its id and its text.
async fn key(app: &TestApp, name: &str, scope: &str) -> (String, String) {
    let made = app.admin(Method::POST, "/keys", Some(json!({ "name": name, "scope": scope }))).await;
    assert_eq!((&made["scope"], &made["expires_at"]), (&json!(scope), &Value::Null));
    (made["id"].as_str().unwrap().to_owned(), made["key"].as_str().unwrap().to_owned())
}

/// Everything that an operator may have changed.
async fn state(app: &TestApp) -> Vec<Value> {
    let mut state = Vec::new();
    for path in ["/tokens", "/keys", "/callers", "/jobs", "/webhooks", "/config"] {
        let mut part = app.admin(Method::GET, path, None).await;
        // That a key is in use is no change.
        forget(&mut part, "last_used_at");
        state.push(part);
    }
    state
}

fn forget(value: &mut Value, field: &str) {
    match value {
        Value::Object(map) => {
            map.remove(field);
            map.values_mut().for_each(|value| forget(value, field));
        }
        Value::Array(list) => list.iter_mut().for_each(|value| forget(value, field)),
        _ => {}
    }
}

#[tokio::test]
async fn a_client_key_opens_no_route_of_the_operators() {
    let app = Setup::default().start().await;
    let real = Real::of(&app).await;
    let before = state(&app).await;
    for operation in operations(&app).await.into_iter().filter(|operation| operation.key == "admin_key") {
        let path = real.path(&operation.path);
        let answer = app.request_as(&app.client_key, operation.method.clone(), &path, Some(json!({}))).await;
        let answer = Answer::of(answer).await;
        assert_eq!(answer.status, StatusCode::FORBIDDEN, "{} {path}", operation.method);
        assert_eq!(answer.body["error"]["code"], "insufficient_scope", "{path}");
        let request = app.http.request(operation.method.clone(), format!("{}{path}", app.url));
        assert_eq!(request.send().await.unwrap().status(), StatusCode::UNAUTHORIZED, "{path}: without a key");
    }
    assert_eq!(state(&app).await, before);
    let refused = Browser::new(&app).post("/admin/sign-in", &[("key", &app.client_key)]).await;
    assert_eq!(refused.status(), StatusCode::UNAUTHORIZED, "nor the page");
}

#[tokio::test]
async fn a_read_only_key_reads_every_route_changes_nothing_and_sees_no_secret() {
    let app = Setup::default().set("outside.allow_private=true").start().await;
    let real = Real::of(&app).await;
    let hook = app.admin(Method::PUT, "/webhooks/tests", Some(json!({ "url": "http://127.0.0.1:9/" }))).await;
    let (_, looks) = key(&app, "grafana", "read_only").await;
    let before = state(&app).await;
    let mut seen = String::new();
    for operation in operations(&app).await.into_iter().filter(|operation| operation.key == "admin_key") {
        let path = real.path(&operation.path);
        let body = (operation.method != Method::GET).then(|| json!({}));
        let answer = Answer::of(app.request_as(&looks, operation.method.clone(), &path, body).await).await;
        seen += &answer.body.to_string();
        if operation.method == Method::GET {
            let may = answer.status.is_success() || answer.status == StatusCode::CONFLICT;
            assert!(may, "{path}: {} {}", answer.status, answer.body);
        } else {
            assert_eq!(answer.status, StatusCode::FORBIDDEN, "{} {path}", operation.method);
            assert_openai_error(&answer.body);
            assert!(
                answer.body["error"]["message"].as_str().unwrap().contains("read_only"),
                "{}",
                answer.body
            );
        }
    }
    let export =
        Answer::of(app.request_as(&looks, Method::GET, "/admin/v1/tokens/export?secrets=true", None).await);
    assert_eq!(export.await.status, StatusCode::FORBIDDEN, "an export with secrets is not for looking");
    assert_eq!(state(&app).await, before);
    let mut secrets = vec![ADMIN_KEY.to_owned(), app.client_key.clone(), looks];
    secrets.extend(app.sim_tokens.iter().flatten().map(|token| token.secret.clone()));
    secrets.push(hook["secret"].as_str().unwrap().to_owned());
    assert!(secrets.iter().all(|secret| !seen.contains(secret.as_str())));
}

#[tokio::test]
async fn the_page_of_a_read_only_key_shows_everything_and_no_form_of_it_is_taken() {
    let app = Setup::default().start().await;
    let real = Real::of(&app).await;
    let (_, looks) = key(&app, "grafana", "read_only").await;
    let mut browser = Browser::new(&app);
    let answer = browser.post("/admin/sign-in", &[("key", &looks)]).await;
    assert_eq!(answer.status(), StatusCode::SEE_OTHER);
    browser.keep_cookie(&answer);
    let before = state(&app).await;
    let mut forms = 0;
    for route in page_routes() {
        let path = real.path(&route);
        let answer = browser.get(&path).await;
        let kind = answer.headers().get("content-type").map_or("", |kind| kind.to_str().unwrap()).to_owned();
        if kind.starts_with("text/html") && route != "/admin/sign-in" {
            let page = answer.text().await.unwrap();
            let main = page.split("<footer").next().unwrap();
            for form in main.split("<form").skip(1).filter(|form| form.contains("method=\"post\"")) {
                assert!(form.contains("><fieldset class=\"locked\" disabled>"), "{path}: {form}");
                forms += 1;
            }
            assert!(!page.contains(&app.sim_tokens[0][0].secret), "{path}");
        }
        if ["/admin/sign-in", "/admin/sign-out", "/admin/look"].contains(&&*route) {
            continue;
        }
        let answer = browser.post(&path, &[("sure", "yes"), ("name", "mine"), ("scope", "admin")]).await;
        let (status, text) = (answer.status(), answer.text().await.unwrap());
        let refused = status == StatusCode::FORBIDDEN && text.contains("Your key is only for looking.");
        assert!(refused || status == StatusCode::METHOD_NOT_ALLOWED, "{path}: {status} {text}");
    }
    assert!(forms > 15, "{forms} forms were seen");
    assert!(browser.page("/admin").await.contains("a key that is only for looking"));
    assert_eq!(state(&app).await, before);
    assert!(!Browser::signed_in(&app).await.page("/admin/clients").await.contains("locked"));
}

#[tokio::test]
async fn a_key_of_an_operator_makes_no_video() {
    let app = Setup::default().start().await;
    for scope in ["read_only", "admin"] {
        let (_, key) = key(&app, scope, scope).await;
        for operation in operations(&app).await.into_iter().filter(|operation| operation.key == "client_key")
        {
            for mount in &operation.mounts {
                let path = operation.path.replace("{id}", "video_0197f3c0111170008000000000000000");
                let path = format!("{mount}{}", path.replace("{model}", "grok-video"));
                let body = Some(json!({ "prompt": "a fox" }));
                let answer = app.request_as(&key, operation.method.clone(), &path, body).await;
                assert_eq!(answer.status(), StatusCode::FORBIDDEN, "{scope}: {} {path}", operation.method);
            }
        }
    }
    assert_nothing_was_made(&app).await;
}

#[tokio::test]
async fn what_an_operator_does_is_noted_under_the_name_of_their_key() {
    let app = Setup::default().start().await;
    let (id, hers) = key(&app, "mei", "admin").await;
    let token = &app.token_ids["basic-1"];
    let disable = format!("/admin/v1/tokens/{token}/disable");
    assert_eq!(app.request_as(&hers, Method::POST, &disable, None).await.status(), StatusCode::OK);
    let mut browser = Browser::new(&app);
    let answer = browser.post("/admin/sign-in", &[("key", &hers)]).await;
    browser.keep_cookie(&answer);
    browser.act(&format!("/admin/tokens/{token}"), &[("action", "enable")]).await;
    app.with_token("basic-1", "disable").await;

    let trail = app.admin(Method::GET, &format!("/audit?subject={token}"), None).await;
    let who = trail["entries"].as_array().unwrap().iter().map(|entry| {
        (entry["via"].as_str().unwrap(), entry["actor"].as_str().unwrap(), entry["action"].as_str().unwrap())
    });
    let mei = format!("{id} mei");
    let expected = [
        ("api", "admin key", "token.disable"),
        ("page", &*mei, "token.enable"),
        ("api", &*mei, "token.disable"),
    ];
    assert_eq!(who.take(3).collect::<Vec<_>>(), expected);
    let trail = app.admin(Method::GET, "/audit", None).await.to_string();
    assert!(!trail.contains(&hers) && !trail.contains(ADMIN_KEY));

    // Her session ends with her key, at once.
    assert_eq!(browser.get("/admin").await.status(), StatusCode::OK);
    app.admin(Method::DELETE, &format!("/keys/{id}"), None).await;
    assert_eq!(browser.get("/admin").await.status(), StatusCode::SEE_OTHER);
    assert_eq!(app.request_as(&hers, Method::POST, &disable, None).await.status(), StatusCode::UNAUTHORIZED);
}

#[tokio::test]
async fn a_key_opens_nothing_once_it_has_expired() {
    let app = Setup { tokens: [0, 0], ..Setup::default() }.start().await;
    let lasting = async |scope: &str| {
        let body = json!({ "name": "short", "scope": scope, "expires_in_seconds": 2 });
        app.admin(Method::POST, "/keys", Some(body)).await
    };
    let (client, looks) = (lasting("client").await, lasting("read_only").await);
    assert!(client["expires_at"].as_i64().unwrap() > 0);
    let browser = async {
        let mut browser = Browser::new(&app);
        let answer = browser.post("/admin/sign-in", &[("key", looks["key"].as_str().unwrap())]).await;
        browser.keep_cookie(&answer);
        browser
    };
    let browser = browser.await;
    for (key, path) in [(&client, "/v1/models"), (&looks, "/admin/v1/pools")] {
        let end = async || {
            let answer = app.request_as(key["key"].as_str().unwrap(), Method::GET, path, None).await;
            Answer::of(answer).await
        };
        while end().await.status == StatusCode::OK {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        let answer = end().await;
        assert_eq!(answer.status, StatusCode::UNAUTHORIZED);
        assert!(answer.body.to_string().contains("this key has expired"), "{}", answer.body);
    }
    assert_eq!(browser.get("/admin").await.status(), StatusCode::SEE_OTHER, "its session has ended with it");
    let rotate = format!("/admin/v1/keys/{}/rotate", client["id"].as_str().unwrap());
    let answer = app.request_as(ADMIN_KEY, Method::POST, &rotate, Some(json!({}))).await;
    assert_eq!(answer.status(), StatusCode::CONFLICT, "it does not come back");
    for wrong in [json!(0), json!(-1), json!(1.5), json!("1d"), json!(315_360_001)] {
        let body = json!({ "name": "x", "expires_in_seconds": wrong });
        let answer =
            Answer::of(app.request_as(ADMIN_KEY, Method::POST, "/admin/v1/keys", Some(body)).await).await;
        assert_eq!(
            (answer.status, &answer.body["error"]["param"]),
            (StatusCode::BAD_REQUEST, &json!("expires_in_seconds"))
        );
    }
}

#[tokio::test]
async fn a_key_that_somebody_brings_along_is_a_clients_only() {
    let app = Setup { tokens: [0, 0], ..Setup::default() }.start().await;
    for scope in ["admin", "read_only"] {
        let body = json!({ "name": "x", "scope": scope, "key": "correct-horse" });
        let answer =
            Answer::of(app.request_as(ADMIN_KEY, Method::POST, "/admin/v1/keys", Some(body)).await).await;
        assert_eq!((answer.status, &answer.body["error"]["param"]), (StatusCode::BAD_REQUEST, &json!("key")));
    }
    for name in ["two\nlines", "\u{1b}[2J", "a\u{9b}b", ""] {
        let body = json!({ "name": name });
        let answer =
            Answer::of(app.request_as(ADMIN_KEY, Method::POST, "/admin/v1/keys", Some(body)).await).await;
        assert_eq!(
            (answer.status, &answer.body["error"]["param"]),
            (StatusCode::BAD_REQUEST, &json!("name")),
            "{name:?}"
        );
    }
}

#[tokio::test]
async fn the_command_line_and_the_page_make_keys_with_scopes_and_ends() {
    let app = Setup { tokens: [0, 0], ..Setup::default() }.start().await;
    let shell = Shell::of(&app);
    let made = shell.json(&["key", "create", "grafana", "--scope", "read_only", "--expires", "30d"]);
    let lasts = made["expires_at"].as_i64().unwrap() - made_at(&app, &made).await;
    assert_eq!(lasts, 30 * 86_400_000);
    let rotated = shell.json(&["key", "rotate", made["id"].as_str().unwrap(), "--keep-seconds", "0"]);
    assert_eq!((&rotated["scope"], &rotated["expires_at"]), (&json!("read_only"), &made["expires_at"]));
    let longer = shell.json(&["key", "rotate", rotated["id"].as_str().unwrap(), "--expires", "90d"]);
    assert!(longer["expires_at"].as_i64() > rotated["expires_at"].as_i64());
    let list = shell.ok(&["key", "list"]);
    assert!(list.contains("read_only") && list.contains("client"), "{list}");
    shell.run(&["key", "create", "x", "--scope", "root"]).with_code(2).says("read_only");
    assert!(shell.ok(&["audit", "--action", "key.create"]).contains("api, admin key"));

    let browser = Browser::signed_in(&app).await;
    let page =
        browser.act("/admin/clients", &[("name", "mei"), ("scope", "admin"), ("lasts", "2592000")]).await;
    assert!(page.contains("everything of the operator's") && page.contains("valid until"), "{page}");
    let keys = app.admin(Method::GET, "/keys", None).await;
    let hers = keys["keys"].as_array().unwrap().iter().find(|key| key["name"] == "mei").unwrap();
    assert_eq!(hers["scope"], "admin");
    assert_eq!(hers["expires_at"].as_i64().unwrap() - hers["created_at"].as_i64().unwrap(), 2_592_000_000);
}

async fn made_at(app: &TestApp, made: &Value) -> i64 {
    let keys = app.admin(Method::GET, "/keys", None).await;
    let key = keys["keys"].as_array().unwrap().iter().find(|key| key["id"] == made["id"]).unwrap();
    key["created_at"].as_i64().unwrap()
}
