//! `filmgate backup`: a copy of the database and what opens it.

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::bail;

use super::{Globals, out};
use crate::backup::{self, Made, Wanted};
use crate::config;

#[derive(clap::Args, Debug)]
#[command(after_help = "\
Examples:
  filmgate backup /srv/backups/filmgate-monday
  filmgate backup /srv/backups/filmgate-monday --media      (with the videos)
  filmgate restore /srv/backups/filmgate-monday --data-dir /var/lib/filmgate

The gateway may run meanwhile, and does not wait. A backup is a directory that only its owner can read. It holds
secrets: the master key, which opens the tokens in it, and the admin key, unless --without-keys leaves them out.")]
pub(super) struct Args {
    /// The directory to make; it must not be there yet
    path: PathBuf,
    /// Copy the videos that are kept, too
    #[arg(long)]
    media: bool,
    /// Leave out the master key and the admin key, for who keeps them elsewhere
    #[arg(long)]
    without_keys: bool,
}

pub(super) fn run(args: &Args, globals: &Globals) -> anyhow::Result<ExitCode> {
    if globals.admin_url.as_deref().is_some_and(|url| !url.trim().is_empty()) {
        bail!("a backup is made where the data directory is, and not through --admin-url");
    }
    let data_dir = globals.data_dir();
    let media_dir = match config::load(&globals.sources()) {
        _ if !args.media => None,
        Ok(loaded) => Some(loaded.config.media_dir(&data_dir)),
        Err(errors) => bail!("the settings do not say where the videos are: {errors}"),
    };
    let wanted = Wanted {
        data_dir: &data_dir,
        media_dir: media_dir.as_deref(),
        keys: !args.without_keys,
        to: &args.path,
    };
    let made = backup::make(&wanted)?;
    if globals.json {
        out::print_json(&serde_json::to_value(&made.manifest)?)?;
    } else {
        out::print(&render(&made, args))?;
    }
    if made.manifest.has("master.key") {
        out::remark(
            "It holds the master key: whoever can read it can use your tokens. Keep it as you keep them.",
        );
    }
    Ok(ExitCode::SUCCESS)
}

fn render(made: &Made, args: &Args) -> String {
    let Made { manifest, key, gone } = made;
    let admin_key = if manifest.has("admin.key") { "in the backup" } else { "NOT in the backup" };
    let settings = if manifest.has("filmgate.toml") { "filmgate.toml of the data directory" } else { "" };
    let videos = match (manifest.media, gone) {
        (false, _) => "NOT in the backup (--media)".to_owned(),
        (true, 0) => manifest.videos().to_string(),
        (true, gone) => format!("{}; {gone} were removed meanwhile", manifest.videos()),
    };
    out::fields(&[
        ("backup", args.path.display().to_string()),
        ("size", out::bytes(manifest.bytes())),
        ("jobs", manifest.jobs.to_string()),
        ("master key", (*key).to_owned()),
        ("admin key", admin_key.to_owned()),
        ("settings", settings.to_owned()),
        ("videos", videos),
    ])
}
