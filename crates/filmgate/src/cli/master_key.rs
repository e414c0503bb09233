//! `filmgate master-key`: the key that seals tokens and the secrets of webhooks.

use std::process::ExitCode;

use anyhow::{Context as _, bail};
use filmgate_domain::Clock as _;
use filmgate_engine::SystemClock;
use filmgate_store::{MasterKey, Rotated, rotate_master_key};
use serde_json::json;

use super::{Globals, out};
use crate::data_dir::{DataDir, master_key_from, secret_from_env};

#[derive(clap::Subcommand, Debug)]
pub(super) enum Command {
    /// Seal everything with another key; the gateway has to be stopped
    #[command(after_help = "\
Examples:
  filmgate master-key rotate                                  (the key is a file: a fresh one takes its place)
  FILMGATE_NEW_MASTER_KEY_FILE=/run/secrets/new filmgate master-key rotate

Where the key comes from the environment (FILMGATE_MASTER_KEY or FILMGATE_MASTER_KEY_FILE), the new one has to come from
FILMGATE_NEW_MASTER_KEY or FILMGATE_NEW_MASTER_KEY_FILE, as 64 hex digits such as `openssl rand -hex 32` prints.

Cut off at any moment, the directory opens with the key that it was sealed with then. Links to videos that were made
before do not work any more: clients get fresh ones by asking for the video again. Older backups keep the older key.")]
    Rotate,
}

pub(super) async fn run(command: &Command, globals: &Globals) -> anyhow::Result<ExitCode> {
    match command {
        Command::Rotate => rotate(globals).await,
    }
}

async fn rotate(globals: &Globals) -> anyhow::Result<ExitCode> {
    let data_dir = globals.data_dir();
    if !data_dir.join("filmgate.db").exists() {
        bail!("there is no database in {}, and nothing sealed", data_dir.display());
    }
    let held = DataDir::take(&data_dir).context("the gateway has to be stopped for this")?;
    let given = secret_from_env("FILMGATE_NEW_MASTER_KEY")?.map(|text| master_key_from(&text)).transpose()?;
    let is_from_env = secret_from_env("FILMGATE_MASTER_KEY")?.is_some();
    let rotated = if is_from_env {
        let Some(new) = given else {
            bail!(
                "the master key comes from the environment, so the new one has to come from there too: \
                 FILMGATE_NEW_MASTER_KEY, or FILMGATE_NEW_MASTER_KEY_FILE"
            );
        };
        rotate_master_key(&held.database(), &held.master_key()?, &new, SystemClock.now())?
    } else {
        held.rotate_master_key(given.unwrap_or_else(MasterKey::generate)).await?
    };
    report(rotated, is_from_env, globals)
}

fn report(rotated: Rotated, is_from_env: bool, globals: &Globals) -> anyhow::Result<ExitCode> {
    let (tokens, webhooks) = match rotated {
        Rotated::Now { tokens, webhooks } => (tokens, webhooks),
        Rotated::Before => (0, 0),
    };
    if globals.json {
        out::print_json(&json!({ "tokens": tokens, "webhook_secrets": webhooks }))?;
    } else if rotated == Rotated::Before {
        out::print("Everything was sealed with the new key before.")?;
    } else {
        out::print(&format!("Sealed with the new key: {tokens} tokens, {webhooks} secrets of webhooks."))?;
    }
    if is_from_env {
        out::remark(
            "The old key opens nothing any more: put the new one in FILMGATE_MASTER_KEY before the next start.",
        );
    }
    out::remark("Links to videos that were made before do not work any more.");
    Ok(ExitCode::SUCCESS)
}
