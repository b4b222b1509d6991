//! The handlers of `/api/v1`, one file a group. A handler reads parameters, does its work and writes its JSON.

pub mod admin;
pub(crate) mod exemplars;
pub(crate) mod features;
pub(crate) mod format;
pub mod limits;
pub(crate) mod notifications;
pub mod quarantine;
pub(crate) mod queries;
pub(crate) mod query;
pub(crate) mod relabel;
pub(crate) mod rules;
pub(crate) mod search;
pub(crate) mod self_metrics;
pub(crate) mod series;
pub mod status;
pub(crate) mod targets;

use crate::call::{Done, done};
use crate::error::Result;
use crate::json::{Gone, Out, push_end, push_html_text, push_text, push_value};
use model::Labels;
use std::fmt::Display;
use std::io::Write;
use storage::Annotations;

/// Opens a successful answer.
pub(crate) fn begin(out: &mut Out<'_>) {
    out.push("{\"status\":\"success\",\"data\":");
}

/// Closes a successful answer without messages.
pub(crate) fn end(out: &mut Out<'_>) -> Result<Done> {
    done(push_end(out, &Annotations::default()))
}

/// Writes a whole answer whose data is an object.
pub(crate) fn answer_object(
    out: &mut Out<'_>,
    fields: impl FnOnce(&mut Object<'_>),
) -> Result<Done> {
    begin(out);
    Object::write(&mut out.bytes, fields);
    end(out)
}

/// Writes elements between brackets, with a chance to hand pieces on between them.
pub(crate) fn push_array<T>(
    out: &mut Out<'_>,
    elements: impl IntoIterator<Item = T>,
    mut write: impl FnMut(&mut Vec<u8>, T),
) -> Result<(), Gone> {
    out.push("[");
    for (index, element) in elements.into_iter().enumerate() {
        if index > 0 {
            out.push(",");
        }
        write(&mut out.bytes, element);
        out.spill()?;
    }
    out.push("]");
    Ok(())
}

/// A JSON object in the making. Names are ours and need no escape.
#[derive(Debug)]
pub(crate) struct Object<'o> {
    out: &'o mut Vec<u8>,
    is_empty: bool,
}

impl<'o> Object<'o> {
    pub(crate) fn write(out: &'o mut Vec<u8>, fields: impl FnOnce(&mut Self)) {
        out.push(b'{');
        let mut object = Self { out, is_empty: true };
        fields(&mut object);
        object.out.push(b'}');
    }

    /// Appends a name and answers where its value goes.
    pub(crate) fn key(&mut self, name: &str) -> &mut Vec<u8> {
        self.separate();
        self.out.push(b'"');
        self.out.extend_from_slice(name.as_bytes());
        self.out.extend_from_slice(b"\":");
        self.out
    }

    /// Appends a foreign name.
    pub(crate) fn foreign_key(&mut self, name: &str) -> &mut Vec<u8> {
        self.separate();
        push_html_text(self.out, name);
        self.out.push(b':');
        self.out
    }

    fn separate(&mut self) {
        if !self.is_empty {
            self.out.push(b',');
        }
        self.is_empty = false;
    }

    pub(crate) fn text(&mut self, name: &str, value: &str) {
        push_html_text(self.key(name), value);
    }

    /// A number, `true`, `false` or `null`.
    pub(crate) fn plain(&mut self, name: &str, value: impl Display) {
        write!(self.key(name), "{value}").expect("writing to memory cannot fail");
    }

    pub(crate) fn labels(&mut self, name: &str, labels: &Labels) {
        push_labels(self.key(name), labels);
    }

    pub(crate) fn object(&mut self, name: &str, fields: impl FnOnce(&mut Object<'_>)) {
        Object::write(self.key(name), fields);
    }

    /// A list that is short.
    pub(crate) fn list<T>(
        &mut self,
        name: &str,
        elements: impl IntoIterator<Item = T>,
        mut write: impl FnMut(&mut Vec<u8>, T),
    ) {
        let out = self.key(name);
        out.push(b'[');
        for (index, element) in elements.into_iter().enumerate() {
            if index > 0 {
                out.push(b',');
            }
            write(out, element);
        }
        out.push(b']');
    }
}

/// A number as JSON has it.
pub(crate) fn push_value_text(out: &mut Vec<u8>, value: f64) {
    push_value(out, value);
}

/// A truth value as Go's `strconv.ParseBool` reads it.
pub(crate) fn parse_bool(text: &str) -> Option<bool> {
    match text {
        "1" | "t" | "T" | "true" | "TRUE" | "True" => Some(true),
        "0" | "f" | "F" | "false" | "FALSE" | "False" => Some(false),
        _ => None,
    }
}

/// A label set as an object; plain texts, as everywhere in the API.
pub(crate) fn push_labels(out: &mut Vec<u8>, labels: &Labels) {
    out.push(b'{');
    for (index, (name, value)) in labels.iter().enumerate() {
        if index > 0 {
            out.push(b',');
        }
        push_text(out, name);
        out.push(b':');
        push_text(out, value);
    }
    out.push(b'}');
}
