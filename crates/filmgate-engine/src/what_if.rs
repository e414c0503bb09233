//! Dry runs for an operator: a video as if pools were short, and past videos under other rules.

use std::sync::Arc;

use filmgate_domain::{
    Fate, Job, NoToken, OnShortage, Past, Policy, Timestamp, TokenId, TokenStatus, Wanted, WhatIf,
    route_again,
};
use rand::SeedableRng as _;
use rand::rngs::StdRng;

use crate::Engine;

impl Engine {
    /// How such a video would be routed now if the pools named by `short` had no token. Nothing is reserved.
    ///
    /// # Errors
    /// When the model is unknown or no pool delivers such a video.
    pub fn what_if(&self, wanted: &Wanted<'_>, short: &[&str]) -> Result<WhatIf, NoToken> {
        let now = self.now();
        self.desk().manager.what_if(wanted, short, now)
    }

    /// Pools, models and switches in use.
    pub fn policy(&self) -> Policy {
        let settings = self.settings();
        Policy { catalog: Arc::clone(&settings.catalog), routing: settings.routing }
    }

    /// Where these jobs (oldest first) would have gone under each of two policies, with the tokens of now that
    /// are neither disabled nor expired, less those of the pools named by `short`. See [`route_again`] for what
    /// is assumed.
    pub fn routed_again(&self, jobs: &[Job], policies: [&Policy; 2], short: &[&str]) -> [Vec<Fate>; 2] {
        let now = self.now();
        let mut tokens: Vec<(TokenId, Box<str>)> = Vec::new();
        self.look_through(|books| {
            let info = books.info;
            let usable = matches!(info.status, TokenStatus::Active | TokenStatus::Cooling);
            if usable && !short.contains(&&*info.pool) {
                tokens.push((info.id, info.pool.clone()));
            }
        });
        let videos: Vec<Past<'_>> = jobs.iter().map(|job| past(job, now)).collect();
        // The same question gets the same answer.
        let rng = || StdRng::seed_from_u64(0);
        let tokens = || tokens.iter().map(|(id, pool)| (*id, &**pool));
        policies.map(|policy| route_again(policy, tokens(), &videos, &mut rng()))
    }
}

/// What routing has to know of a job. One that is not at its end keeps its slot until `now`.
fn past(job: &Job, now: Timestamp) -> Past<'_> {
    let wanted = job.spec.wanted(job.on_shortage == OnShortage::Fallback);
    let until = job.attempt().and_then(|attempt| attempt.settled_at).or(job.finished_at);
    Past { wanted, at: job.created_at, until: until.unwrap_or(now) }
}
