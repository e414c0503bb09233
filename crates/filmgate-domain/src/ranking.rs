//! Available tokens by remaining quota: the fullest first, equals at random.

use std::collections::BTreeMap;

use rand::{Rng, RngExt as _};

/// Ranks below this have their buckets in a list; quotas seldom go higher.
const LISTED: u32 = 1 << 16;

/// Ranks tokens (by their index in the manager) within their pools.
///
/// A token knows its place in its bucket, so it moves without a search, and a bucket is a plain list, so a
/// fair draw among equals is one index.
#[derive(Debug, Default)]
pub(crate) struct Ranking {
    pools: Vec<Buckets>,
    places: Vec<Option<Place>>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Place {
    pool: u32,
    rank: u32,
    position: u32,
}

impl Ranking {
    pub(crate) fn new(pools: usize) -> Self {
        Self { pools: (0..pools).map(|_| Buckets::default()).collect(), places: Vec::new() }
    }

    /// Puts a token at a rank of a pool, or nowhere, wherever it was before.
    pub(crate) fn set(&mut self, token: u32, target: Option<(usize, u32)>) {
        let index = token as usize;
        if self.places.len() <= index {
            self.places.resize(index + 1, None);
        }
        let current = self.places[index];
        if current.map(|p| (p.pool as usize, p.rank)) == target {
            return;
        }
        if let Some(place) = current
            && let Some(moved) = self.pools[place.pool as usize].take_out(place.rank, place.position)
            && let Some(place_of_moved) = &mut self.places[moved as usize]
        {
            place_of_moved.position = place.position;
        }
        self.places[index] = target.map(|(pool, rank)| {
            let position = self.pools[pool].put(rank, token);
            Place { pool: pool as u32, rank, position }
        });
    }

    /// The best rank in a pool, and one of the tokens that have it, drawn at random.
    pub(crate) fn best(&self, pool: usize, rng: &mut impl Rng) -> Option<(u32, u32)> {
        let (rank, bucket) = self.pools[pool].best()?;
        let drawn = if bucket.len() == 1 { 0 } else { rng.random_range(0..bucket.len()) };
        Some((rank, bucket[drawn]))
    }

    /// The best rank in a pool, and its first token: for looking without choosing.
    pub(crate) fn peek(&self, pool: usize) -> Option<(u32, u32)> {
        let (rank, bucket) = self.pools[pool].best()?;
        Some((rank, bucket[0]))
    }
}

/// The tokens of a pool: a bucket for each rank.
#[derive(Debug, Default)]
struct Buckets {
    /// Those of the ranks below [`LISTED`].
    low: Vec<Vec<u32>>,
    /// Which of them hold tokens.
    taken: Ranks,
    /// The others; none is empty.
    high: BTreeMap<u32, Vec<u32>>,
}

impl Buckets {
    /// Adds a token; gives its position.
    fn put(&mut self, rank: u32, token: u32) -> u32 {
        let bucket = self.bucket(rank);
        let position = bucket.len() as u32;
        bucket.push(token);
        if position == 0 && rank < LISTED {
            self.taken.insert(rank);
        }
        position
    }

    /// Takes out the token at a position; gives the token that is there now.
    fn take_out(&mut self, rank: u32, position: u32) -> Option<u32> {
        let bucket = self.bucket(rank);
        bucket.swap_remove(position as usize);
        if bucket.is_empty() {
            if rank < LISTED {
                self.taken.remove(rank);
            } else {
                self.high.remove(&rank);
            }
            return None;
        }
        bucket.get(position as usize).copied()
    }

    fn bucket(&mut self, rank: u32) -> &mut Vec<u32> {
        if rank >= LISTED {
            return self.high.entry(rank).or_default();
        }
        let index = rank as usize;
        if self.low.len() <= index {
            self.low.resize_with(index + 1, Vec::new);
        }
        &mut self.low[index]
    }

    /// The highest rank that has tokens, and those.
    fn best(&self) -> Option<(u32, &[u32])> {
        if let Some((&rank, bucket)) = self.high.last_key_value() {
            return Some((rank, bucket));
        }
        let rank = self.taken.greatest()?;
        Some((rank, &self.low[rank as usize]))
    }
}

/// A set of ranks below [`LISTED`] that finds its greatest at once.
///
/// A bit of the first level stands for a rank; a bit of any other for a word of the level before that is not
/// zero.
#[derive(Debug)]
struct Ranks {
    levels: [Box<[u64]>; 3],
}

impl Default for Ranks {
    fn default() -> Self {
        let words = |bits_per_word: u32| vec![0; LISTED.div_ceil(bits_per_word) as usize].into();
        Self { levels: [words(1 << 6), words(1 << 12), words(1 << 18)] }
    }
}

impl Ranks {
    fn insert(&mut self, rank: u32) {
        let mut rank = rank;
        for level in &mut self.levels {
            level[rank as usize / 64] |= 1 << (rank % 64);
            rank /= 64;
        }
    }

    fn remove(&mut self, rank: u32) {
        let mut rank = rank;
        for level in &mut self.levels {
            let word = &mut level[rank as usize / 64];
            *word &= !(1 << (rank % 64));
            if *word != 0 {
                return;
            }
            rank /= 64;
        }
    }

    fn greatest(&self) -> Option<u32> {
        self.levels.iter().rev().try_fold(0, |word, level| {
            let bits = level[word as usize];
            (bits != 0).then(|| word * 64 + bits.ilog2())
        })
    }
}

#[cfg(test)]
mod tests {
    use rand::SeedableRng as _;
    use rand::rngs::StdRng;

    use super::*;

    #[test]
    fn the_fullest_wins_and_equals_take_turns() {
        let mut rng = StdRng::seed_from_u64(3);
        let mut ranking = Ranking::new(1);
        ranking.set(0, Some((0, 10)));
        ranking.set(1, Some((0, 20)));
        ranking.set(2, Some((0, 20)));
        let mut drawn = [0; 3];
        for _ in 0..300 {
            let (rank, token) = ranking.best(0, &mut rng).unwrap();
            assert_eq!(rank, 20);
            drawn[token as usize] += 1;
        }
        assert_eq!(drawn[0], 0);
        assert!(drawn[1] > 100 && drawn[2] > 100, "{drawn:?}");
    }

    #[test]
    fn moving_keeps_every_other_place_right() {
        let mut rng = StdRng::seed_from_u64(4);
        let mut ranking = Ranking::new(2);
        let mut model = vec![None; 20];
        for _ in 0..5_000 {
            let token = rng.random_range(0..20u32);
            let rank =
                [0, 1, 63, 64, 4_095, 4_096, LISTED - 1, LISTED, u32::MAX][rng.random_range(0..9usize)];
            let target = rng.random_bool(0.8).then(|| (rng.random_range(0..2usize), rank));
            ranking.set(token, target);
            model[token as usize] = target;
            for pool in 0..2 {
                let best = model.iter().flatten().filter(|(p, _)| *p == pool).map(|(_, rank)| *rank).max();
                let seen = ranking.best(pool, &mut rng);
                assert_eq!(seen.map(|(rank, _)| rank), best);
                if let Some((rank, token)) = seen {
                    assert_eq!(model[token as usize], Some((pool, rank)));
                }
            }
        }
        (0..20).for_each(|token| ranking.set(token, None));
        assert!(ranking.pools.iter().all(|buckets| buckets.best().is_none() && buckets.high.is_empty()));
    }
}
