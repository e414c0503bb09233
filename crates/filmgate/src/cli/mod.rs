//! The command line: one file a command. What a command does to a data directory it does through the admin
//! API, whether a server runs or not.

mod audit;
mod backup;
mod caller;
mod client;
mod completions;
mod config;
mod demo;
mod exit;
mod generate;
mod globals;
mod health;
mod job;
mod key;
mod ledger;
mod master_key;
mod migrate;
mod out;
mod pool;
mod refused;
mod restore;
mod route;
mod serve;
mod service;
mod signals;
mod simulator;
#[cfg(test)]
mod tests;
mod time;
mod token;
mod upstream;
mod web;
mod webhook;

use std::process::ExitCode;

pub use globals::Globals;

/// The command line.
#[derive(clap::Parser, Debug)]
#[command(name = "filmgate", version, about, after_help = AFTER_HELP)]
#[command(max_term_width = 100)]
pub struct Cli {
    /// The flags that every command takes.
    #[command(flatten)]
    pub globals: Globals,
    /// What to do.
    #[command(subcommand)]
    command: Command,
}

/// What `filmgate --help` ends with.
const AFTER_HELP: &str = "\
Examples:
  Try it out; nothing is needed but this program:
    filmgate demo
  Serve with a key of the official xAI API:
    XAI_API_KEY=... filmgate serve --preset xai
  Make a key for a client, and a video with it:
    export FILMGATE_API_KEY=$(filmgate key create me)
    filmgate generate \"a red fox in the snow\" --resolution 720p --seconds 10 -o fox.mp4
  See which token a video would get, and why:
    filmgate route --resolution 720p --seconds 10

Exit codes:
  0    done
  1    failed; the reason is on stderr
  2    the command line is wrong
  3    `generate`: the video is here, but is less than what was asked for
  4    no token is available at the moment (429); try again later
  5    the database is damaged, or was removed while it was in use; starting again does not help
  130  stopped with Ctrl-C";

#[derive(clap::Subcommand, Debug)]
enum Command {
    /// Start the gateway
    Serve(serve::Args),
    /// Start a gateway with a simulated provider, to try everything without an account
    Demo(demo::Args),
    /// Start only the simulated provider
    Simulator(simulator::Args),
    /// Say whether the gateway that runs is ready, as an exit code
    Health(health::Args),
    /// Make a video and save it
    Generate(generate::Args),
    /// Show which token a video would get now, and why; makes no video
    Route(route::Args),
    /// The credentials of your providers
    #[command(subcommand)]
    Token(token::Command),
    /// The pools of tokens
    #[command(subcommand)]
    Pool(pool::Command),
    /// What every token and pool reserved and spent over a day
    Ledger(ledger::Args),
    /// The videos that were asked for, and what became of them
    #[command(subcommand)]
    Job(job::Command),
    /// The keys that clients use with this gateway
    #[command(subcommand)]
    Key(key::Command),
    /// Who asks for videos, and how much they may
    #[command(subcommand)]
    Caller(caller::Command),
    /// Where callers are told that their videos ended
    #[command(subcommand)]
    Webhook(webhook::Command),
    /// Move in from another gateway
    #[command(subcommand)]
    Migrate(migrate::Command),
    /// The settings
    #[command(subcommand)]
    Config(config::Command),
    /// What operators did, by the page, the API and the command line
    Audit(audit::Args),
    /// Copy the database and what opens it, also while the gateway runs
    Backup(backup::Args),
    /// Make a data directory of a backup
    Restore(restore::Args),
    /// The key that seals tokens and the secrets of webhooks
    #[command(subcommand)]
    MasterKey(master_key::Command),
    /// The providers
    #[command(subcommand)]
    Upstream(upstream::Command),
    /// Print a completion script for a shell
    Completions(completions::Args),
}

/// Does what the command line says.
///
/// # Errors
/// When it cannot be done, and nothing more is to be said than the error and a failure.
pub async fn run(cli: Cli) -> anyhow::Result<ExitCode> {
    dispatch(cli).await.or_else(exit::settle)
}

async fn dispatch(cli: Cli) -> anyhow::Result<ExitCode> {
    let globals = &cli.globals;
    match cli.command {
        Command::Serve(args) => serve::run(args, globals).await,
        Command::Demo(args) => demo::run(args, globals).await,
        Command::Simulator(args) => simulator::run(args, globals).await,
        Command::Health(args) => health::run(args, globals).await,
        Command::Generate(args) => generate::run(args, globals).await,
        Command::Route(args) => route::run(&args, globals).await,
        Command::Token(command) => token::run(command, globals).await,
        Command::Pool(command) => pool::run(&command, globals).await,
        Command::Ledger(args) => ledger::run(&args, globals).await,
        Command::Job(command) => job::run(command, globals).await,
        Command::Key(command) => key::run(command, globals).await,
        Command::Caller(command) => caller::run(command, globals).await,
        Command::Webhook(command) => webhook::run(command, globals).await,
        Command::Migrate(command) => migrate::run(command, globals).await,
        Command::Config(command) => config::run(command, globals).await,
        Command::Audit(args) => audit::run(&args, globals).await,
        Command::Backup(args) => backup::run(&args, globals),
        Command::Restore(args) => restore::run(&args, globals).await,
        Command::MasterKey(command) => master_key::run(&command, globals).await,
        Command::Upstream(command) => upstream::run(command, globals).await,
        Command::Completions(args) => completions::run(&args),
    }
}
