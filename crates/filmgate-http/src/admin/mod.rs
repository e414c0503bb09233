//! The operator's API: `/admin/v1`, with a key of its own. The command line uses it too.

pub(crate) mod audit;
pub(crate) mod callers;
pub(crate) mod config;
pub(crate) mod import;
pub(crate) mod intake;
pub(crate) mod job_query;
pub(crate) mod jobs;
pub(crate) mod keys;
pub(crate) mod ledger;
pub(crate) mod pools;
pub(crate) mod preview;
pub(crate) mod tokens;
pub(crate) mod webhooks;

use axum::response::Response;
use axum::routing::{get, post, put};
use axum::{Extension, Router};
use filmgate_engine::OperatorError;
use http::StatusCode;

pub use config::{
    Change, ConfigProblem, ConfigValue, Configuration, Draft, Mistake, NotUndone, Restart, ValueSource,
};

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
        .route("/tokens/bulk", post(tokens::bulk))
        .route("/tokens/{id}", get(tokens::show).delete(tokens::remove))
        .route("/tokens/{id}/enable", post(tokens::enable))
        .route("/tokens/{id}/disable", post(tokens::disable))
        .route("/tokens/{id}/reset", post(tokens::reset))
        .route("/tokens/{id}/forgive", post(tokens::forgive))
        .route("/pools", get(pools::list))
        .route("/ledger", get(ledger::show))
        .route("/route", get(pools::route))
        .route("/upstreams/{name}/check", post(pools::check))
        .route("/jobs", get(jobs::list))
        .route("/jobs/{id}", get(jobs::show))
        .route("/jobs/{id}/cancel", post(jobs::cancel))
        .route("/jobs/{id}/again", post(jobs::again))
        .route("/keys", get(keys::list).post(keys::create))
        .route("/keys/{id}", axum::routing::delete(keys::revoke))
        .route("/keys/{id}/rotate", post(keys::replace))
        .route("/callers", get(callers::list))
        .route("/callers/{caller}", axum::routing::patch(callers::change))
        .route("/webhooks", get(webhooks::list))
        .route("/webhooks/{caller}", put(webhooks::set).delete(webhooks::remove))
        .route("/webhooks/{caller}/rotate", post(webhooks::rotate))
        .route("/webhooks/{caller}/test", post(webhooks::test))
        .route("/webhooks/deliveries", get(webhooks::deliveries))
        .route("/webhooks/deliveries/{id}/retry", post(webhooks::retry))
        .route("/config", get(config::show).patch(config::change))
        .route("/config/preview", post(preview::show))
        .route("/config/reload", post(config::reload))
        .route("/config/undo", get(config::undo_would).post(config::undo))
        .route("/audit", get(audit::list))
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
            OperatorError::NothingToForgive(_) => {
                Refusal::new(StatusCode::CONFLICT, "nothing_to_forgive", error.to_string())
            }
            missing => Refusal::new(StatusCode::NOT_FOUND, "not_found", missing.to_string()),
        }
    }
}

/// Reads an id from a path.
fn id<T: std::str::FromStr>(text: &str, example: &str) -> Result<T, Refusal> {
    id_in("id", text, example)
}

/// Reads an id from a field or a parameter of this name.
fn id_in<T: std::str::FromStr>(name: &str, text: &str, example: &str) -> Result<T, Refusal> {
    text.parse().map_err(|_| Refusal::invalid(name, format!("that is not an id such as {example}")))
}

/// How many things are on a page: what is asked for, or else so many as usual.
fn page_size(limit: Option<u32>, usual: u32, most: u32) -> Result<u32, Refusal> {
    Some(limit.unwrap_or(usual))
        .filter(|limit| (1..=most).contains(limit))
        .ok_or_else(|| Refusal::invalid("limit", format!("`limit` must be a whole number from 1 to {most}")))
}
