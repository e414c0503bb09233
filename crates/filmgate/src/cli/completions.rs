//! `filmgate completions`: scripts with which a shell completes our command line.

use std::process::ExitCode;

use clap::CommandFactory as _;
use clap_complete::Shell;

use super::{Cli, out};

/// Print a completion script for a shell.
#[derive(clap::Args, Debug)]
#[command(after_help = "\
Examples:
  filmgate completions bash > ~/.local/share/bash-completion/completions/filmgate
  filmgate completions zsh > ~/.zfunc/_filmgate
  filmgate completions fish > ~/.config/fish/completions/filmgate.fish")]
pub(super) struct Args {
    /// The shell
    shell: Shell,
}

pub(super) fn run(args: &Args) -> anyhow::Result<ExitCode> {
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut Cli::command(), "filmgate", &mut script);
    out::print(&String::from_utf8(script)?)?;
    Ok(ExitCode::SUCCESS)
}
