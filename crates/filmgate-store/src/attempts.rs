//! Attempts: the book of what is reserved, in flight and spent.

use filmgate_domain::{Attempt, JobId, Outcome, Route, Shape, Timestamp, TokenId};

use crate::db::{Db, Row, Sql, Table, args};
use crate::{Store, StoreError};

pub(crate) const ATTEMPTS: Table = Table { name: "attempts", key: &["job", "n"] };

macro_rules! columns {
    () => {
        "job, n, token, pool, upstream, model, route, reason, sent_resolution, sent_seconds, \
         sent_aspect_ratio, units, reserved_at, sent_at, answered_at, upstream_id, video_url, cost_ticks, \
         outcome, error, settled_at, charged, slot_until, lost_answer, lost_at"
    };
}

macro_rules! insert {
    () => {
        concat!(
            "INSERT INTO attempts (",
            columns!(),
            ") VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19, \
             $20, $21, $22, $23, $24, $25)"
        )
    };
}

static INSERT: Sql = Sql::new(insert!());

/// What never changes about an attempt stays as it was first written.
static SAVE: Sql = Sql::new(concat!(
    insert!(),
    " ON CONFLICT (job, n) DO UPDATE SET sent_at = excluded.sent_at, answered_at = excluded.answered_at, \
     upstream_id = excluded.upstream_id, video_url = excluded.video_url, cost_ticks = excluded.cost_ticks, \
     outcome = excluded.outcome, error = excluded.error, settled_at = excluded.settled_at, \
     charged = excluded.charged, slot_until = excluded.slot_until, lost_at = excluded.lost_at"
));

static OF_JOB: Sql = Sql::new(concat!("SELECT ", columns!(), " FROM attempts WHERE job = $1 ORDER BY n"));

/// An attempt is settled after it was reserved and answered, so that the index on `settled_at` finds the
/// first part; `$4` leaves room for a clock that was set back. The second part is what was settled long
/// before and still holds a slot; the plus sign keeps it off that index, as an order here would put it on it.
static STILL_MATTERING: Sql = Sql::new(concat!(
    "SELECT ",
    columns!(),
    " FROM attempts WHERE settled_at > $4 AND (slot_until > $1 OR reserved_at > $3 \
     OR (charged = 1 AND COALESCE(answered_at, settled_at) > $2)) \
     UNION ALL SELECT ",
    columns!(),
    " FROM attempts WHERE slot_until > $1 AND +settled_at <= $4"
));

/// Newest first, as ids of jobs grow with the time. The row value lets the index on tokens end where the page
/// before did.
static OF_TOKEN: Sql = Sql::new(concat!(
    "SELECT ",
    columns!(),
    " FROM attempts WHERE token = $1 AND (job, n) < ($2, $3) AND job >= $4 \
     AND ($5 = 0 OR error IS NOT NULL) ORDER BY job DESC, n DESC LIMIT $6"
));

static LISTED: Sql = Sql::new(
    "SELECT upstream_id FROM attempts WHERE token = $1 AND upstream_id = $2 AND lost_answer = 'look_up' LIMIT 1",
);

/// Which attempts of a token to list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TokenHistory {
    /// The token.
    pub token: TokenId,
    /// Only those before this one (to page on).
    pub before: Option<(JobId, u32)>,
    /// Only those of jobs that were admitted then or later: a long history is not gone through to its end.
    pub since: Option<Timestamp>,
    /// Only those that went wrong in some way.
    pub only_errors: bool,
    /// At most this many.
    pub limit: u32,
}

/// An attempt, and whose it was.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TokenAttempt {
    /// The job.
    pub job: JobId,
    /// The attempt.
    pub attempt: Attempt,
}

const CLOCK_SLACK: std::time::Duration = std::time::Duration::from_secs(3600);

impl Store {
    /// What a token was used for, newest first.
    ///
    /// # Errors
    /// When the database fails, or holds what makes no sense.
    pub async fn token_history(&self, of: &TokenHistory) -> Result<Vec<TokenAttempt>, StoreError> {
        let &TokenHistory { token, before, since, only_errors, limit } = of;
        let (job, n) = before.unwrap_or((JobId::from_bytes([0xff; 16]), u32::MAX));
        let first = JobId::from_bytes(since.map_or([0; 16], beginning));
        let read = |row: &Row<'_>| Ok(TokenAttempt { job: row.get("job")?, attempt: read_attempt(row)? });
        self.read(move |db| {
            let values = args![token, job, n, first, only_errors, limit];
            db.query(&ATTEMPTS, &OF_TOKEN, &values, read)
        })
        .await
    }

    /// Whether one of a token's attempts has this video of its upstream, among those whose upstream lists its
    /// videos.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn has_attempt_for(&self, token: TokenId, upstream_id: &str) -> Result<bool, StoreError> {
        let upstream_id: Box<str> = upstream_id.into();
        self.read(move |db| {
            let read = |row: &Row<'_>| row.get::<Box<str>>("upstream_id");
            Ok(db.query_one(&ATTEMPTS, &LISTED, &args![token, upstream_id], read)?.is_some())
        })
        .await
    }

    /// Settled attempts that still count at `now`: charged and answered (or, without an answer, settled)
    /// after `answered_after`, or with a slot held beyond `now`, or reserved after `reserved_after`.
    /// Oldest first.
    ///
    /// # Errors
    /// When the database fails, or holds what makes no sense.
    pub async fn settled_attempts(
        &self,
        now: Timestamp,
        answered_after: Timestamp,
        reserved_after: Timestamp,
    ) -> Result<Vec<Attempt>, StoreError> {
        let floor = answered_after.min(reserved_after) - CLOCK_SLACK;
        let mut attempts = self
            .read(move |db| {
                let values = args![now, answered_after, reserved_after, floor];
                db.query(&ATTEMPTS, &STILL_MATTERING, &values, read_attempt)
            })
            .await?;
        attempts.sort_by_key(|attempt| attempt.settled_at);
        Ok(attempts)
    }
}

/// No id of a job that was admitted then or later is smaller than this.
fn beginning(at: Timestamp) -> [u8; 16] {
    let millis = u64::try_from(at.as_millis()).unwrap_or(0).min((1 << 48) - 1);
    (u128::from(millis) << 80).to_be_bytes()
}

/// Writes an attempt of a new job.
pub(crate) fn insert(db: &Db, job: JobId, attempt: &Attempt) -> Result<(), StoreError> {
    write(db, &INSERT, job, attempt)
}

/// Writes an attempt as it is now, whether it is there already or not.
pub(crate) fn save(db: &Db, job: JobId, attempt: &Attempt) -> Result<(), StoreError> {
    write(db, &SAVE, job, attempt)
}

fn write(db: &Db, sql: &Sql, job: JobId, a: &Attempt) -> Result<(), StoreError> {
    db.execute(
        sql,
        &args![
            job,
            a.n,
            a.token,
            a.pool,
            a.upstream,
            a.model,
            a.route.as_str(),
            a.reason,
            a.sent.resolution.as_str(),
            a.sent.seconds.get(),
            a.sent.aspect_ratio.as_str(),
            a.units,
            a.reserved_at,
            a.sent_at,
            a.answered_at,
            a.upstream_id,
            a.video_url,
            a.cost_ticks,
            a.outcome.map(Outcome::as_str),
            a.error,
            a.settled_at,
            a.charged,
            a.slot_until,
            a.lost_answer.as_str(),
            a.lost_at,
        ],
    )
    .map(drop)
}

/// The attempts of a job, oldest first.
pub(crate) fn of_job(db: &Db, job: JobId) -> Result<Vec<Attempt>, StoreError> {
    db.query(&ATTEMPTS, &OF_JOB, &args![job], read_attempt)
}

fn read_attempt(row: &Row<'_>) -> Result<Attempt, StoreError> {
    Ok(Attempt {
        n: row.get("n")?,
        token: row.get("token")?,
        pool: row.get("pool")?,
        upstream: row.get("upstream")?,
        model: row.get("model")?,
        route: row.parse("route", route)?,
        reason: row.get("reason")?,
        sent: Shape {
            resolution: row.parse("sent_resolution", str::parse)?,
            seconds: seconds(row, "sent_seconds")?,
            aspect_ratio: row.parse("sent_aspect_ratio", str::parse)?,
        },
        units: row.get("units")?,
        reserved_at: row.get("reserved_at")?,
        sent_at: row.get("sent_at")?,
        answered_at: row.get("answered_at")?,
        upstream_id: row.get("upstream_id")?,
        video_url: row.get("video_url")?,
        cost_ticks: row.get("cost_ticks")?,
        outcome: row.parse_optional("outcome", str::parse)?,
        error: row.get("error")?,
        settled_at: row.get("settled_at")?,
        charged: row.get("charged")?,
        slot_until: row.get("slot_until")?,
        lost_answer: row.parse("lost_answer", str::parse)?,
        lost_at: row.get("lost_at")?,
    })
}

/// A length in a column.
pub(crate) fn seconds(row: &Row<'_>, column: &'static str) -> Result<filmgate_domain::Seconds, StoreError> {
    filmgate_domain::Seconds::new(row.get(column)?).map_err(|e| row.corrupt(column, e))
}

fn route(word: &str) -> Result<Route, String> {
    let routes = [Route::Primary, Route::Upgrade, Route::Fallback];
    routes.into_iter().find(|r| r.as_str() == word).ok_or_else(|| format!("unknown word {word:?}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::MasterKey;

    #[test]
    fn settled_attempts_are_found_along_the_indexes() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("filmgate.db");
        drop(Store::open(&path, &MasterKey::generate()).unwrap());
        let plan = Db::reader(&path).unwrap().plan(&STILL_MATTERING);
        let searches: Vec<_> = plan.iter().filter(|step| step.contains("attempts")).collect();
        let recent = "SEARCH attempts USING INDEX attempts_settled (settled_at>?)";
        let held = "SEARCH attempts USING INDEX attempts_slot_held (slot_until>?)";
        assert_eq!(searches, [recent, held]);
    }

    #[test]
    fn the_history_of_a_token_is_read_along_its_index() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("filmgate.db");
        drop(Store::open(&path, &MasterKey::generate()).unwrap());
        let plan = Db::reader(&path).unwrap().plan(&OF_TOKEN).join("; ");
        assert!(plan.starts_with("SEARCH attempts USING INDEX attempts_of_token (token=?"), "{plan}");
        assert!(!plan.contains("TEMP B-TREE"), "{plan}");
    }

    #[test]
    fn whose_video_one_is_is_found_along_an_index() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("filmgate.db");
        drop(Store::open(&path, &MasterKey::generate()).unwrap());
        let plan = Db::reader(&path).unwrap().plan(&LISTED).join("; ");
        let index = "SEARCH attempts USING COVERING INDEX attempts_listed (token=? AND upstream_id=?)";
        assert_eq!(plan, index);
    }
}
