//! What callers may use, and what they use: videos in the making, requests of the last minute, units of the last
//! 24 hours.
//!
//! A book of its own, in memory, rebuilt at the start. A request gets a pass before a token is looked for, and the
//! pass goes with its job to the end; whatever becomes of the job, dropping the pass gives back what is not spent. Minute and day roll: a request counts for 60 to 61 s, units count for 24 h and up to 5 minutes, so
//! that a caller's book has at most 61 and 289 entries, however many videos there are.
//!
//! A video that was accepted is made. What it costs at the first token is known when it is accepted; one that
//! waits for a token holds the most that it may cost; and where a refused submission goes to another pool, what
//! that one costs counts, even beyond the limit.

mod rolling;
#[cfg(test)]
mod tests;

use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard};

use filmgate_domain::{CallerId, Catalog, Job, OnShortage, Timestamp, VideoSpec};
use filmgate_store::{CallerLimits, StoreError};

use crate::Engine;
use rolling::{Day, Minute};

/// Which limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Limited {
    /// Unfinished videos at once.
    InFlight,
    /// Videos asked for in a minute.
    Requests,
    /// Units in 24 hours.
    Units,
}

/// A limit of a caller that a request would exceed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub struct LimitReached {
    /// Which.
    pub limited: Limited,
    /// Its value.
    pub allowed: u64,
    /// What is in use.
    pub used: u64,
    /// What this request needs of it.
    pub wanted: u64,
    /// When there is enough, if nothing else happens and that is known.
    pub again_at: Option<Timestamp>,
}

impl fmt::Display for LimitReached {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { limited, allowed, used, wanted, again_at } = self;
        match limited {
            Limited::InFlight => write!(
                f,
                "this key may have {allowed} unfinished videos at once (max_in_flight), and has {used}; wait until \
                 one has ended"
            )?,
            Limited::Requests => write!(
                f,
                "this key may ask for {allowed} videos a minute (requests_per_minute), and has asked for {used}; \
                 ask again later"
            )?,
            Limited::Units if wanted > allowed => write!(
                f,
                "this video costs {wanted} units, and this key may use {allowed} in 24 hours (units_per_day); ask \
                 for a shorter or smaller one"
            )?,
            Limited::Units => write!(
                f,
                "this key may use {allowed} units in 24 hours (units_per_day); {used} are used or reserved, and \
                 this video costs {wanted}; ask again later"
            )?,
        }
        if again_at.is_some() {
            f.write_str(", as Retry-After says")?;
        }
        f.write_str(", or have the operator raise the limit")
    }
}

/// What a caller uses at the moment.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct CallerUse {
    /// Unfinished videos.
    pub in_flight: u64,
    /// Videos asked for in the last minute.
    pub requests: u64,
    /// Units that unfinished videos have reserved.
    pub reserved: u64,
    /// Units spent in the last 24 hours.
    pub spent: u64,
}

/// The books of all callers. Cloning shares them.
#[derive(Clone, Default)]
pub(crate) struct Limits(Arc<Mutex<HashMap<CallerId, Book>>>);

#[derive(Default)]
struct Book {
    limits: CallerLimits,
    in_flight: u64,
    reserved: u64,
    requests: Minute,
    spent: Day,
}

impl Limits {
    pub(crate) fn is_broken(&self) -> bool {
        self.0.is_poisoned()
    }

    fn books(&self) -> MutexGuard<'_, HashMap<CallerId, Book>> {
        self.0.lock().expect("no panic under this lock")
    }

    /// Says what a caller may use from now on. What it has is not taken from it.
    pub(crate) fn set(&self, caller: CallerId, limits: CallerLimits) {
        self.books().entry(caller).or_default().limits = limits;
    }

    /// Enters units that were spent before a restart.
    pub(crate) fn restore_spent(&self, caller: CallerId, at: Timestamp, units: u64, now: Timestamp) {
        self.books().entry(caller).or_default().spent.add(at, units, now);
    }

    /// Enters the request for a job of before a restart.
    pub(crate) fn restore_request(&self, job: &Job, now: Timestamp) {
        self.books().entry(job.caller).or_default().requests.add(job.created_at, 1, now);
    }

    /// Takes a place for a new video of a caller, if it may have one.
    pub(crate) fn pass(&self, caller: CallerId, now: Timestamp) -> Result<Pass, LimitReached> {
        let mut books = self.books();
        let book = books.entry(caller).or_default();
        let CallerLimits { max_in_flight, requests_per_minute, units_per_day } = book.limits;
        book.requests.advance(now);
        let wants_one = |limited, allowed: Option<u32>, used: u64| match allowed.map(u64::from) {
            Some(allowed) if used >= allowed => {
                Err(LimitReached { limited, allowed, used, wanted: 1, again_at: None })
            }
            _ => Ok(()),
        };
        wants_one(Limited::InFlight, max_in_flight, book.in_flight)?;
        wants_one(Limited::Requests, requests_per_minute, book.requests.sum).map_err(|reached| {
            LimitReached { again_at: book.requests.without(reached.used + 1 - reached.allowed), ..reached }
        })?;
        book.in_flight += 1;
        book.requests.add(now, 1, now);
        let limits = self.clone();
        let metered = units_per_day.is_some();
        Ok(Pass { limits, caller, asked_at: now, admitted: false, metered, reserved: 0 })
    }

    /// The place of a video of before a restart. It has it, whatever the limits are.
    pub(crate) fn restore(&self, caller: CallerId, units: u64) -> Pass {
        let mut books = self.books();
        let book = books.entry(caller).or_default();
        book.in_flight += 1;
        book.reserved += units;
        let (limits, asked_at) = (self.clone(), Timestamp::default());
        Pass { limits, caller, asked_at, admitted: true, metered: false, reserved: units }
    }

    fn in_use(&self, now: Timestamp) -> HashMap<CallerId, CallerUse> {
        let mut books = self.books();
        books.iter_mut().map(|(caller, book)| (*caller, book.in_use(now))).collect()
    }
}

impl Book {
    fn in_use(&mut self, now: Timestamp) -> CallerUse {
        self.requests.advance(now);
        self.spent.advance(now);
        let Self { in_flight, reserved, requests, spent, .. } = self;
        CallerUse { in_flight: *in_flight, requests: requests.sum, reserved: *reserved, spent: spent.sum }
    }

    /// Whether there are so many units for one more video, and if not, when there are.
    fn has_units(&mut self, wanted: u64, now: Timestamp) -> Result<(), LimitReached> {
        let Some(allowed) = self.limits.units_per_day.map(u64::from) else { return Ok(()) };
        self.spent.advance(now);
        let used = self.reserved + self.spent.sum;
        let missing = (used + wanted).saturating_sub(allowed);
        if missing == 0 {
            return Ok(());
        }
        let again_at = self.spent.without(missing);
        Err(LimitReached { limited: Limited::Units, allowed, used, wanted, again_at })
    }
}

/// A place in a caller's book: that of a request until it is admitted or refused, then that of its job.
pub(crate) struct Pass {
    limits: Limits,
    caller: CallerId,
    asked_at: Timestamp,
    /// Whether the request counts, whatever becomes of it.
    admitted: bool,
    /// Whether the caller's units are limited.
    pub(crate) metered: bool,
    /// The units that it holds.
    reserved: u64,
}

impl Pass {
    fn with_book<T>(&mut self, act: impl FnOnce(&mut Book, &mut u64) -> T) -> T {
        let mut books = self.limits.books();
        act(books.entry(self.caller).or_default(), &mut self.reserved)
    }

    /// Holds what the video costs, if the caller may use so much.
    pub(crate) fn reserve(&mut self, units: u32, now: Timestamp) -> Result<(), LimitReached> {
        let units = u64::from(units);
        self.with_book(|book, reserved| {
            book.has_units(units, now)?;
            book.hold(reserved, units);
            Ok(())
        })
    }

    /// Holds what the video costs, come what may.
    pub(crate) fn hold(&mut self, units: u32) {
        self.with_book(|book, reserved| book.hold(reserved, units.into()));
    }

    /// The request is a job from here on.
    pub(crate) fn admitted(&mut self) {
        self.admitted = true;
    }

    /// Enters what became of the job: what its attempts cost, and what the open one holds. One that is not
    /// charged leaves what it held to the next.
    pub(crate) fn note(&mut self, before: &Job, job: &Job, now: Timestamp) {
        let was_open = |n: usize| before.attempts.get(n).is_none_or(|attempt| attempt.settled_at.is_none());
        let ended = job.attempts.iter().enumerate().filter(|(n, attempt)| was_open(*n) && attempt.charged);
        let spent: Vec<_> = ended
            .filter_map(|(_, attempt)| Some((attempt.answered_at.or(attempt.settled_at)?, attempt.units)))
            .collect();
        let open = job.attempt().filter(|attempt| attempt.settled_at.is_none()).map(|attempt| attempt.units);
        if spent.is_empty() && open.is_none_or(|units| u64::from(units) == self.reserved) {
            return;
        }
        self.with_book(|book, reserved| {
            for (at, units) in spent {
                book.spent.add(at, units.into(), now);
                book.hold(reserved, 0);
            }
            if let Some(units) = open {
                book.hold(reserved, units.into());
            }
        });
    }
}

impl Book {
    fn hold(&mut self, reserved: &mut u64, units: u64) {
        self.reserved = self.reserved - *reserved + units;
        *reserved = units;
    }
}

impl Drop for Pass {
    fn drop(&mut self) {
        let (admitted, asked_at) = (self.admitted, self.asked_at);
        self.with_book(|book, reserved| {
            book.hold(reserved, 0);
            book.in_flight -= 1;
            if !admitted {
                book.requests.take_back(asked_at);
            }
        });
    }
}

impl Engine {
    /// What every caller uses, as far as it uses anything.
    pub fn callers_use(&self) -> HashMap<CallerId, CallerUse> {
        self.inner.limits.in_use(self.now())
    }

    /// Changes what a caller may use, on disk and for the requests from now on. Gives what it may use then;
    /// `None` when the caller is not known.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn change_limits(
        &self,
        caller: CallerId,
        change: impl FnOnce(&mut CallerLimits),
    ) -> Result<Option<CallerLimits>, StoreError> {
        // One change after the other, so that memory and disk agree on the last.
        let _turn = self.inner.changing_limits.lock().await;
        let callers = self.inner.store.callers().await?;
        let Some(known) = callers.into_iter().find(|known| known.id == caller) else { return Ok(None) };
        let mut limits = known.limits;
        change(&mut limits);
        self.inner.store.set_limits(caller, limits).await?;
        self.inner.limits.set(caller, limits);
        Ok(Some(limits))
    }

    /// Reads what callers may use and what they spent.
    pub(crate) async fn load_limits(&self, now: Timestamp) -> Result<(), StoreError> {
        for caller in self.inner.store.callers().await? {
            self.inner.limits.set(caller.id, caller.limits);
        }
        // A step earlier: the one that the day begins in counts whole.
        for spent in self.inner.store.spent_by_callers(now - Day::SPAN - Day::STEP, Day::STEP).await? {
            self.inner.limits.restore_spent(spent.caller, spent.at, spent.units, now);
        }
        Ok(())
    }

    /// The most that a video may cost while it is not known which pool makes it.
    pub(crate) fn most_units(&self, spec: &VideoSpec, on_shortage: OnShortage) -> u32 {
        let settings = self.inner.settings.load();
        most_units(&settings.catalog, spec, on_shortage)
    }

    /// The place of an unfinished job of before a restart.
    pub(crate) fn restore_pass(&self, job: &Job) -> Pass {
        let units = match job.attempt() {
            Some(attempt) if attempt.settled_at.is_none() => attempt.units,
            Some(attempt) if attempt.charged => 0,
            _ => self.most_units(&job.spec, job.on_shortage),
        };
        self.inner.limits.restore(job.caller, units.into())
    }
}

fn most_units(catalog: &Catalog, spec: &VideoSpec, on_shortage: OnShortage) -> u32 {
    let wanted = spec.wanted(on_shortage == OnShortage::Fallback);
    let Some(model) = catalog.model(wanted.model) else { return 0 };
    let pools = catalog.pools_of(model).map(|index| &catalog.pools()[index]);
    let cost = |pool: &Arc<filmgate_domain::Pool>| {
        if pool.delivers(&wanted) {
            return Some(pool.cost(&wanted.shape));
        }
        pool.nearest(&wanted).filter(|_| wanted.fallback).map(|shape| pool.cost(&shape))
    };
    pools.filter_map(cost).max().unwrap_or(0)
}
