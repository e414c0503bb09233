//! `filmgate webhook`: where callers are told that their videos ended.

mod change;
mod deliveries;
mod list;

use std::process::ExitCode;

use super::Globals;

#[derive(clap::Subcommand, Debug)]
pub(super) enum Command {
    /// List the webhooks
    List,
    /// Tell a caller's videos to this address; its first secret is printed once
    #[command(after_help = "\
Examples:
  filmgate webhook set studio https://studio.example/hooks/video
  filmgate webhook set studio --none    (requests may still name an address of their own: webhook_url)

Webhooks follow Standard Webhooks (https://www.standardwebhooks.com): video.completed and video.failed, signed with
the secret, tried again for 72 hours.")]
    Set {
        /// The caller's name, or its id such as caller_1
        caller: String,
        /// Where to send them
        #[arg(required_unless_present = "none")]
        url: Option<String>,
        /// No standing address; what is still to be sent to the one before is given up
        #[arg(long, conflicts_with = "url")]
        none: bool,
    },
    /// Make a caller's secret anew and print it once; the one before signs as well for 24 hours
    Rotate {
        /// The caller's name, or its id
        caller: String,
    },
    /// Send a caller's address an event of type webhook.test now, and show what came back
    Test {
        /// The caller's name, or its id
        caller: String,
    },
    /// List what was told, or is to be, newest first
    Deliveries(deliveries::Args),
    /// Send deliveries once more, also those that were given up
    Retry {
        /// Ids, such as evt_0198...
        #[arg(required = true, value_name = "ID")]
        ids: Vec<String>,
    },
    /// Remove callers' webhooks with their secrets; what is still to be sent is given up
    Remove {
        /// The callers' names, or their ids
        #[arg(required = true, value_name = "CALLER")]
        callers: Vec<String>,
    },
}

pub(super) async fn run(command: Command, globals: &Globals) -> anyhow::Result<ExitCode> {
    match command {
        Command::List => list::run(globals).await?,
        Command::Set { caller, url, .. } => change::set(&caller, url.as_deref(), globals).await?,
        Command::Rotate { caller } => change::rotate(&caller, globals).await?,
        Command::Test { caller } => return change::test(&caller, globals).await,
        Command::Deliveries(args) => deliveries::run(&args, globals).await?,
        Command::Retry { ids } => deliveries::retry(&ids, globals).await?,
        Command::Remove { callers } => change::remove(&callers, globals).await?,
    }
    Ok(ExitCode::SUCCESS)
}
