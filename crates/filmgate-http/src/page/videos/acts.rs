//! What an operator does with a video: end it, or have it made again.

use axum::extract::State;
use axum::response::{IntoResponse as _, Redirect, Response};
use filmgate_domain::JobId;

use crate::App;
use crate::admin::job_query::read_id;
use crate::admin::jobs::{end, make_again};
use crate::extract::Name;
use crate::refusal::Refusal;

use super::super::session::Visitor;
use super::video;
use super::words::address;

pub(super) async fn cancel(State(app): State<App>, visitor: Visitor, Name(text): Name) -> Response {
    let Ok(id) = read_id(&text) else { return video::missing(&visitor) };
    match end(&app, visitor.by(), id).await {
        Ok(job) => Redirect::to(&format!("{}?done=cancelled", address(job.id))).into_response(),
        Err(refusal) => refused(&app, &visitor, id, refusal).await,
    }
}

pub(super) async fn again(State(app): State<App>, visitor: Visitor, Name(text): Name) -> Response {
    let Ok(id) = read_id(&text) else { return video::missing(&visitor) };
    match make_again(&app, visitor.by(), id).await {
        Ok(job) => Redirect::to(&format!("{}?done=again&of={text}", address(job.id))).into_response(),
        Err(refusal) => refused(&app, &visitor, id, refusal).await,
    }
}

/// The video's page, which says what could not be done.
async fn refused(app: &App, visitor: &Visitor, id: JobId, refusal: Refusal) -> Response {
    match video::render(app, visitor, id, Some(video::Said::Refused(&refusal))).await {
        Ok(Some(page)) => (refusal.status, page).into_response(),
        Ok(None) => video::missing(visitor),
        Err(error) => video::failed(visitor, &Refusal::from(error)),
    }
}
