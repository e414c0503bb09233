//! Chooses tokens and keeps their books: reserve, then settle or release.
//!
//! The manager is a plain value: no lock, no I/O, no clock. Whoever shares it wraps it in a mutex.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use rand::Rng;
use rustc_hash::FxHashMap;

use crate::entry::Entry;
use crate::glance::{Figures, Shown};
use crate::ranking::Ranking;
use crate::routing::Question;
use crate::{
    Candidate, Catalog, NoToken, Reason, Resolution, Route, RoutingSettings, Seconds, Shape, Timestamp,
    TokenId, TokenInfo, Wanted,
};

/// All tokens, ready to be chosen from.
#[derive(Debug)]
pub struct TokenManager {
    pub(crate) catalog: Arc<Catalog>,
    pub(crate) routing: RoutingSettings,
    pub(crate) fail_threshold: u32,
    pub(crate) first_pause: Duration,
    pub(crate) entries: Vec<Entry>,
    by_id: FxHashMap<TokenId, u32>,
    /// Places in `entries` that removed tokens left empty.
    vacant: Vec<u32>,
    pub(crate) ranking: Ranking,
    /// When a token changes by itself next: a cooling ends, units or a slot come back.
    timers: BTreeSet<(Timestamp, u32)>,
    pub(crate) totals: Vec<Totals>,
    pub(crate) figures: Vec<Figures>,
}

/// Units of a pool's tokens that are neither disabled nor expired.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Totals {
    pub(crate) granted: u64,
    pub(crate) left: u64,
}

/// A claim on a token: units and a slot. Give it back with [`TokenManager::settle`] or
/// [`TokenManager::release`]; the manager cannot see that it was dropped.
#[derive(Debug, PartialEq, Eq)]
#[must_use = "a reservation that is not settled or released holds its token's quota for ever"]
pub struct Reservation {
    /// The token.
    pub token: TokenId,
    /// Units set aside.
    pub units: u32,
    /// The token's place in the manager: spares a look-up.
    index: u32,
}

/// A chosen and reserved token, and why it was that one.
#[derive(Debug, PartialEq, Eq)]
#[must_use = "the reservation in it has to be settled or released"]
pub struct Grant {
    /// The claim.
    pub reservation: Reservation,
    /// The pool's place in the catalog.
    pub pool: usize,
    /// How the pool relates to what was asked.
    pub route: Route,
    /// What the upstream is to be asked for.
    pub sent: Shape,
    /// The pool that was looked at first; another than `pool` when something went differently.
    pub first_choice: usize,
}

/// How a reservation ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Settlement {
    /// When the upstream answered the submission, if its units are spent; `None` gives them back.
    pub spent_at: Option<Timestamp>,
    /// Until when the slot stays taken, because the upstream may still be at work.
    pub slot_until: Option<Timestamp>,
}

impl Settlement {
    /// Whether it is as if the reservation had never been.
    fn leaves_nothing(&self) -> bool {
        self.spent_at.is_none() && self.slot_until.is_none()
    }
}

impl TokenManager {
    /// A manager without tokens, that blames as the defaults say: a refused credential pauses for a minute,
    /// doubling, and expires after five refusals in a row.
    pub fn new(catalog: impl Into<Arc<Catalog>>, routing: RoutingSettings) -> Self {
        let catalog = catalog.into();
        let pools = catalog.pools().len();
        Self {
            catalog,
            routing,
            fail_threshold: 5,
            first_pause: Duration::from_secs(60),
            entries: Vec::new(),
            by_id: FxHashMap::default(),
            vacant: Vec::new(),
            ranking: Ranking::new(pools),
            timers: BTreeSet::new(),
            totals: vec![Totals::default(); pools],
            figures: vec![Figures::default(); pools],
        }
    }

    /// Sets after how many refusals in a row a token expires, and how long it pauses after the first
    /// (the pause doubles with each).
    pub fn set_blame_rule(&mut self, fail_threshold: u32, first_pause: Duration) {
        self.fail_threshold = fail_threshold.max(1);
        self.first_pause = first_pause;
    }

    /// Takes other pools, models and switches into use. Tokens, reservations and what was spent stay; units
    /// that came back under the old windows do not go away again.
    pub fn reconfigure(
        &mut self,
        catalog: impl Into<Arc<Catalog>>,
        routing: RoutingSettings,
        now: Timestamp,
    ) {
        self.advance(now);
        self.catalog = catalog.into();
        self.routing = routing;
        let pools = self.catalog.pools().len();
        self.ranking = Ranking::new(pools);
        self.totals = vec![Totals::default(); pools];
        self.figures = vec![Figures::default(); pools];
        for index in 0..self.entries.len() {
            let entry = &mut self.entries[index];
            if entry.is_drained() {
                continue;
            }
            entry.pool = self.catalog.pool_index(&entry.info.pool);
            entry.counted = None;
            entry.shown = None;
            self.refresh(index as u32, now);
        }
    }

    /// The pools and models in use.
    pub fn catalog(&self) -> &Arc<Catalog> {
        &self.catalog
    }

    /// The switches in use.
    pub fn routing(&self) -> &RoutingSettings {
        &self.routing
    }

    // ---- choosing ----

    /// The token of a pool that would be chosen now, with everything known about it. Nothing is reserved.
    /// `None` when every token is busy, cooling, switched off, or has nothing left of its quota.
    #[doc(alias = "get_token_info")]
    pub fn token_info(&mut self, pool: &str, now: Timestamp) -> Option<&TokenInfo> {
        self.advance(now);
        let pool = self.catalog.pool_index(pool)?;
        let (rank, token) = self.ranking.peek(pool)?;
        let exhausted = rank == 0 && self.catalog.pools()[pool].quota.is_some();
        if exhausted {
            return None;
        }
        Some(&self.entries[token as usize].info)
    }

    /// Chooses and reserves a token for a video of the default model, by the founding rule.
    ///
    /// # Errors
    /// [`NoToken`] says why there is none, and when one is expected.
    #[doc(alias = "get_token_for_video")]
    pub fn token_for_video(
        &mut self,
        resolution: Resolution,
        video_length: Seconds,
        now: Timestamp,
        rng: &mut impl Rng,
    ) -> Result<(TokenInfo, Reservation), NoToken> {
        let aspect_ratio = crate::AspectRatio::R16x9;
        let asked = Shape { resolution, seconds: video_length, aspect_ratio };
        let model = self.catalog.default_model().name.clone();
        let grant = self.reserve(&Wanted::new(&model, asked), now, rng)?;
        let info = self.get(grant.reservation.token).expect("a reserved token is known").clone();
        Ok((info, grant.reservation))
    }

    /// Chooses and reserves a token for a video.
    ///
    /// # Errors
    /// [`NoToken`] says why there is none, and when one is expected. To find that out it walks over all tokens
    /// of the pools; [`TokenManager::try_reserve`] does not.
    pub fn reserve(
        &mut self,
        wanted: &Wanted<'_>,
        now: Timestamp,
        rng: &mut impl Rng,
    ) -> Result<Grant, NoToken> {
        if let Some(grant) = self.try_reserve(wanted, now, rng)? {
            return Ok(grant);
        }
        let question = self.question(wanted)?;
        question.check()?;
        Err(NoToken::Shortage(Box::new(self.explain_in(&question))))
    }

    /// Like [`TokenManager::reserve`], but a shortage is `None`, at no cost.
    ///
    /// # Errors
    /// When the model is unknown.
    pub fn try_reserve(
        &mut self,
        wanted: &Wanted<'_>,
        now: Timestamp,
        rng: &mut impl Rng,
    ) -> Result<Option<Grant>, NoToken> {
        self.advance(now);
        let Some((candidate, index, first_choice)) = self.choose(wanted, rng)? else { return Ok(None) };
        let Candidate { pool, route, sent } = candidate;
        let reservation = self.take(index, pool, &sent, now);
        Ok(Some(Grant { reservation, pool, route, sent, first_choice }))
    }

    /// The pool and the token (by its index) for a video, and the pool that was looked at first.
    fn choose(
        &self,
        wanted: &Wanted<'_>,
        rng: &mut impl Rng,
    ) -> Result<Option<(Candidate, u32, usize)>, NoToken> {
        let question = self.question(wanted)?;
        let mut first_choice = None;
        for candidate in question.candidates() {
            let first_choice = *first_choice.get_or_insert(candidate.pool);
            if self.barrier(&question, &candidate).is_some() {
                continue;
            }
            let pool = &self.catalog.pools()[candidate.pool];
            if let Some((rank, index)) = self.ranking.best(candidate.pool, rng)
                && (pool.quota.is_none() || rank >= pool.cost(&candidate.sent))
            {
                return Ok(Some((candidate, index, first_choice)));
            }
        }
        Ok(None)
    }

    pub(crate) fn question(&self, wanted: &Wanted<'_>) -> Result<Question<'_>, NoToken> {
        Question::new(&self.catalog, wanted, self.routing.smart_token_routing)
    }

    /// What keeps a whole pool from being used for this video, whatever its tokens.
    pub(crate) fn barrier(&self, question: &Question<'_>, candidate: &Candidate) -> Option<Reason> {
        if !self.routing.smart_token_routing {
            return None;
        }
        match candidate.route {
            Route::Primary => None,
            Route::Fallback => {
                let allowed = self.routing.allow_fallback_to_basic;
                let barred = (!allowed).then_some(Reason::FallbackNotAllowed);
                barred.or((!question.wanted.fallback).then_some(Reason::FallbackNotWanted))
            }
            Route::Upgrade if !self.routing.allow_upgrade_to_super => Some(Reason::UpgradeNotAllowed),
            Route::Upgrade => {
                let Totals { granted, left } = self.totals[candidate.pool];
                let limited = self.catalog.pools()[candidate.pool].quota.is_some();
                let kept = Reason::KeptInReserve { left, granted, until: None };
                (limited && self.is_reserve(left, granted)).then_some(kept)
            }
        }
    }

    /// Whether what is left of a pool's quota is kept for videos that only it can make.
    pub(crate) fn is_reserve(&self, left: u64, granted: u64) -> bool {
        (left as f64) < self.routing.upgrade_reserve * granted as f64
    }

    fn take(&mut self, index: u32, pool: usize, sent: &Shape, now: Timestamp) -> Reservation {
        let pool = &*self.catalog.pools()[pool];
        let units = pool.cost(sent);
        let entry = &mut self.entries[index as usize];
        entry.open += 1;
        entry.reserved += units;
        let token = entry.info.id;
        if pool.submits_per_minute.is_some() {
            entry.note_submit(now);
            self.schedule(index);
        }
        self.rank(index);
        Reservation { token, units, index }
    }

    // ---- the end of a reservation ----

    /// Ends a reservation: its units are spent or come back, its slot is freed now or later.
    pub fn settle(&mut self, reservation: Reservation, settlement: Settlement, now: Timestamp) {
        let index = reservation.index;
        let Some(entry) = self.entries.get_mut(index as usize) else { return };
        // It may be from before a restart.
        if entry.info.id != reservation.token || entry.open == 0 {
            return;
        }
        entry.open -= 1;
        entry.reserved -= reservation.units;
        if settlement.leaves_nothing() {
            self.rank(index);
        } else {
            entry.settle(reservation.units, settlement, now);
            self.refresh(index, now);
        }
        self.drop_if_drained(index);
    }

    /// Ends a reservation as if it had never been: units and slot come back at once.
    pub fn release(&mut self, reservation: Reservation, now: Timestamp) {
        self.settle(reservation, Settlement { spent_at: None, slot_until: None }, now);
    }

    /// Enters a reservation that was made before a restart and is still open.
    ///
    /// `None` when its token is not known any more.
    pub fn restore_open(
        &mut self,
        token: TokenId,
        units: u32,
        reserved_at: Timestamp,
        now: Timestamp,
    ) -> Option<Reservation> {
        let &index = self.by_id.get(&token)?;
        let limited = self.limits_submissions(index);
        let entry = &mut self.entries[index as usize];
        entry.open += 1;
        entry.reserved += units;
        if limited {
            entry.note_submit(reserved_at);
        }
        self.refresh(index, now);
        Some(Reservation { token, units, index })
    }

    /// Enters what a settled reservation from before a restart left behind: spent units, a held slot,
    /// a submission of the last minute.
    pub fn restore_settled(
        &mut self,
        token: TokenId,
        units: u32,
        reserved_at: Timestamp,
        settlement: Settlement,
        now: Timestamp,
    ) {
        let Some(&index) = self.by_id.get(&token) else { return };
        let limited = self.limits_submissions(index);
        let entry = &mut self.entries[index as usize];
        if limited {
            entry.note_submit(reserved_at);
        }
        entry.settle(units, settlement, now);
        self.refresh(index, now);
    }

    // ---- what is known about tokens ----

    /// Adds a token, or takes over what is new about one that is known (a removed one that still drains comes
    /// back). Its books stay as they are: `opening` counts only the first time.
    pub fn add(&mut self, info: TokenInfo, now: Timestamp) {
        // It may change its pool, and with that its window.
        self.advance(now);
        let pool = self.catalog.pool_index(&info.pool);
        let index = if let Some(&index) = self.by_id.get(&info.id) {
            let entry = &mut self.entries[index as usize];
            entry.info = TokenInfo { opening: entry.info.opening, ..info };
            entry.pool = pool;
            entry.removed = false;
            entry.last_blame = None;
            index
        } else {
            let index = self.vacant.pop().unwrap_or(self.entries.len() as u32);
            self.by_id.insert(info.id, index);
            let entry = Entry::new(info, pool);
            match self.entries.get_mut(index as usize) {
                Some(vacant) => *vacant = entry,
                None => self.entries.push(entry),
            }
            index
        };
        self.refresh(index, now);
    }

    /// Everything known about a token, also about a removed one that still has jobs.
    pub fn get(&self, token: TokenId) -> Option<&TokenInfo> {
        self.by_id.get(&token).map(|&index| &self.entries[index as usize].info)
    }

    /// All tokens that are not removed, in no particular order, with units spent in the window, units
    /// reserved, and videos in flight.
    pub fn tokens(&self) -> impl Iterator<Item = (&TokenInfo, u32, u32, u32)> {
        let present = self.entries.iter().filter(|e| !e.removed);
        present.map(|e| (&e.info, e.spent(), e.reserved, e.in_flight()))
    }

    /// Takes a token out. It is never chosen again; while jobs use it, [`TokenManager::get`] still finds it,
    /// then it is forgotten, with its books. False when it is not known.
    pub fn remove(&mut self, token: TokenId, now: Timestamp) -> bool {
        let Some(&index) = self.by_id.get(&token) else { return false };
        self.entries[index as usize].removed = true;
        self.refresh(index, now);
        self.drop_if_drained(index);
        true
    }

    /// Whether a token was removed while jobs still use it.
    pub fn is_draining(&self, token: TokenId) -> bool {
        self.by_id.get(&token).is_some_and(|&index| self.entries[index as usize].removed)
    }

    // ---- the books ----

    /// Lets everything happen that happens by itself until `now`: coolings end, units and slots come back.
    pub fn advance(&mut self, now: Timestamp) {
        while let Some(&(due, index)) = self.timers.first().filter(|(due, _)| *due <= now) {
            self.timers.remove(&(due, index));
            self.entries[index as usize].timer = None;
            self.refresh(index, now);
        }
    }

    /// When a token may change by itself next; until then only what is done to tokens can make a difference.
    /// As of the last [`TokenManager::advance`], which every choice includes.
    pub fn next_change(&self) -> Option<Timestamp> {
        self.timers.first().map(|(due, _)| *due)
    }

    pub(crate) fn change(
        &mut self,
        token: TokenId,
        now: Timestamp,
        edit: impl FnOnce(&mut TokenInfo),
    ) -> bool {
        self.change_entry(token, now, |entry| edit(&mut entry.info)).is_some()
    }

    /// Changes a token and brings everything that follows from it up to date; `None` when it is not known.
    pub(crate) fn change_entry<T>(
        &mut self,
        token: TokenId,
        now: Timestamp,
        edit: impl FnOnce(&mut Entry) -> T,
    ) -> Option<T> {
        let &index = self.by_id.get(&token)?;
        let edited = edit(&mut self.entries[index as usize]);
        self.refresh(index, now);
        Some(edited)
    }

    pub(crate) fn entry(&self, token: TokenId) -> Option<&Entry> {
        self.by_id.get(&token).map(|&index| &self.entries[index as usize])
    }

    fn limits_submissions(&self, index: u32) -> bool {
        let pool = self.entries[index as usize].pool;
        pool.is_some_and(|pool| self.catalog.pools()[pool].submits_per_minute.is_some())
    }

    /// Brings everything that is derived from an entry up to date.
    fn refresh(&mut self, index: u32, now: Timestamp) {
        let entry = &mut self.entries[index as usize];
        let pool = entry.pool.map(|p| &*self.catalog.pools()[p]);
        entry.advance(pool, now);
        self.schedule(index);
        self.rank(index);
    }

    /// Sets the timer for what an entry does next by itself.
    fn schedule(&mut self, index: u32) {
        let entry = &mut self.entries[index as usize];
        let pool = entry.pool.map(|p| &*self.catalog.pools()[p]);
        let next = entry.next_change(pool);
        if next != entry.timer {
            if let Some(old) = entry.timer {
                self.timers.remove(&(old, index));
            }
            if let Some(new) = next {
                self.timers.insert((new, index));
            }
            entry.timer = next;
        }
    }

    /// Puts an entry where it belongs among the others, and its units into the totals of its pool.
    fn rank(&mut self, index: u32) {
        let entry = &mut self.entries[index as usize];
        let pool = entry.pool.map(|p| &*self.catalog.pools()[p]);
        entry.info.quota = pool.and_then(|p| entry.remaining(p));

        let counted = entry.pool.zip(pool.and_then(|p| entry.share(p)));
        if counted != entry.counted {
            // The token may have come from another pool.
            if let Some((pool, share)) = std::mem::replace(&mut entry.counted, counted) {
                self.totals[pool].granted -= share.granted;
                self.totals[pool].left -= share.left;
            }
            if let Some((pool, share)) = counted {
                self.totals[pool].granted += share.granted;
                self.totals[pool].left += share.left;
            }
        }
        let shown = entry.pool.map(|pool| (pool, Shown::of(entry)));
        if shown != entry.shown {
            show(&mut self.figures, &mut entry.shown, shown);
        }
        let rank = pool.and_then(|p| entry.rank(p));
        self.ranking.set(index, entry.pool.zip(rank));
    }

    /// Forgets a removed token once nothing needs it: its secret is wiped, its place is free for another.
    fn drop_if_drained(&mut self, index: u32) {
        let entry = &mut self.entries[index as usize];
        if !entry.is_drained() {
            return;
        }
        self.by_id.remove(&entry.info.id);
        entry.info.token = crate::Secret::new("");
        if let Some(old) = entry.timer.take() {
            self.timers.remove(&(old, index));
        }
        show(&mut self.figures, &mut entry.shown, None);
        entry.pool = None;
        self.vacant.push(index);
    }
}

/// Takes what a token added to a pool's figures back, and adds what it adds now.
fn show(figures: &mut [Figures], before: &mut Option<(usize, Shown)>, now: Option<(usize, Shown)>) {
    if let Some((pool, shown)) = std::mem::replace(before, now) {
        figures[pool].subtract(shown);
    }
    if let Some((pool, shown)) = now {
        figures[pool].add(shown);
    }
}
