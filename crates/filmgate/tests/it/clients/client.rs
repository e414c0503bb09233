//! Starting a script with a real client.

use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use serde_json::Value;

use crate::app::TestApp;
use crate::needs;

/// A script, and what it is run with.
pub(crate) struct Client {
    /// The folder of its environment in `target/clients`, and of what that is made of in `clients`.
    environment: Option<&'static str>,
    runtime: Runtime,
    /// A path in `clients`.
    script: &'static str,
}

#[derive(Clone, Copy, PartialEq)]
enum Runtime {
    Python,
    Node,
    Bash,
}

/// A script with the packages of a Python environment.
pub(crate) fn python(environment: &'static str, script: &'static str) -> Client {
    Client { environment: Some(environment), runtime: Runtime::Python, script }
}

/// A script with the packages of a Node environment.
pub(crate) fn node(environment: &'static str, script: &'static str) -> Client {
    Client { environment: Some(environment), runtime: Runtime::Node, script }
}

/// A script that calls curl.
pub(crate) fn curl(script: &'static str) -> Client {
    Client { environment: None, runtime: Runtime::Bash, script }
}

impl Client {
    /// Whether everything is there that the script needs.
    pub(crate) fn is_ready(&self, test: &str) -> bool {
        needs::met(test, self.ready())
    }

    fn ready(&self) -> Result<(), String> {
        let Some(environment) = self.environment else {
            return needs::program("curl", "--version");
        };
        if self.runtime == Runtime::Node {
            made_of("node", "package-lock.json")?;
            return made_of(environment, "package-lock.json");
        }
        made_of(environment, "requirements.txt")
    }

    /// Runs checks of the script against a gateway. Panics with what the script said when one fails.
    pub(crate) fn run(&self, app: &TestApp, url: &str, checks: &str) {
        let mut command = self.command();
        command.args(checks.split_whitespace());
        command.env("FILMGATE_URL", url).env("FILMGATE_KEY", &app.client_key).stdin(Stdio::null());
        let output = command.output().unwrap();
        let (said, errors) = texts(&output);
        let passed = said.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
        let passed: Vec<Value> = passed.filter(|line| line["ok"] == true).collect();
        let wanted = checks.split_whitespace().count();
        assert!(
            output.status.success() && passed.len() == wanted,
            "{} of {wanted} checks of {} passed ({}):\n{}\n{errors}",
            passed.len(),
            self.script,
            output.status,
            readable(&said),
        );
    }

    /// Gives the script something to read. Returns whether it ended well, and what it said.
    pub(crate) fn tell(&self, text: &str) -> (bool, String) {
        let mut command = self.command();
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut process = command.spawn().unwrap();
        process.stdin.take().unwrap().write_all(text.as_bytes()).unwrap();
        let output = process.wait_with_output().unwrap();
        let (said, errors) = texts(&output);
        (output.status.success(), format!("{said}{errors}"))
    }

    /// Runs lines of somebody else's in `folder`, where their files go. Returns whether they ended well, and
    /// what they said.
    pub(crate) fn run_lines(&self, lines: &str, folder: &Path) -> (bool, String) {
        let script = match self.runtime {
            // Node looks for packages from where the script lies.
            Runtime::Node => {
                let environment = made().join(self.environment.unwrap_or_default());
                environment.join(format!("readme-{}.mjs", std::process::id()))
            }
            Runtime::Python | Runtime::Bash => folder.join("script"),
        };
        fs::write(&script, lines).unwrap();
        let output = self.starting(&script).current_dir(folder).stdin(Stdio::null()).output().unwrap();
        fs::remove_file(&script).unwrap();
        let (said, errors) = texts(&output);
        (output.status.success(), format!("{said}{errors}"))
    }

    fn command(&self) -> Command {
        self.starting(&pinned().join(self.script))
    }

    fn starting(&self, script: &Path) -> Command {
        let environment = made().join(self.environment.unwrap_or_default());
        let mut command = match self.runtime {
            Runtime::Python => Command::new(environment.join("bin/python")),
            Runtime::Node => {
                let program = fs::read_to_string(made().join("node/program")).unwrap();
                let mut command = Command::new(program);
                command.arg("--import").arg(pinned().join("resolve.mjs"));
                command
            }
            Runtime::Bash => Command::new("bash"),
        };
        command.arg(script);
        command.env("FILMGATE_CLIENT_ENV", &environment).env("PYTHONPATH", pinned());
        // The folder of the scripts stays as it is.
        command.env("PYTHONDONTWRITEBYTECODE", "1");
        // The gateway is on this machine, wherever the machine's other traffic goes.
        for name in ["http_proxy", "https_proxy", "all_proxy"] {
            command.env_remove(name).env_remove(name.to_uppercase());
        }
        command
    }
}

/// Where environments are pinned, and where scripts lie.
fn pinned() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../clients")
}

/// Where environments are made.
pub(crate) fn made() -> PathBuf {
    Path::new(env!("CARGO_TARGET_TMPDIR")).parent().unwrap().join("clients")
}

/// Whether an environment was made of what is pinned now: else other versions would be tested than are named.
pub(crate) fn made_of(environment: &str, manifest: &str) -> Result<(), String> {
    let pinned = fs::read_to_string(pinned().join(environment).join(manifest)).unwrap();
    match fs::read_to_string(made().join(environment).join("made-of")) {
        Ok(text) if text.ends_with(&pinned) => Ok(()),
        Ok(_) => Err(format!("the environment {environment} is out of date")),
        Err(_) => Err(format!("no environment {environment}")),
    }
}

fn texts(output: &Output) -> (String, String) {
    let text = |bytes| String::from_utf8_lossy(bytes).into_owned();
    (text(&output.stdout), text(&output.stderr))
}

/// The script's lines with their line breaks, as stack traces have them.
fn readable(said: &str) -> String {
    said.replace("\\n", "\n    ")
}
