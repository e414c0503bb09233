//! Reads tokens from text: the original's `token.json`, or one token a line.

use filmgate_domain::{Secret, Timestamp, TokenId, TokenInfo, TokenStatus};
use serde_json::{Map, Value};

use crate::fields::kind;

/// What was read.
#[derive(Debug, Default)]
pub(crate) struct Read {
    /// Tokens, each with where it stood.
    pub(crate) tokens: Vec<(String, Parsed)>,
    /// What is no token: where it stood, and why.
    pub(crate) refused: Vec<(String, Unfit)>,
}

/// Why something is not taken in as a token.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Unfit {
    #[error("the token is empty")]
    Empty,
    #[error("the token is longer than {LONGEST} characters")]
    TooLong,
    #[error("the token has characters that no credential has (spaces, or not ASCII)")]
    OddCharacters,
    #[error("there is no `token` in it")]
    WithoutToken,
    #[error("`token` must be a string, not {0}")]
    TokenIsNoText(&'static str),
    #[error("expected a token, found {0}")]
    NoToken(&'static str),
    #[error("expected a list of tokens, found {0}")]
    NoList(&'static str),
    #[error("`status` {0}")]
    OddStatus(String),
    #[error("lines of tokens name no pool: name one for them")]
    LinesWithoutPool,
    #[error("name a pool for it")]
    ListWithoutPool,
    #[error("not valid JSON: {0}")]
    NotJson(String),
    #[error("there is no pool {0}")]
    NoSuchPool(String),
    #[error(
        "pool {0} belongs to the official xAI API, which takes API keys (xai-…), not session cookies of \
         another product; name a compatible server with --upstream URL"
    )]
    SessionCookie(String),
}

impl Unfit {
    /// A word for each, and what it is about.
    pub(crate) fn parts(&self) -> (&'static str, &str) {
        match self {
            Self::Empty => ("empty", ""),
            Self::TooLong => ("too-long", ""),
            Self::OddCharacters => ("odd-characters", ""),
            Self::WithoutToken => ("without-token", ""),
            Self::TokenIsNoText(kind) => ("token-is-no-text", kind),
            Self::NoToken(kind) => ("no-token", kind),
            Self::NoList(kind) => ("no-list", kind),
            Self::OddStatus(status) => ("odd-status", status),
            Self::LinesWithoutPool => ("lines-without-pool", ""),
            Self::ListWithoutPool => ("list-without-pool", ""),
            Self::NotJson(error) => ("not-json", error),
            Self::NoSuchPool(pools) => ("no-such-pool", pools),
            Self::SessionCookie(pool) => ("session-cookie", pool),
        }
    }
}

/// A token that was read.
#[derive(Debug)]
pub(crate) struct Parsed {
    pub(crate) info: TokenInfo,
    /// Units left, where the text says so.
    pub(crate) quota_left: Option<u32>,
}

/// The longest token: upstreams would not take a longer header either.
const LONGEST: usize = 8 * 1024;

/// Nobody has counted further; the books could not hold much more.
const MOST_COUNTED: u64 = 1 << 53;

/// The end of the year 9999. Later times are slips.
const LAST_MILLISECOND: f64 = 253_402_300_799_000.0;

/// The longest name that is repeated, in characters.
const LONGEST_NAME: usize = 40;

/// Reads `{"pool":[token, {…}]}`, `[token, {…}]`, or lines. `pool` is for tokens that name none themselves.
pub(crate) fn read(text: &str, pool: Option<&str>, now: Timestamp) -> Read {
    // What comes before is not cut off: the lines are counted from the first.
    let text = text.trim_start_matches('\u{feff}');
    let mut read = Read::default();
    if !text.trim_start().starts_with(['{', '[']) {
        read_lines(&mut read, text, pool, now);
        return read;
    }
    match serde_json::from_str(text) {
        Ok(Value::Object(pools)) => {
            for (name, tokens) in pools {
                read_list(&mut read, &name, tokens, now);
            }
        }
        Ok(list) => match pool {
            Some(pool) => read_list(&mut read, pool, list, now),
            None => read.refuse("the list", Unfit::ListWithoutPool),
        },
        Err(error) => read.refuse(&format!("line {}", error.line()), Unfit::NotJson(error.to_string())),
    }
    read
}

impl Read {
    fn refuse(&mut self, place: &str, why: Unfit) {
        self.refused.push((place.to_owned(), why));
    }

    fn take(&mut self, place: String, token: Result<Parsed, Unfit>) {
        match token {
            Ok(parsed) => self.tokens.push((place, parsed)),
            Err(why) => self.refused.push((place, why)),
        }
    }
}

fn read_lines(read: &mut Read, text: &str, pool: Option<&str>, now: Timestamp) {
    let Some(pool) = pool else {
        return read.refuse("line 1", Unfit::LinesWithoutPool);
    };
    for (nth, line) in text.lines().enumerate() {
        let line = line.trim();
        if !line.is_empty() && !line.starts_with('#') {
            read.take(format!("line {}", nth + 1), plain(line, pool, now));
        }
    }
}

fn read_list(read: &mut Read, pool: &str, list: Value, now: Timestamp) {
    let Value::Array(list) = list else {
        return read.refuse(&short(pool), Unfit::NoList(kind(&list)));
    };
    let named = short(pool);
    for (nth, item) in list.into_iter().enumerate() {
        let token = match item {
            Value::String(text) => plain(&text, pool, now),
            Value::Object(fields) => detailed(&fields, pool, now),
            other => Err(Unfit::NoToken(kind(&other))),
        };
        read.take(format!("{named}[{nth}]"), token);
    }
}

/// What a text says in the place of a name, without repeating much of it: it may be a token that went astray.
pub(crate) fn short(name: &str) -> String {
    match name.char_indices().nth(LONGEST_NAME) {
        None => name.to_owned(),
        Some(_) => format!("{}…", name.chars().take(12).collect::<String>()),
    }
}

/// A bare token: `sso=` in front is cut off, as the original did.
pub(crate) fn plain(text: &str, pool: &str, now: Timestamp) -> Result<Parsed, Unfit> {
    let text = text.trim();
    let text = text.trim_start_matches("sso=").trim_end_matches(';');
    if text.is_empty() {
        return Err(Unfit::Empty);
    }
    if text.len() > LONGEST {
        return Err(Unfit::TooLong);
    }
    if !text.bytes().all(|b| b.is_ascii_graphic()) {
        return Err(Unfit::OddCharacters);
    }
    // The store gives the id.
    let info = TokenInfo::new(TokenId(0), pool, Secret::new(text), now);
    Ok(Parsed { info, quota_left: None })
}

/// The original's TokenInfo; unknown fields are left aside.
fn detailed(fields: &Map<String, Value>, pool: &str, now: Timestamp) -> Result<Parsed, Unfit> {
    let text = match fields.get("token") {
        Some(Value::String(text)) => text,
        Some(other) => return Err(Unfit::TokenIsNoText(kind(other))),
        None => return Err(Unfit::WithoutToken),
    };
    let mut parsed = plain(text, pool, now)?;
    let info = &mut parsed.info;
    if let Some(status) = fields.get("status").and_then(Value::as_str) {
        info.status =
            status.parse().map_err(|error| Unfit::OddStatus(format!("{:?}: {error}", short(status))))?;
    }
    // It does not say until when: one look at the clock later it is active again.
    info.cooling_until = (info.status == TokenStatus::Cooling).then_some(now);
    let number = |name: &str| fields.get(name).and_then(Value::as_f64).filter(|n| *n >= 0.0);
    let count = |name: &str| (number(name).unwrap_or(0.0) as u64).min(MOST_COUNTED);
    let time = |name: &str| number(name).filter(|ms| *ms > 0.0 && *ms < LAST_MILLISECOND);
    let time = |name: &str| time(name).map(|ms| Timestamp::from_millis(ms as i64));
    info.created_at = time("created_at").unwrap_or(now);
    info.last_used_at = time("last_used_at");
    info.use_count = count("use_count");
    info.fail_count = count("fail_count");
    info.last_fail_at = time("last_fail_at");
    info.last_fail_reason = fields.get("last_fail_reason").and_then(Value::as_str).map(Into::into);
    info.last_sync_at = time("last_sync_at");
    info.note = fields.get("note").and_then(Value::as_str).unwrap_or_default().to_owned();
    let tags = fields.get("tags").and_then(Value::as_array);
    info.tags = tags.into_iter().flatten().filter_map(Value::as_str).map(str::to_owned).collect();
    parsed.quota_left = number("quota").map(|units| units as u32);
    Ok(parsed)
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Timestamp = Timestamp::from_millis(1_000);

    #[test]
    fn the_original_form_keeps_everything() {
        let text = r#"{"ssoBasic":["sso=abc-defghijklmnop", {"token":"xyz-defghijklmnop","status":"disabled","quota":37,
            "created_at":1,"last_used_at":2,"use_count":3,"fail_count":4,"last_fail_at":5,"last_fail_reason":"401",
            "last_sync_at":6,"tags":["nsfw"],"note":"mine","added_later":true}],"ssoSuper":[]}"#;
        let read = read(text, None, NOW);
        assert!(read.refused.is_empty(), "{:?}", read.refused);
        let [(_, plain), (place, full)] = &read.tokens[..] else { panic!("two tokens") };
        assert_eq!((plain.info.token.expose(), &*plain.info.pool), ("abc-defghijklmnop", "ssoBasic"));
        assert_eq!(
            (&**place, full.info.status, full.quota_left),
            ("ssoBasic[1]", TokenStatus::Disabled, Some(37))
        );
        let info = &full.info;
        assert_eq!((info.use_count, info.fail_count, &*info.note), (3, 4, "mine"));
        assert_eq!(info.last_fail_reason.as_deref(), Some("401"));
        assert_eq!(info.created_at, Timestamp::from_millis(1));
        assert_eq!(info.tags, ["nsfw"]);
    }

    #[test]
    fn lines_with_remarks_and_mistakes() {
        let text = "# mine\nsso=first-token\n\n second-token \nhas space\nsso=\n";
        let read = read(text, Some("p"), NOW);
        let tokens: Vec<_> = read.tokens.iter().map(|(_, t)| t.info.token.expose().to_owned()).collect();
        assert_eq!(tokens, ["first-token", "second-token"]);
        let places: Vec<_> = read.refused.iter().map(|(place, _)| &**place).collect();
        assert_eq!(places, ["line 5", "line 6"]);
    }

    #[test]
    fn nothing_of_a_cookie_is_left_around_a_token() {
        let parsed = plain(" sso=sso=abc;; ", "p", NOW).unwrap();
        assert_eq!(parsed.info.token.expose(), "abc");
    }

    #[test]
    fn figures_that_no_book_holds_are_cut() {
        let text = r#"["a-token",{"token":"t","use_count":1e308,"fail_count":-1,"created_at":1e308,"last_used_at":9e17}]"#;
        let read = read(text, Some("p"), NOW);
        let info = &read.tokens[1].1.info;
        assert_eq!((info.use_count, info.fail_count), (MOST_COUNTED, 0));
        assert_eq!((info.created_at, info.last_used_at), (NOW, None));
    }

    #[test]
    fn lines_are_counted_from_the_first() {
        let read = read("\u{feff}\n\n  has space\n\n", Some("p"), NOW);
        assert_eq!(read.refused[0].0, "line 3");
        let read = super::read("\n\n{\"p\":[}", None, NOW);
        assert_eq!(read.refused[0].0, "line 3");
    }

    #[test]
    fn no_long_name_is_repeated_for_each_token() {
        let name = "xai-0123456789-0123456789-0123456789-0123456789";
        let text = format!(r#"{{"{name}":[7,{{"token":"t","status":"{name}"}}],"{name}-":7}}"#);
        let read = read(&text, None, NOW);
        assert_eq!(read.refused.len(), 3);
        assert!(!format!("{:?}", read.refused).contains("xai-0123456789-"), "{:?}", read.refused);
    }

    #[test]
    fn nonsense_is_refused_with_its_place() {
        for (text, pool, place) in [
            ("abc", None, "line 1"),
            ("[\"a\"]", None, "the list"),
            ("{\"p\":7}", None, "p"),
            ("{\"p\":[7]}", None, "p[0]"),
            ("{\"p\":[{}]}", None, "p[0]"),
            ("{\"p\":[{\"token\":\"t\",\"status\":\"odd\"}]}", None, "p[0]"),
            ("{\"p\":[\"t\"", None, "line 1"),
        ] {
            let read = read(text, pool, NOW);
            assert!(read.tokens.is_empty());
            assert_eq!(read.refused[0].0, place, "{text}");
        }
    }
}
