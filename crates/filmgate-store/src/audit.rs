//! What operators did, and by which way.

use std::time::Duration;

use filmgate_domain::Timestamp;

use crate::db::{Bind as _, Db, Row, Sql, Table, Value, args, sql};
use crate::writer::Write;
use crate::{Pending, Store, StoreError};

const AUDIT: Table = Table { name: "audit", key: &["id"] };

/// How long entries are kept.
const KEPT: Duration = Duration::from_secs(400 * 24 * 3600);

/// Something that an operator did.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AuditEntry {
    /// Its place in the order of all.
    pub id: i64,
    /// When.
    pub at: Timestamp,
    /// By which way: `page` or `api`.
    pub via: Box<str>,
    /// Who: `admin key`, or another key by its id and name.
    pub actor: Box<str>,
    /// What: `token.disable`, `config.change`, ...
    pub action: Box<str>,
    /// What it was done to: `tok_7`, a caller's name, ...
    pub subject: Box<str>,
    /// The rest, for people. Never a secret.
    pub detail: Box<str>,
}

/// Which entries to list.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AuditFilter {
    /// Only what was done to this.
    pub subject: Option<String>,
    /// Only what begins so: `token.`, `config.`, ...
    pub action: Option<String>,
    /// Only those before this one (to page on).
    pub before: Option<i64>,
    /// At most this many.
    pub limit: u32,
}

impl Store {
    /// Notes what an operator did. The id that comes with `entry` does not count. What is too old to be kept goes.
    pub fn note_audit(&self, entry: AuditEntry) -> Pending<()> {
        self.write(entry)
    }

    /// What operators did, latest first.
    ///
    /// # Errors
    /// When the database fails, or holds what makes no sense.
    pub async fn audit(&self, filter: &AuditFilter) -> Result<Vec<AuditEntry>, StoreError> {
        let filter = filter.clone();
        self.read(move |db| {
            let (sql, values) = filtered(&filter);
            db.query(&AUDIT, &sql, &values, read)
        })
        .await
    }
}

/// Only what is asked for stands in it: SQLite takes no index for a condition that may not count.
fn filtered(filter: &AuditFilter) -> (Sql, Vec<Value<'_>>) {
    let mut conditions = Vec::new();
    let mut values = Vec::new();
    if let Some(subject) = &filter.subject {
        values.push(subject.value());
        conditions.push(format!("subject = ${}", values.len()));
    }
    if let Some(before) = &filter.before {
        values.push(before.value());
        conditions.push(format!("id < ${}", values.len()));
    }
    if let Some(action) = &filter.action {
        values.push(action.value());
        let place = values.len();
        conditions.push(format!("substr(action, 1, length(${place})) = ${place}"));
    }
    values.push(filter.limit.value());
    let filtered = if conditions.is_empty() { "" } else { " WHERE " };
    let (conditions, place) = (conditions.join(" AND "), values.len());
    let sql = format!(
        "SELECT id, at, via, actor, action, subject, detail FROM audit{filtered}{conditions} ORDER BY id DESC LIMIT ${place}"
    );
    (Sql::built(sql), values)
}

impl Write for AuditEntry {
    type Answer = ();

    fn apply(&self, db: &Db) -> Result<(), StoreError> {
        let insert = sql!(
            "INSERT INTO audit (at, via, actor, action, subject, detail) VALUES ($1, $2, $3, $4, $5, $6)"
        );
        let Self { id: _, at, via, actor, action, subject, detail } = self;
        db.execute(insert, &args![at, via, actor, action, subject, detail])?;
        let oldest = self.at - KEPT;
        db.execute(sql!("DELETE FROM audit WHERE at < $1"), &args![oldest]).map(drop)
    }
}

fn read(row: &Row<'_>) -> Result<AuditEntry, StoreError> {
    Ok(AuditEntry {
        id: row.get("id")?,
        at: row.get("at")?,
        via: row.get("via")?,
        actor: row.get("actor")?,
        action: row.get("action")?,
        subject: row.get("subject")?,
        detail: row.get("detail")?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::MasterKey;

    #[test]
    fn a_subject_is_found_along_its_index() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("filmgate.db");
        drop(Store::open(&path, &MasterKey::generate()).unwrap());
        let db = Db::reader(&path).unwrap();
        let plan = |filter: AuditFilter| db.plan(&filtered(&filter).0).join("; ");
        let subject = Some("tok_7".to_owned());
        let of_subject = plan(AuditFilter { subject: subject.clone(), ..AuditFilter::default() });
        assert_eq!(of_subject, "SEARCH audit USING INDEX audit_of (subject=?)");
        let action = Some("token.".to_owned());
        let earlier = plan(AuditFilter { subject, action, before: Some(9), limit: 20 });
        assert_eq!(earlier, "SEARCH audit USING INDEX audit_of (subject=? AND id<?)");
    }
}
