//! `/admin/v1/pools`, `/route` and `/upstreams`: what there is, where a video would go, and who answers.

use axum::Json;
use axum::extract::State;
use filmgate_domain::{AspectRatio, Mode, NoToken, Resolution, Seconds, Shape, Wanted};
use filmgate_engine::{AdmitError, Checked, PoolView};
use http::StatusCode;
use serde::Deserialize;
use serde_json::{Value, json};

use super::AdminError;
use crate::App;
use crate::auth::Operator;
use crate::dialect::Names;
use crate::extract::{Name, Params};
use crate::refusal::{Refusal, bad_spec};

type Answer = Result<Json<Value>, AdminError>;

pub(crate) async fn list(State(app): State<App>, _: Operator) -> Json<Value> {
    let pools: Vec<Value> = app.engine.pools().iter().map(render).collect();
    Json(json!({ "pools": pools }))
}

fn render(view: &PoolView) -> Value {
    let PoolView { pool, summary } = view;
    let tokens: serde_json::Map<String, Value> =
        summary.tokens.iter().map(|(status, count)| ((*status).to_owned(), json!(count))).collect();
    json!({
        "name": pool.name,
        "upstream": pool.upstream,
        "delivers": pool.delivers,
        "quota": pool.quota.map(|q| json!({ "units": q.units, "window_seconds": q.window.as_secs() })),
        "max_in_flight": pool.max_in_flight,
        "submits_per_minute": pool.submits_per_minute,
        "costs": pool.costs,
        "tokens": tokens,
        "granted": summary.granted,
        "left": summary.left,
        "in_flight": summary.in_flight,
    })
}

/// A video that somebody asks about.
#[derive(Clone, Default, Deserialize)]
pub(crate) struct RouteQuery {
    pub(crate) model: Option<String>,
    pub(crate) resolution: Option<String>,
    pub(crate) seconds: Option<String>,
    pub(crate) mode: Option<String>,
}

/// What is asked about: a model's name, a form and a mode. What is left out is as the API has it.
pub(crate) fn asked(app: &App, query: RouteQuery) -> Result<(String, Shape, Mode), Refusal> {
    let resolution = query.resolution.map_or(Ok(Resolution::P480), |text| text.parse());
    let seconds = query.seconds.map_or(Ok(Seconds::DEFAULT), |text| text.parse());
    let shape = Shape {
        resolution: resolution.map_err(bad_spec("resolution"))?,
        seconds: seconds.map_err(bad_spec("seconds"))?,
        aspect_ratio: AspectRatio::R16x9,
    };
    let model = query.model.unwrap_or_else(|| app.default_model());
    let mode = query.mode.map_or(Ok(Mode::Text), |word| word.parse());
    let mode = mode.map_err(|_| Refusal::invalid("mode", format!("`mode` must be one of {}", modes())))?;
    Ok((model, shape, mode))
}

/// Where such a video would go now, and why.
pub(crate) async fn route(State(app): State<App>, _: Operator, Params(query): Params<RouteQuery>) -> Answer {
    let (model, shape, mode) = asked(&app, query)?;
    let wanted = Wanted { mode, ..Wanted::new(&model, shape) };
    let decision = app.engine.explain(&wanted).map_err(|error| not_routed(&app, error))?;
    let explanation = decision.to_string();
    let expected = decision.expected().filter(|_| decision.chosen.is_none());
    Ok(Json(json!({ "decision": decision, "explanation": explanation, "expected": expected })))
}

pub(crate) fn not_routed(app: &App, error: NoToken) -> Refusal {
    let names = Names { prompt: "prompt", resolution: "resolution", seconds: "seconds" };
    Refusal::not_admitted(&AdmitError::NoToken(error), app.engine.now(), names, Some("mode"))
}

fn modes() -> String {
    Mode::ALL.map(Mode::as_str).join(", ")
}

/// Whether an upstream can be reached and takes the credentials of its tokens. Makes no video.
pub(crate) async fn check(State(app): State<App>, _: Operator, Name(name): Name) -> Answer {
    let Some(results) = app.engine.check_upstream(&name).await else {
        let known: Vec<String> = app.engine.settings().upstreams.keys().map(ToString::to_string).collect();
        let name: String = name.chars().take(100).collect();
        let message = format!("there is no upstream {name:?}; there is {}", known.join(", "));
        return Err(Refusal::new(StatusCode::NOT_FOUND, "not_found", message).into());
    };
    let results: Vec<Value> = results
        .into_iter()
        .map(|(token, checked)| match checked {
            Ok(Checked::Accepted) => json!({ "token": token, "ok": true, "message": "credential accepted" }),
            Ok(Checked::Reachable) => {
                let message = "reachable; it has nothing that would tell whether it takes the credential";
                json!({ "token": token, "ok": true, "message": message })
            }
            Err(failure) => {
                let (code, message) = (failure.cause.code(), failure.message);
                json!({ "token": token, "ok": false, "code": code, "message": message })
            }
        })
        .collect();
    Ok(Json(json!({ "upstream": name, "results": results })))
}
