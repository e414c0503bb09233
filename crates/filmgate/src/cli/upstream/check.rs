//! `filmgate upstream check`: reachability and credentials.

use std::process::ExitCode;

use comfy_table::Table;
use serde::Deserialize;

use crate::cli::{Globals, client, out};

/// Ask a provider whether it takes our tokens; makes no video unless told to.
#[derive(clap::Args, Debug)]
#[command(after_help = "\
Examples:
  filmgate upstream check xai
  filmgate upstream check xai --spend        (makes a video; it costs a few cents)

Exits with 1 when there is no token, or one is not taken.")]
pub(in crate::cli) struct Args {
    /// The upstream, as the configuration names it
    #[arg(value_name = "NAME")]
    pub(super) upstream: String,
    /// Also make the cheapest video, through the running server; this costs money
    #[arg(long)]
    pub(super) spend: bool,
    /// With --spend: the model [default: the first of `video.models`]
    #[arg(long, value_name = "NAME", requires = "spend")]
    pub(super) model: Option<String>,
}

#[derive(Debug, Deserialize)]
struct Answer {
    results: Vec<Checked>,
}

/// What the upstream said about one token.
#[derive(Debug, Deserialize)]
struct Checked {
    token: String,
    ok: bool,
    #[serde(default)]
    code: String,
    message: String,
}

pub(super) async fn run(args: &Args, globals: &Globals) -> anyhow::Result<ExitCode> {
    let path = ["upstreams", &args.upstream, "check"];
    let json = client::with(globals, async |client| client.post(&path, &[]).await).await?;
    let answer: Answer = Deserialize::deserialize(&json)?;
    if globals.json {
        out::print_json(&json)?;
    } else if !answer.results.is_empty() {
        out::print_table(render(&answer.results))?;
    }
    if answer.results.is_empty() {
        out::remark(format_args!(
            "No token that is switched on belongs to {}. Add one with `filmgate token add --pool NAME`, for a \
             pool of that upstream (`filmgate pool list`).",
            args.upstream
        ));
    }
    let all_well = !answer.results.is_empty() && answer.results.iter().all(|checked| checked.ok);
    Ok(if all_well { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn render(results: &[Checked]) -> Table {
    let rows = results.iter().map(|checked| {
        let Checked { token, ok, code, message } = checked;
        [token.clone(), if *ok { "ok".to_owned() } else { code.clone() }, out::shorten(message, 200)]
    });
    out::table(["TOKEN", "RESULT", "WHAT IT SAID"], rows)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_line_a_token() {
        let answer: Answer = serde_json::from_str(
            r#"{"upstream":"xai","results":[{"token":"tok_1","ok":true,"message":"reachable, the key is valid"},
                {"token":"tok_2","ok":false,"code":"upstream_unauthorized","message":"401: no such key"}]}"#,
        )
        .unwrap();
        insta::assert_snapshot!(render(&answer.results).trim_fmt(), @r"
        TOKEN  RESULT                 WHAT IT SAID
        tok_1  ok                     reachable, the key is valid
        tok_2  upstream_unauthorized  401: no such key
        ");
    }
}
