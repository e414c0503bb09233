//! What has to be the same after everything that happens.

use filmgate_domain::{
    Decision, NoToken, PassedOver, PoolSummary, Reason, Route, Shape, Timestamp, TokenId, TokenManager,
    TokenStatus, Wanted,
};

use crate::Pair;
use crate::naive::{Refusal, Token};
use crate::world::TOKENS;

impl Pair {
    /// Nothing lost, nothing gained, and every status as it should be.
    pub(crate) fn both_know_the_same_tokens(&mut self) {
        self.manager.advance(self.now);
        for id in TOKENS.map(TokenId) {
            let (Some(info), Some(token)) = (self.manager.get(id), self.naive.token(id)) else {
                assert_eq!(self.manager.get(id).is_some(), self.naive.token(id).is_some(), "{id}");
                continue;
            };
            let status = token.status(self.now);
            assert_eq!(info.status, status, "{id}");
            let pause = token.pause_until.filter(|_| status == TokenStatus::Cooling);
            assert_eq!(info.cooling_until, pause, "{id}");
            assert_eq!(
                info.quota,
                self.naive.pool(&token.pool).and_then(|p| token.left(p, self.now)),
                "{id}"
            );
            let counts = (info.use_count, info.fail_count, info.failures_in_a_row);
            assert_eq!(counts, (token.uses, token.refusals, token.refusals_in_a_row), "{id}");
            assert_eq!(self.manager.is_draining(id), token.removed, "{id}");
        }
    }

    /// Sums over the history, for every token and every pool.
    pub(crate) fn both_hold_the_same_books(&mut self) {
        let booked = |token: &Token| {
            let pool = self.naive.pool(&token.pool).map(|pool| &**pool);
            (token.id, token.spent(pool, self.now), token.reserved(), token.in_flight(self.now))
        };
        let mut expected: Vec<_> = self.naive.tokens.iter().filter(|t| !t.removed).map(booked).collect();
        expected.sort();
        assert_eq!(books(&self.manager), expected);

        for (index, pool) in self.naive.catalog.pools().iter().enumerate() {
            assert_eq!(self.manager.summary(&pool.name), Some(self.naive.summary(index, self.now)));
            let info = self.manager.token_info(&pool.name, self.now).map(|info| info.id);
            let best = self.naive.fullest(index, self.now);
            assert!(info.map_or(best.is_empty(), |id| best.contains(&id)), "{info:?} is none of {best:?}");
        }
    }

    /// After a reservation: its token is within its pool's quota and limits, in its whole window.
    pub(crate) fn no_limit_is_broken(&self, id: TokenId) {
        let token = self.naive.token(id).expect("a reserved token is known");
        let pool = self.naive.pool(&token.pool).expect("its pool exists");
        assert!(!token.removed && token.status(self.now) == TokenStatus::Active, "{id} may not be chosen");
        let used = token.reserved() + token.spent(Some(pool), self.now);
        let units = token.history.last().map_or(0, |past| past.units);
        assert!(units == 0 || pool.quota.is_none_or(|quota| used <= quota.units), "{id} has {used} used");
        let (in_flight, submissions) = (token.in_flight(self.now), token.submissions(self.now));
        assert!(pool.max_in_flight.is_none_or(|limit| in_flight <= limit), "{id} has {in_flight} in flight");
        let within = pool.submits_per_minute.is_none_or(|limit| submissions <= limit);
        assert!(within, "{id} has {submissions} in a minute");
    }

    /// `explain` says what `reserve` would do, when a token is expected, and why each pool was passed over.
    pub(crate) fn both_explain_alike(&mut self, wanted: &Wanted<'_>) {
        let expected = self.naive.choice(wanted, self.now);
        let decision = match self.manager.explain(wanted, self.now) {
            Ok(decision) => decision,
            Err(error) => return assert_eq!(expected, Err(refusal(&error))),
        };
        match (&decision.chosen, expected) {
            (Some(chosen), Ok(choice)) => {
                let pool = &self.naive.catalog.pools()[choice.pool].name;
                assert_eq!((&chosen.pool, chosen.route, chosen.sent), (pool, choice.route, choice.sent));
                assert!(choice.best.contains(&chosen.token), "{decision} is none of {choice:?}");
            }
            (None, Err(Refusal::Shortage { expected })) => {
                assert_eq!(decision.expected(), expected, "{decision}");
                let waits = self.naive.waits_for_videos(wanted, self.now);
                assert!(decision.busy() || !waits, "busy: {decision}");
            }
            (_, expected) => panic!("{decision}, not {expected:?}"),
        }
        self.every_pool_is_explained(&decision, wanted.fallback);
        // Only with smart routing, and nothing sufficient at hand, does anybody ask.
        let smart = self.naive.routing.smart_token_routing;
        if smart && !decision.chosen.as_ref().is_some_and(|chosen| chosen.route != Route::Fallback) {
            let merely_busy = self.naive.merely_busy(wanted, self.now);
            assert_eq!(decision.merely_busy(self.now), merely_busy, "{decision}");
        }
    }

    /// What is chosen stays the same until `next_change`, or for ever, unless somebody does something.
    pub(crate) fn nothing_changes_before_it_is_said_to(&self, wanted: &Wanted<'_>) {
        let pick =
            |at| self.naive.choice(wanted, at).map_err(|refusal| matches!(refusal, Refusal::Shortage { .. }));
        let next = self.manager.next_change();
        assert!(next.is_none_or(|next| next > self.now), "{next:?} is past");
        let before = |at: &Timestamp| *at > self.now && next.is_none_or(|next| *at < next);
        for at in self.naive.moments().into_iter().filter(before) {
            assert_eq!(pick(at), pick(self.now), "at {at}, not before {next:?}");
        }
    }

    fn every_pool_is_explained(&self, decision: &Decision, fallback: bool) {
        let model = self.naive.catalog.model(&decision.model).expect("the model exists");
        for (index, route, sent) in self.naive.candidates(model, decision.asked) {
            let pool = &self.naive.catalog.pools()[index];
            let chosen = decision.chosen.as_ref().is_some_and(|chosen| chosen.pool == pool.name);
            let explained = decision.passed_over.iter().find(|passed| passed.pool == pool.name);
            assert!(chosen || explained.is_some_and(|e| !e.classes.is_empty()), "{}: {decision}", pool.name);

            if self.naive.allows(index, route, fallback, self.now) {
                let unfit = |t: &&Token| !t.can_take(pool, pool.cost(&sent), self.now);
                let here = self.naive.tokens.iter().filter(|t| t.pool == pool.name && !t.removed);
                let unfit: Vec<_> = here.filter(unfit).map(|t| t.status(self.now)).collect();
                let of = |status| unfit.iter().filter(|s| **s == status).count() as u32;
                assert_eq!(count(explained, |_| true), unfit.len() as u32, "{decision}");
                assert_eq!(count(explained, |r| *r == Reason::Disabled), of(TokenStatus::Disabled));
                assert_eq!(count(explained, |r| *r == Reason::Expired), of(TokenStatus::Expired));
            } else {
                let barrier = match explained.map(|e| e.classes[0].reason) {
                    Some(Reason::FallbackNotAllowed | Reason::FallbackNotWanted) => Route::Fallback,
                    Some(Reason::UpgradeNotAllowed | Reason::KeptInReserve { .. }) => Route::Upgrade,
                    other => panic!("{other:?} bars no pool: {decision}"),
                };
                assert_eq!(barrier, route, "{decision}");
            }
            if chosen {
                return;
            }
        }
    }
}

/// What can be seen of a manager; in which order equal tokens stand is left to chance.
pub(crate) fn observed(
    manager: &mut TokenManager,
    probe: Shape,
    now: Timestamp,
) -> (Vec<PoolSummary>, Vec<Books>, Vec<Result<Decision, NoToken>>) {
    manager.advance(now);
    let catalog = manager.catalog().clone();
    let pools = catalog.pools().iter().filter_map(|pool| manager.summary(&pool.name)).collect();
    let tokens = books(manager);
    let decisions = ["video", "other"].map(|model| {
        let mut decision = manager.explain(&Wanted::new(model, probe), now)?;
        decision.chosen.iter_mut().for_each(|chosen| chosen.token = TokenId(0));
        decision.passed_over.iter_mut().for_each(|p| p.classes.sort_by_key(|class| class.reason.to_string()));
        Ok(decision)
    });
    (pools, tokens, decisions.into())
}

pub(crate) fn refusal(error: &NoToken) -> Refusal {
    match error {
        NoToken::UnknownModel { .. } => Refusal::UnknownModel,
        NoToken::Undeliverable(_) => Refusal::Undeliverable,
        NoToken::Shortage(_) => Refusal::Shortage { expected: error.expected() },
    }
}

/// Token, units spent, units reserved, videos in flight.
type Books = (TokenId, u32, u32, u32);

fn books(manager: &TokenManager) -> Vec<Books> {
    let mut books: Vec<_> =
        manager.tokens().map(|(info, spent, open, busy)| (info.id, spent, open, busy)).collect();
    books.sort();
    books
}

fn count(passed: Option<&PassedOver>, class: impl Fn(&Reason) -> bool) -> u32 {
    let classes = passed.iter().flat_map(|p| &p.classes).filter(|c| class(&c.reason));
    classes.map(|class| class.tokens).sum()
}
