//! Which settings there are, as the manual has them: for names in the environment, and for hints.

use std::collections::BTreeSet;
use std::sync::OnceLock;

use super::DEFAULTS;
use super::tree::{Kind, Node, Scalar, Source, Step, Value};
use super::words;

/// The tables whose entries the operator names.
pub(super) const NAMED: [&str; 3] = ["pools", "models", "upstreams"];

/// The tree of the manual.
pub(super) fn manual() -> &'static Node {
    static MANUAL: OnceLock<Node> = OnceLock::new();
    MANUAL.get_or_init(|| Source::text(Kind::Default, DEFAULTS).parse().0)
}

/// The names that may follow this path: those of the manual, those in the tree, and those that settings
/// of the tree refer to (`video.pools` names pools, and so on).
pub(super) fn children(tree: &Node, path: &[Step]) -> BTreeSet<String> {
    let parts: Vec<&str> = path.iter().map(|step| if let Step::Key(key) = step { key } else { "" }).collect();
    let mut names: BTreeSet<String> = match parts[..] {
        // The entries of these tables are the operator's own; one of the manual's shows what they hold.
        [table, _, ref rest @ ..] if NAMED.contains(&table) => {
            let example = manual().entries().find(|(key, _)| *key == table).and_then(|(_, node)| {
                let (_, entry) = node.entries().next()?;
                rest.iter().try_fold(entry, |node, key| node.child(&Step::Key((*key).to_owned())))
            });
            example.into_iter().flat_map(Node::entries).map(|(key, _)| key.clone()).collect()
        }
        _ => BTreeSet::new(),
    };
    names.extend(tree.at(path).into_iter().flat_map(Node::entries).map(|(key, _)| key.clone()));
    match parts[..] {
        ["models"] => names.extend(texts(tree, &["video", "models"])),
        ["pools"] | ["models", _, "upstream_names"] => {
            names.extend(texts(tree, &["video", "pools"]));
            names.extend(children_of(tree, "pools"));
        }
        ["upstreams"] => {
            for pool in children_of(tree, "pools") {
                names.extend(texts(tree, &["pools", &pool, "upstream"]));
            }
        }
        _ => {}
    }
    names
}

/// What may be meant by a key that is not known where it stands: the nearest key there, or else the same
/// name elsewhere, or else what is known there.
pub(super) fn hint(name: &str, known: &[&str]) -> String {
    let elsewhere = || places(manual(), name, &mut Vec::new());
    match words::nearest(name, known.iter().copied()) {
        None => match elsewhere() {
            Some(place) => format!("; did you mean `{place}`?"),
            None => words::hint(name, known.iter().copied()),
        },
        Some(near) => format!("; did you mean `{near}`?"),
    }
}

/// Where in the manual a key of this name stands first.
fn places(node: &Node, name: &str, way: &mut Vec<String>) -> Option<String> {
    node.entries().find_map(|(key, child)| {
        let named = way.len() == 1 && NAMED.contains(&&*way[0]);
        way.push(if named { "NAME".to_owned() } else { key.clone() });
        let found = if key == name && !named { Some(way.join(".")) } else { places(child, name, way) };
        way.pop();
        found
    })
}

fn children_of(tree: &Node, table: &str) -> Vec<String> {
    let table = tree.child(&Step::Key(table.to_owned()));
    table.into_iter().flat_map(Node::entries).map(|(key, _)| key.clone()).collect()
}

/// The texts at a path: a text, or a list of them.
fn texts(tree: &Node, path: &[&str]) -> Vec<String> {
    let text = |node: &Node| match &node.value {
        Value::Leaf(Scalar::Text(text), _) => Some(text.clone()),
        _ => None,
    };
    match tree.at(&super::tree::keys(path)) {
        Some(Node { value: Value::List(items), .. }) => items.iter().filter_map(text).collect(),
        Some(node) => text(node).into_iter().collect(),
        None => Vec::new(),
    }
}
