//! Types a [`Node`] with serde, and keeps what went wrong as data: where, and what was expected.
//!
//! The error type of the `toml` crate is a finished text; ours says which keys are known, so that the
//! nearest can be named without taking a message apart.

use std::collections::btree_map;
use std::fmt::Display;
use std::iter::Enumerate;
use std::slice;

use serde::Deserializer;
use serde::de::value::StrDeserializer;
use serde::de::{DeserializeSeed, Expected, MapAccess, SeqAccess, Unexpected, Visitor};

use super::tree::{Node, Scalar, Step, Value};
use super::words;

/// What is wrong with a tree: the first thing found.
#[derive(Debug)]
pub(super) struct Fault {
    /// From the value up to the root.
    up: Vec<Step>,
    pub(super) what: What,
}

/// What is wrong with a value.
#[derive(Debug)]
pub(super) enum What {
    UnknownKey(&'static [&'static str]),
    Missing(&'static str),
    Wrong {
        expected: String,
        found: String,
    },
    UnknownWord {
        given: String,
        known: &'static [&'static str],
    },
    /// A finished sentence of the type itself.
    Other(String),
}

impl Fault {
    fn new(what: What) -> Self {
        Self { up: Vec::new(), what }
    }

    fn inside(mut self, step: Step) -> Self {
        self.up.push(step);
        self
    }

    /// Where it is: from the root to the value, or to the key that is not known.
    pub(super) fn path(&self) -> Vec<Step> {
        self.up.iter().rev().cloned().collect()
    }
}

impl Display for Fault {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{:?} at {:?}", self.what, self.path())
    }
}

impl std::error::Error for Fault {}

impl serde::de::Error for Fault {
    fn custom<T: Display>(message: T) -> Self {
        Self::new(What::Other(message.to_string()))
    }

    fn invalid_type(found: Unexpected<'_>, expected: &dyn Expected) -> Self {
        Self::new(What::Wrong { expected: words::kind(&expected.to_string()), found: words::found(found) })
    }

    fn invalid_value(found: Unexpected<'_>, expected: &dyn Expected) -> Self {
        Self::new(What::Wrong { expected: words::range(&expected.to_string()), found: words::found(found) })
    }

    fn unknown_variant(given: &str, known: &'static [&'static str]) -> Self {
        Self::new(What::UnknownWord { given: given.to_owned(), known })
    }

    fn unknown_field(_: &str, known: &'static [&'static str]) -> Self {
        Self::new(What::UnknownKey(known))
    }

    fn missing_field(field: &'static str) -> Self {
        Self::new(What::Missing(field))
    }
}

impl Node {
    /// The text, or how a value was written that is no text but may be meant as one.
    fn text(&self) -> Option<&str> {
        match &self.value {
            Value::Leaf(Scalar::Text(text), _) => Some(text),
            Value::Leaf(_, written) => written.as_deref(),
            _ => None,
        }
    }

    fn unexpected(&self) -> Unexpected<'_> {
        match &self.value {
            Value::Table(_) => Unexpected::Map,
            Value::List(_) => Unexpected::Seq,
            Value::Leaf(Scalar::Text(text), _) => Unexpected::Str(text),
            Value::Leaf(Scalar::Integer(number), _) => Unexpected::Signed(*number),
            Value::Leaf(Scalar::Float(number), _) => Unexpected::Float(*number),
            Value::Leaf(Scalar::Bool(yes), _) => Unexpected::Bool(*yes),
            Value::Leaf(Scalar::Other(name), _) => Unexpected::Other(name),
            Value::Gone => Unexpected::Unit,
        }
    }
}

impl<'de> Deserializer<'de> for &'de Node {
    type Error = Fault;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Fault> {
        match &self.value {
            Value::Table(table) => visitor.visit_map(Entries { rest: table.iter(), value: None }),
            Value::List(items) => visitor.visit_seq(Items { rest: items.iter().enumerate() }),
            Value::Leaf(Scalar::Text(text), _) => visitor.visit_borrowed_str(text),
            Value::Leaf(Scalar::Integer(number), _) => visitor.visit_i64(*number),
            Value::Leaf(Scalar::Float(number), _) => visitor.visit_f64(*number),
            Value::Leaf(Scalar::Bool(yes), _) => visitor.visit_bool(*yes),
            Value::Leaf(Scalar::Other(_), _) | Value::Gone => {
                Err(serde::de::Error::invalid_type(self.unexpected(), &visitor))
            }
        }
    }

    /// Where a text is wanted, `MEDIA__DIR=2024` from the environment is one.
    fn deserialize_str<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Fault> {
        match self.text() {
            Some(text) => visitor.visit_borrowed_str(text),
            None => self.deserialize_any(visitor),
        }
    }

    fn deserialize_string<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Fault> {
        self.deserialize_str(visitor)
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Fault> {
        visitor.visit_some(self)
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        visitor: V,
    ) -> Result<V::Value, Fault> {
        visitor.visit_newtype_struct(self)
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        _: &'static str,
        _: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Fault> {
        match self.text() {
            Some(word) => visitor.visit_enum(StrDeserializer::new(word)),
            None => Err(serde::de::Error::invalid_type(self.unexpected(), &"a string")),
        }
    }

    serde::forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char bytes byte_buf unit unit_struct seq tuple
        tuple_struct map struct identifier ignored_any
    }
}

struct Entries<'de> {
    rest: btree_map::Iter<'de, String, Node>,
    value: Option<(&'de String, &'de Node)>,
}

impl<'de> MapAccess<'de> for Entries<'de> {
    type Error = Fault;

    fn next_key_seed<K: DeserializeSeed<'de>>(&mut self, seed: K) -> Result<Option<K::Value>, Fault> {
        self.value = self.rest.next();
        let Some((key, _)) = self.value else { return Ok(None) };
        seed.deserialize(StrDeserializer::new(key))
            .map(Some)
            .map_err(|fault: Fault| fault.inside(Step::Key(key.clone())))
    }

    fn next_value_seed<V: DeserializeSeed<'de>>(&mut self, seed: V) -> Result<V::Value, Fault> {
        let (key, node) = self.value.take().expect("serde asks for a value after its key");
        seed.deserialize(node).map_err(|fault| fault.inside(Step::Key(key.clone())))
    }
}

struct Items<'de> {
    rest: Enumerate<slice::Iter<'de, Node>>,
}

impl<'de> SeqAccess<'de> for Items<'de> {
    type Error = Fault;

    fn next_element_seed<T: DeserializeSeed<'de>>(&mut self, seed: T) -> Result<Option<T::Value>, Fault> {
        let next = self.rest.find(|(_, node)| !matches!(node.value, Value::Gone));
        let Some((index, node)) = next else { return Ok(None) };
        seed.deserialize(node).map(Some).map_err(|fault| fault.inside(Step::Item(index)))
    }
}
