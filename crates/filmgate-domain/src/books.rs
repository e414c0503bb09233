//! What there is to see of tokens and their books.

use std::ops::Range;
use std::time::Duration;

use crate::entry::Entry;
use crate::{AspectRatio, Pool, Seconds, Shape, Timestamp, TokenId, TokenInfo, TokenManager, TokenStatus};

/// What keeps a token from taking a video, or that nothing does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Standing {
    /// It can take a video now.
    Ready,
    /// It makes as many videos as it may, or was sent as many in the last minute.
    Busy,
    /// What is left of its quota is less than the cheapest video of its pool costs.
    OutOfQuota,
    /// It pauses, and comes back by itself.
    Cooling,
    /// The upstream refused it too often.
    Expired,
    /// An operator switched it off.
    Disabled,
    /// The configuration does not have its pool.
    NoPool,
}

impl Standing {
    /// All of them, the best first.
    pub const ALL: &'static [Standing; 7] = &[
        Standing::Ready,
        Standing::Busy,
        Standing::OutOfQuota,
        Standing::Cooling,
        Standing::Expired,
        Standing::Disabled,
        Standing::NoPool,
    ];

    /// The word for it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Standing::Ready => "ready",
            Standing::Busy => "busy",
            Standing::OutOfQuota => "out_of_quota",
            Standing::Cooling => "cooling",
            Standing::Expired => "expired",
            Standing::Disabled => "disabled",
            Standing::NoPool => "no_pool",
        }
    }

    /// What a word stands for: one of these, or those of all active tokens.
    pub fn under(word: &str) -> Option<&'static [Standing]> {
        if word == TokenStatus::Active.as_str() {
            return Some(&[Standing::Ready, Standing::Busy, Standing::OutOfQuota, Standing::NoPool]);
        }
        Self::ALL.iter().position(|standing| standing.as_str() == word).map(|at| &Self::ALL[at..=at])
    }

    fn of(entry: &Entry, pool: Option<(&Pool, u32)>) -> Self {
        match entry.info.status {
            TokenStatus::Disabled => return Standing::Disabled,
            TokenStatus::Expired => return Standing::Expired,
            TokenStatus::Cooling => return Standing::Cooling,
            TokenStatus::Active => {}
        }
        let Some((pool, cheapest)) = pool else { return Standing::NoPool };
        if entry.remaining(pool).is_some_and(|left| left < cheapest) {
            Standing::OutOfQuota
        } else if entry.rank(pool).is_none() {
            Standing::Busy
        } else {
            Standing::Ready
        }
    }
}

/// A token and its books at a glance.
#[derive(Clone, Copy, Debug)]
pub struct Books<'a> {
    /// Everything known about the token.
    pub info: &'a TokenInfo,
    /// Units spent in the current window.
    pub spent: u32,
    /// Units reserved by jobs in flight.
    pub reserved: u32,
    /// Videos in flight, with those that the upstream may still be making.
    pub in_flight: u32,
    /// Units in a full window; `None` where its pool has no quota.
    pub granted: Option<u32>,
    /// Whether it can take a video.
    pub standing: Standing,
}

/// The books of one token in full: `granted` is `left`, `reserved` and `spent` together, save that more may be
/// spent than a quota that has shrunk grants.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Ledger {
    /// Units in a full window; `None` without a quota.
    pub granted: Option<u32>,
    /// Units that can be reserved; `None` without a quota.
    pub left: Option<u32>,
    /// Units that jobs in flight have set aside.
    pub reserved: u32,
    /// Units spent in the current window.
    pub spent: u32,
    /// How long a unit stays spent.
    pub window: Option<Duration>,
    /// When spent units come back, and how many, earliest first.
    pub returns: Vec<(Timestamp, u32)>,
    /// Reservations that are not settled.
    pub open: u32,
    /// Until when slots stay taken by videos that the upstream may still be making, earliest first.
    pub held: Vec<Timestamp>,
}

impl TokenManager {
    /// All tokens that are not removed, in no particular order. As of the last [`TokenManager::advance`].
    pub fn books(&self) -> impl Iterator<Item = Books<'_>> {
        self.books_at(0..self.places())
    }

    /// How many places there are for tokens, with those that removed ones left empty.
    pub fn places(&self) -> usize {
        self.entries.len()
    }

    /// The tokens at some of the places. A token keeps its place: who goes from place to place, and lets others
    /// change tokens in between, meets each token once.
    pub fn books_at(&self, places: Range<usize>) -> impl Iterator<Item = Books<'_>> {
        let cheapest: Vec<u32> = self.catalog.pools().iter().map(|pool| cheapest(pool)).collect();
        let end = places.end.min(self.entries.len());
        let present = self.entries[places.start.min(end)..end].iter().filter(|entry| !entry.removed);
        present.map(move |entry| self.books_of(entry, entry.pool.map(|pool| cheapest[pool])))
    }

    /// The books of one token; `None` when it is not known or was removed.
    pub fn book(&self, token: TokenId) -> Option<Books<'_>> {
        let entry = self.entry(token).filter(|entry| !entry.removed)?;
        let cheapest = entry.pool.map(|pool| cheapest(&self.catalog.pools()[pool]));
        Some(self.books_of(entry, cheapest))
    }

    /// The books of one token in full; `None` when it is not known.
    pub fn ledger(&self, token: TokenId) -> Option<Ledger> {
        let entry = self.entry(token)?;
        let pool = entry.pool.map(|pool| &*self.catalog.pools()[pool]);
        let quota = pool.and_then(|pool| pool.quota);
        Some(Ledger {
            granted: quota.map(|quota| quota.units),
            left: pool.and_then(|pool| entry.remaining(pool)),
            reserved: entry.reserved,
            spent: entry.spent(),
            window: quota.map(|quota| quota.window),
            returns: quota.and(pool).map(|pool| entry.returns(pool).collect()).unwrap_or_default(),
            open: entry.open,
            held: entry.held().collect(),
        })
    }

    fn books_of<'a>(&'a self, entry: &'a Entry, cheapest: Option<u32>) -> Books<'a> {
        let pool = entry.pool.map(|pool| &*self.catalog.pools()[pool]);
        Books {
            info: &entry.info,
            spent: entry.spent(),
            reserved: entry.reserved,
            in_flight: entry.in_flight(),
            granted: pool.and_then(|pool| pool.quota).map(|quota| quota.units),
            standing: Standing::of(entry, pool.zip(cheapest)),
        }
    }
}

/// What the cheapest video that a pool delivers costs.
fn cheapest(pool: &Pool) -> u32 {
    let lengths = pool.delivers.iter().flat_map(|can| {
        (1..=can.max_seconds.get()).filter_map(|length| Some((can.resolution, Seconds::new(length).ok()?)))
    });
    let costs = lengths.map(|(resolution, seconds)| {
        pool.cost(&Shape { resolution, seconds, aspect_ratio: AspectRatio::R16x9 })
    });
    costs.min().unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use rand::SeedableRng as _;
    use rand::rngs::StdRng;

    use super::*;
    use crate::{Blame, Catalog, Resolution, RoutingSettings, Secret, Settlement, Wanted};

    const NOW: Timestamp = Timestamp::from_millis(1_700_000_000_000);
    const HOUR: Duration = Duration::from_secs(3600);

    fn token(n: i64, pool: &str, spent: u32) -> TokenInfo {
        let mut info = TokenInfo::new(TokenId(n), pool, Secret::new(format!("a-token-{n}")), NOW);
        info.opening = Some((NOW, spent));
        info
    }

    fn standing(manager: &TokenManager, n: i64) -> Standing {
        manager.book(TokenId(n)).unwrap().standing
    }

    #[test]
    fn a_token_stands_where_the_first_thing_that_lasts_keeps_it() {
        let mut manager = TokenManager::new(Catalog::founding(), RoutingSettings::default());
        let quota = manager.catalog().pools()[1].quota.unwrap().units;
        for (n, spent) in [(1, 0), (2, quota - 1), (3, 0), (4, 0), (5, quota)] {
            manager.add(token(n, "ssoSuper", spent), NOW);
        }
        manager.add(token(6, "gone", 0), NOW);
        manager.blame(TokenId(3), &Blame::RateLimited { until: None, reason: "slow".into() }, NOW);
        manager.disable(TokenId(4), NOW);
        assert_eq!(standing(&manager, 1), Standing::Ready);
        assert_eq!(standing(&manager, 2), Standing::OutOfQuota, "one unit left, and each video costs four");
        assert_eq!(standing(&manager, 3), Standing::Cooling);
        assert_eq!(standing(&manager, 4), Standing::Disabled);
        assert_eq!(standing(&manager, 6), Standing::NoPool);
        manager.remove(TokenId(5), NOW);
        assert!(manager.book(TokenId(5)).is_none());
        assert!(Standing::under("active").unwrap().contains(&standing(&manager, 2)));
        assert_eq!(Standing::under("busy"), Some(&[Standing::Busy][..]));
        assert_eq!(Standing::under("odd"), None);
        let mut ids: Vec<i64> = manager.books().map(|books| books.info.id.0).collect();
        ids.sort_unstable();
        assert_eq!(ids, [1, 2, 3, 4, 6]);
        let at = |places| manager.books_at(places).map(|books| books.info.id.0).collect::<Vec<_>>();
        assert_eq!((at(0..2), at(4..9), at(7..9)), (vec![1, 2], vec![6], vec![]));
    }

    #[test]
    fn a_full_token_is_busy_and_its_ledger_adds_up() {
        let founding = Catalog::founding();
        let limited = |pool: &std::sync::Arc<Pool>| Pool { max_in_flight: Some(2), ..(**pool).clone() };
        let pools = founding.pools().iter().map(limited).collect();
        let catalog = Catalog::new(pools, founding.models().to_vec()).unwrap();
        let mut manager = TokenManager::new(catalog, RoutingSettings::default());
        let mut rng = StdRng::seed_from_u64(1);
        manager.add(token(1, "ssoSuper", 10), NOW);
        let seconds = Seconds::new(6).unwrap();
        let shape = Shape { resolution: Resolution::P720, seconds, aspect_ratio: AspectRatio::R16x9 };
        let mut wanted = Wanted::new("grok-video", shape);
        wanted.fallback = false;
        let mut grants = Vec::new();
        while let Ok(grant) = manager.reserve(&wanted, NOW, &mut rng) {
            grants.push(grant);
        }
        assert_eq!(standing(&manager, 1), Standing::Busy);
        let grant = grants.pop().unwrap();
        let until = NOW + HOUR;
        manager.settle(
            grant.reservation,
            Settlement { spent_at: Some(NOW + HOUR), slot_until: Some(until) },
            NOW,
        );
        let ledger = manager.ledger(TokenId(1)).unwrap();
        assert_eq!((ledger.open as usize, &*ledger.held), (grants.len(), &[until][..]));
        assert_eq!(ledger.granted.unwrap(), ledger.left.unwrap() + ledger.reserved + ledger.spent);
        let window = ledger.window.unwrap();
        assert_eq!(ledger.returns, [(NOW + window, 10), (NOW + HOUR + window, 4)]);
        assert_eq!(manager.ledger(TokenId(2)), None);
    }
}
