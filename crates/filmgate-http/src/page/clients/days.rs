//! What a caller asked for, day by day.

use std::time::Duration;

use filmgate_domain::Timestamp;
use filmgate_store::Asked;
use jiff::civil::Date;
use jiff::tz::TimeZone;
use maud::{Markup, html};

use crate::page::look::Look;
use crate::page::parts::{self, Tone, bar, number};

/// How many days are shown, today among them.
const DAYS: usize = 14;

/// How far back to read for that.
pub(super) const READ: Duration = Duration::from_secs(DAYS as u64 * 24 * 3600);

/// The step in which it is read: days begin at whole quarters of an hour, wherever one is.
pub(super) const STEP: Duration = Duration::from_secs(15 * 60);

/// How many videos are counted at most: the page is to stay fast.
pub(super) const MOST: u32 = 100_000;

#[derive(Debug, PartialEq, Eq)]
struct Day {
    date: Date,
    videos: u64,
    failed: u64,
    units: u64,
}

/// The last days, today first. Where not everything was counted, the days before that are left out.
fn by_day(asked: &[Asked], now: Timestamp, zone: &TimeZone) -> Vec<Day> {
    let date_of = |at: Timestamp| {
        let moment = jiff::Timestamp::from_millisecond(at.as_millis()).unwrap_or(jiff::Timestamp::UNIX_EPOCH);
        moment.to_zoned(zone.clone()).date()
    };
    let first = is_cut_off(asked).then(|| asked.first().map(|span| date_of(span.at))).flatten();
    let dates = std::iter::successors(Some(date_of(now)), |date| date.yesterday().ok()).take(DAYS);
    let day = |date| {
        let of_date = || asked.iter().filter(|span| date_of(span.at) == date);
        let videos = of_date().map(|span| span.videos).sum();
        let failed = of_date().map(|span| span.failed).sum();
        Day { date, videos, failed, units: of_date().map(|span| span.units).sum() }
    };
    dates.filter(|date| first.is_none_or(|first| *date >= first)).map(day).collect()
}

fn is_cut_off(asked: &[Asked]) -> bool {
    asked.iter().map(|span| span.videos).sum::<u64>() >= u64::from(MOST)
}

/// The days as a table.
pub(super) fn table(asked: &[Asked], now: Timestamp, look: Look) -> Markup {
    let days = by_day(asked, now, &TimeZone::system());
    let busiest = days.iter().map(|day| day.videos).max().unwrap_or(0);
    let rows = html! {
        table {
            thead { tr {
                th scope="col" { (look.t("clients-day")) }
                th.number scope="col" { (look.t("clients-day-videos")) }
                th scope="col" { (look.t("clients-day-share")) }
                th.number scope="col" { (look.t("clients-day-failed")) }
                th.number scope="col" { (look.t("clients-day-units")) }
            } }
            tbody {
                @for day in &days {
                    tr {
                        th scope="row" { (day.date) }
                        td.number { (number(day.videos)) }
                        td.share { @if day.videos > 0 { (bar(day.videos, busiest, Tone::Plain, &number(day.videos))) } }
                        td.number { (number(day.failed)) }
                        td.number { (number(day.units)) }
                    }
                }
            }
        }
    };
    if busiest == 0 {
        return html! { p { (look.with("clients-days-none", [("days", DAYS.into())])) } };
    }
    html! {
        (parts::table(&look.t("clients-days-title"), &rows))
        @if is_cut_off(asked) {
            p.hint { (look.with("clients-days-cut-off", [("most", number(MOST.into()).into())])) }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn span(at: &str, videos: u64) -> Asked {
        let at: jiff::Timestamp = at.parse().unwrap();
        Asked { at: Timestamp::from_millis(at.as_millisecond()), videos, failed: 1, units: 4 * videos }
    }

    #[test]
    fn a_day_is_that_of_the_servers_clock() {
        let (now, zone) = (span("2026-11-24T03:00:00Z", 0).at, TimeZone::fixed(jiff::tz::offset(8)));
        let asked = [
            span("2026-11-22T15:45:00Z", 3),
            span("2026-11-22T16:00:00Z", 5),
            span("2026-11-23T20:00:00Z", 2),
        ];
        let days = by_day(&asked, now, &zone);
        assert_eq!(
            (days.len(), days[0].date, days[13].date),
            (14, "2026-11-24".parse().unwrap(), "2026-11-11".parse().unwrap())
        );
        let videos: Vec<_> = days.iter().map(|day| (day.videos, day.failed, day.units)).collect();
        assert_eq!(videos[..4], [(2, 1, 8), (5, 1, 20), (3, 1, 12), (0, 0, 0)]);
    }

    #[test]
    fn days_that_were_not_counted_are_not_shown() {
        let asked = [span("2026-11-22T10:00:00Z", u64::from(MOST) - 1), span("2026-11-24T01:00:00Z", 1)];
        let now = span("2026-11-24T03:00:00Z", 0).at;
        assert_eq!(by_day(&asked, now, &TimeZone::UTC).len(), 3);
        assert_eq!(by_day(&asked[1..], now, &TimeZone::UTC).len(), 14);
    }
}
