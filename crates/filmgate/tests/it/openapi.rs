//! The description of the API against the API: every route is described, every answer has the form that it says.

use std::collections::{BTreeMap, BTreeSet, HashSet};

use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

use crate::app::{Setup, TestApp};

const METHODS: [&str; 5] = ["get", "post", "put", "patch", "delete"];

/// The description, got without a key.
pub(crate) async fn document(app: &TestApp) -> Value {
    let answer = app.http.get(format!("{}/openapi.json", app.url)).send().await.unwrap();
    assert_eq!(answer.status(), StatusCode::OK);
    assert_eq!(answer.headers()["content-type"], "application/json");
    answer.json().await.unwrap()
}

/// The operations by path and method.
pub(crate) fn operations(document: &Value) -> impl Iterator<Item = (&str, &str, &Value)> {
    let paths = document["paths"].as_object().unwrap().iter();
    paths.flat_map(|(path, item)| {
        let methods = item.as_object().unwrap().iter().filter(|(key, _)| METHODS.contains(&&***key));
        methods.map(move |(method, operation)| (&**path, &**method, operation))
    })
}

#[tokio::test]
async fn the_document_is_whole() {
    let app = Setup { tokens: [0, 0], ..Setup::default() }.start().await;
    let document = document(&app).await;
    assert_eq!(document["openapi"], "3.1.0");
    assert_eq!(document["info"]["version"], env!("CARGO_PKG_VERSION"));
    every_reference_leads_somewhere(&document, &document);
    for (name, schema) in document["components"]["schemas"].as_object().unwrap() {
        jsonschema::draft202012::meta::validate(schema).unwrap_or_else(|e| panic!("{name}: {e}"));
        assert!(document.to_string().contains(&format!("schemas/{name}\"")), "{name} is not used");
    }
    let tags: HashSet<&Value> = document["tags"].as_array().unwrap().iter().map(|tag| &tag["name"]).collect();
    let mut ids = HashSet::new();
    for (path, method, operation) in operations(&document) {
        let place = format!("{method} {path}");
        assert!(ids.insert(operation["operationId"].as_str().unwrap()), "{place}: its id is taken");
        assert!(!operation["summary"].as_str().unwrap().is_empty(), "{place}");
        assert!(tags.contains(&operation["tags"][0]), "{place}");
        let responses = operation["responses"].as_object().unwrap();
        assert!(responses.values().all(|response| response["description"].is_string()), "{place}");
        let needs_key = !operation["security"].as_array().unwrap().is_empty();
        assert_eq!(responses.contains_key("401"), needs_key, "{place}");
        let is_open = ["/media/", "/healthz", "/readyz", "/metrics", "/openapi.json", "/docs"];
        assert_eq!(!is_open.iter().any(|open| path.starts_with(open)), needs_key, "{place}");
        let in_path = operation["parameters"].as_array().into_iter().flatten().filter(|p| p["in"] == "path");
        assert_eq!(in_path.count(), path.matches('{').count(), "{place}");
    }
}

fn every_reference_leads_somewhere(document: &Value, part: &Value) {
    match part {
        Value::Object(map) => {
            if let Some(reference) = map.get("$ref").and_then(Value::as_str) {
                let place = reference.strip_prefix('#').unwrap();
                assert!(document.pointer(place).is_some(), "{reference}");
            }
            map.values().for_each(|part| every_reference_leads_somewhere(document, part));
        }
        Value::Array(list) => list.iter().for_each(|part| every_reference_leads_somewhere(document, part)),
        _ => {}
    }
}

/// The paths that stand in the router's source.
fn routes() -> BTreeSet<String> {
    let paths = |source: &'static str| {
        source.split(".route(").skip(1).map(|rest| rest.split('"').nth(1).unwrap()).collect::<Vec<_>>()
    };
    let (public, admin) = (
        paths(include_str!("../../../filmgate-http/src/lib.rs")),
        paths(include_str!("../../../filmgate-http/src/admin/mod.rs")),
    );
    let is_client = |path: &str| ["/videos", "/chat", "/models"].iter().any(|begin| path.starts_with(begin));
    let public =
        public.into_iter().map(|path| if is_client(path) { format!("/v1{path}") } else { path.to_owned() });
    public.chain(admin.into_iter().map(|path| format!("/admin/v1{path}"))).collect()
}

#[tokio::test]
async fn every_route_is_described_and_every_description_is_a_route() {
    let app = Setup { tokens: [0, 0], ..Setup::default() }.start().await;
    let document = document(&app).await;
    let mut described: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for (path, method, _) in operations(&document) {
        described.entry(path.to_owned()).or_default().insert(method.to_uppercase());
    }
    assert_eq!(described.keys().cloned().collect::<BTreeSet<_>>(), routes());
    for (path, methods) in &described {
        // A method that no path takes: the answer says which ones this path does.
        let concrete = path.replace(['{', '}'], "");
        for mount in document["paths"][path]["servers"].as_array().unwrap_or(&vec![json!({ "url": "/" })]) {
            let mount = mount["url"].as_str().unwrap().trim_end_matches('/');
            let answer = app.request(Method::TRACE, &format!("{mount}{concrete}"), None).await;
            assert_eq!(answer.status(), StatusCode::METHOD_NOT_ALLOWED, "{mount}{path}");
            let allowed = answer.headers()["allow"].to_str().unwrap().split(',').map(str::trim);
            let allowed: BTreeSet<String> = allowed.filter(|m| *m != "HEAD").map(str::to_owned).collect();
            assert_eq!(&allowed, methods, "{mount}{path}");
        }
    }
}

/// Checks real answers against the document, strictly: a field that is not described is a mistake.
struct Strict {
    document: Value,
}

impl Strict {
    async fn of(app: &TestApp) -> Self {
        let mut document = document(app).await;
        for schema in document["components"]["schemas"].as_object_mut().unwrap().values_mut() {
            close(schema);
        }
        Self { document }
    }

    /// Sends a request and checks its answer.
    async fn ask(
        &self,
        app: &TestApp,
        (method, path): (&str, &str),
        actual: &str,
        body: Option<Value>,
    ) -> Value {
        let key = if path.starts_with("/admin") { crate::app::ADMIN_KEY } else { &app.client_key };
        let verb = Method::from_bytes(method.to_uppercase().as_bytes()).unwrap();
        let answer = app.request_as(key, verb, actual, body).await;
        let (status, url) = (answer.status(), answer.url().to_string());
        let content: Value = answer.json().await.unwrap();
        let responses = &self.document["paths"][path][method]["responses"];
        let response = &responses[status.as_str()];
        assert!(response.is_object(), "{method} {url}: {status} is not described: {content}");
        let mut schema = response["content"]["application/json"]["schema"].clone();
        schema["components"] = self.document["components"].clone();
        let validator = jsonschema::draft202012::new(&schema).unwrap();
        let errors: Vec<String> =
            validator.iter_errors(&content).map(|e| format!("{}: {e}", e.instance_path())).collect();
        assert!(errors.is_empty(), "{method} {url}: {}\n{content:#}", errors.join("\n"));
        content
    }
}

/// Forbids fields that are not described.
fn close(schema: &mut Value) {
    match schema {
        Value::Object(map) => {
            map.values_mut().for_each(close);
            if map.get("type").is_some_and(|kind| kind == "object") && map.contains_key("properties") {
                map.entry("additionalProperties").or_insert(json!(false));
            }
        }
        Value::Array(list) => list.iter_mut().for_each(close),
        _ => {}
    }
}

#[tokio::test]
async fn what_clients_are_answered_is_described() {
    let app = Setup::default().start().await;
    let strict = Strict::of(&app).await;
    let ask = async |what, actual: &str, body| strict.ask(&app, what, actual, body).await;
    let create = ("post", "/v1/videos");
    let video = ask(create, "/v1/videos", Some(json!({ "prompt": "a fox" }))).await;
    let failing = ask(create, "/v1/videos", Some(json!({ "prompt": "[moderate]" }))).await;
    let generate = ("post", "/v1/videos/generations");
    let xai = ask(generate, generate.1, Some(json!({ "prompt": "a fox", "duration": 6 }))).await;
    let pending = xai["request_id"].as_str().unwrap();
    let one = ("get", "/v1/videos/{id}");
    ask(one, &format!("/v1/videos/{pending}"), None).await;
    let (id, failed) = (video["id"].as_str().unwrap(), failing["id"].as_str().unwrap());
    for id in [id, failed] {
        app.finished(id).await;
        let hex = id.strip_prefix("video_").unwrap();
        ask(one, &format!("/v1/videos/{id}"), None).await;
        ask(one, &format!("/xai/v1/videos/{}", uuid_of(hex)), None).await;
    }
    ask(one, &format!("/v1/videos/{pending}?wait=30"), None).await;
    ask(one, "/v1/videos/video_x", None).await;
    ask(one, "/xai/v1/videos/video_x", None).await;
    ask(one, &format!("/v1/videos/{id}?wait=soon"), None).await;
    ask(
        ("post", "/v1/videos/{id}/remix"),
        &format!("/v1/videos/{id}/remix"),
        Some(json!({ "prompt": "red" })),
    )
    .await;
    for (path, body) in [
        ("/v1/videos/edits", json!({ "prompt": "red", "video": { "id": id } })),
        ("/v1/videos/extensions", json!({ "prompt": "on", "video": { "url": "ftp://x" } })),
        ("/v1/videos/characters", json!({})),
        ("/v1/videos", json!({ "prompt": "a fox", "model": "none" })),
        ("/v1/videos/generations", json!({ "prompt": "a fox", "resolution": "1080p" })),
        ("/v1/chat/completions", json!({ "messages": [{ "role": "user", "content": "a fox" }] })),
        ("/v1/chat/completions", json!({ "messages": [{ "role": "user", "content": "[moderate]" }] })),
        ("/v1/chat/completions", json!({ "messages": 7 })),
    ] {
        ask(("post", path), path, Some(body)).await;
    }
    for path in ["/v1/videos", "/v1/models"] {
        ask(("get", path), path, None).await;
    }
    ask(("get", "/v1/models/{model}"), "/v1/models/grok-video", None).await;
    ask(("get", "/v1/models/{model}"), "/v1/models/none", None).await;
    ask(("delete", one.1), &format!("/v1/videos/{id}"), None).await;
    app.each_token("ssoBasic", "disable").await;
    app.each_token("ssoSuper", "disable").await;
    let refused = ask(create, "/v1/videos", Some(json!({ "prompt": "a fox" }))).await;
    assert_eq!(refused["error"]["type"], "rate_limit_error");
}

fn uuid_of(hex: &str) -> String {
    let job: filmgate_domain::JobId = hex.parse().unwrap();
    job.to_string()
}

#[tokio::test]
async fn what_the_operator_is_answered_is_described() {
    let app = Setup::default().start().await;
    let strict = Strict::of(&app).await;
    let ask = async |what: (&str, &str), actual: &str, body| {
        strict.ask(&app, (what.0, &format!("/admin/v1{}", what.1)), &format!("/admin/v1{actual}"), body).await
    };
    let videos = [app.make("a fox", "480p", 6).await, app.make("[moderate]", "720p", 6).await];
    let job = videos[0]["id"].as_str().unwrap();
    let token = &app.token_ids["basic-1"];
    for path in ["/tokens", "/tokens/export", "/pools", "/route", "/jobs", "/keys", "/config"] {
        ask(("get", path), path, None).await;
    }
    for id in [&**token, "tok_999", "7"] {
        for verb in ["disable", "enable", "reset", "forgive"] {
            ask(("post", &format!("/tokens/{{id}}/{verb}")), &format!("/tokens/{id}/{verb}"), None).await;
        }
        ask(("get", "/tokens/{id}"), &format!("/tokens/{id}"), None).await;
    }
    for id in [job, "video_0197f3c0111170008000000000000000", "7"] {
        ask(("get", "/jobs/{id}"), &format!("/jobs/{id}"), None).await;
        ask(("post", "/jobs/{id}/cancel"), &format!("/jobs/{id}/cancel"), None).await;
        ask(("post", "/jobs/{id}/again"), &format!("/jobs/{id}/again"), None).await;
    }
    for (path, query) in [
        ("/route", "resolution=1080p"),
        ("/route", "seconds=10&resolution=720p"),
        ("/jobs", "state=odd"),
        ("/jobs", "verdict=as_asked&since=1h&limit=1"),
        ("/jobs", "caller=nobody"),
    ] {
        ask(("get", path), &format!("{path}?{query}"), None).await;
    }
    let import = ("post", "/tokens/import");
    let tokens = json!({ "ssoSuper": ["one-more-token", 7, app.sim_tokens[1][0].secret] });
    ask(import, "/tokens/import?dry_run=true", Some(tokens.clone())).await;
    ask(import, "/tokens/import", Some(tokens)).await;
    let bulk = ("post", "/tokens/bulk");
    ask(bulk, bulk.1, Some(json!({ "action": "disable", "ids": [token, "tok_999"] }))).await;
    ask(bulk, bulk.1, Some(json!({ "action": "enable", "filter": {} }))).await;
    ask(bulk, bulk.1, Some(json!({ "action": "explode" }))).await;
    for upstream in ["xai", "none"] {
        let path = format!("/upstreams/{upstream}/check");
        ask(("post", "/upstreams/{name}/check"), &path, None).await;
    }
    let key = ask(("post", "/keys"), "/keys", Some(json!({ "name": "mine" }))).await;
    let rotate = format!("/keys/{}/rotate", key["id"].as_str().unwrap());
    for body in [json!({ "keep_seconds": 0 }), json!({}), json!({ "keep_seconds": -1 })] {
        ask(("post", "/keys/{id}/rotate"), &rotate, Some(body)).await;
    }
    ask(("get", "/callers"), "/callers", None).await;
    for body in [json!({ "limits": { "units_per_day": 99, "max_in_flight": null } }), json!({})] {
        ask(("patch", "/callers/{caller}"), "/callers/mine", Some(body)).await;
    }
    let key = ask(("post", "/keys"), "/keys", Some(json!({ "name": "mine" }))).await;
    let revoke = format!("/keys/{}", key["id"].as_str().unwrap());
    ask(("delete", "/keys/{id}"), &revoke, None).await;
    ask(("get", "/keys"), "/keys", None).await;
    ask(("delete", "/tokens/{id}"), &format!("/tokens/{token}"), None).await;
    let used = strict.ask(&app, ("get", "/admin/v1/route"), "/admin/v1/route", None).await;
    assert!(used["decision"]["chosen"].is_object(), "{used}");
}

#[tokio::test]
async fn what_the_operator_is_answered_about_books_and_settings_is_described() {
    let app = Setup::default().start().await;
    let strict = Strict::of(&app).await;
    let ask = async |what: (&str, &str), actual: &str, body| {
        strict.ask(&app, (what.0, &format!("/admin/v1{}", what.1)), &format!("/admin/v1{actual}"), body).await
    };
    app.make("a fox", "720p", 6).await;
    for query in ["", "pool=ssoSuper&token=tok_1", "day=2026-02-30", "token=seven"] {
        ask(("get", "/ledger"), &format!("/ledger?{query}"), None).await;
    }
    ask(("post", "/config/reload"), "/config/reload", None).await;
    ask(("patch", "/config"), "/config", Some(json!({ "set": { "no.such": 1 } }))).await;
    ask(("get", "/config/undo"), "/config/undo", None).await;
    ask(("post", "/config/undo"), "/config/undo", None).await;
    let set = json!({ "set": { "video.upgrade_reserve": 0.5, "pools.ssoSuper.quota_units": 4 } });
    let preview = ask(("post", "/config/preview"), "/config/preview", Some(set.clone())).await;
    assert_eq!(preview["videos"], 1, "{preview}");
    ask(("post", "/config/preview"), "/config/preview", Some(json!({ "set": { "no.such": 1 } }))).await;
    ask(("patch", "/config"), "/config", Some(set)).await;
    ask(("get", "/config/undo"), "/config/undo", None).await;
    ask(("post", "/config/undo"), "/config/undo", None).await;
    let caller = "tests";
    let hook = ("put", "/webhooks/{caller}");
    for body in [json!({ "url": "http://127.0.0.1:9/" }), json!({ "url": null }), json!({ "odd": 1 })] {
        ask(hook, &format!("/webhooks/{caller}"), Some(body)).await;
    }
    for verb in ["test", "rotate"] {
        ask(("post", &format!("/webhooks/{{caller}}/{verb}")), &format!("/webhooks/{caller}/{verb}"), None)
            .await;
    }
    ask(("get", "/webhooks"), "/webhooks", None).await;
    ask(("delete", "/webhooks/{caller}"), &format!("/webhooks/{caller}"), None).await;
    ask(("get", "/webhooks/deliveries"), "/webhooks/deliveries", None).await;
    ask(("get", "/webhooks/deliveries"), "/webhooks/deliveries?state=odd", None).await;
    let trail = ask(("get", "/audit"), "/audit", None).await;
    assert!(trail["entries"].as_array().unwrap().len() > 2, "{trail}");
    ask(("get", "/audit"), "/audit?before=soon", None).await;
}

#[tokio::test]
async fn the_page_needs_nothing_from_elsewhere() {
    let app = Setup { tokens: [0, 0], ..Setup::default() }.start().await;
    let answer = app.http.get(format!("{}/docs", app.url)).send().await.unwrap();
    assert_eq!(answer.status(), StatusCode::OK);
    assert_eq!(answer.headers()["content-type"], "text/html; charset=utf-8");
    let policy = answer.headers()["content-security-policy"].to_str().unwrap();
    assert!(policy.starts_with("default-src 'none'; style-src 'self'"), "{policy}");
    let page = answer.text().await.unwrap();
    for elsewhere in ["<script", "src=", "style=", "href=\"http", "url("] {
        assert!(!page.contains(elsewhere), "{elsewhere}");
    }
    for (_, _, operation) in operations(&document(&app).await) {
        let id = operation["operationId"].as_str().unwrap();
        assert!(page.contains(&format!("<details id=\"{id}\">")), "{id} is not on the page");
    }
    let links = page.split("href=\"#").skip(1).map(|rest| rest.split('"').next().unwrap());
    for link in links {
        assert!(page.contains(&format!("id=\"{link}\"")), "#{link} leads nowhere");
    }
    let style = app.http.get(format!("{}/docs/style.css", app.url)).send().await.unwrap();
    assert_eq!(style.headers()["content-type"], "text/css; charset=utf-8");
}
