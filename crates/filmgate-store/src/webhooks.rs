//! Callers' webhooks: where they are told that their videos ended, and the secrets that sign it.

use std::sync::Arc;
use std::time::Duration;

use filmgate_domain::{CallerId, Secret, Timestamp};

use crate::db::{Db, Row, Sql, Table, args, sql};
use crate::deliveries;
use crate::secrets::{Place, Sealer};
use crate::writer::Write;
use crate::{Pending, Store, StoreError};

const WEBHOOKS: Table = Table { name: "webhooks", key: &["caller"] };

static SECRETS: Sql =
    Sql::new("SELECT caller, sealed, previous, previous_until, key_version FROM webhooks WHERE caller = $1");

/// A caller's webhook. Its secret is not part of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Webhook {
    /// Whose videos it is about.
    pub caller: CallerId,
    /// That caller's name.
    pub caller_name: String,
    /// Where the end of each video is told. None: only where a request names an address.
    pub url: Option<Box<str>>,
    /// When it was made, and its first secret with it.
    pub created_at: Timestamp,
    /// When its secret was last replaced.
    pub rotated_at: Option<Timestamp>,
    /// Until when the secret before signs as well.
    pub previous_until: Option<Timestamp>,
}

impl Store {
    /// All webhooks, by caller.
    ///
    /// # Errors
    /// When the database fails, or holds what makes no sense.
    pub async fn webhooks(&self) -> Result<Vec<Webhook>, StoreError> {
        let sql = sql!(
            "SELECT w.caller, c.name AS caller_name, w.url, w.created_at, w.rotated_at, w.previous_until \
             FROM webhooks w JOIN callers c ON c.id = w.caller ORDER BY w.caller"
        );
        self.read(move |db| db.query(&WEBHOOKS, sql, &[], read_webhook)).await
    }

    /// What signs a caller's webhooks: its secret, and the one before while that still counts. Empty when it has
    /// none.
    ///
    /// # Errors
    /// When the database fails, or a secret does not open.
    pub async fn webhook_secrets(&self, caller: CallerId, now: Timestamp) -> Result<Vec<Secret>, StoreError> {
        let sealer = Arc::clone(&self.0.sealer);
        let read = move |row: &Row<'_>| read_secrets(row, &sealer, now);
        let secrets = self.read(move |db| db.query_one(&WEBHOOKS, &SECRETS, &args![caller], read)).await?;
        Ok(secrets.unwrap_or_default())
    }

    /// Sets a caller's standing address, or takes it away. What is pending for the one before goes to the new
    /// one, or is given up where there is none.
    ///
    /// A caller without a secret gets `secret`; then the answer is true.
    pub fn set_webhook(
        &self,
        caller: CallerId,
        url: Option<&str>,
        secret: Secret,
        now: Timestamp,
    ) -> Pending<bool> {
        let sealer = Arc::clone(&self.0.sealer);
        self.write(Set { caller, url: url.map(Box::from), secret, now, sealer })
    }

    /// Replaces a caller's secret; the one before signs as well for `keep_previous`, and the one before that no
    /// more. A caller without one gets its first, and no standing address.
    pub fn rotate_webhook(
        &self,
        caller: CallerId,
        secret: Secret,
        keep_previous: Duration,
        now: Timestamp,
    ) -> Pending<()> {
        let sealer = Arc::clone(&self.0.sealer);
        self.write(Rotate { caller, secret, until: now + keep_previous, now, sealer })
    }

    /// Removes a caller's webhook with its secrets, and gives up what is pending. False when it has none.
    pub fn remove_webhook(&self, caller: CallerId, now: Timestamp) -> Pending<bool> {
        self.write(Remove { caller, now })
    }

    /// Wipes the secrets that were replaced and do not count any more.
    pub fn wipe_replaced_secrets(&self, now: Timestamp) -> Pending<()> {
        self.write(Wipe { now })
    }
}

struct Set {
    caller: CallerId,
    url: Option<Box<str>>,
    secret: Secret,
    now: Timestamp,
    sealer: Arc<Sealer>,
}

impl Write for Set {
    type Answer = bool;

    fn apply(&self, db: &Db) -> Result<bool, StoreError> {
        let Self { caller, url, secret, now, sealer } = self;
        let before = sql!("SELECT caller, url FROM webhooks WHERE caller = $1");
        let before = db.query_one(&WEBHOOKS, before, &args![caller], |row| row.get("url"))?;
        let Some(before): Option<Option<Box<str>>> = before else {
            insert(db, *caller, url.as_deref(), secret, *now, sealer)?;
            return Ok(true);
        };
        let update = sql!("UPDATE webhooks SET url = $2 WHERE caller = $1");
        db.execute(update, &args![caller, url])?;
        if let Some(before) = before.filter(|before| Some(before) != url.as_ref()) {
            deliveries::redirect(db, *caller, &before, url.as_deref(), *now)?;
        }
        Ok(false)
    }
}

struct Rotate {
    caller: CallerId,
    secret: Secret,
    until: Timestamp,
    now: Timestamp,
    sealer: Arc<Sealer>,
}

impl Write for Rotate {
    type Answer = ();

    fn apply(&self, db: &Db) -> Result<(), StoreError> {
        let Self { caller, secret, until, now, sealer } = self;
        let read = |row: &Row<'_>| read_secrets(row, sealer, *now);
        let secrets = db.query_one(&WEBHOOKS, &SECRETS, &args![caller], read)?.unwrap_or_default();
        let Some(current) = secrets.first() else {
            return insert(db, *caller, None, secret, *now, sealer);
        };
        // A sealed value opens in its own column only.
        let previous = sealer.seal(place(*caller, "previous", sealer.version()), current.expose())?;
        let sealed = sealer.seal(place(*caller, "sealed", sealer.version()), secret.expose())?;
        let update = sql!(
            "UPDATE webhooks SET sealed = $2, previous = $3, previous_until = $4, key_version = $5, \
             rotated_at = $6 WHERE caller = $1"
        );
        db.execute(update, &args![caller, sealed, previous, until, sealer.version(), now]).map(drop)
    }
}

fn insert(
    db: &Db,
    caller: CallerId,
    url: Option<&str>,
    secret: &Secret,
    now: Timestamp,
    sealer: &Sealer,
) -> Result<(), StoreError> {
    let sealed = sealer.seal(place(caller, "sealed", sealer.version()), secret.expose())?;
    let insert = sql!(
        "INSERT INTO webhooks (caller, url, sealed, key_version, created_at) \
         SELECT id, $2, $3, $4, $5 FROM callers WHERE id = $1"
    );
    match db.execute(insert, &args![caller, url, sealed, sealer.version(), now])? {
        0 => Err(StoreError::missing("caller", caller)),
        _ => Ok(()),
    }
}

struct Remove {
    caller: CallerId,
    now: Timestamp,
}

impl Write for Remove {
    type Answer = bool;

    fn apply(&self, db: &Db) -> Result<bool, StoreError> {
        deliveries::give_up_all(db, self.caller, self.now)?;
        let delete = sql!("DELETE FROM webhooks WHERE caller = $1");
        Ok(db.execute(delete, &args![self.caller])? > 0)
    }
}

struct Wipe {
    now: Timestamp,
}

impl Write for Wipe {
    type Answer = ();

    fn apply(&self, db: &Db) -> Result<(), StoreError> {
        let sql =
            sql!("UPDATE webhooks SET previous = NULL, previous_until = NULL WHERE previous_until <= $1");
        db.execute(sql, &args![self.now]).map(drop)
    }
}

/// Seals every secret with another key; how many.
pub(crate) fn seal_anew(db: &Db, old: &Sealer, new: &Sealer) -> Result<usize, StoreError> {
    let select = sql!("SELECT caller, sealed, previous, key_version FROM webhooks");
    let read = |row: &Row<'_>| {
        let (caller, key_version): (CallerId, i64) = (row.get("caller")?, row.get("key_version")?);
        let anew = |column, sealed: Vec<u8>| {
            let secret = Secret::new(old.open(place(caller, column, key_version), &sealed)?);
            new.seal(place(caller, column, new.version()), secret.expose())
        };
        let previous: Option<Vec<u8>> = row.get("previous")?;
        let previous = previous.map(|sealed| anew("previous", sealed)).transpose()?;
        Ok((caller, anew("sealed", row.get("sealed")?)?, previous))
    };
    let secrets = db.query(&WEBHOOKS, select, &[], read)?;
    let update = sql!("UPDATE webhooks SET sealed = $2, previous = $3, key_version = $4 WHERE caller = $1");
    for (caller, sealed, previous) in &secrets {
        db.execute(update, &args![*caller, *sealed, *previous, new.version()])?;
    }
    Ok(secrets.iter().map(|(_, _, previous)| 1 + usize::from(previous.is_some())).sum())
}

fn read_webhook(row: &Row<'_>) -> Result<Webhook, StoreError> {
    Ok(Webhook {
        caller: row.get("caller")?,
        caller_name: row.get("caller_name")?,
        url: row.get("url")?,
        created_at: row.get("created_at")?,
        rotated_at: row.get("rotated_at")?,
        previous_until: row.get("previous_until")?,
    })
}

fn read_secrets(row: &Row<'_>, sealer: &Sealer, now: Timestamp) -> Result<Vec<Secret>, StoreError> {
    let (caller, key_version) = (row.get("caller")?, row.get("key_version")?);
    let sealed: Vec<u8> = row.get("sealed")?;
    let mut secrets = vec![Secret::new(sealer.open(place(caller, "sealed", key_version), &sealed)?)];
    let until: Option<Timestamp> = row.get("previous_until")?;
    if until.is_some_and(|until| until > now) {
        let previous: Vec<u8> = row.get("previous")?;
        secrets.push(Secret::new(sealer.open(place(caller, "previous", key_version), &previous)?));
    }
    Ok(secrets)
}

const fn place(caller: CallerId, column: &'static str, key_version: i64) -> Place {
    Place { table: "webhooks", column, row: caller.0, key_version }
}
