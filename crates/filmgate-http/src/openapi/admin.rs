//! What the operator calls, and whoever watches filmgate.

use filmgate_domain::{JobState, Mode, Resolution, Route, Seconds, Verdict};
use serde_json::json;

use super::operation::{Errors, Operation, Tag, schema, text, word};
use super::schemas::TOKEN_WORDS;

const JSON: &str = "application/json";

pub(super) fn operations() -> Vec<Operation> {
    [tokens(), token(), routing(), jobs(), keys(), callers(), probes(), description()]
        .into_iter()
        .flatten()
        .collect()
}

fn tokens() -> Vec<Operation> {
    let list =
        Operation::new(Tag::Tokens, ("get", "/admin/v1/tokens"), "listTokens", "Upstream tokens, in pages")
            .query("pool", text(), "Only those of this pool.")
            .query("status", word(TOKEN_WORDS), "Only those of this status; or active ones that stand so.")
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
    let bulk = Operation::new(
        Tag::Tokens,
        ("post", "/admin/v1/tokens/bulk"),
        "changeTokens",
        "Do the same with many tokens",
    )
    .about(
        "With the tokens named in `ids`, or with all that match the `filter`; an empty filter means every \
             token. Up to 2,000 are changed together, or none; more in several such steps.",
    )
    .body(JSON, schema("TokenBulk"))
    .json(200, "TokensChanged", "It is done.")
    .errors(Errors::OpenAi, [400, 401, 413, 503]);
    vec![list, import, export, bulk]
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
    let forgive = Operation::new(
        Tag::Tokens,
        ("post", "/admin/v1/tokens/{id}/forgive"),
        "forgiveToken",
        "Take back the last blame",
    )
    .about(
        "Takes back the last refusal that was counted against the token: its pause, the expiry that it caused, \
             and its place in the counts. A disabled token stays disabled. 409 `nothing_to_forgive` when nothing \
             is counted against it.",
    )
    .json(200, "Token", "The token as it is now.")
    .errors(Errors::OpenAi, [400, 401, 404, 409, 503]);
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
        forgive,
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
    let ledger = Operation::new(
        Tag::Routing,
        ("get", "/admin/v1/ledger"),
        "getLedger",
        "What every token and pool reserved and spent over a period",
    )
    .about(
        "Sums over attempts, in units. Of every line `carried + reserved = charged + given_back + open`, and of \
             every balance `granted + over = available + reserved + spent`. Without a period: today so far.",
    )
    .query("day", text(), "A day in UTC, such as `2026-11-23`.")
    .query("from", text(), "Or from then on, such as `2026-11-23T14:20:00Z`; at most 31 days.")
    .query("to", text(), "With `from`: before then; without it, until now.")
    .query("pool", text(), "Only this pool and its tokens.")
    .query("token", text(), "Only this token's lines; the pools stay whole.")
    .json(200, "Ledger", "The ledger.")
    .errors(Errors::OpenAi, [400, 401, 503]);
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
    vec![pools, ledger, route, check]
}

fn jobs() -> Vec<Operation> {
    let list = Operation::new(
        Tag::Jobs,
        ("get", "/admin/v1/jobs"),
        "listJobs",
        "Jobs of every caller, newest first",
    )
    .about(
        "Only so many jobs are looked at for a page: one that is short, or empty, may still have a `next` one.",
    )
    .query("state", word(JobState::ALL.map(JobState::as_str)), "Only those in this state.")
    .query("pool", text(), "Only those whose last attempt was with a token of this pool.")
    .query("route", word(Route::ALL.map(Route::as_str)), "Only those whose last attempt went this way.")
    .query("verdict", word(Verdict::ALL.map(Verdict::as_str)), "Only those with this verdict on their file.")
    .query("caller", text(), "Only those of this caller, by its name or its id.")
    .query("since", text(), "Only those asked for less than so long ago: `90s`, `30m`, `24h`, `7d`.")
    .query("from", text(), "Only those asked for then or later, such as `2026-11-23T14:20:00Z`.")
    .query("to", text(), "Only those asked for before.")
    .query("after", text(), "The `next` of the page before.")
    .query(
        "limit",
        json!({ "type": "integer", "minimum": 1, "maximum": 1000, "default": 50 }),
        "Jobs on a page.",
    )
    .json(200, "JobList", "A page.")
    .errors(Errors::OpenAi, [400, 401, 404, 503]);
    let show =
        Operation::new(Tag::Jobs, ("get", "/admin/v1/jobs/{id}"), "getJob", "A job, with every attempt")
            .json(200, "Job", "The job.")
            .errors(Errors::OpenAi, [400, 401, 404, 503]);
    let cancel = Operation::new(Tag::Jobs, ("post", "/admin/v1/jobs/{id}/cancel"), "cancelJob", "End a job")
        .about("What the upstream has begun may still be billed.")
        .json(200, "Job", "The job as it is now.")
        .errors(Errors::OpenAi, [400, 401, 404, 503]);
    let again = Operation::new(
        Tag::Jobs,
        ("post", "/admin/v1/jobs/{id}/again"),
        "makeJobAgain",
        "Make a video again",
    )
    .about(
        "The same request once more, for the same caller, as a new job. A video that was made from a file \
                 can be made again until it is done: files are kept no longer.",
    )
    .json(200, "Job", "The new job.")
    .errors(Errors::OpenAi, [400, 401, 404, 409, 429, 503]);
    vec![list, show, cancel, again]
}

fn keys() -> Vec<Operation> {
    let list =
        Operation::new(Tag::Keys, ("get", "/admin/v1/keys"), "listKeys", "Keys of clients and operators")
            .json(200, "KeyList", "All keys, by their first characters.")
            .errors(Errors::OpenAi, [401, 503]);
    let create = Operation::new(Tag::Keys, ("post", "/admin/v1/keys"), "createKey", "Make a key")
        .about(
            "`scope` says what it opens: `client`, the videos of its caller; `read_only`, everything below \
             `/admin` that is read, save secrets; `admin`, everything of the operator's. A key of an operator makes \
             no videos as a client. With `key`, the text of one that applications have already: 409 `key_exists` \
             when it is there, `key_revoked` when it was.",
        )
        .body(JSON, schema("KeyRequest"))
        .json(200, "KeyCreated", "The key, which is shown this once.")
        .errors(Errors::OpenAi, [400, 401, 409, 413, 503]);
    let revoke = Operation::new(Tag::Keys, ("delete", "/admin/v1/keys/{id}"), "revokeKey", "Revoke a key")
        .json(200, "KeyRevoked", "It opens nothing any more.")
        .errors(Errors::OpenAi, [400, 401, 404, 503]);
    let rotate = Operation::new(
        Tag::Keys,
        ("post", "/admin/v1/keys/{id}/rotate"),
        "rotateKey",
        "Replace a key",
    )
    .about(
        "Makes a key of the same name, caller and scope. The one before stays valid for `keep_seconds`, by \
                 default a day. 409 `key_revoked` when it is not valid any more.",
    )
    .body(JSON, schema("KeyRotation"))
    .json(200, "KeyRotated", "The new key, which is shown this once.")
    .errors(Errors::OpenAi, [400, 401, 404, 409, 413, 503]);
    vec![list, create, revoke, rotate]
}

fn callers() -> Vec<Operation> {
    let list = Operation::new(
        Tag::Keys,
        ("get", "/admin/v1/callers"),
        "listCallers",
        "Callers, their limits and what they use",
    )
    .json(200, "CallerList", "All callers.")
    .errors(Errors::OpenAi, [401, 503]);
    let change = Operation::new(
        Tag::Keys,
        ("patch", "/admin/v1/callers/{caller}"),
        "limitCaller",
        "Limit a caller",
    )
    .about(
        "What is not named stays as it is; null is no limit. Requests beyond a limit are refused with 429 \
                 `rate_limit_exceeded`. What the caller has already is not taken from it.",
    )
    .body(JSON, schema("CallerChange"))
    .json(200, "Caller", "The caller as it is now.")
    .errors(Errors::OpenAi, [400, 401, 404, 413, 503]);
    vec![list, change]
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
