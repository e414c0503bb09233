//! Everything that a crash of the gateway leaves as it is: the clock, chance, the upstream's book, what clients and
//! operators were told, and the trace of all that happened.

use std::collections::{BTreeMap, VecDeque};
use std::fmt::{self, Write as _};
use std::hash::{DefaultHasher, Hasher as _};
use std::io::Write as _;
use std::ops::AddAssign;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use filmgate_domain::{CallerId, Clock as _, Job, JobId, Timestamp, TokenId};
use filmgate_engine::Engine;
use filmgate_store::CallerLimits;
use futures_util::FutureExt as _;
use rand::SeedableRng as _;
use rand::rngs::StdRng;
use tokio::sync::Notify;

use crate::book::Book;
use crate::clock::SimClock;
use crate::faults::Weather;
use crate::setup::Setup;
use crate::upstream::Orphan;

/// Steps of the trace that a failure shows.
const SHOWN: usize = 120;

/// When every run begins.
const BEGINNING: Timestamp = Timestamp::from_millis(1_764_000_000_000);

pub(crate) struct World {
    pub(crate) clock: Arc<SimClock>,
    pub(crate) directory: tempfile::TempDir,
    state: Mutex<State>,
    /// The gateway dies.
    crash: Notify,
}

/// What changes. Nobody holds it across an await.
pub(crate) struct State {
    pub(crate) rng: StdRng,
    pub(crate) weather: Weather,
    pub(crate) book: Book,
    /// What was on its way to the upstream when the gateway died.
    pub(crate) orphans: Vec<Orphan>,
    /// The configurations so far, each since when.
    pub(crate) setups: Vec<(Timestamp, Setup)>,
    /// The gateway, while it lives.
    pub(crate) engine: Option<Engine>,
    pub(crate) callers: Vec<(CallerId, CallerLimits)>,
    pub(crate) tokens: BTreeMap<TokenId, Known>,
    /// Every job that anybody knows of, as it was last seen.
    pub(crate) jobs: BTreeMap<JobId, Arc<Job>>,
    /// Jobs that a client was told of.
    pub(crate) told: Vec<JobId>,
    /// When the gateway was started.
    pub(crate) restarts: Vec<Timestamp>,
    /// Something is on its way to the disk.
    pub(crate) writing: bool,
    /// Calls of clients and operators that were not answered yet.
    pub(crate) calls: usize,
    pub(crate) counts: Counts,
    trace: DefaultHasher,
    tail: VecDeque<String>,
    /// Where all of the trace goes, if somebody wants it.
    whole_trace: Option<std::fs::File>,
    violation: Option<String>,
    /// After so many more steps the gateway dies.
    dies_in: Option<u32>,
    dead: bool,
}

/// What an operator was told of a token, and what was seen of it.
#[derive(Clone, Debug, Default)]
pub(crate) struct Known {
    pub(crate) account: usize,
    /// Switched off, or taken out, since then for certain.
    pub(crate) off_since: Option<Timestamp>,
    pub(crate) removed: bool,
    /// It is taken out for certain.
    pub(crate) gone: bool,
}

/// What happened how often.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Counts {
    pub(crate) asked: u64,
    pub(crate) jobs: u64,
    pub(crate) completed: u64,
    pub(crate) unknown: u64,
    pub(crate) made: u64,
    pub(crate) faults: u64,
    pub(crate) crashes: u64,
    pub(crate) stops: u64,
    pub(crate) deeds: u64,
    pub(crate) checks: u64,
}

impl AddAssign for Counts {
    fn add_assign(&mut self, more: Self) {
        self.asked += more.asked;
        self.jobs += more.jobs;
        self.completed += more.completed;
        self.unknown += more.unknown;
        self.made += more.made;
        self.faults += more.faults;
        self.crashes += more.crashes;
        self.stops += more.stops;
        self.deeds += more.deeds;
        self.checks += more.checks;
    }
}

impl fmt::Display for Counts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { asked, jobs, completed, unknown, made, faults, crashes, stops, deeds, checks } = self;
        write!(
            f,
            "{jobs} of {asked} requests accepted, {made} made, {completed} completed, {unknown} of unknown outcome; {faults} faults, \
             {crashes} crashes, {stops} stops, {deeds} operator's deeds; looked at all of it {checks} times"
        )
    }
}

impl World {
    pub(crate) fn new(seed: u64) -> Self {
        let mut rng = StdRng::seed_from_u64(seed);
        let setup = Setup::draw(&mut rng);
        let state = State {
            rng,
            weather: Weather(0.0),
            book: Book::default(),
            orphans: Vec::new(),
            setups: vec![(BEGINNING, setup)],
            engine: None,
            callers: Vec::new(),
            tokens: BTreeMap::new(),
            jobs: BTreeMap::new(),
            told: Vec::new(),
            restarts: Vec::new(),
            writing: false,
            calls: 0,
            counts: Counts::default(),
            trace: DefaultHasher::new(),
            tail: VecDeque::new(),
            whole_trace: whole_trace(seed),
            violation: None,
            dies_in: None,
            dead: false,
        };
        // In memory where there is such a place: a simulation is not about disks.
        let memory = std::path::Path::new("/dev/shm");
        let directory = if memory.is_dir() { tempfile::tempdir_in(memory) } else { tempfile::tempdir() };
        Self {
            clock: Arc::new(SimClock::new(BEGINNING)),
            directory: directory.expect("a directory can be made"),
            state: Mutex::new(state),
            crash: Notify::new(),
        }
    }

    pub(crate) fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().expect("no panic under this lock")
    }

    pub(crate) fn now(&self) -> Timestamp {
        self.clock.now()
    }

    pub(crate) fn elapsed(&self) -> Duration {
        self.now().since(BEGINNING)
    }

    /// Chance.
    pub(crate) fn draw<T>(&self, draw: impl FnOnce(&mut StdRng) -> T) -> T {
        draw(&mut self.state().rng)
    }

    /// Writes down that something happened.
    pub(crate) fn note(&self, what: std::fmt::Arguments<'_>) {
        let at = self.elapsed().as_millis();
        let mut line = format!("{:>6}.{:03} ", at / 1000, at % 1000);
        let _ = line.write_fmt(what);
        let mut state = self.state();
        state.trace.write(line.as_bytes());
        state.trace.write_u8(b'\n');
        if let Some(file) = &mut state.whole_trace {
            let _ = writeln!(file, "{line}");
        }
        if state.tail.len() == SHOWN {
            state.tail.pop_front();
        }
        state.tail.push_back(line);
    }

    /// Something is not as it has to be: the run ends. The first finding counts.
    pub(crate) fn violated(&self, what: String) {
        self.note(format_args!("VIOLATED: {what}"));
        self.state().violation.get_or_insert(what);
        self.crash.notify_one();
    }

    pub(crate) fn demand(&self, holds: bool, otherwise: impl FnOnce() -> String) {
        if !holds {
            self.violated(otherwise());
        }
    }

    pub(crate) fn violation(&self) -> Option<String> {
        self.state().violation.clone()
    }

    /// A step at which the gateway may die: then it goes no further.
    pub(crate) async fn step(&self) {
        let dead = {
            let mut state = self.state();
            let dies = match &mut state.dies_in {
                Some(0) => true,
                Some(left) => {
                    *left -= 1;
                    false
                }
                None => false,
            };
            state.dead |= dies;
            state.dead
        };
        if dead {
            self.crash.notify_one();
            std::future::pending().await
        }
    }

    /// Returns when the gateway dies.
    pub(crate) async fn crashed(&self) {
        self.crash.notified().await;
    }

    /// Has the gateway die at one of the next steps.
    pub(crate) fn doom(&self, steps: u32) {
        self.state().dies_in = Some(steps);
    }

    /// Another life begins.
    pub(crate) fn revive(&self) {
        // Several may have died at once.
        let _ = self.crash.notified().now_or_never();
        let mut state = self.state();
        (state.dead, state.dies_in, state.writing, state.calls) = (false, None, false, 0);
    }

    /// Takes a pause.
    pub(crate) async fn pause(&self, pause: impl FnOnce(&mut StdRng) -> Duration) {
        let pause = self.draw(pause);
        tokio::time::sleep(pause).await;
    }

    /// What identifies the run up to here.
    pub(crate) fn hash(&self) -> u64 {
        self.state().trace.finish()
    }

    /// The last steps, one a line.
    pub(crate) fn tail(&self) -> String {
        self.state().tail.iter().fold(String::new(), |text, line| text + line + "\n")
    }
}

/// The directory that the environment names gets the traces of all runs, each in a file of its own.
fn whole_trace(seed: u64) -> Option<std::fs::File> {
    let directory = std::env::var_os("FILMGATE_TRACES")?;
    let file =
        tempfile::Builder::new().prefix(&format!("seed-{seed}-")).suffix(".txt").tempfile_in(directory);
    file.and_then(|file| Ok(file.keep()?.0)).ok()
}
