//! Scripts: how their text moves a context on, and how values are written into them.

use super::context::{Context, Slash, State};
use super::transition::Moved;
use crate::clock::{self, Clock};
use crate::value::Value;
use model::float;
use model::quote::Quoted;
use std::fmt::Write;

/// What ends a line of a script.
const LINE_ENDS: [char; 4] = ['\n', '\r', '\u{2028}', '\u{2029}'];

/// Words that are followed by a value, so that a slash behind them begins a regular expression.
const BEFORE_VALUES: [&str; 14] = [
    "break",
    "case",
    "continue",
    "delete",
    "do",
    "else",
    "finally",
    "in",
    "instanceof",
    "return",
    "throw",
    "try",
    "typeof",
    "void",
];

/// One step in a script.
pub(super) fn step(context: &Context, text: &str) -> Moved<(Context, usize)> {
    match context.state {
        State::Js => code(context, text),
        State::JsTemplate => template_literal(context, text),
        State::JsBlockComment => Ok(match text.find("*/") {
            Some(end) => (Context { state: State::Js, ..context.clone() }, end + 2),
            None => (context.clone(), text.len()),
        }),
        State::JsLineComment | State::JsOpenComment | State::JsCloseComment => {
            Ok(match text.find(LINE_ENDS) {
                Some(end) => (Context { state: State::Js, ..context.clone() }, end),
                None => (context.clone(), text.len()),
            })
        }
        _ => literal(context, text),
    }
}

fn code(context: &Context, text: &str) -> Moved<(Context, usize)> {
    let mut context = context.clone();
    let special: &[char] = &['"', '`', '\'', '/', '{', '}', '<', '-', '#'];
    let Some(at) = text.find(special) else {
        context.slash = slash_after(text, context.slash);
        return Ok((context, text.len()));
    };
    context.slash = slash_after(&text[..at], context.slash);
    let rest = &text[at..];
    let mut begin = |state| {
        context.state = state;
        context.slash = Slash::Regexp;
    };
    let mut len = 1;
    match rest.as_bytes()[0] {
        b'"' => begin(State::JsDouble),
        b'\'' => begin(State::JsSingle),
        b'`' => begin(State::JsTemplate),
        b'/' if rest.starts_with("//") => (context.state, len) = (State::JsLineComment, 2),
        b'/' if rest.starts_with("/*") => (context.state, len) = (State::JsBlockComment, 2),
        b'/' => match context.slash {
            Slash::Regexp => context.state = State::JsRegexp,
            Slash::Division => context.slash = Slash::Regexp,
            Slash::Unknown => {
                let begin: String = rest.chars().take(32).collect();
                let begin = Quoted(&begin);
                return Err(format!("'/' could start a division or regexp: {begin}"));
            }
        },
        b'<' if rest.starts_with("<!--") => (context.state, len) = (State::JsOpenComment, 4),
        b'-' if rest.starts_with("-->") => (context.state, len) = (State::JsCloseComment, 3),
        b'#' if rest.starts_with("#!") => (context.state, len) = (State::JsLineComment, 2),
        byte @ (b'{' | b'}') => brace(&mut context, byte),
        // As in Go, a lone sign of these does not change what a slash begins.
        _ => {}
    }
    Ok((context, at + len))
}

/// Braces count where one of them may end an expression inside of a template literal.
fn brace(context: &mut Context, brace: u8) {
    let Some(open) = context.braces.last_mut() else {
        context.slash = Slash::Regexp;
        return;
    };
    if brace == b'{' {
        *open += 1;
    } else if *open > 0 {
        *open -= 1;
    } else {
        context.braces.pop();
        context.state = State::JsTemplate;
    }
}

fn template_literal(context: &Context, text: &str) -> Moved<(Context, usize)> {
    let mut from = 0;
    while let Some(at) = text[from..].find(['`', '\\', '$']).map(|at| from + at) {
        let rest = &text[at..];
        if rest.starts_with("${") {
            let mut context = Context { state: State::Js, ..context.clone() };
            context.braces.push(0);
            return Ok((context, at + 2));
        }
        if rest.starts_with('`') {
            return Ok((Context { state: State::Js, ..context.clone() }, at + 1));
        }
        from = at + if rest.starts_with('\\') { escape_len(text, at)? } else { 1 };
    }
    Ok((context.clone(), text.len()))
}

/// How long an escape is: the backslash and the character behind it, which has to be there.
fn escape_len(text: &str, at: usize) -> Moved<usize> {
    match text[at + 1..].chars().next() {
        Some(c) => Ok(1 + c.len_utf8()),
        None => Err(format!("unfinished escape sequence in JS string: {}", Quoted(text))),
    }
}

/// Quoted texts and regular expressions.
fn literal(context: &Context, text: &str) -> Moved<(Context, usize)> {
    let special: &[char] = match context.state {
        State::JsDouble => &['\\', '"'],
        State::JsSingle => &['\\', '\''],
        _ => &['\\', '/', '[', ']'],
    };
    let (mut from, mut in_set) = (0, false);
    while let Some(at) = text[from..].find(special).map(|at| from + at) {
        from = at + 1;
        match text.as_bytes()[at] {
            b'\\' => from = at + escape_len(text, at)?,
            b'[' => in_set = true,
            b']' => in_set = false,
            _ if in_set => {}
            b'/' if ends_script(text, at) => {}
            _ => {
                let slash = Slash::Division;
                return Ok((Context { state: State::Js, slash, ..context.clone() }, at + 1));
            }
        }
    }
    if in_set {
        return Err(format!("unfinished JS regexp charset: {}", Quoted(text)));
    }
    Ok((context.clone(), text.len()))
}

/// Whether a slash belongs to the end of a script element, which is escaped inside of regular expressions.
fn ends_script(text: &str, slash: usize) -> bool {
    let after = text.get(slash + 1..slash + 7);
    text[..slash].ends_with('<') && after.is_some_and(|name| name.eq_ignore_ascii_case("script"))
}

/// What a slash begins behind a piece of a script.
pub(super) fn slash_after(text: &str, before: Slash) -> Slash {
    let text = text.trim_end_matches(['\t', '\n', '\x0c', '\r', ' ', '\u{2028}', '\u{2029}']);
    let Some(last) = text.chars().next_back() else { return before };
    let is_name = |c: char| c == '$' || c == '_' || c.is_ascii_alphanumeric() || !c.is_ascii();
    match last {
        '+' | '-' => {
            // `++` ends a value, a lone sign waits for one.
            let signs = text.len() - text.trim_end_matches(last).len();
            if signs % 2 == 1 { Slash::Regexp } else { Slash::Division }
        }
        '.' => {
            let is_number = text[..text.len() - 1].ends_with(|c: char| c.is_ascii_digit());
            if is_number { Slash::Division } else { Slash::Regexp }
        }
        ',' | '<' | '>' | '=' | '*' | '%' | '&' | '|' | '^' | '?' | '!' | '~' | '(' | '[' | ':'
        | ';' | '{' | '}' => Slash::Regexp,
        _ => {
            let word = &text[text.trim_end_matches(is_name).len()..];
            if BEFORE_VALUES.contains(&word) { Slash::Regexp } else { Slash::Division }
        }
    }
}

/// Whether a `type` of a script element means a script.
pub(super) fn is_script_type(name: &str) -> bool {
    let name = name.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    matches!(
        &*name,
        "application/ecmascript"
            | "application/javascript"
            | "application/json"
            | "application/ld+json"
            | "application/x-ecmascript"
            | "application/x-javascript"
            | "module"
            | "text/ecmascript"
            | "text/javascript"
            | "text/javascript1.0"
            | "text/javascript1.1"
            | "text/javascript1.2"
            | "text/javascript1.3"
            | "text/javascript1.4"
            | "text/javascript1.5"
            | "text/jscript"
            | "text/livescript"
            | "text/x-ecmascript"
            | "text/x-javascript"
    )
}

fn push_code(c: char, out: &mut String) {
    for unit in c.encode_utf16(&mut [0; 2]) {
        write!(out, "\\u{unit:04x}").expect("writing to memory cannot fail");
    }
}

/// A text as the inside of a quoted one.
pub(super) fn text(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    text.chars().for_each(|c| push_text(c, &mut out));
    out
}

fn push_text(c: char, out: &mut String) {
    match c {
        '\t' => out.push_str("\\t"),
        '\n' => out.push_str("\\n"),
        '\r' => out.push_str("\\r"),
        '\x0c' => out.push_str("\\f"),
        '/' => out.push_str("\\/"),
        '\\' => out.push_str("\\\\"),
        '"' | '&' | '\'' | '+' | '<' | '>' | '`' | '\u{2028}' | '\u{2029}' => push_code(c, out),
        c if c < ' ' => push_code(c, out),
        c => out.push(c),
    }
}

/// A text as a piece of a template literal.
pub(super) fn template(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '$' | '{' | '}' => push_code(c, &mut out),
            c => push_text(c, &mut out),
        }
    }
    out
}

/// A text as a piece of a regular expression, which it matches.
pub(super) fn regexp(text: &str) -> String {
    if text.is_empty() {
        // Two slashes would begin a comment.
        return "(?:)".to_owned();
    }
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '$' | '(' | ')' | '*' | '-' | '.' | '?' | '[' | ']' | '^' | '{' | '|' | '}' => {
                out.push('\\');
                out.push(c);
            }
            c => push_text(c, &mut out),
        }
    }
    out
}

/// A value as a literal of a script.
pub(super) fn value(value: &Value) -> String {
    let mut out = String::new();
    if let Err(why) = json(value, &mut out) {
        let why = why.replace("*/", "* /").replace("</", "\\x3C/").replace("<!--", "\\x3C!--");
        return format!(" /* {why} */null ");
    }
    // Numbers and words could grow together with the words around them.
    let is_word = |c: char| c == '$' || c == '_' || c.is_ascii_alphanumeric();
    if out.starts_with(is_word) || out.ends_with(is_word) { format!(" {out} ") } else { out }
}

fn json(value: &Value, out: &mut String) -> Result<(), String> {
    match value {
        Value::Nil => out.push_str("null"),
        Value::Bool(flag) => out.push_str(if *flag { "true" } else { "false" }),
        Value::Int(number) => write!(out, "{number}").expect("writing to memory cannot fail"),
        Value::Float(number) if number.is_finite() => out.push_str(&exponent(&float::api(*number))),
        Value::Float(number) => {
            return Err(format!("json: unsupported value: {}", float::general(*number)));
        }
        Value::Complex(..) => return Err("json: unsupported type: complex128".to_owned()),
        Value::Text(text) | Value::Html(text) => quoted(text, out),
        Value::Histogram(histogram) => quoted(&histogram.to_string(), out),
        Value::Clock(Clock::Time(nanos)) => {
            quoted(&clock::format(*nanos, "2006-01-02T15:04:05.999999999Z07:00"), out);
        }
        Value::Clock(clock) => quoted(&clock.to_string(), out),
        Value::Sample(sample) => object(sample.named().into_iter(), out)?,
        Value::Record(record) => {
            object(record.named().map(|(name, value)| (name, value.clone())), out)?;
        }
        Value::Map(_) | Value::Args(_) | Value::Params(_) => {
            let rows = (0..value.rows().unwrap_or(0)).map(|row| value.row(row));
            let named = |(name, value): (Value, Value)| match name {
                Value::Text(name) => (name, value),
                _ => unreachable!("keys are texts"),
            };
            object(rows.map(named), out)?;
        }
        Value::Texts(_) | Value::Samples(_) => {
            out.push('[');
            for row in 0..value.rows().unwrap_or(0) {
                out.push_str(if row > 0 { "," } else { "" });
                json(&value.row(row).1, out)?;
            }
            out.push(']');
        }
    }
    Ok(())
}

/// An exponent without a zero in front, as JSON of Go has it.
fn exponent(text: &str) -> String {
    match text.split_once("e-0") {
        Some((mantissa, digit)) => format!("{mantissa}e-{digit}"),
        None => text.to_owned(),
    }
}

fn quoted(text: &str, out: &mut String) {
    out.push('"');
    for c in text.chars() {
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\x08' => out.push_str("\\b"),
            '\x0c' => out.push_str("\\f"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            '<' | '>' | '&' | '\u{2028}' | '\u{2029}' => push_code(c, out),
            c if c < ' ' => push_code(c, out),
            c => out.push(c),
        }
    }
    out.push('"');
}

fn object<N: AsRef<str>>(
    entries: impl Iterator<Item = (N, Value)>,
    out: &mut String,
) -> Result<(), String> {
    out.push('{');
    for (index, (name, value)) in entries.enumerate() {
        out.push_str(if index > 0 { "," } else { "" });
        quoted(name.as_ref(), out);
        out.push(':');
        json(&value, out)?;
    }
    out.push('}');
    Ok(())
}
