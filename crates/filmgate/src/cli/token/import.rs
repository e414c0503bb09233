//! `filmgate token import`: many tokens at once.

use std::collections::BTreeSet;
use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::Context as _;
use http::Method;
use serde_json::Value;
use url::Url;

use super::compatible;
use super::outcome::Outcome;
use crate::cli::{Globals, client, out, web};

/// Add the tokens of a file: a `token.json`, or one token a line.
#[derive(clap::Args, Debug)]
#[command(after_help = "\
What can be read:
  {\"ssoBasic\": [\"...\", {\"token\": \"...\", \"note\": \"...\"}], \"ssoSuper\": [...]}
  or one token a line, with --pool; empty lines and lines that begin with # are left out.
A leading `sso=` is cut off. Tokens that are there already stay as they are.

Examples:
  filmgate token import token.json --dry-run
  filmgate token import token.json --upstream http://127.0.0.1:9000/v1
  sort -u keys.txt | filmgate token import - --pool xai

Exits with 1 when anything was refused; the rest is added all the same.")]
pub(in crate::cli) struct Args {
    /// The file; - is standard input
    #[arg(value_name = "FILE")]
    file: PathBuf,
    /// The pool of tokens that name none themselves
    #[arg(long, value_name = "NAME")]
    pool: Option<String>,
    /// The compatible server that these tokens are for; the official xAI API takes no session cookies of
    /// another product. The pools concerned are changed to send their tokens there.
    #[arg(long, value_name = "URL")]
    upstream: Option<String>,
    /// Only say what would be done
    #[arg(long)]
    dry_run: bool,
}

pub(super) async fn run(args: Args, globals: &Globals) -> anyhow::Result<ExitCode> {
    let upstream = args.upstream.as_deref().map(web::address).transpose()?;
    let text = read(&args.file)?;
    let mut query = Vec::new();
    query.extend(args.pool.as_deref().map(|pool| ("pool", pool)));
    if args.dry_run {
        query.push(("dry_run", "true"));
    }
    let json = client::with(globals, async |client| {
        if let Some(url) = &upstream {
            let pools = concerned(&text, args.pool.as_deref())?;
            compatible::send_there(client, url, &pools, args.dry_run).await?;
        }
        client.send(Method::POST, &["tokens", "import"], &query, text).await
    })
    .await?;
    let mut outcome: Outcome = serde_json::from_value(json.clone())?;
    if let Some(url) = upstream.filter(|_| args.dry_run) {
        foresee(&mut outcome, &url);
    }
    outcome.tell(&json, globals)
}

/// A dry run does not change the upstream, so tokens are refused that would be taken after the change.
fn foresee(outcome: &mut Outcome, url: &Url) {
    let before = outcome.refused.len();
    outcome.refused.retain(|refusal| !refusal.reason.contains("--upstream URL"));
    let taken = before - outcome.refused.len();
    if taken > 0 {
        out::remark(format_args!("{taken} tokens count as taken because {url} would be their upstream."));
        outcome.would_add_or_find = outcome.would_add_or_find.map(|count| count + taken);
    }
}

fn read(file: &Path) -> anyhow::Result<Vec<u8>> {
    let mut text = Vec::new();
    if file == Path::new("-") {
        std::io::stdin().read_to_end(&mut text).context("standard input cannot be read")?;
    } else {
        text = std::fs::read(file).with_context(|| format!("{} cannot be read", file.display()))?;
    }
    Ok(text)
}

/// The pools that the text has tokens for.
fn concerned(text: &[u8], pool: Option<&str>) -> anyhow::Result<BTreeSet<String>> {
    let text = text.strip_prefix("\u{feff}".as_bytes()).unwrap_or(text);
    let mut pools = BTreeSet::new();
    if let Ok(Value::Object(map)) = serde_json::from_slice(text) {
        let filled =
            map.into_iter().filter(|(_, tokens)| tokens.as_array().is_none_or(|list| !list.is_empty()));
        pools.extend(filled.map(|(name, _)| name));
    } else {
        pools.extend(pool.map(str::to_owned));
    }
    anyhow::ensure!(!pools.is_empty(), "it is not clear which pool --upstream is for; name it with --pool");
    Ok(pools)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pools_come_from_the_file_or_the_flag() {
        let of =
            |text: &str, pool| concerned(text.as_bytes(), pool).ok().map(|set| Vec::from_iter(set).join(" "));
        let file = "\u{feff}{\"ssoSuper\":[\"b\"],\"ssoBasic\":[],\"x\":7}";
        assert_eq!(of(file, Some("other")).as_deref(), Some("ssoSuper x"));
        assert_eq!(of("one\ntwo", Some("p")).as_deref(), Some("p"));
        assert_eq!(of("[\"one\"]", Some("p")).as_deref(), Some("p"));
        assert_eq!(of("one\ntwo", None), None);
    }

    #[test]
    fn a_dry_run_foresees_the_change_of_upstream() {
        let mut outcome: Outcome = serde_json::from_str(
            r#"{"would_add_or_find":1,"refused":[{"place":"a[0]","reason":"…; name a compatible server with --upstream URL"},
                {"place":"a[1]","reason":"the token is empty"}]}"#,
        )
        .unwrap();
        foresee(&mut outcome, &Url::parse("http://localhost/").unwrap());
        assert_eq!((outcome.would_add_or_find, outcome.refused.len()), (Some(2), 1));
    }
}
