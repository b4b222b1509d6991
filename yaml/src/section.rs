//! A section that was read: a value for each field of its schema, the place of each value in the file.
//! Asking for a field that the schema does not have, or as another kind, is a bug of the caller and panics.

use crate::{Kind, Mark, Node, Problem, Schema};
use std::time::Duration;

/// The value of a field.
#[derive(Clone, Debug, PartialEq)]
pub enum Value {
    /// Nothing: an open truth value, an absent section, an absent list.
    Null,
    /// A truth value.
    Bool(bool),
    /// An integer; durations in milliseconds and sizes in bytes too.
    Int(i64),
    /// An integer from 0.
    Uint(u64),
    /// A number.
    Float(f64),
    /// A text, a secret, a path, a URL.
    Text(String),
    /// Texts.
    List(Vec<String>),
    /// Texts by name, in the order they are printed.
    Map(Vec<(String, String)>),
    /// Lists by name, in the order they are printed.
    Lists(Vec<(String, Vec<String>)>),
    /// A section.
    Section(Box<Section>),
    /// Sections.
    Sections(Vec<Section>),
    /// Sections by name, in the order they are printed.
    Named(Vec<(String, Section)>),
    /// Anything.
    Any(Node),
}

/// A section that was read.
#[derive(Clone, Debug)]
pub struct Section {
    /// Where it begins.
    pub mark: Mark,
    schema: &'static Schema,
    is_written: bool,
    values: Vec<Value>,
    marks: Vec<Mark>,
}

impl PartialEq for Section {
    /// Compares values, not places.
    fn eq(&self, other: &Self) -> bool {
        std::ptr::eq(self.schema, other.schema) && self.values == other.values
    }
}

impl Section {
    /// A section all of whose fields are zero.
    #[must_use]
    pub fn zero(schema: &'static Schema, mark: Mark) -> Self {
        let values: Vec<Value> = schema.fields().map(|field| Value::zero(field.kind)).collect();
        let marks = vec![Mark::NONE; values.len()];
        Self { mark, schema, is_written: false, values, marks }
    }

    /// A section with the defaults of its schema, as if the file had `{}` there. Panics if the schema refuses them.
    #[must_use]
    pub fn defaults(schema: &'static Schema) -> Self {
        let node = Node { mark: Mark::NONE, content: crate::node::Content::Map(Vec::new()) };
        let mut section = crate::load(&node, schema).expect("defaults are good");
        section.is_written = false;
        section
    }

    /// Its schema.
    #[must_use]
    pub fn schema(&self) -> &'static Schema {
        self.schema
    }

    /// Whether the file has this section with something in it, be it `{}`.
    #[must_use]
    pub fn is_written(&self) -> bool {
        self.is_written
    }

    pub(crate) fn set_written(&mut self) {
        self.is_written = true;
    }

    /// The fields with their values, in the order they are printed.
    pub(crate) fn entries(&self) -> impl Iterator<Item = (&'static crate::Field, &Value)> {
        self.schema.fields().zip(&self.values)
    }

    pub(crate) fn entries_mut(
        &mut self,
    ) -> impl Iterator<Item = (&'static crate::Field, &mut Value)> {
        self.schema.fields().zip(&mut self.values)
    }

    fn index(&self, name: &str) -> usize {
        self.schema
            .fields()
            .position(|field| field.name == name)
            .unwrap_or_else(|| panic!("section {} has no field {name}", self.schema.name))
    }

    fn wrong(&self, name: &str) -> ! {
        panic!("field {name} of section {} is of another kind", self.schema.name)
    }

    /// The value of a field.
    #[must_use]
    pub fn value(&self, name: &str) -> &Value {
        &self.values[self.index(name)]
    }

    /// Replaces the value of a field.
    pub fn set(&mut self, name: &str, value: Value) {
        let index = self.index(name);
        self.values[index] = value;
    }

    /// Replaces a value that came from the file at `mark`.
    pub(crate) fn set_at(&mut self, index: usize, value: Value, mark: Mark) {
        self.values[index] = value;
        self.marks[index] = mark;
    }

    /// Whether the key stands in the file.
    #[must_use]
    pub fn is_given(&self, name: &str) -> bool {
        self.marks[self.index(name)] != Mark::NONE
    }

    /// Where the value of a field stands; where the section begins if it does not.
    #[must_use]
    pub fn mark(&self, name: &str) -> Mark {
        let mark = self.marks[self.index(name)];
        if mark == Mark::NONE { self.mark } else { mark }
    }

    /// A problem with a field.
    #[must_use]
    pub fn problem(&self, name: &str, message: impl Into<String>) -> Problem {
        Problem::new(self.mark(name), message)
    }

    /// A truth value; one that is left open is false.
    #[must_use]
    pub fn bool(&self, name: &str) -> bool {
        self.maybe_bool(name).unwrap_or(false)
    }

    /// A truth value that may be left open.
    #[must_use]
    pub fn maybe_bool(&self, name: &str) -> Option<bool> {
        match self.value(name) {
            Value::Bool(value) => Some(*value),
            Value::Null => None,
            _ => self.wrong(name),
        }
    }

    /// An integer, a size in bytes, a duration in milliseconds.
    #[must_use]
    pub fn int(&self, name: &str) -> i64 {
        match self.value(name) {
            Value::Int(value) => *value,
            _ => self.wrong(name),
        }
    }

    /// An integer from 0.
    #[must_use]
    pub fn uint(&self, name: &str) -> u64 {
        match self.value(name) {
            Value::Uint(value) => *value,
            _ => self.wrong(name),
        }
    }

    /// A number.
    #[must_use]
    pub fn float(&self, name: &str) -> f64 {
        match self.value(name) {
            Value::Float(value) => *value,
            _ => self.wrong(name),
        }
    }

    /// A duration.
    #[must_use]
    pub fn duration(&self, name: &str) -> Duration {
        Duration::from_millis(u64::try_from(self.int(name)).unwrap_or(0))
    }

    /// A text, secret, path or URL.
    #[must_use]
    pub fn text(&self, name: &str) -> &str {
        match self.value(name) {
            Value::Text(value) => value,
            _ => self.wrong(name),
        }
    }

    /// Whether a text, secret, path or URL is not empty.
    #[must_use]
    pub fn has(&self, name: &str) -> bool {
        !self.text(name).is_empty()
    }

    /// A list of texts; empty where absent.
    #[must_use]
    pub fn list(&self, name: &str) -> &[String] {
        match self.value(name) {
            Value::List(value) => value,
            Value::Null => &[],
            _ => self.wrong(name),
        }
    }

    /// Texts by name; empty where absent.
    #[must_use]
    pub fn map(&self, name: &str) -> &[(String, String)] {
        match self.value(name) {
            Value::Map(value) => value,
            Value::Null => &[],
            _ => self.wrong(name),
        }
    }

    /// Lists by name; empty where absent.
    #[must_use]
    pub fn lists(&self, name: &str) -> &[(String, Vec<String>)] {
        match self.value(name) {
            Value::Lists(value) => value,
            Value::Null => &[],
            _ => self.wrong(name),
        }
    }

    /// A section; `None` where absent.
    #[must_use]
    pub fn section(&self, name: &str) -> Option<&Self> {
        match self.value(name) {
            Value::Section(value) => Some(value),
            Value::Null => None,
            _ => self.wrong(name),
        }
    }

    /// A section that is always there.
    #[must_use]
    pub fn one(&self, name: &str) -> &Self {
        self.section(name).unwrap_or_else(|| self.wrong(name))
    }

    /// A section to change.
    pub fn section_mut(&mut self, name: &str) -> Option<&mut Self> {
        let index = self.index(name);
        match &mut self.values[index] {
            Value::Section(value) => Some(value),
            _ => None,
        }
    }

    /// A list of sections; empty where absent.
    #[must_use]
    pub fn sections(&self, name: &str) -> &[Self] {
        match self.value(name) {
            Value::Sections(value) => value,
            Value::Null => &[],
            _ => self.wrong(name),
        }
    }

    /// A list of sections to change.
    pub fn sections_mut(&mut self, name: &str) -> &mut [Self] {
        let index = self.index(name);
        match &mut self.values[index] {
            Value::Sections(value) => value,
            _ => &mut [],
        }
    }

    /// Sections by name; empty where absent.
    #[must_use]
    pub fn named(&self, name: &str) -> &[(String, Self)] {
        match self.value(name) {
            Value::Named(value) => value,
            Value::Null => &[],
            _ => self.wrong(name),
        }
    }

    /// Whether no field is set, as Go asks before it leaves a section out.
    #[must_use]
    pub fn is_zero(&self) -> bool {
        self.entries().all(|(field, value)| is_zero(field.kind, value))
    }

    /// The fields that are printed.
    pub(crate) fn shown(&self) -> impl Iterator<Item = (&'static crate::Field, &Value)> {
        self.entries().filter(|(field, value)| field.always || !is_zero(field.kind, value))
    }

    /// Resolves all relative paths below against `directory`.
    pub fn resolve_paths(&mut self, directory: &str) {
        for (field, value) in self.entries_mut() {
            match (field.kind, value) {
                (Kind::Path, Value::Text(path)) => *path = crate::path::join(directory, path),
                (Kind::Paths, Value::List(paths)) => {
                    for path in paths {
                        *path = crate::path::join(directory, path);
                    }
                }
                (_, Value::Section(section)) => section.resolve_paths(directory),
                (_, Value::Sections(sections)) => {
                    sections.iter_mut().for_each(|section| section.resolve_paths(directory));
                }
                (_, Value::Named(sections)) => {
                    sections.iter_mut().for_each(|(_, section)| section.resolve_paths(directory));
                }
                _ => {}
            }
        }
    }
}

impl Value {
    /// The zero of a kind.
    #[must_use]
    pub(crate) fn zero(kind: Kind) -> Self {
        match kind {
            Kind::Text | Kind::Word(_) | Kind::Secret | Kind::Path | Kind::Url => {
                Self::Text(String::new())
            }
            Kind::Bool => Self::Bool(false),
            Kind::Int | Kind::Duration | Kind::Size => Self::Int(0),
            Kind::Uint => Self::Uint(0),
            Kind::Float => Self::Float(0.0),
            Kind::One(schema) => Self::Section(Box::new(Section::zero(schema, Mark::NONE))),
            _ => Self::Null,
        }
    }
}

/// Whether Go leaves the value out where it may: what may be absent counts as soon as it is there.
fn is_zero(kind: Kind, value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::Bool(value) => !value && !matches!(kind, Kind::MaybeBool),
        Value::Int(value) => *value == 0,
        Value::Uint(value) => *value == 0,
        Value::Float(value) => *value == 0.0,
        Value::Text(value) => value.is_empty(),
        Value::List(value) => value.is_empty(),
        Value::Map(value) => value.is_empty(),
        Value::Lists(value) => value.is_empty(),
        Value::Section(value) => value.is_zero() && !matches!(kind, Kind::Maybe(_)),
        Value::Sections(value) => value.is_empty(),
        Value::Named(value) => value.is_empty(),
        Value::Any(value) => value.is_null(),
    }
}
