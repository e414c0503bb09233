//! Finds out what became of a submission whose answer was lost: the connection broke, filmgate was killed, or the
//! answer made no sense.

use std::sync::Arc;
use std::time::Duration;

use filmgate_domain::{Attempt, Cause, Certainty, Event, Failure, Job, JobState, LostAnswer};
use filmgate_upstream::Lost;
use tokio::sync::OwnedSemaphorePermit;

use crate::Engine;
use crate::cell::Cell;
use crate::settle::token_id;

impl Engine {
    /// Tries once to find out. A try that fails ends nothing; the deadline does.
    pub(crate) async fn reconcile(&self, cell: &Arc<Cell>) {
        let Some(_place) = self.place_to_find_out(&cell.job()).await else { return };
        let job = cell.job();
        let Some(attempt) = job.attempt().filter(|_| is_lost(&job)) else { return };
        if self.now() >= job.deadline {
            return self.proceed(cell, Event::DeadlinePassed).await;
        }
        match attempt.lost_answer {
            LostAnswer::Repeat => self.repeat(cell, &job).await,
            LostAnswer::LookUp => self.look_up(cell, &job, attempt).await,
            LostAnswer::GiveUp => {}
        }
    }

    /// After a restart thousands may have to be found out at once: they take their turns among all that is submitted, or
    /// asked.
    async fn place_to_find_out(&self, job: &Job) -> Option<OwnedSemaphorePermit> {
        let attempt = job.attempt().filter(|_| is_lost(job))?;
        let lanes = match attempt.lost_answer {
            LostAnswer::Repeat => &self.inner.submissions,
            LostAnswer::LookUp | LostAnswer::GiveUp => &self.inner.questions,
        };
        lanes.enter(&attempt.pool, &self.inner.stopping).await
    }

    /// Sends it again with the same key: what the upstream took already, it does not take twice.
    async fn repeat(&self, cell: &Arc<Cell>, job: &Job) {
        let event = match self.send(cell).await {
            Ok(upstream_id) => Event::Accepted { upstream_id },
            Err(failure) => Event::SubmitFailed(failure),
        };
        tell(job, &event);
        self.proceed(cell, event).await;
    }

    /// Looks for its video among those of the token.
    async fn look_up(&self, cell: &Arc<Cell>, job: &Job, attempt: &Attempt) {
        let listed = self.list(cell, job, attempt).await;
        // Until the job has its video on disk, no other may choose.
        let adopting = self.inner.adopting.lock().await;
        let event = match listed {
            Ok(listed) => self.choose_listed(job, attempt, listed).await,
            Err(failure) => still_lost(failure.message, failure.retry_after),
        };
        tell(job, &event);
        let next = self.happen(cell, event).await;
        drop(adopting);
        if let Some(next) = next {
            self.arrange(cell, next);
        }
    }

    async fn list(&self, cell: &Arc<Cell>, job: &Job, attempt: &Attempt) -> Result<Vec<Box<str>>, Failure> {
        let (line, token) = self.reach(cell, attempt)?;
        let lost = Lost { prompt: &job.spec.prompt, sent_at: attempt.sent_at.unwrap_or(attempt.reserved_at) };
        line.upstream.find(&token, &lost).await
    }

    /// One of these that is no other job's. Of two orders with the same words either video is as good.
    async fn choose_listed(&self, job: &Job, attempt: &Attempt, listed: Vec<Box<str>>) -> Event {
        let mut free = None;
        for id in listed {
            match self.inner.store.has_attempt_for(attempt.token, &id).await {
                Ok(true) => {}
                Ok(false) => free = Some(id),
                Err(error) => {
                    return still_lost(format!("whose video one is could not be read: {error}"), None);
                }
            }
        }
        match free {
            // It may be the other's, which does not know its id so far.
            Some(_) if self.has_twin_on_the_way(job, attempt) => {
                still_lost("another video of the same words is being submitted", None)
            }
            Some(id) if !self.inner.claims.take_id(attempt.token, &id, job.id) => {
                still_lost("its video is another job's", None)
            }
            Some(upstream_id) => Event::Accepted { upstream_id },
            None if self.is_past_grace(attempt) => Event::NeverArrived,
            None => still_lost(attempt.error.as_deref().unwrap_or_default(), None),
        }
    }

    fn is_past_grace(&self, attempt: &Attempt) -> bool {
        let grace = self.line(&attempt.upstream).map(|line| line.look_up_grace).unwrap_or_default();
        attempt.lost_at.is_some_and(|lost_at| self.now() >= lost_at + grace)
    }

    /// Whether the same words are on their way with the same token, and their answer is still to come.
    fn has_twin_on_the_way(&self, job: &Job, attempt: &Attempt) -> bool {
        self.unfinished().jobs().any(|other| {
            let on_the_way = other.state == JobState::Submitting && other.id != job.id;
            on_the_way
                && other.spec.prompt.trim() == job.spec.prompt.trim()
                && other.attempt().is_some_and(|it| it.token == attempt.token && it.lost_at.is_none())
        })
    }
}

/// Whether its answer is lost. Otherwise its submission is on its way for the first time: that ends by itself, its
/// upstream's time-outs see to it. It may also have ended meanwhile.
fn is_lost(job: &Job) -> bool {
    job.state == JobState::Submitting && job.attempt().is_some_and(|attempt| attempt.lost_at.is_some())
}

/// It is not known so far. Like a failed poll, this is nobody's fault.
fn still_lost(why: impl Into<String>, retry_after: Option<Duration>) -> Event {
    let (cause, certainty) = (Cause::Server, Certainty::Unknown);
    Event::SubmitFailed(Failure { cause, certainty, status: None, retry_after, message: why.into() })
}

fn tell(job: &Job, event: &Event) {
    let token_id = token_id(job);
    match event {
        Event::Accepted { .. } => {
            tracing::info!(job = %job.id, token_id, "the answer was lost, but the upstream has it: going on");
        }
        Event::NeverArrived => {
            tracing::info!(job = %job.id, token_id, "the answer was lost, and the upstream never got the submission");
        }
        Event::SubmitFailed(failure) => {
            tracing::warn!(job = %job.id, token_id, "whether the upstream took it is not known so far: {failure}");
        }
        _ => {}
    }
}
