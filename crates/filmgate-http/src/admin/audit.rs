//! `/admin/v1/audit`: what operators did.

use axum::Json;
use axum::extract::State;
use filmgate_store::{AuditEntry, AuditFilter, StoreError};
use serde::Deserialize;
use serde_json::{Value, json};

use super::{AdminError, page_size};
use crate::App;
use crate::auth::Operator;
use crate::extract::Params;

#[derive(Deserialize)]
pub(crate) struct AuditQuery {
    action: Option<String>,
    subject: Option<String>,
    before: Option<i64>,
    limit: Option<u32>,
}

/// Entries, latest first, and whether there are more. An empty word filters nothing.
pub(crate) async fn page_of(app: &App, filter: AuditFilter) -> Result<(Vec<AuditEntry>, bool), StoreError> {
    let limit = filter.limit.clamp(1, 1000);
    let word = |word: Option<String>| word.map(|word| word.trim().to_owned()).filter(|word| !word.is_empty());
    let (action, subject) = (word(filter.action), word(filter.subject));
    let filter = AuditFilter { action, subject, before: filter.before, limit: limit + 1 };
    let mut entries = app.engine.store().audit(&filter).await?;
    let has_more = entries.len() > limit as usize;
    entries.truncate(limit as usize);
    Ok((entries, has_more))
}

pub(crate) async fn list(
    State(app): State<App>,
    _: Operator,
    Params(query): Params<AuditQuery>,
) -> Result<Json<Value>, AdminError> {
    let AuditQuery { action, subject, before, limit } = query;
    let limit = page_size(limit, 50, 1000)?;
    let filter = AuditFilter { action, subject, before, limit };
    let (entries, has_more) = page_of(&app, filter).await?;
    let entries: Vec<Value> = entries
        .iter()
        .map(|AuditEntry { id, at, via, actor, action, subject, detail }| {
            json!({
                "id": id, "at": at, "via": via, "actor": actor, "action": action, "subject": subject,
                "detail": detail,
            })
        })
        .collect();
    Ok(Json(json!({ "entries": entries, "has_more": has_more })))
}
