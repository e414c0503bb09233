//! `config show`: the settings in effect, and where each one comes from.

use std::collections::BTreeMap;
use std::fmt;
use std::fmt::Write as _;
use std::path::PathBuf;
use std::sync::OnceLock;

use serde::{Serialize, Serializer};
use toml_edit::{DocumentMut, TableLike};

use super::Loaded;
use super::names::NAMED;
use super::tree::{Kind, Node, Place, Scalar, Step, Value, dotted, keys};
use super::words;

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

/// A setting in effect.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Shown {
    /// The table that it is in, as a dotted key.
    pub section: String,
    /// Its key in there.
    pub name: String,
    /// Both together.
    pub key: String,
    /// Its value as TOML. The password of a proxy is left out.
    pub text: String,
    /// Where it was written.
    pub origin: Origin,
}

/// The settings in effect, in the order of the manual.
pub fn shown(loaded: &Loaded) -> Vec<Shown> {
    let mut all = Vec::new();
    let document = toml_edit::ser::to_document(&loaded.config).expect("settings are plain TOML values");
    for (section, item) in document.iter() {
        let Some(table) = item.as_table_like() else { continue };
        if !NAMED.contains(&section) {
            all.extend(shown_in(loaded, &[section], table));
            continue;
        }
        for (name, entry) in table.iter() {
            all.extend(
                entry.as_table_like().into_iter().flat_map(|entry| shown_in(loaded, &[section, name], entry)),
            );
        }
    }
    all
}

fn shown_in(loaded: &Loaded, way: &[&str], table: &dyn TableLike) -> Vec<Shown> {
    let shown = table.iter().map(|(key, item)| {
        let path = keys(&[way, &[key]].concat());
        let node = loaded.tree.at(&path);
        let value = match node.map(|node| &node.value) {
            // A time stays as it was written: "7d", not "7days". A proxy may hold a password.
            Some(Value::Leaf(Scalar::Text(written), _)) if key != "proxy" => {
                toml_edit::Value::from(written.as_str()).to_string()
            }
            _ => item.to_string(),
        };
        Shown {
            section: dotted(&keys(way)),
            name: dotted(&keys(&[key])),
            key: dotted(&path),
            text: value.trim().to_owned(),
            origin: node.map_or(Origin::Default, |node| Origin::from(&node.place)),
        }
    });
    shown.collect()
}

/// The settings in effect as TOML that could be read again, with a remark on each value that is not a
/// default. The password of a proxy is left out.
pub fn render(loaded: &Loaded) -> String {
    let mut text =
        "# The settings in effect. A remark names the source of what is not a default.\n".to_owned();
    let mut current = String::new();
    for Shown { section, name, text: value, origin, .. } in shown(loaded) {
        // Writing to a text does not fail.
        if section != current {
            let _ = writeln!(text, "\n[{section}]");
            current = section;
        }
        let _ = match origin {
            Origin::Default => writeln!(text, "{name} = {value}"),
            origin => writeln!(text, "{name} = {value}  # {}", words::visible(&origin.to_string())),
        };
    }
    text
}

/// What the manual says about a setting; empty where it says nothing.
pub fn about(section: &str, name: &str) -> &'static str {
    static ABOUT: OnceLock<BTreeMap<String, String>> = OnceLock::new();
    let table = section.split('.').next().unwrap_or_default();
    let said = ABOUT.get_or_init(remarks).get(&format!("{table}.{name}"));
    said.map_or("", String::as_str)
}

/// The manual's remarks, by table and key; of the tables whose entries the operator names, those on its first.
fn remarks() -> BTreeMap<String, String> {
    let manual: DocumentMut = super::DEFAULTS.parse().expect("the manual is TOML");
    let mut remarks = BTreeMap::new();
    for (section, item) in manual.iter() {
        let table = item.as_table();
        let named = NAMED.contains(&section);
        let table = if named { table.and_then(|table| table.iter().next()?.1.as_table()) } else { table };
        let mut last = String::new();
        for (key, _) in table.into_iter().flatten() {
            let written = table.and_then(|table| table.key(key)?.leaf_decor().prefix()?.as_str());
            let lines = written.unwrap_or_default().lines().filter_map(|line| line.trim().strip_prefix('#'));
            let remark = lines.map(str::trim).collect::<Vec<_>>().join(" ");
            // A remark is about all keys below it, up to the next.
            if !remark.is_empty() {
                last = remark;
            }
            remarks.insert(format!("{section}.{key}"), last.clone());
        }
    }
    remarks
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
    fn the_manual_explains_every_setting() {
        for Shown { section, name, key, .. } in super::shown(&load(&Sources::default()).unwrap()) {
            assert!(about(&section, &name).len() > 10, "{key}: {:?}", about(&section, &name));
        }
        assert_eq!(about("server", "listen"), "Where to listen.");
        assert!(about("pools.mine", "quota_window").starts_with("Units per token and rolling window"));
        assert!(about("video", "busy_wait").ends_with("falling back. \"0s\": fall back at once."));
        assert_eq!(about("pools.mine", "no_such"), "");
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
