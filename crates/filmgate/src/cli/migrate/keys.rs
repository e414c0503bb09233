//! The old gateway's keys: those of applications, and the operator's.

use std::path::Path;

use anyhow::Context as _;
use filmgate_domain::Secret;
use http::Method;
use serde_json::json;

use super::report::Report;
use super::settings::{OldKey, Wanted};
use crate::cli::client::AdminClient;
use crate::cli::out::quoted;
use crate::cli::refused::Refused;
use crate::cli::{Globals, key};
use crate::config;
use crate::data_dir::{self, DataDir, secret_from_env};
use crate::start;

/// A shorter key is guessed before long, and is not taken over at all.
const SHORTEST: usize = 6;
/// A shorter key works, and should be replaced soon.
const STRONG: usize = 16;

/// Adds the client keys, or only says so.
pub(super) async fn bring(
    client: &AdminClient,
    keys: &[OldKey],
    apply: bool,
    report: &mut Report,
) -> anyhow::Result<()> {
    for old in keys {
        let OldKey { from, name, key } = old;
        let create = format!("filmgate key create {}", quoted(name));
        if let Some(why) = unusable(key.expose()) {
            report.needs(format!("{from}: the key {key} {why}; give that application a new one."), [create]);
            continue;
        }
        let to = format!("client key {key} ({name})");
        let id = if apply { add(client, old).await? } else { Added::Dry };
        match id {
            Added::Dry | Added::New(_) => report.takes(from, to, false),
            Added::Known => report.takes(from, to, true),
            Added::Revoked(why) => {
                report.needs(format!("{from}: {why}. Make another for its application."), [create]);
                continue;
            }
        }
        if key.expose().len() < STRONG {
            let revoke = match id {
                Added::New(id) => format!("filmgate key revoke {id}"),
                _ => "filmgate key list  # then: filmgate key revoke key_N".to_owned(),
            };
            let fresh =
                format!("filmgate key create {} --caller {}", quoted(&format!("{name}-new")), quoted(name));
            report.needs(
                format!(
                    "{from}: the client key {key} has only {} characters, which can be guessed. It goes on working; \
                     give its application another that sees the same videos, then revoke it:",
                    key.expose().len()
                ),
                [fresh, revoke],
            );
        }
    }
    Ok(())
}

/// Why a text cannot be a key here.
fn unusable(text: &str) -> Option<&'static str> {
    if !text.bytes().all(|byte| byte.is_ascii_graphic()) {
        return Some("has characters that cannot be sent as they are (spaces, or not ASCII)");
    }
    match text.len() {
        ..SHORTEST => Some("is so short that it is no protection"),
        513.. => Some("is longer than 512 characters"),
        _ => None,
    }
}

/// What became of a key.
enum Added {
    Dry,
    New(String),
    Known,
    Revoked(String),
}

async fn add(client: &AdminClient, old: &OldKey) -> anyhow::Result<Added> {
    let body = json!({ "name": old.name, "key": old.key.expose() }).to_string();
    match client.send(Method::POST, &["keys"], &[], body).await {
        Ok(json) => Ok(Added::New(serde_json::from_value::<key::Created>(json)?.id)),
        Err(error) => match error.downcast_ref::<Refused>().and_then(|refused| refused.code.as_deref()) {
            Some("key_exists") => Ok(Added::Known),
            Some("key_revoked") => Ok(Added::Revoked(refusal(&error))),
            _ => Err(error.context(format!("the client key of {} could not be added", old.name))),
        },
    }
}

fn refusal(error: &anyhow::Error) -> String {
    error.downcast_ref::<Refused>().map_or_else(|| error.to_string(), |refused| refused.message.clone())
}

/// What is to be done about the admin key.
#[derive(Debug, PartialEq, Eq)]
enum Place {
    /// The data directory has none: it can be written.
    Free,
    /// It is this one already.
    Same,
    /// Another one is there, and stays.
    Other,
    /// The environment names one, which is stronger than any file.
    Environment,
    /// The server is elsewhere.
    Remote,
}

/// Makes the old password the admin key, where that is possible, or only says so. This has to come before a data
/// directory is opened: that makes an admin key if there is none.
pub(super) async fn adopt_admin_key(
    wanted: &Wanted,
    globals: &Globals,
    apply: bool,
    again: &str,
    report: &mut Report,
) -> anyhow::Result<()> {
    let Some((from, key)) = &wanted.admin_key else { return Ok(()) };
    // A password may have blanks in it.
    if let Some(why) = unusable(&key.expose().replace(' ', "-")) {
        report.needs(format!("{from}: the password {key} {why}; filmgate has an admin key of its own."), []);
        return Ok(());
    }
    if wanted.keys.iter().any(|client| client.key.expose() == key.expose()) {
        report.needs(
            format!(
                "{from} is the same text as a client key, so every application could act as the operator. It was not \
                 taken over; filmgate makes an admin key of its own."
            ),
            [],
        );
        return Ok(());
    }
    let data_dir = globals.data_dir();
    let place = place(globals, &data_dir, key)?;
    if place == Place::Free && apply {
        // Nothing is written on behalf of a configuration that cannot be used.
        config::load(&globals.sources())
            .map_err(|errors| anyhow::anyhow!("{errors}"))
            .context("configuration")?;
        DataDir::take(&data_dir)?.adopt_admin_key(key.expose())?;
    }
    tell(place, from, key, &data_dir, again, report)
}

fn place(globals: &Globals, data_dir: &Path, key: &Secret) -> anyhow::Result<Place> {
    if globals.admin_url.as_deref().is_some_and(|url| !url.trim().is_empty()) {
        return Ok(Place::Remote);
    }
    let is_it = |text: &str| if text == key.expose() { Place::Same } else { Place::Other };
    if let Some(text) = secret_from_env("FILMGATE_ADMIN_KEY")? {
        return Ok(if text == key.expose() { Place::Same } else { Place::Environment });
    }
    Ok(data_dir::admin_key_of(data_dir)?.map_or(Place::Free, |text| is_it(&text)))
}

fn tell(
    place: Place,
    from: &str,
    key: &Secret,
    data_dir: &Path,
    again: &str,
    report: &mut Report,
) -> anyhow::Result<()> {
    let file = quoted(&data_dir.join("admin.key").display().to_string());
    let is_taken = matches!(place, Place::Free | Place::Same);
    match place {
        Place::Free => report.takes(from, format!("admin key {key} ({file})"), false),
        Place::Same => report.takes(from, format!("admin key {key}"), true),
        Place::Other => {
            let running = if start::is_locked(data_dir)? {
                "A running server cannot change its admin key: stop it first. "
            } else {
                ""
            };
            report.needs(
                format!(
                    "{from}: the data directory has another admin key, which stays. {running}To use the old \
                     password, remove that key and run this again:"
                ),
                [format!("rm {file}"), again.to_owned()],
            );
        }
        Place::Environment => report.needs(
            format!("{from}: FILMGATE_ADMIN_KEY names another admin key, and is stronger than a file; it stays."),
            [],
        ),
        Place::Remote => report.needs(
            format!("{from}: an admin key cannot be set from afar. Run this on the server's own machine, before it starts."),
            [],
        ),
    }
    if is_taken && key.expose().len() < STRONG {
        report.needs(
            format!(
                "{from}: the admin key {key} has only {} characters, which can be guessed. Stop the server, remove \
                 the key and start again: a fresh one is made and printed.",
                key.expose().len()
            ),
            [format!("rm {file}")],
        );
    }
    Ok(())
}
