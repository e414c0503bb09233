//! `GET /v1/models`: what can be asked for.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::response::{IntoResponse as _, Response};
use filmgate_domain::{Catalog, Mode, Model, Pool, Resolution};
use http::StatusCode;
use serde_json::{Value, json};

use crate::App;
use crate::auth::Caller;
use crate::dialect::Dialect;
use crate::extract::Name;
use crate::refusal::Refusal;

pub(crate) async fn list(State(app): State<App>, _: Caller) -> Json<Value> {
    let settings = app.engine.settings();
    let ready = app.engine.ready_pools();
    let models = settings.catalog.models().iter();
    let data: Vec<Value> = models.map(|model| render(&settings.catalog, model, &ready)).collect();
    Json(json!({ "object": "list", "data": data }))
}

pub(crate) async fn retrieve(State(app): State<App>, _: Caller, Name(name): Name) -> Response {
    let settings = app.engine.settings();
    match settings.catalog.model(&name) {
        Some(model) => Json(render(&settings.catalog, model, &app.engine.ready_pools())).into_response(),
        None => {
            let message = "there is no such model; GET /v1/models lists them";
            Refusal::new(StatusCode::NOT_FOUND, "model_not_found", message).into_response(Dialect::OpenAi)
        }
    }
}

/// A model with what can be had of it: in principle, and with the tokens that are free at the moment.
fn render(catalog: &Catalog, model: &Model, ready: &[Box<str>]) -> Value {
    let pools = || catalog.pools_of(model).map(|index| &catalog.pools()[index]);
    let mut offers = Vec::new();
    for mode in Mode::ALL {
        for resolution in Resolution::ALL {
            let longest = |pool: &Arc<Pool>| pool.longest(&model.name, mode, resolution);
            let Some(max_seconds) = pools().filter_map(longest).max() else { continue };
            let now = pools().filter(|pool| ready.contains(&pool.name)).filter_map(longest).max();
            offers.push(json!({
                "mode": mode, "resolution": resolution, "max_seconds": max_seconds, "max_seconds_now": now,
            }));
        }
    }
    json!({
        "id": model.name, "object": "model", "created": 0, "owned_by": "filmgate",
        "filmgate": {
            "aliases": model.aliases,
            "pools": pools().map(|pool| &*pool.name).collect::<Vec<_>>(),
            "offers": offers,
        },
    })
}
