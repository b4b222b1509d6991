//! What a discovery file says: a list of groups, as JSON or YAML. Reading and watching files is not done here.

use crate::config::{STATIC_CONFIG, StaticGroup};
use model::Labels;
use serde_json::Value;
use std::path::Path;

/// A discovery file that cannot be used; the text names the file and, where known, line and column.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct Error(String);

/// The groups in `text`. The name of the file decides on the format: `.json` or YAML, whatever the case.
pub fn parse(path: &Path, text: &str) -> Result<Vec<StaticGroup>, Error> {
    let file = path.display().to_string();
    let is_json = path.extension().is_some_and(|end| end.eq_ignore_ascii_case("json"));
    if is_json { parse_json(&file, text) } else { parse_yaml(&file, text) }
}

fn parse_yaml(file: &str, text: &str) -> Result<Vec<StaticGroup>, Error> {
    let document =
        yaml::Document::parse(file, text.as_bytes()).map_err(|error| Error(error.to_string()))?;
    let sections = yaml::load_many(&document.root, &STATIC_CONFIG)
        .map_err(|problems| Error(document.error(problems).to_string()))?;
    Ok(sections.iter().map(StaticGroup::from_section).collect())
}

/// The groups in a JSON text; `file` names it in errors.
pub(crate) fn parse_json(file: &str, text: &str) -> Result<Vec<StaticGroup>, Error> {
    let value: Value = serde_json::from_str(&whole_surrogates(text))
        .map_err(|error| Error(format!("{file}: not JSON: {error}")))?;
    let list = match value {
        Value::Null => Vec::new(),
        Value::Array(list) => list,
        other => {
            return Err(Error(format!("{file}: wants a list of groups, got {}", kind(&other))));
        }
    };
    let groups = list.into_iter().enumerate().map(|(index, value)| {
        group(value).map_err(|what| Error(format!("{file}: group {}: {what}", index + 1)))
    });
    groups.collect()
}

fn group(value: Value) -> Result<StaticGroup, String> {
    let Value::Object(fields) = value else {
        return Err(format!("wants an object with targets and labels, got {}", kind(&value)));
    };
    let mut targets = Vec::new();
    let mut labels = Vec::new();
    for (name, value) in fields {
        if name.eq_ignore_ascii_case("targets") {
            targets = texts(value)?;
        } else if name.eq_ignore_ascii_case("labels") {
            labels = pairs(value)?;
        } else {
            return Err(match yaml::suggest(&name, ["targets", "labels"]) {
                Some(meant) => format!("unknown field {name:?}; did you mean {meant:?}?"),
                None => format!("unknown field {name:?}; there are targets and labels"),
            });
        }
    }
    Ok(StaticGroup { targets, labels: Labels::from_pairs(labels) })
}

fn texts(value: Value) -> Result<Vec<String>, String> {
    match value {
        Value::Null => Ok(Vec::new()),
        Value::Array(list) => list.into_iter().map(|value| text("a target", value)).collect(),
        other => Err(format!("targets wants a list of texts, got {}", kind(&other))),
    }
}

fn pairs(value: Value) -> Result<Vec<(String, String)>, String> {
    let fields = match value {
        Value::Null => return Ok(Vec::new()),
        Value::Object(fields) => fields,
        other => return Err(format!("labels wants texts by name, got {}", kind(&other))),
    };
    let mut labels = Vec::with_capacity(fields.len());
    for (name, value) in fields {
        if name.is_empty() {
            return Err(String::from("\"\" cannot be a label name"));
        }
        let value = text(&format!("label {name:?}"), value)?;
        labels.push((name, value));
    }
    Ok(labels)
}

fn text(what: &str, value: Value) -> Result<String, String> {
    match value {
        Value::String(text) => Ok(text),
        Value::Null => Ok(String::new()),
        other => Err(format!("{what} wants a text, got {}; put quotes around it", kind(&other))),
    }
}

fn kind(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "true or false",
        Value::Number(_) => "a number",
        Value::String(_) => "a text",
        Value::Array(_) => "a list",
        Value::Object(_) => "an object",
    }
}

/// `text` with halves of surrogate pairs, which are no characters, replaced as Go does it.
fn whole_surrogates(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(index) = rest.find('\\') {
        let escape = &rest[index..];
        let length = match (unit(escape), escape.get(6..).and_then(unit)) {
            (Some(0xd800..=0xdbff), Some(0xdc00..=0xdfff)) => 12,
            (Some(0xd800..=0xdfff), _) => {
                out.push_str(&rest[..index]);
                out.push_str("\\ufffd");
                rest = &escape[6..];
                continue;
            }
            (Some(_), _) => 6,
            // The escaped character may be of any width; a backslash at the end is for the parser to refuse.
            (None, _) => 1 + escape[1..].chars().next().map_or(0, char::len_utf8),
        };
        out.push_str(&rest[..index + length]);
        rest = &rest[index + length..];
    }
    out.push_str(rest);
    out
}

/// The number in an escape (`\u` and four hexadecimal digits) that `text` begins with.
fn unit(text: &str) -> Option<u32> {
    let digits = text.strip_prefix("\\u")?.get(..4)?;
    let is_hex = digits.bytes().all(|b| b.is_ascii_hexdigit());
    if is_hex { u32::from_str_radix(digits, 16).ok() } else { None }
}
