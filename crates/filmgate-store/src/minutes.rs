//! How the videos of each minute went, by pool: what charts are drawn from, long after the jobs are gone.

use std::collections::BTreeMap;
use std::time::Duration;

use filmgate_domain::{Latency, Minute, Timestamp};

use crate::db::{Db, Row, Sql, Table, args};
use crate::writer::Write;
use crate::{Pending, Store, StoreError};

const MINUTES: Table = Table { name: "minutes", key: &["at", "pool"] };

/// How long minutes are kept.
pub const MINUTES_KEPT: Duration = Duration::from_secs(31 * 24 * 3600);

/// The videos of a pool that ended within a span of time.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MinuteRow {
    /// When the span began.
    pub at: Timestamp,
    /// The pool; empty for jobs that ended before they had a token.
    pub pool: Box<str>,
    /// What was counted.
    pub counted: Minute,
}

macro_rules! columns {
    () => {
        "at, pool, as_asked, upgraded, fallen_back, downgraded, failed, unknown, below_sent, units, latency"
    };
}

static ONE: Sql = Sql::new(concat!("SELECT ", columns!(), " FROM minutes WHERE at = $1 AND pool = $2"));

static SAVE: Sql = Sql::new(concat!(
    "INSERT OR REPLACE INTO minutes (",
    columns!(),
    ") VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)"
));

static RANGE: Sql =
    Sql::new(concat!("SELECT ", columns!(), " FROM minutes WHERE at >= $1 AND at < $2 ORDER BY at"));

static FORGET: Sql = Sql::new("DELETE FROM minutes WHERE at < $1");

impl Store {
    /// Adds what was counted to what is there already, so that a minute may be written in several parts. What is
    /// older than [`MINUTES_KEPT`], seen from the newest of these, goes.
    pub fn add_minutes(&self, rows: Vec<MinuteRow>) -> Pending<()> {
        self.write(AddMinutes { rows })
    }

    /// What was counted from `from` on and before `until`, put together into spans of `step` (counted from 1970)
    /// for each pool. In the order of time, then of pools.
    ///
    /// # Errors
    /// When the database fails, or holds what makes no sense.
    pub async fn minutes(
        &self,
        from: Timestamp,
        until: Timestamp,
        step: Duration,
    ) -> Result<Vec<MinuteRow>, StoreError> {
        let spans = self.read(move |db| {
            let mut spans: BTreeMap<(Timestamp, Box<str>), Minute> = BTreeMap::new();
            db.query(&MINUTES, &RANGE, &args![from, until], |row| {
                let MinuteRow { at, pool, counted } = read(row)?;
                *spans.entry((begin(at, step), pool)).or_default() += &counted;
                Ok(())
            })?;
            Ok(spans)
        });
        let rows = spans.await?.into_iter();
        Ok(rows.map(|((at, pool), counted)| MinuteRow { at, pool, counted }).collect())
    }
}

/// When the span of this length began that a time is in.
fn begin(at: Timestamp, step: Duration) -> Timestamp {
    let step = i64::try_from(step.as_millis()).unwrap_or(i64::MAX).max(1);
    Timestamp::from_millis(at.as_millis().div_euclid(step) * step)
}

struct AddMinutes {
    rows: Vec<MinuteRow>,
}

impl Write for AddMinutes {
    type Answer = ();

    fn apply(&self, db: &Db) -> Result<(), StoreError> {
        for MinuteRow { at, pool, counted } in &self.rows {
            let mut sum = counted.clone();
            if let Some(known) = db.query_one(&MINUTES, &ONE, &args![at, pool], read)? {
                sum += &known.counted;
            }
            let [as_asked, upgraded, fallen_back, downgraded, failed] = sum.courses;
            let Minute { unknown, below_sent, units, ref latency, .. } = sum;
            let latency = serde_json::to_string(latency.counts()).unwrap_or_default();
            let values = args![
                at,
                pool,
                as_asked,
                upgraded,
                fallen_back,
                downgraded,
                failed,
                unknown,
                below_sent,
                units,
                latency
            ];
            db.execute(&SAVE, &values)?;
        }
        match self.rows.iter().map(|row| row.at).max() {
            Some(newest) => db.execute(&FORGET, &args![newest - MINUTES_KEPT]).map(drop),
            None => Ok(()),
        }
    }
}

fn read(row: &Row<'_>) -> Result<MinuteRow, StoreError> {
    let (at, pool) = (row.get("at")?, row.get("pool")?);
    let courses = [
        row.get("as_asked")?,
        row.get("upgraded")?,
        row.get("fallen_back")?,
        row.get("downgraded")?,
        row.get("failed")?,
    ];
    let (unknown, below_sent, units) = (row.get("unknown")?, row.get("below_sent")?, row.get("units")?);
    let latency = row.parse("latency", |text| {
        let counts: Vec<u64> = serde_json::from_str(text).map_err(|error| error.to_string())?;
        Latency::from_counts(&counts).ok_or_else(|| format!("{} classes", counts.len()))
    })?;
    Ok(MinuteRow { at, pool, counted: Minute { courses, unknown, below_sent, units, latency } })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::MasterKey;

    #[test]
    fn minutes_are_found_along_their_key() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("filmgate.db");
        drop(Store::open(&path, &MasterKey::generate()).unwrap());
        let db = Db::reader(&path).unwrap();
        assert_eq!(db.plan(&ONE), ["SEARCH minutes USING PRIMARY KEY (at=? AND pool=?)"]);
        assert_eq!(db.plan(&RANGE), ["SEARCH minutes USING PRIMARY KEY (at>? AND at<?)"]);
        assert_eq!(db.plan(&FORGET), ["SEARCH minutes USING PRIMARY KEY (at<?)"]);
    }

    #[tokio::test]
    async fn what_makes_no_sense_is_told_with_its_place() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("filmgate.db");
        let store = Store::open(&path, &MasterKey::generate()).unwrap();
        let at = Timestamp::from_millis(60_000);
        let row = MinuteRow { at, pool: "p".into(), counted: Minute::default() };
        store.add_minutes(vec![row]).await.unwrap();
        Db::writer(&path).unwrap().execute_all("UPDATE minutes SET latency = '[1, -1]'").unwrap();
        let error = store.minutes(at, at + MINUTES_KEPT, Duration::from_secs(60)).await.unwrap_err();
        assert!(error.to_string().contains("latency"), "{error}");
    }
}
