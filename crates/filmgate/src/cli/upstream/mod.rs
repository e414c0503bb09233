//! `filmgate upstream`: the providers.

mod check;
mod spend;

use std::process::ExitCode;

use super::Globals;

#[derive(clap::Subcommand, Debug)]
pub(super) enum Command {
    /// Ask a provider whether it takes our tokens; makes no video unless told to
    Check(check::Args),
}

pub(super) async fn run(command: Command, globals: &Globals) -> anyhow::Result<ExitCode> {
    match command {
        Command::Check(args) if args.spend => spend::run(&args, globals).await,
        Command::Check(args) => check::run(&args, globals).await,
    }
}
