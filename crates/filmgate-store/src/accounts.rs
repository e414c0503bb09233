//! What tokens reserved and spent over a period: sums over attempts. There is no other book.

use std::collections::BTreeMap;
use std::time::Duration;

use filmgate_domain::{Account, Booked, Period, Timestamp, TokenId};

use crate::attempts::ATTEMPTS;
use crate::db::{Db, Row, Sql, args};
use crate::{Store, StoreError};

/// Accounts by token and pool.
pub type Accounts = BTreeMap<(TokenId, Box<str>), Account>;

/// Which accounts, and what they have to know.
#[derive(Clone, Debug)]
pub struct AccountsOf {
    /// The period.
    pub period: Period,
    /// How long units stay spent, by pool. A pool that is not named has no quota.
    pub windows: BTreeMap<Box<str>, Duration>,
    /// The time now: what a period that has not ended ends with.
    pub now: Timestamp,
}

/// A reservation that was open at a moment was settled within this time after it, or is one of the few of the index
/// `attempts_long`, whose condition has the same number.
const LONG: Duration = Duration::from_secs(3600);

/// How far a clock may have been set back.
const CLOCK_SLACK: Duration = Duration::from_secs(3600);

macro_rules! columns {
    () => {
        "a.job, a.n, a.token, a.pool, a.units, a.reserved_at, a.answered_at, a.settled_at, a.outcome, a.charged, \
         a.cost_ticks"
    };
}

/// What was settled within the period, or before it and so late that it may still have been spent when it began; and
/// what was open at its end: settled soon after it, long after it, or not at all. The plus sign keeps the third part
/// off the index on `settled_at`, along which everything since would be looked at.
static BOOKED: Sql = Sql::new(concat!(
    "SELECT ",
    columns!(),
    " FROM attempts a WHERE a.settled_at >= $1 AND a.settled_at < $2 \
     UNION ALL SELECT ",
    columns!(),
    " FROM attempts a WHERE a.settled_at >= $2 AND a.settled_at < $3 AND a.reserved_at < $2 \
     AND a.settled_at - a.reserved_at <= 3600000 \
     UNION ALL SELECT ",
    columns!(),
    " FROM attempts a WHERE a.settled_at - a.reserved_at > 3600000 AND a.reserved_at < $2 \
     AND +a.settled_at >= $2 \
     UNION ALL SELECT ",
    columns!(),
    " FROM jobs j CROSS JOIN attempts a WHERE a.job = j.id AND j.finished_at IS NULL \
     AND a.settled_at IS NULL AND a.reserved_at < $2"
));

impl Store {
    /// The accounts of all tokens that had anything reserved, settled or spent in the period, also of removed ones.
    ///
    /// # Errors
    /// When the database fails, or holds what makes no sense.
    pub async fn accounts(&self, of: AccountsOf) -> Result<Accounts, StoreError> {
        self.read(move |db| read(db, &of)).await
    }
}

fn read(db: &Db, of: &AccountsOf) -> Result<Accounts, StoreError> {
    let AccountsOf { period, windows, now } = of;
    let longest = windows.values().max().copied().unwrap_or_default();
    let (floor, soon) = (period.from - longest - CLOCK_SLACK, period.until + LONG);
    let values = args![floor, period.until, soon];
    let mut accounts = Accounts::new();
    db.query(&ATTEMPTS, &BOOKED, &values, |row| {
        let (token, pool) = (row.get("token")?, row.get::<Box<str>>("pool")?);
        let window = windows.get(&pool).copied();
        accounts.entry((token, pool)).or_default().enter(&booked(row)?, *period, window, *now);
        Ok(())
    })?;
    accounts.retain(|_, account| !account.is_empty());
    Ok(accounts)
}

fn booked(row: &Row<'_>) -> Result<Booked, StoreError> {
    let (units, reserved_at, answered_at) =
        (row.get("units")?, row.get("reserved_at")?, row.get("answered_at")?);
    let settled_at: Option<Timestamp> = row.get("settled_at")?;
    let outcome = row.parse_optional("outcome", str::parse)?;
    let charged = row.get("charged")?;
    let end = settled_at.zip(outcome).map(|(at, outcome)| (at, outcome, charged));
    let cost_ticks: Option<i64> = row.get("cost_ticks")?;
    Ok(Booked { units, reserved_at, answered_at, end, cost_ticks: cost_ticks.unwrap_or(0) })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::MasterKey;

    #[test]
    fn a_period_is_read_along_the_indexes() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("filmgate.db");
        drop(Store::open(&path, &MasterKey::generate()).unwrap());
        let plan = Db::reader(&path).unwrap().plan(&BOOKED);
        let steps: Vec<_> = plan.iter().filter(|step| step.contains(" a ") || step.contains(" j ")).collect();
        let range = "SEARCH a USING INDEX attempts_settled (settled_at>? AND settled_at<?)";
        let long = "SEARCH a USING INDEX attempts_long (reserved_at<?)";
        let open = ["SCAN j USING INDEX jobs_unfinished", "SEARCH a USING PRIMARY KEY (job=?)"];
        assert_eq!(steps, [range, range, long, open[0], open[1]]);
    }
}
