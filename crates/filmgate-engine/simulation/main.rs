//! The gateway's engine, domain and store under a virtual clock, against a modelled upstream, with faults, crashes and an
//! operator: whatever happens, the books add up, nothing is lost and nothing is made twice.
//!
//! Everything follows from a seed. `cargo xtask test` runs 2,000 of them, which are more than 1,000 days;
//! `cargo xtask simulate --seeds N [--seed S]` runs as many as are wanted. What is planted in `mutants` has to be found.

mod book;
mod checks;
mod clock;
mod faults;
mod people;
mod run;
mod setup;
mod upstream;
mod videos;
mod world;

use std::ops::Range;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;

use crate::run::{Broken, Summary, run};

/// Of all seeds that are asked for, so many are run twice.
const TWICE: u64 = 20;

/// Runs that do not hold, at most, before no more are started.
const ENOUGH: usize = 3;

/// What came of many runs.
#[derive(Default)]
struct Report {
    total: Summary,
    runs: u64,
    replayed: u64,
    broken: Vec<Broken>,
}

/// Runs these seeds, as many at a time as the machine has cores.
fn run_all(seeds: Range<u64>) -> Report {
    let (next, report) = (AtomicU64::new(seeds.start), Mutex::new(Report::default()));
    let every = ((seeds.end - seeds.start) / TWICE).max(1);
    let work = || {
        loop {
            let seed = next.fetch_add(1, Relaxed);
            if seed >= seeds.end || report.lock().expect("no panic under this lock").broken.len() >= ENOUGH {
                return;
            }
            let again = (seed - seeds.start).is_multiple_of(every);
            let ended = run(seed);
            let replayed = again.then(|| run(seed));
            let mut report = report.lock().expect("no panic under this lock");
            report.runs += 1;
            match (ended, replayed) {
                (Ok(first), Some(Ok(second))) if first != second => {
                    report.broken.push(Broken::differs(seed, &first, &second));
                }
                (Err(broken), _) | (_, Some(Err(broken))) => report.broken.push(broken),
                (Ok(summary), second) => {
                    report.total += summary;
                    report.replayed += u64::from(second.is_some());
                }
            }
        }
    };
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    std::thread::scope(|scope| (0..cores).for_each(|_| drop(scope.spawn(work))));
    report.into_inner().expect("no panic under this lock")
}

/// Prints what came of it, and fails if anything does not hold.
fn conclude(report: &Report) {
    let Report { total: Summary { simulated, counts, .. }, runs, replayed, broken } = report;
    let days = simulated.as_secs_f64() / 86_400.0;
    eprintln!("{runs} seeds, {days:.1} days, {replayed} replayed with equal traces: {counts}");
    let told: Vec<String> = broken.iter().map(ToString::to_string).collect();
    assert!(told.is_empty(), "\n{}", told.join("\n\n"));
}

#[test]
fn whatever_happens_the_books_add_up_and_nothing_is_lost_or_made_twice() {
    let report = run_all(1..5);
    conclude(&report);
    assert!(report.total.simulated > Duration::from_secs(36 * 3600), "the clock hardly moved");
    assert_eq!(report.replayed, 4);
}

/// `cargo xtask simulate` says by the environment how many, and which is the first. Where `FILMGATE_TRACES` names a
/// directory, the whole trace of each run goes there.
#[test]
#[ignore = "`cargo xtask simulate` and `cargo xtask test` run it, optimised"]
fn as_many_seeds_hold_as_are_asked_for() {
    let asked = |name| std::env::var(name).ok().map(|text| text.parse().expect("a number"));
    let first = asked("FILMGATE_SEED").unwrap_or(0);
    conclude(&run_all(first..first + asked("FILMGATE_SEEDS").unwrap_or(1)));
}
