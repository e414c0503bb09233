//! Upstreams of the three kinds, and the gateway in front of them: one that can tell nothing of a lost submission,
//! one that takes idempotency keys, one that lists its videos.

use std::collections::BTreeMap;
use std::time::Duration;

use filmgate_simulator::{Generation, Render, Simulator, SimulatorConfig, Status, demo_tokens};
use reqwest::Method;
use serde_json::json;

use crate::app::{Setup, TestApp, without_limits};

/// The models, each at another kind of upstream.
pub(super) const MODELS: [&str; 3] = ["grok-imagine-video", "keyed", "listed"];

/// What the gateway takes every token to allow. The providers would allow more, and write everything down.
pub(super) const MAX_IN_FLIGHT: usize = 3;
pub(super) const QUOTA_UNITS: u64 = 60;
pub(super) const WINDOW: Duration = Duration::from_secs(10);
pub(super) const COST: u64 = 4;

/// The second provider, in both its dialects; the first is that of every test.
pub(super) struct Providers {
    second: Simulator,
}

fn generous(config: &mut SimulatorConfig) {
    config.tiers = without_limits(["basic", "super", "keyed", "listed"]);
    config.answer_delay = Duration::from_millis(25);
}

impl Providers {
    pub(super) async fn with_gateway() -> (Self, TestApp) {
        let mut config = SimulatorConfig {
            tokens: [demo_tokens("keyed", 3), demo_tokens("listed", 3)].concat(),
            video_seconds: 0.2,
            render: Render::Flat,
            honours_idempotency_keys: true,
            ..SimulatorConfig::default()
        };
        generous(&mut config);
        let second = Simulator::start(config, ([127, 0, 0, 1], 0).into()).await.unwrap();
        let setup = Setup { tokens: [3, 3], video_seconds: 0.2, simulator: generous, ..Setup::default() };
        let app = settings(&second).into_iter().fold(setup, |setup, line| setup.set(&line));
        let app = app.start().await;
        for pool in ["keyed", "listed"] {
            let secrets: Vec<String> = demo_tokens(pool, 3).into_iter().map(|token| token.secret).collect();
            app.admin(Method::POST, "/tokens/import", Some(json!({ pool: secrets }))).await;
        }
        (Self { second }, app)
    }

    /// Everything that was made, at both.
    pub(super) fn made(&self, app: &TestApp) -> Vec<Generation> {
        [app.simulator.generations(), self.second.generations()].concat()
    }

    /// What is wrong in the providers' books: tokens with more at once, or more in a window, than they allow.
    pub(super) fn overruns(&self, app: &TestApp) -> Vec<String> {
        let mut by_token: BTreeMap<String, Vec<Generation>> = BTreeMap::new();
        for generation in self.made(app) {
            by_token.entry(generation.token.name.clone()).or_default().push(generation);
        }
        by_token.iter().flat_map(|(token, made)| overruns_of(token, made)).collect()
    }
}

/// Looked at whenever something was accepted: only then a sum grows.
fn overruns_of(token: &str, made: &[Generation]) -> Vec<String> {
    let window = WINDOW.as_millis() as u64;
    let failed = |g: &Generation| matches!(g.status, Status::Failed | Status::Expired);
    let mut found = Vec::new();
    for at in made.iter().map(|generation| generation.accepted_at_ms) {
        let begun = || made.iter().filter(|g| g.accepted_at_ms <= at);
        let in_flight = begun().filter(|g| g.ends_at_ms > at).count();
        let counts = |g: &&Generation| g.accepted_at_ms + window > at && (!failed(g) || g.ends_at_ms > at);
        let units = begun().filter(counts).count() as u64 * COST;
        if in_flight > MAX_IN_FLIGHT || units > QUOTA_UNITS {
            found.push(format!("{token} at {at}: {in_flight} in flight, {units} units in a window"));
        }
    }
    found
}

fn settings(second: &Simulator) -> Vec<String> {
    let mut lines: Vec<String> = [
        "video.pools=[\"ssoBasic\", \"ssoSuper\", \"keyed\", \"listed\"]",
        "video.models=[\"grok-imagine-video\", \"keyed\", \"listed\"]",
        "video.busy_wait=\"1s\"",
        "models.grok-imagine-video.pools=[\"ssoBasic\", \"ssoSuper\"]",
        "models.keyed.pools=[\"keyed\"]",
        "models.keyed.upstream_names={ keyed = \"grok-imagine-video\" }",
        "models.listed.pools=[\"listed\"]",
        "models.listed.upstream_names={ listed = \"sora-2\" }",
        "upstreams.listed.kind=\"openai\"",
        "upstreams.listed.lost_answer=\"look_up\"",
        "upstreams.listed.look_up_grace=\"800ms\"",
        "upstreams.keyed.lost_answer=\"repeat\"",
        "jobs.deadline=\"15s\"",
        "jobs.slot_hold=\"4s\"",
        "tokens.first_pause=\"300ms\"",
        "outside.allow_private=true",
        "webhooks.first_retry=\"20ms\"",
    ]
    .map(str::to_owned)
    .into();
    lines.push(format!("upstreams.keyed.base_url=\"{}\"", second.url()));
    lines.push(format!("upstreams.listed.base_url=\"{}\"", second.openai_url()));
    lines.extend(["xai", "keyed", "listed"].map(|name| format!("upstreams.{name}.header_timeout=\"1s\"")));
    lines.extend(["keyed", "listed"].map(|name| format!("upstreams.{name}.poll_every=\"50ms\"")));
    let all = "[{ resolution = \"480p\", max_seconds = 12 }, { resolution = \"720p\", max_seconds = 12 }]";
    for name in ["keyed", "listed"] {
        lines.push(format!("pools.{name}.upstream=\"{name}\""));
        lines.push(format!("pools.{name}.delivers={all}"));
    }
    for name in ["ssoBasic", "ssoSuper", "keyed", "listed"] {
        lines.push(format!("pools.{name}.quota_units={QUOTA_UNITS}"));
        lines.push(format!("pools.{name}.quota_window=\"{}s\"", WINDOW.as_secs()));
        lines.push(format!("pools.{name}.costs=[{{ units = {COST} }}]"));
        lines.push(format!("pools.{name}.max_in_flight={MAX_IN_FLIGHT}"));
    }
    lines
}
