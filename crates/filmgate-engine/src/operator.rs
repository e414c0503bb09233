//! What an operator sees and does: tokens, pools, dry runs, cancelling, reloading.

use std::collections::HashSet;
use std::sync::Arc;

use filmgate_domain::{
    Decision, Event, Failure, JobId, NoToken, Pool, PoolSummary, TokenId, TokenInfo, TokenManager,
    TokenStatus, Wanted,
};
use filmgate_store::{Added, StoreError};
use filmgate_upstream::Checked;

use crate::{Engine, Settings};

/// How many tokens of an upstream a check tries.
const CHECKED_TOKENS: usize = 20;

/// A token and its books.
#[derive(Clone, Debug)]
pub struct TokenView {
    /// Everything known about it.
    pub info: TokenInfo,
    /// Units spent in the current window.
    pub spent: u32,
    /// Units reserved by jobs in flight.
    pub reserved: u32,
    /// Videos in flight, with those that the upstream may still be making.
    pub in_flight: u32,
}

/// A pool and its tokens at a glance.
#[derive(Clone, Debug)]
pub struct PoolView {
    /// The pool.
    pub pool: Arc<Pool>,
    /// Its tokens at a glance.
    pub summary: PoolSummary,
}

/// Why an operator's wish is not fulfilled.
#[derive(Debug, thiserror::Error)]
pub enum OperatorError {
    /// There is no such token.
    #[error("there is no token {0}")]
    NoSuchToken(TokenId),
    /// There is no such job, or it is at its end.
    #[error("there is no unfinished job {0}")]
    NoSuchJob(JobId),
    /// It could not be written down.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl Engine {
    /// All tokens in the order of their ids.
    pub fn tokens(&self) -> Vec<TokenView> {
        let now = self.now();
        let mut desk = self.desk();
        desk.manager.advance(now);
        let views = desk.manager.tokens().map(|(info, spent, reserved, in_flight)| TokenView {
            info: info.clone(),
            spent,
            reserved,
            in_flight,
        });
        let mut views: Vec<TokenView> = views.collect();
        views.sort_by_key(|view| view.info.id);
        views
    }

    /// All pools in use, weakest first.
    pub fn pools(&self) -> Vec<PoolView> {
        let now = self.now();
        let mut desk = self.desk();
        desk.manager.advance(now);
        let catalog = Arc::clone(desk.manager.catalog());
        let pools = catalog.pools().iter();
        pools
            .filter_map(|pool| {
                let summary = desk.manager.summary(&pool.name)?;
                Some(PoolView { pool: Arc::clone(pool), summary })
            })
            .collect()
    }

    /// The pools that have a token at the moment.
    pub fn ready_pools(&self) -> Vec<Box<str>> {
        let now = self.now();
        let mut desk = self.desk();
        let catalog = Arc::clone(desk.manager.catalog());
        let names = catalog.pools().iter().map(|pool| pool.name.clone());
        names.filter(|name| desk.manager.token_info(name, now).is_some()).collect()
    }

    /// How such a video would be routed now, and why. Nothing is reserved.
    ///
    /// # Errors
    /// When the model is unknown or no pool delivers such a video.
    pub fn explain(&self, wanted: &Wanted<'_>) -> Result<Decision, NoToken> {
        let now = self.now();
        self.desk().manager.explain(wanted, now)
    }

    /// Adds tokens (their ids are ignored); the answer tells of each whether it was new.
    ///
    /// # Errors
    /// When they cannot be written; then none is added.
    pub async fn add_tokens(&self, tokens: Vec<TokenInfo>) -> Result<Vec<Added>, OperatorError> {
        let added = self.inner.store.add_tokens(tokens.clone()).await?;
        let now = self.now();
        let mut forgotten = HashSet::new();
        {
            let mut desk = self.desk();
            for (mut info, added) in tokens.into_iter().zip(&added) {
                if let Added::New(id) | Added::Revived(id) = added {
                    if matches!(added, Added::Revived(_)) && desk.manager.get(*id).is_none() {
                        forgotten.insert(*id);
                    }
                    info.id = *id;
                    desk.manager.add(info, now);
                }
            }
        }
        if !forgotten.is_empty() {
            // A token that comes back has not got its quota back by that.
            self.load_spending(now, |token| forgotten.contains(&token)).await?;
        }
        self.serve_waiting();
        Ok(added)
    }

    /// Switches a token off. Its jobs in flight go on with it.
    ///
    /// # Errors
    /// When there is no such token or it cannot be written.
    pub async fn disable_token(&self, id: TokenId) -> Result<(), OperatorError> {
        let now = self.now();
        self.change_token(id, |manager| manager.disable(id, now)).await
    }

    /// Switches a disabled token on again.
    ///
    /// # Errors
    /// When there is no such token or it cannot be written.
    pub async fn enable_token(&self, id: TokenId) -> Result<(), OperatorError> {
        let now = self.now();
        self.change_token(id, |manager| manager.enable(id, now)).await
    }

    /// Forgets what a token was blamed for.
    ///
    /// # Errors
    /// When there is no such token or it cannot be written.
    pub async fn reset_token(&self, id: TokenId) -> Result<(), OperatorError> {
        let now = self.now();
        self.change_token(id, |manager| manager.reset(id, now)).await
    }

    /// Takes a token out for good. Its jobs in flight go on with it; then its secret is wiped.
    ///
    /// # Errors
    /// When there is no such token or it cannot be written.
    pub async fn remove_token(&self, id: TokenId) -> Result<(), OperatorError> {
        let now = self.now();
        let written = {
            let mut desk = self.desk();
            if desk.manager.get(id).is_none() || desk.manager.is_draining(id) {
                return Err(OperatorError::NoSuchToken(id));
            }
            desk.manager.remove(id, now);
            self.inner.store.remove_token(id, now)
        };
        Ok(written.await?)
    }

    async fn change_token(
        &self,
        id: TokenId,
        change: impl FnOnce(&mut TokenManager) -> bool,
    ) -> Result<(), OperatorError> {
        let written = {
            let mut desk = self.desk();
            if desk.manager.is_draining(id) || !change(&mut desk.manager) {
                return Err(OperatorError::NoSuchToken(id));
            }
            let info = desk.manager.get(id).ok_or(OperatorError::NoSuchToken(id))?;
            // Queued under the lock: two changes of one token reach the disk in their order.
            self.inner.store.save_tokens(&[info])
        };
        self.serve_waiting();
        Ok(written.await?)
    }

    /// Ends an unfinished job.
    ///
    /// # Errors
    /// When there is no such job or it is at its end.
    pub async fn cancel(&self, id: JobId) -> Result<(), OperatorError> {
        let cell = self.cell(id).ok_or(OperatorError::NoSuchJob(id))?;
        let next = self.happen(&cell, Event::Cancelled).await;
        next.map(|_| ()).ok_or(OperatorError::NoSuchJob(id))
    }

    /// Takes other settings into use. Jobs in progress keep their tokens, and the name of their upstream: one
    /// that is gone is remembered for them, one that was changed is used as it is now.
    pub fn reload(&self, settings: Settings) {
        let now = self.now();
        let old = self.inner.settings.load_full();
        let retired = old.upstreams.iter().filter(|(name, _)| !settings.upstreams.contains_key(*name));
        let retired = retired.map(|(name, line)| (name.clone(), line.clone()));
        self.inner.retired.lock().expect("no panic under this lock").extend(retired);
        let mut desk = self.desk();
        desk.manager.set_blame_rule(settings.fail_threshold, settings.first_pause);
        desk.manager.reconfigure(Arc::clone(&settings.catalog), settings.routing, now);
        self.inner.settings.store(Arc::new(settings));
        drop(desk);
        self.serve_waiting();
    }

    /// Asks an upstream, with each of its tokens that may be chosen (at most 20), whether it
    /// takes the credential. Makes no video. `None` when there is no such upstream.
    pub async fn check_upstream(&self, name: &str) -> Option<Vec<(TokenId, Result<Checked, Failure>)>> {
        let line = self.settings().upstreams.get(name).cloned()?;
        let pools = self.pools().into_iter().filter(|view| *view.pool.upstream == *name);
        let pools: Vec<Box<str>> = pools.map(|view| view.pool.name.clone()).collect();
        let tokens = self.tokens().into_iter().filter(|view| pools.contains(&view.info.pool));
        let usable = tokens.filter(|view| view.info.status != TokenStatus::Disabled);
        let mut results = Vec::new();
        for view in usable.take(CHECKED_TOKENS) {
            let checked = line.upstream.check(&view.info.token).await;
            results.push((view.info.id, checked));
        }
        Some(results)
    }

    /// Unfinished jobs by state.
    pub fn active_by_state(&self) -> Vec<(filmgate_domain::JobState, u64)> {
        let active = self.inner.active.lock().expect("no panic under this lock");
        let states = filmgate_domain::JobState::ALL.into_iter().filter(|state| !state.is_final());
        states
            .map(|state| (state, active.values().filter(|cell| cell.job().state == state).count() as u64))
            .collect()
    }
}
