//! The database as a file: whose it is, whether it is whole, and copies of it.

use std::path::Path;

use super::{Db, failed, opening, touch};
use crate::StoreError;

/// What a file's header says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Header {
    /// Which program's file it is.
    pub(crate) application: i64,
    /// The schema's version.
    pub(crate) schema: i64,
    /// Nothing is in it.
    pub(crate) empty: bool,
}

impl Db {
    /// What the file's header says.
    pub(crate) fn header(&self, path: &Path) -> Result<Header, StoreError> {
        let number = |sql| self.0.query_row(sql, (), |row| row.get::<_, i64>(0));
        let read = || {
            let schema = number("PRAGMA user_version")?;
            let application = number("PRAGMA application_id")?;
            let empty = schema == 0 && number("SELECT count(*) FROM sqlite_schema")? == 0;
            Ok(Header { application, schema, empty })
        };
        read().map_err(|e| opening(path, &e))
    }

    /// Marks the file as this application's, of this schema; part of the transaction.
    pub(crate) fn set_header(&self, application: i64, schema: i64) -> Result<(), StoreError> {
        self.execute_all(&format!("PRAGMA application_id = {application}; PRAGMA user_version = {schema};"))
    }

    /// Folds the log back into the file and empties it. That fails while others read, and does no harm then.
    pub(crate) fn fold_log(&self) {
        let _ = self.0.query_row("PRAGMA wal_checkpoint(TRUNCATE)", (), |_| Ok(()));
    }

    /// Has what is deleted or replaced overwritten, whatever it costs.
    pub(crate) fn wipe_replaced(&self) -> Result<(), StoreError> {
        self.execute_all("PRAGMA secure_delete = ON")
    }

    /// Writes a copy of what is committed now, without what was deleted, to a file that is not there yet.
    /// Nobody who writes waits for it.
    pub(crate) fn copy_to(&self, to: &Path) -> Result<(), StoreError> {
        let sql = "VACUUM INTO ?1";
        // SQLite takes an empty file for none, and would let everybody read one that it makes itself.
        touch(to).map_err(|e| StoreError::cannot_open(to, e))?;
        let name = to.to_str().ok_or_else(|| StoreError::cannot_open(to, "its name is not Unicode"))?;
        self.0.execute(sql, [name]).map(drop).map_err(|e| failed(sql, &e))
    }

    /// An error when a page of the file is not as SQLite wrote it, or, if `thorough`, an index does not fit its
    /// table or a row refers to one that is not there.
    pub(crate) fn check(&self, thorough: bool) -> Result<(), StoreError> {
        let sql = if thorough { "PRAGMA integrity_check(1)" } else { "PRAGMA quick_check(1)" };
        let verdict =
            self.0.query_row(sql, (), |row| row.get::<_, String>(0)).map_err(|e| failed(sql, &e))?;
        if verdict != "ok" {
            return Err(StoreError::Damaged { why: verdict.lines().collect::<Vec<_>>().join(" ") });
        }
        let dangling = "SELECT count(*) FROM pragma_foreign_key_check";
        let count = |sql| self.0.query_row(sql, (), |row| row.get::<_, i64>(0)).map_err(|e| failed(sql, &e));
        match if thorough { count(dangling)? } else { 0 } {
            0 => Ok(()),
            rows => Err(StoreError::Damaged { why: format!("{rows} rows refer to rows that are not there") }),
        }
    }
}
