//! The one place that decides what of foreign text may be shown.

mod needles;

use std::sync::LazyLock;

use filmgate_domain::Secret;
use regex::{Captures, Regex};

/// What stands where something was taken out.
const MARK: &str = "[redacted]";

/// The longest result, in characters.
const LONGEST: usize = 300;

/// What is looked at, in characters: enough for the result even if most of it is taken out.
const LOOKED_AT: usize = 4_000;

/// Foreign text, made fit for logs, errors and answers.
///
/// Taken out are: the `secrets`, also in part (any 12 characters in a row of them), in other letter case, and
/// percent-encoded, base64-encoded or escaped as in JSON and HTML; the values of credential headers and of the
/// like of `Bearer ...`, `sso=...` and `api_key=...`; JSON Web Tokens; user names, passwords, queries and
/// fragments in URLs. A secret shorter than four characters is left: no text would survive.
///
/// Control characters and runs of white space become one space, invisible characters vanish, and the result is
/// at most 300 characters long, save for a final `…`.
pub fn redact(text: &str, secrets: &[&Secret]) -> String {
    let text = scrub(text, secrets);
    match text.char_indices().nth(LONGEST) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text,
    }
}

/// [`redact`] without the limit of 300 characters (4,000 are looked at all the same).
pub(crate) fn scrub(text: &str, secrets: &[&Secret]) -> String {
    // First what is invisible: inside a secret it would keep it from being seen.
    let text = clean(text);
    let text = needles::take_out(&text, secrets, MARK);
    take_out_patterns(&text)
}

/// On one line, and only what can be seen.
fn clean(text: &str) -> String {
    let mut clean = String::new();
    for c in text.chars().take(LOOKED_AT) {
        if c.is_control() || c.is_whitespace() {
            if !clean.is_empty() && !clean.ends_with(' ') {
                clean.push(' ');
            }
        } else if !is_invisible(c) {
            clean.push(c);
        }
    }
    clean.truncate(clean.trim_end().len());
    clean
}

/// Zero-width characters, and those that change the direction of what follows.
fn is_invisible(c: char) -> bool {
    matches!(c, '\u{ad}' | '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}')
}

static HEADER: LazyLock<Regex> = LazyLock::new(|| {
    pattern(
        r#"(?i)\b((?:proxy-)?authorization\\?["']?\s*[:=]\s*\\?["']?)(?:(?:bearer|basic|digest|token)\s+)?[^\s"'\\]+"#,
    )
});
static COOKIE: LazyLock<Regex> = LazyLock::new(|| {
    pattern(r#"(?i)\b((?:set-)?cookie\\?["']?\s*[:=]\s*\\?["']?)[^\s"'\\;]+(?:;\s*[^\s"'\\;]+)*"#)
});
static BEARER: LazyLock<Regex> = LazyLock::new(|| pattern(r"(?i)\b(bearer(?:\s|%20|\+|:|=)+)([\w.~+/=%-]+)"));
static SSO: LazyLock<Regex> =
    LazyLock::new(|| pattern(r#"(?i)\b(sso(?:-rw)?(?:=|%3d|\\?["']\s*:\s*\\?["']))[^\s"'\\;&]+"#));
static NAMED: LazyLock<Regex> = LazyLock::new(|| {
    let names = r"(?:access|refresh|id|session|auth|security)[-_]?token|(?:client[-_]?)?secret|password|(?:x-)?api[-_]?key|signature|credential";
    pattern(&format!(r#"(?i)((?:{names})\\?["']?\s*[:=]\s*\\?["']?)[^\s"'\\,;&]+"#))
});
static USER: LazyLock<Regex> = LazyLock::new(|| pattern(r#"(?i)\b([a-z][a-z0-9+.-]*://)[^\s"'<>/?#]*@"#));
static QUERY: LazyLock<Regex> = LazyLock::new(|| pattern(r#"(?i)(\bhttps?://[^\s"'<>?#]*[?#])[^\s"'<>]+"#));
static SIGNED: LazyLock<Regex> =
    LazyLock::new(|| pattern(r#"(?i)([?&](?:sig|token|auth|key|hmac|policy|e|expires)=)[^\s"'<>&#]+"#));
static TOKEN: LazyLock<Regex> =
    LazyLock::new(|| pattern(r"\b(?:eyJ[\w-]{10,}(?:\.[\w-]*)*|(?:sk|xai)-[\w-]{12,})"));

fn take_out_patterns(text: &str) -> String {
    let mut text = text.to_owned();
    // URLs first: their queries may hold any of the others.
    for pattern in [&QUERY, &USER, &SIGNED, &HEADER, &COOKIE, &SSO, &NAMED] {
        text = pattern.replace_all(&text, |found: &Captures<'_>| mark_after(found)).into_owned();
    }
    text = BEARER.replace_all(&text, bearer).into_owned();
    TOKEN.replace_all(&text, MARK).into_owned()
}

/// What introduces the value stays.
fn mark_after(found: &Captures<'_>) -> String {
    let end = if found[0].ends_with('@') { "@" } else { "" };
    format!("{}{MARK}{end}", &found[1])
}

/// `Bearer` also begins ordinary sentences.
fn bearer(found: &Captures<'_>) -> String {
    const WORDS: [&str; 14] = [
        "token",
        "tokens",
        "auth",
        "authentication",
        "authorization",
        "scheme",
        "credential",
        "credentials",
        "header",
        "is",
        "was",
        "not",
        "or",
        "required",
    ];
    let word = found[2].trim_end_matches('.').to_ascii_lowercase();
    if WORDS.contains(&word.as_str()) { found[0].to_owned() } else { mark_after(found) }
}

fn pattern(text: &str) -> Regex {
    Regex::new(text).expect("the patterns are constants, and the tests use each")
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use rstest::rstest;

    use super::*;

    const TOKEN_TEXT: &str = "eX9/aB+cD4=eF5-gH6_iJ7.kL8~mN9oP0";

    fn shown(text: &str) -> String {
        redact(text, &[&Secret::new(TOKEN_TEXT)])
    }

    #[rstest]
    #[case::whole("bad key eX9/aB+cD4=eF5-gH6_iJ7.kL8~mN9oP0!", "bad key [redacted]!")]
    #[case::start("bad key eX9/aB+cD4=e...", "bad key [redacted]...")]
    #[case::end("bad key ...kL8~mN9oP0_", "bad key ...kL8~mN9oP0_")]
    #[case::middle("bad key *F5-gH6_iJ7.k*", "bad key *[redacted]*")]
    #[case::lower_case("bad key ex9/ab+cd4=ef5-gh6_ij7.kl8~mn9op0", "bad key [redacted]")]
    #[case::percent("bad key eX9%2FaB%2BcD4%3deF5-gH6_iJ7.kL8~mN9oP0", "bad key [redacted]")]
    #[case::percent_twice("bad key eX9%252FaB%252BcD4%253DeF5", "bad key [redacted]")]
    #[case::json(r#""eX9\/aB\u002bcD4=eF5-gH6""#, r#""[redacted]""#)]
    #[case::html("eX9&#47;aB&#43;cD4&#x3d;eF5-gH6", "[redacted]")]
    #[case::html_zeroes("eX9&#00047;aB&#043;cD4&#x03D;eF5-gH6", "[redacted]")]
    #[case::invisible("eX9/aB\u{200b}+cD4=\u{202e}eF5", "[redacted]")]
    #[case::twice("eX9/aB+cD4=eF5-gH6eX9/aB+cD4=eF5-gH6", "[redacted]")]
    #[case::harmless("no such model: grok-9", "no such model: grok-9")]
    fn secrets(#[case] text: &str, #[case] expected: &str) {
        assert_eq!(shown(text), expected);
    }

    #[rstest]
    #[case("")]
    #[case("u:")]
    #[case("user1:")]
    fn base64_at_any_offset(#[case] before: &str) {
        use base64::prelude::*;
        let plain = format!("{before}{TOKEN_TEXT}");
        for encoded in [BASE64_STANDARD.encode(&plain), BASE64_URL_SAFE_NO_PAD.encode(&plain)] {
            let out = shown(&format!("got {encoded} from you"));
            assert!(
                !encoded.as_bytes().windows(12).any(|w| out.contains(std::str::from_utf8(w).unwrap())),
                "{out}"
            );
        }
    }

    #[test]
    fn short_secrets_are_taken_out_whole_and_very_short_ones_are_left() {
        assert_eq!(redact("key abcd1 is bad", &[&Secret::new("abcd1")]), "key [redacted] is bad");
        assert_eq!(redact("a bad key", &[&Secret::new("a"), &Secret::new("")]), "a bad key");
    }

    #[rstest]
    #[case("Authorization: Bearer abc def", "Authorization: [redacted] def")]
    #[case(r#"{"authorization":"Basic dXNlcg==","x":1}"#, r#"{"authorization":"[redacted]","x":1}"#)]
    #[case(r#"{\"Authorization\":\"Bearer abc\"}"#, r#"{\"Authorization\":\"[redacted]\"}"#)]
    #[case("proxy-authorization=abc", "proxy-authorization=[redacted]")]
    #[case("sent Bearer abc.def-123", "sent Bearer [redacted]")]
    #[case("bearer%20abc", "bearer%20[redacted]")]
    #[case("a Bearer token is required", "a Bearer token is required")]
    #[case("cookie: sso=abc; sso-rw=def; x=1 then", "cookie: [redacted] then")]
    #[case("the sso=abc; is bad", "the sso=[redacted]; is bad")]
    #[case("sso-rw%3Dabc", "sso-rw%3D[redacted]")]
    #[case(r#"{"sso":"abc"}"#, r#"{"sso":"[redacted]"}"#)]
    #[case("ssoBasic is a pool", "ssoBasic is a pool")]
    #[case("api_key=abc&x=1", "api_key=[redacted]&x=1")]
    #[case("X-Api-Key: abc", "X-Api-Key: [redacted]")]
    #[case(r#""access_token": "abc""#, r#""access_token": "[redacted]""#)]
    #[case("http://me:pw@proxy:3128 refused", "http://[redacted]@proxy:3128 refused")]
    #[case("socks5h://me:p@w@proxy", "socks5h://[redacted]@proxy")]
    #[case("see https://x.ai/a?X-Amz-Signature=abc&b=c#d now", "see https://x.ai/a?[redacted] now")]
    #[case("see https://x.ai/a#access_token=abc", "see https://x.ai/a#[redacted]")]
    #[case("/a.mp4?sig=abc&x=1", "/a.mp4?sig=[redacted]&x=1")]
    #[case("see https://docs.x.ai/videos for more", "see https://docs.x.ai/videos for more")]
    #[case("jwt eyJhbGciOiJIUzI1NiJ9.e30.abc.", "jwt [redacted]")]
    #[case("key xai-0123456789abcdef", "key [redacted]")]
    #[case("key xa***ab", "key xa***ab")]
    fn patterns(#[case] text: &str, #[case] expected: &str) {
        assert_eq!(redact(text, &[]), expected);
        assert_eq!(redact(expected, &[]), expected, "a second time changes nothing");
    }

    #[test]
    fn one_visible_line_of_bounded_length() {
        assert_eq!(redact("  a\r\n\tb\u{7}c \u{1b}[31md\u{85}", &[]), "a b c [31md");
        let long = redact(&"狐".repeat(5_000), &[]);
        assert_eq!(long.chars().count(), LONGEST + 1);
        assert!(long.ends_with('…'));
        assert_eq!(redact(&"x".repeat(LONGEST), &[]).len(), LONGEST);
    }

    proptest! {
        #[test]
        fn no_long_run_of_a_secret_survives(
            secret in "[ -~]{12,80}",
            before in ".{0,30}",
            after in ".{0,30}",
            cut in 0usize..60,
        ) {
            let part: String = secret.chars().skip(cut.min(secret.len() - 12)).collect();
            let out = redact(&format!("{before}{part}{after}"), &[&Secret::new(secret.clone())]);
            for run in secret.as_bytes().windows(12) {
                let run = std::str::from_utf8(run).unwrap();
                // What `clean` changes is no longer a run of the secret.
                prop_assert!(!out.contains(run), "{run:?} in {out:?}");
            }
        }

        #[test]
        fn any_text_is_fit_to_show(text in ".{0,400}") {
            let out = redact(&text, &[&Secret::new(TOKEN_TEXT)]);
            prop_assert!(out.chars().count() <= LONGEST + 1);
            prop_assert!(!out.chars().any(|c| c.is_control() || is_invisible(c)));
        }
    }
}
