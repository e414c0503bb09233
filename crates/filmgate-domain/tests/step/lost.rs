//! A submission whose answer was lost, at an upstream that can tell what became of it.

use std::time::Duration;

use filmgate_domain::{
    Attempt, Event, Job, JobState, LostAnswer, Outcome, Rules, Settlement, Timestamp, step,
};
use rstest::rstest;

use crate::{DEADLINE, event, job_in, later, queued, row};

/// A job whose submission was sent, and whose answer was lost ten seconds after the job was admitted.
fn lost(way: LostAnswer) -> Job {
    let mut job = submitting(way);
    let effects = step(&mut job, event("unknown"), later(10), &Rules::default()).expect("it goes on");
    assert_eq!(effects.settle, None, "the reservation stays open");
    assert_eq!((job.state, job.attempts[0].lost_at), (JobState::Submitting, Some(later(10))));
    job
}

fn submitting(way: LostAnswer) -> Job {
    let mut job = queued();
    let attempt = Attempt { lost_answer: way, ..crate::attempt() };
    for event in [Event::Reserved(Box::new(attempt)), Event::Sending] {
        assert!(step(&mut job, event, later(1), &Rules::default()).is_some());
    }
    job
}

/// What the first of these events does to a job whose answer is lost.
#[rstest]
#[case("accepted", "running - - used disk poll")]
#[case("unknown", "submitting - - - disk reconcile+7s")]
#[case("recovered", "submitting - - - disk reconcile+1s")]
#[case("cancelled", "failed cancelled charged,held - disk end")]
#[case("deadline", "failed outcome_unknown charged,held - disk end")]
fn whichever_way_it_is_found_out(
    #[values(LostAnswer::Repeat, LostAnswer::LookUp)] way: LostAnswer,
    #[case] name: &str,
    #[case] expected: &str,
) {
    let mut job = lost(way);
    let effects = step(&mut job, event(name), later(10), &Rules::default()).expect("it goes on");
    let row = row(JobState::Submitting, name, &job, &effects);
    assert_eq!(row, format!("submitting {name} -> {expected}"));
}

/// A repetition that is refused says nothing about the first, unless it is the request that is refused.
#[rstest]
#[case("refused-credential", "submitting - - unauthorized disk reconcile+7s")]
#[case("refused-rate-limit", "submitting - - rate-limited disk reconcile+7s")]
#[case("refused-unreachable", "submitting - - - disk reconcile+7s")]
#[case("refused-redirect", "submitting - - - disk reconcile+7s")]
#[case("refused-server", "submitting - - - disk reconcile+7s")]
#[case("refused-request", "failed upstream_rejected free - disk end")]
#[case("refused-prompt", "failed moderation_blocked free - disk end")]
fn a_refused_repetition_leaves_the_first_open(#[case] name: &str, #[case] expected: &str) {
    let mut job = lost(LostAnswer::Repeat);
    let effects = step(&mut job, event(name), later(10), &Rules::default()).expect("it goes on");
    let row = row(JobState::Submitting, name, &job, &effects);
    assert_eq!(row, format!("submitting {name} -> {expected}"));
}

#[test]
fn what_is_not_in_the_list_is_free_and_sent_anew() {
    let mut job = lost(LostAnswer::LookUp);
    let effects = step(&mut job, Event::NeverArrived, later(130), &Rules::default()).expect("it goes on");
    assert_eq!(effects.settle, Some(Settlement { spent_at: None, slot_until: None }));
    assert_eq!((job.state, job.attempts[0].outcome), (JobState::Queued, Some(Outcome::Refused)));
    assert_eq!(job.attempts[0].error.as_deref(), Some("the upstream never got it (no)"));
}

/// Nobody has looked, or nobody could.
#[rstest]
#[case(submitting(LostAnswer::LookUp))]
#[case(lost(LostAnswer::Repeat))]
#[case(job_in(JobState::Running))]
fn only_what_was_looked_for_never_arrived(#[case] mut job: Job) {
    assert_eq!(step(&mut job, Event::NeverArrived, later(130), &Rules::default()), None);
}

#[test]
fn the_pauses_grow_with_the_time_since() {
    let pause = |at: Timestamp| {
        let mut job = lost(LostAnswer::LookUp);
        let effects = step(&mut job, event("recovered"), at, &Rules::default()).expect("it goes on");
        row(JobState::Submitting, "", &job, &effects).split('+').next_back().map(str::to_owned)
    };
    let pauses = [10, 13, 20, 40, 60, 400].map(|second| pause(later(second)).unwrap());
    assert_eq!(pauses, ["1s", "1s", "5s", "15s", "25s", "30s"]);
}

#[rstest]
#[case(LostAnswer::GiveUp, 10)]
#[case(LostAnswer::Repeat, DEADLINE.as_secs() + 1)]
fn without_a_way_or_time_to_find_out_it_is_unknown(#[case] way: LostAnswer, #[case] second: u64) {
    let mut job = submitting(way);
    let effects = step(&mut job, event("recovered"), later(second), &Rules::default()).expect("it ends");
    let held = later(1) + Duration::from_secs(30 * 60);
    assert_eq!(effects.settle, Some(Settlement { spent_at: Some(later(second)), slot_until: Some(held) }));
    assert_eq!(job.failure.map(|failure| failure.code), Some("outcome_unknown".into()));
}
