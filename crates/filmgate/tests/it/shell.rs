//! The program as people and scripts run it.

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use serde_json::Value;

use crate::app::{TestApp, binary};

/// How the program is called: with which flags before the command, and where.
pub(crate) struct Shell {
    globals: Vec<String>,
    env: Vec<(String, String)>,
    pub(crate) dir: PathBuf,
}

/// What a call came to.
pub(crate) struct Ran {
    pub(crate) code: Option<i32>,
    pub(crate) out: String,
    pub(crate) err: String,
}

impl Shell {
    /// On a data directory; its working directory is that directory too.
    pub(crate) fn on(data_dir: &Path) -> Self {
        let globals = vec!["--data-dir".to_owned(), data_dir.display().to_string()];
        Self { globals, env: Vec::new(), dir: data_dir.to_owned() }
    }

    /// On the data directory of a gateway, with its settings: whether it runs or not makes no difference.
    pub(crate) fn of(app: &TestApp) -> Self {
        let mut shell = Self::on(&app.data_dir());
        for setting in app.settings() {
            shell.globals.extend(["--set".to_owned(), setting]);
        }
        shell
    }

    /// In another working directory.
    pub(crate) fn at(mut self, dir: &Path) -> Self {
        self.dir = dir.to_owned();
        self
    }

    pub(crate) fn env(mut self, name: &str, value: &str) -> Self {
        self.env.push((name.to_owned(), value.to_owned()));
        self
    }

    /// With the flags of this shell.
    pub(crate) fn command(&self, args: &[&str]) -> Command {
        let mut command = self.bare(args);
        command.args(&self.globals);
        command
    }

    /// Without flags, and without the settings of an operator's own environment.
    pub(crate) fn bare(&self, args: &[&str]) -> Command {
        let mut command = Command::new(binary());
        for (name, _) in
            std::env::vars().filter(|(name, _)| name.starts_with("FILMGATE") || name == "XAI_API_KEY")
        {
            command.env_remove(name);
        }
        command.envs(self.env.iter().map(|(name, value)| (name, value)));
        command.args(args).current_dir(&self.dir);
        command
    }

    pub(crate) fn run(&self, args: &[&str]) -> Ran {
        self.run_with(args, "")
    }

    /// With something on standard input.
    pub(crate) fn run_with(&self, args: &[&str], input: &str) -> Ran {
        let mut command = self.command(args);
        let mut child =
            command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        // A command that takes no input may have ended before.
        let _ = child.stdin.take().unwrap().write_all(input.as_bytes());
        let output = child.wait_with_output().unwrap();
        Ran {
            code: output.status.code(),
            out: String::from_utf8(output.stdout).unwrap(),
            err: String::from_utf8(output.stderr).unwrap(),
        }
    }

    /// A call that has to succeed; what it printed.
    #[track_caller]
    pub(crate) fn ok(&self, args: &[&str]) -> String {
        self.run(args).with_code(0).out
    }

    /// The same with `--json`.
    #[track_caller]
    pub(crate) fn json(&self, args: &[&str]) -> Value {
        self.run(&[args, &["--json"]].concat()).with_code(0).json()
    }
}

impl Ran {
    #[track_caller]
    pub(crate) fn with_code(self, code: i32) -> Self {
        assert_eq!(self.code, Some(code), "\n{}\n{}", self.out, self.err);
        self
    }

    /// Standard output as one JSON value.
    #[track_caller]
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.out)
            .unwrap_or_else(|error| panic!("{error}: {:?}\n{}", self.out, self.err))
    }

    /// Asserts that standard error says this.
    #[track_caller]
    pub(crate) fn says(self, words: &str) -> Self {
        assert!(self.err.contains(words), "{words:?} is not in {:?}", self.err);
        self
    }
}
