//! When a pool runs out of units, if videos go on at the pace of the last half hour.

use std::collections::BTreeMap;
use std::ops::Range;
use std::time::Duration;

use crate::{AspectRatio, Pool, Seconds, Shape, Timestamp, TokenManager, TokenStatus};

/// How far a forecast looks ahead.
pub const HORIZON: Duration = Duration::from_secs(24 * 3600);

/// How far back the pace is taken from.
pub const PACE_OVER: Duration = Duration::from_secs(30 * 60);

/// A burst counts as if it had taken at least that long.
const PACE_AT_LEAST: Duration = Duration::from_secs(5 * 60);

/// A token that comes back later than this cools for long.
const LONG: Duration = Duration::from_secs(30 * 60);

const MINUTE_MS: i64 = 60_000;

/// When a pool runs out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Forecast {
    /// Not within 24 hours, at this pace.
    Lasts,
    /// Then what is left is less than one video costs.
    RunsOut {
        /// When.
        at: Timestamp,
    },
    /// It has: what is left is less than one video costs.
    Out {
        /// When enough has come back, if that is known: what is reserved comes back nobody knows when.
        until: Option<Timestamp>,
    },
}

/// What a forecast is made from.
#[derive(Clone, Copy, Debug)]
pub struct Stock<'a> {
    /// Units left.
    pub left: u64,
    /// Units that a video costs; without a cost nothing runs out.
    pub cost: u64,
    /// When units that are spent already come back.
    pub returns: &'a BTreeMap<Timestamp, u64>,
    /// Units spent in a second.
    pub pace: f64,
    /// How long after it was spent a unit comes back.
    pub window: Duration,
}

impl Stock<'_> {
    /// When it runs out. What is spent from now on comes back as well, one window later: whoever lasts that long
    /// lasts.
    pub fn forecast(&self, now: Timestamp) -> Forecast {
        let cost = self.cost as f64;
        let mut left = self.left as f64;
        if left < cost {
            let mut back = self.left;
            let mut returns = self.returns.iter();
            let enough = returns.find_map(|(at, units)| {
                back += units;
                (back >= self.cost).then_some(*at)
            });
            return Forecast::Out { until: enough };
        }
        if self.cost == 0 || self.pace <= 0.0 {
            return Forecast::Lasts;
        }
        let end = now + HORIZON.min(self.window);
        let mut from = now;
        let coming = self.returns.range(..end).map(|(at, units)| ((*at).max(now), *units as f64));
        for (at, units) in coming.chain([(end, 0.0)]) {
            let lasts = Duration::try_from_secs_f64((left - cost) / self.pace).unwrap_or(Duration::MAX);
            if lasts < at.since(from) {
                return Forecast::RunsOut { at: from + lasts };
            }
            left += units - self.pace * at.since(from).as_secs_f64();
            from = at;
        }
        Forecast::Lasts
    }
}

/// The pace of spending, in units a second: from what was spent in which minute, over the last half hour, or from
/// when it began within that.
pub fn pace(spent: impl IntoIterator<Item = (Timestamp, u64)>, now: Timestamp) -> f64 {
    let recent = spent.into_iter().filter(|(at, units)| now.since(*at) < PACE_OVER && *units > 0);
    let (mut sum, mut began) = (0, now);
    for (at, units) in recent {
        sum += units;
        began = began.min(at);
    }
    sum as f64 / now.since(began).max(PACE_AT_LEAST).as_secs_f64()
}

/// What comes to a pool by itself.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Coming {
    /// Units that come back, by the end of the minute in which they do.
    pub returns: BTreeMap<Timestamp, u64>,
    /// Tokens that cool for more than another half hour.
    pub cooling_long: u32,
}

impl Pool {
    /// Units of the cheapest video that it delivers, of the usual length or as long as it can.
    pub fn cheapest(&self) -> u32 {
        let usual = |ability: &crate::Capability| Shape {
            resolution: ability.resolution,
            seconds: ability.max_seconds.min(Seconds::DEFAULT),
            aspect_ratio: AspectRatio::R16x9,
        };
        self.delivers.iter().map(|ability| self.cost(&usual(ability))).min().unwrap_or(0)
    }
}

impl TokenManager {
    /// Adds what comes by itself to the tokens at these places, by pool. The answer is how many places there are:
    /// whoever shares the manager goes through them in portions, so that nobody waits for long.
    pub fn gather_coming(&self, places: Range<usize>, now: Timestamp, into: &mut Vec<Coming>) -> usize {
        let pools = self.catalog.pools();
        // A reload may come between two portions.
        into.resize_with(pools.len(), Coming::default);
        let end = places.end.min(self.entries.len());
        for entry in self.entries.get(places.start.min(end)..end).unwrap_or_default() {
            let Some(index) = entry.pool.filter(|_| !entry.removed) else { continue };
            let coming = &mut into[index];
            // What comes back to a token that is out of use helps nobody.
            let returns = entry.counted.iter().flat_map(|_| entry.returns(&pools[index]));
            for (at, units) in returns.filter(|(_, units)| *units > 0) {
                *coming.returns.entry(minute_end(at)).or_default() += u64::from(units);
            }
            let long = entry.info.status == TokenStatus::Cooling
                && entry.info.cooling_until.is_some_and(|until| until.since(now) > LONG);
            coming.cooling_long += u32::from(long);
        }
        self.entries.len()
    }
}

/// The end of the minute that a time is in; a minute's beginning is the end of the one before.
fn minute_end(at: Timestamp) -> Timestamp {
    let minute = at.as_millis().saturating_add(MINUTE_MS - 1).div_euclid(MINUTE_MS);
    Timestamp::from_millis(minute.saturating_mul(MINUTE_MS))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use rstest::rstest;

    use super::*;
    use crate::{Blame, Catalog, RoutingSettings, Secret, TokenId, TokenInfo};

    const NOW: Timestamp = Timestamp::from_millis(1_700_000_040_000);
    const WINDOW: Duration = Duration::from_secs(2 * 3600);

    fn minutes(count: u64) -> Duration {
        Duration::from_secs(count * 60)
    }

    #[rstest]
    #[case::in_ten_minutes(604, 1.0, &[], Forecast::RunsOut { at: NOW + minutes(10) })]
    #[case::what_comes_back_helps(604, 1.0, &[(5, 300)], Forecast::RunsOut { at: NOW + minutes(15) })]
    #[case::what_comes_too_late_does_not(604, 1.0, &[(11, 300)], Forecast::RunsOut { at: NOW + minutes(10) })]
    #[case::idle(604, 0.0, &[], Forecast::Lasts)]
    #[case::beyond_the_window(7204, 1.0, &[], Forecast::Lasts)]
    #[case::just_within_the_window(7203, 1.0, &[], Forecast::RunsOut { at: NOW + Duration::from_secs(7199) })]
    #[case::out(3, 1.0, &[(1, 0), (7, 1)], Forecast::Out { until: Some(NOW + minutes(7)) })]
    #[case::out_and_nothing_comes(3, 0.0, &[], Forecast::Out { until: None })]
    fn forecasts(
        #[case] left: u64,
        #[case] pace: f64,
        #[case] returns: &[(u64, u64)],
        #[case] expected: Forecast,
    ) {
        let returns = returns.iter().map(|(at, units)| (NOW + minutes(*at), *units)).collect();
        let stock = Stock { left, cost: 4, returns: &returns, pace, window: WINDOW };
        assert_eq!(stock.forecast(NOW), expected);
    }

    #[test]
    fn without_a_cost_nothing_runs_out() {
        let returns = BTreeMap::new();
        let stock = Stock { left: 0, cost: 0, returns: &returns, pace: 5.0, window: WINDOW };
        assert_eq!(stock.forecast(NOW), Forecast::Lasts);
    }

    proptest! {
        /// Against a model that looks at every second.
        #[test]
        fn it_runs_out_when_it_first_falls_below_a_video(
            left in 4u64..4000,
            pace in 0.0f64..3.0,
            returns in prop::collection::btree_map(0u64..200, 0u64..500, 0..12),
        ) {
            let returns: BTreeMap<_, _> =
                returns.into_iter().map(|(at, units)| (NOW + minutes(at), units)).collect();
            let stock = Stock { left, cost: 4, returns: &returns, pace, window: WINDOW };
            let level = |seconds: u64| {
                let back: u64 = returns.range(..=NOW + Duration::from_secs(seconds)).map(|(_, units)| units).sum();
                (left + back) as f64 - pace * seconds as f64
            };
            let first = (0..WINDOW.as_secs()).find(|seconds| level(*seconds) < 4.0 - 1e-6);
            match (stock.forecast(NOW), first) {
                (Forecast::RunsOut { at }, first) => {
                    let told = at.since(NOW).as_secs_f64();
                    let is_seen = first.is_some_and(|first| (told - first as f64).abs() <= 1.0);
                    // Between two seconds, and filled up again in the second of them.
                    let is_early = first.is_none_or(|first| told < first as f64);
                    let dips = is_early && level(told as u64) - pace < 4.0 + 1e-6;
                    prop_assert!(is_seen || dips, "told {told}, is {first:?}");
                }
                (Forecast::Lasts, None) => {}
                (told, first) => prop_assert!(false, "told {told:?}, is {first:?}"),
            }
        }
    }

    #[rstest]
    #[case::steady(&[(25, 750), (12, 750)], 1.0)]
    #[case::a_burst_counts_as_five_minutes(&[(0, 300)], 1.0)]
    #[case::it_began_ten_minutes_ago(&[(10, 400), (2, 200)], 1.0)]
    #[case::what_is_long_ago_does_not_count(&[(31, 9000), (30, 9000)], 0.0)]
    #[case::a_minute_without_spending_begins_nothing(&[(29, 0), (10, 600)], 1.0)]
    fn paces(#[case] ago: &[(u64, u64)], #[case] expected: f64) {
        let pace = pace(ago.iter().map(|(at, units)| (NOW - minutes(*at), *units)), NOW);
        assert!((pace - expected).abs() < 0.0001, "{pace}");
    }

    #[test]
    fn what_comes_is_gathered_in_portions_from_tokens_in_use() {
        let mut manager = TokenManager::new(Catalog::founding(), RoutingSettings::default());
        let token = |id, pool: &str, spent| {
            let info = TokenInfo::new(TokenId(id), pool, Secret::new("secret"), NOW);
            TokenInfo { opening: Some((NOW - Duration::from_secs(3601), spent)), ..info }
        };
        for (id, pool) in [(1, "ssoSuper"), (2, "ssoSuper"), (3, "ssoBasic"), (4, "ssoBasic")] {
            manager.add(token(id, pool, 4 * id as u32), NOW);
        }
        manager.disable(TokenId(3), NOW);
        let blame = Blame::RateLimited { until: Some(NOW + minutes(45)), reason: "slow down".into() };
        manager.blame(TokenId(4), &blame, NOW);
        let (mut coming, mut places, mut at) = (Vec::new(), 1, 0);
        while at < places {
            places = manager.gather_coming(at..at + 3, NOW, &mut coming);
            at += 3;
        }
        let [basic, superior] = &coming[..] else { panic!("{coming:?}") };
        assert_eq!(superior.returns, BTreeMap::from([(NOW + minutes(60), 4 + 8)]), "rounded up to a minute");
        let in_nineteen_hours = NOW + minutes(19 * 60);
        assert_eq!(basic.returns, BTreeMap::from([(in_nineteen_hours, 16)]), "a disabled one helps nobody");
        assert_eq!((basic.cooling_long, superior.cooling_long), (1, 0));
    }

    #[test]
    fn the_cheapest_video_is_one_that_the_pool_delivers() {
        let pool = Catalog::founding().pools()[0].clone();
        assert_eq!(pool.cheapest(), 4);
        assert_eq!(Pool { costs: vec![], ..Pool::clone(&pool) }.cheapest(), 0);
        assert_eq!(Pool { delivers: vec![], ..Pool::clone(&pool) }.cheapest(), 0);
    }
}
