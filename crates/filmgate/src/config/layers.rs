//! The layers above the files: single values of the environment and of `--set`.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use toml::de::DeValue;

use super::error::Collected;
use super::names;
use super::tree::{Kind, Node, Place, Source, Step, Value, dotted};
use super::words;

/// What the names of our environment variables begin with.
const PREFIX: &str = "filmgate__";
/// What a variable's name ends with that names a file with the value.
const FILE: &str = "_file";
/// No setting lies deeper than this.
const DEEPEST: usize = 8;

/// The layer of `--set key=value`, in the order given.
pub(super) fn from_flags(flags: &[String], collected: &mut Collected) -> Node {
    let source = Source::single(Kind::Set);
    let mut layer = Node::empty(&source);
    for flag in flags {
        match parse_flag(flag) {
            Ok((path, text)) => layer.merge(nest(&path, value(text, &source))),
            Err(message) => collected.source(&source, None, message),
        }
    }
    layer
}

/// The key's parts and the value's text.
fn parse_flag(flag: &str) -> Result<(Vec<String>, &str), String> {
    let Some(equals) = first_equals(flag) else {
        return Err(format!("expected KEY=VALUE, found {}", words::quoted(flag)));
    };
    let (key, text) = (&flag[..equals], &flag[equals + 1..]);
    let parts =
        toml_edit::Key::parse(key.trim()).map_err(|_| format!("{} is not a key", words::quoted(key)))?;
    if parts.len() > DEEPEST {
        return Err(format!("{} is not a setting", words::quoted(key)));
    }
    Ok((parts.iter().map(|part| part.get().to_owned()).collect(), text))
}

/// The first `=` that is not inside a quoted part of the key.
fn first_equals(flag: &str) -> Option<usize> {
    let mut quote = None;
    flag.char_indices().find_map(|(at, c)| {
        match (quote, c) {
            (None, '=') => return Some(at),
            (None, '"' | '\'') => quote = Some(c),
            (Some(open), _) if c == open => quote = None,
            _ => {}
        }
        None
    })
}

/// The layer of the environment. `below` has the weaker layers, and `flags` the stronger one: they know the
/// names of pools, models and upstreams.
pub(super) fn from_env(
    env: &[(String, String)],
    below: &Node,
    flags: &Node,
    collected: &mut Collected,
) -> Node {
    let mut layer = Node::empty(&Source::single(Kind::Env(String::new())));
    let mut known = below.clone();
    known.merge(flags.clone());
    let mut ours: Vec<Variable<'_>> = env.iter().filter_map(Variable::new).collect();
    // `video.pools` may name a pool that another variable defines, and a pool its upstream.
    ours.sort_by_key(|variable| {
        let tables = ["video__", "pools__", "upstreams__", "models__"];
        (tables.iter().position(|table| variable.rest.starts_with(table)), variable.name)
    });
    let mut seen: BTreeMap<String, &str> = BTreeMap::new();
    for variable in &ours {
        let source = Source::single(Kind::Env(variable.name.to_owned()));
        let read = variable.find(&known).and_then(|(path, in_file)| {
            if let Some(other) = seen.insert(dotted(&path), variable.name) {
                return Err(format!("`{}` is set by {other} as well", dotted(&path)));
            }
            Ok((path, if in_file { read_value(variable.value)? } else { variable.value.to_owned() }))
        });
        match read {
            Ok((path, text)) => {
                let parts: Vec<String> = path
                    .into_iter()
                    .filter_map(|s| if let Step::Key(k) = s { Some(k) } else { None })
                    .collect();
                let node = nest(&parts, value(&text, &source));
                known.merge(node.clone());
                layer.merge(node);
            }
            Err(message) => collected.source(&source, None, message),
        }
    }
    layer
}

/// A variable of ours.
struct Variable<'a> {
    name: &'a str,
    /// The name without our prefix, normalised.
    rest: String,
    value: &'a str,
}

impl<'a> Variable<'a> {
    fn new((name, value): &'a (String, String)) -> Option<Self> {
        let normal = normalise(name);
        Some(Self { name, rest: normal.strip_prefix(PREFIX)?.to_owned(), value })
    }

    /// The setting that it means, and whether its value is the path of a file that holds the value.
    fn find(&self, known: &Node) -> Result<(Vec<Step>, bool), String> {
        // `media.max_file` ends like the name of a file variable: the exact name comes first.
        let exact = resolve(known, &self.rest);
        let in_file = exact.is_empty().then(|| self.rest.strip_suffix(FILE)).flatten();
        let mut found = in_file.map_or(exact, |rest| resolve(known, rest));
        match (found.pop(), found.pop()) {
            (Some(path), None) => Ok((path, in_file.is_some())),
            (Some(a), Some(b)) => Err(format!("means both `{}` and `{}`", dotted(&a), dotted(&b))),
            (None, _) => Err(unknown(known, in_file.unwrap_or(&self.rest))),
        }
    }
}

/// Every setting or table that a normalised name can mean.
fn resolve(known: &Node, rest: &str) -> Vec<Vec<Step>> {
    let mut found = Vec::new();
    walk(known, &mut Vec::new(), rest, &mut |path, rest| {
        if rest.is_empty() {
            found.push(path.to_vec());
        }
    });
    found
}

/// Visits every way down the tree on which `rest` can be read, with what is left of it.
fn walk(known: &Node, path: &mut Vec<Step>, rest: &str, visit: &mut impl FnMut(&[Step], &str)) {
    if path.len() >= DEEPEST {
        return;
    }
    for name in names::children(known, path) {
        let Some(after) = rest.strip_prefix(&normalise(&name)) else { continue };
        path.push(Step::Key(name));
        if after.is_empty() {
            visit(path, after);
        } else if let Some(after) = after.strip_prefix("__") {
            visit(path, after);
            walk(known, path, after, visit);
        }
        path.pop();
    }
}

/// What to say of a name that means nothing.
fn unknown(known: &Node, rest: &str) -> String {
    let (mut longest, mut left) = (Vec::new(), rest.to_owned());
    walk(known, &mut Vec::new(), rest, &mut |path, rest| {
        if path.len() > longest.len() {
            (longest, left) = (path.to_vec(), rest.to_owned());
        }
    });
    let name = left.split("__").next().unwrap_or_default();
    let key = dotted(&[&longest[..], &[Step::Key(words::short(name, 40))]].concat());
    let siblings = names::children(known, &longest);
    // The environment's spelling is compared with theirs, and theirs is shown.
    let near = siblings.iter().map(|sibling| (normalise(sibling), sibling)).collect::<BTreeMap<_, _>>();
    let hint = match words::nearest(name, near.keys().map(|key| &**key)) {
        Some(found) => format!("; did you mean `{}`?", near[found]),
        None => names::hint(name, &siblings.iter().map(|key| &**key).collect::<Vec<_>>()),
    };
    format!("unknown key `{key}`{hint}")
}

/// Lower case, and everything that a variable's name cannot hold as `_`.
fn normalise(name: &str) -> String {
    name.chars()
        .map(|c| if c.is_alphanumeric() { c.to_lowercase().next().unwrap_or(c) } else { '_' })
        .collect()
}

/// The path is not repeated: by a slip it may be the secret itself.
fn read_value(path: &str) -> Result<String, String> {
    let text = std::fs::read_to_string(Path::new(path));
    text.map(|text| text.trim().to_owned())
        .map_err(|error| format!("cannot read the file that it names: {error}"))
}

/// A value that is TOML, or else the text itself.
fn value(text: &str, source: &Arc<Source>) -> Node {
    let mut node = match DeValue::parse(text.trim()) {
        Ok(parsed) => Node::from_toml(&parsed, 0, source),
        Err(_) => Node {
            value: Value::Leaf(super::tree::Scalar::Text(text.to_owned()), None),
            place: Place { source: Arc::clone(source), key: 0, value: 0 },
        },
    };
    if let Value::Leaf(_, written) = &mut node.value {
        *written = Some(text.into());
    }
    node
}

fn nest(parts: &[String], node: Node) -> Node {
    parts.iter().rev().fold(node, |node, part| Node::with_entry(part, node))
}
