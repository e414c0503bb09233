//! `config show`: the settings in effect, and where each one comes from.

use std::collections::BTreeMap;
use std::fmt;
use std::fmt::Write as _;
use std::path::PathBuf;

use serde::{Serialize, Serializer};
use toml_edit::TableLike;

use super::Loaded;
use super::names::NAMED;
use super::tree::{Kind, Node, Place, Scalar, Step, Value, dotted, keys};

/// Where a value was written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Origin {
    /// In `config.defaults.toml`.
    Default,
    /// In the preset of this name.
    Preset(String),
    /// In the operator's file.
    File {
        /// The file.
        path: PathBuf,
        /// The line, from 1.
        line: usize,
    },
    /// In the environment variable of this name, or in the file that it names.
    Env(String),
    /// After `--set`.
    Set,
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Origin::Default => f.write_str("default"),
            Origin::Preset(name) => write!(f, "preset {name}"),
            Origin::File { path, line } => write!(f, "{}:{line}", path.display()),
            Origin::Env(variable) => write!(f, "environment {variable}"),
            Origin::Set => f.write_str("--set"),
        }
    }
}

/// As it is printed.
impl Serialize for Origin {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.collect_str(self)
    }
}

impl From<&Place> for Origin {
    fn from(place: &Place) -> Self {
        match &place.source.kind {
            Kind::Default => Origin::Default,
            Kind::Preset(name) => Origin::Preset(name.clone()),
            Kind::File(path) => {
                let line = place.source.position(place.key).map_or(1, |(line, _)| line);
                Origin::File { path: path.clone(), line }
            }
            Kind::Env(variable) => Origin::Env(variable.clone()),
            Kind::Set => Origin::Set,
        }
    }
}

/// The origin of every value that is no table, by dotted key.
pub(super) fn origins(tree: &Node) -> BTreeMap<String, Origin> {
    fn walk(node: &Node, way: &mut Vec<Step>, origins: &mut BTreeMap<String, Origin>) {
        if !matches!(node.value, Value::Table(_)) {
            origins.insert(dotted(way), Origin::from(&node.place));
        }
        for (key, child) in node.entries() {
            way.push(Step::Key(key.clone()));
            walk(child, way, origins);
            way.pop();
        }
    }
    let mut origins = BTreeMap::new();
    walk(tree, &mut Vec::new(), &mut origins);
    origins
}

/// The settings in effect as TOML that could be read again, with a remark on each value that is not a
/// default. The password of a proxy is left out.
pub fn render(loaded: &Loaded) -> String {
    let mut text =
        "# The settings in effect. A remark names the source of what is not a default.\n".to_owned();
    let document = toml_edit::ser::to_document(&loaded.config).expect("settings are plain TOML values");
    for (section, item) in document.iter() {
        let Some(table) = item.as_table_like() else { continue };
        if !NAMED.contains(&section) {
            render_table(&mut text, loaded, &[section], table);
            continue;
        }
        for (name, entry) in table.iter() {
            if let Some(entry) = entry.as_table_like() {
                render_table(&mut text, loaded, &[section, name], entry);
            }
        }
    }
    text
}

fn render_table(text: &mut String, loaded: &Loaded, way: &[&str], table: &dyn TableLike) {
    // Writing to a text does not fail.
    let _ = writeln!(text, "\n[{}]", dotted(&keys(way)));
    for (key, item) in table.iter() {
        let node = loaded.tree.at(&keys(&[way, &[key]].concat()));
        let value = match node.map(|node| &node.value) {
            // A time stays as it was written: "7d", not "7days". A proxy may hold a password.
            Some(Value::Leaf(Scalar::Text(written), _)) if key != "proxy" => {
                toml_edit::Value::from(written.as_str()).to_string()
            }
            _ => item.to_string(),
        };
        let key = dotted(&keys(&[key]));
        let _ = match node.map(|node| Origin::from(&node.place)) {
            None | Some(Origin::Default) => writeln!(text, "{key} = {}", value.trim()),
            Some(origin) => writeln!(text, "{key} = {}  # {origin}", value.trim()),
        };
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Sources, load, load_text};
    use super::*;

    fn shown(sources: &Sources, text: &str) -> String {
        render(&load_text(sources, text).unwrap())
    }

    #[test]
    fn each_value_names_its_source() {
        let sources = Sources {
            preset: Some("xai".to_owned()),
            file: Some("filmgate.toml".into()),
            env: vec![("FILMGATE__LOG__LEVEL".to_owned(), "debug".to_owned())],
            set: vec!["media.keep=3d".to_owned()],
        };
        let shown = shown(&sources, "[chat]\n\ncontent = \"url\"\n");
        for line in [
            "[pools.xai]\nupstream = \"xai\"  # preset xai\n",
            "quota_window = \"0s\"\n",
            "content = \"url\"  # filmgate.toml:3\nping_every = \"15s\"\n",
            "level = \"debug\"  # environment FILMGATE__LOG__LEVEL\n",
            "keep = \"3d\"  # --set\nmax_bytes = \"50GiB\"\n",
            "[models.\"grok-imagine-video-1.5\"]\naliases = []\n",
            "delivers = [{ resolution = \"480p\", max_seconds = 6 }]\n",
        ] {
            assert!(shown.contains(line), "{line} in {shown}");
        }
    }

    #[test]
    fn what_is_shown_can_be_read_back() {
        let sources = Sources { preset: Some("xai".to_owned()), ..Sources::default() };
        let loaded = load(&sources).unwrap();
        let again = load_text(&Sources::default(), &render(&loaded)).unwrap();
        assert_eq!(again.config, loaded.config);
        assert!(shown(&Sources::default(), "").lines().skip(1).all(|line| !line.contains('#')));
    }

    #[test]
    fn passwords_are_masked() {
        let text = "[upstreams.xai]\nproxy = \"socks5://me:hunter2@proxy.example:1080\"\n";
        let shown = shown(&Sources::default(), text);
        assert!(
            shown.contains("proxy = \"socks5://***@proxy.example:1080\"  # filmgate.toml:2\n"),
            "{shown}"
        );
    }
}
