//! The schemas of requests, and what answers are made of. Words come from the domain, so that they cannot differ.

use filmgate_domain::{
    AspectRatio, Fault, JobState, LostAnswer, Mode, OnShortage, Outcome, Resolution, Route, Seconds,
    Standing, TokenStatus, Verdict,
};
use serde_json::{Map, Value, json};

use super::operation::{schema, text, word};
use super::{admin_answers, answers, config, webhooks};
use crate::dialect::choice;

/// The words by which tokens are listed.
pub(super) const TOKEN_WORDS: [&str; 8] = [
    TokenStatus::Active.as_str(),
    Standing::Ready.as_str(),
    Standing::Busy.as_str(),
    Standing::OutOfQuota.as_str(),
    Standing::Cooling.as_str(),
    Standing::Expired.as_str(),
    Standing::Disabled.as_str(),
    Standing::NoPool.as_str(),
];

/// The words for a token's state.
pub(super) const TOKEN_STATUSES: [&str; 4] = [
    TokenStatus::Active.as_str(),
    TokenStatus::Cooling.as_str(),
    TokenStatus::Expired.as_str(),
    TokenStatus::Disabled.as_str(),
];

/// Every schema, by name.
pub(super) fn schemas() -> Value {
    let parts = [words(), requests(), derivations(), xai_requests(), chat_request(), admin_requests()];
    let parts = parts.into_iter().chain([
        answers::schemas(),
        admin_answers::schemas(),
        webhooks::schemas(),
        config::schemas(),
    ]);
    Value::Object(parts.flat_map(into_map).collect())
}

fn into_map(value: Value) -> Map<String, Value> {
    match value {
        Value::Object(map) => map,
        _ => Map::new(),
    }
}

/// An object with all of these fields.
pub(super) fn object(properties: Value) -> Value {
    let all = into_map(properties);
    let required: Vec<String> = all.keys().cloned().collect();
    json!({ "type": "object", "required": required, "properties": all })
}

/// An object with these fields, of which some may be missing.
pub(super) fn partial<const N: usize>(properties: Value, optional: [&str; N]) -> Value {
    let mut whole = object(properties);
    if let Some(required) = whole["required"].as_array_mut() {
        required.retain(|name| name.as_str().is_none_or(|name| !optional.contains(&name)));
    }
    whole
}

pub(super) fn list(items: Value) -> Value {
    json!({ "type": "array", "items": items })
}

/// A type of JSON, or null.
pub(super) fn or_null(name: &str) -> Value {
    json!({ "type": [name, "null"] })
}

/// A schema of the document, or null.
pub(super) fn maybe(name: &str) -> Value {
    json!({ "anyOf": [schema(name), { "type": "null" }] })
}

pub(super) fn count() -> Value {
    json!({ "type": "integer", "minimum": 0 })
}

fn words() -> Value {
    json!({
        "AspectRatio": word(AspectRatio::ALL.map(AspectRatio::as_str)),
        "Fault": { "enum": [Fault::Caller, Fault::Token, Fault::Upstream, Fault::Gateway] },
        "JobState": word(JobState::ALL.map(JobState::as_str)),
        "LostAnswer": word(LostAnswer::ALL.map(LostAnswer::as_str)),
        "Mode": word(Mode::ALL.map(Mode::as_str)),
        "OnShortage": word(OnShortage::ALL.map(OnShortage::as_str)),
        "Outcome": word(Outcome::ALL.map(Outcome::as_str)),
        "Resolution": word(Resolution::ALL.map(Resolution::as_str)),
        "Route": word([Route::Primary, Route::Upgrade, Route::Fallback].map(Route::as_str)),
        "TokenStatus": word(TOKEN_STATUSES),
        "Verdict": word([Verdict::AsAsked, Verdict::Downgraded].map(Verdict::as_str)),
        "Seconds": {
            "description": "A length in whole seconds. A string of one will do as well.",
            "anyOf": [
                { "type": "integer", "minimum": 1, "maximum": Seconds::MAX },
                { "type": "string", "pattern": "^[0-9]+$" },
            ],
        },
        "Switch": {
            "description": "true or false; a string of one will do as well.",
            "anyOf": [{ "type": "boolean" }, { "type": "string", "enum": ["true", "false", "1", "0", "yes", "no"] }],
        },
        "Image": {
            "description": "An image by its address: https or data.",
            "anyOf": [
                { "type": "string", "format": "uri" },
                closed(json!({ "url": uri() }), ["url"]),
                closed(json!({ "image_url": uri() }), ["image_url"]),
            ],
        },
        "EarlierVideo": {
            "description": "A video by the id of an earlier one, or by its address.",
            "anyOf": [
                closed(json!({ "id": text() }), ["id"]),
                closed(json!({ "url": uri() }), ["url"]),
                { "type": "string", "format": "uri" },
            ],
        },
    })
}

fn uri() -> Value {
    json!({ "type": "string", "format": "uri" })
}

fn file() -> Value {
    json!({ "type": "string", "format": "binary" })
}

/// An object that may have these fields and no others.
fn closed<const N: usize>(properties: Value, required: [&str; N]) -> Value {
    let mut object = json!({ "type": "object", "properties": properties, "additionalProperties": false });
    if N > 0 {
        object["required"] = json!(required.to_vec());
    }
    object
}

/// A schema with something that has its form.
fn with_example(mut schema: Value, example: Value) -> Value {
    schema["examples"] = json!([example]);
    schema
}

/// Fields of a request, and those that every request for a video has.
fn with_choice(own: Value) -> Value {
    let common = json!({
        "model": { "type": "string", "description": "A name or alias of `GET /v1/models`; without it, the default model." },
        "prompt": { "type": "string", "description": "What the video shows." },
        "on_shortage": schema("OnShortage"),
        "max_wait": {
            "description": "How many seconds to wait for a token; with `on_shortage` = `wait` only.",
            "type": "integer", "minimum": 1, "maximum": choice::LONGEST_WAIT,
        },
        "webhook_url": { "type": "string", "format": "uri", "description": "Who is told the end." },
        "user": { "description": "Changes nothing." },
    });
    Value::Object(into_map(common).into_iter().chain(into_map(own)).collect())
}

/// Fields of a request in the OpenAI dialect.
fn openai(own: Value) -> Value {
    let harmless = json!({
        "metadata": { "description": "Changes nothing." },
        "safety_identifier": { "description": "Changes nothing." },
    });
    with_choice(Value::Object(into_map(own).into_iter().chain(into_map(harmless)).collect()))
}

fn requests() -> Value {
    let own = |image: Value| {
        openai(json!({
            "seconds": schema("Seconds"),
            "duration": { "$ref": "#/components/schemas/Seconds", "description": "As `seconds`; send one of them." },
            "size": { "type": "string", "pattern": "^[0-9]{3,5}x[0-9]{3,5}$", "description": "Such as 1280x720." },
            "resolution": schema("Resolution"),
            "aspect_ratio": schema("AspectRatio"),
            "input_reference": image,
        }))
    };
    json!({
        "VideoRequest": with_example(
            closed(own(schema("Image")), []),
            json!({ "prompt": "a red fox in the snow", "seconds": "4", "size": "1280x720" }),
        ),
        "VideoForm": closed(own(json!({ "anyOf": [file(), text()] })), []),
    })
}

fn derivations() -> Value {
    let edit = |video: Value| openai(json!({ "video": video }));
    let extend = |video: Value| {
        openai(json!({ "video": video, "seconds": schema("Seconds"), "duration": schema("Seconds") }))
    };
    let form = || json!({ "anyOf": [file(), text()] });
    json!({
        "EditRequest": closed(edit(schema("EarlierVideo")), ["prompt", "video"]),
        "EditForm": closed(edit(form()), ["prompt", "video"]),
        "ExtendRequest": closed(extend(schema("EarlierVideo")), ["prompt", "video"]),
        "ExtendForm": closed(extend(form()), ["prompt", "video"]),
        "RemixRequest": closed(openai(json!({})), ["prompt"]),
    })
}

fn xai_requests() -> Value {
    let video = || schema("EarlierVideo");
    let lengths = || json!({ "video": video(), "duration": schema("Seconds"), "seconds": schema("Seconds") });
    let own = json!({
        "duration": schema("Seconds"),
        "seconds": { "$ref": "#/components/schemas/Seconds", "description": "As `duration`; send one of them." },
        "resolution": schema("Resolution"),
        "aspect_ratio": schema("AspectRatio"),
        "image": schema("Image"),
        "input_reference": schema("Image"),
        "image_url": schema("Image"),
        "reference_images": { "type": "array", "maxItems": crate::dialect::xai::MOST_REFERENCES, "items": schema("Image") },
    });
    json!({
        "XaiVideoRequest": with_example(
            closed(with_choice(own), []),
            json!({ "prompt": "a red fox in the snow", "duration": 6, "resolution": "480p" }),
        ),
        "XaiEditRequest": closed(with_choice(json!({ "video": video() })), ["prompt", "video"]),
        "XaiExtendRequest": closed(with_choice(lengths()), ["prompt", "video"]),
    })
}

fn chat_request() -> Value {
    let config = json!({
        "video_length": schema("Seconds"),
        "seconds": schema("Seconds"),
        "resolution_name": schema("Resolution"),
        "aspect_ratio": { "type": "string", "description": "A ratio, or a size such as 1280x720." },
        "size": { "type": "string", "description": "A size such as 1280x720, or a ratio." },
        "preset": word(crate::dialect::chat::PRESETS),
        "on_shortage": schema("OnShortage"),
        "max_wait": { "type": "integer", "minimum": 1, "maximum": choice::LONGEST_WAIT },
        "webhook_url": uri(),
    });
    let text_part = json!({
        "type": "object", "required": ["type", "text"],
        "properties": { "type": { "const": "text" }, "text": text() },
    });
    let image_part = json!({
        "type": "object", "required": ["type", "image_url"],
        "properties": {
            "type": { "const": "image_url" },
            "image_url": { "anyOf": [uri(), { "type": "object", "required": ["url"], "properties": { "url": uri() } }] },
        },
    });
    let content =
        json!({ "anyOf": [text(), list(json!({ "anyOf": [text_part, image_part] })), { "type": "null" }] });
    let message = json!({ "type": "object", "properties": { "role": text(), "content": content } });
    let mut fields = into_map(with_choice(json!({
        "messages": list(message),
        "stream": schema("Switch"),
        "video_config": closed(config, []),
    })));
    // The conversation is the prompt.
    fields.remove("prompt");
    json!({
        "ChatRequest": {
            "type": "object", "required": ["messages"], "properties": fields,
            "description": "Other fields that chat clients send are ignored.",
            "examples": [{
                "messages": [{ "role": "user", "content": "a red fox in the snow" }],
                "video_config": { "resolution_name": "480p", "video_length": 6 },
            }],
        },
    })
}

fn admin_requests() -> Value {
    let limit = |about: &str| json!({ "type": ["integer", "null"], "minimum": 1, "maximum": u32::MAX, "description": about });
    let token = json!({ "anyOf": [text(), { "type": "object", "required": ["token"], "properties": { "token": text() } }] });
    let name = json!({
        "type": "string", "minLength": 1, "maxLength": 80, "pattern": "^[^\\u0000-\\u001f\\u007f-\\u009f]*$",
    });
    let expires = |about: &str| json!({ "type": "integer", "minimum": 1, "maximum": 315_360_000, "description": about });
    json!({
        "TokenImport": {
            "anyOf": [
                { "type": "object", "additionalProperties": list(token.clone()) },
                list(token),
            ],
        },
        "TokenBulk": token_bulk(),
        "KeyRequest": closed(
            json!({
                "name": name,
                "caller": {
                    "type": "string", "maxLength": 80, "pattern": "^[^\\u0000-\\u001f\\u007f-\\u009f]*$",
                    "description": "Keys of one caller see the same videos; without it, the name.",
                },
                "key": {
                    "type": "string", "minLength": 6, "maxLength": 512, "pattern": "^[!-~]*$",
                    "description": "A client key that applications have already; without it, a fresh one is made.",
                },
                "scope": schema("KeyScope"),
                "expires_in_seconds": expires("From then on it opens nothing; without it, until it is revoked."),
            }),
            ["name"],
        ),
        "KeyRotation": closed(
            json!({
                "keep_seconds": {
                    "type": "integer", "minimum": 0, "maximum": 2_592_000, "default": 86_400,
                    "description": "How long the key before stays valid; 0: not at all.",
                },
                "expires_in_seconds": expires("Without it, the new key expires when the one before would have."),
            }),
            [],
        ),
        "CallerChange": closed(
            json!({
                "limits": closed(
                    json!({
                        "max_in_flight": limit("Unfinished videos at once."),
                        "requests_per_minute": limit("Videos asked for in a minute."),
                        "units_per_day": limit("Units that videos cost in 24 hours."),
                    }),
                    [],
                ),
            }),
            ["limits"],
        ),
    })
}

fn token_bulk() -> Value {
    closed(
        json!({
            "action": word(["enable", "disable", "reset", "remove"]),
            "ids": list(text()),
            "filter": closed(
                json!({
                    "pool": text(), "status": word(TOKEN_WORDS), "tag": text(),
                    "text": {
                        "type": "string",
                        "description": "In the id, the note, the tags, the last failure, or the first characters.",
                    },
                }),
                [],
            ),
        }),
        ["action"],
    )
}
