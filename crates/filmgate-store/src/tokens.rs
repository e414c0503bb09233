//! Upstream tokens: their sealed secrets and what they went through.

use std::collections::HashSet;
use std::sync::Arc;

use filmgate_domain::{Secret, Timestamp, TokenId, TokenInfo, TokenStatus};

use crate::db::{Db, Row, Sql, Table, args, sql};
use crate::secrets::{Place, Sealer};
use crate::writer::Write;
use crate::{Pending, Store, StoreError};

const TOKENS: Table = Table { name: "tokens", key: &["id"] };

/// A token in use, or one that was removed while jobs still need it.
#[derive(Clone, Debug)]
pub struct StoredToken {
    /// The token. What it has left is not stored; it follows from its attempts.
    pub info: TokenInfo,
    /// It was removed: never to be chosen again.
    pub removed: bool,
}

/// What became of a token that was to be added.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Added {
    /// It is new, under this id.
    New(TokenId),
    /// A token with this secret is there already, maybe in another pool. It was not changed.
    Duplicate(TokenId),
    /// A removed token of the same secret and pool came back, as the one to be added describes it. What it
    /// spent before still counts: its attempts are its own.
    Revived(TokenId),
}

/// What is known of a token that might be added.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Known {
    /// Nothing: it would be new.
    No,
    /// A token with this secret is there, maybe in another pool.
    Present(TokenId),
    /// A token of this secret and pool was removed, and would come back.
    Removed(TokenId),
}

impl Store {
    /// Every token, by id: those in use, and removed ones whose secret unfinished jobs still need.
    ///
    /// # Errors
    /// When the database fails, holds what makes no sense, or a secret does not open.
    pub async fn tokens(&self) -> Result<Vec<StoredToken>, StoreError> {
        let sealer = Arc::clone(&self.0.sealer);
        self.read(move |db| db.query(&TOKENS, &SELECT, &[], |row| read_token(row, &sealer))).await
    }

    /// Adds tokens; their ids are chosen here. Answers for each, in the same order.
    pub fn add_tokens(&self, tokens: Vec<TokenInfo>) -> Pending<Vec<Added>> {
        let sealer = Arc::clone(&self.0.sealer);
        let tokens = tokens
            .into_iter()
            .map(|info| NewToken {
                fingerprint: sealer.fingerprint(info.token.expose()),
                state: TokenState::new(&info),
                labels: Labels::new(&info),
                pool: info.pool,
                secret: info.token,
                created_at: info.created_at,
            })
            .collect();
        self.write(AddTokens { tokens, sealer })
    }

    /// What is known of each of these (pool and secret), in the same order. Nothing is added.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn known_tokens(&self, tokens: Vec<(Box<str>, Secret)>) -> Result<Vec<Known>, StoreError> {
        let sealer = Arc::clone(&self.0.sealer);
        let of = move |db: &Db, (pool, secret): &(Box<str>, Secret)| {
            let fingerprint = sealer.fingerprint(secret.expose());
            if let Some(id) = present(db, &fingerprint)? {
                return Ok(Known::Present(id));
            }
            Ok(removed(db, &fingerprint, pool)?.map_or(Known::No, Known::Removed))
        };
        self.read(move |db| tokens.iter().map(|token| of(db, token)).collect()).await
    }

    /// Writes what tokens went through, their notes and their tags.
    pub fn save_tokens(&self, tokens: &[&TokenInfo]) -> Pending<()> {
        let states = tokens.iter().map(|info| (TokenState::new(info), Labels::new(info)));
        self.write(SaveTokens(states.collect()))
    }

    /// Marks a token as removed (the first time stands). Its secret is wiped at once when no unfinished job
    /// has used it; otherwise with [`Store::wipe_token`], or when the store is opened the next time.
    pub fn remove_token(&self, id: TokenId, at: Timestamp) -> Pending<()> {
        self.remove_tokens(vec![id], at)
    }

    /// The same with several tokens: all of them, or none.
    pub fn remove_tokens(&self, ids: Vec<TokenId>, at: Timestamp) -> Pending<()> {
        self.write(RemoveTokens { ids, at })
    }

    /// Wipes the secret of a removed token. One that is not removed, or came back, keeps its secret.
    pub fn wipe_token(&self, id: TokenId) -> Pending<()> {
        self.write(WipeToken(id))
    }
}

/// Removed tokens count while a job that used them is unfinished: also after the attempt was settled its
/// token may be needed to fetch the file.
static SELECT: Sql = Sql::new(
    "SELECT id, pool, sealed, key_version, status, cooling_until, opening_at, opening_units, \
     created_at, last_used_at, use_count, failures_in_a_row, fail_count, last_fail_at, last_fail_reason, \
     last_sync_at, tags, note, removed_at FROM tokens \
     WHERE removed_at IS NULL OR (sealed IS NOT NULL AND id IN (SELECT a.token FROM jobs j \
     CROSS JOIN attempts a WHERE a.job = j.id AND j.finished_at IS NULL)) ORDER BY id",
);

static SAVE_STATE: Sql = Sql::new(
    "UPDATE tokens SET status = $2, cooling_until = $3, opening_at = $4, \
     opening_units = $5, last_used_at = $6, use_count = $7, failures_in_a_row = $8, fail_count = $9, \
     last_fail_at = $10, last_fail_reason = $11, last_sync_at = $12 WHERE id = $1",
);

/// What a token goes through.
pub(crate) struct TokenState {
    id: TokenId,
    status: TokenStatus,
    cooling_until: Option<Timestamp>,
    opening: Option<(Timestamp, u32)>,
    last_used_at: Option<Timestamp>,
    use_count: u64,
    failures_in_a_row: u32,
    fail_count: u64,
    last_fail_at: Option<Timestamp>,
    last_fail_reason: Option<Box<str>>,
    last_sync_at: Option<Timestamp>,
}

impl TokenState {
    pub(crate) fn new(info: &TokenInfo) -> Self {
        Self {
            id: info.id,
            status: info.status,
            cooling_until: info.cooling_until,
            opening: info.opening,
            last_used_at: info.last_used_at,
            use_count: info.use_count,
            failures_in_a_row: info.failures_in_a_row,
            fail_count: info.fail_count,
            last_fail_at: info.last_fail_at,
            last_fail_reason: info.last_fail_reason.clone(),
            last_sync_at: info.last_sync_at,
        }
    }
}

/// What the operator writes on a token.
struct Labels {
    /// A JSON array of strings.
    tags: String,
    note: String,
}

impl Labels {
    fn new(info: &TokenInfo) -> Self {
        Self { tags: serde_json::Value::from(info.tags.as_slice()).to_string(), note: info.note.clone() }
    }
}

/// Writes what a token went through.
pub(crate) fn save_state(db: &Db, state: &TokenState) -> Result<(), StoreError> {
    save_state_of(db, state.id, state)
}

fn save_state_of(db: &Db, id: TokenId, s: &TokenState) -> Result<(), StoreError> {
    let changed = db.execute(
        &SAVE_STATE,
        &args![
            id,
            s.status.as_str(),
            s.cooling_until,
            s.opening.map(|(at, _)| at),
            s.opening.map(|(_, units)| units),
            s.last_used_at,
            s.use_count,
            s.failures_in_a_row,
            s.fail_count,
            s.last_fail_at,
            s.last_fail_reason,
            s.last_sync_at,
        ],
    )?;
    if changed == 0 { Err(StoreError::missing("token", id)) } else { Ok(()) }
}

fn save_labels(db: &Db, id: TokenId, labels: &Labels) -> Result<(), StoreError> {
    let sql = sql!("UPDATE tokens SET tags = $2, note = $3 WHERE id = $1");
    db.execute(sql, &args![id, labels.tags, labels.note]).map(drop)
}

struct SaveTokens(Vec<(TokenState, Labels)>);

impl Write for SaveTokens {
    type Answer = ();

    fn apply(&self, db: &Db) -> Result<(), StoreError> {
        self.0.iter().try_for_each(|(state, labels)| {
            save_state(db, state)?;
            save_labels(db, state.id, labels)
        })
    }
}

struct AddTokens {
    tokens: Vec<NewToken>,
    sealer: Arc<Sealer>,
}

struct NewToken {
    pool: Box<str>,
    secret: Secret,
    fingerprint: [u8; 32],
    created_at: Timestamp,
    state: TokenState,
    labels: Labels,
}

impl Write for AddTokens {
    type Answer = Vec<Added>;

    fn apply(&self, db: &Db) -> Result<Vec<Added>, StoreError> {
        self.tokens.iter().map(|token| add(db, token, &self.sealer)).collect()
    }
}

fn add(db: &Db, token: &NewToken, sealer: &Sealer) -> Result<Added, StoreError> {
    if let Some(present) = present(db, &token.fingerprint)? {
        return Ok(Added::Duplicate(present));
    }
    if let Some(removed) = removed(db, &token.fingerprint, &token.pool)? {
        fill(db, removed, token, sealer)?;
        return Ok(Added::Revived(removed));
    }
    // The secret is sealed for its row, so that the row has to be there first.
    let insert = sql!(
        "INSERT INTO tokens (pool, key_version, fingerprint, status, created_at, use_count, \
                  failures_in_a_row, fail_count, tags, note) \
                  VALUES ($1, $2, $3, $4, $5, 0, 0, 0, $6, $7) RETURNING id"
    );
    let (status, labels) = (token.state.status.as_str(), &token.labels);
    let new = db.query_one(
        &TOKENS,
        insert,
        &args![
            token.pool,
            sealer.version(),
            token.fingerprint,
            status,
            token.created_at,
            labels.tags,
            labels.note
        ],
        read_id,
    )?;
    let new = new.ok_or_else(|| StoreError::missing("token", "that was just added"))?;
    fill(db, new, token, sealer)?;
    Ok(Added::New(new))
}

fn present(db: &Db, fingerprint: &[u8; 32]) -> Result<Option<TokenId>, StoreError> {
    let sql = sql!("SELECT id FROM tokens WHERE fingerprint = $1 AND removed_at IS NULL");
    db.query_one(&TOKENS, sql, &args![*fingerprint], read_id)
}

fn removed(db: &Db, fingerprint: &[u8; 32], pool: &str) -> Result<Option<TokenId>, StoreError> {
    let sql = sql!("SELECT id FROM tokens WHERE fingerprint = $1 AND removed_at IS NOT NULL AND pool = $2");
    db.query_one(&TOKENS, sql, &args![*fingerprint, pool], read_id)
}

fn read_id(row: &Row<'_>) -> Result<TokenId, StoreError> {
    row.get("id")
}

/// Writes everything about a token into its row.
fn fill(db: &Db, id: TokenId, token: &NewToken, sealer: &Sealer) -> Result<(), StoreError> {
    let sealed = sealer.seal(place(id, sealer.version()), token.secret.expose())?;
    let sql = sql!(
        "UPDATE tokens SET sealed = $2, key_version = $3, created_at = $4, removed_at = NULL \
               WHERE id = $1"
    );
    db.execute(sql, &args![id, sealed, sealer.version(), token.created_at])?;
    save_state_of(db, id, &token.state)?;
    save_labels(db, id, &token.labels)
}

struct RemoveTokens {
    ids: Vec<TokenId>,
    at: Timestamp,
}

impl Write for RemoveTokens {
    type Answer = ();

    fn apply(&self, db: &Db) -> Result<(), StoreError> {
        let needed: HashSet<i64> =
            db.query(&TOKENS, &NEEDED, &[], |row| row.get("token"))?.into_iter().collect();
        let mark = sql!("UPDATE tokens SET removed_at = COALESCE(removed_at, $2) WHERE id = $1");
        let wipe = sql!("UPDATE tokens SET sealed = NULL WHERE id = $1");
        for id in &self.ids {
            if db.execute(mark, &args![id, self.at])? == 0 {
                return Err(StoreError::missing("token", id));
            }
            if !needed.contains(&id.0) {
                db.execute(wipe, &args![id])?;
            }
        }
        Ok(())
    }
}

/// The tokens that unfinished jobs have used. This goes through those jobs: an index on the tokens of open
/// attempts would cost every job more than it would spare the few people who remove tokens. SQLite takes a cross
/// join in the order given.
static NEEDED: Sql = Sql::new(
    "SELECT DISTINCT a.token FROM jobs j CROSS JOIN attempts a WHERE a.job = j.id AND j.finished_at IS NULL",
);

struct WipeToken(TokenId);

impl Write for WipeToken {
    type Answer = ();

    fn apply(&self, db: &Db) -> Result<(), StoreError> {
        let sql = sql!("UPDATE tokens SET sealed = NULL WHERE id = $1 AND removed_at IS NOT NULL");
        db.execute(sql, &args![self.0]).map(drop)
    }
}

/// Wipes what nobody told to wipe before the process ended.
pub(crate) fn wipe_drained(db: &Db) -> Result<(), StoreError> {
    db.execute(&WIPE_DRAINED, &[]).map(drop)
}

static WIPE_DRAINED: Sql = Sql::new(
    "UPDATE tokens SET sealed = NULL WHERE removed_at IS NOT NULL AND sealed IS NOT NULL \
     AND id NOT IN (SELECT a.token FROM jobs j CROSS JOIN attempts a \
     WHERE a.job = j.id AND j.finished_at IS NULL)",
);

/// Seals every secret with another key, and notes what tells it again; how many.
pub(crate) fn seal_anew(db: &Db, old: &Sealer, new: &Sealer) -> Result<usize, StoreError> {
    let select = sql!("SELECT id, sealed, key_version FROM tokens WHERE sealed IS NOT NULL");
    let read = |row: &Row<'_>| {
        let (id, sealed): (TokenId, Vec<u8>) = (row.get("id")?, row.get("sealed")?);
        Ok((id, Secret::new(old.open(place(id, row.get("key_version")?), &sealed)?)))
    };
    let secrets = db.query(&TOKENS, select, &[], read)?;
    let update = sql!("UPDATE tokens SET sealed = $2, fingerprint = $3, key_version = $4 WHERE id = $1");
    for (id, secret) in &secrets {
        let sealed = new.seal(place(*id, new.version()), secret.expose())?;
        db.execute(update, &args![*id, sealed, new.fingerprint(secret.expose()), new.version()])?;
    }
    Ok(secrets.len())
}

fn read_token(row: &Row<'_>, sealer: &Sealer) -> Result<StoredToken, StoreError> {
    let id = row.get("id")?;
    let sealed: Vec<u8> = row.get("sealed")?;
    let secret = sealer.open(place(id, row.get("key_version")?), &sealed)?;
    let opening_at: Option<Timestamp> = row.get("opening_at")?;
    let opening_units: Option<u32> = row.get("opening_units")?;
    let info = TokenInfo {
        id,
        pool: row.get("pool")?,
        token: Secret::new(secret),
        status: row.parse("status", str::parse)?,
        cooling_until: row.get("cooling_until")?,
        quota: None,
        opening: opening_at.zip(opening_units),
        created_at: row.get("created_at")?,
        last_used_at: row.get("last_used_at")?,
        use_count: row.get("use_count")?,
        failures_in_a_row: row.get("failures_in_a_row")?,
        fail_count: row.get("fail_count")?,
        last_fail_at: row.get("last_fail_at")?,
        last_fail_reason: row.get("last_fail_reason")?,
        last_sync_at: row.get("last_sync_at")?,
        tags: row.parse("tags", |json| serde_json::from_str(json))?,
        note: row.get("note")?,
    };
    let removed_at: Option<Timestamp> = row.get("removed_at")?;
    Ok(StoredToken { info, removed: removed_at.is_some() })
}

const fn place(token: TokenId, key_version: i64) -> Place {
    Place { table: "tokens", column: "sealed", row: token.0, key_version }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::MasterKey;

    #[test]
    fn what_still_needs_a_token_is_found_among_the_unfinished_jobs() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("filmgate.db");
        drop(Store::open(&path, &MasterKey::generate()).unwrap());
        let db = Db::reader(&path).unwrap();
        for sql in [&SELECT, &NEEDED, &WIPE_DRAINED] {
            let plan = db.plan(sql).join("; ");
            assert!(
                plan.contains("SCAN j USING INDEX jobs_unfinished; SEARCH a USING PRIMARY KEY (job=?)"),
                "{plan}"
            );
        }
    }
}
