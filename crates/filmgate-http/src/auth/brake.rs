//! Slows down whoever guesses at keys.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use filmgate_domain::Timestamp;

/// The first pause; it doubles with each further wrong key.
const FIRST_PAUSE: Duration = Duration::from_secs(2);
const LONGEST_PAUSE: Duration = Duration::from_secs(15 * 60);
/// After so long without a wrong key an address is forgotten.
const FORGOTTEN_AFTER: Duration = Duration::from_secs(3600);
/// Addresses that are remembered at most, some 64 bytes each. An attacker with more of them makes the brake
/// forget the oldest, and is no closer to 192 random bits for it.
const REMEMBERED: usize = 10_000;

/// Counts wrong keys by address. Cloning shares the counts.
#[derive(Clone)]
pub(crate) struct Brake {
    /// Wrong keys that an address may try before it has to pause.
    free_tries: u32,
    counts: Arc<Mutex<HashMap<IpAddr, Wrong>>>,
}

#[derive(Clone, Copy)]
struct Wrong {
    tries: u32,
    last: Timestamp,
}

impl Wrong {
    fn may_try_at(&self, free_tries: u32) -> Timestamp {
        let Some(doublings) = self.tries.checked_sub(free_tries) else { return self.last };
        let pause = FIRST_PAUSE.saturating_mul(1 << doublings.min(16));
        self.last + pause.min(LONGEST_PAUSE)
    }
}

impl Brake {
    /// One that lets an address try so many wrong keys.
    pub(crate) fn new(free_tries: u32) -> Self {
        Self { free_tries, counts: Arc::default() }
    }

    /// How long this address has to wait before it may try a key; `None`: it may at once.
    pub(crate) fn wait(&self, from: IpAddr, now: Timestamp) -> Option<Duration> {
        let wait = self.counts().get(&network(from))?.may_try_at(self.free_tries).since(now);
        (!wait.is_zero()).then_some(wait)
    }

    /// Notes a wrong key.
    pub(crate) fn wrong(&self, from: IpAddr, now: Timestamp) {
        let mut counts = self.counts();
        if counts.len() >= REMEMBERED {
            counts.retain(|_, wrong| now.since(wrong.last) < FORGOTTEN_AFTER);
        }
        if counts.len() >= REMEMBERED
            && let Some(oldest) = counts.iter().min_by_key(|(_, wrong)| wrong.last).map(|(from, _)| *from)
        {
            counts.remove(&oldest);
        }
        let wrong = counts.entry(network(from)).or_insert(Wrong { tries: 0, last: now });
        if now.since(wrong.last) >= FORGOTTEN_AFTER {
            wrong.tries = 0;
        }
        *wrong = Wrong { tries: wrong.tries.saturating_add(1), last: now };
    }

    /// Notes the right key: earlier slips are forgiven.
    pub(crate) fn right(&self, from: IpAddr) {
        self.counts().remove(&network(from));
    }

    fn counts(&self) -> MutexGuard<'_, HashMap<IpAddr, Wrong>> {
        self.counts.lock().expect("no panic under this lock")
    }
}

/// Whoever has an IPv6 address has 2^64 of them.
pub(super) fn network(from: IpAddr) -> IpAddr {
    match from.to_canonical() {
        IpAddr::V6(six) => {
            let [a, b, c, d, ..] = six.segments();
            std::net::Ipv6Addr::new(a, b, c, d, 0, 0, 0, 0).into()
        }
        four => four,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Timestamp = Timestamp::from_millis(1_000_000_000);
    const SECOND: Duration = Duration::from_secs(1);

    fn address(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    #[test]
    fn five_slips_are_free_and_then_pauses_double() {
        let (brake, from) = (Brake::new(5), address("192.0.2.1"));
        (0..4).for_each(|_| brake.wrong(from, NOW));
        assert_eq!(brake.wait(from, NOW), None);
        brake.wrong(from, NOW);
        assert_eq!(brake.wait(from, NOW), Some(SECOND * 2));
        assert_eq!(brake.wait(from, NOW + SECOND * 2), None);
        brake.wrong(from, NOW + SECOND * 2);
        assert_eq!(brake.wait(from, NOW + SECOND * 2), Some(SECOND * 4));
        (0..40).for_each(|_| brake.wrong(from, NOW));
        assert_eq!(brake.wait(from, NOW), Some(LONGEST_PAUSE));
        assert_eq!(brake.wait(address("192.0.2.2"), NOW), None, "others may try");
    }

    #[test]
    fn the_right_key_or_an_hour_forgives() {
        let (brake, from) = (Brake::new(5), address("192.0.2.1"));
        (0..9).for_each(|_| brake.wrong(from, NOW));
        brake.right(from);
        assert_eq!(brake.wait(from, NOW), None);
        (0..5).for_each(|_| brake.wrong(from, NOW));
        brake.wrong(from, NOW + FORGOTTEN_AFTER);
        assert_eq!(brake.wait(from, NOW + FORGOTTEN_AFTER), None);
    }

    #[test]
    fn a_network_of_ipv6_is_one_guesser_and_memory_is_bounded() {
        let brake = Brake::new(5);
        (0..5).for_each(|n| brake.wrong(address(&format!("2001:db8::{n}")), NOW));
        assert!(brake.wait(address("2001:db8::ffff"), NOW).is_some());
        for n in 0..(REMEMBERED as u32 + 100) {
            brake.wrong(std::net::Ipv4Addr::from(n).into(), NOW + SECOND);
        }
        assert_eq!(brake.counts().len(), REMEMBERED);
    }
}
