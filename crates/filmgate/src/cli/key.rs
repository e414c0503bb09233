//! `filmgate key`: the keys that clients use.

use std::process::ExitCode;

use comfy_table::Table;
use filmgate_domain::Timestamp;
use http::Method;
use serde::Deserialize;
use serde_json::json;

use super::{Globals, client, out, time};

#[derive(clap::Subcommand, Debug)]
pub(super) enum Command {
    /// Make a key; it is printed once and cannot be shown again
    #[command(after_help = "\
Examples:
  filmgate key create laptop
  export FILMGATE_API_KEY=$(filmgate key create laptop)
  filmgate key create tablet --caller laptop    (another key of the same caller: both see the same videos)")]
    Create {
        /// What the key is for, 1 to 80 characters
        name: String,
        /// Whose videos the key sees; keys of the same caller see the same ones [default: NAME]
        #[arg(long, value_name = "NAME")]
        caller: Option<String>,
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
    created_at: Timestamp,
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
        Command::Create { name, caller } => create(&name, caller.as_deref(), globals).await?,
        Command::List => list(globals).await?,
        Command::Rotate { id, keep_seconds } => rotate(&id, keep_seconds, globals).await?,
        Command::Revoke { ids } => revoke(&ids, globals).await?,
    }
    Ok(ExitCode::SUCCESS)
}

async fn create(name: &str, caller: Option<&str>, globals: &Globals) -> anyhow::Result<()> {
    let body = json!({ "name": name, "caller": caller }).to_string();
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

async fn rotate(id: &str, keep_seconds: u64, globals: &Globals) -> anyhow::Result<()> {
    let body = json!({ "keep_seconds": keep_seconds }).to_string();
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
            time::relative(key.created_at, now),
            time::relative_or_dash(key.last_used_at, now),
            key.revoked_at.map_or_else(String::new, |at| {
                let word = if now < at { "ends" } else { "revoked" };
                format!("{word} {}", time::relative(at, now))
            }),
        ]
    });
    out::table(["ID", "NAME", "CALLER", "KEY", "MADE", "LAST USED", ""], rows)
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
                "created_at":0,"last_used_at":3540000,"revoked_at":null},
                {"id":"key_2","name":"old","caller":"caller_1","caller_name":"me","key":"fg-3c4d...",
                "created_at":0,"last_used_at":null,"revoked_at":1800000},
                {"id":"key_3","name":"rotated","caller":"caller_1","caller_name":"me","key":"fg-5e6f...",
                "created_at":0,"last_used_at":null,"revoked_at":7200000}]}"#,
        )
        .unwrap();
        insta::assert_snapshot!(render(&keys.keys, Timestamp::from_millis(3_600_000)).trim_fmt(), @r"
        ID     NAME     CALLER  KEY         MADE        LAST USED
        key_1  laptop   me      fg-1a2b...  60 min ago  60 s ago
        key_2  old      me      fg-3c4d...  60 min ago  -          revoked 30 min ago
        key_3  rotated  me      fg-5e6f...  60 min ago  -          ends in 60 min
        ");
    }
}
