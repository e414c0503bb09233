//! What a start finds: tokens, what they spent, and jobs that a stop or a crash left unfinished.

use std::sync::Arc;
use std::time::Duration;

use filmgate_domain::{Attempt, Event, Job, Settlement, Timestamp, TokenId, TokenManager};

use filmgate_store::StoreError;
use futures_util::future::join_all;

use crate::admit::JOINABLE_SECONDS;
use crate::cell::{Cell, Held};
use crate::unfinished::Came;
use crate::waiting::enter;
use crate::{Engine, Recent, StartError};

impl Engine {
    /// Rebuilds the books from the attempts on disk, which are the only record, and takes up every
    /// unfinished job where it was, with its own token.
    pub(crate) async fn recover(&self, works: bool) -> Result<(), StartError> {
        let now = self.now();
        let removed = self.load_tokens(now).await?;
        let spent = self.spending(now).await?;
        enter_spending(&mut self.desk().manager, &spent, now, |_| true);
        self.load_limits(now).await?;
        self.remember_finished(now).await?;
        let unfinished = self.inner.store.unfinished().await?;
        let count = unfinished.len();
        let restored = unfinished.into_iter().map(|job| self.restore(job, now));
        let cells: Vec<Arc<Cell>> = restored.inspect(|cell| self.take_up(cell, Came::Before)).collect();
        if works {
            // All at once: what has to be written shares its commits, and thousands are soon taken up.
            join_all(cells.iter().map(|cell| self.proceed(cell, Event::Recovered))).await;
        }
        for token in removed {
            self.desk().manager.remove(token, now);
        }
        if works {
            // Only now: whoever is served must not get what another job holds.
            cells.iter().for_each(|cell| enter(&mut self.desk(), cell, now));
            self.clear_partial_files().await;
            self.clear_inputs().await;
        }
        if works && count > 0 {
            tracing::info!(jobs = count, "unfinished jobs taken up");
        }
        Ok(())
    }

    /// Loads all tokens. Returns those that are removed but still needed by a job: they leave again once
    /// their jobs hold them.
    async fn load_tokens(&self, now: Timestamp) -> Result<Vec<TokenId>, StartError> {
        let tokens = self.inner.store.tokens().await?;
        let removed = tokens.iter().filter(|t| t.removed).map(|t| t.info.id).collect();
        let mut desk = self.desk();
        for token in tokens {
            desk.manager.add(token.info, now);
        }
        Ok(removed)
    }

    /// The settled attempts that left something behind: spent units, held slots.
    pub(crate) async fn spending(&self, now: Timestamp) -> Result<Vec<Attempt>, StoreError> {
        let settings = self.inner.settings.load();
        let windows = settings.catalog.pools().iter().filter_map(|p| p.quota).map(|q| q.window);
        let longest = windows.max().unwrap_or_default();
        let minute = Duration::from_secs(60);
        self.inner.store.settled_attempts(now, now - longest, now - minute).await
    }

    /// Identical retries still find what has just ended.
    async fn remember_finished(&self, now: Timestamp) -> Result<(), StartError> {
        let since = now - Duration::from_secs(JOINABLE_SECONDS);
        for job in self.inner.store.finished_since(since).await? {
            self.inner.limits.restore_request(&job, now);
            let recent = Recent { job: job.id, finished_at: job.finished_at };
            self.recent().insert((job.caller, job.fingerprint), recent);
        }
        Ok(())
    }

    fn restore(&self, job: Job, now: Timestamp) -> Arc<Cell> {
        let open = job.attempt().filter(|attempt| attempt.settled_at.is_none());
        let reservation = open.and_then(|attempt| {
            let manager = &mut self.desk().manager;
            manager.restore_open(attempt.token, attempt.units, attempt.reserved_at, now)
        });
        let token = job.attempt().map(|attempt| attempt.token);
        self.inner.limits.restore_request(&job, now);
        self.inner.claims.restore(&job);
        let pass = Some(self.restore_pass(&job));
        let cell = Cell::new(Arc::new(job), Held { reservation, pass }, None);
        if let Some(token) = token {
            // Kept from now on, also when the token is removed in a moment.
            self.credential(&cell, token);
        }
        cell
    }
}

/// Enters what settled attempts of these tokens left behind.
pub(crate) fn enter_spending(
    manager: &mut TokenManager,
    attempts: &[Attempt],
    now: Timestamp,
    of: impl Fn(TokenId) -> bool,
) {
    for attempt in attempts.iter().filter(|attempt| of(attempt.token)) {
        let spent_at = attempt.charged.then_some(attempt.answered_at.or(attempt.settled_at)).flatten();
        let settlement = Settlement { spent_at, slot_until: attempt.slot_until };
        manager.restore_settled(attempt.token, attempt.units, attempt.reserved_at, settlement, now);
    }
}
