//! Explains decisions: walks over the tokens and says of every pool and class of tokens why it was passed over.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use crate::entry::Entry;
use crate::manager::Totals;
use crate::routing::Question;
use crate::{
    Candidate, Chosen, Decision, NoToken, PassedOver, Pool, Reason, Route, Shape, Timestamp, TokenClass,
    TokenManager,
};

impl TokenManager {
    /// How a video of this form would be routed now, and why. Nothing is reserved. Walks over all tokens of
    /// the pools involved.
    ///
    /// # Errors
    /// When the model is unknown or no pool delivers such a video. A mere shortage is a [`Decision`] with
    /// nothing chosen.
    pub fn explain(&mut self, model: &str, asked: Shape, now: Timestamp) -> Result<Decision, NoToken> {
        self.advance(now);
        let question = self.question(model, asked)?;
        question.check()?;
        Ok(self.explain_in(&question))
    }

    /// Why the pools before `pool` are passed over for such a video: "ssoSuper: 3 tokens out of quota until …".
    pub fn why_not_before(&mut self, pool: usize, model: &str, asked: Shape, now: Timestamp) -> String {
        self.advance(now);
        let Ok(question) = self.question(model, asked) else { return String::new() };
        let before = question.candidates().take_while(|c| c.pool != pool);
        let passed: Vec<String> = before.map(|c| self.passed_over(&c).to_string()).collect();
        passed.join("; ")
    }

    pub(crate) fn explain_in(&self, question: &Question<'_>) -> Decision {
        let Question { model, asked, .. } = *question;
        let passed_over = question.unable().map(|pool| unable(pool, asked)).collect();
        let mut decision = Decision { model: model.name.clone(), asked, chosen: None, passed_over };
        for candidate in question.candidates() {
            let pool = &self.catalog.pools()[candidate.pool];
            let passed_over = self.passed_over(&candidate);
            let best = self.ranking.peek(candidate.pool).filter(|_| self.barrier(&candidate).is_none());
            let best = best.filter(|(rank, _)| pool.quota.is_none() || *rank >= pool.cost(&candidate.sent));
            if candidate.route == Route::Fallback {
                decision.passed_over.retain(|p| p.pool != pool.name);
            }
            if !passed_over.classes.is_empty() {
                decision.passed_over.push(passed_over);
            }
            if let Some((_, index)) = best {
                decision.chosen = Some(Chosen {
                    pool: pool.name.clone(),
                    route: candidate.route,
                    sent: candidate.sent,
                    token: self.entries[index as usize].info.id,
                });
                break;
            }
        }
        decision
    }

    /// The tokens of a candidate pool that cannot take the video now, by reason.
    fn passed_over(&self, candidate: &Candidate) -> PassedOver {
        let pool = &self.catalog.pools()[candidate.pool];
        let cost = pool.cost(&candidate.sent);
        let mut classes: Vec<TokenClass> = Vec::new();
        if let Some(mut reason) = self.barrier(candidate) {
            if let Reason::KeptInReserve { until, .. } = &mut reason {
                *until = self.open_to_upgrades_at(candidate.pool, pool, cost);
            }
            classes.push(TokenClass { tokens: 0, reason });
            return PassedOver { pool: pool.name.clone(), classes };
        }
        let mut tokens = 0u32;
        for entry in self.tokens_of(candidate.pool) {
            tokens += 1;
            let Some(reason) = entry.obstacle(pool, cost) else { continue };
            match classes.iter_mut().find_map(|class| class.reason.merge(reason).then_some(class)) {
                Some(class) => class.tokens += 1,
                None => classes.push(TokenClass { tokens: 1, reason }),
            }
        }
        if tokens == 0 {
            classes.push(TokenClass { tokens: 0, reason: Reason::NoTokens });
        }
        PassedOver { pool: pool.name.clone(), classes }
    }

    /// When enough units have come back that upgrades may use a pool again, and one of its tokens can.
    fn open_to_upgrades_at(&self, index: usize, pool: &Pool, cost: u32) -> Option<Timestamp> {
        let Totals { granted, mut left } = self.totals[index];
        let counted = self.tokens_of(index).filter(|e| e.counted.is_some());
        let mut returns: BinaryHeap<_> = counted.flat_map(|e| e.returns(pool)).map(Reverse).collect();
        let mut filled_at = Timestamp::default();
        while self.is_reserve(left, granted) {
            let Reverse((at, units)) = returns.pop()?;
            left += u64::from(units);
            filled_at = at;
        }
        let free_at = |entry: &Entry| match entry.obstacle(pool, cost) {
            None => Some(filled_at),
            Some(reason) => reason.until(),
        };
        let first_free_at = self.tokens_of(index).filter_map(free_at).min()?;
        Some(first_free_at.max(filled_at))
    }

    fn tokens_of(&self, pool: usize) -> impl Iterator<Item = &Entry> {
        self.entries.iter().filter(move |e| e.pool == Some(pool) && !e.removed)
    }
}

/// A pool that cannot deliver the video as asked.
fn unable(pool: &Pool, Shape { resolution, seconds, .. }: Shape) -> PassedOver {
    let reason = Reason::CannotDeliver { resolution, seconds };
    PassedOver { pool: pool.name.clone(), classes: vec![TokenClass { tokens: 0, reason }] }
}
