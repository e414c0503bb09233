//! The settings: where they come from, what they are, and what is wrong with them.
//!
//! From weakest to strongest: `config.defaults.toml` (compiled in, and the manual), a preset, the
//! operator's `filmgate.toml`, the environment, and `--set` flags. Each layer is a tree whose values know
//! where they were written (`tree`); the merged tree is typed by serde (`schema`), one error after the
//! other is found and put aside until it fits (`repair`), and last it is checked whether the settings
//! fit together (`check`).

mod check;
mod de;
mod edit;
mod error;
#[cfg(any(test, feature = "fuzzing"))]
#[doc(hidden)]
pub mod fuzzing;
mod layers;
mod meaning;
mod names;
mod repair;
mod schema;
mod show;
#[cfg(test)]
mod tests;
mod tree;
mod values;
mod words;

use std::collections::BTreeMap;
use std::fmt;
use std::path::{Path, PathBuf};

use filmgate_domain::Catalog;
use serde::Deserialize;

pub use edit::{EditError, edit};
pub use error::{ConfigError, ConfigErrors};
pub use schema::{
    Chat, ChatContent, Config, Jobs, Log, LogFormat, Media, ModelConfig, PoolConfig, Server, Tokens,
    UpstreamBody, UpstreamConfig, Video,
};
pub use show::{Origin, Shown, about, render, shown};
pub use values::Proxy;

use error::{Collected, MOST_ERRORS};
use tree::{Kind, Node, Source, keys};

/// The text of `config.defaults.toml`: every setting with its default and a sentence.
pub const DEFAULTS: &str = include_str!("../../../../config.defaults.toml");

/// The presets by name.
pub const PRESETS: &[(&str, &str)] = &[("xai", include_str!("../../presets/xai.toml"))];

/// The name of the operator's file.
const FILE_NAME: &str = "filmgate.toml";

/// Where settings come from, besides the defaults.
#[derive(Clone, Default)]
pub struct Sources {
    /// The name of a preset; see [`PRESETS`].
    pub preset: Option<String>,
    /// The operator's file; see [`find_file`].
    pub file: Option<PathBuf>,
    /// The whole environment; only names that begin with `FILMGATE__` are looked at.
    pub env: Vec<(String, String)>,
    /// `key=value`, as after `--set`.
    pub set: Vec<String>,
}

/// Values of the environment and of flags may be secret.
impl fmt::Debug for Sources {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sources")
            .field("preset", &self.preset)
            .field("file", &self.file)
            .finish_non_exhaustive()
    }
}

/// Settings that were read and found right.
pub struct Loaded {
    /// The settings.
    pub config: Config,
    /// Their pools and models.
    pub catalog: Catalog,
    /// Where each value was written, by dotted key. What is not here is a default of the program.
    pub origin: BTreeMap<String, Origin>,
    /// What the operator wrote and nothing uses, such as a pool that `video.pools` does not name. Worth a
    /// line in the log: it may be a slip.
    pub warnings: Vec<String>,
    tree: Node,
}

impl fmt::Debug for Loaded {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Loaded")
            .field("config", &self.config)
            .field("warnings", &self.warnings)
            .finish_non_exhaustive()
    }
}

/// The operator's file: the one named, or else `filmgate.toml` in the working directory, or else the one in
/// the data directory. A file that is named, or is there but cannot be read, is an error of [`load`].
pub fn find_file(explicit: Option<&Path>, cwd: &Path, data_dir: &Path) -> Option<PathBuf> {
    if let Some(path) = explicit {
        return Some(path.to_owned());
    }
    let mut places = [cwd, data_dir].into_iter().map(|dir| dir.join(FILE_NAME));
    places.find(|path| path.symlink_metadata().is_ok())
}

/// Reads all sources.
///
/// # Errors
/// Everything that is wrong in any of them.
pub fn load(sources: &Sources) -> Result<Loaded, ConfigErrors> {
    let mut collected = Collected::default();
    let text = sources.file.as_ref().and_then(|path| match std::fs::read_to_string(path) {
        Ok(text) => Some(text),
        Err(error) => {
            let source = Source::single(Kind::File(path.clone()));
            collected.source(&source, None, format!("cannot be read: {error}"));
            None
        }
    });
    load_layers(sources, text.as_deref(), collected)
}

/// As [`load`], with this text in place of what `sources.file` holds: whether an edited file would do.
///
/// # Errors
/// Everything that is wrong in any source.
pub fn load_text(sources: &Sources, text: &str) -> Result<Loaded, ConfigErrors> {
    load_layers(sources, Some(text), Collected::default())
}

fn load_layers(
    sources: &Sources,
    text: Option<&str>,
    mut collected: Collected,
) -> Result<Loaded, ConfigErrors> {
    let mut tree = names::manual().clone();
    if let Some(name) = &sources.preset {
        let kind = Kind::Preset(name.clone());
        match PRESETS.iter().find(|(known, _)| known == name) {
            Some((_, text)) => tree = with_text(&tree, kind, text, &mut collected),
            None => {
                let hint = words::hint(name, PRESETS.iter().map(|(name, _)| *name));
                collected.source(&Source::single(kind), None, format!("there is no such preset{hint}"));
            }
        }
    }
    if let Some(text) = text {
        let path = sources.file.clone().unwrap_or_else(|| FILE_NAME.into());
        tree = with_text(&tree, Kind::File(path), text, &mut collected);
    }
    let flags = layers::from_flags(&sources.set, &mut collected);
    let env = layers::from_env(&sources.env, &tree, &flags, &mut collected);
    tree = repair::apply(&tree, env, &mut collected);
    tree = repair::apply(&tree, flags, &mut collected);
    finish(tree, collected)
}

/// Puts a TOML text on top. What cannot be read as TOML leaves it unclear what the rest means: then nothing
/// else is told of that text.
fn with_text(tree: &Node, kind: Kind, text: &str, collected: &mut Collected) -> Node {
    let source = Source::text(kind, text);
    let (layer, errors) = source.parse();
    if errors.is_empty() {
        return repair::apply(tree, layer, collected);
    }
    let more = errors.len() > MOST_ERRORS;
    for (offset, message) in errors.into_iter().take(MOST_ERRORS) {
        collected.source(&source, Some(offset), format!("cannot be read as TOML: {message}"));
    }
    if more {
        collected.source(&source, None, repair::cut_short());
    }
    collected.silence(&source);
    repair::apply(tree, layer, &mut Collected::default())
}

fn finish(tree: Node, mut collected: Collected) -> Result<Loaded, ConfigErrors> {
    let config = match Config::deserialize(&tree) {
        Ok(config) => config,
        // Each layer was made to fit.
        Err(fault) => unreachable!("a tree that does not fit after its repair: {fault}"),
    };
    check::check(&config, &tree, &mut collected);
    if !collected.errors.is_empty() {
        return Err(collected.finish());
    }
    let catalog = match config.catalog() {
        Ok(catalog) => catalog,
        // The checks find the same and say more; should they miss something, it is told all the same.
        Err(error) => {
            collected.meaning(&tree, &keys(&["video", "models"]), &error.to_string());
            return Err(collected.finish());
        }
    };
    let warnings = check::unused(&config, &tree);
    Ok(Loaded { catalog, origin: show::origins(&tree), warnings, config, tree })
}
