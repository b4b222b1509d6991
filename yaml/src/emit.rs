//! Sections as text, byte for byte as Go's YAML library prints the same configuration. Scalars are in `emit::scalar`.

mod scalar;
#[cfg(test)]
mod tests;

use crate::{Field, Kind, Section, Value};
use scalar::Place;

/// What is shown for a secret.
const SECRET: &str = "<secret>";

impl Section {
    /// The section as YAML, defaults included, secrets hidden.
    #[must_use]
    pub fn to_yaml(&self) -> String {
        let mut printer = Printer { out: String::new(), line_start: 0 };
        printer.body(self, 0, true);
        printer.out
    }
}

struct Printer {
    out: String,
    /// Where the current line begins in `out`.
    line_start: usize,
}

impl Printer {
    fn column(&self) -> usize {
        self.out[self.line_start..].chars().count()
    }

    fn newline(&mut self) {
        self.out.push('\n');
        self.line_start = self.out.len();
    }

    fn indent(&mut self, indent: usize) {
        self.out.extend(std::iter::repeat_n(' ', indent));
    }

    /// A fresh line that begins at `indent`.
    fn fresh(&mut self, indent: usize) {
        self.newline();
        self.indent(indent);
    }

    /// Prints the fields of `section`, or `{}`; the first one goes on in the current line if `inline`.
    fn body(&mut self, section: &Section, indent: usize, inline: bool) {
        let mut inline = inline;
        let mut empty = true;
        for (field, value) in section.shown() {
            if !inline {
                self.indent(indent);
            }
            inline = false;
            empty = false;
            self.scalar(field.name, Place { indent, flow: false, key: true });
            self.out.push(':');
            self.field(field, value, indent);
        }
        if empty {
            self.out.push_str("{}");
            self.newline();
        }
    }

    /// Prints what follows the colon, to the end of the line and beyond.
    fn field(&mut self, field: &Field, value: &Value, indent: usize) {
        match value {
            Value::Section(section) => self.nested(section, indent + 2),
            Value::Sections(sections) if !sections.is_empty() => {
                self.newline();
                for section in sections {
                    self.indent(indent);
                    self.out.push_str("- ");
                    self.body(section, indent + 2, true);
                }
            }
            Value::Named(sections) => {
                self.newline();
                for (name, section) in sections {
                    self.indent(indent + 2);
                    self.scalar(name, Place { indent: indent + 2, flow: false, key: true });
                    self.out.push(':');
                    self.nested(section, indent + 4);
                }
            }
            Value::List(list) if matches!(field.kind, Kind::FlowList) => self.flow(list, indent),
            Value::List(list) if !list.is_empty() => self.list(list, field.kind, indent),
            Value::Map(map) => self.map(map, field.kind, indent),
            Value::Lists(lists) => {
                self.newline();
                let kind = match field.kind {
                    Kind::SecretLists => Kind::Secrets,
                    _ => Kind::List,
                };
                for (name, list) in lists {
                    self.indent(indent + 2);
                    self.scalar(name, Place { indent: indent + 2, flow: false, key: true });
                    self.out.push(':');
                    if list.is_empty() {
                        self.out.push_str(" []");
                        self.newline();
                    } else {
                        self.list(list, kind, indent + 2);
                    }
                }
            }
            Value::Any(node) => self.any(node, indent + 2, false),
            _ => self.one_line(field, value, indent),
        }
    }

    fn nested(&mut self, section: &Section, indent: usize) {
        let shown = section.shown().next().is_some();
        if shown {
            self.newline();
        } else {
            self.out.push(' ');
        }
        self.body(section, indent, !shown);
    }

    fn one_line(&mut self, field: &Field, value: &Value, indent: usize) {
        self.out.push(' ');
        let place = Place { indent, flow: false, key: false };
        match value {
            Value::Text(text) => match field.kind {
                Kind::Secret if text.is_empty() => self.out.push_str("null"),
                Kind::Secret => self.out.push_str(SECRET),
                Kind::Url => {
                    let text = crate::url::redacted(text);
                    self.scalar(&text, place);
                }
                _ => self.scalar(text, place),
            },
            Value::Int(value) => match field.kind {
                Kind::Duration => self.out.push_str(&model::duration::format(*value)),
                Kind::Size => self.out.push_str(&model::size::format(*value)),
                _ => self.out.push_str(&value.to_string()),
            },
            Value::Bool(value) => self.out.push_str(if *value { "true" } else { "false" }),
            Value::Uint(value) => self.out.push_str(&value.to_string()),
            Value::Float(value) => self.out.push_str(&float(*value)),
            Value::Null
                if matches!(
                    field.kind,
                    Kind::List | Kind::FlowList | Kind::Secrets | Kind::Paths | Kind::Many(_)
                ) =>
            {
                self.out.push_str("[]");
            }
            Value::List(_) | Value::Sections(_) => self.out.push_str("[]"),
            _ => self.out.push_str("null"),
        }
        self.newline();
    }

    fn list(&mut self, list: &[String], kind: Kind, indent: usize) {
        self.newline();
        for text in list {
            self.indent(indent);
            self.out.push_str("- ");
            if matches!(kind, Kind::Secrets) {
                self.out.push_str(if text.is_empty() { "null" } else { SECRET });
            } else {
                self.scalar(text, Place { indent, flow: false, key: false });
            }
            self.newline();
        }
    }

    fn flow(&mut self, list: &[String], indent: usize) {
        self.out.push_str(" [");
        for (index, text) in list.iter().enumerate() {
            if index > 0 {
                self.out.push(',');
                if self.column() > scalar::WIDTH {
                    self.fresh(indent + 2);
                } else {
                    self.out.push(' ');
                }
            }
            self.scalar(text, Place { indent: indent + 2, flow: true, key: false });
        }
        self.out.push(']');
        self.newline();
    }

    fn map(&mut self, map: &[(String, String)], kind: Kind, indent: usize) {
        if map.is_empty() {
            self.out.push_str(" {}");
            self.newline();
            return;
        }
        self.newline();
        for (name, text) in map {
            self.indent(indent + 2);
            self.scalar(name, Place { indent: indent + 2, flow: false, key: true });
            self.out.push_str(": ");
            if matches!(kind, Kind::Secrets) {
                self.out.push_str(SECRET);
            } else {
                self.scalar(text, Place { indent: indent + 2, flow: false, key: false });
            }
            self.newline();
        }
    }

    /// Prints a value that has no schema, after `key:` or `-`.
    fn any(&mut self, node: &crate::Node, indent: usize, inline: bool) {
        use crate::node::Content;
        match &node.content {
            Content::Map(pairs) if !pairs.is_empty() => {
                let mut pairs: Vec<_> = pairs
                    .iter()
                    .map(|(key, value)| match &key.content {
                        Content::Scalar { text, .. } => (text.as_str(), value),
                        Content::Bytes | Content::List(_) | Content::Map(_) => ("", value),
                    })
                    .collect();
                pairs.sort_by(|a, b| crate::load::compare_keys(a.0, b.0));
                for (index, (key, value)) in pairs.into_iter().enumerate() {
                    if index == 0 && inline {
                        self.out.push(' ');
                    } else if index == 0 {
                        self.fresh(indent);
                    } else {
                        self.indent(indent);
                    }
                    self.scalar(key, Place { indent, flow: false, key: true });
                    self.out.push(':');
                    self.any(value, indent + 2, false);
                }
            }
            Content::List(list) if !list.is_empty() => {
                let indent = if inline { indent } else { indent - 2 };
                for (index, node) in list.iter().enumerate() {
                    if index == 0 && inline {
                        self.out.push(' ');
                    } else if index == 0 {
                        self.fresh(indent);
                    } else {
                        self.indent(indent);
                    }
                    self.out.push('-');
                    self.any(node, indent + 2, true);
                }
            }
            Content::Bytes => {
                self.out.push_str(" null");
                self.newline();
            }
            Content::Map(_) | Content::List(_) => {
                self.out.push_str(if matches!(node.content, Content::Map(_)) {
                    " {}"
                } else {
                    " []"
                });
                self.newline();
            }
            Content::Scalar { text, plain } => {
                self.out.push(' ');
                match (node.is_null(), *plain) {
                    (true, _) => self.out.push_str("null"),
                    (false, true) => self.meaning(text, indent - 2),
                    (false, false) => {
                        self.scalar(text, Place { indent: indent - 2, flow: false, key: false });
                    }
                }
                self.newline();
            }
        }
    }

    fn meaning(&mut self, text: &str, indent: usize) {
        use crate::scalar::Scalar;
        match crate::scalar::resolve(text) {
            Scalar::Bool(value) => self.out.push_str(if value { "true" } else { "false" }),
            Scalar::Int(value) => self.out.push_str(&value.to_string()),
            Scalar::Float(value) => self.out.push_str(&float(value)),
            Scalar::Null | Scalar::Text => {
                self.scalar(text, Place { indent, flow: false, key: false });
            }
        }
    }
}

fn float(value: f64) -> String {
    if value.is_nan() {
        String::from(".nan")
    } else if value.is_infinite() {
        String::from(if value > 0.0 { ".inf" } else { "-.inf" })
    } else {
        model::float::general(value)
    }
}
