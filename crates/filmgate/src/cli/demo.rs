//! `filmgate demo`: a gateway with a simulated provider, to try everything without an account.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Context as _, bail};
use filmgate_domain::{Clock as _, Secret, TokenId, TokenInfo};
use filmgate_engine::SystemClock;
use filmgate_simulator::{SimToken, Simulator, SimulatorConfig, demo_tokens};

use super::Globals;
use super::signals::Signals;
use crate::config::Sources;
use crate::demo_tour;
use crate::start::{Options, Running, start};

/// Run a gateway with a simulated provider; nothing leaves this machine.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Where the gateway listens; another port is taken when this one is in use.
    #[arg(long, value_name = "ADDR:PORT", default_value = "127.0.0.1:8000")]
    listen: SocketAddr,
    /// How long the simulator takes for a video, in seconds.
    #[arg(long, value_name = "SECONDS", default_value_t = 6.0)]
    simulated_seconds: f64,
    /// How many tokens each pool has.
    #[arg(long, value_name = "POOL=N,...", default_value = "ssoBasic=3,ssoSuper=3", value_parser = read_tokens)]
    tokens: TokenCounts,
    /// Show the four founding scenarios and a lying provider, then end.
    #[arg(long)]
    tour: bool,
}

/// The pools of the demo, and which of the simulator's tiers their tokens have.
const TIERS: [(&str, &str); 2] = [("ssoBasic", "basic"), ("ssoSuper", "super")];

/// How many tokens each of [`TIERS`] has.
type TokenCounts = [usize; 2];

fn read_tokens(text: &str) -> Result<TokenCounts, String> {
    let mut counts = [3; 2];
    for part in text.split(',').filter(|part| !part.is_empty()) {
        let (pool, count) = part.split_once('=').ok_or(format!("{part:?} is not POOL=N"))?;
        let index = TIERS.iter().position(|(name, _)| *name == pool.trim());
        let index = index.ok_or(format!("the demo has the pools ssoBasic and ssoSuper, not {pool:?}"))?;
        let count = count.trim().parse().map_err(|_| format!("{count:?} is not a number of tokens"))?;
        if count > 100_000 {
            return Err(format!("{count} tokens are too many for a demo; at most 100000"));
        }
        counts[index] = count;
    }
    Ok(counts)
}

/// A demo that runs.
struct Demo {
    running: Running,
    simulator: Simulator,
    client_key: String,
    /// Removed when dropped; `None` when the operator chose the directory.
    temporary: Option<tempfile::TempDir>,
}

/// Runs the demo until Ctrl-C, or until the tour ends.
///
/// # Errors
/// When it cannot start.
pub(super) async fn run(args: Args, globals: &Globals) -> anyhow::Result<ExitCode> {
    let mut signals = Signals::listen()?;
    let demo = begin(&args, globals).await?;
    let code = if args.tour {
        tokio::select! {
            toured = demo_tour::run(&demo.running, &demo.client_key, globals.json) => toured?,
            () = signals.until_stop(&demo.running) => ExitCode::SUCCESS,
        }
    } else {
        if globals.json {
            println!("{}", demo.describe());
        } else {
            demo.greet(&args);
        }
        signals.until_stop(&demo.running).await;
        ExitCode::SUCCESS
    };
    if !globals.json {
        eprintln!("stopping");
    }
    demo.end().await;
    Ok(code)
}

async fn begin(args: &Args, globals: &Globals) -> anyhow::Result<Demo> {
    if !(args.simulated_seconds.is_finite() && (0.0..=86_400.0).contains(&args.simulated_seconds)) {
        bail!("--simulated-seconds takes a number from 0 to 86400");
    }
    let tokens: Vec<Vec<SimToken>> =
        TIERS.iter().zip(args.tokens).map(|((_, tier), count)| demo_tokens(tier, count)).collect();
    let config = SimulatorConfig {
        tokens: tokens.concat(),
        video_seconds: args.simulated_seconds,
        ..SimulatorConfig::default()
    };
    let loopback = SocketAddr::from(([127, 0, 0, 1], 0));
    let simulator = Simulator::start(config, loopback).await.context("the simulator cannot start")?;
    let chosen = named(globals.data_dir.as_ref(), "FILMGATE_DATA_DIR");
    let temporary = match &chosen {
        Some(_) => None,
        None => Some(tempfile::Builder::new().prefix("filmgate-demo-").tempdir()?),
    };
    let data_dir = chosen.or_else(|| temporary.as_ref().map(|dir| dir.path().to_owned()));
    let data_dir = data_dir.unwrap_or_else(|| PathBuf::from("."));
    let sources = sources(args, globals, &simulator);
    let running = start(Options { sources, data_dir, any_port: true }).await?;
    let now = SystemClock.now();
    let infos = TIERS.iter().zip(&tokens).flat_map(|((pool, _), tokens)| {
        tokens.iter().map(|t| TokenInfo::new(TokenId(0), *pool, Secret::new(t.secret.clone()), now))
    });
    running.engine.add_tokens(infos.collect()).await?;
    let client_key = match &running.first_client_key {
        Some(key) => key.clone(),
        None => running.new_client_key("demo").await?,
    };
    Ok(Demo { running, simulator, client_key, temporary })
}

/// The operator's own file is left aside unless it was named: a demo must not reach real providers.
fn sources(args: &Args, globals: &Globals, simulator: &Simulator) -> Sources {
    let mut set = vec![
        format!("server.listen=\"{}\"", args.listen),
        format!("upstreams.xai.base_url=\"{}\"", simulator.url()),
        "upstreams.xai.poll_every=\"1s\"".to_owned(),
        "log.level=\"warn\"".to_owned(),
    ];
    set.extend(globals.set.iter().cloned());
    let env = std::env::vars().collect();
    let file = named(globals.config.as_ref(), "FILMGATE_CONFIG");
    Sources { preset: globals.preset.clone(), file, env, set }
}

/// A path that was named for this demo, and not for the operator's own gateway by the environment.
fn named(path: Option<&PathBuf>, variable: &str) -> Option<PathBuf> {
    let ambient = std::env::var_os(variable).map(PathBuf::from);
    path.filter(|path| ambient.as_ref() != Some(path)).cloned()
}

impl Demo {
    fn describe(&self) -> serde_json::Value {
        let base = &self.running.public_url;
        serde_json::json!({
            "base_url": format!("{base}/v1"),
            "client_key": self.client_key,
            "page_url": format!("{base}/admin"),
            "admin_url": format!("{base}/admin/v1"),
            "admin_key": self.running.admin_key,
            "simulator_url": self.simulator.url(),
            "data_dir": self.running.data_dir,
        })
    }

    fn greet(&self, args: &Args) {
        let Demo { running, client_key: key, .. } = self;
        if let Some(taken) = running.wanted_port_taken {
            println!("{taken} is in use; this demo took another port.\n");
        }
        let base = format!("{}/v1", running.public_url);
        let [basic, superior] = args.tokens;
        let seconds = args.simulated_seconds;
        let kept = if self.temporary.is_some() { "   (removed at the end)" } else { "" };
        println!("filmgate demo: a gateway and a simulated provider; nothing leaves this machine\n");
        println!("  base URL     {base}");
        println!("  client key   {key}");
        println!("  your page    {}/admin   (sign in with {})", running.public_url, running.admin_key);
        println!("  simulator    {}   (a video takes {seconds} s)", self.simulator.url());
        println!("  tokens       {basic} in ssoBasic (480p, 6 s), {superior} in ssoSuper (720p, 15 s)");
        println!("  data         {}{kept}\n", running.data_dir.display());
        println!("Paste into another terminal. 720p, which goes to ssoSuper:\n");
        println!("{}\n", curl(&base, key, "720p"));
        println!("480p up to 6 s, which goes to ssoBasic:\n");
        println!("{}\n", curl(&base, key, "480p"));
        println!("Make a video file, and see what was delivered:\n");
        println!("{}\n", generate(&base, key));
        println!("Ctrl-C ends the demo. `--tour` shows every route at work.");
    }

    async fn end(self) {
        self.running.stop().await;
        self.simulator.stop().await;
        drop(self.temporary);
    }
}

fn curl(base: &str, key: &str, resolution: &str) -> String {
    let body = serde_json::json!({
        "model": "grok-video",
        "messages": [{ "role": "user", "content": "a red fox in the snow" }],
        "video_config": { "resolution_name": resolution, "video_length": 6 },
    });
    format!(
        "  curl -s {base}/chat/completions -H 'Authorization: Bearer {key}' \\\n    \
         -H 'Content-Type: application/json' \\\n    -d '{body}'"
    )
}

/// The program as it was started: it may not be on the PATH.
fn generate(base: &str, key: &str) -> String {
    let program = std::env::current_exe().map_or("filmgate".to_owned(), |path| path.display().to_string());
    let program = if program.contains(' ') { format!("'{program}'") } else { program };
    format!(
        "  FILMGATE_BASE_URL={base} FILMGATE_API_KEY={key} \\\n    \
         {program} generate \"a red fox in the snow\" --resolution 720p --seconds 10 -o fox.mp4"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn token_counts() {
        assert_eq!(read_tokens("ssoBasic=3,ssoSuper=0"), Ok([3, 0]));
        assert_eq!(read_tokens("ssoSuper=1"), Ok([3, 1]));
        for wrong in ["ssoSuper", "ssoUltra=1", "ssoBasic=many", "ssoBasic=-1", "ssoBasic=1000000"] {
            assert!(read_tokens(wrong).is_err(), "{wrong}");
        }
    }
}
