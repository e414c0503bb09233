//! The books of one token: what it has reserved, spent and in flight, and when that changes by itself.

use std::collections::VecDeque;
use std::time::Duration;

use crate::glance::Shown;
use crate::manager::Totals;
use crate::{Pool, Reason, Settlement, Timestamp, TokenInfo, TokenStatus};

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
    /// What of that no attempt of ours tells of, while it has not come back.
    elsewhere: Option<(Timestamp, u32)>,
    /// Slots of settled jobs that the upstream may still be working on, and until when; earliest first.
    held: VecDeque<Timestamp>,
    /// Reservations of the last minute, oldest first; only where the pool limits them.
    submits: VecDeque<Timestamp>,
    /// How the last refusal found the token, so that it can be taken back. Lost in a restart.
    pub(crate) last_blame: Option<Box<BeforeBlame>>,
    /// Its place in the manager's timers.
    pub(crate) timer: Option<Timestamp>,
    /// What it adds to the totals of which pool.
    pub(crate) counted: Option<(usize, Totals)>,
    /// What it adds to the figures of which pool.
    pub(crate) shown: Option<(usize, Shown)>,
}

/// A token before its last refusal.
#[derive(Debug)]
pub(crate) struct BeforeBlame {
    /// Whether it was one of those in a row.
    pub(crate) counted: bool,
    pub(crate) status: TokenStatus,
    pub(crate) cooling_until: Option<Timestamp>,
    pub(crate) last_fail_at: Option<Timestamp>,
    pub(crate) last_fail_reason: Option<Box<str>>,
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
            elsewhere: None,
            held: VecDeque::new(),
            submits: VecDeque::new(),
            last_blame: None,
            timer: None,
            counted: None,
            shown: None,
        };
        if let Some((at, units)) = entry.info.opening {
            entry.set_spent_elsewhere(at, units);
        }
        entry
    }

    /// Units left; `None` where the pool has no quota.
    pub(crate) fn remaining(&self, pool: &Pool) -> Option<u32> {
        let quota = pool.quota?;
        Some(quota.units.saturating_sub(self.reserved).saturating_sub(self.spent_units))
    }

    /// What it adds to the totals of its pool; nothing when it is out of use, or there is no quota. Goes by
    /// `info.quota`, like [`Entry::rank`]: that has to be up to date.
    pub(crate) fn share(&self, pool: &Pool) -> Option<Totals> {
        let usable = matches!(self.info.status, TokenStatus::Active | TokenStatus::Cooling) && !self.removed;
        let left = self.info.quota.filter(|_| usable)?;
        Some(Totals { granted: u64::from(pool.quota?.units), left: u64::from(left) })
    }

    /// Units spent in the current window.
    pub(crate) fn spent(&self) -> u32 {
        self.spent_units
    }

    /// Videos that it makes, or may still be making.
    pub(crate) fn in_flight(&self) -> u32 {
        self.open + self.held.len() as u32
    }

    /// Until when slots of settled jobs are held, earliest first.
    pub(crate) fn held(&self) -> impl Iterator<Item = Timestamp> + '_ {
        self.held.iter().copied()
    }

    /// Whether it was taken out and no job needs it any more.
    pub(crate) fn is_drained(&self) -> bool {
        self.removed && self.open == 0
    }

    fn spend(&mut self, answered_at: Timestamp, units: u32) {
        if units > 0 {
            insert_sorted(&mut self.spent, (answered_at, units));
            self.spent_units = self.spent_units.saturating_add(units);
        }
    }

    /// Units spent that no attempt of ours tells of and that have not come back.
    pub(crate) fn spent_elsewhere(&self) -> u32 {
        self.elsewhere.map_or(0, |(_, units)| units)
    }

    /// Replaces them.
    pub(crate) fn set_spent_elsewhere(&mut self, at: Timestamp, units: u32) {
        if let Some(known) = self.elsewhere.take()
            && let Some(place) = self.spent.iter().position(|spent| *spent == known)
        {
            self.spent.remove(place);
            self.spent_units = self.spent_units.saturating_sub(known.1);
        }
        self.info.opening = Some((at, units));
        self.elsewhere = self.info.opening.filter(|(_, units)| *units > 0);
        self.spend(at, units);
    }

    fn forget_spent(&mut self) {
        self.spent.clear();
        self.spent_units = 0;
        self.elsewhere = None;
    }

    /// Enters what a settled reservation leaves behind.
    pub(crate) fn settle(&mut self, units: u32, settlement: Settlement, now: Timestamp) {
        if let Some(at) = settlement.spent_at {
            self.spend(at, units);
        }
        if let Some(until) = settlement.slot_until.filter(|until| *until > now) {
            insert_sorted(&mut self.held, until);
        }
    }

    pub(crate) fn note_submit(&mut self, at: Timestamp) {
        insert_sorted(&mut self.submits, at);
    }

    /// Lets everything happen that happens by itself until `now`.
    pub(crate) fn advance(&mut self, pool: Option<&Pool>, now: Timestamp) {
        match pool.map(|p| p.quota) {
            Some(Some(quota)) => {
                while let Some(&spent) = self.spent.front().filter(|(at, _)| *at + quota.window <= now) {
                    self.spent_units = self.spent_units.saturating_sub(spent.1);
                    self.elsewhere = self.elsewhere.filter(|elsewhere| *elsewhere != spent);
                    self.spent.pop_front();
                }
            }
            // Without a window they would pile up for ever.
            Some(None) => self.forget_spent(),
            // The pool may come back with the next configuration.
            None => {}
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
    ///
    /// Of several reasons the one that lasts longest: not before that is over can the token be had.
    pub(crate) fn obstacle(&self, pool: &Pool, cost: u32) -> Option<Reason> {
        let out_of_use = match self.info.status {
            TokenStatus::Disabled => Some(Reason::Disabled),
            TokenStatus::Expired => Some(Reason::Expired),
            TokenStatus::Cooling => Some(Reason::Cooling { until: self.info.cooling_until }),
            TokenStatus::Active => None,
        };
        let out_of_quota = self.remaining(pool).filter(|left| *left < cost);
        let out_of_quota = out_of_quota.map(|_| Reason::OutOfQuota { until: self.affordable_at(pool, cost) });
        let others = [out_of_use, self.throttled(pool), out_of_quota];
        let merely = others.iter().all(Option::is_none);
        let [out_of_use, throttled, out_of_quota] = others;
        let reasons = [out_of_use, self.busy(pool, merely), throttled, out_of_quota];
        reasons.into_iter().flatten().reduce(Reason::longer)
    }

    fn busy(&self, pool: &Pool, merely: bool) -> Option<Reason> {
        let limit = pool.max_in_flight?;
        // So many have to end before there is a slot; what is open ends nobody knows when.
        let beyond = self.in_flight().checked_sub(limit)?;
        Some(Reason::InFlight { limit, until: self.held.get(beyond as usize).copied(), merely })
    }

    fn throttled(&self, pool: &Pool) -> Option<Reason> {
        let limit = pool.submits_per_minute? as usize;
        let beyond = self.submits.len().checked_sub(limit)?;
        Some(Reason::Throttled { until: self.submits.get(beyond).map(|at| *at + MINUTE) })
    }

    /// When enough spent units have come back; `None` when that depends on open reservations.
    fn affordable_at(&self, pool: &Pool, cost: u32) -> Option<Timestamp> {
        let mut left = self.remaining(pool)?;
        self.returns(pool).find_map(|(at, units)| {
            left += units;
            (left >= cost).then_some(at)
        })
    }

    /// The units that come back, and when, earliest first. What is spent beyond a quota that has shrunk only
    /// makes up for that.
    pub(crate) fn returns(&self, pool: &Pool) -> impl Iterator<Item = (Timestamp, u32)> + '_ {
        let (quota, window) = pool.quota.map_or((0, Duration::ZERO), |q| (q.units, q.window));
        let mut beyond = self.reserved.saturating_add(self.spent_units).saturating_sub(quota);
        self.spent.iter().map(move |(at, units)| {
            let made_up = beyond.min(*units);
            beyond -= made_up;
            (*at + window, units - made_up)
        })
    }

    /// Where it stands among the tokens of its pool that can take a video; higher is better.
    ///
    /// Without a quota, tokens with fewer videos in flight are the fuller ones (more than 4,095 are all one).
    pub(crate) fn rank(&self, pool: &Pool) -> Option<u32> {
        let takes_videos = self.info.status == TokenStatus::Active
            && !self.removed
            && pool.max_in_flight.is_none_or(|limit| self.in_flight() < limit)
            && pool.submits_per_minute.is_none_or(|limit| self.submits.len() < limit as usize);
        if !takes_videos {
            return None;
        }
        Some(self.info.quota.unwrap_or(4_095u32.saturating_sub(self.in_flight())))
    }
}

/// Nearly always appends: things mostly happen in order.
fn insert_sorted<T: Ord>(list: &mut VecDeque<T>, item: T) {
    let at = list.iter().rposition(|other| *other <= item).map_or(0, |before| before + 1);
    list.insert(at, item);
}
