//! `filmgate ledger`: what every token and pool reserved and spent over a period.

use std::process::ExitCode;

use comfy_table::Table;
use filmgate_domain::Timestamp;
use serde::Deserialize;

use super::{Globals, client, out};

#[derive(clap::Args, Debug)]
#[command(after_help = "\
Days begin and end at midnight UTC. Figures are in units, and every line adds up:
  CARRIED + RESERVED = CHARGED + GIVEN BACK + OPEN
  GRANTED + OVER = AVAILABLE + OPEN + SPENT

Examples:
  filmgate ledger
  filmgate ledger --day 2026-11-23 --pool ssoSuper
  filmgate ledger --from 2026-11-01T00:00:00Z --to 2026-11-15T00:00:00Z --json")]
pub(super) struct Args {
    /// A day in UTC, instead of today: 2026-11-23
    #[arg(long, value_name = "DAY", conflicts_with_all = ["from", "to"])]
    day: Option<String>,
    /// From then on: 2026-11-23T14:20:00Z
    #[arg(long, value_name = "TIME")]
    from: Option<String>,
    /// Before then, instead of until now
    #[arg(long, value_name = "TIME", requires = "from")]
    to: Option<String>,
    /// Only this pool
    #[arg(long, value_name = "POOL")]
    pool: Option<String>,
}

#[derive(Debug, Deserialize)]
struct Ledger {
    from: Timestamp,
    until: Timestamp,
    pools: Vec<Line>,
    tokens: Vec<Line>,
}

#[derive(Debug, Deserialize)]
struct Line {
    pool: String,
    token: Option<String>,
    #[serde(default)]
    removed: bool,
    carried: u64,
    reserved: u64,
    charged: u64,
    given_back: u64,
    open: u64,
    cost_usd: f64,
    closing: Balance,
}

#[derive(Debug, Deserialize)]
struct Balance {
    granted: Option<u64>,
    available: Option<u64>,
    spent: u64,
    over: u64,
}

pub(super) async fn run(args: &Args, globals: &Globals) -> anyhow::Result<ExitCode> {
    let given = [("day", &args.day), ("from", &args.from), ("to", &args.to), ("pool", &args.pool)];
    let query: Vec<(&str, &str)> =
        given.into_iter().filter_map(|(name, value)| Some((name, value.as_deref()?))).collect();
    let json = client::with(globals, async |client| client.get(&["ledger"], &query).await).await?;
    if globals.json {
        out::print_json(&json)?;
        return Ok(ExitCode::SUCCESS);
    }
    let ledger: Ledger = serde_json::from_value(json)?;
    out::print_table(render("POOL", &ledger.pools))?;
    if !ledger.tokens.is_empty() {
        out::print_table(render("TOKEN", &ledger.tokens))?;
    }
    out::remark(format_args!("From {} until {}.", ledger.from, ledger.until));
    Ok(ExitCode::SUCCESS)
}

fn render(of: &str, lines: &[Line]) -> Table {
    let maybe = |units: Option<u64>| units.map_or_else(|| "-".to_owned(), |units| units.to_string());
    let rows = lines.iter().map(|line| {
        let name = match &line.token {
            Some(token) if line.removed => format!("{token} (removed), {}", line.pool),
            Some(token) => format!("{token}, {}", line.pool),
            None => line.pool.clone(),
        };
        let Balance { granted, available, spent, over } = &line.closing;
        [
            name,
            line.carried.to_string(),
            line.reserved.to_string(),
            line.charged.to_string(),
            line.given_back.to_string(),
            line.open.to_string(),
            if line.cost_usd == 0.0 { "-".to_owned() } else { format!("{:.2} USD", line.cost_usd) },
            maybe(*granted),
            maybe(*available),
            spent.to_string(),
            over.to_string(),
        ]
    });
    let head = [
        of,
        ">CARRIED",
        ">RESERVED",
        ">CHARGED",
        ">GIVEN BACK",
        ">OPEN",
        ">COST",
        ">GRANTED",
        ">AVAILABLE",
        ">SPENT",
        ">OVER",
    ];
    out::table(head, rows)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_ledger_is_a_line_for_each_pool_and_token() {
        let lines: Vec<Line> = serde_json::from_str(
            r#"[
                {"pool":"ssoSuper","token":"tok_1","removed":false,"carried":4,"reserved":12,"charged":8,"given_back":4,
                 "open":4,"cost_usd":0.35,
                 "closing":{"granted":140,"available":128,"reserved":4,"spent":8,"elsewhere":0,"over":0}},
                {"pool":"xai","token":"tok_2","removed":true,"carried":0,"reserved":1,"charged":1,"given_back":0,
                 "open":0,"cost_usd":0,
                 "closing":{"granted":null,"available":null,"reserved":0,"spent":0,"elsewhere":0,"over":0}}]"#,
        )
        .unwrap();
        insta::assert_snapshot!(render("TOKEN", &lines).trim_fmt(), @r"
        TOKEN                 CARRIED  RESERVED  CHARGED  GIVEN BACK  OPEN      COST  GRANTED  AVAILABLE  SPENT  OVER
        tok_1, ssoSuper             4        12        8           4     4  0.35 USD      140        128      8     0
        tok_2 (removed), xai        0         1        1           0     0         -        -          -      0     0
        ");
    }
}
