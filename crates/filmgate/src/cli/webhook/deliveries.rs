//! `filmgate webhook deliveries|retry`.

use comfy_table::Table;
use filmgate_domain::Timestamp;
use serde::Deserialize;

use crate::cli::{Globals, client, out, time};

/// List what was told, or is to be, newest first.
#[derive(clap::Args, Debug)]
#[command(after_help = "\
Examples:
  filmgate webhook deliveries
  filmgate webhook deliveries --state given_up --caller studio
  filmgate webhook retry $(filmgate webhook deliveries --state given_up --json | jq -r '.deliveries[].id')")]
pub(in crate::cli) struct Args {
    /// Only this caller's: its name, or its id
    #[arg(long, value_name = "CALLER")]
    caller: Option<String>,
    /// Only those about this job
    #[arg(long, value_name = "ID")]
    job: Option<String>,
    /// Only those that are pending, delivered or given_up
    #[arg(long, value_name = "STATE", value_parser = ["pending", "delivered", "given_up"])]
    state: Option<String>,
    /// At most so many, 1 to 1000
    #[arg(long, value_name = "N", default_value_t = 20, value_parser = clap::value_parser!(u32).range(1..=1000))]
    limit: u32,
    /// Only those that are older than this one
    #[arg(long, value_name = "ID")]
    after: Option<String>,
}

#[derive(Debug, Deserialize)]
struct Delivery {
    id: String,
    #[serde(rename = "type")]
    kind: String,
    job: String,
    url: String,
    state: String,
    created_at: Timestamp,
    tries: u32,
    last_error: Option<String>,
    next_at: Option<Timestamp>,
}

#[derive(Debug, Deserialize)]
struct Page {
    deliveries: Vec<Delivery>,
    has_more: bool,
}

pub(super) async fn run(args: &Args, globals: &Globals) -> anyhow::Result<()> {
    let limit = args.limit.to_string();
    let mut query = vec![("limit", &*limit)];
    let filters =
        [("caller", &args.caller), ("job", &args.job), ("state", &args.state), ("after", &args.after)];
    query.extend(filters.into_iter().filter_map(|(name, value)| Some((name, value.as_deref()?))));
    let path = ["webhooks", "deliveries"];
    let json = client::with(globals, async |client| client.get(&path, &query).await).await?;
    if globals.json {
        return out::print_json(&json);
    }
    let Page { deliveries, has_more } = serde_json::from_value(json)?;
    if deliveries.is_empty() {
        out::remark("There are no such deliveries.");
        return Ok(());
    }
    out::print_table(render(&deliveries, time::now()))?;
    if let Some(last) = deliveries.last().filter(|_| has_more) {
        out::remark(format_args!("There are older ones: --after {}", last.id));
    }
    Ok(())
}

pub(super) async fn retry(ids: &[String], globals: &Globals) -> anyhow::Result<()> {
    client::with(globals, async |client| {
        for id in ids {
            let json = client.post(&["webhooks", "deliveries", id, "retry"], &[]).await?;
            if globals.json {
                out::print_json_line(&json)?;
            } else {
                out::print(&format!("{id} is to be sent again"))?;
            }
        }
        Ok(())
    })
    .await
}

fn render(deliveries: &[Delivery], now: Timestamp) -> Table {
    let rows = deliveries.iter().map(|delivery| {
        let state = match delivery.next_at {
            Some(at) if at > now => format!("{}, again {}", delivery.state, time::relative(at, now)),
            _ => delivery.state.clone(),
        };
        [
            delivery.id.clone(),
            delivery.kind.clone(),
            delivery.job.clone(),
            time::relative(delivery.created_at, now),
            out::shorten(without_query(&delivery.url), 48),
            state,
            delivery.tries.to_string(),
            out::shorten(delivery.last_error.as_deref().unwrap_or_default(), 60),
        ]
    });
    out::table(["ID", "EVENT", "JOB", "ENDED", "ADDRESS", "STATE", ">TRIES", "LAST ERROR"], rows)
}

/// What stands behind the `?` may be secret; `--json` shows it.
fn without_query(url: &str) -> &str {
    url.split('?').next().unwrap_or(url)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn deliveries_are_listed_without_what_may_be_secret() {
        let Page { deliveries, .. } = serde_json::from_str(
            r#"{"has_more":false,"deliveries":[
                {"id":"evt_2","type":"video.failed","job":"video_2","url":"https://a.example/hook?key=secret",
                "state":"pending","created_at":3590000,"tries":2,"next_at":3900000,
                "last_error":"the receiver answered 500 Internal Server Error"},
                {"id":"evt_1","type":"video.completed","job":"video_1","url":"https://a.example/hook",
                "state":"delivered","created_at":0,"tries":1,"next_at":null,"last_error":null}]}"#,
        )
        .unwrap();
        insta::assert_snapshot!(render(&deliveries, Timestamp::from_millis(3_600_000)).trim_fmt(), @r"
        ID     EVENT            JOB      ENDED       ADDRESS                 STATE                    TRIES  LAST ERROR
        evt_2  video.failed     video_2  10 s ago    https://a.example/hook  pending, again in 5 min      2  the receiver answered 500 Internal Server Error
        evt_1  video.completed  video_1  60 min ago  https://a.example/hook  delivered                    1
        ");
    }
}
