//! `filmgate token show`: everything known about a token, save its secret.

use std::process::ExitCode;

use filmgate_domain::Timestamp;

use super::list::Token;
use crate::cli::{Globals, client, out, time};

/// Show everything known about tokens.
#[derive(clap::Args, Debug)]
pub(in crate::cli) struct Args {
    /// Ids, such as tok_7
    #[arg(required = true, value_name = "ID")]
    ids: Vec<String>,
}

pub(super) async fn run(args: &Args, globals: &Globals) -> anyhow::Result<ExitCode> {
    client::with(globals, async |client| {
        for (nth, id) in args.ids.iter().enumerate() {
            let json = client.get(&["tokens", id], &[]).await?;
            if globals.json {
                out::print_json_line(&json)?;
                continue;
            }
            let token: Token = serde_json::from_value(json)?;
            let gap = if nth == 0 { "" } else { "\n" };
            out::print(&format!("{gap}{}", render(&token, time::now())))?;
        }
        Ok(ExitCode::SUCCESS)
    })
    .await
}

fn render(token: &Token, now: Timestamp) -> String {
    let both = |at: Timestamp| format!("{} ({})", time::relative(at, now), time::exact(at));
    let optional = |at: Option<Timestamp>| at.map(both).unwrap_or_default();
    let reason = token.last_fail_reason.as_deref().unwrap_or_default();
    out::fields(&[
        ("id", token.id.clone()),
        ("pool", token.pool.clone()),
        ("token", token.token.clone()),
        ("status", token.state(now)),
        ("units left", token.quota.map_or_else(|| "no quota".to_owned(), |units| units.to_string())),
        ("units spent", token.spent.to_string()),
        ("units reserved", token.reserved.to_string()),
        ("in flight", token.in_flight.to_string()),
        ("added", both(token.created_at)),
        ("times used", token.use_count.to_string()),
        ("last used", optional(token.last_used_at)),
        ("last answered", optional(token.last_sync_at)),
        ("times blamed", token.fail_count.to_string()),
        ("last blamed", optional(token.last_fail_at)),
        ("blamed for", reason.to_owned()),
        ("tags", token.tags.join(", ")),
        ("note", token.note.clone()),
    ])
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::token::list::EXAMPLE;

    #[test]
    fn everything_is_shown() {
        let token: Token = serde_json::from_str(EXAMPLE).unwrap();
        let text = render(&token, Timestamp::from_millis(3_600_000));
        for line in [
            "id              tok_7",
            "status          cooling, over in 60 s",
            "units left      136",
            "last used       2 min ago (",
            "blamed for      401: bad token",
            "tags            nsfw, eu",
        ] {
            assert!(text.contains(line), "{line:?} is missing in\n{text}");
        }
        assert!(!text.contains("last answered"), "{text}");
    }
}
