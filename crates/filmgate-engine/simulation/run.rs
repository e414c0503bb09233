//! One run: lives of a gateway, one after the other, over the same database and the same upstream.

use std::cell::RefCell;
use std::fmt;
use std::ops::AddAssign;
use std::sync::{Arc, Once};
use std::time::Duration;

use filmgate_domain::Clock as _;
use filmgate_engine::{Engine, OnEnd, Parts};
use filmgate_store::{MasterKey, Store};
use filmgate_upstream::Upstream;
use rand::rngs::StdRng;
use rand::{RngExt as _, SeedableRng as _};

use crate::checks;
use crate::faults::Weather;
use crate::people;
use crate::setup::{LONGEST_DEADLINE, LONGEST_WAIT};
use crate::upstream::{self, Model};
use crate::world::{Counts, World};

/// What came of a run.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Summary {
    pub(crate) simulated: Duration,
    pub(crate) counts: Counts,
    /// What identifies everything that happened.
    pub(crate) hash: u64,
}

/// Something did not hold.
pub(crate) struct Broken {
    seed: u64,
    what: String,
    tail: String,
}

impl fmt::Display for Broken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { seed, what, tail } = self;
        writeln!(f, "{tail}\nseed {seed}: {what}")?;
        write!(f, "it replays exactly: cargo xtask simulate --seeds 1 --seed {seed}")
    }
}

impl Broken {
    /// The same seed, and not the same run.
    pub(crate) fn differs(seed: u64, first: &Summary, second: &Summary) -> Self {
        Self { seed, what: format!("it ran differently: {first:?}, then {second:?}"), tail: String::new() }
    }
}

impl AddAssign for Summary {
    fn add_assign(&mut self, more: Self) {
        self.simulated += more.simulated;
        self.counts += more.counts;
        self.hash ^= more.hash;
    }
}

/// How a life ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum End {
    Crash,
    Stop,
    Over,
}

/// Runs a seed to its end, or to the first thing that does not hold.
pub(crate) fn run(seed: u64) -> Result<Summary, Broken> {
    listen_for_panics();
    let world = Arc::new(World::new(seed));
    // Now and then longer than anything is remembered for.
    let hours = if seed.is_multiple_of(50) { 60 } else { 10 };
    let until = world.now() + Duration::from_secs(hours * 3600);
    loop {
        let end = live_once(&world, until);
        let panicked = PANIC.with_borrow_mut(Option::take);
        if let Some(what) = world.violation().or(panicked) {
            return Err(Broken { seed, what, tail: world.tail() });
        }
        if end == End::Over {
            break;
        }
        let state = &mut *world.state();
        match end {
            End::Crash => state.counts.crashes += 1,
            _ => state.counts.stops += 1,
        }
        let away = if state.rng.random_bool(0.1) { 3_600_000 } else { 60_000 };
        world.clock.end(Duration::from_millis(state.rng.random_range(1..=away)));
    }
    let simulated = world.elapsed();
    let counts = world.state().counts;
    Ok(Summary { simulated, counts, hash: world.hash() })
}

/// One life, on a runtime of its own: dropped, everything that runs on it is gone where it waits.
fn live_once(world: &Arc<World>, until: filmgate_domain::Timestamp) -> End {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .start_paused(true)
        .build()
        .expect("a runtime can be built");
    world.revive();
    let end = runtime.block_on(async {
        world.clock.begin();
        let end = tokio::select! {
            biased;
            () = world.crashed() => End::Crash,
            end = live(world, until) => end,
        };
        world.note(format_args!("{end:?}"));
        // Without the runtime nobody could tell what time it is.
        world.clock.end(Duration::ZERO);
        end
    });
    world.state().engine = None;
    drop(runtime);
    upstream::land(world);
    end
}

async fn live(world: &Arc<World>, until: filmgate_domain::Timestamp) -> End {
    let Some(engine) = start(world).await else { return End::Crash };
    if world.draw(|rng| rng.random_bool(0.2)) {
        people::bring_back(world, &engine).await;
    }
    checks::look(world, &engine).await;
    loop {
        world.pause(between_acts).await;
        if world.now() >= until {
            break;
        }
        match world.draw(|rng| rng.random_range(0..100)) {
            0..=1 => return End::Crash,
            2..=6 => world.doom(world.draw(|rng| rng.random_range(0..60))),
            7 => {
                engine.stop(Duration::from_secs(30)).await;
                return End::Stop;
            }
            8..=14 => {
                let storm = [0.0, 0.1, 0.3, 1.0];
                world.state().weather = Weather(storm[world.draw(|rng| rng.random_range(0..storm.len()))]);
            }
            15..=34 => {
                world.state().calls += 1;
                tokio::spawn(people::operate(Arc::clone(world), engine.clone()));
            }
            35..=43 => checks::look(world, &engine).await,
            44 => people::rush(world, &engine),
            n => {
                for _ in 0..(n % 4 + 1) {
                    world.state().calls += 1;
                    tokio::spawn(people::ask(Arc::clone(world), engine.clone()));
                }
            }
        }
    }
    calm_down(world, &engine).await
}

/// Bursts, and long silence between them.
fn between_acts(rng: &mut StdRng) -> Duration {
    let most = if rng.random_bool(0.3) { 2 * 3_600_000 } else { 120_000 };
    Duration::from_millis(rng.random_range(1..=most))
}

/// Faults stop, nobody asks for anything: everything has to come to its end.
async fn calm_down(world: &Arc<World>, engine: &Engine) -> End {
    {
        let state = &mut *world.state();
        state.weather = Weather(0.0);
        state
            .book
            .accounts
            .iter_mut()
            .for_each(|account| account.refused_until = filmgate_domain::Timestamp::default());
    }
    let slack = Duration::from_secs(10 * 60);
    tokio::time::sleep(LONGEST_WAIT + LONGEST_DEADLINE + slack).await;
    checks::look(world, engine).await;
    checks::at_end(world, engine);
    checks::fair(world);
    engine.stop(Duration::from_secs(30)).await;
    End::Over
}

async fn start(world: &Arc<World>) -> Option<Engine> {
    let key = MasterKey::from_hex(&"07".repeat(32)).expect("a key");
    let opened = Store::open_inline(&world.directory.path().join("filmgate.db"), &key);
    let (store, committer) = match opened {
        Ok(opened) => opened,
        Err(error) => {
            world.violated(format!("the database cannot be opened: {error}"));
            return None;
        }
    };
    let writing = Arc::clone(world);
    tokio::spawn(committer.run(move || before_commit(Arc::clone(&writing))));
    let (setup, seed) = {
        let state = &mut *world.state();
        (state.setups.last().expect("there is a setup").1.clone(), state.rng.random())
    };
    let parts = Parts {
        store,
        timer: Arc::clone(&world.clock) as _,
        rng: StdRng::seed_from_u64(seed),
        media_dir: world.directory.path().join("media"),
        link_key: [0; 32],
        works: true,
        on_end: Some(on_end(Arc::clone(world))),
        settings: setup.settings(|_| line(world)),
    };
    let engine = match Engine::start(parts).await {
        Ok(engine) => engine,
        Err(error) => {
            world.violated(format!("the gateway does not start: {error}"));
            return None;
        }
    };
    world.note(format_args!("started"));
    let now = world.clock.now();
    let first = {
        let state = &mut *world.state();
        state.engine = Some(engine.clone());
        state.restarts.push(now);
        state.callers.is_empty()
    };
    if first {
        people::furnish(world, &engine).await;
    }
    Some(engine)
}

/// What the gateway tells of a job that ends.
fn on_end(world: Arc<World>) -> OnEnd {
    Box::new(move |job, _| {
        let code = job.failure.as_ref().map(|failure| &*failure.code);
        world.note(format_args!("{} is {} {code:?}", job.id, job.state));
        checks::saw(&world, job);
        let counts = &mut world.state().counts;
        match code {
            None => counts.completed += 1,
            Some("outcome_unknown") => counts.unknown += 1,
            Some(_) => {}
        }
    })
}

/// The upstream, as the gateway knows it.
pub(crate) fn line(world: &Arc<World>) -> Arc<dyn Upstream> {
    Arc::new(Model(Arc::clone(world)))
}

/// A commit takes its time, and more is queued meanwhile; the gateway may die before it.
async fn before_commit(world: Arc<World>) {
    world.state().writing = true;
    world.step().await;
    world
        .pause(|rng| {
            Duration::from_millis(if rng.random_bool(0.02) {
                rng.random_range(0..=3_000)
            } else {
                rng.random_range(0..=3)
            })
        })
        .await;
    world.step().await;
    // The commit itself follows at once.
    world.state().writing = false;
    world.note(format_args!("commit"));
}

thread_local! {
    /// What a task of this thread's simulation panicked with: the runtime would keep it to itself.
    static PANIC: RefCell<Option<String>> = const { RefCell::new(None) };
}

fn listen_for_panics() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let usual = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |info| {
            PANIC.with_borrow_mut(|panic| panic.get_or_insert_with(|| info.to_string()).truncate(2_000));
            usual(info);
        }));
    });
}
