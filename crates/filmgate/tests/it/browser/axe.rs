//! axe-core: what keeps people out who cannot see, or do not use a mouse.

use serde_json::Value;

use super::chrome::Chrome;
use crate::clients::client;

/// The serious findings on the page that is shown, in words: none if all is well.
pub(super) async fn findings(chrome: &Chrome) -> Vec<String> {
    let source = client::made().join("axe/node_modules/axe-core/axe.min.js");
    let source = std::fs::read_to_string(source).unwrap();
    chrome.run(&source).await;
    let run = "const done = arguments[arguments.length - 1]; \
               axe.run(document, { resultTypes: ['violations'] }).then(done, (error) => done({ error: `${error}` }))";
    let result = chrome.page.execute_async(run, vec![]).await.unwrap();
    let violations = result["violations"].as_array().unwrap_or_else(|| panic!("axe did not run: {result}"));
    let passed = result["passes"].as_array().map_or(0, Vec::len);
    assert!(passed > 10, "axe looked at nothing: {passed} rules passed");
    let is_serious =
        |finding: &&Value| matches!(finding["impact"].as_str(), Some("serious" | "critical" | "moderate"));
    violations.iter().filter(is_serious).map(describe).collect()
}

fn describe(finding: &Value) -> String {
    let nodes = finding["nodes"].as_array().into_iter().flatten().take(5);
    let nodes: Vec<String> =
        nodes.map(|node| format!("{} {}", node["target"], node["failureSummary"])).collect();
    format!("{} ({}): {}\n{}", finding["id"], finding["impact"], finding["help"], nodes.join("\n"))
}
