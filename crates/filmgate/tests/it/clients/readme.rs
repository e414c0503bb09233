//! What README says about each client, run as it stands there. Only address and key are put in.

use rstest::rstest;

use super::client::{Client, curl, node, python};
use crate::app::Setup;

/// The first lines of code below a heading of README.
fn lines_below(heading: &str) -> String {
    let readme = concat!(env!("CARGO_MANIFEST_DIR"), "/../../README.md");
    let readme = std::fs::read_to_string(readme).unwrap();
    let section = readme.split(&format!("\n### {heading}\n")).nth(1).expect("there is such a section");
    let code = section.split("\n```").nth(1).expect("it has lines of code");
    code.split_once('\n').unwrap().1.to_owned()
}

#[rstest]
#[case::openai_python_2("openai-python", python("openai-python/2", "openai-python/checks.py"))]
#[case::openai_python_3("openai-python", python("openai-python/3", "openai-python/checks.py"))]
#[case::openai_node_6("openai-node", node("openai-node/6", "openai-node/checks.mjs"))]
#[case::openai_node_7("openai-node", node("openai-node/7", "openai-node/checks.mjs"))]
#[case::litellm("LiteLLM", python("litellm", "litellm/checks.py"))]
#[case::ai_sdk_6("Vercel AI SDK", node("ai-sdk/6", "ai-sdk/checks.mjs"))]
#[case::ai_sdk_7("Vercel AI SDK", node("ai-sdk/7", "ai-sdk/checks.mjs"))]
#[case::curl("curl", curl("curl/checks.sh"))]
#[case::chat("Chat completions", curl("curl/checks.sh"))]
#[tokio::test]
async fn the_lines_of_the_readme_make_a_video(#[case] heading: &str, #[case] client: Client) {
    if !client.is_ready(&format!("clients::readme: {heading}")) {
        return;
    }
    let app = Setup::default().start().await;
    let lines = lines_below(heading);
    assert!(lines.contains("http://127.0.0.1:8000/v1") && lines.contains("fg-..."), "{lines}");
    let lines = lines.replace("http://127.0.0.1:8000", &app.url).replace("fg-...", &app.client_key);
    let folder = tempfile::tempdir().unwrap();
    let (well, said) = client.run_lines(&lines, folder.path());
    assert!(well, "{said}");
    let made = std::fs::read(folder.path().join("fox.mp4")).unwrap();
    assert_eq!(&made[4..8], b"ftyp", "{said}");
    assert_eq!(app.simulator.generations().len(), 1);
}
