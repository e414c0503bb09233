//! What if: where a video would go now, or if pools were short.

use filmgate_domain::{
    Candidate, Decision, Mode, OnShortage, PassedOver, Reason, Resolution, Route, Seconds, Shape, Timestamp,
    TokenClass, Wanted, WhatIf,
};
use maud::{Markup, html};
use serde::Deserialize;

use crate::App;
use crate::admin::pools::{self, RouteQuery};
use crate::page::look::Look;
use crate::page::parts::{Tone, badge, note, select, table, time};
use crate::refusal::Refusal;

use super::form;

/// What somebody asks about.
#[derive(Clone, Default, Deserialize)]
#[serde(default)]
pub(super) struct Asked {
    model: String,
    resolution: String,
    seconds: String,
    mode: String,
    on_shortage: String,
    pub(super) short: Vec<String>,
    /// What was done before this page.
    pub(super) done: String,
    /// How many values that changed.
    pub(super) n: u32,
}

impl Asked {
    fn is_asked(&self) -> bool {
        !self.resolution.is_empty()
    }
}

pub(super) fn render(app: &App, look: Look, asked: &Asked) -> Markup {
    html! {
        section.card #what-if {
            h2 { (look.t("routing-what-if")) }
            p.hint { (look.t("routing-what-if-about")) }
            (question(app, look, asked))
            @if asked.is_asked() {
                // A fragment in the address would lead here too, but the same question again would stay unanswered.
                div #answer tabindex="-1" autofocus {
                    @match answer(app, asked) {
                        Ok((what_if, shape)) => { (explained(app, look, asked, &what_if, shape)) }
                        Err(refusal) => { (note(Tone::Bad, &refusal.message)) }
                    }
                }
            }
        }
    }
}

fn question(app: &App, look: Look, asked: &Asked) -> Markup {
    let settings = app.engine.settings();
    let same = |words: &[&str]| {
        words.iter().map(|word| ((*word).to_owned(), (*word).to_owned())).collect::<Vec<_>>()
    };
    let models: Vec<&str> = settings.catalog.models().iter().map(|model| &*model.name).collect();
    let modes = Mode::ALL.map(|mode| (mode.as_str().to_owned(), look.t(&format!("routing-mode-{mode}"))));
    let shortages = OnShortage::ALL.map(|choice| {
        (choice.as_str().to_owned(), look.t(&format!("routing-on-shortage-{}", choice.as_str())))
    });
    let pools: Vec<&str> = settings.catalog.pools().iter().map(|pool| &*pool.name).collect();
    let seconds = if asked.seconds.is_empty() { Seconds::DEFAULT.to_string() } else { asked.seconds.clone() };
    html! {
        form method="get" action="/admin/routing" {
            div.row {
                (select("model", &look.t("routing-model"), &same(&models), &asked.model))
                (select("resolution", &look.t("routing-resolution"), &same(&Resolution::ALL.map(Resolution::as_str)), &asked.resolution))
                label {
                    span { (look.t("routing-seconds")) }
                    input type="number" name="seconds" min="1" max=(Seconds::MAX) value=(seconds);
                }
                (select("mode", &look.t("routing-mode"), &modes, &asked.mode))
                (select("on_shortage", &look.t("routing-on-shortage"), &shortages, &asked.on_shortage))
                (form::shortage(look, &pools, &asked.short, "what-if"))
                button type="submit" { (look.t("routing-ask")) }
            }
        }
    }
}

fn answer(app: &App, asked: &Asked) -> Result<(WhatIf, Shape), Refusal> {
    let given = |text: &str| Some(text.trim().to_owned()).filter(|text| !text.is_empty());
    let query = RouteQuery {
        model: given(&asked.model),
        resolution: given(&asked.resolution),
        seconds: given(&asked.seconds),
        mode: given(&asked.mode),
    };
    let (model, shape, mode) = pools::asked(app, query)?;
    let fallback = asked.on_shortage.is_empty() || asked.on_shortage == OnShortage::Fallback.as_str();
    let wanted = Wanted { model: &model, shape, mode, fallback };
    let short: Vec<&str> = asked.short.iter().map(String::as_str).collect();
    let what_if = app.engine.what_if(&wanted, &short).map_err(|error| pools::not_routed(app, error))?;
    Ok((what_if, shape))
}

fn explained(
    app: &App,
    look: Look,
    asked: &Asked,
    WhatIf { decision, order }: &WhatIf,
    shape: Shape,
) -> Markup {
    let now = app.engine.now();
    let settings = app.engine.settings();
    let named =
        |candidate: &Candidate| settings.catalog.pools().get(candidate.pool).map(|pool| pool.name.clone());
    let rows: Vec<(Box<str>, &Candidate)> =
        order.iter().filter_map(|candidate| Some((named(candidate)?, candidate))).collect();
    let unable =
        decision.passed_over.iter().filter(|passed| rows.iter().all(|(pool, _)| *pool != passed.pool));
    let chosen =
        rows.iter().position(|(pool, _)| decision.chosen.as_ref().is_some_and(|chosen| chosen.pool == *pool));
    let markup = html! {
        table {
            caption { (look.t("routing-order-about")) }
            thead { tr {
                th scope="col" { "#" } th scope="col" { (look.t("routing-column-pool")) }
                th scope="col" { (look.t("routing-column-route")) } th scope="col" { (look.t("routing-column-sent")) }
                th scope="col" { (look.t("routing-column-outcome")) }
            } }
            tbody {
                @for (nth, (pool, candidate)) in rows.iter().enumerate() {
                    tr {
                        td { (nth + 1) }
                        th scope="row" { (pool) }
                        td { (badge(tone(candidate.route), &route(look, candidate.route))) }
                        td { (form_of(candidate.sent)) }
                        td {
                            @if chosen == Some(nth) { p { strong { (look.t("routing-chosen")) } } }
                            @else if chosen.is_some_and(|chosen| chosen < nth) { p { (look.t("routing-not-needed")) } }
                            (passed_over(look, decision, pool, &asked.short, now))
                        }
                    }
                }
                @for passed in unable {
                    tr {
                        td { "-" }
                        th scope="row" { (passed.pool) }
                        td { (badge(Tone::Plain, &look.t("routing-route-none"))) }
                        td { "-" }
                        td { (classes(look, passed, now)) }
                    }
                }
            }
        }
    };
    html! {
        (sentence(look, decision, shape, now))
        (table(&look.t("routing-order"), &markup))
    }
}

/// The answer in words.
fn sentence(look: Look, decision: &Decision, shape: Shape, now: Timestamp) -> Markup {
    let asked = form_of(shape);
    let Some(chosen) = &decision.chosen else {
        return html! {
            p.note.bad role="status" {
                (look.with("routing-answer-none", [("asked", asked.into()), ("model", decision.model.to_string().into())]))
                @if let Some(at) = decision.expected() { " " (look.t("routing-answer-expected")) " " (time(at, now)) }
            }
        };
    };
    let key = match chosen.route {
        Route::Primary => "routing-answer-primary",
        Route::Upgrade => "routing-answer-upgrade",
        Route::Fallback => "routing-answer-fallback",
    };
    let text = look.with(
        key,
        [
            ("asked", asked.into()),
            ("model", decision.model.to_string().into()),
            ("pool", chosen.pool.to_string().into()),
            ("sent", form_of(chosen.sent).into()),
        ],
    );
    html! {
        p class={ "note " (tone(chosen.route).class()) } role="status" {
            (text) " " (look.t("routing-answer-token")) " "
            a href={ "/admin/tokens/" (chosen.token) } { (chosen.token) } "."
        }
    }
}

/// Why a pool's tokens were passed over, if any were.
fn passed_over(look: Look, decision: &Decision, pool: &str, short: &[String], now: Timestamp) -> Markup {
    let passed = decision.passed_over.iter().find(|passed| *passed.pool == *pool);
    html! {
        @if let Some(passed) = passed { (classes(look, passed, now)) }
        @if short.iter().any(|name| name == pool) { p.hint { (look.t("routing-assumed")) } }
    }
}

fn classes(look: Look, passed: &PassedOver, now: Timestamp) -> Markup {
    html! {
        ul.plain {
            @for TokenClass { tokens, reason } in &passed.classes {
                li {
                    @if *tokens > 0 { (look.with("routing-tokens", [("n", (*tokens).into())])) " " }
                    (words(look, reason))
                    @if let Some(at) = reason.until() { (look.t("routing-until")) (time(at, now)) }
                }
            }
        }
    }
}

/// A reason in the reader's language.
fn words(look: Look, reason: &Reason) -> String {
    match reason {
        Reason::NoTokens => look.t("routing-reason-no-tokens"),
        Reason::OutOfQuota { .. } => look.t("routing-reason-out-of-quota"),
        Reason::Cooling { .. } => look.t("routing-reason-cooling"),
        Reason::InFlight { limit, .. } => look.with("routing-reason-in-flight", [("limit", (*limit).into())]),
        Reason::Throttled { .. } => look.t("routing-reason-throttled"),
        Reason::Disabled => look.t("routing-reason-disabled"),
        Reason::Expired => look.t("routing-reason-expired"),
        Reason::CannotDeliver { resolution, seconds, mode } => look.with(
            "routing-reason-cannot-deliver",
            [
                ("form", format!("{resolution} {seconds} s").into()),
                ("mode", look.t(&format!("routing-mode-{mode}")).into()),
            ],
        ),
        Reason::FallbackNotAllowed => look.t("routing-reason-fallback-not-allowed"),
        Reason::FallbackNotWanted => look.t("routing-reason-fallback-not-wanted"),
        Reason::UpgradeNotAllowed => look.t("routing-reason-upgrade-not-allowed"),
        Reason::KeptInReserve { left, granted, .. } => look.with(
            "routing-reason-kept-in-reserve",
            [("left", (*left).into()), ("granted", (*granted).into())],
        ),
    }
}

/// `720p 6 s`
pub(super) fn form_of(shape: Shape) -> String {
    format!("{} {} s", shape.resolution, shape.seconds)
}

pub(super) fn tone(route: Route) -> Tone {
    match route {
        Route::Primary => Tone::Good,
        Route::Upgrade => Tone::Plain,
        Route::Fallback => Tone::Warn,
    }
}

pub(super) fn route(look: Look, route: Route) -> String {
    look.t(&format!("routing-route-{route}"))
}
