//! The life of a job as a function: what happens to it, and what has to be done about that.
//!
//! [`step`] changes the job and returns [`Effects`]. It does nothing by itself, so the whole engine can be
//! run in a simulation. Effects are carried out in this order: the token's books in memory and the job on
//! disk together, then whatever is [`Next`].

use std::time::Duration;

use crate::{
    Attempt, Blame, Cause, Certainty, Delivered, Failure, Fault, Job, JobFailure, JobState, LostAnswer,
    Outcome, Settlement, Timestamp,
};

/// The pauses between two looks at what became of a submission whose answer was lost.
const FIRST_RECONCILIATION: Duration = Duration::from_secs(1);
const LONGEST_RECONCILIATION: Duration = Duration::from_secs(30);

/// The longest pause before a file is fetched again, whatever its server asks for: links end, and so does the
/// patience of clients.
const LONGEST_FETCH_PAUSE: Duration = Duration::from_secs(10 * 60);

/// The limits that [`step`] goes by; settings of `[jobs]`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rules {
    /// Submissions of one job, at most.
    pub max_attempts: u32,
    /// Tokens that one job may blame, at most.
    pub max_blames: u8,
    /// Fetches of one file, at most.
    pub max_fetches: u8,
    /// How long the slot of an unknown or timed-out submission stays taken, from when it was sent.
    pub slot_hold: Duration,
    /// The outcomes whose units are spent; the others give them back.
    pub charge: Vec<Outcome>,
}

impl Default for Rules {
    fn default() -> Self {
        Self {
            max_attempts: 3,
            max_blames: 2,
            max_fetches: 6,
            slot_hold: Duration::from_secs(30 * 60),
            charge: vec![
                Outcome::Done,
                Outcome::Moderated,
                Outcome::Unknown,
                Outcome::TimedOut,
                Outcome::Cancelled,
            ],
        }
    }
}

/// How long a disk that takes no file is left alone.
const DISK_PAUSE: Duration = Duration::from_secs(5);

/// Something that happened to a job.
#[derive(Clone, Debug, PartialEq)]
pub enum Event {
    /// A token was reserved: here is the new attempt.
    Reserved(Box<Attempt>),
    /// No token is to be had; with a time, one is worth looking for again then.
    NoToken {
        /// When to look again.
        retry_at: Option<Timestamp>,
        /// Why there is none.
        why: String,
    },
    /// The submission is about to go out.
    Sending,
    /// The upstream took it, under this id.
    Accepted {
        /// The upstream's id.
        upstream_id: Box<str>,
    },
    /// The submission failed, or whether it was taken could not be found out.
    SubmitFailed(Failure),
    /// The submission whose answer was lost is not among the upstream's videos, after the grace time: it never
    /// arrived.
    NeverArrived,
    /// The upstream told how it stands.
    Polled(Polled),
    /// It could not be asked.
    PollFailed(Failure),
    /// The file is here, measured.
    Fetched(Delivered),
    /// The file could not be fetched, or is no good.
    FetchFailed {
        /// Why.
        failure: JobFailure,
        /// Whether another try may help.
        again: bool,
        /// How long whoever has the file wants to be left alone, if they say so.
        retry_after: Option<Duration>,
    },
    /// The operator wants it to end.
    Cancelled,
    /// The process came back and found the job in this state.
    Recovered,
    /// The books were restored from a backup, and nobody knows what became of the job since that was made.
    Restored,
    /// Our own disk does not take its file at the moment.
    NotKept,
    /// Its time is up.
    DeadlinePassed,
}

/// What an upstream says of a video in the making.
#[derive(Clone, Debug, PartialEq)]
pub enum Polled {
    /// Still at it.
    Pending {
        /// 0 to 99, if the upstream says.
        progress: Option<u8>,
    },
    /// Made.
    Done {
        /// Where the file is.
        url: Box<str>,
        /// What it cost, in ticks of 10^-10 USD, if the upstream says.
        cost_ticks: Option<i64>,
    },
    /// Blocked by moderation.
    Moderated {
        /// Why, if the upstream says.
        reason: Option<String>,
        /// What it cost, in ticks of 10^-10 USD, if the upstream says.
        cost_ticks: Option<i64>,
    },
    /// Failed.
    Failed {
        /// The upstream's code and words.
        reason: String,
    },
    /// The upstream forgot it.
    Expired,
}

/// What to do about an event, besides keeping the changed job.
#[derive(Clone, Debug, Default, PartialEq)]
#[must_use]
pub struct Effects {
    /// The current reservation ends so.
    pub settle: Option<Settlement>,
    /// The attempt's token is to blame.
    pub blame: Option<Blame>,
    /// The attempt's token did what it should.
    pub used: bool,
    /// Whether the job has to be on disk before anything else happens.
    pub durable: bool,
    /// What comes next.
    pub next: Next,
}

/// What the engine does next with a job.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Next {
    /// Nothing: it is at its end.
    #[default]
    End,
    /// Submit it.
    Submit,
    /// Send the submission: `Submitting` is on disk.
    Send,
    /// Find out whether the upstream took the submission, after this pause.
    Reconcile {
        /// Grows with the time since the answer was lost.
        pause: Duration,
    },
    /// Ask the upstream, after a pause of at least this much on top of the usual one.
    Poll {
        /// What the upstream asked for.
        pause: Option<Duration>,
    },
    /// Fetch the file after this pause.
    Fetch {
        /// Zero the first time.
        pause: Duration,
    },
    /// Look for a token at this time.
    Route {
        /// When.
        at: Timestamp,
    },
}

/// What happens to `job` through `event`. `None` when the event does not concern it any more (it came too
/// late, say); the job is then unchanged.
pub fn step(job: &mut Job, event: Event, now: Timestamp, rules: &Rules) -> Option<Effects> {
    use JobState::{Delivering, Queued, Reserved, Running, Submitting};
    match (job.state, event) {
        (Queued, Event::Reserved(attempt)) => Some(reserved(job, *attempt)),
        (Queued, Event::NoToken { retry_at: Some(at), .. }) if at <= job.deadline => {
            Some(Effects { next: Next::Route { at }, ..Effects::default() })
        }
        (Queued, Event::NoToken { why, .. }) => {
            let message = format!("{why}; ask again later, or add tokens");
            Some(fail(job, JobFailure::new("no_token_available", Fault::Gateway, message), now))
        }
        (Reserved, Event::Sending) => {
            current(job).sent_at = Some(now);
            job.state = Submitting;
            Some(durable(Next::Send))
        }
        (Submitting, Event::Accepted { upstream_id }) => {
            let attempt = current(job);
            attempt.answered_at = Some(now);
            attempt.upstream_id = Some(upstream_id);
            attempt.error = None;
            job.state = Running;
            Some(Effects { used: true, ..durable(Next::Poll { pause: None }) })
        }
        (Submitting, Event::SubmitFailed(failure)) => Some(submit_failed(job, failure, now, rules)),
        (Submitting, Event::NeverArrived) if is_looked_for(job) => {
            Some(submit_failed(job, never_arrived(job), now, rules))
        }
        (Running, Event::Polled(polled)) => Some(polled_step(job, polled, now, rules)),
        (Running, Event::PollFailed(failure)) => Some(poll_failed(job, failure)),
        (Delivering, Event::Fetched(delivered)) => Some(complete(job, delivered, now)),
        (Delivering, Event::FetchFailed { failure, again, retry_after }) => {
            Some(fetch_failed(job, failure, again.then_some(retry_after), now, rules))
        }
        (Delivering, Event::Polled(Polled::Done { url, .. })) => {
            current(job).video_url = Some(url);
            Some(Effects { next: Next::Fetch { pause: Duration::ZERO }, ..Effects::default() })
        }
        // The upstream has done its part, and no token is to blame: it is fetched again for as long as it takes.
        (Delivering, Event::NotKept) => {
            Some(Effects { next: Next::Fetch { pause: DISK_PAUSE }, ..Effects::default() })
        }
        (_, Event::Recovered) => recovered(job, now, rules),
        (_, Event::Restored) => restored(job, now, rules),
        (state, Event::Cancelled) if !state.is_final() => {
            let failure = JobFailure::new("cancelled", Fault::Gateway, "the operator cancelled the job");
            Some(stop(job, Outcome::Cancelled, failure, now, rules))
        }
        (Submitting, Event::DeadlinePassed) if job.attempt().is_some_and(|a| a.lost_at.is_some()) => {
            let failure = JobFailure::outcome_unknown(&current(job).error.take().unwrap_or_default());
            Some(stop(job, Outcome::Unknown, failure, now, rules))
        }
        (Queued | Reserved | Submitting | Running, Event::DeadlinePassed) => {
            Some(stop(job, Outcome::TimedOut, too_late(job), now, rules))
        }
        _ => None,
    }
}

fn reserved(job: &mut Job, attempt: Attempt) -> Effects {
    if job.attempts.is_empty() {
        // Waiting for a token takes nothing from the time to make the video.
        job.deadline = attempt.reserved_at + job.deadline.since(job.created_at);
        job.wait_until = None;
    }
    job.attempts.push(attempt);
    job.state = JobState::Reserved;
    durable(Next::Submit)
}

/// It is asked again.
fn poll_failed(job: &mut Job, failure: Failure) -> Effects {
    // Told in the end if it stays so.
    current(job).error = Some(failure.message.into());
    Effects { next: Next::Poll { pause: failure.retry_after }, ..Effects::default() }
}

/// Its time is up. Whose fault that is depends on how far it came.
fn too_late(job: &Job) -> JobFailure {
    let (fault, what) = match job.state {
        JobState::Queued => (Fault::Gateway, "no token came free"),
        JobState::Reserved => (Fault::Gateway, "it was not submitted"),
        _ => (Fault::Upstream, "the upstream was not done"),
    };
    let began = job.attempts.first().map_or(job.created_at, |attempt| attempt.reserved_at);
    let time = match job.deadline.since(began).as_secs() {
        seconds @ 0..120 => format!("{seconds} seconds"),
        seconds => format!("{} minutes", seconds / 60),
    };
    let last = job.attempt().filter(|_| job.state == JobState::Running).and_then(|a| a.error.as_deref());
    let last = last.map(|error| format!("; when it was last asked, {error}")).unwrap_or_default();
    JobFailure::new("deadline_exceeded", fault, format!("{what} within {time}{last}"))
}

/// A job goes on where it was. Only a submission in flight cannot: nobody knows what became of it.
fn recovered(job: &mut Job, now: Timestamp, rules: &Rules) -> Option<Effects> {
    let next = match job.state {
        JobState::Queued => Next::Route { at: now },
        JobState::Reserved => Next::Submit,
        JobState::Submitting => {
            return Some(answer_lost(
                job,
                "filmgate was stopped before the upstream answered",
                None,
                now,
                rules,
            ));
        }
        JobState::Running => Next::Poll { pause: None },
        JobState::Delivering => Next::Fetch { pause: Duration::ZERO },
        JobState::Completed | JobState::Failed => return None,
    };
    Some(Effects { next, ..Effects::default() })
}

/// A backup's books are old: what had not reached its upstream then may have done so since, and is not sent again.
/// What an upstream had taken is asked about as ever.
fn restored(job: &mut Job, now: Timestamp, rules: &Rules) -> Option<Effects> {
    let failure =
        JobFailure::outcome_unknown("filmgate's books were restored from a backup made before that");
    match job.state {
        JobState::Queued => Some(fail(job, failure, now)),
        JobState::Reserved | JobState::Submitting => {
            Some(end_unanswered(job, Outcome::Unknown, failure, now, rules))
        }
        JobState::Running | JobState::Delivering | JobState::Completed | JobState::Failed => None,
    }
}

fn complete(job: &mut Job, delivered: Delivered, now: Timestamp) -> Effects {
    job.delivered = Some(delivered);
    job.state = JobState::Completed;
    job.progress = 100;
    job.finished_at = Some(now);
    durable(Next::End)
}

/// `again` says after which pause another try may help, if it may.
fn fetch_failed(
    job: &mut Job,
    failure: JobFailure,
    again: Option<Option<Duration>>,
    now: Timestamp,
    rules: &Rules,
) -> Effects {
    job.fetches += 1;
    let Some(wanted) = again.filter(|_| job.fetches < rules.max_fetches) else {
        return fail(job, failure, now);
    };
    let usual = Duration::from_secs(1 << job.fetches.min(6));
    let pause = usual.max(wanted.unwrap_or_default().min(LONGEST_FETCH_PAUSE));
    Effects { next: Next::Fetch { pause }, ..Effects::default() }
}

fn polled_step(job: &mut Job, polled: Polled, now: Timestamp, rules: &Rules) -> Effects {
    // What an earlier poll met is over.
    current(job).error = None;
    match polled {
        Polled::Pending { progress } => {
            job.progress = job.progress.max(progress.unwrap_or(0).min(99));
            Effects { next: Next::Poll { pause: None }, ..Effects::default() }
        }
        Polled::Done { url, cost_ticks } => {
            let attempt = current(job);
            attempt.video_url = Some(url);
            attempt.cost_ticks = cost_ticks;
            let settle = settle(job, Outcome::Done, now, rules);
            job.state = JobState::Delivering;
            job.progress = 99;
            Effects { settle, ..durable(Next::Fetch { pause: Duration::ZERO }) }
        }
        Polled::Moderated { reason, cost_ticks } => {
            let failure = JobFailure::moderated(reason.as_deref());
            current(job).cost_ticks = cost_ticks;
            end(job, Outcome::Moderated, failure, now, rules)
        }
        Polled::Failed { reason } => {
            let message = format!("the upstream failed to make the video: {reason}");
            let failure = JobFailure::new("upstream_failed", Fault::Upstream, message);
            end(job, Outcome::Failed, failure, now, rules)
        }
        Polled::Expired => {
            let message = "the upstream says that the request expired";
            let failure = JobFailure::new("expired", Fault::Upstream, message);
            end(job, Outcome::Failed, failure, now, rules)
        }
    }
}

fn submit_failed(job: &mut Job, failure: Failure, now: Timestamp, rules: &Rules) -> Effects {
    if failure.certainty == Certainty::Unknown || leaves_the_first_open(current(job), &failure) {
        let blame = blame(job, &failure, now, rules);
        return Effects { blame, ..answer_lost(job, &failure.message, failure.retry_after, now, rules) };
    }
    current(job).answered_at = Some(now);
    current(job).error = Some(failure.message.as_str().into());
    let settle = settle(job, Outcome::Refused, now, rules);
    let blame = blame(job, &failure, now, rules);
    let tries_left = (job.attempts.len() as u32) < rules.max_attempts;
    let next = match failure.cause {
        Cause::Credential | Cause::RateLimited if tries_left && blame.is_some() => Some(now),
        // The same upstream at once would not answer either.
        Cause::Unreachable if tries_left => Some(now + Duration::from_secs(2)),
        _ => None,
    };
    let Some(at) = next else {
        return Effects { settle, blame, ..fail(job, JobFailure::from(&failure), now) };
    };
    job.state = JobState::Queued;
    Effects { settle, blame, ..durable(Next::Route { at }) }
}

/// Whether this is about a repetition only: a busy upstream says no before it looks whether it has taken the same
/// before. What it says of the request itself, it would have said of the first.
fn leaves_the_first_open(attempt: &Attempt, failure: &Failure) -> bool {
    let certain = matches!(failure.cause, Cause::Rejected | Cause::Moderated);
    attempt.lost_answer == LostAnswer::Repeat && attempt.lost_at.is_some() && !certain
}

/// Whether the answer is lost and the upstream has a list.
fn is_looked_for(job: &Job) -> bool {
    let lost = job.attempt().filter(|attempt| attempt.lost_at.is_some());
    lost.is_some_and(|attempt| attempt.lost_answer == LostAnswer::LookUp)
}

/// What is known of a submission that is not among its upstream's videos.
fn never_arrived(job: &Job) -> Failure {
    let why = job.attempt().and_then(|attempt| attempt.error.as_deref()).unwrap_or_default();
    Failure {
        cause: Cause::Unreachable,
        certainty: Certainty::Refused,
        status: None,
        retry_after: None,
        message: format!("the upstream never got it ({why})"),
    }
}

/// Nobody knows whether the upstream took the submission. Where there is a way to find out, it is gone until the
/// deadline; the reservation stays open meanwhile.
fn answer_lost(
    job: &mut Job,
    why: &str,
    retry_after: Option<Duration>,
    now: Timestamp,
    rules: &Rules,
) -> Effects {
    let deadline = job.deadline;
    let attempt = current(job);
    if attempt.lost_at.is_none() || attempt.error.is_none() {
        // Why it was lost is told to the end; why it could not be found out so far is in the log.
        attempt.error = Some(why.into());
    }
    let lost_at = *attempt.lost_at.get_or_insert(now);
    if attempt.lost_answer == LostAnswer::GiveUp || now >= deadline {
        return end_unanswered(job, Outcome::Unknown, JobFailure::outcome_unknown(why), now, rules);
    }
    let pause = (now.since(lost_at) / 2).clamp(FIRST_RECONCILIATION, LONGEST_RECONCILIATION);
    durable(Next::Reconcile { pause: pause.max(retry_after.unwrap_or_default()) })
}

/// The token's fault, if it is one, and if this job may blame another.
fn blame(job: &mut Job, failure: &Failure, now: Timestamp, rules: &Rules) -> Option<Blame> {
    let reason: Box<str> = failure.message.as_str().into();
    let blame = match failure.cause {
        Cause::Credential => Blame::Unauthorized { reason },
        Cause::RateLimited => Blame::RateLimited { until: failure.retry_after.map(|d| now + d), reason },
        _ => return None,
    };
    if job.blamed >= rules.max_blames {
        return None;
    }
    job.blamed += 1;
    Some(blame)
}

/// Ends the job from outside, whatever it is at.
fn stop(job: &mut Job, outcome: Outcome, failure: JobFailure, now: Timestamp, rules: &Rules) -> Effects {
    match job.state {
        JobState::Reserved => end(job, Outcome::Unsent, failure, now, rules),
        JobState::Submitting | JobState::Running => end_unanswered(job, outcome, failure, now, rules),
        _ => fail(job, failure, now),
    }
}

/// Ends job and reservation; the upstream may still be at work, so the slot stays taken for a while.
fn end_unanswered(
    job: &mut Job,
    outcome: Outcome,
    failure: JobFailure,
    now: Timestamp,
    rules: &Rules,
) -> Effects {
    let attempt = current(job);
    attempt.slot_until = Some(attempt.sent_at.unwrap_or(now) + rules.slot_hold);
    end(job, outcome, failure, now, rules)
}

/// Ends job and reservation.
fn end(job: &mut Job, outcome: Outcome, failure: JobFailure, now: Timestamp, rules: &Rules) -> Effects {
    current(job).error = Some(failure.message.as_str().into());
    Effects { settle: settle(job, outcome, now, rules), ..fail(job, failure, now) }
}

/// Ends the reservation of the current attempt.
fn settle(job: &mut Job, outcome: Outcome, now: Timestamp, rules: &Rules) -> Option<Settlement> {
    let attempt = current(job);
    attempt.outcome = Some(outcome);
    attempt.settled_at = Some(now);
    attempt.charged = rules.charge.contains(&outcome);
    let spent_at = attempt.charged.then_some(attempt.answered_at.unwrap_or(now));
    Some(Settlement { spent_at, slot_until: attempt.slot_until })
}

fn fail(job: &mut Job, failure: JobFailure, now: Timestamp) -> Effects {
    job.state = JobState::Failed;
    job.failure = Some(failure);
    job.finished_at = Some(now);
    durable(Next::End)
}

fn durable(next: Next) -> Effects {
    Effects { durable: true, next, ..Effects::default() }
}

/// The states that use it are entered only with an attempt.
fn current(job: &mut Job) -> &mut Attempt {
    job.attempts.last_mut().expect("a job past `queued` has an attempt")
}
