//! Waiting for a video: long polls, streams of events, and chat clients. One question to the upstream serves
//! them all, for they follow the job, not the upstream.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use axum::extract::State;
use axum::response::sse::{Event, KeepAlive, Sse};
use axum::response::{IntoResponse as _, Response};
use filmgate_domain::{Job, JobState};
use futures_util::Stream;
use http::Uri;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use crate::App;
use crate::auth::Caller;
use crate::dialect::{Dialect, report};
use crate::extract::Name;
use crate::load::Taken;
use crate::refusal::Refusal;
use crate::serve::Closing;

/// The longest that one request may wait, in seconds: less than proxies allow a silent request.
pub(crate) const LONGEST_WAIT: u64 = 50;

/// How long a client does well to wait before it asks again, when filmgate is being stopped.
const COME_BACK: Duration = Duration::from_secs(1);

/// How often a job is looked for that is written down and cannot be followed, and how long after each other.
const LOOKS: u32 = 100;
const BETWEEN_LOOKS: Duration = Duration::from_millis(10);

/// Waits until the job ends, or filmgate does, or the time is up. The job goes on, whoever waits.
pub(crate) async fn wait(
    app: &App,
    job: Arc<Job>,
    closing: &CancellationToken,
    longest: Option<Duration>,
) -> Result<Arc<Job>, Refusal> {
    let ended = until_end(app, &job, closing);
    match longest {
        None => ended.await,
        // What it is by then is read below.
        Some(longest) => drop(tokio::time::timeout(longest, ended).await),
    }
    let latest = app.engine.job(job.id).await?;
    Ok(latest.unwrap_or(job))
}

async fn until_end(app: &App, job: &Job, closing: &CancellationToken) {
    let Some(mut changes) = changes_of(app, job).await else { return };
    loop {
        let is_final = changes.borrow_and_update().state.is_final();
        if is_final || !changed(&mut changes, closing).await {
            return;
        }
    }
}

/// What becomes of a job from now on; nothing, if it is at its end. One that was written down just now may not be in
/// memory yet, where it can be followed.
pub(crate) async fn changes_of(app: &App, job: &Job) -> Option<watch::Receiver<Arc<Job>>> {
    let mut is_final = job.state.is_final();
    for _ in 0..LOOKS {
        if is_final {
            return None;
        }
        if let Some(changes) = app.engine.follow(job.id) {
            return Some(changes);
        }
        is_final = app.engine.job(job.id).await.ok()??.state.is_final();
        tokio::time::sleep(BETWEEN_LOOKS).await;
    }
    None
}

/// False when there will be no more changes while this process lives.
pub(crate) async fn changed(changes: &mut watch::Receiver<Arc<Job>>, closing: &CancellationToken) -> bool {
    tokio::select! {
        changed = changes.changed() => changed.is_ok(),
        () = closing.cancelled() => false,
    }
}

/// `GET /v1/videos/{id}/events`: what a status request would say, at once and whenever that changes, until
/// the video is at its end, or filmgate is.
pub(crate) async fn events(
    State(app): State<App>,
    caller: Caller,
    closing: Closing,
    uri: Uri,
    Name(id): Name,
) -> Response {
    let dialect = Dialect::of_path(uri.path());
    let found = async { Ok((app.find(caller, &id).await?, app.stream(caller)?)) };
    match found.await {
        Ok((job, place)) => {
            let changes = changes_of(&app, &job).await;
            let ping = KeepAlive::new().interval(app.settings.load().chat_ping).text("ping");
            let headers = report::headers(&job);
            (headers, Sse::new(stream(app, (job, changes), dialect, closing, place)).keep_alive(ping))
                .into_response()
        }
        Err(refusal) => Refusal::into_response(refusal, dialect),
    }
}

/// A stream of events, and what it has told so far.
struct Following {
    app: App,
    dialect: Dialect,
    closing: Closing,
    changes: Option<watch::Receiver<Arc<Job>>>,
    job: Arc<Job>,
    told: Option<(JobState, u8)>,
    ended: bool,
    _place: Taken,
}

fn stream(
    app: App,
    (job, changes): (Arc<Job>, Option<watch::Receiver<Arc<Job>>>),
    dialect: Dialect,
    closing: Closing,
    place: Taken,
) -> impl Stream<Item = Result<Event, Infallible>> {
    let start = Following { app, dialect, closing, changes, job, told: None, ended: false, _place: place };
    futures_util::stream::unfold(start, |mut following| async move {
        let event = following.next().await?;
        Some((Ok(event), following))
    })
}

impl Following {
    async fn next(&mut self) -> Option<Event> {
        if self.ended {
            return None;
        }
        loop {
            match &mut self.changes {
                Some(changes) => self.job = Arc::clone(&changes.borrow_and_update()),
                // It ended before it could be followed.
                None => self.job = self.app.engine.job(self.job.id).await.ok()??,
            }
            let now = (self.job.state, self.job.progress);
            if self.told != Some(now) {
                self.told = Some(now);
                self.ended = self.job.state.is_final();
                return Some(self.event());
            }
            let begun = &self.closing.begun;
            if begun.is_cancelled() {
                self.ended = true;
                return Some(self.last_event());
            }
            if !changed(self.changes.as_mut()?, begun).await && !begun.is_cancelled() {
                return None;
            }
        }
    }

    fn event(&self) -> Event {
        let name = match self.job.state {
            JobState::Completed => "video.completed",
            JobState::Failed => "video.failed",
            _ => "video.updated",
        };
        self.named(name)
    }

    /// The client need not guess whether the line broke: it asks again, and is told how the video stands by then.
    fn last_event(&self) -> Event {
        self.named("gateway.stopping").retry(COME_BACK)
    }

    fn named(&self, name: &str) -> Event {
        Event::default().event(name).data(self.dialect.render(&self.app, &self.job))
    }
}
