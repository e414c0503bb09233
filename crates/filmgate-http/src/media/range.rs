//! Which part of a file is wanted, as RFC 9110 (section 14) reads it.

use http::{HeaderMap, HeaderValue, Method, header};

/// What a `Range` asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Wanted {
    /// Everything. So is every range that is none, or that means several parts, or is counted in something else than
    /// bytes.
    Whole,
    /// From one byte to another, both of which the file has.
    Part(u64, u64),
    /// Nothing that the file has.
    Nothing,
}

/// Puts the `Range` of a request in the only form that `ServeFile` reads as the standard does. To that, a suffix that is
/// longer than the file, several parts and other units are mistakes, for which clients get nothing.
pub(super) fn tidy(method: &Method, headers: &mut HeaderMap, length: u64) {
    let wanted = match (method, only_one(headers)) {
        (&Method::GET, Some(range)) => wanted(range, length),
        _ => Wanted::Whole,
    };
    let range = match wanted {
        Wanted::Whole => None,
        Wanted::Part(first, last) => Some(format!("bytes={first}-{last}")),
        Wanted::Nothing => Some(format!("bytes={length}-")),
    };
    headers.remove(header::RANGE);
    if let Some(range) = range.and_then(|range| HeaderValue::from_str(&range).ok()) {
        headers.insert(header::RANGE, range);
    }
}

fn only_one(headers: &HeaderMap) -> Option<&str> {
    let mut ranges = headers.get_all(header::RANGE).into_iter();
    let first = ranges.next()?;
    ranges.next().is_none().then(|| first.to_str().ok())?
}

fn wanted(range: &str, length: u64) -> Wanted {
    let Some((unit, set)) = range.split_once('=') else { return Wanted::Whole };
    let Some((first, last)) = set.split_once('-') else { return Wanted::Whole };
    if !unit.eq_ignore_ascii_case("bytes") {
        return Wanted::Whole;
    }
    match (number(first), number(last)) {
        (Some(first), Some(last)) if last < first => Wanted::Whole,
        (Some(first), Some(last)) => part(first, last, length),
        (Some(first), None) if last.is_empty() => part(first, u64::MAX, length),
        (None, Some(count)) if first.is_empty() => match length.min(count) {
            0 => Wanted::Nothing,
            count => part(length - count, u64::MAX, length),
        },
        _ => Wanted::Whole,
    }
}

fn part(first: u64, last: u64, length: u64) -> Wanted {
    if first < length { Wanted::Part(first, last.min(length - 1)) } else { Wanted::Nothing }
}

/// A number, however large: no file reaches beyond the largest.
fn number(text: &str) -> Option<u64> {
    let is_number = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    is_number.then(|| text.parse().unwrap_or(u64::MAX))
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case("bytes=0-9", Wanted::Part(0, 9))]
    #[case("bytes=90-", Wanted::Part(90, 99))]
    #[case("bytes=99-99", Wanted::Part(99, 99))]
    #[case("bytes=-10", Wanted::Part(90, 99))]
    #[case("bytes=-500", Wanted::Part(0, 99))]
    #[case("bytes=50-500", Wanted::Part(50, 99))]
    #[case("bytes=50-99999999999999999999999", Wanted::Part(50, 99))]
    #[case("Bytes=007-08", Wanted::Part(7, 8))]
    #[case("bytes=100-", Wanted::Nothing)]
    #[case("bytes=99999999999999999999999-", Wanted::Nothing)]
    #[case("bytes=100-200", Wanted::Nothing)]
    #[case("bytes=-0", Wanted::Nothing)]
    #[case("bytes=5-2", Wanted::Whole)]
    #[case("bytes=0-1,4-5", Wanted::Whole)]
    #[case("bytes=-", Wanted::Whole)]
    #[case("bytes=", Wanted::Whole)]
    #[case("bytes", Wanted::Whole)]
    #[case("bytes=+1-2", Wanted::Whole)]
    #[case("bytes=1-2 ", Wanted::Whole)]
    #[case("seconds=0-1", Wanted::Whole)]
    fn ranges(#[case] range: &str, #[case] expected: Wanted) {
        assert_eq!(wanted(range, 100), expected);
    }

    #[rstest]
    #[case(Method::GET, &["bytes=-500"], Some("bytes=0-99"))]
    #[case(Method::GET, &["bytes=-0"], Some("bytes=100-"))]
    #[case(Method::GET, &["bytes=0-1", "bytes=4-5"], None)]
    #[case(Method::GET, &[], None)]
    #[case(Method::HEAD, &["bytes=0-1"], None)]
    fn what_is_passed_on(
        #[case] method: Method,
        #[case] asked: &[&'static str],
        #[case] passed: Option<&str>,
    ) {
        let mut headers = HeaderMap::new();
        for range in asked {
            headers.append(header::RANGE, HeaderValue::from_static(range));
        }
        tidy(&method, &mut headers, 100);
        assert_eq!(headers.get(header::RANGE).map(|range| range.to_str().unwrap()), passed);
    }
}
