//! What a decision costs: choose, reserve and release a token, at 10 to 1,000,000 tokens.
//!
//! `cargo bench -p filmgate-domain` prints nanoseconds per operation. The reference is what the original
//! gateway did, a linear scan for the fullest active token, over the same tokens in the same run.

use std::fmt::Display;
use std::hint::black_box;
use std::time::{Duration, Instant};

use filmgate_domain::{
    AspectRatio, Catalog, Resolution, RoutingSettings, Seconds, Secret, Settlement, Shape, Timestamp,
    TokenId, TokenInfo, TokenManager, TokenStatus, Wanted,
};
use rand::rngs::StdRng;
use rand::{RngExt as _, SeedableRng as _};

const MODEL: &str = "grok-imagine-video";
const POOL: &str = "ssoBasic";
const UNITS: u32 = 4;
const START: Timestamp = Timestamp::from_millis(1_700_000_000_000);

fn main() {
    let plain = shape(Resolution::P480, 6);
    println!("ns per operation; every token of {POOL} has 0 to 80 of its 80 units spent, at random");
    println!(
        "{:>9} | {:>15} | {:>14} | {:>13} | {:>9} | {:>14}",
        "tokens", "reserve+release", "reserve+charge", "linear scan", "scan/ours", "shortage, why"
    );
    for count in [10, 1_000, 100_000, 1_000_000] {
        let tokens = tokens(count);
        let mut manager = manager(&tokens);
        let mut rng = StdRng::seed_from_u64(2);
        let released = nanos(|_| {
            let grant = manager.reserve(&Wanted::new(MODEL, plain), START, &mut rng).expect("tokens abound");
            manager.release(black_box(grant).reservation, START);
        });
        let charged = charged(&tokens, plain);
        let scanned = scanned(&manager);
        let why = shortage(&tokens, plain);
        println!(
            "{count:>9} | {released:>15.1} | {charged:>14.1} | {scanned:>13.1} | {:>9} | {why:>14.0}",
            times(scanned / released)
        );
    }
}

/// Every video is made and charged, a millisecond after the last; units come back after 20 hours.
fn charged(tokens: &[TokenInfo], asked: Shape) -> f64 {
    let mut manager = manager(tokens);
    let mut rng = StdRng::seed_from_u64(3);
    // So slow that the pool never runs dry: each token's 80 units allow a video an hour.
    let pace = Duration::from_secs(3 * 3_600).div_f64(tokens.len() as f64);
    let mut now = START;
    nanos(|_| {
        now = now + pace;
        let grant = manager.reserve(&Wanted::new(MODEL, asked), now, &mut rng).expect("units come back");
        manager.settle(grant.reservation, Settlement { spent_at: Some(now), slot_until: None }, now);
    })
}

/// The original's way: look at every token, take the fullest active one (no reservation, no ties at random).
fn scanned(manager: &TokenManager) -> f64 {
    let mut tokens: Vec<TokenInfo> = manager.tokens().map(|(info, ..)| info.clone()).collect();
    nanos(|_| {
        let active = tokens.iter_mut().filter(|t| t.status == TokenStatus::Active);
        let best = active.max_by_key(|t| t.quota).expect("tokens abound");
        best.quota = best.quota.map(|left| left - UNITS);
        let chosen = black_box(best);
        chosen.quota = chosen.quota.map(|left| left + UNITS);
    })
}

/// All tokens are out of quota, and somebody is told when to come back.
fn shortage(tokens: &[TokenInfo], asked: Shape) -> f64 {
    let spent = tokens.iter().cloned().map(|t| TokenInfo { opening: Some((START, 80)), ..t });
    let mut manager = manager(&spent.collect::<Vec<_>>());
    let mut rng = StdRng::seed_from_u64(4);
    nanos(|_| {
        let refused =
            manager.reserve(&Wanted::new(MODEL, asked), START, &mut rng).expect_err("nothing is left");
        assert!(black_box(refused).expected().is_some());
    })
}

fn tokens(count: usize) -> Vec<TokenInfo> {
    let mut rng = StdRng::seed_from_u64(1);
    let token = |n: usize| {
        let secret = Secret::new(format!("eyJ0eXAiOiJKV1QiLCJhbGciOiJIUzI1NiJ9.{n}"));
        let mut info = TokenInfo::new(TokenId(n as i64), POOL, secret, START);
        // The first has all its units, so that a small pool has some too.
        let spent = if n == 0 { 0 } else { rng.random_range(0..=20) * UNITS };
        info.opening = Some((START, spent));
        info
    };
    (0..count).map(token).collect()
}

fn manager(tokens: &[TokenInfo]) -> TokenManager {
    let mut manager = TokenManager::new(Catalog::founding(), RoutingSettings::default());
    tokens.iter().for_each(|token| manager.add(token.clone(), START));
    manager
}

fn shape(resolution: Resolution, seconds: u32) -> Shape {
    let seconds = Seconds::new(seconds).expect("a length");
    Shape { resolution, seconds, aspect_ratio: AspectRatio::R16x9 }
}

fn times(ratio: f64) -> impl Display {
    format!("{ratio:.1}x")
}

/// The median over seven rounds of about 50 ms.
fn nanos(mut operation: impl FnMut(u64)) -> f64 {
    let mut round = |rounds: u64| {
        let started = instant();
        (0..rounds).for_each(&mut operation);
        started.elapsed().as_secs_f64() * 1e9 / rounds as f64
    };
    let mut count = 1;
    while round(count) * (count as f64) < 50e6 {
        count *= 2;
    }
    let mut rounds: Vec<f64> = (0..7).map(|_| round(count)).collect();
    rounds.sort_by(f64::total_cmp);
    rounds[3]
}

#[expect(clippy::disallowed_methods, reason = "a benchmark measures real time")]
fn instant() -> Instant {
    Instant::now()
}
