//! `filmgate key`: the keys of clients, and of operators.

use std::process::ExitCode;
use std::time::Duration;

use comfy_table::Table;
use filmgate_domain::Timestamp;
use http::Method;
use serde::Deserialize;
use serde_json::{Value, json};

use super::{Globals, client, out, time};

#[derive(clap::Subcommand, Debug)]
pub(super) enum Command {
    /// Make a key; it is printed once and cannot be shown again
    #[command(after_help = "\
Examples:
  filmgate key create laptop
  export FILMGATE_API_KEY=$(filmgate key create laptop)
  filmgate key create tablet --caller laptop    (another key of the same caller: both see the same videos)
  filmgate key create trial --expires 30d
  filmgate key create grafana --scope read_only (sees the page and the admin API, and changes nothing)
  filmgate key create mei --scope admin         (an operator of her own, by name in the audit trail)")]
    Create {
        /// What the key is for, 1 to 80 characters
        name: String,
        /// Whose videos the key sees; keys of the same caller see the same ones [default: NAME]
        #[arg(long, value_name = "NAME")]
        caller: Option<String>,
        /// What it opens: its caller's videos, the operator's page and API to look only, or all of the operator's
        #[arg(long, value_name = "SCOPE", default_value = "client", value_parser = ["client", "read_only", "admin"])]
        scope: String,
        /// After how long it opens nothing any more, such as 30d [default: it lasts until it is revoked]
        #[arg(long, value_name = "TIME", value_parser = humantime::parse_duration)]
        expires: Option<Duration>,
    },
    /// List the keys, shortened
    List,
    /// Make a key in the place of another, which stays valid for a while
    #[command(after_help = "\
Examples:
  filmgate key rotate key_3                     (the old key stays valid for a day)
  filmgate key rotate key_3 --keep-seconds 0    (the old key is useless at once)")]
    Rotate {
        /// Its id, such as key_3
        id: String,
        /// How long the old key stays valid; 30 days at most
        #[arg(long, value_name = "SECONDS", default_value_t = 86_400)]
        keep_seconds: u64,
        /// After how long the new key opens nothing any more [default: when the old one would have]
        #[arg(long, value_name = "TIME", value_parser = humantime::parse_duration)]
        expires: Option<Duration>,
    },
    /// Make keys useless from now on; videos in the making go on
    Revoke {
        /// Ids, such as key_3
        #[arg(required = true, value_name = "ID")]
        ids: Vec<String>,
    },
}

#[derive(Debug, Deserialize)]
struct Key {
    id: String,
    name: String,
    caller_name: String,
    key: String,
    scope: String,
    created_at: Timestamp,
    expires_at: Option<Timestamp>,
    last_used_at: Option<Timestamp>,
    revoked_at: Option<Timestamp>,
}

#[derive(Debug, Deserialize)]
struct Keys {
    keys: Vec<Key>,
}

/// A key in the place of another.
#[derive(Deserialize)]
struct Rotated {
    id: String,
    key: String,
    previous: String,
    previous_until: Timestamp,
}

/// A key that was just made.
#[derive(Deserialize)]
pub(super) struct Created {
    pub(super) id: String,
    pub(super) key: String,
}

pub(super) async fn run(command: Command, globals: &Globals) -> anyhow::Result<ExitCode> {
    match command {
        Command::Create { name, caller, scope, expires } => {
            let expires_in_seconds = expires.map(|lasts| lasts.as_secs());
            let order = json!({ "name": name, "caller": caller, "scope": scope, "expires_in_seconds": expires_in_seconds });
            create(&order, globals).await?;
        }
        Command::List => list(globals).await?,
        Command::Rotate { id, keep_seconds, expires } => {
            let expires_in_seconds = expires.map(|lasts| lasts.as_secs());
            let order = json!({ "keep_seconds": keep_seconds, "expires_in_seconds": expires_in_seconds });
            rotate(&id, &order, globals).await?;
        }
        Command::Revoke { ids } => revoke(&ids, globals).await?,
    }
    Ok(ExitCode::SUCCESS)
}

async fn create(order: &Value, globals: &Globals) -> anyhow::Result<()> {
    let body = order.to_string();
    let made = async |client: &client::AdminClient| client.send(Method::POST, &["keys"], &[], body).await;
    let json = client::with(globals, made).await?;
    if globals.json {
        return out::print_json(&json);
    }
    let created: Created = serde_json::from_value(json)?;
    out::print(&created.key)?;
    out::remark(format_args!("This is {}. It is shown this once; only its hash is kept.", created.id));
    Ok(())
}

async fn rotate(id: &str, order: &Value, globals: &Globals) -> anyhow::Result<()> {
    let body = order.to_string();
    let json = client::with(globals, async |client| {
        client.send(Method::POST, &["keys", id, "rotate"], &[], body).await
    })
    .await?;
    if globals.json {
        return out::print_json(&json);
    }
    let Rotated { id, key, previous, previous_until } = serde_json::from_value(json)?;
    out::print(&key)?;
    out::remark(format_args!("This is {id}. It is shown this once; only its hash is kept."));
    let now = time::now();
    if now < previous_until {
        let (ends, at) = (time::relative(previous_until, now), time::exact(previous_until));
        out::remark(format_args!("{previous} stays valid; that ends {ends} ({at})."));
    } else {
        out::remark(format_args!("{previous} is useless from now on."));
    }
    Ok(())
}

async fn list(globals: &Globals) -> anyhow::Result<()> {
    let json = client::with(globals, async |client| client.get(&["keys"], &[]).await).await?;
    if globals.json {
        return out::print_json(&json);
    }
    let keys: Keys = serde_json::from_value(json)?;
    if keys.keys.is_empty() {
        out::remark("There are no keys yet; make one with `filmgate key create NAME`.");
        return Ok(());
    }
    out::print_table(render(&keys.keys, time::now()))
}

fn render(keys: &[Key], now: Timestamp) -> Table {
    let rows = keys.iter().map(|key| {
        [
            key.id.clone(),
            key.name.clone(),
            key.caller_name.clone(),
            key.key.clone(),
            key.scope.clone(),
            time::relative(key.created_at, now),
            time::relative_or_dash(key.last_used_at, now),
            end(key, now),
        ]
    });
    out::table(["ID", "NAME", "CALLER", "KEY", "OPENS", "MADE", "LAST USED", ""], rows)
}

/// How it ends or ended: by expiry or by hand, whichever is first.
fn end(key: &Key, now: Timestamp) -> String {
    let expiry = key.expires_at.map(|at| (at, "expired"));
    let revocation = key.revoked_at.map(|at| (at, "revoked"));
    match expiry.into_iter().chain(revocation).min() {
        None => String::new(),
        Some((at, _)) if now < at => format!("ends {}", time::relative(at, now)),
        Some((at, word)) => format!("{word} {}", time::relative(at, now)),
    }
}

async fn revoke(ids: &[String], globals: &Globals) -> anyhow::Result<()> {
    client::with(globals, async |client| {
        for id in ids {
            let json = client.delete(&["keys", id]).await?;
            if globals.json {
                out::print_json_line(&json)?;
            } else {
                out::print(&format!("{id} is revoked"))?;
            }
        }
        Ok(())
    })
    .await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_listed() {
        let keys: Keys = serde_json::from_str(
            r#"{"keys":[{"id":"key_1","name":"laptop","caller":"caller_1","caller_name":"me","key":"fg-1a2b...",
                "scope":"client","created_at":0,"expires_at":null,"last_used_at":3540000,"revoked_at":null},
                {"id":"key_2","name":"old","caller":"caller_1","caller_name":"me","key":"fg-3c4d...",
                "scope":"client","created_at":0,"expires_at":null,"last_used_at":null,"revoked_at":1800000},
                {"id":"key_3","name":"rotated","caller":"caller_1","caller_name":"me","key":"fg-5e6f...",
                "scope":"client","created_at":0,"expires_at":9000000,"last_used_at":null,"revoked_at":7200000},
                {"id":"key_4","name":"grafana","caller":"caller_2","caller_name":"ops","key":"fgr-7a8...",
                "scope":"read_only","created_at":0,"expires_at":1800000,"last_used_at":null,"revoked_at":null}]}"#,
        )
        .unwrap();
        insta::assert_snapshot!(render(&keys.keys, Timestamp::from_millis(3_600_000)).trim_fmt(), @r"
        ID     NAME     CALLER  KEY         OPENS      MADE        LAST USED
        key_1  laptop   me      fg-1a2b...  client     60 min ago  60 s ago
        key_2  old      me      fg-3c4d...  client     60 min ago  -          revoked 30 min ago
        key_3  rotated  me      fg-5e6f...  client     60 min ago  -          ends in 60 min
        key_4  grafana  ops     fgr-7a8...  read_only  60 min ago  -          expired 30 min ago
        ");
    }
}
