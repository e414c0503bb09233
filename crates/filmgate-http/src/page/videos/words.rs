//! What is said of a video wherever it is shown: where it stands, which way it went, where its page is.

use filmgate_domain::{Attempt, Job, JobId, JobState, Outcome, Route, Verdict};
use maud::Markup;

use crate::dialect::openai;

use super::super::look::Look;
use super::super::parts::{Tone, badge};

/// Where the page of a video is.
pub(in crate::page) fn address(job: JobId) -> String {
    format!("/admin/videos/{}", openai::spell(job))
}

/// A prompt, or how it begins.
pub(in crate::page) fn shorten(prompt: &str) -> String {
    match prompt.char_indices().nth(80) {
        Some((end, _)) => format!("{}…", &prompt[..end]),
        None => prompt.to_owned(),
    }
}

/// Where a video stands; of a finished one, what came of it.
pub(in crate::page) fn state_badge(job: &Job, look: Look) -> Markup {
    match (job.state, job.verdict()) {
        (JobState::Completed, Some(Verdict::Downgraded)) => badge(Tone::Warn, &look.t("videos-downgraded")),
        (JobState::Completed, _) => badge(Tone::Good, &state_word(job.state, look)),
        (JobState::Failed, _) => badge(Tone::Bad, &state_word(job.state, look)),
        (JobState::Running, _) if job.progress > 0 => {
            badge(Tone::Plain, &look.with("videos-running-at", [("progress", job.progress.into())]))
        }
        _ => badge(Tone::Plain, &state_word(job.state, look)),
    }
}

pub(super) fn state_word(state: JobState, look: Look) -> String {
    look.t(&format!("videos-state-{state}"))
}

pub(super) fn route_word(route: Route, look: Look) -> String {
    look.t(&format!("videos-route-{route}"))
}

/// Which way a video went.
pub(in crate::page) fn route_badge(route: Route, look: Look) -> Markup {
    let tone = if route == Route::Fallback { Tone::Warn } else { Tone::Plain };
    badge(tone, &route_word(route, look))
}

pub(super) fn verdict_word(verdict: Verdict, look: Look) -> String {
    look.t(&format!("videos-verdict-{verdict}"))
}

/// How an attempt ended, or that it has not.
pub(super) fn outcome_badge(attempt: &Attempt, look: Look) -> Markup {
    let Some(outcome) = attempt.outcome else { return badge(Tone::Plain, &look.t("videos-outcome-open")) };
    let tone = match outcome {
        Outcome::Done => Tone::Good,
        Outcome::Unsent | Outcome::Cancelled => Tone::Plain,
        _ => Tone::Bad,
    };
    badge(tone, &outcome_word(outcome, look))
}

pub(super) fn outcome_word(outcome: Outcome, look: Look) -> String {
    look.t(&format!("videos-outcome-{outcome}"))
}
