//! A token manager that is obviously right: it keeps every token's whole history, and answers each question
//! by summing over it. Slow, and never clever.

use std::sync::Arc;
use std::time::Duration;

use filmgate_domain::{
    Blame, Catalog, Model, Pool, PoolSummary, RateLimit, Resolution, Route, RoutingSettings, Seconds,
    Settlement, Shape, Timestamp, TokenId, TokenInfo, TokenStatus, Wanted,
};

pub(crate) const MINUTE: Duration = Duration::from_secs(60);
pub(crate) const FAIL_THRESHOLD: u32 = 3;
pub(crate) const FIRST_PAUSE: Duration = Duration::from_secs(10);

/// The books.
#[derive(Clone)]
pub(crate) struct Naive {
    pub(crate) catalog: Arc<Catalog>,
    pub(crate) routing: RoutingSettings,
    /// The tokens in use, and the removed ones that still have open reservations.
    pub(crate) tokens: Vec<Token>,
}

/// A token and everything that ever happened to it.
#[derive(Clone)]
pub(crate) struct Token {
    pub(crate) id: TokenId,
    pub(crate) pool: Box<str>,
    pub(crate) disabled: bool,
    pub(crate) expired: bool,
    pub(crate) pause_until: Option<Timestamp>,
    pub(crate) removed: bool,
    pub(crate) uses: u64,
    pub(crate) refusals: u64,
    pub(crate) refusals_in_a_row: u32,
    /// The last refusal, while it is known: whether it counts in the row, the pause that it found, and whether
    /// it found the token expired.
    pub(crate) last_refusal: Option<(bool, Option<Timestamp>, bool)>,
    pub(crate) history: Vec<Past>,
}

/// A reservation, from its beginning to its end.
#[derive(Clone)]
pub(crate) struct Past {
    pub(crate) reserved_at: Timestamp,
    pub(crate) units: u32,
    /// It was spent before the token came in, or elsewhere.
    pub(crate) opening: bool,
    /// `None` while it is open.
    pub(crate) end: Option<Settlement>,
    /// Whether its pool limited submissions when it was made: only then it counts as one.
    pub(crate) is_submission: bool,
    /// Whether its units came back under an earlier configuration: they do not go away again.
    pub(crate) came_back: bool,
}

/// What should be chosen: one of these tokens.
#[derive(Debug, PartialEq)]
pub(crate) struct Choice {
    pub(crate) pool: usize,
    pub(crate) route: Route,
    pub(crate) sent: Shape,
    pub(crate) units: u32,
    pub(crate) first_choice: usize,
    pub(crate) best: Vec<TokenId>,
}

/// Why nothing should be chosen.
#[derive(Debug, PartialEq)]
pub(crate) enum Refusal {
    UnknownModel,
    Undeliverable,
    Shortage { expected: Option<Timestamp> },
}

// ---- one token, at a time ----

impl Token {
    pub(crate) fn new(info: &TokenInfo) -> Self {
        let opening = info.opening.map(|(at, units)| Past::elsewhere(at, units));
        let mut token = Self {
            id: info.id,
            pool: "".into(),
            disabled: false,
            expired: false,
            pause_until: None,
            removed: false,
            uses: 0,
            refusals: 0,
            refusals_in_a_row: 0,
            last_refusal: None,
            history: opening.into_iter().collect(),
        };
        token.take_over(info);
        token
    }

    /// The operator says anew what it is; what it did stays.
    pub(crate) fn take_over(&mut self, info: &TokenInfo) {
        self.pool = info.pool.clone();
        self.disabled = info.status == TokenStatus::Disabled;
        self.expired = info.status == TokenStatus::Expired;
        self.pause_until = info.cooling_until.filter(|_| info.status == TokenStatus::Cooling);
        self.removed = false;
        self.uses = info.use_count;
        self.refusals = info.fail_count;
        self.refusals_in_a_row = info.failures_in_a_row;
        self.last_refusal = None;
    }

    /// As if the last refusal had not been. True when there was one.
    pub(crate) fn forgive(&mut self) -> bool {
        if self.refusals == 0 {
            return false;
        }
        let too_many = |token: &Self| token.refusals_in_a_row >= FAIL_THRESHOLD;
        let were_too_many = too_many(self);
        let known = self.last_refusal.take();
        let (counts, pause_before, expired_before) = known.unwrap_or((true, None, false));
        self.refusals -= 1;
        if counts {
            self.refusals_in_a_row = self.refusals_in_a_row.saturating_sub(1);
        }
        // When nobody knows, it goes by the numbers.
        if if known.is_some() { !expired_before } else { were_too_many && !too_many(self) } {
            self.expired = false;
        }
        if !self.expired && !self.disabled {
            self.pause_until = pause_before;
        }
        true
    }

    pub(crate) fn status(&self, at: Timestamp) -> TokenStatus {
        match (self.disabled, self.expired) {
            (true, _) => TokenStatus::Disabled,
            (_, true) => TokenStatus::Expired,
            _ if self.pause_until.is_some_and(|until| until > at) => TokenStatus::Cooling,
            _ => TokenStatus::Active,
        }
    }

    fn usable(&self) -> bool {
        !self.disabled && !self.expired && !self.removed
    }

    fn open(&self) -> impl Iterator<Item = &Past> {
        self.history.iter().filter(|past| past.end.is_none())
    }

    pub(crate) fn reserved(&self) -> u32 {
        self.open().map(|past| past.units).sum()
    }

    /// Units spent that have not come back.
    pub(crate) fn spent(&self, pool: Option<&Pool>, at: Timestamp) -> u32 {
        self.history.iter().filter(|past| past.is_gone(pool, at)).map(|past| past.units).sum()
    }

    pub(crate) fn in_flight(&self, at: Timestamp) -> u32 {
        let held = self.history.iter().filter(|past| past.slot_until().is_some_and(|until| until > at));
        (self.open().count() + held.count()) as u32
    }

    pub(crate) fn submissions(&self, at: Timestamp) -> u32 {
        let last_minute = |past: &&Past| past.is_submission && past.reserved_at + MINUTE > at;
        self.history.iter().filter(last_minute).count() as u32
    }

    /// Units left; `None` without a quota.
    pub(crate) fn left(&self, pool: &Pool, at: Timestamp) -> Option<u32> {
        Some(pool.quota?.units.saturating_sub(self.reserved() + self.spent(Some(pool), at)))
    }

    pub(crate) fn can_take(&self, pool: &Pool, units: u32, at: Timestamp) -> bool {
        !self.removed
            && self.status(at) == TokenStatus::Active
            && pool.max_in_flight.is_none_or(|limit| self.in_flight(at) < limit)
            && pool.submits_per_minute.is_none_or(|limit| self.submissions(at) < limit)
            && self.left(pool, at).is_none_or(|left| left >= units)
    }

    /// Every moment at which something about it may change by itself.
    fn moments<'a>(&'a self, pool: &'a Pool) -> impl Iterator<Item = Timestamp> + 'a {
        let of_past = |past: &'a Past| {
            let units = past.spent_at().zip(pool.quota).map(|(at, quota)| at + quota.window);
            [units, past.slot_until(), Some(past.reserved_at + MINUTE)].into_iter().flatten()
        };
        self.history.iter().flat_map(of_past).chain(self.pause_until)
    }

    /// With fewer units left at the upstream than here, somebody else spent the others. They replace what was
    /// known to be spent so, and are never fewer.
    fn spend_elsewhere(&mut self, pool: &Pool, told: RateLimit, now: Timestamp) {
        let Some(quota) = pool.quota else { return };
        let gone = |past: &&Past| past.opening && past.is_gone(Some(pool), now);
        let known: u32 = self.history.iter().filter(gone).map(|past| past.units).sum();
        let own = self.reserved() + self.spent(Some(pool), now) - known;
        let elsewhere = quota.units.saturating_sub(told.remaining).saturating_sub(own);
        if elsewhere > known {
            let back = now + told.reset.unwrap_or(quota.window);
            let past = Past::elsewhere(back - quota.window, elsewhere);
            // Open reservations are known by their places.
            match self.history.iter().position(|past| past.opening) {
                Some(place) => self.history[place] = past,
                None => self.history.push(past),
            }
        }
    }

    fn pause(&mut self, until: Timestamp) {
        if !self.disabled && !self.expired {
            self.pause_until = self.pause_until.max(Some(until));
        }
    }
}

impl Past {
    /// Units that no reservation tells of.
    fn elsewhere(at: Timestamp, units: u32) -> Self {
        let end = Some(Settlement { spent_at: Some(at), slot_until: None });
        Self { reserved_at: at, units, opening: true, end, is_submission: false, came_back: false }
    }

    fn spent_at(&self) -> Option<Timestamp> {
        self.end?.spent_at
    }

    fn slot_until(&self) -> Option<Timestamp> {
        self.end?.slot_until
    }

    /// Whether its units are spent and have not come back. Without a quota nothing is ever spent; while the
    /// configuration does not know the pool, nothing comes back.
    fn is_gone(&self, pool: Option<&Pool>, at: Timestamp) -> bool {
        let Some(spent_at) = self.spent_at().filter(|_| !self.came_back) else { return false };
        match pool.map(|p| p.quota) {
            None => true,
            Some(None) => false,
            Some(Some(quota)) => spent_at + quota.window > at,
        }
    }
}

// ---- what happens ----

impl Naive {
    pub(crate) fn pool(&self, name: &str) -> Option<&Arc<Pool>> {
        self.catalog.pools().iter().find(|pool| *pool.name == *name)
    }

    pub(crate) fn token(&self, id: TokenId) -> Option<&Token> {
        self.tokens.iter().find(|token| token.id == id)
    }

    pub(crate) fn token_mut(&mut self, id: TokenId) -> Option<&mut Token> {
        self.tokens.iter_mut().find(|token| token.id == id)
    }

    pub(crate) fn add(&mut self, info: &TokenInfo, now: Timestamp) {
        self.remember_what_came_back(now);
        match self.token_mut(info.id) {
            Some(token) => token.take_over(info),
            None => self.tokens.push(Token::new(info)),
        }
    }

    /// Enters a reservation; gives its place in the token's history.
    pub(crate) fn reserve(&mut self, id: TokenId, units: u32, now: Timestamp) -> usize {
        let is_submission = self.limits_submissions(id);
        let token = self.token_mut(id).expect("the chosen token is known");
        let (opening, end, came_back) = (false, None, false);
        token.history.push(Past { reserved_at: now, units, opening, end, is_submission, came_back });
        token.history.len() - 1
    }

    pub(crate) fn settle(&mut self, id: TokenId, place: usize, settlement: Settlement) {
        let token = self.token_mut(id).expect("a token with open reservations is known");
        assert!(token.history[place].end.replace(settlement).is_none(), "settled twice");
        self.forget_drained();
    }

    pub(crate) fn remove(&mut self, id: TokenId) {
        if let Some(token) = self.token_mut(id) {
            token.removed = true;
        }
        self.forget_drained();
    }

    pub(crate) fn blame(&mut self, id: TokenId, blame: &Blame, now: Timestamp) {
        let Some(token) = self.token_mut(id) else { return };
        token.refusals += 1;
        let pause = token.pause_until.filter(|until| *until > now);
        token.last_refusal = Some((matches!(blame, Blame::Unauthorized { .. }), pause, token.expired));
        match blame {
            Blame::RateLimited { until, .. } => token.pause(until.unwrap_or(now + FIRST_PAUSE)),
            Blame::Unauthorized { .. } => {
                token.refusals_in_a_row += 1;
                if token.refusals_in_a_row >= FAIL_THRESHOLD && !token.disabled {
                    token.expired = true;
                    token.pause_until = None;
                }
                token.pause(now + FIRST_PAUSE * 2u32.pow((token.refusals_in_a_row - 1).min(16)));
            }
        }
    }

    pub(crate) fn heed(&mut self, id: TokenId, told: RateLimit, now: Timestamp) {
        if told.reset == Some(Duration::ZERO) {
            return;
        }
        let pool = self.token(id).and_then(|token| self.pool(&token.pool)).cloned();
        let Some(token) = self.token_mut(id) else { return };
        if let Some(pool) = pool.filter(|_| told.in_units) {
            token.spend_elsewhere(&pool, told, now);
        }
        if let Some(reset) = told.reset.filter(|_| told.remaining == 0) {
            token.pause(now + reset);
        }
    }

    pub(crate) fn reconfigure(&mut self, catalog: Arc<Catalog>, routing: RoutingSettings, now: Timestamp) {
        self.remember_what_came_back(now);
        (self.catalog, self.routing) = (catalog, routing);
    }

    /// Reads everything from disk again. True when that brought back what the process had let go because of
    /// an earlier configuration.
    pub(crate) fn restart(&mut self) -> bool {
        let mut brought_back = false;
        for n in 0..self.tokens.len() {
            self.tokens[n].last_refusal = None;
            let limited = self.limits_submissions(self.tokens[n].id);
            for past in &mut self.tokens[n].history {
                let is_submission = limited && !past.opening;
                brought_back |= past.came_back || past.is_submission != is_submission;
                (past.came_back, past.is_submission) = (false, is_submission);
            }
        }
        brought_back
    }

    fn limits_submissions(&self, id: TokenId) -> bool {
        let pool = self.token(id).and_then(|token| self.pool(&token.pool));
        pool.is_some_and(|pool| pool.submits_per_minute.is_some())
    }

    fn forget_drained(&mut self) {
        self.tokens.retain(|token| !token.removed || token.open().next().is_some());
    }

    fn remember_what_came_back(&mut self, now: Timestamp) {
        let catalog = Arc::clone(&self.catalog);
        for token in &mut self.tokens {
            let pool = catalog.pools().iter().find(|pool| pool.name == token.pool);
            for past in &mut token.history {
                past.came_back |= past.spent_at().is_some() && !past.is_gone(pool.map(|p| &**p), now);
            }
        }
    }
}

// ---- what should be chosen ----

impl Naive {
    pub(crate) fn choice(&self, wanted: &Wanted<'_>, now: Timestamp) -> Result<Choice, Refusal> {
        let Wanted { model, shape: asked, fallback, .. } = *wanted;
        let named = |m: &&Model| *m.name == *model || m.aliases.iter().any(|alias| alias == model);
        let model = self.catalog.models().iter().find(named).ok_or(Refusal::UnknownModel)?;
        let smart = self.routing.smart_token_routing;
        if smart && !self.pools_of(model).iter().any(|&pool| self.delivers(pool, model, &asked)) {
            return Err(Refusal::Undeliverable);
        }
        let candidates = self.candidates(model, asked);
        self.choice_among(&candidates, fallback, now).ok_or_else(|| {
            let expected = self.moments().into_iter().filter(|at| *at > now);
            let expected = expected.filter(|at| self.choice_among(&candidates, fallback, *at).is_some());
            Refusal::Shortage { expected: expected.min() }
        })
    }

    /// The pools to try, in order: those that deliver it in the model's order, then the others, strongest
    /// first, each asked for the most that it has.
    pub(crate) fn candidates(&self, model: &Model, asked: Shape) -> Vec<(usize, Route, Shape)> {
        let pools = self.pools_of(model);
        let (able, unable): (Vec<usize>, Vec<usize>) =
            pools.iter().partition(|&&pool| self.delivers(pool, model, &asked));
        if !self.routing.smart_token_routing {
            let route = |pool| if able.contains(&pool) { Route::Primary } else { Route::Fallback };
            return pools.into_iter().map(|pool| (pool, route(pool), asked)).collect();
        }
        let route = |nth| if nth == 0 { Route::Primary } else { Route::Upgrade };
        let able = able.into_iter().enumerate().map(|(nth, pool)| (pool, route(nth), asked));
        let unable = unable.into_iter().rev();
        let unable =
            unable.filter_map(|pool| Some((pool, Route::Fallback, self.most_like(pool, model, asked)?)));
        able.chain(unable).collect()
    }

    fn choice_among(
        &self,
        candidates: &[(usize, Route, Shape)],
        fallback: bool,
        at: Timestamp,
    ) -> Option<Choice> {
        let first_choice = candidates.first()?.0;
        candidates.iter().find_map(|&(pool, route, sent)| {
            let units = cost(&self.catalog.pools()[pool], &sent);
            let best = self.best_for(&self.catalog.pools()[pool], units, at);
            let possible = !best.is_empty() && self.allows(pool, route, fallback, at);
            possible.then_some(Choice { pool, route, sent, units, first_choice, best })
        })
    }

    /// The tokens that can take it and have the most units left; without a quota, the fewest in flight.
    fn best_for(&self, pool: &Pool, units: u32, at: Timestamp) -> Vec<TokenId> {
        let able = self.tokens.iter().filter(|t| t.pool == pool.name && t.can_take(pool, units, at));
        let able: Vec<_> = able.collect();
        let fullness = |token: &Token| match token.left(pool, at) {
            Some(left) => i64::from(left),
            None => -i64::from(token.in_flight(at)),
        };
        let most = able.iter().map(|token| fullness(token)).max();
        able.iter().filter(|token| Some(fullness(token)) == most).map(|token| token.id).collect()
    }

    /// The tokens that a call for a cheap video would choose from: something has to be left where there is a quota.
    pub(crate) fn fullest(&self, pool: usize, at: Timestamp) -> Vec<TokenId> {
        self.best_for(&self.catalog.pools()[pool], 1, at)
    }

    /// Whether the switches let this pool be used in this way.
    pub(crate) fn allows(&self, pool: usize, route: Route, fallback: bool, at: Timestamp) -> bool {
        let switches = &self.routing;
        match route {
            _ if !switches.smart_token_routing => true,
            Route::Primary => true,
            Route::Fallback => switches.allow_fallback_to_basic && fallback,
            Route::Upgrade => {
                let summary = self.summary(pool, at);
                let enough = |(left, granted)| left as f64 >= switches.upgrade_reserve * granted as f64;
                switches.allow_upgrade_to_super && summary.left.zip(summary.granted).is_none_or(enough)
            }
        }
    }

    pub(crate) fn summary(&self, index: usize, at: Timestamp) -> PoolSummary {
        let pool = &self.catalog.pools()[index];
        let here: Vec<&Token> = self.tokens.iter().filter(|t| t.pool == pool.name).collect();
        let of = |status| here.iter().filter(|t| !t.removed && t.status(at) == status).count() as u32;
        let usable = || here.iter().filter(|t| t.usable());
        PoolSummary {
            tokens: [
                ("active", of(TokenStatus::Active)),
                ("cooling", of(TokenStatus::Cooling)),
                ("expired", of(TokenStatus::Expired)),
                ("disabled", of(TokenStatus::Disabled)),
            ],
            granted: pool.quota.map(|quota| usable().map(|_| u64::from(quota.units)).sum()),
            left: pool.quota.map(|_| usable().filter_map(|t| t.left(pool, at)).map(u64::from).sum()),
            in_flight: here.iter().map(|t| u64::from(t.in_flight(at))).sum(),
        }
    }

    /// Whether there would be a choice if every video in the making were done, and charged.
    pub(crate) fn waits_for_videos(&self, wanted: &Wanted<'_>, now: Timestamp) -> bool {
        let mut done = self.clone();
        let all = done.tokens.iter_mut().flat_map(|token| &mut token.history);
        for past in all.filter(|past| past.end.is_none_or(|end| end.slot_until.is_some())) {
            let spent_at = past.end.map_or(Some(now), |end| end.spent_at);
            past.end = Some(Settlement { spent_at, slot_until: None });
        }
        done.choice(wanted, now).is_ok()
    }

    /// Whether some pool may deliver less, and one that delivers it as asked has a token which lacks a slot and
    /// nothing else, one that no past video holds.
    pub(crate) fn merely_busy(&self, wanted: &Wanted<'_>, now: Timestamp) -> bool {
        let model = self.catalog.model(wanted.model).expect("the model exists");
        let candidates = self.candidates(model, wanted.shape);
        let lacks_a_slot = |token: &Token, pool: &Arc<Pool>, units: u32| {
            let roomy = Pool { max_in_flight: None, ..(**pool).clone() };
            let open = token.open().count() as u32;
            token.can_take(&roomy, units, now) && pool.max_in_flight.is_some_and(|limit| open >= limit)
        };
        let busy = |&(pool, route, sent): &(usize, Route, Shape)| {
            let (open, pool) = (self.allows(pool, route, wanted.fallback, now), &self.catalog.pools()[pool]);
            let here = self.tokens.iter().filter(|token| token.pool == pool.name);
            open && route != Route::Fallback
                && here.into_iter().any(|t| lacks_a_slot(t, pool, cost(pool, &sent)))
        };
        candidates.iter().any(|(_, route, _)| *route == Route::Fallback) && candidates.iter().any(busy)
    }

    pub(crate) fn moments(&self) -> Vec<Timestamp> {
        let known = self.tokens.iter().filter_map(|token| Some((token, self.pool(&token.pool)?)));
        known.flat_map(|(token, pool)| token.moments(pool)).collect()
    }

    fn pools_of(&self, model: &Model) -> Vec<usize> {
        let place = |name: &str| self.catalog.pools().iter().position(|pool| *pool.name == *name);
        model.pools.iter().filter_map(|(name, _)| place(name)).collect()
    }

    fn delivers(&self, pool: usize, model: &Model, shape: &Shape) -> bool {
        self.longest(pool, model, shape.resolution).is_some_and(|longest| shape.seconds <= longest)
    }

    fn longest(&self, pool: usize, model: &Model, resolution: Resolution) -> Option<Seconds> {
        let abilities = self.catalog.pools()[pool].delivers.iter().filter(|c| c.resolution == resolution);
        let serves = |models: &Vec<String>| models.iter().any(|name| **name == *model.name);
        abilities.filter(|c| c.models.as_ref().is_none_or(serves)).map(|c| c.max_seconds).max()
    }

    /// The resolution asked for, or the next lower one, or the next higher one; as long as it goes.
    fn most_like(&self, pool: usize, model: &Model, asked: Shape) -> Option<Shape> {
        let lower = Resolution::ALL.into_iter().rev().filter(|r| *r <= asked.resolution);
        let higher = Resolution::ALL.into_iter().filter(|r| *r > asked.resolution);
        lower.chain(higher).find_map(|resolution| {
            let longest = self.longest(pool, model, resolution)?;
            Some(Shape { resolution, seconds: longest.min(asked.seconds), ..asked })
        })
    }
}

fn cost(pool: &Pool, shape: &Shape) -> u32 {
    let fits = pool.costs.iter().find(|cost| {
        cost.resolution.is_none_or(|r| r == shape.resolution)
            && cost.max_seconds.is_none_or(|max| shape.seconds <= max)
    });
    fits.map_or(0, |cost| cost.units + cost.units_per_second * shape.seconds.get())
}
