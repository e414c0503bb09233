//! An upstream's own words: what an answer says beside its status.

use std::fmt;

use serde_json::{Map, Value};

/// What an upstream says about a failure. Not redacted yet.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Words {
    /// Its code, such as `invalid-argument`.
    pub(crate) code: Option<String>,
    /// Its sentence.
    pub(crate) message: Option<String>,
}

impl Words {
    /// From the body of an answer: `{"code","error"}` (xAI), `{"error":{"message","code"}}` (OpenAI), the like
    /// of `{"message"}` and `{"detail"}`, the title of an HTML page, or plain text. Other JSON is quoted as it is.
    pub(crate) fn of_body(body: &[u8]) -> Self {
        let text = String::from_utf8_lossy(body);
        let text = text.trim_start_matches('\u{feff}').trim();
        match serde_json::from_str(text) {
            Ok(Value::Object(object)) => Self::of_object(&object).or_else(|| Self::sentence(text)),
            Ok(Value::String(sentence)) => Self::sentence(&sentence),
            Ok(_) => Self::sentence(text),
            Err(_) if text.starts_with('<') => Self { code: None, message: title(text) },
            Err(_) => Self::sentence(text),
        }
    }

    /// From what stands under `error` (an object or a string), or beside it.
    pub(crate) fn of_object(object: &Map<String, Value>) -> Self {
        let error = object.get("error");
        let inner = error.and_then(Value::as_object);
        let inside = |key: &str| inner.and_then(|error| error.get(key)).and_then(text_of);
        let outside = |key: &str| object.get(key).and_then(text_of);
        let message = error
            .and_then(text_of)
            .or_else(|| inside("message"))
            .or_else(|| ["message", "detail", "error_description", "msg"].into_iter().find_map(outside));
        let code = inside("code").or_else(|| inside("type")).or_else(|| outside("code"));
        Self { code, message }
    }

    /// Whether they speak of moderation. `content violates usage guidelines` is what xAI answers with a 403.
    pub(crate) fn speak_of_moderation(&self) -> bool {
        const SIGNS: [&str; 5] =
            ["moderat", "content policy", "content_policy", "content-policy", "content violates"];
        let words = self.to_string().to_lowercase();
        SIGNS.iter().any(|sign| words.contains(sign))
    }

    /// Whether a 400 with these words is about the credential, as it is at xAI: `Incorrect API key provided`
    /// (also seen percent-encoded). The sentence has to begin so, because it may go on with the prompt.
    pub(crate) fn speak_of_the_key(&self) -> bool {
        let code = self.code.as_deref().unwrap_or_default();
        let sentence = self.message.as_deref().unwrap_or_default().replace("%20", " ").to_lowercase();
        matches!(code, "invalid_api_key" | "invalid-api-key")
            || ["incorrect api key", "invalid api key"].iter().any(|start| sentence.starts_with(start))
    }

    /// Whether they are about an idempotency key (a draft of the IETF has 422 for one that comes with another body).
    pub(crate) fn speak_of_idempotency(&self) -> bool {
        self.to_string().to_lowercase().contains("idempoten")
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.code.is_none() && self.message.is_none()
    }

    fn or_else(self, other: impl FnOnce() -> Self) -> Self {
        if self.is_empty() { other() } else { self }
    }

    fn sentence(text: &str) -> Self {
        Self { code: None, message: Some(text.trim().to_owned()).filter(|text| !text.is_empty()) }
    }
}

/// `code: sentence`, without the code where the sentence has it.
impl fmt::Display for Words {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (&self.code, &self.message) {
            (Some(code), Some(message)) if !message.contains(code.as_str()) => write!(f, "{code}: {message}"),
            (_, Some(message)) => f.write_str(message),
            (Some(code), None) => f.write_str(code),
            (None, None) => Ok(()),
        }
    }
}

fn text_of(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.trim().to_owned()).filter(|text| !text.is_empty()),
        Value::Number(number) => Some(number.to_string()),
        _ => None,
    }
}

fn title(html: &str) -> Option<String> {
    let lower = html.to_ascii_lowercase();
    let tag = lower.find("<title")?;
    let start = tag + lower[tag..].find('>')? + 1;
    let end = start + lower[start..].find('<')?;
    Words::sentence(&html[start..end]).message
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case::xai(r#"{"code":"invalid-argument","error":"no such model"}"#, "invalid-argument: no such model")]
    #[case::openai(
        r#"{"error":{"message":"slow down","type":"requests","param":null,"code":"rate_limit_exceeded"}}"#,
        "rate_limit_exceeded: slow down"
    )]
    #[case::null_code(r#"{"error":{"message":"no","type":"server_error","code":null}}"#, "server_error: no")]
    #[case::numeric_code(r#"{"error":{"message":"no","code":400}}"#, "400: no")]
    #[case::bare(r#"{"error":"no"}"#, "no")]
    #[case::code_in_sentence(r#"{"code":"slow","error":"too slow"}"#, "too slow")]
    #[case::message(r#"{"message":"no"}"#, "no")]
    #[case::detail(r#"{"detail":"no"}"#, "no")]
    #[case::code_only(r#"{"code":"no"}"#, "no")]
    #[case::other_json(r#"{"ok":false}"#, r#"{"ok":false}"#)]
    #[case::array("[1,2]", "[1,2]")]
    #[case::string(r#""no""#, "no")]
    #[case::plain("  Not found\n", "Not found")]
    #[case::html(
        "<!doctype html><HTML><Title lang=en>\n502 Bad Gateway</title><body>secret",
        "502 Bad Gateway"
    )]
    #[case::no_title("<html><body>long page", "")]
    #[case::cut_title("<html><title>long page", "")]
    #[case::empty("", "")]
    #[case::half_json(r#"{"error":"n"#, r#"{"error":"n"#)]
    fn from_all_kinds_of_bodies(#[case] body: &str, #[case] expected: &str) {
        assert_eq!(Words::of_body(body.as_bytes()).to_string(), expected);
    }

    #[rstest]
    #[case(r#"{"code":"x","error":"Blocked by moderation"}"#, true)]
    #[case(r#"{"error":{"code":"content_policy_violation","message":"no"}}"#, true)]
    #[case(
        r#"{"code":"The caller does not have permission","error":"Content violates usage guidelines."}"#,
        true
    )]
    #[case(r#"{"code":"permission-denied","error":"no credits left"}"#, false)]
    fn moderation(#[case] body: &str, #[case] expected: bool) {
        assert_eq!(Words::of_body(body.as_bytes()).speak_of_moderation(), expected);
    }

    #[rstest]
    #[case(
        r#"{"code":"Client specified an invalid argument","error":"Incorrect API key provided: ba***na."}"#,
        true
    )]
    #[case(r#"{"error":"Incorrect%20API%20key%20provided:%20ba***na."}"#, true)]
    #[case(r#"{"error":{"code":"invalid_api_key","message":"no"}}"#, true)]
    #[case(r#"{"error":"bad prompt: incorrect api key"}"#, false)]
    #[case(r#"{"error":"duration is out of range"}"#, false)]
    fn the_key(#[case] body: &str, #[case] expected: bool) {
        assert_eq!(Words::of_body(body.as_bytes()).speak_of_the_key(), expected);
    }
}
