//! What operators did.

use axum::extract::{Query, State};
use axum::response::{IntoResponse as _, Response};
use filmgate_store::{AuditEntry, AuditFilter};
use maud::{Markup, html};
use serde::Deserialize;

use crate::App;
use crate::admin::audit::page_of;
use crate::page::look::Look;
use crate::page::parts::{Tone, field, table, time};
use crate::page::session::Visitor;
use crate::refusal::Refusal;

use super::{Part, render};

/// Entries on a page.
const ON_A_PAGE: u32 = 50;

#[derive(Default, Deserialize)]
#[serde(default)]
pub(super) struct Wanted {
    action: String,
    subject: String,
    before: Option<i64>,
}

pub(super) async fn page(State(app): State<App>, visitor: Visitor, Query(wanted): Query<Wanted>) -> Response {
    let look = visitor.look;
    let Wanted { action, subject, before } = &wanted;
    let filter = AuditFilter {
        action: Some(action.clone()),
        subject: Some(subject.clone()),
        before: *before,
        limit: ON_A_PAGE,
    };
    match page_of(&app, filter).await {
        Ok((entries, has_more)) => {
            let older = entries.last().filter(|_| has_more).map(|last| last.id);
            let body = html! {
                section.card {
                    p.hint { (look.t("settings-audit-about")) }
                    (filters(look, &wanted))
                    @if entries.is_empty() { p { (look.t("settings-audit-none")) } } @else { (list(&app, look, &entries)) }
                    (pages(look, &wanted, older))
                }
            };
            render(&visitor, Part::Audit, None, &body)
        }
        Err(error) => {
            let refusal = Refusal::from(error);
            let told = Some((Tone::Bad, refusal.message));
            (refusal.status, render(&visitor, Part::Audit, told, &html! {})).into_response()
        }
    }
}

fn filters(look: Look, wanted: &Wanted) -> Markup {
    html! {
        form.row method="get" action="/admin/settings/audit" {
            (field("action", &look.t("settings-audit-action"), &wanted.action))
            (field("subject", &look.t("settings-audit-subject"), &wanted.subject))
            button type="submit" { (look.t("settings-find")) }
        }
    }
}

fn list(app: &App, look: Look, entries: &[AuditEntry]) -> Markup {
    let now = app.engine.now();
    let via =
        |via: &str| if via == "page" { look.t("settings-via-page") } else { look.t("settings-via-api") };
    let actor =
        |actor: &str| if actor == "admin key" { look.t("settings-actor-admin") } else { actor.to_owned() };
    let markup = html! {
        table {
            thead { tr {
                th scope="col" { (look.t("settings-column-time")) } th scope="col" { (look.t("settings-column-action")) }
                th scope="col" { (look.t("settings-column-subject")) } th scope="col" { (look.t("settings-column-detail")) }
                th scope="col" { (look.t("settings-column-via")) }
            } }
            tbody {
                @for entry in entries {
                    tr {
                        td { (time(entry.at, now)) }
                        td { a href=(address("action", &entry.action)) { code { (entry.action) } } }
                        td { a href=(address("subject", &entry.subject)) { code { (entry.subject) } } }
                        td { code { (entry.detail) } }
                        td { (via(&entry.via)) br; span.hint { (actor(&entry.actor)) } }
                    }
                }
            }
        }
    };
    table(&look.t("settings-audit"), &markup)
}

fn address(name: &str, value: &str) -> String {
    format!("/admin/settings/audit?{}", serde_html_form::to_string([(name, value)]).unwrap_or_default())
}

fn pages(look: Look, wanted: &Wanted, older: Option<i64>) -> Markup {
    let at = |before: Option<i64>| {
        let before = before.map(|id| id.to_string());
        let filters = [
            ("action", Some(&wanted.action)),
            ("subject", Some(&wanted.subject)),
            ("before", before.as_ref()),
        ];
        let given = filters
            .into_iter()
            .filter_map(|(name, value)| Some((name, value.filter(|text| !text.is_empty())?)));
        let query = serde_html_form::to_string(given.collect::<Vec<_>>()).unwrap_or_default();
        format!("/admin/settings/audit?{query}")
    };
    html! {
        p.row {
            @if wanted.before.is_some() { a.button href=(at(None)) { (look.t("settings-newest")) } }
            @if let Some(id) = older { a.button rel="next" href=(at(Some(id))) { (look.t("settings-older")) } }
        }
    }
}
