//! What all callers together may ask of this machine: unfinished jobs, jobs that wait for a token, and how long the
//! disk may take. Whoever comes when it is too much is refused before anything is recorded; a job that was admitted
//! is never held up by it.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use filmgate_domain::Timestamp;

/// The limits beside those of each caller.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LoadLimits {
    /// Unfinished jobs of all callers.
    pub max_unfinished: usize,
    /// Of these, jobs that wait for a token.
    pub max_waiting: usize,
}

/// More would be more than this machine carries.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Overload {
    /// So many jobs are unfinished.
    Unfinished(usize),
    /// So many jobs wait for a token.
    Waiting(usize),
    /// An earlier request has been waiting so long for the disk.
    Disk(Duration),
}

impl fmt::Display for Overload {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unfinished(allowed) => {
                write!(
                    f,
                    "filmgate has {allowed} unfinished videos, and takes no more (jobs.max_unfinished)"
                )?;
            }
            Self::Waiting(allowed) => write!(
                f,
                "{allowed} videos wait for a token, and no more may (jobs.max_waiting); others are still taken if a \
                 token is free"
            )?,
            Self::Disk(waited) => {
                write!(
                    f,
                    "filmgate's disk is behind: a request has been waiting for it for {} s",
                    waited.as_secs()
                )?;
            }
        }
        f.write_str("; nothing was accepted, ask again later, as Retry-After says")
    }
}

impl Overload {
    /// After how long it is worth asking again. When there will be room, nobody knows.
    pub fn retry_after(&self) -> Duration {
        Duration::from_secs(match self {
            Self::Unfinished(_) | Self::Waiting(_) => 10,
            Self::Disk(_) => 5,
        })
    }
}

/// How long writing down a request may take before newcomers are refused: a disk that is well does it in
/// milliseconds.
const DISK_PATIENCE: Duration = Duration::from_secs(5);

/// Requests that are being written down. Cloning shares them.
#[derive(Clone, Default)]
pub(crate) struct Arrivals(Arc<Mutex<Book>>);

#[derive(Default)]
struct Book {
    /// When each began, in the order in which they came.
    began: BTreeMap<u64, Timestamp>,
    next: u64,
}

impl Arrivals {
    pub(crate) fn is_broken(&self) -> bool {
        self.0.is_poisoned()
    }

    fn book(&self) -> MutexGuard<'_, Book> {
        self.0.lock().expect("no panic under this lock")
    }

    /// Lets a request in, unless there are `max_unfinished` jobs with those that are about to be, or the disk is
    /// behind. `unfinished` counts those that are; it is asked under the lock, so that none is between the two.
    pub(crate) fn enter(
        &self,
        now: Timestamp,
        max_unfinished: usize,
        unfinished: impl FnOnce() -> usize,
    ) -> Result<Arrival, Overload> {
        let mut book = self.book();
        let waited = book.began.first_key_value().map_or(Duration::ZERO, |(_, began)| now.since(*began));
        if waited > DISK_PATIENCE {
            return Err(Overload::Disk(waited));
        }
        if unfinished() + book.began.len() >= max_unfinished {
            return Err(Overload::Unfinished(max_unfinished));
        }
        let number = book.next;
        book.next += 1;
        book.began.insert(number, now);
        drop(book);
        Ok(Arrival { arrivals: self.clone(), number })
    }
}

/// A request that is being written down, until this is dropped: then it is a job, or nothing.
pub(crate) struct Arrival {
    arrivals: Arrivals,
    number: u64,
}

impl Drop for Arrival {
    fn drop(&mut self) {
        self.arrivals.book().began.remove(&self.number);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_millis(seconds * 1000)
    }

    #[test]
    fn those_on_their_way_count_as_jobs() {
        let arrivals = Arrivals::default();
        let enter = |jobs| arrivals.enter(at(0), 3, || jobs);
        let (_first, second) = (enter(1).ok().unwrap(), enter(1).ok().unwrap());
        assert_eq!(enter(1).err(), Some(Overload::Unfinished(3)));
        drop(second);
        assert!(enter(1).is_ok());
        assert_eq!(enter(2).err(), Some(Overload::Unfinished(3)));
    }

    #[test]
    fn nobody_is_let_in_while_the_oldest_waits_for_the_disk() {
        let arrivals = Arrivals::default();
        let enter = |seconds| arrivals.enter(at(seconds), 100, || 0);
        let first = enter(0).ok().unwrap();
        let _second = enter(5).ok().unwrap();
        assert_eq!(enter(6).err(), Some(Overload::Disk(Duration::from_secs(6))));
        // A clock that is set back makes nobody wait.
        assert!(enter(-60).is_ok());
        drop(first);
        assert!(enter(10).is_ok());
        assert!(enter(11).is_err());
    }
}
