//! Small pieces that every page is made of.

use std::time::Duration;

use filmgate_domain::Timestamp;
use http::StatusCode;
use jiff::tz::TimeZone;
use maud::{Markup, html};

use super::look::Look;

/// A number with its thousands set apart, as both languages do.
pub(super) fn number(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::with_capacity(digits.len() + digits.len() / 3);
    for (nth, digit) in digits.chars().enumerate() {
        if nth > 0 && (digits.len() - nth).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// Bytes for people: "3.4 MB".
pub(super) fn bytes(bytes: u64) -> String {
    const UNITS: [&str; 5] = ["B", "kB", "MB", "GB", "TB"];
    let (mut value, mut unit) = (bytes as f64, 0);
    while value >= 999.5 && unit + 1 < UNITS.len() {
        value /= 1000.0;
        unit += 1;
    }
    if unit == 0 || value >= 99.95 {
        format!("{value:.0} {}", UNITS[unit])
    } else {
        format!("{value:.1} {}", UNITS[unit])
    }
}

/// A span of time for people: "850 ms", "12.3 s", "4 min 5 s", "2 h 10 min", "3 d 4 h".
pub(super) fn span(span: Duration) -> String {
    let seconds = span.as_secs();
    match seconds {
        0 => format!("{} ms", span.as_millis()),
        1..60 => format!("{:.1} s", (span.as_millis() / 100) as f64 / 10.0),
        60..3600 => format!("{} min {} s", seconds / 60, seconds % 60),
        3600..86_400 => format!("{} h {} min", seconds / 3600, seconds / 60 % 60),
        _ => format!("{} d {} h", seconds / 86_400, seconds / 3600 % 24),
    }
}

/// A point in time, in the server's time zone (`TZ`): the time alone when it is less than half a day away from
/// `now`, else with its date.
pub(super) fn time(at: Timestamp, now: Timestamp) -> Markup {
    let Ok(moment) = jiff::Timestamp::from_millisecond(at.as_millis()) else { return html! { "-" } };
    let zoned = moment.to_zoned(TimeZone::system());
    let near = now.since(at).max(at.since(now)) < Duration::from_secs(12 * 3600);
    let text = zoned.strftime(if near { "%H:%M:%S" } else { "%Y-%m-%d %H:%M" }).to_string();
    html! { time datetime=(moment.to_string()) title=(zoned.strftime("%Y-%m-%d %H:%M:%S %Z").to_string()) { (text) } }
}

/// The same, or a dash.
pub(super) fn maybe_time(at: Option<Timestamp>, now: Timestamp) -> Markup {
    at.map_or_else(|| html! { "-" }, |at| time(at, now))
}

/// How good a thing is: the colour of a badge. The word in it says the same to those who see no colours.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Tone {
    Good,
    Warn,
    Bad,
    Plain,
}

impl Tone {
    pub(super) fn class(self) -> &'static str {
        match self {
            Self::Good => "good",
            Self::Warn => "warn",
            Self::Bad => "bad",
            Self::Plain => "plain",
        }
    }
}

/// A word in a coloured frame.
pub(super) fn badge(tone: Tone, word: &str) -> Markup {
    html! { span class={ "badge " (tone.class()) } { (word) } }
}

/// A message above everything else; screen readers say it at once.
pub(super) fn note(tone: Tone, text: &str) -> Markup {
    let role = if tone == Tone::Bad { "alert" } else { "status" };
    html! { p class={ "note " (tone.class()) } role=(role) { (text) } }
}

/// A bar that shows a part of a whole. `label` says the same in words.
pub(super) fn bar(part: u64, whole: u64, tone: Tone, label: &str) -> Markup {
    let share = if whole == 0 { 0.0 } else { (part as f64 / whole as f64).clamp(0.0, 1.0) };
    html! {
        svg class={ "bar " (tone.class()) } viewBox="0 0 100 6" preserveAspectRatio="none" role="img" aria-label=(label) {
            rect.track x="0" y="0" width="100" height="6" {}
            rect.fill x="0" y="0" width=(format!("{:.2}", share * 100.0)) height="6" {}
        }
    }
}

/// A wide table scrolls by itself, with the keyboard too.
pub(super) fn table(label: &str, table: &Markup) -> Markup {
    html! { div.scroll role="region" aria-label=(label) tabindex="0" { (table) } }
}

/// A choice from a list; the first value of an option is what is sent, the second what is read.
pub(super) fn select(name: &str, label: &str, options: &[(String, String)], chosen: &str) -> Markup {
    html! {
        label { span { (label) }
            select name=(name) {
                @for (value, text) in options { option value=(value) selected[value == chosen] { (text) } }
            }
        }
    }
}

/// A line to fill in.
pub(super) fn field(name: &str, label: &str, value: &str) -> Markup {
    html! { label { span { (label) } input type="text" name=(name) value=(value); } }
}

/// A page that says that there is nothing here.
pub(super) fn nothing_here(look: Look) -> (StatusCode, Markup) {
    (StatusCode::NOT_FOUND, note(Tone::Bad, &look.t("nothing-here")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_for_people() {
        assert_eq!([0, 999, 1000, 1_234_567].map(number), ["0", "999", "1,000", "1,234,567"]);
        assert_eq!(
            [0, 999, 1000, 99_960, 3_400_000].map(bytes),
            ["0 B", "999 B", "1.0 kB", "100 kB", "3.4 MB"]
        );
        let spans = [850, 12_345, 245_000, 7_800_000, 273_600_000].map(Duration::from_millis).map(span);
        assert_eq!(spans, ["850 ms", "12.3 s", "4 min 5 s", "2 h 10 min", "3 d 4 h"]);
    }

    #[test]
    fn a_bar_never_leaves_its_frame() {
        let width = |part, whole| {
            let svg = bar(part, whole, Tone::Good, "").into_string();
            svg.split("width=\"").nth(2).and_then(|rest| rest.split('"').next()).map(str::to_owned).unwrap()
        };
        assert_eq!([width(1, 4), width(5, 4), width(1, 0)], ["25.00", "100.00", "0.00"]);
    }
}
