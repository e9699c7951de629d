//! From the tree to the typed settings: a serde deserializer that remembers the key it stands at, so that an
//! error can say where it is, and that reads an environment variable as whatever type is wanted of it.
//! Errors never repeat a value: somebody may have written a password where its file belongs.

use std::fmt::{self, Display};

use serde::de::{self, DeserializeSeed, Expected, IntoDeserializer, Unexpected, Visitor};

use super::tree::{Node, Origin, Value, child, entry};

/// What is wrong with one key; the predicate of a sentence.
#[derive(Debug)]
pub(super) struct Fault {
    pub reason: String,
    pub key: Option<String>,
    pub origin: Option<Origin>,
}

impl Fault {
    fn at(mut self, key: &str, origin: &Origin) -> Self {
        if self.key.is_none() {
            self.key = Some(key.to_owned());
            self.origin = Some(origin.clone());
        }
        self
    }
}

impl Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.reason)
    }
}

impl std::error::Error for Fault {}

impl de::Error for Fault {
    fn custom<T: Display>(reason: T) -> Self {
        Self { reason: reason.to_string(), key: None, origin: None }
    }

    fn invalid_type(found: Unexpected<'_>, wanted: &dyn Expected) -> Self {
        if matches!(found, Unexpected::Map) && wanted.to_string() == "a sequence" {
            return Self::custom("may be there several times; write its name in double brackets, `[[...]]`");
        }
        Self::custom(format!("expected {}, found {}", named(wanted), kind(found)))
    }

    fn invalid_value(_: Unexpected<'_>, wanted: &dyn Expected) -> Self {
        Self::custom(format!("expected {}", named(wanted)))
    }

    fn invalid_length(length: usize, wanted: &dyn Expected) -> Self {
        Self::custom(format!("expected {}, found {length} entries", named(wanted)))
    }

    fn unknown_field(field: &str, known: &'static [&'static str]) -> Self {
        Self::custom(format!("is not a setting{}", remedy(field, known)))
    }

    fn unknown_variant(variant: &str, known: &'static [&'static str]) -> Self {
        let list = known.iter().map(|name| format!("\"{name}\"")).collect::<Vec<_>>().join(", ");
        Self::custom(match nearest(variant, known) {
            Some(near) => format!("expected one of {list}; did you mean \"{near}\"?"),
            None => format!("expected one of {list}"),
        })
    }

    fn missing_field(field: &'static str) -> Self {
        Self::custom(format!("lacks `{field}`; add it"))
    }
}

fn remedy(field: &str, known: &[&'static str]) -> String {
    match nearest(field, known) {
        Some(near) => format!("; did you mean `{near}`?"),
        None if known.is_empty() => "; remove it".into(),
        None => format!("; known here are `{}`", known.join("`, `")),
    }
}

/// Rust's names for types, in words an operator knows.
fn named(wanted: &dyn Expected) -> String {
    let name = wanted.to_string();
    match name.as_str() {
        "u8" => "a whole number from 0 to 255".into(),
        "u16" => "a whole number from 0 to 65535".into(),
        "u32" => "a whole number from 0 to 4294967295".into(),
        "u64" | "usize" => "a whole number, not negative".into(),
        "a boolean" => "true or false".into(),
        "a string" | "path string" => "text in quotes".into(),
        "a sequence" => "a list in brackets".into(),
        _ if name.starts_with("struct ") || name.starts_with("internally tagged") => "a table".into(),
        _ => name,
    }
}

fn kind(found: Unexpected<'_>) -> &'static str {
    match found {
        Unexpected::Bool(_) => "true or false",
        Unexpected::Unsigned(_) | Unexpected::Signed(_) => "a number",
        Unexpected::Float(_) => "another kind of number",
        Unexpected::Char(_) | Unexpected::Str(_) => "text",
        Unexpected::Seq => "a list",
        Unexpected::Map => "a table",
        _ => "something else",
    }
}

/// The known word that was probably meant.
pub(super) fn nearest<'a>(word: &str, known: &[&'a str]) -> Option<&'a str> {
    // Longer words are no slips of the pen, and would cost quadratic time.
    let word: Vec<char> = word.chars().take(65).collect();
    if word.len() > 64 {
        return None;
    }
    let allowed = (word.len() / 3).clamp(1, 3);
    let near = known.iter().map(|known| (distance(&word, known), *known)).min()?;
    (near.0 <= allowed).then_some(near.1)
}

/// Levenshtein distance, by rows.
fn distance(left: &[char], right: &str) -> usize {
    let mut row: Vec<usize> = (0..=left.len()).collect();
    for (above, letter) in right.chars().enumerate() {
        let mut diagonal = above;
        let mut before = above + 1;
        if let Some(cell) = row.first_mut() {
            *cell = before;
        }
        for (cell, other) in row.iter_mut().skip(1).zip(left) {
            let changed = diagonal + usize::from(*other != letter);
            diagonal = *cell;
            before = changed.min(before + 1).min(*cell + 1);
            *cell = before;
        }
    }
    row.last().copied().unwrap_or(0)
}

/// One node being read, with its key.
pub(super) struct Reader<'a> {
    node: &'a Node,
    key: String,
}

impl<'a> Reader<'a> {
    pub fn new(node: &'a Node) -> Self {
        Self { node, key: String::new() }
    }

    /// Reads with `read`, and gives an error that has no place yet this one.
    fn placed<T>(self, read: impl FnOnce(&Self) -> Result<T, Fault>) -> Result<T, Fault> {
        read(&self).map_err(|fault| fault.at(&self.key, &self.node.origin))
    }

    fn visit<'de, V: Visitor<'de>>(&self, node: &Node, visitor: V) -> Result<V::Value, Fault> {
        match &node.value {
            Value::Text(text) | Value::Raw(text) => visitor.visit_str(text),
            Value::Integer(number) => visitor.visit_i64(*number),
            Value::Float(number) => visitor.visit_f64(*number),
            Value::Bool(bool) => visitor.visit_bool(*bool),
            Value::List(list) => visitor.visit_seq(Items { key: &self.key, items: list.iter().enumerate() }),
            Value::Table(table) => {
                visitor.visit_map(Entries { key: &self.key, entries: table.iter(), value: None })
            }
        }
    }
}

impl<'de> de::Deserializer<'de> for Reader<'_> {
    type Error = Fault;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Fault> {
        self.placed(|this| match this.node.opened() {
            Some(opened) => this.visit(&opened, visitor),
            None => this.visit(this.node, visitor),
        })
    }

    /// A variable's text is taken as it is, unless it is a TOML string with its quotes.
    fn deserialize_str<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Fault> {
        self.placed(|this| match this.node.opened() {
            Some(opened @ Node { value: Value::Text(_), .. }) => this.visit(&opened, visitor),
            _ => this.visit(this.node, visitor),
        })
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
        self.placed(|this| {
            let opened = this.node.opened();
            match &opened.as_ref().unwrap_or(this.node).value {
                Value::Text(text) => visitor.visit_enum(text.as_str().into_deserializer()),
                _ => match &this.node.value {
                    Value::Raw(text) => visitor.visit_enum(text.as_str().into_deserializer()),
                    _ => Err(de::Error::custom("expected one word in quotes")),
                },
            }
        })
    }

    serde::forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char bytes byte_buf unit unit_struct
        seq tuple tuple_struct map struct identifier ignored_any
    }
}

struct Items<'a> {
    key: &'a str,
    items: std::iter::Enumerate<std::slice::Iter<'a, Node>>,
}

impl<'de> de::SeqAccess<'de> for Items<'_> {
    type Error = Fault;

    fn next_element_seed<T: DeserializeSeed<'de>>(&mut self, seed: T) -> Result<Option<T::Value>, Fault> {
        let Some((number, node)) = self.items.next() else { return Ok(None) };
        let key = entry(self.key, node, number);
        // Here too: a conversion after reading (`try_from`) fails outside the reader.
        seed.deserialize(Reader { node, key: key.clone() })
            .map(Some)
            .map_err(|fault| fault.at(&key, &node.origin))
    }
}

struct Entries<'a> {
    key: &'a str,
    entries: std::collections::btree_map::Iter<'a, String, Node>,
    value: Option<(&'a str, &'a Node)>,
}

impl<'de> de::MapAccess<'de> for Entries<'_> {
    type Error = Fault;

    fn next_key_seed<K: DeserializeSeed<'de>>(&mut self, seed: K) -> Result<Option<K::Value>, Fault> {
        let Some((name, node)) = self.entries.next() else { return Ok(None) };
        self.value = Some((name, node));
        // The key's own place, so that an unknown key is shown where it stands.
        seed.deserialize(name.as_str().into_deserializer())
            .map(Some)
            .map_err(|fault: Fault| fault.at(&child(self.key, name), &node.origin))
    }

    fn next_value_seed<V: DeserializeSeed<'de>>(&mut self, seed: V) -> Result<V::Value, Fault> {
        let (name, node) = self.value.take().ok_or_else(|| Fault {
            reason: "has no value".into(),
            key: None,
            origin: None,
        })?;
        let key = child(self.key, name);
        seed.deserialize(Reader { node, key: key.clone() }).map_err(|fault| fault.at(&key, &node.origin))
    }
}
