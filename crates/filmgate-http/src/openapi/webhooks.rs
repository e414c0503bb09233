//! The operator's webhooks: operations, and the schemas of their answers.

use filmgate_store::DeliveryState;
use serde_json::{Value, json};

use super::operation::{Errors, Operation, Tag, schema, text, word};
use super::schemas::{count, list, object, or_null, partial};

const DELIVERY_STATES: [&str; 3] =
    [DeliveryState::Pending.as_str(), DeliveryState::Delivered.as_str(), DeliveryState::GivenUp.as_str()];

pub(super) fn operations() -> Vec<Operation> {
    let on = |method, path, id, summary| Operation::new(Tag::Webhooks, (method, path), id, summary);
    let one = "/admin/v1/webhooks/{caller}";
    vec![
        on("get", "/admin/v1/webhooks", "listWebhooks", "Callers with a webhook")
            .json(200, "WebhookList", "All of them; secrets are not shown.")
            .errors(Errors::OpenAi, [401, 503]),
        on("put", one, "setWebhook", "Set a caller's standing address")
            .about("The first time it makes a secret too, which is shown this once.")
            .body("application/json", schema("WebhookRequest"))
            .json(200, "WebhookSet", "The address is in use.")
            .errors(Errors::OpenAi, [400, 401, 404, 413, 503]),
        on("delete", one, "removeWebhook", "Remove a caller's webhook")
            .json(200, "WebhookRemoved", "Address and secret are gone.")
            .errors(Errors::OpenAi, [401, 404, 503]),
        on("post", "/admin/v1/webhooks/{caller}/rotate", "rotateWebhook", "Make a new secret")
            .about("The one before signs as well for a day.")
            .json(200, "WebhookRotated", "The secret, which is shown this once.")
            .errors(Errors::OpenAi, [401, 404, 503]),
        on("post", "/admin/v1/webhooks/{caller}/test", "testWebhook", "Send a test event")
            .about("Once, to the caller's standing address. 409 when it has none.")
            .json(200, "WebhookTested", "What came back.")
            .errors(Errors::OpenAi, [401, 404, 409, 503]),
        deliveries(),
        on("post", "/admin/v1/webhooks/deliveries/{id}/retry", "retryDelivery", "Send an event again")
            .json(200, "Delivery", "It is sent as soon as there is room.")
            .errors(Errors::OpenAi, [400, 401, 404, 503]),
    ]
}

fn deliveries() -> Operation {
    let path = ("get", "/admin/v1/webhooks/deliveries");
    Operation::new(Tag::Webhooks, path, "listDeliveries", "What callers were told, newest first")
        .query("caller", text(), "Only those of this caller, by its name or id.")
        .query("job", text(), "Only those about this video.")
        .query("state", word(DELIVERY_STATES), "Only those in this state.")
        .query("after", text(), "The `id` of the last delivery of the page before.")
        .query(
            "limit",
            json!({ "type": "integer", "minimum": 1, "maximum": 1000, "default": 50 }),
            "Deliveries on a page.",
        )
        .json(200, "DeliveryList", "A page.")
        .errors(Errors::OpenAi, [400, 401, 404, 503])
}

pub(super) fn schemas() -> Value {
    let time = || json!({ "type": "integer" });
    let set = json!({ "caller": text(), "caller_name": text(), "url": or_null("string"), "secret": text() });
    json!({
        "WebhookRequest": {
            "type": "object", "additionalProperties": false,
            "properties": { "url": { "type": ["string", "null"], "format": "uri", "description": "null for none." } },
        },
        "WebhookList": object(json!({
            "webhooks": list(object(json!({
                "caller": text(), "caller_name": text(), "url": or_null("string"), "created_at": time(),
                "rotated_at": or_null("integer"), "previous_until": or_null("integer"),
            }))),
        })),
        "WebhookSet": partial(set, ["secret"]),
        "WebhookRemoved": object(json!({
            "caller": text(), "caller_name": text(), "removed": { "const": true },
        })),
        "WebhookRotated": object(json!({
            "caller": text(), "caller_name": text(), "secret": text(), "previous_until": or_null("integer"),
        })),
        "WebhookTested": object(json!({
            "id": text(), "caller": text(), "caller_name": text(), "url": text(),
            "delivered": { "type": "boolean" }, "status": or_null("integer"), "error": or_null("string"),
        })),
        "Delivery": object(json!({
            "id": text(), "type": text(), "caller": text(), "job": text(), "url": text(),
            "state": word(DELIVERY_STATES), "created_at": time(), "tries": count(),
            "last_try_at": or_null("integer"), "last_status": or_null("integer"),
            "last_error": or_null("string"), "next_at": or_null("integer"),
            "delivered_at": or_null("integer"), "given_up_at": or_null("integer"),
        })),
        "DeliveryList": object(json!({
            "deliveries": list(schema("Delivery")), "has_more": { "type": "boolean" },
        })),
    })
}
