//! A token's account in a pool over a period: what was reserved, and what became of it. It is a sum over attempts,
//! and adds up: `carried + reserved = charged + given_back + open`.

use std::ops::AddAssign;
use std::time::Duration;

use crate::{Outcome, Timestamp};

/// A span of time: from a moment on, and before another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Period {
    /// Its first moment.
    pub from: Timestamp,
    /// The first moment after it.
    pub until: Timestamp,
}

impl Period {
    fn has(&self, at: Timestamp) -> bool {
        self.from <= at && at < self.until
    }
}

/// What an account is made from: an attempt, as far as it matters.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Booked {
    /// Units.
    pub units: u32,
    /// When they were reserved.
    pub reserved_at: Timestamp,
    /// When the upstream answered.
    pub answered_at: Option<Timestamp>,
    /// When and how the reservation ended, and whether the units were spent; `None` while it is open.
    pub end: Option<(Timestamp, Outcome, bool)>,
    /// What the upstream says it cost, in ticks of 10^-10 USD.
    pub cost_ticks: i64,
}

/// How many attempts ended in a way, and with how many units.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Ended {
    /// Attempts.
    pub attempts: u64,
    /// Units that were spent.
    pub charged: u64,
    /// Units that came back.
    pub given_back: u64,
}

/// What a token reserved in a pool over a period, and what became of it. In units, if not said otherwise.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Account {
    /// Reserved before the period, and still open when it began.
    pub carried: u64,
    /// Reserved within the period.
    pub reserved: u64,
    /// Of both: how it ended within the period, in the order of [`Outcome::ALL`].
    pub ended: [Ended; Outcome::ALL.len()],
    /// Of both: still open at the period's end.
    pub open: u64,
    /// What the upstream says that what ended within the period cost, in ticks of 10^-10 USD.
    pub cost_ticks: i64,
    /// Spent when the period began, and not back by then.
    pub spent_before: u64,
    /// Spent at the period's end, and not back by then.
    pub spent_after: u64,
}

impl Account {
    /// Enters an attempt. `window` is how long a unit of the pool stays spent (`None` where there is no quota), `now`
    /// stands for the end of a period that has not ended.
    pub fn enter(&mut self, booked: &Booked, period: Period, window: Option<Duration>, now: Timestamp) {
        let units = u64::from(booked.units);
        let ended_at = booked.end.map(|(at, ..)| at);
        // The clock may have been set back in between.
        let began_at = ended_at.map_or(booked.reserved_at, |at| at.min(booked.reserved_at));
        let is_open = |at: Timestamp| began_at < at && ended_at.is_none_or(|ended_at| ended_at >= at);
        self.carried += if is_open(period.from) { units } else { 0 };
        self.reserved += if period.has(began_at) { units } else { 0 };
        self.open += if is_open(period.until) { units } else { 0 };
        let Some((ended_at, outcome, charged)) = booked.end else { return };
        if period.has(ended_at) {
            let ended = &mut self.ended[outcome as usize];
            ended.attempts += 1;
            *(if charged { &mut ended.charged } else { &mut ended.given_back }) += units;
            self.cost_ticks = self.cost_ticks.saturating_add(booked.cost_ticks);
        }
        let back_at = window.map(|window| booked.answered_at.unwrap_or(ended_at) + window);
        let Some(back_at) = back_at.filter(|_| charged) else { return };
        self.spent_before += if ended_at < period.from && back_at > period.from { units } else { 0 };
        let end = period.until.min(now);
        self.spent_after += if ended_at < period.until && back_at > end { units } else { 0 };
    }

    /// Units that were spent.
    pub fn charged(&self) -> u64 {
        self.ended.iter().map(|ended| ended.charged).sum()
    }

    /// Units that came back.
    pub fn given_back(&self) -> u64 {
        self.ended.iter().map(|ended| ended.given_back).sum()
    }

    /// Whether there is anything in it.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

impl AddAssign<&Account> for Account {
    fn add_assign(&mut self, other: &Account) {
        let Account { carried, reserved, ended, open, cost_ticks, spent_before, spent_after } = other;
        self.carried += carried;
        self.reserved += reserved;
        self.open += open;
        self.cost_ticks = self.cost_ticks.saturating_add(*cost_ticks);
        self.spent_before += spent_before;
        self.spent_after += spent_after;
        for (own, more) in self.ended.iter_mut().zip(ended) {
            own.attempts += more.attempts;
            own.charged += more.charged;
            own.given_back += more.given_back;
        }
    }
}

/// What a token, or all of a pool, has at a moment: `granted + over = available + reserved + spent`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Balance {
    /// Units in full windows; `None` without a quota.
    pub granted: Option<u64>,
    /// Units that can be reserved; `None` without a quota.
    pub available: Option<u64>,
    /// Units that are set aside.
    pub reserved: u64,
    /// Units spent that have not come back.
    pub spent: u64,
    /// Of those: what no attempt of ours tells of.
    pub elsewhere: u64,
    /// What is reserved and spent beyond what is granted: a quota that has shrunk, a token that was removed.
    pub over: u64,
}

impl Balance {
    /// The balance of one token.
    pub fn of(granted: Option<u64>, reserved: u64, spent: u64, elsewhere: u64) -> Self {
        let spent = spent + elsewhere;
        let used = reserved + spent;
        let available = granted.map(|granted| granted.saturating_sub(used));
        let over = granted.map_or(0, |granted| used.saturating_sub(granted));
        Self { granted, available, reserved, spent, elsewhere, over }
    }
}

impl AddAssign<&Balance> for Balance {
    fn add_assign(&mut self, other: &Balance) {
        let sum = |own: Option<u64>, more: Option<u64>| own.map_or(more, |own| Some(own + more.unwrap_or(0)));
        self.granted = sum(self.granted, other.granted);
        self.available = sum(self.available, other.available);
        self.reserved += other.reserved;
        self.spent += other.spent;
        self.elsewhere += other.elsewhere;
        self.over += other.over;
    }
}

#[cfg(test)]
mod tests {
    use proptest::collection::vec;
    use proptest::option;
    use proptest::prelude::*;

    use super::*;

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_millis(seconds * 1000)
    }

    fn booked() -> impl Strategy<Value = Booked> {
        let end = option::weighted(0.8, (0..60i64, 0..Outcome::ALL.len(), any::<bool>()));
        (0..9u32, 0..60i64, option::of(0..60i64), end, 0..9i64).prop_map(
            |(units, reserved, answered, end, cost_ticks)| Booked {
                units,
                reserved_at: at(reserved),
                answered_at: answered.map(at),
                end: end.map(|(ended, outcome, charged)| (at(ended), Outcome::ALL[outcome], charged)),
                cost_ticks,
            },
        )
    }

    fn account(all: &[Booked], from: i64, until: i64) -> Account {
        let mut account = Account::default();
        let period = Period { from: at(from), until: at(until) };
        all.iter().for_each(|one| account.enter(one, period, Some(Duration::from_secs(20)), at(1000)));
        account
    }

    proptest! {
        #[test]
        fn an_account_adds_up_whatever_happened(all in vec(booked(), 0..30), from in 0..60i64, long in 0..40i64) {
            let account = account(&all, from, from + long);
            let in_and_out = (account.carried + account.reserved, account.charged() + account.given_back() + account.open);
            prop_assert_eq!(in_and_out.0, in_and_out.1);
        }

        /// A day goes on where the day before ended, and both together are the two days.
        #[test]
        fn periods_follow_each_other(all in vec(booked(), 0..30), cut in vec(0..70i64, 3)) {
            let mut cut = cut;
            cut.sort_unstable();
            let (first, second) = (account(&all, cut[0], cut[1]), account(&all, cut[1], cut[2]));
            prop_assert_eq!(first.open, second.carried);
            prop_assert_eq!(first.spent_after, second.spent_before);
            let both = account(&all, cut[0], cut[2]);
            prop_assert_eq!(first.reserved + second.reserved, both.reserved);
            prop_assert_eq!(first.charged() + second.charged(), both.charged());
            prop_assert_eq!(first.cost_ticks + second.cost_ticks, both.cost_ticks);
        }

        #[test]
        fn a_balance_adds_up(parts in vec((option::of(0..99u64), 0..99u64, 0..99u64, 0..99u64), 1..9)) {
            let mut sum = Balance::default();
            for (granted, reserved, spent, elsewhere) in parts {
                let one = Balance::of(granted, reserved, spent, elsewhere);
                if let (Some(granted), Some(available)) = (one.granted, one.available) {
                    prop_assert_eq!(granted + one.over, available + one.reserved + one.spent);
                    sum += &one;
                }
            }
            let (granted, available) = (sum.granted.unwrap_or(0), sum.available.unwrap_or(0));
            prop_assert_eq!(granted + sum.over, available + sum.reserved + sum.spent);
        }
    }

    #[test]
    fn an_attempt_that_spans_midnight_is_open_then_and_ends_the_next_day() {
        let end = Some((at(70), Outcome::Done, true));
        let all = [Booked { units: 4, reserved_at: at(50), answered_at: Some(at(55)), end, cost_ticks: 7 }];
        let (before, after) = (account(&all, 0, 60), account(&all, 60, 120));
        assert_eq!((before.reserved, before.open, before.charged(), before.cost_ticks), (4, 4, 0, 0));
        assert_eq!((after.carried, after.reserved, after.charged(), after.cost_ticks), (4, 0, 4, 7));
        assert_eq!(
            (before.spent_after, after.spent_after),
            (0, 0),
            "back at 75, twenty seconds after the answer"
        );
        assert_eq!(account(&all, 60, 74).spent_after, 4);
    }
}
