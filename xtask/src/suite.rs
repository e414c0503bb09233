//! `cargo xtask test`: every test of the workspace, by one command.

use std::fs;
use std::path::Path;
use std::process::Command;
use std::thread;

use crate::environments;
use crate::needs;
use crate::simulate;
use crate::workspace::{self, Workspace, timed};

/// A test that lacks a tool panics, unless this is `1`.
const ALLOW_SKIP: &str = "FILMGATE_ALLOW_SKIP";
/// A file: a test that skips itself appends one line, `its name: why`.
const SKIP_LOG: &str = "FILMGATE_SKIP_LOG";
/// With `--quick` a test whose path contains one of these is left out. `.config/nextest.toml` says the same.
const SLOW: [&str; 3] = ["slow_", "clients::", "browser::"];

/// Builds and runs all tests: documentation first, so that the closing lines of the others come last.
pub(crate) fn run(here: &Workspace, quick: bool) -> Result<(), String> {
    let runner = Runner::of(here);
    // The one waits for the network most of the time, the other for the processors.
    let (missing, (built, build_time)) = thread::scope(|scope| {
        let missing = scope.spawn(|| missing(here, quick));
        let built = timed(|| workspace::run(&mut runner.build(here)));
        (missing.join().expect("looking for tools does not panic"), built)
    });
    if here.is_strict() && !missing.is_empty() {
        return Err(format!("here no test may be skipped, but\n{}", missing.join("\n")));
    }
    built?;
    let skips = here.target().join("skipped-tests.txt");
    forget(&skips)?;
    let (tested, test_time) = timed(|| {
        let run = |mut command: Command| workspace::run(with_skips(&mut command, &missing, &skips));
        thread::scope(|scope| {
            let simulation = (!quick).then(|| scope.spawn(|| simulate::aside(here)));
            // Each runs, whatever became of the one before.
            let docs = run(doc_tests(here));
            let traces = if quick { Ok(()) } else { run(runner.tests_of_traces(here)) };
            let tests = run(runner.tests(here, quick));
            let simulated = simulation.map(|simulation| simulation.join().expect("no panic in it"));
            let failed = [docs, traces, tests, simulated.unwrap_or(Ok(()))];
            let failed: Vec<String> = failed.into_iter().filter_map(Result::err).collect();
            if failed.is_empty() { Ok(()) } else { Err(failed.join("\n")) }
        })
    });

    if !missing.is_empty() {
        eprintln!("{}", skip_notice(&missing, &fs::read_to_string(&skips).unwrap_or_default()));
    }
    let left_out =
        if quick { format!("; those named `{}` were left out", SLOW.join("` or `")) } else { String::new() };
    eprintln!(
        "built in {:.0} s, tested in {:.0} s{left_out}",
        build_time.as_secs_f64(),
        test_time.as_secs_f64()
    );
    tested
}

/// What some tests will have to do without. The environments of clients are made here.
fn missing(here: &Workspace, quick: bool) -> Vec<String> {
    let tools = [needs::FFPROBE, needs::PROMETHEUS];
    let mut missing: Vec<String> = tools.iter().filter_map(|tool| tool.ensure(here).err()).collect();
    if !quick {
        let (unmade, time) = timed(|| environments::prepare(here));
        eprintln!("the clients' environments took {:.0} s", time.as_secs_f64());
        missing.extend(unmade);
        missing.extend(needs::CHROMIUM.ensure(here).err());
    }
    missing
}

/// Who runs the tests.
#[derive(Clone, Copy)]
enum Runner {
    /// cargo-nextest: each test in a process of its own, stopped when it hangs.
    Nextest,
    /// `cargo test`, which every toolchain has.
    Cargo,
}

impl Runner {
    fn of(here: &Workspace) -> Self {
        match workspace::read(&mut here.cargo(&["nextest", "--version"])) {
            Ok(_) => Self::Nextest,
            Err(_) => Self::Cargo,
        }
    }

    fn build(self, here: &Workspace) -> Command {
        match self {
            Self::Nextest => here.cargo(&["nextest", "run", "--workspace", "--no-run"]),
            Self::Cargo => here.cargo(&["test", "--workspace", "--tests", "--no-run"]),
        }
    }

    /// `--tests` is all that `cargo test` runs except documentation; benches and examples are no part of it.
    fn tests(self, here: &Workspace, quick: bool) -> Command {
        match self {
            Self::Nextest => {
                let profile = if quick { "quick" } else { "default" };
                let mut command = here.cargo(&["nextest", "run", "--workspace", "--profile", profile]);
                // Most of the long ones wait, for a provider or a pause, more than they work.
                let at_once = 3 * thread::available_parallelism().map_or(2, usize::from);
                command.args(["--test-threads", &at_once.to_string()]);
                command
            }
            Self::Cargo => {
                let mut command = here.cargo(&["test", "--workspace", "--tests", "--no-fail-fast"]);
                if quick {
                    command.arg("--").args(SLOW.iter().flat_map(|name| ["--skip", name]));
                }
                command
            }
        }
    }

    /// The tests of what only a build with the feature `otel` has. Such a build of the binary is made here.
    fn tests_of_traces(self, here: &Workspace) -> Command {
        let runner: &[&str] = match self {
            Self::Nextest => &["nextest", "run", "--filterset", "binary(otel) | test(telemetry::)"],
            Self::Cargo => &["test", "--no-fail-fast"],
        };
        // The whole workspace: its dependencies are built for it, and would be again for a part of it.
        let traced = &["--workspace", "--features", "filmgate/otel", "--lib", "--test", "otel"];
        here.cargo(&[runner, traced].concat())
    }
}

/// nextest cannot run these.
fn doc_tests(here: &Workspace) -> Command {
    here.cargo(&["test", "--workspace", "--doc", "--quiet", "--no-fail-fast"])
}

/// Whatever the caller's environment says, tests may skip themselves only when a tool is missing.
fn with_skips<'a>(command: &'a mut Command, missing: &[String], log: &Path) -> &'a mut Command {
    if missing.is_empty() {
        command.env_remove(ALLOW_SKIP).env_remove(SKIP_LOG)
    } else {
        command.env(ALLOW_SKIP, "1").env(SKIP_LOG, log)
    }
}

fn forget(file: &Path) -> Result<(), String> {
    match fs::remove_file(file) {
        Err(e) if e.kind() != std::io::ErrorKind::NotFound => {
            Err(format!("cannot remove {}: {e}", file.display()))
        }
        _ => Ok(()),
    }
}

/// The block that nobody overlooks. `log` holds a line for each test that skipped itself.
fn skip_notice(missing: &[String], log: &str) -> String {
    let bar = "!".repeat(78);
    let mut lines: Vec<&str> = log.lines().filter(|line| !line.trim().is_empty()).collect();
    lines.sort_unstable();
    let list: String = lines.iter().map(|line| format!("  {line}\n")).collect();
    format!("\n{bar}\nTESTS SKIPPED: {}\n{list}{}\n{bar}\n", lines.len(), missing.join("\n"))
}

#[cfg(test)]
mod tests {
    use std::ffi::OsStr;

    use super::*;

    #[test]
    fn the_notice_lists_every_skipped_test() {
        let missing = ["ffprobe is missing. Buy one".to_owned(), "no npm".to_owned()];
        let notice = skip_notice(&missing, "it::b: no ffprobe\n\nit::a: no ffprobe\n");
        assert!(notice.contains("TESTS SKIPPED: 2\n  it::a: no ffprobe\n  it::b: no ffprobe\n"), "{notice}");
        assert!(notice.contains("ffprobe is missing. Buy one\nno npm\n"), "{notice}");
    }

    #[test]
    fn skipping_is_allowed_only_without_the_tool() {
        let set = |missing: &[String]| {
            let mut command = Command::new("true");
            with_skips(&mut command, missing, Path::new("log"));
            command.get_envs().map(|(k, v)| (k.to_owned(), v.map(OsStr::to_owned))).collect::<Vec<_>>()
        };
        assert_eq!(set(&[]), [(ALLOW_SKIP.into(), None), (SKIP_LOG.into(), None)]);
        assert_eq!(
            set(&["no npm".to_owned()]),
            [(ALLOW_SKIP.into(), Some("1".into())), (SKIP_LOG.into(), Some("log".into()))]
        );
    }

    #[test]
    fn both_runners_leave_out_the_same_tests() {
        let nextest = include_str!("../../.config/nextest.toml");
        let [slow, clients, browser] = SLOW;
        let filter = format!("default-filter = 'not (test({slow}) | test({clients}) | test({browser}))'");
        assert!(nextest.contains(&filter));
    }
}
