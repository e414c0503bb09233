//! What the database says about itself.

use crate::db::{Row, Table, sql};
use crate::{Store, StoreError};

const ABOUT: Table = Table { name: "pragma_page_count", key: &[] };

/// Which SQLite keeps the books, and how large they are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct About {
    /// The version of SQLite.
    pub sqlite: String,
    /// Bytes that the database takes, without what is still in its log.
    pub bytes: u64,
    /// Bytes that the files of all kept videos take together.
    pub media_bytes: u64,
}

impl Store {
    /// What the database says about itself. Walks over the completed jobs whose files are kept.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn about(&self) -> Result<About, StoreError> {
        let sql = sql!(
            "SELECT sqlite_version() AS sqlite, pages.page_count * size.page_size AS bytes, \
             (SELECT coalesce(sum(delivered_bytes), 0) FROM jobs \
             WHERE state = 'completed' AND file_removed_at IS NULL) AS media_bytes \
             FROM pragma_page_count() pages, pragma_page_size() size"
        );
        let read = |row: &Row<'_>| {
            let (sqlite, bytes) = (row.get("sqlite")?, row.get("bytes")?);
            Ok(About { sqlite, bytes, media_bytes: row.get("media_bytes")? })
        };
        let about = self.read(move |db| db.query_one(&ABOUT, sql, &[], read)).await?;
        about.ok_or_else(|| StoreError::missing("row", "of the database about itself"))
    }
}
