//! For whoever watches filmgate: is it alive, is it ready, what does it count. `docs/metrics.md` lists it.

use std::sync::atomic::AtomicU64;

use axum::extract::{MatchedPath, Request, State};
use axum::middleware::Next;
use axum::response::{IntoResponse as _, Response};
use filmgate_domain::Timestamp;
use http::{StatusCode, header};
use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::Registry;

use crate::App;

/// Requests by route, method and status.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Answered {
    method: &'static str,
    route: String,
    status: u16,
}

/// Requests by route and method.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Served {
    method: &'static str,
    route: String,
}

/// The HTTP face's own counters. Cloning shares them.
#[derive(Clone)]
pub(crate) struct Requests {
    answered: Family<Answered, Counter>,
    seconds: Family<Served, Histogram>,
    /// Since when they count.
    since: Timestamp,
}

impl Requests {
    pub(crate) fn new(now: Timestamp) -> Self {
        // Up to minutes: a chat completion that is no stream is answered when its video is there.
        let seconds =
            || Histogram::new([0.005, 0.02, 0.1, 0.5, 1.0, 3.0, 10.0, 30.0, 60.0, 120.0, 300.0, 900.0]);
        Self { answered: Family::default(), seconds: Family::new_with_constructor(seconds), since: now }
    }

    /// Since when filmgate runs.
    pub(crate) fn since(&self) -> Timestamp {
        self.since
    }

    fn register(&self, to: &mut Registry) {
        to.register("http_requests", "Requests answered, by route, method and status", self.answered.clone());
        let help = "Time until the headers of an answer were sent, by route and method";
        to.register("http_request_duration_seconds", help, self.seconds.clone());
    }
}

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
    let known = ["GET", "POST", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS"];
    let method = known.into_iter().find(|known| request.method() == known).unwrap_or("other");
    let began = app.engine.now();
    let response = next.run(request).await;
    let took = app.engine.now().since(began).as_secs_f64();
    let served = Served { method, route };
    app.requests.seconds.get_or_create(&served).observe(took);
    let answered = Answered { method, route: served.route, status: response.status().as_u16() };
    app.requests.answered.get_or_create(&answered).inc();
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
struct Build {
    version: &'static str,
}

/// `GET /metrics`, for Prometheus.
pub(crate) async fn metrics(State(app): State<App>) -> Response {
    let mut registry = Registry::default();
    let ours = registry.sub_registry_with_prefix("filmgate");
    app.engine.register_metrics(ours);
    app.requests.register(ours);
    app.webhooks.register(ours);
    register_gauges(&app, ours);
    let started = Gauge::<f64, AtomicU64>::default();
    started.set(app.requests.since.as_millis() as f64 / 1000.0);
    // By this name Prometheus' own tools look for it.
    registry.register("process_start_time_seconds", "When filmgate was started, in Unix time", started);
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
    let in_flight = Family::<OfPool, Gauge>::default();
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
    let build = Family::<Build, Gauge>::default();
    build.get_or_create(&Build { version: env!("CARGO_PKG_VERSION") }).set(1);
    registry.register("build_info", "The version that runs; always 1", build);
    registry.register("tokens", "Tokens, by pool and status", tokens);
    registry.register("quota_left_units", "Units left in a pool", left);
    registry.register("quota_granted_units", "Units of a pool's usable tokens in a full window", granted);
    registry.register("videos_in_flight", "Videos in flight at upstreams, by pool", in_flight);
}
