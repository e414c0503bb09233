//! The schemas of what the operator is answered. Times are milliseconds since 1970.

use filmgate_store::KeyScope;
use serde_json::{Value, json};

use super::operation::{schema, text, word};
use super::schemas::{TOKEN_STATUSES, count, list, maybe, object, or_null, partial};

pub(super) fn schemas() -> Value {
    let page = |name: &str, items: &str| {
        object(json!({ name: list(schema(items)), "has_more": { "type": "boolean" } }))
    };
    json!({
        "Token": token(),
        "TokenList": page("tokens", "Token"),
        "TokenImported": imported(),
        "TokenExport": { "type": "object", "additionalProperties": list(exported()) },
        "TokensChanged": object(json!({ "action": text(), "done": count(), "unknown": list(text()) })),
        "TokenRemoved": object(json!({ "id": text(), "removed": { "const": true } })),
        "Pool": pool(),
        "PoolList": object(json!({ "pools": list(schema("Pool")) })),
        "LedgerBalance": balance(),
        "Ledger": ledger(),
        "RouteExplained": route(),
        "UpstreamChecked": checked(),
        "Failure": object(json!({ "code": text(), "message": text(), "fault": schema("Fault") })),
        "Attempt": attempt(),
        "Job": job(),
        "JobList": object(json!({
            "jobs": list(schema("Job")), "has_more": { "type": "boolean" }, "next": or_null("string"),
        })),
        "Key": key(),
        "KeyList": object(json!({ "keys": list(schema("Key")) })),
        "KeyCreated": object(json!({
            "id": text(), "name": text(), "caller": text(), "caller_name": text(), "scope": schema("KeyScope"),
            "expires_at": maybe_time(), "key": text(),
        })),
        "KeyRotated": object(json!({
            "id": text(), "name": text(), "caller": text(), "caller_name": text(), "scope": schema("KeyScope"),
            "expires_at": maybe_time(), "key": text(), "previous": text(), "previous_until": time(),
        })),
        "Caller": caller(),
        "CallerList": object(json!({ "callers": list(schema("Caller")) })),
        "KeyScope": word(KeyScope::ALL.map(KeyScope::as_str)),
        "KeyRevoked": object(json!({ "id": text(), "revoked": { "const": true } })),
    })
}

/// What is known of a token, wherever it is told.
fn details() -> Value {
    json!({
        "token": text(), "status": schema("TokenStatus"), "quota": or_null("integer"), "created_at": time(),
        "last_used_at": maybe_time(), "use_count": count(), "fail_count": count(), "last_fail_at": maybe_time(),
        "last_fail_reason": or_null("string"), "last_sync_at": maybe_time(), "tags": list(text()), "note": text(),
    })
}

fn exported() -> Value {
    object(details())
}

fn token() -> Value {
    let mut token = details();
    for (name, schema) in [
        ("id", text()),
        ("pool", text()),
        ("cooling_until", maybe_time()),
        ("spent", count()),
        ("reserved", count()),
        ("in_flight", count()),
    ] {
        token[name] = schema;
    }
    object(token)
}

fn imported() -> Value {
    let found = || list(object(json!({ "place": text(), "id": text(), "pool": text(), "token": text() })));
    let refused = || list(object(json!({ "place": text(), "reason": text() })));
    json!({
        "anyOf": [
            object(json!({ "added": found(), "duplicates": found(), "refused": refused() })),
            object(json!({
                "would_add_or_find": count(), "would_add": count(), "would_find": count(), "refused": refused(),
            })),
        ],
    })
}

fn pool() -> Value {
    let delivers = json!({
        "resolution": schema("Resolution"), "max_seconds": count(), "models": list(text()), "modes": list(schema("Mode")),
    });
    let cost = json!({
        "resolution": schema("Resolution"), "max_seconds": count(), "units": count(), "units_per_second": count(),
    });
    let quota = object(json!({ "units": count(), "window_seconds": count() }));
    let tokens = TOKEN_STATUSES.map(|status| (status.to_owned(), count())).into_iter().collect();
    object(json!({
        "name": text(),
        "upstream": text(),
        "delivers": list(partial(delivers, ["models", "modes"])),
        "quota": { "anyOf": [quota, { "type": "null" }] },
        "max_in_flight": or_null("integer"),
        "submits_per_minute": or_null("integer"),
        "costs": list(partial(cost, ["resolution", "max_seconds"])),
        "tokens": object(Value::Object(tokens)),
        "granted": or_null("integer"),
        "left": or_null("integer"),
        "in_flight": count(),
    }))
}

fn balance() -> Value {
    object(json!({
        "granted": or_null("integer"), "available": or_null("integer"), "reserved": count(), "spent": count(),
        "elsewhere": { "type": "integer", "minimum": 0, "description": "Of what is spent: what no attempt tells of." },
        "over": {
            "type": "integer", "minimum": 0,
            "description": "Reserved and spent beyond what is granted: a quota that has shrunk, a removed token.",
        },
    }))
}

fn ledger() -> Value {
    let line = |more: Value| {
        let ended = object(json!({ "attempts": count(), "charged": count(), "given_back": count() }));
        let mut line = json!({
            "pool": text(), "opening": schema("LedgerBalance"), "carried": count(), "reserved": count(),
            "charged": count(), "given_back": count(), "open": count(),
            "outcomes": { "type": "object", "additionalProperties": ended },
            "cost_ticks": { "type": "integer" }, "cost_usd": { "type": "number" },
            "closing": schema("LedgerBalance"),
        });
        for (name, schema) in more.as_object().into_iter().flatten() {
            line[name] = schema.clone();
        }
        list(object(line))
    };
    object(json!({
        "from": time(), "until": time(), "now": time(),
        "pools": line(json!({ "tokens": count() })),
        "tokens": line(json!({ "token": text(), "removed": { "type": "boolean" } })),
    }))
}

fn route() -> Value {
    let class = json!({
        "tokens": count(), "reason": text(), "until": maybe_time(), "limit": count(),
        "resolution": schema("Resolution"), "seconds": count(), "mode": schema("Mode"), "left": count(),
        "granted": count(),
    });
    let optional = ["until", "limit", "resolution", "seconds", "mode", "left", "granted"];
    let passed_over = object(json!({ "pool": text(), "classes": list(partial(class, optional)) }));
    let chosen = object(json!({
        "pool": text(), "route": schema("Route"), "sent": schema("Shape"), "token": text(),
    }));
    let decision = object(json!({
        "model": text(), "asked": schema("Shape"), "mode": schema("Mode"),
        "chosen": { "anyOf": [chosen, { "type": "null" }] }, "passed_over": list(passed_over),
    }));
    object(json!({ "decision": decision, "explanation": text(), "expected": maybe_time() }))
}

fn checked() -> Value {
    let result = json!({ "token": text(), "ok": { "type": "boolean" }, "code": text(), "message": text() });
    object(json!({ "upstream": text(), "results": list(partial(result, ["code"])) }))
}

fn job() -> Value {
    object(json!({
        "id": text(), "caller": text(), "model": text(), "prompt": text(), "state": schema("JobState"),
        "progress": count(), "created_at": time(), "deadline": time(), "finished_at": maybe_time(),
        "failure": maybe("Failure"), "file_removed_at": maybe_time(), "attempts": list(schema("Attempt")),
        "filmgate": schema("Report"),
    }))
}

fn attempt() -> Value {
    object(json!({
        "n": count(), "token": text(), "pool": text(), "upstream": text(), "model": text(),
        "route": schema("Route"), "reason": text(), "sent": schema("Shape"), "units": count(),
        "charged": { "type": "boolean" }, "reserved_at": time(), "sent_at": maybe_time(),
        "lost_answer": schema("LostAnswer"), "lost_at": maybe_time(),
        "answered_at": maybe_time(), "settled_at": maybe_time(), "slot_until": maybe_time(),
        "upstream_id": or_null("string"), "cost_ticks": or_null("integer"), "outcome": maybe("Outcome"),
        "error": or_null("string"),
    }))
}

fn key() -> Value {
    object(json!({
        "id": text(), "name": text(), "caller": text(), "caller_name": text(), "key": text(),
        "scope": schema("KeyScope"), "created_at": time(), "expires_at": maybe_time(), "last_used_at": maybe_time(),
        "revoked_at": { "type": ["integer", "null"], "description": "It may be ahead: until then the key is valid." },
    }))
}

fn caller() -> Value {
    let limit = || json!({ "type": ["integer", "null"], "minimum": 1 });
    object(json!({
        "id": text(), "name": text(), "created_at": time(),
        "keys": { "type": "integer", "minimum": 0, "description": "How many are valid." },
        "last_used_at": maybe_time(),
        "limits": object(json!({
            "max_in_flight": limit(), "requests_per_minute": limit(), "units_per_day": limit(),
        })),
        "use": object(json!({
            "in_flight": count(), "requests_last_minute": count(), "units_reserved": count(),
            "units_last_day": count(),
        })),
    }))
}

fn time() -> Value {
    json!({ "type": "integer" })
}

fn maybe_time() -> Value {
    or_null("integer")
}
