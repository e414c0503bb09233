//! Points in time as people say them.

use std::time::Duration;

use filmgate_domain::{Clock as _, Timestamp};
use filmgate_engine::SystemClock;
use jiff::tz::TimeZone;

/// The current time.
pub(super) fn now() -> Timestamp {
    SystemClock.now()
}

/// `in 3 min`, `2 h ago`, `now`.
pub(super) fn relative(at: Timestamp, now: Timestamp) -> String {
    let (ahead, behind) = (at.since(now), now.since(at));
    if ahead.as_secs() > 0 {
        format!("in {}", span(ahead))
    } else if behind.as_secs() > 0 {
        format!("{} ago", span(behind))
    } else {
        "now".to_owned()
    }
}

/// As [`relative`]; a dash where there is no such time.
pub(super) fn relative_or_dash(at: Option<Timestamp>, now: Timestamp) -> String {
    at.map_or_else(|| "-".to_owned(), |at| relative(at, now))
}

/// The local date and time to the second, with the offset from UTC.
pub(super) fn exact(at: Timestamp) -> String {
    exact_in(at, TimeZone::system())
}

fn exact_in(at: Timestamp, zone: TimeZone) -> String {
    match jiff::Timestamp::from_millisecond(at.as_millis()) {
        Ok(time) => time.to_zoned(zone).strftime("%Y-%m-%d %H:%M:%S %:z").to_string(),
        Err(_) => at.to_string(),
    }
}

/// One unit, rounded down, as people say it; below a minute to the tenth of a second.
pub(super) fn span(span: Duration) -> String {
    let seconds = span.as_secs();
    match seconds {
        0..10 => format!("{:.1} s", span.as_secs_f64()),
        10..120 => format!("{seconds} s"),
        120..7_200 => format!("{} min", seconds / 60),
        7_200..172_800 => format!("{} h", seconds / 3_600),
        _ => format!("{} days", seconds / 86_400),
    }
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case(0, "now")]
    #[case(999, "now")]
    #[case(-999, "now")]
    #[case(1_500, "in 1.5 s")]
    #[case(-45_000, "45 s ago")]
    #[case(180_000, "in 3 min")]
    #[case(-7_200_000, "2 h ago")]
    #[case(86_400_000 * 7, "in 7 days")]
    fn relative_times(#[case] millis: i64, #[case] text: &str) {
        let now = Timestamp::from_millis(1_700_000_000_000);
        let at = Timestamp::from_millis(now.as_millis() + millis);
        assert_eq!(relative(at, now), text);
    }

    #[test]
    fn exact_times_name_their_offset() {
        let at = Timestamp::from_millis(1_709_210_096_789);
        assert_eq!(exact_in(at, TimeZone::UTC), "2024-02-29 12:34:56 +00:00");
        let zone = TimeZone::fixed(jiff::tz::offset(8));
        assert_eq!(exact_in(at, zone), "2024-02-29 20:34:56 +08:00");
    }
}
