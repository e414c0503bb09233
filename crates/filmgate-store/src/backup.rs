//! A copy of the database for a backup, and the way back.

use std::path::Path;

use filmgate_domain::JobId;

use crate::db::{Db, Row, Table, sql};
use crate::secrets::Sealer;
use crate::{MasterKey, StoreError, migrate};

const JOBS: Table = Table { name: "jobs", key: &["id"] };

/// What a copy of the database holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Snapshot {
    /// The schema's version.
    pub schema: i64,
    /// How many jobs there are.
    pub jobs: u64,
    /// Which of the keys opens it, if one does.
    pub opens_with: Option<usize>,
    /// The jobs whose file is kept.
    pub files: Vec<JobId>,
}

/// Writes a copy of a database to `to`, which must not be there yet: everything that is committed by now, and
/// nothing half. A server may be at work with it meanwhile, and does not wait for this. The copy is not a database
/// that filmgate opens: jobs in it may be sent after it was made, and must not be sent again.
///
/// Blocks for as long as it takes to read the database once.
///
/// # Errors
/// When `from` cannot be read, is damaged, is no filmgate database or a newer one, or `to` cannot be written.
pub fn copy_database(from: &Path, to: &Path, keys: &[MasterKey]) -> Result<Snapshot, StoreError> {
    if !from.exists() {
        return Err(StoreError::cannot_open(from, "there is no such file"));
    }
    let source = Db::unhurried(from)?;
    let schema = migrate::schema(&source, from)?;
    source.copy_to(to)?;
    drop(source);
    let copy = Db::unhurried(to)?;
    copy.set_header(migrate::BACKUP, schema)?;
    copy.check(true)?;
    let opens_with = keys.iter().position(|key| migrate::fitting(&copy, to, Sealer::new(key)).is_ok());
    let jobs = sql!("SELECT count(*) AS jobs FROM jobs");
    let jobs = copy.query_one(&JOBS, jobs, &[], |row| row.get("jobs"))?.unwrap_or_default();
    let files = sql!("SELECT id FROM jobs WHERE state = 'completed' AND file_removed_at IS NULL");
    let files = copy.query(&JOBS, files, &[], |row: &Row<'_>| row.get("id"))?;
    drop(copy);
    sync(to)?;
    Ok(Snapshot { schema, jobs, opens_with, files })
}

/// Makes a copy that [`copy_database`] wrote a database again, in its place. Nothing is changed before it is certain
/// that it is whole, of a version that is known, and opens with this key.
///
/// # Errors
/// When it is not so.
pub fn restore_database(copy: &Path, key: &MasterKey) -> Result<(), StoreError> {
    let db = Db::unhurried(copy)?;
    let (header, known) = (db.header(copy)?, migrate::known());
    let path = || copy.display().to_string();
    if header.application != migrate::BACKUP {
        return Err(StoreError::NoBackup { path: path() });
    }
    if header.schema > known {
        return Err(StoreError::NewerSchema { path: path(), found: header.schema, known });
    }
    db.check(true)?;
    migrate::fitting(&db, copy, Sealer::new(key))?;
    db.set_header(migrate::APPLICATION, header.schema)?;
    drop(db);
    sync(copy)
}

fn sync(path: &Path) -> Result<(), StoreError> {
    let synced = std::fs::File::open(path).and_then(|file| file.sync_all());
    synced.map_err(|error| StoreError::cannot_open(path, error))
}
