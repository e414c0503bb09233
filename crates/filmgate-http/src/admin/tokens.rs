//! `/admin/v1/tokens`: see, add, switch, remove. A token's text is shown by its first characters only,
//! save in an export that asks for more.

use axum::Json;
use axum::extract::State;
use filmgate_domain::{TokenId, TokenInfo};
use filmgate_engine::TokenView;
use filmgate_store::Added;
use http::StatusCode;
use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::import::{self, Parsed};
use super::{AdminError, id};
use crate::App;
use crate::auth::Operator;
use crate::extract::{Body, Name, Params};
use crate::refusal::Refusal;

type Answer = Result<Json<Value>, AdminError>;

#[derive(Deserialize)]
pub(crate) struct ListQuery {
    pool: Option<String>,
    status: Option<String>,
    after: Option<String>,
    limit: Option<usize>,
}

/// The tokens in the order of their ids, filtered and in pages.
pub(crate) async fn list(State(app): State<App>, _: Operator, Params(query): Params<ListQuery>) -> Answer {
    let after = query.after.as_deref().map(|text| id::<TokenId>(text, "tok_7")).transpose()?;
    let limit = query.limit.unwrap_or(1000).clamp(1, 10_000);
    let matching = app.engine.tokens().into_iter().filter(|view| {
        query.pool.as_deref().is_none_or(|pool| *view.info.pool == *pool)
            && query.status.as_deref().is_none_or(|status| view.info.status.as_str() == status)
            && after.is_none_or(|after| view.info.id > after)
    });
    let mut page: Vec<TokenView> = matching.take(limit + 1).collect();
    let has_more = page.len() > limit;
    page.truncate(limit);
    Ok(Json(json!({ "tokens": page.iter().map(render).collect::<Vec<_>>(), "has_more": has_more })))
}

pub(crate) async fn show(State(app): State<App>, _: Operator, Name(text): Name) -> Answer {
    Ok(Json(render(&find(&app, &text)?)))
}

fn find(app: &App, text: &str) -> Result<TokenView, Refusal> {
    let wanted: TokenId = id(text, "tok_7")?;
    let found = app.engine.tokens().into_iter().find(|view| view.info.id == wanted);
    let message = format!("there is no token {wanted}");
    found.ok_or_else(|| Refusal::new(StatusCode::NOT_FOUND, "not_found", message))
}

fn render(view: &TokenView) -> Value {
    let mut token = details(&view.info);
    token.insert("id".to_owned(), json!(view.info.id));
    token.insert("pool".to_owned(), json!(view.info.pool));
    token.insert("token".to_owned(), json!(view.info.token.to_string()));
    token.insert("cooling_until".to_owned(), json!(view.info.cooling_until));
    token.insert("spent".to_owned(), json!(view.spent));
    token.insert("reserved".to_owned(), json!(view.reserved));
    token.insert("in_flight".to_owned(), json!(view.in_flight));
    Value::Object(token)
}

/// The fields of the original's TokenInfo, save the token itself.
fn details(info: &TokenInfo) -> Map<String, Value> {
    let details = json!({
        "status": info.status,
        "quota": info.quota,
        "created_at": info.created_at,
        "last_used_at": info.last_used_at,
        "use_count": info.use_count,
        "fail_count": info.fail_count,
        "last_fail_at": info.last_fail_at,
        "last_fail_reason": info.last_fail_reason,
        "last_sync_at": info.last_sync_at,
        "tags": info.tags,
        "note": info.note,
    });
    match details {
        Value::Object(map) => map,
        _ => Map::new(),
    }
}

#[derive(Deserialize)]
pub(crate) struct ImportQuery {
    pool: Option<String>,
    #[serde(default)]
    dry_run: bool,
}

/// Adds the tokens of a text. What is no token is reported; the others are added all the same.
pub(crate) async fn import(
    State(app): State<App>,
    _: Operator,
    Params(query): Params<ImportQuery>,
    Body(body): Body,
) -> Answer {
    let text = str::from_utf8(&body).map_err(|_| Refusal::invalid("body", "the text is not UTF-8"))?;
    let now = app.engine.now();
    let read = import::read(text, query.pool.as_deref(), now);
    let mut refused: Vec<Value> =
        read.refused.iter().map(|(place, why)| json!({ "place": place, "reason": why })).collect();
    let (mut places, mut tokens) = (Vec::new(), Vec::new());
    for (place, parsed) in read.tokens {
        match admissible(&app, parsed) {
            Ok(info) => {
                places.push(place);
                tokens.push(info);
            }
            Err(why) => refused.push(json!({ "place": place, "reason": why })),
        }
    }
    if query.dry_run {
        return Ok(Json(json!({ "would_add_or_find": tokens.len(), "refused": refused })));
    }
    let shown: Vec<(String, String)> =
        tokens.iter().map(|info| (info.pool.to_string(), info.token.to_string())).collect();
    let outcome = app.engine.add_tokens(tokens).await?;
    let (mut added, mut duplicates) = (Vec::new(), Vec::new());
    for ((place, (pool, token)), outcome) in places.into_iter().zip(shown).zip(outcome) {
        let entry = |id: TokenId| json!({ "place": place, "id": id, "pool": pool, "token": token });
        match outcome {
            Added::New(id) | Added::Revived(id) => added.push(entry(id)),
            Added::Duplicate(id) => duplicates.push(entry(id)),
        }
    }
    Ok(Json(json!({ "added": added, "duplicates": duplicates, "refused": refused })))
}

/// Whether a token can work in its pool; its opening balance, where the text says what is left.
fn admissible(app: &App, parsed: Parsed) -> Result<TokenInfo, String> {
    let Parsed { mut info, quota_left } = parsed;
    let settings = app.engine.settings();
    let pools = settings.catalog.pools();
    let Some(index) = settings.catalog.pool_index(&info.pool) else {
        let known: Vec<&str> = pools.iter().map(|pool| &*pool.name).collect();
        return Err(format!("there is no pool {:?}; there is {}", info.pool, known.join(", ")));
    };
    let pool = &pools[index];
    if app.configuration.is_official_xai(&pool.upstream) && !info.token.expose().starts_with("xai-") {
        return Err(format!(
            "pool {} belongs to the official xAI API, which takes API keys (xai-…), not session cookies of \
             another product; name a compatible server with --upstream URL",
            pool.name
        ));
    }
    if let Some((left, quota)) = quota_left.zip(pool.quota) {
        // What is not left was spent before; it comes back within a window.
        info.opening = Some((app.engine.now(), quota.units.saturating_sub(left)));
    }
    Ok(info)
}

#[derive(Deserialize)]
pub(crate) struct ExportQuery {
    #[serde(default)]
    secrets: bool,
}

/// All tokens in the original's form; with `secrets=true` such that they can be imported elsewhere.
pub(crate) async fn export(
    State(app): State<App>,
    _: Operator,
    Params(query): Params<ExportQuery>,
) -> Answer {
    if query.secrets {
        tracing::warn!("tokens exported with their secrets");
    }
    let mut pools: Map<String, Value> = Map::new();
    for view in app.engine.tokens() {
        let mut token = details(&view.info);
        let text =
            if query.secrets { view.info.token.expose().to_owned() } else { view.info.token.to_string() };
        token.insert("token".to_owned(), Value::String(text));
        let pool = pools.entry(view.info.pool.to_string()).or_insert_with(|| Value::Array(Vec::new()));
        if let Value::Array(list) = pool {
            list.push(Value::Object(token));
        }
    }
    Ok(Json(Value::Object(pools)))
}

pub(crate) async fn enable(State(app): State<App>, _: Operator, Name(text): Name) -> Answer {
    app.engine.enable_token(id(&text, "tok_7")?).await?;
    Ok(Json(render(&find(&app, &text)?)))
}

pub(crate) async fn disable(State(app): State<App>, _: Operator, Name(text): Name) -> Answer {
    app.engine.disable_token(id(&text, "tok_7")?).await?;
    Ok(Json(render(&find(&app, &text)?)))
}

pub(crate) async fn reset(State(app): State<App>, _: Operator, Name(text): Name) -> Answer {
    app.engine.reset_token(id(&text, "tok_7")?).await?;
    Ok(Json(render(&find(&app, &text)?)))
}

pub(crate) async fn remove(State(app): State<App>, _: Operator, Name(text): Name) -> Answer {
    let token: TokenId = id(&text, "tok_7")?;
    app.engine.remove_token(token).await?;
    Ok(Json(json!({ "id": token, "removed": true })))
}
