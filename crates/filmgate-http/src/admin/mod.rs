//! The operator's API: `/admin/v1`, with a key of its own. The command line uses it too.

mod config;
mod import;
mod jobs;
mod keys;
mod pools;
mod tokens;
mod webhooks;

use axum::response::Response;
use axum::routing::{get, post, put};
use axum::{Extension, Router};
use filmgate_engine::OperatorError;
use http::StatusCode;

pub use config::{ConfigProblem, Configuration};

use crate::App;
use crate::dialect::Dialect;
use crate::extract::BodyLimit;
use crate::refusal::Refusal;

/// A hundred thousand tokens of a kilobyte each.
const IMPORT_LIMIT: usize = 128 * 1024 * 1024;

pub(crate) fn router() -> Router<App> {
    let import = post(tokens::import).layer(Extension(BodyLimit(IMPORT_LIMIT)));
    Router::new()
        .route("/tokens", get(tokens::list))
        .route("/tokens/import", import)
        .route("/tokens/export", get(tokens::export))
        .route("/tokens/{id}", get(tokens::show).delete(tokens::remove))
        .route("/tokens/{id}/enable", post(tokens::enable))
        .route("/tokens/{id}/disable", post(tokens::disable))
        .route("/tokens/{id}/reset", post(tokens::reset))
        .route("/pools", get(pools::list))
        .route("/route", get(pools::route))
        .route("/upstreams/{name}/check", post(pools::check))
        .route("/jobs", get(jobs::list))
        .route("/jobs/{id}", get(jobs::show))
        .route("/jobs/{id}/cancel", post(jobs::cancel))
        .route("/keys", get(keys::list).post(keys::create))
        .route("/keys/{id}", axum::routing::delete(keys::revoke))
        .route("/webhooks", get(webhooks::list))
        .route("/webhooks/{caller}", put(webhooks::set).delete(webhooks::remove))
        .route("/webhooks/{caller}/rotate", post(webhooks::rotate))
        .route("/webhooks/{caller}/test", post(webhooks::test))
        .route("/webhooks/deliveries", get(webhooks::deliveries))
        .route("/webhooks/deliveries/{id}/retry", post(webhooks::retry))
        .route("/config", get(config::show).patch(config::change))
        .route("/config/reload", post(config::reload))
}

/// Admin errors have the OpenAI shape.
pub(crate) struct AdminError(Refusal);

impl axum::response::IntoResponse for AdminError {
    fn into_response(self) -> Response {
        self.0.into_response(Dialect::OpenAi)
    }
}

impl<T: Into<Refusal>> From<T> for AdminError {
    fn from(refusal: T) -> Self {
        Self(refusal.into())
    }
}

impl From<OperatorError> for Refusal {
    fn from(error: OperatorError) -> Self {
        match error {
            OperatorError::Store(error) => error.into(),
            missing => Refusal::new(StatusCode::NOT_FOUND, "not_found", missing.to_string()),
        }
    }
}

/// Reads an id from a path.
fn id<T: std::str::FromStr>(text: &str, example: &str) -> Result<T, Refusal> {
    text.parse().map_err(|_| Refusal::invalid("id", format!("that is not an id such as {example}")))
}
