//! What the packages think of a webhook.

use serde_json::{Value, json};

use super::client::{Client, node, python};

/// The packages that check signatures. Each says whether a webhook is genuine.
pub(crate) fn verifiers() -> [Client; 5] {
    [
        python("standardwebhooks", "standardwebhooks/verify.py"),
        python("openai-python/2", "openai-python/verify.py"),
        python("openai-python/3", "openai-python/verify.py"),
        node("openai-node/6", "openai-node/verify.mjs"),
        node("openai-node/7", "openai-node/verify.mjs"),
    ]
}

/// Whether a package takes a webhook for genuine. `headers` is an object. Panics when it ends otherwise.
pub(crate) fn is_genuine(package: &Client, secret: &str, headers: &Value, body: &str) -> bool {
    let received = json!({ "secret": secret, "headers": headers, "body": body });
    let (ended_well, said) = package.tell(&received.to_string());
    let verdict: Value = serde_json::from_str(&said).unwrap_or_else(|_| panic!("{said}"));
    assert_eq!(verdict["ok"], ended_well, "{said}");
    ended_well
}

/// Before they judge filmgate's webhooks: that they can tell.
#[test]
fn packages_tell_genuine_from_forged() {
    let test = "clients::webhooks::packages_tell_genuine_from_forged";
    if !verifiers().iter().all(|package| package.is_ready(test)) {
        return;
    }
    let (_, signed) = python("standardwebhooks", "standardwebhooks/sign.py").tell("");
    let signed: Value = serde_json::from_str(&signed).unwrap();
    let (secret, body) = (signed["secret"].as_str().unwrap(), signed["body"].as_str().unwrap());
    let mut old = signed["headers"].clone();
    old["webhook-timestamp"] = json!("1700000000");
    for package in verifiers() {
        assert!(is_genuine(&package, secret, &signed["headers"], body));
        assert!(!is_genuine(&package, secret, &signed["headers"], &body.replace("video_1", "video_2")));
        assert!(!is_genuine(&package, secret, &old, body));
    }
}
