//! The simulator's heart: takes an order, bills it, and makes its video, whoever still listens.

use std::{
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use axum::http::Uri;
use serde_json::Value;
use sha2::{Digest as _, Sha256};
use tokio_util::sync::CancellationToken;
use tracing::{debug, warn};
use uuid::Uuid;

use crate::{
    config::{AcceptMode, SimulatorConfig},
    error::ApiError,
    faults::Fault,
    files,
    footage::Footage,
    frame::Resolution,
    jobs::{Delivered, Generation, Job, Jobs, Refusal, Status, TokenLabel, ending},
    ledger::{AccountId, Ledger},
    openai,
    order::{Dialect, Order},
    render::{Clip, Studio},
    repeats::{Claim, Repeats},
};

/// `[slow]` takes this many times as long.
const SLOW: u64 = 10;
/// What a client waits that has as many unfinished videos as its tier allows, in seconds.
const IN_FLIGHT_RETRY_SECONDS: u64 = 1;

/// Everything that requests share. No Debug: it holds secrets.
pub(crate) struct App {
    pub(crate) config: SimulatorConfig,
    /// Scheme and authority of the links to files.
    base: String,
    /// Another authority at which it is reached: that of the address which is listened on.
    listens: String,
    /// With it the links are signed that need a signature.
    signing_key: Uuid,
    pub(crate) studio: Studio,
    /// Cancelled when the server stops: answers that never come end then.
    pub(crate) stopping: CancellationToken,
    pub(crate) repeats: Arc<Repeats>,
    books: Mutex<Books>,
}

/// What is written down; one lock, held for moments.
pub(crate) struct Books {
    pub(crate) ledger: Ledger,
    pub(crate) jobs: Jobs,
}

impl Books {
    fn refuse_beyond_limits(&self, owner: AccountId, now_ms: u64) -> Result<(), ApiError> {
        self.ledger.check(owner, now_ms)?;
        let limit = self.ledger.tier(owner).max_in_flight;
        match limit {
            Some(limit) if self.jobs.in_flight(owner, now_ms) >= limit as usize => {
                let message = format!("this account already has {limit} videos in the making");
                Err(ApiError::exhausted(message, IN_FLIGHT_RETRY_SECONDS))
            }
            _ => Ok(()),
        }
    }
}

/// How an accepted order is answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Answer {
    /// With its id.
    Id,
    /// The id is lost on the way, as the prompt asked.
    Garbage,
    Lost,
    Never,
}

impl App {
    /// `base` is what links to files begin with, `listens` the authority of the address.
    pub(crate) fn new(config: SimulatorConfig, base: String, listens: String) -> Self {
        let books = Books { ledger: Ledger::new(&config), jobs: Jobs::default() };
        let studio = Studio::new(config.render);
        let (signing_key, stopping) = (Uuid::new_v4(), CancellationToken::new());
        let repeats = Arc::new(Repeats::new(config.honours_idempotency_keys));
        Self { config, base, listens, signing_key, studio, stopping, repeats, books: Mutex::new(books) }
    }

    pub(crate) fn now_ms(&self) -> u64 {
        self.config.clock.now_ms()
    }

    pub(crate) fn books(&self) -> MutexGuard<'_, Books> {
        self.books.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Where a video's file is, for whoever has the link.
    pub(crate) fn file_url(&self, job: &Job) -> String {
        let url = format!("{}/files/{}.mp4", self.base, job.id);
        match self.signature(job) {
            Some(signature) => format!("{url}?signature={signature}"),
            None => url,
        }
    }

    /// What the link to a file must carry: in OpenAI's dialect files are not for everybody.
    pub(crate) fn signature(&self, job: &Job) -> Option<String> {
        let signed =
            || hex::encode(Sha256::digest([self.signing_key, job.id].map(Uuid::into_bytes).concat()));
        (job.generation.dialect == Dialect::OpenAi).then(signed)
    }

    /// What a link shows that leads to a file of the simulator's own: `None` when it leads elsewhere,
    /// `Some(None)` when there is no such file.
    pub(crate) fn own_footage(&self, address: &Uri) -> Option<Option<Footage>> {
        let authority = address.authority()?.as_str();
        let base = self.base.split_once("://").map_or("", |(_, base)| base);
        if authority != base && authority != self.listens {
            return None;
        }
        let name = address.path().strip_prefix("/files/").unwrap_or_default();
        let now_ms = self.now_ms();
        let mut books = self.books();
        let job = files::find(self, &mut books, name, address.query(), now_ms).ok();
        Some(job.and_then(|job| job.generation.delivered.as_ref()).map(Footage::from))
    }

    /// Takes an order that keeps the rules, and keeps its answer for repetitions. Nothing after this depends on
    /// the client's connection.
    pub(crate) async fn take(
        self: &Arc<Self>,
        received: Received,
        claim: Claim,
        body: Value,
    ) -> Result<Answer, ApiError> {
        self.refuse_as_asked(&received.order)?;
        let answer = match &received.order.faults {
            faults if faults.has(Fault::Hang) => Answer::Never,
            faults if faults.has(Fault::Lost) => Answer::Lost,
            faults if faults.has(Fault::Garbage) => Answer::Garbage,
            _ => Answer::Id,
        };
        let (app, id) = (Arc::clone(self), received.id);
        // A task of its own: were the client to hang up now, this would go on.
        let taken = tokio::spawn(async move {
            pause(app.config.answer_delay).await;
            match app.config.accept {
                AcceptMode::BeforeAnswer => app.accept(received, None),
                AcceptMode::AfterAnswer { delay } => app.promise(received, answer, delay),
            }
            .map(|()| claim.taken(id, body))
        });
        taken.await.unwrap_or_else(|err| Err(ApiError::internal(err.to_string())))?;
        Ok(answer)
    }

    /// Lets an order be answered now and accepts it later.
    fn promise(self: Arc<Self>, order: Received, answer: Answer, delay: Duration) -> Result<(), ApiError> {
        let now_ms = self.now_ms();
        self.books().refuse_beyond_limits(order.owner, now_ms)?;
        let promise = Promise { answered_at_ms: (answer == Answer::Id).then_some(now_ms) };
        tokio::spawn(async move {
            pause(delay).await;
            self.accept(order, Some(promise))
        });
        Ok(())
    }

    /// Notes that the client was told the id.
    pub(crate) fn answered(&self, id: Uuid) {
        let now_ms = self.now_ms();
        if let Some(job) = self.books().jobs.get(id) {
            job.generation.answered_at_ms = Some(now_ms);
        }
    }

    pub(crate) fn note_refusal(&self, refusal: Refusal) {
        debug!(token = refusal.token, status = refusal.status, code = refusal.code, "create refused");
        self.books().jobs.refuse(refusal);
    }

    /// The prompts that are turned away at the door.
    fn refuse_as_asked(&self, order: &Order) -> Result<(), ApiError> {
        if order.faults.has(Fault::Unauthorized) {
            return Err(ApiError::unauthenticated("Unauthorized, as the prompt asked."));
        }
        if order.faults.has(Fault::Error) {
            return Err(ApiError::internal("Internal error, as the prompt asked."));
        }
        if order.faults.has(Fault::Busy) && self.books().jobs.first_time(&order.prompt) {
            return Err(ApiError::exhausted("Busy, as the prompt asked. Try again.", 1));
        }
        Ok(())
    }

    /// Bills an order and starts its video. One that was promised is not refused, even if the quota has
    /// been used up since.
    fn accept(self: Arc<Self>, order: Received, promise: Option<Promise>) -> Result<(), ApiError> {
        let now_ms = self.now_ms();
        let mut books = self.books();
        if promise.is_none() {
            books.refuse_beyond_limits(order.owner, now_ms)?;
        }
        let mut job = self.bill(&mut books, order, now_ms);
        job.generation.answered_at_ms = promise.and_then(|promise| promise.answered_at_ms);
        let (id, clip) = (job.id, job.clip.clone());
        debug!(
            request_id = job.generation.request_id,
            token = job.generation.token.name,
            "generation accepted"
        );
        books.jobs.add(job);
        drop(books);
        if let Some(clip) = clip {
            tokio::spawn(self.draw(id, clip));
        }
        Ok(())
    }

    fn bill(&self, books: &mut Books, received: Received, now_ms: u64) -> Job {
        let Received { id, owner, order, received_at_ms } = received;
        let takes_ms = (self.config.video_seconds * 1000.0) as u64;
        let slow = if order.faults.has(Fault::Slow) { SLOW } else { 1 };
        let ends_at_ms = now_ms.saturating_add(takes_ms.saturating_mul(slow));
        let made = order.made_by(books.ledger.tier(owner));
        let end = ending(&order.faults);
        let units = books.ledger.spend(owner, now_ms, (end == Status::Failed).then_some(ends_at_ms));
        let token = books.ledger.report(owner, now_ms);
        let new_seconds = made.seconds - order.kept_seconds();
        let cost = order.model.cost_ticks(made.resolution, new_seconds, order.images());
        let clip = (end == Status::Done).then(|| clip(&token.tier, &order, &made));
        let generation = Generation {
            request_id: match order.dialect {
                Dialect::Xai => id.to_string(),
                Dialect::OpenAi => openai::spelled(id),
            },
            dialect: order.dialect,
            operation: order.operation,
            token: TokenLabel { name: token.name, tier: token.tier, prefix: token.prefix },
            model: order.model.name().to_owned(),
            asked: order.asked(),
            source: order.source.as_ref().map(Footage::rounded),
            remixed_from: order.remixed_from,
            prompt: order.prompt,
            user: order.user,
            generate_audio: order.generate_audio,
            delivered: (end == Status::Done).then_some(made),
            inputs: order.inputs,
            units,
            cost_in_usd_ticks: if matches!(end, Status::Done | Status::Moderated) { cost } else { 0 },
            received_at_ms,
            accepted_at_ms: now_ms,
            answered_at_ms: None,
            ends_at_ms,
            status: Status::Pending,
            polls: 0,
            fetches: 0,
            deleted: false,
        };
        Job { id, owner, faults: order.faults, clip, drawn: None, generation }
    }

    async fn draw(self: Arc<Self>, id: Uuid, clip: Clip) {
        let film = self.studio.film(&clip).await;
        if let Err(why) = &film {
            warn!(%id, why, "a video could not be drawn");
        }
        if let Some(job) = self.books().jobs.get(id) {
            job.drawn = Some(film.map(|_| ()));
        }
    }
}

/// An order that was answered before it was accepted.
struct Promise {
    /// `None` when the client was not told the id.
    answered_at_ms: Option<u64>,
}

async fn pause(duration: Duration) {
    if duration > Duration::ZERO {
        tokio::time::sleep(duration).await;
    }
}

/// An order on its way to being accepted.
pub(crate) struct Received {
    pub(crate) id: Uuid,
    pub(crate) owner: AccountId,
    pub(crate) order: Order,
    pub(crate) received_at_ms: u64,
}

fn clip(tier: &str, order: &Order, made: &Delivered) -> Clip {
    let words = |resolution: Resolution, seconds: u32| format!("{}, {seconds} s", resolution.name());
    Clip {
        width: made.width,
        height: made.height,
        seconds: made.seconds,
        tier: tier.to_owned(),
        asked: words(order.resolution, order.total_seconds()),
        made: words(made.resolution, made.seconds),
        prompt: order.prompt.clone(),
    }
}
