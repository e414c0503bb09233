//! `filmgate caller`: who asks for videos, and how much they may.

use std::process::ExitCode;

use comfy_table::Table;
use filmgate_domain::Timestamp;
use http::Method;
use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::{Globals, client, out, time};

#[derive(clap::Subcommand, Debug)]
pub(super) enum Command {
    /// List the callers, with what they use of what they may
    List,
    /// Say how much a caller may use; what is not named stays as it is
    #[command(after_help = "\
Examples:
  filmgate caller limit laptop --max-in-flight 3 --requests-per-minute 10
  filmgate caller limit laptop --units-per-day none

A request beyond a limit is refused with 429. What runs already goes on.")]
    Limit {
        /// A caller, by its name or id
        #[arg(value_name = "NAME")]
        caller: String,
        #[command(flatten)]
        limits: Limits,
    },
}

#[derive(clap::Args, Debug)]
#[group(required = true, multiple = true)]
pub(super) struct Limits {
    /// Unfinished videos at once; 0 or none for no limit
    #[arg(long, value_name = "N", value_parser = limit)]
    max_in_flight: Option<Limit>,
    /// Videos asked for in a minute; 0 or none for no limit
    #[arg(long, value_name = "N", value_parser = limit)]
    requests_per_minute: Option<Limit>,
    /// Units that videos cost in 24 hours; 0 or none for no limit
    #[arg(long, value_name = "N", value_parser = limit)]
    units_per_day: Option<Limit>,
}

/// A limit, or none.
#[derive(Clone, Copy, Debug)]
struct Limit(Option<u32>);

fn limit(text: &str) -> Result<Limit, String> {
    match text {
        "0" | "none" => Ok(Limit(None)),
        text => {
            let number = text.parse().map_err(|_| format!("a number up to {}, or none", u32::MAX))?;
            Ok(Limit(Some(number)))
        }
    }
}

impl Limits {
    fn json(&self) -> Value {
        let named = [
            ("max_in_flight", self.max_in_flight),
            ("requests_per_minute", self.requests_per_minute),
            ("units_per_day", self.units_per_day),
        ];
        let named = named.into_iter().filter_map(|(name, limit)| Some((name.to_owned(), json!(limit?.0))));
        json!({ "limits": named.collect::<Map<_, _>>() })
    }
}

#[derive(Debug, Deserialize)]
struct Caller {
    id: String,
    name: String,
    keys: u64,
    last_used_at: Option<Timestamp>,
    limits: Allowed,
    r#use: Used,
}

#[derive(Debug, Deserialize)]
struct Allowed {
    max_in_flight: Option<u32>,
    requests_per_minute: Option<u32>,
    units_per_day: Option<u32>,
}

#[derive(Debug, Deserialize)]
struct Used {
    in_flight: u64,
    requests_last_minute: u64,
    units_reserved: u64,
    units_last_day: u64,
}

#[derive(Debug, Deserialize)]
struct Callers {
    callers: Vec<Caller>,
}

pub(super) async fn run(command: Command, globals: &Globals) -> anyhow::Result<ExitCode> {
    match command {
        Command::List => list(globals).await?,
        Command::Limit { caller, limits } => change(&caller, &limits, globals).await?,
    }
    Ok(ExitCode::SUCCESS)
}

async fn list(globals: &Globals) -> anyhow::Result<()> {
    let json = client::with(globals, async |client| client.get(&["callers"], &[]).await).await?;
    if globals.json {
        return out::print_json(&json);
    }
    let Callers { callers } = serde_json::from_value(json)?;
    if callers.is_empty() {
        out::remark("There are no callers yet; make one with `filmgate key create NAME`.");
        return Ok(());
    }
    out::print_table(render(&callers, time::now()))
}

async fn change(caller: &str, limits: &Limits, globals: &Globals) -> anyhow::Result<()> {
    let body = limits.json().to_string();
    let json = client::with(globals, async |client| {
        client.send(Method::PATCH, &["callers", caller], &[], body).await
    })
    .await?;
    if globals.json {
        return out::print_json(&json);
    }
    let caller: Caller = serde_json::from_value(json)?;
    out::print_table(render(&[caller], time::now()))
}

fn render(callers: &[Caller], now: Timestamp) -> Table {
    let rows = callers.iter().map(|caller| {
        let Caller { id, name, keys, last_used_at, limits, r#use: used } = caller;
        [
            id.clone(),
            name.clone(),
            keys.to_string(),
            of(used.in_flight, limits.max_in_flight),
            of(used.requests_last_minute, limits.requests_per_minute),
            of(used.units_last_day + used.units_reserved, limits.units_per_day),
            time::relative_or_dash(*last_used_at, now),
        ]
    });
    out::table(["ID", "NAME", ">KEYS", ">IN FLIGHT", ">LAST MINUTE", ">UNITS/DAY", "LAST USED"], rows)
}

/// `3 of 10`, or `3` where there is no limit.
fn of(used: u64, limit: Option<u32>) -> String {
    limit.map_or_else(|| used.to_string(), |limit| format!("{used} of {limit}"))
}

#[cfg(test)]
mod tests {
    use clap::Parser as _;

    use super::*;

    #[test]
    fn callers_are_listed() {
        let Callers { callers } = serde_json::from_str(
            r#"{"callers":[{"id":"caller_1","name":"studio","created_at":0,"keys":2,"last_used_at":3540000,
                "limits":{"max_in_flight":3,"requests_per_minute":null,"units_per_day":100},
                "use":{"in_flight":3,"requests_last_minute":4,"units_reserved":12,"units_last_day":40}},
                {"id":"caller_2","name":"me","created_at":0,"keys":0,"last_used_at":null,
                "limits":{"max_in_flight":null,"requests_per_minute":null,"units_per_day":null},
                "use":{"in_flight":0,"requests_last_minute":0,"units_reserved":0,"units_last_day":0}}]}"#,
        )
        .unwrap();
        insta::assert_snapshot!(render(&callers, Timestamp::from_millis(3_600_000)).trim_fmt(), @r"
        ID        NAME    KEYS  IN FLIGHT  LAST MINUTE  UNITS/DAY  LAST USED
        caller_1  studio     2     3 of 3            4  52 of 100  60 s ago
        caller_2  me         0          0            0          0  -
        ");
    }

    #[test]
    fn limits_are_set_lifted_and_left_alone() {
        #[derive(clap::Parser)]
        struct Line {
            #[command(flatten)]
            limits: Limits,
        }
        let json = |line: &str| Line::try_parse_from(line.split(' ')).ok().map(|line| line.limits.json());
        let set = json("x --max-in-flight 3 --units-per-day none").unwrap();
        assert_eq!(set, json!({ "limits": { "max_in_flight": 3, "units_per_day": null } }));
        assert_eq!(
            json("x --requests-per-minute 0").unwrap(),
            json!({ "limits": { "requests_per_minute": null } })
        );
        for wrong in ["x", "x --max-in-flight -1", "x --max-in-flight many", "x --units-per-day 4294967296"] {
            assert_eq!(json(wrong), None, "{wrong}");
        }
    }
}
