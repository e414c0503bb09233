//! The configuration and the audit trail: operations, and the schemas of their answers.

use serde_json::{Value, json};

use super::operation::{Errors, Operation, Tag, schema, text, word};
use super::schemas::{count, list, object, or_null, partial};
use crate::admin::preview::{MOST, USUAL};

const JSON: &str = "application/json";

pub(super) fn operations() -> Vec<Operation> {
    let on = |method, path, id, summary| Operation::new(Tag::Configuration, (method, path), id, summary);
    vec![
        on("get", "/admin/v1/config", "getConfig", "The configuration in effect")
            .json(200, "Config", "As TOML, with the source of each value.")
            .errors(Errors::OpenAi, [401]),
        on("patch", "/admin/v1/config", "changeConfig", "Change settings")
            .about("Writes the values into the file and takes them into use; all of them, or none.")
            .body(JSON, schema("ConfigChange"))
            .json(200, "ConfigChanged", "They are in use.")
            .errors(Errors::OpenAi, [400, 401, 413]),
        on("post", "/admin/v1/config/preview", "previewConfig", "What would settings change?")
            .about(
                "Routes the last videos again, under the configuration in use and under one with these values. \
                 Both times the tokens of now that may be chosen begin with their whole quota, and nobody \
                 waits. Nothing is written.",
            )
            .body(JSON, schema("ConfigPreview"))
            .json(200, "ConfigPreviewed", "What would be different.")
            .errors(Errors::OpenAi, [400, 401, 413, 503]),
        on("post", "/admin/v1/config/reload", "reloadConfig", "Read the configuration anew")
            .about("When it is not valid, the old one stays in use.")
            .json(200, "ConfigReloaded", "It is in use.")
            .errors(Errors::OpenAi, [400, 401]),
        on("get", "/admin/v1/config/undo", "getConfigUndo", "What would an undo change?")
            .json(200, "ConfigDifferences", "What would be different.")
            .errors(Errors::OpenAi, [400, 401, 409]),
        on("post", "/admin/v1/config/undo", "undoConfig", "Undo the last change of settings")
            .about(
                "Gives the file the text that it had before. A second time undoes the first. 409 when there is \
                 nothing to undo, or the file was changed in another way since.",
            )
            .json(200, "ConfigDifferences", "What is different now.")
            .errors(Errors::OpenAi, [400, 401, 409]),
        audit(),
    ]
}

fn audit() -> Operation {
    Operation::new(Tag::Audit, ("get", "/admin/v1/audit"), "listAudit", "What operators did, latest first")
        .query("action", text(), "Only what begins so: `token.`, `config.change`.")
        .query("subject", text(), "Only what was done to this: `tok_7`, `video.busy_wait`.")
        .query("before", json!({ "type": "integer" }), "The `id` of the last entry of the page before.")
        .query(
            "limit",
            json!({ "type": "integer", "minimum": 1, "maximum": 1000, "default": 50 }),
            "Entries on a page.",
        )
        .json(200, "AuditTrail", "A page.")
        .errors(Errors::OpenAi, [400, 401, 503])
}

pub(super) fn schemas() -> Value {
    let differences = || list(schema("ConfigDifference"));
    let fates = || json!({ "before": schema("Fate"), "after": schema("Fate") });
    let (mut moves, mut changed) = (fates(), fates());
    moves["videos"] = count();
    changed["id"] = text();
    json!({
        "Config": object(json!({ "file": or_null("string"), "config": text() })),
        "ConfigChanged": object(json!({ "changed": count() })),
        "ConfigReloaded": object(json!({ "reloaded": { "const": true } })),
        "ConfigDifference": object(json!({
            "key": text(), "before": or_null("string"), "after": or_null("string"),
        })),
        "ConfigDifferences": object(json!({ "changes": differences() })),
        "ConfigChange": {
            "type": "object", "additionalProperties": false, "required": ["set"],
            "properties": { "set": values() },
        },
        "ConfigPreview": preview(),
        "ConfigPreviewed": object(json!({
            "changes": differences(), "warnings": list(text()), "videos": count(),
            "moves": list(object(moves)), "changed": list(object(changed)),
        })),
        "Fate": partial(
            json!({
                "outcome": word(["made", "no_token", "undeliverable", "no_model"]), "pool": text(),
                "route": schema("Route"), "sent": schema("Shape"),
            }),
            ["pool", "route", "sent"],
        ),
        "AuditTrail": object(json!({
            "entries": list(object(json!({
                "id": { "type": "integer" }, "at": { "type": "integer" }, "via": word(["page", "api"]),
                "actor": text(), "action": text(), "subject": text(), "detail": text(),
            }))),
            "has_more": { "type": "boolean" },
        })),
    })
}

fn preview() -> Value {
    json!({
        "type": "object", "additionalProperties": false, "required": ["set"],
        "properties": {
            "set": values(),
            "last": {
                "type": "integer", "minimum": 1, "maximum": MOST, "default": USUAL,
                "description": "So many videos.",
            },
            "short": {
                "type": "array", "items": text(), "description": "As if these pools had no token, both times.",
            },
        },
    })
}

fn values() -> Value {
    json!({ "type": "object", "description": "Values by their dotted keys." })
}
