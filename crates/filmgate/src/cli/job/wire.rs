//! A job, as the admin API shows it, and the `filmgate` object, as every answer about a video has it.

use filmgate_domain::{Outcome, Route, Shape, Timestamp, Verdict};
use serde::Deserialize;

use crate::cli::out;

/// A job, as the admin API shows it.
#[derive(Debug, Deserialize)]
pub(in crate::cli) struct Job {
    pub(super) id: String,
    pub(super) caller: String,
    pub(super) model: String,
    pub(super) prompt: String,
    pub(super) state: String,
    pub(super) progress: u8,
    pub(super) created_at: Timestamp,
    pub(super) deadline: Timestamp,
    pub(super) finished_at: Option<Timestamp>,
    pub(super) failure: Option<Failure>,
    pub(super) file_removed_at: Option<Timestamp>,
    pub(in crate::cli) attempts: Vec<Attempt>,
    #[serde(rename = "filmgate")]
    pub(super) report: Report,
}

/// Why a job failed.
#[derive(Debug, Deserialize)]
pub(super) struct Failure {
    pub(super) code: String,
    pub(super) message: String,
}

/// One try with one token.
#[derive(Debug, Deserialize)]
pub(in crate::cli) struct Attempt {
    pub(super) n: u32,
    pub(super) token: String,
    pub(super) pool: String,
    pub(in crate::cli) upstream: String,
    pub(super) model: String,
    pub(super) route: Route,
    #[serde(default)]
    pub(super) reason: String,
    pub(super) sent: Shape,
    pub(super) units: u32,
    pub(super) charged: bool,
    pub(super) reserved_at: Timestamp,
    pub(super) sent_at: Option<Timestamp>,
    pub(super) answered_at: Option<Timestamp>,
    pub(super) settled_at: Option<Timestamp>,
    pub(super) slot_until: Option<Timestamp>,
    pub(super) upstream_id: Option<String>,
    /// In 10^-10 USD.
    pub(in crate::cli) cost_ticks: Option<i64>,
    pub(super) outcome: Option<Outcome>,
    pub(super) error: Option<String>,
}

/// What filmgate tells about a video beyond what a dialect can say. Another gateway tells none of it.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(in crate::cli) struct Report {
    pub(in crate::cli) pool: Option<String>,
    pub(in crate::cli) route: Option<Route>,
    /// Why other pools were passed over.
    pub(in crate::cli) reason: Option<String>,
    pub(in crate::cli) asked: Option<Shape>,
    pub(in crate::cli) sent: Option<Shape>,
    pub(in crate::cli) delivered: Option<Measured>,
    pub(in crate::cli) verdict: Option<Verdict>,
    /// What is missing of what was asked, in words.
    pub(in crate::cli) shortfalls: Vec<String>,
    pub(in crate::cli) routes: Vec<Try>,
}

/// A file, as measured.
#[derive(Debug, Deserialize)]
pub(in crate::cli) struct Measured {
    pub(in crate::cli) width: u32,
    pub(in crate::cli) height: u32,
    pub(in crate::cli) seconds: f64,
    pub(in crate::cli) codec: String,
    pub(in crate::cli) bytes: u64,
}

/// One attempt, as clients see it.
#[derive(Debug, Deserialize)]
pub(in crate::cli) struct Try {
    pub(in crate::cli) n: u32,
    pub(in crate::cli) pool: String,
    pub(in crate::cli) outcome: Option<Outcome>,
    pub(in crate::cli) error: Option<String>,
}

impl Measured {
    /// `1280x720, 10.0s, h264, 1.2 MiB`
    pub(in crate::cli) fn words(&self) -> String {
        let Measured { width, height, seconds, codec, bytes } = self;
        format!("{width}x{height}, {seconds:.1}s, {codec}, {}", out::bytes(*bytes))
    }
}

impl Report {
    /// The verdict in words; empty while there is none.
    pub(in crate::cli) fn judgement(&self) -> String {
        match self.verdict {
            None => String::new(),
            Some(Verdict::AsAsked) => "as asked".to_owned(),
            Some(Verdict::Downgraded) => format!("DOWNGRADED: {}", self.shortfalls.join(", ")),
        }
    }
}

/// A price in 10^-10 USD.
pub(in crate::cli) fn dollars(ticks: i64) -> String {
    format!("${:.4}", ticks as f64 / 1e10)
}
