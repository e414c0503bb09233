//! `filmgate serve`: the gateway.

use std::process::ExitCode;

use super::Globals;
use super::signals::Signals;
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
    signals.until_stop(&running).await;
    eprintln!("stopping; press Ctrl-C again to stop at once");
    tokio::select! {
        () = running.stop() => {}
        () = signals.interrupted() => {}
    }
    Ok(ExitCode::SUCCESS)
}

/// What a person needs to know after the start, on standard error: standard output stays empty.
fn greet(running: &Running) {
    eprintln!("filmgate {} at {}", env!("CARGO_PKG_VERSION"), running.public_url);
    eprintln!("  base URL for clients   {}/v1", running.public_url);
    if let Some(key) = &running.first_client_key {
        eprintln!("  client key             {key}   (shown this once)");
    }
    if running.is_new_admin_key {
        let path = running.data_dir.join("admin.key");
        eprintln!("  admin key              {}   (kept in {})", running.admin_key, path.display());
    }
    eprintln!("  data directory         {}", running.data_dir.display());
    if running.engine.tokens().is_empty() {
        eprintln!();
        eprintln!("There is no token yet, so no video can be made. Add some from another terminal:");
        eprintln!(
            "  filmgate token import tokens.txt --pool ssoBasic --upstream http://compatible-server/v1"
        );
        eprintln!("or start with the official xAI API:");
        eprintln!("  XAI_API_KEY=... filmgate serve --preset xai");
    } else if let Some(key) = &running.first_client_key {
        eprintln!();
        eprintln!("Make a video from another terminal:");
        eprintln!("  FILMGATE_BASE_URL={}/v1 FILMGATE_API_KEY={key} \\", running.local_url());
        eprintln!(
            "    filmgate generate \"a red fox in the snow\" --resolution 720p --seconds 10 -o fox.mp4"
        );
    }
}
