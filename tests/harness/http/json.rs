//! JSON compared token by token: key order and the notation of numbers count, and what a transcript marks as
//! volatile, unordered, a choice or loose is compared as such.

use std::fmt::Write;

/// A JSON value whose numbers and texts are as written.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Json {
    /// A number, `true`, `false`, `null`, or a text with its quotes.
    Token(String),
    Array(Vec<Self>),
    Object(Vec<(String, Self)>),
}

impl Json {
    /// Reads a whole document; `None` if it is none.
    pub(super) fn parse(text: &str) -> Option<Self> {
        let mut rest = text;
        let value = parse_value(&mut rest)?;
        rest.trim().is_empty().then_some(value)
    }

    /// Calls `change` on each value that `path` (`$.data.list[*].name`) leads to.
    pub(super) fn at(&mut self, path: &str, change: &mut impl FnMut(&mut Self)) {
        let steps = path.strip_prefix('$').expect("paths begin at the root");
        self.walk(&split(steps), change);
    }

    fn walk(&mut self, steps: &[String], change: &mut impl FnMut(&mut Self)) {
        let Some((step, rest)) = steps.split_first() else { return change(self) };
        match self {
            Self::Token(_) => {}
            Self::Array(elements) => {
                for (index, element) in elements.iter_mut().enumerate() {
                    if step == "*" || *step == index.to_string() {
                        element.walk(rest, change);
                    }
                }
            }
            Self::Object(members) => {
                for (name, member) in members {
                    if step == "*" || *name == format!("\"{step}\"") {
                        member.walk(rest, change);
                    }
                }
            }
        }
    }

    pub(super) fn print(&self, out: &mut String) {
        match self {
            Self::Token(token) => out.push_str(token),
            Self::Array(elements) => {
                out.push('[');
                for element in elements {
                    element.print(out);
                    out.push(',');
                }
                out.push(']');
            }
            Self::Object(members) => {
                out.push('{');
                for (name, member) in members {
                    write!(out, "{name}:").expect("memory");
                    member.print(out);
                    out.push(',');
                }
                out.push('}');
            }
        }
    }

    /// Whether both are the same, computed floats within a relative 1e-9.
    pub(super) fn agrees(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Token(a), Self::Token(b)) => a == b || close(a, b),
            (Self::Array(a), Self::Array(b)) => {
                a.len() == b.len() && a.iter().zip(b).all(|(a, b)| a.agrees(b))
            }
            (Self::Object(a), Self::Object(b)) => {
                let same =
                    |((n, a), (m, b)): (&(String, Self), &(String, Self))| n == m && a.agrees(b);
                a.len() == b.len() && a.iter().zip(b).all(same)
            }
            _ => false,
        }
    }
}

/// Sample values stand in quotes.
fn close(a: &str, b: &str) -> bool {
    let number = |text: &str| -> Option<f64> {
        text.strip_prefix('"')?.strip_suffix('"')?.parse().ok().filter(|n: &f64| n.is_finite())
    };
    match (number(a), number(b)) {
        (Some(a), Some(b)) => (a - b).abs() <= 1e-9 * a.abs().max(b.abs()),
        _ => false,
    }
}

fn split(steps: &str) -> Vec<String> {
    let steps = steps.replace("['", ".").replace("']", "").replace('[', ".").replace(']', "");
    // A name with dots comes in brackets; no transcript has both kinds in one path.
    if let Some(flag) = steps.strip_prefix(".data.web.") {
        return vec!["data".to_owned(), format!("web.{flag}")];
    }
    steps.split('.').filter(|step| !step.is_empty()).map(str::to_owned).collect()
}

fn parse_value(rest: &mut &str) -> Option<Json> {
    *rest = rest.trim_start();
    match rest.bytes().next()? {
        b'[' => {
            let mut elements = Vec::new();
            while !closes(rest, ']', elements.is_empty())? {
                elements.push(parse_value(rest)?);
            }
            Some(Json::Array(elements))
        }
        b'{' => {
            let mut members = Vec::new();
            while !closes(rest, '}', members.is_empty())? {
                let Json::Token(name) = parse_value(rest)? else { return None };
                *rest = rest.trim_start().strip_prefix(':')?;
                members.push((name, parse_value(rest)?));
            }
            Some(Json::Object(members))
        }
        b'"' => {
            let mut escaped = false;
            let end = rest.bytes().skip(1).position(|byte| {
                let ends = byte == b'"' && !escaped;
                escaped = byte == b'\\' && !escaped;
                ends
            })?;
            Some(take(rest, end + 2))
        }
        _ => {
            let end = rest.find(|c: char| ",]}".contains(c) || c.is_whitespace());
            let end = end.unwrap_or(rest.len());
            (end > 0).then(|| take(rest, end))
        }
    }
}

fn take(rest: &mut &str, len: usize) -> Json {
    let (token, tail) = rest.split_at(len);
    *rest = tail;
    Json::Token(token.to_owned())
}

/// Steps over the opening bracket or a comma; `true` at the closing one.
fn closes(rest: &mut &str, close: char, is_first: bool) -> Option<bool> {
    *rest = rest.trim_start();
    if is_first && rest.starts_with(['[', '{']) {
        *rest = rest[1..].trim_start();
        if let Some(tail) = rest.strip_prefix(close) {
            *rest = tail;
            return Some(true);
        }
        return Some(false);
    }
    if let Some(tail) = rest.strip_prefix(close) {
        *rest = tail;
        return Some(true);
    }
    *rest = rest.strip_prefix(',')?;
    Some(false)
}
