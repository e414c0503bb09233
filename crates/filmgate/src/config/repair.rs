//! Finds every error of a layer, not only the first.
//!
//! The types of [`Config`] are the only schema. A tree that does not fit has one error found, told, and
//! put right by what was there before; then it is tried again, until it fits.

use serde::Deserialize;
use serde::de::Unexpected;

use super::de::{Fault, What};
use super::error::{Collected, MOST_ERRORS, Spot};
use super::tree::{Node, Step, dotted};
use super::{Config, names, words};

/// Puts a layer on top of a tree that fits, tells what does not fit, and leaves it out.
pub(super) fn apply(clean: &Node, layer: Node, collected: &mut Collected) -> Node {
    let mut tree = clean.clone();
    tree.merge(layer);
    let mut excused = Vec::new();
    for told in 0.. {
        let Err(fault) = Config::deserialize(&tree) else { return tree };
        if told == MOST_ERRORS {
            break;
        }
        let path = fault.path();
        tell(&tree, &fault, &path, &mut excused, collected);
        tree.restore(&path, clean);
    }
    let place = &tree.place;
    collected.source(&place.source, None, cut_short());
    clean.clone()
}

/// What stands in the place of further errors.
pub(super) fn cut_short() -> String {
    format!("has more errors; the first {MOST_ERRORS} are shown")
}

/// Tells a fault. `excused` has the fields whose absence needs no telling, because they were there, wrong.
fn tell(tree: &Node, fault: &Fault, path: &[Step], excused: &mut Vec<Vec<Step>>, collected: &mut Collected) {
    let place = &tree.nearest(path).place;
    let key = dotted(path);
    let absent = |field: &str| [path, &[Step::Key(field.to_owned())]].concat();
    match &fault.what {
        What::UnknownKey(known) => {
            let (Some(Step::Key(name)), around) = (path.last(), &path[..path.len().saturating_sub(1)]) else {
                return;
            };
            if let Some(near) = words::nearest(name, known.iter().copied()) {
                excused.push([around, &[Step::Key(near.to_owned())]].concat());
            }
            let hint = names::hint(name, known);
            // By a slip it may be a secret.
            let key = dotted(&[around, &[Step::Key(words::short(name, 40))]].concat());
            collected.at(place, Spot::Key, path, format!("unknown key `{key}`{hint}"));
        }
        What::Missing(field) if excused.contains(&absent(field)) => {}
        What::Missing(field) => {
            collected.at(place, Spot::Value, path, format!("`{key}`: `{field}` is missing"));
        }
        What::Wrong { expected, found } => {
            excused.push(path.to_vec());
            collected.at(place, Spot::Value, path, format!("`{key}`: expected {expected}, found {found}"));
        }
        What::UnknownWord { given, known } => {
            excused.push(path.to_vec());
            let list: Vec<String> = known.iter().map(|word| format!("{word:?}")).collect();
            let near = words::nearest(given, known.iter().copied());
            let hint = near.map_or(String::new(), |near| format!("; did you mean {near:?}?"));
            let message = format!(
                "`{key}`: expected {}, found {}{hint}",
                list.join(" or "),
                words::found(Unexpected::Str(given))
            );
            collected.at(place, Spot::Value, path, message);
        }
        What::Other(sentence) => {
            excused.push(path.to_vec());
            collected.at(place, Spot::Value, path, format!("`{key}`: {sentence}"));
        }
    }
}
