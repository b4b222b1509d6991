//! Numbers, durations and strings.

use super::{Parsed, Parser};
use crate::ast::{NumberLiteral, StringLiteral};
use crate::lexer::unquote;
use crate::token::{Kind, Token};
use model::float::parse_float;

impl Parser<'_> {
    /// A number or duration without sign; the caller knows that one is next.
    pub(super) fn number(&mut self) -> Parsed<NumberLiteral> {
        let token = self.next()?;
        let text = self.word(token);
        let duration = token.kind == Kind::Duration;
        let value = if duration { duration_seconds(text) } else { number_value(text) };
        match value {
            Ok(value) => Ok(NumberLiteral { value, duration, span: token.span }),
            Err(message) => self.error(token.span, message),
        }
    }

    pub(super) fn string(&mut self) -> Parsed<StringLiteral> {
        let token = self.next()?;
        Ok(StringLiteral { value: self.unquoted(token), span: token.span })
    }

    pub(super) fn unquoted(&self, token: Token) -> Box<[u8]> {
        unquote(token.bytes(self.text))
    }
}

fn duration_seconds(text: &str) -> Result<f64, String> {
    let ms = model::duration::parse(text).map_err(|error| error.to_string())?;
    // Whole seconds and the rest apart, as Go turns durations into seconds.
    Ok((ms / 1000) as f64 + (ms % 1000 * 1_000_000) as f64 / 1e9)
}

/// An integer in Go's notation, otherwise a float.
fn number_value(text: &str) -> Result<f64, String> {
    if let Some(integer) = integer(text) {
        return Ok(integer as f64);
    }
    parse_float(text).map_err(|error| format!("error parsing number: {error}"))
}

/// The lexer has checked where underscores stand.
fn integer(text: &str) -> Option<i64> {
    let plain;
    let mut digits = text;
    if text.contains('_') {
        plain = text.replace('_', "");
        digits = &plain;
    }
    let radix = match digits.as_bytes() {
        [b'0', b'x' | b'X', ..] => {
            digits = &digits[2..];
            16
        }
        [b'0', _, ..] => {
            digits = &digits[1..];
            8
        }
        _ => 10,
    };
    if digits.starts_with(['+', '-']) {
        return None;
    }
    i64::from_str_radix(digits, radix).ok()
}
