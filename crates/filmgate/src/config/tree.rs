//! The settings as a tree in which every value knows where it was written.
//!
//! Layers are merged here, before they are typed: so an error can name file, line and column, and
//! `config show` can name the source of each value.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::words;

/// One place where settings come from.
pub(super) struct Source {
    pub(super) kind: Kind,
    /// The text that offsets point into, where there is one.
    text: Option<Text>,
}

/// The kinds of sources, from weakest to strongest: the order is that of the layers.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Kind {
    Default,
    Preset(String),
    File(PathBuf),
    Env(String),
    Set,
}

struct Text {
    content: String,
    /// Where each line begins.
    lines: Vec<usize>,
}

/// Where a value was written.
#[derive(Clone)]
pub(super) struct Place {
    pub(super) source: Arc<Source>,
    /// Where its key begins, in bytes.
    pub(super) key: usize,
    /// Where it begins itself, in bytes.
    pub(super) value: usize,
}

/// A value and where it was written.
#[derive(Clone)]
pub(super) struct Node {
    pub(super) value: Value,
    pub(super) place: Place,
}

/// A TOML value.
#[derive(Clone)]
pub(super) enum Value {
    Table(BTreeMap<String, Node>),
    List(Vec<Node>),
    /// A scalar, and how it was written where that is known: a value of the environment may be a text.
    Leaf(Scalar, Option<Box<str>>),
    /// An item of a list that was found wrong: its place is kept, so that later items keep their number.
    Gone,
}

/// A TOML value that is neither table nor list.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Scalar {
    Text(String),
    Integer(i64),
    Float(f64),
    Bool(bool),
    /// Something that no setting takes, and what to call it.
    Other(&'static str),
}

/// One step on the way from the root to a value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Step {
    Key(String),
    Item(usize),
}

impl Source {
    /// A source that is a TOML text.
    pub(super) fn text(kind: Kind, content: &str) -> Arc<Self> {
        let begins = content.bytes().enumerate().filter(|&(_, byte)| byte == b'\n').map(|(at, _)| at + 1);
        let lines = std::iter::once(0).chain(begins).collect();
        Arc::new(Self { kind, text: Some(Text { content: content.to_owned(), lines }) })
    }

    /// A source that is a single value.
    pub(super) fn single(kind: Kind) -> Arc<Self> {
        Arc::new(Self { kind, text: None })
    }

    /// What to call it.
    pub(super) fn name(&self) -> String {
        match &self.kind {
            Kind::Default => "config.defaults.toml".to_owned(),
            Kind::Preset(name) => format!("preset {name}"),
            Kind::File(path) => path.display().to_string(),
            Kind::Env(variable) => format!("environment {variable}"),
            Kind::Set => "--set".to_owned(),
        }
    }

    /// Line and column (in characters) of an offset, both from 1.
    pub(super) fn position(&self, offset: usize) -> Option<(usize, usize)> {
        let text = self.text.as_ref()?;
        let line = text.lines.partition_point(|&begin| begin <= offset);
        let before = text.content.get(text.lines[line - 1]..offset).unwrap_or_default();
        Some((line, before.chars().count() + 1))
    }

    /// The tree of a TOML text as far as it can be read, and its syntax errors (offset and message).
    pub(super) fn parse(self: &Arc<Self>) -> (Node, Vec<(usize, String)>) {
        let content = self.text.as_ref().map_or("", |text| &text.content);
        let (table, errors) = DeTable::parse_recoverable(content);
        let errors =
            errors.iter().map(|e| (e.span().map_or(0, |span| span.start), e.message().to_owned())).collect();
        let span = table.span();
        let table = Spanned::new(span, DeValue::Table(table.into_inner()));
        (Node::from_toml(&table, 0, self), errors)
    }
}

impl Node {
    /// The tree of a parsed TOML value whose key begins at `key`.
    pub(super) fn from_toml(parsed: &Spanned<DeValue<'_>>, key: usize, source: &Arc<Source>) -> Self {
        let value = match parsed.get_ref() {
            DeValue::Table(table) => Value::Table(
                table
                    .iter()
                    .map(|(key, value)| {
                        let node = Self::from_toml(value, key.span().start, source);
                        (key.get_ref().clone().into_owned(), node)
                    })
                    .collect(),
            ),
            DeValue::Array(items) => Value::List(
                items.iter().map(|item| Self::from_toml(item, item.span().start, source)).collect(),
            ),
            scalar => Value::Leaf(Scalar::from_toml(scalar), None),
        };
        Self { value, place: Place { source: Arc::clone(source), key, value: parsed.span().start } }
    }

    /// A table with this one entry.
    pub(super) fn with_entry(key: &str, node: Node) -> Self {
        let place = node.place.clone();
        Self { value: Value::Table(BTreeMap::from([(key.to_owned(), node)])), place }
    }

    /// An empty table.
    pub(super) fn empty(source: &Arc<Source>) -> Self {
        Self {
            value: Value::Table(BTreeMap::new()),
            place: Place { source: Arc::clone(source), key: 0, value: 0 },
        }
    }

    /// `over` on top: tables are merged by key, everything else is replaced.
    pub(super) fn merge(&mut self, over: Node) {
        match (&mut self.value, over.value) {
            (Value::Table(base), Value::Table(entries)) => {
                for (key, node) in entries {
                    match base.get_mut(&key) {
                        Some(old) => old.merge(node),
                        None => {
                            base.insert(key, node);
                        }
                    }
                }
            }
            (value, over) => *value = over,
        }
        self.place = over.place;
    }

    /// The entries, when this is a table.
    pub(super) fn entries(&self) -> impl Iterator<Item = (&String, &Node)> {
        let table = if let Value::Table(table) = &self.value { Some(table) } else { None };
        table.into_iter().flatten()
    }

    /// The value one step further.
    pub(super) fn child(&self, step: &Step) -> Option<&Node> {
        match (&self.value, step) {
            (Value::Table(table), Step::Key(key)) => table.get(key),
            (Value::List(items), Step::Item(index)) => items.get(*index),
            _ => None,
        }
    }

    fn child_mut(&mut self, step: &Step) -> Option<&mut Node> {
        match (&mut self.value, step) {
            (Value::Table(table), Step::Key(key)) => table.get_mut(key),
            (Value::List(items), Step::Item(index)) => items.get_mut(*index),
            _ => None,
        }
    }

    /// The value at a path.
    pub(super) fn at(&self, path: &[Step]) -> Option<&Node> {
        path.iter().try_fold(self, |node, step| node.child(step))
    }

    /// The value at a path, or else the nearest table or list around it.
    pub(super) fn nearest(&self, path: &[Step]) -> &Node {
        let mut node = self;
        for step in path {
            match node.child(step) {
                Some(child) => node = child,
                None => break,
            }
        }
        node
    }

    /// Takes the value at a path out, or puts the one that `clean` has there in its place.
    pub(super) fn restore(&mut self, path: &[Step], clean: &Node) {
        let Some((last, way)) = path.split_last() else {
            self.clone_from(clean);
            return;
        };
        // A list is replaced as a whole by a stronger layer: its items have nothing to do with weaker ones.
        let in_list = path.iter().any(|step| matches!(step, Step::Item(_)));
        let before = if in_list { None } else { clean.at(path) };
        let parent = way.iter().try_fold(self, |node, step| node.child_mut(step));
        match (parent.map(|node| &mut node.value), last) {
            (Some(Value::Table(table)), Step::Key(key)) => {
                match before {
                    Some(before) => table.insert(key.clone(), before.clone()),
                    None => table.remove(key),
                };
            }
            (Some(Value::List(items)), Step::Item(index)) => {
                if let Some(item) = items.get_mut(*index) {
                    item.value = Value::Gone;
                }
            }
            _ => {}
        }
    }
}

impl Scalar {
    /// The scalar of a parsed TOML value that is neither table nor list.
    fn from_toml(value: &DeValue<'_>) -> Self {
        match value {
            DeValue::String(text) => Self::Text(text.clone().into_owned()),
            DeValue::Integer(number) => i64::from_str_radix(number.as_str(), number.radix())
                .map_or(Self::Other("a number that is too large"), Self::Integer),
            DeValue::Float(number) => {
                number.as_str().parse().map_or(Self::Other("a number that cannot be read"), Self::Float)
            }
            DeValue::Boolean(yes) => Self::Bool(*yes),
            DeValue::Datetime(_) => Self::Other("a date or time of day"),
            DeValue::Array(_) | DeValue::Table(_) => Self::Other("a collection"),
        }
    }
}

impl Place {
    /// Whether `self` belongs to a layer above the defaults and the preset: the operator wrote it.
    pub(super) fn by_operator(&self) -> bool {
        self.source.kind >= Kind::File(PathBuf::new())
    }
}

/// The path as a dotted key that TOML would read: `models."a.b".aliases[0]`.
pub(super) fn dotted(path: &[Step]) -> String {
    let mut text = String::new();
    for step in path {
        match step {
            Step::Item(index) => text.push_str(&format!("[{index}]")),
            Step::Key(key) => {
                if !text.is_empty() {
                    text.push('.');
                }
                // No name is longer than that.
                let key = words::short(key, 100);
                text.push_str(&toml_edit::Key::new(key).display_repr());
            }
        }
    }
    text
}

/// A path from string keys.
pub(super) fn keys(parts: &[&str]) -> Vec<Step> {
    parts.iter().map(|part| Step::Key((*part).to_owned())).collect()
}
