//! Random histories: whatever happens, the ledger says what the attempts say, and what the manager says.

use std::collections::BTreeMap;
use std::time::Duration;

use filmgate_domain::{
    Attempt, Cause, Certainty, Failure, JobId, Period, Polled, RateLimit, Secret, Timestamp, TokenId,
    TokenInfo,
};
use filmgate_engine::{Deed, LedgerLine, PeriodLedger};
use rand::rngs::StdRng;
use rand::{RngExt as _, SeedableRng as _};

use crate::scene::{BEGIN, HOUR, MINUTE, Scene, refused};

/// What an auditor finds in the attempts: carried, reserved, charged, given back, open, ticks.
type Sums = [i64; 6];

struct History {
    scene: Scene,
    rng: StdRng,
    jobs: Vec<JobId>,
}

impl History {
    async fn happens(&mut self) {
        let token = TokenId(self.rng.random_range(1..=2));
        let engine = self.scene.engine.clone();
        match self.rng.random_range(0..20) {
            0..6 => self.jobs.push(self.scene.ask().await),
            6..10 => self.pass(),
            10..13 => self.next_submission(),
            13..16 => self.next_poll(),
            16 => {
                let job = self.jobs[self.rng.random_range(0..self.jobs.len())];
                // It may be at its end.
                let _ = engine.cancel(job).await;
            }
            17 => {
                let deeds = [Deed::Enable, Deed::Disable, Deed::Reset, Deed::Remove];
                // It may be removed.
                let _ = engine.change_token(token, deeds[self.rng.random_range(0..4)]).await;
            }
            18 => drop(engine.add_tokens(vec![info(1), info(2)]).await.unwrap()),
            _ => {
                drop(engine);
                self.scene.restart().await;
            }
        }
    }

    fn pass(&mut self) {
        let now = self.scene.engine.now();
        let seconds = self.rng.random_range(1..2_400);
        self.scene.timer.shows(now + Duration::from_secs(seconds));
    }

    fn next_submission(&mut self) {
        let pause = Duration::from_secs(self.rng.random_range(1..1_000));
        let told = RateLimit {
            remaining: self.rng.random_range(0..8),
            reset: self.rng.random_bool(0.7).then_some(pause),
            in_units: self.rng.random_bool(0.7),
        };
        self.scene.answers(match self.rng.random_range(0..6) {
            0 => Err(refused(Cause::RateLimited, Some(pause))),
            1 => Err(refused(Cause::Rejected, None)),
            2 => Err(Failure { certainty: Certainty::Unknown, ..refused(Cause::Timeout, None) }),
            _ => Ok(Some(told)),
        });
    }

    fn next_poll(&mut self) {
        let cost_ticks = Some(self.rng.random_range(0..9));
        let polled = match self.rng.random_range(0..5) {
            0 => Polled::Failed { reason: "no".to_owned() },
            1 => Polled::Expired,
            2 => Polled::Done { url: "https://cdn.example/a.mp4".into(), cost_ticks },
            3 => Polled::Moderated { reason: None, cost_ticks },
            _ => Polled::Pending { progress: None },
        };
        self.scene.upstream.polls.lock().unwrap().push_back(polled.into());
    }

    /// Waits until what is on its way has arrived, which is when the books agree: the clock stands still.
    async fn the_books_agree(&mut self, seed: u64) {
        let now = self.scene.engine.now();
        let from = BEGIN + Duration::from_secs(self.rng.random_range(0..30_000)) - HOUR;
        let some = Period { from, until: from + Duration::from_secs(self.rng.random_range(1..30_000)) };
        let mut wrong = String::new();
        for _ in 0..1_000 {
            let ledger =
                self.scene.engine.ledger(Period { from: BEGIN - HOUR, until: now + HOUR }).await.unwrap();
            let part = self.scene.engine.ledger(some).await.unwrap();
            let checked = self.as_the_manager_says(&ledger);
            let checked = match checked {
                Ok(()) => self.as_the_attempts_say(&[&ledger, &part]).await,
                wrong => wrong,
            };
            match checked {
                Ok(()) => return,
                Err(why) => wrong = why,
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        panic!("seed {seed}, at {now}: {wrong}");
    }

    fn as_the_manager_says(&self, ledger: &PeriodLedger) -> Result<(), String> {
        for view in self.scene.engine.tokens() {
            let line = ledger.tokens.iter().find(|((id, _), _)| *id == view.info.id);
            let closing = line.map(|(_, line)| line.closing).unwrap_or_default();
            let told = (closing.reserved, closing.spent);
            let held = (u64::from(view.reserved), u64::from(view.spent));
            if told != held {
                return Err(format!("{}: the ledger has {told:?}, the manager {held:?}", view.info.id));
            }
            let available = line.and_then(|(_, line)| line.closing.available);
            if line.is_some() && available != view.info.quota.map(u64::from) {
                return Err(format!("{}: {available:?} is not {:?}", view.info.id, view.info.quota));
            }
        }
        Ok(())
    }

    async fn as_the_attempts_say(&self, ledgers: &[&PeriodLedger]) -> Result<(), String> {
        let mut attempts = Vec::new();
        for id in &self.jobs {
            attempts.extend(self.scene.engine.store().job(*id).await.unwrap().unwrap().attempts);
        }
        for ledger in ledgers {
            adds_up(ledger)?;
            let mut expected: BTreeMap<(TokenId, Box<str>), Sums> = BTreeMap::new();
            for attempt in &attempts {
                let sums = expected.entry((attempt.token, attempt.pool.clone())).or_default();
                audit(sums, attempt, ledger.period);
            }
            expected.retain(|_, sums| *sums != Sums::default());
            let told: BTreeMap<_, Sums> =
                ledger.tokens.iter().map(|(key, line)| (key.clone(), sums(line))).collect();
            let told: BTreeMap<_, _> = told.into_iter().filter(|(_, s)| *s != Sums::default()).collect();
            if told != expected {
                return Err(format!("{:?}: {told:?} is not {expected:?}", ledger.period));
            }
        }
        Ok(())
    }
}

/// Every line, and all lines of a pool together.
fn adds_up(ledger: &PeriodLedger) -> Result<(), String> {
    let mut of_pools: BTreeMap<&str, Sums> = BTreeMap::new();
    let lines = ledger.pools.iter().map(|(_, line)| line).chain(ledger.tokens.iter().map(|(_, line)| line));
    for line in lines {
        let [carried, reserved, charged, given_back, open, _] = sums(line);
        if carried + reserved != charged + given_back + open {
            return Err(format!("{line:?} does not add up"));
        }
        for balance in [line.opening, line.closing] {
            let (granted, available) = (balance.granted.unwrap(), balance.available.unwrap());
            if granted + balance.over != available + balance.reserved + balance.spent {
                return Err(format!("{balance:?} does not add up"));
            }
        }
    }
    for ((_, pool), line) in &ledger.tokens {
        let total = of_pools.entry(pool).or_default();
        total.iter_mut().zip(sums(line)).for_each(|(total, more)| *total += more);
    }
    for (pool, line) in &ledger.pools {
        let total = of_pools.remove(&**pool).unwrap_or_default();
        if total != sums(line) {
            return Err(format!("the tokens of {pool} have {total:?}, the pool {:?}", sums(line)));
        }
    }
    Ok(())
}

fn sums(line: &LedgerLine) -> Sums {
    let account = &line.account;
    let units = |units: u64| i64::try_from(units).unwrap();
    [
        units(account.carried),
        units(account.reserved),
        units(account.charged()),
        units(account.given_back()),
        units(account.open),
        account.cost_ticks,
    ]
}

/// An attempt, seen by somebody who only knows what the words mean.
fn audit(sums: &mut Sums, attempt: &Attempt, period: Period) {
    let units = i64::from(attempt.units);
    let within = |at: Timestamp| at >= period.from && at < period.until;
    let open_at = |at: Timestamp| attempt.reserved_at < at && attempt.settled_at.is_none_or(|end| end >= at);
    let [carried, reserved, charged, given_back, open, ticks] = sums;
    *carried += if open_at(period.from) { units } else { 0 };
    *reserved += if within(attempt.reserved_at) { units } else { 0 };
    *open += if open_at(period.until) { units } else { 0 };
    if attempt.settled_at.is_some_and(within) {
        *(if attempt.charged { charged } else { given_back }) += units;
        *ticks += attempt.cost_ticks.unwrap_or(0);
    }
}

/// A token of either pool.
fn info(n: u64) -> TokenInfo {
    let (pool, secret) =
        if n == 1 { ("ssoBasic", "a-token-of-some-length") } else { ("ssoSuper", "another-token-of-some") };
    TokenInfo::new(TokenId(0), pool, Secret::new(secret), BEGIN)
}

#[tokio::test]
async fn the_ledger_is_the_sum_of_the_attempts_and_what_the_manager_holds() {
    for seed in 0..6 {
        let scene = Scene::new().await;
        scene.engine.add_tokens(vec![info(2)]).await.unwrap();
        let mut history = History { scene, rng: StdRng::seed_from_u64(seed), jobs: Vec::new() };
        history.jobs.push(history.scene.ask().await);
        for _ in 0..40 {
            history.happens().await;
            history.the_books_agree(seed).await;
        }
        let end = history.scene.engine.now() + MINUTE * 200;
        history.scene.timer.shows(end);
        history.scene.restart().await;
        history.the_books_agree(seed).await;
    }
}
