//! Pools at a glance: kept up to date with every change of a token, so that whoever looks waits for nothing.

use crate::entry::Entry;
use crate::{TokenManager, TokenStatus};

/// A pool at a glance.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PoolSummary {
    /// Tokens by status: active, cooling, expired, disabled.
    pub tokens: [(&'static str, u32); 4],
    /// Units that its usable tokens have in a full window; `None` without a quota.
    pub granted: Option<u64>,
    /// Units that are left of those.
    pub left: Option<u64>,
    /// Videos in flight, with those that the upstream may still be making.
    pub in_flight: u64,
}

const STATUSES: [TokenStatus; 4] =
    [TokenStatus::Active, TokenStatus::Cooling, TokenStatus::Expired, TokenStatus::Disabled];

/// The sums over a pool's tokens.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Figures {
    /// Tokens by status, in the order of [`STATUSES`].
    tokens: [u32; 4],
    in_flight: u64,
}

/// What a token adds to the figures of its pool. A removed one adds what it still has in flight.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Shown {
    status: Option<TokenStatus>,
    in_flight: u32,
}

impl Shown {
    pub(crate) fn of(entry: &Entry) -> Self {
        Self { status: (!entry.removed).then_some(entry.info.status), in_flight: entry.in_flight() }
    }
}

impl Figures {
    pub(crate) fn add(&mut self, shown: Shown) {
        self.in_flight += u64::from(shown.in_flight);
        if let Some(status) = shown.status {
            self.tokens[place(status)] += 1;
        }
    }

    pub(crate) fn subtract(&mut self, shown: Shown) {
        self.in_flight -= u64::from(shown.in_flight);
        if let Some(status) = shown.status {
            self.tokens[place(status)] -= 1;
        }
    }
}

fn place(status: TokenStatus) -> usize {
    match status {
        TokenStatus::Active => 0,
        TokenStatus::Cooling => 1,
        TokenStatus::Expired => 2,
        TokenStatus::Disabled => 3,
    }
}

impl TokenManager {
    /// A pool at a glance; `None` when there is no such pool.
    pub fn summary(&self, pool: &str) -> Option<PoolSummary> {
        let index = self.catalog.pool_index(pool)?;
        let limited = self.catalog.pools()[index].quota.is_some();
        let Figures { tokens, in_flight } = self.figures[index];
        Some(PoolSummary {
            tokens: STATUSES.map(|status| (status.as_str(), tokens[place(status)])),
            granted: limited.then_some(self.totals[index].granted),
            left: limited.then_some(self.totals[index].left),
            in_flight,
        })
    }
}
