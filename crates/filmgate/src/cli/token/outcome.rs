//! What became of tokens that were to be added.

use std::fmt::Write as _;
use std::process::ExitCode;

use serde::Deserialize;
use serde_json::Value;

use crate::cli::{Globals, out};

/// How many added or known tokens are listed one by one; what was refused is always listed.
const LISTED: usize = 50;

/// The admin API's answer to an import.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Outcome {
    added: Vec<Entry>,
    duplicates: Vec<Entry>,
    pub(super) refused: Vec<Refusal>,
    /// In a dry run: how many are tokens that have a place.
    pub(super) would_add_or_find: Option<usize>,
}

#[derive(Debug, Deserialize)]
struct Entry {
    place: String,
    id: String,
    pool: String,
    token: String,
}

/// What is no token, or has no place.
#[derive(Debug, Deserialize)]
pub(super) struct Refusal {
    place: String,
    pub(super) reason: String,
}

impl Outcome {
    /// Prints it; the exit code says whether anything was refused.
    pub(super) fn tell(&self, json: &Value, globals: &Globals) -> anyhow::Result<ExitCode> {
        if globals.json {
            out::print_json(json)?;
        } else {
            out::print(&self.render())?;
        }
        Ok(if self.refused.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
    }

    fn render(&self) -> String {
        let mut text = String::new();
        list(&mut text, "added", &self.added);
        list(&mut text, "there already", &self.duplicates);
        for Refusal { place, reason } in &self.refused {
            line(&mut text, "refused", place, reason);
        }
        let refused = self.refused.len();
        // Writing to a text does not fail.
        let _ = match self.would_add_or_find {
            Some(count) => writeln!(text, "would take {count}, refuse {refused}; nothing was changed"),
            None => {
                let (added, known) = (self.added.len(), self.duplicates.len());
                writeln!(text, "{added} added, {known} there already, {refused} refused")
            }
        };
        out::clean(&text)
    }
}

fn list(text: &mut String, what: &str, entries: &[Entry]) {
    for Entry { place, id, pool, token } in entries.iter().take(LISTED) {
        line(text, what, place, &format!("{id} {token} in {pool}"));
    }
    if entries.len() > LISTED {
        line(text, what, &format!("and {} more", entries.len() - LISTED), "");
    }
}

fn line(text: &mut String, what: &str, place: &str, rest: &str) {
    let _ = writeln!(text, "{}", format_args!("{what:13}  {place:12}  {rest}").to_string().trim_end());
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_line_has_its_place_and_reason() {
        let outcome: Outcome = serde_json::from_str(
            r#"{"added":[{"place":"ssoSuper[0]","id":"tok_7","pool":"ssoSuper","token":"eyJ0eXAiOi..."}],
                "duplicates":[{"place":"line 2","id":"tok_3","pool":"ssoBasic","token":"abc..."}],
                "refused":[{"place":"line 4","reason":"the token is empty"}]}"#,
        )
        .unwrap();
        insta::assert_snapshot!(outcome.render(), @r"
        added          ssoSuper[0]   tok_7 eyJ0eXAiOi... in ssoSuper
        there already  line 2        tok_3 abc... in ssoBasic
        refused        line 4        the token is empty
        1 added, 1 there already, 1 refused
        ");
    }

    #[test]
    fn long_lists_are_cut_and_counted() {
        let entry = |n: usize| Entry {
            place: format!("line {n}"),
            id: format!("tok_{n}"),
            pool: "p".to_owned(),
            token: "t...".to_owned(),
        };
        let outcome = Outcome { added: (0..LISTED + 7).map(entry).collect(), ..Outcome::default() };
        let text = outcome.render();
        assert!(text.contains("and 7 more\n57 added, 0 there already, 0 refused"), "{text}");
    }
}
