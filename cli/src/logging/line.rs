//! One log line under construction: keys and values in logfmt or JSON.

use super::Format;
use model::quote::Quoted;
use std::fmt::{self, Write};
use tracing::Event;
use tracing::field::{Field, Visit};

pub(super) struct Line {
    format: Format,
    out: String,
    /// Fields behind the message.
    rest: String,
    message: String,
}

impl Line {
    pub(super) fn new(format: Format) -> Self {
        Self { format, out: String::new(), rest: String::new(), message: String::new() }
    }

    /// A field in front of the message.
    pub(super) fn text(&mut self, key: &str, value: &str) {
        append(&mut self.out, self.format, key, &text(self.format, value));
    }

    /// The message and the fields of `event`.
    pub(super) fn event(&mut self, event: &Event<'_>) {
        event.record(self);
    }

    /// The whole line with its end.
    pub(super) fn finish(mut self) -> String {
        let message = text(self.format, &self.message);
        append(&mut self.out, self.format, "msg", &message);
        if !self.rest.is_empty() {
            self.out.push(separator(self.format));
            self.out.push_str(&self.rest);
        }
        match self.format {
            Format::Logfmt => self.out.push('\n'),
            Format::Json => {
                self.out.insert(0, '{');
                self.out.push_str("}\n");
            }
        }
        self.out
    }

    fn field(&mut self, field: &Field, value: &str) {
        // Names in Rust cannot hold the characters that names in Go logs do not use either.
        let name = field.name().strip_prefix("r#").unwrap_or(field.name());
        append(&mut self.rest, self.format, name, value);
    }
}

fn separator(format: Format) -> char {
    match format {
        Format::Logfmt => ' ',
        Format::Json => ',',
    }
}

fn append(out: &mut String, format: Format, key: &str, value: &str) {
    if !out.is_empty() {
        out.push(separator(format));
    }
    let written = match format {
        Format::Logfmt => write!(out, "{key}={value}"),
        Format::Json => write!(out, "{}:{value}", serde_json::Value::from(key)),
    };
    debug_assert!(written.is_ok(), "writing to a string does not fail");
}

fn text(format: Format, value: &str) -> String {
    match format {
        Format::Json => serde_json::Value::from(value).to_string(),
        Format::Logfmt if needs_quotes(value) => Quoted(value).to_string(),
        Format::Logfmt => value.to_owned(),
    }
}

fn needs_quotes(value: &str) -> bool {
    value.is_empty()
        || value
            .chars()
            .any(|c| matches!(c, '"' | '=') || c.is_whitespace() || !model::quote::is_printable(c))
}

impl Visit for Line {
    fn record_str(&mut self, field: &Field, value: &str) {
        if field.name() == "message" {
            value.clone_into(&mut self.message);
        } else {
            let value = text(self.format, value);
            self.field(field, &value);
        }
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        self.field(field, if value { "true" } else { "false" });
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        self.field(field, &value.to_string());
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        self.field(field, &value.to_string());
    }

    fn record_f64(&mut self, field: &Field, value: f64) {
        let value = model::float::general(value);
        // JSON has no numbers for what is not finite.
        let value = match self.format {
            Format::Json if !value.ends_with(|c: char| c.is_ascii_digit()) => format!("{value:?}"),
            _ => value,
        };
        self.field(field, &value);
    }

    fn record_error(&mut self, field: &Field, value: &(dyn std::error::Error + 'static)) {
        self.record_str(field, &value.to_string());
    }

    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.record_str(field, &format!("{value:?}"));
    }
}
