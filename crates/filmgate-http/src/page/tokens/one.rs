//! One token: its books, its history, and what can be done with it.

use axum::Extension;
use axum::extract::{Path, Query, State};
use axum::response::{IntoResponse as _, Redirect, Response};
use filmgate_domain::{Job, Ledger, Standing, Timestamp, TokenId, TokenStatus};
use filmgate_engine::{Deed, TokenView};
use http::StatusCode;
use maud::{Markup, html};
use serde::Deserialize;

use crate::App;
use crate::admin::tokens;
use crate::dialect::openai;
use crate::page::forms::Form;
use crate::page::layout::{self, Section};
use crate::page::live::{self, Live};
use crate::page::look::Look;
use crate::page::parts::{self, Tone};
use crate::page::session::Visitor;
use crate::refusal::Refusal;
use crate::serve::Closing;

use super::bulk::to_draft;
use super::drafts::{Drafts, Plan};
use super::history::{self, Asked};
use super::{adding, standing};

/// How many returns of units, and how many videos, are listed one by one.
const RETURNS: usize = 8;
const VIDEOS: usize = 50;

/// What was done before this page came.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Done {
    done: String,
}

pub(super) async fn page(
    State(app): State<App>,
    visitor: Visitor,
    Path(id): Path<String>,
    Query(asked): Query<Asked>,
    Query(Done { done }): Query<Done>,
) -> Response {
    let done =
        ["added", "enable", "disable", "reset", "forgive", "edit"].into_iter().find(|known| *known == done);
    let note = done.map(|done| parts::note(Tone::Good, &visitor.look.t(&format!("tokens-one-{done}"))));
    render(&app, visitor, &id, &asked, StatusCode::OK, note).await
}

async fn render(
    app: &App,
    visitor: Visitor,
    id: &str,
    asked: &Asked,
    status: StatusCode,
    note: Option<Markup>,
) -> Response {
    let look = visitor.look;
    let books = id.parse().ok().and_then(|id: TokenId| app.engine.token_ledger(id));
    let Some((view, ledger)) = books else {
        let (status, nothing) = parts::nothing_here(look);
        return (status, layout::page(&visitor, Section::Tokens, &look.t("nav-tokens"), &nothing))
            .into_response();
    };
    let body = html! {
        @if let Some(note) = note { (note) }
        div data-live={ "/admin/tokens/" (view.info.id) "/live" } { (books_of(app, &view, &ledger, look)) }
        (deeds(&view, look))
        (history::sections(app, view.info.id, asked, look).await)
    };
    (status, layout::page(&visitor, Section::Tokens, &view.info.id.to_string(), &body)).into_response()
}

pub(super) async fn live_books(
    State(app): State<App>,
    visitor: Visitor,
    closing: Closing,
    Path(id): Path<String>,
) -> Response {
    let own = app.clone();
    live::stream(app, visitor, closing, move || {
        let (app, id) = (own.clone(), id.clone());
        async move {
            let books = id.parse().ok().and_then(|id: TokenId| app.engine.token_ledger(id));
            // What is gone, the whole page says.
            books.map_or(Live::Reload, |(view, ledger)| {
                Live::Html(books_of(&app, &view, &ledger, visitor.look))
            })
        }
    })
}

/// What moves by itself.
fn books_of(app: &App, view: &TokenView, ledger: &Ledger, look: Look) -> Markup {
    let now = app.engine.now();
    html! {
        div.cards { (facts(view, look, now)) (account(ledger, look, now)) }
        (in_flight(&app.engine.videos_of_token(view.info.id), ledger, look, now))
    }
}

fn facts(view: &TokenView, look: Look, now: Timestamp) -> Markup {
    let info = &view.info;
    let time = |at| parts::maybe_time(at, now);
    html! {
        section.card {
            h2 { (look.t("tokens-facts")) }
            dl {
                dt { (look.t("tokens-status")) } dd { (standing::badge(view, look, now)) }
                dt { (look.t("tokens-pool")) } dd { (info.pool) }
                dt { (look.t("tokens-beginning")) } dd { code { (info.token) } }
                dt { (look.t("tokens-added")) } dd { (parts::time(info.created_at, now)) }
                dt { (look.t("tokens-uses")) } dd { (parts::number(info.use_count)) }
                dt { (look.t("tokens-last-used")) } dd { (time(info.last_used_at)) }
                dt { (look.t("tokens-last-sync")) } dd { (time(info.last_sync_at)) }
                dt { (look.t("tokens-fails")) }
                dd {
                    (parts::number(info.fail_count))
                    @if info.failures_in_a_row > 0 {
                        ", " (look.with("tokens-in-a-row", [("n", info.failures_in_a_row.into())]))
                    }
                }
                dt { (look.t("tokens-last-fail")) }
                dd {
                    (time(info.last_fail_at))
                    @if let Some(reason) = &info.last_fail_reason { br; code { (reason) } }
                }
            }
        }
    }
}

/// Granted is left, reserved and spent; and what comes back when.
fn account(ledger: &Ledger, look: Look, now: Timestamp) -> Markup {
    let Some((granted, left)) = ledger.granted.zip(ledger.left) else {
        return html! {
            section.card { h2 { (look.t("tokens-ledger")) } p { (look.t("tokens-no-quota")) } }
        };
    };
    let (reserved, spent) = (ledger.reserved, ledger.spent);
    let parts_of = [("left", left), ("reserved", reserved), ("spent", spent)];
    let beyond = left.saturating_add(reserved).saturating_add(spent).saturating_sub(granted);
    let window = ledger.window.map(parts::span).unwrap_or_default();
    html! {
        section.card {
            h2 { (look.t("tokens-ledger")) }
            (bar(granted, parts_of, look))
            table {
                tbody {
                    @for (word, units) in parts_of {
                        tr {
                            th scope="row" { span.swatch.{ "ledger-" (word) } {} (look.t(&format!("tokens-units-{word}"))) }
                            td.number { (units) }
                        }
                    }
                    tr { th scope="row" { (look.t("tokens-units-granted")) } td.number { strong { (granted) } } }
                    @if beyond > 0 { tr { th scope="row" { (look.t("tokens-units-beyond")) } td.number { (beyond) } } }
                }
            }
            p.hint { (look.with("tokens-window", [("window", window.into())])) }
            (returns(&ledger.returns, look, now))
        }
    }
}

/// The three parts of the quota side by side.
fn bar(granted: u32, parts: [(&str, u32); 3], look: Look) -> Markup {
    let whole = granted.max(parts.iter().fold(0, |sum: u32, (_, units)| sum.saturating_add(*units))).max(1);
    let words = parts.map(|(word, units)| format!("{} {units}", look.t(&format!("tokens-units-{word}"))));
    let mut from = 0.0;
    let pieces = parts.map(|(word, units)| {
        let width = f64::from(units) / f64::from(whole) * 100.0;
        let at = from;
        from += width;
        (word, at, width)
    });
    html! {
        svg.bar.ledger viewBox="0 0 100 6" preserveAspectRatio="none" role="img" aria-label=(words.join(", ")) {
            rect.track x="0" y="0" width="100" height="6" {}
            @for (word, at, width) in pieces {
                rect.{ "ledger-" (word) } x=(format!("{at:.2}")) y="0" width=(format!("{width:.2}")) height="6" {}
            }
        }
    }
}

fn returns(returns: &[(Timestamp, u32)], look: Look, now: Timestamp) -> Markup {
    let returns: Vec<_> = returns.iter().filter(|(_, units)| *units > 0).collect();
    let rest: u64 = returns.iter().skip(RETURNS).map(|(_, units)| u64::from(*units)).sum();
    let last = returns.last().filter(|_| rest > 0);
    html! {
        h3 { (look.t("tokens-returns")) }
        @if returns.is_empty() { p.hint { (look.t("tokens-returns-none")) } }
        ul.plain {
            @for (at, units) in returns.iter().take(RETURNS) {
                li { (parts::time(*at, now)) " +" (units) }
            }
            @if let Some((at, _)) = last {
                li { (look.t("tokens-until")) " " (parts::time(*at, now)) " +" (rest) }
            }
        }
    }
}

fn in_flight(jobs: &[std::sync::Arc<Job>], ledger: &Ledger, look: Look, now: Timestamp) -> Markup {
    html! {
        section.card {
            h2 { (look.t("tokens-in-flight")) " (" (jobs.len() + ledger.held.len()) ")" }
            @if jobs.is_empty() && ledger.held.is_empty() { p.hint { (look.t("tokens-in-flight-none")) } }
            ul.plain {
                @for job in jobs.iter().take(VIDEOS) {
                    @let id = openai::spell(job.id);
                    li {
                        a.mono href={ "/admin/videos/" (id) } { (id) } " "
                        (job.spec.shape) " · " (job.progress) "% · " (parts::time(job.created_at, now))
                    }
                }
                @for until in &ledger.held {
                    li { (look.t("tokens-held")) " " (parts::time(*until, now)) }
                }
            }
        }
    }
}

/// Buttons, and the operator's words.
fn deeds(view: &TokenView, look: Look) -> Markup {
    let info = &view.info;
    let here = format!("/admin/tokens/{}", info.id);
    let button = |action: &str, key: &str| {
        html! { button type="submit" name="action" value=(action) { (look.t(key)) } }
    };
    let is_blamed =
        matches!(info.status, TokenStatus::Cooling | TokenStatus::Expired) || info.failures_in_a_row > 0;
    html! {
        div.cards {
            section.card {
                h2 { (look.t("tokens-actions")) }
                form.row method="post" action=(here) {
                    input type="hidden" name="seen" value=(info.fail_count);
                    @if view.standing == Standing::Disabled { (button("enable", "tokens-deed-enable")) }
                    @else { (button("disable", "tokens-deed-disable")) }
                    @if info.fail_count > 0 { (button("forgive", "tokens-forgive")) }
                    @if is_blamed { (button("reset", "tokens-deed-reset")) }
                    button.danger type="submit" name="action" value="remove" { (look.t("tokens-deed-remove")) }
                }
                @if info.fail_count > 0 { p.hint { (look.t("tokens-forgive-hint")) } }
                @if is_blamed { p.hint { (look.t("tokens-meaning-reset")) } }
            }
            section.card {
                h2 { (look.t("tokens-words")) }
                form.stack method="post" action=(here) {
                    label.wide { span { (look.t("tokens-tags")) }
                        input type="text" name="tags" value=(info.tags.join(", "));
                    }
                    label.wide { span { (look.t("tokens-note")) } textarea name="note" rows="3" { (info.note) } }
                    button type="submit" name="action" value="edit" { (look.t("tokens-save")) }
                }
            }
        }
    }
}

#[derive(Deserialize)]
pub(super) struct Act {
    action: String,
    /// How many refusals the page showed: a blame is taken back once, however often the button is pressed.
    seen: Option<u64>,
    #[serde(default)]
    tags: String,
    #[serde(default)]
    note: String,
}

pub(super) async fn act(
    State(app): State<App>,
    visitor: Visitor,
    Extension(drafts): Extension<Drafts>,
    Path(id): Path<String>,
    Form(act): Form<Act>,
) -> Response {
    let Some(view) = id.parse().ok().and_then(|id: TokenId| app.engine.token(id)) else {
        return render(&app, visitor, &id, &Asked::default(), StatusCode::NOT_FOUND, None).await;
    };
    let token = view.info.id;
    if act.action == Deed::Remove.as_str() {
        let plan = Plan::Change { deed: Deed::Remove, ids: vec![token], list: String::new() };
        return to_draft(&app, &visitor, &drafts, plan);
    }
    match carry_out(&app, visitor, &view, &act).await {
        Ok(()) => Redirect::to(&format!("/admin/tokens/{token}?done={}", act.action)).into_response(),
        Err((status, why)) => {
            render(&app, visitor, &id, &Asked::default(), status, Some(parts::note(Tone::Bad, &why))).await
        }
    }
}

async fn carry_out(
    app: &App,
    visitor: Visitor,
    view: &TokenView,
    act: &Act,
) -> Result<(), (StatusCode, String)> {
    let (look, token) = (visitor.look, view.info.id);
    let done = match &*act.action {
        "forgive" if act.seen.is_some_and(|seen| seen != view.info.fail_count) => {
            return Err((StatusCode::CONFLICT, look.t("tokens-forgive-changed")));
        }
        "forgive" => tokens::take_back(app, visitor.by(), token).await,
        "edit" => match adding::words(&act.tags, &act.note) {
            Some((tags, note)) => tokens::label(app, visitor.by(), token, tags, note).await,
            None => return Err((StatusCode::BAD_REQUEST, look.t("tokens-words-too-long"))),
        },
        word => match Deed::ALL.into_iter().find(|deed| deed.as_str() == word) {
            Some(deed) => tokens::change_one(app, visitor.by(), token, deed).await,
            None => return Err((StatusCode::BAD_REQUEST, look.t("nothing-here"))),
        },
    };
    done.map_err(|Refusal { status, message, .. }| {
        (status, look.with("tokens-failed", [("why", message.into())]))
    })
}
