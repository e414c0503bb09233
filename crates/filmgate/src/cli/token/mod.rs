//! `filmgate token`: the credentials of the operator's providers.

mod add;
mod change;
pub(super) mod compatible;
mod export;
mod import;
mod list;
mod outcome;
mod show;

use std::process::ExitCode;

use super::Globals;

#[derive(clap::Subcommand, Debug)]
pub(super) enum Command {
    /// Add one token, from a prompt, standard input or FILMGATE_TOKEN
    Add(add::Args),
    /// Add the tokens of a file: a `token.json`, or one token a line
    Import(import::Args),
    /// Print all tokens in the form that `import` reads
    Export(export::Args),
    /// List the tokens, shortened
    List(list::Args),
    /// Show everything known about tokens
    Show(show::Args),
    /// Switch disabled tokens on again
    Enable(change::Ids),
    /// Switch tokens off; their videos in the making go on
    Disable(change::Ids),
    /// Forget what tokens were blamed for: expired and cooling ones are active again
    Reset(change::Ids),
    /// Take back the last refusal that was counted against tokens: its pause, and the expiry that it caused
    Forgive(change::Ids),
    /// Take tokens out for good and wipe their secrets
    Remove(change::Remove),
}

pub(super) async fn run(command: Command, globals: &Globals) -> anyhow::Result<ExitCode> {
    match command {
        Command::Add(args) => add::run(args, globals).await,
        Command::Import(args) => import::run(args, globals).await,
        Command::Export(args) => export::run(&args, globals).await,
        Command::List(args) => list::run(&args, globals).await,
        Command::Show(args) => show::run(&args, globals).await,
        Command::Enable(ids) => change::switch(&ids, "enable", globals).await,
        Command::Disable(ids) => change::switch(&ids, "disable", globals).await,
        Command::Reset(ids) => change::switch(&ids, "reset", globals).await,
        Command::Forgive(ids) => change::switch(&ids, "forgive", globals).await,
        Command::Remove(args) => change::remove(&args, globals).await,
    }
}
