//! Time that stands still until everybody waits for it, and goes on from one life of the gateway to the next.

use std::pin::Pin;
use std::sync::Mutex;
use std::time::Duration;

use filmgate_domain::{Clock, Timestamp};
use filmgate_engine::Timer;
use tokio::time::Instant;

/// The clock of upstream and gateway. In whole milliseconds, as timers count.
pub(crate) struct SimClock(Mutex<Hands>);

struct Hands {
    /// What it showed when this life began.
    epoch: Timestamp,
    /// When that was for the runtime; nothing between two lives.
    began: Option<Instant>,
}

impl SimClock {
    pub(crate) fn new(epoch: Timestamp) -> Self {
        Self(Mutex::new(Hands { epoch, began: None }))
    }

    /// A life begins, with a runtime that has a paused clock of its own.
    pub(crate) fn begin(&self) {
        self.hands().began = Some(Instant::now());
    }

    /// A life has ended, and the next one begins so much later.
    pub(crate) fn end(&self, until_next: Duration) {
        let now = self.now();
        *self.hands() = Hands { epoch: now + until_next, began: None };
    }

    fn hands(&self) -> std::sync::MutexGuard<'_, Hands> {
        self.0.lock().expect("no panic under this lock")
    }
}

impl Clock for SimClock {
    fn now(&self) -> Timestamp {
        let hands = self.hands();
        hands.began.map_or(hands.epoch, |began| hands.epoch + began.elapsed())
    }
}

impl Timer for SimClock {
    fn sleep_until(&self, at: Timestamp) -> Pin<Box<dyn Future<Output = ()> + Send + '_>> {
        Box::pin(tokio::time::sleep(at.since(self.now())))
    }
}
