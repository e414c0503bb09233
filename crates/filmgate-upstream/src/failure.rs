//! What a failed call means: its cause, and whether a video may come of it all the same.
//!
//! The rule (architecture, "At most one generation per job"): refused for certain are only no connection, a
//! redirect, and 4xx except 408 and 409. Everything else after the first byte may have gone out is unknown.

use std::error::Error;
use std::time::Duration;

use filmgate_domain::{Cause, Certainty, Failure, Secret};
use http::StatusCode;

use crate::redact::{redact, scrub};
use crate::words::Words;

/// A call: everything that its failure depends on, besides what happened.
#[derive(Clone, Copy)]
pub(crate) struct Call<'a> {
    /// Whom it goes to, for messages.
    pub(crate) host: &'a str,
    /// The token it is made with.
    pub(crate) token: Option<&'a Secret>,
    /// What is certain of a call that failed once it was under way: for submissions that is
    /// [`Certainty::Unknown`]; for all others the question does not arise, and it is [`Certainty::Refused`].
    pub(crate) under_way: Certainty,
}

impl Call<'_> {
    /// A failure before anything went out.
    pub(crate) fn unsent(&self, cause: Cause, message: &str) -> Failure {
        self.failure(cause, Certainty::Refused, message)
    }

    /// A failure after something may have gone out.
    pub(crate) fn sent(&self, cause: Cause, message: &str) -> Failure {
        self.failure(cause, self.under_way, message)
    }

    /// The answer has this status, and no use can be made of it; `words` is what it says.
    pub(crate) fn status(&self, status: StatusCode, words: &Words, retry_after: Option<Duration>) -> Failure {
        let (cause, certainty) = self.meaning(status, words);
        let hint = match status.as_u16() {
            407 => ": the proxy wants a user name and a password; put them into the upstream's proxy setting",
            _ => "",
        };
        let message = format!("{} answered {}{hint}{}", self.host, spelled(status), self.quoted(words));
        Failure { status: Some(status.as_u16()), retry_after, ..self.failure(cause, certainty, &message) }
    }

    /// The answer is a redirect to `location`, where none is followed.
    pub(crate) fn redirected(&self, status: StatusCode, location: Option<&str>) -> Failure {
        let location = location.map(|to| format!(", perhaps {}", self.redact(to))).unwrap_or_default();
        let message = format!(
            "{} answered {}; set the upstream's base_url to an address that does not redirect{location}",
            self.host,
            spelled(status)
        );
        let failure = self.failure(Cause::Redirected, Certainty::Refused, &message);
        Failure { status: Some(status.as_u16()), ..failure }
    }

    /// The answer says that all is well, but `what` is wrong with it.
    pub(crate) fn garbage(&self, status: StatusCode, what: &str, body: &[u8]) -> Failure {
        let message = format!(
            "{} answered {} {what}{}",
            self.host,
            spelled(status),
            self.quoted(&Words::of_body(body))
        );
        Failure { status: Some(status.as_u16()), ..self.sent(Cause::Garbage, &message) }
    }

    /// The HTTP client gave up.
    pub(crate) fn transport(&self, error: &reqwest::Error) -> Failure {
        let host = self.host;
        let why = reasons(error);
        if error.is_connect() {
            self.unsent(Cause::Unreachable, &format!("{host} could not be reached: {why}"))
        } else if error.is_builder() {
            self.unsent(Cause::Unreachable, &format!("no request to {host} could be made: {why}"))
        } else if error.is_timeout() {
            self.sent(Cause::Timeout, &format!("{host} did not answer in time: {why}"))
        } else if is_no_http(error) {
            self.sent(Cause::Garbage, &format!("{host} answered something that is no HTTP: {why}"))
        } else {
            self.sent(Cause::Broken, &format!("the connection to {host} broke: {why}"))
        }
    }

    /// Foreign text, fit to show.
    pub(crate) fn redact(&self, text: &str) -> String {
        match self.token {
            Some(token) => redact(text, &[token]),
            None => redact(text, &[]),
        }
    }

    fn meaning(&self, status: StatusCode, words: &Words) -> (Cause, Certainty) {
        let refused = |cause| (cause, Certainty::Refused);
        match status.as_u16() {
            300..=399 => refused(Cause::Redirected),
            408 | 409 | 500..=599 => (Cause::Server, self.under_way),
            // xAI answers both of these so; neither may be taken for the other, or prompts would wear out
            // tokens, and a bad token would be the caller's fault.
            400 | 403 | 422 if words.speak_of_moderation() => refused(Cause::Moderated),
            400 if words.speak_of_the_key() => refused(Cause::Credential),
            // That a key was used before says nothing about whether its first submission was taken: rather that it was.
            400 | 422 if words.speak_of_idempotency() => (Cause::Server, self.under_way),
            401..=403 => refused(Cause::Credential),
            // It is the proxy that asks for a credential of its own.
            407 => refused(Cause::Unreachable),
            429 => refused(Cause::RateLimited),
            400..=499 => refused(Cause::Rejected),
            _ => (Cause::Garbage, self.under_way),
        }
    }

    fn failure(&self, cause: Cause, certainty: Certainty, message: &str) -> Failure {
        let message = match self.token {
            Some(token) => scrub(message, &[token]),
            None => scrub(message, &[]),
        };
        Failure { cause, certainty, status: None, retry_after: None, message }
    }

    fn quoted(&self, words: &Words) -> String {
        if words.is_empty() { String::new() } else { format!(": \"{}\"", self.redact(&words.to_string())) }
    }
}

/// `429 Too Many Requests`
fn spelled(status: StatusCode) -> String {
    match status.canonical_reason() {
        Some(reason) => format!("{} {reason}", status.as_u16()),
        None => status.as_u16().to_string(),
    }
}

/// What lies beneath the error; the outer layers only say that there is one.
pub(crate) fn reasons(error: &reqwest::Error) -> String {
    let mut reasons: Vec<String> = Vec::new();
    let mut source = error.source();
    while let Some(error) = source {
        let text = error.to_string();
        let says_nothing = text.starts_with("client error (") || text.starts_with("error sending request");
        // Many errors repeat the one beneath.
        if !says_nothing && !reasons.iter().any(|said| said.contains(&text)) {
            reasons.push(text);
        }
        source = error.source();
    }
    if reasons.is_empty() { "no reason is known".to_owned() } else { reasons.join(": ") }
}

fn is_no_http(error: &reqwest::Error) -> bool {
    let mut source = error.source();
    while let Some(error) = source {
        if error.downcast_ref::<hyper::Error>().is_some_and(hyper::Error::is_parse) {
            return true;
        }
        source = error.source();
    }
    false
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    fn meaning(status: u16, body: &str) -> (Cause, Certainty) {
        let call = Call { host: "h", token: None, under_way: Certainty::Unknown };
        let failure =
            call.status(StatusCode::from_u16(status).unwrap(), &Words::of_body(body.as_bytes()), None);
        assert_eq!(failure.status, Some(status));
        (failure.cause, failure.certainty)
    }

    #[test]
    fn every_status_of_a_submission() {
        for status in 100..=999 {
            let expected = match status {
                300..=399 => (Cause::Redirected, Certainty::Refused),
                401..=403 => (Cause::Credential, Certainty::Refused),
                407 => (Cause::Unreachable, Certainty::Refused),
                408 | 409 => (Cause::Server, Certainty::Unknown),
                429 => (Cause::RateLimited, Certainty::Refused),
                400..=499 => (Cause::Rejected, Certainty::Refused),
                500..=599 => (Cause::Server, Certainty::Unknown),
                _ => (Cause::Garbage, Certainty::Unknown),
            };
            assert_eq!(meaning(status, ""), expected, "{status}");
        }
    }

    #[rstest]
    #[case(403, r#"{"error":"Content violates usage guidelines. Failed check: BIO"}"#, Cause::Moderated)]
    #[case(401, r#"{"error":"Content violates usage guidelines."}"#, Cause::Credential)]
    #[case(400, r#"{"error":"Incorrect API key provided: xa***ab."}"#, Cause::Credential)]
    #[case(400, r#"{"error":"Blocked by moderation"}"#, Cause::Moderated)]
    fn what_xai_answers_under_another_status(#[case] status: u16, #[case] body: &str, #[case] cause: Cause) {
        assert_eq!(meaning(status, body), (cause, Certainty::Refused));
    }

    #[rstest]
    #[case(400)]
    #[case(422)]
    fn a_complaint_about_an_idempotency_key_refuses_nothing(#[case] status: u16) {
        let body = r#"{"error":{"message":"This Idempotency-Key was used with another payload"}}"#;
        assert_eq!(meaning(status, body), (Cause::Server, Certainty::Unknown));
    }

    #[rstest]
    #[case(429, r#"{"error":"slow down"}"#, "api.x.ai answered 429 Too Many Requests: \"slow down\"")]
    #[case(599, "", "api.x.ai answered 599")]
    #[case(
        407,
        "",
        "api.x.ai answered 407 Proxy Authentication Required: the proxy wants a user name and a password; put \
         them into the upstream's proxy setting"
    )]
    fn messages(#[case] status: u16, #[case] body: &str, #[case] expected: &str) {
        let call = Call { host: "api.x.ai", token: None, under_way: Certainty::Unknown };
        let words = Words::of_body(body.as_bytes());
        assert_eq!(call.status(StatusCode::from_u16(status).unwrap(), &words, None).to_string(), expected);
    }
}
