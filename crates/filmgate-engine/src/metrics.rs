//! What is counted on the way, for Prometheus. How many jobs there are is counted in `unfinished.rs`.

use std::time::Duration;

use filmgate_domain::{Attempt, Job, JobState, NoToken, Outcome, Route, Timestamp, Verdict};
use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::Registry;

use crate::AdmitError;

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Choice {
    pool: String,
    route: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Ending {
    pool: String,
    outcome: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct InPool {
    pool: String,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(crate) struct Coded {
    pub(crate) code: String,
}

/// Why requests are not admitted, in the words of the label `code`.
const REFUSALS: [&str; 5] = ["unknown_model", "undeliverable", "no_token", "caller_limit", "overloaded"];

/// The engine's counters. Cloning shares them.
#[derive(Clone)]
pub struct Metrics {
    refused: Family<Coded, Counter>,
    decisions: Family<Choice, Counter>,
    attempts: Family<Ending, Counter>,
    downgraded: Family<InPool, Counter>,
    below_sent: Family<InPool, Counter>,
    submit_seconds: Family<InPool, Histogram>,
    wait_seconds: Family<InPool, Histogram>,
    video_seconds: Family<InPool, Histogram>,
}

impl Default for Metrics {
    fn default() -> Self {
        let submit = || Histogram::new([0.01, 0.03, 0.1, 0.3, 1.0, 3.0, 10.0, 30.0, 60.0]);
        let wait = || Histogram::new([0.1, 0.3, 1.0, 3.0, 10.0, 30.0, 100.0, 300.0, 1000.0, 3600.0]);
        let video = || Histogram::new([1.0, 3.0, 10.0, 20.0, 30.0, 60.0, 120.0, 300.0, 600.0, 900.0]);
        Self {
            refused: Family::default(),
            decisions: Family::default(),
            attempts: Family::default(),
            downgraded: Family::default(),
            below_sent: Family::default(),
            submit_seconds: Family::new_with_constructor(submit),
            wait_seconds: Family::new_with_constructor(wait),
            video_seconds: Family::new_with_constructor(video),
        }
    }
}

impl Metrics {
    /// Puts all counters into a registry.
    pub(crate) fn register(&self, to: &mut Registry) {
        to.register("jobs_refused", "Requests not admitted, by reason", self.refused.clone());
        to.register("decisions", "Tokens chosen, by pool and route", self.decisions.clone());
        to.register("attempts", "Attempts ended, by pool and outcome", self.attempts.clone());
        let help = "Videos that are less than what was asked, by pool";
        to.register("videos_downgraded", help, self.downgraded.clone());
        let help = "Videos that are less than what the upstream was asked for, by pool";
        to.register("videos_below_sent", help, self.below_sent.clone());
        let help = "Time until the upstream answered a submission, by pool";
        to.register("submit_duration_seconds", help, self.submit_seconds.clone());
        let help = "Time that jobs waited for a token which came free later, by pool";
        to.register("token_wait_seconds", help, self.wait_seconds.clone());
        let help = "Time from admission to the delivered file, by pool";
        to.register("video_duration_seconds", help, self.video_seconds.clone());
    }

    /// Makes what may happen in these pools visible before it does: a counter that begins with its first event
    /// hides that event from `increase()`.
    pub(crate) fn begin_at_zero<'a>(&self, pools: impl IntoIterator<Item = &'a str>) {
        for code in REFUSALS {
            drop(self.refused.get_or_create(&Coded { code: code.to_owned() }));
        }
        for pool in pools {
            for route in [Route::Primary, Route::Upgrade, Route::Fallback] {
                drop(self.decisions.get_or_create(&Choice { pool: pool.to_owned(), route: route.as_str() }));
            }
            for outcome in Outcome::ALL.map(Outcome::as_str) {
                drop(self.attempts.get_or_create(&Ending { pool: pool.to_owned(), outcome }));
            }
            let in_pool = InPool { pool: pool.to_owned() };
            for counter in [&self.downgraded, &self.below_sent] {
                drop(counter.get_or_create(&in_pool));
            }
            for histogram in [&self.submit_seconds, &self.wait_seconds, &self.video_seconds] {
                drop(histogram.get_or_create(&in_pool));
            }
        }
    }

    pub(crate) fn refused(&self, why: &AdmitError) {
        let [unknown_model, undeliverable, no_token, caller_limit, overloaded] = REFUSALS;
        let code = match why {
            AdmitError::NoToken(NoToken::UnknownModel { .. }) => unknown_model,
            AdmitError::NoToken(NoToken::Undeliverable(_)) => undeliverable,
            AdmitError::NoToken(NoToken::Shortage(_)) => no_token,
            AdmitError::Limit(_) => caller_limit,
            AdmitError::Overload(_) => overloaded,
            // These are filmgate's own trouble, not refusals.
            AdmitError::Store(_) | AdmitError::Inputs(_) | AdmitError::Stopping => return,
        };
        self.refused.get_or_create(&Coded { code: code.to_owned() }).inc();
    }

    /// A request that was refused because there is too much to do, before the engine saw it.
    pub fn overloaded(&self) {
        self.refused.get_or_create(&Coded { code: REFUSALS[4].to_owned() }).inc();
    }

    pub(crate) fn waited(&self, pool: &str, time: Duration) {
        let pool = InPool { pool: pool.to_owned() };
        self.wait_seconds.get_or_create(&pool).observe(time.as_secs_f64());
    }

    pub(crate) fn chosen(&self, pool: &str, route: Route) {
        self.decisions.get_or_create(&Choice { pool: pool.to_owned(), route: route.as_str() }).inc();
    }

    /// Counts what a change of a job brought about.
    pub(crate) fn note(&self, before: &Job, job: &Job, now: Timestamp) {
        if let Some(attempt) = job.attempt() {
            self.note_attempt(before, job, attempt);
        }
        if let (JobState::Completed, Some(attempt)) = (job.state, job.attempt()) {
            self.note_video(job, attempt, now);
        }
    }

    fn note_attempt(&self, before: &Job, job: &Job, attempt: &Attempt) {
        let pool = attempt.pool.to_string();
        let was_settled = before.attempts.len() == job.attempts.len()
            && before.attempt().is_some_and(|a| a.settled_at.is_some());
        if let Some(outcome) = attempt.outcome.filter(|_| !was_settled) {
            self.attempts.get_or_create(&Ending { pool: pool.clone(), outcome: outcome.as_str() }).inc();
        }
        if before.state == JobState::Submitting
            && let (Some(sent), Some(answered)) = (attempt.sent_at, attempt.answered_at)
        {
            self.submit_seconds.get_or_create(&InPool { pool }).observe(answered.since(sent).as_secs_f64());
        }
    }

    fn note_video(&self, job: &Job, attempt: &Attempt, now: Timestamp) {
        let pool = InPool { pool: attempt.pool.to_string() };
        self.video_seconds.get_or_create(&pool).observe(now.since(job.created_at).as_secs_f64());
        if job.verdict() == Some(Verdict::Downgraded) {
            self.downgraded.get_or_create(&pool).inc();
        }
        if job.falls_short_of_sent() {
            self.below_sent.get_or_create(&pool).inc();
        }
    }
}
