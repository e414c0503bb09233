//! The only module that knows which database this is: connections, transactions, statements, values.
//!
//! SQL texts use `$1`, `$2`, ... as PostgreSQL does. SQLite takes those for names and, when values are bound
//! by position, hands them out in the order in which the names first appear: a text that mentions `$2` before
//! `$1` would silently work on the wrong rows. So every value is bound by its name, and a statement with more
//! or fewer values than names is refused. A [`Sql`] remembers where SQLite put the names: looking them up
//! each time took a seventh of the writer's time.

mod file;
mod functions;
mod values;

use std::borrow::Cow;
use std::cell::Cell;
use std::fs::OpenOptions;
use std::io::Read as _;
use std::path::Path;
use std::sync::OnceLock;
use std::time::Duration;

use rusqlite::config::DbConfig;
use rusqlite::types::ValueRef;
use rusqlite::{CachedStatement, Connection, ErrorCode, OpenFlags, ffi};

use crate::StoreError;

pub(crate) use self::values::{Bind, Column, Value, args};

/// The first SQLite without the WAL-reset bug, which can corrupt a database.
const OLDEST_SQLITE: i32 = 3_051_003;

/// How every SQLite file begins that is not empty.
const MAGIC: &[u8] = b"SQLite format 3\0";

/// How long a statement waits for another process that writes (a CLI beside a server).
const BUSY_TIMEOUT: Duration = Duration::from_secs(5);

/// Room for every statement there is, so that each is prepared once per connection.
const STATEMENTS: usize = 64;

/// For every connection.
const PRAGMAS: &str = "
    PRAGMA foreign_keys = ON;
    PRAGMA trusted_schema = OFF;
    PRAGMA temp_store = MEMORY;
";

/// For the writer. A commit is on disk when it returns (FULL; on macOS that takes a sync of its own kind). Deleted content is overwritten where that costs
/// no extra write. The log is folded back into the file every 4 MB: less often is no faster under load, and
/// makes whoever waits meanwhile wait longer. A log that grew beyond 64 MiB is cut to that.
const WRITER_PRAGMAS: &str = "
    PRAGMA synchronous = FULL;
    PRAGMA fullfsync = ON;
    PRAGMA checkpoint_fullfsync = ON;
    PRAGMA secure_delete = FAST;
    PRAGMA cache_size = -16384;
    PRAGMA wal_autocheckpoint = 1000;
    PRAGMA journal_size_limit = 67108864;
";

/// One connection.
pub(crate) struct Db(Connection);

impl Db {
    /// Opens the connection that writes; creates the file (readable by its owner only) when it is missing.
    pub(crate) fn writer(path: &Path) -> Result<Self, StoreError> {
        let version = rusqlite::version_number();
        if version < OLDEST_SQLITE {
            return Err(StoreError::OldSqlite { found: rusqlite::version().to_owned() });
        }
        // SQLite would open a file that it may not write, and fail at the first change; and it would take
        // a file of a few bytes for an empty database.
        match touch(path) {
            Ok(true) => Self::connect(path),
            Ok(false) => Err(StoreError::NotADatabase { path: path.display().to_string() }),
            Err(error) => Err(StoreError::cannot_open(path, error)),
        }
    }

    /// From here on the connection writes as [`crate::Store`] promises. Not before it is certain that the
    /// file is filmgate's: this changes it.
    pub(crate) fn make_durable(&self, path: &Path) -> Result<(), StoreError> {
        let pragma = |name| self.0.pragma_query_value(None, name, |row| row.get::<_, i64>(0));
        let set = || {
            let journal: String =
                self.0.pragma_update_and_check(None, "journal_mode", "WAL", |row| row.get(0))?;
            self.0.execute_batch(WRITER_PRAGMAS)?;
            Ok((journal == "wal", pragma("synchronous")?, pragma("foreign_keys")?))
        };
        match set().map_err(|e| opening(path, &e))? {
            (true, 2, 1) => Ok(()),
            _ => Err(StoreError::cannot_open(path, "the file system does not carry a write-ahead log")),
        }
    }

    /// Opens a connection that only reads.
    pub(crate) fn reader(path: &Path) -> Result<Self, StoreError> {
        let db = Self::connect(path)?;
        db.0.execute_batch("PRAGMA query_only = ON").map_err(|e| opening(path, &e))?;
        Ok(db)
    }

    /// Opens a connection to a file that another process may be at work with, or to one that is not in use.
    pub(crate) fn unhurried(path: &Path) -> Result<Self, StoreError> {
        Self::connect(path)
    }

    fn connect(path: &Path) -> Result<Self, StoreError> {
        let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let connect = || {
            let connection = Connection::open_with_flags(path, flags)?;
            connection.busy_timeout(BUSY_TIMEOUT)?;
            connection.set_prepared_statement_cache_capacity(STATEMENTS);
            // Otherwise a statement may be prepared anew for each value, in the hope of a better plan.
            connection.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_QPSG, true)?;
            connection.execute_batch(PRAGMAS)?;
            functions::register(&connection)?;
            Ok(connection)
        };
        connect().map(Self).map_err(|e| opening(path, &e))
    }

    /// Starts a transaction that may write.
    pub(crate) fn begin(&self) -> Result<(), StoreError> {
        let begin = sql!("BEGIN IMMEDIATE");
        self.execute(begin, &[]).map(drop)
    }

    /// Ends the transaction; it is on disk then.
    pub(crate) fn commit(&self) -> Result<(), StoreError> {
        let commit = sql!("COMMIT");
        self.execute(commit, &[]).map(drop)
    }

    /// Takes the transaction back, if there is one.
    pub(crate) fn roll_back(&self) {
        let rollback = sql!("ROLLBACK");
        if !self.0.is_autocommit() {
            // When even this fails, the next BEGIN does too and says why.
            let _ = self.execute(rollback, &[]);
        }
    }

    /// Reads within one snapshot.
    pub(crate) fn snapshot<T>(
        &self,
        read: impl FnOnce(&Db) -> Result<T, StoreError>,
    ) -> Result<T, StoreError> {
        let begin = sql!("BEGIN");
        self.execute(begin, &[])?;
        let result = read(self);
        self.roll_back();
        result
    }

    /// Runs a statement that returns no rows; tells how many rows it changed.
    pub(crate) fn execute(&self, sql: &Sql, values: &[Value<'_>]) -> Result<usize, StoreError> {
        let run = || self.prepare(sql, values)?.raw_execute();
        run().map_err(|e| failed(sql.text(), &e))
    }

    /// Runs several statements without values.
    pub(crate) fn execute_all(&self, sql: &str) -> Result<(), StoreError> {
        self.0.execute_batch(sql).map_err(|e| failed(sql, &e))
    }

    /// All rows of a query, each made into something by `read`.
    pub(crate) fn query<T>(
        &self,
        table: &'static Table,
        sql: &Sql,
        values: &[Value<'_>],
        mut read: impl FnMut(&Row<'_>) -> Result<T, StoreError>,
    ) -> Result<Vec<T>, StoreError> {
        let mut statement = self.prepare(sql, values).map_err(|e| failed(sql.text(), &e))?;
        let columns = sql.columns(&statement);
        let mut rows = statement.raw_query();
        let mut found = Vec::new();
        while let Some(row) = rows.next().map_err(|e| failed(sql.text(), &e))? {
            found.push(read(&Row { row, table, columns, next: Cell::new(0) })?);
        }
        Ok(found)
    }

    /// The first row of a query, if there is one.
    pub(crate) fn query_one<T>(
        &self,
        table: &'static Table,
        sql: &Sql,
        values: &[Value<'_>],
        read: impl FnMut(&Row<'_>) -> Result<T, StoreError>,
    ) -> Result<Option<T>, StoreError> {
        Ok(self.query(table, sql, values, read)?.into_iter().next())
    }

    fn prepare(&self, sql: &Sql, values: &[Value<'_>]) -> rusqlite::Result<CachedStatement<'_>> {
        let mut statement = self.0.prepare_cached(sql.text())?;
        let places = sql.places(&statement)?;
        if places.len() != values.len() {
            return Err(rusqlite::Error::InvalidParameterCount(values.len(), places.len()));
        }
        for (place, value) in places.iter().zip(values) {
            statement.raw_bind_parameter(*place, value)?;
        }
        Ok(statement)
    }

    /// How a statement would be gone about, step by step.
    #[cfg(test)]
    pub(crate) fn plan(&self, sql: &Sql) -> Vec<String> {
        let mut explain = self.0.prepare(&format!("EXPLAIN QUERY PLAN {}", sql.text())).unwrap();
        let mut rows = explain.raw_query();
        let mut steps = Vec::new();
        while let Some(row) = rows.next().unwrap() {
            steps.push(row.get("detail").unwrap());
        }
        steps
    }
}

/// A statement's text, where SQLite put the values `$1`, `$2`, ..., and the columns of its result.
pub(crate) struct Sql {
    text: Cow<'static, str>,
    places: OnceLock<Vec<usize>>,
    columns: OnceLock<Vec<String>>,
}

impl Sql {
    pub(crate) const fn new(text: &'static str) -> Self {
        Self { text: Cow::Borrowed(text), places: OnceLock::new(), columns: OnceLock::new() }
    }

    /// A text that was put together.
    pub(crate) const fn built(text: String) -> Self {
        Self { text: Cow::Owned(text), places: OnceLock::new(), columns: OnceLock::new() }
    }

    pub(crate) fn text(&self) -> &str {
        &self.text
    }

    fn places(&self, statement: &CachedStatement<'_>) -> rusqlite::Result<&[usize]> {
        if let Some(places) = self.places.get() {
            return Ok(places);
        }
        let place = |n| {
            let name = format!("${n}");
            statement.parameter_index(&name)?.ok_or(rusqlite::Error::InvalidParameterName(name))
        };
        let places = (1..=statement.parameter_count()).map(place).collect::<Result<_, _>>()?;
        Ok(self.places.get_or_init(|| places))
    }

    fn columns(&self, statement: &CachedStatement<'_>) -> &[String] {
        self.columns.get_or_init(|| statement.column_names().map(str::to_owned).collect())
    }
}

/// A statement's text, in place.
macro_rules! sql {
    ($text:expr) => {{
        static SQL: $crate::db::Sql = $crate::db::Sql::new($text);
        &SQL
    }};
}
pub(crate) use sql;

/// A table, as errors name it and its rows.
#[derive(Debug)]
pub(crate) struct Table {
    pub(crate) name: &'static str,
    pub(crate) key: &'static [&'static str],
}

/// A row of a query's result. Columns are read by name; what makes no sense is an error that tells where.
pub(crate) struct Row<'a> {
    row: &'a rusqlite::Row<'a>,
    table: &'static Table,
    columns: &'a [String],
    /// Columns are mostly read in their order: the place to look at first.
    next: Cell<usize>,
}

impl Row<'_> {
    /// A column's value.
    pub(crate) fn get<T: Column>(&self, column: &'static str) -> Result<T, StoreError> {
        T::read(self.raw(column)?).map_err(|problem| self.corrupt(column, problem))
    }

    /// A word or text that has to be parsed.
    pub(crate) fn parse<T, E: ToString>(
        &self,
        column: &'static str,
        parse: impl FnOnce(&str) -> Result<T, E>,
    ) -> Result<T, StoreError> {
        self.parse_optional(column, parse)?.ok_or_else(|| self.corrupt(column, "nothing"))
    }

    /// The same for a column that may be empty.
    pub(crate) fn parse_optional<T, E: ToString>(
        &self,
        column: &'static str,
        parse: impl FnOnce(&str) -> Result<T, E>,
    ) -> Result<Option<T>, StoreError> {
        let value = self.raw(column)?;
        let text = value.as_str_or_null().map_err(|_| self.corrupt(column, "no text"))?;
        text.map(parse).transpose().map_err(|e| self.corrupt(column, e))
    }

    fn raw(&self, column: &'static str) -> Result<ValueRef<'_>, StoreError> {
        let next = self.next.get();
        let place = if self.columns.get(next).is_some_and(|name| name == column) {
            Some(next)
        } else {
            self.columns.iter().position(|name| name == column)
        };
        let value = place.and_then(|place| {
            self.next.set(place + 1);
            self.row.get_ref(place).ok()
        });
        value.ok_or_else(|| self.corrupt(column, "not in the result"))
    }

    /// The error for a value that makes no sense.
    pub(crate) fn corrupt(&self, column: &'static str, problem: impl ToString) -> StoreError {
        let part = |key: &&str| match self.row.get_ref(*key) {
            Ok(ValueRef::Integer(number)) => number.to_string(),
            Ok(ValueRef::Blob(bytes)) => hex::encode(bytes),
            _ => "?".to_owned(),
        };
        let row = self.table.key.iter().map(part).collect::<Vec<_>>().join("/");
        StoreError::Corrupt { table: self.table.name, column, row, problem: problem.to_string() }
    }
}

/// Makes sure that the file exists and can be written, without changing one that does. False when it begins
/// as no database does.
fn touch(path: &Path) -> std::io::Result<bool> {
    let mut options = OpenOptions::new();
    options.read(true).write(true).create(true).truncate(false);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let mut beginning = Vec::new();
    options.open(path)?.take(MAGIC.len() as u64).read_to_end(&mut beginning)?;
    Ok(beginning.is_empty() || beginning == MAGIC)
}

fn opening(path: &Path, error: &rusqlite::Error) -> StoreError {
    match error.sqlite_error_code() {
        Some(ErrorCode::NotADatabase) => StoreError::NotADatabase { path: path.display().to_string() },
        Some(ErrorCode::DatabaseCorrupt) => StoreError::Damaged { why: error.to_string() },
        _ => StoreError::cannot_open(path, error),
    }
}

/// SQLite's messages name tables, columns and constraints, never values.
fn failed(sql: &str, error: &rusqlite::Error) -> StoreError {
    if let Some(fatal) = fatal(error) {
        return fatal;
    }
    let doing = sql.split_whitespace().take(3).collect::<Vec<_>>().join(" ");
    StoreError::Database { doing, why: error.to_string() }
}

/// Whether it is no use to go on with this file. A full disk, a lock, a disk that may not be written: those pass.
/// A sync that failed does not: the system has dropped what it could not write, and says so only once.
fn fatal(error: &rusqlite::Error) -> Option<StoreError> {
    let code = error.sqlite_error()?;
    if matches!(code.code, ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase) {
        return Some(StoreError::Damaged { why: error.to_string() });
    }
    let unsynced = [ffi::SQLITE_IOERR_FSYNC, ffi::SQLITE_IOERR_DIR_FSYNC].contains(&code.extended_code);
    unsynced.then(|| StoreError::Unsynced { why: error.to_string() })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What SQLite's result codes mean for whoever goes on with the file.
    #[test]
    fn what_passes_is_told_from_what_does_not() {
        let error = |code| {
            failed("COMMIT", &rusqlite::Error::SqliteFailure(ffi::Error::new(code), Some("why".to_owned())))
        };
        for passes in [
            ffi::SQLITE_FULL,
            ffi::SQLITE_BUSY,
            ffi::SQLITE_LOCKED,
            ffi::SQLITE_READONLY,
            ffi::SQLITE_CONSTRAINT,
            ffi::SQLITE_IOERR_WRITE,
            ffi::SQLITE_IOERR_READ,
        ] {
            let database = StoreError::Database { doing: "COMMIT".to_owned(), why: "why".to_owned() };
            assert_eq!(error(passes), database, "{passes}");
            assert!(!error(passes).is_fatal());
        }
        let damaged = StoreError::Damaged { why: "why".to_owned() };
        assert_eq!((error(ffi::SQLITE_CORRUPT), error(ffi::SQLITE_NOTADB)), (damaged.clone(), damaged));
        for unsynced in [ffi::SQLITE_IOERR_FSYNC, ffi::SQLITE_IOERR_DIR_FSYNC] {
            assert_eq!(error(unsynced), StoreError::Unsynced { why: "why".to_owned() });
            assert!(error(unsynced).is_fatal());
        }
    }
}
