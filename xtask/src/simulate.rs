//! `cargo xtask simulate`: the simulation of the engine, with as many seeds as are wanted.

use std::process::Command;

use crate::workspace::{self, Workspace};

/// Seeds of every test run: more than 1,000 simulated days.
pub(crate) const USUAL: u64 = 2_000;

/// Random histories of every test run. A debug build does fewer in the same time.
const HISTORIES: &str = "10000";

/// Runs so many seeds from `first` on.
pub(crate) fn run(here: &Workspace, first: u64, seeds: u64) -> Result<(), String> {
    workspace::run(&mut command(here, first, seeds))
}

/// Runs what every test run simulates, in the time that the other tests leave: many of these only wait.
pub(crate) fn aside(here: &Workspace) -> Result<(), String> {
    let simulated = workspace::run_aside(command(here, 0, USUAL));
    simulated.and(workspace::run_aside(histories(here)))
}

/// The token manager against its model, in the same build.
fn histories(here: &Workspace) -> Command {
    let test = ["test", "--profile", "simulation", "--package", "filmgate-domain", "--test", "model"];
    let mut command = here.cargo(&test);
    command.env("PROPTEST_CASES", HISTORIES);
    command
}

/// Optimised, as a day should take no longer than a twentieth of a second; with all checks of a debug build.
pub(crate) fn command(here: &Workspace, first: u64, seeds: u64) -> Command {
    let test = ["test", "--profile", "simulation", "--package", "filmgate-engine-simulation"];
    let mut command = here.cargo(&test);
    command.args(["--", "--ignored", "--nocapture", "as_many_seeds_hold_as_are_asked_for"]);
    command.env("FILMGATE_SEED", first.to_string()).env("FILMGATE_SEEDS", seeds.to_string());
    command
}
