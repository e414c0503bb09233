//! The handlers of the dialects: parse, admit, render. Nothing else.

use axum::extract::State;
use axum::response::Response;
use http::HeaderMap;

use crate::App;
use crate::auth::Caller;
use crate::dialect::{Dialect, admit, chat, openai, spelling, xai};
use crate::extract::{Body, Name};
use crate::fields::Fields;
use crate::refusal::Refusal;
use crate::serve::Closing;

/// `POST /v1/videos`
pub(crate) async fn create_openai(
    State(app): State<App>,
    caller: Caller,
    headers: HeaderMap,
    Body(body): Body,
) -> Response {
    let created = async {
        let fields = Fields::from_body(&headers, &body).await?;
        let spec = openai::parse(fields, &app.default_model())?;
        let admitted = admit(&app, caller.0, spec, ("/v1/videos", &body), &headers).await;
        admitted.map_err(|error| Refusal::not_admitted(&error, app.engine.now(), openai::PARAMS))
    };
    match created.await {
        Ok(admission) => openai::respond(&app, &admission.job),
        Err(refusal) => refusal.into_response(Dialect::OpenAi),
    }
}

/// `POST /v1/videos/generations`
pub(crate) async fn create_xai(
    State(app): State<App>,
    caller: Caller,
    headers: HeaderMap,
    Body(body): Body,
) -> Response {
    let created = async {
        let spec = xai::parse(Fields::from_json_body(&headers, &body)?, &app.default_model())?;
        let admitted = admit(&app, caller.0, spec, ("/v1/videos/generations", &body), &headers).await;
        admitted.map_err(|error| Refusal::not_admitted(&error, app.engine.now(), xai::PARAMS))
    };
    match created.await {
        Ok(admission) => xai::created(&admission.job),
        Err(refusal) => refusal.into_response(Dialect::Xai),
    }
}

/// `POST /v1/chat/completions`
pub(crate) async fn chat(
    State(app): State<App>,
    caller: Caller,
    closing: Closing,
    headers: HeaderMap,
    Body(body): Body,
) -> Response {
    let created = async {
        let request = chat::parse(Fields::from_json_body(&headers, &body)?, &app.default_model())?;
        let admitted = admit(&app, caller.0, request.spec, ("/v1/chat/completions", &body), &headers).await;
        let params = chat::PARAMS;
        let refused = |error| Refusal::not_admitted(&error, app.engine.now(), params);
        Ok((admitted.map_err(refused)?, request.stream))
    };
    match created.await {
        Ok((admission, true)) => chat::stream(&app, admission.job, closing),
        Ok((admission, false)) => chat::respond(&app, admission.job, &closing).await,
        Err(refusal) => Refusal::into_response(refusal, Dialect::OpenAi),
    }
}

/// `GET /v1/videos/{id}`: the spelling of the id chooses the dialect.
pub(crate) async fn retrieve(State(app): State<App>, caller: Caller, Name(id): Name) -> Response {
    match app.find(caller, &id).await {
        Ok((Dialect::OpenAi, job)) => openai::respond(&app, &job),
        Ok((Dialect::Xai, job)) => xai::respond(&app, &job),
        Err(refusal) => {
            let dialect = spelling(&id).map_or(Dialect::OpenAi, |(dialect, _)| dialect);
            refusal.into_response(dialect)
        }
    }
}
