//! The form in which switches and pools are filled in.

use filmgate_domain::Resolution;
use maud::{Markup, html};
use serde_json::Value;

use crate::ValueSource;
use crate::page::look::Look;
use crate::page::parts::{Tone, note, table};

use super::draft::{COSTS, DELIVERS, Field, Fields, Kind};

/// What a form asks besides the settings: how many videos, and which pools as if they were short.
pub(super) struct Extent {
    pub(super) last: u32,
    pub(super) short: Vec<String>,
}

pub(super) fn render(look: Look, fields: &Fields, extent: &Extent, file: &str) -> Markup {
    let in_use: Vec<&str> =
        fields.video.iter().find(|field| field.kind == Kind::Names).map_or(Vec::new(), |field| {
            field.setting.value.as_array().into_iter().flatten().filter_map(Value::as_str).collect()
        });
    html! {
        p.hint { (look.t("routing-edit-about")) " " code { (file) } }
        @for mistake in &fields.mistakes { (note(Tone::Bad, mistake)) }
        form #draft method="post" action="/admin/routing/preview" {
            fieldset {
                legend { (look.t("routing-switches")) }
                @for field in &fields.video { (one(look, field)) }
            }
            @for (pool, fields) in &fields.pools {
                @let used = in_use.contains(&pool.as_str());
                @let wrong = fields.iter().any(|field| !field.mistakes.is_empty());
                details.pool open[used || wrong] {
                    summary {
                        strong { (look.with("routing-pool", [("pool", pool.as_str().into())])) }
                        @if !used { " " span.hint { (look.t("routing-pool-unused")) } }
                    }
                    @for field in fields { (one(look, field)) }
                }
            }
            (extent_fields(look, &in_use, extent))
            button.primary type="submit" { (look.t("routing-preview")) }
        }
    }
}

fn extent_fields(look: Look, pools: &[&str], extent: &Extent) -> Markup {
    html! {
        fieldset {
            legend { (look.t("routing-extent")) }
            div.row {
                label {
                    span { (look.t("routing-last")) }
                    input type="number" name="last" min="1" max=(crate::admin::preview::MOST) value=(extent.last);
                }
                (shortage(look, pools, &extent.short, "draft"))
            }
        }
    }
}

/// Ticks for pools that are to be treated as if they had no token. `place` keeps the ids apart.
pub(super) fn shortage(look: Look, pools: &[&str], short: &[String], place: &str) -> Markup {
    html! {
        div role="group" aria-labelledby={ "short-" (place) } {
            span.label #{ "short-" (place) } { (look.t("routing-short")) }
            div.row {
                @for pool in pools {
                    label.tick {
                        input type="checkbox" name="short" value=(pool) checked[short.iter().any(|name| name == pool)];
                        span { (pool) }
                    }
                }
            }
        }
    }
}

/// A setting: its field, what it means, and what is wrong with it.
fn one(look: Look, field: &Field) -> Markup {
    let setting = &field.setting;
    let fixed = match &setting.source {
        ValueSource::Env(variable) => {
            Some(look.with("routing-fixed-env", [("variable", variable.as_str().into())]))
        }
        ValueSource::Set => Some(look.t("routing-fixed-set")),
        _ => None,
    };
    let label = look.t(&format!("routing-field-{}", setting.name));
    let described = format!("about-{}", setting.key);
    let is_wrong = !field.mistakes.is_empty();
    let hint = look.t(&format!("routing-hint-{}", setting.name));
    html! {
        div.setting {
            @match field.kind {
                Kind::Switch => {
                    @let on = field.entered.as_bool().unwrap_or_default();
                    @if fixed.is_none() { input type="hidden" name=(setting.key) value="false"; }
                    label.tick {
                        input type="checkbox" name=(setting.key) value="true" checked[on] disabled[fixed.is_some()]
                            aria-describedby=(described) aria-invalid=[is_wrong.then_some("true")];
                        span { (label) }
                    }
                }
                Kind::Delivers | Kind::Costs => {
                    (rows(look, field, &label, fixed.is_some()))
                }
                Kind::Number | Kind::Text | Kind::Names => label {
                    span { (label) }
                    input type="text" inputmode=[(field.kind == Kind::Number).then_some("decimal")]
                        name=(setting.key) value=(shown(&field.entered)) disabled[fixed.is_some()]
                        aria-describedby=(described) aria-invalid=[is_wrong.then_some("true")];
                },
            }
            p.hint #(described) {
                (hint) " " code { (setting.key) }
                @if let Some(fixed) = &fixed { " " strong { (fixed) } }
            }
            @for mistake in &field.mistakes { p.note.bad role="alert" lang="en" { (mistake) } }
        }
    }
}

/// A table of rows, and an empty one to fill in.
fn rows(look: Look, field: &Field, label: &str, is_fixed: bool) -> Markup {
    let columns = if field.kind == Kind::Delivers { DELIVERS } else { COSTS };
    let entered: Vec<&Value> = field.entered.as_array().into_iter().flatten().collect();
    let rows = entered.iter().map(|row| Some(*row)).chain((!is_fixed).then_some(None));
    let cell =
        |row: Option<&Value>, column| row.and_then(|row| row.get(column)).map(shown).unwrap_or_default();
    let body = html! {
        table {
            caption { (label) }
            thead { tr { @for column in columns { th scope="col" { (look.t(&format!("routing-column-{column}"))) } } } }
            tbody {
                @for (nth, row) in rows.enumerate() {
                    tr {
                        @for column in columns {
                            @let name = format!("{}.{nth}.{column}", field.setting.key);
                            @let label = look.with("routing-cell", [
                                ("column", look.t(&format!("routing-column-{column}")).into()),
                                ("row", (nth + 1).into()),
                            ]);
                            td {
                                @if column == "resolution" {
                                    (resolution(&name, &label, &cell(row, column), &empty_option(look, field.kind, row.is_some()), is_fixed))
                                } @else {
                                    input type="text" name=(name) value=(cell(row, column)) aria-label=(label)
                                        disabled[is_fixed] size=[(column != "modes" && column != "models").then_some(5)];
                                }
                            }
                        }
                    }
                }
            }
        }
    };
    table(&format!("{label}: {}", field.setting.section), &body)
}

/// What it means to choose no resolution.
fn empty_option(look: Look, kind: Kind, is_row: bool) -> String {
    match (kind, is_row) {
        (Kind::Costs, _) => look.t("routing-any"),
        (_, true) => look.t("routing-no-row"),
        (_, false) => "-".to_owned(),
    }
}

fn resolution(name: &str, label: &str, chosen: &str, empty: &str, is_fixed: bool) -> Markup {
    let known = Resolution::ALL.iter().any(|resolution| resolution.as_str() == chosen);
    html! {
        select name=(name) aria-label=(label) disabled[is_fixed] {
            option value="" selected[chosen.is_empty()] { (empty) }
            @for resolution in Resolution::ALL {
                option value=(resolution) selected[resolution.as_str() == chosen] { (resolution) }
            }
            @if !known && !chosen.is_empty() { option value=(chosen) selected { (chosen) } }
        }
    }
}

/// A value as it is filled in.
fn shown(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Array(items) => items.iter().map(shown).collect::<Vec<_>>().join(", "),
        other => other.to_string(),
    }
}
