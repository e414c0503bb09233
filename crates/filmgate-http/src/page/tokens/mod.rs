//! Tokens: the list, one of them, those that come in, what is done to many.

mod adding;
mod bulk;
mod drafts;
mod export;
mod history;
mod import;
mod ledger;
mod list;
mod one;
mod params;
mod standing;

use axum::routing::{get, post};
use axum::{Extension, Router};

use crate::App;
use crate::extract::BodyLimit;

use drafts::Drafts;

/// A hundred thousand tokens of some hundred characters each.
const PASTE_LIMIT: usize = 64 * 1024 * 1024;

pub(super) fn routes() -> Router<App> {
    let import = post(import::read).layer(Extension(BodyLimit(PASTE_LIMIT)));
    Router::new()
        .route("/admin/tokens", get(list::page))
        .route("/admin/tokens/live", get(list::live_summary))
        .route("/admin/tokens/add", get(adding::page).post(adding::add))
        .route("/admin/tokens/import", import)
        .route("/admin/tokens/import/{draft}", get(import::preview).post(import::apply))
        .route("/admin/tokens/export", get(export::page).post(export::secrets))
        .route("/admin/tokens/export.json", get(export::shortened))
        .route("/admin/tokens/ledger", get(ledger::page))
        .route("/admin/tokens/bulk", post(bulk::change))
        .route("/admin/tokens/bulk/{draft}", get(bulk::confirm).post(bulk::apply))
        .route("/admin/tokens/{id}", get(one::page).post(one::act))
        .route("/admin/tokens/{id}/live", get(one::live_books))
        .layer(Extension(Drafts::default()))
}
