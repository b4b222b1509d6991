//! How text moves a context on: HTML here, scripts and styles in their own files.

use super::context::{Attr, Context, Delim, Element, State, UrlPart};
use super::{attribute, html, script, style};
use model::quote::Quoted;

/// What is wrong with a page.
pub(super) type Moved<T> = Result<T, String>;

/// Where one is behind the first bytes of `text`, and how many they are. The text is not empty.
pub(super) fn after_text(context: &Context, text: &str) -> Moved<(Context, usize)> {
    if context.delim == Delim::None {
        return match special_end(context, text) {
            Some(0) => Ok((Context::default(), 0)),
            end => step(context, &text[..end.unwrap_or(text.len())]),
        };
    }
    let ends: &[char] = match context.delim {
        Delim::Double => &['"'],
        Delim::Single => &['\''],
        _ => &[' ', '\t', '\n', '\x0c', '\r', '>'],
    };
    let end = text.find(ends).unwrap_or(text.len());
    let inside = &text[..end];
    if context.delim == Delim::Space
        && let Some(at) = inside.find(['"', '\'', '<', '=', '`'])
    {
        let (odd, inside) = (Quoted(&inside[at..=at]), Quoted(inside));
        return Err(format!("{odd} in unquoted attr: {inside}"));
    }
    if end == text.len() {
        return Ok((within(context, inside)?, end));
    }
    let is_text = context.state == State::Attr
        && context.element == Element::Script
        && context.attr == Attr::ScriptType
        && !script::is_script_type(inside);
    let element = if is_text { Element::None } else { context.element };
    Ok((Context::in_tag(element), end + usize::from(context.delim != Delim::Space)))
}

/// Moves on inside of an attribute, whose entities are read first.
fn within(context: &Context, text: &str) -> Moved<Context> {
    if matches!(context.state, State::Attr) {
        return Ok(context.clone());
    }
    let decoded = html::decoded(text)?;
    let (mut context, mut rest) = (context.clone(), &decoded[..]);
    while !rest.is_empty() {
        let (after, len) = step(&context, rest)?;
        (context, rest) = (after, &rest[len..]);
    }
    Ok(context)
}

/// One step by the rules of the state.
pub(super) fn step(context: &Context, text: &str) -> Moved<(Context, usize)> {
    match context.state {
        State::Text => Ok(in_text(context, text)),
        State::Tag => in_tag(context, text),
        State::AttrName => {
            let len = name_len(text, 0)?;
            let state = if len == text.len() { State::AttrName } else { State::AfterName };
            Ok((Context { state, ..context.clone() }, len))
        }
        State::AfterName => Ok(after_name(context, text)),
        State::BeforeValue => Ok(before_value(context, text)),
        State::HtmlComment => Ok(match text.find("-->") {
            Some(end) => (Context::default(), end + 3),
            None => (context.clone(), text.len()),
        }),
        State::TextOnly => Ok(match special_end(context, text) {
            Some(end) => (Context::default(), end),
            None => (context.clone(), text.len()),
        }),
        State::Attr | State::Dead => Ok((context.clone(), text.len())),
        State::Url | State::Srcset => Ok((in_url(context, text), text.len())),
        State::Js
        | State::JsDouble
        | State::JsSingle
        | State::JsTemplate
        | State::JsRegexp
        | State::JsBlockComment
        | State::JsLineComment
        | State::JsOpenComment
        | State::JsCloseComment => script::step(context, text),
        State::Css
        | State::CssDouble
        | State::CssSingle
        | State::CssDoubleUrl
        | State::CssSingleUrl
        | State::CssUrl
        | State::CssBlockComment
        | State::CssLineComment => style::step(context, text),
    }
}

fn in_text(context: &Context, text: &str) -> (Context, usize) {
    let mut from = 0;
    while let Some(open) = text[from..].find('<').map(|at| from + at) {
        if text[open..].starts_with("<!--") {
            return (Context::at(State::HtmlComment), open + 4);
        }
        let is_end = text[open + 1..].starts_with('/');
        let begin = open + 1 + usize::from(is_end);
        let len = tag_len(&text[begin..]);
        if len > 0 {
            let tag = &text[begin..begin + len];
            let element = if is_end { Element::None } else { Element::of(tag) };
            return (Context::in_tag(element), begin + len);
        }
        from = begin;
    }
    (context.clone(), text.len())
}

/// How long the name of a tag is.
fn tag_len(text: &str) -> usize {
    let bytes = text.as_bytes();
    if !bytes.first().is_some_and(u8::is_ascii_alphabetic) {
        return 0;
    }
    let mut len = 1;
    while let Some(byte) = bytes.get(len) {
        let joins = matches!(byte, b':' | b'-')
            && bytes.get(len + 1).is_some_and(u8::is_ascii_alphanumeric);
        if byte.is_ascii_alphanumeric() {
            len += 1;
        } else if joins {
            len += 2;
        } else {
            break;
        }
    }
    len
}

/// What separates attributes.
const SPACES: [char; 5] = [' ', '\t', '\n', '\x0c', '\r'];

fn spaces(text: &str) -> usize {
    text.len() - text.trim_start_matches(SPACES).len()
}

/// How long the name of an attribute is that begins at `begin`.
fn name_len(text: &str, begin: usize) -> Moved<usize> {
    for (at, c) in text[begin..].char_indices() {
        match c {
            '=' | '>' => return Ok(at),
            c if SPACES.contains(&c) => return Ok(at),
            '\'' | '"' | '<' => {
                let cited: String = text.chars().take(32).collect();
                let (odd, cited) = (Quoted(c.encode_utf8(&mut [0; 4])).to_string(), Quoted(&cited));
                return Err(format!("{odd} in attribute name: {cited}"));
            }
            _ => {}
        }
    }
    Ok(text.len() - begin)
}

fn in_tag(context: &Context, text: &str) -> Moved<(Context, usize)> {
    let begin = spaces(text);
    let rest = &text[begin..];
    if rest.is_empty() {
        return Ok((context.clone(), text.len()));
    }
    if rest.starts_with('>') {
        let element = context.element;
        let content = Context { state: element.content(), element, ..Context::default() };
        return Ok((content, begin + 1));
    }
    let len = name_len(text, begin)?;
    if len == 0 {
        let rest = Quoted(rest);
        return Err(format!("expected space, attr name, or end of tag, but got {rest}"));
    }
    let name = rest[..len].to_ascii_lowercase();
    let attr = if context.element == Element::Script && name == "type" {
        Attr::ScriptType
    } else {
        attribute::kind(&name)
    };
    let state = if len == rest.len() { State::AttrName } else { State::AfterName };
    Ok((Context { state, attr, ..Context::in_tag(context.element) }, begin + len))
}

fn after_name(context: &Context, text: &str) -> (Context, usize) {
    let begin = spaces(text);
    let state = match text[begin..].chars().next() {
        None => return (context.clone(), text.len()),
        Some('=') => State::BeforeValue,
        Some(_) => State::Tag,
    };
    let len = begin + usize::from(state == State::BeforeValue);
    (Context { state, ..context.clone() }, len)
}

fn before_value(context: &Context, text: &str) -> (Context, usize) {
    let begin = spaces(text);
    let (delim, len) = match text[begin..].chars().next() {
        None => return (context.clone(), text.len()),
        Some('"') => (Delim::Double, begin + 1),
        Some('\'') => (Delim::Single, begin + 1),
        Some(_) => (Delim::Space, begin),
    };
    (Context { state: context.attr.start(), delim, ..context.clone() }, len)
}

/// Where the element ends whose content is not HTML, if its end is in the text.
fn special_end(context: &Context, text: &str) -> Option<usize> {
    if context.element == Element::None || context.state.is_tag() {
        return None;
    }
    // In literals of scripts such ends are escaped, and comments are left out.
    let hides = context.state.is_script_literal() || context.state.is_comment();
    if context.element == Element::Script && hides {
        return None;
    }
    let tag = context.element.tag();
    text.match_indices("</").map(|(at, _)| at).find(|at| {
        let after = &text[at + 2..];
        after.get(..tag.len()).is_some_and(|name| name.eq_ignore_ascii_case(tag))
            && after[tag.len()..].starts_with(['>', ' ', '\t', '\n', '\x0c', '/'])
    })
}

/// Behind a piece of an address.
pub(super) fn in_url(context: &Context, text: &str) -> Context {
    let mut context = context.clone();
    if text.contains(['#', '?']) {
        context.url_part = UrlPart::Query;
    } else if spaces(text) != text.len() && context.url_part == UrlPart::None {
        context.url_part = UrlPart::BeforeQuery;
    }
    context
}
