//! `docs/faults.md`: what the operator reads, and what is tested.

use std::fmt;

use super::kinds::Section;

/// A line of a table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Row {
    pub(crate) fault: String,
    pub(crate) played: String,
    /// `completed`, or the code of the failure.
    pub(crate) ends: String,
    /// How each attempt ended.
    pub(crate) attempts: String,
    pub(crate) charged: String,
    pub(crate) slot: String,
    /// What the pool's tokens are like afterwards.
    pub(crate) tokens: String,
    pub(crate) fault_of: String,
    /// Whether the operator reads the upstream's own words.
    pub(crate) words: String,
    /// Videos that the upstream made of it.
    pub(crate) made: String,
}

impl fmt::Display for Row {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Row { fault, played, ends, attempts, charged, slot, tokens, fault_of, words, made } = self;
        write!(
            f,
            "| {fault} | {played} | `{ends}` | {attempts} | {charged} | {slot} | {tokens} | {fault_of} | {words} | {made} |"
        )
    }
}

/// The rows below the heading of this section.
pub(crate) fn rows(section: Section) -> Vec<Row> {
    let page = include_str!("../../../../../docs/faults.md");
    let heading = format!("\n## {}\n", section.heading());
    let (_, below) = page.split_once(&heading).unwrap_or_else(|| panic!("no heading {heading:?}"));
    let below = below.split("\n## ").next().unwrap();
    let lines = below.lines().filter(|line| line.starts_with('|')).skip(2);
    lines.map(read).collect()
}

fn read(line: &str) -> Row {
    let cells = line.trim().trim_matches('|').split('|');
    let mut cells = cells.map(|cell| cell.trim().trim_matches('`').to_owned());
    let mut cell = || cells.next().unwrap_or_else(|| panic!("a cell is missing: {line}"));
    Row {
        fault: cell(),
        played: cell(),
        ends: cell(),
        attempts: cell(),
        charged: cell(),
        slot: cell(),
        tokens: cell(),
        fault_of: cell(),
        words: cell(),
        made: cell(),
    }
}
