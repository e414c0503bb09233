//! Sums over the last minute and the last day, in memory that does not grow with what happens.

use std::collections::BTreeMap;
use std::time::Duration;

use filmgate_domain::Timestamp;

/// Counts for 60 to 61 s.
pub(super) type Minute = Rolling<60_000, 1_000>;

/// Counts for 24 h and up to 5 minutes.
pub(super) type Day = Rolling<86_400_000, 300_000>;

/// A sum over a `LENGTH` of time that ends now and moves on in steps of `GRAIN`, both in milliseconds. What happened
/// in a step counts until all of it is too old, so that no `LENGTH` of time ever holds more than the sum.
#[derive(Default)]
pub(super) struct Rolling<const LENGTH: i64, const GRAIN: i64> {
    /// By the step in which they happened.
    slots: BTreeMap<i64, u64>,
    pub(super) sum: u64,
}

impl<const LENGTH: i64, const GRAIN: i64> Rolling<LENGTH, GRAIN> {
    pub(super) const SPAN: Duration = Duration::from_millis(LENGTH.unsigned_abs());
    pub(super) const STEP: Duration = Duration::from_millis(GRAIN.unsigned_abs());

    fn slot(at: Timestamp) -> i64 {
        at.as_millis().div_euclid(GRAIN)
    }

    /// When everything that happened in a step is as old as the length of time.
    fn leaves(slot: i64) -> Timestamp {
        let ends = (slot + 1).saturating_mul(GRAIN);
        Timestamp::from_millis(ends.saturating_add(LENGTH))
    }

    pub(super) fn add(&mut self, at: Timestamp, amount: u64, now: Timestamp) {
        if amount > 0 {
            *self.slots.entry(Self::slot(at)).or_default() += amount;
            self.sum += amount;
        }
        self.advance(now);
    }

    /// Takes back one that turned out not to count.
    pub(super) fn take_back(&mut self, at: Timestamp) {
        if let Some(amount) = self.slots.get_mut(&Self::slot(at)) {
            *amount -= 1;
            self.sum -= 1;
            if *amount == 0 {
                self.slots.remove(&Self::slot(at));
            }
        }
    }

    /// Lets go of what is too old, and of what lies so far ahead that the clock must have been wrong.
    pub(super) fn advance(&mut self, now: Timestamp) {
        let ahead = Self::slot(now + Self::SPAN);
        while let Some(slot) = self.slots.first_entry().filter(|slot| Self::leaves(*slot.key()) <= now) {
            self.sum -= slot.remove();
        }
        while let Some(slot) = self.slots.last_entry().filter(|slot| *slot.key() > ahead) {
            self.sum -= slot.remove();
        }
    }

    /// When so much of the sum is too old. `None` when there is not so much.
    pub(super) fn without(&self, amount: u64) -> Option<Timestamp> {
        let mut gone = 0;
        self.slots.iter().find_map(|(slot, part)| {
            gone += part;
            (gone >= amount).then(|| Self::leaves(*slot))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(millis: i64) -> Timestamp {
        Timestamp::from_millis(1_764_000_000_000 + millis)
    }

    #[test]
    fn what_happened_counts_for_a_minute_and_the_rest_of_its_second() {
        let mut minute = Minute::default();
        minute.add(at(400), 2, at(400));
        minute.add(at(30_000), 1, at(30_000));
        minute.advance(at(60_999));
        assert_eq!((minute.sum, minute.without(1)), (3, Some(at(61_000))));
        assert_eq!((minute.without(3), minute.without(4)), (Some(at(91_000)), None));
        minute.advance(at(61_000));
        assert_eq!(minute.sum, 1);
        minute.take_back(at(30_000));
        assert_eq!((minute.sum, minute.slots.len()), (0, 0));
        minute.take_back(at(30_000));
        assert_eq!(minute.sum, 0, "what left by itself is not taken back again");
    }

    #[test]
    fn memory_does_not_grow_with_what_happens() {
        let mut day = Day::default();
        for minute in 0..3 * 24 * 60 {
            let now = at(minute * 60_000);
            day.add(now, 4, now);
            assert!(day.slots.len() <= 289, "{}", day.slots.len());
        }
        assert!((4 * 24 * 60..=4 * (24 * 60 + 5)).contains(&day.sum), "{}", day.sum);
    }

    #[test]
    fn a_clock_that_was_far_ahead_does_not_block_for_long() {
        let mut minute = Minute::default();
        minute.add(at(86_400_000), 5, at(86_400_000));
        minute.advance(at(0));
        assert_eq!(minute.sum, 0);
        minute.add(at(30_000), 1, at(0));
        assert_eq!(minute.sum, 1, "a little ahead counts");
    }
}
