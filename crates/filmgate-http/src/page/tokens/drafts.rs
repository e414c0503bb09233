//! What an operator looks at before it is done: tokens that were read, a deed and whom it concerns.
//!
//! It stays in memory, so that no secret has to travel to the browser and back; for ten minutes, for the session
//! that began it, and no more of it than a bound. A restart asks to begin again.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use filmgate_domain::{Timestamp, TokenId};
use filmgate_engine::Deed;

use crate::App;
use crate::admin::intake::Intake;
use crate::auth::new_key;
use crate::page::session::Visitor;

/// How long a draft is kept.
const KEPT: Duration = Duration::from_secs(10 * 60);
/// Drafts at once, of all sessions.
const MOST: usize = 16;
/// Tokens in all drafts together; the oldest draft goes first. One that is larger stands alone.
const MOST_TOKENS: usize = 300_000;

/// The drafts of all sessions. Cloning shares them.
#[derive(Clone, Default)]
pub(crate) struct Drafts(Arc<Mutex<HashMap<String, Draft>>>);

struct Draft {
    session: [u8; 32],
    until: Timestamp,
    plan: Arc<Plan>,
}

/// What is to be done.
pub(super) enum Plan {
    /// Take these in.
    Take(Intake),
    /// Do this with these.
    Change {
        deed: Deed,
        ids: Vec<TokenId>,
        /// The list where the operator was.
        list: String,
    },
}

impl Plan {
    fn tokens(&self) -> usize {
        match self {
            Self::Take(intake) => intake.tokens.len() + intake.refused.len(),
            Self::Change { ids, .. } => ids.len(),
        }
    }
}

impl Drafts {
    /// Keeps a plan; its name is the answer.
    pub(super) fn keep(&self, app: &App, visitor: &Visitor, plan: Plan) -> std::io::Result<String> {
        let name = new_key("")?;
        self.put(name.clone(), visitor.session(), app.engine.now(), plan);
        let (drafts, engine) = (self.clone(), app.engine.clone());
        // Secrets do not lie about until somebody happens to come by.
        tokio::spawn(async move {
            tokio::time::sleep(KEPT).await;
            drop(drafts.open(engine.now()));
        });
        Ok(name)
    }

    fn put(&self, name: String, session: [u8; 32], now: Timestamp, plan: Plan) {
        let mut drafts = self.open(now);
        let mut tokens = plan.tokens();
        let mut others: Vec<_> =
            drafts.iter().map(|(name, draft)| (draft.until, name.clone(), draft.plan.tokens())).collect();
        others.sort_by_key(|(until, ..)| std::cmp::Reverse(*until));
        for (nth, (_, other, its_tokens)) in others.into_iter().enumerate() {
            tokens += its_tokens;
            if nth + 1 >= MOST || tokens > MOST_TOKENS {
                drafts.remove(&other);
            }
        }
        drafts.insert(name, Draft { session, until: now + KEPT, plan: Arc::new(plan) });
    }

    /// A plan of this session.
    pub(super) fn get(&self, name: &str, visitor: &Visitor, now: Timestamp) -> Option<Arc<Plan>> {
        let drafts = self.open(now);
        drafts.get(name).filter(|d| d.session == visitor.session()).map(|d| Arc::clone(&d.plan))
    }

    /// A plan of this session, to be carried out: nobody finds it again.
    pub(super) fn take(&self, name: &str, visitor: &Visitor, now: Timestamp) -> Option<Arc<Plan>> {
        let plan = self.get(name, visitor, now)?;
        self.open(now).remove(name);
        Some(plan)
    }

    /// The drafts that are not too old.
    fn open(&self, now: Timestamp) -> MutexGuard<'_, HashMap<String, Draft>> {
        let mut drafts = self.0.lock().expect("no panic under this lock");
        drafts.retain(|_, draft| now < draft.until);
        drafts
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Timestamp = Timestamp::from_millis(1_000_000);

    fn change(count: usize) -> Plan {
        Plan::Change { deed: Deed::Reset, ids: vec![TokenId(1); count], list: String::new() }
    }

    fn names(drafts: &Drafts, now: Timestamp) -> Vec<String> {
        let mut names: Vec<String> = drafts.open(now).keys().cloned().collect();
        names.sort();
        names
    }

    #[test]
    fn drafts_are_few_small_and_short_lived() {
        let drafts = Drafts::default();
        for n in 0..MOST as u32 + 2 {
            drafts.put(format!("{n:02}"), [1; 32], NOW + Duration::from_secs(u64::from(n)), change(1));
        }
        let later = NOW + Duration::from_secs(60);
        assert_eq!(names(&drafts, later).len(), MOST);
        assert_eq!(names(&drafts, later)[0], "02", "the oldest went");
        drafts.put("large".to_owned(), [1; 32], later, change(MOST_TOKENS - 1));
        assert_eq!(names(&drafts, later), ["17", "large"]);
        drafts.put("larger".to_owned(), [1; 32], later, change(MOST_TOKENS + 1));
        assert_eq!(names(&drafts, later), ["larger"]);
        assert_eq!(names(&drafts, later + KEPT), [""; 0]);
    }
}
