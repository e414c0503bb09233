//! `filmgate config`: the settings in effect, whether a file would do, and where everything is.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use serde::Deserialize;
use serde_json::json;

use super::client::{self, AdminClient, Server};
use super::{Globals, out};
use crate::config;

#[derive(clap::Subcommand, Debug)]
pub(super) enum Command {
    /// Print the settings in effect; a remark names the source of what is not a default
    Show {
        /// Print the defaults instead, with what each setting means: the manual
        #[arg(long)]
        defaults: bool,
    },
    /// Say everything that is wrong with the settings
    #[command(after_help = "\
Examples:
  filmgate config check
  filmgate config check new.toml
  filmgate config check --set video.upgrade_reserve=2

Exits with 1 when something is wrong.")]
    Check {
        /// The file to check [default: the one that would be read]
        #[arg(value_name = "FILE")]
        file: Option<PathBuf>,
    },
    /// Undo the last change that the page, the API or the command line made
    #[command(after_help = "\
Examples:
  filmgate config undo --dry-run
  filmgate config undo

Gives the file the text that it had before, and takes that into use. A second time undoes the first.")]
    Undo {
        /// Only print what would be different
        #[arg(long)]
        dry_run: bool,
    },
    /// Print which configuration file would be read, and where the data directory is
    Path,
}

pub(super) async fn run(command: Command, globals: &Globals) -> anyhow::Result<ExitCode> {
    match command {
        Command::Show { defaults: true } => defaults(globals),
        Command::Show { defaults: false } => show(globals).await,
        Command::Check { file } => check(file, globals),
        Command::Undo { dry_run } => undo(dry_run, globals).await,
        Command::Path => path(globals),
    }
}

/// The answer to an undo.
#[derive(Deserialize)]
struct Undone {
    changes: Vec<Change>,
}

#[derive(Deserialize)]
struct Change {
    key: String,
    before: Option<String>,
    after: Option<String>,
}

async fn undo(dry_run: bool, globals: &Globals) -> anyhow::Result<ExitCode> {
    let path = ["config", "undo"];
    let json = client::with(globals, async |client| {
        if dry_run { client.get(&path, &[]).await } else { client.post(&path, &[]).await }
    });
    let json = json.await?;
    if globals.json {
        out::print_json(&json)?;
        return Ok(ExitCode::SUCCESS);
    }
    let Undone { changes } = serde_json::from_value(json)?;
    if changes.is_empty() {
        out::remark("No value is different.");
        return Ok(ExitCode::SUCCESS);
    }
    let value = |text: Option<String>| text.unwrap_or_else(|| "-".to_owned());
    let rows = changes.into_iter().map(|Change { key, before, after }| [key, value(before), value(after)]);
    out::print_table(out::table(["KEY", "BEFORE", "AFTER"], rows))?;
    Ok(ExitCode::SUCCESS)
}

fn defaults(globals: &Globals) -> anyhow::Result<ExitCode> {
    if globals.json {
        out::print_json(&json!({ "file": null, "config": config::DEFAULTS }))?;
    } else {
        out::print(config::DEFAULTS)?;
    }
    Ok(ExitCode::SUCCESS)
}

async fn show(globals: &Globals) -> anyhow::Result<ExitCode> {
    let json = match Server::find(globals).await? {
        Some(server) => {
            out::remark(format_args!("# As the server at {} has it.", server.admin_url));
            AdminClient::remote(&server)?.get(&["config"], &[]).await?
        }
        None => {
            let sources = globals.sources();
            let loaded = config::load(&sources)?;
            json!({ "file": sources.file, "config": config::render(&loaded) })
        }
    };
    if globals.json {
        out::print_json(&json)?;
    } else {
        out::print(json["config"].as_str().unwrap_or_default())?;
    }
    Ok(ExitCode::SUCCESS)
}

fn check(file: Option<PathBuf>, globals: &Globals) -> anyhow::Result<ExitCode> {
    let mut sources = globals.sources();
    sources.file = file.or(sources.file);
    let place = sources.file.as_deref().map_or("the defaults".into(), Path::to_string_lossy).into_owned();
    let (errors, warnings) = match config::load(&sources) {
        Ok(loaded) => (Vec::new(), loaded.warnings),
        Err(errors) => (errors.0, Vec::new()),
    };
    if globals.json {
        let valid = errors.is_empty();
        out::print_json(
            &json!({ "file": sources.file, "valid": valid, "errors": errors, "warnings": warnings }),
        )?;
    } else {
        let errors = errors.iter().map(|error| format!("{error}\n"));
        let warnings = warnings.iter().map(|warning| format!("warning: {warning}\n"));
        let text: String = errors.chain(warnings).collect();
        out::print(if text.is_empty() { "Everything is right." } else { &text })?;
    }
    match errors.len() {
        0 => Ok(ExitCode::SUCCESS),
        count => {
            out::remark(format_args!("{count} wrong in {place}, the environment and the flags together."));
            Ok(ExitCode::FAILURE)
        }
    }
}

fn path(globals: &Globals) -> anyhow::Result<ExitCode> {
    let data_dir = globals.data_dir();
    let file = globals.sources().file.map(|file| std::path::absolute(&file).unwrap_or(file));
    let places =
        [std::env::current_dir().unwrap_or_default(), data_dir.clone()].map(|dir| dir.join("filmgate.toml"));
    if globals.json {
        out::print_json(&json!({ "file": file, "looked_for": places, "data_dir": data_dir }))?;
        return Ok(ExitCode::SUCCESS);
    }
    let shown = |path: &Path| path.display().to_string();
    let file = match &file {
        Some(file) if file.exists() => shown(file),
        Some(file) => format!("{} (it is not there)", shown(file)),
        None => format!("none; {} or {} would be read", shown(&places[0]), shown(&places[1])),
    };
    let there = if data_dir.is_dir() { "" } else { " (not made yet)" };
    let data_dir = format!("{}{there}", shown(&data_dir));
    out::print(&out::fields(&[("configuration", file), ("data directory", data_dir)]))?;
    Ok(ExitCode::SUCCESS)
}
