//! `filmgate audit`: what operators did.

use std::process::ExitCode;

use comfy_table::Table;
use filmgate_domain::Timestamp;
use serde::Deserialize;

use super::{Globals, client, out, time};

#[derive(clap::Args, Debug)]
#[command(after_help = "\
Examples:
  filmgate audit
  filmgate audit --action config.
  filmgate audit --subject tok_7 --json")]
pub(super) struct Args {
    /// Only what begins so: token., config.change
    #[arg(long, value_name = "WORD")]
    action: Option<String>,
    /// Only what was done to this: tok_7, video.busy_wait
    #[arg(long, value_name = "SUBJECT")]
    subject: Option<String>,
    /// At most so many, 1 to 1000
    #[arg(long, value_name = "N", default_value_t = 20, value_parser = clap::value_parser!(u32).range(1..=1000))]
    limit: u32,
    /// Only what is older than the entry of this number
    #[arg(long, value_name = "ID")]
    before: Option<i64>,
}

#[derive(Debug, Deserialize)]
struct Entry {
    id: i64,
    at: Timestamp,
    via: String,
    actor: String,
    action: String,
    subject: String,
    detail: String,
}

#[derive(Debug, Deserialize)]
struct Page {
    entries: Vec<Entry>,
    has_more: bool,
}

pub(super) async fn run(args: &Args, globals: &Globals) -> anyhow::Result<ExitCode> {
    let (limit, before) = (args.limit.to_string(), args.before.map(|id| id.to_string()));
    let filters = [("action", &args.action), ("subject", &args.subject), ("before", &before)];
    let mut query = vec![("limit", &*limit)];
    query.extend(filters.into_iter().filter_map(|(name, value)| Some((name, value.as_deref()?))));
    let json = client::with(globals, async |client| client.get(&["audit"], &query).await).await?;
    if globals.json {
        out::print_json(&json)?;
        return Ok(ExitCode::SUCCESS);
    }
    let Page { entries, has_more } = serde_json::from_value(json)?;
    if entries.is_empty() {
        out::remark("There are no such entries.");
        return Ok(ExitCode::SUCCESS);
    }
    out::print_table(render(&entries, time::now()))?;
    if let Some(last) = entries.last().filter(|_| has_more) {
        out::remark(format_args!("There are older ones: --before {}", last.id));
    }
    Ok(ExitCode::SUCCESS)
}

fn render(entries: &[Entry], now: Timestamp) -> Table {
    let rows = entries.iter().map(|entry| {
        [
            time::relative(entry.at, now),
            format!("{}, {}", entry.via, entry.actor),
            entry.action.clone(),
            entry.subject.clone(),
            out::shorten(&entry.detail, 80),
        ]
    });
    out::table(["WHEN", "BY", "ACTION", "SUBJECT", "DETAIL"], rows)
}
