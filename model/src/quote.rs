//! Text between double quotes as Go's `strconv.Quote` writes it: label sets, matchers, error texts.

use std::fmt::{self, Write};

/// Displays a text quoted and escaped.
#[derive(Clone, Copy, Debug)]
pub struct Quoted<'a>(pub &'a str);

impl fmt::Display for Quoted<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_char('"')?;
        escape(self.0, f)?;
        f.write_char('"')
    }
}

/// Displays bytes quoted and escaped; what is not UTF-8 becomes `\xNN`.
#[derive(Clone, Copy, Debug)]
pub struct QuotedBytes<'a>(pub &'a [u8]);

impl fmt::Display for QuotedBytes<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_char('"')?;
        for chunk in self.0.utf8_chunks() {
            escape(chunk.valid(), f)?;
            for byte in chunk.invalid() {
                write!(f, "\\x{byte:02x}")?;
            }
        }
        f.write_char('"')
    }
}

/// Displays a character as Go's `%q` does: between single quotes.
#[derive(Clone, Copy, Debug)]
pub struct QuotedChar(pub char);

impl fmt::Display for QuotedChar {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_char('\'')?;
        match self.0 {
            '\'' => f.write_str("\\'")?,
            '"' => f.write_char('"')?,
            other => escape_char(other, f)?,
        }
        f.write_char('\'')
    }
}

fn escape(text: &str, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    let mut plain = 0;
    for (index, c) in text.char_indices() {
        if matches!(c, ' '..='~') && c != '"' && c != '\\' {
            continue;
        }
        f.write_str(&text[plain..index])?;
        escape_char(c, f)?;
        plain = index + c.len_utf8();
    }
    f.write_str(&text[plain..])
}

fn escape_char(c: char, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    match c {
        '"' => f.write_str("\\\""),
        '\\' => f.write_str("\\\\"),
        '\x07' => f.write_str("\\a"),
        '\x08' => f.write_str("\\b"),
        '\x0c' => f.write_str("\\f"),
        '\n' => f.write_str("\\n"),
        '\r' => f.write_str("\\r"),
        '\t' => f.write_str("\\t"),
        '\x0b' => f.write_str("\\v"),
        c if is_printable(c) => f.write_char(c),
        c if c < ' ' || c == '\x7f' => write!(f, "\\x{:02x}", c as u32),
        c if (c as u32) < 0x1_0000 => write!(f, "\\u{:04x}", c as u32),
        c => write!(f, "\\U{:08x}", c as u32),
    }
}

/// Whether Go would print the character as it is: letters, marks, numbers, punctuation, symbols, the ASCII space.
#[must_use]
pub fn is_printable(c: char) -> bool {
    if c.is_ascii() {
        return matches!(c, ' '..='~');
    }
    // The standard library escapes exactly the unprintable behind a first character (there it also escapes marks).
    let mut pair = [0; 8];
    pair[0] = b'a';
    let end = 1 + c.encode_utf8(&mut pair[1..]).len();
    let text = std::str::from_utf8(&pair[..end]).expect("encoded just now");
    text.escape_debug().nth(1) == Some(c)
}
