//! `filmgate token list`: the tokens in a table.

use std::process::ExitCode;

use comfy_table::Table;
use filmgate_domain::{Timestamp, TokenStatus};
use serde::Deserialize;
use serde_json::{Value, json};

use crate::cli::client::AdminClient;
use crate::cli::{Globals, client, out, time};

/// List the tokens, shortened.
#[derive(clap::Args, Debug)]
pub(in crate::cli) struct Args {
    /// Only those of this pool
    #[arg(long, value_name = "NAME")]
    pool: Option<String>,
    /// Only those that are active, cooling, expired or disabled
    #[arg(long, value_name = "STATUS")]
    status: Option<TokenStatus>,
}

/// A token, as the admin API shows it.
#[derive(Debug, Deserialize)]
pub(super) struct Token {
    pub(super) id: String,
    pub(super) pool: String,
    /// Its first characters.
    pub(super) token: String,
    pub(super) status: String,
    pub(super) cooling_until: Option<Timestamp>,
    pub(super) quota: Option<u32>,
    pub(super) spent: u32,
    pub(super) reserved: u32,
    pub(super) in_flight: u32,
    pub(super) created_at: Timestamp,
    pub(super) last_used_at: Option<Timestamp>,
    pub(super) last_sync_at: Option<Timestamp>,
    pub(super) use_count: u64,
    pub(super) fail_count: u64,
    pub(super) last_fail_at: Option<Timestamp>,
    pub(super) last_fail_reason: Option<String>,
    pub(super) tags: Vec<String>,
    pub(super) note: String,
}

/// One page of tokens.
#[derive(Debug, Deserialize)]
struct Page {
    tokens: Vec<Value>,
    has_more: bool,
}

pub(super) async fn run(args: &Args, globals: &Globals) -> anyhow::Result<ExitCode> {
    let tokens = client::with(globals, async |client| all(client, args).await).await?;
    if globals.json {
        out::print_json(&json!({ "tokens": tokens }))?;
        return Ok(ExitCode::SUCCESS);
    }
    if tokens.is_empty() {
        out::remark(
            "There are no such tokens. Add one with `filmgate token add`, or many with `filmgate token import`.",
        );
        return Ok(ExitCode::SUCCESS);
    }
    let tokens: Vec<Token> = tokens.into_iter().map(serde_json::from_value).collect::<Result<_, _>>()?;
    out::print_table(render(&tokens, time::now()))?;
    Ok(ExitCode::SUCCESS)
}

/// All pages.
async fn all(client: &AdminClient, args: &Args) -> anyhow::Result<Vec<Value>> {
    let mut tokens: Vec<Value> = Vec::new();
    loop {
        let after = tokens.last().and_then(|token| token["id"].as_str()).map(str::to_owned);
        let mut query = vec![("limit", "10000")];
        query.extend(args.pool.as_deref().map(|pool| ("pool", pool)));
        query.extend(args.status.map(|status| ("status", status.as_str())));
        query.extend(after.as_deref().map(|id| ("after", id)));
        let page: Page = serde_json::from_value(client.get(&["tokens"], &query).await?)?;
        let is_last = !page.has_more || page.tokens.is_empty();
        tokens.extend(page.tokens);
        if is_last {
            return Ok(tokens);
        }
    }
}

fn render(tokens: &[Token], now: Timestamp) -> Table {
    let rows = tokens.iter().map(|token| {
        [
            token.id.clone(),
            token.pool.clone(),
            token.token.clone(),
            token.state(now),
            token.quota.map_or_else(|| "-".to_owned(), |units| units.to_string()),
            token.in_flight.to_string(),
            token.use_count.to_string(),
            token.fail_count.to_string(),
            time::relative_or_dash(token.last_used_at, now),
            out::shorten(&token.note, 30),
        ]
    });
    let header =
        ["ID", "POOL", "TOKEN", "STATUS", ">LEFT", ">IN FLIGHT", ">USED", ">FAILED", "LAST USED", "NOTE"];
    out::table(header, rows)
}

impl Token {
    /// The status, and until when it lasts.
    pub(super) fn state(&self, now: Timestamp) -> String {
        match self.cooling_until.filter(|_| self.status == "cooling") {
            Some(until) if until > now => format!("cooling, over {}", time::relative(until, now)),
            _ => self.status.clone(),
        }
    }
}

#[cfg(test)]
pub(super) const EXAMPLE: &str = r#"{"id":"tok_7","pool":"ssoSuper","token":"eyJ0eXAiOi...","status":"cooling",
    "cooling_until":3660000,"quota":136,"spent":4,"reserved":0,"in_flight":1,"created_at":0,"last_used_at":3480000,
    "last_sync_at":null,"use_count":12,"fail_count":1,"last_fail_at":3590000,"last_fail_reason":"401: bad token",
    "tags":["nsfw","eu"],"note":"the second account of the film department"}"#;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tokens_in_a_table() {
        let cooling: Token = serde_json::from_str(EXAMPLE).unwrap();
        let mut value: Value = serde_json::from_str(EXAMPLE).unwrap();
        value["status"] = json!("active");
        value["quota"] = Value::Null;
        value["note"] = json!("");
        let active: Token = serde_json::from_value(value).unwrap();
        let table = render(&[cooling, active], Timestamp::from_millis(3_600_000));
        insta::assert_snapshot!(table.trim_fmt(), @r"
        ID     POOL      TOKEN          STATUS                 LEFT  IN FLIGHT  USED  FAILED  LAST USED  NOTE
        tok_7  ssoSuper  eyJ0eXAiOi...  cooling, over in 60 s   136          1    12       1  2 min ago  the second account of the film…
        tok_7  ssoSuper  eyJ0eXAiOi...  active                    -          1    12       1  2 min ago
        ");
    }
}
