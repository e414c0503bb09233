//! The description of the API: an OpenAPI 3.1 document, and a page to read it.
//!
//! Both are made from the same tables: `clients.rs`, `admin.rs`, `webhooks.rs` and `config.rs` describe the operations,
//! `schemas.rs`, `answers.rs` and `admin_answers.rs` what goes in and out. The tests compare them with the router
//! and its answers.

mod admin;
mod admin_answers;
mod answers;
mod clients;
mod config;
mod operation;
mod page;
mod schemas;
mod webhooks;

use std::sync::LazyLock;

use axum::response::{IntoResponse as _, Response};
use http::header;
use serde_json::{Map, Value, json};

use operation::{Operation, Tag};

/// Both are the same for everybody, as long as the process lives.
static DOCUMENT: LazyLock<String> = LazyLock::new(|| document(&operations()).to_string());
static PAGE: LazyLock<String> = LazyLock::new(|| page::render(&operations(), &schemas::schemas()));

/// `GET /openapi.json`
pub(crate) async fn json() -> Response {
    ([(header::CONTENT_TYPE, "application/json")], DOCUMENT.as_str()).into_response()
}

/// `GET /docs`
pub(crate) async fn docs() -> Response {
    let headers = [
        (header::CONTENT_TYPE, "text/html; charset=utf-8"),
        (
            header::CONTENT_SECURITY_POLICY,
            "default-src 'none'; style-src 'self'; base-uri 'none'; frame-ancestors 'none'",
        ),
    ];
    (headers, PAGE.as_str()).into_response()
}

/// `GET /docs/style.css`
pub(crate) async fn style() -> Response {
    ([(header::CONTENT_TYPE, "text/css; charset=utf-8")], include_str!("style.css")).into_response()
}

fn operations() -> Vec<Operation> {
    let mut operations = clients::operations();
    operations.extend(admin::operations());
    operations.extend(webhooks::operations());
    operations.extend(config::operations());
    operations
}

const ABOUT: &str = "One gateway to the video models of several upstreams. Clients speak the OpenAI or the xAI \
    dialect below `/v1`; `/openai/v1` and `/xai/v1` are the same with the dialect fixed. The operator calls \
    `/admin/v1`. Every answer has an `X-Request-Id`; what answers about a video also has `X-Filmgate-Pool` and \
    `X-Filmgate-Route`. Besides what the operations list, any path can answer 404 or 405 when it or its method \
    does not exist, and 500 when filmgate has a defect, all in the shape of `Error` or `XaiError`.";

fn document(operations: &[Operation]) -> Value {
    let mut paths: Map<String, Value> = Map::new();
    for operation in operations {
        let path = paths.entry(operation.path).or_insert_with(|| json!({}));
        if operation.path.starts_with("/v1/") {
            path["servers"] = clients::servers();
        }
        path[operation.method] = operation.document();
    }
    json!({
        "openapi": "3.1.0",
        "info": {
            "title": "filmgate",
            "version": env!("CARGO_PKG_VERSION"),
            "description": ABOUT,
            "license": { "name": "MIT OR Apache-2.0", "identifier": "MIT OR Apache-2.0" },
        },
        "servers": [{ "url": "/" }],
        "tags": Tag::ALL.map(|tag| json!({ "name": tag.name() })),
        "paths": paths,
        "components": {
            "securitySchemes": {
                "client_key": {
                    "type": "http", "scheme": "bearer",
                    "description": "A client key, `fg-…`: the operator makes it.",
                },
                "admin_key": {
                    "type": "http", "scheme": "bearer",
                    "description": "The admin key, or a key of scope `admin`; to look only, one of scope `read_only`.",
                },
            },
            "schemas": schemas::schemas(),
        },
    })
}
