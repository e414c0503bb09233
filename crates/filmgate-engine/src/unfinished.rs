//! The jobs that are not at their end, and how many came and how many ended: under one lock, so that whoever looks
//! finds each job exactly once.

use std::collections::HashMap;
use std::sync::{Arc, MutexGuard};

use filmgate_domain::{Job, JobId, JobState, Route, Verdict};
use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry;

use crate::Engine;
use crate::cell::Cell;
use crate::metrics::Coded;

/// Codes of failures that are there from the start: they are told apart from the others by whoever adds up.
const TOLD_APART: [&str; 2] = ["cancelled", "outcome_unknown"];

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Made {
    pool: String,
    route: &'static str,
    verdict: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct InState {
    state: &'static str,
}

/// Whether a job is new.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Came {
    /// Somebody has just asked for it.
    Now,
    /// The start found it.
    Before,
}

/// The jobs that are not at their end.
#[derive(Default)]
pub(crate) struct Unfinished {
    cells: HashMap<JobId, Arc<Cell>>,
    tally: Tally,
}

/// How many jobs there were since filmgate was started. At every moment
/// `admitted + taken_up = completed + failed` and those that are unfinished.
#[derive(Clone, Debug, Default)]
struct Tally {
    admitted: u64,
    taken_up: u64,
    completed: HashMap<Made, u64>,
    failed: HashMap<Coded, u64>,
}

impl Unfinished {
    pub(crate) fn get(&self, id: JobId) -> Option<&Arc<Cell>> {
        self.cells.get(&id)
    }

    pub(crate) fn len(&self) -> usize {
        self.cells.len()
    }

    /// Each of them in its latest state.
    pub(crate) fn jobs(&self) -> impl Iterator<Item = Arc<Job>> {
        self.cells.values().map(|cell| cell.job())
    }

    /// How many are in which state, in the order of the states.
    fn by_state(&self) -> Vec<(JobState, u64)> {
        let states = JobState::ALL.into_iter().filter(|state| !state.is_final());
        let mut counts: Vec<(JobState, u64)> = states.map(|state| (state, 0)).collect();
        for job in self.jobs() {
            if let Some((_, count)) = counts.iter_mut().find(|(state, _)| *state == job.state) {
                *count += 1;
            }
        }
        counts
    }

    pub(crate) fn add(&mut self, cell: &Arc<Cell>, came: Came) {
        let counted = match came {
            Came::Now => &mut self.tally.admitted,
            Came::Before => &mut self.tally.taken_up,
        };
        *counted += 1;
        self.cells.insert(cell.job().id, Arc::clone(cell));
    }

    /// Shows everybody the new state of a job. One that is at its end leaves.
    pub(crate) fn publish(&mut self, cell: &Cell, job: Arc<Job>) {
        if job.state.is_final() && self.cells.remove(&job.id).is_some() {
            self.tally.ended(&job);
        }
        cell.publish(job);
    }
}

impl Tally {
    fn ended(&mut self, job: &Job) {
        if let (JobState::Completed, Some(attempt)) = (job.state, job.attempt()) {
            let verdict = job.verdict().unwrap_or(Verdict::AsAsked);
            *self.completed.entry(Made::of(&attempt.pool, attempt.route, verdict)).or_default() += 1;
        } else {
            let code = job.failure.as_ref().map(|failure| failure.code.to_string()).unwrap_or_default();
            *self.failed.entry(Coded { code }).or_default() += 1;
        }
    }

    /// Made anew each time: what is encoded later must be of one moment.
    fn register<'a>(self, pools: impl Iterator<Item = &'a str>, to: &mut Registry) {
        let (admitted, taken_up) = (Counter::<u64>::default(), Gauge::<i64>::default());
        admitted.inc_by(self.admitted);
        taken_up.set(i64::try_from(self.taken_up).unwrap_or(i64::MAX));
        let (completed, failed) = (Family::<Made, Counter>::default(), Family::<Coded, Counter>::default());
        for pool in pools {
            for (route, verdict) in Route::ALL.into_iter().flat_map(|r| Verdict::ALL.map(|v| (r, v))) {
                drop(completed.get_or_create(&Made::of(pool, route, verdict)));
            }
        }
        for code in TOLD_APART {
            drop(failed.get_or_create(&Coded { code: code.to_owned() }));
        }
        for (made, count) in self.completed {
            completed.get_or_create(&made).inc_by(count);
        }
        for (code, count) in self.failed {
            failed.get_or_create(&code).inc_by(count);
        }
        to.register("jobs_admitted", "Jobs admitted", admitted);
        to.register("jobs_taken_up", "Jobs that were unfinished when filmgate was started", taken_up);
        to.register("jobs_completed", "Jobs completed, by pool, route and verdict", completed);
        to.register("jobs_failed", "Jobs failed, by code", failed);
    }
}

impl Made {
    fn of(pool: &str, route: Route, verdict: Verdict) -> Self {
        Self { pool: pool.to_owned(), route: route.as_str(), verdict: verdict.as_str() }
    }
}

impl Engine {
    pub(crate) fn unfinished(&self) -> MutexGuard<'_, Unfinished> {
        self.inner.unfinished.lock().expect("no panic under this lock")
    }

    /// Unfinished jobs by state.
    pub fn active_by_state(&self) -> Vec<(JobState, u64)> {
        self.unfinished().by_state()
    }

    /// Puts all that the engine counts into a registry. What is told of jobs is of one moment.
    pub fn register_metrics(&self, to: &mut Registry) {
        let catalog = Arc::clone(&self.settings().catalog);
        let pools = || catalog.pools().iter().map(|pool| &*pool.name);
        let (tally, open) = {
            let unfinished = self.unfinished();
            (unfinished.tally.clone(), unfinished.by_state())
        };
        tally.register(pools(), to);
        let active = Family::<InState, Gauge>::default();
        for (state, count) in open {
            let count = i64::try_from(count).unwrap_or(i64::MAX);
            active.get_or_create(&InState { state: state.as_str() }).set(count);
        }
        to.register("jobs_active", "Unfinished jobs, by state", active);
        self.inner.metrics.begin_at_zero(pools());
        self.inner.metrics.register(to);
    }
}
