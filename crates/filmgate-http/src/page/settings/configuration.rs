//! The configuration in effect, who is signed in, and what runs.

use axum::extract::{Query, State};
use axum::response::{IntoResponse as _, Redirect, Response};
use filmgate_store::About;
use http::StatusCode;
use maud::{Markup, html};
use serde::Deserialize;

use crate::admin::config::read_anew;
use crate::page::look::Look;
use crate::page::parts::{Tone, badge, bytes, note, span, table};
use crate::page::session::Visitor;
use crate::refusal::Refusal;
use crate::{App, ConfigValue, Mistake, Restart, ValueSource};

use super::{Part, render};

#[derive(Default, Deserialize)]
#[serde(default)]
pub(super) struct Wanted {
    /// What keys, values or sources contain.
    filter: String,
    /// Only what is no default.
    own: String,
    done: String,
    n: u32,
}

pub(super) async fn page(State(app): State<App>, visitor: Visitor, Query(wanted): Query<Wanted>) -> Response {
    let told = (wanted.done == "reloaded")
        .then(|| (Tone::Good, visitor.look.with("settings-reloaded", [("n", wanted.n.into())])));
    let body = body(&app, visitor.look, &wanted, &[]).await;
    render(&visitor, Part::Configuration, told, &body)
}

pub(super) async fn reload(State(app): State<App>, visitor: Visitor) -> Response {
    match read_anew(&app, visitor.by()).await {
        Ok(changes) => {
            Redirect::to(&format!("/admin/settings?done=reloaded&n={}", changes.len())).into_response()
        }
        Err(problem) => {
            let told = Some((Tone::Bad, visitor.look.t("settings-not-reloaded")));
            let body = body(&app, visitor.look, &Wanted::default(), &problem.0).await;
            (StatusCode::BAD_REQUEST, render(&visitor, Part::Configuration, told, &body)).into_response()
        }
    }
}

pub(super) async fn sign_out_everywhere(State(app): State<App>, visitor: Visitor) -> Response {
    let count = app.sessions.count(app.engine.now());
    if let Err(error) = app.sessions.end_all(app.engine.store()).await {
        let refusal = Refusal::from(error);
        let body = body(&app, visitor.look, &Wanted::default(), &[]).await;
        let told = Some((Tone::Bad, refusal.message));
        return (refusal.status, render(&visitor, Part::Configuration, told, &body)).into_response();
    }
    app.audit(visitor.by(), "session.end_all", "operator", format!("{count} signed out")).await;
    Redirect::to("/admin/sign-in").into_response()
}

async fn body(app: &App, look: Look, wanted: &Wanted, mistakes: &[Mistake]) -> Markup {
    let values = app.configuration.values();
    let pending: Vec<&ConfigValue> =
        values.iter().filter(|value| value.restart == Restart::Pending).collect();
    html! {
        @if !mistakes.is_empty() {
            ul.note.bad lang="en" { @for mistake in mistakes { li { (mistake) } } }
        }
        @if !pending.is_empty() {
            (note(Tone::Warn, &look.with("settings-restart-pending", [
                ("keys", pending.iter().map(|value| &*value.key).collect::<Vec<_>>().join(", ").into()),
            ])))
        }
        div.cards {
            (file(app, look))
            (sessions(app, look))
            (versions(app, look).await)
        }
        (effective(look, wanted, &values))
    }
}

fn file(app: &App, look: Look) -> Markup {
    html! {
        section.card {
            h2 { (look.t("settings-file")) }
            @match app.configuration.file() {
                Some(file) => p { code { (file) } },
                None => p { (look.t("settings-no-file")) " " code { (app.configuration.writes_to()) } },
            }
            form method="post" action="/admin/settings/reload" {
                button type="submit" { (look.t("settings-reload")) }
            }
            p.hint { (look.t("settings-reload-about")) " " a href="/admin/routing#undo" { (look.t("settings-undo")) } }
        }
    }
}

fn sessions(app: &App, look: Look) -> Markup {
    let count = app.sessions.count(app.engine.now());
    html! {
        section.card {
            h2 { (look.t("settings-sessions")) }
            p { (look.with("settings-signed-in", [("n", count.into())])) }
            form method="post" action="/admin/settings/sign-out-everywhere" data-confirm=(look.t("settings-sign-out-sure")) {
                button.danger type="submit" { (look.t("settings-sign-out-everywhere")) }
            }
        }
    }
}

async fn versions(app: &App, look: Look) -> Markup {
    let about = app.engine.store().about().await;
    let uptime = app.engine.now().since(app.requests.since());
    html! {
        section.card {
            h2 { (look.t("settings-versions")) }
            dl {
                dt { "filmgate" } dd { (env!("CARGO_PKG_VERSION")) }
                dt { (look.t("settings-uptime")) } dd { (span(uptime)) }
                @match about {
                    Ok(About { sqlite, bytes: books, media_bytes }) => {
                        dt { "SQLite" } dd { (sqlite) }
                        dt { (look.t("settings-database")) } dd { (bytes(books)) }
                        dt { (look.t("settings-media")) } dd { (bytes(media_bytes)) }
                    }
                    Err(error) => {
                        dt { "SQLite" } dd { (badge(Tone::Bad, &Refusal::from(error).message)) }
                    }
                }
            }
        }
    }
}

fn effective(look: Look, wanted: &Wanted, values: &[ConfigValue]) -> Markup {
    let needle = wanted.filter.trim().to_lowercase();
    let own = !wanted.own.is_empty();
    let fits = |value: &&ConfigValue| {
        let texts = [&value.key, &value.text, &source(look, &value.source)];
        let found = texts.iter().any(|text| text.to_lowercase().contains(&needle));
        found && (!own || value.source != ValueSource::Default)
    };
    let shown: Vec<&ConfigValue> = values.iter().filter(fits).collect();
    html! {
        section.card {
            h2 { (look.t("settings-effective")) }
            form.row method="get" action="/admin/settings" {
                label {
                    span { (look.t("settings-filter")) }
                    input type="search" name="filter" value=(wanted.filter);
                }
                label.tick {
                    input type="checkbox" name="own" value="1" checked[own];
                    span { (look.t("settings-own")) }
                }
                button type="submit" { (look.t("settings-find")) }
            }
            @if shown.is_empty() { p { (look.t("settings-none-found")) } }
            @for section in shown.chunk_by(|a, b| a.section == b.section) { (section_of(look, section)) }
        }
    }
}

fn section_of(look: Look, values: &[&ConfigValue]) -> Markup {
    let Some(name) = values.first().map(|value| &value.section) else { return html! {} };
    let markup = html! {
        table.settings {
            thead { tr {
                th scope="col" { (look.t("settings-column-key")) } th scope="col" { (look.t("settings-column-value")) }
                th scope="col" { (look.t("settings-column-source")) }
            } }
            tbody {
                @for value in values {
                    tr {
                        th scope="row" {
                            code { (value.name) }
                            p.hint lang="en" { (value.about) }
                        }
                        td { code { (value.text) } }
                        td {
                            (source(look, &value.source))
                            @match value.restart {
                                Restart::No => {}
                                Restart::Needed => { " " (badge(Tone::Plain, &look.t("settings-restart-needed"))) }
                                Restart::Pending => { " " (badge(Tone::Warn, &look.t("settings-restart-waits"))) }
                            }
                        }
                    }
                }
            }
        }
    };
    html! {
        h3 { code { "[" (name) "]" } }
        (table(name, &markup))
    }
}

fn source(look: Look, source: &ValueSource) -> String {
    match source {
        ValueSource::Default => look.t("settings-source-default"),
        ValueSource::Preset(name) => look.with("settings-source-preset", [("name", name.as_str().into())]),
        ValueSource::File { path, line } => format!("{path}:{line}"),
        ValueSource::Env(variable) => {
            look.with("settings-source-env", [("variable", variable.as_str().into())])
        }
        ValueSource::Set => "--set".to_owned(),
    }
}
