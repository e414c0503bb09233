//! The list of tokens: filtered, sorted, in pages.

use axum::extract::{RawQuery, State};
use axum::response::{Html, Response};
use filmgate_domain::{Standing, Timestamp};
use filmgate_engine::{Deed, TokenPage, TokenQuery, TokenView};
use maud::{Markup, html};
use serde::Deserialize;

use crate::App;
use crate::page::layout::{self, Section};
use crate::page::live::{self, Live};
use crate::page::look::Look;
use crate::page::parts::{self, Tone};
use crate::page::session::Visitor;
use crate::serve::Closing;

use super::params::{Params, SIZES};
use super::standing;

/// What was done before this page came.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Done {
    done: String,
    n: u64,
    known: u64,
    refused: u64,
    unknown: u64,
}

pub(super) async fn page(
    State(app): State<App>,
    visitor: Visitor,
    RawQuery(query): RawQuery,
) -> Html<String> {
    let query = query.unwrap_or_default();
    let params = Params::of_query(&query);
    let done: Done = serde_html_form::from_str(&query).unwrap_or_default();
    let found = app.engine.token_page(&params.engine_query());
    let look = visitor.look;
    let body = html! {
        (done.render(look))
        section aria-label=(look.t("tokens-summary")) data-live="/admin/tokens/live" {
            (if params.is_filtered() { summary(&app, look) } else { standings(&found, look) })
        }
        p.row {
            a.button.primary href="/admin/tokens/add" { (look.t("tokens-add")) }
            a.button href="/admin/tokens/export" { (look.t("tokens-export")) }
            a.button href="/admin/tokens/ledger" { (look.t("ledger-title")) }
        }
        (filters(&app, &params, look))
        @if found.total == 0 {
            (parts::note(Tone::Plain, &look.t("tokens-none")))
        } @else {
            (rows(&found, &params, look, app.engine.now()))
        }
    };
    layout::page(&visitor, Section::Tokens, &look.t("nav-tokens"), &body)
}

impl Done {
    fn render(&self, look: Look) -> Markup {
        let text = match &*self.done {
            "imported" => {
                let values =
                    [("n", self.n.into()), ("known", self.known.into()), ("refused", self.refused.into())];
                look.with("tokens-done-imported", values)
            }
            done if Deed::ALL.iter().any(|deed| deed.as_str() == done) => {
                look.with(&format!("tokens-done-{done}"), [("n", self.n.into())])
            }
            _ => return html! {},
        };
        let gone = (self.unknown > 0).then(|| look.with("tokens-gone", [("n", self.unknown.into())]));
        html! {
            (parts::note(Tone::Good, &text))
            @if let Some(gone) = gone { (parts::note(Tone::Warn, &gone)) }
        }
    }
}

pub(super) async fn live_summary(State(app): State<App>, visitor: Visitor, closing: Closing) -> Response {
    let own = app.clone();
    live::stream(app, visitor, closing, move || {
        let app = own.clone();
        async move { Live::Html(summary(&app, visitor.look)) }
    })
}

/// How many tokens there are, by how they stand.
fn summary(app: &App, look: Look) -> Markup {
    standings(&app.engine.token_page(&TokenQuery::default()), look)
}

/// The same, from a page that is not filtered.
fn standings(page: &TokenPage, look: Look) -> Markup {
    let some = Standing::ALL.iter().zip(page.standings).filter(|(_, count)| *count > 0);
    html! {
        ul.statuses {
            li { (look.with("tokens-total", [("n", page.total.into()), ("count", parts::number(page.total as u64).into())])) }
            @for (standing, count) in some {
                li {
                    a href=(Params::default().with_status(standing.as_str()).address()) {
                        (parts::badge(standing::tone(*standing), &standing::word(*standing, look)))
                    }
                    " " (parts::number(count as u64))
                }
            }
        }
    }
}

fn filters(app: &App, params: &Params, look: Look) -> Markup {
    let any = || (String::new(), look.t("tokens-any"));
    let settings = app.engine.settings();
    let pools = settings.catalog.pools().iter().map(|pool| (pool.name.to_string(), pool.name.to_string()));
    let pools: Vec<_> = std::iter::once(any()).chain(pools).collect();
    let named = |standing: &Standing| (standing.as_str().to_owned(), standing::word(*standing, look));
    let active = ("active".to_owned(), look.t("tokens-standing-active"));
    let statuses: Vec<_> = [any(), active].into_iter().chain(Standing::ALL.iter().map(named)).collect();
    let sizes: Vec<_> = SIZES.iter().map(|size| (size.to_string(), size.to_string())).collect();
    html! {
        form.card.row method="get" action="/admin/tokens" role="search" {
            (parts::select("pool", &look.t("tokens-pool"), &pools, &params.pool))
            (parts::select("status", &look.t("tokens-status"), &statuses, &params.status))
            (parts::field("tag", &look.t("tokens-tag"), &params.tag))
            label { span { (look.t("tokens-search")) }
                input type="search" name="q" value=(params.q) placeholder=(look.t("tokens-search-in"));
            }
            (parts::select("per", &look.t("tokens-per"), &sizes, &params.size().to_string()))
            input type="hidden" name="sort" value=(params.sort);
            input type="hidden" name="dir" value=(params.dir);
            button.primary type="submit" { (look.t("tokens-show")) }
            @if params.is_filtered() { a href="/admin/tokens" { (look.t("tokens-show-all")) } }
        }
    }
}

fn rows(found: &TokenPage, params: &Params, look: Look, now: Timestamp) -> Markup {
    let matching = found.matching as u64;
    let count = look.with(
        "tokens-matching",
        [("n", parts::number(matching).into()), ("total", parts::number(found.total as u64).into())],
    );
    html! {
        form.card method="post" action="/admin/tokens/bulk" {
            input type="hidden" name="list" value=(params.query());
            div.spread { p { (count) } (pages(found, params, look.t("tokens-pages"), look)) }
            @if !found.tokens.is_empty() {
                (parts::table(&look.t("nav-tokens"), &table(&found.tokens, params, look, now)))
                (deeds(matching, look))
                (pages(found, params, look.t("tokens-pages-below"), look))
            }
        }
    }
}

fn table(tokens: &[TokenView], params: &Params, look: Look, now: Timestamp) -> Markup {
    html! {
        table.tokens {
            thead {
                tr {
                    th scope="col" { input type="checkbox" data-all="id" aria-label=(look.t("tokens-tick-all")); }
                    (column("id", "tokens-id", false, params, look))
                    th scope="col" { (look.t("tokens-beginning")) }
                    th scope="col" { (look.t("tokens-pool")) }
                    th scope="col" { (look.t("tokens-status")) }
                    (column("left", "tokens-left", true, params, look))
                    (column("in_flight", "tokens-in-flight", true, params, look))
                    (column("uses", "tokens-uses", true, params, look))
                    (column("fails", "tokens-fails", true, params, look))
                    (column("last_used", "tokens-last-used", false, params, look))
                    th scope="col" { (look.t("tokens-words")) }
                }
            }
            tbody { @for view in tokens { (row(view, look, now)) } }
        }
    }
}

fn column(word: &str, key: &str, number: bool, params: &Params, look: Look) -> Markup {
    let sorted = (params.sort().0 == word)
        .then(|| if params.is_descending() { ("descending", "▼") } else { ("ascending", "▲") });
    html! {
        th.number[number] scope="col" aria-sort=[sorted.map(|(order, _)| order)] {
            a href=(params.sorted_by(word).address()) { (look.t(key)) }
            @if let Some((_, arrow)) = sorted { " " span aria-hidden="true" { (arrow) } }
        }
    }
}

fn row(view: &TokenView, look: Look, now: Timestamp) -> Markup {
    let info = &view.info;
    let id = info.id.to_string();
    html! {
        tr {
            td { input type="checkbox" name="id" value=(id) aria-label=(id); }
            th scope="row" { a href={ "/admin/tokens/" (id) } { (id) } }
            td { code { (info.token) } }
            td { (info.pool) }
            td { (standing::badge(view, look, now)) }
            td.number { (standing::left(view, look)) }
            td.number { (parts::number(u64::from(view.in_flight))) }
            td.number { (parts::number(info.use_count)) }
            td.number { (parts::number(info.fail_count)) }
            td { (parts::maybe_time(info.last_used_at, now)) }
            td {
                @for tag in &info.tags { (parts::badge(Tone::Plain, tag)) " " }
                (info.note)
            }
        }
    }
}

/// What can be done with those that are ticked, or with all that match.
fn deeds(matching: u64, look: Look) -> Markup {
    let all = look.with("tokens-scope-all", [("n", parts::number(matching).into())]);
    html! {
        fieldset.row.deeds {
            legend { (look.t("tokens-with")) }
            label.tick { input type="radio" name="scope" value="ticked" checked; (look.t("tokens-scope-ticked")) }
            label.tick { input type="radio" name="scope" value="all"; (all) }
            button type="submit" name="action" value="enable" { (look.t("tokens-deed-enable")) }
            button type="submit" name="action" value="disable" { (look.t("tokens-deed-disable")) }
            button type="submit" name="action" value="reset" { (look.t("tokens-deed-reset")) }
            button.danger type="submit" name="action" value="remove" { (look.t("tokens-deed-remove")) }
        }
    }
}

fn pages(found: &TokenPage, params: &Params, label: String, look: Look) -> Markup {
    let last = found.matching.div_ceil(params.size()).max(1);
    let here = params.number();
    if last == 1 && here == 1 {
        return html! {};
    }
    let link = |number: usize, text: String| html! { a href=(params.at_page(number).address()) { (text) } };
    let place = look.with("tokens-page", [("n", here.into()), ("last", last.into())]);
    html! {
        nav.row aria-label=(label) {
            @if here > 1 {
                (link(1, look.t("tokens-first")))
                (link((here - 1).min(last), look.t("tokens-previous")))
            }
            span { (place) }
            @if here < last {
                (link(here + 1, look.t("tokens-next")))
                (link(last, look.t("tokens-last")))
            }
        }
    }
}
