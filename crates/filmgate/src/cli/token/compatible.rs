//! `--upstream URL`: makes pools send their tokens to a compatible server.
//!
//! The credentials of one server must not reach another by a slip. So no pool is moved that holds tokens, and
//! no pool moves along that was not meant.

use std::collections::BTreeSet;

use anyhow::{Context as _, bail};
use http::Method;
use serde_json::{Map, Value, json};
use url::Url;

use crate::cli::client::AdminClient;
use crate::cli::out;
use crate::cli::pool::{Pool, Pools};

/// The upstream's name in the configuration.
pub(in crate::cli) const NAME: &str = "compatible";

/// Lets these pools use the server at `url`, or only says so.
pub(in crate::cli) async fn send_there(
    client: &AdminClient,
    url: &Url,
    concerned: &BTreeSet<String>,
    dry_run: bool,
) -> anyhow::Result<()> {
    let Pools { pools } = serde_json::from_value(client.get(&["pools"], &[]).await?)?;
    let config = client.get(&["config"], &[]).await?;
    let config: toml::Table = config["config"].as_str().unwrap_or_default().parse().context("config show")?;
    let address = url.as_str().trim_end_matches('/');
    let moved = plan(&pools, &config, concerned, address)?;
    if moved.is_empty() {
        return Ok(());
    }
    let names: Vec<&str> = moved.iter().map(|name| &***name).collect();
    let names = names.join(" and ");
    if dry_run {
        out::remark(format_args!("{names} would send tokens to {address} (upstream `{NAME}`)."));
        return Ok(());
    }
    let mut set = Map::new();
    // What the operator wrote about this server stays, its kind above all.
    if current(&config) != address {
        set.insert(format!("upstreams.{NAME}.kind"), json!("xai"));
        set.insert(format!("upstreams.{NAME}.base_url"), json!(address));
    }
    for pool in moved {
        set.insert(format!("pools.{}.upstream", key(pool)), json!(NAME));
    }
    let body = json!({ "set": Value::Object(set) }).to_string();
    client.send(Method::PATCH, &["config"], &[], body).await?;
    out::remark(format_args!(
        "{names} now send tokens to {address} (upstream `{NAME}` in the configuration)."
    ));
    Ok(())
}

/// Where the upstream is now; empty if it is nowhere.
fn current(config: &toml::Table) -> &str {
    let base_url = config.get("upstreams").and_then(|u| u.get(NAME)).and_then(|u| u.get("base_url"));
    base_url.and_then(toml::Value::as_str).unwrap_or_default().trim_end_matches('/')
}

/// The pools that have to be changed.
fn plan<'a>(
    pools: &[Pool],
    config: &toml::Table,
    concerned: &'a BTreeSet<String>,
    address: &str,
) -> anyhow::Result<Vec<&'a String>> {
    let known = || pools.iter().map(|pool| &*pool.name).collect::<Vec<_>>().join(", ");
    let current = current(config);
    let is_there = |pool: &Pool| pool.upstream == NAME && current == address;
    if let Some(other) = pools.iter().find(|pool| pool.upstream == NAME && !concerned.contains(&pool.name))
        && current != address
    {
        bail!(
            "pool {} uses the upstream `{NAME}` too, at {current}, and its tokens would go to {address} as well; \
             give the other server a table [upstreams.NAME] of its own in the configuration",
            other.name
        );
    }
    let mut moved = Vec::new();
    for name in concerned {
        let pool = pools.iter().find(|pool| pool.name == *name);
        let pool = pool.with_context(|| format!("there is no pool {name:?}; there is {}", known()))?;
        if is_there(pool) {
            continue;
        }
        let tokens: u32 = pool.tokens.values().sum();
        if tokens > 0 {
            bail!(
                "pool {name} holds {tokens} tokens for the upstream `{}`, and they would go to {address} as well; \
                 remove them first, or use another pool",
                pool.upstream
            );
        }
        moved.push(name);
    }
    Ok(moved)
}

/// A name as a part of a dotted key.
fn key(name: &str) -> String {
    toml_edit::Key::new(name).display_repr().into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Three pools: `empty` and `full` at xai, `moved` at the compatible server.
    fn pools() -> Vec<Pool> {
        let pool = |name: &str, upstream: &str, tokens: u32| {
            json!({ "name": name, "upstream": upstream, "delivers": [], "tokens": { "active": tokens },
                    "in_flight": 0 })
        };
        let pools = json!([pool("empty", "xai", 0), pool("full", "xai", 2), pool("moved", NAME, 5)]);
        serde_json::from_value(pools).unwrap()
    }

    fn plan_for(concerned: &[&str], address: &str) -> Result<Vec<String>, String> {
        let config = "[upstreams.compatible]\nbase_url = \"http://there/v1\"".parse().unwrap();
        let concerned = concerned.iter().map(|name| (*name).to_owned()).collect();
        let moved = plan(&pools(), &config, &concerned, address);
        moved.map(|names| names.into_iter().cloned().collect()).map_err(|error| error.to_string())
    }

    #[test]
    fn empty_pools_are_moved() {
        assert_eq!(plan_for(&["empty"], "http://there/v1"), Ok(vec!["empty".to_owned()]));
        assert_eq!(plan_for(&["moved"], "http://there/v1"), Ok(vec![]));
    }

    #[test]
    fn no_token_reaches_another_server_by_a_slip() {
        for (concerned, address, reason) in [
            (&["full"][..], "http://there/v1", "pool full holds 2 tokens"),
            (&["empty"], "http://elsewhere/v1", "pool moved uses the upstream"),
            (&["moved"], "http://elsewhere/v1", "pool moved holds 5 tokens"),
            (&["none"], "http://there/v1", "there is no pool \"none\"; there is empty, full, moved"),
        ] {
            let error = plan_for(concerned, address).unwrap_err();
            assert!(error.starts_with(reason), "{error}");
        }
    }

    #[test]
    fn names_are_quoted_where_toml_asks_for_it() {
        assert_eq!(key("ssoBasic"), "ssoBasic");
        assert_eq!(key("a.b"), "\"a.b\"");
    }
}
