//! Callers, who own jobs: what they may use and did, and the keys that they show.

use std::str::FromStr;
use std::time::Duration;

use filmgate_domain::{CallerId, KeyId, Timestamp};

use crate::db::{Db, Row, Sql, Table, args, sql};
use crate::job_list::first_of;
use crate::writer::Write;
use crate::{Pending, Store, StoreError};

const CALLERS: Table = Table { name: "callers", key: &["id"] };
const KEYS: Table = Table { name: "keys", key: &["id"] };

/// An attempt is settled after it was answered: the index on the former finds those to look at.
static SPENT: Sql = Sql::new(
    "SELECT j.caller, COALESCE(a.answered_at, a.settled_at) / $2 AS slot, SUM(a.units) AS units \
     FROM attempts a JOIN jobs j ON j.id = a.job \
     WHERE a.settled_at > $1 AND a.charged = 1 AND COALESCE(a.answered_at, a.settled_at) > $1 \
     GROUP BY j.caller, slot ORDER BY j.caller, slot",
);

static ASKED: Sql = Sql::new(
    "SELECT created_at / $4 AS slot, COUNT(*) AS videos, SUM(state = 'failed') AS failed, SUM(units) AS units \
     FROM (SELECT j.created_at, j.state, (SELECT COALESCE(SUM(a.units), 0) FROM attempts a \
           WHERE a.job = j.id AND a.charged = 1) AS units \
           FROM jobs j WHERE j.caller = $1 AND j.id >= $2 ORDER BY j.id DESC LIMIT $3) \
     GROUP BY slot ORDER BY slot",
);

/// Who owns jobs. A caller may have several client keys.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Caller {
    /// Its identity.
    pub id: CallerId,
    /// Its name, which no other caller has.
    pub name: String,
    /// When it was added.
    pub created_at: Timestamp,
    /// What it may use.
    pub limits: CallerLimits,
}

/// What a caller may use. `None` is no limit.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct CallerLimits {
    /// Unfinished videos at once.
    pub max_in_flight: Option<u32>,
    /// Videos asked for in 60 seconds.
    pub requests_per_minute: Option<u32>,
    /// Units that videos cost in 24 hours.
    pub units_per_day: Option<u32>,
}

/// Units that a caller's videos cost in a span of time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Spent {
    /// Whose videos.
    pub caller: CallerId,
    /// When the span began.
    pub at: Timestamp,
    /// Units charged in it.
    pub units: u64,
}

/// The videos that a caller asked for in a span of time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Asked {
    /// When the span began.
    pub at: Timestamp,
    /// How many.
    pub videos: u64,
    /// Of these, how many failed.
    pub failed: u64,
    /// Units that they were charged.
    pub units: u64,
}

/// What a key opens.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KeyScope {
    /// The videos of its caller, as a client.
    Client,
    /// All that operators see, save secrets. It changes nothing.
    ReadOnly,
    /// All that operators see and do.
    Admin,
}

impl KeyScope {
    /// Every scope, the narrowest first.
    pub const ALL: [Self; 3] = [Self::Client, Self::ReadOnly, Self::Admin];

    /// Its word.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Client => "client",
            Self::ReadOnly => "read_only",
            Self::Admin => "admin",
        }
    }
}

impl FromStr for KeyScope {
    type Err = String;

    fn from_str(word: &str) -> Result<Self, String> {
        let found = Self::ALL.into_iter().find(|scope| scope.as_str() == word);
        found.ok_or_else(|| format!("{word:?} is no scope"))
    }
}

/// A key to add. Only its hash is kept, and what it is known again by.
#[derive(Clone, Debug)]
pub struct NewKey {
    /// The caller that it belongs to.
    pub caller: CallerId,
    /// Its name, for people.
    pub name: String,
    /// SHA-256 of the key: [`crate::hash_key`].
    pub hash: [u8; 32],
    /// The first characters of the key.
    pub hint: String,
    /// What it opens.
    pub scope: KeyScope,
    /// From when on it opens nothing; `None`: until it is revoked.
    pub expires_at: Option<Timestamp>,
    /// When it was made.
    pub created_at: Timestamp,
}

/// What is known about a key. The key itself is not.
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
    /// What it opens.
    pub scope: KeyScope,
    /// When it was added.
    pub created_at: Timestamp,
    /// From when on it opens nothing, whatever else happens to it.
    pub expires_at: Option<Timestamp>,
    /// When it was last used, as far as that was told.
    pub last_used_at: Option<Timestamp>,
    /// Since when, or from when on, it is not valid any more.
    pub revoked_at: Option<Timestamp>,
}

impl KeyRecord {
    /// Whether it opens anything at that time.
    pub fn is_valid(&self, now: Timestamp) -> bool {
        self.ends_at().is_none_or(|at| now < at)
    }

    /// Since when, or from when on, it opens nothing: it was revoked or has expired, whichever is first.
    pub fn ends_at(&self) -> Option<Timestamp> {
        [self.revoked_at, self.expires_at].into_iter().flatten().min()
    }
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
        let sql = sql!(
            "SELECT id, name, created_at, max_in_flight, requests_per_minute, units_per_day \
             FROM callers ORDER BY id"
        );
        self.read(move |db| db.query(&CALLERS, sql, &[], read_caller)).await
    }

    /// Changes what a caller may use. False when it is not known.
    pub fn set_limits(&self, caller: CallerId, limits: CallerLimits) -> Pending<bool> {
        self.write(SetLimits { caller, limits })
    }

    /// What every caller's videos were charged after `since`, in spans of `grain`, oldest first.
    ///
    /// # Errors
    /// When the database fails, or holds what makes no sense.
    pub async fn spent_by_callers(
        &self,
        since: Timestamp,
        grain: Duration,
    ) -> Result<Vec<Spent>, StoreError> {
        let grain = millis(grain);
        let read = move |row: &Row<'_>| {
            let at = Timestamp::from_millis(row.get::<i64>("slot")?.saturating_mul(grain));
            Ok(Spent { caller: row.get("caller")?, at, units: row.get("units")? })
        };
        self.read(move |db| db.query(&CALLERS, &SPENT, &args![since, grain], read)).await
    }

    /// The last `most` videos that a caller asked for at `since` or later, counted in spans of `grain`, oldest
    /// first.
    ///
    /// # Errors
    /// When the database fails, or holds what makes no sense.
    pub async fn asked_by_caller(
        &self,
        caller: CallerId,
        since: Timestamp,
        grain: Duration,
        most: u32,
    ) -> Result<Vec<Asked>, StoreError> {
        let grain = millis(grain);
        let first = first_of(since);
        let read = move |row: &Row<'_>| {
            let at = Timestamp::from_millis(row.get::<i64>("slot")?.saturating_mul(grain));
            let (videos, failed) = (row.get("videos")?, row.get("failed")?);
            Ok(Asked { at, videos, failed, units: row.get("units")? })
        };
        self.read(move |db| db.query(&CALLERS, &ASKED, &args![caller, first, most, grain], read)).await
    }

    /// Adds a key. A hash that is known already is an error, and so is a caller that is not known.
    pub fn add_key(&self, key: NewKey) -> Pending<KeyId> {
        self.write(key)
    }

    /// All keys, by id, also the revoked ones.
    ///
    /// # Errors
    /// When the database fails, or holds what makes no sense.
    pub async fn keys(&self) -> Result<Vec<KeyRecord>, StoreError> {
        let sql = sql!(
            "SELECT k.id, k.caller, c.name AS caller_name, k.name, k.hint, k.hash, k.scope, k.created_at, \
                   k.expires_at, k.last_used_at, k.revoked_at FROM keys k JOIN callers c ON c.id = k.caller ORDER BY k.id"
        );
        self.read(move |db| db.query(&KEYS, sql, &[], read_key)).await
    }

    /// Adds `key` in the place of another, whose caller, name and scope it takes over whatever its own say. The other
    /// is valid until `keep_until` from now on, unless its end is sooner anyway. `None` when it is not known, or not
    /// valid when `key` is made.
    pub fn rotate_key(&self, id: KeyId, key: NewKey, keep_until: Timestamp) -> Pending<Option<KeyId>> {
        self.write(RotateKey { id, key, keep_until })
    }

    /// Makes a client key invalid from `at` on, which may be in the future. False when it is not known, or its
    /// end was not later before.
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

struct SetLimits {
    caller: CallerId,
    limits: CallerLimits,
}

impl Write for SetLimits {
    type Answer = bool;

    fn apply(&self, db: &Db) -> Result<bool, StoreError> {
        let sql = sql!(
            "UPDATE callers SET max_in_flight = $2, requests_per_minute = $3, units_per_day = $4 WHERE id = $1"
        );
        let CallerLimits { max_in_flight, requests_per_minute, units_per_day } = self.limits;
        let values = args![self.caller, max_in_flight, requests_per_minute, units_per_day];
        Ok(db.execute(sql, &values)? > 0)
    }
}

impl Write for NewKey {
    type Answer = KeyId;

    fn apply(&self, db: &Db) -> Result<KeyId, StoreError> {
        let insert = sql!(
            "INSERT INTO keys (caller, name, hash, hint, scope, expires_at, created_at) \
                      SELECT id, $2, $3, $4, $5, $6, $7 FROM callers WHERE id = $1 RETURNING id"
        );
        let Self { caller, name, hash, hint, scope, expires_at, created_at } = self;
        let scope = scope.as_str();
        let values = args![caller, name, hash, hint, scope, expires_at, created_at];
        let id = db.query_one(&KEYS, insert, &values, |row| row.get("id"))?;
        id.ok_or_else(|| StoreError::missing("caller", caller))
    }
}

struct RotateKey {
    id: KeyId,
    key: NewKey,
    keep_until: Timestamp,
}

impl Write for RotateKey {
    type Answer = Option<KeyId>;

    fn apply(&self, db: &Db) -> Result<Option<KeyId>, StoreError> {
        let insert = sql!(
            "INSERT INTO keys (caller, name, scope, hash, hint, expires_at, created_at) \
             SELECT caller, name, scope, $2, $3, $4, $5 FROM keys WHERE id = $1 \
             AND (revoked_at IS NULL OR revoked_at > $5) AND (expires_at IS NULL OR expires_at > $5) RETURNING id"
        );
        let NewKey { hash, hint, expires_at, created_at, .. } = &self.key;
        let values = args![self.id, hash, hint, expires_at, created_at];
        let Some(new) = db.query_one(&KEYS, insert, &values, |row| row.get("id"))? else { return Ok(None) };
        RevokeKey { id: self.id, at: self.keep_until }.apply(db)?;
        Ok(Some(new))
    }
}

struct RevokeKey {
    id: KeyId,
    at: Timestamp,
}

impl Write for RevokeKey {
    type Answer = bool;

    fn apply(&self, db: &Db) -> Result<bool, StoreError> {
        let sql =
            sql!("UPDATE keys SET revoked_at = $2 WHERE id = $1 AND (revoked_at IS NULL OR revoked_at > $2)");
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
    let limits = CallerLimits {
        max_in_flight: row.get("max_in_flight")?,
        requests_per_minute: row.get("requests_per_minute")?,
        units_per_day: row.get("units_per_day")?,
    };
    Ok(Caller { id: row.get("id")?, name: row.get("name")?, created_at: row.get("created_at")?, limits })
}

fn millis(span: Duration) -> i64 {
    i64::try_from(span.as_millis()).unwrap_or(i64::MAX)
}

fn read_key(row: &Row<'_>) -> Result<KeyRecord, StoreError> {
    Ok(KeyRecord {
        id: row.get("id")?,
        caller: row.get("caller")?,
        caller_name: row.get("caller_name")?,
        name: row.get("name")?,
        hint: row.get("hint")?,
        hash: row.get("hash")?,
        scope: row.parse("scope", str::parse)?,
        created_at: row.get("created_at")?,
        expires_at: row.get("expires_at")?,
        last_used_at: row.get("last_used_at")?,
        revoked_at: row.get("revoked_at")?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::MasterKey;

    #[test]
    fn what_callers_used_is_found_along_the_indexes() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("filmgate.db");
        drop(Store::open(&path, &MasterKey::generate()).unwrap());
        let db = Db::reader(&path).unwrap();
        let spent = db.plan(&SPENT).join("; ");
        assert!(spent.contains("SEARCH a USING INDEX attempts_settled (settled_at>?)"), "{spent}");
        let asked = db.plan(&ASKED).join("; ");
        assert!(asked.contains("SEARCH j USING INDEX jobs_by_caller (caller=? AND id>?)"), "{asked}");
    }
}
