//! Texts that try to become lines of the log or headers of an answer.

use std::io::{Read as _, Write as _};
use std::net::TcpListener;

use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

use crate::app::{ADMIN_KEY, Setup, TestApp};
use crate::wire::read_to_end;

/// What no line may begin with.
const FORGED: &str = "FORGED";

/// Line ends of every kind, colours, a cleared screen, a title, the one-byte CSI, a turn of the reading order.
const HOSTILE: &str = "x\nFORGED a\r\nFORGED b\rFORGED c\u{85}FORGED d\u{2028}FORGED e\u{b}FORGED f\
    \u{1b}[31m\u{1b}[2J\u{1b}]0;title\u{7}\u{9b}2J\u{8}\u{7f}\u{202e}";

#[tokio::test(flavor = "multi_thread")]
async fn nothing_that_is_said_makes_a_line_of_a_log_for_people() {
    say_everything("human").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_that_is_said_makes_a_line_of_a_log_for_programs() {
    let logs = say_everything("json").await;
    for line in logs.lines() {
        let line: Value = serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line:?}"));
        assert!(line["level"].is_string() && line["timestamp"].is_string(), "{line}");
    }
}

/// Says hostile things wherever something can be said; the log.
async fn say_everything(format: &str) -> String {
    let upstream = hostile_upstream();
    let setup = Setup { video_seconds: 0.0, ..Setup::default() }
        .set("log.level=\"filmgate=trace,filmgate_http=trace,filmgate_engine=trace,filmgate_upstream=trace,info\"")
        .set(&format!("log.format=\"{format}\""))
        .set("jobs.max_attempts=1")
        .set("video.pools=[\"ssoBasic\", \"ssoSuper\", \"hostile\"]")
        .set("models.grok-imagine-video.pools=[\"ssoBasic\", \"ssoSuper\"]")
        .set("video.models=[\"grok-imagine-video\", \"hostile\"]")
        .set("models.hostile.pools=[\"hostile\"]")
        .set("pools.hostile.upstream=\"hostile\"")
        .set("pools.hostile.delivers=[{ resolution = \"480p\", max_seconds = 15 }]")
        .set(&format!("upstreams.hostile.base_url=\"http://{upstream}/v1\""));
    let mut app = setup.start().await;
    let tokens = json!({ "hostile": ["a-token-of-the-hostile-upstream"] });
    app.admin(Method::POST, "/tokens/import", Some(tokens)).await;
    as_client(&app).await;
    as_operator(&app).await;
    let body = json!({ "prompt": "a fox", "model": "hostile", "resolution": "480p", "seconds": "6" });
    let made: Value = app.request(Method::POST, "/v1/videos", Some(body)).await.json().await.unwrap();
    let job = app.ended(made["id"].as_str().unwrap()).await;
    assert!(job.to_string().contains("FORGED"), "the upstream was heard: {job}");
    assert!(app.stop());
    let logs = app.logs();
    assert!(logs.contains("FORGED"), "something of it was logged");
    for line in logs.lines() {
        assert!(!line.trim_start().starts_with(FORGED), "{line:?}");
        let steers =
            |c: char| c.is_control() || matches!(c, '\u{2028}' | '\u{2029}' | '\u{202a}'..='\u{202e}');
        assert!(!line.contains(steers), "{line:?}");
    }
    logs
}

async fn as_client(app: &TestApp) {
    for (path, body) in [
        ("/v1/videos", json!({ "prompt": HOSTILE, "resolution": "480p", "seconds": "6" })),
        ("/v1/videos", json!({ "prompt": "[fail]".to_owned() + HOSTILE })),
        ("/v1/videos", json!({ "prompt": "a fox", "model": HOSTILE })),
        ("/v1/videos", json!({ "prompt": "a fox", "webhook_url": format!("http://127.0.0.1/{HOSTILE}") })),
        ("/v1/videos", json!({ "prompt": "a fox", HOSTILE: 1 })),
        ("/v1/videos/generations", json!({ "prompt": "a fox", "image": { "url": HOSTILE } })),
        (
            "/v1/chat/completions",
            json!({ "model": HOSTILE, "messages": [{ "role": "user", "content": HOSTILE }] }),
        ),
    ] {
        app.request(Method::POST, path, Some(body)).await;
    }
    let encoded = url::form_urlencoded::byte_serialize(HOSTILE.as_bytes()).collect::<String>();
    for path in ["/v1/videos/", "/v1/models/", "/media/", "/none/", "/v1/videos?after="] {
        app.request(Method::GET, &format!("{path}{encoded}"), None).await;
    }
    // What a header can hold: no line ends, but the bytes above them.
    let header = http::HeaderValue::from_bytes("a\u{9b}2J FORGED\u{85}FORGED".as_bytes()).unwrap();
    for name in ["user-agent", "x-request-id", "idempotency-key", "traceparent", "x-forwarded-for", "origin"]
    {
        let request = app.http.get(format!("{}/v1/models", app.url)).bearer_auth(&app.client_key);
        let _ = request.header(name, header.clone()).send().await.unwrap();
    }
}

async fn as_operator(app: &TestApp) {
    let encoded =
        url::form_urlencoded::byte_serialize(HOSTILE.as_bytes()).collect::<String>().replace('+', "%20");
    for (method, path, body) in [
        (Method::POST, "/keys".to_owned(), json!({ "name": HOSTILE })),
        (Method::POST, "/keys".to_owned(), json!({ "name": "mine", "caller": HOSTILE })),
        (Method::PUT, format!("/webhooks/{encoded}"), json!({ "url": HOSTILE })),
        (Method::PUT, "/webhooks/tests".to_owned(), json!({ "url": format!("http://a.example/{HOSTILE}") })),
        (Method::PATCH, "/config".to_owned(), json!({ "set": { HOSTILE: HOSTILE } })),
        (Method::PATCH, "/config".to_owned(), json!({ "set": { "server.public_url": HOSTILE } })),
        (Method::POST, "/tokens/import".to_owned(), json!({ HOSTILE: [HOSTILE] })),
        (Method::POST, "/tokens/import".to_owned(), json!({ "ssoBasic": [HOSTILE] })),
        (Method::POST, format!("/upstreams/{encoded}/check"), json!({})),
        (Method::POST, "/upstreams/hostile/check".to_owned(), json!({})),
    ] {
        app.request_as(ADMIN_KEY, method, &format!("/admin/v1{path}"), Some(body)).await;
    }
    let browser = crate::page::Browser::signed_in(app).await;
    let token = &app.token_ids["basic-1"];
    browser
        .post(&format!("/admin/tokens/{token}"), &[("action", "edit"), ("tags", HOSTILE), ("note", HOSTILE)])
        .await;
    browser.post("/admin/clients", &[("name", HOSTILE)]).await;
    browser.post("/admin/sign-in", &[("key", HOSTILE), ("next", HOSTILE)]).await;
}

/// An upstream that refuses everything with hostile words.
fn hostile_upstream() -> std::net::SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let Ok(mut stream) = stream else { return };
            let _ = stream.read(&mut [0; 8192]);
            let body = json!({ "code": HOSTILE, "error": HOSTILE }).to_string();
            let head = format!(
                "HTTP/1.1 400 Bad Request\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\
                 connection: close\r\n\r\n",
                body.len()
            );
            let _ = stream.write_all(&[head.as_bytes(), body.as_bytes()].concat());
        }
    });
    address
}

#[tokio::test(flavor = "multi_thread")]
async fn no_text_becomes_a_header_of_an_answer() {
    let app = Setup::default().start().await;
    // As they stand in a header: a request with a line end in a value is no request.
    for name in ["x-request-id", "idempotency-key", "origin", "user-agent", "cookie", "accept-language"] {
        for value in ["a\rx-forged: 1", "a\n\rx-forged: 1", "a\0b", "a\r\r\nx-forged: 1"] {
            let head = format!(
                "GET /v1/models HTTP/1.1\r\nhost: gate\r\nauthorization: Bearer {}\r\n{name}: {value}\r\n\
                 connection: close\r\n\r\n",
                app.client_key
            );
            let text = read_to_end(app.connect_and_send(head.as_bytes()));
            assert!(text.starts_with("HTTP/1.1 400 "), "{name} {value:?}: {text}");
            assert!(!text.to_lowercase().contains("x-forged"), "{name} {value:?}: {text}");
        }
    }
    // Decoded by the gateway: whatever is said again in a header, such as where to go.
    let forged = "%0d%0ax-forged:%201";
    for path in [
        format!("/admin/tokens?q={forged}"),
        format!("/admin/{forged}"),
        format!("/v1/videos/{forged}"),
        format!("/media/{forged}.mp4"),
        format!("/admin/sign-in?next=/admin/{forged}"),
    ] {
        let answer = app.request(Method::GET, &path, None).await;
        assert!(answer.headers().get("x-forged").is_none(), "{path}");
    }
    let browser = crate::page::Browser::new(&app);
    for next in ["/admin/\r\nx-forged: 1", "/admin/\nx-forged: 1", "/admin/\u{2028}"] {
        let answer = browser.post("/admin/sign-in", &[("key", ADMIN_KEY), ("next", next)]).await;
        assert_eq!(
            (answer.status(), &answer.headers()["location"]),
            (StatusCode::SEE_OTHER, &"/admin".parse().unwrap())
        );
        let answer = browser.post("/admin/look", &[("lang", next), ("theme", next), ("back", next)]).await;
        assert!(answer.headers().get("x-forged").is_none() && answer.headers().get("set-cookie").is_none());
    }
    // A link begins with the public address: what an address cannot hold is not in it.
    let body = json!({ "set": { "server.public_url": "http://a.example/\r\nx-forged: 1" } });
    app.request_as(ADMIN_KEY, Method::PATCH, "/admin/v1/config", Some(body)).await;
    let video = app.make("a fox", "480p", 6).await;
    let job: filmgate_domain::JobId =
        video["id"].as_str().unwrap().strip_prefix("video_").unwrap().parse().unwrap();
    let link = app.get(&format!("/xai/v1/videos/{job}")).await["video"]["url"].clone();
    let link = link.as_str().unwrap();
    assert!(link.starts_with("http://a.example/x-forged:%201/media/"), "{link}");
    assert!(!link.contains(char::is_control), "{link:?}");
}
