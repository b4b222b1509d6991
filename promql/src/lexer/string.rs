//! String literals: finding their end with all checks of their escapes, and decoding them.

use super::Lexer;
use crate::token::Kind;
use model::quote::is_printable;

impl Lexer<'_> {
    /// A string whose opening `quote` was taken.
    pub(super) fn string(&mut self, quote: u8) -> Kind {
        loop {
            let Some((c, len)) = self.char_at(self.at) else {
                return self.fail("unterminated quoted string");
            };
            self.at += len;
            match c {
                '\\' => {
                    if let Err(message) = self.escape(quote) {
                        return self.fail(message);
                    }
                }
                '\u{fffd}' => return self.fail("invalid UTF-8 rune"),
                '\n' => return self.fail("unterminated quoted string"),
                c if c == quote as char => return Kind::String,
                _ => {}
            }
        }
    }

    /// A raw string whose opening backquote was taken.
    pub(super) fn raw_string(&mut self) -> Kind {
        loop {
            let Some((c, len)) = self.char_at(self.at) else {
                return self.fail("unterminated raw string");
            };
            self.at += len;
            match c {
                '\u{fffd}' => return self.fail("invalid UTF-8 rune"),
                '`' => return Kind::String,
                _ => {}
            }
        }
    }

    fn next_char(&mut self) -> Option<char> {
        let (c, len) = self.char_at(self.at)?;
        self.at += len;
        Some(c)
    }

    /// Checks the escape sequence after a backslash.
    fn escape(&mut self, quote: u8) -> Result<(), String> {
        const UNTERMINATED: &str = "escape sequence not terminated";
        let c = self.next_char().ok_or(UNTERMINATED)?;
        let (digits, radix, limit) = match c {
            'a' | 'b' | 'f' | 'n' | 'r' | 't' | 'v' | '\\' => return Ok(()),
            c if c == quote as char => return Ok(()),
            '0'..='7' => {
                self.at -= 1;
                (3, 8, 255)
            }
            'x' => (2, 16, 255),
            'u' => (4, 16, char::MAX as u32),
            'U' => (8, 16, char::MAX as u32),
            other => return Err(format!("unknown escape sequence {}", unicode_name(other))),
        };
        let mut code = 0u32;
        for _ in 0..digits {
            let c = self.next_char().ok_or(UNTERMINATED)?;
            let digit = c.to_digit(radix).ok_or_else(|| {
                format!("illegal character {} in escape sequence", unicode_name(c))
            })?;
            code = code.wrapping_mul(radix).wrapping_add(digit);
        }
        if code > limit || (0xD800..0xE000).contains(&code) {
            return Err("escape sequence is an invalid Unicode code point".into());
        }
        Ok(())
    }
}

/// `U+0067 'g'`
fn unicode_name(c: char) -> String {
    let code = c as u32;
    if is_printable(c) { format!("U+{code:04X} '{c}'") } else { format!("U+{code:04X}") }
}

/// The bytes of a string token, quotes included, that the lexer accepted.
pub(crate) fn unquote(token: &[u8]) -> Box<[u8]> {
    let body = &token[1..token.len() - 1];
    if token[0] == b'`' || !body.contains(&b'\\') {
        return body.into();
    }
    let mut out = Vec::with_capacity(body.len());
    let mut rest = body;
    while let Some(at) = rest.iter().position(|&byte| byte == b'\\') {
        out.extend_from_slice(&rest[..at]);
        let (letter, after) = (rest[at + 1], &rest[at + 2..]);
        let take = |digits: &[u8], radix| {
            digits.iter().fold(0, |code, &byte| {
                code * radix + (byte as char).to_digit(radix).expect("checked by the lexer")
            })
        };
        let mut push_char = |code| {
            let c = char::from_u32(code).expect("checked by the lexer");
            out.extend_from_slice(c.encode_utf8(&mut [0; 4]).as_bytes());
        };
        rest = match letter {
            b'x' => {
                out.push(take(&after[..2], 16) as u8);
                &after[2..]
            }
            b'0'..=b'7' => {
                out.push(take(&rest[at + 1..at + 4], 8) as u8);
                &after[2..]
            }
            b'u' => {
                push_char(take(&after[..4], 16));
                &after[4..]
            }
            b'U' => {
                push_char(take(&after[..8], 16));
                &after[8..]
            }
            plain => {
                out.push(match plain {
                    b'a' => 7,
                    b'b' => 8,
                    b'f' => 12,
                    b'n' => b'\n',
                    b'r' => b'\r',
                    b't' => b'\t',
                    b'v' => 11,
                    other => other,
                });
                after
            }
        };
    }
    out.extend_from_slice(rest);
    out.into()
}
