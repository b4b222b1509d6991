//! The functions that Go's templates bring along, but comparisons: `len`, `index`, `slice`, `html`, `js`.

use crate::print;
use crate::value::{Value, entry};
use model::quote::is_printable;
use std::fmt::Write;
use std::sync::Arc;

/// How Go fails where it looks for the type of nothing.
const NO_TYPE: &str = "reflect: call of reflect.Value.Type on zero Value";

/// Arguments as one text.
pub(super) fn joined(values: &[Value]) -> Result<String, String> {
    match values {
        [Value::Text(text)] => Ok(text.as_ref().to_owned()),
        _ => print::sprint(values),
    }
}

/// Text as HTML.
pub(super) fn html(values: &[Value]) -> Result<Value, String> {
    let mut out = String::new();
    for c in joined(values)?.chars() {
        match c {
            '\0' => out.push('\u{fffd}'),
            '"' => out.push_str("&#34;"),
            '\'' => out.push_str("&#39;"),
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            c => out.push(c),
        }
    }
    Ok(Value::text(out))
}

/// Text as the inside of a string of JavaScript.
pub(super) fn js(values: &[Value]) -> Result<Value, String> {
    let mut out = String::new();
    for c in joined(values)?.chars() {
        match c {
            '\\' => out.push_str("\\\\"),
            '\'' => out.push_str("\\'"),
            '"' => out.push_str("\\\""),
            '<' | '>' | '&' | '=' => {
                write!(out, "\\u{:04X}", c as u32).expect("writing to memory cannot fail");
            }
            c if is_printable(c) => out.push(c),
            c => {
                for unit in c.encode_utf16(&mut [0; 2]) {
                    write!(out, "\\u{unit:04X}").expect("writing to memory cannot fail");
                }
            }
        }
    }
    Ok(Value::text(out))
}

/// How many elements, bytes or entries there are.
fn size(value: &Value) -> Option<usize> {
    match value {
        Value::Text(text) | Value::Html(text) => Some(text.len()),
        other => other.rows(),
    }
}

pub(super) fn len(values: &[Value]) -> Result<Value, String> {
    match (&values[0], size(&values[0])) {
        (_, Some(size)) => Ok(Value::Int(size as i64)),
        (Value::Nil, None) => Err(NO_TYPE.to_owned()),
        (other, None) => Err(format!("len of type {}", other.type_name())),
    }
}

/// A place in a list of `len`; its end is a place, too.
fn place(index: &Value, len: usize) -> Result<usize, String> {
    match index {
        Value::Int(at) => usize::try_from(*at)
            .ok()
            .filter(|&at| at <= len)
            .ok_or_else(|| format!("index out of range: {at}")),
        Value::Nil => Err("cannot index slice/array with nil".to_owned()),
        other => Err(format!("cannot index slice/array with type {}", other.type_name())),
    }
}

fn key(index: &Value) -> Result<&str, String> {
    match index {
        Value::Text(text) => Ok(text),
        Value::Nil => Err("value is nil; should be of type string".to_owned()),
        other => Err(format!("value has type {}; should be string", other.type_name())),
    }
}

pub(super) fn index(values: &[Value]) -> Result<Value, String> {
    if matches!(values[0], Value::Nil) {
        return Err("index of untyped nil".to_owned());
    }
    let mut item = values[0].clone();
    for index in &values[1..] {
        item = match &item {
            Value::Map(entries) => {
                Value::Text(entry(entries, key(index)?).map_or_else(|| "".into(), Arc::clone))
            }
            Value::Args(args) => entry(&args.entries, key(index)?).cloned().unwrap_or(Value::Nil),
            Value::Params(params) => {
                let found = entry(params, key(index)?);
                Value::Texts(found.map_or_else(|| Arc::new([]), Arc::clone))
            }
            Value::Text(text) | Value::Html(text) => {
                let at = place(index, text.len())?;
                let byte = text.as_bytes().get(at).ok_or("reflect: string index out of range")?;
                Value::Int(i64::from(*byte))
            }
            Value::Texts(texts) => {
                let at = place(index, texts.len())?;
                Value::Text(Arc::clone(texts.get(at).ok_or("reflect: slice index out of range")?))
            }
            Value::Samples(samples) => {
                let at = place(index, samples.len())?;
                let sample = samples.get(at).ok_or("reflect: slice index out of range")?;
                Value::Sample(Arc::clone(sample))
            }
            Value::Nil => return Err("index of nil pointer".to_owned()),
            other => return Err(format!("can't index item of type {}", other.type_name())),
        };
    }
    Ok(item)
}

pub(super) fn slice(values: &[Value]) -> Result<Value, String> {
    let (item, indexes) = (&values[0], &values[1..]);
    if matches!(item, Value::Nil) {
        return Err("slice of untyped nil".to_owned());
    }
    if indexes.len() > 3 {
        return Err(format!("too many slice indexes: {}", indexes.len()));
    }
    let is_text = matches!(item, Value::Text(_) | Value::Html(_));
    if is_text && indexes.len() == 3 {
        return Err("cannot 3-index slice a string".to_owned());
    }
    let len = match item {
        Value::Text(_) | Value::Html(_) | Value::Texts(_) | Value::Samples(_) => size(item),
        _ => None,
    };
    let len = len.ok_or_else(|| format!("can't slice item of type {}", item.type_name()))?;
    let mut places = [0, len, len];
    for (place_of, index) in places.iter_mut().zip(indexes) {
        *place_of = place(index, len)?;
    }
    let [from, to, most] = places;
    if from > to {
        return Err(format!("invalid slice index: {from} > {to}"));
    }
    if to > most {
        return Err(format!("invalid slice index: {to} > {most}"));
    }
    // A text that is cut inside of a character has the sign for a broken one there.
    let cut = |text: &str| String::from_utf8_lossy(&text.as_bytes()[from..to]).into_owned();
    Ok(match item {
        Value::Html(text) => Value::Html(cut(text).into()),
        Value::Text(text) => Value::text(cut(text)),
        Value::Texts(texts) => Value::Texts(texts[from..to].into()),
        Value::Samples(samples) => Value::Samples(samples[from..to].into()),
        _ => unreachable!("it has a length"),
    })
}
