//! Settings that are written as text and mean something else: times, sizes, addresses.
//!
//! The functions are for `#[serde(deserialize_with, serialize_with)]`. What each one takes stands in its
//! `expected` text, which is what an operator reads.

use std::fmt;
use std::net::SocketAddr;
use std::time::Duration;

use serde::de::{Error, Unexpected, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use tracing_subscriber::EnvFilter;
use url::Url;

/// Longer times than a century are slips, and some clocks cannot count them.
const LONGEST: Duration = Duration::from_secs(100 * 366 * 24 * 3600);

const UNITS: [(&str, u64); 9] = [
    ("TiB", 1 << 40),
    ("GiB", 1 << 30),
    ("MiB", 1 << 20),
    ("KiB", 1 << 10),
    ("TB", 1_000_000_000_000),
    ("GB", 1_000_000_000),
    ("MB", 1_000_000),
    ("kB", 1_000),
    ("B", 1),
];

/// The address of a proxy, which may hold a user's name and password: it is printed without them.
#[derive(Clone, PartialEq, Eq)]
pub struct Proxy(Url);

impl Proxy {
    /// The whole address, for the one place that opens connections.
    pub fn expose(&self) -> &str {
        self.0.as_str()
    }
}

/// `socks5://***@host:1080`
impl fmt::Display for Proxy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mask = if self.0.username().is_empty() && self.0.password().is_none() { "" } else { "***@" };
        write!(f, "{}://{mask}{}", self.0.scheme(), self.0.host_str().unwrap_or_default())?;
        self.0.port().map_or(Ok(()), |port| write!(f, ":{port}"))
    }
}

impl fmt::Debug for Proxy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Proxy({self})")
    }
}

pub(super) fn proxy<'de, D: Deserializer<'de>>(from: D) -> Result<Option<Proxy>, D::Error> {
    let expected = r#""http://host:port", "socks5://user:password@host:port" or an empty text"#;
    let parse = |text: &str| {
        if text.is_empty() {
            return Some(None);
        }
        let url = Url::parse(text).ok()?;
        let known = ["http", "https", "socks5", "socks5h"].contains(&url.scheme());
        let plain = matches!(url.path(), "" | "/") && url.query().is_none() && url.fragment().is_none();
        let host = url.host_str().is_some_and(|host| !host.is_empty());
        (known && plain && host).then_some(Some(Proxy(url)))
    };
    from.deserialize_str(Text { expected, parse, secret: true })
}

pub(super) fn show_proxy<S: Serializer>(proxy: &Option<Proxy>, to: S) -> Result<S::Ok, S::Error> {
    match proxy {
        Some(proxy) => to.collect_str(proxy),
        None => to.serialize_str(""),
    }
}

/// A time longer than zero.
pub(super) fn time<'de, D: Deserializer<'de>>(from: D) -> Result<Duration, D::Error> {
    let expected = r#"a time longer than zero, such as "90s", "15m" or "7d""#;
    text(from, expected, |text| parse_time(text).filter(|time| !time.is_zero()))
}

/// A time that may be zero.
pub(super) fn time_or_zero<'de, D: Deserializer<'de>>(from: D) -> Result<Duration, D::Error> {
    text(from, r#"a time such as "90s", "15m" or "7d""#, parse_time)
}

fn parse_time(text: &str) -> Option<Duration> {
    humantime::parse_duration(text).ok().filter(|time| *time <= LONGEST)
}

pub(super) fn show_time<S: Serializer>(time: &Duration, to: S) -> Result<S::Ok, S::Error> {
    to.collect_str(&humantime::format_duration(*time))
}

/// A number of bytes above zero.
pub(super) fn size<'de, D: Deserializer<'de>>(from: D) -> Result<u64, D::Error> {
    text(from, r#"a size above zero, such as "512KiB" or "20GiB""#, parse_size)
}

fn parse_size(text: &str) -> Option<u64> {
    let (unit, factor) = UNITS.into_iter().find(|(unit, _)| text.ends_with(unit))?;
    let digits = text[..text.len() - unit.len()].trim_end();
    let plain = digits.bytes().all(|byte| byte.is_ascii_digit());
    let number: u64 = digits.parse().ok().filter(|_| plain)?;
    number.checked_mul(factor).filter(|bytes| *bytes > 0)
}

pub(super) fn show_size<S: Serializer>(bytes: &u64, to: S) -> Result<S::Ok, S::Error> {
    let exact = UNITS.into_iter().find(|(_, factor)| bytes.is_multiple_of(*factor));
    let (unit, factor) = exact.unwrap_or(("B", 1));
    to.collect_str(&format_args!("{}{unit}", bytes / factor))
}

pub(super) fn listen<'de, D: Deserializer<'de>>(from: D) -> Result<SocketAddr, D::Error> {
    text(from, r#"an address and a port, such as "127.0.0.1:8000" or "[::1]:8000""#, |text| text.parse().ok())
}

/// Where a web page comes from: scheme, host and port, or `*` for anywhere.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(transparent)]
pub struct Origin(String);

impl Origin {
    /// As browsers write it.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl<'de> Deserialize<'de> for Origin {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        text(from, r#"the origin of web pages, such as "https://app.example.com", or "*""#, |text| {
            if text == "*" {
                return Some(Self(text.to_owned()));
            }
            let url = Url::parse(text).ok()?;
            let origin = url.origin().ascii_serialization();
            // An origin has no path: browsers never send one.
            let bare = text.trim_end_matches('/').eq_ignore_ascii_case(&origin);
            (matches!(url.scheme(), "http" | "https") && bare).then_some(Self(origin))
        })
    }
}

/// The address of a web service, kept without a slash at its end; or empty.
pub(super) fn web_address<'de, D: Deserializer<'de>>(from: D) -> Result<String, D::Error> {
    text(from, "an http:// or https:// address without user, query and fragment", |text| {
        if text.is_empty() {
            return Some(String::new());
        }
        let url = Url::parse(text).ok()?;
        let web = matches!(url.scheme(), "http" | "https");
        let plain = url.query().is_none() && url.fragment().is_none();
        let anonymous = url.username().is_empty() && url.password().is_none();
        (web && plain && anonymous).then(|| url.as_str().trim_end_matches('/').to_owned())
    })
}

pub(super) fn header_name<'de, D: Deserializer<'de>>(from: D) -> Result<String, D::Error> {
    text(from, r#"the name of an HTTP header, such as "authorization""#, |text| {
        http::HeaderName::from_bytes(text.as_bytes()).ok().map(|name| name.as_str().to_owned())
    })
}

/// What may stand in a header's value.
pub(super) fn header_text<'de, D: Deserializer<'de>>(from: D) -> Result<String, D::Error> {
    text(from, "a text of visible ASCII characters and spaces", |text| {
        let fits = text.bytes().all(|byte| matches!(byte, b' '..=b'~'));
        fits.then(|| text.to_owned())
    })
}

/// A share of the whole. Whole numbers are taken too: `1` is `1.0`.
pub(super) fn share<'de, D: Deserializer<'de>>(from: D) -> Result<f64, D::Error> {
    struct Share;
    impl Visitor<'_> for Share {
        type Value = f64;
        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("a number from 0 to 1")
        }
        fn visit_i64<E: Error>(self, number: i64) -> Result<f64, E> {
            match number {
                0 => Ok(0.0),
                1 => Ok(1.0),
                _ => Err(E::invalid_value(Unexpected::Signed(number), &self)),
            }
        }
        fn visit_f64<E: Error>(self, number: f64) -> Result<f64, E> {
            let fits = (0.0..=1.0).contains(&number);
            if fits { Ok(number) } else { Err(E::invalid_value(Unexpected::Float(number), &self)) }
        }
    }
    from.deserialize_any(Share)
}

/// A level, or directives for single parts of the program.
pub(super) fn log_level<'de, D: Deserializer<'de>>(from: D) -> Result<String, D::Error> {
    let expected =
        r#""error", "warn", "info", "debug", "trace" or a filter such as "info,filmgate_engine=debug""#;
    let parse = |text: &str| {
        // A bare word that is no level would be taken for a part of the program, at its most talkative.
        let bare = text.split(',').map(str::trim).filter(|part| !part.contains(['=', '[']));
        let words = ["off", "error", "warn", "info", "debug", "trace"];
        let known = bare.into_iter().all(|part| words.contains(&part));
        (known && EnvFilter::builder().parse(text).is_ok()).then(|| text.to_owned())
    };
    text(from, expected, parse)
}

/// A setting written as text: `parse` gives its meaning, `expected` says what is taken.
fn text<'de, D: Deserializer<'de>, T>(
    from: D,
    expected: &'static str,
    parse: impl FnOnce(&str) -> Option<T>,
) -> Result<T, D::Error> {
    from.deserialize_str(Text { expected, parse, secret: false })
}

struct Text<F> {
    expected: &'static str,
    parse: F,
    /// Errors must not repeat it.
    secret: bool,
}

impl<T, F: FnOnce(&str) -> Option<T>> Visitor<'_> for Text<F> {
    type Value = T;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.expected)
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<T, E> {
        let found = if self.secret { Unexpected::Other("another text") } else { Unexpected::Str(text) };
        (self.parse)(text).ok_or_else(|| E::invalid_value(found, &self.expected))
    }
}

impl Serialize for Proxy {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.collect_str(self)
    }
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case("512KiB", Some(512 * 1024))]
    #[case("20GiB", Some(20 << 30))]
    #[case("20 GB", Some(20_000_000_000))]
    #[case("1B", Some(1))]
    #[case("0B", None)]
    #[case("20", None)]
    #[case("GiB", None)]
    #[case("1.5GiB", None)]
    #[case("+1MiB", None)]
    #[case("-1MiB", None)]
    #[case("1mib", None)]
    #[case("99999999999TiB", None)]
    #[case("", None)]
    fn sizes(#[case] text: &str, #[case] expected: Option<u64>) {
        assert_eq!(parse_size(text), expected);
    }

    #[rstest]
    #[case("7d", Some(7 * 24 * 3600))]
    #[case("1h 30m", Some(5400))]
    #[case("0s", Some(0))]
    #[case("90", None)]
    #[case("1000000years", None)]
    #[case("-5s", None)]
    #[case("", None)]
    fn times(#[case] text: &str, #[case] seconds: Option<u64>) {
        assert_eq!(parse_time(text), seconds.map(Duration::from_secs));
    }

    #[test]
    fn a_proxy_is_printed_without_its_password() {
        let proxy = Proxy(Url::parse("socks5://me:hunter2@proxy.example:1080").unwrap());
        assert_eq!(proxy.to_string(), "socks5://***@proxy.example:1080");
        assert_eq!(format!("{proxy:?}"), "Proxy(socks5://***@proxy.example:1080)");
        assert_eq!(proxy.expose(), "socks5://me:hunter2@proxy.example:1080");
        let plain = Proxy(Url::parse("http://proxy.example:3128").unwrap());
        assert_eq!(plain.to_string(), "http://proxy.example:3128");
    }
}
