//! What an operator sees and does: pools, dry runs, cancelling, reloading. Tokens have files of their own.

use std::sync::Arc;

use filmgate_domain::{
    Decision, Event, Failure, JobId, NoToken, Pool, PoolSummary, TokenId, TokenStatus, Wanted,
};
use filmgate_store::StoreError;
use filmgate_upstream::Checked;

use crate::{Engine, Settings};

/// How many tokens of an upstream a check tries.
const CHECKED_TOKENS: usize = 20;

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
    /// Nothing is counted against it that could be taken back.
    #[error("nothing is counted against {0}")]
    NothingToForgive(TokenId),
    /// There is no such job, or it is at its end.
    #[error("there is no unfinished job {0}")]
    NoSuchJob(JobId),
    /// It could not be written down.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl Engine {
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
        let usable = self.first_tokens(CHECKED_TOKENS, |info| {
            pools.contains(&info.pool) && info.status != TokenStatus::Disabled
        });
        let mut results = Vec::new();
        for view in usable {
            let checked = line.upstream.check(&view.info.token).await;
            results.push((view.info.id, checked));
        }
        Some(results)
    }
}
