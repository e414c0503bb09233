//! Whoever wants in, wants more, or wants what is somebody else's. The routes come from the description and from the
//! router's source: one that is added is attacked by itself.

mod guessing;
mod headers;
mod lines;
mod links;
mod others;
mod scopes;
mod tls;

use std::path::PathBuf;

use reqwest::Method;
use serde_json::Value;

use crate::app::TestApp;

const METHODS: [&str; 5] = ["get", "post", "put", "patch", "delete"];

/// An operation of the description.
#[derive(Clone, Debug)]
struct Operation {
    method: Method,
    path: String,
    /// `client_key`, `admin_key`, or nothing.
    key: String,
    /// Where it is mounted besides; empty: only there.
    mounts: Vec<String>,
}

/// Every operation that is described, which is every route there is.
async fn operations(app: &TestApp) -> Vec<Operation> {
    let answer = app.http.get(format!("{}/openapi.json", app.url)).send().await.unwrap();
    let document: Value = answer.json().await.unwrap();
    let mut operations = Vec::new();
    for (path, item) in document["paths"].as_object().unwrap() {
        let servers = item["servers"].as_array().into_iter().flatten();
        let mounts = servers.map(|server| server["url"].as_str().unwrap().trim_end_matches('/').to_owned());
        let mounts: Vec<String> = mounts.collect();
        for method in METHODS.iter().filter(|method| item.get(*method).is_some()) {
            let key =
                item[*method]["security"][0].as_object().and_then(|scheme| scheme.keys().next().cloned());
            operations.push(Operation {
                method: Method::from_bytes(method.to_uppercase().as_bytes()).unwrap(),
                path: path.clone(),
                key: key.unwrap_or_default(),
                mounts: if mounts.is_empty() { vec![String::new()] } else { mounts.clone() },
            });
        }
    }
    assert!(operations.len() > 50, "{}", operations.len());
    operations
}

/// The sources below a folder of `crates`, by their paths.
fn sources(folder: &str) -> Vec<(PathBuf, String)> {
    let mut directories = vec![PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/..")).join(folder)];
    let mut sources = Vec::new();
    while let Some(directory) = directories.pop() {
        for entry in std::fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().path()) {
            if entry.is_dir() {
                directories.push(entry);
            } else if entry.extension().is_some_and(|extension| extension == "rs") {
                let source = std::fs::read_to_string(&entry).unwrap();
                sources.push((entry, source));
            }
        }
    }
    sources
}

/// The paths of the operator's page, as they stand in its source.
fn page_routes() -> Vec<String> {
    let mut routes = Vec::new();
    for (_, source) in sources("filmgate-http/src/page") {
        let found = source.split(".route(\"").skip(1).map(|rest| rest.split('"').next().unwrap());
        routes.extend(found.map(str::to_owned));
    }
    routes.sort();
    assert!(routes.len() > 40 && routes.contains(&"/admin/tokens/bulk".to_owned()), "{routes:?}");
    routes
}

/// A real thing for each variable part of a path.
struct Real {
    token: String,
    job: String,
    key: String,
}

impl Real {
    async fn of(app: &TestApp) -> Self {
        let job = app.make("a fox", "480p", 6).await["id"].as_str().unwrap().to_owned();
        let made = app.admin(Method::POST, "/keys", Some(serde_json::json!({ "name": "spare" }))).await;
        Self { token: app.token_ids["basic-1"].clone(), job, key: made["id"].as_str().unwrap().to_owned() }
    }

    /// A path of the admin API or the page with real things in it.
    fn path(&self, path: &str) -> String {
        let id = if path.contains("/tokens/") {
            &self.token
        } else if path.contains("/keys/") && !path.contains("/clients/") {
            &self.key
        } else if path.contains("/clients/") {
            "caller_1"
        } else {
            &self.job
        };
        let path = path.replace("{id}", id).replace("{key}", &self.key).replace("{caller}", "tests");
        let path = path.replace("{name}", "xai").replace("{draft}", "none");
        assert!(!path.contains('{'), "{path}: what stands for that?");
        path
    }
}

#[test]
fn the_threat_model_names_tests_that_there_are() {
    let page = include_str!("../../../../../docs/threat-model.md");
    let sources = sources("");
    let is_there = |name: &str| {
        let is_module =
            |path: &PathBuf| path.ends_with(format!("{name}.rs")) || path.ends_with(format!("{name}/mod.rs"));
        let begins = [format!("fn {name}("), format!("mod {name} {{")];
        sources
            .iter()
            .any(|(path, source)| is_module(path) || begins.iter().any(|begin| source.contains(begin)))
    };
    let named = page.split('`').skip(1).step_by(2).filter(|name| name.contains("::")).collect::<Vec<_>>();
    assert!(named.len() > 20, "{named:?}");
    for part in named.iter().flat_map(|name| name.split("::")).filter(|part| *part != "*") {
        assert!(is_there(part), "{part} is named, and nothing is called so");
    }
}
