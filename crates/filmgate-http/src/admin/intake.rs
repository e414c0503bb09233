//! Tokens on their way in: read, looked at, taken; and on their way out.

use std::collections::HashSet;
use std::sync::Arc;

use filmgate_domain::{Pool, TokenId, TokenInfo};
use filmgate_store::{Added, Known};
use serde_json::{Map, Value, json};

use super::import::{self, Parsed, Unfit};
use super::tokens::details;
use crate::App;
use crate::auth::By;
use crate::refusal::Refusal;

/// Tokens that were read from a text, and may be taken in.
#[derive(Clone, Debug, Default)]
pub(crate) struct Intake {
    /// Those that can work in their pools, each with where it stood.
    pub(crate) tokens: Vec<(String, TokenInfo)>,
    /// What is no token, or has no place.
    pub(crate) refused: Vec<(String, Unfit)>,
}

/// What would become of a token.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fate {
    /// It would be added.
    New,
    /// It was removed before, and would come back.
    Back(TokenId),
    /// It is there already, and stays as it is.
    Known(TokenId),
    /// It stands in the text before.
    Twice,
}

/// What became of tokens.
#[derive(Debug, Default)]
pub(crate) struct Taken {
    pub(crate) added: Vec<Entry>,
    pub(crate) duplicates: Vec<Entry>,
    pub(crate) refused: Vec<(String, Unfit)>,
}

/// A token that is there now.
#[derive(Debug)]
pub(crate) struct Entry {
    place: String,
    pub(crate) id: TokenId,
    pool: String,
    token: String,
}

impl Intake {
    /// Reads a text. `pool` is for tokens that name none themselves.
    pub(crate) fn read(app: &App, text: &str, pool: Option<&str>) -> Self {
        let read = import::read(text, pool, app.engine.now());
        let mut intake = Self { tokens: Vec::new(), refused: read.refused };
        for (place, parsed) in read.tokens {
            intake.take(app, place, parsed);
        }
        intake
    }

    /// One token, with the operator's words on it.
    pub(crate) fn one(app: &App, token: &str, pool: &str, tags: Vec<String>, note: String) -> Self {
        let mut intake = Self::default();
        let place = "token".to_owned();
        match import::plain(token, pool, app.engine.now()) {
            Ok(mut parsed) => {
                (parsed.info.tags, parsed.info.note) = (tags, note);
                intake.take(app, place, parsed);
            }
            Err(why) => intake.refused.push((place, why)),
        }
        intake
    }

    fn take(&mut self, app: &App, place: String, Parsed { mut info, quota_left }: Parsed) {
        if let Err(why) = admissible(app, &info) {
            return self.refused.push((place, why));
        }
        let quota = pool_of(app, &info).and_then(|pool| pool.quota);
        if let Some((left, quota)) = quota_left.zip(quota) {
            // What is not left was spent before; it comes back within a window.
            info.opening = Some((app.engine.now(), quota.units.saturating_sub(left)));
        }
        self.tokens.push((place, info));
    }

    /// What would become of each token, in their order. Nothing is changed.
    pub(crate) async fn fates(&self, app: &App) -> Result<Vec<Fate>, Refusal> {
        let asked = self.tokens.iter().map(|(_, info)| (info.pool.clone(), info.token.clone()));
        let known = app.engine.store().known_tokens(asked.collect()).await?;
        let mut seen = HashSet::new();
        let fates = self.tokens.iter().zip(known).map(|((_, info), known)| {
            let is_first = seen.insert(info.token.expose());
            match known {
                Known::Present(id) => Fate::Known(id),
                Known::No | Known::Removed(_) if !is_first => Fate::Twice,
                Known::Removed(id) => Fate::Back(id),
                Known::No => Fate::New,
            }
        });
        Ok(fates.collect())
    }

    /// Adds the tokens, all of them or none. What has no place any more is refused like the rest.
    pub(crate) async fn apply(self, app: &App, by: By) -> Result<Taken, Refusal> {
        let mut taken = Taken { refused: self.refused, ..Taken::default() };
        let (mut places, mut tokens) = (Vec::new(), Vec::new());
        for (place, info) in self.tokens {
            match admissible(app, &info) {
                Ok(()) => {
                    places.push((place, info.pool.to_string(), info.token.to_string()));
                    tokens.push(info);
                }
                Err(why) => taken.refused.push((place, why)),
            }
        }
        let outcome = app.engine.add_tokens(tokens).await?;
        for ((place, pool, token), outcome) in places.into_iter().zip(outcome) {
            let (list, id) = match outcome {
                Added::New(id) | Added::Revived(id) => (&mut taken.added, id),
                Added::Duplicate(id) => (&mut taken.duplicates, id),
            };
            list.push(Entry { place, id, pool, token });
        }
        taken.note(app, by).await;
        Ok(taken)
    }
}

impl Taken {
    async fn note(&self, app: &App, by: By) {
        let Self { added, duplicates, refused } = self;
        if let ([one], [], []) = (&added[..], &duplicates[..], &refused[..]) {
            return app.audit(by, "token.add", &one.id.to_string(), format!("into {}", one.pool)).await;
        }
        let ids = match (added.first(), added.last()) {
            (Some(first), Some(last)) => format!(" ({} to {})", first.id, last.id),
            _ => String::new(),
        };
        let (known, refused) = (duplicates.len(), refused.len());
        let detail = format!("{} added{ids}, {known} there already, {refused} refused", added.len());
        app.audit(by, "token.import", "tokens", detail).await;
    }

    pub(crate) fn json(&self) -> Value {
        let entries = |list: &[Entry]| -> Vec<Value> { list.iter().map(Entry::json).collect() };
        json!({
            "added": entries(&self.added), "duplicates": entries(&self.duplicates),
            "refused": refused(&self.refused),
        })
    }
}

impl Entry {
    fn json(&self) -> Value {
        json!({ "place": self.place, "id": self.id, "pool": self.pool, "token": self.token })
    }
}

pub(crate) fn refused(refused: &[(String, Unfit)]) -> Vec<Value> {
    refused.iter().map(|(place, why)| json!({ "place": place, "reason": why.to_string() })).collect()
}

/// Whether a token can work in its pool.
fn admissible(app: &App, info: &TokenInfo) -> Result<(), Unfit> {
    let Some(pool) = pool_of(app, info) else {
        let settings = app.engine.settings();
        let known: Vec<&str> = settings.catalog.pools().iter().map(|pool| &*pool.name).collect();
        return Err(Unfit::NoSuchPool(format!(
            "{:?}; there is {}",
            import::short(&info.pool),
            known.join(", ")
        )));
    };
    if app.configuration.is_official_xai(&pool.upstream) && !info.token.expose().starts_with("xai-") {
        return Err(Unfit::SessionCookie(pool.name.to_string()));
    }
    Ok(())
}

fn pool_of(app: &App, info: &TokenInfo) -> Option<Arc<Pool>> {
    let settings = app.engine.settings();
    let index = settings.catalog.pool_index(&info.pool)?;
    settings.catalog.pools().get(index).cloned()
}

/// All tokens by pool, in the original's form; with `secrets` such that they can be imported elsewhere.
pub(crate) async fn export(app: &App, by: By, secrets: bool) -> Value {
    if secrets {
        tracing::warn!("tokens exported with their secrets");
    }
    let mut pools: Map<String, Value> = Map::new();
    let views = app.engine.tokens();
    for view in &views {
        let mut token = details(&view.info);
        let text = if secrets { view.info.token.expose().to_owned() } else { view.info.token.to_string() };
        token.insert("token".to_owned(), Value::String(text));
        let pool = pools.entry(view.info.pool.to_string()).or_insert_with(|| Value::Array(Vec::new()));
        if let Value::Array(list) = pool {
            list.push(Value::Object(token));
        }
    }
    let with = if secrets { "with their secrets" } else { "shortened" };
    app.audit(by, "token.export", "tokens", format!("{} tokens, {with}", views.len())).await;
    Value::Object(pools)
}
