//! The life of a video, from the request to the last who was told its end, as far as it is written down.

use std::time::Duration;

use filmgate_domain::{Attempt, Job, JobState, LostAnswer, Timestamp};
use filmgate_store::{Delivery, DeliveryState};
use maud::{Markup, html};

use super::super::look::Look;
use super::super::parts::{Tone, bytes, span, time};
use super::words::{outcome_word, state_word};

/// How long a wait is one.
const WORTH_TELLING: Duration = Duration::from_secs(1);

/// Something that happened, or is to happen.
struct Moment {
    at: Timestamp,
    tone: Tone,
    said: String,
    /// In whose words, where they are not the page's own.
    quoted: Option<String>,
}

pub(super) fn timeline(job: &Job, deliveries: &[Delivery], look: Look, now: Timestamp) -> Markup {
    html! {
        ol.timeline {
            @for moment in moments(job, deliveries, look) {
                li class=(moment.tone.class()) {
                    span.when { (time(moment.at, now)) " " span.hint { (distance(moment.at, job.created_at)) } }
                    span { (moment.said) @if let Some(words) = &moment.quoted { " " q lang="en" { (words) } } }
                }
            }
            @if !job.state.is_final() { li.now { span.when { (look.t("videos-now")) } span { (state_now(job, look)) } } }
        }
    }
}

fn distance(at: Timestamp, start: Timestamp) -> String {
    if at == start { String::new() } else { format!("+{}", span(at.since(start))) }
}

fn moments(job: &Job, deliveries: &[Delivery], look: Look) -> Vec<Moment> {
    let plain = |at, said| Moment { at, tone: Tone::Plain, said, quoted: None };
    let mut moments = vec![plain(job.created_at, look.t("videos-was-admitted"))];
    let mut free_since = job.created_at;
    for attempt in &job.attempts {
        let waited = attempt.reserved_at.since(free_since);
        if waited >= WORTH_TELLING {
            let said = look.with("videos-has-waited", [("span", span(waited).into())]);
            moments.push(plain(attempt.reserved_at, said));
        }
        moments.extend(of_attempt(attempt, look));
        free_since = attempt.settled_at.unwrap_or(attempt.reserved_at);
    }
    moments.extend(ending(job, look));
    if let Some(at) = job.file_removed_at {
        moments.push(plain(at, look.t("videos-was-removed")));
    }
    if let Some(at) = job.deleted_at {
        moments.push(plain(at, look.t("videos-was-deleted")));
    }
    moments.extend(deliveries.iter().map(|delivery| told(delivery, look)));
    // What happened at the same time stays in its order.
    moments.sort_by_key(|moment| moment.at);
    moments
}

fn of_attempt(attempt: &Attempt, look: Look) -> Vec<Moment> {
    let plain = |at, said| Moment { at, tone: Tone::Plain, said, quoted: None };
    let (pool, token) = (attempt.pool.to_string(), attempt.token.to_string());
    let mut moments = vec![plain(
        attempt.reserved_at,
        look.with("videos-was-reserved", [("token", token.into()), ("pool", pool.into())]),
    )];
    if let Some(at) = attempt.sent_at {
        let (upstream, sent) = (attempt.upstream.to_string(), attempt.sent.to_string());
        let said = look.with("videos-was-sent", [("upstream", upstream.into()), ("sent", sent.into())]);
        moments.push(plain(at, said));
    }
    if let Some(at) = attempt.lost_at {
        let said = match attempt.lost_answer {
            LostAnswer::GiveUp => look.t("videos-was-lost"),
            LostAnswer::Repeat => look.t("videos-was-lost-repeat"),
            LostAnswer::LookUp => look.t("videos-was-lost-look-up"),
        };
        moments.push(Moment { at, tone: Tone::Warn, said, quoted: None });
    }
    // What is settled at once was not taken.
    if let Some(at) = attempt.answered_at.filter(|_| attempt.upstream_id.is_some()) {
        moments.push(plain(at, look.t("videos-was-taken")));
    }
    if let (Some(at), Some(outcome)) = (attempt.settled_at, attempt.outcome) {
        let tone = if outcome == filmgate_domain::Outcome::Done { Tone::Plain } else { Tone::Bad };
        let said = look.with("videos-has-ended", [("outcome", outcome_word(outcome, look).into())]);
        moments.push(Moment { at, tone, said, quoted: attempt.error.as_deref().map(str::to_owned) });
    }
    moments
}

/// The end of a video: its file, or why there is none.
fn ending(job: &Job, look: Look) -> Option<Moment> {
    let at = job.finished_at?;
    if let Some(failure) = &job.failure {
        let said = look.with("videos-has-failed", [("code", failure.code.as_ref().into())]);
        return Some(Moment { at, tone: Tone::Bad, said, quoted: Some(failure.message.clone()) });
    }
    let file = job.delivered.as_ref()?;
    let seconds = format!("{:.1}", file.duration_ms as f64 / 1000.0);
    let values = [
        ("size", format!("{}x{}", file.width, file.height).into()),
        ("seconds", seconds.into()),
        ("bytes", bytes(file.bytes).into()),
        ("fetches", job.fetches.into()),
    ];
    Some(Moment { at, tone: Tone::Good, said: look.with("videos-was-fetched", values), quoted: None })
}

fn told(delivery: &Delivery, look: Look) -> Moment {
    let host = delivery.host.to_string();
    match delivery.state() {
        DeliveryState::Delivered => {
            let at = delivery.delivered_at.unwrap_or(delivery.created_at);
            let said = look.with("videos-was-told", [("host", host.into())]);
            Moment { at, tone: Tone::Good, said, quoted: None }
        }
        state => {
            let at = delivery.given_up_at.or(delivery.last_try_at).unwrap_or(delivery.created_at);
            let values = [("host", host.into()), ("tries", delivery.tries.into())];
            let (tone, said) = match state {
                DeliveryState::GivenUp => (Tone::Bad, look.with("videos-was-not-told", values)),
                _ => (Tone::Warn, look.with("videos-is-being-told", values)),
            };
            Moment { at, tone, said, quoted: delivery.last_error.as_deref().map(str::to_owned) }
        }
    }
}

fn state_now(job: &Job, look: Look) -> String {
    match job.state {
        JobState::Running => look.with("videos-now-running", [("progress", job.progress.into())]),
        state => state_word(state, look),
    }
}

#[cfg(test)]
mod tests {
    use filmgate_domain::{
        AspectRatio, CallerId, Event, JobFailure, JobId, Resolution, Route, Rules, Seconds, Shape, TokenId,
        VideoSpec, step,
    };

    use super::super::super::look::Theme;
    use super::super::super::words::Lang;
    use super::*;

    const ENGLISH: Look = Look { lang: Lang::English, theme: Theme::Auto };

    fn at(seconds: u64) -> Timestamp {
        Timestamp::from_millis(1_764_000_000_000) + Duration::from_secs(seconds)
    }

    fn waited_and_cancelled() -> Job {
        let aspect_ratio = AspectRatio::R16x9;
        let shape = Shape { resolution: Resolution::P720, seconds: Seconds::DEFAULT, aspect_ratio };
        let spec = VideoSpec::new("m", "a fox", shape).unwrap();
        let mut job = Job::new(JobId::from_bytes([7; 16]), CallerId(1), spec, [0; 32], (at(0), at(900)));
        let attempt = Attempt {
            n: 1,
            token: TokenId(3),
            pool: "ssoSuper".into(),
            upstream: "xai".into(),
            model: "m".into(),
            route: Route::Primary,
            reason: "".into(),
            sent: shape,
            units: 4,
            reserved_at: at(20),
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
        };
        for (second, event) in [
            (20, Event::Reserved(Box::new(attempt))),
            (21, Event::Sending),
            (23, Event::Accepted { upstream_id: "up-7".into() }),
            (30, Event::Cancelled),
        ] {
            let _ = step(&mut job, event, at(second), &Rules::default()).unwrap();
        }
        job
    }

    #[test]
    fn everything_that_happened_is_told_in_its_order() {
        let job = waited_and_cancelled();
        let told: Vec<String> = moments(&job, &[], ENGLISH)
            .into_iter()
            .map(|moment| format!("{} {}", distance(moment.at, job.created_at), moment.said))
            .collect();
        insta::assert_snapshot!(told.join("\n"), @r##"
         Asked for and accepted.
        +20.0 s Waited for a token for 20.0 s.
        +20.0 s tok_3 of ssoSuper reserved.
        +21.0 s Sent to xai: 720p 6s 16:9.
        +23.0 s The upstream took it.
        +30.0 s The upstream's part is over: cancelled.
        +30.0 s Failed: cancelled.
        "##);
    }

    #[test]
    fn a_video_that_never_had_a_token_has_a_beginning_and_an_end() {
        let mut job = waited_and_cancelled();
        job.attempts.clear();
        job.failure =
            Some(JobFailure::new("no_token_available", filmgate_domain::Fault::Gateway, "none came"));
        let told = moments(&job, &[], ENGLISH);
        assert_eq!(told.len(), 2);
        assert_eq!(told[1].quoted.as_deref(), Some("none came"));
        assert_eq!(told[1].tone, Tone::Bad);
    }
}
