//! `filmgate token export`: all tokens in the form that `import` reads.

use std::fs::OpenOptions;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::Context as _;

use crate::cli::{Globals, client, out};

/// Print all tokens in the form that `import` reads.
#[derive(clap::Args, Debug)]
#[command(after_help = "\
Examples:
  filmgate token export                               (shortened tokens, to look at)
  filmgate token export --secrets -o token.json       (whole tokens, to import elsewhere)")]
pub(in crate::cli) struct Args {
    /// Write the tokens whole; without it they are shortened and cannot be imported
    #[arg(long)]
    secrets: bool,
    /// Write into this new file, which only you can read
    #[arg(long, short, value_name = "FILE")]
    output: Option<PathBuf>,
}

pub(super) async fn run(args: &Args, globals: &Globals) -> anyhow::Result<ExitCode> {
    let query: &[_] = if args.secrets { &[("secrets", "true")] } else { &[] };
    let json = client::with(globals, async |client| client.get(&["tokens", "export"], query).await).await?;
    match &args.output {
        None => out::print_json(&json)?,
        Some(path) => {
            write_private(path, &serde_json::to_string_pretty(&json)?)
                .with_context(|| format!("{} cannot be written", path.display()))?;
            out::remark(format_args!("Written to {}.", path.display()));
        }
    }
    if !args.secrets {
        out::remark("The tokens are shortened; --secrets writes them whole.");
    }
    Ok(ExitCode::SUCCESS)
}

/// Writes a file that was not there before and that nobody else can read.
fn write_private(path: &Path, text: &str) -> std::io::Result<()> {
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let mut file = options.open(path)?;
    file.write_all(text.as_bytes())?;
    file.write_all(b"\n")?;
    file.sync_all()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_export_is_private_and_overwrites_nothing() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("token.json");
        write_private(&path, "{}").unwrap();
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "{}\n");
        assert_eq!(write_private(&path, "x").unwrap_err().kind(), std::io::ErrorKind::AlreadyExists);
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt as _;
            assert_eq!(path.metadata().unwrap().permissions().mode() & 0o777, 0o600);
        }
    }
}
