//! Carries out what [`step`] decided: the token's books, the disk, then whatever is next.

use std::sync::Arc;
use std::time::Duration;

use filmgate_domain::{
    Effects, Event, Job, JobState, Next, Reservation, Settlement, TokenId, TokenInfo, step,
};
use rand::RngExt as _;
use tokio::sync::MutexGuard;

use crate::Engine;
use crate::cell::{Cell, Held};

impl Engine {
    /// Lets an event happen to a job. Returns what is next once everything is on disk; `None` when the event
    /// came too late to matter, or filmgate is stopped before it could be written.
    pub(crate) async fn happen(&self, cell: &Arc<Cell>, event: Event) -> Option<Next> {
        let held = cell.gate.lock().await;
        self.happen_holding(cell, held, event).await
    }

    pub(crate) async fn happen_holding(
        &self,
        cell: &Arc<Cell>,
        mut held: MutexGuard<'_, Held>,
        event: Event,
    ) -> Option<Next> {
        let now = self.now();
        let before = cell.job();
        let mut job = Job::clone(&before);
        let effects = step(&mut job, event, now, &self.inner.settings.load().rules)?;
        if !self.record(&job, &effects).await {
            // A submission, say, that is not on disk must not go out: the next start would send it again.
            return None;
        }
        let job = Arc::new(job);
        if let Some(settlement) = effects.settle
            && let Some(reservation) = held.reservation.take()
        {
            self.settle(reservation, settlement);
        }
        if let Some(pass) = &mut held.pass {
            pass.note(&before, &job, now);
        }
        if job.state.is_final() {
            // Before anybody learns of the end: whoever waited for it may ask for the next at once.
            held.pass = None;
        }
        self.inner.metrics.note(&before, &job, now);
        self.inner.minutes.note(&job, now);
        tell(&before, &job);
        self.unfinished().publish(cell, Arc::clone(&job));
        if before.state == JobState::Queued && job.state != JobState::Queued {
            self.desk().room.leave(job.id);
        }
        if job.state.is_final() {
            self.retire(&job);
            if let Some(on_end) = &self.inner.on_end {
                on_end(&job, cell.traceparent.as_deref());
            }
            self.drop_inputs(&job).await;
        }
        Some(effects.next)
    }

    /// Blames or praises the token and writes job and token down, as often as it takes: what happened at an
    /// upstream cannot be taken back because a disk is full. False when filmgate is stopped before it could, or
    /// has to stop because its database is lost.
    async fn record(&self, job: &Job, effects: &Effects) -> bool {
        let mut pause = Duration::from_millis(100);
        let mut token_noted = false;
        loop {
            let written = {
                let now = self.now();
                let mut desk = self.desk();
                let attempt = job.attempt();
                if let Some(attempt) = attempt.filter(|_| !token_noted) {
                    if let Some(blame) = &effects.blame {
                        desk.manager.blame(attempt.token, blame, now);
                    }
                    if effects.used {
                        desk.manager.record_use(attempt.token, now);
                    }
                    token_noted = true;
                }
                if !effects.durable {
                    return true;
                }
                let changed = effects.blame.is_some() || effects.used;
                let token = attempt.filter(|_| changed).and_then(|a| desk.manager.get(a.token));
                let tokens: Vec<&TokenInfo> = token.into_iter().collect();
                // Queued under the lock: two changes of one token reach the disk in their order.
                self.inner.store.advance(job, &tokens)
            };
            match written.await {
                Ok(()) => return true,
                Err(error) if self.inner.stopping.is_cancelled() || error.is_fatal() => {
                    let token_id = token_id(job);
                    tracing::error!(job = %job.id, token_id, %error, "not written before the stop; the next start finds the job where it was");
                    return false;
                }
                Err(error) => {
                    let token_id = token_id(job);
                    tracing::error!(job = %job.id, token_id, %error, "the job cannot be written; trying again");
                    tokio::time::sleep(pause).await;
                    pause = (pause * 2).min(Duration::from_secs(5));
                }
            }
        }
    }

    /// Ends a reservation in memory; its end is on disk already. What comes free goes to whoever waits.
    pub(crate) fn settle(&self, reservation: Reservation, settlement: Settlement) {
        let now = self.now();
        let mut desk = self.desk();
        desk.manager.settle(reservation, settlement, now);
        let served = self.serve_room(&mut desk, now);
        drop(desk);
        self.seat_all(served);
    }

    /// Takes what belonged to a finished job out of memory.
    fn retire(&self, job: &Job) {
        self.inner.claims.release(job);
        if let Some(recent) = self.recent().get_mut(&(job.caller, job.fingerprint))
            && recent.job == job.id
        {
            recent.finished_at = job.finished_at;
        }
        self.wipe_what_nobody_needs(job);
    }

    /// Has the store wipe the secrets of tokens that were removed meanwhile, if this was the last job that
    /// might need them: one whose token is settled already may still have to fetch its file with it.
    fn wipe_what_nobody_needs(&self, job: &Job) {
        let mut tokens: Vec<TokenId> = job.attempts.iter().map(|attempt| attempt.token).collect();
        {
            let desk = self.desk();
            tokens.retain(|token| desk.manager.get(*token).is_none());
        }
        if tokens.is_empty() {
            return;
        }
        let unfinished = self.unfinished();
        let needed = |token: &TokenId| {
            unfinished.jobs().any(|job| job.attempts.iter().any(|attempt| attempt.token == *token))
        };
        for token in tokens.into_iter().filter(|token| !needed(token)) {
            self.inner.store.wipe_token(token).detach();
        }
    }

    /// Arranges what is next for a job.
    pub(crate) fn arrange(&self, cell: &Arc<Cell>, next: Next) {
        let now = self.now();
        let job = cell.job();
        let at = match next {
            Next::End => return,
            Next::Submit | Next::Send => now,
            Next::Poll { pause } => {
                let upstream = job.attempt().map(|a| &*a.upstream).unwrap_or_default();
                let usual = self.line(upstream).map_or(Duration::from_secs(5), |line| line.poll_every);
                // Jitter keeps jobs that started together from asking together for ever.
                let factor = self.desk().rng.random_range(0.9..1.1);
                (now + usual.mul_f64(factor).max(pause.unwrap_or_default())).min(job.deadline.max(now))
            }
            Next::Reconcile { pause } => (now + pause).min(job.deadline.max(now)),
            Next::Fetch { pause } => now + pause,
            Next::Route { at } => at,
        };
        self.inner.scheduler.wake_at(at, &job);
    }

    /// Lets an event happen and arranges what follows.
    pub(crate) async fn proceed(&self, cell: &Arc<Cell>, event: Event) {
        if let Some(next) = self.happen(cell, event).await {
            self.arrange(cell, next);
        }
    }
}

/// The current attempt's token, for log lines; empty before there is one.
pub(crate) fn token_id(job: &Job) -> String {
    job.attempt().map(|attempt| attempt.token.to_string()).unwrap_or_default()
}

/// Says in the log how a job goes on.
fn tell(before: &Job, job: &Job) {
    if before.state == job.state {
        return;
    }
    let attempt = job.attempt();
    let token_id = token_id(job);
    let pool = attempt.map(|a| &*a.pool).unwrap_or_default();
    match (job.state, &job.failure, &job.delivered) {
        (JobState::Completed, _, Some(delivered)) => {
            let asked = job.spec.shape;
            if job.verdict() == Some(filmgate_domain::Verdict::Downgraded) {
                let sent = attempt.map(|a| a.sent.to_string()).unwrap_or_default();
                tracing::warn!(job = %job.id, token_id, pool, "downgraded: asked {asked}, sent {sent}, delivered {delivered}");
            } else {
                tracing::info!(job = %job.id, token_id, pool, "completed: asked {asked}, delivered {delivered}");
            }
        }
        (JobState::Failed, Some(failure), _) => {
            tracing::warn!(job = %job.id, token_id, pool, code = %failure.code, "failed: {}", failure.message);
        }
        (JobState::Queued, _, _) => {
            let why = attempt.and_then(|a| a.error.as_deref()).unwrap_or_default();
            tracing::warn!(job = %job.id, token_id, pool, "refused, trying again: {why}");
        }
        (state, _, _) => tracing::debug!(job = %job.id, token_id, pool, "{state}"),
    }
}
