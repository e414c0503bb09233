//! Any events in any order: what holds of a job all the same.

use std::collections::HashSet;

use filmgate_domain::{Attempt, Effects, Event, Job, JobState, LostAnswer, Next, Outcome, Rules, step};
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::{select, subsequence};
use proptest::test_runner::{Config, RngAlgorithm};

use crate::{EVENTS, attempt, event, job_in, later};

proptest! {
    #![proptest_config(config(4_000))]

    #[test]
    fn whatever_happens_a_job_stays_sound(
        state in select(&JobState::ALL[..]),
        rules in rules(),
        lost_answer in select(&LostAnswer::ALL[..]),
        happenings in vec(happening(), 1..60),
    ) {
        let mut life = Life::new(job_in(state), rules, lost_answer);
        happenings.into_iter().enumerate().for_each(|(nth, name)| life.happens(name, nth as u64));
        // A deadline, or a file that cannot be fetched, ends whatever is left.
        ["deadline", "fetch-failed"].into_iter().for_each(|name| life.happens(name, 10_000));
        assert!(life.job.state.is_final(), "{:?}", life.job);
    }
}

/// As many cases as `PROPTEST_CASES` says, or `cases`.
fn config(cases: u32) -> Config {
    let asked_for = std::env::var_os("PROPTEST_CASES").is_some();
    let config = if asked_for { Config::default() } else { Config::with_cases(cases) };
    Config { failure_persistence: None, rng_algorithm: RngAlgorithm::XorShift, ..config }
}

fn rules() -> impl Strategy<Value = Rules> {
    let charge = subsequence(Outcome::ALL.to_vec(), 0..=Outcome::ALL.len());
    (1..=4u32, 0..=3u8, 1..=4u8, charge).prop_map(|(max_attempts, max_blames, max_fetches, charge)| Rules {
        max_attempts,
        max_blames,
        max_fetches,
        charge,
        ..Rules::default()
    })
}

/// Mostly what leads on, so that lives are long; now and then anything.
fn happening() -> impl Strategy<Value = &'static str> {
    let refusals = &["refused-credential", "refused-rate-limit", "refused-unreachable"][..];
    prop_oneof![
        8 => select(&["reserved", "sending"][..]),
        2 => select(refusals),
        2 => select(&["unknown", "recovered", "never-arrived"][..]),
        2 => select(&["accepted", "pending", "done", "fetched", "fetch-failed-once"][..]),
        3 => select(&EVENTS[..]),
    ]
}

/// A job, and what was done for it so far.
struct Life {
    job: Job,
    rules: Rules,
    /// What is done about a lost answer to the attempts from now on.
    lost_answer: LostAnswer,
    /// Attempts whose submission went out.
    sent: HashSet<u32>,
    blames: u32,
    before_rules: usize,
}

impl Life {
    fn new(job: Job, rules: Rules, lost_answer: LostAnswer) -> Self {
        let sent = job.attempts.iter().filter(|a| a.sent_at.is_some()).map(|a| a.n).collect();
        let before_rules = job.attempts.len();
        Self { job, rules, lost_answer, sent, blames: 0, before_rules }
    }

    fn happens(&mut self, name: &str, second: u64) {
        let before = self.job.clone();
        let event = match event(name) {
            Event::Reserved(_) => {
                let (n, lost_answer) = (before.attempts.len() as u32 + 1, self.lost_answer);
                Event::Reserved(Box::new(Attempt { n, lost_answer, ..attempt() }))
            }
            other => other,
        };
        let Some(effects) = step(&mut self.job, event, later(second), &self.rules) else {
            assert_eq!(self.job, before, "{name} was ignored");
            return;
        };
        let effects = &effects;
        self.the_end_is_the_end(&before, effects);
        self.nothing_goes_back(&before);
        self.each_reservation_ends_once(&before, effects);
        self.nothing_is_sent_twice(&before, effects);
        self.blames_and_attempts_are_bounded(effects);
        assert!(effects.durable || self.job.state == before.state, "{name} changes the state only in memory");
    }

    fn the_end_is_the_end(&self, before: &Job, effects: &Effects) {
        let job = &self.job;
        assert!(!before.state.is_final(), "something happens after the end: {effects:?}");
        let ended = job.state.is_final();
        assert_eq!(ended, effects.next == Next::End, "{} goes on with {:?}", job.state, effects.next);
        assert_eq!(ended, job.finished_at.is_some());
        assert_eq!(job.state == JobState::Failed, job.failure.is_some());
        assert_eq!(job.state == JobState::Completed, job.delivered.is_some());
    }

    fn nothing_goes_back(&self, before: &Job) {
        let job = &self.job;
        assert!(job.progress >= before.progress && (job.progress < 100 || job.state == JobState::Completed));
        let again = (before.state, job.state) == (JobState::Submitting, JobState::Queued);
        assert!(job.state >= before.state || again, "{} back to {}", before.state, job.state);
        assert!(job.attempts.len() >= before.attempts.len());
    }

    /// An attempt is open exactly while the job is at it; its end is told once, as the rules say.
    fn each_reservation_ends_once(&self, before: &Job, effects: &Effects) {
        let open = |job: &Job| job.attempts.iter().filter(|a| a.settled_at.is_none()).count();
        let at_it = [JobState::Reserved, JobState::Submitting, JobState::Running].contains(&self.job.state);
        assert_eq!(open(&self.job), usize::from(at_it), "{:?}", self.job);
        let ended = open(before) > open(&self.job);
        assert_eq!(ended, effects.settle.is_some(), "{effects:?}");

        let Some(settlement) = effects.settle else { return };
        let attempt = self.job.attempt().expect("it was settled");
        let outcome = attempt.outcome.expect("a settled attempt has an outcome");
        assert_eq!(attempt.charged, self.rules.charge.contains(&outcome), "{outcome}");
        assert_eq!(attempt.charged, settlement.spent_at.is_some(), "{outcome}");
        assert_eq!(attempt.slot_until, settlement.slot_until);
        let open_ended = [Outcome::Unknown, Outcome::TimedOut, Outcome::Cancelled].contains(&outcome);
        assert_eq!(open_ended, settlement.slot_until.is_some(), "{outcome}");
    }

    fn nothing_is_sent_twice(&mut self, before: &Job, effects: &Effects) {
        match effects.next {
            Next::Send => {
                let attempt = self.job.attempt().expect("it is sent");
                assert_eq!((before.state, self.job.state), (JobState::Reserved, JobState::Submitting));
                assert!(attempt.sent_at.is_some() && effects.durable, "sent before that is on disk");
                assert!(self.sent.insert(attempt.n), "attempt {} is sent twice", attempt.n);
            }
            Next::Reconcile { pause } => {
                let attempt = self.job.attempt().expect("it was sent");
                let lost = attempt.lost_at.is_some() && attempt.lost_answer != LostAnswer::GiveUp;
                assert!(
                    lost && self.job.state == JobState::Submitting && !pause.is_zero() && effects.durable
                );
            }
            Next::Submit => assert_eq!(self.job.state, JobState::Reserved),
            Next::Route { .. } => assert_eq!(self.job.state, JobState::Queued),
            Next::Poll { .. } => assert_eq!(self.job.state, JobState::Running),
            Next::Fetch { .. } => assert_eq!(self.job.state, JobState::Delivering),
            Next::End => {}
        }
    }

    fn blames_and_attempts_are_bounded(&mut self, effects: &Effects) {
        self.blames += u32::from(effects.blame.is_some());
        assert!(self.blames <= u32::from(self.rules.max_blames), "{} blames", self.blames);
        let most = self.before_rules.max(self.rules.max_attempts as usize);
        assert!(self.job.attempts.len() <= most, "{} attempts", self.job.attempts.len());
        assert!(self.job.fetches <= self.rules.max_fetches);
        assert!(effects.blame.is_none() || !effects.used, "a token that did well is blamed");
    }
}
