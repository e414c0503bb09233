//! The books of tokens and jobs, as an auditor would check them.

use std::collections::{BTreeMap, BTreeSet};

use reqwest::Method;
use serde_json::Value;

use crate::app::TestApp;

/// Every job, newest first.
pub(crate) async fn jobs(app: &TestApp) -> Vec<Value> {
    let page = app.admin(Method::GET, "/jobs?limit=1000", None).await;
    assert_eq!(page["has_more"], false);
    page["jobs"].as_array().unwrap().clone()
}

/// Compares what the gateway says of its tokens with the attempts of all jobs, which are the only record:
/// spent is what charged attempts cost, reserved and in flight what open ones hold (and, in flight, what is
/// held because the upstream may still be at work). Only for tests that are shorter than any quota window.
pub(crate) async fn balance(app: &TestApp) {
    #[derive(Debug, Default, PartialEq)]
    struct Account {
        spent: u64,
        reserved: u64,
        in_flight: u64,
    }
    let mut expected: BTreeMap<String, Account> = BTreeMap::new();
    let mut pools = BTreeSet::from(["ssoBasic", "ssoSuper"].map(str::to_owned));
    for attempt in jobs(app).await.iter().flat_map(|job| job["attempts"].as_array().unwrap()) {
        pools.insert(attempt["pool"].as_str().unwrap().to_owned());
        let account = expected.entry(attempt["token"].as_str().unwrap().to_owned()).or_default();
        let units = attempt["units"].as_u64().unwrap();
        if attempt["settled_at"].is_null() {
            account.reserved += units;
            account.in_flight += 1;
        }
        account.spent += if attempt["charged"] == true { units } else { 0 };
        account.in_flight += u64::from(!attempt["slot_until"].is_null());
    }
    for pool in pools {
        for token in app.tokens(&pool).await {
            let number = |name: &str| token[name].as_u64().unwrap();
            let found = Account {
                spent: number("spent"),
                reserved: number("reserved"),
                in_flight: number("in_flight"),
            };
            let expected = expected.remove(token["id"].as_str().unwrap()).unwrap_or_default();
            assert_eq!(found, expected, "{token}");
        }
    }
    assert!(expected.is_empty(), "attempts of tokens that are not there: {expected:?}");
}

/// How often each prompt was made by the simulator.
pub(crate) fn generations(app: &TestApp) -> BTreeMap<String, usize> {
    let mut counts = BTreeMap::new();
    for generation in app.simulator.generations() {
        *counts.entry(generation.prompt).or_default() += 1;
    }
    counts
}

/// The database file, once the gateway is stopped: nothing in it is damaged or refers to what is not there.
pub(crate) fn is_sound(app: &TestApp) {
    let db = rusqlite::Connection::open(app.data_dir().join("filmgate.db")).unwrap();
    let verdict: String = db.query_row("PRAGMA integrity_check", [], |row| row.get(0)).unwrap();
    assert_eq!(verdict, "ok");
    let mut dangling = db.prepare("PRAGMA foreign_key_check").unwrap();
    assert!(!dangling.exists([]).unwrap());
}
