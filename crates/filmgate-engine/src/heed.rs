//! Takes note of what upstreams say, beside their answers, is left for a token.

use filmgate_domain::{RateLimit, TokenId};

use crate::Engine;

impl Engine {
    /// Lets a token pause, or corrects what is left of it, where the upstream says so; and writes that down.
    pub(crate) fn heed(&self, token: TokenId, told: Option<RateLimit>) {
        let Some(told) = told else { return };
        let now = self.now();
        let (until, left) = {
            let mut desk = self.desk();
            if !desk.manager.heed(token, told, now) {
                return;
            }
            let Some(info) = desk.manager.get(token) else { return };
            // Queued under the lock: two changes of one token reach the disk in their order. Lost with a process that
            // ends before, it is told anew with the next answer.
            self.inner.store.save_tokens(&[info]).detach();
            (info.cooling_until, info.quota)
        };
        let until = until.map(|until| format!(", and waits until {until}")).unwrap_or_default();
        let left = left.map(|left| format!(", and {left} units here")).unwrap_or_default();
        tracing::info!(token_id = %token, "has {} left as its upstream says{left}{until}", told.remaining);
        // It may come back before anything else does that somebody waits for.
        self.inner.stirred.notify_one();
    }
}
