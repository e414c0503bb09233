//! Random pools, switches and things that happen.
//!
//! All times lie on a grid of five seconds, and all numbers are small, so that things meet on the very edge
//! often: a unit comes back in the moment in which somebody asks for it.

use std::sync::Arc;
use std::time::Duration;

use filmgate_domain::{
    AspectRatio, Capability, Catalog, Cost, Model, Pool, Quota, RateLimit, Resolution, RoutingSettings,
    Seconds, Shape,
};
use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;
use proptest::sample::select;

/// Pools `p0`, `p1`, ... serve the model `video` (also called `film`) in this order, and `other` backwards.
#[derive(Clone, Debug)]
pub(crate) struct World {
    pub(crate) catalog: Arc<Catalog>,
    pub(crate) routing: RoutingSettings,
}

/// Something that happens. A token is meant by its number, a reservation by its place among the open ones
/// (modulo how many there are).
#[derive(Clone, Debug)]
pub(crate) enum Op {
    Pass(Duration),
    Reserve { model: &'static str, asked: Shape, fallback: bool, explained: bool },
    Settle { nth: usize, charged: bool, answered_ago: Duration, hold: Option<Duration> },
    Release { nth: usize },
    Use { token: i64 },
    Refuse { token: i64 },
    RateLimit { token: i64, pause: Option<Duration> },
    Cool { token: i64, pause: Duration },
    Heed { token: i64, told: RateLimit },
    Disable { token: i64 },
    Enable { token: i64 },
    Reset { token: i64 },
    Forgive { token: i64 },
    Remove { token: i64 },
    Add(NewToken),
    Reconfigure(World),
    Restart,
}

/// A token to add; `pool` may name one that does not exist.
#[derive(Clone, Debug)]
pub(crate) struct NewToken {
    pub(crate) token: i64,
    pub(crate) pool: &'static str,
    pub(crate) status: NewStatus,
    pub(crate) opening: Option<(Duration, u32)>,
}

#[derive(Clone, Debug)]
pub(crate) enum NewStatus {
    Active,
    Disabled,
    Expired,
    Cooling(Duration),
}

/// Token numbers that are used.
pub(crate) const TOKENS: std::ops::Range<i64> = 0..6;

pub(crate) fn world() -> impl Strategy<Value = World> {
    (vec(pool(), 0..=3), switches()).prop_map(|(mut pools, routing)| {
        for (nth, pool) in pools.iter_mut().enumerate() {
            pool.name = format!("p{nth}").into();
        }
        let serve = |name: &str, aliases: &[&str], pools: &mut dyn Iterator<Item = &Pool>| Model {
            name: name.into(),
            aliases: aliases.iter().map(ToString::to_string).collect(),
            pools: pools.map(|pool| (pool.name.clone(), "upstream-model".into())).collect(),
        };
        let models = vec![
            serve("video", &["film"], &mut pools.iter()),
            serve("other", &[], &mut pools.iter().rev().take(2)),
        ];
        let catalog = Arc::new(Catalog::new(pools, models).expect("names are used once"));
        World { catalog, routing }
    })
}

pub(crate) fn happenings() -> impl Strategy<Value = Vec<Op>> {
    vec(op(), 1..60)
}

pub(crate) fn new_token() -> impl Strategy<Value = NewToken> {
    let pool = prop_oneof![9 => select(&["p0", "p1", "p2"][..]), 1 => Just("gone")];
    let status = prop_oneof![
        9 => Just(NewStatus::Active),
        1 => Just(NewStatus::Disabled),
        1 => Just(NewStatus::Expired),
        1 => ticks(0..=4).prop_map(NewStatus::Cooling),
    ];
    let opening = option::weighted(0.3, (ticks(0..=20), 0..=8u32));
    (TOKENS, pool, status, opening).prop_map(|(token, pool, status, opening)| NewToken {
        token,
        pool,
        status,
        opening,
    })
}

pub(crate) fn asked() -> impl Strategy<Value = Shape> {
    let seconds = select(&[1, 3, 6, 7, 10, 15][..]);
    (resolution(), seconds).prop_map(|(resolution, length)| {
        let seconds = Seconds::new(length).expect("a length");
        Shape { resolution, seconds, aspect_ratio: AspectRatio::R16x9 }
    })
}

fn op() -> impl Strategy<Value = Op> {
    let often = prop_oneof![
        3 => ticks(0..=3).prop_map(Op::Pass),
        1 => ticks(4..=30).prop_map(Op::Pass),
        8 => (model(), asked(), prop::bool::weighted(0.6), any::<bool>()).prop_map(
            |(model, asked, fallback, explained)| Op::Reserve { model, asked, fallback, explained }
        ),
        4 => (0..8usize, any::<bool>(), ticks(0..=4), option::weighted(0.3, ticks(0..=8))).prop_map(
            |(nth, charged, answered_ago, hold)| Op::Settle { nth, charged, answered_ago, hold }
        ),
        1 => (0..8usize).prop_map(|nth| Op::Release { nth }),
    ];
    let seldom = prop_oneof![
        2 => TOKENS.prop_map(|token| Op::Use { token }),
        3 => TOKENS.prop_map(|token| Op::Refuse { token }),
        2 => (TOKENS, option::of(ticks(0..=9)))
            .prop_map(|(token, pause)| Op::RateLimit { token, pause }),
        1 => (TOKENS, ticks(0..=9)).prop_map(|(token, pause)| Op::Cool { token, pause }),
        3 => (TOKENS, told()).prop_map(|(token, told)| Op::Heed { token, told }),
        2 => TOKENS.prop_map(|token| Op::Disable { token }),
        2 => TOKENS.prop_map(|token| Op::Enable { token }),
        2 => TOKENS.prop_map(|token| Op::Reset { token }),
        3 => TOKENS.prop_map(|token| Op::Forgive { token }),
        2 => TOKENS.prop_map(|token| Op::Remove { token }),
        4 => new_token().prop_map(Op::Add),
        1 => ticks(700..=1500).prop_map(Op::Pass),
        2 => world().prop_map(Op::Reconfigure),
        2 => Just(Op::Restart),
    ];
    prop_oneof![3 => often, 1 => seldom]
}

fn told() -> impl Strategy<Value = RateLimit> {
    let remaining = prop_oneof![1 => Just(0), 2 => 0..=12u32];
    (remaining, option::of(ticks(0..=9)), any::<bool>()).prop_map(|(remaining, reset, in_units)| RateLimit {
        remaining,
        reset,
        in_units,
    })
}

fn resolution() -> impl Strategy<Value = Resolution> {
    prop_oneof![4 => Just(Resolution::P480), 3 => Just(Resolution::P720), 1 => Just(Resolution::P1080)]
}

fn model() -> impl Strategy<Value = &'static str> {
    prop_oneof![8 => Just("video"), 2 => Just("film"), 4 => Just("other"), 1 => Just("nothing")]
}

fn pool() -> impl Strategy<Value = Pool> {
    let ability = (resolution(), select(&[6, 10, 15][..]), any::<bool>());
    let ability = ability.prop_map(|(resolution, longest, any_model)| Capability {
        resolution,
        max_seconds: Seconds::new(longest).expect("a length"),
        models: (!any_model).then(|| vec!["video".to_owned()]),
        modes: None,
    });
    let quota = (0..=16u32, select(&[3, 12, 120, 1440][..]))
        .prop_map(|(units, ticks)| Quota { units, window: TICK * ticks });
    let limits = (option::weighted(0.5, 0..=3u32), option::weighted(0.3, 0..=3u32));
    (vec(ability, 0..=3), option::weighted(0.7, quota), limits, vec(cost(), 0..=2)).prop_map(
        |(delivers, quota, (max_in_flight, submits_per_minute), costs)| Pool {
            name: "".into(),
            upstream: "u".into(),
            delivers,
            quota,
            max_in_flight,
            submits_per_minute,
            costs,
        },
    )
}

fn cost() -> impl Strategy<Value = Cost> {
    let longest = option::weighted(0.3, select(&[6, 10][..]));
    let by_second = prop_oneof![4 => Just(0u32), 1 => Just(1)];
    (option::weighted(0.3, resolution()), longest, 0..=5u32, by_second).prop_map(
        |(resolution, longest, units, units_per_second)| Cost {
            resolution,
            max_seconds: longest.map(|s| Seconds::new(s).expect("a length")),
            units,
            units_per_second,
        },
    )
}

fn switches() -> impl Strategy<Value = RoutingSettings> {
    let reserve = select(&[0.0, 0.2, 0.5, 1.0][..]);
    (prop::bool::weighted(0.85), prop::bool::weighted(0.7), prop::bool::weighted(0.75), reserve).prop_map(
        |(smart, fallback, upgrade, upgrade_reserve)| RoutingSettings {
            smart_token_routing: smart,
            allow_fallback_to_basic: fallback,
            allow_upgrade_to_super: upgrade,
            upgrade_reserve,
            ..RoutingSettings::default()
        },
    )
}

const TICK: Duration = Duration::from_secs(5);

fn ticks(range: std::ops::RangeInclusive<u32>) -> impl Strategy<Value = Duration> {
    range.prop_map(|ticks| TICK * ticks)
}
