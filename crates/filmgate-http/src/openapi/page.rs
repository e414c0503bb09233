//! The description as a page: no script, nothing from elsewhere.

use maud::{DOCTYPE, Markup, html};
use serde_json::Value;

use super::operation::{Content, Operation, Tag};

pub(super) fn render(operations: &[Operation], schemas: &Value) -> String {
    let page = html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                title { "filmgate API" }
                link rel="stylesheet" href="/docs/style.css";
            }
            body {
                header {
                    h1 { "filmgate " (env!("CARGO_PKG_VERSION")) }
                    p { (with_code(super::ABOUT)) }
                    p { "For programs: " a href="/openapi.json" { "/openapi.json" } ", OpenAPI 3.1." }
                }
                (contents())
                main {
                    @for tag in Tag::ALL { (section(tag, operations)) }
                    (all_schemas(schemas))
                }
            }
        }
    };
    page.into_string()
}

fn contents() -> Markup {
    html! {
        nav aria-label="Contents" {
            ul {
                @for tag in Tag::ALL { li { a href={ "#" (anchor(tag)) } { (tag.name()) } } }
                li { a href="#schemas" { "Schemas" } }
            }
        }
    }
}

fn anchor(tag: Tag) -> String {
    tag.name().to_lowercase().replace(": ", "-").replace(' ', "-")
}

fn section(tag: Tag, operations: &[Operation]) -> Markup {
    let key = match tag.key() {
        Some("admin_key") => "With the admin key: Authorization: Bearer KEY",
        Some(_) => "With a client key: Authorization: Bearer KEY",
        None => "Without a key.",
    };
    html! {
        section {
            h2 id=(anchor(tag)) { (tag.name()) }
            p { (key) }
            @for operation in operations.iter().filter(|operation| operation.tag == tag) { (details(operation)) }
        }
    }
}

fn details(operation: &Operation) -> Markup {
    html! {
        details id=(operation.id) {
            summary {
                code { (operation.method.to_uppercase()) " " (operation.path) } " "
                span { (operation.summary) }
            }
            @if !operation.about.is_empty() { p { (with_code(operation.about)) } }
            @if !operation.parameters.is_empty() {
                h4 { "Parameters" }
                dl {
                    @for parameter in &operation.parameters {
                        dt { code { (parameter.name) } " (" (parameter.place) ") " (kind(&parameter.schema)) }
                        dd { (with_code(parameter.about)) }
                    }
                }
            }
            @if !operation.bodies.is_empty() {
                h4 { "Body" }
                ul { (contents_of(&operation.bodies)) }
            }
            h4 { "Answers" }
            dl {
                @for answer in &operation.answers {
                    dt { code { (answer.status) } " " (with_code(answer.about)) }
                    dd { ul { (contents_of(&answer.content)) } }
                }
            }
        }
    }
}

fn contents_of(contents: &[Content]) -> Markup {
    html! {
        @for (media_type, schema) in contents { li { code { (media_type) } " " (kind(schema)) } }
    }
}

/// A schema in a few words; those of the document are links.
fn kind(schema: &Value) -> Markup {
    let reference = schema["$ref"].as_str().and_then(|path| path.strip_prefix("#/components/schemas/"));
    if let Some(name) = reference {
        return html! { a href={ "#schema-" (name) } { (name) } };
    }
    if let Some(any) = schema["anyOf"].as_array() {
        return html! {
            @for (nth, schema) in any.iter().enumerate() { @if nth > 0 { " or " } (kind(schema)) }
        };
    }
    if let Some(words) = schema["enum"].as_array() {
        return html! {
            @for (nth, word) in words.iter().enumerate() {
                @if nth > 0 { ", " } code { (word.as_str().unwrap_or_default()) }
            }
        };
    }
    let name = schema["format"].as_str().or(schema["type"].as_str()).unwrap_or_default();
    let limit =
        |word: &str, field: &str| schema[field].as_u64().map(|n| format!(" {word} {n}")).unwrap_or_default();
    html! { (name) (limit("from", "minimum")) (limit("to", "maximum")) }
}

fn all_schemas(schemas: &Value) -> Markup {
    html! {
        section {
            h2 id="schemas" { "Schemas" }
            @for (name, schema) in schemas.as_object().into_iter().flatten() {
                details id={ "schema-" (name) } {
                    summary { code { (name) } }
                    pre { (format!("{schema:#}")) }
                }
            }
        }
    }
}

/// A text in which backticks mark code.
fn with_code(text: &str) -> Markup {
    html! {
        @for (nth, part) in text.split('`').enumerate() {
            @if nth % 2 == 1 { code { (part) } } @else { (part) }
        }
    }
}
