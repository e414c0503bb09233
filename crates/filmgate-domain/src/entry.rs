//! The books of one token: what it has reserved, spent and in flight, and when that changes by itself.

use std::collections::VecDeque;
use std::time::Duration;

use crate::{Pool, Reason, Timestamp, TokenInfo, TokenStatus};

const MINUTE: Duration = Duration::from_secs(60);

/// A token in the manager.
#[derive(Debug)]
pub(crate) struct Entry {
    pub(crate) info: TokenInfo,
    /// Its pool's place in the catalog; `None` while the configuration does not have the pool.
    pub(crate) pool: Option<usize>,
    /// Taken out by the operator: never chosen again, kept while jobs still need it.
    pub(crate) removed: bool,
    /// Reservations that are not settled yet.
    pub(crate) open: u32,
    /// Units of those.
    pub(crate) reserved: u32,
    /// Units spent, with the time at which their submission was answered, oldest first.
    spent: VecDeque<(Timestamp, u32)>,
    spent_units: u32,
    /// Slots of settled jobs that the upstream may still be working on, and until when; earliest first.
    held: VecDeque<Timestamp>,
    /// Reservations of the last minute, oldest first; only where the pool limits them.
    submits: VecDeque<Timestamp>,
    /// Its place in the manager's timers.
    pub(crate) timer: Option<Timestamp>,
    /// What it adds to its pool's totals: units granted, units left.
    pub(crate) counted: (u32, u32),
}

impl Entry {
    pub(crate) fn new(info: TokenInfo, pool: Option<usize>) -> Self {
        let mut entry = Self {
            info,
            pool,
            removed: false,
            open: 0,
            reserved: 0,
            spent: VecDeque::new(),
            spent_units: 0,
            held: VecDeque::new(),
            submits: VecDeque::new(),
            timer: None,
            counted: (0, 0),
        };
        if let Some((at, units)) = entry.info.opening {
            entry.spend(at, units);
        }
        entry
    }

    /// Units left; `None` where the pool has no quota.
    pub(crate) fn remaining(&self, pool: &Pool) -> Option<u32> {
        let quota = pool.quota?;
        Some(quota.units.saturating_sub(self.reserved).saturating_sub(self.spent_units))
    }

    /// Units spent in the current window.
    pub(crate) fn spent(&self) -> u32 {
        self.spent_units
    }

    /// Videos that it makes, or may still be making.
    pub(crate) fn in_flight(&self) -> u32 {
        self.open + self.held.len() as u32
    }

    pub(crate) fn spend(&mut self, answered_at: Timestamp, units: u32) {
        if units > 0 {
            insert_sorted(&mut self.spent, (answered_at, units));
            self.spent_units = self.spent_units.saturating_add(units);
        }
    }

    pub(crate) fn hold_slot(&mut self, until: Timestamp) {
        insert_sorted(&mut self.held, until);
    }

    pub(crate) fn note_submit(&mut self, pool: Option<&Pool>, at: Timestamp) {
        if pool.is_some_and(|p| p.submits_per_minute.is_some()) {
            insert_sorted(&mut self.submits, at);
        }
    }

    /// Lets everything happen that happens by itself until `now`.
    pub(crate) fn advance(&mut self, pool: Option<&Pool>, now: Timestamp) {
        if let Some(quota) = pool.and_then(|p| p.quota) {
            while let Some(&(_, units)) = self.spent.front().filter(|(at, _)| *at + quota.window <= now) {
                self.spent_units -= units;
                self.spent.pop_front();
            }
        }
        while self.held.front().is_some_and(|until| *until <= now) {
            self.held.pop_front();
        }
        while self.submits.front().is_some_and(|at| *at + MINUTE <= now) {
            self.submits.pop_front();
        }
        if self.info.status == TokenStatus::Cooling && self.info.cooling_until.is_none_or(|t| t <= now) {
            self.info.status = TokenStatus::Active;
            self.info.cooling_until = None;
        }
    }

    /// When [`Entry::advance`] has something to do next.
    pub(crate) fn next_change(&self, pool: Option<&Pool>) -> Option<Timestamp> {
        let window = pool.and_then(|p| p.quota).map(|q| q.window);
        let unit = window.and_then(|window| self.spent.front().map(|(at, _)| *at + window));
        let cooled = self.info.cooling_until.filter(|_| self.info.status == TokenStatus::Cooling);
        let slot = self.held.front().copied();
        let submit = self.submits.front().map(|at| *at + MINUTE);
        [unit, cooled, slot, submit].into_iter().flatten().min()
    }

    /// Why it cannot take a video that costs `cost` units now; `None` when it can.
    pub(crate) fn obstacle(&self, pool: &Pool, cost: u32) -> Option<Reason> {
        match self.info.status {
            TokenStatus::Disabled => return Some(Reason::Disabled),
            TokenStatus::Expired => return Some(Reason::Expired),
            TokenStatus::Cooling => return Some(Reason::Cooling { until: self.info.cooling_until }),
            TokenStatus::Active => {}
        }
        if let Some(limit) = pool.max_in_flight.filter(|limit| self.in_flight() >= *limit) {
            return Some(Reason::InFlight { limit, until: self.held.front().copied() });
        }
        if let Some(limit) = pool.submits_per_minute.filter(|limit| self.submits.len() >= *limit as usize) {
            let frees = self.submits.len().saturating_sub(limit as usize);
            return Some(Reason::Throttled { until: self.submits.get(frees).map(|at| *at + MINUTE) });
        }
        if self.remaining(pool).is_some_and(|left| left < cost) {
            return Some(Reason::OutOfQuota { until: self.affordable_at(pool, cost) });
        }
        None
    }

    /// When enough spent units have come back; `None` when that depends on open reservations.
    fn affordable_at(&self, pool: &Pool, cost: u32) -> Option<Timestamp> {
        let quota = pool.quota?;
        let mut owed = (u64::from(cost) + u64::from(self.reserved) + u64::from(self.spent_units))
            .checked_sub(u64::from(quota.units))?;
        for (at, units) in &self.spent {
            owed = owed.saturating_sub(u64::from(*units));
            if owed == 0 {
                return Some(*at + quota.window);
            }
        }
        None
    }

    /// Where it stands among the tokens of its pool that can take a video; higher is better.
    ///
    /// Without a quota, tokens with fewer videos in flight are the fuller ones.
    pub(crate) fn rank(&self, pool: &Pool) -> Option<u32> {
        if self.removed || self.obstacle(pool, 0).is_some() {
            return None;
        }
        Some(self.remaining(pool).unwrap_or(u32::MAX - self.in_flight()))
    }
}

/// Nearly always appends: things mostly happen in order.
fn insert_sorted<T: Ord>(list: &mut VecDeque<T>, item: T) {
    let at = list.iter().rposition(|other| *other <= item).map_or(0, |before| before + 1);
    list.insert(at, item);
}
