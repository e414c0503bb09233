//! What may go wrong at the upstream, and how often.

use std::time::Duration;

use filmgate_domain::{Cause, Certainty, Failure};
use rand::RngExt as _;
use rand::rngs::StdRng;

/// What the upstream does with a submission.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum OnSubmit {
    /// It takes it and says so.
    Take,
    /// It refuses it, and nothing comes of it.
    Refuse(Cause, Option<Duration>),
    /// It does not take it, and nobody can tell.
    Lose(Cause),
    /// It takes it so much later, and nobody can tell.
    TakeSilently(Cause, Duration),
}

/// What the upstream does with a question.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum OnPoll {
    /// It tells the truth.
    Answer,
    /// It says that it is still at it, and less far than before.
    Backwards,
    /// It fails.
    Fail(Cause),
}

/// What the upstream does when a file is fetched.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum OnFetch {
    /// It sends the file.
    Send,
    /// It sends the file bit by bit.
    SendSlowly,
    /// It says how long the file is, and sends less.
    CutOff,
    /// It sends a part of the file as if that were all.
    Cut,
    /// It sends somebody else's video.
    Other,
    /// It sends a web page.
    Page,
    /// The connection breaks on the way.
    Break,
    /// It fails.
    Fail(Cause),
}

/// How a generation ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum End {
    Done,
    Moderated,
    Failed,
    Forgotten,
}

/// How bad the upstream is at the moment, from 0 (no faults at all) to 1.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Weather(pub(crate) f64);

impl Weather {
    fn bad(self, rng: &mut StdRng, share: f64) -> bool {
        // Drawn in any weather: so a calm run draws as often as a stormy one.
        rng.random_bool(share) && rng.random_bool(self.0)
    }

    pub(crate) fn on_submit(self, rng: &mut StdRng) -> OnSubmit {
        if !self.bad(rng, 0.5) {
            return OnSubmit::Take;
        }
        let seconds = |rng: &mut StdRng, most| Duration::from_secs(rng.random_range(1..=most));
        let lost = [Cause::Timeout, Cause::Broken, Cause::Server, Cause::Garbage];
        let lost = |rng: &mut StdRng| lost[rng.random_range(0..lost.len())];
        match rng.random_range(0..14) {
            0 => OnSubmit::Refuse(Cause::Rejected, None),
            1 => OnSubmit::Refuse(Cause::Moderated, None),
            2 | 3 => OnSubmit::Refuse(Cause::Credential, None),
            4 => OnSubmit::Refuse(Cause::RateLimited, None),
            5 | 6 => OnSubmit::Refuse(Cause::RateLimited, Some(seconds(rng, 600))),
            7 | 8 => OnSubmit::Refuse(Cause::Unreachable, None),
            9 => OnSubmit::Refuse(Cause::Redirected, None),
            10 => OnSubmit::Lose(lost(rng)),
            11 => OnSubmit::TakeSilently(lost(rng), seconds(rng, 20)),
            _ => OnSubmit::TakeSilently(lost(rng), Duration::ZERO),
        }
    }

    pub(crate) fn on_list(self, rng: &mut StdRng) -> Option<Cause> {
        self.bad(rng, 0.3).then_some(Cause::Server)
    }

    pub(crate) fn on_poll(self, rng: &mut StdRng) -> OnPoll {
        let failing = [Cause::Timeout, Cause::Server, Cause::Unreachable, Cause::Credential, Cause::Garbage];
        match (self.bad(rng, 0.2), rng.random_range(0..=failing.len())) {
            (false, _) => OnPoll::Answer,
            (true, 0) => OnPoll::Backwards,
            (true, n) => OnPoll::Fail(failing[n - 1]),
        }
    }

    pub(crate) fn on_fetch(self, rng: &mut StdRng) -> OnFetch {
        let failing = [Cause::Timeout, Cause::Server, Cause::Unreachable, Cause::Credential, Cause::Rejected];
        match (self.bad(rng, 0.5), rng.random_range(0..12)) {
            (false, _) => OnFetch::Send,
            (true, 0 | 1) => OnFetch::SendSlowly,
            (true, 2 | 3) => OnFetch::CutOff,
            (true, 4) => OnFetch::Cut,
            (true, 5) => OnFetch::Other,
            (true, 6) => OnFetch::Page,
            (true, 7 | 8) => OnFetch::Break,
            (true, _) => OnFetch::Fail(failing[rng.random_range(0..failing.len())]),
        }
    }

    pub(crate) fn end(self, rng: &mut StdRng) -> End {
        let ends = [End::Moderated, End::Failed, End::Forgotten];
        if self.bad(rng, 0.3) { ends[rng.random_range(0..ends.len())] } else { End::Done }
    }
}

/// What becomes of a submission that is on its way when the gateway dies: it arrives so much later, or never.
pub(crate) fn orphan(rng: &mut StdRng) -> Option<Duration> {
    rng.random_bool(0.5).then(|| Duration::from_millis(rng.random_range(0..=20_000)))
}

/// How long an upstream takes for a video: mostly minutes, now and then longer than anybody waits.
pub(crate) fn work(rng: &mut StdRng) -> Duration {
    let seconds = if rng.random_bool(0.05) { 600..=1_400 } else { 20..=400 };
    Duration::from_secs(rng.random_range(seconds))
}

/// How long an answer takes.
pub(crate) fn latency(rng: &mut StdRng) -> Duration {
    let millis = if rng.random_bool(0.03) { 1_000..=40_000 } else { 1..=600 };
    Duration::from_millis(rng.random_range(millis))
}

/// A failed call.
pub(crate) fn failure(cause: Cause, certainty: Certainty, retry_after: Option<Duration>) -> Failure {
    Failure {
        cause,
        certainty,
        status: None,
        retry_after,
        message: format!("the model says {}", cause.code()),
    }
}
