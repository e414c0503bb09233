//! `/admin/v1/config/preview`: past videos routed again under a draft of the configuration.

use axum::Json;
use axum::extract::State;
use filmgate_domain::{Fate, Job};
use filmgate_store::JobFilter;
use serde_json::{Value, json};

use super::AdminError;
use super::config::{self, ConfigProblem, Draft};
use crate::App;
use crate::auth::Operator;
use crate::dialect::openai;
use crate::extract::Body;
use crate::fields::Fields;
use crate::refusal::Refusal;

/// How many videos are routed again, unless somebody says otherwise.
pub(crate) const USUAL: u32 = 200;
/// And at most.
pub(crate) const MOST: u32 = 1000;

/// What a draft would change.
pub(crate) struct Preview {
    pub(crate) draft: Draft,
    /// How many videos were routed again.
    pub(crate) videos: usize,
    /// Where they go, before and under the draft, and how many; most of all first.
    pub(crate) moves: Vec<Move>,
    /// The videos that go another way, newest first.
    pub(crate) changed: Vec<(Job, Fate, Fate)>,
}

/// Videos that go the same way, before and under the draft.
pub(crate) struct Move {
    pub(crate) before: Fate,
    pub(crate) after: Fate,
    pub(crate) videos: usize,
}

/// Why there is no preview.
pub(crate) enum NoPreview {
    /// The draft is not valid.
    Draft(ConfigProblem),
    /// The videos cannot be read.
    Refused(Refusal),
}

/// Routes the last videos again, under the configuration in use and under one with these values; as if the pools
/// named by `short` had no token.
pub(crate) async fn preview(
    app: &App,
    values: &[(String, String)],
    last: u32,
    short: Vec<String>,
) -> Result<Preview, NoPreview> {
    let draft = app.configuration.draft(values).map_err(NoPreview::Draft)?;
    let filter = JobFilter { limit: last.clamp(1, MOST), deleted: true, ..JobFilter::default() };
    let jobs = app.engine.store().jobs(&filter).await.map_err(|error| NoPreview::Refused(error.into()))?;
    let (engine, policy) = (app.engine.clone(), draft.policy.clone());
    let routed = tokio::task::spawn_blocking(move || {
        let mut jobs = jobs;
        jobs.reverse();
        let short: Vec<&str> = short.iter().map(String::as_str).collect();
        let fates = engine.routed_again(&jobs, [&engine.policy(), &policy], &short);
        (jobs, fates)
    });
    let (jobs, [before, after]) = routed.await.map_err(|error| {
        tracing::error!(%error, "past videos could not be routed again");
        NoPreview::Refused(Refusal::storage())
    })?;
    let videos = jobs.len();
    let mut moves: Vec<Move> = Vec::new();
    let mut changed = Vec::new();
    for (job, (before, after)) in jobs.into_iter().zip(before.into_iter().zip(after)).rev() {
        let is_same = |known: &&mut Move| same_way(&known.before, &before) && same_way(&known.after, &after);
        match moves.iter_mut().find(is_same) {
            Some(known) => known.videos += 1,
            None => moves.push(Move { before: before.clone(), after: after.clone(), videos: 1 }),
        }
        if before != after {
            changed.push((job, before, after));
        }
    }
    moves.sort_by_key(|kind| std::cmp::Reverse(kind.videos));
    Ok(Preview { draft, videos, moves, changed })
}

/// Whether two videos go the same way: to the same pool by the same route, whatever their forms.
fn same_way(a: &Fate, b: &Fate) -> bool {
    match (a, b) {
        (Fate::Made { pool, route, .. }, Fate::Made { pool: other, route: other_route, .. }) => {
            pool == other && route == other_route
        }
        (a, b) => a == b,
    }
}

/// `{"set": {…}, "last": 200, "short": ["ssoSuper"]}`
pub(crate) async fn show(
    State(app): State<App>,
    _: Operator,
    Body(body): Body,
) -> Result<Json<Value>, AdminError> {
    let mut fields = Fields::from_json(&body)?;
    let values = config::set(&mut fields)?;
    let wrong = || Refusal::invalid("last", format!("`last` must be a whole number from 1 to {MOST}"));
    let last = match fields.take("last") {
        None => USUAL,
        Some(number) => {
            let last = number.as_u64().and_then(|number| u32::try_from(number).ok());
            last.filter(|last| (1..=MOST).contains(last)).ok_or_else(wrong)?
        }
    };
    let short = match fields.take("short") {
        None => Vec::new(),
        Some(list) => serde_json::from_value(list)
            .map_err(|_| Refusal::invalid("short", "`short` must be a list of names of pools"))?,
    };
    fields.finish(&[])?;
    let Preview { draft, videos, moves, changed } =
        preview(&app, &values, last, short).await.map_err(|reason| match reason {
            NoPreview::Draft(problem) => config::not_changed(problem, &values),
            NoPreview::Refused(refusal) => refusal,
        })?;
    let moves = moves.iter().map(|Move { before, after, videos }| {
        json!({ "before": render(before), "after": render(after), "videos": videos })
    });
    let jobs = changed.iter().map(|(job, before, after)| {
        json!({ "id": openai::spell(job.id), "before": render(before), "after": render(after) })
    });
    Ok(Json(json!({
        "changes": draft.changes, "warnings": draft.warnings, "videos": videos,
        "moves": moves.collect::<Vec<_>>(), "changed": jobs.collect::<Vec<_>>(),
    })))
}

fn render(fate: &Fate) -> Value {
    match fate {
        Fate::Made { pool, route, sent } => {
            json!({ "outcome": "made", "pool": pool, "route": route, "sent": sent })
        }
        Fate::NoToken => json!({ "outcome": "no_token" }),
        Fate::Undeliverable => json!({ "outcome": "undeliverable" }),
        Fate::NoModel => json!({ "outcome": "no_model" }),
    }
}
