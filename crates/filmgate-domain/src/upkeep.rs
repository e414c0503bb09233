//! What becomes of a token: it is used, blamed, paused, switched off and on.

use std::time::Duration;

use crate::entry::{BeforeBlame, Entry};
use crate::{Blame, Timestamp, TokenId, TokenManager, TokenStatus};

impl TokenManager {
    /// The upstream took a submission with this token: whatever it was blamed for is over.
    ///
    /// What an operator disabled stays disabled.
    pub fn record_use(&mut self, token: TokenId, now: Timestamp) {
        self.change(token, now, |info| {
            info.use_count += 1;
            info.last_used_at = Some(now);
            info.last_sync_at = Some(now);
            info.failures_in_a_row = 0;
        });
    }

    /// The upstream refused this token: it pauses, and after too many refusals in a row it expires.
    ///
    /// An upstream that wants a pause although our book has units left is told of: it may grant less than the pool's
    /// settings say, or somebody else may use the token, too.
    pub fn blame(&mut self, token: TokenId, blame: &Blame, now: Timestamp) {
        self.advance(now);
        let (threshold, first_pause) = (self.fail_threshold, self.first_pause);
        self.change_entry(token, now, |entry| {
            let info = &mut entry.info;
            entry.last_blame = Some(Box::new(BeforeBlame {
                counted: matches!(blame, Blame::Unauthorized { .. }),
                status: info.status,
                cooling_until: info.cooling_until,
                last_fail_at: info.last_fail_at,
                last_fail_reason: info.last_fail_reason.take(),
            }));
            info.fail_count += 1;
            info.last_fail_at = Some(now);
            info.last_sync_at = Some(now);
            let usable = matches!(info.status, TokenStatus::Active | TokenStatus::Cooling);
            match blame {
                Blame::Unauthorized { reason } => {
                    info.last_fail_reason = Some(reason.clone());
                    info.failures_in_a_row += 1;
                    let doublings = (info.failures_in_a_row - 1).min(16);
                    if usable && info.failures_in_a_row >= threshold {
                        info.status = TokenStatus::Expired;
                        info.cooling_until = None;
                    } else {
                        info.pause(now + first_pause * 2u32.pow(doublings), Duration::ZERO);
                    }
                }
                Blame::RateLimited { until, reason } => {
                    info.last_fail_reason = Some(beside_our_book(reason, info.quota));
                    info.pause(until.unwrap_or(now + first_pause), Duration::ZERO);
                }
            }
        });
    }

    /// Takes back the last refusal that was counted against a token: its pause, the expiry that it caused, and
    /// its place in the counts. What an operator disabled stays disabled; what an operator added as expired
    /// stays expired. After a restart nobody knows what the refusal found: a pause ends, whatever it was for.
    /// False when the token is not known, or nothing is counted against it.
    pub fn forgive(&mut self, token: TokenId, now: Timestamp) -> bool {
        let threshold = self.fail_threshold;
        self.change_entry(token, now, |entry| take_back(entry, threshold)).unwrap_or(false)
    }

    /// Pauses a token until a time; it comes back by itself.
    pub fn cool_until(&mut self, token: TokenId, until: Timestamp, now: Timestamp) {
        self.change_entry(token, now, |entry| {
            entry.last_blame = None;
            let info = &mut entry.info;
            if matches!(info.status, TokenStatus::Active | TokenStatus::Cooling) {
                info.status = TokenStatus::Cooling;
                info.cooling_until = Some(until);
            }
        });
    }

    /// Switches a token off; its jobs in flight go on with it. False when it is not known.
    pub fn disable(&mut self, token: TokenId, now: Timestamp) -> bool {
        let disable = |entry: &mut Entry| {
            entry.last_blame = None;
            entry.info.status = TokenStatus::Disabled;
            entry.info.cooling_until = None;
        };
        self.change_entry(token, now, disable).is_some()
    }

    /// Switches a disabled token on again; others stay as they are. False when it is not known.
    pub fn enable(&mut self, token: TokenId, now: Timestamp) -> bool {
        self.change(token, now, |info| {
            if info.status == TokenStatus::Disabled {
                info.status = TokenStatus::Active;
            }
        })
    }

    /// Forgets what a token was blamed for: a cooling or expired one is active again. A disabled one stays
    /// disabled. False when it is not known.
    pub fn reset(&mut self, token: TokenId, now: Timestamp) -> bool {
        let reset = |entry: &mut Entry| {
            entry.last_blame = None;
            let info = &mut entry.info;
            info.failures_in_a_row = 0;
            info.last_fail_reason = None;
            info.cooling_until = None;
            if info.status != TokenStatus::Disabled {
                info.status = TokenStatus::Active;
            }
        };
        self.change_entry(token, now, reset).is_some()
    }

    /// Replaces the operator's labels and remark. False when it is not known.
    pub fn label(&mut self, token: TokenId, tags: Vec<String>, note: String, now: Timestamp) -> bool {
        self.change(token, now, |info| (info.tags, info.note) = (tags, note))
    }
}

fn take_back(entry: &mut Entry, threshold: u32) -> bool {
    let before = entry.last_blame.take();
    let info = &mut entry.info;
    if info.fail_count == 0 {
        return false;
    }
    let counted = before.as_ref().is_none_or(|before| before.counted) && info.failures_in_a_row > 0;
    let was_enough = info.failures_in_a_row >= threshold;
    info.fail_count -= 1;
    info.failures_in_a_row -= u32::from(counted);
    let is_enough = info.failures_in_a_row >= threshold;
    let (pause, caused_expiry) = match &before {
        Some(before) => (before.cooling_until, before.status != TokenStatus::Expired),
        None => (None, was_enough && !is_enough),
    };
    let expired_by_it = info.status == TokenStatus::Expired && caused_expiry;
    if info.status == TokenStatus::Cooling || expired_by_it {
        // A pause that is over by now ends in the same moment.
        info.status = if pause.is_some() { TokenStatus::Cooling } else { TokenStatus::Active };
        info.cooling_until = pause;
    }
    (info.last_fail_at, info.last_fail_reason) =
        before.map(|before| (before.last_fail_at, before.last_fail_reason)).unwrap_or_default();
    true
}

/// The upstream's words, and what our book has left.
fn beside_our_book(reason: &str, left: Option<u32>) -> Box<str> {
    match left.filter(|left| *left > 0) {
        Some(left) => format!("{reason}; by our own book {left} units are left").into(),
        None => reason.into(),
    }
}
