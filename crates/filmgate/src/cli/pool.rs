//! `filmgate pool`: the pools at a glance.

use std::collections::BTreeMap;
use std::process::ExitCode;
use std::time::Duration;

use comfy_table::Table;
use filmgate_domain::Capability;
use serde::Deserialize;

use super::{Globals, client, out, time};

#[derive(clap::Subcommand, Debug)]
pub(super) enum Command {
    /// List the pools in use, weakest first: what they deliver, their tokens, and the quota left
    List,
}

/// A pool, as the admin API shows it.
#[derive(Debug, Deserialize)]
pub(super) struct Pool {
    pub(super) name: String,
    pub(super) upstream: String,
    delivers: Vec<Capability>,
    quota: Option<Quota>,
    max_in_flight: Option<u32>,
    submits_per_minute: Option<u32>,
    /// How many there are of each status.
    pub(super) tokens: BTreeMap<String, u32>,
    granted: Option<u64>,
    left: Option<u64>,
    in_flight: u64,
}

#[derive(Debug, Deserialize)]
struct Quota {
    units: u32,
    window_seconds: u64,
}

/// The answer of `/pools`.
#[derive(Debug, Deserialize)]
pub(super) struct Pools {
    pub(super) pools: Vec<Pool>,
}

pub(super) async fn run(command: &Command, globals: &Globals) -> anyhow::Result<ExitCode> {
    let Command::List = command;
    let json = client::with(globals, async |client| client.get(&["pools"], &[]).await).await?;
    if globals.json {
        out::print_json(&json)?;
    } else {
        let pools: Pools = serde_json::from_value(json)?;
        out::print_table(render(&pools.pools))?;
    }
    Ok(ExitCode::SUCCESS)
}

fn render(pools: &[Pool]) -> Table {
    let rows = pools.iter().map(|pool| {
        [
            pool.name.clone(),
            pool.upstream.clone(),
            pool.delivers.iter().map(capability).collect::<Vec<_>>().join(", "),
            tokens(&pool.tokens),
            match (pool.left, pool.granted) {
                (Some(left), Some(granted)) => format!("{left} of {granted}"),
                _ => "no quota".to_owned(),
            },
            pool.in_flight.to_string(),
            limits(pool),
        ]
    });
    out::table(
        ["POOL", "UPSTREAM", "DELIVERS", "TOKENS", "UNITS LEFT", ">IN FLIGHT", "LIMITS PER TOKEN"],
        rows,
    )
}

fn capability(part: &Capability) -> String {
    let models = part.models.as_ref().map(|models| format!(" ({})", models.join(", ")));
    format!("{} to {} s{}", part.resolution, part.max_seconds, models.unwrap_or_default())
}

fn tokens(counts: &BTreeMap<String, u32>) -> String {
    let shown = ["active", "cooling", "expired", "disabled"];
    let counts = shown.iter().filter_map(|status| Some((status, counts.get(*status).filter(|n| **n > 0)?)));
    let counts: Vec<String> = counts.map(|(status, count)| format!("{count} {status}")).collect();
    if counts.is_empty() { "none".to_owned() } else { counts.join(", ") }
}

fn limits(pool: &Pool) -> String {
    let quota = pool.quota.as_ref().map(|quota| {
        format!("{} units in {}", quota.units, time::span(Duration::from_secs(quota.window_seconds)))
    });
    let at_once = pool.max_in_flight.map(|n| format!("{n} at once"));
    let a_minute = pool.submits_per_minute.map(|n| format!("{n} a minute"));
    let limits: Vec<String> = [quota, at_once, a_minute].into_iter().flatten().collect();
    if limits.is_empty() { "-".to_owned() } else { limits.join(", ") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pools_at_a_glance() {
        let pools: Pools = serde_json::from_str(
            r#"{"pools":[
                {"name":"ssoBasic","upstream":"xai","delivers":[{"resolution":"480p","max_seconds":6}],
                 "quota":{"units":80,"window_seconds":72000},"max_in_flight":8,"submits_per_minute":null,"costs":[],
                 "tokens":{"active":3,"cooling":1,"expired":0,"disabled":0},"granted":320,"left":312,"in_flight":2},
                {"name":"xai","upstream":"xai","delivers":[{"resolution":"1080p","max_seconds":15,"models":["a","b"]}],
                 "quota":null,"max_in_flight":null,"submits_per_minute":null,"costs":[],
                 "tokens":{},"granted":null,"left":null,"in_flight":0}]}"#,
        )
        .unwrap();
        insta::assert_snapshot!(render(&pools.pools).trim_fmt(), @r"
        POOL      UPSTREAM  DELIVERS              TOKENS               UNITS LEFT  IN FLIGHT  LIMITS PER TOKEN
        ssoBasic  xai       480p to 6 s           3 active, 1 cooling  312 of 320          2  80 units in 20 h, 8 at once
        xai       xai       1080p to 15 s (a, b)  none                 no quota            0  -
        ");
    }
}
