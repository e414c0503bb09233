//! Brings a database file up to this version's schema, and refuses what is not filmgate's or is newer.

use std::path::Path;

use crate::MasterKey;
use crate::StoreError;
use crate::db::{Db, Row, Table, args, sql};
use crate::secrets::{FIRST_VERSION, Sealer};

/// Every schema there was, oldest first. One that was released is never changed: another is added.
const MIGRATIONS: &[&str] = &[
    include_str!("../migrations/0001_start.sql"),
    include_str!("../migrations/0002_inputs_and_choices.sql"),
    include_str!("../migrations/0003_idempotency.sql"),
    include_str!("../migrations/0004_webhooks.sql"),
    include_str!("../migrations/0005_operators_page.sql"),
    include_str!("../migrations/0006_lost_answers.sql"),
    include_str!("../migrations/0007_key_scopes.sql"),
    include_str!("../migrations/0008_accounts.sql"),
];

/// "flmg" in the file's header: this database is filmgate's.
pub(crate) const APPLICATION: i64 = 0x666c_6d67;

const MASTER_KEYS: Table = Table { name: "master_keys", key: &["version"] };

/// "flmb": the database of a backup. It opens as a filmgate's only when it was restored.
pub(crate) const BACKUP: i64 = 0x666c_6d62;

/// The newest schema that this version knows.
pub(crate) fn known() -> i64 {
    MIGRATIONS.len() as i64
}

/// Checks the file and brings it up to date; each step is one transaction.
pub(crate) fn migrate(db: &Db, path: &Path) -> Result<(), StoreError> {
    let known = known();
    let found = schema(db, path)?;
    db.make_durable(path)?;
    for version in found + 1..=known {
        db.begin()?;
        step(db, path, version).and_then(|()| db.commit()).inspect_err(|_| db.roll_back())?;
    }
    Ok(())
}

/// The schema of a file that is empty or filmgate's, and not newer than this version.
pub(crate) fn schema(db: &Db, path: &Path) -> Result<i64, StoreError> {
    let (path_shown, known) = (|| path.display().to_string(), known());
    let header = db.header(path)?;
    match header.application {
        BACKUP => Err(StoreError::Backup { path: path_shown() }),
        application if application != APPLICATION && !header.empty => {
            Err(StoreError::NotADatabase { path: path_shown() })
        }
        _ if header.schema > known => {
            Err(StoreError::NewerSchema { path: path_shown(), found: header.schema, known })
        }
        _ => Ok(header.schema),
    }
}

fn step(db: &Db, path: &Path, version: i64) -> Result<(), StoreError> {
    // Somebody else may have been faster.
    if db.header(path)?.schema >= version {
        return Ok(());
    }
    db.execute_all(MIGRATIONS[version as usize - 1])?;
    db.set_header(APPLICATION, version)
}

/// Checks that the database belongs to this master key; a new database is made to belong to it.
pub(crate) fn check_key(db: &Db, path: &Path, key: &MasterKey) -> Result<Sealer, StoreError> {
    let sealer = Sealer::new(key);
    let insert = sql!(
        "INSERT INTO master_keys (version, mark) SELECT $1, $2 WHERE NOT EXISTS (SELECT 1 FROM master_keys)"
    );
    db.execute(insert, &args![FIRST_VERSION, sealer.mark()])?;
    fitting(db, path, sealer)
}

/// The sealer, as that of the database's key; an error when it is another key's.
pub(crate) fn fitting(db: &Db, path: &Path, sealer: Sealer) -> Result<Sealer, StoreError> {
    let select = sql!("SELECT version, mark FROM master_keys ORDER BY version DESC LIMIT 1");
    let read = |row: &Row<'_>| Ok((row.get("version")?, row.get::<[u8; 32]>("mark")?));
    match db.query_one(&MASTER_KEYS, select, &[], read)? {
        Some((version, mark)) if mark == *sealer.mark() => Ok(sealer.of_version(version)),
        _ => Err(StoreError::WrongMasterKey { path: path.display().to_string() }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{MasterKey, Store};

    fn fresh() -> (tempfile::TempDir, std::path::PathBuf) {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("filmgate.db");
        (dir, path)
    }

    fn open(path: &Path) -> Result<(), StoreError> {
        Store::open(path, &MasterKey::from_hex(&"5a".repeat(32)).unwrap()).map(drop)
    }

    #[test]
    fn a_newer_schema_is_refused_and_left_alone() {
        let (_dir, path) = fresh();
        open(&path).unwrap();
        let db = Db::writer(&path).unwrap();
        db.set_header(APPLICATION, 99).unwrap();
        drop(db);
        let error = open(&path).unwrap_err();
        assert_eq!(
            error,
            StoreError::NewerSchema {
                path: path.display().to_string(),
                found: 99,
                known: MIGRATIONS.len() as i64
            }
        );
        let message = format!("written by a newer filmgate (schema 99; this one knows {})", MIGRATIONS.len());
        assert!(error.to_string().contains(&message), "{error}");
    }

    #[test]
    fn a_file_that_is_no_database_is_refused_and_left_alone() {
        for garbage in [&b"#"[..], b"#!/bin/sh\necho hello\n", &[0x5a; 20_000]] {
            let (_dir, path) = fresh();
            std::fs::write(&path, garbage).unwrap();
            let not_ours = StoreError::NotADatabase { path: path.display().to_string() };
            assert_eq!(open(&path), Err(not_ours));
            assert_eq!(std::fs::read(&path).unwrap(), garbage);
        }
    }

    #[test]
    fn another_programs_database_is_refused_and_left_alone() {
        let (_dir, path) = fresh();
        let db = Db::writer(&path).unwrap();
        db.execute_all("CREATE TABLE cookies (name TEXT)").unwrap();
        drop(db);
        let before = std::fs::read(&path).unwrap();
        assert_eq!(open(&path), Err(StoreError::NotADatabase { path: path.display().to_string() }));
        assert_eq!(std::fs::read(&path).unwrap(), before);
    }

    #[test]
    fn a_place_where_nothing_can_be_written_is_named() {
        let (dir, path) = fresh();
        let missing = dir.path().join("missing").join("filmgate.db");
        let error = open(&missing).unwrap_err().to_string();
        assert!(error.contains("missing/filmgate.db") && error.contains("No such file"), "{error}");
        let error = open(dir.path()).unwrap_err().to_string();
        assert!(error.contains("directory"), "{error}");

        open(&path).unwrap();
        let mut permissions = std::fs::metadata(&path).unwrap().permissions();
        permissions.set_readonly(true);
        std::fs::set_permissions(&path, permissions).unwrap();
        let root = std::fs::OpenOptions::new().write(true).open(&path).is_ok();
        match open(&path) {
            Ok(()) => assert!(root, "only who may write in spite of the permissions opens it"),
            Err(error) => assert!(error.to_string().contains("ermission"), "{error}"),
        }
    }

    #[test]
    fn a_wrong_master_key_is_told_at_once() {
        let (_dir, path) = fresh();
        open(&path).unwrap();
        let error = Store::open(&path, &MasterKey::generate()).map(drop).unwrap_err();
        assert_eq!(error, StoreError::WrongMasterKey { path: path.display().to_string() });
    }

    #[cfg(unix)]
    #[test]
    fn only_the_owner_reads_the_file() {
        use std::os::unix::fs::PermissionsExt as _;
        let (dir, path) = fresh();
        let store = Store::open(&path, &MasterKey::generate()).unwrap();
        for entry in std::fs::read_dir(dir.path()).unwrap() {
            let entry = entry.unwrap();
            let mode = entry.metadata().unwrap().permissions().mode();
            assert_eq!(mode & 0o077, 0, "{:?}", entry.file_name());
        }
        drop(store);
    }
}
