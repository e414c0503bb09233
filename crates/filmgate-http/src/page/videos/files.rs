//! The file of a video and its first frame, for whoever is signed in.

use axum::extract::{Request, State};
use axum::response::{IntoResponse as _, Response};
use http::{HeaderValue, StatusCode, header};

use crate::App;
use crate::admin::job_query::read_id;
use crate::extract::Name;
use crate::media::{Part, give};
use crate::refusal::Refusal;

use super::super::session::Visitor;

pub(super) async fn video(app: State<App>, _: Visitor, name: Name, request: Request) -> Response {
    answer(app, name, Part::Video, request).await
}

pub(super) async fn poster(app: State<App>, _: Visitor, name: Name, request: Request) -> Response {
    answer(app, name, Part::Poster, request).await
}

async fn answer(State(app): State<App>, Name(text): Name, part: Part, request: Request) -> Response {
    let found = async {
        let id = read_id(&text).map_err(|_| Refusal::no_such_video())?;
        let job = app.engine.job(id).await?.ok_or_else(Refusal::no_such_video)?;
        give(&app, &job, part, request).await
    };
    match found.await {
        Ok(mut response) => {
            // Seeking asks again and again: what the browser has it may keep, once it has asked whether it may.
            let keep = HeaderValue::from_static("private, no-cache");
            response.headers_mut().insert(header::CACHE_CONTROL, keep);
            response
        }
        // Nobody reads it: a player shows that it has nothing to play.
        Err(refusal) => {
            let status =
                if refusal.status.is_server_error() { refusal.status } else { StatusCode::NOT_FOUND };
            (status, format!("{}\n", refusal.message)).into_response()
        }
    }
}
