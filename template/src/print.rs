//! Values as text, as Go's package fmt writes them: plain, and by the verbs of `printf`. What is written is bounded.

mod number;
mod verbs;

pub(crate) use verbs::sprintf;

use crate::value::Value;
use model::quote::Quoted;
use number::{fmt_float, fmt_int};
use std::fmt::Write;

/// The largest text that one call or one page may make.
pub(crate) const MAX_BYTES: usize = 32 << 20;

/// Why a text is not made.
pub(crate) const TOO_LARGE: &str = "the text would be larger than 32 MiB";

/// What stands between `%` and the verb.
#[derive(Clone, Copy, Debug, Default)]
struct Flags {
    width: Option<usize>,
    precision: Option<usize>,
    minus: bool,
    plus: bool,
    sharp: bool,
    space: bool,
    zero: bool,
    /// `%+v`.
    names: bool,
    /// `%#v`.
    syntax: bool,
}

/// Writes values; stops at the bound.
#[derive(Debug, Default)]
struct Printer {
    out: String,
    flags: Flags,
    is_full: bool,
}

/// Values one after another, with a space between two that are no texts.
pub(crate) fn sprint(values: &[Value]) -> Result<String, String> {
    let mut printer = Printer::default();
    let is_text = |value: &Value| matches!(value, Value::Text(_) | Value::Html(_));
    for (index, value) in values.iter().enumerate() {
        if index > 0 && !is_text(value) && !is_text(&values[index - 1]) {
            printer.push(" ");
        }
        printer.value(value, 'v', 0);
    }
    printer.finish()
}

/// Values with a space between them and a newline at the end.
pub(crate) fn sprintln(values: &[Value]) -> Result<String, String> {
    let mut printer = Printer::default();
    for (index, value) in values.iter().enumerate() {
        printer.push(if index > 0 { " " } else { "" });
        printer.value(value, 'v', 0);
    }
    printer.push("\n");
    printer.finish()
}

/// A value as an action of a template shows it: behind pointers stands what they point to.
pub(crate) fn shown(value: &Value) -> Result<String, String> {
    match value {
        Value::Nil => Ok("<no value>".to_owned()),
        Value::Sample(_) => sprint(std::slice::from_ref(value)).map(|text| text[1..].to_owned()),
        _ => sprint(std::slice::from_ref(value)),
    }
}

/// A value in an error text.
pub(crate) fn cited(value: &Value) -> String {
    shown(value).unwrap_or_else(|_| value.type_name())
}

impl Printer {
    fn finish(self) -> Result<String, String> {
        if self.is_full { Err(TOO_LARGE.to_owned()) } else { Ok(self.out) }
    }

    fn push(&mut self, text: &str) {
        if self.out.len() + text.len() > MAX_BYTES {
            self.is_full = true;
        } else {
            self.out.push_str(text);
        }
    }

    /// A text, filled up to the width.
    fn pad(&mut self, text: &str) {
        let missing = self.flags.width.unwrap_or(0).saturating_sub(text.chars().count());
        if missing == 0 {
            return self.push(text);
        }
        if self.flags.minus {
            self.push(text);
            self.push(&" ".repeat(missing));
        } else {
            self.push(&if self.flags.zero { "0" } else { " " }.repeat(missing));
            self.push(text);
        }
    }

    /// A value by a verb; `depth` counts what it lies in.
    fn value(&mut self, value: &Value, verb: char, depth: usize) {
        if self.is_full {
            return;
        }
        match (value, verb) {
            (_, 'T') => self.text(&value.type_name(), 's'),
            (Value::Nil, 'v') if self.flags.syntax && depth > 0 => self.push("interface {}(nil)"),
            (Value::Nil, 'v') => self.pad("<nil>"),
            (Value::Nil, _) => self.bad_verb(value, verb),
            (Value::Bool(flag), 't' | 'v') => self.pad(if *flag { "true" } else { "false" }),
            (Value::Int(number), 'v' | 'd' | 'b' | 'o' | 'O' | 'x' | 'X' | 'c' | 'q' | 'U') => {
                fmt_int(self, *number, verb);
            }
            (Value::Float(number), 'v' | 'b' | 'e' | 'E' | 'f' | 'F' | 'g' | 'G' | 'x' | 'X') => {
                fmt_float(self, *number, verb);
            }
            (
                Value::Complex(real, imaginary),
                'v' | 'b' | 'e' | 'E' | 'f' | 'F' | 'g' | 'G' | 'x' | 'X',
            ) => {
                let plus = self.flags.plus;
                self.push("(");
                fmt_float(self, *real, verb);
                self.flags.plus = true;
                fmt_float(self, *imaginary, verb);
                self.flags.plus = plus;
                self.push("i)");
            }
            (Value::Text(text) | Value::Html(text), 'v' | 's' | 'x' | 'X' | 'q') => {
                self.text(text, verb);
            }
            (Value::Histogram(histogram), 'v' | 's' | 'x' | 'X' | 'q') => {
                self.text(&histogram.to_string(), verb);
            }
            (Value::Clock(clock), 'v' | 's' | 'x' | 'X' | 'q') => {
                self.text(&clock.to_string(), verb);
            }
            (Value::Clock(clock), 'd') => fmt_int(self, clock.number(), verb),
            (
                Value::Bool(_)
                | Value::Int(_)
                | Value::Float(_)
                | Value::Complex(..)
                | Value::Text(_)
                | Value::Html(_)
                | Value::Histogram(_)
                | Value::Clock(_),
                _,
            ) => self.bad_verb(value, verb),
            _ => self.container(value, verb, depth),
        }
    }

    fn container(&mut self, value: &Value, verb: char, depth: usize) {
        match value {
            // What lies deeper is a pointer; its address means nothing and is always the same here.
            Value::Sample(_) if depth > 0 => self.pad("0xc000000000"),
            Value::Sample(sample) => {
                let fields = sample.named();
                self.push("&");
                let fields = fields.iter().map(|(name, value)| (*name, value));
                self.fields("template.sample", fields, (verb, depth));
            }
            Value::Record(record) => {
                self.fields(&value.type_name(), record.named(), (verb, depth));
            }
            _ => self.rows(value, verb, depth),
        }
    }

    /// A map or a list.
    fn rows(&mut self, value: &Value, verb: char, depth: usize) {
        let is_map = matches!(value, Value::Map(_) | Value::Args(_) | Value::Params(_));
        let syntax = self.flags.syntax;
        let (begin, between, end) = if syntax { ("{", ", ", "}") } else { ("[", " ", "]") };
        match (syntax, is_map) {
            (true, _) => self.push(&value.type_name()),
            (false, true) => self.push("map"),
            (false, false) => {}
        }
        self.push(begin);
        for row in 0..value.rows().unwrap_or(0) {
            self.push(if row > 0 { between } else { "" });
            let (key, value) = value.row(row);
            if is_map {
                self.value(&key, verb, depth + 1);
                self.push(":");
            }
            self.value(&value, verb, depth + 1);
        }
        self.push(end);
    }

    fn fields<'v>(
        &mut self,
        kind: &str,
        fields: impl Iterator<Item = (&'static str, &'v Value)>,
        (verb, depth): (char, usize),
    ) {
        let (names, syntax) = (self.flags.names, self.flags.syntax);
        self.push(if syntax { kind } else { "" });
        self.push("{");
        for (index, (name, value)) in fields.enumerate() {
            let between = if syntax { ", " } else { " " };
            self.push(if index > 0 { between } else { "" });
            if names || syntax {
                self.push(name);
                self.push(":");
            }
            self.value(value, verb, depth + 1);
        }
        self.push("}");
    }

    /// `%!d(string=x)`.
    fn bad_verb(&mut self, value: &Value, verb: char) {
        self.push("%!");
        self.push(verb.encode_utf8(&mut [0; 4]));
        self.push("(");
        if matches!(value, Value::Nil) {
            self.push("<nil>");
        } else {
            self.push(&value.type_name());
            self.push("=");
            self.value(value, 'v', 0);
        }
        self.push(")");
    }

    fn text(&mut self, text: &str, verb: char) {
        let end = self.flags.precision.and_then(|chars| text.char_indices().nth(chars));
        match verb {
            'x' | 'X' => return self.hex(text.as_bytes(), verb == 'X'),
            'v' if self.flags.syntax => return self.pad(&quoted(text, false)),
            _ => {}
        }
        let text = end.map_or(text, |(end, _)| &text[..end]);
        if verb != 'q' {
            return self.pad(text);
        }
        let is_raw =
            |c: char| c != '`' && c != '\u{feff}' && (c == '\t' || c >= ' ' && c != '\x7f');
        if self.flags.sharp && text.chars().all(is_raw) {
            return self.pad(&format!("`{text}`"));
        }
        self.pad(&quoted(text, self.flags.plus));
    }

    fn hex(&mut self, bytes: &[u8], upper: bool) {
        let bytes = &bytes[..self.flags.precision.unwrap_or(usize::MAX).min(bytes.len())];
        if bytes.len() > MAX_BYTES / 4 {
            self.is_full = true;
            return;
        }
        let (prefix, mut out) = (if upper { "0X" } else { "0x" }, String::new());
        for (index, byte) in bytes.iter().enumerate() {
            let is_first = index == 0;
            if self.flags.space && !is_first {
                out.push(' ');
            }
            if self.flags.sharp && (is_first || self.flags.space) {
                out.push_str(prefix);
            }
            let written = if upper { write!(out, "{byte:02X}") } else { write!(out, "{byte:02x}") };
            written.expect("writing to memory cannot fail");
        }
        self.pad(&out);
    }
}

/// A text between quotes, on demand in ASCII only.
fn quoted(text: &str, ascii: bool) -> String {
    let quoted = Quoted(text).to_string();
    if !ascii || quoted.is_ascii() {
        return quoted;
    }
    quoted.chars().fold(String::new(), |mut out, c| {
        match c as u32 {
            ..0x80 => out.push(c),
            0x80..0x1_0000 => {
                write!(out, "\\u{:04x}", c as u32).expect("writing to memory cannot fail");
            }
            _ => write!(out, "\\U{:08x}", c as u32).expect("writing to memory cannot fail"),
        }
        out
    })
}

#[cfg(test)]
mod tests;
