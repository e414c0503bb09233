//! How much of one pool is on the wire at once: enough to keep it busy, so little that it leaves sockets and memory to
//! all else. An upstream that answers nobody holds up the jobs of its own pools only.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};

use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio_util::sync::CancellationToken;

/// Submissions at once, and questions at once, of one pool.
pub(crate) const ORDERS_AT_ONCE: usize = 512;

/// Files at once of one pool: enough to keep a line busy, few enough to bound memory.
pub(crate) const FILES_AT_ONCE: usize = 64;

/// One lane for each pool.
pub(crate) struct Lanes {
    at_once: usize,
    by_pool: Mutex<HashMap<Box<str>, Arc<Semaphore>>>,
}

impl Lanes {
    pub(crate) fn new(at_once: usize) -> Self {
        Self { at_once, by_pool: Mutex::default() }
    }

    /// Waits for a place. `None`: filmgate is being stopped, whether there is a place or not.
    pub(crate) async fn enter(
        &self,
        pool: &str,
        stopping: &CancellationToken,
    ) -> Option<OwnedSemaphorePermit> {
        let lane = self.lane(pool);
        tokio::select! {
            biased;
            () = stopping.cancelled() => None,
            place = lane.acquire_owned() => place.ok(),
        }
    }

    fn lane(&self, pool: &str) -> Arc<Semaphore> {
        let mut lanes = self.by_pool.lock().expect("no panic under this lock");
        if let Some(lane) = lanes.get(pool) {
            return Arc::clone(lane);
        }
        Arc::clone(lanes.entry(pool.into()).or_insert_with(|| Arc::new(Semaphore::new(self.at_once))))
    }
}

#[cfg(test)]
mod tests {
    use std::task::{Context, Waker};

    use super::*;

    const AT_ONCE: usize = 64;

    #[tokio::test]
    async fn a_pool_that_is_stuck_holds_up_no_other() {
        let (lanes, stopping) = (Lanes::new(AT_ONCE), CancellationToken::new());
        let mut places = Vec::new();
        for _ in 0..AT_ONCE {
            places.push(lanes.enter("dead", &stopping).await.unwrap());
        }
        let mut next = Box::pin(lanes.enter("dead", &stopping));
        assert!(next.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_pending());
        assert!(lanes.enter("well", &stopping).await.is_some());
        places.pop();
        assert!(next.await.is_some());
    }

    #[tokio::test]
    async fn a_stop_ends_the_waiting() {
        let (lanes, stopping) = (Lanes::new(AT_ONCE), CancellationToken::new());
        let lane = lanes.lane("dead");
        let _all = lane.acquire_many(AT_ONCE as u32).await.unwrap();
        stopping.cancel();
        assert!(lanes.enter("dead", &stopping).await.is_none());
        assert!(lanes.enter("well", &stopping).await.is_none());
    }
}
