//! Callers, who own jobs, and the client keys that they show.

use filmgate_domain::{CallerId, KeyId, Timestamp};

use crate::db::{Db, Row, Table, args, sql};
use crate::writer::Write;
use crate::{Pending, Store, StoreError};

const CALLERS: Table = Table { name: "callers", key: &["id"] };
const KEYS: Table = Table { name: "keys", key: &["id"] };

/// Who owns jobs. A caller may have several client keys.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Caller {
    /// Its identity.
    pub id: CallerId,
    /// Its name, which no other caller has.
    pub name: String,
    /// When it was added.
    pub created_at: Timestamp,
}

/// What is known about a client key. The key itself is not.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeyRecord {
    /// Its identity.
    pub id: KeyId,
    /// The caller that it belongs to.
    pub caller: CallerId,
    /// That caller's name.
    pub caller_name: String,
    /// The key's own name, for people.
    pub name: String,
    /// The first characters of the key, to know it again.
    pub hint: String,
    /// SHA-256 of the key: [`crate::hash_key`].
    pub hash: [u8; 32],
    /// When it was added.
    pub created_at: Timestamp,
    /// When it was last used, as far as that was told.
    pub last_used_at: Option<Timestamp>,
    /// Since when it is not valid any more.
    pub revoked_at: Option<Timestamp>,
}

impl Store {
    /// Adds a caller. One of that name that exists already is not changed; its id is the answer.
    pub fn add_caller(&self, name: &str, now: Timestamp) -> Pending<CallerId> {
        self.write(AddCaller { name: name.to_owned(), now })
    }

    /// All callers, by id.
    ///
    /// # Errors
    /// When the database fails, or holds what makes no sense.
    pub async fn callers(&self) -> Result<Vec<Caller>, StoreError> {
        let sql = sql!("SELECT id, name, created_at FROM callers ORDER BY id");
        self.read(move |db| db.query(&CALLERS, sql, &[], read_caller)).await
    }

    /// Adds a client key: its hash and, as `hint`, its first characters. A hash that is known already is an
    /// error, and so is a caller that is not known.
    pub fn add_key(
        &self,
        caller: CallerId,
        name: &str,
        hash: [u8; 32],
        hint: &str,
        now: Timestamp,
    ) -> Pending<KeyId> {
        self.write(AddKey { caller, name: name.to_owned(), hash, hint: hint.to_owned(), now })
    }

    /// All client keys, by id, also the revoked ones.
    ///
    /// # Errors
    /// When the database fails, or holds what makes no sense.
    pub async fn keys(&self) -> Result<Vec<KeyRecord>, StoreError> {
        let sql = sql!(
            "SELECT k.id, k.caller, c.name AS caller_name, k.name, k.hint, k.hash, k.created_at, \
                   k.last_used_at, k.revoked_at FROM keys k JOIN callers c ON c.id = k.caller ORDER BY k.id"
        );
        self.read(move |db| db.query(&KEYS, sql, &[], read_key)).await
    }

    /// Makes a client key invalid. False when it is not known, or was revoked before.
    pub fn revoke_key(&self, id: KeyId, at: Timestamp) -> Pending<bool> {
        self.write(RevokeKey { id, at })
    }

    /// Notes that a client key was used; an earlier use never replaces a later one.
    pub fn touch_key(&self, id: KeyId, at: Timestamp) -> Pending<()> {
        self.write(TouchKey { id, at })
    }
}

struct AddCaller {
    name: String,
    now: Timestamp,
}

impl Write for AddCaller {
    type Answer = CallerId;

    fn apply(&self, db: &Db) -> Result<CallerId, StoreError> {
        let insert =
            sql!("INSERT INTO callers (name, created_at) VALUES ($1, $2) ON CONFLICT (name) DO NOTHING");
        db.execute(insert, &args![self.name, self.now])?;
        let select = sql!("SELECT id FROM callers WHERE name = $1");
        let id = db.query_one(&CALLERS, select, &args![self.name], |row| row.get("id"))?;
        id.ok_or_else(|| StoreError::missing("caller", &self.name))
    }
}

struct AddKey {
    caller: CallerId,
    name: String,
    hash: [u8; 32],
    hint: String,
    now: Timestamp,
}

impl Write for AddKey {
    type Answer = KeyId;

    fn apply(&self, db: &Db) -> Result<KeyId, StoreError> {
        let insert = sql!(
            "INSERT INTO keys (caller, name, hash, hint, created_at) \
                      SELECT id, $2, $3, $4, $5 FROM callers WHERE id = $1 RETURNING id"
        );
        let values = args![self.caller, self.name, self.hash, self.hint, self.now];
        let id = db.query_one(&KEYS, insert, &values, |row| row.get("id"))?;
        id.ok_or_else(|| StoreError::missing("caller", self.caller))
    }
}

struct RevokeKey {
    id: KeyId,
    at: Timestamp,
}

impl Write for RevokeKey {
    type Answer = bool;

    fn apply(&self, db: &Db) -> Result<bool, StoreError> {
        let sql = sql!("UPDATE keys SET revoked_at = $2 WHERE id = $1 AND revoked_at IS NULL");
        Ok(db.execute(sql, &args![self.id, self.at])? > 0)
    }
}

struct TouchKey {
    id: KeyId,
    at: Timestamp,
}

impl Write for TouchKey {
    type Answer = ();

    fn apply(&self, db: &Db) -> Result<(), StoreError> {
        let sql = sql!(
            "UPDATE keys SET last_used_at = $2 \
                   WHERE id = $1 AND (last_used_at IS NULL OR last_used_at < $2)"
        );
        db.execute(sql, &args![self.id, self.at]).map(drop)
    }
}

fn read_caller(row: &Row<'_>) -> Result<Caller, StoreError> {
    Ok(Caller { id: row.get("id")?, name: row.get("name")?, created_at: row.get("created_at")? })
}

fn read_key(row: &Row<'_>) -> Result<KeyRecord, StoreError> {
    Ok(KeyRecord {
        id: row.get("id")?,
        caller: row.get("caller")?,
        caller_name: row.get("caller_name")?,
        name: row.get("name")?,
        hint: row.get("hint")?,
        hash: row.get("hash")?,
        created_at: row.get("created_at")?,
        last_used_at: row.get("last_used_at")?,
        revoked_at: row.get("revoked_at")?,
    })
}
