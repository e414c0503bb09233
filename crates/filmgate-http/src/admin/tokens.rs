//! `/admin/v1/tokens`: see, add, switch, excuse, remove. A token's text is shown by its first characters only,
//! save in an export that asks for more.

use axum::Json;
use axum::extract::State;
use filmgate_domain::{Standing, TokenId, TokenInfo};
use filmgate_engine::{Changed, Deed, TokenFilter, TokenQuery, TokenView};
use futures_util::future::join_all;
use http::StatusCode;
use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::intake::{self, Fate, Intake};
use super::{AdminError, id, id_in, page_size};
use crate::App;
use crate::auth::{By, Operator, read_only};
use crate::extract::{Body, Name, Params};
use crate::fields::Fields;
use crate::refusal::Refusal;

type Answer = Result<Json<Value>, AdminError>;

#[derive(Deserialize)]
pub(crate) struct ListQuery {
    pool: Option<String>,
    status: Option<String>,
    after: Option<String>,
    limit: Option<u32>,
}

/// The tokens in the order of their ids, filtered and in pages.
pub(crate) async fn list(State(app): State<App>, _: Operator, Params(query): Params<ListQuery>) -> Answer {
    let after = query.after.as_deref().map(|text| id_in::<TokenId>("after", text, "tok_7")).transpose()?;
    let standings =
        query.status.as_deref().map(|word| standings(word, "status")).transpose()?.unwrap_or_default();
    let filter = TokenFilter { pool: query.pool.unwrap_or_default(), standings, ..TokenFilter::default() };
    let take = page_size(query.limit, 1000, 10_000)? as usize;
    let page = app.engine.token_page(&TokenQuery { filter, after, take, ..TokenQuery::default() });
    let has_more = page.matching > take;
    Ok(Json(json!({ "tokens": page.tokens.iter().map(render).collect::<Vec<_>>(), "has_more": has_more })))
}

/// What a word of a filter stands for; `field` is where it was said.
fn standings(word: &str, field: &str) -> Result<Vec<Standing>, Refusal> {
    Standing::under(word).map(<[Standing]>::to_vec).ok_or_else(|| {
        let known: Vec<&str> = Standing::ALL.iter().map(|standing| standing.as_str()).collect();
        Refusal::invalid(field, format!("`{field}` is none of active, {}", known.join(", ")))
    })
}

pub(crate) async fn show(State(app): State<App>, _: Operator, Name(text): Name) -> Answer {
    Ok(Json(render(&find(&app, &text)?)))
}

fn find(app: &App, text: &str) -> Result<TokenView, Refusal> {
    let wanted: TokenId = id(text, "tok_7")?;
    let message = format!("there is no token {wanted}");
    app.engine.token(wanted).ok_or_else(|| Refusal::new(StatusCode::NOT_FOUND, "not_found", message))
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
pub(crate) fn details(info: &TokenInfo) -> Map<String, Value> {
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
    operator: Operator,
    Params(query): Params<ImportQuery>,
    Body(body): Body,
) -> Answer {
    let text = str::from_utf8(&body).map_err(|error| {
        let line = body[..error.valid_up_to()].iter().filter(|byte| **byte == b'\n').count() + 1;
        Refusal::invalid("body", format!("line {line} is not UTF-8; nothing was added"))
    })?;
    let intake = Intake::read(&app, text, query.pool.as_deref());
    if !query.dry_run {
        return Ok(Json(intake.apply(&app, operator.by()).await?.json()));
    }
    let fates = intake.fates(&app).await?;
    let would_add = fates.iter().filter(|fate| matches!(fate, Fate::New | Fate::Back(_))).count();
    Ok(Json(json!({
        "would_add_or_find": fates.len(), "would_add": would_add, "would_find": fates.len() - would_add,
        "refused": intake::refused(&intake.refused),
    })))
}

#[derive(Deserialize)]
pub(crate) struct ExportQuery {
    #[serde(default)]
    secrets: bool,
}

/// All tokens in the original's form; with `secrets=true` such that they can be imported elsewhere.
pub(crate) async fn export(
    State(app): State<App>,
    operator: Operator,
    Params(query): Params<ExportQuery>,
) -> Answer {
    if query.secrets && !operator.sees_secrets() {
        return Err(read_only().into());
    }
    Ok(Json(intake::export(&app, operator.by(), query.secrets).await))
}

// ---- what is done to tokens ----

/// Does something with many tokens, and notes it.
pub(crate) async fn change(app: &App, by: By, ids: &[TokenId], deed: Deed) -> Result<Changed, Refusal> {
    /// So many are noted one by one, such that each token's own list has it.
    const EACH: usize = 100;
    let changed = app.engine.change_tokens(ids, deed).await?;
    let action = format!("token.{}", deed.as_str());
    if changed.done.len() <= EACH {
        let subjects: Vec<String> = changed.done.iter().map(TokenId::to_string).collect();
        join_all(subjects.iter().map(|id| app.audit(by, &action, id, String::new()))).await;
    } else {
        let (first, last) = (changed.done.first(), changed.done.last());
        let range = first.zip(last).map(|(first, last)| format!(", {first} to {last}")).unwrap_or_default();
        let detail = format!("{} tokens{range}", changed.done.len());
        app.audit(by, &action, "tokens", detail).await;
    }
    Ok(changed)
}

/// Does something with one token.
pub(crate) async fn change_one(app: &App, by: By, id: TokenId, deed: Deed) -> Result<(), Refusal> {
    let changed = change(app, by, &[id], deed).await?;
    if changed.done.is_empty() { Err(filmgate_engine::OperatorError::NoSuchToken(id).into()) } else { Ok(()) }
}

/// Takes back the last refusal that was counted against a token.
pub(crate) async fn take_back(app: &App, by: By, id: TokenId) -> Result<(), Refusal> {
    let reason = app.engine.token(id).and_then(|view| view.info.last_fail_reason);
    app.engine.forgive_token(id).await?;
    app.audit(by, "token.forgive", &id.to_string(), reason.map(String::from).unwrap_or_default()).await;
    Ok(())
}

/// Replaces the operator's words on a token.
pub(crate) async fn label(
    app: &App,
    by: By,
    id: TokenId,
    tags: Vec<String>,
    note: String,
) -> Result<(), Refusal> {
    // Not the note itself: people write passwords into such.
    let noted = if note.is_empty() { "none" } else { "there is one" };
    let detail = format!("tags: {}; note: {noted}", tags.join(", "));
    app.engine.label_token(id, tags, note).await?;
    app.audit(by, "token.edit", &id.to_string(), detail).await;
    Ok(())
}

async fn switch(app: &App, operator: Operator, text: &str, deed: Deed) -> Answer {
    change_one(app, operator.by(), id(text, "tok_7")?, deed).await?;
    Ok(Json(render(&find(app, text)?)))
}

pub(crate) async fn enable(State(app): State<App>, operator: Operator, Name(text): Name) -> Answer {
    switch(&app, operator, &text, Deed::Enable).await
}

pub(crate) async fn disable(State(app): State<App>, operator: Operator, Name(text): Name) -> Answer {
    switch(&app, operator, &text, Deed::Disable).await
}

pub(crate) async fn reset(State(app): State<App>, operator: Operator, Name(text): Name) -> Answer {
    switch(&app, operator, &text, Deed::Reset).await
}

pub(crate) async fn forgive(State(app): State<App>, operator: Operator, Name(text): Name) -> Answer {
    take_back(&app, operator.by(), id(&text, "tok_7")?).await?;
    Ok(Json(render(&find(&app, &text)?)))
}

pub(crate) async fn remove(State(app): State<App>, operator: Operator, Name(text): Name) -> Answer {
    let token: TokenId = id(&text, "tok_7")?;
    change_one(&app, operator.by(), token, Deed::Remove).await?;
    Ok(Json(json!({ "id": token, "removed": true })))
}

/// Does the same with many tokens: those named, or those that match.
pub(crate) async fn bulk(State(app): State<App>, operator: Operator, Body(body): Body) -> Answer {
    let mut fields = Fields::from_json(&body)?;
    let action = fields.text("action")?.unwrap_or_default();
    let deed = Deed::ALL.into_iter().find(|deed| deed.as_str() == action);
    let deed = deed.ok_or_else(|| Refusal::invalid("action", "use enable, disable, reset or remove"))?;
    let (named, filter) = (fields.take("ids"), fields.object("filter")?);
    let ids = match (named, filter) {
        (Some(Value::Array(ids)), None) => ids.iter().enumerate().map(named_id).collect::<Result<_, _>>()?,
        (Some(other), None) => return Err(fields.wrong("ids", "an array", &other).into()),
        (None, Some(filter)) => app.engine.matching_tokens(&token_filter(filter)?),
        _ => return Err(Refusal::invalid("ids", "give either `ids` or a `filter`").into()),
    };
    fields.finish(&[])?;
    let Changed { done, unknown } = change(&app, operator.by(), &ids, deed).await?;
    Ok(Json(json!({ "action": deed.as_str(), "done": done.len(), "unknown": unknown })))
}

fn named_id((nth, value): (usize, &Value)) -> Result<TokenId, Refusal> {
    id_in(&format!("ids[{nth}]"), value.as_str().unwrap_or_default(), "tok_7")
}

/// What a filter says. One that is empty is that of every token.
fn token_filter(mut fields: Fields) -> Result<TokenFilter, Refusal> {
    let word = fields.text("status")?;
    let standings = word.map(|word| standings(&word, "filter.status")).transpose()?.unwrap_or_default();
    let mut text = |field| fields.text(field).map(Option::unwrap_or_default);
    let (pool, tag, text) = (text("pool")?, text("tag")?, text("text")?);
    fields.finish(&[])?;
    Ok(TokenFilter { pool, standings, tag, text })
}
