//! `filmgate webhook list`.

use comfy_table::Table;
use filmgate_domain::Timestamp;
use serde::Deserialize;

use crate::cli::{Globals, client, out, time};

#[derive(Debug, Deserialize)]
struct Webhook {
    caller: String,
    caller_name: String,
    url: Option<String>,
    created_at: Timestamp,
    rotated_at: Option<Timestamp>,
    previous_until: Option<Timestamp>,
}

#[derive(Debug, Deserialize)]
struct Webhooks {
    webhooks: Vec<Webhook>,
}

pub(super) async fn run(globals: &Globals) -> anyhow::Result<()> {
    let json = client::with(globals, async |client| client.get(&["webhooks"], &[]).await).await?;
    if globals.json {
        return out::print_json(&json);
    }
    let Webhooks { webhooks } = serde_json::from_value(json)?;
    if webhooks.is_empty() {
        out::remark("There are no webhooks yet; make one with `filmgate webhook set CALLER URL`.");
        return Ok(());
    }
    out::print_table(render(&webhooks, time::now()))
}

fn render(webhooks: &[Webhook], now: Timestamp) -> Table {
    let rows = webhooks.iter().map(|webhook| {
        let age = time::relative(webhook.rotated_at.unwrap_or(webhook.created_at), now);
        let secret = match webhook.previous_until {
            Some(until) => format!("{age}, the one before ends {}", time::relative(until, now)),
            None => age,
        };
        let url = webhook.url.clone().unwrap_or_else(|| "only where a request names one".to_owned());
        [webhook.caller.clone(), webhook.caller_name.clone(), url, secret]
    });
    out::table(["CALLER", "NAME", "ADDRESS", "SECRET MADE"], rows)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn webhooks_are_listed() {
        let Webhooks { webhooks } = serde_json::from_str(
            r#"{"webhooks":[{"caller":"caller_1","caller_name":"studio","url":"https://studio.example/hook",
                "created_at":0,"rotated_at":3540000,"previous_until":7200000},
                {"caller":"caller_2","caller_name":"me","url":null,"created_at":0,"rotated_at":null,
                "previous_until":null}]}"#,
        )
        .unwrap();
        insta::assert_snapshot!(render(&webhooks, Timestamp::from_millis(3_600_000)).trim_fmt(), @r"
        CALLER    NAME    ADDRESS                         SECRET MADE
        caller_1  studio  https://studio.example/hook     60 s ago, the one before ends in 60 min
        caller_2  me      only where a request names one  60 min ago
        ");
    }
}
