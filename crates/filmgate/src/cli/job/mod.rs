//! `filmgate job`: the videos that were asked for, and what became of them.

mod list;
mod show;
mod wire;

use std::process::ExitCode;

use super::{Globals, client, out, time};

pub(super) use wire::{Job, Report, dollars};

#[derive(clap::Subcommand, Debug)]
pub(super) enum Command {
    /// List jobs, newest first
    List(list::Args),
    /// Show what happened to a job: every attempt, when, with which token, and why
    #[command(visible_alias = "explain")]
    Show {
        /// Its id, such as video_0198... or the same with hyphens
        #[arg(value_name = "ID")]
        id: String,
    },
    /// Make a job's video again, for the same caller: a new job, which costs what the first one did
    Again {
        /// Its id
        #[arg(value_name = "ID")]
        id: String,
    },
    /// End an unfinished job; what the upstream already makes is billed all the same
    Cancel {
        /// Its id
        #[arg(value_name = "ID")]
        id: String,
    },
}

pub(super) async fn run(command: Command, globals: &Globals) -> anyhow::Result<ExitCode> {
    let json = match &command {
        Command::List(args) => return list::run(args, globals).await,
        Command::Show { id } => {
            client::with(globals, async |client| client.get(&["jobs", id], &[]).await).await?
        }
        Command::Again { id } => {
            client::with(globals, async |client| client.post(&["jobs", id, "again"], &[]).await).await?
        }
        Command::Cancel { id } => {
            client::with(globals, async |client| client.post(&["jobs", id, "cancel"], &[]).await).await?
        }
    };
    if globals.json {
        out::print_json(&json)?;
    } else {
        let job: Job = serde_json::from_value(json)?;
        out::print(&show::render(&job, time::now()))?;
    }
    Ok(ExitCode::SUCCESS)
}
