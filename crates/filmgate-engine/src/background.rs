//! Work that comes last: taking videos in, and bringing them on their way.
//!
//! A runtime polls what is ready in the order in which it became so. Under a flood of new videos, whoever merely asks
//! how one is doing would stand behind hundreds of tasks of theirs. Here all these have a queue of their own, and few
//! drivers that work on it: each for a few polls, and then again when its thread has nothing else to do, or has done
//! much else.

use std::sync::{Arc, Weak};

use async_executor::Executor;
use tokio_util::sync::{CancellationToken, DropGuard};

/// Polls in one turn, most of them of some ten microseconds: so many that changing over costs little, so few that
/// nobody notices the wait.
const POLLS_IN_A_TURN: usize = 8;

/// The queue of work that comes last.
pub struct Background {
    /// Its drivers own it. They end with the runtime, and with them all work that is left, as if each piece were a task
    /// of the runtime; what is owned by work that holds this queue would never end.
    executor: Weak<Executor<'static>>,
    _drivers: DropGuard,
}

impl Background {
    /// Has as many drivers as the runtime has threads, until it is dropped.
    pub(crate) fn start() -> Self {
        let (executor, over) = (Arc::new(Executor::new()), CancellationToken::new());
        for _ in 0..tokio::runtime::Handle::current().metrics().num_workers() {
            tokio::spawn(over.clone().run_until_cancelled_owned(drive(Arc::clone(&executor))));
        }
        Self { executor: Arc::downgrade(&executor), _drivers: over.drop_guard() }
    }

    /// Has something done for which nobody waits.
    pub(crate) fn spawn(&self, work: impl Future<Output = ()> + Send + 'static) {
        if let Some(executor) = self.executor.upgrade() {
            executor.spawn(work).detach();
        }
    }

    /// Does something that comes last. Dropping this ends it; it panics as the work does.
    pub async fn run<T: Send + 'static>(&self, work: impl Future<Output = T> + Send + 'static) -> T {
        let task = self.executor.upgrade().map(|executor| executor.spawn(work).fallible());
        if let Some(task) = task
            && let Some(done) = task.await
        {
            return done;
        }
        // The runtime is ending.
        std::future::pending().await
    }
}

async fn drive(executor: Arc<Executor<'static>>) {
    loop {
        executor.tick().await;
        for _ in 1..POLLS_IN_A_TURN {
            if !executor.try_tick() {
                break;
            }
        }
        tokio::task::yield_now().await;
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;

    #[tokio::test]
    async fn whoever_asks_waits_for_one_turn_whatever_there_is_to_do() {
        let (background, polls) = (Background::start(), Arc::new(AtomicUsize::new(0)));
        for _ in 0..1_000 {
            let polls = Arc::clone(&polls);
            background.spawn(async move {
                loop {
                    polls.fetch_add(1, Ordering::Relaxed);
                    tokio::task::yield_now().await;
                }
            });
        }
        for asked in 1..=100 {
            tokio::task::yield_now().await;
            let polled = polls.load(Ordering::Relaxed);
            assert!(polled <= asked * POLLS_IN_A_TURN, "{polled} polls in {asked} turns");
        }
        assert!(polls.load(Ordering::Relaxed) >= 50 * POLLS_IN_A_TURN, "and it goes on meanwhile");
    }

    #[tokio::test]
    async fn a_panic_ends_its_own_work_only() {
        let background = Arc::new(Background::start());
        background.spawn(async { panic!("nobody waits for this") });
        let work = Arc::clone(&background);
        let waiting =
            tokio::spawn(async move { work.run(async { panic!("somebody waits for this") }).await });
        assert!(waiting.await.is_err_and(|error| error.is_panic()));
        assert_eq!(background.run(async { 7 }).await, 7);
    }

    #[tokio::test]
    async fn work_that_nobody_waits_for_any_more_ends() {
        let (background, held) = (Background::start(), Arc::new(()));
        let holding = Arc::clone(&held);
        let work = background.run(async move {
            let _holding = holding;
            std::future::pending::<()>().await;
        });
        assert!(futures_util::FutureExt::now_or_never(work).is_none());
        background.run(async {}).await;
        assert_eq!(Arc::strong_count(&held), 1);
    }

    #[test]
    fn nothing_outlives_the_runtime() {
        let held = Arc::new(());
        let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
        runtime.block_on(async {
            let (background, holding) = (Arc::new(Background::start()), Arc::clone(&held));
            let inside = Arc::clone(&background);
            background.spawn(async move {
                let _both = (inside, holding);
                std::future::pending::<()>().await;
            });
            background.run(async {}).await;
        });
        drop(runtime);
        assert_eq!(Arc::strong_count(&held), 1);
    }
}
