//! What the headers of an answer say is left for a token.
//!
//! Nobody agrees on names and forms, so several are read: `x-ratelimit-remaining-requests` with
//! `x-ratelimit-reset-requests` (OpenAI, xAI and those like them), `x-ratelimit-remaining` and `ratelimit-remaining`.
//! A reset is a number of seconds, a span such as `1m30s`, or a point in time: seconds or milliseconds since 1970.

use std::time::{Duration, SystemTime};

use filmgate_domain::RateLimit;
use http::HeaderMap;
use http::header::DATE;

use crate::retry_after::LONGEST;
use crate::settings::RateLimits;

/// The names of what is left and of when there is more, the most telling first. What is said of tokens of text says
/// nothing about videos.
const NAMES: [(&str, &str); 3] = [
    ("x-ratelimit-remaining-requests", "x-ratelimit-reset-requests"),
    ("x-ratelimit-remaining", "x-ratelimit-reset"),
    ("ratelimit-remaining", "ratelimit-reset"),
];

/// A number that is at least this large is a point in time, in seconds since 1970; a thousand times that, in
/// milliseconds. As spans they would be longer than thirty years.
const POINT_IN_TIME: f64 = 1e9;

/// What is left, where the headers say so and anybody wants to know. A point in time is taken against the answer's
/// own `date` header, else against `now`.
pub(crate) fn rate_limit(
    headers: &HeaderMap,
    meaning: RateLimits,
    now: impl Fn() -> SystemTime,
) -> Option<RateLimit> {
    if meaning == RateLimits::Ignore {
        return None;
    }
    NAMES.into_iter().find_map(|(remaining, reset)| {
        let remaining = count(text(headers, remaining)?)?;
        let reset = text(headers, reset).and_then(|text| span(text, || answered_at(headers, &now)));
        Some(RateLimit { remaining, reset, in_units: meaning == RateLimits::Units })
    })
}

fn text<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    headers.get(name)?.to_str().ok().map(str::trim)
}

/// What the time was there.
fn answered_at(headers: &HeaderMap, now: impl Fn() -> SystemTime) -> SystemTime {
    text(headers, DATE.as_str()).and_then(|date| httpdate::parse_http_date(date).ok()).unwrap_or_else(now)
}

/// A number, of several the first: `99`, `0.0`, `99, 99;w=60`. Less than nothing is nothing.
fn count(text: &str) -> Option<u32> {
    let number: f64 = text.split([',', ';']).next()?.trim().parse().ok()?;
    // A float becomes the nearest value that fits.
    (!number.is_nan()).then_some(number as u32)
}

/// How long until then.
fn span(text: &str, answered_at: impl FnOnce() -> SystemTime) -> Option<Duration> {
    let seconds = match text.parse::<f64>() {
        Ok(number) if number >= POINT_IN_TIME => {
            let since_1970 = if number >= POINT_IN_TIME * 1000.0 { number / 1000.0 } else { number };
            let now = answered_at().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
            (since_1970 - now.as_secs_f64()).max(0.0)
        }
        Ok(number) => number,
        Err(_) => spelled(text)?,
    };
    if seconds.is_nan() || seconds < 0.0 {
        return None;
    }
    Some(Duration::try_from_secs_f64(seconds).map_or(LONGEST, |span| span.min(LONGEST)))
}

/// `1m30s`, `6ms`, `2h`, `1d4h`: seconds.
fn spelled(text: &str) -> Option<f64> {
    let mut rest = text.trim();
    let mut seconds = 0.0;
    while !rest.is_empty() {
        let number = rest.find(|c: char| !c.is_ascii_digit() && c != '.').filter(|end| *end > 0)?;
        let (digits, after) = rest.split_at(number);
        let unit = after.find(|c: char| !c.is_ascii_alphabetic()).unwrap_or(after.len());
        let (unit, after) = after.split_at(unit);
        let factor = match unit {
            "ms" => 0.001,
            "s" => 1.0,
            "m" => 60.0,
            "h" => 3600.0,
            "d" => 86_400.0,
            _ => return None,
        };
        seconds += digits.parse::<f64>().ok()? * factor;
        rest = after;
    }
    (!text.is_empty()).then_some(seconds)
}

#[cfg(test)]
mod tests {
    use http::{HeaderName, HeaderValue};
    use rstest::rstest;

    use super::*;

    /// Sun, 06 Nov 1994 08:49:37 GMT, the example date of RFC 9110.
    const NOW: u64 = 784_111_777;

    /// What it is in 2026.
    const THEN: &str = "Mon, 30 Nov 2026 12:00:00 GMT";

    fn read(meaning: RateLimits, headers: &[(&str, &str)]) -> Option<RateLimit> {
        let headers = headers
            .iter()
            .map(|(name, value)| (name.parse::<HeaderName>().unwrap(), HeaderValue::from_str(value).unwrap()))
            .collect();
        rate_limit(&headers, meaning, || SystemTime::UNIX_EPOCH + Duration::from_secs(NOW))
    }

    fn reset(headers: &[(&str, &str)]) -> Option<u128> {
        let mut all = vec![("x-ratelimit-remaining-requests", "0")];
        all.extend(headers);
        read(RateLimits::Pause, &all).unwrap().reset.map(|span| span.as_millis())
    }

    #[rstest]
    #[case("30", Some(30_000))]
    #[case("1.5", Some(1_500))]
    #[case("0", Some(0))]
    #[case("1m30s", Some(90_000))]
    #[case("6ms", Some(6))]
    #[case("6m0s", Some(360_000))]
    #[case("1d4h", Some(100_800_000))]
    #[case("59.5s", Some(59_500))]
    #[case("-1", None)]
    #[case("NaN", None)]
    #[case("", None)]
    #[case("soon", None)]
    #[case("1y", None)]
    #[case("m", None)]
    #[case("1m30", None)]
    #[case("1..5s", None)]
    #[case("999d", Some(31 * 86_400_000))]
    #[case("inf", Some(31 * 86_400_000))]
    fn spans(#[case] text: &str, #[case] millis: Option<u128>) {
        assert_eq!(reset(&[("x-ratelimit-reset-requests", text)]), millis);
    }

    #[rstest]
    #[case("1796040090", Some(90_000))]
    #[case("1796040090000", Some(90_000))]
    #[case("1796040000", Some(0))]
    #[case("1796030000", Some(0))]
    #[case("9999999999", Some(31 * 86_400_000))]
    fn points_in_time_are_seen_from_the_answers_date(#[case] text: &str, #[case] millis: Option<u128>) {
        assert_eq!(reset(&[("date", THEN), ("x-ratelimit-reset-requests", text)]), millis);
    }

    #[test]
    fn a_point_in_time_without_a_date_is_seen_from_now() {
        let at = (NOW + 1_000_000_000).to_string();
        assert_eq!(reset(&[("x-ratelimit-reset-requests", &at)]), Some(31 * 86_400_000));
    }

    #[rstest]
    #[case(&[], None)]
    #[case(&[("x-ratelimit-remaining-requests", "41")], Some(41))]
    #[case(&[("x-ratelimit-remaining", "41")], Some(41))]
    #[case(&[("ratelimit-remaining", "41, 41;w=60")], Some(41))]
    #[case(&[("x-ratelimit-remaining", "5"), ("x-ratelimit-remaining-requests", "0")], Some(0))]
    #[case(&[("x-ratelimit-remaining-requests", "many"), ("x-ratelimit-remaining", "5")], Some(5))]
    #[case(&[("x-ratelimit-remaining-requests", "-1")], Some(0))]
    #[case(&[("x-ratelimit-remaining-requests", "1e99")], Some(u32::MAX))]
    #[case(&[("x-ratelimit-remaining-requests", "NaN")], None)]
    #[case(&[("x-ratelimit-remaining-tokens", "0"), ("x-ratelimit-reset-tokens", "1s")], None)]
    #[case(&[("x-ratelimit-reset-requests", "1s")], None)]
    fn what_is_left(#[case] headers: &[(&str, &str)], #[case] expected: Option<u32>) {
        assert_eq!(read(RateLimits::Pause, headers).map(|limit| limit.remaining), expected);
    }

    #[test]
    fn the_operator_says_what_it_means() {
        let headers = [("x-ratelimit-remaining", "0"), ("x-ratelimit-reset", "9")];
        let in_units = |meaning| read(meaning, &headers).map(|limit| limit.in_units);
        assert_eq!(in_units(RateLimits::Ignore), None);
        assert_eq!(in_units(RateLimits::Pause), Some(false));
        assert_eq!(in_units(RateLimits::Units), Some(true));
    }
}
