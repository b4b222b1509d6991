//! HTML: how values are written into it.

use super::REFUSED;
use super::attribute::{Content, content};
use super::context::{Context, Delim, Element, State};
use super::transition::step;
use model::quote::Quoted;
use std::fmt::Write;

fn replaced(text: &str, with: impl Fn(char) -> Option<&'static str>) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match with(c) {
            Some(entity) => out.push_str(entity),
            None => out.push(c),
        }
    }
    out
}

fn entity(c: char) -> Option<&'static str> {
    Some(match c {
        '\0' => "\u{fffd}",
        '"' => "&#34;",
        '&' => "&amp;",
        '\'' => "&#39;",
        '+' => "&#43;",
        '<' => "&lt;",
        '>' => "&gt;",
        _ => return None,
    })
}

/// A text in HTML.
pub(super) fn text(text: &str) -> String {
    replaced(text, entity)
}

/// A text that has entities already.
pub(super) fn known(text: &str) -> String {
    replaced(text, |c| if c == '&' { None } else { entity(c) })
}

/// A text as the function `html` writes it.
pub(super) fn plain(text: &str) -> String {
    replaced(text, |c| if c == '+' { None } else { entity(c) })
}

/// A text as an attribute without quotes.
pub(super) fn unquoted(text: &str, is_html: bool) -> String {
    if text.is_empty() {
        // The next attribute would become the value.
        return REFUSED.to_owned();
    }
    let (text, keep) = if is_html { (without_tags(text), '&') } else { (text.to_owned(), '\0') };
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        let odd = match c {
            '\t' => "&#9;",
            '\n' => "&#10;",
            '\x0b' => "&#11;",
            '\x0c' => "&#12;",
            '\r' => "&#13;",
            ' ' => "&#32;",
            '=' => "&#61;",
            '`' => "&#96;",
            '\0' => "&#xfffd;",
            '\u{fdd0}'..='\u{fdef}' | '\u{fff0}'..='\u{ffff}' => {
                write!(out, "&#x{:x};", c as u32).expect("writing to memory cannot fail");
                continue;
            }
            c => match entity(c).filter(|_| c != keep) {
                Some(entity) => entity,
                None => {
                    out.push(c);
                    continue;
                }
            },
        };
        out.push_str(odd);
    }
    out
}

/// A text as the name of an attribute, if what that holds is plain.
pub(super) fn attribute_name(text: &str) -> String {
    let name = text.to_ascii_lowercase();
    let is_name = !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_alphanumeric());
    if is_name && content(&name) == Content::Plain { name } else { REFUSED.to_owned() }
}

/// Entities that a page may write in attributes with addresses, scripts and styles.
const ENTITIES: &[(&str, &str)] =
    &[("amp", "&"), ("apos", "'"), ("gt", ">"), ("lt", "<"), ("nbsp", "\u{a0}"), ("quot", "\"")];

/// A text with its entities read. One that is not known here is an error: it could mean anything.
pub(super) fn decoded(text: &str) -> Result<String, String> {
    let (mut out, mut rest) = (String::new(), text);
    while let Some((before, after)) = rest.split_once('&') {
        out.push_str(before);
        let len = after.bytes().take_while(|b| b.is_ascii_alphanumeric() || *b == b'#').count();
        let (name, tail) = after.split_at(len);
        let is_closed = tail.starts_with(';');
        let found = match name.strip_prefix('#') {
            Some(number) => numbered(number).map(|c| c.to_string()),
            None => {
                let known = ENTITIES.iter().find(|(known, _)| *known == name);
                known.map(|(_, text)| (*text).to_owned())
            }
        };
        match found {
            Some(text) if is_closed || name.starts_with('#') => {
                out.push_str(&text);
                rest = tail.strip_prefix(';').unwrap_or(tail);
            }
            _ if is_closed && !name.is_empty() => {
                let entity = format!("&{name};");
                let entity = Quoted(&entity);
                return Err(format!("entity {entity} is not known here; write the character"));
            }
            _ => {
                out.push('&');
                rest = after;
            }
        }
    }
    Ok(out + rest)
}

fn numbered(number: &str) -> Option<char> {
    let code = match number.strip_prefix(['x', 'X']) {
        Some(digits) => u32::from_str_radix(digits, 16),
        None => number.parse(),
    };
    Some(match code.ok()? {
        0 => char::REPLACEMENT_CHARACTER,
        code => char::from_u32(code).unwrap_or(char::REPLACEMENT_CHARACTER),
    })
}

/// HTML without its tags and comments.
pub(super) fn without_tags(html: &str) -> String {
    let (mut out, mut context, mut at) = (String::new(), Context::default(), 0);
    while at < html.len() {
        let rest = &html[at..];
        if context.delim == Delim::None {
            // Scripts and styles are text until they end.
            let mut place = context.clone();
            if place.element != Element::None && !place.state.is_tag() {
                place.state = State::TextOnly;
            }
            let Ok((after, len)) = step(&place, rest) else { break };
            if matches!(context.state, State::Text | State::TextOnly) {
                let shown = &rest[..len];
                let end = if after.state == context.state { None } else { shown.rfind('<') };
                out.push_str(&shown[..end.unwrap_or(len)]);
            }
            if len == 0 && after == context {
                break;
            }
            (context, at) = (after, at + len);
            continue;
        }
        let ends: &[char] = match context.delim {
            Delim::Double => &['"'],
            Delim::Single => &['\''],
            _ => &[' ', '\t', '\n', '\x0c', '\r', '>'],
        };
        let Some(end) = rest.find(ends) else { break };
        at += end + usize::from(context.delim != Delim::Space);
        context = Context::in_tag(context.element);
    }
    out
}
