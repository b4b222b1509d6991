//! Constants of templates: numbers, characters and quoted texts as Go reads them.

use crate::node::Constant;
use model::float::parse_float;
use model::quote::Quoted;

/// The value of a number, as a token of the lexer spells it.
pub(crate) fn number(text: &str) -> Result<Constant, String> {
    if let Some(imaginary) = text.strip_suffix('i')
        && let Ok(imaginary) = parse_float(imaginary)
    {
        return Ok(Constant::Complex(0.0, imaginary));
    }
    match integer(text) {
        Some(Integer::Int(value)) => {
            let is_hex = text.trim_start_matches(['+', '-']).to_ascii_lowercase().starts_with("0x");
            let is_float = text.contains(['.', 'p', 'P']) || !is_hex && text.contains(['e', 'E']);
            return Ok(if is_float { Constant::Float(value as f64) } else { Constant::Int(value) });
        }
        Some(Integer::Large) => return Ok(Constant::Large),
        None => {}
    }
    match parse_float(text) {
        Ok(_) if !text.contains(['.', 'e', 'E', 'p', 'P']) => {
            Err(format!("integer overflow: {}", Quoted(text)))
        }
        Ok(value) => Ok(Constant::Float(value)),
        Err(_) => Err(format!("illegal number syntax: {}", Quoted(text))),
    }
}

/// A number with a real and an imaginary part, `1+2i`.
pub(crate) fn complex_number(text: &str) -> Result<Constant, String> {
    let illegal = || format!("illegal number syntax: {}", Quoted(text));
    let body = text.strip_suffix('i').ok_or_else(illegal)?;
    // The sign between the parts is the last one that is not an exponent's.
    let bytes = body.as_bytes();
    let is_sign = |&at: &usize| {
        matches!(bytes[at], b'+' | b'-') && !matches!(bytes[at - 1], b'e' | b'E' | b'p' | b'P')
    };
    let at = (1..bytes.len()).rev().find(is_sign).ok_or_else(illegal)?;
    let real = parse_float(&body[..at]).map_err(|_| illegal())?;
    let imaginary = parse_float(&body[at..]).map_err(|_| illegal())?;
    Ok(Constant::Complex(real, imaginary))
}

enum Integer {
    Int(i64),
    Large,
}

/// An integer with an optional base, as Go's `ParseInt` with base 0 reads it.
fn integer(text: &str) -> Option<Integer> {
    let (negative, body) = match text.as_bytes().first()? {
        b'-' => (true, &text[1..]),
        b'+' => (false, &text[1..]),
        _ => (false, text),
    };
    let lower = body.to_ascii_lowercase();
    let (base, digits) = match lower.as_bytes() {
        [b'0', b'x', ..] => (16, &lower[2..]),
        [b'0', b'b', ..] => (2, &lower[2..]),
        [b'0', b'o', ..] => (8, &lower[2..]),
        [b'0', _, ..] => (8, &lower[1..]),
        _ => (10, &lower[..]),
    };
    // An underscore stands between digits, or between the prefix and a digit.
    let has_prefix = digits.len() < lower.len();
    let misplaced =
        digits.contains("__") || digits.ends_with('_') || digits.starts_with('_') && !has_prefix;
    let digits = digits.replace('_', "");
    let is_digit = |c: char| c.is_digit(base);
    if misplaced || digits.is_empty() || !digits.chars().all(is_digit) {
        return None;
    }
    let size = u64::from_str_radix(&digits, base).ok()?;
    let signed = if negative { -i128::from(size) } else { i128::from(size) };
    match i64::try_from(signed) {
        Ok(value) => Some(Integer::Int(value)),
        // Unsigned numbers have no sign.
        Err(_) if text.starts_with(['+', '-']) => None,
        Err(_) => Some(Integer::Large),
    }
}

/// The number of a character between single quotes.
pub(crate) fn character(text: &str) -> Result<Constant, String> {
    let malformed = || format!("malformed character constant: {text}");
    let inner = text.strip_prefix('\'').ok_or_else(malformed)?;
    let mut rest = inner;
    let unit = unit(&mut rest, '\'').ok_or("invalid syntax")?;
    if rest != "'" {
        return Err(malformed());
    }
    Ok(Constant::Int(match unit {
        Unit::Char(c) => i64::from(c as u32),
        Unit::Byte(byte) => i64::from(byte),
    }))
}

/// The text between quotes of either kind; `None` if an escape is none.
pub(crate) fn unquote(text: &str) -> Option<String> {
    if let Some(raw) = text.strip_prefix('`') {
        return Some(raw.strip_suffix('`')?.replace('\r', ""));
    }
    let mut rest = text.strip_prefix('"')?.strip_suffix('"')?;
    let mut bytes = Vec::with_capacity(rest.len());
    while !rest.is_empty() {
        match unit(&mut rest, '"')? {
            Unit::Char(c) => bytes.extend_from_slice(c.encode_utf8(&mut [0; 4]).as_bytes()),
            Unit::Byte(byte) => bytes.push(byte),
        }
    }
    Some(String::from_utf8_lossy(&bytes).into_owned())
}

/// What one escape or one plain character stands for.
enum Unit {
    Char(char),
    Byte(u8),
}

fn unit(rest: &mut &str, quote: char) -> Option<Unit> {
    let mut chars = rest.chars();
    let first = chars.next()?;
    if first == quote || first == '\n' {
        return None;
    }
    if first != '\\' {
        *rest = chars.as_str();
        return Some(Unit::Char(first));
    }
    let kind = chars.next()?;
    let simple = match kind {
        'a' => Some('\x07'),
        'b' => Some('\x08'),
        'f' => Some('\x0c'),
        'n' => Some('\n'),
        'r' => Some('\r'),
        't' => Some('\t'),
        'v' => Some('\x0b'),
        '\\' => Some('\\'),
        '\'' | '"' if kind == quote => Some(kind),
        _ => None,
    };
    if let Some(c) = simple {
        *rest = chars.as_str();
        return Some(Unit::Char(c));
    }
    let after = chars.as_str();
    let (digits, base) = match kind {
        'x' => (2, 16),
        'u' => (4, 16),
        'U' => (8, 16),
        '0'..='7' => (3, 8),
        _ => return None,
    };
    let source = if base == 8 { &rest[1..] } else { after };
    let digits = source.get(..digits).filter(|text| text.chars().all(|c| c.is_digit(base)))?;
    let value = u32::from_str_radix(digits, base).ok()?;
    *rest = &source[digits.len()..];
    match kind {
        'u' | 'U' => char::from_u32(value).map(Unit::Char),
        _ => u8::try_from(value).ok().map(Unit::Byte),
    }
}

#[cfg(test)]
mod tests;
