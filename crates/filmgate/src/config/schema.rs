//! Every setting, typed. `config.defaults.toml` says what each one means and has its default.
//!
//! Sections have no defaults here: the manual is always the lowest layer. Only what the operator names
//! (upstreams, pools, models) has a blank to start from.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::num::{NonZeroU8, NonZeroU32};
use std::path::PathBuf;
use std::time::Duration;

use filmgate_domain::{Capability, Cost, LostAnswer, Outcome};
use filmgate_upstream::{Kind, RateLimits};
use serde::{Deserialize, Serialize};

use super::values::{self, Origin, Proxy};

/// All settings. Printing it, in any format, shows no secrets.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// Where filmgate listens.
    pub server: Server,
    /// Which pool makes which video.
    pub video: Video,
    /// The chat dialect.
    pub chat: Chat,
    /// How jobs run.
    pub jobs: Jobs,
    /// How tokens are treated that are refused.
    pub tokens: Tokens,
    /// Finished videos.
    pub media: Media,
    /// What videos are made from.
    pub inputs: Inputs,
    /// Addresses that clients name.
    pub outside: Outside,
    /// Telling the end of videos.
    pub webhooks: Webhooks,
    /// What is logged, and how.
    pub log: Log,
    /// Providers and compatible servers, by name.
    pub upstreams: BTreeMap<String, UpstreamConfig>,
    /// Pools of tokens, by name, in use or not.
    pub pools: BTreeMap<String, PoolConfig>,
    /// Models, by public name, on offer or not.
    pub models: BTreeMap<String, ModelConfig>,
}

/// `[server]`
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Server {
    /// Where to listen.
    #[serde(deserialize_with = "values::listen")]
    pub listen: SocketAddr,
    /// The address that clients use, without a slash at its end. Empty: see [`Config::public_url`].
    #[serde(deserialize_with = "values::web_address")]
    pub public_url: String,
    /// The certificate that the listener shows, with those that vouch for it: a file in PEM. Empty: no TLS.
    pub tls_certificate: PathBuf,
    /// The certificate's private key: a file in PEM.
    pub tls_key: PathBuf,
    /// The largest request body, in bytes; above zero.
    #[serde(deserialize_with = "values::size", serialize_with = "values::show_size")]
    pub max_body: u64,
    /// Origins whose pages may call filmgate from a browser; `*` means all.
    pub cors_origins: Vec<Origin>,
    /// How long a client may take to send its request's headers; above zero.
    #[serde(deserialize_with = "values::time", serialize_with = "values::show_time")]
    pub header_timeout: Duration,
    /// How long a connection is kept on which nothing more is asked; above zero.
    #[serde(deserialize_with = "values::time", serialize_with = "values::show_time")]
    pub keep_alive_timeout: Duration,
    /// How long a request's body may take to arrive, beside a second for each 16 KiB; above zero.
    #[serde(deserialize_with = "values::time", serialize_with = "values::show_time")]
    pub body_timeout: Duration,
    /// How long a client may take nothing of its answer; above zero.
    #[serde(deserialize_with = "values::time", serialize_with = "values::show_time")]
    pub stall_timeout: Duration,
    /// Connections at once, and requests in progress.
    pub max_connections: NonZeroU32,
    /// Requests that make videos, until their video is admitted.
    pub max_creations: NonZeroU32,
    /// Requests that wait for a video's end.
    pub max_streams: NonZeroU32,
    /// Bytes of large request bodies at once; above zero.
    #[serde(deserialize_with = "values::size", serialize_with = "values::show_size")]
    pub max_body_memory: u64,
    /// How long requests in progress may take to end at a stop; may be zero.
    #[serde(deserialize_with = "values::time_or_zero", serialize_with = "values::show_time")]
    pub shutdown_grace: Duration,
}

/// `[video]`
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Video {
    /// False: the pools in order, whatever the video asks for.
    pub smart_token_routing: bool,
    /// Whether a pool that delivers less may make a video.
    pub allow_fallback_to_basic: bool,
    /// Whether a fallback writes its WARN line.
    pub log_fallback_warning: bool,
    /// Whether a stronger pool than the first sufficient one may make a video.
    pub allow_upgrade_to_super: bool,
    /// The share of a stronger pool's quota, 0 to 1, that upgrades leave.
    #[serde(deserialize_with = "values::share")]
    pub upgrade_reserve: f64,
    /// How long a busy token is waited for before a fallback; may be zero.
    #[serde(deserialize_with = "values::time_or_zero", serialize_with = "values::show_time")]
    pub busy_wait: Duration,
    /// The pools in use, weakest first.
    pub pools: Vec<String>,
    /// The models on offer; the first is the default.
    pub models: Vec<String>,
}

/// `[chat]`
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Chat {
    /// What a completion contains.
    pub content: ChatContent,
    /// How often a quiet stream gets a comment line; above zero.
    #[serde(deserialize_with = "values::time", serialize_with = "values::show_time")]
    pub ping_every: Duration,
}

/// What a chat completion contains.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ChatContent {
    /// A `<video>` element.
    Html,
    /// The bare link.
    Url,
}

/// `[jobs]`
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Jobs {
    /// How long a job may take until its upstream is done; above zero.
    #[serde(deserialize_with = "values::time", serialize_with = "values::show_time")]
    pub deadline: Duration,
    /// Unfinished jobs of all callers.
    pub max_unfinished: NonZeroU32,
    /// Of these, jobs that wait for a token.
    pub max_waiting: NonZeroU32,
    /// Submissions of one job, at most.
    pub max_attempts: NonZeroU32,
    /// Tokens that one job may blame, at most.
    pub max_blames: NonZeroU8,
    /// How long the slot of an unanswered submission stays taken; may be zero.
    #[serde(deserialize_with = "values::time_or_zero", serialize_with = "values::show_time")]
    pub slot_hold: Duration,
    /// The endings whose units count as spent.
    pub charge: Vec<Outcome>,
}

/// `[tokens]`
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Tokens {
    /// After this many refusals in a row a token is expired.
    pub fail_threshold: NonZeroU32,
    /// How long a refused token pauses at first; above zero.
    #[serde(deserialize_with = "values::time", serialize_with = "values::show_time")]
    pub first_pause: Duration,
}

/// `[media]`
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Media {
    /// Where finished videos are kept. Empty: see [`Config::media_dir`].
    pub dir: PathBuf,
    /// How long a finished video is kept; above zero.
    #[serde(deserialize_with = "values::time", serialize_with = "values::show_time")]
    pub keep: Duration,
    /// How much is kept of all videos together, in bytes; above zero.
    #[serde(deserialize_with = "values::size", serialize_with = "values::show_size")]
    pub max_bytes: u64,
    /// The largest single video that is accepted, in bytes; above zero.
    #[serde(deserialize_with = "values::size", serialize_with = "values::show_size")]
    pub max_file: u64,
    /// How long links to videos work; above zero.
    #[serde(deserialize_with = "values::time", serialize_with = "values::show_time")]
    pub link_ttl: Duration,
}

/// `[inputs]`
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Inputs {
    /// The largest image, in bytes; above zero.
    #[serde(deserialize_with = "values::size", serialize_with = "values::show_size")]
    pub max_image: u64,
    /// The largest video, in bytes; above zero.
    #[serde(deserialize_with = "values::size", serialize_with = "values::show_size")]
    pub max_video: u64,
    /// How long fetching one may take; above zero.
    #[serde(deserialize_with = "values::time", serialize_with = "values::show_time")]
    pub fetch_timeout: Duration,
}

/// `[outside]`
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Outside {
    /// Whether private addresses are gone to.
    pub allow_private: bool,
}

/// `[webhooks]`
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Webhooks {
    /// The pause after the first failed try, of which the later ones are multiples; above zero.
    #[serde(deserialize_with = "values::time", serialize_with = "values::show_time")]
    pub first_retry: Duration,
    /// How long a receiver may take to answer; above zero.
    #[serde(deserialize_with = "values::time", serialize_with = "values::show_time")]
    pub timeout: Duration,
}

/// `[log]`
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Log {
    /// How lines look.
    pub format: LogFormat,
    /// What is logged: a filter that `tracing_subscriber::EnvFilter` takes.
    #[serde(deserialize_with = "values::log_level")]
    pub level: String,
}

/// How log lines look.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LogFormat {
    /// For people on a terminal, else JSON.
    Auto,
    /// For people.
    Human,
    /// One JSON object a line.
    Json,
}

/// `[upstreams.NAME]`
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct UpstreamConfig {
    /// The dialect it speaks.
    pub kind: Kind,
    /// How submissions are written. Other than `Auto` only where the dialect leaves a choice.
    pub body: UpstreamBody,
    /// Where its API begins, without a slash at its end. Not empty where a pool in use belongs to it.
    #[serde(deserialize_with = "values::web_address")]
    pub base_url: String,
    /// The header that carries a token, in lower case.
    #[serde(deserialize_with = "values::header_name")]
    pub credential_header: String,
    /// What stands before the token in that header.
    #[serde(deserialize_with = "values::header_text")]
    pub credential_prefix: String,
    /// The proxy for everything sent to it.
    #[serde(deserialize_with = "values::proxy", serialize_with = "values::show_proxy")]
    pub proxy: Option<Proxy>,
    /// What is made of the headers that say how much is left for a token.
    pub rate_limits: RateLimits,
    /// Time for a connection; above zero.
    #[serde(deserialize_with = "values::time", serialize_with = "values::show_time")]
    pub connect_timeout: Duration,
    /// Time until the headers of an answer; above zero.
    #[serde(deserialize_with = "values::time", serialize_with = "values::show_time")]
    pub header_timeout: Duration,
    /// Time without a byte of a body; above zero.
    #[serde(deserialize_with = "values::time", serialize_with = "values::show_time")]
    pub idle_timeout: Duration,
    /// Time for one fetch of a finished video; above zero.
    #[serde(deserialize_with = "values::time", serialize_with = "values::show_time")]
    pub fetch_timeout: Duration,
    /// How often a video in the making is asked about; above zero.
    #[serde(deserialize_with = "values::time", serialize_with = "values::show_time")]
    pub poll_every: Duration,
    /// What is done when the answer to a submission is lost.
    pub lost_answer: LostAnswer,
    /// How long after that a video may still appear in the upstream's list; above zero.
    #[serde(deserialize_with = "values::time", serialize_with = "values::show_time")]
    pub look_up_grace: Duration,
}

/// How submissions are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum UpstreamBody {
    /// As the dialect usually has it.
    Auto,
    /// `multipart/form-data`.
    Multipart,
    /// JSON.
    Json,
}

/// As the upstream of the manual, but without its address: tokens must not go to a server by default.
impl Default for UpstreamConfig {
    fn default() -> Self {
        Self {
            kind: Kind::Xai,
            body: UpstreamBody::Auto,
            base_url: String::new(),
            credential_header: "authorization".to_owned(),
            credential_prefix: "Bearer ".to_owned(),
            proxy: None,
            rate_limits: RateLimits::Pause,
            connect_timeout: Duration::from_secs(10),
            header_timeout: Duration::from_secs(60),
            idle_timeout: Duration::from_secs(30),
            fetch_timeout: Duration::from_secs(15 * 60),
            poll_every: Duration::from_secs(5),
            lost_answer: LostAnswer::GiveUp,
            look_up_grace: Duration::from_secs(2 * 60),
        }
    }
}

/// `[pools.NAME]`
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct PoolConfig {
    /// The upstream that its tokens belong to. Not empty where the pool is in use.
    pub upstream: String,
    /// What its tokens deliver. Not empty where the pool is in use.
    pub delivers: Vec<Capability>,
    /// Units per token and window; 0: no quota.
    pub quota_units: u32,
    /// The window. Zero only where there is no quota, or the pool is not in use.
    #[serde(deserialize_with = "values::time_or_zero", serialize_with = "values::show_time")]
    pub quota_window: Duration,
    /// What a video costs; the first that fits counts.
    pub costs: Vec<Cost>,
    /// Videos that one token makes at once; 0: no limit.
    pub max_in_flight: u32,
    /// Submissions per token in any minute; 0: no limit.
    pub submits_per_minute: u32,
}

/// No quota, no limits, and a video costs one unit: so `quota_units = 50` alone means 50 videos.
impl Default for PoolConfig {
    fn default() -> Self {
        Self {
            upstream: String::new(),
            delivers: Vec::new(),
            quota_units: 0,
            quota_window: Duration::ZERO,
            costs: vec![Cost { resolution: None, max_seconds: None, units: 1, units_per_second: 0 }],
            max_in_flight: 0,
            submits_per_minute: 0,
        }
    }
}

/// `[models.NAME]`
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ModelConfig {
    /// Other names for it.
    pub aliases: Vec<String>,
    /// The pools that serve it, weakest first. Empty: all pools in use.
    pub pools: Vec<String>,
    /// The upstream's name for it by pool, where it is another.
    pub upstream_names: BTreeMap<String, String>,
}
