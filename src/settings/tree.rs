//! The settings as a tree of values, each of which knows where it was written: a line of the file or an
//! environment variable. The environment is laid over the file here. Knows no field of any setting.

use std::borrow::Cow;
use std::collections::BTreeMap;

use toml::de::{DeTable, DeValue};

/// What a setting may be written as.
#[derive(Clone, Debug)]
pub(super) enum Value {
    Text(String),
    Integer(i64),
    Float(f64),
    Bool(bool),
    List(Vec<Node>),
    Table(BTreeMap<String, Node>),
    /// The text of an environment variable; what it is depends on what is wanted of it.
    Raw(String),
}

/// Where a value was written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Origin {
    /// Counted from 1.
    Line(usize),
    Variable(String),
}

/// One value with its place.
#[derive(Clone, Debug)]
pub(super) struct Node {
    pub value: Value,
    pub origin: Origin,
}

/// Why a tree cannot be had: a sentence's predicate and the place.
#[derive(Debug)]
pub(super) struct Refusal {
    pub origin: Origin,
    pub reason: String,
}

/// Keys as errors print them (`mailbox[hr].source.port`) with their places.
#[derive(Debug, Default)]
pub(super) struct Origins(BTreeMap<String, Origin>);

impl Origins {
    /// Where `key` was written, or else the nearest table around it.
    pub fn nearest(&self, key: &str) -> Option<&Origin> {
        let mut key = key;
        loop {
            if let Some(origin) = self.0.get(key) {
                return Some(origin);
            }
            key = key.get(..key.rfind(['.', '['])?)?;
        }
    }

    /// Where `key` itself was written, if it was.
    pub fn written(&self, key: &str) -> Option<&Origin> {
        self.0.get(key)
    }
}

impl Node {
    /// Reads TOML.
    pub fn parse(text: &str) -> Result<Self, Refusal> {
        // A byte-order mark is what Windows editors leave.
        let text = text.strip_prefix('\u{feff}').unwrap_or(text);
        match DeTable::parse(text) {
            Ok(table) => {
                Ok(table_of(table.get_ref(), &|at| Origin::Line(line_of(text, at)), Origin::Line(1)))
            }
            // The parser's Display repeats the line, which may hold what should not be logged.
            Err(error) => {
                let what = error.message().replace('\n', ", ");
                let remedy = match what.as_str() {
                    "duplicate key" => "keep one of the two",
                    _ => "look for a missing quote or bracket",
                };
                Err(Refusal {
                    origin: Origin::Line(line_of(text, error.span().map_or(0, |span| span.start))),
                    reason: format!("this is not TOML: {what}; {remedy}"),
                })
            }
        }
    }

    /// Lays one environment variable over the tree; `keys` is its name's path, in lower case.
    pub fn overlay(&mut self, variable: &str, keys: &[&str], text: &str) -> Result<(), Refusal> {
        let refuse = |reason: String| Refusal { origin: Origin::Variable(variable.to_owned()), reason };
        let Some((first, rest)) = keys.split_first() else {
            *self = Self::raw(variable, text);
            return Ok(());
        };
        if let Some(open) = self.opened() {
            *self = open;
        }
        match &mut self.value {
            Value::Table(table) => table
                .entry((*first).to_owned())
                .or_insert_with(|| Self {
                    value: Value::Table(BTreeMap::new()),
                    origin: Origin::Variable(variable.to_owned()),
                })
                .overlay(variable, rest, text),
            Value::List(list) => match list.iter_mut().find(|item| item.answers_to(first)) {
                Some(item) => item.overlay(variable, rest, text),
                None => Err(refuse(format!(
                    "sets a value of an entry called `{first}`, but the settings file has none of that name; add it there"
                ))),
            },
            _ => Err(refuse(format!(
                "looks for `{first}` inside a single value; the variable's name has too many parts"
            ))),
        }
    }

    fn raw(variable: &str, text: &str) -> Self {
        Self { value: Value::Raw(text.to_owned()), origin: Origin::Variable(variable.to_owned()) }
    }

    /// The TOML value that an environment variable's text is, if it is one.
    pub fn opened(&self) -> Option<Self> {
        let Value::Raw(text) = &self.value else { return None };
        let here = |_| self.origin.clone();
        let value = DeValue::parse(text.trim()).ok()?;
        Some(value_of(value.get_ref(), &here, self.origin.clone()))
    }

    /// Whether an entry of a list is meant by a part of a variable's name.
    fn answers_to(&self, part: &str) -> bool {
        self.name().is_some_and(|name| {
            let plain = |c: char| if c.is_ascii_alphanumeric() { c.to_ascii_lowercase() } else { '_' };
            name.chars().map(plain).eq(part.chars())
        })
    }

    /// The `name` of an entry of a list.
    pub fn name(&self) -> Option<&str> {
        let Value::Table(table) = &self.value else { return None };
        match &table.get("name")?.value {
            Value::Text(name) | Value::Raw(name) => Some(name),
            _ => None,
        }
    }

    /// Every key with its place.
    pub fn origins(&self) -> Origins {
        let mut origins = Origins::default();
        self.collect("", &mut origins);
        origins
    }

    fn collect(&self, key: &str, origins: &mut Origins) {
        origins.0.insert(key.to_owned(), self.origin.clone());
        match &self.value {
            Value::Table(table) => {
                table.iter().for_each(|(name, node)| node.collect(&child(key, name), origins));
            }
            Value::List(list) => {
                for (number, node) in list.iter().enumerate() {
                    node.collect(&entry(key, node, number), origins);
                }
            }
            Value::Raw(_) => {
                if let Some(Self { value: value @ (Value::Table(_) | Value::List(_)), origin }) =
                    self.opened()
                {
                    Self { value, origin }.collect(key, origins);
                }
            }
            _ => {}
        }
    }
}

/// `key.name`, as errors print it.
pub(super) fn child(key: &str, name: &str) -> String {
    let name: String = name.chars().filter(|c| !c.is_control()).take(64).collect();
    if key.is_empty() { name } else { format!("{key}.{name}") }
}

/// `key[name]`, or `key[3]` for an entry without a usable name (counted from 1).
pub(super) fn entry(key: &str, node: &Node, number: usize) -> String {
    match node.name().filter(|name| !name.is_empty() && name.len() <= 64 && !name.contains(char::is_control))
    {
        Some(name) => format!("{key}[{name}]"),
        None => format!("{key}[{}]", number + 1),
    }
}

type Place<'a> = &'a dyn Fn(usize) -> Origin;

fn table_of(table: &DeTable<'_>, place: Place<'_>, origin: Origin) -> Node {
    let entry = |(key, value): (&toml::Spanned<Cow<'_, str>>, &toml::Spanned<DeValue<'_>>)| {
        let node = value_of(value.get_ref(), place, place(key.span().start));
        (key.get_ref().clone().into_owned(), node)
    };
    Node { value: Value::Table(table.iter().map(entry).collect()), origin }
}

fn value_of(value: &DeValue<'_>, place: Place<'_>, origin: Origin) -> Node {
    let value = match value {
        DeValue::String(text) => Value::Text(text.clone().into_owned()),
        DeValue::Boolean(bool) => Value::Bool(*bool),
        // A date may be written with or without quotes.
        DeValue::Datetime(time) => Value::Text(time.to_string()),
        // What is too large for a whole number is no whole number, and refused as such.
        DeValue::Integer(number) => i64::from_str_radix(number.as_str(), number.radix())
            .map_or(Value::Float(f64::INFINITY), Value::Integer),
        DeValue::Float(number) => Value::Float(number.as_str().parse().unwrap_or(f64::NAN)),
        DeValue::Array(items) => {
            let item =
                |item: &toml::Spanned<DeValue<'_>>| value_of(item.get_ref(), place, place(item.span().start));
            Value::List(items.iter().map(item).collect())
        }
        DeValue::Table(table) => return table_of(table, place, origin),
    };
    Node { value, origin }
}

fn line_of(text: &str, offset: usize) -> usize {
    text.bytes().take(offset).filter(|byte| *byte == b'\n').count() + 1
}
