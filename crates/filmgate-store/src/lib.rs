//! Everything filmgate remembers, on disk.
//!
//! - A write is queued before its verb returns: **the order of calls is the order on disk**, also when nobody
//!   waits for the answer. When [`Pending`] answers, the write survives a loss of power.
//! - All writes go through one thread, and whoever is waiting shares a commit. A write that fails changes
//!   nothing and harms no other.
//! - Reads have their own connections and see everything that was acknowledged before.
//! - **An open attempt is the reservation** of its token. No table counts what is reserved or spent.
//! - A failed read is an error, never an empty answer. What makes no sense is an error that says where.
//! - Upstream tokens and the secrets of webhooks are sealed and bound to their row; of client keys only a hash is
//!   kept.
//!
//! ```
//! # use filmgate_domain::Timestamp;
//! # use filmgate_store::{MasterKey, Store};
//! # async fn example() -> Result<(), Box<dyn std::error::Error>> {
//! # let dir = tempfile::tempdir()?;
//! let store = Store::open(&dir.path().join("filmgate.db"), &MasterKey::generate())?;
//! let caller = store.add_caller("default", Timestamp::from_millis(0)).await?;
//! assert_eq!(store.callers().await?[0].id, caller);
//! store.close().await;
//! # Ok(()) }
//! # tokio::runtime::Runtime::new().unwrap().block_on(example()).unwrap();
//! ```

mod about;
mod answers;
mod attempts;
mod audit;
mod callers;
mod db;
mod deliveries;
mod error;
mod event_id;
#[cfg(test)]
mod inside;
mod job_list;
mod jobs;
mod migrate;
mod minutes;
mod reader;
mod secrets;
mod sessions;
mod tokens;
mod webhooks;
mod writer;

use std::fmt;
use std::path::Path;
use std::sync::Arc;

pub use about::About;
pub use answers::{ANSWERS_KEPT, Answer, Claim, Remembered, Scope};
pub use attempts::{TokenAttempt, TokenHistory};
pub use audit::{AuditEntry, AuditFilter};
pub use callers::{Asked, Caller, CallerLimits, KeyRecord, Spent};
pub use deliveries::{Delivery, DeliveryFilter, DeliveryState, Due, Try};
pub use error::StoreError;
pub use event_id::{EventId, NoEventId};
pub use job_list::{JobCount, JobFilter, JobPage};
pub use jobs::StoredFile;
pub use minutes::{MINUTES_KEPT, MinuteRow};
pub use secrets::{MasterKey, NotAMasterKey, hash_key};
pub use sessions::Session;
pub use tokens::{Added, Known, StoredToken};
pub use webhooks::Webhook;
pub use writer::Pending;

use tokio::sync::Notify;

use crate::db::Db;
use crate::reader::Readers;
use crate::secrets::Sealer;
use crate::writer::{Write, Writer};

/// The database. Clones share it.
#[derive(Clone)]
pub struct Store(Arc<Inner>);

struct Inner {
    writer: Writer,
    readers: Readers,
    sealer: Arc<Sealer>,
    /// Something may be there to deliver.
    news: Arc<Notify>,
}

impl Store {
    /// Opens the database file, or creates it, and brings it up to this version's schema.
    ///
    /// # Errors
    /// When the file cannot be written, is no filmgate database or a newer one, or belongs to another key.
    pub fn open(path: &Path, key: &MasterKey) -> Result<Store, StoreError> {
        let sealer = Arc::new(Sealer::new(key));
        let db = Db::writer(path)?;
        migrate::migrate(&db, path)?;
        migrate::check_key(&db, path, &sealer)?;
        tokens::wipe_drained(&db)?;
        let readers = Readers::start(path)?;
        let writer = Writer::start(db).map_err(|e| StoreError::cannot_open(path, e))?;
        Ok(Store(Arc::new(Inner { writer, readers, sealer, news: Arc::default() })))
    }

    /// Waits until everything queued is on disk, and closes the files. Other clones get
    /// [`StoreError::Closed`] from here on.
    ///
    /// Dropping the last clone does the same without anybody knowing when.
    pub async fn close(self) {
        self.0.readers.close();
        self.0.writer.stop().await;
    }

    fn write<W: Write>(&self, write: W) -> Pending<W::Answer> {
        self.0.writer.queue(write)
    }

    async fn read<T: Send + 'static>(
        &self,
        read: impl FnOnce(&Db) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, StoreError> {
        self.0.readers.read(read).await
    }
}

impl fmt::Debug for Store {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Store")
    }
}
