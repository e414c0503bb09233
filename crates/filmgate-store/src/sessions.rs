//! Who is signed in on the operator's page.

use filmgate_domain::{KeyId, Timestamp};

use crate::db::{Db, Row, Table, args, sql};
use crate::writer::Write;
use crate::{Pending, Store, StoreError};

const SESSIONS: Table = Table { name: "sessions", key: &["hash"] };

/// A browser that is signed in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Session {
    /// SHA-256 of its cookie and the admin key that it came in with.
    pub hash: [u8; 32],
    /// When it signed in.
    pub created_at: Timestamp,
    /// When it has to sign in again.
    pub expires_at: Timestamp,
    /// The key that it came in with; `None`: the admin key.
    pub key: Option<KeyId>,
}

impl Store {
    /// Adds a session; those that have expired by then go.
    pub fn add_session(&self, session: Session) -> Pending<()> {
        self.write(session)
    }

    /// The sessions, in no particular order, also expired ones.
    ///
    /// # Errors
    /// When the database fails, or holds what makes no sense.
    pub async fn sessions(&self) -> Result<Vec<Session>, StoreError> {
        let sql = sql!("SELECT hash, created_at, expires_at, key FROM sessions");
        self.read(move |db| db.query(&SESSIONS, sql, &[], read)).await
    }

    /// Ends a session.
    pub fn end_session(&self, hash: [u8; 32]) -> Pending<()> {
        self.write(End { hash })
    }

    /// Ends all sessions; tells how many there were, also expired ones.
    pub fn end_sessions(&self) -> Pending<usize> {
        self.write(EndAll)
    }
}

impl Write for Session {
    type Answer = ();

    fn apply(&self, db: &Db) -> Result<(), StoreError> {
        db.execute(sql!("DELETE FROM sessions WHERE expires_at <= $1"), &args![self.created_at])?;
        let insert = sql!("INSERT INTO sessions (hash, created_at, expires_at, key) VALUES ($1, $2, $3, $4)");
        db.execute(insert, &args![self.hash, self.created_at, self.expires_at, self.key]).map(drop)
    }
}

struct End {
    hash: [u8; 32],
}

impl Write for End {
    type Answer = ();

    fn apply(&self, db: &Db) -> Result<(), StoreError> {
        db.execute(sql!("DELETE FROM sessions WHERE hash = $1"), &args![self.hash]).map(drop)
    }
}

struct EndAll;

impl Write for EndAll {
    type Answer = usize;

    fn apply(&self, db: &Db) -> Result<usize, StoreError> {
        db.execute(sql!("DELETE FROM sessions"), &[])
    }
}

fn read(row: &Row<'_>) -> Result<Session, StoreError> {
    Ok(Session {
        hash: row.get("hash")?,
        created_at: row.get("created_at")?,
        expires_at: row.get("expires_at")?,
        key: row.get("key")?,
    })
}
