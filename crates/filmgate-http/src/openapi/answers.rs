//! The schemas of what clients are answered.

use serde_json::{Value, json};

use super::operation::{schema, text, word};
use super::schemas::{count, list, maybe, object, or_null, partial};

pub(super) fn schemas() -> Value {
    json!({
        "Error": error(),
        "XaiError": object(json!({ "code": text(), "error": text() })),
        "DialectError": { "anyOf": [schema("Error"), schema("XaiError")] },
        "Shape": object(json!({
            "resolution": schema("Resolution"), "seconds": count(), "aspect_ratio": schema("AspectRatio"),
        })),
        "Delivered": object(json!({
            "width": count(), "height": count(), "seconds": { "type": "number" }, "codec": text(),
            "bytes": count(), "sha256": text(),
        })),
        "Report": report(),
        "Video": video(),
        "VideoList": object(json!({
            "object": { "const": "list" }, "first_id": or_null("string"), "last_id": or_null("string"),
            "has_more": { "type": "boolean" }, "data": list(schema("Video")),
        })),
        "VideoDeleted": object(json!({
            "id": text(), "object": { "const": "video.deleted" }, "deleted": { "const": true },
        })),
        "XaiCreated": object(json!({
            "request_id": { "type": "string", "format": "uuid" }, "filmgate": schema("Report"),
        })),
        "Created": { "anyOf": [schema("Video"), schema("XaiCreated")] },
        "XaiVideo": xai_video(),
        "ChatCompletion": completion(),
        "ModelList": object(json!({ "object": { "const": "list" }, "data": list(schema("Model")) })),
        "Model": model(),
    })
}

fn error() -> Value {
    let fields = json!({
        "message": { "type": "string", "description": "What is wrong and what to do." },
        "type": word([
            "authentication_error", "permission_error", "rate_limit_error", "server_error", "invalid_request_error",
        ]),
        "param": { "type": ["string", "null"], "description": "The field that is at fault." },
        "code": { "type": "string", "description": "A stable word for programs." },
        "video_id": { "type": "string", "description": "The video that failed, where one was begun." },
    });
    object(json!({ "error": partial(fields, ["video_id"]) }))
}

fn report() -> Value {
    let route = object(json!({
        "n": count(), "pool": text(), "route": schema("Route"), "sent": schema("Shape"),
        "outcome": maybe("Outcome"), "error": or_null("string"),
    }));
    let mut report = object(json!({
        "state": schema("JobState"), "pool": or_null("string"), "route": maybe("Route"),
        "reason": or_null("string"), "asked": schema("Shape"), "sent": maybe("Shape"),
        "delivered": maybe("Delivered"), "verdict": maybe("Verdict"), "shortfalls": list(text()),
        "routes": list(route),
    }));
    report["description"] =
        json!("What filmgate tells beyond the dialects: what was asked, sent and delivered, and why.");
    report
}

fn video() -> Value {
    object(json!({
        "id": { "type": "string", "pattern": "^video_[0-9a-f]{32}$" },
        "object": { "const": "video" },
        "model": text(),
        "status": word(["queued", "in_progress", "completed", "failed"]),
        "progress": { "type": "integer", "minimum": 0, "maximum": 100 },
        "created_at": count(),
        "completed_at": or_null("integer"),
        "expires_at": or_null("integer"),
        "prompt": text(),
        "size": text(),
        "seconds": text(),
        "remixed_from_video_id": or_null("string"),
        "error": { "anyOf": [object(json!({ "code": text(), "message": text() })), { "type": "null" }] },
        "filmgate": schema("Report"),
    }))
}

fn xai_video() -> Value {
    let fields = json!({
        "status": word(["pending", "done", "failed", "expired"]),
        "progress": { "type": "integer", "minimum": 0, "maximum": 100 },
        "model": text(),
        "video": object(json!({
            "url": text(), "duration": count(), "respect_moderation": { "type": "boolean" },
        })),
        "error": object(json!({ "code": text(), "message": text() })),
        "usage": object(json!({ "cost_in_usd_ticks": { "type": "integer" } })),
        "filmgate": schema("Report"),
    });
    partial(fields, ["progress", "model", "video", "error", "usage"])
}

fn completion() -> Value {
    let message =
        json!({ "role": { "const": "assistant" }, "content": text(), "refusal": { "type": "null" } });
    let choice =
        json!({ "index": { "const": 0 }, "message": object(message), "finish_reason": { "const": "stop" } });
    object(json!({
        "id": text(),
        "object": { "const": "chat.completion" },
        "created": count(),
        "model": text(),
        "choices": list(object(choice)),
        "usage": object(json!({ "prompt_tokens": count(), "completion_tokens": count(), "total_tokens": count() })),
        "filmgate": schema("Report"),
    }))
}

fn model() -> Value {
    let offer = object(json!({
        "mode": schema("Mode"), "resolution": schema("Resolution"), "max_seconds": count(),
        "max_seconds_now": {
            "type": ["integer", "null"], "description": "With the tokens that are free at the moment.",
        },
    }));
    object(json!({
        "id": text(),
        "object": { "const": "model" },
        "created": { "type": "integer" },
        "owned_by": text(),
        "filmgate": object(json!({ "aliases": list(text()), "pools": list(text()), "offers": list(offer) })),
    }))
}
