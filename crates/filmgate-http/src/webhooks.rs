//! Tells callers that their videos ended, by the rules of [Standard Webhooks](https://www.standardwebhooks.com).
//!
//! The store has a row for each address that is to be told; it was written in the commit that ended the job. Here
//! what is due is sent, a few at a time, and what came of it is noted. A crash in between sends a webhook twice,
//! under the same `webhook-id`; none is lost. One about a video that its caller deleted is sent all the same: the
//! video did end. No webhook holds a prompt.

mod event;

use std::collections::HashMap;
use std::time::Duration;

use filmgate_domain::{JobId, Timestamp};
use filmgate_engine::{Answered, OutsideError};
use filmgate_store::{Delivery, Due, EventId, StoreError, Try};
use http::StatusCode;
use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::registry::Registry;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use crate::App;
use crate::auth::Caller;
use crate::refusal::Refusal;

pub(crate) use event::{Event, new_secret};

/// How webhooks are sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct WebhookSettings {
    /// The pause after the first failed try; later ones are multiples of it.
    pub first_retry: Duration,
    /// How long a receiver may take to answer.
    pub timeout: Duration,
}

/// The pauses between tries, in first pauses: 5s, 5m, 30m, 2h, 5h, 10h, 14h, 20h, 24h where the first is 5s.
const PAUSES: [u32; 9] = [1, 60, 360, 1440, 3600, 7200, 10_080, 14_400, 17_280];

/// How long after a job's end its webhook is tried for the last time.
const TRIED_FOR: Duration = Duration::from_secs(72 * 3600);

/// Webhooks on the wire at once.
const AT_ONCE: usize = 16;

/// Of these, to one server: a dead one must not take all the places.
const PER_HOST: usize = 4;

/// How long a finished delivery is kept to be looked at.
const KEPT: Duration = Duration::from_secs(30 * 24 * 3600);

/// How often old deliveries and secrets are cleared away.
const CLEAR_EVERY: Duration = Duration::from_secs(3600);

/// The longest time between two looks: the system's clock may be set meanwhile.
const LOOK_EVERY: Duration = Duration::from_secs(30);

/// The pause after the storage failed.
const STORE_PAUSE: Duration = Duration::from_secs(5);

/// How long the end of a job may take to show once it is on disk.
const PUBLISHED: Duration = Duration::from_secs(1);

/// How long webhooks on the wire may take once filmgate is stopped.
const LAST_WORDS: Duration = Duration::from_secs(2);

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Came {
    outcome: &'static str,
}

/// What came of sending webhooks, counted. Cloning shares it.
#[derive(Clone, Default)]
pub(crate) struct Tally(Family<Came, Counter>);

impl Tally {
    pub(crate) fn register(&self, to: &mut Registry) {
        // There from the start: a counter that begins with its first event hides that event from `increase()`.
        for outcome in ["delivered", "failed", "given_up"] {
            drop(self.0.get_or_create(&Came { outcome }));
        }
        to.register("webhook_tries", "Webhooks sent, by what came of it", self.0.clone());
    }

    fn count(&self, tried: &Try) {
        let outcome = match (&tried.error, tried.again_at) {
            (None, _) => "delivered",
            (Some(_), Some(_)) => "failed",
            (Some(_), None) => "given_up",
        };
        self.0.get_or_create(&Came { outcome }).inc();
    }
}

/// Looks at the address that a request wants its video's end to be told to. Gives it as it will be used.
pub(crate) async fn accept(app: &App, caller: Caller, url: &str, field: &str) -> Result<Box<str>, Refusal> {
    let invalid = |why: String| Refusal::invalid(field, format!("`{field}`: {why}"));
    let url = app.engine.settings().outside.check(url).map_err(|error| invalid(error.to_string()))?;
    let store = app.engine.store();
    if store.webhook_secrets(caller.0, app.engine.now()).await?.is_empty() {
        let callers = store.callers().await?;
        let name = callers.iter().find(|known| known.id == caller.0).map_or("CALLER", |known| &known.name);
        // Nobody could tell an unsigned webhook from a forged one.
        return Err(invalid(format!(
            "there is no secret to sign webhooks with; the operator makes one with `filmgate webhook rotate {name}`"
        )));
    }
    Ok(url.as_str().into())
}

impl App {
    /// Sends webhooks until `stop`. One process does this, once.
    pub async fn deliver_webhooks(self, stop: CancellationToken) {
        let store = self.engine.store().clone();
        let mut sending = Sending::default();
        let mut clear_at = self.engine.now();
        while !stop.is_cancelled() {
            let now = self.engine.now();
            if now >= clear_at {
                store.forget_deliveries(now - KEPT).detach();
                store.wipe_replaced_secrets(now).detach();
                clear_at = now + CLEAR_EVERY;
            }
            let pause = match store.due_deliveries(now, PER_HOST as u32, AT_ONCE as u32).await {
                Ok(Due { deliveries, next }) => {
                    deliveries.into_iter().for_each(|delivery| sending.start(&self, delivery));
                    next.map_or(LOOK_EVERY, |next| next.since(self.engine.now())).min(LOOK_EVERY)
                }
                Err(error) => {
                    tracing::error!(%error, "webhooks cannot be read");
                    STORE_PAUSE
                }
            };
            tokio::select! {
                () = stop.cancelled() => {}
                () = store.news() => {}
                () = sending.one_ends() => {}
                () = tokio::time::sleep(pause) => {}
            }
        }
        // Whatever does not end in time is sent again at the next start.
        let _ =
            tokio::time::timeout(LAST_WORDS, async { while sending.tasks.join_next().await.is_some() {} })
                .await;
    }

    /// Sends a webhook and notes what came of it.
    async fn deliver(self, delivery: Delivery) -> EventId {
        match self.try_once(&delivery).await {
            Ok(tried) => self.note(&delivery, tried).await,
            Err(error) => {
                tracing::error!(webhook = %delivery.id, %error, "a webhook cannot be made up; trying again");
                tokio::time::sleep(STORE_PAUSE).await;
            }
        }
        delivery.id
    }

    async fn try_once(&self, delivery: &Delivery) -> Result<Try, StoreError> {
        let (store, now) = (self.engine.store(), self.engine.now());
        let given_up = |why: &str| Try { at: now, status: None, error: Some(why.into()), again_at: None };
        let secrets = store.webhook_secrets(delivery.caller, now).await?;
        if secrets.is_empty() {
            return Ok(given_up("its caller has no secret to sign it with: filmgate webhook rotate"));
        }
        self.published(delivery.job).await;
        // Not the engine's: that may be a moment behind the disk.
        let Some(job) = store.job(delivery.job).await? else {
            return Ok(given_up("its job is not there any more"));
        };
        let event = Event::ended(self, delivery, &job);
        let answered = event.send(self, &delivery.url, &secrets).await;
        let first_retry = self.settings.load().webhooks.first_retry;
        Ok(outcome(delivery, answered, self.engine.now(), first_retry))
    }

    /// Waits until the end of a job shows. It does so right after it is on disk; a receiver that asks for the
    /// video at once must not find it unfinished.
    async fn published(&self, job: JobId) {
        if let Some(mut followed) = self.engine.follow(job) {
            let _ = tokio::time::timeout(PUBLISHED, followed.wait_for(|job| job.state.is_final())).await;
        }
    }

    /// Writes down what came of a try, as often as it takes: otherwise it would be sent again at once.
    async fn note(&self, delivery: &Delivery, tried: Try) {
        self.webhooks.count(&tried);
        tell(delivery, &tried);
        while let Err(error) = self.engine.store().note_try(delivery.id, tried.clone()).await {
            if error == StoreError::Closed {
                return;
            }
            tracing::error!(webhook = %delivery.id, %error, "what came of a webhook cannot be written; trying again");
            tokio::time::sleep(STORE_PAUSE).await;
        }
    }
}

/// What is on the wire.
#[derive(Default)]
struct Sending {
    tasks: JoinSet<EventId>,
    hosts: HashMap<EventId, Box<str>>,
}

impl Sending {
    /// Starts to send, if there is room and it is not being sent already.
    fn start(&mut self, app: &App, delivery: Delivery) {
        let to_host = self.hosts.values().filter(|host| **host == delivery.host).count();
        if self.hosts.len() >= AT_ONCE || to_host >= PER_HOST || self.hosts.contains_key(&delivery.id) {
            return;
        }
        self.hosts.insert(delivery.id, delivery.host.clone());
        self.tasks.spawn(app.clone().deliver(delivery));
    }

    /// Returns when one has ended; never, when there is none.
    async fn one_ends(&mut self) {
        match self.tasks.join_next().await {
            Some(Ok(id)) => drop(self.hosts.remove(&id)),
            // Its place stays taken: sent again at once, it would fail in the same way.
            Some(Err(error)) => {
                tracing::error!(%error, "sending a webhook failed; this is a defect of filmgate")
            }
            None => std::future::pending().await,
        }
    }
}

/// What an answer, or none, means for a delivery.
fn outcome(
    delivery: &Delivery,
    answered: Result<Answered, OutsideError>,
    now: Timestamp,
    first_retry: Duration,
) -> Try {
    let (status, error) = match answered {
        Ok(answered) => (Some(answered.status), complaint(&answered)),
        Err(error) => (None, Some(error.to_string())),
    };
    // The receiver says that it wants no more of this.
    let is_over = status == Some(StatusCode::GONE);
    let again_at = next_try(delivery, now, first_retry).filter(|_| error.is_some() && !is_over);
    Try { at: now, status: status.map(|status| status.as_u16()), error: error.map(Into::into), again_at }
}

/// Why an answer does not mean that the webhook arrived.
pub(crate) fn complaint(answered: &Answered) -> Option<String> {
    let Answered { status, words } = answered;
    if status.is_success() {
        return None;
    }
    let hint = if status.is_redirection() { "; redirects are not followed" } else { "" };
    let words = words.split_whitespace().collect::<Vec<_>>().join(" ");
    let said = if words.is_empty() { String::new() } else { format!(": {words}") };
    Some(format!("the receiver answered {status}{hint}{said}"))
}

/// When a delivery that failed just now is tried again; not after [`TRIED_FOR`].
fn next_try(delivery: &Delivery, now: Timestamp, first_retry: Duration) -> Option<Timestamp> {
    let last = delivery.created_at + TRIED_FOR;
    let tries = delivery.tries as usize;
    let pause = first_retry.saturating_mul(PAUSES[tries.min(PAUSES.len() - 1)]);
    // Webhooks that failed together are not to come back together. The random bytes of an id do for chance.
    let chance = f64::from(delivery.id.as_bytes()[6 + tries % 10]) / 255.0;
    (now < last).then(|| (now + pause.mul_f64(0.9 + 0.2 * chance)).min(last))
}

/// Says in the log what came of a try. The address may hold secrets: only its server is named.
fn tell(delivery: &Delivery, tried: &Try) {
    let Delivery { id, job, host, .. } = delivery;
    let (tries, status) = (delivery.tries + 1, tried.status);
    match (&tried.error, tried.again_at) {
        (None, _) => tracing::info!(webhook = %id, %job, %host, status, tries, "webhook delivered"),
        (Some(_), Some(again)) => {
            tracing::warn!(webhook = %id, %job, %host, status, tries, "webhook not delivered; again at {again}");
        }
        (Some(_), None) => {
            tracing::warn!(webhook = %id, %job, %host, status, tries, "webhook not delivered; given up");
        }
    }
}

#[cfg(test)]
mod tests {
    use filmgate_domain::{CallerId, JobState};

    use super::*;

    const FIVE: Duration = Duration::from_secs(5);

    fn delivery(tries: u32) -> Delivery {
        let created_at = Timestamp::from_millis(1_764_000_000_000);
        Delivery {
            // 128 of 255: in the middle, as good as no jitter.
            id: EventId::from_bytes([128; 16]),
            caller: CallerId(1),
            job: JobId::from_bytes([7; 16]),
            event: JobState::Completed,
            url: "https://a.example/hook?key=secret".into(),
            host: "a.example".into(),
            created_at,
            tries,
            last_try_at: None,
            last_status: None,
            last_error: None,
            next_at: Some(created_at),
            delivered_at: None,
            given_up_at: None,
        }
    }

    /// How long after a job's end each try comes, in minutes, if each fails at once.
    #[test]
    fn tries_spread_over_72_hours_and_then_end() {
        let (mut now, mut minutes) = (delivery(0).created_at, Vec::new());
        for tries in 0.. {
            let Some(next) = next_try(&delivery(tries), now, FIVE) else { break };
            now = next;
            minutes.push((next.since(delivery(0).created_at).as_secs_f64() / 60.0).round() as u32);
        }
        assert_eq!(minutes, [0, 5, 35, 155, 455, 1055, 1896, 3096, 4320]);
        assert_eq!(now, delivery(0).created_at + TRIED_FOR);
    }

    #[test]
    fn the_same_pause_differs_by_a_tenth_among_webhooks() {
        let now = delivery(0).created_at;
        let pause = |byte: u8| {
            let delivery = Delivery { id: EventId::from_bytes([byte; 16]), ..delivery(1) };
            next_try(&delivery, now, FIVE).unwrap().since(now).as_secs()
        };
        assert_eq!((pause(0), pause(255)), (270, 330));
    }

    #[test]
    fn only_success_delivers_and_only_410_gives_up() {
        let now = delivery(0).created_at;
        let tried = |status: u16, words: &str| {
            let status = StatusCode::from_u16(status).unwrap();
            outcome(&delivery(0), Ok(Answered { status, words: words.to_owned() }), now, FIVE)
        };
        for status in [200, 202, 204] {
            let Try { error, again_at, .. } = tried(status, "");
            assert_eq!((error, again_at), (None, None), "{status}");
        }
        for status in [301, 307, 400, 401, 404, 429, 500, 503] {
            let Try { error, again_at, .. } = tried(status, "");
            assert!(error.is_some() && again_at.is_some(), "{status}");
        }
        let gone = tried(410, "no\nmore");
        assert_eq!(gone.error.as_deref(), Some("the receiver answered 410 Gone: no more"));
        assert_eq!((gone.status, gone.again_at), (Some(410), None));
        let silent = outcome(&delivery(0), Err(OutsideError::Private), now, FIVE);
        assert!(silent.status.is_none() && silent.again_at.is_some());
        let redirected = tried(302, "").error.unwrap();
        assert_eq!(&*redirected, "the receiver answered 302 Found; redirects are not followed");
    }
}
