//! What the operator calls, and whoever watches filmgate.

use filmgate_domain::{JobState, Mode, Resolution, Seconds};
use serde_json::json;

use super::operation::{Errors, Operation, Tag, schema, text, word};
use super::schemas::TOKEN_STATUSES;

const JSON: &str = "application/json";

pub(super) fn operations() -> Vec<Operation> {
    [tokens(), token(), routing(), jobs(), keys(), configuration(), probes(), description()]
        .into_iter()
        .flatten()
        .collect()
}

fn tokens() -> Vec<Operation> {
    let list =
        Operation::new(Tag::Tokens, ("get", "/admin/v1/tokens"), "listTokens", "Upstream tokens, in pages")
            .query("pool", text(), "Only those of this pool.")
            .query("status", word(TOKEN_STATUSES), "Only those of this status.")
            .query("after", text(), "The `id` of the last token of the page before.")
            .query(
                "limit",
                json!({ "type": "integer", "minimum": 1, "maximum": 10_000, "default": 1000 }),
                "Tokens on a page.",
            )
            .json(200, "TokenList", "A page.")
            .errors(Errors::OpenAi, [400, 401]);
    let import =
        Operation::new(Tag::Tokens, ("post", "/admin/v1/tokens/import"), "importTokens", "Add tokens")
            .about(
                "JSON: `{pool: [token, …]}` or, with `pool` in the query, a list. Or plain text with a \
             token a line. What is no token is reported; the others are added all the same.",
            )
            .query("pool", text(), "The pool of tokens that name none themselves.")
            .query("dry_run", json!({ "type": "boolean" }), "Only look, add nothing.")
            .body(JSON, schema("TokenImport"))
            .body("text/plain", text())
            .json(200, "TokenImported", "What became of each.")
            .errors(Errors::OpenAi, [400, 401, 413, 503]);
    let export =
        Operation::new(Tag::Tokens, ("get", "/admin/v1/tokens/export"), "exportTokens", "All tokens")
            .query(
                "secrets",
                json!({ "type": "boolean" }),
                "Whole tokens, such that they can be imported elsewhere.",
            )
            .json(200, "TokenExport", "Tokens by pool.")
            .errors(Errors::OpenAi, [400, 401]);
    vec![list, import, export]
}

fn token() -> Vec<Operation> {
    let switch = |path, id, summary, about| {
        Operation::new(Tag::Tokens, ("post", path), id, summary)
            .about(about)
            .json(200, "Token", "The token as it is now.")
            .errors(Errors::OpenAi, [400, 401, 404, 503])
    };
    let show = Operation::new(Tag::Tokens, ("get", "/admin/v1/tokens/{id}"), "getToken", "A token")
        .json(200, "Token", "The token.")
        .errors(Errors::OpenAi, [400, 401, 404]);
    let remove =
        Operation::new(Tag::Tokens, ("delete", "/admin/v1/tokens/{id}"), "removeToken", "Remove a token")
            .about("Videos that it is making are still fetched.")
            .json(200, "TokenRemoved", "It takes no more videos.")
            .errors(Errors::OpenAi, [400, 401, 404, 503]);
    vec![
        show,
        switch("/admin/v1/tokens/{id}/enable", "enableToken", "Switch a token on", ""),
        switch("/admin/v1/tokens/{id}/disable", "disableToken", "Switch a token off", ""),
        switch(
            "/admin/v1/tokens/{id}/reset",
            "resetToken",
            "Forget what a token was blamed for",
            "Ends its cooling or expiry. A disabled token stays disabled.",
        ),
        remove,
    ]
}

fn routing() -> Vec<Operation> {
    let pools = Operation::new(
        Tag::Routing,
        ("get", "/admin/v1/pools"),
        "listPools",
        "Pools, and what is left in them",
    )
    .json(200, "PoolList", "All pools.")
    .errors(Errors::OpenAi, [401]);
    let route = Operation::new(
        Tag::Routing,
        ("get", "/admin/v1/route"),
        "explainRoute",
        "Where a video would go now",
    )
    .about("Nothing is reserved or sent.")
    .query("model", text(), "A model's name or alias; without it, the default model.")
    .query("resolution", word(Resolution::ALL.map(Resolution::as_str)), "Without it, 480p.")
    .query("seconds", json!({ "type": "integer", "minimum": 1, "maximum": Seconds::MAX }), "Without it, 6.")
    .query("mode", word(Mode::ALL.map(Mode::as_str)), "Without it, text.")
    .json(200, "RouteExplained", "The decision, and why.")
    .errors(Errors::OpenAi, [400, 401, 404]);
    let check = Operation::new(
        Tag::Routing,
        ("post", "/admin/v1/upstreams/{name}/check"),
        "checkUpstream",
        "Is an upstream there?",
    )
    .about("Asks it once for each token, and makes no video.")
    .json(200, "UpstreamChecked", "What it said to each token.")
    .errors(Errors::OpenAi, [401, 404]);
    vec![pools, route, check]
}

fn jobs() -> Vec<Operation> {
    let list = Operation::new(
        Tag::Jobs,
        ("get", "/admin/v1/jobs"),
        "listJobs",
        "Jobs of every caller, newest first",
    )
    .query("state", word(JobState::ALL.map(JobState::as_str)), "Only those in this state.")
    .query("after", text(), "The `id` of the last job of the page before.")
    .query(
        "limit",
        json!({ "type": "integer", "minimum": 1, "maximum": 1000, "default": 50 }),
        "Jobs on a page.",
    )
    .json(200, "JobList", "A page.")
    .errors(Errors::OpenAi, [400, 401, 503]);
    let show =
        Operation::new(Tag::Jobs, ("get", "/admin/v1/jobs/{id}"), "getJob", "A job, with every attempt")
            .json(200, "Job", "The job.")
            .errors(Errors::OpenAi, [400, 401, 404, 503]);
    let cancel = Operation::new(Tag::Jobs, ("post", "/admin/v1/jobs/{id}/cancel"), "cancelJob", "End a job")
        .about("What the upstream has begun may still be billed.")
        .json(200, "Job", "The job as it is now.")
        .errors(Errors::OpenAi, [400, 401, 404, 503]);
    vec![list, show, cancel]
}

fn keys() -> Vec<Operation> {
    let list = Operation::new(Tag::Keys, ("get", "/admin/v1/keys"), "listKeys", "Client keys")
        .json(200, "KeyList", "All keys, by their first characters.")
        .errors(Errors::OpenAi, [401, 503]);
    let create = Operation::new(Tag::Keys, ("post", "/admin/v1/keys"), "createKey", "Make a client key")
        .body(JSON, schema("KeyRequest"))
        .json(200, "KeyCreated", "The key, which is shown this once.")
        .errors(Errors::OpenAi, [400, 401, 413, 503]);
    let revoke =
        Operation::new(Tag::Keys, ("delete", "/admin/v1/keys/{id}"), "revokeKey", "Revoke a client key")
            .json(200, "KeyRevoked", "It opens nothing any more.")
            .errors(Errors::OpenAi, [400, 401, 404, 503]);
    vec![list, create, revoke]
}

fn configuration() -> Vec<Operation> {
    let tag = Tag::Configuration;
    let show = Operation::new(tag, ("get", "/admin/v1/config"), "getConfig", "The configuration in effect")
        .json(200, "Config", "As TOML, with the source of each value.")
        .errors(Errors::OpenAi, [401]);
    let change = Operation::new(tag, ("patch", "/admin/v1/config"), "changeConfig", "Change settings")
        .about("Writes the values into the file and takes them into use; all of them, or none.")
        .body(JSON, schema("ConfigChange"))
        .json(200, "ConfigChanged", "They are in use.")
        .errors(Errors::OpenAi, [400, 401, 413]);
    let reload = Operation::new(
        tag,
        ("post", "/admin/v1/config/reload"),
        "reloadConfig",
        "Read the configuration anew",
    )
    .about("When it is not valid, the old one stays in use.")
    .json(200, "ConfigReloaded", "It is in use.")
    .errors(Errors::OpenAi, [400, 401]);
    vec![show, change, reload]
}

fn probes() -> Vec<Operation> {
    let plain = || vec![("text/plain", text())];
    let healthz = Operation::new(Tag::Probes, ("get", "/healthz"), "isAlive", "Does the process answer?")
        .answer(200, "Yes.", plain());
    let readyz = Operation::new(Tag::Probes, ("get", "/readyz"), "isReady", "Can it read its books?")
        .answer(200, "Yes.", plain())
        .answer(503, "No; its log says why.", plain());
    let metrics =
        Operation::new(Tag::Probes, ("get", "/metrics"), "getMetrics", "What is counted, for Prometheus")
            .answer(200, "OpenMetrics.", vec![("application/openmetrics-text", text())]);
    vec![healthz, readyz, metrics]
}

fn description() -> Vec<Operation> {
    let tag = Tag::Description;
    let json =
        Operation::new(tag, ("get", "/openapi.json"), "getOpenApi", "This description, as OpenAPI 3.1")
            .answer(200, "The document.", vec![(JSON, json!({ "type": "object" }))]);
    let page = Operation::new(tag, ("get", "/docs"), "getDocs", "This description, to read").answer(
        200,
        "A page that needs nothing else.",
        vec![("text/html", text())],
    );
    let style = Operation::new(tag, ("get", "/docs/style.css"), "getDocsStyle", "How that page looks")
        .answer(200, "The style sheet.", vec![("text/css", text())]);
    vec![json, page, style]
}
