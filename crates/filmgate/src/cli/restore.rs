//! `filmgate restore`: a data directory from a backup.

use std::path::PathBuf;
use std::process::ExitCode;

use serde_json::json;

use super::{Globals, out};
use crate::backup::{self, Back};

#[derive(clap::Args, Debug)]
#[command(after_help = "\
Examples:
  filmgate restore /srv/backups/filmgate-monday --data-dir /var/lib/filmgate

The data directory has to hold nothing. A backup that is not whole changes nothing.

What was under way: a video that its provider had taken when the backup was made is asked about further. One that had
not been sent yet may have been sent since. It ends as failed (outcome_unknown), is charged as far as a token was
reserved for it, and is not sent again. What happened after the backup is not in the books: requests that are repeated
under an idempotency key that came later make another video, and what was spent since is learnt from the providers.")]
pub(super) struct Args {
    /// The directory that `filmgate backup` made
    path: PathBuf,
}

pub(super) async fn run(args: &Args, globals: &Globals) -> anyhow::Result<ExitCode> {
    let data_dir = globals.data_dir();
    let back = backup::restore(&args.path, &data_dir, |dir| globals.sources_with(dir)).await?;
    let Back { manifest, jobs } = back;
    if globals.json {
        out::print_json(&json!({
            "data_dir": data_dir,
            "made_at": manifest.made_at,
            "jobs": manifest.jobs,
            "outcome_unknown": jobs.unknown,
            "going_on": jobs.going_on,
            "without_file": jobs.without_file,
        }))?;
        return Ok(ExitCode::SUCCESS);
    }
    out::print(&out::fields(&[
        ("data directory", data_dir.display().to_string()),
        ("made by", format!("filmgate {}", manifest.filmgate)),
        ("jobs", manifest.jobs.to_string()),
        ("go on", jobs.going_on.to_string()),
        ("outcome unknown", format!("{} (not sent yet when the backup was made)", jobs.unknown)),
        ("without a file", jobs.without_file.to_string()),
    ]))?;
    Ok(ExitCode::SUCCESS)
}
