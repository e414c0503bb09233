//! What all clients together may have at once: requests that make videos, requests that wait for a video's end, and
//! bytes of their bodies. Whoever asks for more is told so before anything is read or recorded.
//!
//! One key may have half of each, so that no client takes all.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use axum::extract::{Request, State};
use axum::middleware::Next;
use axum::response::Response;
use filmgate_domain::CallerId;
use http::StatusCode;

use crate::App;
use crate::auth::Caller;
use crate::refusal::Refusal;

/// What requests may take, all together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RequestLimits {
    /// How long a body may take to arrive, beside a second for each 16 KiB.
    pub body_timeout: Duration,
    /// Requests that make videos, until their video is admitted.
    pub max_creations: u64,
    /// Requests that wait for a video's end.
    pub max_streams: u64,
    /// Bytes of large bodies.
    pub max_body_memory: u64,
}

/// Bodies up to this size, in bytes, are bounded by the number of requests alone: what is small is never refused for
/// what is large.
pub(crate) const SMALL_BODY: u64 = 64 * 1024;

/// Which of two requests that make videos came first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Came(pub(crate) u64);

/// What is in use. Cloning shares it.
#[derive(Clone, Default)]
pub(crate) struct Load {
    came: Arc<AtomicU64>,
    creations: Shares,
    streams: Shares,
    body_memory: Shares,
}

impl App {
    /// The place of a request that comes now.
    pub(crate) fn comes(&self) -> Came {
        Came(self.load.came.fetch_add(1, Ordering::Relaxed))
    }

    /// A place for a request that makes a video.
    pub(crate) fn creation(&self, Caller(caller): Caller) -> Result<Taken, Refusal> {
        let allowed = self.settings.load().requests.max_creations;
        let taken = self.load.creations.take(caller, 1, Allowed::of(allowed, 1));
        taken.map_err(|full| self.overloaded(full, "requests that make videos are", "server.max_creations"))
    }

    /// A place for a request that waits for the end of a video.
    pub(crate) fn stream(&self, Caller(caller): Caller) -> Result<Taken, Refusal> {
        let allowed = self.settings.load().requests.max_streams;
        let taken = self.load.streams.take(caller, 1, Allowed::of(allowed, 1));
        taken.map_err(|full| refusal(full, "requests wait for a video's end", "server.max_streams"))
    }

    /// Room for so many bytes of a body, or of what it names. The largest there may be finds it where nothing else is.
    pub(crate) fn body_memory(&self, Caller(caller): Caller, bytes: u64) -> Result<Taken, Refusal> {
        let settings = self.settings.load();
        let largest =
            (settings.max_body as u64).max(settings.inputs.max_video).max(settings.inputs.max_image);
        let allowed = Allowed::of(settings.requests.max_body_memory, largest);
        let taken = self.load.body_memory.take(caller, bytes, allowed);
        taken.map_err(|full| self.overloaded(full, "bytes of request bodies are", "server.max_body_memory"))
    }

    /// Takes more room as a body grows, a mebibyte or so at a time.
    pub(crate) fn grow(&self, memory: &mut Option<Taken>, caller: Caller, bytes: u64) -> Result<(), Refusal> {
        let has = memory.as_ref().map_or(SMALL_BODY, |taken| taken.amount);
        if bytes <= has {
            return Ok(());
        }
        let settings = self.settings.load();
        let wanted = bytes.next_multiple_of(1 << 20).min(settings.max_body as u64).max(bytes);
        let more = self.body_memory(caller, wanted - memory.as_ref().map_or(0, |taken| taken.amount))?;
        match memory {
            Some(taken) => taken.join(more),
            None => *memory = Some(more),
        }
        Ok(())
    }

    fn overloaded(&self, full: Full, what: &str, setting: &str) -> Refusal {
        self.engine.metrics().overloaded();
        refusal(full, &format!("{what} in progress"), setting)
    }
}

/// Has requests that make videos come after all others: whoever asks how one is doing does not wait for them.
/// Some of them overtake others then, so what came first is noted here.
pub(crate) async fn after_others(State(app): State<App>, mut request: Request, next: Next) -> Response {
    request.extensions_mut().insert(app.comes());
    app.engine.background().run(next.run(request)).await
}

fn refusal(full: Full, what: &str, setting: &str) -> Refusal {
    let message = match full {
        Full::All(allowed) => format!("{allowed} {what}, and no more may be ({setting})"),
        Full::Own(allowed) => {
            format!(
                "{allowed} {what} with keys of yours, and one caller may have no more (half of {setting})"
            )
        }
    };
    let message = format!("{message}; nothing was accepted, ask again as Retry-After says");
    let mut refusal = Refusal::new(StatusCode::TOO_MANY_REQUESTS, "overloaded", message);
    refusal.retry_after = Some(1);
    refusal
}

/// How much of something there may be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Allowed {
    all: u64,
    each: u64,
}

impl Allowed {
    /// One caller has half, and what a single request may want.
    fn of(all: u64, largest: u64) -> Self {
        Self { all: all.max(largest), each: all.div_ceil(2).max(largest) }
    }
}

/// There is no more, of which there may be so much.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Full {
    /// For all callers.
    All(u64),
    /// For this one.
    Own(u64),
}

/// How much of something is in use, and by whom. Cloning shares it.
#[derive(Clone, Debug, Default)]
struct Shares(Arc<Mutex<Used>>);

#[derive(Debug, Default)]
struct Used {
    all: u64,
    by: HashMap<CallerId, u64>,
}

impl Shares {
    fn used(&self) -> MutexGuard<'_, Used> {
        self.0.lock().expect("no panic under this lock")
    }

    fn take(&self, caller: CallerId, amount: u64, allowed: Allowed) -> Result<Taken, Full> {
        let mut taken = Taken { shares: self.clone(), caller, amount: 0 };
        taken.more(amount, allowed)?;
        Ok(taken)
    }
}

/// What a request has taken, until this is dropped.
#[derive(Debug)]
pub(crate) struct Taken {
    shares: Shares,
    caller: CallerId,
    amount: u64,
}

impl Taken {
    /// Holds what another holds, too.
    fn join(&mut self, mut other: Taken) {
        self.amount += std::mem::take(&mut other.amount);
    }

    fn more(&mut self, amount: u64, allowed: Allowed) -> Result<(), Full> {
        let mut used = self.shares.used();
        let own = used.by.get(&self.caller).copied().unwrap_or(0);
        if used.all.saturating_add(amount) > allowed.all {
            return Err(Full::All(allowed.all));
        }
        if own.saturating_add(amount) > allowed.each {
            return Err(Full::Own(allowed.each));
        }
        used.all += amount;
        used.by.insert(self.caller, own + amount);
        self.amount += amount;
        Ok(())
    }
}

impl Drop for Taken {
    fn drop(&mut self) {
        let mut used = self.shares.used();
        used.all -= self.amount;
        if let Some(own) = used.by.get_mut(&self.caller) {
            *own -= self.amount;
            if *own == 0 {
                used.by.remove(&self.caller);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn one_caller_has_half_and_all_have_all() {
        let (shares, allowed) = (Shares::default(), Allowed::of(4, 1));
        let take = |caller| shares.take(CallerId(caller), 1, allowed);
        let mut taken = vec![take(1).unwrap(), take(1).unwrap()];
        assert_eq!(take(1).err(), Some(Full::Own(2)));
        taken.extend([take(2).unwrap(), take(3).unwrap()]);
        assert_eq!(take(2).err(), Some(Full::All(4)));
        taken.remove(0);
        assert!(take(1).is_ok());
        drop(taken);
        assert!(shares.used().by.is_empty(), "nothing stays behind");
    }

    #[test]
    fn the_largest_request_fits_where_nothing_else_is() {
        let (shares, allowed) = (Shares::default(), Allowed::of(10, 30));
        let all = shares.take(CallerId(1), 30, allowed).unwrap();
        assert_eq!(shares.take(CallerId(2), 1, allowed).err(), Some(Full::All(30)));
        drop(all);
        assert!(shares.take(CallerId(2), 30, allowed).is_ok());
    }

    proptest! {
        #[test]
        fn what_is_in_use_is_what_was_taken(ops in proptest::collection::vec((0..3i64, 0..8u64, any::<bool>()), 1..60)) {
            let (shares, allowed) = (Shares::default(), Allowed::of(20, 6));
            let mut held: Vec<Taken> = Vec::new();
            for (caller, amount, gives_back) in ops {
                if gives_back && !held.is_empty() {
                    held.swap_remove(amount as usize % held.len());
                } else {
                    held.extend(shares.take(CallerId(caller), amount, allowed));
                }
                let sum = |of: &dyn Fn(&Taken) -> bool| held.iter().filter(|t| of(t)).map(|t| t.amount).sum::<u64>();
                prop_assert_eq!(shares.used().all, sum(&|_| true));
                prop_assert!(sum(&|_| true) <= 20);
                for caller in 0..3 {
                    prop_assert!(sum(&|t| t.caller == CallerId(caller)) <= 10);
                }
            }
        }
    }
}
