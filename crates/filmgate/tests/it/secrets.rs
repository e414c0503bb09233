//! No secret leaves the gateway: every endpoint and every failure is driven with the log at its most talkative,
//! and then everything that came out is searched.

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use base64::prelude::*;
use reqwest::{Method, Response};
use serde_json::{Value, json};

use crate::app::{ADMIN_KEY, Setup, TestApp};
use crate::wire::form;

const PROXY_PASSWORD: &str = "the-proxys-own-password-7f3a";

/// Words that make the simulated provider fail, each in its way.
const FAILURES: [&str; 12] = [
    "[fail]",
    "[moderate]",
    "[expire]",
    "[quiet]",
    "[busy]",
    "[unauthorized]",
    "[error]",
    "[lost]",
    "[garbage]",
    "[notvideo]",
    "[cutoff]",
    "[lie]",
];

#[tokio::test]
async fn no_secret_gets_out_in_json_logs() {
    no_secret_gets_out("json").await;
}

#[tokio::test]
async fn no_secret_gets_out_in_human_logs() {
    no_secret_gets_out("human").await;
}

async fn no_secret_gets_out(format: &str) {
    let parrot = parrot();
    let setup = Setup { video_seconds: 0.0, ..Setup::default() }
        .set("log.level=\"trace\"")
        .set("server.shutdown_grace=\"1s\"")
        .set(&format!("log.format=\"{format}\""))
        .set("jobs.max_attempts=1")
        .set("jobs.max_blames=1")
        .set("tokens.fail_threshold=1000")
        .set("tokens.first_pause=\"1ms\"")
        .set("video.models=[\"grok-imagine-video\", \"parrot\"]")
        .set("video.pools=[\"ssoBasic\", \"ssoSuper\", \"parrot\"]")
        .set("models.grok-imagine-video.pools=[\"ssoBasic\", \"ssoSuper\"]")
        .set("models.parrot.pools=[\"parrot\"]")
        .set("pools.parrot.upstream=\"parrot\"")
        .set("pools.parrot.delivers=[{ resolution = \"480p\", max_seconds = 15 }]")
        .set("upstreams.parrot.poll_every=\"20ms\"")
        .set(&format!("upstreams.parrot.base_url=\"http://{parrot}/v1\""));
    let mut app = setup.start().await;
    let mut heard = Heard::default();
    as_client(&app, &mut heard).await;
    as_stranger(&app, &mut heard).await;
    as_operator(&app, &mut heard).await;
    from_a_parrot(&app, &mut heard).await;
    through_a_proxy(&mut app, &mut heard).await;
    heard.files_of(&app);
    assert!(app.stop());
    heard.files_of(&app);
    heard.0.push(("the log".to_owned(), app.logs()));
    assert!(app.logs().contains("TRACE"), "the log is at its most talkative");
    let repeated =
        heard.0.iter().filter(|(_, text)| text.contains("you sent") && text.contains("[redacted]"));
    assert!(repeated.count() >= 10, "the parrot was heard");
    for secret in secrets(&app) {
        heard.assert_without(&secret);
    }
    // A link has to be kept until its file is here, also if a provider puts the credential into it.
    heard.0.retain(|(what, _)| !what.starts_with("the file filmgate.db"));
    heard.assert_without(LINKED_TOKEN);
    // The first key is made with the data directory, and told once, on standard output.
    assert!(!app.logs().contains("client key   "));
}

/// Everything that came out of the gateway: from where, and the text.
#[derive(Default)]
struct Heard(Vec<(String, String)>);

impl Heard {
    async fn answer(&mut self, response: Response) -> Value {
        let what = format!("the answer of {} ({})", response.url().path(), response.status());
        let headers = format!("{:?}", response.headers());
        let body = response.bytes().await.unwrap();
        self.0.push((format!("the headers of {what}"), headers));
        let json = serde_json::from_slice(&body).unwrap_or_default();
        self.0.push((what, String::from_utf8_lossy(&body).into_owned()));
        json
    }

    /// Everything in the data directory, save the files that are there to keep the keys.
    fn files_of(&mut self, app: &TestApp) {
        let mut directories = vec![app.data_dir()];
        let mut names = Vec::new();
        while let Some(directory) = directories.pop() {
            for entry in std::fs::read_dir(directory).unwrap().flatten() {
                let (path, name) = (entry.path(), entry.file_name().into_string().unwrap());
                if path.is_dir() {
                    directories.push(path);
                } else if !["master.key", "admin.key", "filmgate.toml"].contains(&&*name) {
                    let text = String::from_utf8_lossy(&std::fs::read(path).unwrap()).into_owned();
                    self.0.push((format!("the file {name}"), text));
                    names.push(name);
                }
            }
        }
        assert!(names.iter().any(|name| name == "filmgate.db"), "{names:?}");
    }

    /// Searches for a secret beyond its first ten characters, also in hex and base64, whole or in part.
    fn assert_without(&self, secret: &str) {
        assert!(secret.len() >= 20, "too short to be looked for");
        let rest = &secret[10..];
        let hex: String = rest.bytes().map(|byte| format!("{byte:02x}")).collect();
        // In base64, a text looks in one of three ways, depending on what stands before it.
        let base64 = (0..3).map(|before| BASE64_STANDARD.encode(format!("{}{rest}", &"xyz"[..before])));
        let spellings =
            [rest.to_owned(), hex].into_iter().chain(base64.map(|text| text[4..text.len() - 4].to_owned()));
        for spelling in spellings {
            for piece in spelling.as_bytes().chunks_exact(12).map(|piece| str::from_utf8(piece).unwrap()) {
                for (what, text) in &self.0 {
                    if let Some(at) = text.find(piece) {
                        let around: String =
                            text.get(at.saturating_sub(300)..at + 60).unwrap_or(piece).to_owned();
                        panic!("{what} holds a piece of a secret: {around}");
                    }
                }
            }
        }
    }
}

/// The tokens, the keys, and the proxy's password.
fn secrets(app: &TestApp) -> Vec<String> {
    let tokens = app.sim_tokens.iter().flatten().map(|token| token.secret.clone());
    let read = |name: &str| std::fs::read_to_string(app.data_dir().join(name)).unwrap().trim().to_owned();
    let others =
        [app.client_key.clone(), ADMIN_KEY.to_owned(), PARROTS_TOKEN.to_owned(), LINE_TOKEN.to_owned()];
    let more = [read("master.key"), read("admin.key"), PROXY_PASSWORD.to_owned()];
    tokens.chain(others).chain(more).collect()
}

/// Every endpoint of the dialects, and every failure.
async fn as_client(app: &TestApp, heard: &mut Heard) {
    for word in FAILURES {
        let video = json!({ "prompt": word, "resolution": "480p", "seconds": "4" });
        let made = heard.answer(app.request(Method::POST, "/v1/videos", Some(video)).await).await;
        let id = made["id"].as_str().unwrap().to_owned();
        let xai = json!({ "prompt": word });
        heard.answer(app.request(Method::POST, "/v1/videos/generations", Some(xai)).await).await;
        let slow_to_fail = ["[quiet]", "[cutoff]"].contains(&word);
        for stream in [false, true].into_iter().filter(|_| !slow_to_fail) {
            let chat = json!({ "messages": [{ "role": "user", "content": word }], "stream": stream });
            heard.answer(app.request(Method::POST, "/v1/chat/completions", Some(chat)).await).await;
        }
        if !slow_to_fail {
            app.finished(&id).await;
        }
        heard.answer(app.request(Method::GET, &format!("/v1/videos/{id}"), None).await).await;
        heard.answer(app.request(Method::GET, &format!("/v1/videos/{id}/content"), None).await).await;
    }
    let hanging = json!({ "prompt": "[hang]" });
    heard.answer(app.request(Method::POST, "/v1/videos", Some(hanging)).await).await;
    let fields = [("prompt", "a red fox"), ("seconds", "4")];
    let headers = [("content-type", "multipart/form-data; boundary=b"), ("x-stainless-retry-count", "1")];
    heard.answer(app.post("/v1/videos", &headers, form("b", &fields)).await).await;
    heard.answer(app.post("/v1/videos", &headers, form("b", &fields)).await).await;
    for path in
        ["/v1/models", "/v1/models/sora-2", "/v1/models/x", "/v1/nothing", "/healthz", "/readyz", "/metrics"]
    {
        heard.answer(app.request(Method::GET, path, None).await).await;
    }
    // A key in the wrong place stays a secret.
    let misplaced = format!("/v1/models?api_key={}&token={ADMIN_KEY}", app.client_key);
    heard.answer(app.request(Method::GET, &misplaced, None).await).await;
    let http2 = reqwest::Client::builder().no_proxy().http2_prior_knowledge().build().unwrap();
    let response =
        http2.get(format!("{}/v1/models", app.url)).bearer_auth(&app.client_key).send().await.unwrap();
    assert_eq!(response.version(), reqwest::Version::HTTP_2);
    heard.answer(response).await;
    for body in ["", "{", "null", "{\"prompt\":7}"] {
        heard.answer(app.post("/v1/videos", &[("content-type", "application/json")], body).await).await;
    }
}

/// Keys that are almost right.
async fn as_stranger(app: &TestApp, heard: &mut Heard) {
    for key in [format!("{}x", app.client_key), ADMIN_KEY.to_owned(), app.client_key.to_uppercase()] {
        heard.answer(app.request_as(&key, Method::GET, "/v1/models", None).await).await;
        heard
            .answer(app.request_as(&key, Method::POST, "/v1/videos/generations", Some(json!({}))).await)
            .await;
    }
    for key in [app.client_key.clone(), format!("{ADMIN_KEY}x")] {
        heard
            .answer(app.request_as(&key, Method::GET, "/admin/v1/tokens/export?secrets=true", None).await)
            .await;
    }
}

/// A token that is imported with mistakes around it.
const LINE_TOKEN: &str = "sso-cookie-that-somebody-pasted-0123456789";

/// Every endpoint of the admin API, save the one answer that shows a new key and the export with secrets.
async fn as_operator(app: &TestApp, heard: &mut Heard) {
    let secret = &app.sim_tokens[0][0].secret;
    let imports = [
        json!({ "ssoBasic": [secret, format!("sso={secret}")] }).to_string(),
        format!("{LINE_TOKEN}\n{LINE_TOKEN} with a blank\nsso={LINE_TOKEN}é\n"),
        format!("{{\"ssoBasic\":[\"{LINE_TOKEN}\", {{\"token\":\"{LINE_TOKEN}\",\"status\":\"{LINE_TOKEN}\"}}"),
        json!({ "nowhere": [LINE_TOKEN], "ssoBasic": [{ "token": LINE_TOKEN, "status": "odd", "note": "mine" }] }).to_string(),
        json!({ "ssoSuper": [{ "token": LINE_TOKEN, "status": "disabled", "last_fail_reason": "was tired" }] }).to_string(),
    ];
    for query in ["", "?pool=ssoBasic", "?pool=ssoBasic&dry_run=true"] {
        for text in &imports {
            let url = format!("{}/admin/v1/tokens/import{query}", app.url);
            let response = app.http.post(url).bearer_auth(ADMIN_KEY).body(text.clone()).send().await.unwrap();
            heard.answer(response).await;
        }
    }
    let (tokens, jobs) = (app.tokens("ssoBasic").await, app.jobs().await);
    let (token, job) = (tokens[0]["id"].as_str().unwrap(), jobs[0]["id"].as_str().unwrap());
    let key = app.admin(Method::POST, "/keys", Some(json!({ "name": "temporary" }))).await;
    for (method, path) in [
        (Method::GET, "/tokens".to_owned()),
        (Method::GET, "/tokens/export".to_owned()),
        (Method::GET, format!("/tokens/{token}")),
        (Method::POST, format!("/tokens/{token}/disable")),
        (Method::POST, format!("/tokens/{token}/enable")),
        (Method::POST, format!("/tokens/{token}/reset")),
        (Method::GET, "/pools".to_owned()),
        (Method::GET, "/route?resolution=720p&seconds=6".to_owned()),
        (Method::GET, "/jobs?limit=1000".to_owned()),
        (Method::GET, format!("/jobs/{job}")),
        (Method::POST, format!("/jobs/{job}/cancel")),
        (Method::GET, "/keys".to_owned()),
        (Method::DELETE, format!("/keys/{}", key["id"].as_str().unwrap())),
        (Method::GET, "/config".to_owned()),
        (Method::POST, "/config/reload".to_owned()),
        (Method::POST, "/upstreams/xai/check".to_owned()),
    ] {
        let response = app.request_as(ADMIN_KEY, method, &format!("/admin/v1{path}"), None).await;
        heard.answer(response).await;
    }
    // The new key itself was told once; it must not be told again.
    let told = key["key"].as_str().unwrap().to_owned();
    heard.assert_without(&told);
    let proxied =
        json!({ "set": { "upstreams.parrot.proxy": format!("http://gate:{PROXY_PASSWORD}@127.0.0.1:x") } });
    heard.answer(app.request_as(ADMIN_KEY, Method::PATCH, "/admin/v1/config", Some(proxied)).await).await;
    app.signal("HUP");
}

/// The credential that the parrot gets, and repeats.
const PARROTS_TOKEN: &str = "parrots-secret-A1b2C3d4+E5f6/G7h8=I9j0~K1l2";

/// The credential that the parrot gets when it puts it into links.
const LINKED_TOKEN: &str = "linked-secret-Z9y8X7w6+V5u4/T3s2=R1q0~P9o8";

/// An upstream that repeats what it was sent, in every kind of answer.
async fn from_a_parrot(app: &TestApp, heard: &mut Heard) {
    app.admin(Method::POST, "/tokens/import", Some(json!({ "parrot": [PARROTS_TOKEN] }))).await;
    for n in 0..PARROTS_ANSWERS {
        if n == FIRST_WITH_LINKS {
            app.admin(Method::DELETE, &format!("/tokens/{}", told_token(app).await), None).await;
            app.admin(Method::POST, "/tokens/import", Some(json!({ "parrot": [LINKED_TOKEN] }))).await;
        }
        let video =
            json!({ "model": "parrot", "prompt": format!("polly {n}"), "resolution": "480p", "seconds": 4 });
        let made = heard.answer(app.request(Method::POST, "/v1/videos", Some(video)).await).await;
        let id = made["id"].as_str().unwrap().to_owned();
        let told = app.job_until(&id, "told", |job| {
            job["state"] == "failed" || job["state"] == "running" || job["state"] == "delivering"
        });
        told.await;
        // Polls and fetches fail for a while, and are told in the log.
        tokio::time::sleep(Duration::from_millis(150)).await;
        for path in [format!("/v1/videos/{id}"), format!("/v1/videos/{id}/content")] {
            heard.answer(app.request(Method::GET, &path, None).await).await;
        }
        heard
            .answer(
                app.request_as(ADMIN_KEY, Method::POST, &format!("/admin/v1/jobs/{id}/cancel"), None).await,
            )
            .await;
        heard
            .answer(app.request_as(ADMIN_KEY, Method::GET, &format!("/admin/v1/jobs/{id}"), None).await)
            .await;
        app.admin(Method::POST, &format!("/tokens/{}/reset", told_token(app).await), None).await;
    }
    heard
        .answer(app.request_as(ADMIN_KEY, Method::POST, "/admin/v1/upstreams/parrot/check", None).await)
        .await;
    heard.answer(app.request_as(ADMIN_KEY, Method::GET, "/admin/v1/tokens", None).await).await;
    heard.answer(app.http.get(format!("{}/metrics", app.url)).send().await.unwrap()).await;
}

async fn told_token(app: &TestApp) -> String {
    app.tokens("parrot").await[0]["id"].as_str().unwrap().to_owned()
}

/// The same provider, reached through proxies that want a password: one that works (the simulator takes
/// requests in a proxy's form too), and one that is not there.
async fn through_a_proxy(app: &mut TestApp, heard: &mut Heard) {
    let proxies = [
        format!("http://gate:{PROXY_PASSWORD}@{}", app.simulator.addr()),
        format!("socks5://gate:{PROXY_PASSWORD}@{}", app.simulator.addr()),
        format!("http://gate:{PROXY_PASSWORD}@127.0.0.1:1"),
    ];
    for (proxy, works) in proxies.iter().zip([true, false, false]) {
        assert!(app.stop());
        app.also_set(&format!("upstreams.xai.proxy=\"{proxy}\""));
        app.launch().await;
        let video = app.make("a red fox", "480p", 4).await;
        assert_eq!(video["status"], if works { "completed" } else { "failed" }, "{video}");
        heard
            .answer(
                app.request(Method::GET, &format!("/v1/videos/{}", video["id"].as_str().unwrap()), None)
                    .await,
            )
            .await;
        for path in ["/config", "/pools", "/tokens", "/jobs"] {
            heard
                .answer(app.request_as(ADMIN_KEY, Method::GET, &format!("/admin/v1{path}"), None).await)
                .await;
        }
        heard
            .answer(app.request_as(ADMIN_KEY, Method::POST, "/admin/v1/upstreams/xai/check", None).await)
            .await;
    }
}

/// In how many ways the parrot answers.
const PARROTS_ANSWERS: usize = 13;
const FIRST_WITH_LINKS: usize = 11;

/// A provider that repeats every request, with its credential, in its answers.
fn parrot() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    std::thread::spawn(move || {
        let asked = AtomicUsize::new(0);
        for stream in listener.incoming().flatten() {
            // A client that hangs up here is not the test's business.
            let _ = squawk(stream, &asked);
        }
    });
    address
}

fn squawk(mut stream: TcpStream, asked: &AtomicUsize) -> std::io::Result<()> {
    let mut request = vec![0; 64 * 1024];
    let mut length = stream.read(&mut request)?;
    // The body may come in a second piece.
    stream.set_read_timeout(Some(Duration::from_millis(20)))?;
    length += stream.read(&mut request[length..]).unwrap_or(0);
    let request = String::from_utf8_lossy(&request[..length]).into_owned();
    let credential =
        request.lines().find_map(|line| line.strip_prefix("authorization: ")).unwrap_or_default();
    let token = credential.strip_prefix("Bearer ").unwrap_or_default();
    let host = request.lines().find_map(|line| line.strip_prefix("host: ")).unwrap_or_default();
    let encoded: String = token.bytes().map(|byte| format!("%{byte:02X}")).collect();
    let words = format!(
        "you sent {credential}, that is {token}, in base64 {}, for URLs {encoded}, in quotes \\\"{token}\\\", \
         shouted {}, and cut {} {}",
        BASE64_STANDARD.encode(token),
        token.to_uppercase(),
        &token[..token.len() / 2],
        &token[token.len() / 2..],
    );
    let refusal = json!({ "code": token, "error": words }).to_string();
    let is_create = request.starts_with("POST ");
    let nth =
        if is_create { asked.fetch_add(1, Ordering::Relaxed) } else { asked.load(Ordering::Relaxed) - 1 };
    let accepted = json!({ "request_id": "polly" }).to_string();
    let link = format!("http://{host}/file/{token}.mp4?token={token}");
    let (status, body) = match (nth % PARROTS_ANSWERS, is_create) {
        (0, _) => ("400 Bad Request", refusal),
        (1, _) => ("401 Unauthorized", refusal),
        (2, _) => ("403 Forbidden", json!({ "error": { "message": words, "code": token } }).to_string()),
        (3, _) => ("429 Too Many Requests", words),
        (4, _) => ("500 Internal Server Error", request.clone()),
        (5, _) => ("302 Found", words),
        (6, _) => ("200 OK", words),
        (7, _) => ("422 Unprocessable Entity", format!("<html><h1>{words}</h1></html>")),
        (_, true) => ("200 OK", accepted),
        (8, _) => ("500 Internal Server Error", refusal),
        (9, _) => (
            "200 OK",
            json!({ "status": "failed", "error": { "code": token, "message": words } }).to_string(),
        ),
        (10, _) => ("200 OK", json!({ "status": words }).to_string()),
        (11, _) if request.starts_with("GET /file") => ("404 Not Found", words),
        (11, _) => (
            "200 OK",
            json!({ "status": "done", "video": { "url": link, "respect_moderation": true } }).to_string(),
        ),
        _ => (
            "200 OK",
            json!({ "status": "done", "video": { "url": format!("ftp://{token}@x/{token}") } }).to_string(),
        ),
    };
    let length = body.len();
    write!(
        stream,
        "HTTP/1.1 {status}\r\nlocation: http://{host}/?token={token}\r\nx-echo: {credential}\r\nset-cookie: sso={token}\r\n\
         content-type: application/json\r\ncontent-length: {length}\r\nconnection: close\r\n\r\n{body}"
    )
}
