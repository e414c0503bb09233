//! All tokens as a file; whole ones only for those who say so twice.

use axum::extract::State;
use axum::response::{Html, IntoResponse as _, Response};
use http::{StatusCode, header};
use maud::html;
use serde::Deserialize;

use crate::App;
use crate::admin::intake;
use crate::auth::By;
use crate::page::forms::Form;
use crate::page::layout::{self, Section};
use crate::page::parts::{self, Tone};
use crate::page::session::Visitor;

#[derive(Deserialize)]
pub(super) struct Sure {
    #[serde(default)]
    sure: String,
}

pub(super) async fn page(visitor: Visitor) -> Html<String> {
    render(visitor, None)
}

fn render(visitor: Visitor, problem: Option<&str>) -> Html<String> {
    let look = visitor.look;
    let body = html! {
        @if let Some(problem) = problem { (parts::note(Tone::Bad, problem)) }
        div.cards {
            section.card {
                h2 { (look.t("tokens-export-short")) }
                p { (look.t("tokens-export-short-hint")) }
                p { a.button href="/admin/tokens/export.json" download { (look.t("tokens-export-short-button")) } }
            }
            section.card {
                h2 { (look.t("tokens-export-whole")) }
                p { (look.t("tokens-export-whole-hint")) }
                form.stack method="post" action="/admin/tokens/export" {
                    label.tick {
                        input type="checkbox" name="sure" value="yes" required;
                        (look.t("tokens-export-sure"))
                    }
                    button.danger type="submit" { (look.t("tokens-export-whole-button")) }
                }
            }
        }
    };
    layout::page(&visitor, Section::Tokens, &look.t("tokens-export"), &body)
}

pub(super) async fn shortened(State(app): State<App>, visitor: Visitor) -> Response {
    file(&app, visitor.by(), false).await
}

pub(super) async fn secrets(State(app): State<App>, visitor: Visitor, Form(form): Form<Sure>) -> Response {
    if form.sure != "yes" {
        let why = visitor.look.t("tokens-export-not-sure");
        return (StatusCode::BAD_REQUEST, render(visitor, Some(&why))).into_response();
    }
    file(&app, visitor.by(), true).await
}

async fn file(app: &App, by: By, secrets: bool) -> Response {
    let tokens = intake::export(app, by, secrets).await;
    let headers = [
        (header::CONTENT_TYPE, "application/json"),
        (header::CONTENT_DISPOSITION, "attachment; filename=\"filmgate-tokens.json\""),
    ];
    (headers, format!("{tokens:#}\n")).into_response()
}
