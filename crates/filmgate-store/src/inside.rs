//! Tests that look into the database, or change it behind the store's back.

use std::path::PathBuf;

use filmgate_domain::*;

use crate::db::{Db, Sql, Table};
use crate::{Added, MasterKey, Store, StoreError, hash_key};

const SECRETS: [&str; 2] = ["canary-basic-4c1f2a9e77d0", "canary-super-b83e5d1166fa"];
const CLIENT_KEY: &str = "canary-client-90aa31cc52e7";

/// A database with a little of everything in it, and its store.
struct Inside {
    directory: tempfile::TempDir,
    store: Store,
    job: JobId,
    tokens: [TokenId; 2],
}

impl Inside {
    async fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let key = MasterKey::generate();
        let store = Store::open(&directory.path().join("filmgate.db"), &key).unwrap();
        let now = Timestamp::from_millis(1_764_000_000_000);
        let caller = store.add_caller("default", now).await.unwrap();
        let key = crate::NewKey {
            caller,
            name: "first".to_owned(),
            hash: hash_key(CLIENT_KEY),
            hint: "canary".to_owned(),
            scope: crate::KeyScope::Client,
            expires_at: None,
            created_at: now,
        };
        store.add_key(key).await.unwrap();
        let tokens = SECRETS.map(|secret| TokenInfo::new(TokenId(0), "ssoBasic", Secret::new(secret), now));
        let added = store.add_tokens(tokens.into()).await.unwrap();
        let [Added::New(one), Added::New(two)] = added[..] else { panic!("{added:?}") };
        let job = failed_job(caller, one, now);
        store.admit(&job).await.unwrap();
        Self { directory, store, job: job.id, tokens: [one, two] }
    }

    fn path(&self) -> PathBuf {
        self.directory.path().join("filmgate.db")
    }

    /// Changes something that the store would never change.
    fn tamper(&self, sql: &str) {
        Db::writer(&self.path()).unwrap().execute_all(sql).unwrap();
    }
}

fn failed_job(caller: CallerId, token: TokenId, now: Timestamp) -> Job {
    let shape =
        Shape { resolution: Resolution::P480, seconds: Seconds::DEFAULT, aspect_ratio: AspectRatio::R16x9 };
    let spec = VideoSpec::new("m", "a fox", shape).unwrap();
    let job = Job::new(JobId::from_bytes([7; 16]), caller, spec, [0; 32], (now, now));
    Job {
        state: JobState::Failed,
        progress: 10,
        finished_at: Some(now),
        attempts: vec![Attempt {
            n: 1,
            token,
            pool: "ssoBasic".into(),
            upstream: "xai".into(),
            model: "m".into(),
            route: Route::Primary,
            reason: "".into(),
            sent: shape,
            units: 4,
            reserved_at: now,
            sent_at: Some(now),
            lost_answer: LostAnswer::GiveUp,
            lost_at: None,
            answered_at: Some(now),
            upstream_id: None,
            video_url: None,
            cost_ticks: None,
            outcome: Some(Outcome::Moderated),
            error: None,
            settled_at: Some(now),
            charged: true,
            slot_until: None,
        }],
        failure: Some(JobFailure::moderated(None)),
        ..job
    }
}

#[tokio::test]
async fn a_swapped_secret_is_detected() {
    let inside = Inside::new().await;
    assert_eq!(inside.store.tokens().await.unwrap()[1].info.token.expose(), SECRETS[1]);
    let [one, two] = inside.tokens.map(|id| id.0);
    inside.tamper(&format!(
        "UPDATE tokens SET sealed = (SELECT sealed FROM tokens WHERE id = {one}) WHERE id = {two}"
    ));
    let error = inside.store.tokens().await.unwrap_err();
    assert_eq!(error, StoreError::Unsealable { table: "tokens", column: "sealed", row: two });
    let text = format!("{error} {error:?}");
    assert!(text.contains("the master key does not fit, or the row was tampered with"), "{text}");
    assert!(SECRETS.iter().all(|secret| !text.contains(&secret[..8])), "{text}");
}

#[tokio::test]
async fn a_wiped_secret_that_should_be_there_is_an_error() {
    let inside = Inside::new().await;
    inside.tamper("UPDATE tokens SET sealed = NULL WHERE id = 2");
    let error = inside.store.tokens().await.unwrap_err().to_string();
    assert_eq!(error, "the database is damaged: tokens.sealed of row 2: no bytes");
}

#[tokio::test]
async fn what_makes_no_sense_is_told_with_table_column_and_row() {
    let job = "07".repeat(16);
    let damage = [
        ("jobs", "state", "'done'", "unknown word \"done\""),
        ("jobs", "resolution", "'4k'", "\"4k\" is not a resolution; use \"480p\", \"720p\" or \"1080p\""),
        ("jobs", "seconds", "0", "\"0\" is not a length; use a whole number of seconds from 1 to 600"),
        ("jobs", "aspect_ratio", "x'00'", "no text"),
        ("jobs", "progress", "256", "256 is out of range"),
        ("jobs", "fingerprint", "x'0102'", "2 bytes, not 32"),
        ("jobs", "failure_fault", "'nobody'", "unknown word \"nobody\""),
        ("jobs", "failure_fault", "NULL", "nothing"),
        ("jobs", "deadline", "'soon'", "no number"),
        ("attempts", "route", "'detour'", "unknown word \"detour\""),
        ("attempts", "outcome", "'fine'", "unknown word \"fine\""),
        ("attempts", "charged", "2", "neither 0 nor 1"),
        ("attempts", "units", "-4", "-4 is out of range"),
        ("tokens", "status", "'broken'", "not a token status; use active, cooling, expired or disabled"),
        ("tokens", "tags", "'['", "EOF while parsing a list at line 1 column 1"),
    ];
    for (table, column, value, problem) in damage {
        let inside = Inside::new().await;
        inside
            .tamper(&format!("PRAGMA ignore_check_constraints = ON; UPDATE {table} SET {column} = {value}"));
        let error = match table {
            "tokens" => inside.store.tokens().await.unwrap_err(),
            _ => inside.store.job(inside.job).await.unwrap_err(),
        };
        let row = match table {
            "jobs" => job.clone(),
            "attempts" => format!("{job}/1"),
            _ => "1".to_owned(),
        };
        assert_eq!(
            error.to_string(),
            format!("the database is damaged: {table}.{column} of row {row}: {problem}")
        );
    }
}

#[tokio::test]
async fn a_read_that_fails_is_an_error_and_never_empty() {
    let inside = Inside::new().await;
    inside.tamper(
        "PRAGMA foreign_keys = OFF; DROP TABLE attempts; DROP TABLE jobs; DROP TABLE tokens; DROP TABLE keys",
    );
    let store = &inside.store;
    let now = Timestamp::from_millis(0);
    assert!(store.job(inside.job).await.is_err());
    assert!(store.jobs(&crate::JobFilter::default()).await.is_err());
    assert!(store.unfinished().await.is_err());
    assert!(store.finished_since(now).await.is_err());
    assert!(store.settled_attempts(now, now, now).await.is_err());
    assert!(store.job_counts().await.is_err());
    assert!(store.files().await.is_err());
    assert!(store.tokens().await.is_err());
    let error = store.keys().await.unwrap_err().to_string();
    assert!(
        error.starts_with("the database failed at \"SELECT k.id, k.caller,\": no such table: keys"),
        "{error}"
    );
}

#[tokio::test]
async fn no_secret_is_on_disk_or_in_debug_output() {
    let inside = Inside::new().await;
    let shown = format!("{:?} {:?}", inside.store, inside.store.tokens().await.unwrap());
    let mut seen = 0;
    let mut check = |what: &str, bytes: &[u8]| {
        seen += bytes.len();
        for canary in SECRETS.into_iter().chain([CLIENT_KEY]) {
            let found = bytes.windows(canary.len()).any(|window| window == canary.as_bytes());
            assert!(!found, "{canary} is in {what}");
        }
    };
    check("debug output", shown.as_bytes());
    for entry in std::fs::read_dir(inside.directory.path()).unwrap() {
        let path = entry.unwrap().path();
        check(&path.display().to_string(), &std::fs::read(&path).unwrap());
    }
    assert!(seen > 10_000, "nothing was looked at");
}

#[tokio::test]
async fn values_are_bound_by_name_and_all_of_them() {
    const ANY: Table = Table { name: "any", key: &[] };
    let inside = Inside::new().await;
    let db = Db::writer(&inside.path()).unwrap();
    let both = |sql: &str, values: &[crate::db::Value<'_>]| {
        let read = |row: &crate::db::Row<'_>| Ok((row.get::<i64>("b")?, row.get::<i64>("a")?));
        db.query_one(&ANY, &Sql::built(sql.to_owned()), values, read)
    };
    let values = crate::db::args![1_i64, 2_i64, 3_i64];
    // By position this would be (1, 2).
    assert_eq!(both("SELECT $2 AS b, $1 AS a", &values[..2]).unwrap(), Some((2, 1)));
    assert_eq!(both("SELECT $2 AS b, $1 + $2 AS a", &values[..2]).unwrap(), Some((2, 3)));
    assert!(both("SELECT $2 AS b, $1 AS a", &values).is_err(), "one too many");
    assert!(both("SELECT $2 AS b, $1 AS a", &values[..1]).is_err(), "one too few");
    assert!(both("SELECT $3 AS b, $1 AS a", &values[..2]).is_err(), "a gap");
}
