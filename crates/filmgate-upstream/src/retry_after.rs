//! How long an upstream wants to be left alone.

use std::time::{Duration, SystemTime};

use http::HeaderMap;
use http::header::{DATE, RETRY_AFTER};

/// The longest pause that is believed. The longest honest one is the rest of a monthly quota.
pub(crate) const LONGEST: Duration = Duration::from_secs(31 * 24 * 60 * 60);

/// What an answer's headers say, `retry-after-ms` before `retry-after` (seconds or an HTTP date). A date is
/// taken against the answer's own `date` header, so that the clocks need not agree; where there is none, against
/// `now`.
pub(crate) fn retry_after(headers: &HeaderMap, now: impl FnOnce() -> SystemTime) -> Option<Duration> {
    let text = |name: &str| headers.get(name)?.to_str().ok().map(str::trim);
    if let Some(pause) = text("retry-after-ms").and_then(|ms| seconds(ms, 0.001)) {
        return Some(pause);
    }
    let value = text(RETRY_AFTER.as_str())?;
    if let Some(pause) = seconds(value, 1.0) {
        return Some(pause);
    }
    let until = httpdate::parse_http_date(value).ok()?;
    let from = text(DATE.as_str()).and_then(|date| httpdate::parse_http_date(date).ok()).unwrap_or_else(now);
    Some(until.duration_since(from).unwrap_or(Duration::ZERO).min(LONGEST))
}

/// The real time, for the rare answer that names a date and does not say what time it is there.
pub(crate) fn real_time() -> SystemTime {
    #[expect(
        clippy::disallowed_methods,
        reason = "a date from outside only makes sense against the real clock"
    )]
    SystemTime::now()
}

fn seconds(text: &str, unit: f64) -> Option<Duration> {
    let number: f64 = text.parse().ok()?;
    if number.is_nan() || number < 0.0 {
        return None;
    }
    Some(Duration::try_from_secs_f64(number * unit).map_or(LONGEST, |pause| pause.min(LONGEST)))
}

#[cfg(test)]
mod tests {
    use http::{HeaderName, HeaderValue};
    use rstest::rstest;

    use super::*;

    /// Sun, 06 Nov 1994 08:49:37 GMT, the example date of RFC 9110.
    const NOW: u64 = 784_111_777;

    fn parse(headers: &[(&str, &str)]) -> Option<Duration> {
        let headers = headers
            .iter()
            .map(|(name, value)| (name.parse::<HeaderName>().unwrap(), HeaderValue::from_str(value).unwrap()))
            .collect();
        retry_after(&headers, || SystemTime::UNIX_EPOCH + Duration::from_secs(NOW))
    }

    #[rstest]
    #[case(&[], None)]
    #[case(&[("retry-after", "30")], Some(30_000))]
    #[case(&[("retry-after", "0")], Some(0))]
    #[case(&[("retry-after", "1.5")], Some(1_500))]
    #[case(&[("retry-after", "-1")], None)]
    #[case(&[("retry-after", "NaN")], None)]
    #[case(&[("retry-after", "soon")], None)]
    #[case(&[("retry-after", "")], None)]
    #[case(&[("retry-after", "99999999999999999999")], Some(31 * 86_400_000))]
    #[case(&[("retry-after", "inf")], Some(31 * 86_400_000))]
    #[case(&[("retry-after-ms", "250"), ("retry-after", "1")], Some(250))]
    #[case(&[("retry-after-ms", "x"), ("retry-after", "1")], Some(1_000))]
    #[case(&[("retry-after", "Sun, 06 Nov 1994 08:50:37 GMT")], Some(60_000))]
    #[case(&[("retry-after", "Sunday, 06-Nov-94 08:50:37 GMT")], Some(60_000))]
    #[case(&[("retry-after", "Sun, 06 Nov 1994 08:00:00 GMT")], Some(0))]
    #[case(&[("retry-after", "Fri, 06 Nov 2026 08:00:00 GMT")], Some(31 * 86_400_000))]
    #[case(
        &[("retry-after", "Sun, 06 Nov 2005 08:50:37 GMT"), ("date", "Sun, 06 Nov 2005 08:50:07 GMT")],
        Some(30_000)
    )]
    #[case(&[("retry-after", "Sun, 06 Nov 1994 08:50:37 GMT"), ("date", "yesterday")], Some(60_000))]
    fn all_forms(#[case] headers: &[(&str, &str)], #[case] millis: Option<u64>) {
        assert_eq!(parse(headers), millis.map(Duration::from_millis));
    }
}
