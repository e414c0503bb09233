//! Tokens and their quotas: who may make a video now, and when again.

use std::{collections::HashMap, time::Duration};

use serde::Serialize;

use crate::{
    config::{SimulatorConfig, Tier},
    error::ApiError,
};

/// The first characters of a secret that reports may show.
const SHOWN_CHARS: usize = 10;

/// One token's place in the [`Ledger`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct AccountId(usize);

/// One token's state as `GET /simulator/tokens` reports it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct TokenReport {
    /// Its name, such as `basic-1`.
    pub name: String,
    /// The name of its tier.
    pub tier: String,
    /// The first characters of its secret.
    pub prefix: String,
    /// Whether it is accepted at all.
    pub valid: bool,
    /// Units left now; `None` is unlimited.
    pub remaining: Option<u32>,
    /// Videos accepted with it so far.
    pub accepted: u32,
}

#[derive(Debug)]
struct Account {
    name: String,
    prefix: String,
    tier: Tier,
    valid: bool,
    spends: Vec<Spend>,
    accepted: u32,
}

/// Units that were spent, and when they are there again.
#[derive(Clone, Copy, Debug)]
struct Spend {
    units: u32,
    back_at_ms: u64,
}

impl Account {
    fn used(&self, now_ms: u64) -> u32 {
        self.spends.iter().filter(|spend| spend.back_at_ms > now_ms).map(|spend| spend.units).sum()
    }

    fn remaining(&self, now_ms: u64) -> Option<u32> {
        self.tier.quota.map(|(units, _)| units.saturating_sub(self.used(now_ms)))
    }

    /// How long until `cost` units are free, in milliseconds; 0 when they are.
    fn wait_ms(&self, cost: u32, now_ms: u64) -> u64 {
        let Some((units, window)) = self.tier.quota else { return 0 };
        if units < cost {
            return millis(window);
        }
        let mut used = self.used(now_ms);
        let mut spends: Vec<_> = self.spends.iter().filter(|spend| spend.back_at_ms > now_ms).collect();
        spends.sort_by_key(|spend| spend.back_at_ms);
        let mut wait = 0;
        for spend in spends {
            if used + cost <= units {
                break;
            }
            used -= spend.units;
            wait = spend.back_at_ms - now_ms;
        }
        wait
    }
}

/// What a token has of its quota.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Left {
    /// Units in a full window.
    pub(crate) granted: u32,
    pub(crate) remaining: u32,
    /// In how long there is enough for a video, where there is not; else, in how long there is more.
    pub(crate) more_in_ms: u64,
}

/// Every token that the simulator knows. No Debug: it holds the secrets.
pub(crate) struct Ledger {
    accounts: Vec<Account>,
    by_secret: HashMap<String, AccountId>,
}

impl Ledger {
    /// Expects a configuration without problems: every token's tier is there.
    pub(crate) fn new(config: &SimulatorConfig) -> Self {
        let mut ledger = Self { accounts: Vec::new(), by_secret: HashMap::new() };
        for token in &config.tokens {
            let Some(tier) = config.tiers.iter().find(|tier| tier.name == token.tier) else { continue };
            ledger.by_secret.insert(token.secret.clone(), AccountId(ledger.accounts.len()));
            ledger.accounts.push(Account {
                name: token.name.clone(),
                prefix: token.secret.chars().take(SHOWN_CHARS).collect(),
                tier: tier.clone(),
                valid: true,
                spends: Vec::new(),
                accepted: 0,
            });
        }
        ledger
    }

    /// The account of a secret that is known and valid.
    pub(crate) fn account(&self, secret: &str) -> Option<AccountId> {
        self.by_secret.get(secret).copied().filter(|id| self.accounts[id.0].valid)
    }

    pub(crate) fn tier(&self, id: AccountId) -> &Tier {
        &self.accounts[id.0].tier
    }

    pub(crate) fn report(&self, id: AccountId, now_ms: u64) -> TokenReport {
        let account = &self.accounts[id.0];
        TokenReport {
            name: account.name.clone(),
            tier: account.tier.name.clone(),
            prefix: account.prefix.clone(),
            valid: account.valid,
            remaining: account.remaining(now_ms),
            accepted: account.accepted,
        }
    }

    pub(crate) fn reports(&self, now_ms: u64) -> Vec<TokenReport> {
        (0..self.accounts.len()).map(|index| self.report(AccountId(index), now_ms)).collect()
    }

    /// `None` without a quota.
    pub(crate) fn left(&self, id: AccountId, now_ms: u64) -> Option<Left> {
        let account = &self.accounts[id.0];
        let (granted, _) = account.tier.quota?;
        let remaining = account.remaining(now_ms)?;
        let next = account.spends.iter().filter(|spend| spend.back_at_ms > now_ms);
        let next_in_ms = next.map(|spend| spend.back_at_ms - now_ms).min().unwrap_or(0);
        let wait_ms = account.wait_ms(account.tier.cost_per_video, now_ms);
        Some(Left { granted, remaining, more_in_ms: wait_ms.max(next_in_ms) })
    }

    /// Refuses with 429 when the token has not enough left for a video.
    pub(crate) fn check(&self, id: AccountId, now_ms: u64) -> Result<(), ApiError> {
        let account = &self.accounts[id.0];
        let wait_ms = account.wait_ms(account.tier.cost_per_video, now_ms);
        if wait_ms == 0 {
            return Ok(());
        }
        let error = ApiError::exhausted("the quota of this account is used up", wait_ms.div_ceil(1000));
        Err(error.openai_code("insufficient_quota"))
    }

    /// Bills a video, and tells how many units it was. A video that will fail (`back_at_ms`) gives its
    /// units back then.
    pub(crate) fn spend(&mut self, id: AccountId, now_ms: u64, back_at_ms: Option<u64>) -> u32 {
        let account = &mut self.accounts[id.0];
        let units = account.tier.cost_per_video;
        account.accepted += 1;
        if let Some((_, window)) = account.tier.quota {
            let rolls_at_ms = now_ms.saturating_add(millis(window));
            let back_at_ms = back_at_ms.map_or(rolls_at_ms, |at| at.min(rolls_at_ms));
            account.spends.retain(|spend| spend.back_at_ms > now_ms);
            account.spends.push(Spend { units, back_at_ms });
        }
        units
    }

    /// Finds a token by its name and changes it: how many units are left (the missing ones come back one
    /// window from now), and whether it is accepted. Tells what it is now.
    pub(crate) fn change(
        &mut self,
        name: &str,
        remaining: Option<u32>,
        valid: Option<bool>,
        now_ms: u64,
    ) -> Result<TokenReport, ApiError> {
        let index = self.accounts.iter().position(|account| account.name == name);
        let index = index.ok_or_else(|| ApiError::not_found(format!("no token is named {name}")))?;
        let account = &mut self.accounts[index];
        if let Some(remaining) = remaining {
            let Some((units, window)) = account.tier.quota else {
                return Err(ApiError::invalid(format!("{name} has no quota, so nothing can remain of it")));
            };
            if remaining > units {
                return Err(ApiError::invalid(format!("{name} cannot have more than {units} units")));
            }
            let back_at_ms = now_ms.saturating_add(millis(window));
            account.spends = vec![Spend { units: units - remaining, back_at_ms }];
        }
        if let Some(valid) = valid {
            account.valid = valid;
        }
        Ok(self.report(AccountId(index), now_ms))
    }
}

pub(crate) fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::demo_tokens;

    const HOUR_MS: u64 = 3_600_000;

    fn ledger() -> (Ledger, AccountId) {
        let ledger =
            Ledger::new(&SimulatorConfig { tokens: demo_tokens("super", 2), ..SimulatorConfig::default() });
        let id = ledger.account(&demo_tokens("super", 1)[0].secret).expect("known");
        (ledger, id)
    }

    #[test]
    fn the_window_rolls() {
        let (mut ledger, id) = ledger();
        // 140 units at 4 a video: 35 videos, one a minute.
        for minute in 0..35 {
            assert_eq!(ledger.check(id, minute * 60_000), Ok(()));
            assert_eq!(ledger.spend(id, minute * 60_000, None), 4);
        }
        let now = 35 * 60_000;
        let refused = ledger.check(id, now).expect_err("nothing left");
        assert_eq!(refused.retry_after, Some((2 * HOUR_MS - now) / 1000));
        assert_eq!(ledger.report(id, now).remaining, Some(0));
        assert!(ledger.check(id, 2 * HOUR_MS - 1).is_err());
        assert_eq!(ledger.check(id, 2 * HOUR_MS), Ok(()));
        assert_eq!(ledger.report(id, 2 * HOUR_MS).remaining, Some(4));
        assert_eq!(ledger.report(id, 2 * HOUR_MS + 60_000).remaining, Some(8));
    }

    #[test]
    fn a_failed_video_gives_its_units_back() {
        let (mut ledger, id) = ledger();
        ledger.spend(id, 0, Some(5_000));
        assert_eq!(ledger.report(id, 4_999).remaining, Some(136));
        assert_eq!(ledger.report(id, 5_000).remaining, Some(140));
    }

    #[test]
    fn retry_after_waits_for_enough_units_and_is_rounded_up() {
        let (mut ledger, id) = ledger();
        ledger.change("super-1", Some(3), None, 500).expect("known");
        let refused = ledger.check(id, 1_200).expect_err("3 units are less than 4");
        assert_eq!(refused.retry_after, Some(7200), "7199.3 s, rounded up");
    }

    #[test]
    fn tokens_are_changed_by_name() {
        let (mut ledger, id) = ledger();
        let secret = demo_tokens("super", 1)[0].secret.clone();
        ledger.change("super-1", None, Some(false), 0).expect("known");
        assert_eq!(ledger.account(&secret), None);
        ledger.change("super-1", None, Some(true), 0).expect("known");
        assert_eq!(ledger.account(&secret), Some(id));
        assert!(ledger.change("super-9", None, Some(true), 0).is_err());
        assert!(ledger.change("super-1", Some(141), None, 0).is_err());
    }

    #[test]
    fn tokens_have_separate_books() {
        let (mut ledger, id) = ledger();
        let other = ledger.account(&demo_tokens("super", 2)[1].secret).expect("known");
        ledger.spend(id, 0, None);
        assert_eq!(ledger.report(other, 0).remaining, Some(140));
        assert_eq!(ledger.report(id, 0).accepted, 1);
    }
}
