//! Many tokens at once: read, looked at, taken in.

use axum::Extension;
use axum::extract::{FromRequest as _, Path, Request, State};
use axum::response::{IntoResponse as _, Redirect, Response};
use bytes::Bytes;
use http::{HeaderMap, StatusCode};
use maud::{Markup, html};
use serde::Deserialize;

use crate::App;
use crate::admin::import::Unfit;
use crate::admin::intake::{Fate, Intake};
use crate::extract::Body;
use crate::form;
use crate::page::layout::{self, Section};
use crate::page::look::Look;
use crate::page::parts::{self, Tone};
use crate::page::session::Visitor;
use crate::refusal::Refusal;

use super::adding;
use super::bulk::gone;
use super::drafts::{Drafts, Plan};

/// How many tokens of a kind are shown one by one, and how many refusals.
const SHOWN: usize = 20;
const SHOWN_REFUSALS: usize = 200;

/// What was pasted or uploaded.
#[derive(Default, Deserialize)]
#[serde(default)]
struct Pasted {
    pool: String,
    text: String,
}

pub(super) async fn read(
    State(app): State<App>,
    visitor: Visitor,
    Extension(drafts): Extension<Drafts>,
    request: Request,
) -> Response {
    let look = visitor.look;
    let headers = request.headers().clone();
    let Ok(Body(body)) = Body::from_request(request, &app).await else {
        return adding::refused(&app, visitor, StatusCode::PAYLOAD_TOO_LARGE, &look.t("tokens-too-large"));
    };
    let bad = |why: &str| adding::refused(&app, visitor, StatusCode::BAD_REQUEST, why);
    let Pasted { pool, text } = match pasted(&headers, &body).await {
        Ok(Some(pasted)) => pasted,
        Ok(None) => return bad(&look.t("tokens-not-text")),
        Err(Refusal { message, .. }) => return bad(&look.with("tokens-failed", [("why", message.into())])),
    };
    if text.trim().is_empty() {
        return bad(&look.t("tokens-nothing-pasted"));
    }
    let intake = Intake::read(&app, &text, Some(&pool).filter(|pool| !pool.is_empty()).map(|pool| &**pool));
    match drafts.keep(&app, &visitor, Plan::Take(intake)) {
        Ok(name) => Redirect::to(&format!("/admin/tokens/import/{name}")).into_response(),
        Err(error) => {
            tracing::error!(%error, "no randomness for the name of a draft");
            StatusCode::SERVICE_UNAVAILABLE.into_response()
        }
    }
}

/// Reads the form. A file goes before the text beside it; `None` when it is not UTF-8.
async fn pasted(headers: &HeaderMap, body: &Bytes) -> Result<Option<Pasted>, Refusal> {
    let kind =
        headers.get(http::header::CONTENT_TYPE).and_then(|kind| kind.to_str().ok()).unwrap_or_default();
    if !kind.starts_with("multipart/form-data") {
        return Ok(serde_html_form::from_bytes(body).ok());
    }
    let form::Form { texts, files } = form::read(headers, body).await?;
    let text = |name: &str| texts.get(name).and_then(|text| text.as_str()).unwrap_or_default().to_owned();
    let file = files.iter().find(|(name, bytes)| name == "file" && !bytes.is_empty());
    let text = match file {
        Some((_, bytes)) => match str::from_utf8(bytes) {
            Ok(text) => text.to_owned(),
            Err(_) => return Ok(None),
        },
        None => text("text"),
    };
    let pool = texts.get("pool").and_then(|pool| pool.as_str()).unwrap_or_default().to_owned();
    Ok(Some(Pasted { pool, text }))
}

pub(super) async fn preview(
    State(app): State<App>,
    visitor: Visitor,
    Extension(drafts): Extension<Drafts>,
    Path(name): Path<String>,
) -> Response {
    let plan = drafts.get(&name, &visitor, app.engine.now());
    let Some(Plan::Take(intake)) = plan.as_deref() else { return gone(visitor) };
    match intake.fates(&app).await {
        Ok(fates) => {
            let body = body(&name, intake, &fates, visitor.look);
            layout::page(&visitor, Section::Tokens, &visitor.look.t("tokens-preview"), &body).into_response()
        }
        Err(refusal) => failed(&app, visitor, refusal),
    }
}

fn failed(app: &App, visitor: Visitor, Refusal { status, message, .. }: Refusal) -> Response {
    let why = visitor.look.with("tokens-failed", [("why", message.into())]);
    adding::refused(app, visitor, status, &why)
}

fn body(name: &str, intake: &Intake, fates: &[Fate], look: Look) -> Markup {
    let count = |wanted: fn(&Fate) -> bool| fates.iter().filter(|fate| wanted(fate)).count() as u64;
    let new = count(|fate| matches!(fate, Fate::New));
    let back = count(|fate| matches!(fate, Fate::Back(_)));
    let known = count(|fate| matches!(fate, Fate::Known(_)));
    let twice = count(|fate| matches!(fate, Fate::Twice));
    let refused = intake.refused.len() as u64;
    let figures = [
        ("tokens-fate-new", new),
        ("tokens-fate-back", back),
        ("tokens-fate-known", known),
        ("tokens-fate-twice", twice),
        ("tokens-fate-refused", refused),
    ];
    let would_add = new + back;
    html! {
        div.card {
            div.figures {
                @for (key, figure) in figures {
                    div { p.figure { (parts::number(figure)) } p.hint { (look.t(key)) } }
                }
            }
            form.row.deeds method="post" action={ "/admin/tokens/import/" (name) } {
                @if would_add > 0 {
                    button.primary type="submit" {
                        (look.with("tokens-import", [("n", parts::number(would_add).into())]))
                    }
                }
                a href="/admin/tokens/add" { (look.t("tokens-cancel")) }
            }
            @if would_add == 0 { p { (look.t("tokens-nothing-new")) } }
            p.hint { (look.t("tokens-draft-kept")) }
        }
        @if refused > 0 { (refusals(&intake.refused, look)) }
        @if !fates.is_empty() { (tokens(intake, fates, look)) }
    }
}

fn refusals(refused: &[(String, Unfit)], look: Look) -> Markup {
    let table = html! {
        table {
            thead { tr { th scope="col" { (look.t("tokens-place")) } th scope="col" { (look.t("tokens-reason")) } } }
            tbody {
                @for (place, why) in refused.iter().take(SHOWN_REFUSALS) {
                    tr { td { (self::place(place, look)) } td { (reason(why, look)) } }
                }
            }
        }
    };
    html! {
        section.card {
            h2 { (look.t("tokens-fate-refused")) }
            (parts::table(&look.t("tokens-fate-refused"), &table))
            (more(refused.len(), SHOWN_REFUSALS, look))
        }
    }
}

fn tokens(intake: &Intake, fates: &[Fate], look: Look) -> Markup {
    let table = html! {
        table {
            thead {
                tr {
                    @for key in ["tokens-place", "tokens-beginning", "tokens-pool", "tokens-fate"] {
                        th scope="col" { (look.t(key)) }
                    }
                }
            }
            tbody {
                @for ((place, info), fate) in intake.tokens.iter().zip(fates).take(SHOWN) {
                    tr {
                        td { (self::place(place, look)) }
                        td { code { (info.token) } }
                        td { (info.pool) }
                        td { (self::fate(*fate, look)) }
                    }
                }
            }
        }
    };
    html! {
        section.card {
            h2 { (look.t("nav-tokens")) }
            (parts::table(&look.t("nav-tokens"), &table))
            (more(fates.len(), SHOWN, look))
        }
    }
}

fn fate(fate: Fate, look: Look) -> Markup {
    let (tone, key, id) = match fate {
        Fate::New => (Tone::Good, "tokens-fate-new", None),
        Fate::Back(id) => (Tone::Good, "tokens-fate-back", Some(id)),
        Fate::Known(id) => (Tone::Plain, "tokens-fate-known", Some(id)),
        Fate::Twice => (Tone::Plain, "tokens-fate-twice", None),
    };
    html! {
        (parts::badge(tone, &look.t(key)))
        @if let Some(id) = id {
            @if matches!(fate, Fate::Known(_)) { " " a href={ "/admin/tokens/" (id) } { (id) } } @else { " " (id) }
        }
    }
}

fn more(all: usize, shown: usize, look: Look) -> Markup {
    let rest = all.saturating_sub(shown) as u64;
    html! { @if rest > 0 { p.hint { (look.with("tokens-more", [("n", parts::number(rest).into())])) } } }
}

/// Where something stood, in the reader's language.
fn place(place: &str, look: Look) -> String {
    match place.strip_prefix("line ") {
        Some(line) => look.with("tokens-line", [("n", line.to_owned().into())]),
        None => place.to_owned(),
    }
}

/// Why something is no token, in the reader's language.
pub(super) fn reason(why: &Unfit, look: Look) -> String {
    let (word, detail) = why.parts();
    look.with(&format!("tokens-unfit-{word}"), [("detail", detail.to_owned().into())])
}

pub(super) async fn apply(
    State(app): State<App>,
    visitor: Visitor,
    Extension(drafts): Extension<Drafts>,
    Path(name): Path<String>,
) -> Response {
    let now = app.engine.now();
    let intake = match drafts.get(&name, &visitor, now).as_deref() {
        Some(Plan::Take(intake)) => intake.clone(),
        _ => return gone(visitor),
    };
    match intake.apply(&app, visitor.by()).await {
        Ok(taken) => {
            drafts.take(&name, &visitor, now);
            let (n, known, refused) = (taken.added.len(), taken.duplicates.len(), taken.refused.len());
            let address = format!("/admin/tokens?done=imported&n={n}&known={known}&refused={refused}");
            Redirect::to(&address).into_response()
        }
        // The draft is still there to try again.
        Err(refusal) => failed(&app, visitor, refusal),
    }
}
