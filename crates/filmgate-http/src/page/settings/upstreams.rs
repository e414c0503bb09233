//! The upstreams, and whether they are there and take the credentials of their tokens.

use axum::extract::State;
use axum::response::{IntoResponse as _, Response};
use filmgate_domain::{Failure, TokenId};
use filmgate_engine::Checked;
use http::StatusCode;
use maud::{Markup, html};
use serde::Deserialize;

use crate::App;
use crate::page::forms::Form;
use crate::page::look::Look;
use crate::page::parts::{Tone, badge, note, table};
use crate::page::session::Visitor;

use super::{Part, render};

/// What an upstream said to each token.
type Results = Vec<(TokenId, Result<Checked, Failure>)>;

pub(super) async fn page(State(app): State<App>, visitor: Visitor) -> Response {
    render(&visitor, Part::Upstreams, None, &body(&app, visitor.look, None))
}

#[derive(Deserialize)]
pub(super) struct Asked {
    #[serde(default)]
    name: String,
}

/// Nothing changes by it, so the answer is the page itself.
pub(super) async fn check(State(app): State<App>, visitor: Visitor, Form(asked): Form<Asked>) -> Response {
    let Some(results) = app.engine.check_upstream(&asked.name).await else {
        let told = Some((Tone::Bad, visitor.look.t("settings-no-upstream")));
        let page = render(&visitor, Part::Upstreams, told, &body(&app, visitor.look, None));
        return (StatusCode::NOT_FOUND, page).into_response();
    };
    let body = body(&app, visitor.look, Some((&asked.name, &results)));
    render(&visitor, Part::Upstreams, None, &body)
}

fn body(app: &App, look: Look, checked: Option<(&str, &Results)>) -> Markup {
    let settings = app.engine.settings();
    let mut names: Vec<&str> = settings.upstreams.keys().map(|name| &**name).collect();
    names.sort_unstable();
    let values = app.configuration.values();
    let value = |upstream: &str, name: &str| {
        let is_it = |value: &&crate::ConfigValue| {
            value.name == name
                && value.section.strip_prefix("upstreams.").map(|it| it.trim_matches('"')) == Some(upstream)
        };
        values
            .iter()
            .find(is_it)
            .and_then(|value| value.value.as_str().map(str::to_owned))
            .unwrap_or_default()
    };
    let pools = |upstream: &str| {
        let of = settings.catalog.pools().iter().filter(|pool| *pool.upstream == *upstream);
        of.map(|pool| pool.name.to_string()).collect::<Vec<_>>().join(", ")
    };
    html! {
        p.hint { (look.t("settings-upstreams-about")) }
        @for name in names {
            section.card {
                h2 { (name) }
                dl {
                    dt { (look.t("settings-base-url")) } dd { code { (value(name, "base_url")) } }
                    dt { (look.t("settings-dialect")) } dd { code { (value(name, "kind")) } }
                    @let proxy = value(name, "proxy");
                    @if !proxy.is_empty() { dt { (look.t("settings-proxy")) } dd { code { (proxy) } } }
                    dt { (look.t("settings-pools")) } dd { (pools(name)) }
                }
                form method="post" action="/admin/settings/upstreams/check" {
                    button type="submit" name="name" value=(name) { (look.t("settings-check")) }
                }
                @if let Some((_, found)) = checked.filter(|(asked, _)| *asked == name) { (results(look, found)) }
            }
        }
    }
}

fn results(look: Look, results: &Results) -> Markup {
    if results.is_empty() {
        return note(Tone::Warn, &look.t("settings-check-no-tokens"));
    }
    let good = results.iter().filter(|(_, result)| result.is_ok()).count();
    let tone = if good == results.len() { Tone::Good } else { Tone::Bad };
    let told = look.with("settings-checked", [("good", good.into()), ("all", results.len().into())]);
    let markup = html! {
        table {
            thead { tr {
                th scope="col" { (look.t("settings-column-token")) } th scope="col" { (look.t("settings-column-answer")) }
            } }
            tbody {
                @for (token, result) in results {
                    tr {
                        th scope="row" { a href={ "/admin/tokens/" (token) } { (token) } }
                        td {
                            @match result {
                                Ok(Checked::Accepted) => (badge(Tone::Good, &look.t("settings-accepted"))),
                                Ok(Checked::Reachable) => (badge(Tone::Plain, &look.t("settings-reachable"))),
                                Err(failure) => {
                                    (badge(Tone::Bad, failure.cause.code())) " " span lang="en" { (failure.message) }
                                }
                            }
                        }
                    }
                }
            }
        }
    };
    html! {
        (note(tone, &told))
        (table(&told, &markup))
    }
}
