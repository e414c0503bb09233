//! Webhooks as the operator sees and changes them: the admin API and the command line.

use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

use super::receiver::Answer::Status;
use super::receiver::Receiver;
use super::setup;
use crate::app::{ADMIN_KEY, TestApp};
use crate::shell::Shell;
use crate::wire::assert_openai_error;

#[tokio::test]
async fn a_replaced_secret_signs_beside_the_new_one_for_a_day() {
    let receiver = Receiver::start(&[]);
    let app = setup().start().await;
    let old = app.set_webhook(&receiver.url("/hook")).await;
    app.make("a fox", "480p", 6).await;
    let rotated = app.admin(Method::POST, "/webhooks/tests/rotate", None).await;
    let new = rotated["secret"].as_str().unwrap();
    assert!(new.starts_with("whsec_") && new != old);
    app.make("a fox", "480p", 6).await;
    let [before, after] = &receiver.gets(2).await[..] else { panic!("two") };
    assert_eq!((before.signatures().len(), after.signatures().len()), (1, 2));
    assert!(before.is_genuine(&old) && !before.is_genuine(new));
    assert!(after.is_genuine(&old) && after.is_genuine(new));
    let now = app.admin(Method::GET, "/webhooks", None).await;
    let webhook = &now["webhooks"][0];
    let day = webhook["previous_until"].as_i64().unwrap() - webhook["rotated_at"].as_i64().unwrap();
    assert_eq!(day, 24 * 3600 * 1000);
    assert!(!now.to_string().contains("whsec_"), "{now}");
    assert_not_kept(&app, &[&old, new]);
}

/// Secrets are on disk in sealed form only, and in no log line.
fn assert_not_kept(app: &TestApp, secrets: &[&str]) {
    for name in ["filmgate.db", "filmgate.db-wal"] {
        let bytes = std::fs::read(app.data_dir().join(name)).unwrap();
        for secret in secrets {
            let text = secret.as_bytes();
            assert!(!bytes.windows(text.len()).any(|window| window == text), "{name}");
        }
    }
    assert!(secrets.iter().all(|secret| !app.logs().contains(secret)));
}

async fn refused(app: &TestApp, method: Method, path: &str, body: Option<Value>) -> (StatusCode, Value) {
    let response = app.request_as(ADMIN_KEY, method, &format!("/admin/v1/webhooks{path}"), body).await;
    let status = response.status();
    let body: Value = response.json().await.unwrap();
    assert_openai_error(&body);
    (status, body["error"].clone())
}

#[tokio::test]
async fn what_is_not_there_or_makes_no_sense_is_refused() {
    let app = setup().start().await;
    let url = Some(json!({ "url": "https://studio.example/hook" }));
    let id = "evt_00000000000000000000000000000000";
    for (method, path, body) in [
        (Method::PUT, "/nobody".to_owned(), url.clone()),
        (Method::POST, "/nobody/rotate".to_owned(), None),
        (Method::POST, "/nobody/test".to_owned(), None),
        (Method::POST, "/tests/test".to_owned(), None),
        (Method::DELETE, "/tests".to_owned(), None),
        (Method::GET, "/deliveries?caller=nobody".to_owned(), None),
        (Method::POST, format!("/deliveries/{id}/retry"), None),
    ] {
        let (status, error) = refused(&app, method, &path, body).await;
        assert_eq!((status, &error["code"]), (StatusCode::NOT_FOUND, &json!("not_found")), "{path}");
    }
    for (method, path, body, param) in [
        (Method::PUT, "/tests", Some(json!({ "url": 7 })), "url"),
        (Method::PUT, "/tests", Some(json!({ "uri": "x" })), "uri"),
        (Method::GET, "/deliveries?state=odd", None, "state"),
        (Method::GET, "/deliveries?job=odd", None, "job"),
        (Method::GET, "/deliveries?after=odd", None, "after"),
        (Method::POST, "/deliveries/odd/retry", None, "id"),
    ] {
        let (status, error) = refused(&app, method, path, body).await;
        assert_eq!((status, &error["param"]), (StatusCode::BAD_REQUEST, &json!(param)), "{path}");
    }
    app.admin(Method::PUT, "/webhooks/tests", Some(json!({ "url": null }))).await;
    let (status, error) = refused(&app, Method::POST, "/tests/test", None).await;
    assert_eq!((status, &error["code"]), (StatusCode::CONFLICT, &json!("no_url")));
    let stranger = app.request_as(&app.client_key, Method::GET, "/admin/v1/webhooks", None).await;
    assert_eq!(stranger.status(), StatusCode::FORBIDDEN);
}

#[tokio::test]
async fn the_command_line_sets_tests_lists_repeats_and_removes() {
    let receiver = Receiver::start(&[Status(204), Status(500), Status(410)]);
    let app = setup().start().await;
    let shell = Shell::of(&app);
    let url = receiver.url("/hook?key=7");
    shell.run(&["webhook", "list"]).with_code(0).says("There are no webhooks yet");
    shell.run(&["webhook", "set", "tests"]).with_code(2);
    shell.run(&["webhook", "set", "nobody", &url]).with_code(1).says("there is no caller \"nobody\"");
    let set = shell.run(&["webhook", "set", "tests", &url]).with_code(0);
    let secret = set.out.trim().to_owned();
    assert!(secret.starts_with("whsec_") && set.err.contains("shown this once"), "{}", set.err);
    assert_eq!(shell.ok(&["webhook", "set", "tests", &url]), "", "a secret is shown once");
    let list = shell.ok(&["webhook", "list"]);
    assert!(list.contains("tests") && list.contains(&url) && !list.contains("whsec_"), "{list}");

    let tested = shell.ok(&["webhook", "test", "tests"]);
    assert!(tested.contains("delivered") && tested.contains("204"), "{tested}");
    let test = receiver.gets(1).await.remove(0);
    assert!(test.is_genuine(&secret));
    assert_eq!(test.json()["type"], "webhook.test");
    let failed = shell.run(&["webhook", "test", "tests"]).with_code(1);
    assert!(failed.out.contains("NOT delivered: the receiver answered 500"), "{}", failed.out);

    app.make("a fox", "480p", 6).await;
    let delivery = app.delivery_is("given_up").await;
    let id = delivery["id"].as_str().unwrap();
    let listed = shell.ok(&["webhook", "deliveries", "--state", "given_up", "--caller", "tests"]);
    assert!(listed.contains(id) && listed.contains("410 Gone") && !listed.contains("key=7"), "{listed}");
    shell.run(&["webhook", "deliveries", "--state", "pending"]).with_code(0).says("no such deliveries");
    assert_eq!(shell.json(&["webhook", "deliveries"])["deliveries"][0]["url"], url);
    assert!(shell.ok(&["webhook", "retry", id]).contains(id));
    app.delivery_is("delivered").await;

    let rotated = shell.run(&["webhook", "rotate", "tests"]).with_code(0);
    assert!(
        rotated.out.starts_with("whsec_") && rotated.err.contains("that ends in 23 h"),
        "{}",
        rotated.err
    );
    shell.run(&["webhook", "set", "tests", "--none"]).with_code(0).says("only where a request names");
    assert!(shell.ok(&["webhook", "remove", "tests"]).contains("removed"));
    shell.run(&["webhook", "remove", "tests"]).with_code(1).says("has no webhook");
    assert_not_kept(&app, &[&secret, rotated.out.trim()]);
}

#[tokio::test]
async fn the_command_line_needs_no_server() {
    let receiver = Receiver::start(&[]);
    let mut app = setup().start().await;
    let shell = Shell::of(&app);
    assert!(app.stop());
    let set = shell.json(&["webhook", "set", "tests", &receiver.url("/hook")]);
    assert!(set["secret"].as_str().unwrap().starts_with("whsec_"));
    assert_eq!(shell.json(&["webhook", "test", "tests"])["delivered"], true);
    app.launch().await;
    app.make("a fox", "480p", 6).await;
    assert!(receiver.gets(2).await[1].is_genuine(set["secret"].as_str().unwrap()));
}
