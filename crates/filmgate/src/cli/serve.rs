//! `filmgate serve`: the gateway.

use std::fmt::Write as _;
use std::process::ExitCode;

use filmgate_engine::TokenQuery;

use super::signals::Signals;
use super::{Globals, out, service};
use crate::start::{Options, Running, start};

/// Run the gateway.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Where to listen, such as 0.0.0.0:8000 (the same as --set server.listen=...).
    #[arg(long, value_name = "ADDR:PORT")]
    listen: Option<std::net::SocketAddr>,
}

/// Runs the gateway until it is told to stop.
///
/// # Errors
/// When it cannot start.
pub(super) async fn run(args: Args, globals: &Globals) -> anyhow::Result<ExitCode> {
    let mut signals = Signals::listen()?;
    let mut sources = globals.sources();
    sources.set.extend(args.listen.map(|listen| format!("server.listen=\"{listen}\"")));
    let running = start(Options { sources, data_dir: globals.data_dir(), any_port: false }).await?;
    greet(&running);
    service::ready(&running.public_url);
    let local_url = running.local_url();
    let lost = tokio::select! {
        () = signals.until_stop(&running) => None,
        lost = running.until_lost() => Some(lost),
        never = service::stay_alive(&local_url, running.tls.clone()) => match never {},
    };
    service::stopping();
    if let Some(error) = lost {
        tracing::error!(%error, "nothing is accepted any more; filmgate ends");
        running.stop().await;
        return Err(error);
    }
    // Whoever does not read this any more loses nothing.
    let _ = out::print("stopping; press Ctrl-C again to stop at once");
    tokio::select! {
        () = running.stop() => {}
        () = signals.interrupted() => {}
    }
    Ok(ExitCode::SUCCESS)
}

/// Tells a person what to know after the start. It goes to standard output: the first keys are in it, and what
/// is on standard error is the log, which no key may reach.
fn greet(running: &Running) {
    if let Err(error) = out::print(&greeting(running))
        && running.first_client_key.is_some()
    {
        tracing::warn!(
            "the first client key could not be shown ({error}); `filmgate key create` makes another"
        );
    }
}

fn greeting(running: &Running) -> String {
    let url = &running.public_url;
    let mut text = format!(
        "filmgate {} at {url}\n  base URL for clients   {url}/v1\n  data directory         {}\n",
        env!("CARGO_PKG_VERSION"),
        running.data_dir.display(),
    );
    text.push_str(&first_keys(running));
    text.push_str(&next_step(running));
    text
}

/// The keys that were made just now, in a block that meets the eye in a log of containers.
fn first_keys(running: &Running) -> String {
    let mut keys = String::new();
    if let Some(key) = &running.first_client_key {
        let _ = writeln!(keys, "  client key   {key}\n               for applications; shown this once");
    }
    if running.is_new_admin_key {
        let path = running.data_dir.join("admin.key");
        let _ = writeln!(
            keys,
            "  admin key    {}\n               for you; kept in {}",
            running.admin_key,
            path.display()
        );
    }
    if keys.is_empty() {
        return keys;
    }
    format!("\n{:=<68}\n{keys}{:=<68}\n", "==== new keys ", "")
}

/// What there is to do next, as long as nothing was done yet.
fn next_step(running: &Running) -> String {
    if running.engine.token_page(&TokenQuery::default()).total == 0 {
        "\nThere is no token yet, so no video can be made. Add some from another terminal:\n  \
           filmgate token import tokens.txt --pool ssoBasic --upstream http://compatible-server/v1\n\
         or start with the official xAI API:\n  \
           XAI_API_KEY=... filmgate serve --preset xai\n"
            .to_owned()
    } else if let Some(key) = &running.first_client_key {
        format!(
            "\nMake a video from another terminal:\n  \
               FILMGATE_BASE_URL={}/v1 FILMGATE_API_KEY={key} \\\n    \
                 filmgate generate \"a red fox in the snow\" --resolution 720p --seconds 10 -o fox.mp4\n",
            running.local_url()
        )
    } else {
        String::new()
    }
}
