//! What a draft would change: settings, and where the last videos would have gone.

use filmgate_domain::Fate;
use maud::{Markup, html};

use crate::Change;
use crate::admin::preview::{Move, Preview};
use crate::dialect::openai;
use crate::page::look::Look;
use crate::page::parts::{Tone, note, number, table};

use super::what_if::{form_of, route};

/// How many of the videos that go another way are listed.
const LISTED: usize = 100;

pub(super) fn render(look: Look, preview: &Preview, values: &[(String, String)], short: &[String]) -> Markup {
    let Preview { draft, videos, moves, changed } = preview;
    html! {
        section.card #preview {
            h2 { (look.t("routing-preview-title")) }
            @if values.is_empty() {
                (note(Tone::Plain, &look.t("routing-preview-nothing")))
            } @else {
                (changes(look, &look.t("routing-changes"), &draft.changes))
                @if draft.changes.is_empty() { (note(Tone::Warn, &look.t("routing-preview-no-effect"))) }
                @for warning in &draft.warnings { (note(Tone::Warn, warning)) }
                h3 { (look.with("routing-preview-videos", [("n", (*videos).into())])) }
                p.hint {
                    (look.t("routing-preview-assumed"))
                    @if !short.is_empty() {
                        " " (look.with("routing-preview-short", [("pools", short.join(", ").into())]))
                    }
                }
                p { strong { (look.with("routing-preview-changed", [("n", changed.len().into()), ("all", (*videos).into())])) } }
                @if !moves.is_empty() { (summary(look, moves)) }
                @if !changed.is_empty() { (list(look, preview)) }
                form method="post" action="/admin/routing/apply" {
                    @for (key, value) in values { input type="hidden" name=(key) value=(value); }
                    button.primary type="submit" { (look.t("routing-apply")) }
                    " " a.button href="/admin/routing" { (look.t("routing-discard")) }
                }
            }
        }
    }
}

/// Settings, before and after. `label` names the table for those who cannot see where it stands.
pub(super) fn changes(look: Look, label: &str, changes: &[Change]) -> Markup {
    if changes.is_empty() {
        return html! {};
    }
    let value = |text: &Option<String>| text.clone().unwrap_or_else(|| "-".to_owned());
    let markup = html! {
        table {
            thead { tr {
                th scope="col" { (look.t("routing-column-setting")) } th scope="col" { (look.t("routing-column-before")) }
                th scope="col" { (look.t("routing-column-after")) }
            } }
            tbody {
                @for change in changes {
                    tr {
                        th scope="row" { code { (change.key) } }
                        td { code { (value(&change.before)) } }
                        td { code { (value(&change.after)) } }
                    }
                }
            }
        }
    };
    table(label, &markup)
}

fn summary(look: Look, moves: &[Move]) -> Markup {
    let markup = html! {
        table {
            thead { tr {
                th scope="col" { (look.t("routing-column-now")) } th scope="col" { (look.t("routing-column-draft")) }
                th.number scope="col" { (look.t("routing-column-videos")) }
            } }
            tbody {
                @for Move { before, after, videos } in moves {
                    tr {
                        td { (fate(look, before)) }
                        td { @if before == after { (look.t("routing-same")) } @else { strong { (fate(look, after)) } } }
                        td.number { (number(*videos as u64)) }
                    }
                }
            }
        }
    };
    table(&look.t("routing-summary"), &markup)
}

fn list(look: Look, preview: &Preview) -> Markup {
    let markup = html! {
        table {
            thead { tr {
                th scope="col" { (look.t("routing-column-video")) } th scope="col" { (look.t("routing-column-asked")) }
                th scope="col" { (look.t("routing-column-now")) } th scope="col" { (look.t("routing-column-draft")) }
            } }
            tbody {
                @for (job, before, after) in preview.changed.iter().take(LISTED) {
                    @let id = openai::spell(job.id);
                    tr {
                        td { a.mono href={ "/admin/videos/" (id) } { (id) } }
                        td { (form_of(job.spec.shape)) }
                        td { (whole_fate(look, before)) }
                        td { (whole_fate(look, after)) }
                    }
                }
            }
        }
    };
    html! {
        h3 { (look.t("routing-preview-list")) }
        (table(&look.t("routing-preview-list"), &markup))
        @if preview.changed.len() > LISTED {
            p.hint { (look.with("routing-preview-more", [("n", (preview.changed.len() - LISTED).into())])) }
        }
    }
}

/// Where a video goes, in few words.
fn fate(look: Look, fate: &Fate) -> String {
    match fate {
        Fate::Made { pool, route: way, .. } => format!("{pool} ({})", route(look, *way)),
        Fate::NoToken => look.t("routing-fate-no-token"),
        Fate::Undeliverable => look.t("routing-fate-undeliverable"),
        Fate::NoModel => look.t("routing-fate-no-model"),
    }
}

/// The same, with what would be asked for.
fn whole_fate(look: Look, way: &Fate) -> String {
    match way {
        Fate::Made { sent, .. } => format!("{}: {}", fate(look, way), form_of(*sent)),
        other => fate(look, other),
    }
}
