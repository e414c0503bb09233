//! `cargo xtask mutants`: plants mistakes in the engine one after the other, and demands that the simulation finds each.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::simulate;
use crate::workspace::{self, Workspace};

/// Where the mistakes lie, as patches.
const FOLDER: &str = "crates/filmgate-engine/simulation/mutants";

/// Seeds that may pass before a mistake has to be found.
const SEEDS: u64 = 150;

/// Plants each mistake (or those whose names begin so) in a copy of the sources.
pub(crate) fn run(here: &Workspace, wanted: &str) -> Result<(), String> {
    let copy = here.target().join("mutants");
    let mut missed = Vec::new();
    let mut lines = Vec::new();
    for patch in patches(here)? {
        let name = patch.file_stem().unwrap_or_default().to_string_lossy().into_owned();
        if !name.starts_with(wanted) {
            continue;
        }
        bring_up_to_date(here, &copy)?;
        workspace::run(git(here, &copy, &patch, &[])?.arg("--verbose"))?;
        let planted = Workspace::at(copy.clone());
        let found = hunt(&planted)?;
        eprintln!("{name}: {}", found.as_deref().unwrap_or("NOT FOUND"));
        lines.push(format!("| {name} | {} |", found.as_deref().unwrap_or("**not found**")));
        if found.is_none() {
            missed.push(name);
        }
    }
    println!("| planted | found by |\n|---|---|\n{}", lines.join("\n"));
    if missed.is_empty() { Ok(()) } else { Err(format!("not found: {}", missed.join(" "))) }
}

/// Fails with every patch that does not fit the sources any more.
pub(crate) fn check(here: &Workspace) -> Result<(), String> {
    let patches = patches(here)?;
    let fits = |patch: &PathBuf| workspace::read(&mut git(here, here.root(), patch, &["--check"])?);
    let faults: Vec<String> = patches.iter().filter_map(|patch| fits(patch).err()).collect();
    if patches.is_empty() {
        return Err(format!("no mistakes are planted: {FOLDER} is empty"));
    }
    if faults.is_empty() { Ok(()) } else { Err(faults.join("\n")) }
}

/// What the simulation finds in a planted copy, if it does. The copy has a target directory of its own: cargo takes what
/// was built from either for the other's.
fn hunt(planted: &Workspace) -> Result<Option<String>, String> {
    let mut build = simulate::command(planted, 0, SEEDS);
    build.env("CARGO_TARGET_DIR", planted.root().join("target"));
    let output = build.output().map_err(|e| format!("the copy could not be run: {e}"))?;
    let text = String::from_utf8_lossy(&output.stdout) + String::from_utf8_lossy(&output.stderr);
    if !text.contains("\nrunning 1 test\n") {
        return Err(format!("the copy could not be built:\n{text}"));
    }
    if output.status.success() {
        return Ok(None);
    }
    let finding =
        text.lines().find_map(|line| line.strip_prefix("seed ")).ok_or("it failed without a word")?;
    Ok(Some(format!("seed {finding}")))
}

fn patches(here: &Workspace) -> Result<Vec<PathBuf>, String> {
    let folder = here.root().join(FOLDER);
    let entries = fs::read_dir(&folder).map_err(|e| format!("{FOLDER}: {e}"))?;
    let paths = entries.filter_map(|entry| Some(entry.ok()?.path()));
    let mut patches: Vec<PathBuf> =
        paths.filter(|path| path.extension().is_some_and(|e| e == "patch")).collect();
    patches.sort();
    Ok(patches)
}

/// `git apply` for a tree, whether it lies in a repository or not.
fn git(here: &Workspace, tree: &Path, patch: &Path, args: &[&str]) -> Result<Command, String> {
    let above = tree.parent().ok_or("the tree has nothing above it")?;
    let mut command = here.command("git");
    // Inside a repository, git would take the paths for those of its root.
    command.env("GIT_CEILING_DIRECTORIES", above);
    command.current_dir(tree).arg("apply").args(args).arg(patch);
    Ok(command)
}

/// Makes the copy what the sources are. Files that are the same are left alone: cargo goes by their times.
fn bring_up_to_date(here: &Workspace, copy: &Path) -> Result<(), String> {
    let listed = workspace::read(here.command("git").args([
        "ls-files",
        "--cached",
        "--others",
        "--exclude-standard",
    ]))?;
    for name in listed.lines() {
        let (from, to) = (here.root().join(name), copy.join(name));
        let told = |e: std::io::Error| format!("{}: {e}", to.display());
        let Ok(text) = fs::read(&from) else { continue };
        if fs::read(&to).is_ok_and(|there| there == text) {
            continue;
        }
        fs::create_dir_all(to.parent().unwrap_or(copy)).map_err(told)?;
        fs::write(&to, text).map_err(told)?;
    }
    Ok(())
}
