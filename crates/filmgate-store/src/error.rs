//! What can go wrong with the store.

use std::path::Path;

use filmgate_domain::JobId;

/// Why the store did not do what it was asked. Neither secrets nor keys are ever part of it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum StoreError {
    /// The file cannot be opened, created or written.
    #[error("cannot open the database {path}: {why}")]
    Open {
        /// The file.
        path: String,
        /// What the system or the database says.
        why: String,
    },
    /// The file is something else.
    #[error("{path} is not a filmgate database; move it away, or choose another data directory")]
    NotADatabase {
        /// The file.
        path: String,
    },
    /// A newer filmgate has changed the database; this one would not understand it.
    #[error(
        "{path} was written by a newer filmgate (schema {found}; this one knows {known}): use that version, \
         or restore a backup"
    )]
    NewerSchema {
        /// The file.
        path: String,
        /// Its schema.
        found: i64,
        /// The newest schema that this version knows.
        known: i64,
    },
    /// The file is a backup's: jobs in it may have been sent since it was made.
    #[error("{path} is part of a backup; `filmgate restore` makes a data directory of it")]
    Backup {
        /// The file.
        path: String,
    },
    /// The file is no backup's.
    #[error("{path} is not the database of a backup")]
    NoBackup {
        /// The file.
        path: String,
    },
    /// The SQLite that was linked in has a bug that corrupts databases (fixed in 3.51.3).
    #[error("SQLite {found} can corrupt the database; filmgate needs 3.51.3 or later")]
    OldSqlite {
        /// Its version.
        found: String,
    },
    /// The tokens in the database are sealed with another master key.
    #[error("the master key does not fit the database {path}: use the key file that belongs to it")]
    WrongMasterKey {
        /// The file.
        path: String,
    },
    /// The database refused or failed.
    #[error("the database failed at \"{doing}\": {why}")]
    Database {
        /// The statement's first words.
        doing: String,
        /// What the database says.
        why: String,
    },
    /// The file is not as it was written. Nothing more is read from it or written to it.
    #[error(
        "the database is damaged: {why}; keep a copy of the data directory, and restore the last backup \
         (`filmgate restore`)"
    )]
    Damaged {
        /// What the database says.
        why: String,
    },
    /// The file that was opened is not there any more: what is written now would be gone with this process.
    #[error("the database {path} was removed or replaced while it was in use; nothing is written any more")]
    Vanished {
        /// Where it was.
        path: String,
    },
    /// What was written may not have reached the disk, and nobody can say what has.
    #[error("the disk did not take what was written ({why}); a restart finds out what is there")]
    Unsynced {
        /// What the database says.
        why: String,
    },
    /// What is stored makes no sense.
    #[error("the database is damaged: {table}.{column} of row {row}: {problem}")]
    Corrupt {
        /// The table.
        table: &'static str,
        /// The column.
        column: &'static str,
        /// The row's key.
        row: String,
        /// What is wrong with the value.
        problem: String,
    },
    /// A sealed value does not open.
    #[error(
        "{table}.{column} of row {row} does not open: the master key does not fit, or the row was tampered with"
    )]
    Unsealable {
        /// The table.
        table: &'static str,
        /// The column.
        column: &'static str,
        /// The row's key.
        row: i64,
    },
    /// There is no such row.
    #[error("there is no {what} {id}")]
    Missing {
        /// What was looked for: `job`, `completed job`, `token` or `caller`.
        what: &'static str,
        /// Its name.
        id: String,
    },
    /// The job ended before; nothing more happens to it.
    #[error("job {0} has ended and does not change any more")]
    JobIsFinal(JobId),
    /// Another request claimed this idempotency key before; nothing was admitted.
    #[error("another request with this idempotency key was admitted before")]
    KeyClaimed,
    /// The system gave no random bytes to seal with.
    #[error("the system has no random bytes: {0}")]
    NoRandomness(String),
    /// The store is closed.
    #[error("the store is closed")]
    Closed,
}

impl StoreError {
    /// Whether the store is of no use any more, whatever is tried: it refuses everything from here on.
    pub fn is_fatal(&self) -> bool {
        matches!(self, Self::Damaged { .. } | Self::Vanished { .. } | Self::Unsynced { .. })
    }

    pub(crate) fn cannot_open(path: &Path, why: impl ToString) -> Self {
        Self::Open { path: path.display().to_string(), why: why.to_string() }
    }

    pub(crate) fn missing(what: &'static str, id: impl ToString) -> Self {
        Self::Missing { what, id: id.to_string() }
    }
}
