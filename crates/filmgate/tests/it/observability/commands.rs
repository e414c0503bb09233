//! What is told to be typed can be typed: the commands in alerts and pages are those of the program.

use std::process::Command;

use super::text_of;
use crate::app::binary;

/// `filmgate WORD WORD --flag …` between backticks: its words, and its flags.
fn commands(text: &str) -> Vec<(Vec<String>, Vec<String>)> {
    let joined = text.split_whitespace().collect::<Vec<_>>().join(" ");
    let quoted = joined.split('`').skip(1).step_by(2).filter_map(|inside| inside.strip_prefix("filmgate "));
    let is_word =
        |word: &&str| word.bytes().all(|b| b.is_ascii_lowercase() || b == b'-') && !word.starts_with('-');
    let split = |command: &str| {
        let words = command.split(' ').take_while(is_word).map(str::to_owned).collect();
        let flags = command.split(' ').filter(|word| word.starts_with("--")).map(str::to_owned).collect();
        (words, flags)
    };
    quoted.map(split).collect()
}

#[test]
fn commands_in_alerts_and_pages_exist() {
    let mut seen = 0;
    for file in ["packaging/prometheus/alerts.yml", "docs/metrics.md", "docs/observability.md"] {
        for (words, flags) in commands(&text_of(file)) {
            let output = Command::new(binary()).args(&words).arg("--help").output().unwrap();
            let help = String::from_utf8_lossy(&output.stdout).into_owned();
            let usage = format!("Usage: filmgate {}", words.join(" "));
            assert!(output.status.success() && help.contains(&usage), "{file}: {words:?}\n{help}");
            for flag in &flags {
                assert!(help.contains(flag.as_str()), "{file}: {words:?} has no {flag}");
            }
            seen += 1;
        }
    }
    assert!(seen >= 8, "only {seen} commands were found");
}
