//! Lists of jobs: which ones, in which order, in pages, and never more work at once than is bearable.
//!
//! Ids begin with the time of admission, so a span of time is a span of the primary key. Caller, an end in failure
//! and being unfinished have an index each; what else a job is looked at for (pool, route, verdict) has none, and
//! is looked for in so many jobs at a time.

use filmgate_domain::{CallerId, Job, JobId, JobState, Route, Timestamp, Verdict};

use crate::db::{Bind, Db, Sql, Value};
use crate::jobs::{JOBS, SELECT, list};
use crate::{Store, StoreError};

/// Which jobs to list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct JobFilter {
    /// Only this caller's.
    pub caller: Option<CallerId>,
    /// Only those in this state.
    pub state: Option<JobState>,
    /// Only those whose last attempt was with a token of this pool.
    pub pool: Option<Box<str>>,
    /// Only those whose last attempt went this way.
    pub route: Option<Route>,
    /// Only those with a file that this is the verdict on.
    pub verdict: Option<Verdict>,
    /// Only those admitted then or later.
    pub from: Option<Timestamp>,
    /// Only those admitted before.
    pub to: Option<Timestamp>,
    /// At most this many; 100 by default.
    pub limit: u32,
    /// Only those that come after this one in the chosen order (to page on).
    pub after: Option<JobId>,
    /// Oldest first; otherwise newest first.
    pub ascending: bool,
    /// Also those that their callers deleted.
    pub deleted: bool,
}

impl Default for JobFilter {
    fn default() -> Self {
        Self {
            caller: None,
            state: None,
            pool: None,
            route: None,
            verdict: None,
            from: None,
            to: None,
            limit: 100,
            after: None,
            ascending: false,
            deleted: false,
        }
    }
}

/// A part of a list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct JobPage {
    /// The jobs, at most as many as were wanted.
    pub jobs: Vec<Job>,
    /// What to go on after: there may be more behind it, also when this page is short or empty.
    pub next: Option<JobId>,
}

/// How many jobs there are, as far as was looked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct JobCount {
    /// So many were found.
    pub jobs: u64,
    /// Whether these are all.
    pub all: bool,
}

/// How many jobs are looked at for one page.
const LOOKED_AT: u32 = 50_000;

impl Store {
    /// Jobs with all their attempts, ordered by id, which is by the time they were admitted.
    ///
    /// # Errors
    /// When the database fails, or holds what makes no sense.
    pub async fn jobs(&self, filter: &JobFilter) -> Result<Vec<Job>, StoreError> {
        let filter = filter.clone();
        self.read(move |db| {
            let bounds = filter.bounds();
            let (sql, values) = Plan::new(&filter, &bounds).select(filter.limit);
            list(db, &sql, &values)
        })
        .await
    }

    /// The same, with bounded work: whatever is looked for, only so many jobs are looked at, and the answer says
    /// where to go on.
    ///
    /// # Errors
    /// When the database fails, or holds what makes no sense.
    pub async fn job_page(&self, filter: &JobFilter) -> Result<JobPage, StoreError> {
        let filter = filter.clone();
        self.read(move |db| page(db, &filter, LOOKED_AT)).await
    }

    /// How many jobs a filter finds (its `limit` does not count) among the first `at_most` in its order.
    ///
    /// # Errors
    /// When the database fails, or holds what makes no sense.
    pub async fn count_jobs(&self, filter: &JobFilter, at_most: u32) -> Result<JobCount, StoreError> {
        let filter = filter.clone();
        self.read(move |db| {
            let (bounds, stopped) = filter.within(db, at_most)?;
            let (sql, values) = Plan::new(&filter, &bounds).count();
            let jobs = db.query_one(&JOBS, &sql, &values, |row| row.get("number"))?;
            Ok(JobCount { jobs: jobs.unwrap_or_default(), all: stopped.is_none() })
        })
        .await
    }
}

fn page(db: &Db, filter: &JobFilter, looked_at: u32) -> Result<JobPage, StoreError> {
    let (bounds, stopped) = match filter.is_along_an_index() {
        true => (filter.bounds(), None),
        false => filter.within(db, looked_at)?,
    };
    let (sql, values) = Plan::new(filter, &bounds).select(filter.limit.saturating_add(1));
    let mut jobs = list(db, &sql, &values)?;
    let next = if jobs.len() > filter.limit as usize {
        jobs.truncate(filter.limit as usize);
        jobs.last().map(|job| job.id)
    } else {
        stopped
    };
    Ok(JobPage { jobs, next })
}

/// The ids that come into question: from `lower` on, up to but without `upper`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Bounds {
    lower: Option<JobId>,
    upper: Option<JobId>,
}

impl Bounds {
    /// A limit of the whole, where that is the narrower one.
    fn from(&mut self, id: JobId) {
        self.lower = self.lower.max(Some(id));
    }

    fn below(&mut self, id: JobId) {
        self.upper = Some(self.upper.map_or(id, |upper| upper.min(id)));
    }
}

impl JobFilter {
    fn bounds(&self) -> Bounds {
        let mut bounds = Bounds { lower: self.from.map(first_of), upper: self.to.map(first_of) };
        match self.after {
            Some(after) if self.ascending => bounds.from(successor(after)),
            Some(after) => bounds.below(after),
            None => {}
        }
        bounds
    }

    /// Whether everything that is wanted stands in an index, save that few are deleted.
    fn is_along_an_index(&self) -> bool {
        let nothing_else = self.pool.is_none() && self.route.is_none() && self.verdict.is_none();
        nothing_else && self.state.is_none_or(|_| self.narrows_by_state() && self.caller.is_none())
    }

    /// Whether the jobs in the wanted state have an index: all but the completed ones.
    fn narrows_by_state(&self) -> bool {
        self.state.is_some_and(|state| state != JobState::Completed)
    }

    /// The bounds of the first so many jobs that the index gives, and the last of these when there are more.
    fn within(&self, db: &Db, jobs: u32) -> Result<(Bounds, Option<JobId>), StoreError> {
        let mut bounds = self.bounds();
        let (sql, values) = Plan::new(self, &bounds).last_of(jobs);
        let last: Vec<JobId> = db.query(&JOBS, &sql, &values, |row| row.get("id"))?;
        let [last, _] = last[..] else { return Ok((bounds, None)) };
        match self.ascending {
            true => bounds.below(successor(last)),
            false => bounds.from(last),
        }
        Ok((bounds, Some(last)))
    }
}

/// A smaller id than that of any job admitted at that time, and a greater one than that of any before.
pub(crate) fn first_of(at: Timestamp) -> JobId {
    let millis = u64::try_from(at.as_millis()).unwrap_or(0).min((1 << 48) - 1);
    JobId::from_bytes((u128::from(millis) << 80).to_be_bytes())
}

/// The next id that could be.
fn successor(id: JobId) -> JobId {
    JobId::from_bytes(u128::from_be_bytes(*id.as_bytes()).saturating_add(1).to_be_bytes())
}

/// How a list is made: along which index, and what the jobs on the way are looked at for.
struct Plan<'a> {
    along: Vec<String>,
    besides: Vec<String>,
    /// Those of `along` come first.
    values: Vec<Value<'a>>,
    /// How many of the values belong to `along`.
    needed: usize,
    order: &'static str,
}

/// What is written into the text and not bound as a value is so for SQLite to see that a partial index will do, or
/// with a plus sign for it to leave an index alone.
impl<'a> Plan<'a> {
    fn new(filter: &'a JobFilter, bounds: &'a Bounds) -> Self {
        let order = if filter.ascending { "ASC" } else { "DESC" };
        let mut plan = Self { along: Vec::new(), besides: Vec::new(), values: Vec::new(), needed: 0, order };
        match filter.state.filter(|_| filter.narrows_by_state()) {
            Some(JobState::Failed) => plan.along.push("state = 'failed'".to_owned()),
            Some(state) => plan.along.push(format!("state = '{state}' AND finished_at IS NULL")),
            None => {}
        }
        if let Some(caller) = filter.caller.as_ref().filter(|_| !filter.narrows_by_state()) {
            let place = plan.bind(caller);
            plan.along.push(format!("caller = {place}"));
        }
        if let Some(lower) = &bounds.lower {
            let place = plan.bind(lower);
            plan.along.push(format!("id >= {place}"));
        }
        if let Some(upper) = &bounds.upper {
            let place = plan.bind(upper);
            plan.along.push(format!("id < {place}"));
        }
        plan.needed = plan.values.len();
        plan.look_besides(filter);
        plan
    }

    fn look_besides(&mut self, filter: &'a JobFilter) {
        if !filter.deleted {
            self.besides.push("deleted_at IS NULL".to_owned());
        }
        if let Some(state) = filter.state.filter(|_| !filter.narrows_by_state()) {
            self.besides.push(format!("+state = '{state}'"));
        }
        if let Some(caller) = filter.caller.as_ref().filter(|_| filter.narrows_by_state()) {
            let place = self.bind(caller);
            self.besides.push(format!("+caller = {place}"));
        }
        if let Some(verdict) = filter.verdict {
            self.besides.push(format!(
                "verdict_on(resolution, seconds, aspect_ratio, delivered_width, delivered_height, delivered_ms) \
                 = '{verdict}'"
            ));
        }
        let mut last = Vec::new();
        if let Some(route) = filter.route {
            last.push(format!("route = '{route}'"));
        }
        if let Some(pool) = &filter.pool {
            let place = self.bind(pool);
            last.push(format!("pool = {place}"));
        }
        if !last.is_empty() {
            self.besides.push(format!(
                "EXISTS (SELECT 1 FROM attempts WHERE job = jobs.id AND {} \
                 AND n = (SELECT max(n) FROM attempts WHERE job = jobs.id))",
                last.join(" AND ")
            ));
        }
    }

    /// Adds a value; where it stands in the text.
    fn bind(&mut self, value: &'a impl Bind) -> String {
        self.values.push(value.value());
        format!("${}", self.values.len())
    }

    /// The jobs, at most so many.
    fn select(mut self, limit: u32) -> (Sql, Vec<Value<'a>>) {
        self.values.push(Value::Int(limit.into()));
        let (found, order, place) = (self.found(), self.order, self.values.len());
        (Sql::built(format!("{SELECT}{found} ORDER BY id {order} LIMIT ${place}")), self.values)
    }

    fn count(self) -> (Sql, Vec<Value<'a>>) {
        (Sql::built(format!("SELECT count(*) AS number FROM jobs{}", self.found())), self.values)
    }

    /// The last of the first so many jobs on the way, and one more if there are more. The index alone tells.
    fn last_of(mut self, jobs: u32) -> (Sql, Vec<Value<'a>>) {
        self.values.truncate(self.needed);
        let (along, order) = (condition(&self.along), self.order);
        let skip = jobs.saturating_sub(1);
        let sql = format!("SELECT id FROM jobs{along} ORDER BY id {order} LIMIT 2 OFFSET {skip}");
        (Sql::built(sql), self.values)
    }

    fn found(&self) -> String {
        condition(&[&self.along[..], &self.besides].concat())
    }
}

fn condition(parts: &[String]) -> String {
    if parts.is_empty() { String::new() } else { format!(" WHERE {}", parts.join(" AND ")) }
}

#[cfg(test)]
mod tests;
