//! What is fuzzed here: each function takes any bytes, and panics when a promise does not hold. The fuzz targets
//! and the ordinary tests call the same ones.

use std::sync::LazyLock;
use std::time::{Duration, SystemTime};

use base64::prelude::*;
use filmgate_domain::{Failure, Polled, Secret};
use http::{HeaderMap, HeaderValue, StatusCode};

use crate::client::Client;
use crate::openai::OpenAi;
use crate::words::Words;
use crate::xai::Xai;
use crate::{Body, Kind, UpstreamSettings, redact, retry_after};

/// A fuzz target: its name, and what it does.
pub type Target = (&'static str, fn(&[u8]));

/// Every target of this crate.
pub const TARGETS: [Target; 4] = [
    ("upstream_xai", upstream_xai),
    ("upstream_openai", upstream_openai),
    ("upstream_refusal", upstream_refusal),
    ("upstream_pause", upstream_pause),
];

/// The token that no text may show.
const TOKEN: &str = "xai-Q7f/zK2+bN8=tR4_vL6~wM1.jP5";

/// The longest text of an upstream that is passed on, in characters, with what is said around it.
const LONGEST: usize = 700;

static SECRET: LazyLock<Secret> = LazyLock::new(|| Secret::new(TOKEN));
static XAI: LazyLock<Xai> = LazyLock::new(|| Xai::new(client(Kind::Xai)));
static OPENAI: LazyLock<OpenAi> = LazyLock::new(|| OpenAi::new(client(Kind::OpenAi), Body::Multipart));

fn client(kind: Kind) -> Client {
    let timeout = Duration::from_secs(1);
    let settings = UpstreamSettings {
        kind,
        body: Body::Multipart,
        base_url: "https://upstream.example/v1".parse().expect("a URL"),
        credential_header: "authorization".to_owned(),
        credential_prefix: "Bearer ".to_owned(),
        proxy: None,
        rate_limits: crate::RateLimits::Pause,
        connect_timeout: timeout,
        header_timeout: timeout,
        idle_timeout: timeout,
    };
    Client::new(&settings).expect("the settings are right")
}

/// The bytes with the token in the place of some that no UTF-8 has: as it is, in lower case, percent-encoded twice
/// over, in base64.
fn with_token(bytes: &[u8]) -> Vec<u8> {
    let percent: String = TOKEN.bytes().map(|byte| format!("%{byte:02X}")).collect();
    let mut out = Vec::new();
    for byte in bytes {
        match byte {
            0xff => out.extend(TOKEN.bytes()),
            0xfe => out.extend(TOKEN.to_ascii_lowercase().bytes()),
            0xfd => out.extend(percent.bytes()),
            0xfc => out.extend(percent.replace('%', "%25").bytes()),
            0xfb => out.extend(BASE64_STANDARD.encode(format!("u{TOKEN}")).bytes()),
            other => out.push(*other),
        }
    }
    out
}

/// A text that leaves this crate is short, is one line, and shows nothing of the token.
fn fit_to_show(text: &str) {
    assert!(text.chars().count() <= LONGEST, "{} characters: {text}", text.chars().count());
    assert!(!text.contains(char::is_control), "{text:?}");
    let lower = text.to_ascii_lowercase();
    let encoded = BASE64_STANDARD.encode(format!("u{TOKEN}"));
    let percent: String = TOKEN.bytes().map(|byte| format!("%{byte:02x}")).collect();
    for secret in [TOKEN.to_ascii_lowercase(), encoded.to_ascii_lowercase()[4..].to_owned(), percent] {
        let run = if secret.starts_with('%') { 36 } else { 12 };
        for run in secret.as_bytes().windows(run) {
            let run = str::from_utf8(run).expect("ASCII");
            assert!(!lower.contains(run), "{run} in {text}");
        }
    }
}

fn check(polled: Result<Polled, Failure>) {
    match polled {
        Ok(Polled::Pending { progress }) => assert!(progress.is_none_or(|progress| progress < 100)),
        Ok(Polled::Done { url, .. }) => {
            let url: url::Url = url.parse().expect("an address is one");
            assert!(url.has_host());
        }
        Ok(Polled::Moderated { reason, .. }) => reason.iter().for_each(|reason| fit_to_show(reason)),
        Ok(Polled::Failed { reason }) => {
            assert!(!reason.is_empty());
            fit_to_show(&reason);
        }
        Ok(Polled::Expired) => {}
        Err(failure) => fit_to_show(&failure.to_string()),
    }
}

/// An id goes into a URL's path and comes out the same.
fn check_id(id: &str) {
    let url = XAI.client().url(&["videos", id]);
    let segments: Vec<&str> = url.path_segments().expect("it has a path").collect();
    assert_eq!(segments.len(), 3, "{id:?}: {url}");
    assert!(
        url.query().is_none() && url.fragment().is_none() && url.path().starts_with("/v1/videos/"),
        "{url}"
    );
}

/// Answers of the xAI dialect: to a submission, and to a poll.
pub fn upstream_xai(bytes: &[u8]) {
    let body = with_token(bytes);
    let call = XAI.client().question(&SECRET);
    crate::xai::request_id(&body).iter().for_each(|id| check_id(id));
    check(XAI.polled(&call, StatusCode::OK, &body));
    fit_to_show(&call.garbage(StatusCode::OK, "without a usable request_id", &body).to_string());
}

/// Answers of the OpenAI dialect: to a submission, and to a poll.
pub fn upstream_openai(bytes: &[u8]) {
    let body = with_token(bytes);
    let call = OPENAI.client().question(&SECRET);
    crate::openai::video_id(&body).iter().for_each(|id| check_id(id));
    check(OPENAI.read(&call, "video_1", StatusCode::OK, &body));
    fit_to_show(&call.garbage(StatusCode::OK, "without a usable id", &body).to_string());
}

/// An answer without success: two bytes for the status, the rest is its body. And its words by themselves.
pub fn upstream_refusal(bytes: &[u8]) {
    let Some(([high, low], body)) = bytes.split_first_chunk() else { return };
    let status = 100 + u16::from_be_bytes([*high, *low]) % 900;
    let status = StatusCode::from_u16(status).expect("three digits");
    let body = with_token(body);
    let call = XAI.client().submission(&SECRET);
    let failure = call.status(status, &Words::of_body(&body), None);
    assert_eq!(failure.status, Some(status.as_u16()));
    fit_to_show(&failure.to_string());
    let text = String::from_utf8_lossy(&body);
    fit_to_show(&call.redirected(status, Some(&text)).to_string());
    let once = redact(&text, &[&SECRET]);
    fit_to_show(&once);
    assert!(once.chars().count() <= 301);
}

/// The headers that say how long to wait: a line for each of `retry-after`, `retry-after-ms` and `date`.
pub fn upstream_pause(bytes: &[u8]) {
    let mut headers = HeaderMap::new();
    for (name, line) in
        ["retry-after", "retry-after-ms", "date"].into_iter().zip(bytes.split(|byte| *byte == b'\n'))
    {
        headers.extend(
            HeaderValue::from_bytes(line).ok().map(|value| (http::HeaderName::from_static(name), value)),
        );
    }
    let pause = retry_after::retry_after(&headers, || SystemTime::UNIX_EPOCH);
    assert!(pause.is_none_or(|pause| pause <= Duration::from_secs(31 * 24 * 3600)), "{pause:?}");
}

#[cfg(test)]
#[path = "../../../fuzz/smoke.rs"]
mod smoke;

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    #[rstest]
    fn the_seeds_and_dozens_of_mutations_keep_every_promise(#[values(0, 1, 2, 3)] nth: usize) {
        let (name, run) = TARGETS[nth];
        // What is shown is looked through with many patterns, which takes its time without optimisation.
        smoke::replay(name, 60, run);
    }
}
