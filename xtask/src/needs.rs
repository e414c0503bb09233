//! What the tests need beside a Rust toolchain and a C/C++ compiler.

use std::process::Stdio;

use crate::workspace::{self, Workspace};

/// A program that tests start.
pub(crate) struct Tool {
    /// What it is called in messages.
    name: &'static str,
    /// A command that succeeds where it is there, and good enough.
    proof: &'static [&'static str],
    /// The packages of Debian and Ubuntu that bring it.
    packages: &'static [&'static str],
    /// How a person gets it.
    how_to_install: &'static str,
}

/// The referee of the end-to-end tests for width, height and duration.
pub(crate) const FFPROBE: Tool = Tool {
    name: "ffprobe",
    proof: &["ffprobe", "-version"],
    packages: &["ffmpeg"],
    how_to_install: "ffprobe comes with FFmpeg: `sudo apt-get install ffmpeg` (Debian, Ubuntu), \
        `sudo dnf install ffmpeg-free` (Fedora), `brew install ffmpeg` (macOS), \
        `winget install ffmpeg` (Windows)",
};

/// What curl's tests start.
pub(crate) const CURL: Tool = Tool {
    name: "curl",
    proof: &["curl", "--version"],
    packages: &["curl"],
    how_to_install: "`sudo apt-get install curl` (Debian, Ubuntu), `sudo dnf install curl` (Fedora); \
        macOS has it",
};

/// What makes the environments of the Python clients. Debian has `ensurepip` in a package of its own.
pub(crate) const PYTHON: Tool = Tool {
    name: "python3 (3.10 or newer, with venv)",
    proof: &["python3", "-c", "import ensurepip, sys, venv; sys.exit(sys.version_info < (3, 10))"],
    packages: &["python3", "python3-venv"],
    how_to_install: "The Python clients need Python 3.10 or newer with its module venv: \
        `sudo apt-get install python3 python3-venv` (Debian, Ubuntu), `sudo dnf install python3` (Fedora), \
        `brew install python` (macOS)",
};

/// What makes the environments of the Node clients. A Node that is new enough comes out of the registry.
pub(crate) const NPM: Tool = Tool {
    name: "npm",
    proof: &["npm", "--version"],
    packages: &["npm"],
    how_to_install: "The Node clients need npm: `sudo apt-get install npm` (Debian, Ubuntu), \
        `sudo dnf install nodejs-npm` (Fedora), `brew install node` (macOS)",
};

/// What looks at the operator's page.
pub(crate) const CHROMIUM: Tool = Tool {
    name: "Chromium with ChromeDriver",
    proof: &["chromedriver", "--version"],
    packages: &["chromium", "chromium-driver", "fonts-noto-cjk"],
    how_to_install: "The page's tests need Chromium and ChromeDriver: \
        `sudo apt-get install chromium chromium-driver fonts-noto-cjk` (Debian), \
        `sudo dnf install chromium chromedriver` (Fedora), `brew install --cask chromium chromedriver` (macOS)",
};

/// A real Prometheus, which reads the metrics and works out every rule and every panel.
pub(crate) const PROMETHEUS: Tool = Tool {
    name: "prometheus (with promtool)",
    proof: &["promtool", "--version"],
    packages: &["prometheus"],
    how_to_install: "`sudo apt-get install prometheus` (Debian, Ubuntu; it also starts a server, which \
        `sudo systemctl disable --now prometheus` ends), `brew install prometheus` (macOS), or the archive \
        of https://prometheus.io/download on the PATH",
};

impl Tool {
    /// Makes sure of it. When it is missing and this is root on Debian or Ubuntu, it is installed.
    ///
    /// # Errors
    /// When it is missing: what to do about that.
    pub(crate) fn ensure(&self, here: &Workspace) -> Result<(), String> {
        if works(here, self.proof) {
            return Ok(());
        }
        if is_root(here) && works(here, &["apt-get", "--version"]) {
            eprintln!("{} is missing: installing {}", self.name, self.packages.join(" "));
            match install(here, self.packages) {
                Ok(()) if works(here, self.proof) => return Ok(()),
                Ok(()) => eprintln!("{} brought no {} that works", self.packages.join(" "), self.name),
                Err(why) => eprintln!("{why}"),
            }
        }
        Err(self.is_missing())
    }

    fn is_missing(&self) -> String {
        format!("{} is missing. {}", self.name, self.how_to_install)
    }
}

fn install(here: &Workspace, packages: &[&str]) -> Result<(), String> {
    let apt = |args: &[&str]| {
        let mut command = here.command("apt-get");
        workspace::run(command.args(args).env("DEBIAN_FRONTEND", "noninteractive"))
    };
    apt(&["update", "-qq"])?;
    apt(&[&["install", "-qq", "--yes", "--no-install-recommends"], packages].concat())
}

fn works(here: &Workspace, proof: &[&str]) -> bool {
    let mut command = here.command(proof[0]);
    command.args(&proof[1..]).stdout(Stdio::null()).stderr(Stdio::null());
    command.status().is_ok_and(|status| status.success())
}

fn is_root(here: &Workspace) -> bool {
    workspace::read(here.command("id").arg("-u")).is_ok_and(|uid| uid.trim() == "0")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_missing_tool_is_named_with_the_way_to_get_it() {
        let here = Workspace::find().unwrap();
        let tool = Tool {
            name: "frobnicate",
            proof: &["cargo", "no-such-subcommand"],
            packages: &["no-such-package-of-filmgate"],
            how_to_install: "buy one",
        };
        assert!(!works(&here, tool.proof));
        assert_eq!(tool.is_missing(), "frobnicate is missing. buy one");
        let there = Tool { proof: &["cargo", "--version"], ..tool };
        assert_eq!(there.ensure(&here), Ok(()));
    }
}
