//! `filmgate token enable|disable|reset|forgive|remove`.

use std::io::{IsTerminal as _, Write as _};
use std::process::ExitCode;

use super::list::Token;
use crate::cli::{Globals, client, out, time};

#[derive(clap::Args, Debug)]
pub(in crate::cli) struct Ids {
    /// Ids, such as tok_7
    #[arg(required = true, value_name = "ID")]
    ids: Vec<String>,
}

#[derive(clap::Args, Debug)]
pub(in crate::cli) struct Remove {
    #[command(flatten)]
    ids: Ids,
    /// Do not ask first
    #[arg(long, short)]
    yes: bool,
}

/// Does `verb` to each token.
pub(super) async fn switch(ids: &Ids, verb: &str, globals: &Globals) -> anyhow::Result<ExitCode> {
    client::with(globals, async |client| {
        for id in &ids.ids {
            let json = client.post(&["tokens", id, verb], &[]).await?;
            if globals.json {
                out::print_json_line(&json)?;
            } else {
                let token: Token = serde_json::from_value(json)?;
                out::print(&format!("{} of {} is {}", token.id, token.pool, token.state(time::now())))?;
            }
        }
        Ok(ExitCode::SUCCESS)
    })
    .await
}

pub(super) async fn remove(args: &Remove, globals: &Globals) -> anyhow::Result<ExitCode> {
    let ids = &args.ids.ids;
    // A script has thought about it before.
    if !args.yes && std::io::stdin().is_terminal() && !confirmed(ids)? {
        out::remark("Nothing was removed.");
        return Ok(ExitCode::FAILURE);
    }
    client::with(globals, async |client| {
        for id in ids {
            let json = client.delete(&["tokens", id]).await?;
            if globals.json {
                out::print_json_line(&json)?;
            } else {
                out::print(&format!("{id} is removed"))?;
            }
        }
        Ok(ExitCode::SUCCESS)
    })
    .await
}

fn confirmed(ids: &[String]) -> std::io::Result<bool> {
    let mut stderr = std::io::stderr();
    write!(stderr, "Remove {} and wipe the secrets for good? [y/N] ", ids.join(", "))?;
    stderr.flush()?;
    let mut answer = String::new();
    std::io::stdin().read_line(&mut answer)?;
    Ok(matches!(answer.trim(), "y" | "Y" | "yes"))
}
