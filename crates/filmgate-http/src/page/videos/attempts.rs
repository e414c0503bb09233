//! Every attempt at a video: with which token, why there, what the upstream answered, what it cost.

use filmgate_domain::{Attempt, Input, Job, Role, Route, Source, Timestamp};
use maud::{Markup, html};

use super::super::look::Look;
use super::super::parts::{Tone, badge, bytes, maybe_time, note, number, time};
use super::words::{address, outcome_badge, route_badge, route_word};

/// Why the video went where it went.
pub(super) fn decision(job: &Job, look: Look) -> Markup {
    let Some(attempt) = job.attempt() else {
        return html! { p { (look.t("videos-no-decision")) } };
    };
    let values = [
        ("pool", attempt.pool.to_string().into()),
        ("route", route_word(attempt.route, look).into()),
        ("sent", attempt.sent.to_string().into()),
    ];
    html! {
        @if attempt.route == Route::Fallback { (note(Tone::Warn, &look.t("videos-fallback-warning"))) }
        p { (look.with("videos-went-to", values)) " " (look.t(&format!("videos-why-{}", attempt.route))) }
        @if !attempt.reason.is_empty() { (passed_over(&attempt.reason, look)) }
    }
}

/// The recorded reason: pools with why they were passed over, set apart by semicolons.
fn passed_over(reason: &str, look: Look) -> Markup {
    html! {
        p { (look.t("videos-passed-over")) }
        ul lang="en" { @for part in reason.split("; ") { li { (part) } } }
    }
}

pub(super) fn attempts(job: &Job, look: Look, now: Timestamp) -> Markup {
    html! {
        @if job.attempts.is_empty() { p { (look.t("videos-no-attempt")) } }
        // Of the only one it was told above.
        @let explains = job.attempts.len() > 1;
        @for attempt in &job.attempts { (one(attempt, explains, look, now)) }
    }
}

fn one(attempt: &Attempt, explains: bool, look: Look, now: Timestamp) -> Markup {
    let values = [("n", attempt.n.into()), ("pool", attempt.pool.to_string().into())];
    html! {
        article.attempt {
            h3 {
                (look.with("videos-attempt", values)) " "
                (route_badge(attempt.route, look)) " " (outcome_badge(attempt, look))
            }
            dl {
                dt { (look.t("videos-token")) }
                dd { a href={ "/admin/tokens/" (attempt.token) } { (attempt.token) } }
                dt { (look.t("videos-upstream")) }
                dd { (attempt.upstream) " (" (attempt.model) ")" }
                dt { (look.t("videos-sent-as")) }
                dd { (attempt.sent) }
                dt { (look.t("videos-times")) }
                dd { (times(attempt, look, now)) }
                dt { (look.t("videos-units")) }
                dd { (units(attempt, look)) }
                @if let Some(id) = &attempt.upstream_id {
                    dt { (look.t("videos-upstream-id")) }
                    dd { code { (id) } }
                }
                @if let Some(ticks) = attempt.cost_ticks {
                    dt { (look.t("videos-cost")) }
                    dd { (dollars(ticks)) }
                }
                @if let Some(until) = attempt.slot_until.filter(|until| *until > now) {
                    dt { (look.t("videos-slot")) }
                    dd { (time(until, now)) }
                }
            }
            @if explains && !attempt.reason.is_empty() { (passed_over(&attempt.reason, look)) }
            @if let Some(error) = &attempt.error {
                p { (look.t("videos-answer")) }
                pre lang="en" { (error) }
            }
        }
    }
}

fn times(attempt: &Attempt, look: Look, now: Timestamp) -> Markup {
    html! {
        (look.t("videos-reserved")) " " (time(attempt.reserved_at, now)) ", "
        (look.t("videos-submitted")) " " (maybe_time(attempt.sent_at, now)) ", "
        (look.t("videos-answered")) " " (maybe_time(attempt.answered_at, now)) ", "
        (look.t("videos-settled")) " " (maybe_time(attempt.settled_at, now))
    }
}

fn units(attempt: &Attempt, look: Look) -> String {
    let units = [("units", number(attempt.units.into()).into())];
    match (attempt.settled_at, attempt.charged) {
        (None, _) => look.with("videos-units-reserved", units),
        (Some(_), true) => look.with("videos-units-spent", units),
        (Some(_), false) => look.with("videos-units-returned", units),
    }
}

/// Ticks are 10^-10 USD.
fn dollars(ticks: i64) -> String {
    format!("${:.4}", ticks as f64 / 1e10)
}

/// What the video was made from.
pub(super) fn inputs(job: &Job, look: Look) -> Markup {
    html! { ul { @for input in &job.spec.inputs { li { (input_line(input, look)) } } } }
}

fn input_line(input: &Input, look: Look) -> Markup {
    let role = match input.role {
        Role::FirstFrame => look.t("videos-first-frame"),
        Role::Reference => look.t("videos-reference"),
        Role::Video => look.t("videos-source-video"),
    };
    html! {
        (badge(Tone::Plain, &role)) " "
        @match &input.source {
            Source::Url { url } => code { (url) },
            Source::Job { id } => a href=(address(*id)) { (crate::dialect::openai::spell(*id)) },
            Source::File { media_type, bytes: size, sha256 } => {
                (media_type) ", " (bytes(*size)) ", SHA-256 " code { (sha256) }
                " " span.hint { (look.t("videos-files-kept")) }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::dollars;

    #[test]
    fn ticks_are_dollars() {
        assert_eq!([3_000_000_000, 0, 12_345_678].map(dollars), ["$0.3000", "$0.0000", "$0.0012"]);
    }
}
