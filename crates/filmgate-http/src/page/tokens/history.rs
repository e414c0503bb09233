//! What a token was used for, what went wrong, and what operators did with it.

use std::time::Duration;

use filmgate_domain::{JobId, Outcome, Timestamp, TokenId};
use filmgate_store::{AuditEntry, AuditFilter, StoreError, TokenAttempt, TokenHistory};
use maud::{Markup, html};
use serde::Deserialize;

use crate::App;
use crate::dialect::openai;
use crate::page::look::Look;
use crate::page::parts::{self, Tone};

/// Attempts on a page.
const ATTEMPTS: u32 = 25;
/// The last errors, and how far back they are looked for: a long history is not gone through to its end.
const ERRORS: u32 = 5;
const ERRORS_SINCE: Duration = Duration::from_secs(30 * 24 * 3600);
const DEEDS: u32 = 20;

/// Which part of the history.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Asked {
    /// The last attempt of the page before: job and number.
    before: String,
}

impl Asked {
    fn before(&self) -> Option<(JobId, u32)> {
        let (job, n) = self.before.split_once('.')?;
        Some((job.parse().ok()?, n.parse().ok()?))
    }
}

/// Everything from the store; when that cannot be read, it says so, and the rest of the page stands.
pub(super) async fn sections(app: &App, token: TokenId, asked: &Asked, look: Look) -> Markup {
    match read(app, token, asked).await {
        Ok(found) => found.render(token, look, app.engine.now()),
        Err(error) => {
            tracing::error!(%error, %token, "the history of a token cannot be read");
            parts::note(Tone::Bad, &look.t("tokens-unreadable"))
        }
    }
}

struct Found {
    errors: Vec<TokenAttempt>,
    attempts: Vec<TokenAttempt>,
    has_more: bool,
    is_first: bool,
    deeds: Vec<AuditEntry>,
}

async fn read(app: &App, token: TokenId, asked: &Asked) -> Result<Found, StoreError> {
    let store = app.engine.store();
    let all =
        TokenHistory { token, before: asked.before(), since: None, only_errors: false, limit: ATTEMPTS + 1 };
    let since = Some(app.engine.now() - ERRORS_SINCE);
    let wrong = TokenHistory { token, before: None, since, only_errors: true, limit: ERRORS };
    let mut attempts = store.token_history(&all).await?;
    let has_more = attempts.len() > ATTEMPTS as usize;
    attempts.truncate(ATTEMPTS as usize);
    let (errors, deeds) = (store.token_history(&wrong).await?, deeds(app, token).await?);
    Ok(Found { errors, attempts, has_more, is_first: all.before.is_none(), deeds })
}

/// What was done with this token, and with so many at once that they were not noted one by one.
async fn deeds(app: &App, token: TokenId) -> Result<Vec<AuditEntry>, StoreError> {
    let about =
        |subject: String| AuditFilter { subject: Some(subject), limit: DEEDS, ..AuditFilter::default() };
    let store = app.engine.store();
    let mut deeds = store.audit(&about(token.to_string())).await?;
    let added_at = app.engine.token(token).map(|view| view.info.created_at);
    let many = store.audit(&about("tokens".to_owned())).await?.into_iter();
    let switches = |entry: &AuditEntry| !matches!(&*entry.action, "token.import" | "token.export");
    deeds.extend(many.filter(|entry| switches(entry) && added_at.is_some_and(|added| entry.at >= added)));
    deeds.sort_by_key(|entry| std::cmp::Reverse(entry.id));
    deeds.truncate(DEEDS as usize);
    Ok(deeds)
}

impl Found {
    fn render(&self, token: TokenId, look: Look, now: Timestamp) -> Markup {
        let errors = look.t("tokens-errors");
        html! {
            @if !self.errors.is_empty() {
                section.card {
                    h2 { (errors) }
                    p.hint { (look.t("tokens-errors-hint")) }
                    ul.plain { @for found in &self.errors { (error(found, now)) } }
                }
            }
            section.card #history { h2 { (look.t("tokens-history")) } (self.history(token, look, now)) }
            section.card { h2 { (look.t("tokens-audit")) } (self.audit(look, now)) }
        }
    }

    fn history(&self, token: TokenId, look: Look, now: Timestamp) -> Markup {
        let keys = [
            "tokens-when",
            "tokens-video",
            "tokens-outcome",
            "tokens-sent",
            "tokens-charged",
            "tokens-upstream-says",
        ];
        let table = html! {
            table.attempts {
                thead { tr { @for key in keys { th scope="col" { (look.t(key)) } } } }
                tbody { @for found in &self.attempts { (attempt(found, look, now)) } }
            }
        };
        let last = self.attempts.last().filter(|_| self.has_more);
        html! {
            @if self.attempts.is_empty() { p.hint { (look.t("tokens-history-none")) } }
            @else { (parts::table(&look.t("tokens-history"), &table)) }
            p.row {
                @if !self.is_first { a href={ "/admin/tokens/" (token) "#history" } { (look.t("tokens-newest")) } }
                @if let Some(TokenAttempt { job, attempt }) = last {
                    a href={ "/admin/tokens/" (token) "?before=" (job.simple()) "." (attempt.n) "#history" } {
                        (look.t("tokens-older"))
                    }
                }
            }
        }
    }

    fn audit(&self, look: Look, now: Timestamp) -> Markup {
        let table = html! {
            table {
                thead {
                    tr {
                        @for key in ["tokens-when", "tokens-what", "tokens-via", "tokens-detail"] {
                            th scope="col" { (look.t(key)) }
                        }
                    }
                }
                tbody {
                    @for entry in &self.deeds {
                        tr {
                            td { (parts::time(entry.at, now)) }
                            td { code { (entry.action) } }
                            td { (entry.via) }
                            td { (entry.detail) }
                        }
                    }
                }
            }
        };
        html! {
            @if self.deeds.is_empty() { p.hint { (look.t("tokens-audit-none")) } }
            @else { (parts::table(&look.t("tokens-audit"), &table)) }
        }
    }
}

fn video(job: JobId) -> Markup {
    let id = openai::spell(job);
    // The end of an id tells more than its beginning, which is the time.
    let short = &id[id.len().saturating_sub(8)..];
    html! { a.mono.whole href={ "/admin/videos/" (id) } title=(id) { "…" (short) } }
}

fn error(found: &TokenAttempt, now: Timestamp) -> Markup {
    let attempt = &found.attempt;
    html! {
        li {
            (parts::time(attempt.settled_at.unwrap_or(attempt.reserved_at), now)) " " (video(found.job)) " "
            code { (attempt.error.as_deref().unwrap_or_default()) }
        }
    }
}

fn attempt(TokenAttempt { job, attempt }: &TokenAttempt, look: Look, now: Timestamp) -> Markup {
    let charged = match (attempt.outcome.is_some(), attempt.charged) {
        (false, _) => look.t("tokens-units-reserved"),
        (true, true) => look.t("tokens-charged-yes"),
        (true, false) => look.t("tokens-charged-no"),
    };
    html! {
        tr {
            td { (parts::time(attempt.reserved_at, now)) }
            td { (video(*job)) @if attempt.n > 1 { " #" (attempt.n) } }
            td { (outcome(attempt.outcome, look)) }
            td { (attempt.sent) }
            td { (attempt.units) " " span.hint { (charged) } }
            td { @if let Some(error) = &attempt.error { code { (error) } } }
        }
    }
}

fn outcome(outcome: Option<Outcome>, look: Look) -> Markup {
    let tone = match outcome {
        Some(Outcome::Done) => Tone::Good,
        Some(Outcome::Refused | Outcome::Failed) => Tone::Bad,
        Some(Outcome::Moderated | Outcome::Unknown | Outcome::TimedOut) => Tone::Warn,
        Some(Outcome::Cancelled | Outcome::Unsent) | None => Tone::Plain,
    };
    let word = outcome.map_or("open", Outcome::as_str);
    parts::badge(tone, &look.t(&format!("tokens-outcome-{word}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_in_the_history_reads_back() {
        let job = JobId::from_bytes([7; 16]);
        let before = |text: &str| Asked { before: text.to_owned() }.before();
        assert_eq!(before(&format!("{}.3", job.simple())), Some((job, 3)));
        for nonsense in ["", "7", "7.1", "x.y", &job.simple()] {
            assert_eq!(before(nonsense), None, "{nonsense}");
        }
    }
}
