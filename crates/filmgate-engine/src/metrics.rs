//! What is counted on the way, for Prometheus.

use std::time::Duration;

use filmgate_domain::{Job, JobState, NoToken, Route, Timestamp, Verdict};
use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::Registry;

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
struct Coded {
    code: String,
}

/// The engine's counters. Cloning shares them.
#[derive(Clone)]
pub struct Metrics {
    admitted: Counter,
    refused: Family<Coded, Counter>,
    decisions: Family<Choice, Counter>,
    attempts: Family<Ending, Counter>,
    completed: Family<InPool, Counter>,
    failed: Family<Coded, Counter>,
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
            admitted: Counter::default(),
            refused: Family::default(),
            decisions: Family::default(),
            attempts: Family::default(),
            completed: Family::default(),
            failed: Family::default(),
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
    pub fn register(&self, to: &mut Registry) {
        to.register("jobs_admitted", "Jobs admitted", self.admitted.clone());
        to.register("jobs_refused", "Requests not admitted, by reason", self.refused.clone());
        to.register("decisions", "Tokens chosen, by pool and route", self.decisions.clone());
        to.register("attempts", "Attempts ended, by pool and outcome", self.attempts.clone());
        to.register("jobs_completed", "Jobs completed, by pool", self.completed.clone());
        to.register("jobs_failed", "Jobs failed, by code", self.failed.clone());
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

    pub(crate) fn admitted(&self) {
        self.admitted.inc();
    }

    pub(crate) fn refused(&self, why: &NoToken) {
        let code = match why {
            NoToken::UnknownModel { .. } => "unknown_model",
            NoToken::Undeliverable(_) => "undeliverable",
            NoToken::Shortage(_) => "no_token",
        };
        self.refused.get_or_create(&Coded { code: code.to_owned() }).inc();
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
        let Some(attempt) = job.attempt() else { return };
        let pool = || InPool { pool: attempt.pool.to_string() };
        let was_settled = before.attempts.len() == job.attempts.len()
            && before.attempt().is_some_and(|a| a.settled_at.is_some());
        if let Some(outcome) = attempt.outcome.filter(|_| !was_settled) {
            let ending = Ending { pool: attempt.pool.to_string(), outcome: outcome.as_str() };
            self.attempts.get_or_create(&ending).inc();
        }
        if before.state == JobState::Submitting
            && let (Some(sent), Some(answered)) = (attempt.sent_at, attempt.answered_at)
        {
            self.submit_seconds.get_or_create(&pool()).observe(answered.since(sent).as_secs_f64());
        }
        match job.state {
            JobState::Completed => {
                self.completed.get_or_create(&pool()).inc();
                let took = now.since(job.created_at).as_secs_f64();
                self.video_seconds.get_or_create(&pool()).observe(took);
                if job.verdict() == Some(Verdict::Downgraded) {
                    self.downgraded.get_or_create(&pool()).inc();
                }
                if job.falls_short_of_sent() {
                    self.below_sent.get_or_create(&pool()).inc();
                }
            }
            JobState::Failed => {
                let code = job.failure.as_ref().map(|f| f.code.to_string()).unwrap_or_default();
                self.failed.get_or_create(&Coded { code }).inc();
            }
            _ => {}
        }
    }
}
