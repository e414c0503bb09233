//! Videos: which ones there were, and why any single one went where it went.

mod acts;
mod attempts;
mod compare;
mod files;
mod list;
mod timeline;
mod video;
mod words;

use axum::Router;
use axum::routing::{get, post};

use crate::App;

pub(super) use words::{address, route_badge, shorten, state_badge};

pub(super) fn routes() -> Router<App> {
    Router::new()
        .route("/admin/videos", get(list::page))
        .route("/admin/videos/live", get(list::updates))
        .route("/admin/videos/{id}", get(video::page))
        .route("/admin/videos/{id}/live", get(video::updates))
        .route("/admin/videos/{id}/file", get(files::video))
        .route("/admin/videos/{id}/poster", get(files::poster))
        .route("/admin/videos/{id}/cancel", post(acts::cancel))
        .route("/admin/videos/{id}/again", post(acts::again))
}
