//! What the tests need beside a Rust toolchain and a C/C++ compiler.

use std::process::Stdio;

use crate::workspace::{self, Workspace};

/// How a person gets ffprobe.
pub(crate) const HOW_TO_INSTALL: &str = "ffprobe comes with FFmpeg: \
    `sudo apt-get install ffmpeg` (Debian, Ubuntu), `sudo dnf install ffmpeg-free` (Fedora), \
    `brew install ffmpeg` (macOS), `winget install ffmpeg` (Windows)";

/// Makes sure of `ffprobe`, the referee of the end-to-end tests for width, height and duration.
///
/// When it is missing and this is root on Debian or Ubuntu, it is installed. Returns whether it is there.
///
/// # Errors
/// When it is missing and the workspace is strict.
pub(crate) fn ffprobe(here: &Workspace) -> Result<bool, String> {
    if works(here, "ffprobe", "-version") {
        return Ok(true);
    }
    if is_root(here) && works(here, "apt-get", "--version") {
        eprintln!("ffprobe is missing: installing the package ffmpeg");
        match install(here, "ffmpeg") {
            Ok(()) if works(here, "ffprobe", "-version") => return Ok(true),
            Ok(()) => eprintln!("the package ffmpeg brought no ffprobe that runs"),
            Err(why) => eprintln!("{why}"),
        }
    }
    if here.is_strict() {
        return Err(format!("ffprobe is missing, and here no test may be skipped. {HOW_TO_INSTALL}"));
    }
    Ok(false)
}

fn install(here: &Workspace, package: &str) -> Result<(), String> {
    let apt = |args: &[&str]| {
        let mut command = here.command("apt-get");
        workspace::run(command.args(args).env("DEBIAN_FRONTEND", "noninteractive"))
    };
    apt(&["update", "-qq"])?;
    apt(&["install", "-qq", "--yes", "--no-install-recommends", package])
}

fn works(here: &Workspace, program: &str, question: &str) -> bool {
    let mut command = here.command(program);
    command.arg(question).stdout(Stdio::null()).stderr(Stdio::null());
    command.status().is_ok_and(|status| status.success())
}

fn is_root(here: &Workspace) -> bool {
    workspace::read(here.command("id").arg("-u")).is_ok_and(|uid| uid.trim() == "0")
}
