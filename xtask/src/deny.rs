//! Licences, bans, sources and advisories of everything we depend on, by cargo-deny and `deny.toml`.

use std::path::PathBuf;
use std::process::Command;

use crate::table::Verdict;
use crate::workspace::{self, Workspace};

/// Pinned: another version may read `deny.toml` otherwise.
const VERSION: &str = "0.20.2";

/// Licences, bans and sources. Needs nothing but the crates themselves.
pub(crate) fn policy(here: &Workspace) -> Result<(), String> {
    workspace::run(deny(here)?.args(["check", "bans", "licenses", "sources"]))
}

/// Known vulnerabilities and abandoned crates, when the database of them can be reached.
pub(crate) fn advisories(here: &Workspace) -> Verdict {
    let fetched = deny(here).map(|mut deny| workspace::run(deny.args(["fetch", "db"])));
    match fetched {
        Err(why) => Verdict::Failed(why),
        Ok(Err(why)) => Verdict::NotChecked(format!(
            "The advisory database could not be fetched ({why}). Known vulnerabilities were NOT looked for."
        )),
        Ok(Ok(())) => deny(here)
            .and_then(|mut deny| workspace::run(deny.args(["--offline", "check", "advisories"])))
            .into(),
    }
}

/// cargo-deny, from `target/tools` or the path, else built first.
fn deny(here: &Workspace) -> Result<Command, String> {
    let tools = here.target().join("tools");
    let own = tools.join("bin").join("cargo-deny");
    let found = [own.clone(), PathBuf::from("cargo-deny")].into_iter().find(|program| {
        workspace::read(here.command(program).arg("--version"))
            .is_ok_and(|text| text.trim().ends_with(VERSION))
    });
    if found.is_none() {
        eprintln!("cargo-deny {VERSION} is missing: building it, once, into {}", tools.display());
        // Unoptimised it still checks in seconds, and is built in half the time.
        let mut install =
            here.cargo(&["install", "cargo-deny", "--locked", "--debug", "--version", VERSION, "--root"]);
        workspace::run(install.arg(&tools))?;
    }
    let mut command = here.command(found.unwrap_or(own));
    // Without a network, git must not ask anybody for a password.
    command.env("GIT_TERMINAL_PROMPT", "0");
    Ok(command)
}
