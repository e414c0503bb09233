//! What is due when: one heap for all jobs.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::sync::{Arc, Mutex};

use filmgate_domain::{JobId, Timestamp};
use tokio::sync::Notify;

use crate::cell::Cell;
use crate::{Engine, Timer};

/// Jobs by the time at which they are to be looked at again.
#[derive(Default)]
pub(crate) struct Scheduler {
    heap: Mutex<BinaryHeap<Reverse<(Timestamp, JobId)>>>,
    earlier: Notify,
}

impl Scheduler {
    /// Has a job looked at when the clock shows `at`.
    pub(crate) fn wake_at(&self, at: Timestamp, job: JobId) {
        let mut heap = self.heap.lock().expect("no panic under this lock");
        let is_first = heap.peek().is_none_or(|Reverse((first, _))| at < *first);
        heap.push(Reverse((at, job)));
        if is_first {
            self.earlier.notify_one();
        }
    }

    /// The job that is due at `now`; or when the next one will be.
    fn pop_due(&self, now: Timestamp) -> Result<JobId, Option<Timestamp>> {
        let mut heap = self.heap.lock().expect("no panic under this lock");
        match heap.peek() {
            Some(Reverse((at, _))) if *at > now => Err(Some(*at)),
            None => Err(None),
            Some(_) => heap.pop().map(|Reverse((_, job))| job).ok_or(None),
        }
    }

    async fn wait(&self, next: Option<Timestamp>, timer: &dyn Timer) {
        match next {
            Some(at) => tokio::select! {
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
            match inner.scheduler.pop_due(inner.timer.now()) {
                Ok(job) => {
                    if let Some(cell) = self.cell(job) {
                        self.look_at(cell);
                    }
                }
                Err(next) => tokio::select! {
                    () = inner.scheduler.wait(next, &*inner.timer) => {}
                    () = inner.stopping.cancelled() => return,
                },
            }
        }
    }

    /// Does what is next for a job in its state.
    fn look_at(&self, cell: Arc<Cell>) {
        let engine = self.clone();
        self.inner.tasks.spawn(async move {
            use filmgate_domain::JobState::{
                Completed, Delivering, Failed, Queued, Reserved, Running, Submitting,
            };
            match cell.job().state {
                Queued => engine.route(&cell).await,
                Reserved => engine.submit(&cell).await,
                Running => engine.poll(&cell).await,
                Delivering => engine.deliver(&cell).await,
                Submitting => engine.reconcile(&cell).await,
                Completed | Failed => {}
            }
        });
    }
}

#[cfg(test)]
mod tests {
    use rand::SeedableRng as _;
    use rand::rngs::StdRng;

    use super::*;

    #[test]
    fn jobs_come_out_when_they_are_due() {
        let at = Timestamp::from_millis;
        let mut rng = StdRng::seed_from_u64(1);
        let [first, second] = [1, 2].map(|n| JobId::new(at(n), &mut rng));
        let scheduler = Scheduler::default();
        scheduler.wake_at(at(20), second);
        scheduler.wake_at(at(10), first);
        assert_eq!(scheduler.pop_due(at(9)), Err(Some(at(10))));
        assert_eq!(scheduler.pop_due(at(15)), Ok(first));
        assert_eq!(scheduler.pop_due(at(15)), Err(Some(at(20))));
        assert_eq!(scheduler.pop_due(at(20)), Ok(second));
        assert_eq!(scheduler.pop_due(at(20)), Err(None));
    }
}
