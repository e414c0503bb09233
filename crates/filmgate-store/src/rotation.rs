//! Another master key takes the place of the one before.

use std::path::Path;

use filmgate_domain::Timestamp;

use crate::audit::AuditEntry;
use crate::db::{Db, Row, Table, args, sql};
use crate::secrets::Sealer;
use crate::writer::Write as _;
use crate::{MasterKey, StoreError, migrate, tokens, webhooks};

const MASTER_KEYS: Table = Table { name: "master_keys", key: &["version"] };

/// What became of a database whose key was to be replaced.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rotated {
    /// The new key opens it, and the old one does not any more.
    Now {
        /// Tokens sealed anew.
        tokens: usize,
        /// Secrets of webhooks sealed anew.
        webhooks: usize,
    },
    /// The new key opened it already.
    Before,
}

/// Seals everything that is sealed with the old key with the new one, and nothing with both: it is one commit, after
/// which the old key opens nothing any more. Only whoever holds the data directory may do this.
///
/// A removed token whose secret was wiped is not known again when it comes back: what tells it is made with the key.
///
/// # Errors
/// When the database does not open with the old key, or cannot be written; then it is as it was.
pub fn rotate_master_key(
    path: &Path,
    old: &MasterKey,
    new: &MasterKey,
    at: Timestamp,
) -> Result<Rotated, StoreError> {
    let db = Db::writer(path)?;
    migrate::migrate(&db, path)?;
    if migrate::fitting(&db, path, Sealer::new(new)).is_ok() {
        return Ok(Rotated::Before);
    }
    let old = migrate::check_key(&db, path, old)?;
    let new = Sealer::new(new).of_version(old.version() + 1);
    // What was sealed with the old key is not to be found in the file afterwards.
    db.wipe_replaced()?;
    db.begin()?;
    let done = replace(&db, &old, &new, at).and_then(|done| db.commit().map(|()| done));
    let done = done.inspect_err(|_| db.roll_back())?;
    db.fold_log();
    Ok(done)
}

fn replace(db: &Db, old: &Sealer, new: &Sealer, at: Timestamp) -> Result<Rotated, StoreError> {
    let tokens = tokens::seal_anew(db, old, new)?;
    let webhooks = webhooks::seal_anew(db, old, new)?;
    let forget = sql!("DELETE FROM master_keys");
    db.execute(forget, &[])?;
    let insert = sql!("INSERT INTO master_keys (version, mark) VALUES ($1, $2) RETURNING version");
    let read = |row: &Row<'_>| row.get::<i64>("version");
    db.query_one(&MASTER_KEYS, insert, &args![new.version(), new.mark()], read)?;
    let entry = AuditEntry {
        id: 0,
        at,
        via: "api".into(),
        actor: "command line".into(),
        action: "master_key.rotate".into(),
        subject: format!("version {}", new.version()).into(),
        detail: format!("{tokens} tokens and {webhooks} secrets of webhooks sealed anew").into(),
    };
    entry.apply(db)?;
    Ok(Rotated::Now { tokens, webhooks })
}
