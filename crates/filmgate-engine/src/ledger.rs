//! The ledger of a period: every token and pool, what was there, what went in and out, and what is there now.

use std::collections::{BTreeMap, HashMap};
use std::time::Duration;

use filmgate_domain::{Account, Balance, Books, Period, Timestamp, TokenId};
use filmgate_store::{Accounts, AccountsOf, StoreError};

use crate::Engine;

/// A line of a ledger: a token in a pool, or all of a pool.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LedgerLine {
    /// How many tokens there are now.
    pub tokens: u64,
    /// What went in and out.
    pub account: Account,
    /// What there was when the period began, by the quota of now.
    pub opening: Balance,
    /// What there was at its end, or is now where that is still to come.
    pub closing: Balance,
}

impl LedgerLine {
    fn add(&mut self, other: &Self) {
        self.tokens += other.tokens;
        self.account += &other.account;
        self.opening += &other.opening;
        self.closing += &other.closing;
    }
}

/// The ledger of a period.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PeriodLedger {
    /// The period.
    pub period: Period,
    /// When it was read.
    pub now: Timestamp,
    /// The pools, weakest first; then those that are not configured any more.
    pub pools: Vec<(Box<str>, LedgerLine)>,
    /// The tokens with anything to tell, also removed ones.
    pub tokens: Vec<((TokenId, Box<str>), LedgerLine)>,
}

/// What a line is made with, besides its account.
#[derive(Clone, Copy)]
struct Frame {
    period: Period,
    now: Timestamp,
}

impl Engine {
    /// The ledger of a period.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub async fn ledger(&self, period: Period) -> Result<PeriodLedger, StoreError> {
        let now = self.now();
        let catalog = self.settings().catalog.clone();
        let quotas = catalog.pools().iter().filter_map(|pool| Some((pool.name.clone(), pool.quota?.window)));
        let windows: BTreeMap<Box<str>, Duration> = quotas.collect();
        let of = AccountsOf { period, windows: windows.clone(), now };
        let mut accounts: Accounts = self.inner.store.accounts(of).await?;

        let frame = Frame { period, now };
        let (mut pools, mut tokens) = (HashMap::<Box<str>, LedgerLine>::new(), Vec::new());
        self.look_through(|books| {
            let key = (books.info.id, books.info.pool.clone());
            let account = accounts.remove(&key).unwrap_or_default();
            let line = frame.present(&books, account, windows.get(&key.1).copied());
            pools.entry(key.1.clone()).or_default().add(&line);
            let is_told = !line.account.is_empty() || line.closing.elsewhere > 0;
            tokens.extend(is_told.then_some((key, line)));
        });
        // What is left is of tokens that were removed. They grant nothing.
        for (key, account) in accounts {
            let line = frame.line(account, windows.get(&key.1).map(|_| 0), [0, 0]);
            pools.entry(key.1.clone()).or_default().add(&line);
            tokens.push((key, line));
        }
        tokens.sort_by(|(one, _), (other, _)| one.cmp(other));
        let nothing = |pool: &str| frame.line(Account::default(), windows.get(pool).map(|_| 0), [0, 0]);
        let mut listed: Vec<_> = catalog
            .pools()
            .iter()
            .map(|pool| {
                let line = pools.remove(&pool.name).unwrap_or_else(|| nothing(&pool.name));
                (pool.name.clone(), line)
            })
            .collect();
        let mut gone: Vec<_> = pools.into_iter().collect();
        gone.sort_by(|(one, _), (other, _)| one.cmp(other));
        listed.extend(gone);
        Ok(PeriodLedger { period, now, pools: listed, tokens })
    }
}

impl Frame {
    /// A token that is there.
    fn present(self, books: &Books<'_>, account: Account, window: Option<Duration>) -> LedgerLine {
        let opening = books.info.opening.zip(window);
        let elsewhere = |at: Timestamp| {
            let counts = opening.filter(|((spent_at, _), window)| {
                // Of what is told of the future, it is known that it is gone by now.
                *spent_at + *window > at && (*spent_at <= at || at >= self.now)
            });
            counts.map_or(0, |((_, units), _)| u64::from(units))
        };
        let both = [elsewhere(self.period.from), elsewhere(self.period.until.min(self.now))];
        LedgerLine { tokens: 1, ..self.line(account, books.granted.map(u64::from), both) }
    }

    fn line(self, account: Account, granted: Option<u64>, [before, after]: [u64; 2]) -> LedgerLine {
        let opening = Balance::of(granted, account.carried, account.spent_before, before);
        let closing = Balance::of(granted, account.open, account.spent_after, after);
        LedgerLine { tokens: 0, account, opening, closing }
    }
}
