//! Adding: one token, or many from a text or a file.

use axum::extract::State;
use axum::response::{Html, IntoResponse as _, Redirect, Response};
use http::StatusCode;
use maud::{Markup, html};
use serde::Deserialize;

use crate::App;
use crate::admin::intake::Intake;
use crate::page::forms::Form;
use crate::page::layout::{self, Section};
use crate::page::look::Look;
use crate::page::parts::{self, Tone};
use crate::page::session::Visitor;
use crate::refusal::Refusal;

use super::import;

/// How long a note may be, and a tag, in characters; and how many tags there may be.
const LONGEST_NOTE: usize = 2_000;
const LONGEST_TAG: usize = 60;
const MOST_TAGS: usize = 30;

#[derive(Deserialize)]
pub(super) struct NewToken {
    #[serde(default)]
    pool: String,
    #[serde(default)]
    token: String,
    #[serde(default)]
    tags: String,
    #[serde(default)]
    note: String,
}

pub(super) async fn page(State(app): State<App>, visitor: Visitor) -> Html<String> {
    render(&app, visitor, None)
}

/// The page again, with what went wrong.
pub(super) fn refused(app: &App, visitor: Visitor, status: StatusCode, why: &str) -> Response {
    (status, render(app, visitor, Some(why))).into_response()
}

fn render(app: &App, visitor: Visitor, problem: Option<&str>) -> Html<String> {
    let look = visitor.look;
    let settings = app.engine.settings();
    let pools = settings.catalog.pools().iter().map(|pool| (pool.name.to_string(), pool.name.to_string()));
    let pools: Vec<(String, String)> = pools.collect();
    let body = html! {
        @if let Some(problem) = problem { (parts::note(Tone::Bad, problem)) }
        div.cards { (one_form(&pools, look)) (many_form(&pools, look)) }
    };
    layout::page(&visitor, Section::Tokens, &look.t("tokens-add"), &body)
}

fn one_form(pools: &[(String, String)], look: Look) -> Markup {
    html! {
        section.card {
            h2 { (look.t("tokens-one")) }
            form.stack method="post" action="/admin/tokens/add" {
                (parts::select("pool", &look.t("tokens-pool"), pools, ""))
                label.wide { span { (look.t("tokens-text")) }
                    input type="password" name="token" autocomplete="off" required spellcheck="false";
                }
                label.wide { span { (look.t("tokens-tags")) }
                    input type="text" name="tags" placeholder=(look.t("tokens-tags-hint"));
                }
                label.wide { span { (look.t("tokens-note")) } input type="text" name="note" maxlength=(LONGEST_NOTE); }
                button.primary type="submit" { (look.t("tokens-add-one")) }
            }
        }
    }
}

fn many_form(pools: &[(String, String)], look: Look) -> Markup {
    html! {
        section.card {
            h2 { (look.t("tokens-many")) }
            p.hint { (look.t("tokens-many-hint")) }
            form.stack method="post" action="/admin/tokens/import" enctype="multipart/form-data" {
                (parts::select("pool", &look.t("tokens-lines-pool"), pools, ""))
                label.wide { span { (look.t("tokens-lines")) }
                    textarea name="text" rows="6" autocomplete="off" spellcheck="false" {}
                }
                label.wide { span { (look.t("tokens-file")) }
                    input type="file" name="file" accept=".json,.txt,text/plain,application/json";
                }
                button.primary type="submit" { (look.t("tokens-preview")) }
                p.hint { (look.t("tokens-preview-hint")) }
            }
        }
    }
}

pub(super) async fn add(State(app): State<App>, visitor: Visitor, Form(new): Form<NewToken>) -> Response {
    let look = visitor.look;
    let bad = |why: &str| refused(&app, visitor, StatusCode::BAD_REQUEST, why);
    let Some((tags, note)) = words(&new.tags, &new.note) else {
        return bad(&look.t("tokens-words-too-long"));
    };
    let intake = Intake::one(&app, &new.token, &new.pool, tags, note);
    if let Some((_, why)) = intake.refused.first() {
        return bad(&import::reason(why, look));
    }
    match intake.apply(&app, visitor.by()).await {
        Ok(taken) => match (taken.added.first(), taken.duplicates.first()) {
            (Some(new), _) => Redirect::to(&format!("/admin/tokens/{}?done=added", new.id)).into_response(),
            (None, Some(known)) => {
                let why = look.with("tokens-known", [("id", known.id.to_string().into())]);
                refused(&app, visitor, StatusCode::CONFLICT, &why)
            }
            (None, None) => bad(&look.t("tokens-none-added")),
        },
        Err(Refusal { status, message, .. }) => {
            let why = look.with("tokens-failed", [("why", message.into())]);
            refused(&app, visitor, status, &why)
        }
    }
}

/// The operator's words on a token: tags between commas, and a note. `None` when they are too long.
pub(super) fn words(tags: &str, note: &str) -> Option<(Vec<String>, String)> {
    let tags = tags.split([',', '，']).map(str::trim).filter(|tag| !tag.is_empty());
    let mut unique: Vec<String> = Vec::new();
    for tag in tags {
        if !unique.iter().any(|known| known == tag) {
            unique.push(tag.to_owned());
        }
    }
    let fits = unique.len() <= MOST_TAGS
        && unique.iter().all(|tag| tag.chars().count() <= LONGEST_TAG)
        && note.chars().count() <= LONGEST_NOTE;
    fits.then(|| (unique, note.trim().to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tags_stand_between_commas_once() {
        let (tags, note) = words(" eu, spare ,eu,，二号，", " mine ").unwrap();
        assert_eq!((tags, &*note), (vec!["eu".to_owned(), "spare".to_owned(), "二号".to_owned()], "mine"));
        assert_eq!(words("", ""), Some((Vec::new(), String::new())));
        assert_eq!(words(&"a".repeat(LONGEST_TAG + 1), ""), None);
        assert_eq!(words("", &"a".repeat(LONGEST_NOTE + 1)), None);
    }
}
