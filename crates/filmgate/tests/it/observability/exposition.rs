//! The text that `/metrics` answers, and the table of docs/metrics.md, in the same terms.

use std::collections::{BTreeMap, BTreeSet};

use super::text_of;
use crate::app::TestApp;

/// A line of the table.
#[derive(Debug)]
pub(super) struct Row {
    pub(super) name: String,
    pub(super) kind: String,
    /// The labels, and the values they can have where there are only so many.
    pub(super) labels: BTreeMap<String, Option<BTreeSet<String>>>,
}

impl Row {
    /// All of docs/metrics.md.
    pub(super) fn all() -> Vec<Row> {
        let text = text_of("docs/metrics.md");
        let rows: Vec<Row> = text.lines().filter(|line| line.starts_with("| `")).map(Self::read).collect();
        assert!(rows.len() > 15, "the table was not found");
        rows
    }

    fn read(line: &str) -> Row {
        let cells: Vec<&str> = line.trim_matches('|').split('|').map(str::trim).collect();
        let [name, kind, labels, meaning, _unit] = cells[..] else { panic!("not five cells: {line}") };
        assert!(!meaning.is_empty(), "{line}");
        let mut found = BTreeMap::new();
        // `name` (value, value), `name`
        let mut rest = labels;
        while let Some((_, after)) = rest.split_once('`') {
            let (label, after) = after.split_once('`').unwrap_or_else(|| panic!("{line}"));
            let (values, after) = match after.strip_prefix(" (").and_then(|inside| inside.split_once(')')) {
                Some((values, after)) => (Some(values.split(", ").map(str::to_owned).collect()), after),
                None => (None, after),
            };
            found.insert(label.to_owned(), values);
            rest = after;
        }
        Row { name: name.trim_matches('`').to_owned(), kind: kind.to_owned(), labels: found }
    }

    /// The family's name, which its declaration has.
    pub(super) fn family(&self) -> &str {
        let ending = match self.kind.as_str() {
            "counter" => "_total",
            "histogram" => "_bucket",
            _ => "",
        };
        self.name.strip_suffix(ending).unwrap_or_else(|| panic!("a {} called {}", self.kind, self.name))
    }
}

/// What is exposed.
pub(super) struct Exposed {
    /// The families and their types.
    pub(super) kinds: BTreeMap<String, String>,
    pub(super) samples: Vec<Sample>,
}

#[derive(Debug)]
pub(super) struct Sample {
    pub(super) name: String,
    pub(super) labels: BTreeMap<String, String>,
    pub(super) value: f64,
}

impl Exposed {
    pub(super) async fn by(app: &TestApp) -> Self {
        let answer = app.http.get(format!("{}/metrics", app.url)).send().await.unwrap();
        let text = answer.error_for_status().unwrap().text().await.unwrap();
        let (mut kinds, mut helped, mut samples) = (BTreeMap::new(), BTreeSet::new(), Vec::new());
        for line in text.lines() {
            if let Some(declared) = line.strip_prefix("# TYPE ") {
                let (family, kind) = declared.split_once(' ').unwrap();
                kinds.insert(family.to_owned(), kind.to_owned());
            } else if let Some(help) = line.strip_prefix("# HELP ") {
                helped.insert(help.split_once(' ').unwrap().0.to_owned());
            } else if !line.starts_with('#') {
                samples.push(Sample::read(line));
            }
        }
        assert_eq!(kinds.keys().collect::<Vec<_>>(), helped.iter().collect::<Vec<_>>());
        Self { kinds, samples }
    }
}

impl Sample {
    fn read(line: &str) -> Self {
        let (series, value) = line.rsplit_once(' ').unwrap();
        let (name, labels) = series.split_once('{').unwrap_or((series, ""));
        let mut found = BTreeMap::new();
        let mut rest = labels.trim_end_matches('}');
        while let Some((label, after)) = rest.split_once("=\"") {
            let (value, after) = after.split_once('"').unwrap();
            found.insert(label.trim_start_matches(',').to_owned(), value.to_owned());
            rest = after;
        }
        Self { name: name.to_owned(), labels: found, value: value.parse().unwrap() }
    }
}
