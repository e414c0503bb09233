//! Jobs and their files.

use std::borrow::Cow;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use filmgate_domain::{
    Attempt, Delivered, Fault, Job, JobFailure, JobId, JobState, Seconds, Shape, Timestamp, TokenInfo,
    VideoSpec,
};
use tokio::sync::Notify;

use crate::answers::{self, Claim};
use crate::attempts::{self, seconds};
use crate::db::{Db, Row, Sql, Table, Value, args, sql};
use crate::deliveries;
use crate::tokens::{self, TokenState};
use crate::writer::Write;
use crate::{Pending, Store, StoreError};

pub(crate) const JOBS: Table = Table { name: "jobs", key: &["id"] };

macro_rules! columns {
    () => {
        "id, caller, model, prompt, resolution, seconds, aspect_ratio, state, progress, created_at, deadline, \
         finished_at, fingerprint, blamed, fetches, file_removed_at, failure_code, failure_message, \
         failure_fault, delivered_width, delivered_height, delivered_ms, delivered_codec, delivered_bytes, \
         delivered_sha256, mode, inputs, added_seconds, on_shortage, wait_until, webhook, deleted_at"
    };
}

pub(crate) const SELECT: &str = concat!("SELECT ", columns!(), " FROM jobs");
static BY_ID: Sql = Sql::new(concat!("SELECT ", columns!(), " FROM jobs WHERE id = $1"));
static UNFINISHED: Sql =
    Sql::new(concat!("SELECT ", columns!(), " FROM jobs WHERE finished_at IS NULL ORDER BY id"));
/// The states are named because the index begins with them.
static FINISHED_SINCE: Sql = Sql::new(concat!(
    "SELECT ",
    columns!(),
    " FROM jobs WHERE finished_at >= $1 AND state IN ('completed', 'failed') ORDER BY finished_at, id"
));

static COUNTS: Sql = Sql::new(
    "SELECT state, count(*) AS number FROM jobs WHERE finished_at IS NULL GROUP BY state \
     UNION ALL SELECT state, count(*) AS number FROM jobs WHERE finished_at IS NOT NULL GROUP BY state",
);

static FILES: Sql = Sql::new(
    "SELECT id, finished_at, delivered_bytes, deleted_at FROM jobs \
     WHERE state = 'completed' AND file_removed_at IS NULL ORDER BY finished_at, id",
);

static INSERT: Sql = Sql::new(concat!(
    "INSERT INTO jobs (",
    columns!(),
    ") VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19, $20, \
     $21, $22, $23, $24, $25, $26, $27, $28, $29, $30, $31, $32)"
));

static ADVANCE: Sql = Sql::new(
    "UPDATE jobs SET state = $2, progress = $3, deadline = $4, finished_at = $5, \
     blamed = $6, fetches = $7, failure_code = $8, failure_message = $9, failure_fault = $10, \
     delivered_width = $11, delivered_height = $12, delivered_ms = $13, delivered_codec = $14, \
     delivered_bytes = $15, delivered_sha256 = $16, wait_until = $17 \
     WHERE id = $1 AND finished_at IS NULL",
);

/// The file of a completed job.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StoredFile {
    /// The job.
    pub job: JobId,
    /// When it was completed.
    pub finished_at: Timestamp,
    /// The file's size.
    pub bytes: u64,
    /// Whether the caller deleted the video, so that the file has to go at once.
    pub deleted: bool,
}

impl Store {
    /// Writes a new job and its attempts, in one commit.
    pub fn admit(&self, job: &Job) -> Pending<()> {
        self.admit_claiming(job, None)
    }

    /// The same for a request with an idempotency key, which it claims in that commit.
    /// [`StoreError::KeyClaimed`] when another request did so less than [`crate::ANSWERS_KEPT`] before.
    pub fn admit_claiming(&self, job: &Job, claim: Option<Claim>) -> Pending<()> {
        self.write(Admit { job: Box::new(job.clone()), claim })
    }

    /// Writes what became of a job, its last two attempts (one that ended and the one after it) and what
    /// the tokens went through, in one commit. A job that is final on disk is not touched any more:
    /// [`StoreError::JobIsFinal`].
    pub fn advance(&self, job: &Job, tokens: &[&TokenInfo]) -> Pending<()> {
        let latest = job.attempts.len().saturating_sub(2);
        self.write(Advance {
            id: job.id,
            state: job.state,
            progress: job.progress,
            deadline: job.deadline,
            finished_at: job.finished_at,
            blamed: job.blamed,
            fetches: job.fetches,
            failure: job.failure.clone(),
            delivered: job.delivered.clone(),
            wait_until: job.wait_until,
            attempts: job.attempts[latest..].to_vec(),
            tokens: tokens.iter().map(|info| TokenState::new(info)).collect(),
            enqueued: AtomicBool::new(false),
            news: Arc::clone(&self.0.news),
        })
    }

    /// A job with all its attempts.
    ///
    /// # Errors
    /// When the database fails, or holds what makes no sense.
    pub async fn job(&self, id: JobId) -> Result<Option<Job>, StoreError> {
        self.read(move |db| Ok(list(db, &BY_ID, &args![id])?.pop())).await
    }

    /// Every job that is not final, oldest first.
    ///
    /// # Errors
    /// When the database fails, or holds what makes no sense.
    pub async fn unfinished(&self) -> Result<Vec<Job>, StoreError> {
        self.read(move |db| list(db, &UNFINISHED, &[])).await
    }

    /// Jobs that ended at `since` or later, in that order.
    ///
    /// # Errors
    /// When the database fails, or holds what makes no sense.
    pub async fn finished_since(&self, since: Timestamp) -> Result<Vec<Job>, StoreError> {
        self.read(move |db| list(db, &FINISHED_SINCE, &args![since])).await
    }

    /// How many jobs are in each state; states without jobs are left out. Walks over an index of all jobs.
    ///
    /// # Errors
    /// When the database fails, or holds what makes no sense.
    pub async fn job_counts(&self) -> Result<Vec<(JobState, u64)>, StoreError> {
        let read = |row: &Row<'_>| Ok((row.parse("state", str::parse)?, row.get("number")?));
        let mut counts = self.read(move |db| db.query(&JOBS, &COUNTS, &[], read)).await?;
        counts.sort_unstable_by_key(|(state, _)| *state);
        Ok(counts)
    }

    /// The files of completed jobs that retention has not removed, oldest first.
    ///
    /// # Errors
    /// When the database fails, or holds what makes no sense.
    pub async fn files(&self) -> Result<Vec<StoredFile>, StoreError> {
        self.read(move |db| db.query(&JOBS, &FILES, &[], read_file)).await
    }

    /// Notes that the file of a completed job is gone. The first time stands.
    pub fn file_removed(&self, job: JobId, at: Timestamp) -> Pending<()> {
        self.write(FileRemoved { job, at })
    }

    /// Notes that the caller of a finished job deleted it. The first time stands.
    pub fn delete_job(&self, job: JobId, at: Timestamp) -> Pending<()> {
        self.write(Delete { job, at })
    }
}

struct Admit {
    job: Box<Job>,
    claim: Option<Claim>,
}

impl Write for Admit {
    type Answer = ();

    fn apply(&self, db: &Db) -> Result<(), StoreError> {
        let job = &*self.job;
        let VideoSpec { model, prompt, shape, mode, inputs, added } = &job.spec;
        let inputs = serde_json::to_string(inputs).expect("inputs are plain data");
        let (resolution, ratio) = (shape.resolution.as_str(), shape.aspect_ratio.as_str());
        let (seconds, state) = (shape.seconds.get(), job.state.as_str());
        let ending = ending(&job.failure, &job.delivered);
        let first = args![
            job.id,
            job.caller,
            model,
            prompt,
            resolution,
            seconds,
            ratio,
            state,
            job.progress,
            job.created_at,
            job.deadline,
            job.finished_at,
            job.fingerprint,
            job.blamed,
            job.fetches,
            job.file_removed_at,
        ];
        let (mode, added, on_shortage) = (mode.as_str(), added.map(Seconds::get), job.on_shortage.as_str());
        let last = args![mode, inputs, added, on_shortage, job.wait_until, job.webhook, job.deleted_at];
        db.execute(&INSERT, &[&first[..], &ending, &last].concat())?;
        job.attempts.iter().try_for_each(|attempt| attempts::insert(db, job.id, attempt))?;
        self.claim.iter().try_for_each(|claim| answers::claim(db, claim, job.id, job.created_at))
    }
}

/// What may change about a job.
struct Advance {
    id: JobId,
    state: JobState,
    progress: u8,
    deadline: Timestamp,
    finished_at: Option<Timestamp>,
    blamed: u8,
    fetches: u8,
    failure: Option<JobFailure>,
    delivered: Option<Delivered>,
    wait_until: Option<Timestamp>,
    attempts: Vec<Attempt>,
    tokens: Vec<TokenState>,
    /// Whether there is a webhook to deliver, and who is woken then.
    enqueued: AtomicBool,
    news: Arc<Notify>,
}

impl Write for Advance {
    type Answer = ();

    fn apply(&self, db: &Db) -> Result<(), StoreError> {
        let ending = ending(&self.failure, &self.delivered);
        let state = self.state.as_str();
        let first =
            args![self.id, state, self.progress, self.deadline, self.finished_at, self.blamed, self.fetches,];
        let last = args![self.wait_until];
        if db.execute(&ADVANCE, &[&first[..], &ending, &last].concat())? == 0 {
            return Err(if exists(db, self.id)? {
                StoreError::JobIsFinal(self.id)
            } else {
                StoreError::missing("job", self.id)
            });
        }
        self.attempts.iter().try_for_each(|attempt| attempts::save(db, self.id, attempt))?;
        self.tokens.iter().try_for_each(|token| tokens::save_state(db, token))?;
        if let Some(at) = self.finished_at {
            self.enqueued.store(deliveries::enqueue(db, self.id, self.state, at)?, Ordering::Relaxed);
        }
        Ok(())
    }

    fn committed(&self) {
        if self.enqueued.load(Ordering::Relaxed) {
            self.news.notify_one();
        }
    }
}

struct FileRemoved {
    job: JobId,
    at: Timestamp,
}

impl Write for FileRemoved {
    type Answer = ();

    fn apply(&self, db: &Db) -> Result<(), StoreError> {
        let sql = sql!(
            "UPDATE jobs SET file_removed_at = COALESCE(file_removed_at, $2) \
                   WHERE id = $1 AND state = 'completed'"
        );
        if db.execute(sql, &args![self.job, self.at])? == 0 {
            return Err(StoreError::missing("completed job", self.job));
        }
        Ok(())
    }
}

struct Delete {
    job: JobId,
    at: Timestamp,
}

impl Write for Delete {
    type Answer = ();

    fn apply(&self, db: &Db) -> Result<(), StoreError> {
        let sql = sql!(
            "UPDATE jobs SET deleted_at = COALESCE(deleted_at, $2) \
                   WHERE id = $1 AND finished_at IS NOT NULL"
        );
        if db.execute(sql, &args![self.job, self.at])? == 0 {
            return Err(StoreError::missing("finished job", self.job));
        }
        Ok(())
    }
}

/// How a job ended, as nine values of a statement.
fn ending<'a>(failure: &'a Option<JobFailure>, delivered: &'a Option<Delivered>) -> [Value<'a>; 9] {
    let mut values = [Value::Null; 9];
    if let Some(JobFailure { code, message, fault }) = failure {
        values[0] = Value::Text(code);
        values[1] = Value::Text(message);
        values[2] = Value::Text(fault_word(*fault));
    }
    if let Some(d) = delivered {
        values[3..].copy_from_slice(&args![d.width, d.height, d.duration_ms, d.codec, d.bytes, d.sha256]);
    }
    values
}

fn exists(db: &Db, id: JobId) -> Result<bool, StoreError> {
    let found = db.query_one(&JOBS, sql!("SELECT id FROM jobs WHERE id = $1"), &args![id], |_| Ok(()))?;
    Ok(found.is_some())
}

/// The jobs of a query, with their attempts.
pub(crate) fn list(db: &Db, sql: &Sql, values: &[Value<'_>]) -> Result<Vec<Job>, StoreError> {
    let mut jobs = db.query(&JOBS, sql, values, read_job)?;
    for job in &mut jobs {
        job.attempts = attempts::of_job(db, job.id)?;
    }
    Ok(jobs)
}

fn read_job(row: &Row<'_>) -> Result<Job, StoreError> {
    let shape = Shape {
        resolution: row.parse("resolution", str::parse)?,
        seconds: seconds(row, "seconds")?,
        aspect_ratio: row.parse("aspect_ratio", str::parse)?,
    };
    Ok(Job {
        id: row.get("id")?,
        caller: row.get("caller")?,
        spec: VideoSpec {
            model: row.get("model")?,
            prompt: row.get("prompt")?,
            shape,
            mode: row.parse("mode", str::parse)?,
            inputs: row.parse("inputs", |text| serde_json::from_str(text))?,
            added: row
                .get::<Option<u32>>("added_seconds")?
                .map(Seconds::new)
                .transpose()
                .map_err(|e| row.corrupt("added_seconds", e))?,
        },
        on_shortage: row.parse("on_shortage", str::parse)?,
        wait_until: row.get("wait_until")?,
        webhook: row.get("webhook")?,
        state: row.parse("state", str::parse)?,
        progress: row.get("progress")?,
        created_at: row.get("created_at")?,
        deadline: row.get("deadline")?,
        finished_at: row.get("finished_at")?,
        fingerprint: row.get("fingerprint")?,
        attempts: Vec::new(),
        blamed: row.get("blamed")?,
        fetches: row.get("fetches")?,
        failure: read_failure(row)?,
        delivered: read_delivered(row)?,
        file_removed_at: row.get("file_removed_at")?,
        deleted_at: row.get("deleted_at")?,
    })
}

fn read_failure(row: &Row<'_>) -> Result<Option<JobFailure>, StoreError> {
    let Some(code) = row.get::<Option<String>>("failure_code")? else { return Ok(None) };
    Ok(Some(JobFailure {
        code: Cow::Owned(code),
        message: row.get("failure_message")?,
        fault: row.parse("failure_fault", fault)?,
    }))
}

fn read_delivered(row: &Row<'_>) -> Result<Option<Delivered>, StoreError> {
    let Some(width) = row.get("delivered_width")? else { return Ok(None) };
    Ok(Some(Delivered {
        width,
        height: row.get("delivered_height")?,
        duration_ms: row.get("delivered_ms")?,
        codec: row.get("delivered_codec")?,
        bytes: row.get("delivered_bytes")?,
        sha256: row.get("delivered_sha256")?,
    }))
}

fn read_file(row: &Row<'_>) -> Result<StoredFile, StoreError> {
    Ok(StoredFile {
        job: row.get("id")?,
        finished_at: row.get("finished_at")?,
        bytes: row.get("delivered_bytes")?,
        deleted: row.get::<Option<Timestamp>>("deleted_at")?.is_some(),
    })
}

const FAULTS: [Fault; 4] = [Fault::Caller, Fault::Token, Fault::Upstream, Fault::Gateway];

const fn fault_word(fault: Fault) -> &'static str {
    match fault {
        Fault::Caller => "caller",
        Fault::Token => "token",
        Fault::Upstream => "upstream",
        Fault::Gateway => "gateway",
    }
}

fn fault(word: &str) -> Result<Fault, String> {
    let found = FAULTS.into_iter().find(|f| fault_word(*f) == word);
    found.ok_or_else(|| format!("unknown word {word:?}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{MasterKey, Store};

    #[test]
    fn what_is_looked_for_goes_along_an_index() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("filmgate.db");
        drop(Store::open(&path, &MasterKey::generate()).unwrap());
        let db = Db::reader(&path).unwrap();
        assert_eq!(db.plan(&UNFINISHED), ["SCAN jobs USING INDEX jobs_unfinished"]);
        assert_eq!(db.plan(&FILES)[0], "SCAN jobs USING INDEX jobs_with_file");
        let finished = "SEARCH jobs USING INDEX jobs_finished (state=? AND finished_at>?)";
        assert_eq!(db.plan(&FINISHED_SINCE)[0], finished);
        let counts = db.plan(&COUNTS).join("; ");
        assert!(counts.contains("jobs USING INDEX jobs_unfinished"), "{counts}");
        assert!(counts.contains("jobs USING COVERING INDEX jobs_finished"), "{counts}");
    }
}
