//! From an answer to the labels of a target: names made valid, lists between separators, numbers as text.

use crate::TargetGroup;
use model::{Labels, LabelsBuilder};
use serde_json::Value;
use std::borrow::Cow;

/// The labels of a target as they are collected, under the prefix of its mechanism.
#[derive(Clone, Debug)]
pub(crate) struct Target {
    prefix: &'static str,
    builder: LabelsBuilder,
}

impl Target {
    /// A target, or the shared labels of a group, without labels; `prefix` is such as `__meta_consul_`.
    pub(crate) fn new(prefix: &'static str) -> Self {
        Self { prefix, builder: LabelsBuilder::new() }
    }

    /// Where it is scraped.
    pub(crate) fn address(&mut self, host: &str, port: impl std::fmt::Display) {
        self.builder.set("__address__", &host_port(host, port));
    }

    /// A label with its whole name.
    pub(crate) fn plain(&mut self, name: &str, value: &str) {
        self.builder.set(name, value);
    }

    /// A label behind the prefix; an empty value is none.
    pub(crate) fn set(&mut self, name: &str, value: &str) {
        self.builder.set(&format!("{}{name}", self.prefix), value);
    }

    /// A label with a text, number or truth value of an answer.
    pub(crate) fn json(&mut self, name: &str, value: &Value) {
        self.set(name, &text(value));
    }

    /// A label whose name ends in a foreign key.
    pub(crate) fn keyed(&mut self, name: &str, key: &str, value: &str) {
        self.set(&format!("{name}{}", valid_name(key)), value);
    }

    /// A label for each field of an object.
    pub(crate) fn fields(&mut self, name: &str, object: &Value) {
        for (key, value) in object.as_object().into_iter().flatten() {
            self.keyed(name, key, &text(value));
        }
    }

    /// Adds finished labels.
    pub(crate) fn extend(&mut self, labels: &Labels) {
        for (name, value) in labels.iter() {
            self.builder.set(name, value);
        }
    }

    /// The finished set.
    pub(crate) fn labels(&self) -> Labels {
        self.builder.labels()
    }
}

/// A group without shared labels.
pub(crate) fn group(source: &str, targets: Vec<Labels>) -> TargetGroup {
    TargetGroup { source: source.into(), labels: Labels::empty(), targets }
}

/// A text, number or truth value as text; anything else is empty.
pub(crate) fn text(value: &Value) -> Cow<'_, str> {
    match value {
        Value::String(text) => Cow::Borrowed(text),
        Value::Number(number) => Cow::Owned(number.to_string()),
        Value::Bool(value) => Cow::Borrowed(if *value { "true" } else { "false" }),
        Value::Null | Value::Array(_) | Value::Object(_) => Cow::Borrowed(""),
    }
}

/// The entries of a list; none if it is no list.
pub(crate) fn items(value: &Value) -> &[Value] {
    value.as_array().map_or(&[], Vec::as_slice)
}

/// `name` with everything that a label name cannot hold replaced by `_`.
pub(crate) fn valid_name(name: &str) -> String {
    name.chars().map(|c| if c.is_ascii_alphanumeric() { c } else { '_' }).collect()
}

/// The texts of a list with the separator around each, so that expressions need not care for the first and the last.
pub(crate) fn surrounded<T: AsRef<str>>(list: &[T], separator: &str) -> String {
    let mut out = separator.to_owned();
    for (index, item) in list.iter().enumerate() {
        if index > 0 {
            out.push_str(separator);
        }
        out.push_str(item.as_ref());
    }
    out.push_str(separator);
    out
}

/// The texts of a list of an answer.
pub(crate) fn texts(value: &Value) -> Vec<Cow<'_, str>> {
    items(value).iter().map(text).collect()
}

/// `host:port`, with brackets around a host with colons.
pub(crate) fn host_port(host: &str, port: impl std::fmt::Display) -> String {
    if host.contains(':') { format!("[{host}]:{port}") } else { format!("{host}:{port}") }
}
