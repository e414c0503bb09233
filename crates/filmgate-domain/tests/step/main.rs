//! The life of a job: what every event does in every state, and what holds after any sequence of events.

mod lost;
mod sequences;

use std::time::Duration;

use filmgate_domain::{
    AspectRatio, Attempt, Blame, CallerId, Cause, Certainty, Delivered, Effects, Event, Failure, Fault, Job,
    JobFailure, JobId, JobState, LostAnswer, Next, Outcome, Polled, Resolution, Route, Rules, Seconds,
    Settlement, Shape, Timestamp, TokenId, VideoSpec, step,
};
use rstest::rstest;

/// When the job was admitted; it was sent a second later, and answered another second later.
const ADMITTED: Timestamp = Timestamp::from_millis(1_700_000_000_000);
const DEADLINE: Duration = Duration::from_secs(15 * 60);

/// Every pair that does something; whatever is not here is ignored.
///
/// `settled`: the units are charged or free, the slot may stay held. `disk`: the change has to be on disk
/// before anything else happens.
const TABLE: &str = "
  state      event               -> state      failure               settled       blame        disk next
  queued     reserved            -> reserved   -                     -             -            disk submit
  queued     no-token-for-now    -> queued     -                     -             -            -    route+60s
  queued     no-token-in-time    -> failed     no_token_available    -             -            disk end
  queued     no-token-at-all     -> failed     no_token_available    -             -            disk end
  queued     cancelled           -> failed     cancelled             -             -            disk end
  queued     recovered           -> queued     -                     -             -            -    route+0s
  queued     restored            -> failed     outcome_unknown       -             -            disk end
  queued     deadline            -> failed     deadline_exceeded     -             -            disk end

  reserved   sending             -> submitting -                     -             -            disk send
  reserved   cancelled           -> failed     cancelled             free          -            disk end
  reserved   recovered           -> reserved   -                     -             -            -    submit
  reserved   restored            -> failed     outcome_unknown       charged,held  -            disk end
  reserved   deadline            -> failed     deadline_exceeded     free          -            disk end

  submitting accepted            -> running    -                     -             used         disk poll
  submitting refused-credential  -> queued     -                     free          unauthorized disk route+0s
  submitting refused-rate-limit  -> queued     -                     free          rate-limited disk route+0s
  submitting refused-unreachable -> queued     -                     free          -            disk route+2s
  submitting refused-request     -> failed     upstream_rejected     free          -            disk end
  submitting refused-prompt      -> failed     moderation_blocked    free          -            disk end
  submitting refused-redirect    -> failed     upstream_redirected   free          -            disk end
  submitting refused-server      -> failed     upstream_error        free          -            disk end
  submitting unknown             -> failed     outcome_unknown       charged,held  -            disk end
  submitting cancelled           -> failed     cancelled             charged,held  -            disk end
  submitting recovered           -> failed     outcome_unknown       charged,held  -            disk end
  submitting restored            -> failed     outcome_unknown       charged,held  -            disk end
  submitting deadline            -> failed     deadline_exceeded     charged,held  -            disk end

  running    pending             -> running    -                     -             -            -    poll
  running    poll-failed         -> running    -                     -             -            -    poll+7s
  running    done                -> delivering -                     charged       -            disk fetch+0s
  running    moderated           -> failed     moderation_blocked    charged       -            disk end
  running    failed              -> failed     upstream_failed       free          -            disk end
  running    expired             -> failed     expired               free          -            disk end
  running    cancelled           -> failed     cancelled             charged,held  -            disk end
  running    recovered           -> running    -                     -             -            -    poll
  running    deadline            -> failed     deadline_exceeded     charged,held  -            disk end

  delivering fetched             -> completed  -                     -             -            disk end
  delivering fetch-failed-once   -> delivering -                     -             -            -    fetch+2s
  delivering fetch-failed        -> failed     no_video              -             -            disk end
  delivering not-kept            -> delivering -                     -             -            -    fetch+5s
  delivering done                -> delivering -                     -             -            -    fetch+0s
  delivering cancelled           -> failed     cancelled             -             -            disk end
  delivering recovered           -> delivering -                     -             -            -    fetch+0s
";

const EVENTS: [&str; 29] = [
    "reserved",
    "no-token-for-now",
    "no-token-in-time",
    "no-token-at-all",
    "sending",
    "accepted",
    "refused-credential",
    "refused-rate-limit",
    "refused-unreachable",
    "refused-request",
    "refused-prompt",
    "refused-redirect",
    "refused-server",
    "unknown",
    "never-arrived",
    "pending",
    "poll-failed",
    "done",
    "moderated",
    "failed",
    "expired",
    "fetched",
    "fetch-failed-once",
    "fetch-failed",
    "cancelled",
    "recovered",
    "restored",
    "not-kept",
    "deadline",
];

#[test]
fn every_event_in_every_state_does_what_the_table_says() {
    let expected: Vec<String> = TABLE.lines().skip(2).map(squeezed).filter(|row| !row.is_empty()).collect();
    let mut seen = Vec::new();
    for state in JobState::ALL {
        for name in EVENTS {
            let before = job_in(state);
            let mut job = before.clone();
            match step(&mut job, event(name), later(10), &Rules::default()) {
                Some(effects) => seen.push(row(state, name, &job, &effects)),
                None => assert_eq!(job, before, "{state} changes with {name}, which it ignores"),
            }
        }
    }
    let row_of = |pair: &String| pair.split(" -> ").next().map(str::to_owned);
    for row in &seen {
        let wanted = expected.iter().find(|wanted| row_of(wanted) == row_of(row));
        assert_eq!(Some(row), wanted, "(left is what happens, right what the table says)");
    }
    let missing: Vec<&String> = expected.iter().filter(|wanted| !seen.contains(wanted)).collect();
    assert!(missing.is_empty(), "ignored, against the table: {missing:#?}");
}

// ---- what the table leaves out ----

#[test]
fn units_are_charged_from_the_upstreams_answer_and_a_held_slot_counts_from_the_send() {
    let mut job = job_in(JobState::Running);
    let effects = step(&mut job, event("deadline"), later(900), &Rules::default()).expect("it ends");
    let slot_until = Some(later(1) + Duration::from_secs(30 * 60));
    assert_eq!(effects.settle, Some(Settlement { spent_at: Some(later(2)), slot_until }));
    let attempt = job.attempt().expect("it had one");
    assert_eq!((attempt.charged, attempt.slot_until), (true, slot_until));
    assert_eq!((attempt.settled_at, attempt.outcome), (Some(later(900)), Some(Outcome::TimedOut)));
}

#[test]
fn what_the_last_poll_met_is_told_when_the_time_is_up() {
    let mut job = job_in(JobState::Running);
    let rules = Rules::default();
    assert!(step(&mut job, event("poll-failed"), later(10), &rules).is_some());
    let mut asked_again = job.clone();
    assert!(step(&mut job, event("deadline"), later(900), &rules).is_some());
    let message = job.failure.expect("it failed").message;
    assert_eq!(message, "the upstream was not done within 15 minutes; when it was last asked, no");
    assert!(step(&mut asked_again, event("pending"), later(20), &rules).is_some());
    assert!(step(&mut asked_again, event("deadline"), later(900), &rules).is_some());
    let message = asked_again.failure.expect("it failed").message;
    assert_eq!(message, "the upstream was not done within 15 minutes");
}

#[rstest]
#[case::none(None, 2)]
#[case::short(Some(1), 2)]
#[case::long(Some(45), 45)]
#[case::endless(Some(86_400), 600)]
fn a_file_is_fetched_again_when_its_server_says(#[case] seconds: Option<u64>, #[case] expected: u64) {
    let failure = JobFailure::new("delivery_failed", Fault::Upstream, "come back later");
    let retry_after = seconds.map(Duration::from_secs);
    let mut job = job_in(JobState::Delivering);
    let event = Event::FetchFailed { failure, again: true, retry_after };
    let effects = step(&mut job, event, later(10), &Rules::default()).expect("it goes on");
    assert_eq!(effects.next, Next::Fetch { pause: Duration::from_secs(expected) });
}

#[test]
fn without_an_answer_units_are_charged_from_now() {
    let mut job = job_in(JobState::Submitting);
    let effects = step(&mut job, event("recovered"), later(60), &Rules::default()).expect("it ends");
    assert_eq!(effects.settle.and_then(|settlement| settlement.spent_at), Some(later(60)));
}

#[rstest]
#[case("done", Outcome::Done)]
#[case("moderated", Outcome::Moderated)]
#[case("failed", Outcome::Failed)]
#[case("expired", Outcome::Failed)]
#[case("cancelled", Outcome::Cancelled)]
#[case("deadline", Outcome::TimedOut)]
fn the_operator_says_which_outcomes_are_charged(#[case] name: &str, #[case] outcome: Outcome) {
    for charge in [vec![], vec![outcome]] {
        let rules = Rules { charge, ..Rules::default() };
        let mut job = job_in(JobState::Running);
        let settled = step(&mut job, event(name), later(10), &rules).expect("it ends").settle;
        let charged = !rules.charge.is_empty();
        assert_eq!(settled.map(|s| s.spent_at.is_some()), Some(charged), "{name} with {:?}", rules.charge);
        assert_eq!(job.attempt().map(|a| (a.outcome, a.charged)), Some((Some(outcome), charged)));
    }
}

#[test]
fn a_rate_limit_blames_until_the_time_that_the_upstream_names() {
    let mut job = job_in(JobState::Submitting);
    let effects =
        step(&mut job, event("refused-rate-limit"), later(10), &Rules::default()).expect("it fails");
    let Some(Blame::RateLimited { until, .. }) = effects.blame else { panic!("{effects:?}") };
    assert_eq!(until, Some(later(10) + Duration::from_secs(7)));
}

#[rstest]
#[case("refused-credential", 2, 0, "upstream_unauthorized")]
#[case("refused-credential", 0, 2, "upstream_unauthorized")]
#[case("refused-rate-limit", 2, 0, "upstream_rate_limited")]
#[case("refused-rate-limit", 0, 2, "upstream_rate_limited")]
#[case("refused-unreachable", 2, 0, "upstream_unreachable")]
fn attempts_and_blames_run_out(
    #[case] refusal: &str,
    #[case] earlier_attempts: usize,
    #[case] earlier_blames: u8,
    #[case] code: &str,
) {
    let mut job = job_in(JobState::Submitting);
    let last = job.attempts.pop().expect("it has one");
    job.attempts = (0..earlier_attempts).map(|_| settled(attempt())).chain([last]).collect();
    job.blamed = earlier_blames;
    let effects = step(&mut job, event(refusal), later(10), &Rules::default()).expect("it fails");
    assert_eq!((job.state, effects.next), (JobState::Failed, Next::End));
    assert_eq!(job.failure.map(|failure| failure.code), Some(code.into()));
    assert_eq!(effects.settle, Some(Settlement { spent_at: None, slot_until: None }), "it was refused");
    assert!(effects.blame.is_none() || earlier_blames == 0, "{:?}", effects.blame);
}

#[test]
fn fetches_pause_longer_each_time_and_run_out() {
    let mut job = job_in(JobState::Delivering);
    let mut pauses = Vec::new();
    while let Some(Effects { next: Next::Fetch { pause }, .. }) =
        step(&mut job, event("fetch-failed-once"), later(10), &Rules::default())
    {
        pauses.push(pause.as_secs());
    }
    assert_eq!(pauses, [2, 4, 8, 16, 32]);
    assert_eq!((job.state, job.fetches), (JobState::Failed, 6));
}

#[test]
fn progress_never_goes_back_and_is_whole_only_at_the_end() {
    let mut job = job_in(JobState::Running);
    let mut seen = Vec::new();
    for progress in [Some(10), Some(40), Some(20), None, Some(200)] {
        let polled = Event::Polled(Polled::Pending { progress });
        let _ = step(&mut job, polled, later(10), &Rules::default()).expect("it is running");
        seen.push(job.progress);
    }
    assert_eq!(seen, [10, 40, 40, 40, 99]);
    for name in ["done", "fetched"] {
        let _ = step(&mut job, event(name), later(11), &Rules::default()).expect("it goes on");
        seen.push(job.progress);
    }
    assert_eq!(seen[5..], [99, 100]);
}

#[rstest]
#[case(JobState::Queued, Fault::Gateway, "no token came free within 15 minutes")]
#[case(JobState::Reserved, Fault::Gateway, "it was not submitted within 15 minutes")]
#[case(JobState::Running, Fault::Upstream, "the upstream was not done within 15 minutes")]
fn a_missed_deadline_says_whose_fault_it_is(
    #[case] state: JobState,
    #[case] fault: Fault,
    #[case] message: &str,
) {
    let mut job = job_in(state);
    let _ = step(&mut job, event("deadline"), later(900), &Rules::default()).expect("it ends");
    let failure = job.failure.expect("it failed");
    assert_eq!((failure.fault, &*failure.message), (fault, message));
}

#[test]
fn waiting_for_the_first_token_takes_nothing_from_the_time_to_make_the_video() {
    let mut job = Job { wait_until: Some(later(600)), ..queued() };
    let reserved = Event::Reserved(Box::new(Attempt { reserved_at: later(500), ..attempt() }));
    let _ = step(&mut job, reserved, later(501), &Rules::default()).expect("it was waited for");
    assert_eq!((job.deadline, job.wait_until), (later(500) + DEADLINE, None));
    // A later attempt changes nothing about that, and a missed deadline tells the time since.
    for name in ["sending", "refused-credential"] {
        let _ = step(&mut job, event(name), later(510), &Rules::default()).expect("it goes on");
    }
    let again = Event::Reserved(Box::new(Attempt { n: 2, reserved_at: later(700), ..attempt() }));
    let _ = step(&mut job, again, later(700), &Rules::default()).expect("it goes on");
    assert_eq!(job.deadline, later(500) + DEADLINE);
    let _ = step(&mut job, event("deadline"), later(1400), &Rules::default()).expect("it ends");
    let message = job.failure.expect("it failed").message;
    assert_eq!(&*message, "it was not submitted within 15 minutes");
}

#[test]
fn waited_for_in_vain_says_what_to_do() {
    let mut job = Job { wait_until: Some(later(10)), ..queued() };
    let in_vain = Event::NoToken { retry_at: None, why: "no tokens; waited 10 s".into() };
    let _ = step(&mut job, in_vain, later(10), &Rules::default()).expect("it ends");
    let message = job.failure.expect("it failed").message;
    assert_eq!(&*message, "no tokens; waited 10 s; ask again later, or add tokens");
}

// ---- jobs, attempts and events ----

/// So many seconds after the job was admitted.
fn later(seconds: u64) -> Timestamp {
    ADMITTED + Duration::from_secs(seconds)
}

fn shape() -> Shape {
    Shape { resolution: Resolution::P720, seconds: Seconds::DEFAULT, aspect_ratio: AspectRatio::R16x9 }
}

fn queued() -> Job {
    let spec = VideoSpec::new("grok-video", "a red fox", shape()).expect("a prompt");
    Job::new(JobId::from_bytes([7; 16]), CallerId(1), spec, [0; 32], (ADMITTED, ADMITTED + DEADLINE))
}

/// A job that came to this state on the straight way (or, failed, was cancelled at once).
fn job_in(state: JobState) -> Job {
    let mut job = queued();
    let way = match state {
        JobState::Queued => &[][..],
        JobState::Reserved => &["reserved"],
        JobState::Submitting => &["reserved", "sending"],
        JobState::Running => &["reserved", "sending", "accepted"],
        JobState::Delivering => &["reserved", "sending", "accepted", "done"],
        JobState::Completed => &["reserved", "sending", "accepted", "done", "fetched"],
        JobState::Failed => &["cancelled"],
    };
    for (nth, name) in way.iter().enumerate() {
        let effects = step(&mut job, event(name), later(nth as u64), &Rules::default());
        assert!(effects.is_some(), "{name} leads to {state}");
    }
    assert_eq!(job.state, state);
    job
}

fn attempt() -> Attempt {
    Attempt {
        n: 1,
        token: TokenId(1),
        pool: "ssoSuper".into(),
        upstream: "xai".into(),
        model: "grok-imagine-video".into(),
        route: Route::Primary,
        reason: "".into(),
        sent: shape(),
        units: 4,
        reserved_at: ADMITTED,
        sent_at: None,
        lost_answer: LostAnswer::GiveUp,
        lost_at: None,
        answered_at: None,
        upstream_id: None,
        video_url: None,
        cost_ticks: None,
        outcome: None,
        error: None,
        settled_at: None,
        charged: false,
        slot_until: None,
    }
}

fn settled(attempt: Attempt) -> Attempt {
    Attempt { outcome: Some(Outcome::Refused), settled_at: Some(ADMITTED), ..attempt }
}

/// The event of this name in [`EVENTS`].
fn event(name: &str) -> Event {
    let refused = |cause| Event::SubmitFailed(failure(cause, Certainty::Refused));
    let fetch_failed = |again| Event::FetchFailed {
        failure: JobFailure::new("no_video", Fault::Upstream, "the file is no video"),
        again,
        retry_after: None,
    };
    let no_token = |retry_at| Event::NoToken { retry_at, why: "no tokens".into() };
    match name {
        "reserved" => Event::Reserved(Box::new(attempt())),
        "no-token-for-now" => no_token(Some(later(10 + 60))),
        "no-token-in-time" => no_token(Some(later(901))),
        "no-token-at-all" => no_token(None),
        "sending" => Event::Sending,
        "accepted" => Event::Accepted { upstream_id: "up-1".into() },
        "refused-credential" => refused(Cause::Credential),
        "refused-rate-limit" => refused(Cause::RateLimited),
        "refused-unreachable" => refused(Cause::Unreachable),
        "refused-request" => refused(Cause::Rejected),
        "refused-prompt" => refused(Cause::Moderated),
        "refused-redirect" => refused(Cause::Redirected),
        "refused-server" => refused(Cause::Server),
        "unknown" => Event::SubmitFailed(failure(Cause::Timeout, Certainty::Unknown)),
        "never-arrived" => Event::NeverArrived,
        "pending" => Event::Polled(Polled::Pending { progress: Some(50) }),
        "poll-failed" => Event::PollFailed(failure(Cause::Server, Certainty::Refused)),
        "done" => Event::Polled(Polled::Done { url: "http://x/video.mp4".into(), cost_ticks: Some(1) }),
        "moderated" => Event::Polled(Polled::Moderated { reason: None, cost_ticks: None }),
        "failed" => Event::Polled(Polled::Failed { reason: "out of GPUs".into() }),
        "expired" => Event::Polled(Polled::Expired),
        "fetched" => Event::Fetched(Delivered {
            width: 1280,
            height: 720,
            duration_ms: 6_000,
            codec: "h264".into(),
            bytes: 1_000,
            sha256: "".into(),
        }),
        "fetch-failed-once" => fetch_failed(true),
        "fetch-failed" => fetch_failed(false),
        "cancelled" => Event::Cancelled,
        "recovered" => Event::Recovered,
        "restored" => Event::Restored,
        "not-kept" => Event::NotKept,
        "deadline" => Event::DeadlinePassed,
        other => panic!("there is no event {other}"),
    }
}

fn failure(cause: Cause, certainty: Certainty) -> Failure {
    let retry_after = Some(Duration::from_secs(7));
    Failure { cause, certainty, status: None, retry_after, message: "no".into() }
}

// ---- rows of the table ----

fn row(state: JobState, event: &str, job: &Job, effects: &Effects) -> String {
    let failure = job.failure.as_ref().map_or("-", |failure| &failure.code);
    let settled = match effects.settle {
        None => "-",
        Some(Settlement { spent_at: None, slot_until: None }) => "free",
        Some(Settlement { spent_at: Some(_), slot_until: None }) => "charged",
        Some(Settlement { spent_at: Some(_), slot_until: Some(_) }) => "charged,held",
        Some(Settlement { spent_at: None, slot_until: Some(_) }) => "free,held",
    };
    let blame = match (&effects.blame, effects.used) {
        (None, false) => "-",
        (None, true) => "used",
        (Some(Blame::Unauthorized { .. }), false) => "unauthorized",
        (Some(Blame::RateLimited { .. }), false) => "rate-limited",
        (Some(_), true) => "blamed-and-used",
    };
    let disk = if effects.durable { "disk" } else { "-" };
    let next = match &effects.next {
        Next::End => "end".to_owned(),
        Next::Submit => "submit".to_owned(),
        Next::Send => "send".to_owned(),
        Next::Reconcile { pause } => format!("reconcile+{}s", pause.as_secs()),
        Next::Poll { pause: None } => "poll".to_owned(),
        Next::Poll { pause: Some(pause) } => format!("poll+{}s", pause.as_secs()),
        Next::Fetch { pause } => format!("fetch+{}s", pause.as_secs()),
        Next::Route { at } => format!("route+{}s", at.since(later(10)).as_secs()),
    };
    format!("{state} {event} -> {} {failure} {settled} {blame} {disk} {next}", job.state)
}

/// One space between words.
fn squeezed(line: &str) -> String {
    line.split_whitespace().collect::<Vec<_>>().join(" ")
}
