//! Taking back what a token was blamed for.

use std::time::Duration;

use filmgate_domain::{
    Blame, Catalog, RoutingSettings, Secret, Timestamp, TokenId, TokenInfo, TokenManager, TokenStatus,
};

const NOW: Timestamp = Timestamp::from_millis(1_700_000_000_000);
const MINUTE: Duration = Duration::from_secs(60);
const ID: TokenId = TokenId(1);

fn manager() -> TokenManager {
    let mut manager = TokenManager::new(Catalog::founding(), RoutingSettings::default());
    manager.set_blame_rule(3, MINUTE);
    manager.add(token(), NOW);
    manager
}

fn token() -> TokenInfo {
    TokenInfo::new(ID, "ssoBasic", Secret::new("a-token-of-some-length"), NOW)
}

fn refuse(manager: &mut TokenManager, words: &str, at: Timestamp) {
    manager.blame(ID, &Blame::Unauthorized { reason: words.into() }, at);
}

fn limit(manager: &mut TokenManager, until: Timestamp, at: Timestamp) {
    manager.blame(ID, &Blame::RateLimited { until: Some(until), reason: "slow down".into() }, at);
}

/// Status, end of the pause, refusals in a row, refusals ever.
fn state(manager: &mut TokenManager, at: Timestamp) -> (TokenStatus, Option<Timestamp>, u32, u64) {
    manager.advance(at);
    let info = manager.get(ID).unwrap();
    (info.status, info.cooling_until, info.failures_in_a_row, info.fail_count)
}

#[test]
fn a_pause_ends_with_the_refusal_that_it_was_for() {
    let mut manager = manager();
    refuse(&mut manager, "401 first", NOW);
    assert_eq!(state(&mut manager, NOW), (TokenStatus::Cooling, Some(NOW + MINUTE), 1, 1));
    assert!(manager.forgive(ID, NOW));
    assert_eq!(state(&mut manager, NOW), (TokenStatus::Active, None, 0, 0));
    let info = manager.get(ID).unwrap();
    assert_eq!((info.last_fail_at, &info.last_fail_reason), (None, &None));
    assert!(manager.token_info("ssoBasic", NOW).is_some(), "it may be chosen again");
}

#[test]
fn an_earlier_pause_goes_on_and_its_reason_is_back() {
    let mut manager = manager();
    let back = NOW + MINUTE * 10;
    limit(&mut manager, back, NOW);
    let later = NOW + MINUTE;
    (0..2).for_each(|_| refuse(&mut manager, "401 wrongly", later));
    refuse(&mut manager, "401 wrongly", later);
    assert_eq!(state(&mut manager, later), (TokenStatus::Expired, None, 3, 4));
    assert!(manager.forgive(ID, later));
    assert_eq!(state(&mut manager, later), (TokenStatus::Cooling, Some(back), 2, 3));
    assert_eq!(manager.get(ID).unwrap().last_fail_reason.as_deref(), Some("401 wrongly"));
    assert_eq!(state(&mut manager, back), (TokenStatus::Active, None, 2, 3));
}

#[test]
fn a_rate_limit_is_not_one_of_those_in_a_row() {
    let mut manager = manager();
    refuse(&mut manager, "401", NOW);
    limit(&mut manager, NOW + MINUTE * 10, NOW);
    assert!(manager.forgive(ID, NOW));
    assert_eq!(state(&mut manager, NOW), (TokenStatus::Cooling, Some(NOW + MINUTE), 1, 1));
    assert!(manager.forgive(ID, NOW), "and the one before");
    assert_eq!(state(&mut manager, NOW), (TokenStatus::Active, None, 0, 0));
    assert!(!manager.forgive(ID, NOW), "there is nothing left to take back");
    assert!(!manager.forgive(TokenId(2), NOW));
}

#[test]
fn only_the_refusal_that_caused_the_expiry_undoes_it() {
    let mut manager = manager();
    (0..4).for_each(|_| refuse(&mut manager, "401", NOW));
    assert!(manager.forgive(ID, NOW));
    assert_eq!(state(&mut manager, NOW), (TokenStatus::Expired, None, 3, 3), "one came after it had expired");
    assert!(manager.forgive(ID, NOW));
    assert_eq!(state(&mut manager, NOW), (TokenStatus::Active, None, 2, 2));
    let mut manager = TokenManager::new(Catalog::founding(), RoutingSettings::default());
    manager.add(TokenInfo { status: TokenStatus::Expired, fail_count: 9, ..token() }, NOW);
    assert!(manager.forgive(ID, NOW));
    assert_eq!(state(&mut manager, NOW), (TokenStatus::Expired, None, 0, 8), "it came in as expired");
}

#[test]
fn what_an_operator_disabled_stays_disabled() {
    let mut manager = manager();
    refuse(&mut manager, "401", NOW);
    manager.disable(ID, NOW);
    refuse(&mut manager, "401 in flight", NOW);
    assert!(manager.forgive(ID, NOW) && manager.forgive(ID, NOW));
    assert_eq!(state(&mut manager, NOW), (TokenStatus::Disabled, None, 0, 0));
    assert!(manager.token_info("ssoBasic", NOW).is_none());
}

#[test]
fn a_success_in_between_stays_a_success() {
    let mut manager = manager();
    (0..2).for_each(|_| refuse(&mut manager, "401", NOW));
    manager.record_use(ID, NOW + MINUTE);
    assert!(manager.forgive(ID, NOW + MINUTE));
    assert_eq!(state(&mut manager, NOW + MINUTE * 5), (TokenStatus::Active, None, 0, 1));
}
