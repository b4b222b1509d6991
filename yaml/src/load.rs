//! A document and a schema make a section: unknown keys, wrong kinds and bad values are collected with their places.

#[cfg(test)]
mod tests;

use crate::node::Content;
use crate::scalar::{Scalar, resolve};
use crate::{Field, Kind, Mark, Node, Problem, Schema, Section, Value, suggest};
use std::cmp::Ordering;

/// Reads a section; nothing written is a section of zeros that is not checked, as Go reads it.
pub fn load(node: &Node, schema: &'static Schema) -> Result<Section, Vec<Problem>> {
    let mut problems = Vec::new();
    match section(node, schema, &mut problems) {
        Some(section) if problems.is_empty() => Ok(section),
        _ => Err(problems),
    }
}

/// Reads a list of sections.
pub fn load_many(node: &Node, schema: &'static Schema) -> Result<Vec<Section>, Vec<Problem>> {
    let mut problems = Vec::new();
    match sections(node, schema, "the list", &mut problems) {
        Value::Sections(sections) if problems.is_empty() => Ok(sections),
        Value::Null if problems.is_empty() => Ok(Vec::new()),
        _ => Err(problems),
    }
}

fn section(node: &Node, schema: &'static Schema, problems: &mut Vec<Problem>) -> Option<Section> {
    let mut section = Section::zero(schema, node.mark);
    let before = problems.len();
    if !node.is_null() {
        section.set_written();
        let Content::Map(pairs) = &node.content else {
            let what = format!("{} wants a section, got {}", schema.name, node.describe());
            problems.push(Problem::new(node.mark, what));
            return None;
        };
        for (index, field) in schema.fields().enumerate() {
            let pair = pairs.iter().find(|(key, _)| text_of(key) == Some(field.name));
            match pair {
                // An empty URL field is no URL, not an empty one.
                Some((_, node)) if node.is_null() && matches!(field.kind, Kind::Url) => {}
                Some((key, node)) => {
                    let mark = if node.is_null() { key.mark } else { node.mark };
                    if let Some(value) = value(node, field, problems) {
                        section.set_at(index, value, mark);
                    }
                }
                None => section.set_at(index, default(field), Mark::NONE),
            }
        }
        for (key, _) in pairs {
            if !schema.fields().any(|field| text_of(key) == Some(field.name)) {
                problems.push(unknown(key, schema));
            }
        }
        problems[before..].sort_by_key(|problem| (problem.mark.line, problem.mark.column));
    }
    if problems.len() == before
        && !node.is_null()
        && let Err(problem) = (schema.check)(&mut section)
    {
        problems.push(problem);
    }
    Some(section)
}

fn unknown(key: &Node, schema: &'static Schema) -> Problem {
    let Some(name) = text_of(key) else {
        return Problem::new(key.mark, format!("{} has names for keys", schema.name));
    };
    let what = format!("unknown field {name:?} in {}", schema.name);
    Problem::new(
        key.mark,
        match suggest(name, schema.fields().map(|field| field.name)) {
            Some(meant) => format!("{what}; did you mean {meant:?}?"),
            None => what,
        },
    )
}

fn text_of(node: &Node) -> Option<&str> {
    match &node.content {
        Content::Scalar { text, .. } => Some(text),
        Content::Bytes | Content::List(_) | Content::Map(_) => None,
    }
}

fn default(field: &Field) -> Value {
    match field.kind {
        Kind::One(schema) => {
            let mut section = Section::zero(schema, Mark::NONE);
            for (index, field) in schema.fields().enumerate() {
                section.set_at(index, default(field), Mark::NONE);
            }
            Value::Section(Box::new(section))
        }
        _ if field.default.is_empty() => Value::zero(field.kind),
        Kind::List | Kind::FlowList => {
            Value::List(field.default.split(',').map(str::to_owned).collect())
        }
        _ => {
            let content = Content::Scalar { text: field.default.to_owned(), plain: true };
            value(&Node { mark: Mark::NONE, content }, field, &mut Vec::new())
                .unwrap_or_else(|| panic!("the default of {} is not good", field.name))
        }
    }
}

/// The value of a field; `None` after a problem.
fn value(node: &Node, field: &Field, problems: &mut Vec<Problem>) -> Option<Value> {
    match field.kind {
        Kind::Maybe(_) if node.is_null() => return Some(Value::Null),
        Kind::One(schema) | Kind::Maybe(schema) => {
            return section(node, schema, problems)
                .map(|section| Value::Section(Box::new(section)));
        }
        Kind::Many(schema) => return Some(sections(node, schema, field.name, problems)),
        Kind::Any => return Some(Value::Any(node.clone())),
        _ => {}
    }
    let value = match field.kind {
        Kind::List | Kind::FlowList | Kind::Secrets | Kind::Paths => texts(node, field.name),
        Kind::Map => map(node, field.name),
        Kind::Lists | Kind::SecretLists => lists(node, field.name),
        Kind::Named(schema) => return named(node, field.name, schema, problems),
        kind => scalar(node, kind, field.name),
    };
    value.map_err(|problem| problems.push(problem)).ok()
}

fn wants(node: &Node, name: &str, what: &str) -> Problem {
    Problem::new(node.mark, format!("{name} wants {what}, got {}", node.describe()))
}

fn sections(
    node: &Node,
    schema: &'static Schema,
    name: &str,
    problems: &mut Vec<Problem>,
) -> Value {
    if node.is_null() {
        return Value::Null;
    }
    let Content::List(list) = &node.content else {
        let mut problem = wants(node, name, "a list");
        if matches!(node.content, Content::Map(_)) {
            problem.message.push_str("; put \"- \" before each entry");
        }
        problems.push(problem);
        return Value::Null;
    };
    let mut all = Vec::with_capacity(list.len());
    for node in list {
        if !node.is_null() {
            all.extend(section(node, schema, problems));
        } else {
            problems.push(Problem::new(node.mark, format!("an entry of {name} is empty")));
        }
    }
    Value::Sections(all)
}

fn texts(node: &Node, name: &str) -> Result<Value, Problem> {
    if node.is_null() {
        return Ok(Value::Null);
    }
    let Content::List(list) = &node.content else {
        return Err(wants(node, name, "a list of texts"));
    };
    list.iter().map(|node| text(node, name)).collect::<Result<_, _>>().map(Value::List)
}

fn text(node: &Node, name: &str) -> Result<String, Problem> {
    if node.is_null() {
        return Ok(String::new());
    }
    text_of(node).map(str::to_owned).ok_or_else(|| wants(node, name, "a text"))
}

fn pairs<'a>(node: &'a Node, name: &str) -> Result<Vec<(String, &'a Node)>, Problem> {
    if node.is_null() {
        return Ok(Vec::new());
    }
    let Content::Map(pairs) = &node.content else {
        return Err(wants(node, name, "values by name"));
    };
    let mut named = Vec::with_capacity(pairs.len());
    for (key, node) in pairs {
        named.push((text(key, name)?, node));
    }
    named.sort_by(|a, b| compare_keys(&a.0, &b.0));
    Ok(named)
}

fn map(node: &Node, name: &str) -> Result<Value, Problem> {
    pairs(node, name)?
        .into_iter()
        .map(|(key, node)| Ok((text(node, &key)?, key)).map(|(value, key)| (key, value)))
        .collect::<Result<_, _>>()
        .map(Value::Map)
}

fn lists(node: &Node, name: &str) -> Result<Value, Problem> {
    let mut all = Vec::new();
    for (key, node) in pairs(node, name)? {
        match texts(node, &key)? {
            Value::List(list) => all.push((key, list)),
            _ => all.push((key, Vec::new())),
        }
    }
    Ok(Value::Lists(all))
}

fn named(
    node: &Node,
    name: &str,
    schema: &'static Schema,
    problems: &mut Vec<Problem>,
) -> Option<Value> {
    if node.is_null() {
        return Some(Value::Null);
    }
    match pairs(node, name) {
        Ok(pairs) => {
            let mut all = Vec::with_capacity(pairs.len());
            for (key, node) in pairs {
                all.extend(section(node, schema, problems).map(|section| (key, section)));
            }
            Some(Value::Named(all))
        }
        Err(problem) => {
            problems.push(problem);
            None
        }
    }
}

fn scalar(node: &Node, kind: Kind, name: &str) -> Result<Value, Problem> {
    let Content::Scalar { text, plain } = &node.content else {
        return Err(wants(node, name, expected(kind)));
    };
    if node.is_null() {
        return Ok(Value::zero(kind));
    }
    let meaning = || if *plain { resolve(text) } else { Scalar::Text };
    let bad = |what: String| Problem::new(node.mark, format!("{name}: {what}"));
    let value = match kind {
        Kind::Text | Kind::Secret | Kind::Path => Some(Value::Text(text.clone())),
        Kind::Word(check) => {
            check(text).map_err(bad)?;
            Some(Value::Text(text.clone()))
        }
        Kind::Url => {
            crate::url::parse(text).map_err(bad)?;
            Some(Value::Text(text.clone()))
        }
        Kind::Duration => {
            let ms = model::duration::parse(text).map_err(|error| bad(error.to_string()))?;
            Some(Value::Int(ms))
        }
        Kind::Size => {
            let bytes = model::size::parse(text).map_err(|error| bad(error.to_string()))?;
            Some(Value::Int(bytes))
        }
        Kind::Bool | Kind::MaybeBool => match meaning() {
            Scalar::Bool(value) => Some(Value::Bool(value)),
            _ => None,
        },
        Kind::Int => whole(meaning()).and_then(|n| i64::try_from(n).ok()).map(Value::Int),
        Kind::Uint => whole(meaning()).and_then(unsigned).map(Value::Uint),
        Kind::Float => match meaning() {
            Scalar::Int(value) => Some(Value::Float(value as f64)),
            Scalar::Float(value) => Some(Value::Float(value)),
            _ => None,
        },
        _ => None,
    };
    value.ok_or_else(|| wants(node, name, expected(kind)))
}

/// An integer; fractions are cut off, as Go does.
fn whole(meaning: Scalar) -> Option<i128> {
    match meaning {
        Scalar::Int(value) => Some(value),
        Scalar::Float(value) if value.is_finite() && value.abs() < 1e30 => Some(value as i128),
        _ => None,
    }
}

/// An integer from 0. Exactly 2^64 becomes 2^63, as with Prometheus on the usual processors.
fn unsigned(value: i128) -> Option<u64> {
    if value == 1 << 64 { Some(1 << 63) } else { u64::try_from(value).ok() }
}

fn expected(kind: Kind) -> &'static str {
    match kind {
        Kind::Bool | Kind::MaybeBool => "true or false",
        Kind::Int => "an integer",
        Kind::Uint => "an integer from 0",
        Kind::Float => "a number",
        Kind::Duration => "a duration such as 15s or 1h30m",
        Kind::Size => "a size such as 10MB",
        Kind::Url => "a URL",
        Kind::Path => "a path",
        _ => "a text",
    }
}

/// The order in which Go prints keys: letters by code, after everything else; digits by the number they make.
pub(crate) fn compare_keys(a: &str, b: &str) -> Ordering {
    let a: Vec<char> = a.chars().collect();
    let b: Vec<char> = b.chars().collect();
    let Some(at) = (0..a.len().min(b.len())).find(|&i| a[i] != b[i]) else {
        return a.len().cmp(&b.len());
    };
    match (a[at].is_alphabetic(), b[at].is_alphabetic()) {
        (true, true) => a[at].cmp(&b[at]),
        (true, false) => Ordering::Greater,
        (false, true) => Ordering::Less,
        (false, false) => {
            // A zero that continues a number does not begin one: equal lengths decide then.
            let continues = (a[at] == '0' || b[at] == '0')
                && a[..at].iter().rev().take_while(|c| c.is_ascii_digit()).any(|&c| c != '0');
            let number = |text: &[char]| {
                let digits = text[at..].iter().take_while(|c| c.is_ascii_digit());
                let start = i64::from(continues);
                digits.clone().fold((start, 0_usize), |(n, len), &c| {
                    let digit = i64::from(c as u32) - i64::from(u32::from('0'));
                    (n.wrapping_mul(10).wrapping_add(digit), len + 1)
                })
            };
            number(&a).cmp(&number(&b)).then(a[at].cmp(&b[at]))
        }
    }
}
