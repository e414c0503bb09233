//! `filmgate simulator`: a provider to try things against, without the gateway.

use std::net::SocketAddr;
use std::process::ExitCode;

use filmgate_simulator::{Simulator, SimulatorConfig, demo_tokens};

use super::Globals;

/// Run the simulator alone: a provider with tiers, quotas and faults that makes real videos.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Where to listen.
    #[arg(long, value_name = "ADDR:PORT", default_value = "127.0.0.1:9000")]
    listen: SocketAddr,
    /// How long it takes for a video, in seconds.
    #[arg(long, value_name = "SECONDS", default_value_t = 6.0)]
    simulated_seconds: f64,
    /// How many tokens it knows of each of its two tiers.
    #[arg(long, value_name = "N", default_value_t = 3)]
    tokens: usize,
}

/// Runs the simulator until Ctrl-C.
///
/// # Errors
/// When it cannot listen.
pub(super) async fn run(args: Args, globals: &Globals) -> anyhow::Result<ExitCode> {
    let tokens = ["basic", "super"].map(|tier| demo_tokens(tier, args.tokens));
    let secrets = tokens.each_ref().map(|list| list.iter().map(|t| t.secret.clone()).collect::<Vec<_>>());
    let config = SimulatorConfig {
        tokens: tokens.concat(),
        video_seconds: args.simulated_seconds,
        ..SimulatorConfig::default()
    };
    let simulator = Simulator::start(config, args.listen).await?;
    let [basic, superior] = secrets;
    if globals.json {
        let line = serde_json::json!({
            "url": simulator.url(), "tokens": { "ssoBasic": basic, "ssoSuper": superior },
        });
        println!("{line}");
    } else {
        println!("simulator at {}", simulator.url());
        println!("its tokens, for `filmgate token import - --upstream {}`:", simulator.url());
        println!("{}", serde_json::json!({ "ssoBasic": basic, "ssoSuper": superior }));
    }
    tokio::signal::ctrl_c().await?;
    simulator.stop().await;
    Ok(ExitCode::SUCCESS)
}
