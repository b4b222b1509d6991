//! Values of attributes as label values.

use super::message::{Any, Attribute};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use std::fmt::Write as _;

/// The value as text; lists and maps as JSON.
pub(super) fn text(value: &Any<'_>) -> String {
    match value {
        Any::Empty => String::new(),
        Any::Text(text) => text.clone().into_owned(),
        Any::Bool(value) => value.to_string(),
        Any::Int(number) => number.to_string(),
        Any::Double(number) => double(*number),
        Any::Bytes(bytes) => STANDARD.encode(bytes),
        Any::Array(_) | Any::Map(_) => {
            let mut json = String::new();
            // What JSON has no word for leaves nothing, as in Go.
            if push_json(&mut json, value).is_none() { String::new() } else { json }
        }
    }
}

/// A double as JavaScript writes it.
fn double(number: f64) -> String {
    if number.is_nan() {
        return "NaN".to_owned();
    }
    if number.is_infinite() {
        return if number > 0.0 { "Infinity" } else { "-Infinity" }.to_owned();
    }
    json_number(number)
}

fn json_number(number: f64) -> String {
    let size = number.abs();
    if size == 0.0 || (1e-6..1e21).contains(&size) {
        return format!("{number}");
    }
    let text = format!("{number:e}");
    match text.split_once('e') {
        Some((digits, exponent)) if !exponent.starts_with('-') => format!("{digits}e+{exponent}"),
        _ => text,
    }
}

/// Appends a value as JSON; `None` if it has no form in it.
fn push_json(out: &mut String, value: &Any<'_>) -> Option<()> {
    match value {
        Any::Empty => out.push_str("null"),
        Any::Text(text) => push_string(out, text),
        Any::Bool(value) => out.push_str(if *value { "true" } else { "false" }),
        Any::Int(number) => write!(out, "{number}").expect("a String takes all"),
        Any::Double(number) if number.is_finite() => out.push_str(&json_number(*number)),
        Any::Double(_) => return None,
        Any::Bytes(bytes) => push_string(out, &STANDARD.encode(bytes)),
        Any::Array(values) => {
            out.push('[');
            for (index, value) in values.iter().enumerate() {
                if index > 0 {
                    out.push(',');
                }
                push_json(out, value)?;
            }
            out.push(']');
        }
        Any::Map(entries) => {
            let mut entries: Vec<&Attribute<'_>> = entries.iter().collect();
            entries.sort_by(|a, b| a.key.cmp(&b.key));
            out.push('{');
            for (index, entry) in entries.iter().enumerate() {
                if index > 0 {
                    out.push(',');
                }
                push_string(out, &entry.key);
                out.push(':');
                push_json(out, &entry.value)?;
            }
            out.push('}');
        }
    }
    Some(())
}

/// A string as Go writes it: what HTML could mistake is escaped.
fn push_string(out: &mut String, text: &str) {
    out.push('"');
    for c in text.chars() {
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            '\x08' => out.push_str("\\b"),
            '\x0C' => out.push_str("\\f"),
            '<' | '>' | '&' | '\u{2028}' | '\u{2029}' | '\0'..=' ' if c != ' ' => {
                write!(out, "\\u{:04x}", c as u32).expect("a String takes all");
            }
            c => out.push(c),
        }
    }
    out.push('"');
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_and_maps_are_json() {
        let entry = |key: &'static str, value| Attribute { key: key.into(), value };
        let map = Any::Map(vec![
            entry("b", Any::Array(vec![Any::Int(1), Any::Double(1e-7), Any::Empty])),
            entry("a", Any::Text("<\"\n".into())),
        ]);
        assert_eq!(text(&map), r#"{"a":"\u003c\"\n","b":[1,1e-7,null]}"#);
        assert_eq!(text(&Any::Double(1e21)), "1e+21");
        assert_eq!(text(&Any::Array(vec![Any::Double(f64::NAN)])), "");
    }
}
