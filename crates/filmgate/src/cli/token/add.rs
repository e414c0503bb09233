//! `filmgate token add`: one token.

use std::io::{IsTerminal as _, Read as _};
use std::process::ExitCode;

use anyhow::{Context as _, bail};
use filmgate_domain::Secret;
use http::Method;
use serde_json::json;

use super::outcome::Outcome;
use crate::cli::client::AdminClient;
use crate::cli::pool::Pools;
use crate::cli::{Globals, client, globals, out};

/// Add one token, from a prompt, standard input or FILMGATE_TOKEN.
#[derive(clap::Args, Debug)]
#[command(after_help = "\
Examples:
  filmgate token add --pool xai                        (asks for the token)
  pass show xai-key | filmgate token add --pool xai
  FILMGATE_TOKEN=xai-... filmgate token add --pool xai")]
pub(in crate::cli) struct Args {
    /// The pool it belongs to; not needed where there is only one
    #[arg(long, value_name = "NAME")]
    pool: Option<String>,
    /// The token; better not on the command line, where other users and the shell's history can see it
    #[arg(long, env = "FILMGATE_TOKEN", value_name = "TOKEN", hide_env_values = true, value_parser = globals::secret)]
    token: Option<Secret>,
}

pub(super) async fn run(args: Args, globals: &Globals) -> anyhow::Result<ExitCode> {
    let token = match args.token {
        Some(token) => token,
        None => read()?,
    };
    if token.expose().lines().count() > 1 {
        bail!("that is more than one line; `filmgate token import -` takes several tokens");
    }
    let json = client::with(globals, async |client| {
        let pool = match args.pool {
            Some(pool) => pool,
            None => only_pool(client).await?,
        };
        // As a list of JSON, a token may begin with any character.
        let body = json!([token.expose()]).to_string();
        client.send(Method::POST, &["tokens", "import"], &[("pool", &pool)], body).await
    })
    .await?;
    let outcome: Outcome = serde_json::from_value(json.clone())?;
    outcome.tell(&json, globals)
}

/// Reads a token from a prompt that does not show it, or from standard input.
fn read() -> anyhow::Result<Secret> {
    let mut text = String::new();
    if std::io::stdin().is_terminal() {
        out::remark("The token (it is not shown while you type):");
        text = console::Term::stderr().read_secure_line().context("the token cannot be read")?;
    } else {
        std::io::stdin().read_to_string(&mut text).context("the token cannot be read")?;
    }
    if text.trim().is_empty() {
        bail!("there is no token: type it, or send it to standard input");
    }
    Ok(Secret::new(text.trim()))
}

async fn only_pool(client: &AdminClient) -> anyhow::Result<String> {
    let Pools { pools } = serde_json::from_value(client.get(&["pools"], &[]).await?)?;
    match &pools[..] {
        [only] => Ok(only.name.clone()),
        several => {
            let names: Vec<&str> = several.iter().map(|pool| &*pool.name).collect();
            bail!("name the pool with --pool; there is {}", names.join(", "))
        }
    }
}
