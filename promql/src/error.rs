//! What is wrong with a query text and where, worded as Prometheus words it.

use crate::ast::Span;
use std::fmt;

/// The first thing wrong with a query text. Displays as `LINE:COLUMN: parse error: MESSAGE`.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub struct ParseError {
    /// Where; empty text has no position.
    pub place: Option<Place>,
    /// What is wrong, without position.
    pub message: String,
}

/// A byte range of a query, and its start as line and column.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Place {
    /// Byte range of the text.
    pub span: Span,
    /// Line of its start, counted from 1.
    pub line: usize,
    /// Column of its start in bytes, counted from 1.
    pub column: usize,
}

impl ParseError {
    pub(crate) fn new(text: &[u8], span: Span, message: impl Into<String>) -> Self {
        let place = (!text.is_empty()).then(|| {
            let (line, column) = line_column(text, span.start as usize);
            Place { span, line, column }
        });
        Self { place, message: message.into() }
    }
}

/// Line and column of byte `offset`, both counted from 1; the column counts bytes.
#[must_use]
pub fn line_column(text: &[u8], offset: usize) -> (usize, usize) {
    let before = &text[..offset.min(text.len())];
    let line = 1 + before.iter().filter(|&&byte| byte == b'\n').count();
    let column = 1 + before.iter().rev().take_while(|&&byte| byte != b'\n').count();
    (line, column)
}

impl fmt::Display for ParseError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.place {
            Some(place) => write!(f, "{}:{}: ", place.line, place.column)?,
            None => f.write_str("unknown position: ")?,
        }
        write!(f, "parse error: {}", self.message)
    }
}
