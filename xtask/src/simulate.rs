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

/// Runs the token manager against its model, in the same build.
pub(crate) fn histories(here: &Workspace) -> Result<(), String> {
    let test = ["test", "--profile", "simulation", "--package", "filmgate-domain", "--test", "model"];
    workspace::run(here.cargo(&test).env("PROPTEST_CASES", HISTORIES))
}

/// Optimised, as a day should take no longer than a twentieth of a second; with all checks of a debug build.
pub(crate) fn command(here: &Workspace, first: u64, seeds: u64) -> Command {
    let test = ["test", "--profile", "simulation", "--package", "filmgate-engine", "--test", "simulation"];
    let mut command = here.cargo(&test);
    command.args(["--", "--ignored", "--nocapture", "as_many_seeds_hold_as_are_asked_for"]);
    command.env("FILMGATE_SEED", first.to_string()).env("FILMGATE_SEEDS", seeds.to_string());
    command
}
