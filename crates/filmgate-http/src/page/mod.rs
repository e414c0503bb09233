//! The operator's page, `/admin`: rendered here, live by server-sent events, and usable without its script.

mod assets;
mod chart;
mod clients;
mod forms;
mod layout;
mod live;
mod locked;
mod look;
mod origin;
mod overview;
mod parts;
mod routing;
mod session;
mod settings;
mod studio;
mod tokens;
mod videos;
mod words;

use axum::middleware;
use axum::response::Redirect;
use axum::routing::{get, post};
use axum::{Extension, Router};

pub(crate) use clients::FreshKeys;
pub(crate) use session::{FREE_TRIES, Sessions};

use crate::App;
use crate::extract::BodyLimit;

/// The largest form that somebody may send who is not signed in, in bytes.
const SMALL: usize = 16 * 1024;

fn small() -> Extension<BodyLimit> {
    Extension(BodyLimit(SMALL))
}

/// Everything below `/admin`, save its API.
pub(crate) fn router() -> Router<App> {
    Router::new()
        .route("/admin/", get(|| async { Redirect::permanent("/admin") }))
        .route("/admin/sign-in", get(session::form).post(session::sign_in).layer(small()))
        .route("/admin/sign-out", post(session::sign_out))
        .route("/admin/look", post(look::choose).layer(small()))
        .route("/admin/style.css", get(assets::style))
        .route("/admin/script.js", get(assets::script))
        .route("/admin/icon.svg", get(assets::icon))
        .merge(overview::routes())
        .merge(tokens::routes())
        .merge(videos::routes())
        .merge(routing::routes())
        .merge(studio::routes())
        .merge(clients::routes())
        .merge(settings::routes())
        .layer(middleware::from_fn(origin::guard))
}
