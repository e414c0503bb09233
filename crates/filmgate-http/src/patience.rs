//! How long a connection is kept on which nothing happens.

use std::time::Duration;

use crate::traffic::Traffic;

/// Looks at a connection from time to time, and tells when to give it up: its client began no request, or did not get
/// to the end of one's headers, or asks nothing more.
pub(crate) struct Patience {
    /// For headers, and for the first request to begin.
    header_timeout: Duration,
    /// For the next request to begin. Longer: who reuses a connection that was just ended has lost a request.
    keep_alive_timeout: Duration,
    /// Requests there were at the last look.
    asked: usize,
    /// For how long none has begun or ended.
    idle: Duration,
    /// What `idle` was when a part of a request was first seen.
    begun: Option<Duration>,
}

impl Patience {
    pub(crate) fn new(header_timeout: Duration, keep_alive_timeout: Duration) -> Self {
        Self { header_timeout, keep_alive_timeout, asked: 0, idle: Duration::ZERO, begun: None }
    }

    /// From now on little time is left for anything.
    pub(crate) fn hurry(&mut self, time: Duration) {
        *self = Self { asked: self.asked, ..Self::new(self.header_timeout.min(time), time) };
    }

    /// The time until the next look.
    pub(crate) fn between_looks(&self) -> Duration {
        self.header_timeout.min(self.keep_alive_timeout)
    }

    /// A look, [`between_looks`](Self::between_looks) after the last: whether it has waited long enough. Headers that
    /// began between two looks have until one look later.
    pub(crate) fn is_over(&mut self, traffic: &Traffic) -> bool {
        let asked = traffic.asked();
        if asked != self.asked || !traffic.is_idle() {
            (self.asked, self.idle, self.begun) = (asked, Duration::ZERO, None);
            return false;
        }
        self.idle += self.between_looks();
        if self.begun.is_none() && traffic.has_heard() {
            self.begun = Some(self.idle);
        }
        let headers_since = if asked == 0 { Some(Duration::ZERO) } else { self.begun };
        headers_since.is_some_and(|since| self.idle - since >= self.header_timeout)
            || self.idle >= self.keep_alive_timeout.max(self.header_timeout)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use tokio::sync::Semaphore;

    use super::*;

    const HEADERS: Duration = Duration::from_secs(10);
    const KEEP_ALIVE: Duration = Duration::from_secs(70);

    /// Looks until the connection is given up. Returns after how many.
    fn looks(patience: &mut Patience, traffic: &Traffic) -> usize {
        (1..100).find(|_| patience.is_over(traffic)).unwrap()
    }

    fn after_a_request() -> (Patience, Arc<Traffic>) {
        let (mut patience, traffic) = (Patience::new(HEADERS, KEEP_ALIVE), Arc::new(Traffic::default()));
        traffic.hear();
        let request = traffic.enter(&Arc::new(Semaphore::new(1))).unwrap();
        for _ in 0..100 {
            assert!(!patience.is_over(&traffic), "a request may take as long as it does");
        }
        traffic.hear();
        drop(request);
        (patience, traffic)
    }

    #[test]
    fn a_first_request_has_the_time_of_headers() {
        let traffic = Traffic::default();
        assert_eq!(looks(&mut Patience::new(HEADERS, KEEP_ALIVE), &traffic), 1);
        traffic.hear();
        assert_eq!(looks(&mut Patience::new(HEADERS, KEEP_ALIVE), &traffic), 1);
    }

    #[test]
    fn a_connection_that_was_used_is_kept_for_longer() {
        let (mut patience, traffic) = after_a_request();
        assert_eq!(looks(&mut patience, &traffic), 7);
    }

    #[test]
    fn headers_that_stop_half_way_are_not_waited_for_as_long() {
        let (mut patience, traffic) = after_a_request();
        assert!(!patience.is_over(&traffic));
        traffic.hear();
        assert_eq!(looks(&mut patience, &traffic), 2, "they may have begun just before the first");
    }

    #[test]
    fn at_a_stop_nothing_more_is_waited_for() {
        let (mut patience, traffic) = after_a_request();
        assert!(!patience.is_over(&traffic));
        patience.hurry(Duration::from_secs(1));
        assert_eq!((patience.between_looks(), looks(&mut patience, &traffic)), (Duration::from_secs(1), 1));
    }

    #[test]
    fn times_that_are_the_wrong_way_round_are_kept_all_the_same() {
        let mut patience = Patience::new(KEEP_ALIVE, HEADERS);
        assert_eq!(looks(&mut patience, &Traffic::default()), 7);
    }
}
