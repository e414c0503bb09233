//! Asks the upstream how a video stands, with the token that submitted it.

use std::sync::Arc;

use filmgate_domain::{Event, Failure, JobState, Polled};

use crate::Engine;
use crate::cell::Cell;
use crate::settle::token_id;

impl Engine {
    /// Asks once. A question that fails ends nothing; the deadline does.
    pub(crate) async fn poll(&self, cell: &Arc<Cell>) {
        let pool = cell.job().attempt().map(|attempt| attempt.pool.clone()).unwrap_or_default();
        let Some(place) = self.inner.questions.enter(&pool, &self.inner.stopping).await else { return };
        let job = cell.job();
        if job.state != JobState::Running {
            // It ended while it waited for its place.
            return;
        }
        let answer = tokio::select! {
            biased;
            answer = self.ask(cell) => answer,
            () = self.inner.stopping.cancelled() => return,
        };
        drop(place);
        let late = self.now() >= job.deadline;
        let event = match answer {
            Ok(polled) if !(late && matches!(polled, Polled::Pending { .. })) => Event::Polled(polled),
            Err(failure) if !late => {
                let token_id = token_id(&job);
                tracing::warn!(job = %job.id, token_id, "could not be asked about, asking again: {failure}");
                Event::PollFailed(failure)
            }
            _ => Event::DeadlinePassed,
        };
        self.proceed(cell, event).await;
    }

    /// What the upstream says of the job's video.
    pub(crate) async fn ask(&self, cell: &Arc<Cell>) -> Result<Polled, Failure> {
        let job = cell.job();
        let attempt = job.attempt().expect("a running job has an attempt");
        let (line, token) = self.reach(cell, attempt)?;
        let id = attempt.upstream_id.as_deref().unwrap_or_default();
        let told = line.upstream.poll(&token, id).await?;
        self.heed(attempt.token, told.limits);
        Ok(told.polled)
    }
}
