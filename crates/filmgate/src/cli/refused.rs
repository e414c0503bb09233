//! An answer that is no success, from the admin API or from any gateway.

use serde_json::Value;

use super::out::{clean, shorten};

/// What a server said instead of doing what it was asked for.
#[derive(Debug, thiserror::Error)]
#[error("{}", self.sentence())]
pub(super) struct Refused {
    /// The HTTP status.
    pub(super) status: u16,
    /// The server's word for programs.
    pub(super) code: Option<String>,
    /// The server's words for people.
    pub(super) message: String,
    /// After how many seconds it is worth asking again.
    pub(super) retry_after: Option<u64>,
}

impl Refused {
    /// Reads an answer: the OpenAI shape, xAI's, or whatever it says.
    pub(super) fn read(status: u16, retry_after: Option<&str>, body: &[u8]) -> Self {
        let retry_after = retry_after.and_then(|seconds| seconds.trim().parse().ok());
        let json: Value = serde_json::from_slice(body).unwrap_or_default();
        let text = |value: &Value| value.as_str().map(str::to_owned);
        let (message, code) = match &json["error"] {
            Value::Object(error) => {
                let get = |name: &str| error.get(name).and_then(text);
                (get("message"), get("code").or_else(|| get("type")))
            }
            Value::String(message) => (Some(message.clone()), text(&json["code"])),
            _ => (None, None),
        };
        let message = message.filter(|m| !m.trim().is_empty()).unwrap_or_else(|| {
            let words = shorten(&String::from_utf8_lossy(body), 200);
            let reason = http::StatusCode::from_u16(status).ok().and_then(|s| s.canonical_reason());
            let reason = reason.unwrap_or("no success");
            if words.is_empty() { reason.to_owned() } else { format!("{reason}: {words}") }
        });
        Self { status, code, message: clean(&message), retry_after }
    }

    /// Whether asking again in a moment may help: the server is busy, starting or behind a broken proxy.
    pub(super) fn is_passing(&self) -> bool {
        matches!(self.status, 408 | 429 | 500..)
    }

    fn sentence(&self) -> String {
        let mut text = self.message.clone();
        match &self.code {
            Some(code) => text.push_str(&format!(" ({}, {})", self.status, clean(code))),
            None => text.push_str(&format!(" ({})", self.status)),
        }
        if let Some(seconds) = self.retry_after {
            let span = super::time::span(std::time::Duration::from_secs(seconds));
            text.push_str(&format!("; try again in {span}"));
        }
        text
    }
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case(
        400,
        br#"{"error":{"message":"no such model","type":"x","code":"model_not_found"}}"#,
        "no such model (400, model_not_found)"
    )]
    #[case(
        429,
        br#"{"error":{"message":"later","code":null,"type":"busy"}}"#,
        "later (429, busy); try again in 30 s"
    )]
    #[case(401, br#"{"code":"invalid-api-key","error":"send a key"}"#, "send a key (401, invalid-api-key)")]
    #[case(404, br#"{"error":"gone"}"#, "gone (404)")]
    #[case(502, b"<html>\n bad\x07 gateway</html>", "Bad Gateway: <html> bad\u{fffd} gateway</html> (502)")]
    #[case(503, b"", "Service Unavailable (503)")]
    #[case(599, br#"{"error":{}}"#, "no success: {\"error\":{}} (599)")]
    fn every_shape_is_read(#[case] status: u16, #[case] body: &[u8], #[case] sentence: &str) {
        let retry_after = (status == 429).then_some("30");
        assert_eq!(Refused::read(status, retry_after, body).to_string(), sentence);
    }
}
