//! Where the workspace lies, and how programs are started in it.

use std::env;
use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

/// The workspace's root, and how strict to be in it.
pub(crate) struct Workspace {
    root: PathBuf,
    strict: bool,
}

impl Workspace {
    /// The workspace that this xtask was started from. Strict when `CI` is set.
    pub(crate) fn find() -> Result<Self, String> {
        let manifest = env::var_os("CARGO_MANIFEST_DIR").ok_or("start it as `cargo xtask`")?;
        let root = Path::new(&manifest).parent().ok_or("xtask has no workspace above it")?;
        Ok(Self { root: root.to_owned(), strict: is_set(env::var_os("CI").as_deref()) })
    }

    /// A copy of the workspace.
    pub(crate) fn at(root: PathBuf) -> Self {
        Self { root, strict: false }
    }

    /// The same workspace as CI treats it: nothing may be skipped, no snapshot is written.
    pub(crate) fn strict(self) -> Self {
        Self { strict: true, ..self }
    }

    /// Whether a test that cannot run is a failure.
    pub(crate) fn is_strict(&self) -> bool {
        self.strict
    }

    /// The folder of the root manifest.
    pub(crate) fn root(&self) -> &Path {
        &self.root
    }

    /// Where build products go.
    pub(crate) fn target(&self) -> PathBuf {
        match env::var_os("CARGO_TARGET_DIR") {
            Some(folder) => self.root.join(folder),
            None => self.root.join("target"),
        }
    }

    /// `cargo ARGS`, not yet started.
    pub(crate) fn cargo(&self, args: &[&str]) -> Command {
        let mut command = self.command(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
        command.args(args);
        command
    }

    /// Any program, not yet started: in the workspace's root, with nothing to read.
    pub(crate) fn command(&self, program: impl AsRef<OsStr>) -> Command {
        let mut command = Command::new(program);
        command.current_dir(&self.root).stdin(Stdio::null());
        if self.strict {
            command.env("CI", "true");
        }
        // `cargo run` describes xtask in these. Build scripts that watch them (ring's does) would run
        // again at each change between `cargo xtask` and plain `cargo`, with all that depends on them.
        for (name, _) in env::vars_os() {
            let text = name.to_string_lossy();
            if text.starts_with("CARGO_PKG_") || text.starts_with("CARGO_MANIFEST_") {
                command.env_remove(&name);
            }
        }
        command
    }
}

/// Shows the command, runs it with its output on the terminal, and fails when it does.
pub(crate) fn run(command: &mut Command) -> Result<(), String> {
    let shown = shown(command);
    eprintln!("$ {shown}");
    let status = command.status().map_err(|e| format!("`{shown}` did not start: {e}"))?;
    if status.success() { Ok(()) } else { Err(format!("`{shown}` ended with {status}")) }
}

/// Runs the command while another has the terminal, and the processors first: it tells what it wrote when it has ended.
pub(crate) fn run_aside(mut command: Command) -> Result<(), String> {
    let shown = shown(&command);
    let started = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn();
    let child = started.map_err(|e| format!("`{shown}` did not start: {e}"))?;
    // What it starts comes last, too. Without such a tool, it merely takes its share.
    let _ = Command::new("renice").args(["-n", "19", "-p", &child.id().to_string()]).output();
    let output = child.wait_with_output().map_err(|e| format!("`{shown}` was lost: {e}"))?;
    let told = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let (errors, told) = (told(&output.stderr), told(&output.stdout));
    eprintln!("$ {shown}\n{errors}{told}");
    if output.status.success() {
        return Ok(());
    }
    // By now it stands far above, among the words of the others.
    let lines: Vec<&str> = errors.lines().chain(told.lines()).collect();
    let last = lines[lines.len().saturating_sub(60)..].join("\n");
    Err(format!("`{shown}` ended with {}:\n{last}", output.status))
}

/// Runs the command and returns what it wrote on its standard output.
pub(crate) fn read(command: &mut Command) -> Result<String, String> {
    let shown = shown(command);
    let output = command.output().map_err(|e| format!("`{shown}` did not start: {e}"))?;
    if output.status.success() {
        Ok(String::from_utf8_lossy(&output.stdout).into_owned())
    } else {
        Err(format!("`{shown}` ended with {}: {}", output.status, String::from_utf8_lossy(&output.stderr)))
    }
}

/// Does something and tells how long it took.
pub(crate) fn timed<T>(work: impl FnOnce() -> T) -> (T, Duration) {
    #[expect(clippy::disallowed_methods, reason = "a developer's stopwatch; nothing decides by it")]
    let start = Instant::now();
    let result = work();
    (result, start.elapsed())
}

fn shown(command: &Command) -> String {
    let program = Path::new(command.get_program()).file_stem().unwrap_or_default();
    let words = std::iter::once(program).chain(command.get_args());
    words.map(OsStr::to_string_lossy).collect::<Vec<_>>().join(" ")
}

/// Whether a variable such as `CI` means yes.
fn is_set(value: Option<&OsStr>) -> bool {
    value.is_some_and(|value| !["", "0", "false"].map(OsStr::new).contains(&value))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ci_is_on_unless_it_says_no() {
        let meant = |text: &str| is_set(Some(OsStr::new(text)));
        assert!(meant("true") && meant("1") && meant("woodpecker"));
        assert!(!meant("") && !meant("0") && !meant("false"));
        assert!(!is_set(None));
    }

    #[test]
    fn commands_are_shown_as_they_would_be_typed() {
        assert_eq!(shown(Command::new("/usr/bin/cargo").args(["fmt", "--all"])), "cargo fmt --all");
    }

    #[test]
    fn a_failing_command_is_an_error() {
        assert!(run(Command::new("cargo").arg("--version").stdout(Stdio::null())).is_ok());
        let why = run(Command::new("cargo").arg("no-such-subcommand").stderr(Stdio::null())).unwrap_err();
        assert!(why.contains("cargo no-such-subcommand"), "{why}");
        let aside = |argument: &str| {
            let mut command = Command::new("cargo");
            command.arg(argument);
            run_aside(command)
        };
        assert!(aside("--version").is_ok());
        let why = aside("no-such-subcommand").unwrap_err();
        assert!(why.contains("no such command"), "{why}");
        let why = read(Command::new("cargo").arg("no-such-subcommand")).unwrap_err();
        assert!(why.contains("no such command"), "{why}");
    }
}
