//! `cargo xtask ci`: what CI runs. All steps run, whatever the earlier ones found.

use std::process::Command;

use crate::deny;
use crate::fences;
use crate::mutants;
use crate::sources;
use crate::suite;
use crate::table::{Row, Verdict, table};
use crate::workspace::{self, Workspace};

type Step = fn(&Workspace) -> Verdict;

/// In the order of running: quick ones first, the tests last, so that their closing lines end the output.
const STEPS: [(&str, Step); 9] = [
    ("fmt", |here| fmt(here).into()),
    ("rules", |here| sources::check(here.root()).into()),
    ("mutants", |here| mutants::check(here).into()),
    ("fences", |here| fences::check(here).into()),
    ("deny", |here| deny::policy(here).into()),
    ("advisories", deny::advisories),
    ("clippy", |here| clippy(here).into()),
    ("doc", |here| workspace::run(&mut doc(here)).into()),
    ("test", |here| suite::run(here, false).into()),
];

/// The names of all steps, in order.
pub(crate) fn step_names() -> Vec<&'static str> {
    STEPS.map(|(name, _)| name).to_vec()
}

/// Runs the steps named, or all.
pub(crate) fn run(here: &Workspace, names: &[String]) -> Result<(), String> {
    let wanted = |name: &str| names.is_empty() || names.iter().any(|wanted| wanted == name);
    let rows: Vec<Row> = STEPS
        .iter()
        .filter(|(name, _)| wanted(name))
        .map(|(name, step)| Row::of(name, || step(here)))
        .collect();
    eprint!("{}", table(&rows));
    let failed: Vec<&str> = rows.iter().filter(|row| row.failed()).map(Row::name).collect();
    if failed.is_empty() { Ok(()) } else { Err(failed.join(", ")) }
}

/// The fuzz targets are a workspace of their own; all other steps leave them out, for they need nightly.
fn fmt(here: &Workspace) -> Result<(), String> {
    let ours = workspace::run(&mut here.cargo(&["fmt", "--all", "--check"]));
    let fuzz = workspace::run(&mut here.cargo(&["fmt", "--manifest-path", "fuzz/Cargo.toml", "--check"]));
    ours.and(fuzz)
}

/// As it is built usually, and with what is left out then.
fn clippy(here: &Workspace) -> Result<(), String> {
    let check = |features: &[&str]| {
        let all = ["clippy", "--workspace", "--all-targets"];
        let args = [&all, features, &["--", "--deny", "warnings"]].concat();
        workspace::run(&mut here.cargo(&args))
    };
    check(&[]).and(check(&["--features", "filmgate/otel"]))
}

fn doc(here: &Workspace) -> Command {
    let mut command = here.cargo(&["doc", "--workspace", "--no-deps"]);
    command.env("RUSTDOCFLAGS", "--deny warnings");
    command
}
