//! What is due when: one heap for all jobs.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::panic::AssertUnwindSafe;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use filmgate_domain::{Cause, Certainty, Event, Failure, Fault, Job, JobFailure, JobId, JobState, Timestamp};
use futures_util::FutureExt as _;
use tokio::sync::Notify;

use crate::cell::Cell;
use crate::settle::token_id;
use crate::{Engine, Timer};

/// How long a job rests after a step of it panicked.
const AFTER_A_PANIC: Duration = Duration::from_secs(1);

/// A job, and the state in which it is to be looked at.
type Due = (JobId, JobState);

/// Jobs by the time at which they are to be looked at again.
#[derive(Default)]
pub(crate) struct Scheduler {
    heap: Mutex<BinaryHeap<Reverse<(Timestamp, Due)>>>,
    earlier: Notify,
}

impl Scheduler {
    /// Has a job looked at when the clock shows `at`, if it is in the same state then. In another, whoever brought
    /// it there has seen to what is next; done twice at once, a file would be fetched into itself.
    pub(crate) fn wake_at(&self, at: Timestamp, job: &Job) {
        let mut heap = self.heap.lock().expect("no panic under this lock");
        let is_first = heap.peek().is_none_or(|Reverse((first, _))| at < *first);
        heap.push(Reverse((at, (job.id, job.state))));
        if is_first {
            self.earlier.notify_one();
        }
    }

    pub(crate) fn is_broken(&self) -> bool {
        self.heap.is_poisoned()
    }

    /// The job that is due at `now`; or when the next one will be.
    fn pop_due(&self, now: Timestamp) -> Result<Due, Option<Timestamp>> {
        let mut heap = self.heap.lock().expect("no panic under this lock");
        match heap.peek() {
            Some(Reverse((at, _))) if *at > now => Err(Some(*at)),
            None => Err(None),
            Some(_) => heap.pop().map(|Reverse((_, due))| due).ok_or(None),
        }
    }

    async fn wait(&self, next: Option<Timestamp>, timer: &dyn Timer) {
        match next {
            Some(at) => tokio::select! {
                biased;
                () = timer.sleep_until(at) => {}
                () = self.earlier.notified() => {}
            },
            None => self.earlier.notified().await,
        }
    }
}

impl Engine {
    /// Looks at each job when it is due, until the engine stops.
    pub(crate) async fn run_scheduler(self) {
        let Self { inner } = &self;
        loop {
            // Thousands can be due at once.
            tokio::task::consume_budget().await;
            match inner.scheduler.pop_due(inner.timer.now()) {
                Ok((job, state)) => {
                    if let Some(cell) = self.cell(job).filter(|cell| cell.job().state == state) {
                        self.look_at(cell);
                    }
                }
                Err(next) => tokio::select! {
                    biased;
                    () = inner.scheduler.wait(next, &*inner.timer) => {}
                    () = inner.stopping.cancelled() => return,
                },
            }
        }
    }

    /// Does what is next for a job in its state.
    fn look_at(&self, cell: Arc<Cell>) {
        let engine = self.clone();
        self.work(async move {
            if AssertUnwindSafe(engine.go_on(&cell)).catch_unwind().await.is_err() {
                engine.after_a_panic(&cell).await;
            }
        });
    }

    async fn go_on(&self, cell: &Arc<Cell>) {
        use JobState::{Completed, Delivering, Failed, Queued, Reserved, Running, Submitting};
        match cell.job().state {
            Queued => self.route(cell).await,
            Reserved => self.submit(cell).await,
            Running => self.poll(cell).await,
            Delivering => self.deliver(cell).await,
            Submitting => self.reconcile(cell).await,
            Completed | Failed => {}
        }
    }

    /// A mistake of filmgate's own must leave no job behind that nobody looks at: it counts as a failed try, of
    /// which there are only so many.
    async fn after_a_panic(&self, cell: &Arc<Cell>) {
        let job = cell.job();
        let token_id = token_id(&job);
        tracing::error!(job = %job.id, token_id, state = %job.state, "a step of a job panicked; this is a defect of filmgate, please report it");
        let message = "filmgate made a mistake; its log says more";
        let failure = |certainty| Failure {
            cause: Cause::Garbage,
            certainty,
            status: None,
            retry_after: Some(AFTER_A_PANIC),
            message: message.to_owned(),
        };
        match job.state {
            // What was reserved is not sent before its turn, and not for ever: its deadline ends it.
            JobState::Queued | JobState::Reserved => {
                self.inner.scheduler.wake_at(self.now() + AFTER_A_PANIC, &job)
            }
            JobState::Submitting => {
                self.proceed(cell, Event::SubmitFailed(failure(Certainty::Unknown))).await
            }
            JobState::Running if self.now() >= job.deadline => {
                self.proceed(cell, Event::DeadlinePassed).await
            }
            JobState::Running => self.proceed(cell, Event::PollFailed(failure(Certainty::Refused))).await,
            JobState::Delivering => {
                let failure = JobFailure::new("internal_error", Fault::Gateway, message);
                let retry_after = Some(AFTER_A_PANIC);
                self.proceed(cell, Event::FetchFailed { failure, again: true, retry_after }).await;
            }
            JobState::Completed | JobState::Failed => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use filmgate_domain::{AspectRatio, CallerId, Resolution, Seconds, Shape, VideoSpec};

    use super::*;

    #[test]
    fn jobs_come_out_when_they_are_due() {
        let at = Timestamp::from_millis;
        let job = |n| {
            let (seconds, aspect_ratio) = (Seconds::DEFAULT, AspectRatio::R16x9);
            let spec =
                VideoSpec::new("m", "a fox", Shape { resolution: Resolution::P480, seconds, aspect_ratio });
            let id = JobId::from_bytes([n; 16]);
            Job::new(id, CallerId(1), spec.expect("a prompt"), [0; 32], (at(0), at(0)))
        };
        let (first, second) = (job(1), Job { state: JobState::Running, ..job(2) });
        let scheduler = Scheduler::default();
        scheduler.wake_at(at(20), &second);
        scheduler.wake_at(at(10), &first);
        assert_eq!(scheduler.pop_due(at(9)), Err(Some(at(10))));
        assert_eq!(scheduler.pop_due(at(15)), Ok((first.id, JobState::Queued)));
        assert_eq!(scheduler.pop_due(at(15)), Err(Some(at(20))));
        assert_eq!(scheduler.pop_due(at(20)), Ok((second.id, JobState::Running)));
        assert_eq!(scheduler.pop_due(at(20)), Err(None));
    }
}
