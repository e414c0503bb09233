//! A job: one video, from the request to the file.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::{
    CallerId, Delivered, JobFailure, JobId, LostAnswer, OnShortage, Route, Shape, Timestamp, TokenId,
    Verdict, VideoSpec,
};

/// Where a job stands. It moves down this list, never up, save that a refused submission goes back to
/// `Queued` or `Reserved` for another attempt.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum JobState {
    /// It has no token at the moment and waits for one.
    Queued,
    /// A token is reserved; nothing was sent.
    Reserved,
    /// The submission is on its way, or was when the process ended.
    Submitting,
    /// The upstream took it.
    Running,
    /// The upstream is done; the file is being fetched and measured.
    Delivering,
    /// The file is here.
    Completed,
    /// It ended without a file.
    Failed,
}

impl JobState {
    /// All states in order.
    pub const ALL: [JobState; 7] = [
        JobState::Queued,
        JobState::Reserved,
        JobState::Submitting,
        JobState::Running,
        JobState::Delivering,
        JobState::Completed,
        JobState::Failed,
    ];

    /// The word used in the API, the store and the logs.
    pub const fn as_str(self) -> &'static str {
        match self {
            JobState::Queued => "queued",
            JobState::Reserved => "reserved",
            JobState::Submitting => "submitting",
            JobState::Running => "running",
            JobState::Delivering => "delivering",
            JobState::Completed => "completed",
            JobState::Failed => "failed",
        }
    }

    /// Whether nothing more will happen to the job.
    pub const fn is_final(self) -> bool {
        matches!(self, JobState::Completed | JobState::Failed)
    }
}

impl fmt::Display for JobState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// A text that names no state or outcome.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("unknown word {0:?}")]
pub struct UnknownWord(pub String);

impl FromStr for JobState {
    type Err = UnknownWord;
    fn from_str(text: &str) -> Result<Self, UnknownWord> {
        Self::ALL.into_iter().find(|s| s.as_str() == text).ok_or_else(|| UnknownWord(text.to_owned()))
    }
}

/// How an attempt ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// The upstream made the video.
    Done,
    /// The upstream blocked it.
    Moderated,
    /// The upstream tried and failed.
    Failed,
    /// The upstream did not take the submission.
    Refused,
    /// Nobody knows whether the upstream took the submission.
    Unknown,
    /// The job's deadline passed while the upstream was at work.
    TimedOut,
    /// The operator cancelled the job while the upstream was at work.
    Cancelled,
    /// The reservation ended before anything was sent.
    Unsent,
}

impl Outcome {
    /// All outcomes.
    pub const ALL: [Outcome; 8] = [
        Outcome::Done,
        Outcome::Moderated,
        Outcome::Failed,
        Outcome::Refused,
        Outcome::Unknown,
        Outcome::TimedOut,
        Outcome::Cancelled,
        Outcome::Unsent,
    ];

    /// The word used in the API, the store, the logs and the configuration.
    pub const fn as_str(self) -> &'static str {
        match self {
            Outcome::Done => "done",
            Outcome::Moderated => "moderated",
            Outcome::Failed => "failed",
            Outcome::Refused => "refused",
            Outcome::Unknown => "unknown",
            Outcome::TimedOut => "timed_out",
            Outcome::Cancelled => "cancelled",
            Outcome::Unsent => "unsent",
        }
    }
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

impl FromStr for Outcome {
    type Err = UnknownWord;
    fn from_str(text: &str) -> Result<Self, UnknownWord> {
        Self::ALL.into_iter().find(|o| o.as_str() == text).ok_or_else(|| UnknownWord(text.to_owned()))
    }
}

/// One try at a job with one token. While it is not settled, it *is* the reservation of that token.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Attempt {
    /// 1 for the first.
    pub n: u32,
    /// The token; it also polls and fetches.
    pub token: TokenId,
    /// The pool.
    pub pool: Box<str>,
    /// The upstream that the pool belonged to then.
    pub upstream: Box<str>,
    /// The upstream's name of the model.
    pub model: Box<str>,
    /// How the pool relates to what was asked.
    pub route: Route,
    /// Why other pools were passed over; empty when none was.
    pub reason: Box<str>,
    /// What the upstream is asked for.
    pub sent: Shape,
    /// Units reserved.
    pub units: u32,
    /// When the token was reserved.
    pub reserved_at: Timestamp,
    /// When the submission was about to go out.
    pub sent_at: Option<Timestamp>,
    /// What is done if the answer to the submission is lost.
    pub lost_answer: LostAnswer,
    /// Since when the answer is known to be lost, if it is.
    pub lost_at: Option<Timestamp>,
    /// When the upstream answered the submission.
    pub answered_at: Option<Timestamp>,
    /// The upstream's id of the video.
    pub upstream_id: Option<Box<str>>,
    /// Where the upstream says the file is.
    pub video_url: Option<Box<str>>,
    /// What the upstream says it cost, in ticks of 10^-10 USD.
    pub cost_ticks: Option<i64>,
    /// How it ended.
    pub outcome: Option<Outcome>,
    /// What went wrong, in the upstream's words (redacted).
    pub error: Option<Box<str>>,
    /// When the reservation ended.
    pub settled_at: Option<Timestamp>,
    /// Whether its units were spent.
    pub charged: bool,
    /// Until when its slot stays taken all the same.
    pub slot_until: Option<Timestamp>,
}

/// One video, from the request to the file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Job {
    /// Its identity.
    pub id: JobId,
    /// Who asked for it.
    pub caller: CallerId,
    /// What was asked for.
    pub spec: VideoSpec,
    /// What the client wants when no token that can deliver it is to be had.
    pub on_shortage: OnShortage,
    /// While it has had no token: until when it waits for one that can deliver it.
    pub wait_until: Option<Timestamp>,
    /// Where this request wants its end to be told, besides its caller's own webhook.
    pub webhook: Option<Box<str>>,
    /// Where it stands.
    pub state: JobState,
    /// 0 to 100, never going back.
    pub progress: u8,
    /// When it was admitted.
    pub created_at: Timestamp,
    /// When it fails if the upstream is not done by then. Counts from when it first had a token.
    pub deadline: Timestamp,
    /// When it was completed or failed.
    pub finished_at: Option<Timestamp>,
    /// What identifies an identical request of the same caller: a hash of path and body.
    pub fingerprint: [u8; 32],
    /// Every attempt, oldest first.
    pub attempts: Vec<Attempt>,
    /// How many tokens it has blamed.
    pub blamed: u8,
    /// How often the file was tried to be fetched.
    pub fetches: u8,
    /// Why it failed.
    pub failure: Option<JobFailure>,
    /// What the file is.
    pub delivered: Option<Delivered>,
    /// When retention removed the file.
    pub file_removed_at: Option<Timestamp>,
    /// When its caller deleted it: nobody is shown it any more, but what it cost stays in the books.
    pub deleted_at: Option<Timestamp>,
}

impl Job {
    /// A job that was just admitted, without a token so far.
    pub fn new(
        id: JobId,
        caller: CallerId,
        spec: VideoSpec,
        fingerprint: [u8; 32],
        (created_at, deadline): (Timestamp, Timestamp),
    ) -> Self {
        Self {
            id,
            caller,
            spec,
            on_shortage: OnShortage::Fallback,
            wait_until: None,
            webhook: None,
            state: JobState::Queued,
            progress: 0,
            created_at,
            deadline,
            finished_at: None,
            fingerprint,
            attempts: Vec::new(),
            blamed: 0,
            fetches: 0,
            failure: None,
            delivered: None,
            file_removed_at: None,
            deleted_at: None,
        }
    }

    /// The latest attempt.
    pub fn attempt(&self) -> Option<&Attempt> {
        self.attempts.last()
    }

    /// The verdict on the delivered file.
    pub fn verdict(&self) -> Option<Verdict> {
        self.delivered.as_ref().map(|d| d.verdict(&self.spec.shape))
    }

    /// Whether the file is less than what the upstream was asked for: its pool's declared abilities are wrong.
    pub fn falls_short_of_sent(&self) -> bool {
        let sent = self.attempt().map(|a| a.sent);
        self.delivered.as_ref().zip(sent).is_some_and(|(d, sent)| !d.shortfalls(&sent).is_empty())
    }

    /// Whether the file can be had now.
    pub fn has_file(&self) -> bool {
        self.state == JobState::Completed && self.file_removed_at.is_none() && self.deleted_at.is_none()
    }
}
