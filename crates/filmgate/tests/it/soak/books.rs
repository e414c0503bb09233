//! The three books, side by side: what clients were told, what the database holds, what the providers made.

use std::collections::{BTreeMap, HashSet};

use filmgate_simulator::Generation;
use rusqlite::{Connection, OpenFlags};

use super::Report;
use super::clients::Told;
use super::providers::Providers;
use crate::app::TestApp;
use crate::books::is_sound;
use crate::webhooks::receiver::Receiver;

const POOLS: [&str; 4] = ["ssoBasic", "ssoSuper", "keyed", "listed"];

/// A job in the database.
#[derive(Debug)]
struct Row {
    id: String,
    prompt: String,
    state: String,
    code: Option<String>,
    sha256: Option<String>,
    attempts: Vec<Try>,
}

/// An attempt in the database.
#[derive(Debug)]
struct Try {
    outcome: Option<String>,
    charged: bool,
    blamed: bool,
    lost: bool,
    upstream_id: Option<String>,
}

fn open(app: &TestApp) -> Connection {
    let path = app.data_dir().join("filmgate.db");
    Connection::open_with_flags(path, OpenFlags::SQLITE_OPEN_READ_ONLY).unwrap()
}

fn count(app: &TestApp, sql: &str) -> usize {
    let count: i64 = open(app).query_row(sql, (), |row| row.get(0)).unwrap();
    usize::try_from(count).unwrap()
}

/// Jobs that have not ended.
pub(super) fn open_jobs(app: &TestApp) -> usize {
    count(app, "SELECT count(*) FROM jobs WHERE finished_at IS NULL")
}

/// Webhooks that are still to be sent.
pub(super) fn untold(app: &TestApp) -> usize {
    count(app, "SELECT count(*) FROM deliveries WHERE next_at IS NOT NULL")
}

/// What the gateway itself says is reserved or taken, over all tokens.
pub(super) async fn held(app: &TestApp) -> u64 {
    let mut held = 0;
    for pool in POOLS {
        for token in app.tokens(pool).await {
            held += token["reserved"].as_u64().unwrap() + token["in_flight"].as_u64().unwrap();
        }
    }
    held
}

pub(super) async fn compare(
    mut app: TestApp,
    providers: &Providers,
    told: &Told,
    receiver: &Receiver,
    (kills, seed): (u32, u64),
) -> Report {
    let unsettled = held(&app).await as usize;
    app.kill();
    is_sound(&app);
    let rows = read(&app);
    let made = providers.made(&app);
    let report = report(&rows, told, &made, (kills, seed, unsettled));
    assert_eq!(told.complaints.first(), None, "and {} more: {report}", told.complaints.len());
    assert_eq!(providers.overruns(&app).first(), None, "{report}");
    assert_eq!((report.lost, report.made_twice, report.unsettled), (0, 0, 0), "{report}");
    what_clients_saw_is_so(&rows, told);
    each_job_is_sound(&rows, &made);
    each_end_was_told(&rows, receiver);
    files_are_there(&app, &rows);
    assert!(report.completed > kills as usize, "hardly anything went on: {report}");
    report
}

fn read(app: &TestApp) -> Vec<Row> {
    let db = open(app);
    let mut attempts: BTreeMap<String, Vec<Try>> = BTreeMap::new();
    let mut statement = db
        .prepare("SELECT lower(hex(job)), outcome, charged, lost_at IS NOT NULL, upstream_id, error FROM attempts ORDER BY job, n")
        .unwrap();
    let mut found = statement.query(()).unwrap();
    while let Some(row) = found.next().unwrap() {
        let error: Option<String> = row.get(5).unwrap();
        let blamed = error.is_some_and(|error| error.contains("429") || error.contains("401"));
        let attempt = Try {
            outcome: row.get(1).unwrap(),
            charged: row.get(2).unwrap(),
            blamed,
            lost: row.get(3).unwrap(),
            upstream_id: row.get(4).unwrap(),
        };
        attempts.entry(row.get(0).unwrap()).or_default().push(attempt);
    }
    let mut statement = db
        .prepare("SELECT lower(hex(id)), prompt, state, failure_code, delivered_sha256 FROM jobs ORDER BY id")
        .unwrap();
    let rows = statement.query_map((), |row| {
        let id: String = row.get(0)?;
        let attempts = attempts.remove(&id).unwrap_or_default();
        let (prompt, state) = (row.get(1)?, row.get(2)?);
        Ok(Row { id, prompt, state, code: row.get(3)?, sha256: row.get(4)?, attempts })
    });
    rows.unwrap().map(Result::unwrap).collect()
}

fn report(rows: &[Row], told: &Told, made: &[Generation], run: (u32, u64, usize)) -> Report {
    let (kills, seed, unsettled) = run;
    let known: HashSet<(&str, &str)> = rows.iter().map(|row| (&*row.id, &*row.prompt)).collect();
    let lost = told.accepted.iter().filter(|(id, prompt)| !known.contains(&(&**id, &**prompt))).count();
    let prompts: HashSet<&str> = made.iter().map(|generation| &*generation.prompt).collect();
    let unknown = |row: &&Row| row.code.as_deref() == Some("outcome_unknown");
    let found_out = |attempt: &&Try| attempt.lost && attempt.outcome.as_deref() != Some("unknown");
    Report {
        seed,
        kills,
        accepted: rows.len(),
        completed: rows.iter().filter(|row| row.state == "completed").count(),
        lost,
        made_twice: made.len() - prompts.len(),
        unsettled,
        outcome_unknown: rows.iter().filter(unknown).count(),
        reconciled: rows.iter().flat_map(|row| &row.attempts).filter(found_out).count(),
        refused: told.refused,
    }
}

fn what_clients_saw_is_so(rows: &[Row], told: &Told) {
    let by_prompt: BTreeMap<&str, &Row> = rows.iter().map(|row| (&*row.prompt, row)).collect();
    assert_eq!(by_prompt.len(), rows.len(), "a request with an idempotency key made two jobs");
    for (prompt, ended) in &told.ended {
        let row =
            by_prompt.get(&**prompt).unwrap_or_else(|| panic!("{prompt} ended so, and is lost: {ended}"));
        assert_eq!(row.state, *ended, "a client was told another end: {row:?}");
    }
    for (prompt, sha256) in &told.files {
        assert_eq!(by_prompt[&**prompt].sha256.as_deref(), Some(&**sha256), "another file: {prompt}");
    }
}

fn each_job_is_sound(rows: &[Row], made: &[Generation]) {
    let mut by_prompt: BTreeMap<&str, &Generation> = made.iter().map(|made| (&*made.prompt, made)).collect();
    let mut ids = HashSet::new();
    for row in rows {
        let generation = by_prompt.remove(&*row.prompt);
        let last = row.attempts.last();
        assert!(row.attempts.iter().all(|attempt| attempt.outcome.is_some()), "not settled: {row:?}");
        for id in row.attempts.iter().filter_map(|attempt| attempt.upstream_id.as_deref()) {
            assert!(ids.insert(id.to_owned()), "the video of another job: {row:?}");
        }
        assert!(row.attempts.iter().filter(|attempt| attempt.blamed).count() <= 2, "{row:?}");
        // Whatever was made is paid for, save what failed at the provider; and nothing is paid for twice.
        let charged = row.attempts.iter().filter(|attempt| attempt.charged).count();
        assert!(charged <= 1, "{row:?}");
        if row.state == "completed" {
            let made = generation.unwrap_or_else(|| panic!("completed, and never made: {row:?}"));
            let id = last.and_then(|attempt| attempt.upstream_id.as_deref());
            assert_eq!((id, charged), (Some(&*made.request_id), 1), "{row:?}");
        }
        let codes = ["outcome_unknown", "deadline_exceeded", "upstream_failed", "moderation_blocked"];
        let others =
            ["no_token_available", "delivery_failed", "upstream_rate_limited", "upstream_unreachable"];
        if let Some(code) = row.code.as_deref() {
            assert!(codes.contains(&code) || others.contains(&code), "{row:?}");
            let unknown = last.is_some_and(|attempt| attempt.outcome.as_deref() == Some("unknown"));
            assert_eq!(code == "outcome_unknown", unknown, "{row:?}");
        }
    }
    assert!(by_prompt.is_empty(), "made for nobody: {by_prompt:?}");
}

fn each_end_was_told(rows: &[Row], receiver: &Receiver) {
    let told: HashSet<String> = receiver
        .received()
        .iter()
        .map(|received| super::clients::plain(received.json()["data"]["id"].as_str().unwrap()))
        .collect();
    for row in rows {
        assert!(told.contains(&row.id), "nobody was told the end of {row:?}");
    }
}

fn files_are_there(app: &TestApp, rows: &[Row]) {
    for row in rows.iter().filter(|row| row.state == "completed") {
        let file = app.file(&format!("video_{}", row.id));
        let bytes = std::fs::read(&file).unwrap_or_else(|error| panic!("{}: {error}", file.display()));
        assert_eq!(row.sha256.as_deref(), Some(&*super::clients::sha256(&bytes)), "{row:?}");
    }
    assert_eq!(app.partial_files(), 0, "partial files of ended jobs");
}
