//! Databases of earlier versions, with jobs in every state, are taken over; one of a later version is left alone.

use std::collections::BTreeMap;
use std::path::Path;

use filmgate_simulator::SimulatorConfig;
use rusqlite::Connection;
use serde_json::Value;
use sha2::Digest as _;

use crate::app::{Setup, TestApp};
use crate::books;
use crate::recovery::create_until;
use crate::shell::Shell;

/// The schemas that versions were released with, and what each of their files has to be for ever.
const RELEASED: [(&str, &str); 8] = [
    (
        include_str!("../../../filmgate-store/migrations/0001_start.sql"),
        "e2182c3f5d136499ee06298d39a8b5a5ff2df278b47ae1f490d88c37af5ff28a",
    ),
    (
        include_str!("../../../filmgate-store/migrations/0002_inputs_and_choices.sql"),
        "daf5f2065589ae57b8b28a5b6867f5038a80d1589f57831735fb445609ae67a4",
    ),
    (
        include_str!("../../../filmgate-store/migrations/0003_idempotency.sql"),
        "2f7a6f3555f76995d5ea36c97d0d79d16e0ae34613fb2bf49ce65024e20ce523",
    ),
    (
        include_str!("../../../filmgate-store/migrations/0004_webhooks.sql"),
        "5771ef4e0ac6835293ce5e6e4a44b671ebef494b73541da52e3f30ad680413e7",
    ),
    (
        include_str!("../../../filmgate-store/migrations/0005_operators_page.sql"),
        "ba8aae5791500a84523861e4aa80103380c8f1aea26c3bfcb85326f2b0de45a2",
    ),
    (
        include_str!("../../../filmgate-store/migrations/0006_lost_answers.sql"),
        "1edda07e17f70d666b82eb2f31c08848f02087ad3a909956e168b66ae6d4a1b5",
    ),
    (
        include_str!("../../../filmgate-store/migrations/0007_key_scopes.sql"),
        "ba7f224538e1a019e06b0ca8120b2db84f903d22d389fcbe0139ab06d9c90463",
    ),
    (
        include_str!("../../../filmgate-store/migrations/0008_accounts.sql"),
        "e74a922c222f35f45be728a8e204e1c4037a347b350aa49518a1a76953220170",
    ),
];

/// "flmg"
const APPLICATION: i64 = 0x666c_6d67;

#[test]
fn a_released_migration_never_changes() {
    for (n, (text, sha256)) in RELEASED.iter().enumerate() {
        assert_eq!(hex::encode(sha2::Sha256::digest(text)), *sha256, "migration {}", n + 1);
    }
}

/// The texts that a query gives.
fn names(db: &Connection, sql: &str) -> Vec<String> {
    let mut select = db.prepare(sql).unwrap();
    select.query_map([], |row| row.get(0)).unwrap().map(Result::unwrap).collect()
}

/// Jobs in the states in which a kill may find them. `done` was completed; its video is to be fetched once more.
const OTHER_JOBS: &str = "
    CREATE TEMP TABLE made AS SELECT * FROM jobs WHERE prompt = 'done';
    CREATE TEMP TABLE tried AS SELECT a.* FROM attempts a JOIN made ON a.job = made.id;
    UPDATE made SET finished_at = NULL, progress = 0, delivered_width = NULL, delivered_height = NULL,
        delivered_ms = NULL, delivered_codec = NULL, delivered_bytes = NULL, delivered_sha256 = NULL;
    UPDATE made SET id = randomblob(16), prompt = 'delivering', state = 'delivering', progress = 99;
    INSERT INTO jobs SELECT * FROM made;
    UPDATE tried SET job = (SELECT id FROM made);
    INSERT INTO attempts SELECT * FROM tried;
    UPDATE tried SET answered_at = NULL, upstream_id = NULL, video_url = NULL, cost_ticks = NULL, outcome = NULL,
        settled_at = NULL, charged = 0;
    UPDATE made SET id = randomblob(16), prompt = 'submitting', state = 'submitting', progress = 0;
    INSERT INTO jobs SELECT * FROM made;
    UPDATE tried SET job = (SELECT id FROM made);
    INSERT INTO attempts SELECT * FROM tried;
    UPDATE tried SET sent_at = NULL;
    UPDATE made SET id = randomblob(16), prompt = 'reserved', state = 'reserved';
    INSERT INTO jobs SELECT * FROM made;
    UPDATE tried SET job = (SELECT id FROM made);
    INSERT INTO attempts SELECT * FROM tried;
    UPDATE made SET id = randomblob(16), prompt = 'queued', state = 'queued';
    INSERT INTO jobs SELECT * FROM made;
";

/// Makes the database one of an earlier version: its tables, and of the rows what there was room for.
fn take_back_to(dir: &Path, version: usize) {
    let (now, old) = (dir.join("filmgate.db"), dir.join("old.db"));
    let db = Connection::open(&old).unwrap();
    db.execute_batch("PRAGMA foreign_keys = OFF").unwrap();
    for (text, _) in &RELEASED[..version] {
        db.execute_batch(text).unwrap();
    }
    db.execute_batch(&format!("PRAGMA user_version = {version}; PRAGMA application_id = {APPLICATION}"))
        .unwrap();
    db.execute("ATTACH ?1 AS now", [now.to_str().unwrap()]).unwrap();
    let named = "SELECT name FROM main.sqlite_schema WHERE type = 'table' AND name NOT LIKE 'sqlite%'";
    for table in names(&db, named) {
        let columns = format!("SELECT name FROM pragma_table_info('{table}', 'main')");
        let columns = names(&db, &columns).join(", ");
        db.execute_batch(&format!("INSERT INTO main.{table} ({columns}) SELECT {columns} FROM now.{table}"))
            .unwrap();
    }
    db.execute_batch("DETACH now").unwrap();
    db.execute_batch(OTHER_JOBS).unwrap();
    let dangling: i64 =
        db.query_row("SELECT count(*) FROM pragma_foreign_key_check", [], |row| row.get(0)).unwrap();
    assert_eq!(dangling, 0);
    drop(db);
    for name in ["filmgate.db-wal", "filmgate.db-shm"] {
        let _ = std::fs::remove_file(dir.join(name));
    }
    std::fs::rename(&old, &now).unwrap();
}

/// Jobs by prompt.
async fn by_prompt(app: &TestApp) -> BTreeMap<String, Value> {
    let jobs = books::jobs(app).await;
    jobs.into_iter().map(|job| (job["prompt"].as_str().unwrap().to_owned(), job)).collect()
}

#[tokio::test]
async fn slow_databases_of_earlier_versions_are_taken_over_with_jobs_in_every_state() {
    for version in 1..=RELEASED.len() {
        let slow = |config: &mut SimulatorConfig| config.answer_delay = std::time::Duration::from_millis(5);
        let setup = Setup { tokens: [2, 4], video_seconds: 0.1, simulator: slow, ..Setup::default() };
        let mut app = setup.start().await;
        assert_eq!(app.make("done", "720p", 6).await["status"], "completed");
        assert_eq!(app.make("[fail] failed", "480p", 6).await["status"], "failed");
        create_until(&app, "[slow] running", "running").await;
        app.kill();
        take_back_to(&app.data_dir(), version);
        app.launch().await;

        let mut jobs = by_prompt(&app).await;
        assert_eq!(jobs.len(), 7, "schema {version}: {:?}", jobs.keys());
        for job in jobs.values_mut() {
            *job = app.ended(job["id"].as_str().unwrap()).await;
        }
        for prompt in ["done", "[slow] running", "delivering", "reserved", "queued"] {
            assert_eq!(jobs[prompt]["state"], "completed", "schema {version}: {}", jobs[prompt]);
            assert!(
                app.content(jobs[prompt]["id"].as_str().unwrap()).await.status().is_success(),
                "{prompt}"
            );
        }
        assert_eq!(jobs["submitting"]["failure"]["code"], "outcome_unknown", "schema {version}");
        assert_eq!(jobs["[fail] failed"]["failure"]["code"], "upstream_failed", "schema {version}");
        let made = books::generations(&app);
        assert!(made.values().all(|times| *times == 1), "{made:?}");
        assert_eq!(made.len(), 5, "done, failed, running, reserved and queued, each once: {made:?}");
        books::balance(&app).await;
        // The keys are good, and what came later is there.
        assert_eq!(app.make("new", "720p", 6).await["status"], "completed");
        assert!(app.stop());
        books::is_sound(&app);
    }
}

#[tokio::test]
async fn a_database_of_a_later_version_is_refused_and_left_alone() {
    let mut app = Setup::default().start().await;
    app.make("one", "480p", 6).await;
    assert!(app.stop());
    let database = app.data_dir().join("filmgate.db");
    Connection::open(&database).unwrap().execute_batch("PRAGMA user_version = 99").unwrap();
    let before = std::fs::read(&database).unwrap();
    for args in [&["serve"][..], &["token", "list"], &["backup", "copy"], &["master-key", "rotate"]] {
        let said = Shell::of(&app).run(args).with_code(1);
        let words = "was written by a newer filmgate (schema 99; this one knows";
        assert!(said.err.contains(words) && said.err.contains("use that version"), "{args:?}: {}", said.err);
    }
    assert_eq!(std::fs::read(&database).unwrap(), before);
    assert!(!app.data_dir().join("copy").exists());
}
