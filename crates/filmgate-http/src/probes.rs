//! For whoever watches filmgate: is it alive, is it ready, what does it count.

use axum::extract::{MatchedPath, Request, State};
use axum::middleware::Next;
use axum::response::{IntoResponse as _, Response};
use http::{StatusCode, header};
use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry;

use crate::App;

/// Requests by route, method and status.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Answered {
    method: String,
    route: String,
    status: u16,
}

/// The HTTP face's own counters. Cloning shares them.
#[derive(Clone, Default)]
pub(crate) struct Requests(Family<Answered, Counter>);

/// `GET /healthz`: the process answers.
pub(crate) async fn healthz() -> &'static str {
    "ok\n"
}

/// `GET /readyz`: it can also read its books.
pub(crate) async fn readyz(State(app): State<App>) -> Response {
    match app.engine.store().callers().await {
        Ok(_) => "ready\n".into_response(),
        Err(error) => {
            tracing::error!(%error, "not ready: the store cannot be read");
            (StatusCode::SERVICE_UNAVAILABLE, "the storage cannot be read\n").into_response()
        }
    }
}

/// Counts requests by route, not by path: paths hold ids.
pub(crate) async fn count(State(app): State<App>, request: Request, next: Next) -> Response {
    let route = request.extensions().get::<MatchedPath>().map_or("none", MatchedPath::as_str).to_owned();
    let method = match request.method().as_str() {
        known @ ("GET" | "POST" | "PUT" | "PATCH" | "DELETE" | "HEAD" | "OPTIONS") => known.to_owned(),
        _ => "other".to_owned(),
    };
    let response = next.run(request).await;
    let answered = Answered { method, route, status: response.status().as_u16() };
    app.requests.0.get_or_create(&answered).inc();
    response
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct OfPool {
    pool: String,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct TokensIn {
    pool: String,
    status: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct InState {
    state: &'static str,
}

/// `GET /metrics`, for Prometheus.
pub(crate) async fn metrics(State(app): State<App>) -> Response {
    let mut registry = Registry::with_prefix("filmgate");
    app.engine.metrics().register(&mut registry);
    registry.register("http_requests", "Requests answered", app.requests.0.clone());
    app.webhooks.register(&mut registry);
    register_gauges(&app, &mut registry);
    let mut text = String::new();
    if prometheus_client::encoding::text::encode(&mut text, &registry).is_err() {
        return StatusCode::INTERNAL_SERVER_ERROR.into_response();
    }
    let content_type = "application/openmetrics-text; version=1.0.0; charset=utf-8";
    ([(header::CONTENT_TYPE, content_type)], text).into_response()
}

/// What is so now, as opposed to what was counted.
fn register_gauges(app: &App, registry: &mut Registry) {
    let tokens = Family::<TokensIn, Gauge>::default();
    let (left, granted) = (Family::<OfPool, Gauge>::default(), Family::<OfPool, Gauge>::default());
    let (in_flight, jobs) = (Family::<OfPool, Gauge>::default(), Family::<InState, Gauge>::default());
    for view in app.engine.pools() {
        let pool = view.pool.name.to_string();
        for (status, count) in view.summary.tokens {
            let labels = TokensIn { pool: pool.clone(), status };
            tokens.get_or_create(&labels).set(i64::from(count));
        }
        let set = |family: &Family<OfPool, Gauge>, value: u64| {
            let value = i64::try_from(value).unwrap_or(i64::MAX);
            family.get_or_create(&OfPool { pool: pool.clone() }).set(value);
        };
        set(&in_flight, view.summary.in_flight);
        if let (Some(units_left), Some(units_granted)) = (view.summary.left, view.summary.granted) {
            set(&left, units_left);
            set(&granted, units_granted);
        }
    }
    for (state, count) in app.engine.active_by_state() {
        let count = i64::try_from(count).unwrap_or(i64::MAX);
        jobs.get_or_create(&InState { state: state.as_str() }).set(count);
    }
    registry.register("tokens", "Tokens, by pool and status", tokens);
    registry.register("quota_left_units", "Units left in a pool", left);
    registry.register("quota_granted_units", "Units of a pool's usable tokens in a full window", granted);
    registry.register("videos_in_flight", "Videos in flight at upstreams, by pool", in_flight);
    registry.register("jobs_active", "Unfinished jobs, by state", jobs);
}
