//! `filmgate job show`: the life of a job as a timeline.

use std::fmt::Write as _;

use filmgate_domain::Timestamp;

use super::wire::{Attempt, Job, dollars};
use crate::cli::{out, route, time};

/// A job and everything that happened to it.
pub(super) fn render(job: &Job, now: Timestamp) -> String {
    let report = &job.report;
    let state = match &job.failure {
        Some(failure) => format!("failed: {} ({})", failure.message, failure.code),
        None if job.finished_at.is_some() => job.state.clone(),
        None => {
            format!("{} {} %, must be done {}", job.state, job.progress, time::relative(job.deadline, now))
        }
    };
    let mut text = out::fields(&[
        ("job", job.id.clone()),
        ("state", state),
        ("verdict", report.judgement()),
        ("prompt", out::shorten(&job.prompt, 300)),
        ("model", job.model.clone()),
        ("caller", job.caller.clone()),
        ("asked", report.asked.map(|shape| shape.to_string()).unwrap_or_default()),
        ("delivered", report.delivered.as_ref().map(|file| file.words()).unwrap_or_default()),
    ]);
    let timeline = Timeline { start: job.created_at };
    let _ = writeln!(text, "\n{}  asked for", time::exact(job.created_at));
    for attempt in &job.attempts {
        timeline.attempt(&mut text, attempt, now);
    }
    if let Some(at) = job.finished_at {
        timeline.line(&mut text, at, &job.state);
    }
    if let Some(at) = job.file_removed_at {
        timeline.line(&mut text, at, "the file was removed, its time was up");
    }
    out::clean(&text)
}

/// Writes lines with their distance from the start. Writing to a text does not fail.
struct Timeline {
    start: Timestamp,
}

impl Timeline {
    fn line(&self, text: &mut String, at: Timestamp, what: &str) {
        let after = at.since(self.start);
        let distance = match after.as_secs() {
            0..100 => format!("+{:.2} s", after.as_secs_f64()),
            _ => format!("+{}", time::span(after)),
        };
        let _ = writeln!(text, "  {distance:>9}  {what}");
    }

    fn attempt(&self, text: &mut String, attempt: &Attempt, now: Timestamp) {
        let Attempt { n, token, pool, upstream, model, route, sent, units, .. } = attempt;
        let _ = writeln!(
            text,
            "attempt {n}: {token} of {pool} ({route}: {}), {units} units",
            route::meaning(*route)
        );
        if !attempt.reason.is_empty() {
            let _ = writeln!(text, "             because {}", attempt.reason);
        }
        self.line(text, attempt.reserved_at, "token reserved");
        if let Some(at) = attempt.sent_at {
            self.line(text, at, &format!("sent to {upstream}: {sent} with {model}"));
        }
        if let Some(at) = attempt.answered_at {
            let id = attempt.upstream_id.as_ref().map(|id| format!(", as {}", out::shorten(id, 60)));
            self.line(text, at, &format!("answered{}", id.unwrap_or_default()));
        }
        if let Some(at) = attempt.settled_at {
            self.line(text, at, &ending(attempt));
        }
        if let Some(until) = attempt.slot_until.filter(|until| *until > now) {
            let _ = writeln!(text, "             its slot stays taken until {}", time::exact(until));
        }
    }
}

fn ending(attempt: &Attempt) -> String {
    let mut words = attempt.outcome.map_or("ended", |outcome| outcome.as_str()).replace('_', " ");
    if let Some(error) = &attempt.error {
        let _ = write!(words, ": {}", out::shorten(error, 300));
    }
    let _ = match attempt.charged {
        true => write!(words, "; {} units spent", attempt.units),
        false => write!(words, "; units given back"),
    };
    if let Some(ticks) = attempt.cost_ticks {
        let _ = write!(words, ", {}", dollars(ticks));
    }
    words
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    /// A job whose first token was refused and that fell back after that.
    pub(in crate::cli::job) const EXAMPLE: &str = r#"{
        "id":"video_0198","caller":"caller_1","model":"grok-video","prompt":"a red fox\nin the snow","state":"completed",
        "progress":100,"created_at":0,"deadline":900000,"finished_at":9400,"failure":null,"file_removed_at":null,
        "attempts":[
          {"n":1,"token":"tok_4","pool":"ssoSuper","upstream":"xai","model":"grok-imagine-video","route":"primary",
           "reason":"","sent":{"resolution":"720p","seconds":10,"aspect_ratio":"16:9"},"units":4,"charged":false,
           "reserved_at":0,"sent_at":10,"answered_at":140,"settled_at":150,"slot_until":null,"upstream_id":null,
           "cost_ticks":null,"outcome":"refused","error":"401: bad credential"},
          {"n":2,"token":"tok_1","pool":"ssoBasic","upstream":"xai","model":"grok-imagine-video","route":"fallback",
           "reason":"ssoSuper: 1 token cooling","sent":{"resolution":"480p","seconds":6,"aspect_ratio":"16:9"},"units":4,
           "charged":true,"reserved_at":160,"sent_at":170,"answered_at":320,"settled_at":8200,"slot_until":null,
           "upstream_id":"0f3c","cost_ticks":3000000000,"outcome":"done","error":null}],
        "filmgate":{"state":"completed","pool":"ssoBasic","route":"fallback","reason":"ssoSuper: 1 token cooling",
          "asked":{"resolution":"720p","seconds":10,"aspect_ratio":"16:9"},
          "sent":{"resolution":"480p","seconds":6,"aspect_ratio":"16:9"},
          "delivered":{"width":752,"height":416,"seconds":6.0,"codec":"h264","bytes":1288490,"sha256":"00"},
          "verdict":"downgraded","shortfalls":["720p became 752x416","10s became 6s"],"routes":[]}}"#;

    #[test]
    fn the_whole_story_is_told() {
        let job: Job = serde_json::from_str(EXAMPLE).unwrap();
        let text = render(&job, Timestamp::from_millis(120_000));
        // The only line that depends on where we are.
        let text = text.replace(&time::exact(Timestamp::from_millis(0)), "[time]");
        insta::assert_snapshot!(text, @r"
        job        video_0198
        state      completed
        verdict    DOWNGRADED: 720p became 752x416, 10s became 6s
        prompt     a red fox in the snow
        model      grok-video
        caller     caller_1
        asked      720p 10s 16:9
        delivered  752x416, 6.0s, h264, 1.2 MiB

        [time]  asked for
        attempt 1: tok_4 of ssoSuper (primary: the first pool for such a video), 4 units
            +0.00 s  token reserved
            +0.01 s  sent to xai: 720p 10s 16:9 with grok-imagine-video
            +0.14 s  answered
            +0.15 s  refused: 401: bad credential; units given back
        attempt 2: tok_1 of ssoBasic (fallback: a pool that cannot deliver it as asked), 4 units
                     because ssoSuper: 1 token cooling
            +0.16 s  token reserved
            +0.17 s  sent to xai: 480p 6s 16:9 with grok-imagine-video
            +0.32 s  answered, as 0f3c
            +8.20 s  done; 4 units spent, $0.3000
            +9.40 s  completed
        ");
    }
}
