//! What is wrong with the settings: everything at once, each with where it was written.

use std::fmt;

use serde::Serialize;

use super::tree::{Kind, Node, Place, Source, Step, dotted};
use super::words;

/// Everything that is wrong, in the order in which it was written. Never empty when returned as an error.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(transparent)]
pub struct ConfigErrors(pub Vec<ConfigError>);

/// One thing that is wrong.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ConfigError {
    /// Where: a file's path, `preset NAME`, `environment VARIABLE` or `--set`.
    pub place: String,
    /// The line in the file, from 1.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub line: Option<usize>,
    /// The column in that line, in characters, from 1.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub column: Option<usize>,
    /// The setting, as a dotted key; `None` for a text that cannot be read as TOML.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub key: Option<String>,
    /// What is wrong, and what would be right. It holds no secrets.
    pub message: String,
    #[serde(skip)]
    layer: Kind,
}

/// `filmgate.toml:14:15: what is wrong`
impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.place)?;
        if let (Some(line), Some(column)) = (self.line, self.column) {
            write!(f, ":{line}:{column}")?;
        }
        write!(f, ": {}", self.message)
    }
}

/// One line for each error.
impl fmt::Display for ConfigErrors {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (n, error) in self.0.iter().enumerate() {
            let end = if n == 0 { "" } else { "\n" };
            write!(f, "{end}{error}")?;
        }
        Ok(())
    }
}

impl std::error::Error for ConfigErrors {}

/// Who has more errors than this has no configuration, and will not read them.
pub(super) const MOST_ERRORS: usize = 100;

/// Which end of a value an error points at.
#[derive(Clone, Copy)]
pub(super) enum Spot {
    Key,
    Value,
}

/// The errors found so far.
#[derive(Default)]
pub(super) struct Collected {
    pub(super) errors: Vec<ConfigError>,
    /// The settings that are known to be wrong: what follows from them is not told as well.
    wrong: Vec<Vec<Step>>,
    /// The source of which only that it cannot be read is told.
    silent: Option<Kind>,
}

impl Collected {
    /// An error of a source as a whole, or at an offset of its text.
    pub(super) fn source(&mut self, source: &Source, offset: Option<usize>, message: String) {
        let (line, column) = offset.and_then(|at| source.position(at)).unzip();
        let layer = source.kind.clone();
        let (place, message) = (words::visible(&source.name()), words::visible(&message));
        self.errors.push(ConfigError { place, line, column, key: None, message, layer });
    }

    /// An error at a setting.
    pub(super) fn at(&mut self, place: &Place, spot: Spot, path: &[Step], message: String) {
        let offset = match spot {
            Spot::Key => place.key,
            Spot::Value => place.value,
        };
        self.wrong.push(path.to_vec());
        if self.silent.as_ref() == Some(&place.source.kind) {
            return;
        }
        self.source(&place.source, Some(offset), message);
        if let Some(error) = self.errors.last_mut() {
            error.key = Some(dotted(path));
        }
    }

    /// An error in what settings mean, unless it may follow from an error in how one is written.
    pub(super) fn meaning(&mut self, tree: &Node, path: &[Step], message: &str) {
        if self.errors.len() > MOST_ERRORS
            || self.wrong.iter().any(|wrong| wrong.starts_with(path) || path.starts_with(wrong))
        {
            return;
        }
        let place = tree.nearest(path).place.clone();
        self.at(&place, Spot::Value, path, format!("`{}`: {message}", dotted(path)));
    }

    /// Tells nothing more of settings in this source.
    pub(super) fn silence(&mut self, source: &Source) {
        self.silent = Some(source.kind.clone());
    }

    /// All errors in the order in which they were written.
    pub(super) fn finish(mut self) -> ConfigErrors {
        self.errors.sort_by(|a, b| (&a.layer, a.line, a.column).cmp(&(&b.layer, b.line, b.column)));
        ConfigErrors(self.errors)
    }
}
