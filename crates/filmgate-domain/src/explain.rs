//! Explains decisions: walks over the tokens and says of every pool and class of tokens why it was passed over.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use crate::entry::Entry;
use crate::manager::Totals;
use crate::routing::Question;
use crate::{
    Candidate, Chosen, Decision, NoToken, PassedOver, Pool, Reason, Route, Shape, Timestamp, TokenClass,
    TokenManager, Wanted,
};

impl TokenManager {
    /// How a video of this form would be routed now, and why. Nothing is reserved. Walks over all tokens of
    /// the pools involved.
    ///
    /// # Errors
    /// When the model is unknown or no pool delivers such a video. A mere shortage is a [`Decision`] with
    /// nothing chosen.
    pub fn explain(&mut self, wanted: &Wanted<'_>, now: Timestamp) -> Result<Decision, NoToken> {
        self.advance(now);
        let question = self.question(wanted)?;
        question.check()?;
        Ok(self.explain_in(&question))
    }

    /// Why the pools before `pool` are passed over for such a video: "ssoSuper: 3 tokens out of quota until …".
    pub fn why_not_before(&mut self, pool: usize, wanted: &Wanted<'_>, now: Timestamp) -> String {
        self.advance(now);
        let Ok(question) = self.question(wanted) else { return String::new() };
        let before = question.candidates().take_while(|c| c.pool != pool);
        let passed: Vec<String> = before.map(|c| self.passed_over(&question, &c).to_string()).collect();
        passed.join("; ")
    }

    pub(crate) fn explain_in(&self, question: &Question<'_>) -> Decision {
        self.explain_without(question, &[])
    }

    /// The same if the pools named by `short` had no token.
    pub(crate) fn explain_without(&self, question: &Question<'_>, short: &[&str]) -> Decision {
        let Wanted { shape: asked, mode, .. } = question.wanted;
        let passed_over = question.unable().map(|pool| unable(pool, &question.wanted)).collect();
        let model = question.model.name.clone();
        let mut decision = Decision { model, asked, mode, chosen: None, passed_over };
        for candidate in question.candidates() {
            let pool = &self.catalog.pools()[candidate.pool];
            let is_barred = self.barrier(question, &candidate).is_some();
            let is_short = !is_barred && short.contains(&&*pool.name);
            let passed_over = if is_short {
                let classes = vec![TokenClass { tokens: 0, reason: Reason::NoTokens }];
                PassedOver { pool: pool.name.clone(), route: Some(candidate.route), classes }
            } else {
                self.passed_over(question, &candidate)
            };
            let open = !is_barred && !is_short;
            let best = self.ranking.peek(candidate.pool).filter(|_| open);
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
    fn passed_over(&self, question: &Question<'_>, candidate: &Candidate) -> PassedOver {
        let pool = &self.catalog.pools()[candidate.pool];
        let cost = pool.cost(&candidate.sent);
        let mut classes: Vec<TokenClass> = Vec::new();
        if let Some(mut reason) = self.barrier(question, candidate) {
            if let Reason::KeptInReserve { until, .. } = &mut reason {
                *until = self.open_to_upgrades_at(candidate.pool, pool, cost);
            }
            classes.push(TokenClass { tokens: 0, reason });
            return PassedOver { pool: pool.name.clone(), route: Some(candidate.route), classes };
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
        PassedOver { pool: pool.name.clone(), route: Some(candidate.route), classes }
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
fn unable(pool: &Pool, wanted: &Wanted<'_>) -> PassedOver {
    let Wanted { shape: Shape { resolution, seconds, .. }, mode, .. } = *wanted;
    let reason = Reason::CannotDeliver { resolution, seconds, mode };
    let pool = pool.name.clone();
    PassedOver { pool, route: None, classes: vec![TokenClass { tokens: 0, reason }] }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use rand::SeedableRng as _;
    use rand::rngs::StdRng;

    use super::*;
    use crate::{AspectRatio, Catalog, Resolution, RoutingSettings, Seconds, Secret, TokenId, TokenInfo};

    const NOW: Timestamp = Timestamp::from_millis(1_700_000_000_000);
    const HOUR: Duration = Duration::from_secs(3600);

    fn manager(tokens: &[TokenInfo]) -> TokenManager {
        let mut manager = TokenManager::new(Catalog::founding(), RoutingSettings::default());
        tokens.iter().for_each(|token| manager.add(token.clone(), NOW));
        manager
    }

    /// A token that spent some units an hour ago.
    fn token(id: i64, pool: &str, units: u32) -> TokenInfo {
        let info = TokenInfo::new(TokenId(id), pool, Secret::new("secret"), NOW);
        TokenInfo { opening: Some((NOW - HOUR, units)), ..info }
    }

    fn plain() -> Shape {
        let (resolution, seconds) = (Resolution::P480, Seconds::DEFAULT);
        Shape { resolution, seconds, aspect_ratio: AspectRatio::R16x9 }
    }

    fn explained(manager: &mut TokenManager) -> Decision {
        manager.explain(&Wanted::new("grok-video", plain()), NOW).unwrap()
    }

    #[test]
    fn of_several_obstacles_the_one_that_lasts_longest_is_told() {
        let mut manager = manager(&[token(1, "ssoBasic", 80)]);
        manager.cool_until(TokenId(1), NOW + HOUR, NOW);
        let out_of_quota = explained(&mut manager);
        assert_eq!(out_of_quota.expected(), Some(NOW + HOUR * 19), "{out_of_quota}");
        manager.cool_until(TokenId(1), NOW + HOUR * 30, NOW);
        let cooling = explained(&mut manager);
        assert_eq!(cooling.expected(), Some(NOW + HOUR * 30), "{cooling}");
        manager.disable(TokenId(1), NOW);
        assert_eq!(explained(&mut manager).expected(), None, "nobody knows when an operator enables it");
    }

    #[test]
    fn an_upgrade_waits_until_the_reserve_is_full_and_a_token_is_free() {
        let mut manager = manager(&[token(1, "ssoSuper", 120)]);
        let kept = explained(&mut manager);
        assert_eq!(kept.expected(), Some(NOW + HOUR), "120 units come back two hours after they were spent");
        manager.cool_until(TokenId(1), NOW + HOUR * 5, NOW);
        let cooling = explained(&mut manager);
        assert_eq!(cooling.expected(), Some(NOW + HOUR * 5), "{cooling}");
        assert!(cooling.why().contains("20 of 140 units left, kept for"), "{cooling}");
    }

    #[test]
    fn a_busy_token_is_not_hidden_by_one_that_is_merely_late() {
        let mut manager = manager(&[token(1, "ssoBasic", 0)]);
        let mut rng = StdRng::seed_from_u64(1);
        let mut reserve =
            || manager.reserve(&Wanted::new("grok-video", plain()), NOW, &mut rng).map(|g| g.reservation);
        let open: Vec<_> = (0..20).map(|_| reserve().unwrap()).collect();
        manager.add(token(2, "ssoBasic", 80), NOW);

        let both = explained(&mut manager);
        assert!(both.busy() && both.expected() == Some(NOW + HOUR * 19), "{both}");
        open.into_iter().for_each(|reservation| manager.release(reservation, NOW));
        manager.remove(TokenId(1), NOW);
        let late = explained(&mut manager);
        assert!(!late.busy(), "{late}");
    }
}
