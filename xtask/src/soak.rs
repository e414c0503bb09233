//! `cargo xtask soak`: the test that kills the gateway, for as long as somebody wants.

use std::fs;

use crate::workspace::{self, Workspace};

/// How often, and from which seed, the gateway is killed.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Soak {
    kills: u32,
    seed: Option<u64>,
}

impl Soak {
    /// Reads `[--kills N] [--seed S]`.
    pub(crate) fn parse(args: &[String]) -> Result<Self, String> {
        let mut soak = Self { kills: 200, seed: None };
        let mut args = args.iter();
        while let Some(flag) = args.next() {
            let value = args.next().map(String::as_str).unwrap_or_default();
            let number = value.parse().map_err(|_| format!("`{flag}` takes a number, not `{value}`"));
            match flag.as_str() {
                "--kills" => {
                    soak.kills = u32::try_from(number?).map_err(|_| format!("{value} kills are too many"))?;
                }
                "--seed" => soak.seed = Some(number?),
                other => return Err(format!("`soak` takes --kills N and --seed S, not `{other}`")),
            }
        }
        Ok(soak)
    }
}

/// Runs it; the last line tells what came out.
pub(crate) fn run(here: &Workspace, soak: &Soak) -> Result<(), String> {
    let report = here.target().join("soak-report.txt");
    let _ = fs::remove_file(&report);
    // Not nextest, which stops a test that takes long.
    let mut command =
        here.cargo(&["test", "--package", "filmgate", "--test", "it", "--", "--ignored", "--exact"]);
    command.args(["soak::as_many_kills_as_asked", "--nocapture"]);
    command.env("FILMGATE_SOAK_KILLS", soak.kills.to_string()).env("FILMGATE_SOAK_REPORT", &report);
    if let Some(seed) = soak.seed {
        command.env("FILMGATE_TEST_SEED", seed.to_string());
    }
    workspace::run(&mut command)?;
    let told =
        fs::read_to_string(&report).map_err(|e| format!("{} cannot be read: {e}", report.display()))?;
    println!("{told}");
    Ok(())
}
