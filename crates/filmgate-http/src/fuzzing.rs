//! What is fuzzed here: each function takes any bytes, and panics when a promise does not hold. The fuzz targets
//! and the ordinary tests call the same ones.

use bytes::Bytes;
use filmgate_domain::{Mode, Role, Timestamp};
use futures_util::FutureExt as _;
use http::{HeaderMap, HeaderValue, header};
use serde_json::{Value, json};

use crate::admin::import;
use crate::admin::tokens::details;
use crate::dialect::{Draft, chat, openai, xai};
use crate::fields::Fields;
use crate::form;
use crate::refusal::Refusal;

/// A fuzz target: its name, and what it does.
pub type Target = (&'static str, fn(&[u8]));

/// Every target of this crate.
pub const TARGETS: [Target; 7] = [
    ("openai_create", openai_create),
    ("openai_derive", openai_derive),
    ("xai_create", xai_create),
    ("xai_derive", xai_derive),
    ("chat", chat),
    ("multipart", multipart),
    ("tokens", tokens),
];

/// The longest refusal, in bytes: it repeats no megabyte.
const LONGEST_REFUSAL: usize = 2_000;

type Parse = fn(Fields) -> Result<Draft, Refusal>;

const OPENAI: [Parse; 4] = [
    |fields| openai::parse(fields, &HeaderMap::new()),
    |fields| openai::parse_derived(fields, &HeaderMap::new(), Mode::Edit, None),
    |fields| openai::parse_derived(fields, &HeaderMap::new(), Mode::Extend, None),
    |fields| openai::parse_derived(fields, &HeaderMap::new(), Mode::Edit, Some("video_x")),
];

/// A request for a video in the OpenAI dialect.
pub fn openai_create(body: &[u8]) {
    json_body(body, OPENAI[0]);
}

/// An edit, an extension or a remix in the OpenAI dialect.
pub fn openai_derive(body: &[u8]) {
    OPENAI[1..].iter().for_each(|parse| json_body(body, *parse));
}

/// A request for a video in the xAI dialect.
pub fn xai_create(body: &[u8]) {
    json_body(body, |fields| xai::parse(fields, &HeaderMap::new()));
}

/// An edit or an extension in the xAI dialect.
pub fn xai_derive(body: &[u8]) {
    json_body(body, |fields| xai::parse_derived(fields, &HeaderMap::new(), Mode::Edit));
    json_body(body, |fields| xai::parse_derived(fields, &HeaderMap::new(), Mode::Extend));
}

/// A chat completion.
pub fn chat(body: &[u8]) {
    json_body(body, |fields| chat::parse(fields, &HeaderMap::new()).map(|request| request.draft));
}

/// Reads a body of JSON. How it is spaced makes no difference.
fn json_body(body: &[u8], parse: Parse) {
    let read = |body: &[u8]| Fields::from_json(body).and_then(parse);
    match read(body) {
        Ok(draft) => {
            check(&draft, body.len());
            let value: Value = serde_json::from_slice(body).expect("it was read");
            let spaced = serde_json::to_vec_pretty(&value).expect("a value can be written");
            let again = read(&spaced).expect("it was read before");
            assert_eq!(format!("{again:?}"), format!("{draft:?}"));
        }
        Err(refusal) => refused(&refusal, body.len()),
    }
}

/// What was parsed stands within its limits, and is no larger than what it was parsed from.
fn check(draft: &Draft, length: usize) {
    let most = length + 100;
    assert!(draft.prompt.len() <= most && draft.model.as_ref().is_none_or(|model| model.len() <= most));
    assert!((1..=filmgate_domain::Seconds::MAX).contains(&draft.seconds.get()));
    assert!(draft.inputs.len() <= 1 + xai::MOST_REFERENCES);
    assert!(draft.inputs.iter().all(|input| !input.param.is_empty()));
    let has = |role| draft.inputs.iter().any(|input| input.role == role);
    match draft.mode {
        Mode::Text => assert!(draft.inputs.is_empty()),
        Mode::Image => assert!(has(Role::FirstFrame) && !has(Role::Video)),
        Mode::Reference => assert!(has(Role::Reference) && !has(Role::Video)),
        Mode::Edit | Mode::Extend => assert!(has(Role::Video) && draft.inputs.len() == 1),
    }
}

/// A refusal is the caller's fault, is short, and names a field, unless the body as a whole is no good.
fn refused(refusal: &Refusal, length: usize) {
    assert!(refusal.status.is_client_error(), "{refusal:?}");
    assert!(!refusal.code.is_empty() && !refusal.message.is_empty(), "{refusal:?}");
    assert!(refusal.code == "invalid_body" || refusal.param.is_some(), "{refusal:?} of {length} bytes");
    let body = refusal.openai_body().to_string();
    assert!(body.len() <= LONGEST_REFUSAL, "{} bytes: {refusal:?}", body.len());
}

/// A form. The first byte says what it is to be: any of the bodies that may be one.
pub fn multipart(bytes: &[u8]) {
    let Some((first, body)) = bytes.split_first() else { return };
    let mut headers = HeaderMap::new();
    let form = HeaderValue::from_static("multipart/form-data; boundary=b0undary");
    headers.insert(header::CONTENT_TYPE, form);
    let body = Bytes::copy_from_slice(body);
    let read = form::read(&headers, &body).now_or_never().expect("all of it is there");
    let parsed = read.and_then(|form| {
        let files: usize = form.files.iter().map(|(name, file)| name.len() + file.len()).sum();
        assert!(files <= body.len());
        OPENAI[usize::from(*first) % OPENAI.len()](Fields::of_form(form))
    });
    match parsed {
        Ok(draft) => check(&draft, body.len()),
        Err(refusal) => refused(&refusal, body.len()),
    }
}

/// The text of a token import.
pub fn tokens(bytes: &[u8]) {
    let now = Timestamp::from_millis(1_800_000_000_000);
    let text = String::from_utf8_lossy(bytes);
    for pool in [None, Some("ssoBasic")] {
        let read = import::read(&text, pool, now);
        for (place, why) in &read.refused {
            let told = format!("{place}: {why}");
            assert!(!place.is_empty() && told.chars().count() <= 300, "{told}");
        }
        for (place, parsed) in &read.tokens {
            let secret = parsed.info.token.expose();
            assert!(!secret.is_empty() && secret.bytes().all(|byte| byte.is_ascii_graphic()));
            assert!(secret.len() < 24 || !place.contains(secret));
            assert!(secret.len() < 24 || !format!("{parsed:?}").contains(secret));
            again(&parsed.info, now);
        }
        // A text is JSON, or has a token a line at most.
        let is_json = text.trim_start_matches('\u{feff}').trim_start().starts_with(['{', '[']);
        assert!(is_json || read.tokens.len() + read.refused.len() <= text.lines().count().max(1));
    }
}

/// What was exported is imported as the same.
fn again(info: &filmgate_domain::TokenInfo, now: Timestamp) {
    let mut token = details(info);
    token.insert("token".to_owned(), json!(info.token.expose()));
    let text = json!([token]).to_string();
    let read = import::read(&text, Some(&info.pool), now);
    let [(_, parsed)] = &read.tokens[..] else { panic!("{:?} of one token", read.refused) };
    let same = &parsed.info;
    assert_eq!(
        (same.token.expose(), &same.pool, same.status),
        (info.token.expose(), &info.pool, info.status)
    );
    assert_eq!(
        (&same.note, &same.tags, &same.last_fail_reason),
        (&info.note, &info.tags, &info.last_fail_reason)
    );
}

#[cfg(test)]
#[path = "../../../fuzz/smoke.rs"]
mod smoke;

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    #[rstest]
    fn the_seeds_and_thousands_of_mutations_keep_every_promise(#[values(0, 1, 2, 3, 4, 5, 6)] nth: usize) {
        let (name, run) = TARGETS[nth];
        smoke::replay(name, 2_000, run);
    }
}
