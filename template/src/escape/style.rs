//! Styles: how their text moves a context on, and how values are written into them.

use super::REFUSED;
use super::context::{Context, State};
use super::transition::{Moved, in_url};
use model::quote::Quoted;
use std::fmt::Write;

const SPACES: [char; 5] = ['\t', '\n', '\x0c', '\r', ' '];

/// One step in a style.
pub(super) fn step(context: &Context, text: &str) -> Moved<(Context, usize)> {
    let back = |len| (Context { state: State::Css, ..context.clone() }, len);
    match context.state {
        State::Css => Ok(rules(context, text)),
        State::CssBlockComment => Ok(match text.find("*/") {
            Some(end) => back(end + 2),
            None => (context.clone(), text.len()),
        }),
        State::CssLineComment => Ok(match text.find(['\n', '\x0c', '\r']) {
            Some(end) => back(end),
            None => (context.clone(), text.len()),
        }),
        _ => literal(context, text),
    }
}

fn rules(context: &Context, text: &str) -> (Context, usize) {
    let to = |state, len| (Context { state, ..context.clone() }, len);
    let mut from = 0;
    while let Some(at) = text[from..].find(['(', '"', '\'', '/']).map(|at| from + at) {
        let rest = &text[at..];
        match rest.as_bytes()[0] {
            b'"' => return to(State::CssDouble, at + 1),
            b'\'' => return to(State::CssSingle, at + 1),
            b'/' if rest.starts_with("//") => return to(State::CssLineComment, at + 2),
            b'/' if rest.starts_with("/*") => return to(State::CssBlockComment, at + 2),
            b'(' if ends_with_url(text[..at].trim_end_matches(SPACES)) => {
                let inner = rest[1..].trim_start_matches(SPACES);
                let begin = text.len() - inner.len();
                return match inner.as_bytes().first() {
                    Some(b'"') => to(State::CssDoubleUrl, begin + 1),
                    Some(b'\'') => to(State::CssSingleUrl, begin + 1),
                    _ => to(State::CssUrl, begin),
                };
            }
            _ => {}
        }
        from = at + 1;
    }
    (context.clone(), text.len())
}

/// Whether a text ends with the word `url`.
fn ends_with_url(text: &str) -> bool {
    let Some(at) = text.len().checked_sub(3).filter(|&at| text.is_char_boundary(at)) else {
        return false;
    };
    let is_name = |c: char| c == '-' || c == '_' || c.is_ascii_alphanumeric() || !c.is_ascii();
    text[at..].eq_ignore_ascii_case("url") && !text[..at].ends_with(is_name)
}

/// Quoted texts and addresses, which are taken for addresses both.
fn literal(context: &Context, text: &str) -> Moved<(Context, usize)> {
    let ends: &[char] = match context.state {
        State::CssDouble | State::CssDoubleUrl => &['\\', '"'],
        State::CssSingle | State::CssSingleUrl => &['\\', '\''],
        _ => &['\\', '\t', '\n', '\x0c', '\r', ' ', ')'],
    };
    let (mut context, mut from) = (context.clone(), 0);
    while let Some(at) = text[from..].find(ends).map(|at| from + at) {
        if text.as_bytes()[at] != b'\\' {
            return Ok((Context { state: State::Css, ..context }, at + 1));
        }
        let Some(escaped) = text[at + 1..].chars().next() else {
            let text = Quoted(text);
            return Err(format!("unfinished escape sequence in CSS string: {text}"));
        };
        from = at + 1 + escaped.len_utf8();
        context = in_url(&context, &decoded(&text[..from]));
    }
    context = in_url(&context, &decoded(&text[from..]));
    Ok((context, text.len()))
}

/// A text with its escapes read.
fn decoded(text: &str) -> String {
    let (mut out, mut rest) = (String::new(), text);
    while let Some((before, after)) = rest.split_once('\\') {
        out.push_str(before);
        let digits = after.bytes().take(6).take_while(u8::is_ascii_hexdigit).count();
        if digits == 0 {
            let mut chars = after.chars();
            out.extend(chars.next());
            rest = chars.as_str();
            continue;
        }
        let code = u32::from_str_radix(&after[..digits], 16).ok().and_then(char::from_u32);
        out.push(code.unwrap_or(char::REPLACEMENT_CHARACTER));
        // One space behind the digits belongs to them.
        let after = &after[digits..];
        rest = after.strip_prefix("\r\n").or_else(|| after.strip_prefix(SPACES)).unwrap_or(after);
    }
    out + rest
}

/// A text as the inside of a quoted one.
pub(super) fn text(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut chars = text.chars().peekable();
    while let Some(c) = chars.next() {
        match c {
            '\\' => out.push_str("\\\\"),
            '\0' | '\t' | '\n' | '\x0c' | '\r' | '"' | '&' | '\'' | '(' | ')' | '+' | '/' | ':'
            | ';' | '<' | '>' | '{' | '}' => {
                write!(out, "\\{:x}", c as u32).expect("writing to memory cannot fail");
                let runs_on = |c: &char| c.is_ascii_hexdigit() || SPACES.contains(c);
                if chars.peek().is_none_or(runs_on) {
                    out.push(' ');
                }
            }
            c => out.push(c),
        }
    }
    out
}

/// A text as a value: a number, a word, a colour; what could be more is refused.
pub(super) fn value(text: &str) -> String {
    let text = decoded(text);
    let odd = ['\0', '"', '\'', '(', ')', '/', ';', '@', '[', '\\', ']', '`', '{', '}', '<', '>'];
    let letters: String =
        text.chars().filter(char::is_ascii_alphanumeric).collect::<String>().to_ascii_lowercase();
    let runs = ["expression", "mozbinding"].iter().any(|word| letters.contains(word));
    if runs || text.contains(odd) || text.contains("--") {
        return REFUSED.to_owned();
    }
    text
}
