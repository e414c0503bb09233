//! Webhooks on their way: one row for each address that is to be told the end of a job.
//!
//! A row is written in the commit that ends the job, so a crash loses none. It is due until somebody notes that
//! it was delivered or given up; whoever sends it may do so twice, and always under the same id.

use std::str::FromStr;
use std::sync::Arc;

use filmgate_domain::{CallerId, JobId, JobState, Timestamp};
use tokio::sync::Notify;

use crate::db::{Bind, Db, Row, Sql, Table, Value, args, sql};
use crate::writer::Write;
use crate::{EventId, Pending, Store, StoreError};

const DELIVERIES: Table = Table { name: "deliveries", key: &["id"] };

macro_rules! columns {
    () => {
        "d.id, d.caller, d.job, d.event, d.url, d.host, d.created_at, d.tries, d.last_try_at, d.last_status, \
         d.last_error, d.next_at, d.delivered_at, d.given_up_at"
    };
}

const SELECT: &str = concat!("SELECT ", columns!(), " FROM deliveries d");

/// Of each server the first few, and of all these the first of each server first: none holds up the others.
static DUE: Sql = Sql::new(concat!(
    "SELECT ",
    columns!(),
    " FROM (SELECT id, next_at, row_number() OVER (PARTITION BY host ORDER BY next_at) AS nth \
     FROM deliveries WHERE next_at IS NOT NULL AND next_at <= $1) first \
     JOIN deliveries d ON d.id = first.id WHERE first.nth <= $2 \
     ORDER BY first.nth, first.next_at LIMIT $3"
));

static NEXT: Sql =
    Sql::new("SELECT min(next_at) AS next_at FROM deliveries WHERE next_at IS NOT NULL AND next_at > $1");

static TARGETS: Sql = Sql::new(
    "SELECT j.caller, j.webhook AS asked, w.url AS standing FROM jobs j \
     LEFT JOIN webhooks w ON w.caller = j.caller WHERE j.id = $1",
);

static INSERT: Sql = Sql::new(
    "INSERT INTO deliveries (id, caller, job, event, url, host, created_at, tries, next_at) \
     VALUES ($1, $2, $3, $4, $5, $6, $7, 0, $7)",
);

static NOTE_TRY: Sql = Sql::new(
    "UPDATE deliveries SET tries = tries + 1, last_try_at = $2, last_status = $3, last_error = $4, \
     next_at = $5, delivered_at = $6, given_up_at = $7 WHERE id = $1 AND next_at IS NOT NULL",
);

/// Where a delivery stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DeliveryState {
    /// It is to be sent, for the first time or again.
    Pending,
    /// Its receiver has it.
    Delivered,
    /// It is not sent any more.
    GivenUp,
}

impl DeliveryState {
    /// The word used in the API and on the command line.
    pub const fn as_str(self) -> &'static str {
        match self {
            DeliveryState::Pending => "pending",
            DeliveryState::Delivered => "delivered",
            DeliveryState::GivenUp => "given_up",
        }
    }
}

impl FromStr for DeliveryState {
    type Err = String;
    fn from_str(text: &str) -> Result<Self, String> {
        let all = [DeliveryState::Pending, DeliveryState::Delivered, DeliveryState::GivenUp];
        let found = all.into_iter().find(|state| state.as_str() == text);
        found.ok_or_else(|| "use \"pending\", \"delivered\" or \"given_up\"".to_owned())
    }
}

/// The end of a job, told or to be told to one address.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Delivery {
    /// Its identity: what the receiver knows it by.
    pub id: EventId,
    /// Whose secret signs it.
    pub caller: CallerId,
    /// The job.
    pub job: JobId,
    /// How the job ended: completed or failed.
    pub event: JobState,
    /// Where to.
    pub url: Box<str>,
    /// The server of that address, with its port where one is named.
    pub host: Box<str>,
    /// When the job ended.
    pub created_at: Timestamp,
    /// How often it was sent, or was tried to be.
    pub tries: u32,
    /// When that was the last time.
    pub last_try_at: Option<Timestamp>,
    /// The HTTP status that the receiver answered then.
    pub last_status: Option<u16>,
    /// Why it was not delivered then.
    pub last_error: Option<Box<str>>,
    /// When it is to be sent; there while it is pending.
    pub next_at: Option<Timestamp>,
    /// When its receiver took it.
    pub delivered_at: Option<Timestamp>,
    /// When it was given up.
    pub given_up_at: Option<Timestamp>,
}

impl Delivery {
    /// Where it stands.
    pub fn state(&self) -> DeliveryState {
        match (self.delivered_at, self.given_up_at) {
            (Some(_), _) => DeliveryState::Delivered,
            (None, Some(_)) => DeliveryState::GivenUp,
            (None, None) => DeliveryState::Pending,
        }
    }
}

/// What came of sending a webhook once.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Try {
    /// When.
    pub at: Timestamp,
    /// The HTTP status that the receiver answered, if it did.
    pub status: Option<u16>,
    /// Why it was not delivered; none when it was.
    pub error: Option<Box<str>>,
    /// When to try again. None after a failure gives it up.
    pub again_at: Option<Timestamp>,
}

/// What is to be sent now, and when to look again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Due {
    /// To be sent now.
    pub deliveries: Vec<Delivery>,
    /// When the next one becomes due.
    pub next: Option<Timestamp>,
}

/// Which deliveries to list.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DeliveryFilter {
    /// Only this caller's.
    pub caller: Option<CallerId>,
    /// Only those about this job.
    pub job: Option<JobId>,
    /// Only those that stand there.
    pub state: Option<DeliveryState>,
    /// Only those that are older than this one (to page on).
    pub after: Option<EventId>,
    /// At most this many; 100 by default.
    pub limit: u32,
}

impl Default for DeliveryFilter {
    fn default() -> Self {
        Self { caller: None, job: None, state: None, after: None, limit: 100 }
    }
}

impl Store {
    /// What is to be sent: at most `limit`, and of each server at most `per_host`. Those that are being sent
    /// count as well.
    ///
    /// # Errors
    /// When the database fails, or holds what makes no sense.
    pub async fn due_deliveries(&self, now: Timestamp, per_host: u32, limit: u32) -> Result<Due, StoreError> {
        self.read(move |db| {
            let deliveries = db.query(&DELIVERIES, &DUE, &args![now, per_host, limit], read_delivery)?;
            let next = db.query_one(&DELIVERIES, &NEXT, &args![now], |row| row.get("next_at"))?;
            Ok(Due { deliveries, next: next.flatten() })
        })
        .await
    }

    /// Returns when there may be something new to deliver. What came up since the last call counts; one listener
    /// hears it.
    pub async fn news(&self) {
        self.0.news.notified().await;
    }

    /// Notes what came of sending a webhook. One that is not pending any more is left alone.
    pub fn note_try(&self, id: EventId, tried: Try) -> Pending<()> {
        self.write(NoteTry { id, tried })
    }

    /// Makes a delivery due now, whatever became of it before. False when there is none of that id.
    pub fn retry_delivery(&self, id: EventId, now: Timestamp) -> Pending<bool> {
        self.write(Retry { id, now, news: Arc::clone(&self.0.news) })
    }

    /// Deliveries, newest first.
    ///
    /// # Errors
    /// When the database fails, or holds what makes no sense.
    pub async fn deliveries(&self, filter: &DeliveryFilter) -> Result<Vec<Delivery>, StoreError> {
        let filter = *filter;
        self.read(move |db| {
            let (sql, values) = filtered(&filter);
            db.query(&DELIVERIES, &sql, &values, read_delivery)
        })
        .await
    }

    /// A delivery.
    ///
    /// # Errors
    /// When the database fails, or holds what makes no sense.
    pub async fn delivery(&self, id: EventId) -> Result<Option<Delivery>, StoreError> {
        let sql = sql!(concat!("SELECT ", columns!(), " FROM deliveries d WHERE d.id = $1"));
        self.read(move |db| db.query_one(&DELIVERIES, sql, &args![id], read_delivery)).await
    }

    /// Forgets deliveries of before `oldest` that are not pending; tells how many.
    pub fn forget_deliveries(&self, oldest: Timestamp) -> Pending<usize> {
        self.write(Forget { oldest })
    }
}

/// Writes down whom to tell that this job ended: its caller, and whom its request named. False when nobody is.
pub(crate) fn enqueue(db: &Db, job: JobId, state: JobState, now: Timestamp) -> Result<bool, StoreError> {
    let read = |row: &Row<'_>| Ok((row.get("caller")?, [row.get("asked")?, row.get("standing")?]));
    let targets = db.query_one(&DELIVERIES, &TARGETS, &args![job], read)?;
    let Some((caller, [asked, standing])): Option<(CallerId, [Option<Box<str>>; 2])> = targets else {
        return Ok(false);
    };
    let asked = asked.filter(|url| Some(url) != standing.as_ref());
    for url in standing.iter().chain(&asked) {
        let (id, event, host) = (EventId::new(now)?, state.as_str(), host_of(url));
        db.execute(&INSERT, &args![id, caller, job, event, url, host, now])?;
    }
    Ok(standing.is_some() || asked.is_some())
}

/// Lets what was to go to a caller's standing address go to the new one; without one, gives it up.
pub(crate) fn redirect(
    db: &Db,
    caller: CallerId,
    old: &str,
    new: Option<&str>,
    now: Timestamp,
) -> Result<(), StoreError> {
    match new {
        Some(new) => {
            let sql = sql!(
                "UPDATE deliveries SET url = $3, host = $4 \
                 WHERE caller = $1 AND url = $2 AND next_at IS NOT NULL"
            );
            db.execute(sql, &args![caller, old, new, host_of(new)]).map(drop)
        }
        None => {
            let sql = sql!(
                "UPDATE deliveries SET next_at = NULL, given_up_at = $3, last_error = $4 \
                 WHERE caller = $1 AND url = $2 AND next_at IS NOT NULL"
            );
            db.execute(sql, &args![caller, old, now, "the webhook was removed"]).map(drop)
        }
    }
}

/// Gives up everything that is to be told to a caller, or in its name.
pub(crate) fn give_up_all(db: &Db, caller: CallerId, now: Timestamp) -> Result<(), StoreError> {
    let sql = sql!(
        "UPDATE deliveries SET next_at = NULL, given_up_at = $2, last_error = $3 \
         WHERE caller = $1 AND next_at IS NOT NULL"
    );
    db.execute(sql, &args![caller, now, "the webhook was removed"]).map(drop)
}

/// The server of an address, for counting what goes there.
fn host_of(url: &str) -> String {
    let rest = url.split_once("://").map_or(url, |(_, rest)| rest);
    rest.split(['/', '?', '#', '\\']).next().unwrap_or_default().to_ascii_lowercase()
}

struct NoteTry {
    id: EventId,
    tried: Try,
}

impl Write for NoteTry {
    type Answer = ();

    fn apply(&self, db: &Db) -> Result<(), StoreError> {
        let Try { at, status, error, again_at } = &self.tried;
        let delivered = error.is_none().then_some(at);
        let again = again_at.filter(|_| error.is_some());
        let given_up = (error.is_some() && again.is_none()).then_some(at);
        db.execute(&NOTE_TRY, &args![self.id, at, status, error, again, delivered, given_up]).map(drop)
    }
}

struct Retry {
    id: EventId,
    now: Timestamp,
    news: Arc<Notify>,
}

impl Write for Retry {
    type Answer = bool;

    fn apply(&self, db: &Db) -> Result<bool, StoreError> {
        let sql =
            sql!("UPDATE deliveries SET next_at = $2, delivered_at = NULL, given_up_at = NULL WHERE id = $1");
        Ok(db.execute(sql, &args![self.id, self.now])? > 0)
    }

    fn committed(&self) {
        self.news.notify_one();
    }
}

struct Forget {
    oldest: Timestamp,
}

impl Write for Forget {
    type Answer = usize;

    fn apply(&self, db: &Db) -> Result<usize, StoreError> {
        // Ids begin with the time.
        let mut first = [0; 16];
        first[..6].copy_from_slice(&self.oldest.as_millis().to_be_bytes()[2..]);
        let sql = sql!("DELETE FROM deliveries WHERE id < $1 AND next_at IS NULL");
        db.execute(sql, &args![first])
    }
}

fn filtered(filter: &DeliveryFilter) -> (Sql, Vec<Value<'_>>) {
    let mut conditions: Vec<String> = Vec::new();
    let mut values = Vec::new();
    if let Some(caller) = &filter.caller {
        values.push(caller.value());
        conditions.push(format!("d.caller = ${}", values.len()));
    }
    if let Some(job) = &filter.job {
        values.push(job.value());
        conditions.push(format!("d.job = ${}", values.len()));
    }
    if let Some(after) = &filter.after {
        values.push(after.value());
        conditions.push(format!("d.id < ${}", values.len()));
    }
    conditions.extend(filter.state.map(|state| {
        let column = match state {
            DeliveryState::Pending => "next_at",
            DeliveryState::Delivered => "delivered_at",
            DeliveryState::GivenUp => "given_up_at",
        };
        format!("d.{column} IS NOT NULL")
    }));
    values.push(filter.limit.value());
    let filtered = if conditions.is_empty() { "" } else { " WHERE " };
    let conditions = conditions.join(" AND ");
    let sql = format!("{SELECT}{filtered}{conditions} ORDER BY d.id DESC LIMIT ${}", values.len());
    (Sql::built(sql), values)
}

fn read_delivery(row: &Row<'_>) -> Result<Delivery, StoreError> {
    Ok(Delivery {
        id: row.get("id")?,
        caller: row.get("caller")?,
        job: row.get("job")?,
        event: row.parse("event", str::parse)?,
        url: row.get("url")?,
        host: row.get("host")?,
        created_at: row.get("created_at")?,
        tries: row.get("tries")?,
        last_try_at: row.get("last_try_at")?,
        last_status: row.get("last_status")?,
        last_error: row.get("last_error")?,
        next_at: row.get("next_at")?,
        delivered_at: row.get("delivered_at")?,
        given_up_at: row.get("given_up_at")?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::MasterKey;

    #[test]
    fn servers_of_addresses() {
        for (url, host) in [
            ("https://a.example/hook?x=1", "a.example"),
            ("https://A.example:8443", "a.example:8443"),
            ("http://[::1]:80/x", "[::1]:80"),
            ("https://a.example?x=/y", "a.example"),
        ] {
            assert_eq!(host_of(url), host);
        }
    }

    #[test]
    fn what_is_looked_for_often_has_an_index() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("filmgate.db");
        drop(Store::open(&path, &MasterKey::generate()).unwrap());
        let db = Db::reader(&path).unwrap();
        for sql in [&DUE, &NEXT] {
            let plan = db.plan(sql).join("; ");
            assert!(plan.contains("deliveries USING COVERING INDEX deliveries_pending"), "{plan}");
        }
        let plan = |filter: DeliveryFilter| db.plan(&filtered(&filter).0)[0].clone();
        let (job, state) = (Some(JobId::from_bytes([1; 16])), Some(DeliveryState::GivenUp));
        let of_job = plan(DeliveryFilter { job, ..DeliveryFilter::default() });
        assert_eq!(of_job, "SEARCH d USING INDEX deliveries_of_job (job=?)");
        let given_up = plan(DeliveryFilter { state, ..DeliveryFilter::default() });
        assert_eq!(given_up, "SCAN d USING INDEX deliveries_given_up");
    }
}
