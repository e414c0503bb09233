//! A provider to try filmgate against: tiers, quotas, faults, and real playable videos.
//!
//! It speaks the xAI dialect and the OpenAI Videos dialect over real HTTP, with the same tokens and books
//! behind both. It shares no code with the gateway, so that it cannot share the gateway's mistakes. See
//! [`SimulatorConfig`] for what can be set.
//!
//! | Path | What |
//! |---|---|
//! | `POST /v1/videos/generations` | takes an order, answers `{"request_id": ...}` |
//! | `POST /v1/videos/edits` | the same, for a video of at most 8.7 s that is to be changed |
//! | `POST /v1/videos/extensions` | the same, for a video of 2 to 15 s that is to go on |
//! | `GET /v1/videos/{request_id}` | 202 while pending, then 200 with `done`, `failed` or `expired` |
//! | `GET /v1/models` | the models; a way to check a token that costs nothing |
//! | `GET /files/{id}.mp4` | the video, without a token; HEAD and Range work |
//! | `POST /openai/v1/videos` | takes an order, multipart or JSON; answers the video object |
//! | `GET /openai/v1/videos` | the token's videos: `after`, `limit`, `order` |
//! | `POST /openai/v1/videos/edits` | changes a video that is sent (`video`) or was made here (`video[id]`) |
//! | `POST /openai/v1/videos/extensions` | lets such a video go on |
//! | `POST /openai/v1/videos/{id}/remix` | makes one again from other words |
//! | `GET /openai/v1/videos/{id}` | the video object |
//! | `GET /openai/v1/videos/{id}/content` | the video, with the token; HEAD and Range work |
//! | `DELETE /openai/v1/videos/{id}` | forgets a video that has ended |
//! | `GET /openai/v1/models` | the models of this dialect |
//! | `GET /simulator/generations` | what was accepted and what was refused ([`Generation`], [`Refusal`]) |
//! | `GET /simulator/tokens` | every token and what is left of its quota ([`TokenReport`]) |
//! | `POST /simulator/tokens/{name}` | `{"remaining": 0}`, `{"valid": false}` |
//!
//! A video that a client sends is measured, one that was made here is known, and one elsewhere is never
//! fetched: it is taken for 480p, 16:9 and 6 s. The ids of OpenAI's dialect hold `/`, `+` and `=`, so that
//! clients must escape them.
//!
//! Words in a prompt make something go wrong, in both dialects:
//!
//! | Word | What happens |
//! |---|---|
//! | `[fail]` | ends failed; its units come back |
//! | `[moderate]` | ends done, with an empty URL and `respect_moderation` false; billed. OpenAI: ends failed, `moderation_blocked` |
//! | `[expire]` | ends expired. OpenAI: ends failed, `expired` |
//! | `[slow]` | takes ten times as long |
//! | `[quiet]` | while it is pending, polls get 202 with an empty body |
//! | `[busy]` | 429 with `Retry-After: 1`, once for each prompt text |
//! | `[unauthorized]` | 401, whatever the token |
//! | `[error]` | 500, nothing is made |
//! | `[hang]` | made and billed, but the create is never answered |
//! | `[lost]` | made and billed, but the create is answered with 504 |
//! | `[garbage]` | made and billed, but the create is answered with 200 and no JSON |
//! | `[cutoff]` | the file ends in the middle of its pictures |
//! | `[hangup]` | the connection ends in the middle of the file |
//! | `[notvideo]` | an HTML page instead of the file |
//! | `[lie]` | 480p whatever was asked |

mod app;
mod clock;
mod config;
mod error;
mod faults;
mod files;
mod footage;
mod frame;
mod http;
mod inputs;
mod jobs;
mod ledger;
mod limits;
mod model;
mod openai;
mod order;
mod render;
mod repeats;
mod xai;

use std::{fmt, io, net::SocketAddr, sync::Arc, time::Duration};

use axum::serve::ListenerExt as _;
use tokio::{net::TcpListener, task::JoinHandle};

pub use clock::{ManualClock, SimClock};
pub use config::{
    AcceptMode, LimitHeaders, OpenAiManners, Render, SimToken, SimulatorConfig, Tier, demo_tokens,
};
pub use frame::Resolution;
pub use inputs::Input;
pub use jobs::{Asked, Delivered, Generation, Refusal, Status, TokenLabel};
pub use ledger::TokenReport;
pub use order::{Dialect, Operation};
pub use render::flat_video;

/// How long open connections may go on after [`Simulator::stop`].
const STOP_GRACE: Duration = Duration::from_secs(2);

/// A running simulator. Dropping it stops it as well, without waiting.
pub struct Simulator {
    app: Arc<app::App>,
    addr: SocketAddr,
    server: Option<JoinHandle<()>>,
}

impl Simulator {
    /// Starts to listen; port 0 takes a free one. Must be called inside a tokio runtime.
    ///
    /// # Errors
    ///
    /// `InvalidInput` for a configuration that makes no sense (a token of an unknown tier, two tokens
    /// with one name, ...); otherwise what binding the address says.
    pub async fn start(config: SimulatorConfig, listen: SocketAddr) -> io::Result<Self> {
        if let Some(problem) = config.problem() {
            return Err(io::Error::new(io::ErrorKind::InvalidInput, problem));
        }
        let listener = TcpListener::bind(listen).await?;
        let addr = listener.local_addr()?;
        let listens = reachable(addr).to_string();
        let base = match &config.public_base {
            Some(base) => base.trim_end_matches('/').to_owned(),
            None => format!("http://{listens}"),
        };
        let app = Arc::new(app::App::new(config, base, listens));
        let router = http::router(Arc::clone(&app));
        let stopping = app.stopping.clone();
        let listener = listener.tap_io(|stream| {
            // Only a matter of speed.
            let _ = stream.set_nodelay(true);
        });
        let server = tokio::spawn(async move {
            let serving = axum::serve(listener, router).with_graceful_shutdown(stopping.cancelled_owned());
            if let Err(err) = serving.await {
                tracing::error!(%err, "the simulator stopped");
            }
        });
        Ok(Self { app, addr, server: Some(server) })
    }

    /// The address that is listened on.
    #[must_use]
    pub fn addr(&self) -> SocketAddr {
        self.addr
    }

    /// What a client of xAI's dialect takes as its base URL: `http://127.0.0.1:PORT/v1`.
    #[must_use]
    pub fn url(&self) -> String {
        format!("http://{}/v1", reachable(self.addr))
    }

    /// What a client of OpenAI's dialect takes as its base URL: `http://127.0.0.1:PORT/openai/v1`.
    #[must_use]
    pub fn openai_url(&self) -> String {
        format!("http://{}/openai/v1", reachable(self.addr))
    }

    /// Every video that was accepted, in order.
    #[must_use]
    pub fn generations(&self) -> Vec<Generation> {
        self.app.books().jobs.generations(self.app.now_ms())
    }

    /// Every create that was refused, in order.
    #[must_use]
    pub fn refusals(&self) -> Vec<Refusal> {
        self.app.books().jobs.refusals()
    }

    /// Every token and what is left of its quota.
    #[must_use]
    pub fn tokens(&self) -> Vec<TokenReport> {
        self.app.books().ledger.reports(self.app.now_ms())
    }

    /// Stops listening and ends every connection, after at most two seconds.
    pub async fn stop(mut self) {
        self.app.stopping.cancel();
        if let Some(mut server) = self.server.take()
            && tokio::time::timeout(STOP_GRACE, &mut server).await.is_err()
        {
            server.abort();
        }
    }
}

impl fmt::Debug for Simulator {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Simulator").field("addr", &self.addr).finish_non_exhaustive()
    }
}

impl Drop for Simulator {
    fn drop(&mut self) {
        self.app.stopping.cancel();
    }
}

/// The address with loopback in place of "every interface", which nobody can connect to.
fn reachable(addr: SocketAddr) -> SocketAddr {
    if !addr.ip().is_unspecified() {
        return addr;
    }
    match addr {
        SocketAddr::V4(_) => SocketAddr::from(([127, 0, 0, 1], addr.port())),
        SocketAddr::V6(_) => SocketAddr::from(([0, 0, 0, 0, 0, 0, 0, 1_u16], addr.port())),
    }
}
