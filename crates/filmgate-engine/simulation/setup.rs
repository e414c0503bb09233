//! How the gateway is set up in a run, and how an operator changes that.

use std::collections::HashMap;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use filmgate_domain::{
    Capability, Catalog, Cost, LostAnswer, Model, Outcome, Pool, Quota, Resolution, RoutingSettings, Rules,
    Seconds, Timestamp,
};
use filmgate_engine::{Line, LoadLimits, Outside, Settings};
use rand::RngExt as _;
use rand::rngs::StdRng;

/// The model that everybody asks for.
pub(crate) const MODEL: &str = "model";

/// A pool's name, its upstream, and what it delivers.
type Known = (&'static str, &'static str, &'static [(Resolution, u32)]);

/// All pools, weakest first.
const POOLS: [Known; 3] = [
    ("basic", "north", &[(Resolution::P480, 6)]),
    ("super", "south", &[(Resolution::P480, 15), (Resolution::P720, 15)]),
    ("spare", "north", &[(Resolution::P720, 10)]),
];

/// The longest quota window of any setup.
pub(crate) const LONGEST_WINDOW: Duration = Duration::from_secs(4 * 3600);

/// The longest that a request may wait for a token.
pub(crate) const LONGEST_WAIT: Duration = Duration::from_secs(30 * 60);

/// The longest deadline of any setup.
pub(crate) const LONGEST_DEADLINE: Duration = Duration::from_secs(20 * 60);

/// How long after a lost answer a video may appear: longer than any submission is on its way.
const GRACE: Duration = Duration::from_secs(60);

/// Two questions about one video are at least so far apart: the shortest setting, less a tenth for chance.
pub(crate) const LEAST_PAUSE: Duration = Duration::from_secs(13);

/// What was set up at a time may matter for so long: reservations are used, and units come back.
pub(crate) const MATTERS_FOR: Duration = Duration::from_secs(8 * 3600);

/// A configuration.
#[derive(Clone)]
pub(crate) struct Setup {
    pub(crate) pools: Vec<Pool>,
    pub(crate) rules: Rules,
    routing: RoutingSettings,
    deadline: Duration,
    busy_wait: Duration,
    fail_threshold: u32,
    first_pause: Duration,
    keep: Duration,
    max_bytes: u64,
    poll_every: Duration,
    fetch_timeout: Duration,
    /// Of which kind each upstream is.
    kinds: [(&'static str, LostAnswer); 2],
}

/// What a token of a pool may be used for at most, by any configuration that still matters.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Bound {
    pub(crate) units: Option<u32>,
    pub(crate) window: Duration,
    pub(crate) in_flight: Option<u32>,
    pub(crate) per_minute: Option<u32>,
}

impl Setup {
    pub(crate) fn draw(rng: &mut StdRng) -> Self {
        let mut charge = Rules::default().charge;
        if rng.random_bool(0.2) {
            charge.push(Outcome::Failed);
        }
        let rules = Rules { charge, ..Rules::default() };
        let mut setup = Self {
            pools: Vec::new(),
            rules,
            routing: RoutingSettings::default(),
            deadline: Duration::from_secs(15 * 60),
            busy_wait: Duration::from_secs(20),
            fail_threshold: 5,
            first_pause: Duration::from_secs(60),
            keep: Duration::from_secs(6 * 3600),
            max_bytes: 1 << 30,
            poll_every: Duration::from_secs(20),
            fetch_timeout: Duration::from_secs(60),
            kinds: ["north", "south"].map(|name| (name, LostAnswer::ALL[rng.random_range(0..3)])),
        };
        setup.change(rng);
        setup
    }

    /// What an operator may change by a reload. What is charged stays, and so do the kinds of the upstreams.
    pub(crate) fn change(&mut self, rng: &mut StdRng) {
        let spare = rng.random_bool(0.6);
        self.pools =
            POOLS.iter().filter(|(name, ..)| spare || *name != "spare").map(|p| pool(p, rng)).collect();
        self.routing = RoutingSettings {
            smart_token_routing: rng.random_bool(0.95),
            allow_fallback_to_basic: rng.random_bool(0.8),
            log_fallback_warning: true,
            allow_upgrade_to_super: rng.random_bool(0.8),
            upgrade_reserve: if rng.random_bool(0.5) { 0.2 } else { 0.0 },
        };
        self.deadline = Duration::from_secs(60 * rng.random_range(5..=20));
        self.busy_wait = Duration::from_secs(if rng.random_bool(0.5) { 20 } else { 0 });
        self.fail_threshold = rng.random_range(1..=5);
        self.first_pause = Duration::from_secs(rng.random_range(10..=300));
        self.keep = Duration::from_secs(3600 * rng.random_range(1..=12));
        self.max_bytes = if rng.random_bool(0.8) { 1 << 30 } else { 20_000 };
        self.poll_every = Duration::from_secs(rng.random_range(15..=60));
        self.fetch_timeout = Duration::from_secs(rng.random_range(5..=60));
    }

    pub(crate) fn settings(
        &self,
        line: impl Fn(&'static str) -> Arc<dyn filmgate_upstream::Upstream>,
    ) -> Settings {
        let pools = self.pools.iter().map(|pool| (pool.name.clone(), MODEL.into())).collect();
        let model = Model { name: MODEL.into(), aliases: Vec::new(), pools };
        let catalog = Catalog::new(self.pools.clone(), vec![model]).expect("the setup makes sense");
        let line = |(name, lost_answer)| {
            let (poll_every, fetch_timeout) = (self.poll_every, self.fetch_timeout);
            let upstream = line(name);
            (Box::from(name), Line { upstream, lost_answer, look_up_grace: GRACE, poll_every, fetch_timeout })
        };
        Settings {
            catalog: Arc::new(catalog),
            routing: self.routing,
            rules: self.rules.clone(),
            busy_wait: self.busy_wait,
            deadline: self.deadline,
            fail_threshold: self.fail_threshold,
            first_pause: self.first_pause,
            load: LoadLimits { max_unfinished: 10_000, max_waiting: 10_000 },
            keep: self.keep,
            max_bytes: self.max_bytes,
            max_file: 1 << 20,
            public_url: "http://127.0.0.1".to_owned(),
            link_ttl: Duration::from_secs(60),
            outside: outside(),
            upstreams: HashMap::from(self.kinds.map(line)),
        }
    }
}

/// What a token of a pool may be used for at `now`, if these were the setups, each since the time beside it.
pub(crate) fn bound(setups: &[(Timestamp, Setup)], pool: &str, now: Timestamp) -> Option<Bound> {
    let ends = setups.iter().skip(1).map(|(at, _)| *at).chain([now + Duration::from_millis(1)]);
    let mattering = setups.iter().zip(ends).filter(|(_, end)| *end + MATTERS_FOR >= now);
    let pools = mattering.filter_map(|((_, setup), _)| setup.pools.iter().find(|p| *p.name == *pool));
    pools.map(Bound::of).reduce(|a, b| Bound {
        units: a.units.zip(b.units).map(|(a, b)| a.max(b)),
        window: a.window.min(b.window),
        in_flight: a.in_flight.zip(b.in_flight).map(|(a, b)| a.max(b)),
        per_minute: a.per_minute.zip(b.per_minute).map(|(a, b)| a.max(b)),
    })
}

impl Bound {
    fn of(pool: &Pool) -> Self {
        Self {
            units: pool.quota.map(|quota| quota.units),
            window: pool.quota.map_or(Duration::ZERO, |quota| quota.window),
            in_flight: pool.max_in_flight,
            per_minute: pool.submits_per_minute,
        }
    }
}

fn pool((name, upstream, delivers): &Known, rng: &mut StdRng) -> Pool {
    let capability = |&(resolution, seconds)| Capability {
        resolution,
        max_seconds: Seconds::new(seconds).expect("a length"),
        models: None,
        modes: None,
    };
    let window = Duration::from_secs(3600 * rng.random_range(1..=LONGEST_WINDOW.as_secs() / 3600));
    let quota = Quota { units: rng.random_range(8..=24), window };
    let cost = |resolution, units| Cost { resolution, max_seconds: None, units, units_per_second: 0 };
    Pool {
        name: (*name).into(),
        upstream: (*upstream).into(),
        delivers: delivers.iter().map(capability).collect(),
        quota: rng.random_bool(0.85).then_some(quota),
        max_in_flight: rng.random_bool(0.75).then(|| rng.random_range(1..=3)),
        submits_per_minute: rng.random_bool(0.3).then(|| rng.random_range(1..=3)),
        // The same everywhere, so that what a caller may use adds up.
        costs: vec![cost(Some(Resolution::P480), 2), cost(None, 4)],
    }
}

/// No simulation goes outside; the settings want somebody who would.
fn outside() -> Arc<Outside> {
    static OUTSIDE: OnceLock<Arc<Outside>> = OnceLock::new();
    let new = || Outside::new(false, Duration::from_secs(1)).expect("a client can be made");
    Arc::clone(OUTSIDE.get_or_init(|| Arc::new(new())))
}
