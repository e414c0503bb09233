//! What an upstream says of what is left for a token, and what the token's books make of it.
//!
//! Its word is only ever taken for less than our own book has: what it says is as of then, counts in its own way,
//! and does not know of what is on its way to it.

use std::time::Duration;

use crate::entry::Entry;
use crate::{Quota, Timestamp, TokenId, TokenManager};

/// What an upstream says that a token may still do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RateLimit {
    /// How much is left: requests, or what `in_units` says.
    pub remaining: u32,
    /// In how long there is more, if it says.
    pub reset: Option<Duration>,
    /// Whether it counts in the units of the token's pool.
    pub in_units: bool,
}

/// The upstream counts down by the second, so that it names a slightly other moment each time.
const SAME_MOMENT: Duration = Duration::from_secs(1);

impl TokenManager {
    /// The upstream told what is left for a token. When that is nothing, the token pauses until there is more: that
    /// is no refusal, and nothing is counted against it. Where the upstream counts in units and fewer are left than
    /// our book has, the others were spent elsewhere, and come back when the upstream says, else one window from
    /// now. True when that changed anything.
    pub fn heed(&mut self, token: TokenId, told: RateLimit, now: Timestamp) -> bool {
        self.advance(now);
        let quota = self.entry(token).and_then(|entry| self.catalog.pools()[entry.pool?].quota);
        if told.reset.is_some_and(|reset| reset.is_zero()) {
            // It is over by now.
            return false;
        }
        let heed = |entry: &mut Entry| {
            let corrected = quota.is_some_and(|quota| told.in_units && correct(entry, quota, told, now));
            let reset = told.reset.filter(|_| told.remaining == 0);
            corrected | reset.is_some_and(|reset| entry.info.pause(now + reset, SAME_MOMENT))
        };
        self.change_entry(token, now, heed).unwrap_or(false)
    }
}

/// Enters what was spent elsewhere, where that is more than is known.
fn correct(entry: &mut Entry, quota: Quota, told: RateLimit, now: Timestamp) -> bool {
    let known = entry.spent_elsewhere();
    let own = entry.reserved.saturating_add(entry.spent()).saturating_sub(known);
    let elsewhere = quota.units.saturating_sub(told.remaining).saturating_sub(own);
    if elsewhere <= known {
        return false;
    }
    let back = now + told.reset.unwrap_or(quota.window);
    entry.set_spent_elsewhere(back - quota.window, elsewhere);
    true
}
