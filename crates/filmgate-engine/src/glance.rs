//! What is so now, for whoever watches: gathered so that no video waits for it.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use filmgate_domain::{Coming, JobState, Pool, Timestamp};

use crate::Engine;

/// Tokens that are looked at before the desk is given to others for a moment: a tenth of a millisecond or two.
const PORTION: usize = 400;

/// The videos that are not at their end.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Making {
    /// Those that wait for a token.
    pub waiting: u64,
    /// Since when the one of those waits that has waited longest.
    pub waits_since: Option<Timestamp>,
    /// The others.
    pub making: u64,
}

impl Engine {
    /// The videos that are not at their end.
    pub fn making(&self) -> Making {
        let mut all = Making::default();
        for job in self.unfinished().jobs() {
            if job.state == JobState::Queued {
                // One that was refused waits since then.
                let since = job.attempt().and_then(|last| last.settled_at).unwrap_or(job.created_at);
                all.waiting += 1;
                all.waits_since = Some(all.waits_since.map_or(since, |first| first.min(since)));
            } else {
                all.making += 1;
            }
        }
        all
    }

    /// What comes to each pool by itself. Walks over all tokens, a portion at a time: what changes meanwhile may be
    /// in it or not.
    pub async fn coming(&self) -> Vec<(Arc<Pool>, Coming)> {
        let now = self.now();
        let (mut catalog, mut coming, mut at) = (self.settings().catalog.clone(), Vec::new(), 0);
        loop {
            let places = {
                let desk = self.desk();
                if !Arc::ptr_eq(&catalog, desk.manager.catalog()) {
                    // The pools are not what they were: from the beginning.
                    (coming, at) = (Vec::new(), 0);
                    catalog = Arc::clone(desk.manager.catalog());
                }
                desk.manager.gather_coming(at..at + PORTION, now, &mut coming)
            };
            at += PORTION;
            if at >= places {
                return catalog.pools().iter().cloned().zip(coming).collect();
            }
            tokio::task::yield_now().await;
        }
    }

    /// Bytes of all kept videos, as of the last round of retention (it comes every minute).
    pub fn kept_bytes(&self) -> u64 {
        self.inner.kept_bytes.load(Ordering::Relaxed)
    }
}
