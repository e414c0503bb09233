//! Everything filmgate remembers, on disk.
//!
//! - A write is queued before its verb returns: **the order of calls is the order on disk**, also when nobody
//!   waits for the answer. When [`Pending`] answers, the write survives a loss of power.
//! - All writes go through one queue, and whoever is waiting shares a commit. A write that fails changes
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
mod accounts;
mod answers;
mod attempts;
mod audit;
mod backup;
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
mod rotation;
mod secrets;
mod sessions;
mod tokens;
mod watch;
mod webhooks;
mod writer;

use std::fmt;
use std::path::Path;
use std::sync::Arc;

pub use about::About;
pub use accounts::{Accounts, AccountsOf};
pub use answers::{ANSWERS_KEPT, Answer, Claim, Remembered, Scope};
pub use attempts::{TokenAttempt, TokenHistory};
pub use audit::{AuditEntry, AuditFilter};
pub use backup::{Snapshot, copy_database, restore_database};
pub use callers::{Asked, Caller, CallerLimits, KeyRecord, KeyScope, NewKey, Spent};
pub use deliveries::{Delivery, DeliveryFilter, DeliveryState, Due, Try};
pub use error::StoreError;
pub use event_id::{EventId, NoEventId};
pub use job_list::{JobCount, JobFilter, JobPage};
pub use jobs::StoredFile;
pub use minutes::{MINUTES_KEPT, MinuteRow};
pub use rotation::{Rotated, rotate_master_key};
pub use secrets::{MasterKey, NotAMasterKey, hash_key};
pub use sessions::Session;
pub use tokens::{Added, Known, StoredToken};
pub use webhooks::Webhook;
pub use writer::{Committer, Pending};

use tokio::sync::Notify;

use crate::db::Db;
use crate::reader::Readers;
use crate::secrets::Sealer;
use crate::watch::Watch;
use crate::writer::{Write, Writer};

/// A database of at most so many bytes is looked through before it is used, which takes a fraction of a second. A
/// larger one is looked through while it is in use.
const CHECKED_AT_ONCE: u64 = 64 << 20;

/// The database. Clones share it.
#[derive(Clone)]
pub struct Store(Arc<Inner>);

struct Inner {
    writer: Writer,
    readers: Readers,
    sealer: Arc<Sealer>,
    watch: Arc<Watch>,
    /// Something may be there to deliver.
    news: Arc<Notify>,
}

impl Store {
    /// Opens the database file, or creates it, and brings it up to this version's schema.
    ///
    /// # Errors
    /// When the file cannot be written, is damaged, is no filmgate database or a newer one, or belongs to another
    /// key.
    pub fn open(path: &Path, key: &MasterKey) -> Result<Store, StoreError> {
        let Prepared { db, sealer, watch, is_checked } = Prepared::new(path, key)?;
        let readers = Readers::start(path)?;
        let writer = Writer::start(db, Arc::clone(&watch)).map_err(|e| StoreError::cannot_open(path, e))?;
        if !is_checked {
            let watch = Arc::clone(&watch);
            readers.queue(move |db| {
                let _ = db.check(false).inspect_err(|error| watch.note(error));
            })?;
        }
        Ok(Self::made_of(writer, readers, sealer, watch))
    }

    /// The same without threads, for simulations: nothing is written but by the [`Committer`], which somebody has to
    /// run, and whoever reads does so at once, on its own thread.
    ///
    /// # Errors
    /// As those of [`Store::open`].
    pub fn open_inline(path: &Path, key: &MasterKey) -> Result<(Store, Committer), StoreError> {
        let Prepared { db, sealer, watch, .. } = Prepared::new(path, key)?;
        let (writer, committer) = Writer::new(db, Arc::clone(&watch));
        Ok((Self::made_of(writer, Readers::inline(path)?, sealer, watch), committer))
    }

    fn made_of(writer: Writer, readers: Readers, sealer: Arc<Sealer>, watch: Arc<Watch>) -> Store {
        Store(Arc::new(Inner { writer, readers, sealer, watch, news: Arc::default() }))
    }

    /// Returns when the database is damaged, or its file is not there any more. From then on everything that the
    /// store is asked is refused; the process has to end.
    pub async fn until_lost(&self) -> StoreError {
        self.0.watch.until_lost().await
    }

    /// Looks whether the database's file is still there, for when nothing is written for a while.
    ///
    /// # Errors
    /// When the store is lost.
    pub fn look(&self) -> Result<(), StoreError> {
        self.0.watch.is_trusted()?;
        self.0.watch.look()
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
        self.0.watch.is_trusted()?;
        self.0.readers.read(read).await.inspect_err(|error| self.0.watch.note(error))
    }
}

impl fmt::Debug for Store {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Store")
    }
}

/// A database that was looked at and brought up to date.
struct Prepared {
    db: Db,
    sealer: Arc<Sealer>,
    watch: Arc<Watch>,
    /// Whether all of it was read; that of a large one would take too long.
    is_checked: bool,
}

impl Prepared {
    fn new(path: &Path, key: &MasterKey) -> Result<Self, StoreError> {
        let db = Db::writer(path)?;
        migrate::schema(&db, path)?;
        let is_checked = std::fs::metadata(path).is_ok_and(|file| file.len() <= CHECKED_AT_ONCE);
        if is_checked {
            db.check(false)?;
        }
        migrate::migrate(&db, path)?;
        let sealer = Arc::new(migrate::check_key(&db, path, key)?);
        tokens::wipe_drained(&db)?;
        Ok(Self { db, sealer, watch: Arc::new(Watch::over(path)), is_checked })
    }
}
