//! Sends requests, several at once, and judges their answers.

use std::time::Duration;

use reqwest::header::{HeaderName, HeaderValue};
use reqwest::{Method, StatusCode};
use serde_json::Value;
use tokio::task::JoinSet;

use crate::app::TestApp;
use crate::wire::{assert_openai_error, assert_xai_error};

/// How many requests are on their way at once.
const AT_ONCE: usize = 8;

/// The longest refusal, in bytes: it repeats no megabyte.
const LONGEST: usize = 2_000;

/// What has to come of a request.
#[derive(Clone, Debug)]
pub(super) struct Expected {
    /// What is tried, for messages.
    what: String,
    /// The field that a refusal names.
    field: Option<String>,
    /// Whether it has to be refused.
    refused: bool,
}

impl Expected {
    /// A refusal, if there is one, names the field.
    pub(super) fn of(what: String, field: &str, refused: bool) -> Self {
        Self { what, field: Some(field.to_owned()), refused }
    }

    /// A refusal that has nothing to name.
    pub(super) fn refusal(what: String) -> Self {
        Self { what, field: None, refused: true }
    }
}

/// A request.
pub(super) struct Shot {
    pub(super) method: Method,
    pub(super) url: String,
    pub(super) headers: Vec<(String, Vec<u8>)>,
    pub(super) body: Vec<u8>,
    pub(super) expected: Expected,
}

impl Shot {
    pub(super) fn header(&mut self, name: &str, value: impl Into<Vec<u8>>) {
        self.headers.push((name.to_owned(), value.into()));
    }
}

/// Collects what is wrong, so that one run tells all of it.
pub(super) struct Court<'a> {
    app: &'a TestApp,
    running: JoinSet<Option<String>>,
    wrong: Vec<String>,
    judged: usize,
}

impl<'a> Court<'a> {
    pub(super) fn new(app: &'a TestApp) -> Self {
        Self { app, running: JoinSet::new(), wrong: Vec::new(), judged: 0 }
    }

    /// Sends a request as soon as there is room.
    pub(super) async fn shoot(&mut self, shot: Shot) {
        while self.running.len() >= AT_ONCE {
            self.judged().await;
        }
        let http = self.app.http.clone();
        self.running.spawn(async move {
            let expected = shot.expected.clone();
            let answer = tokio::time::timeout(Duration::from_secs(120), send(&http, shot)).await;
            let wrong = match answer {
                Err(_) => Some("no answer within two minutes".to_owned()),
                Ok(Err(error)) => Some(format!("no answer: {error:?}")),
                Ok(Ok((status, text))) => judge(&expected, status, &text),
            };
            wrong.map(|wrong| format!("{}: {wrong}", expected.what))
        });
    }

    async fn judged(&mut self) {
        if let Some(judged) = self.running.join_next().await {
            self.wrong.extend(judged.unwrap());
            self.judged += 1;
        }
    }

    /// Waits for the last answers, and tells everything that is wrong.
    pub(super) async fn adjourn(mut self) {
        while !self.running.is_empty() {
            self.judged().await;
        }
        println!("{} requests", self.judged);
        let (count, wrong) = (self.wrong.len(), self.wrong.join("\n"));
        assert!(self.wrong.is_empty(), "{count} of {} requests:\n{wrong}", self.judged);
        let panics: Vec<String> = self.app.messages("ERROR");
        assert!(panics.iter().all(|line| !line.contains("panicked")), "{panics:?}");
        assert_eq!(self.app.get("/v1/models").await["object"], "list", "it still answers");
    }
}

async fn send(http: &reqwest::Client, shot: Shot) -> reqwest::Result<(StatusCode, String)> {
    let mut request = http.request(shot.method, shot.url).body(shot.body);
    for (name, value) in shot.headers {
        request =
            request.header(name.parse::<HeaderName>().unwrap(), HeaderValue::from_bytes(&value).unwrap());
    }
    let answer = request.send().await?;
    let (status, body) = (answer.status(), answer.bytes().await?);
    Ok((status, String::from_utf8_lossy(&body).into_owned()))
}

/// What is wrong with an answer.
fn judge(expected: &Expected, status: StatusCode, text: &str) -> Option<String> {
    let shown: String = text.chars().take(300).collect();
    if status.is_success() && expected.refused && tells_what_was_refused(text) {
        return None;
    }
    // That something is there already, or a link is no good, is about no one field.
    if status == StatusCode::FORBIDDEN || status == StatusCode::CONFLICT && !expected.refused {
        return None;
    }
    // Without a token for it, the request was understood all the same.
    if status.is_success() || status.is_redirection() || status == StatusCode::TOO_MANY_REQUESTS {
        return expected.refused.then(|| format!("{status}, and should be refused: {shown}"));
    }
    if !status.is_client_error() {
        return Some(format!("{status}: {shown}"));
    }
    if status == StatusCode::RANGE_NOT_SATISFIABLE || status == StatusCode::PRECONDITION_FAILED {
        return None;
    }
    if text.len() > LONGEST {
        return Some(format!("{status} with {} bytes: {shown}", text.len()));
    }
    if status == StatusCode::URI_TOO_LONG || status == StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE {
        return None;
    }
    let Ok(body) = serde_json::from_str::<Value>(text) else {
        return Some(format!("{status}, and no JSON: {shown}"));
    };
    let field = expected.field.as_deref()?;
    let named = if body["error"].is_string() {
        assert_xai_error(&body);
        body["error"].as_str().unwrap().to_lowercase().contains(&first(field).to_lowercase())
    } else {
        assert_openai_error(&body);
        // Where two fields exclude each other, one is the parameter, and the sentence has both.
        let sentence = body["error"]["message"].as_str().unwrap();
        let param = body["error"]["param"].as_str();
        param.is_some_and(|param| is_about(param, field) || sentence.contains(&format!("`{field}`")))
    };
    (!named).then(|| format!("{status} does not name the field: {shown}"))
}

/// An import takes what is right, and says where what is wrong stands.
fn tells_what_was_refused(text: &str) -> bool {
    let body: Value = serde_json::from_str(text).unwrap_or_default();
    let refused = body["refused"].as_array().filter(|refused| !refused.is_empty());
    let is_told = |one: &Value| {
        [&one["place"], &one["reason"]].iter().all(|said| said.as_str().is_some_and(|s| !s.is_empty()))
    };
    refused.is_some_and(|refused| refused.iter().all(is_told))
}

/// Whether a name is that of the field, of something in it, or of what it is in.
fn is_about(param: &str, field: &str) -> bool {
    let param = param.replace("][", ".").replace('[', ".").replace(']', "").to_lowercase();
    let field = field.replace('[', ".").replace(']', "").to_lowercase();
    let within = |outer: &str, inner: &str| inner == outer || inner.starts_with(&format!("{outer}."));
    // An import is a file: what is no text there has a line, and no field.
    param == "body" || within(&param, &field) || within(&field, &param)
}

/// The field of the body that a field is in.
fn first(field: &str) -> &str {
    field.split(['.', '[']).next().unwrap_or(field)
}
