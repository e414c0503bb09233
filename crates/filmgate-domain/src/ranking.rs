//! Available tokens by remaining quota: the fullest first, equals at random.

use std::collections::BTreeMap;

use rand::{Rng, RngExt as _};

/// Ranks tokens (by their index in the manager) within their pools.
///
/// A pool holds one bucket for each rank that occurs. A token knows its place in its bucket, so it moves
/// without a search, and a bucket is a plain list, so a fair draw among equals is one index.
#[derive(Debug, Default)]
pub(crate) struct Ranking {
    pools: Vec<BTreeMap<u32, Vec<u32>>>,
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
        Self { pools: vec![BTreeMap::new(); pools], places: Vec::new() }
    }

    /// Puts a token at a rank of a pool, or nowhere, wherever it was before.
    pub(crate) fn set(&mut self, token: u32, target: Option<(usize, u32)>) {
        let index = token as usize;
        if self.places.len() <= index {
            self.places.resize(index + 1, None);
        }
        let current = self.places[index].map(|p| (p.pool as usize, p.rank));
        if current == target {
            return;
        }
        self.take_out(index);
        if let Some((pool, rank)) = target {
            let bucket = self.pools[pool].entry(rank).or_default();
            self.places[index] = Some(Place { pool: pool as u32, rank, position: bucket.len() as u32 });
            bucket.push(token);
        }
    }

    /// The best rank in a pool, and one of the tokens that have it, drawn at random.
    pub(crate) fn best(&self, pool: usize, rng: &mut impl Rng) -> Option<(u32, u32)> {
        let (&rank, bucket) = self.pools[pool].last_key_value()?;
        let drawn = if bucket.len() == 1 { 0 } else { rng.random_range(0..bucket.len()) };
        Some((rank, bucket[drawn]))
    }

    /// The best rank in a pool, and its first token: for looking without choosing.
    pub(crate) fn peek(&self, pool: usize) -> Option<(u32, u32)> {
        let (&rank, bucket) = self.pools[pool].last_key_value()?;
        Some((rank, bucket[0]))
    }

    fn take_out(&mut self, index: usize) {
        let Some(place) = self.places[index].take() else { return };
        let ranks = &mut self.pools[place.pool as usize];
        let Some(bucket) = ranks.get_mut(&place.rank) else { return };
        bucket.swap_remove(place.position as usize);
        if let Some(&moved) = bucket.get(place.position as usize)
            && let Some(place_of_moved) = &mut self.places[moved as usize]
        {
            place_of_moved.position = place.position;
        }
        if bucket.is_empty() {
            ranks.remove(&place.rank);
        }
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
            let target =
                rng.random_bool(0.8).then(|| (rng.random_range(0..2usize), rng.random_range(0..5u32)));
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
        assert!(ranking.pools.iter().all(BTreeMap::is_empty));
    }
}
