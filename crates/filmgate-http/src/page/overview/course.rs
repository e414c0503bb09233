//! How videos went over time: a chart, the same as a table, and how long they took.

use std::collections::BTreeMap;

use filmgate_domain::{Course, Minute, Timestamp};
use maud::{Markup, html};

use super::super::chart::{Bar, Chart, Layer};
use super::super::look::Look;
use super::super::parts::{number, span, table};
use super::local;
use super::watch::{History, Range, sum};

/// Links to the ranges.
pub(super) fn ranges(current: Range, look: Look) -> Markup {
    html! {
        nav.ranges aria-label=(look.t("course-range")) {
            @for range in Range::ALL {
                a href={ "/admin?range=" (range.as_str()) "#course" }
                    aria-current=[(range == current).then_some("true")] { (name(range, look)) }
            }
        }
    }
}

fn name(range: Range, look: Look) -> String {
    match range {
        Range::Hour => look.t("range-1h"),
        Range::Day => look.t("range-24h"),
        Range::Week => look.t("range-7d"),
    }
}

/// All that is said about a range.
pub(super) fn region(history: &History, look: Look) -> Markup {
    let spans = spans(history);
    let total = sum(&history.rows);
    let layers = Course::ALL.map(|course| Layer { class: class(course), name: word(course, look) });
    let (step, _) = history.range.spans();
    // Of the last span only a part has passed.
    let minutes = |at: Timestamp| (history.now.since(at).min(step).as_secs_f64() / 60.0).max(1.0);
    let bars: Vec<Bar> = spans
        .iter()
        .map(|(at, counted)| Bar {
            title: if counted.total() == 0 {
                String::new()
            } else {
                title(*at, counted, history.range, look)
            },
            parts: counted.courses.map(|count| count as f64 / minutes(*at)).to_vec(),
        })
        .collect();
    let label = look.with(
        "course-label",
        [
            ("range", name(history.range, look).into()),
            ("n", total.total().into()),
            ("count", number(total.total()).into()),
            ("courses", courses(&total, look).into()),
        ],
    );
    let chart = Chart { layers: &layers, bars: &bars, ticks: &ticks(history), label: &label };
    html! {
        p { (label) }
        (chart.draw())
        details #course-table {
            summary { (look.t("course-as-table")) }
            (as_table(&spans, history.range, look))
        }
        h3 { (look.t("latency-title")) }
        (latency(history, look))
    }
}

/// The spans of the range, also those in which nothing ended.
fn spans(history: &History) -> Vec<(Timestamp, Minute)> {
    let (step, count) = history.range.spans();
    let mut spans: Vec<_> = (0..count).map(|nth| (history.from + step * nth, Minute::default())).collect();
    for row in &history.rows {
        let nth = row.at.since(history.from).as_millis() / step.as_millis();
        // What ended since the range was chosen belongs to its last span.
        if let Some((_, counted)) = spans.get_mut((nth as usize).min(count as usize - 1)) {
            *counted += &row.counted;
        }
    }
    spans
}

fn ticks(history: &History) -> Vec<String> {
    let (step, count) = history.range.spans();
    let (parts, format) = match history.range {
        Range::Hour => (4, "%H:%M"),
        Range::Day => (4, "%H:%M"),
        Range::Week => (7, "%m-%d"),
    };
    (0..=parts).map(|nth| local(history.from + step * (count * nth / parts), format)).collect()
}

fn when(at: Timestamp, range: Range) -> String {
    local(at, if range == Range::Hour { "%H:%M" } else { "%m-%d %H:%M" })
}

fn title(at: Timestamp, counted: &Minute, range: Range, look: Look) -> String {
    let values = [("time", when(at, range).into()), ("courses", courses(counted, look).into())];
    look.with("course-bar", values)
}

/// "12 as asked, 3 upgraded"
fn courses(counted: &Minute, look: Look) -> String {
    let there = Course::ALL.into_iter().filter(|course| counted.of(*course) > 0);
    let parts = there.map(|course| format!("{} {}", number(counted.of(course)), word(course, look)));
    let parts: Vec<_> = parts.collect();
    if parts.is_empty() { look.t("course-none") } else { parts.join(&look.t("course-comma")) }
}

fn word(course: Course, look: Look) -> String {
    match course {
        Course::AsAsked => look.t("course-as-asked"),
        Course::Upgraded => look.t("course-upgraded"),
        Course::FallenBack => look.t("course-fallen-back"),
        Course::Downgraded => look.t("course-downgraded"),
        Course::Failed => look.t("course-failed"),
    }
}

fn class(course: Course) -> &'static str {
    match course {
        Course::AsAsked => "as-asked",
        Course::Upgraded => "upgraded",
        Course::FallenBack => "fallen-back",
        Course::Downgraded => "downgraded",
        Course::Failed => "failed",
    }
}

/// The spans in which something ended, the latest first.
fn as_table(spans: &[(Timestamp, Minute)], range: Range, look: Look) -> Markup {
    let label = look.t("course-as-table");
    let rows = spans.iter().rev().filter(|(_, counted)| counted.total() > 0);
    table(
        &label,
        &html! {
            table {
                thead { tr {
                    th scope="col" { (look.t("course-time")) }
                    th.number scope="col" { (look.t("course-videos")) }
                    @for course in Course::ALL { th.number scope="col" { (word(course, look)) } }
                } }
                tbody { @for (at, counted) in rows {
                    tr {
                        th scope="row" { (when(*at, range)) }
                        td.number { (number(counted.total())) }
                        @for count in counted.courses { td.number { (number(count)) } }
                    }
                } }
            }
        },
    )
}

fn latency(history: &History, look: Look) -> Markup {
    let mut pools: BTreeMap<&str, Minute> = BTreeMap::new();
    for row in &history.rows {
        *pools.entry(&row.pool).or_default() += &row.counted;
    }
    let with_file = |counted: &Minute| counted.total() - counted.of(Course::Failed);
    pools.retain(|_, counted| with_file(counted) > 0);
    if pools.is_empty() {
        return html! { p.hint { (look.t("latency-none")) } };
    }
    let quantile = |counted: &Minute, share| counted.latency.quantile(share).map_or_else(String::new, span);
    html! {
        (table(&look.t("latency-title"), &html! {
            table {
                thead { tr {
                    th scope="col" { (look.t("latency-pool")) }
                    th.number scope="col" { (look.t("latency-videos")) }
                    th.number scope="col" { (look.t("latency-half")) }
                    th.number scope="col" { (look.t("latency-most")) }
                } }
                tbody { @for (pool, counted) in &pools {
                    tr {
                        th scope="row" { (pool) }
                        td.number { (number(with_file(counted))) }
                        td.number { (quantile(counted, 0.5)) }
                        td.number { (quantile(counted, 0.95)) }
                    }
                } }
            }
        }))
        p.hint { (look.t("latency-hint")) }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use filmgate_store::MinuteRow;

    use super::super::super::look::Theme;
    use super::super::super::words::Lang;
    use super::*;

    const LOOK: Look = Look { lang: Lang::English, theme: Theme::Auto };

    fn row(from: Timestamp, seconds: u64, pool: &str, courses: [u64; 5]) -> MinuteRow {
        let mut counted = Minute { courses, ..Minute::default() };
        counted.latency.count(Duration::from_secs(20));
        MinuteRow { at: from + Duration::from_secs(seconds), pool: pool.into(), counted }
    }

    fn history(range: Range, rows: impl Fn(Timestamp) -> Vec<MinuteRow>) -> History {
        let from = Timestamp::from_millis(1_700_000_000_000 / 3_600_000 * 3_600_000);
        let (step, count) = range.spans();
        History { range, from, now: from + step * count - step / 2, rows: rows(from) }
    }

    #[test]
    fn pools_are_put_together_and_what_is_too_new_belongs_to_the_last_span() {
        let history = history(Range::Hour, |from| {
            vec![
                row(from, 0, "a", [1, 0, 0, 0, 0]),
                row(from, 0, "b", [0, 2, 0, 0, 0]),
                row(from, 59 * 60, "a", [0, 0, 3, 0, 0]),
                row(from, 60 * 60, "", [0, 0, 0, 0, 4]),
            ]
        });
        let spans = spans(&history);
        assert_eq!(spans.len(), 60);
        assert_eq!(spans[0].1.courses, [1, 2, 0, 0, 0]);
        assert_eq!(spans[1].1.courses, [0; 5]);
        assert_eq!(spans[59].1.courses, [0, 0, 3, 0, 4]);
        let html = region(&history, LOOK).into_string();
        assert!(html.contains("10 videos ended: 1 as asked, 2 upgraded, 3 fallen back, 4 failed"), "{html}");
        assert_eq!(html.matches("<title>").count(), 2, "a bar without videos says nothing");
        assert_eq!(
            html.matches("<tr>").count(),
            (1 + 2) + (1 + 2),
            "two minutes, two pools with files: {html}"
        );
    }

    #[test]
    fn a_span_that_is_half_over_is_as_high_as_a_whole_one_at_the_same_pace() {
        let history = history(Range::Week, |from| {
            vec![row(from, 0, "a", [600, 0, 0, 0, 0]), row(from, 167 * 3600, "a", [300, 0, 0, 0, 0])]
        });
        let html = region(&history, LOOK).into_string();
        assert_eq!(html.matches(r#"y="0.0" width="5.0" height="200.0""#).count(), 2, "ten a minute: {html}");
    }

    #[test]
    fn where_nothing_ended_the_page_says_so() {
        let html = region(&history(Range::Week, |_| Vec::new()), LOOK).into_string();
        assert!(html.contains("0 videos ended: none") && html.contains("No video was delivered"), "{html}");
        assert!(!html.contains("NaN") && !html.contains("inf"), "{html}");
    }

    #[test]
    fn a_week_of_ten_thousand_a_minute_is_a_small_page() {
        let history = history(Range::Week, |from| {
            let hours = 0..168;
            hours
                .flat_map(|hour| {
                    ["ssoBasic", "ssoSuper", ""]
                        .map(|pool| row(from, hour * 3600, pool, [560_000, 20_000, 10_000, 5_000, 5_000]))
                })
                .collect()
        });
        let html = region(&history, LOOK).into_string();
        assert!(html.contains("302,400,000 videos ended: 282,240,000 as asked"), "{}", &html[..400]);
        assert_eq!(html.matches("<title>").count(), 168);
        assert!(html.len() < 200_000, "{} bytes", html.len());
    }
}
