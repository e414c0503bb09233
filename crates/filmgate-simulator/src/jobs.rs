//! The videos that were accepted, and how each of them stands at a moment.

use std::collections::{HashMap, HashSet};

use serde::Serialize;
use uuid::Uuid;

use crate::{
    faults::{Fault, Faults},
    frame::Resolution,
    inputs::Input,
    ledger::AccountId,
    order::{Dialect, Operation},
    render::Clip,
};

/// One video that was accepted, as `GET /simulator/generations` reports it. Times are milliseconds since
/// the Unix epoch.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Generation {
    /// The id that was given to the client.
    pub request_id: String,
    /// The dialect in which it was asked for.
    pub dialect: Dialect,
    /// What was to be done.
    pub operation: Operation,
    /// Whose video it is.
    pub token: TokenLabel,
    /// The model's name.
    pub model: String,
    /// The prompt as received; empty when there was only an image.
    pub prompt: String,
    /// The `user` field, if it was sent.
    pub user: Option<String>,
    /// The `generate_audio` field, if it was sent. The videos are silent.
    pub generate_audio: Option<bool>,
    /// What the request asked for, defaults filled in.
    pub asked: Asked,
    /// What the file is; `None` for a video that ends without a file.
    pub delivered: Option<Delivered>,
    /// The video it starts from (its length rounded to seconds); `None` for a generation.
    pub source: Option<Delivered>,
    /// The id of the video that it is a remix of.
    pub remixed_from: Option<String>,
    /// Images, sounds and videos that came with the request.
    pub inputs: Vec<Input>,
    /// Quota units that it was billed.
    pub units: u32,
    /// `usage.cost_in_usd_ticks`: 10^10 are one US dollar.
    pub cost_in_usd_ticks: i64,
    /// When the create came in.
    pub received_at_ms: u64,
    /// When it was accepted and billed.
    pub accepted_at_ms: u64,
    /// When the client was told the id; `None` if it never was.
    pub answered_at_ms: Option<u64>,
    /// When it ends at the earliest; a video also waits until its file is drawn.
    pub ends_at_ms: u64,
    /// How it stands now.
    pub status: Status,
    /// How often it was polled by its owner.
    pub polls: u32,
    /// How often its file was fetched (GET, also in part).
    pub fetches: u32,
    /// Whether its owner deleted it. It stays in the books.
    pub deleted: bool,
}

impl Generation {
    /// Whether the client was told the id.
    #[must_use]
    pub fn answered(&self) -> bool {
        self.answered_at_ms.is_some()
    }
}

/// Which token made a video, without its secret.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct TokenLabel {
    /// Its name, such as `super-2`.
    pub name: String,
    /// The name of its tier.
    pub tier: String,
    /// The first characters of its secret.
    pub prefix: String,
}

/// What a request asked for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Asked {
    /// Resolution.
    pub resolution: Resolution,
    /// Length in seconds; of an extension what is to be added.
    pub seconds: u32,
    /// Aspect ratio, such as `16:9`.
    pub aspect_ratio: String,
    /// Width and height, such as `1280x720`; only OpenAI's dialect has it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub size: Option<String>,
}

/// What a file is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Delivered {
    /// Resolution by name.
    pub resolution: Resolution,
    /// Width in pixels.
    pub width: u32,
    /// Height in pixels.
    pub height: u32,
    /// Length in seconds.
    pub seconds: u32,
}

/// How a video stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Status {
    /// Not finished yet.
    Pending,
    /// Finished, with a file.
    Done,
    /// Finished, but the file is withheld (`done` on the wire).
    Moderated,
    /// Failed.
    Failed,
    /// Expired.
    Expired,
}

/// A create that was refused, as `GET /simulator/generations` reports it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Refusal {
    /// When it came in, in milliseconds since the Unix epoch.
    pub received_at_ms: u64,
    /// The token's name; `None` when it is not known or not valid.
    pub token: Option<String>,
    /// The prompt, if the body could be read.
    pub prompt: Option<String>,
    /// The HTTP status of the answer.
    pub status: u16,
    /// The code of the answer.
    pub code: String,
}

/// A video, with what reports do not show.
#[derive(Debug)]
pub(crate) struct Job {
    pub(crate) id: Uuid,
    pub(crate) owner: AccountId,
    pub(crate) faults: Faults,
    /// `None` for a video that ends without a file.
    pub(crate) clip: Option<Clip>,
    /// Set when the file has been drawn, or could not be.
    pub(crate) drawn: Option<Result<(), String>>,
    pub(crate) generation: Generation,
}

impl Job {
    pub(crate) fn status(&self, now_ms: u64) -> Status {
        let waits_for_file = self.clip.is_some() && self.drawn.is_none();
        if now_ms < self.generation.ends_at_ms || waits_for_file {
            return Status::Pending;
        }
        if matches!(self.drawn, Some(Err(_))) {
            return Status::Failed;
        }
        ending(&self.faults)
    }

    /// Whole percent, 0 to 99, growing with time.
    pub(crate) fn progress(&self, now_ms: u64) -> u64 {
        let start = self.generation.accepted_at_ms;
        let whole = self.generation.ends_at_ms.saturating_sub(start).max(1);
        (now_ms.saturating_sub(start) * 100 / whole).min(99)
    }

    /// Length of the file, or the one that was asked for if there is none.
    pub(crate) fn seconds(&self) -> u32 {
        self.generation.delivered.as_ref().map_or_else(|| self.asked_seconds(), |made| made.seconds)
    }

    /// Length of the whole, as asked.
    pub(crate) fn asked_seconds(&self) -> u32 {
        let Generation { operation, source, asked, .. } = &self.generation;
        let kept = source.as_ref().filter(|_| *operation == Operation::Extension);
        asked.seconds + kept.map_or(0, |source| source.seconds)
    }

    pub(crate) fn why_failed(&self) -> &str {
        match &self.drawn {
            Some(Err(why)) => why,
            _ => "The simulated generation failed, as its prompt asked.",
        }
    }

    fn is_of(&self, owner: AccountId, dialect: Dialect) -> bool {
        self.owner == owner && self.generation.dialect == dialect && !self.generation.deleted
    }

    fn report(&self, now_ms: u64) -> Generation {
        Generation { status: self.status(now_ms), ..self.generation.clone() }
    }
}

/// How a video with these faults ends.
pub(crate) fn ending(faults: &Faults) -> Status {
    if faults.has(Fault::Fail) {
        Status::Failed
    } else if faults.has(Fault::Moderate) {
        Status::Moderated
    } else if faults.has(Fault::Expire) {
        Status::Expired
    } else {
        Status::Done
    }
}

/// Every video and every refusal, in the order in which they came.
#[derive(Debug, Default)]
pub(crate) struct Jobs {
    jobs: Vec<Job>,
    by_id: HashMap<Uuid, usize>,
    refusals: Vec<Refusal>,
    /// Prompts that have had their `[busy]`.
    busy: HashSet<String>,
}

impl Jobs {
    pub(crate) fn add(&mut self, job: Job) {
        self.by_id.insert(job.id, self.jobs.len());
        self.jobs.push(job);
    }

    pub(crate) fn get(&mut self, id: Uuid) -> Option<&mut Job> {
        self.by_id.get(&id).map(|&index| &mut self.jobs[index])
    }

    /// A video as its owner sees it. Another account's, another dialect's and a deleted one are as unknown
    /// as one that never was.
    pub(crate) fn of(&mut self, owner: AccountId, id: Uuid, dialect: Dialect) -> Option<&mut Job> {
        self.get(id).filter(|job| job.is_of(owner, dialect))
    }

    /// Every video that an owner sees, in the order in which they came.
    pub(crate) fn all_of(&self, owner: AccountId, dialect: Dialect) -> impl Iterator<Item = &Job> {
        self.jobs.iter().filter(move |job| job.is_of(owner, dialect))
    }

    pub(crate) fn in_flight(&self, owner: AccountId, now_ms: u64) -> usize {
        let unfinished = |job: &&Job| job.owner == owner && job.status(now_ms) == Status::Pending;
        self.jobs.iter().filter(unfinished).count()
    }

    /// Whether this is the first time that the prompt comes.
    pub(crate) fn first_time(&mut self, prompt: &str) -> bool {
        self.busy.insert(prompt.to_owned())
    }

    pub(crate) fn refuse(&mut self, refusal: Refusal) {
        self.refusals.push(refusal);
    }

    pub(crate) fn generations(&self, now_ms: u64) -> Vec<Generation> {
        self.jobs.iter().map(|job| job.report(now_ms)).collect()
    }

    pub(crate) fn refusals(&self) -> Vec<Refusal> {
        self.refusals.clone()
    }
}
