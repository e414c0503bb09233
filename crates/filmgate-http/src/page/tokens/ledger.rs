//! The ledger of a day: every pool and token, what went in and out, and what was left.

use axum::extract::{Query, State};
use axum::response::{IntoResponse as _, Response};
use filmgate_domain::{Balance, Period, TokenId};
use filmgate_engine::{LedgerLine, PeriodLedger};
use http::StatusCode;
use maud::{Markup, html};
use serde::Deserialize;

use crate::App;
use crate::admin::ledger::{TICKS_IN_A_DOLLAR, day_of, read_day};
use crate::page::layout::{self, Section};
use crate::page::look::Look;
use crate::page::parts::{self, Tone, number};
use crate::page::session::Visitor;

/// How many tokens are shown: those that moved most.
const TOKENS: usize = 200;

#[derive(Deserialize)]
pub(super) struct Asked {
    #[serde(default)]
    day: String,
}

pub(super) async fn page(State(app): State<App>, visitor: Visitor, Query(asked): Query<Asked>) -> Response {
    let look = visitor.look;
    let today = day_of(app.engine.now());
    let (status, period) = match (asked.day.trim(), read_day(asked.day.trim())) {
        ("", _) => (StatusCode::OK, today),
        (_, Ok(day)) => (StatusCode::OK, day),
        (_, Err(_)) => (StatusCode::BAD_REQUEST, today),
    };
    let (status, tables) = match app.engine.ledger(period).await {
        Ok(ledger) => (status, tables(&ledger, look)),
        Err(error) => {
            tracing::error!(%error, "the ledger cannot be shown");
            (StatusCode::SERVICE_UNAVAILABLE, parts::note(Tone::Bad, &look.t("ledger-unreadable")))
        }
    };
    let body = html! {
        @if status == StatusCode::BAD_REQUEST { (parts::note(Tone::Bad, &look.t("ledger-no-day"))) }
        section.card {
            p.hint { (look.t("ledger-hint")) }
            form.row.spaced method="get" action="/admin/tokens/ledger" {
                label { span { (look.t("ledger-day")) } input type="date" name="day" value=(date(period)) required; }
                button type="submit" { (look.t("ledger-show")) }
            }
            (tables)
        }
    };
    (status, layout::page(&visitor, Section::Tokens, &look.t("ledger-title"), &body)).into_response()
}

/// `2026-11-23`
fn date(period: Period) -> String {
    period.from.to_string().chars().take(10).collect()
}

fn tables(ledger: &PeriodLedger, look: Look) -> Markup {
    let pools = ledger.pools.iter().map(|(pool, line)| (html! { (pool) }, line));
    let mut moved: Vec<&((TokenId, Box<str>), LedgerLine)> = ledger.tokens.iter().collect();
    moved.sort_by_key(|(_, line)| std::cmp::Reverse(line.account.carried + line.account.reserved));
    let tokens = moved.iter().take(TOKENS).map(|((id, pool), line)| {
        let name = match line.tokens {
            0 => html! { (id) " (" (look.t("ledger-removed")) ") · " (pool) },
            _ => html! { a href={ "/admin/tokens/" (id) } { (id) } " · " (pool) },
        };
        (name, line)
    });
    html! {
        (table(&look.t("ledger-pools"), &look.t("tokens-pool"), pools, look))
        @if moved.is_empty() { p { (look.t("ledger-nothing")) } }
        @else { (table(&look.t("ledger-tokens"), &look.t("ledger-tokens"), tokens, look)) }
        @if moved.len() > TOKENS {
            p.hint { (look.with("ledger-more", [("shown", TOKENS.into())])) }
        }
    }
}

fn table<'a>(
    title: &str,
    of: &str,
    lines: impl Iterator<Item = (Markup, &'a LedgerLine)>,
    look: Look,
) -> Markup {
    let words = [
        "carried",
        "reserved",
        "charged",
        "given-back",
        "open",
        "cost",
        "granted",
        "available",
        "spent",
        "over",
    ];
    let rows = html! {
        table {
            thead { tr {
                th scope="col" { (of) }
                @for word in words { th.number scope="col" { (look.t(&format!("ledger-{word}"))) } }
            } }
            tbody { @for (name, line) in lines { (row(&name, line)) } }
        }
    };
    html! {
        h2 { (title) }
        (parts::table(title, &rows))
    }
}

fn row(name: &Markup, line: &LedgerLine) -> Markup {
    let account = &line.account;
    let Balance { granted, available, spent, over, .. } = line.closing;
    let maybe = |units: Option<u64>| units.map_or_else(|| "-".to_owned(), number);
    let cost = match account.cost_ticks {
        0 => "-".to_owned(),
        ticks => format!("{:.2} USD", ticks as f64 / TICKS_IN_A_DOLLAR),
    };
    html! {
        tr {
            th scope="row" { (name) }
            @for units in [account.carried, account.reserved, account.charged(), account.given_back(), account.open] {
                td.number { (number(units)) }
            }
            td.number { (cost) }
            @for text in [maybe(granted), maybe(available), number(spent), number(over)] { td.number { (text) } }
        }
    }
}
