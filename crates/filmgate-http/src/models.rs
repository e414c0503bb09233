//! `GET /v1/models`: what can be asked for.

use axum::Json;
use axum::extract::State;
use axum::response::{IntoResponse as _, Response};
use filmgate_domain::{Catalog, Model, Resolution};
use http::StatusCode;
use serde_json::{Value, json};

use crate::App;
use crate::auth::Caller;
use crate::dialect::Dialect;
use crate::extract::Name;
use crate::refusal::Refusal;

pub(crate) async fn list(State(app): State<App>, _: Caller) -> Json<Value> {
    let settings = app.engine.settings();
    let data: Vec<Value> = settings.catalog.models().iter().map(|m| render(&settings.catalog, m)).collect();
    Json(json!({ "object": "list", "data": data }))
}

pub(crate) async fn retrieve(State(app): State<App>, _: Caller, Name(name): Name) -> Response {
    let settings = app.engine.settings();
    match settings.catalog.model(&name) {
        Some(model) => Json(render(&settings.catalog, model)).into_response(),
        None => {
            let message = "there is no such model; GET /v1/models lists them";
            Refusal::new(StatusCode::NOT_FOUND, "model_not_found", message).into_response(Dialect::OpenAi)
        }
    }
}

fn render(catalog: &Catalog, model: &Model) -> Value {
    let pools = || catalog.pools_of(model).map(|index| &catalog.pools()[index]);
    let offers = Resolution::ALL.into_iter().filter_map(|resolution| {
        let longest = pools().filter_map(|pool| pool.longest(&model.name, resolution)).max()?;
        Some(json!({ "resolution": resolution, "max_seconds": longest }))
    });
    json!({
        "id": model.name, "object": "model", "created": 0, "owned_by": "filmgate",
        "filmgate": {
            "aliases": model.aliases,
            "pools": pools().map(|pool| &*pool.name).collect::<Vec<_>>(),
            "offers": offers.collect::<Vec<_>>(),
        },
    })
}
