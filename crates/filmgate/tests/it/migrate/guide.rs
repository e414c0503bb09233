//! The Chinese guide: its commands are run as they stand there, and the output it shows is what comes out.

use std::process::Stdio;

use super::{CLIENT_KEY, Move};
use crate::app::binary;

const GUIDE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/migrate-grok2api.zh-CN.md");
/// What stands in the guide for the old gateway's directory, and for a compatible server.
const OLD: &str = "/srv/grok2api/data";
const UPSTREAM: &str = "http://127.0.0.1:9000/v1";

/// The text of every block of this kind, in order.
fn blocks(kind: &str) -> Vec<String> {
    let guide = std::fs::read_to_string(GUIDE).unwrap();
    let begin = format!("\n```{kind}\n");
    let blocks = guide.split(&begin).skip(1).map(|rest| rest.split("\n```").next().unwrap().to_owned());
    blocks.collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn the_output_in_the_guide_is_what_comes_out() {
    let moving = Move::begin().await;
    let told = moving.run(&[]).with_code(0).out;
    let data_dir = format!(" --data-dir {}", moving.data_dir().display());
    let told = told.replace(&data_dir, "").replace(&moving.old().display().to_string(), OLD);
    let told = told.replace(&moving.data_dir().display().to_string(), "/home/me/.local/share/filmgate");
    assert_eq!(blocks("text"), [told.trim_end()], "the guide shows another output:\n{told}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn the_commands_in_the_guide_work() {
    let moving = Move::begin().await;
    let lines: Vec<String> = blocks("sh").iter().flat_map(|block| block.lines().map(str::to_owned)).collect();
    assert!(lines.len() >= 9, "{lines:#?}");
    let mut serving = None;
    for line in &lines {
        assert!(line.contains("filmgate "), "{line}");
        let official = line.contains("--preset xai");
        if line.ends_with("filmgate serve") {
            serving = Some(moving.serve().await);
            continue;
        }
        let command = line.replace(OLD, &moving.old().display().to_string());
        let command = command.replace(UPSTREAM, &moving.upstream()).replace("sk-...", CLIENT_KEY);
        // A server for which there is no key here only has to be spelled right.
        let command = if official { format!("{command} --help") } else { command };
        let directory = std::path::Path::new(binary()).parent().unwrap().to_owned();
        let path = format!("{}:{}", directory.display(), std::env::var("PATH").unwrap());
        let mut shell = std::process::Command::new("sh");
        shell.args(["-c", &command]).current_dir(moving.cwd()).stdin(Stdio::null());
        let shell = shell.env("PATH", path).env("FILMGATE_DATA_DIR", moving.data_dir());
        let output = shell.env_remove("FILMGATE_ADMIN_KEY").env_remove("XAI_API_KEY").output().unwrap();
        let said = String::from_utf8_lossy(&output.stdout).into_owned();
        assert!(output.status.success(), "{command}\n{said}\n{}", String::from_utf8_lossy(&output.stderr));
        assert!(!line.contains("generate") || said.contains("as asked"), "{command}\n{said}");
    }
    assert!(serving.is_some(), "the guide starts it");
    let fox = std::fs::read(moving.cwd().join("fox.mp4")).unwrap();
    assert_eq!(&fox[4..8], b"ftyp");
    assert_eq!(moving.simulator.generations().len(), 1);
}
