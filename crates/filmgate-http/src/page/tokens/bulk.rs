//! The same for many tokens: at once for those that are ticked, after a look at their number otherwise.

use axum::Extension;
use axum::extract::{Path, State};
use axum::response::{IntoResponse as _, Redirect, Response};
use filmgate_domain::TokenId;
use filmgate_engine::Deed;
use http::StatusCode;
use maud::{Markup, html};
use serde::Deserialize;

use crate::App;
use crate::admin::tokens;
use crate::page::forms::Form;
use crate::page::layout::{self, Section};
use crate::page::look::Look;
use crate::page::parts::{self, Tone};
use crate::page::session::Visitor;
use crate::refusal::Refusal;

use super::drafts::{Drafts, Plan};
use super::params::Params;

#[derive(Deserialize)]
pub(super) struct Wish {
    action: String,
    #[serde(default)]
    scope: String,
    #[serde(default)]
    id: Vec<String>,
    /// The list where the operator was, as the query of its address.
    #[serde(default)]
    list: String,
}

/// How many ids a page names; of more it says how many.
const NAMED: usize = 50;

/// Does it with those that are ticked. Removing, and whatever concerns all that match, is looked at first.
pub(super) async fn change(
    State(app): State<App>,
    visitor: Visitor,
    Extension(drafts): Extension<Drafts>,
    Form(wish): Form<Wish>,
) -> Response {
    let list = Params::of_query(&wish.list);
    let Some(deed) = Deed::ALL.into_iter().find(|deed| deed.as_str() == wish.action) else {
        return (StatusCode::BAD_REQUEST, "no such action\n").into_response();
    };
    let all = wish.scope == "all";
    let ids: Vec<TokenId> = if all {
        app.engine.matching_tokens(&list.filter())
    } else {
        wish.id.iter().filter_map(|id| id.parse().ok()).collect()
    };
    if ids.is_empty() {
        return failed(visitor, StatusCode::BAD_REQUEST, &visitor.look.t("tokens-none-ticked"), &list);
    }
    if all || deed == Deed::Remove {
        let plan = Plan::Change { deed, ids, list: list.query() };
        return to_draft(&app, &visitor, &drafts, plan);
    }
    carry_out(&app, visitor, deed, &ids, &list).await
}

/// Leads to the page where a deed is confirmed.
pub(super) fn to_draft(app: &App, visitor: &Visitor, drafts: &Drafts, plan: Plan) -> Response {
    match drafts.keep(app, visitor, plan) {
        Ok(name) => Redirect::to(&format!("/admin/tokens/bulk/{name}")).into_response(),
        Err(error) => {
            tracing::error!(%error, "no randomness for the name of a draft");
            StatusCode::SERVICE_UNAVAILABLE.into_response()
        }
    }
}

pub(super) async fn confirm(
    State(app): State<App>,
    visitor: Visitor,
    Extension(drafts): Extension<Drafts>,
    Path(name): Path<String>,
) -> Response {
    let look = visitor.look;
    let plan = drafts.get(&name, &visitor, app.engine.now());
    let Some(Plan::Change { deed, ids, list }) = plan.as_deref() else {
        return gone(visitor);
    };
    let title = look.t(&format!("tokens-deed-{}", deed.as_str()));
    let body = html! {
        div.card {
            p.figure { (look.with("tokens-concerns", [("n", ids.len().into()), ("count", parts::number(ids.len() as u64).into())])) }
            p { (look.t(&format!("tokens-meaning-{}", deed.as_str()))) }
            (named(ids))
            form.row.deeds method="post" action={ "/admin/tokens/bulk/" (name) } {
                button type="submit" class=(if *deed == Deed::Remove { "danger" } else { "primary" }) {
                    (title) " (" (parts::number(ids.len() as u64)) ")"
                }
                a href=(Params::of_query(list).address()) { (look.t("tokens-cancel")) }
            }
        }
    };
    layout::page(&visitor, Section::Tokens, &title, &body).into_response()
}

fn named(ids: &[TokenId]) -> Markup {
    html! {
        p.mono {
            @for id in ids.iter().take(NAMED) { a href={ "/admin/tokens/" (id) } { (id) } " " }
            @if ids.len() > NAMED { "… +" (parts::number((ids.len() - NAMED) as u64)) }
        }
    }
}

pub(super) async fn apply(
    State(app): State<App>,
    visitor: Visitor,
    Extension(drafts): Extension<Drafts>,
    Path(name): Path<String>,
) -> Response {
    // Taken at once: whoever presses the button twice does it once.
    let plan = drafts.take(&name, &visitor, app.engine.now());
    let Some(Plan::Change { deed, ids, list }) = plan.as_deref() else {
        return gone(visitor);
    };
    carry_out(&app, visitor, *deed, ids, &Params::of_query(list)).await
}

async fn carry_out(app: &App, visitor: Visitor, deed: Deed, ids: &[TokenId], list: &Params) -> Response {
    match tokens::change(app, visitor.by(), ids, deed).await {
        Ok(changed) => {
            let (n, unknown) = (changed.done.len(), changed.unknown.len());
            let address = list.address();
            let and = if address.contains('?') { '&' } else { '?' };
            let done = deed.as_str();
            Redirect::to(&format!("{address}{and}done={done}&n={n}&unknown={unknown}")).into_response()
        }
        Err(Refusal { status, message, .. }) => {
            let why = visitor.look.with("tokens-failed", [("why", message.into())]);
            failed(visitor, status, &why, list)
        }
    }
}

fn failed(visitor: Visitor, status: StatusCode, why: &str, list: &Params) -> Response {
    let look = visitor.look;
    let body = html! {
        (parts::note(Tone::Bad, why))
        p { a href=(list.address()) { (look.t("tokens-back")) } }
    };
    (status, layout::page(&visitor, Section::Tokens, &look.t("nav-tokens"), &body)).into_response()
}

/// The draft is done, too old, or was lost in a restart.
pub(super) fn gone(visitor: Visitor) -> Response {
    let look: Look = visitor.look;
    let body = html! {
        (parts::note(Tone::Bad, &look.t("tokens-draft-gone")))
        p { a href="/admin/tokens" { (look.t("tokens-back")) } }
    };
    (StatusCode::GONE, layout::page(&visitor, Section::Tokens, &look.t("nav-tokens"), &body)).into_response()
}
