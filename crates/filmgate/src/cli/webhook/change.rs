//! `filmgate webhook set|rotate|test|remove`.

use std::process::ExitCode;

use filmgate_domain::Timestamp;
use http::Method;
use serde::Deserialize;
use serde_json::json;

use crate::cli::{Globals, client, out, time};

/// A secret that was just made, if one was.
#[derive(Deserialize)]
struct Made {
    caller_name: String,
    secret: Option<String>,
    previous_until: Option<Timestamp>,
}

pub(super) async fn set(caller: &str, url: Option<&str>, globals: &Globals) -> anyhow::Result<()> {
    let body = json!({ "url": url }).to_string();
    let json = client::with(globals, async |client| {
        client.send(Method::PUT, &["webhooks", caller], &[], body).await
    })
    .await?;
    if globals.json {
        return out::print_json(&json);
    }
    let made: Made = serde_json::from_value(json)?;
    match url {
        Some(url) => out::remark(format_args!("The videos of {} are told to {url}.", made.caller_name)),
        None => {
            out::remark(format_args!("{} is told only where a request names an address.", made.caller_name))
        }
    }
    show_secret(&made)
}

pub(super) async fn rotate(caller: &str, globals: &Globals) -> anyhow::Result<()> {
    let json =
        client::with(globals, async |client| client.post(&["webhooks", caller, "rotate"], &[]).await).await?;
    if globals.json {
        return out::print_json(&json);
    }
    let made: Made = serde_json::from_value(json)?;
    show_secret(&made)?;
    if let Some(until) = made.previous_until {
        let (ends, at) = (time::relative(until, time::now()), time::exact(until));
        out::remark(format_args!(
            "Webhooks are signed with the one before as well; that ends {ends} ({at})."
        ));
    }
    Ok(())
}

fn show_secret(made: &Made) -> anyhow::Result<()> {
    let Some(secret) = &made.secret else { return Ok(()) };
    out::print(secret)?;
    out::remark("This is the secret that webhooks are signed with. It is shown this once.");
    Ok(())
}

/// What came of a test.
#[derive(Deserialize)]
struct Tested {
    id: String,
    url: String,
    delivered: bool,
    status: Option<u16>,
    error: Option<String>,
}

pub(super) async fn test(caller: &str, globals: &Globals) -> anyhow::Result<ExitCode> {
    let json =
        client::with(globals, async |client| client.post(&["webhooks", caller, "test"], &[]).await).await?;
    let tested: Tested = serde_json::from_value(json.clone())?;
    if globals.json {
        out::print_json(&json)?;
    } else {
        let Tested { id, url, status, error, .. } = &tested;
        let status = status.map(|status| status.to_string()).unwrap_or_default();
        let result = match error {
            Some(error) => format!("NOT delivered: {error}"),
            None => "delivered".to_owned(),
        };
        out::print(&out::fields(&[
            ("webhook", id.clone()),
            ("address", url.clone()),
            ("result", result),
            ("status", status),
        ]))?;
    }
    Ok(if tested.delivered { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

pub(super) async fn remove(callers: &[String], globals: &Globals) -> anyhow::Result<()> {
    client::with(globals, async |client| {
        for caller in callers {
            let json = client.delete(&["webhooks", caller]).await?;
            if globals.json {
                out::print_json_line(&json)?;
            } else {
                out::print(&format!("the webhook of {caller} is removed"))?;
            }
        }
        Ok(())
    })
    .await
}
