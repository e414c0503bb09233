//! `/admin/v1/ledger`: what every token and pool reserved and spent over a period.

use std::time::Duration;

use axum::Json;
use axum::extract::State;
use filmgate_domain::{Balance, Outcome, Period, Timestamp, TokenId};
use filmgate_engine::LedgerLine;
use jiff::civil::Date;
use jiff::tz::TimeZone;
use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::AdminError;
use super::job_query::moment;
use crate::App;
use crate::auth::Operator;
use crate::extract::Params;
use crate::refusal::Refusal;

const DAY: Duration = Duration::from_secs(24 * 3600);

/// The longest period: every attempt in it is looked at.
const LONGEST: Duration = Duration::from_secs(31 * 24 * 3600);

/// A US dollar has so many ticks.
pub(crate) const TICKS_IN_A_DOLLAR: f64 = 1e10;

#[derive(Deserialize)]
pub(crate) struct LedgerQuery {
    day: Option<String>,
    from: Option<String>,
    to: Option<String>,
    pool: Option<String>,
    token: Option<String>,
}

/// The day in UTC that a moment is in.
pub(crate) fn day_of(now: Timestamp) -> Period {
    let day = i64::try_from(DAY.as_millis()).unwrap_or(i64::MAX);
    let from = Timestamp::from_millis(now.as_millis().div_euclid(day) * day);
    Period { from, until: from + DAY }
}

impl LedgerQuery {
    fn period(&self, now: Timestamp) -> Result<Period, Refusal> {
        let day = self.day.as_deref().map(read_day).transpose()?;
        let from = self.from.as_deref().map(|text| moment(text, "from")).transpose()?;
        let to = self.to.as_deref().map(|text| moment(text, "to")).transpose()?;
        match (day, from, to) {
            (None, None, None) => Ok(day_of(now)),
            (Some(day), None, None) => Ok(day),
            (None, Some(from), to) => span(from, to.unwrap_or(now)),
            (None, None, Some(_)) => Err(Refusal::invalid("from", "`to` needs a `from`")),
            (Some(_), ..) => Err(Refusal::invalid("day", "give either `day`, or `from` and `to`")),
        }
    }
}

/// A day in UTC, such as `2026-11-23`.
pub(crate) fn read_day(text: &str) -> Result<Period, Refusal> {
    let day = text.parse::<Date>().ok().and_then(|date| date.to_zoned(TimeZone::UTC).ok());
    let day = day.map(|day| day_of(Timestamp::from_millis(day.timestamp().as_millisecond())));
    day.ok_or_else(|| Refusal::invalid("day", "`day` must be a day (UTC), such as 2026-11-23"))
}

fn span(from: Timestamp, until: Timestamp) -> Result<Period, Refusal> {
    if until <= from {
        return Err(Refusal::invalid("to", "`to` must be after `from`"));
    }
    if until.since(from) > LONGEST {
        return Err(Refusal::invalid("from", "a ledger is of 31 days at most"));
    }
    Ok(Period { from, until })
}

pub(crate) async fn show(
    State(app): State<App>,
    _: Operator,
    Params(query): Params<LedgerQuery>,
) -> Result<Json<Value>, AdminError> {
    let token =
        query.token.as_deref().map(|text| super::id_in::<TokenId>("token", text, "tok_7")).transpose()?;
    let ledger = app.engine.ledger(query.period(app.engine.now())?).await?;
    let is_asked_for = |pool: &str| query.pool.as_deref().is_none_or(|asked| asked == pool);
    let pools = ledger.pools.iter().filter(|(pool, _)| is_asked_for(pool));
    let pools = pools.map(|(pool, line)| render(pool, line, json!({ "tokens": line.tokens })));
    let tokens =
        ledger.tokens.iter().filter(|((id, pool), _)| is_asked_for(pool) && token.is_none_or(|t| t == *id));
    let tokens = tokens
        .map(|((id, pool), line)| render(pool, line, json!({ "token": id, "removed": line.tokens == 0 })));
    Ok(Json(json!({
        "from": ledger.period.from,
        "until": ledger.period.until,
        "now": ledger.now,
        "pools": pools.collect::<Vec<_>>(),
        "tokens": tokens.collect::<Vec<_>>(),
    })))
}

fn render(pool: &str, line: &LedgerLine, mut rendered: Value) -> Value {
    let account = &line.account;
    let ended = Outcome::ALL.iter().zip(&account.ended).filter(|(_, ended)| ended.attempts > 0);
    let outcomes: Map<String, Value> = ended
        .map(|(outcome, ended)| {
            let (attempts, charged, given_back) = (ended.attempts, ended.charged, ended.given_back);
            let ended = json!({ "attempts": attempts, "charged": charged, "given_back": given_back });
            (outcome.as_str().to_owned(), ended)
        })
        .collect();
    for (name, value) in [
        ("pool", json!(pool)),
        ("opening", balance(&line.opening)),
        ("carried", json!(account.carried)),
        ("reserved", json!(account.reserved)),
        ("charged", json!(account.charged())),
        ("given_back", json!(account.given_back())),
        ("open", json!(account.open)),
        ("outcomes", Value::Object(outcomes)),
        ("cost_ticks", json!(account.cost_ticks)),
        ("cost_usd", json!(account.cost_ticks as f64 / TICKS_IN_A_DOLLAR)),
        ("closing", balance(&line.closing)),
    ] {
        rendered[name] = value;
    }
    rendered
}

fn balance(balance: &Balance) -> Value {
    let Balance { granted, available, reserved, spent, elsewhere, over } = balance;
    json!({
        "granted": granted, "available": available, "reserved": reserved, "spent": spent,
        "elsewhere": elsewhere, "over": over,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Timestamp = Timestamp::from_millis(1_764_000_000_000);

    fn query(day: &str, from: &str, to: &str) -> Result<(String, String), String> {
        let given = |text: &str| Some(text.to_owned()).filter(|text| !text.is_empty());
        let query =
            LedgerQuery { day: given(day), from: given(from), to: given(to), pool: None, token: None };
        let period = query.period(NOW).map_err(|refusal| refusal.message)?;
        Ok((period.from.to_string(), period.until.to_string()))
    }

    fn told(from: &str, until: &str) -> Result<(String, String), String> {
        Ok((from.to_owned(), until.to_owned()))
    }

    #[test]
    fn a_period_is_a_day_in_utc_or_a_span() {
        assert_eq!(query("", "", ""), told("2025-11-24T00:00:00Z", "2025-11-25T00:00:00Z"));
        assert_eq!(query("2024-02-29", "", ""), told("2024-02-29T00:00:00Z", "2024-03-01T00:00:00Z"));
        let from = "2025-11-23T08:00:00+08:00";
        assert_eq!(query("", from, ""), told("2025-11-23T00:00:00Z", &NOW.to_string()));
        assert_eq!(
            query("", from, "2025-11-23T01:00Z"),
            told("2025-11-23T00:00:00Z", "2025-11-23T01:00:00Z")
        );
    }

    #[test]
    fn what_is_no_period_is_refused_by_name() {
        for (day, from, to, part) in [
            ("2025-02-30", "", "", "`day`"),
            ("yesterday", "", "", "`day`"),
            ("2025-11-23", "2025-11-23T00:00:00Z", "", "either"),
            ("", "", "2025-11-23T00:00:00Z", "needs a `from`"),
            ("", "2025-11-23T00:00:00Z", "2025-11-23T00:00:00Z", "after"),
            ("", "2025-01-01T00:00:00Z", "", "31 days"),
        ] {
            let error = query(day, from, to).unwrap_err();
            assert!(error.contains(part), "{error}");
        }
    }
}
