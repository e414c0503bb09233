//! Which jobs an operator wants to see, in the words of a query: the API, the page and the command line share them.

use std::time::Duration;

use filmgate_domain::{JobId, JobState, Route, Timestamp, Verdict};
use filmgate_store::JobFilter;
use jiff::civil::DateTime;
use jiff::tz::TimeZone;
use serde::{Deserialize, Serialize};

use super::webhooks::find;
use crate::App;
use crate::dialect::spelling;
use crate::refusal::Refusal;

/// What a list of jobs is narrowed to. What is empty narrows nothing.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
#[serde(default)]
pub(crate) struct JobQuery {
    /// The state.
    pub(crate) state: String,
    /// The pool of the last attempt.
    pub(crate) pool: String,
    /// How that pool relates to what was asked.
    pub(crate) route: String,
    /// The verdict on the file.
    pub(crate) verdict: String,
    /// A caller's name or id.
    pub(crate) caller: String,
    /// Admitted less than so long ago: `30m`, `24h`, `7d`.
    pub(crate) since: String,
    /// Admitted then or later, as RFC 3339, or without a zone in that of this server.
    pub(crate) from: String,
    /// Admitted before.
    pub(crate) to: String,
}

impl JobQuery {
    /// What the store is asked for.
    pub(crate) async fn filter(&self, app: &App) -> Result<JobFilter, Refusal> {
        let caller = match &*self.caller {
            "" => None,
            text => Some(find(app, text).await?.id),
        };
        let since = given(&self.since).map(span).transpose()?.map(|span| app.engine.now() - span);
        let from = given(&self.from).map(|text| moment(text, "from")).transpose()?;
        Ok(JobFilter {
            caller,
            state: given(&self.state).map(|text| word(text, "state", &JobState::ALL)).transpose()?,
            pool: given(&self.pool).map(Box::from),
            route: given(&self.route).map(|text| word(text, "route", &Route::ALL)).transpose()?,
            verdict: given(&self.verdict).map(|text| word(text, "verdict", &Verdict::ALL)).transpose()?,
            from: from.max(since),
            to: given(&self.to).map(|text| moment(text, "to")).transpose()?,
            ..JobFilter::default()
        })
    }
}

/// The id of a job, in either spelling.
pub(crate) fn read_id(text: &str) -> Result<JobId, Refusal> {
    read_id_in("id", text)
}

/// The same, from a parameter of this name.
pub(crate) fn read_id_in(name: &str, text: &str) -> Result<JobId, Refusal> {
    let (_, id) = spelling(text)
        .ok_or_else(|| Refusal::invalid(name, "that is not a job's id, such as video_ and 32 hex digits"))?;
    Ok(id)
}

fn given(text: &str) -> Option<&str> {
    Some(text.trim()).filter(|text| !text.is_empty())
}

fn word<T: Copy + std::fmt::Display>(text: &str, field: &str, words: &[T]) -> Result<T, Refusal> {
    let found = words.iter().copied().find(|word| word.to_string() == text);
    found.ok_or_else(|| {
        let words: Vec<String> = words.iter().map(|word| format!("{:?}", word.to_string())).collect();
        Refusal::invalid(field, format!("`{field}` must be one of {}", words.join(", ")))
    })
}

/// `90s`, `30m`, `24h`, `7d`
fn span(text: &str) -> Result<Duration, Refusal> {
    let wrong = || {
        let message =
            "`since` must be a number of seconds, minutes, hours or days, such as 90s, 30m, 24h or 7d";
        Refusal::invalid("since", message)
    };
    let unit = match text.chars().last() {
        Some('s') => 1,
        Some('m') => 60,
        Some('h') => 3600,
        Some('d') => 24 * 3600,
        _ => return Err(wrong()),
    };
    let number: u32 = text[..text.len() - 1].parse().map_err(|_| wrong())?;
    Ok(Duration::from_secs(u64::from(number) * unit))
}

pub(crate) fn moment(text: &str, field: &str) -> Result<Timestamp, Refusal> {
    let local = || text.parse::<DateTime>().ok()?.to_zoned(TimeZone::system()).ok().map(|at| at.timestamp());
    let found = text.parse::<jiff::Timestamp>().ok().or_else(local);
    found.map(|at| Timestamp::from_millis(at.as_millisecond())).ok_or_else(|| {
        let message = format!("`{field}` must be a time, such as 2026-11-23T14:20 or 2026-11-23T14:20:00Z");
        Refusal::invalid(field, message)
    })
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case("90s", Some(90))]
    #[case("24h", Some(86_400))]
    #[case("7d", Some(604_800))]
    #[case("", None)]
    #[case("h", None)]
    #[case("-1h", None)]
    #[case("1w", None)]
    #[case("1小时", None)]
    #[case("99999999999d", None)]
    fn spans(#[case] text: &str, #[case] seconds: Option<u64>) {
        assert_eq!(span(text).ok().map(|span| span.as_secs()), seconds);
    }

    #[rstest]
    #[case("2026-11-23T14:20:00Z", "2026-11-23T14:20:00Z")]
    #[case("2026-11-23T14:20:00+08:00", "2026-11-23T06:20:00Z")]
    fn moments_with_a_zone(#[case] text: &str, #[case] utc: &str) {
        assert_eq!(moment(text, "from").unwrap().to_string(), utc);
    }

    #[test]
    fn moments_without_a_zone_are_those_of_this_server() {
        let local = jiff::civil::date(2026, 11, 23).at(14, 20, 0, 0).to_zoned(TimeZone::system()).unwrap();
        let millis = moment("2026-11-23T14:20", "from").unwrap().as_millis();
        assert_eq!(millis, local.timestamp().as_millisecond());
        for wrong in ["yesterday", "2026-11-23T25:00", "14:20", "2026-13-01T00:00Z"] {
            assert_eq!(moment(wrong, "to").unwrap_err().param.as_deref(), Some("to"), "{wrong}");
        }
    }

    #[test]
    fn unknown_words_are_told_which_there_are() {
        let wrong = word("odd", "verdict", &Verdict::ALL).unwrap_err();
        assert!(wrong.message.contains("\"as_asked\", \"downgraded\""), "{}", wrong.message);
        assert_eq!(word("fallback", "route", &Route::ALL).unwrap(), Route::Fallback);
    }
}
