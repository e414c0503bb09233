//! What there is already: one video, the list of a caller's videos, and deleting one.

use std::sync::Arc;
use std::time::Duration;

use axum::Json;
use axum::extract::State;
use axum::response::{IntoResponse as _, Response};
use filmgate_domain::{Job, JobId};
use filmgate_store::JobFilter;
use http::{HeaderValue, StatusCode, Uri};
use serde::{Deserialize, Serialize};
use serde_json::json;

use crate::App;
use crate::auth::Caller;
use crate::dialect::openai::{self, Video};
use crate::dialect::{Dialect, spelling, xai};
use crate::extract::{Name, Params};
use crate::follow::{LONGEST_WAIT, wait};
use crate::refusal::{Refusal, SHOULD_RETRY};
use crate::serve::Closing;

/// The most videos on a page.
pub(crate) const LONGEST_PAGE: u32 = 100;

/// How long to wait for the end.
#[derive(Deserialize)]
pub(crate) struct Patience {
    wait: Option<String>,
}

/// `GET /v1/videos/{id}`: the mount, else the spelling of the id, chooses the dialect. `?wait=30` answers when
/// the video is at its end, or after so many seconds.
pub(crate) async fn retrieve(
    State(app): State<App>,
    caller: Caller,
    closing: Closing,
    uri: Uri,
    Name(id): Name,
    Params(patience): Params<Patience>,
) -> Response {
    let dialect = Dialect::of_path(uri.path());
    let found = async {
        let longest = patience.wait.as_deref().map(seconds).transpose()?;
        let job = app.find(caller, &id).await?;
        match longest {
            Some(longest) if !job.state.is_final() && !longest.is_zero() => {
                let _place = app.stream(caller)?;
                wait(&app, job, &closing.begun, Some(longest)).await
            }
            _ => Ok(job),
        }
    };
    match (found.await, dialect) {
        (Ok(job), Dialect::OpenAi) => openai::respond(&app, &job),
        (Ok(job), Dialect::Xai) => xai::respond(&app, &job),
        (Err(refusal), dialect) => refusal.into_response(dialect),
    }
}

fn seconds(text: &str) -> Result<Duration, Refusal> {
    let seconds = text.parse::<u64>().ok().filter(|seconds| *seconds <= LONGEST_WAIT);
    seconds.map(Duration::from_secs).ok_or_else(|| {
        let message = format!("`wait` must be a whole number of seconds from 0 to {LONGEST_WAIT}");
        Refusal::invalid("wait", message)
    })
}

/// Which page of the list.
#[derive(Deserialize)]
pub(crate) struct Page {
    after: Option<String>,
    limit: Option<String>,
    order: Option<String>,
}

#[derive(Serialize)]
struct List<'a> {
    object: &'static str,
    first_id: Option<&'a str>,
    last_id: Option<&'a str>,
    has_more: bool,
    data: &'a [Video<'a>],
}

/// `GET /v1/videos`: every video of the caller, whatever the dialect that made it. Newest first, or oldest.
pub(crate) async fn list(State(app): State<App>, caller: Caller, Params(page): Params<Page>) -> Response {
    match page_of(&app, caller, page).await {
        Ok(page) => page,
        Err(refusal) => refusal.into_response(Dialect::OpenAi),
    }
}

async fn page_of(app: &App, caller: Caller, page: Page) -> Result<Response, Refusal> {
    let ascending = match page.order.as_deref() {
        None | Some("desc") => false,
        Some("asc") => true,
        Some(_) => return Err(Refusal::invalid("order", "`order` must be \"asc\" or \"desc\"")),
    };
    let limit = match page.limit.as_deref().map(str::parse::<u32>) {
        None => 20,
        Some(Ok(limit)) if (1..=LONGEST_PAGE).contains(&limit) => limit,
        Some(_) => {
            let message = format!("`limit` must be a whole number from 1 to {LONGEST_PAGE}");
            return Err(Refusal::invalid("limit", message));
        }
    };
    let after = page.after.as_deref().map(cursor).transpose()?;
    let filter =
        JobFilter { caller: Some(caller.0), limit: limit + 1, after, ascending, ..JobFilter::default() };
    let mut jobs = app.engine.store().jobs(&filter).await?;
    let has_more = jobs.len() > limit as usize;
    jobs.truncate(limit as usize);
    // What is in memory is ahead of the disk: its progress is not written down each time.
    let jobs: Vec<Arc<Job>> = jobs.into_iter().map(|job| app.engine.latest(job)).collect();
    let videos: Vec<Video<'_>> = jobs.iter().map(|job| openai::render(app, job)).collect();
    let list = List {
        object: "list",
        first_id: videos.first().map(|video| &*video.id),
        last_id: videos.last().map(|video| &*video.id),
        has_more,
        data: &videos,
    };
    Ok(Json(list).into_response())
}

/// Ids sort by the time they were made, so a page goes on after any id, also one that was deleted meanwhile.
fn cursor(id: &str) -> Result<JobId, Refusal> {
    let wrong = || Refusal::invalid("after", "`after` must be the id of a video: the `last_id` of a page");
    spelling(id).map(|(_, id)| id).ok_or_else(wrong)
}

/// `DELETE /v1/videos/{id}`: of videos at their end only. The client may not try again by itself.
pub(crate) async fn delete(State(app): State<App>, caller: Caller, uri: Uri, Name(id): Name) -> Response {
    let dialect = Dialect::of_path(uri.path());
    let deleted = async {
        let job = app.find(caller, &id).await?;
        Ok::<_, Refusal>((app.engine.delete(&job).await?, job))
    };
    match deleted.await {
        Ok((true, job)) => {
            let id = dialect.spell(job.id);
            Json(json!({ "id": id, "object": "video.deleted", "deleted": true })).into_response()
        }
        Ok((false, _)) => {
            let message = "the video is still being made; delete it when it is completed or has failed";
            let refusal = Refusal::new(StatusCode::CONFLICT, "video_in_progress", message);
            let mut response = refusal.into_response(dialect);
            response.headers_mut().insert(SHOULD_RETRY, HeaderValue::from_static("false"));
            response
        }
        Err(refusal) => refusal.into_response(dialect),
    }
}
