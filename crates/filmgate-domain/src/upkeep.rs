//! What becomes of a token: it is used, blamed, paused, switched off and on.

use crate::{Blame, Timestamp, TokenId, TokenInfo, TokenManager, TokenStatus};

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
    pub fn blame(&mut self, token: TokenId, blame: &Blame, now: Timestamp) {
        let (threshold, first_pause) = (self.fail_threshold, self.first_pause);
        self.change(token, now, |info| {
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
                    } else if usable {
                        cool(info, now + first_pause * 2u32.pow(doublings));
                    }
                }
                Blame::RateLimited { until, reason } => {
                    info.last_fail_reason = Some(reason.clone());
                    if usable {
                        cool(info, until.unwrap_or(now + first_pause));
                    }
                }
            }
        });
    }

    /// Pauses a token until a time; it comes back by itself.
    pub fn cool_until(&mut self, token: TokenId, until: Timestamp, now: Timestamp) {
        self.change(token, now, |info| {
            if matches!(info.status, TokenStatus::Active | TokenStatus::Cooling) {
                info.status = TokenStatus::Cooling;
                info.cooling_until = Some(until);
            }
        });
    }

    /// Switches a token off; its jobs in flight go on with it. False when it is not known.
    pub fn disable(&mut self, token: TokenId, now: Timestamp) -> bool {
        self.change(token, now, |info| {
            info.status = TokenStatus::Disabled;
            info.cooling_until = None;
        })
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
        self.change(token, now, |info| {
            info.failures_in_a_row = 0;
            info.last_fail_reason = None;
            info.cooling_until = None;
            if info.status != TokenStatus::Disabled {
                info.status = TokenStatus::Active;
            }
        })
    }
}

/// A longer pause is never cut short by a shorter one.
fn cool(info: &mut TokenInfo, until: Timestamp) {
    info.status = TokenStatus::Cooling;
    info.cooling_until = Some(info.cooling_until.map_or(until, |current| current.max(until)));
}
