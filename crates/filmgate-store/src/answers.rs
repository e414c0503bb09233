//! Answers to requests that came with an idempotency key, to be given again when the request is repeated.
//!
//! A request claims its key in the commit that admits its job ([`Store::admit_claiming`]): a crash leaves both
//! or none, and of two requests with one key one is admitted.

use std::time::Duration;

use filmgate_domain::{CallerId, JobId, Timestamp};

use crate::db::{Db, Row, Sql, Table, args, sql};
use crate::writer::Write;
use crate::{Pending, Store, StoreError};

/// How long an answer is remembered. Afterwards its key may be used anew.
pub const ANSWERS_KEPT: Duration = Duration::from_secs(24 * 3600);

const ANSWERS: Table = Table { name: "answers", key: &["job"] };

static CLAIM: Sql = Sql::new(
    "INSERT INTO answers (caller, path, idempotency_key, fingerprint, job, status, body, created_at) \
     VALUES ($1, $2, $3, $4, $5, $6, $7, $8) \
     ON CONFLICT (caller, path, idempotency_key) DO UPDATE SET fingerprint = excluded.fingerprint, \
     job = excluded.job, status = excluded.status, body = excluded.body, created_at = excluded.created_at \
     WHERE answers.created_at <= $9",
);

static REMEMBERED: Sql = Sql::new(
    "SELECT job, fingerprint, status, body FROM answers \
     WHERE caller = $1 AND path = $2 AND idempotency_key = $3 AND created_at > $4",
);

static FORGET: Sql = Sql::new("DELETE FROM answers WHERE created_at <= $1");

/// Where an idempotency key means something. The same key of another caller, or for another path, is another.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Scope {
    /// Who asks.
    pub caller: CallerId,
    /// The path of the request.
    pub path: Box<str>,
    /// What the client sent as `Idempotency-Key`.
    pub key: Box<str>,
}

/// A request's claim to its key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Claim {
    /// The key, and where it means something.
    pub scope: Scope,
    /// A hash of path and body: what makes two requests identical.
    pub fingerprint: [u8; 32],
    /// The answer, where it is known when the job is admitted.
    pub answer: Option<Answer>,
}

/// An answer that can be given again, byte for byte.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    /// The HTTP status.
    pub status: u16,
    /// The body.
    pub body: Vec<u8>,
}

/// What is known of an earlier request with a key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Remembered {
    /// The hash of that request.
    pub fingerprint: [u8; 32],
    /// The job that it started.
    pub job: JobId,
    /// The answer, if there was one yet.
    pub answer: Option<Answer>,
}

impl Store {
    /// What is known of an earlier request with this key, if it was admitted less than [`ANSWERS_KEPT`] ago.
    ///
    /// # Errors
    /// When the database fails, or holds what makes no sense.
    pub async fn remembered(&self, scope: &Scope, now: Timestamp) -> Result<Option<Remembered>, StoreError> {
        let (scope, oldest) = (scope.clone(), now - ANSWERS_KEPT);
        self.read(move |db| {
            let values = args![scope.caller, scope.path, scope.key, oldest];
            db.query_one(&ANSWERS, &REMEMBERED, &values, read_remembered)
        })
        .await
    }

    /// Remembers the answer to the request that started this job. The first one stands, and comes back; none
    /// does when the request is not remembered any more.
    pub fn answer(&self, scope: &Scope, job: JobId, answer: Answer) -> Pending<Option<Answer>> {
        self.write(GiveAnswer { scope: scope.clone(), job, answer })
    }

    /// Forgets answers that are older than [`ANSWERS_KEPT`]; tells how many.
    pub fn forget_answers(&self, now: Timestamp) -> Pending<usize> {
        self.write(Forget { until: now - ANSWERS_KEPT })
    }
}

/// Claims a key for a job that is being admitted.
pub(crate) fn claim(db: &Db, claim: &Claim, job: JobId, now: Timestamp) -> Result<(), StoreError> {
    let Claim { scope, fingerprint, answer } = claim;
    let (status, body) = (answer.as_ref().map(|a| a.status), answer.as_ref().map(|a| &a.body));
    let oldest = now - ANSWERS_KEPT;
    let values = args![scope.caller, scope.path, scope.key, fingerprint, job, status, body, now, oldest];
    if db.execute(&CLAIM, &values)? == 0 { Err(StoreError::KeyClaimed) } else { Ok(()) }
}

struct GiveAnswer {
    scope: Scope,
    job: JobId,
    answer: Answer,
}

impl Write for GiveAnswer {
    type Answer = Option<Answer>;

    fn apply(&self, db: &Db) -> Result<Option<Answer>, StoreError> {
        let Self { scope, job, answer } = self;
        let update = sql!(
            "UPDATE answers SET status = COALESCE(status, $5), body = COALESCE(body, $6) \
             WHERE caller = $1 AND path = $2 AND idempotency_key = $3 AND job = $4 \
             RETURNING job, status, body"
        );
        let values = args![scope.caller, scope.path, scope.key, job, answer.status, answer.body];
        Ok(db.query_one(&ANSWERS, update, &values, read_answer)?.flatten())
    }
}

struct Forget {
    until: Timestamp,
}

impl Write for Forget {
    type Answer = usize;

    fn apply(&self, db: &Db) -> Result<usize, StoreError> {
        db.execute(&FORGET, &args![self.until])
    }
}

fn read_remembered(row: &Row<'_>) -> Result<Remembered, StoreError> {
    let (job, fingerprint) = (row.get("job")?, row.get("fingerprint")?);
    Ok(Remembered { fingerprint, job, answer: read_answer(row)? })
}

fn read_answer(row: &Row<'_>) -> Result<Option<Answer>, StoreError> {
    let Some(status) = row.get("status")? else { return Ok(None) };
    Ok(Some(Answer { status, body: row.get("body")? }))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::MasterKey;

    #[test]
    fn keys_and_old_answers_are_found_along_an_index() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("filmgate.db");
        drop(Store::open(&path, &MasterKey::generate()).unwrap());
        let db = Db::reader(&path).unwrap();
        let by_key = "SEARCH answers USING INDEX sqlite_autoindex_answers_1 \
                      (caller=? AND path=? AND idempotency_key=?)";
        assert_eq!(db.plan(&REMEMBERED), [by_key]);
        assert_eq!(db.plan(&FORGET), ["SEARCH answers USING COVERING INDEX answers_by_age (created_at<?)"]);
    }
}
