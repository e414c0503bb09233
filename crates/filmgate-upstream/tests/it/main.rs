//! The adapter against real sockets: a server that writes exactly the bytes it is told to.

mod check;
mod fetch;
mod openai;
mod openai_find;
mod openai_poll;
mod openai_submit;
mod outside;
mod poll;
mod proxy;
mod secrets;
mod server;
mod submit;

use std::sync::Arc;
use std::time::Duration;

use filmgate_domain::{AspectRatio, JobId, Resolution, Seconds, Secret, Shape};
use filmgate_upstream::{Body, Kind, Order, RateLimits, Upstream, UpstreamSettings, connect};

/// A token with characters that encodings change.
const TOKEN: &str = "xai-tok/en+0123456789=abcdefghijklmnop";

fn token() -> Secret {
    Secret::new(TOKEN)
}

/// Time-outs are short enough for tests that wait for one, and long enough for a busy machine in those that
/// must not.
fn settings(base_url: &str) -> UpstreamSettings {
    UpstreamSettings {
        kind: Kind::Xai,
        body: Body::Multipart,
        base_url: base_url.parse().unwrap(),
        credential_header: "authorization".into(),
        credential_prefix: "Bearer ".into(),
        proxy: None,
        rate_limits: RateLimits::Pause,
        connect_timeout: Duration::from_secs(20),
        header_timeout: Duration::from_secs(20),
        idle_timeout: Duration::from_secs(20),
    }
}

/// For tests in which nothing comes.
fn impatient(base_url: &str) -> UpstreamSettings {
    let soon = Duration::from_millis(200);
    UpstreamSettings { connect_timeout: soon, header_timeout: soon, idle_timeout: soon, ..settings(base_url) }
}

fn upstream(base_url: &str) -> Arc<dyn Upstream> {
    connect(&settings(base_url)).unwrap()
}

fn order() -> Order<'static> {
    Order {
        mode: filmgate_domain::Mode::Text,
        inputs: &[],
        added: None,
        model: "grok-imagine-video",
        prompt: "a red \"fox\" 狐",
        shape: Shape {
            resolution: Resolution::P720,
            seconds: Seconds::new(10).unwrap(),
            aspect_ratio: AspectRatio::R9x16,
        },
        job: JobId::from_bytes([7; 16]),
        attempt: 1,
        has_key: false,
    }
}
