//! What clients put on the wire, and how their answers are looked at: forms, raw sockets, event streams,
//! snapshots.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::time::Duration;

use reqwest::header::HeaderMap;
use reqwest::{Method, Response, StatusCode};
use serde_json::{Value, json};

use crate::app::TestApp;

/// A form as openai-python writes it: no types of parts, a random boundary.
pub(crate) fn form(boundary: &str, fields: &[(&str, &str)]) -> Vec<u8> {
    let part = |(name, value): &(&str, &str)| {
        format!("--{boundary}\r\nContent-Disposition: form-data; name=\"{name}\"\r\n\r\n{value}\r\n")
    };
    let parts: String = fields.iter().map(part).collect();
    format!("{parts}--{boundary}--\r\n").into_bytes()
}

/// An answer: status, headers, and a body that is JSON.
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Value,
}

impl Answer {
    pub(crate) async fn of(response: Response) -> Self {
        let (status, headers) = (response.status(), response.headers().clone());
        let text = response.text().await.unwrap();
        let body = serde_json::from_str(&text).unwrap_or_else(|_| panic!("{status}, and no JSON: {text:?}"));
        Self { status, headers, body }
    }

    /// A header as text; empty when it is not there.
    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().unwrap())
    }
}

impl TestApp {
    /// A request with the client key, and its answer.
    pub(crate) async fn ask(&self, method: Method, path: &str, body: Option<Value>) -> Answer {
        Answer::of(self.request(method, path, body).await).await
    }

    /// A POST of any bytes with more headers.
    pub(crate) async fn post(
        &self,
        path: &str,
        headers: &[(&str, &str)],
        body: impl Into<Vec<u8>>,
    ) -> Response {
        let url = format!("{}{path}", self.url);
        let request = self.http.post(url).bearer_auth(&self.client_key).body(body.into());
        let request = headers.iter().fold(request, |request, (name, value)| request.header(*name, *value));
        request.send().await.unwrap()
    }

    /// A POST of a form.
    pub(crate) async fn post_form(
        &self,
        path: &str,
        boundary: &str,
        headers: &[(&str, &str)],
        fields: &[(&str, &str)],
    ) -> Response {
        let content_type = format!("multipart/form-data; boundary={boundary}");
        let headers = [headers, &[("content-type", &content_type)]].concat();
        self.post(path, &headers, form(boundary, fields)).await
    }

    /// Asks for a path again and again until the answer is as wanted.
    pub(crate) async fn until(&self, path: &str, wanted: impl Fn(&Value) -> bool) -> Answer {
        for _ in 0..1200 {
            let answer = self.ask(Method::GET, path, None).await;
            if wanted(&answer.body) {
                return answer;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        panic!("{path} did not become what it should:\n{}", self.logs());
    }

    /// Every job, as the operator sees it.
    pub(crate) async fn jobs(&self) -> Vec<Value> {
        let answer = self.admin(Method::GET, "/jobs", None).await;
        answer["jobs"].as_array().unwrap().clone()
    }

    /// What the upstream was asked for so far: generations and refusals.
    pub(crate) fn upstream_saw(&self) -> usize {
        self.simulator.generations().len() + self.simulator.refusals().len()
    }

    /// The `host:port` that the gateway listens on.
    pub(crate) fn address(&self) -> &str {
        self.url.strip_prefix("http://").unwrap()
    }

    /// Opens a connection and sends some bytes, as no decent client would.
    pub(crate) fn connect_and_send(&self, bytes: &[u8]) -> TcpStream {
        let mut stream = TcpStream::connect(self.address()).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(30))).unwrap();
        // The gateway may have had enough before it has everything.
        let _ = stream.write_all(bytes);
        stream
    }
}

/// Reads a connection to its end, which a reset is too.
pub(crate) fn read_to_end(mut stream: TcpStream) -> String {
    let (mut all, mut buffer) = (Vec::new(), [0; 4096]);
    loop {
        match stream.read(&mut buffer) {
            Ok(0) => break,
            Ok(n) => all.extend_from_slice(&buffer[..n]),
            Err(error) if error.kind() == std::io::ErrorKind::ConnectionReset => break,
            Err(error) => panic!("the gateway does not end the connection: {error}"),
        }
    }
    String::from_utf8_lossy(&all).into_owned()
}

/// Server-sent events: the name of each (empty for the usual one) and its data; comments stand as `:`.
pub(crate) fn events(text: &str) -> Vec<(String, String)> {
    let mut events = Vec::new();
    for block in text.split("\n\n").filter(|block| !block.is_empty()) {
        let (mut name, mut data) = (String::new(), String::new());
        for line in block.lines() {
            match line.split_once(':') {
                Some(("", comment)) => (name, data) = (":".to_owned(), comment.trim().to_owned()),
                Some(("event", value)) => name = value.trim().to_owned(),
                Some(("data", value)) => data += value.trim(),
                Some(("retry", value)) => assert!(value.trim().parse::<u32>().is_ok(), "{line}"),
                _ => panic!("no line of an event stream: {line:?}"),
            }
        }
        events.push((name, data));
    }
    events
}

/// A refusal in OpenAI's shape: four fields, always, and nothing else (save a job's id).
#[track_caller]
pub(crate) fn assert_openai_error(body: &Value) {
    let error = body["error"].as_object().unwrap_or_else(|| panic!("no error object: {body}"));
    assert_eq!(body.as_object().unwrap().len(), 1, "{body}");
    assert!(error["message"].as_str().is_some_and(|text| !text.is_empty()), "{body}");
    assert!(error["type"].is_string() && error["code"].is_string(), "{body}");
    assert!(error["param"].is_string() || error["param"].is_null(), "{body}");
    assert!(
        error.keys().all(|key| ["message", "type", "param", "code", "video_id"].contains(&&**key)),
        "{body}"
    );
}

/// A refusal in xAI's shape: a code in kebab case, and a sentence.
#[track_caller]
pub(crate) fn assert_xai_error(body: &Value) {
    assert_eq!(body.as_object().map(serde_json::Map::len), Some(2), "{body}");
    let code = body["code"].as_str().unwrap_or_else(|| panic!("no code: {body}"));
    assert!(!code.is_empty() && code.bytes().all(|b| b.is_ascii_lowercase() || b == b'-'), "{body}");
    assert!(body["error"].as_str().is_some_and(|text| !text.is_empty()), "{body}");
}

/// A refusal: 4xx, in the shape of the path's dialect, short, and with the name of the field at fault.
pub(crate) async fn assert_refused(
    path: &str,
    response: Response,
    param: Option<&str>,
    what: &str,
) -> Answer {
    let answer = Answer::of(response).await;
    let what: String = format!("{path}: {what}").chars().take(300).collect();
    assert!(answer.status.is_client_error(), "{what}: {} {}", answer.status, answer.body);
    assert!(!answer.header("x-request-id").is_empty(), "{what}");
    assert!(answer.body.to_string().len() < 2000, "{what}: a refusal repeats no megabyte");
    if path.starts_with("/v1/videos/generations") {
        assert_xai_error(&answer.body);
        let field = param.unwrap_or_default().rsplit('.').next().unwrap();
        let field = field.split('[').next().unwrap();
        // The words for a value that makes no sense name the value; every other mistake names the field.
        let message = answer.body["error"].as_str().unwrap();
        let said = message.contains(field) || message.contains("is not a") || message.contains("is not an");
        assert!(said, "{what}: {message}");
    } else {
        assert_openai_error(&answer.body);
        if let Some(param) = param {
            assert_eq!(answer.body["error"]["param"], param, "{what}: {}", answer.body);
        }
    }
    answer
}

/// Nothing has reached the upstream, and there is no job.
pub(crate) async fn assert_nothing_was_made(app: &TestApp) {
    assert_eq!(app.upstream_saw(), 0, "nothing may reach the upstream");
    assert!(app.jobs().await.is_empty());
}

/// Compares JSON with what is kept in `snapshots/`. What differs from run to run (ids, times, sizes, hashes,
/// links) is checked for its type only.
#[track_caller]
pub(crate) fn snapshot(name: &str, value: &Value) {
    let mut settings = insta::Settings::clone_current();
    settings.set_sort_maps(true);
    settings.set_prepend_module_to_snapshot(false);
    settings.set_omit_expression(true);
    settings.bind(|| insta::assert_json_snapshot!(name, steady(value)));
}

/// The same JSON with a word in place of what differs from run to run.
fn steady(value: &Value) -> Value {
    match value {
        Value::Array(list) => list.iter().map(steady).collect(),
        Value::Object(map) => {
            let field = |(key, value): (&String, &Value)| (key.clone(), steady_field(key, value));
            Value::Object(map.iter().map(field).collect())
        }
        Value::String(text) => json!(steady_text(text)),
        other => other.clone(),
    }
}

fn steady_field(key: &str, value: &Value) -> Value {
    match (key, value) {
        ("created" | "created_at" | "completed_at" | "expires_at", Value::Number(n)) if n.is_i64() => {
            json!("[unix time]")
        }
        ("bytes", Value::Number(n)) if n.is_u64() => json!("[bytes]"),
        ("sha256", Value::String(hash)) if hash.len() == 64 => json!("[sha256]"),
        _ => steady(value),
    }
}

/// Ids, links and addresses inside a text.
fn steady_text(text: &str) -> String {
    let mut steady = String::new();
    let mut rest = text;
    while let Some((at, length, word)) = next_changing(rest) {
        steady += &rest[..at];
        steady += word;
        rest = &rest[at + length..];
    }
    steady + rest
}

/// The first piece of a text that differs from run to run: where it begins, its length, what it is.
fn next_changing(text: &str) -> Option<(usize, usize, &'static str)> {
    let run = |from: &str, of: fn(char) -> bool| from.find(|c| !of(c)).unwrap_or(from.len());
    let hex = |c: char| c.is_ascii_hexdigit() && !c.is_ascii_uppercase();
    text.char_indices()
        .find_map(|(at, _)| {
            let from = &text[at..];
            let is_uuid = from.len() >= 36
                && from.is_char_boundary(36)
                && run(from, |c| c == '-' || c.is_ascii_hexdigit()) == 36;
            if let Some(port) = from.strip_prefix("127.0.0.1:") {
                Some((at, 10 + run(port, |c| c.is_ascii_digit()), "[address]"))
            } else if let Some(time) = from.strip_prefix("expires=") {
                Some((at, 8 + run(time, |c| c.is_ascii_digit()), "expires=.."))
            } else if let Some(signature) = from.strip_prefix("signature=") {
                let length = run(signature, hex);
                Some((at, 10 + length, if length == 64 { "signature=.." } else { "signature=?" }))
            } else if is_uuid {
                Some((at, 36, "[uuid]"))
            } else {
                (run(from, hex) == 32).then_some((at, 32, "[32 hex]"))
            }
        })
        .filter(|(_, length, _)| *length > 0)
}
