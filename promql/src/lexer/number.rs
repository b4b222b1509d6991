//! Numbers and durations, as far as the lexer looks: their values are read by the parser.

use super::Lexer;
use crate::token::Kind;
use model::quote::QuotedBytes;

impl Lexer<'_> {
    /// A number or duration; its first byte was taken.
    pub(super) fn number_or_duration(&mut self) -> Kind {
        self.at = self.start;
        if self.scan_number() {
            return Kind::Number;
        }
        if self.scan_remaining_duration() {
            return Kind::Duration;
        }
        let shown = QuotedBytes(&self.text[self.start..self.at.min(self.text.len())]);
        self.fail(format!("bad number or duration syntax: {shown}"))
    }

    fn accept_any(&mut self, set: &[u8]) -> bool {
        let found = self.peek().is_some_and(|byte| set.contains(&byte));
        self.at += usize::from(found);
        found
    }

    /// Whether a number stands here that is not glued to a word. What was taken stays taken if not.
    fn scan_number(&mut self) -> bool {
        let hex = self.accept(b'0') && self.accept_any(b"xX");
        if hex {
            self.accept(b'_');
        }
        let is_digit =
            |byte: u8| if hex { byte.is_ascii_hexdigit() } else { byte.is_ascii_digit() };
        self.accept(b'.');
        if self.peek().is_some_and(is_digit) {
            self.at += 1;
        }
        let (mut dot, mut exponent) = (false, false);
        while let Some(byte) = self.peek() {
            match byte {
                b'.' => {
                    self.at += 1;
                    if dot || self.accept_any(b"_.") || hex {
                        return false;
                    }
                    dot = true;
                }
                b'e' | b'E' => {
                    self.at += 1;
                    if exponent {
                        return false;
                    }
                    exponent = true;
                    self.accept_any(b"+-");
                    if self.accept_any(b"._eE") || self.peek().is_none() {
                        return false;
                    }
                }
                b'_' => {
                    self.at += 1;
                    if self.accept_any(b"._eE") || self.peek().is_none() {
                        return false;
                    }
                }
                // An `e` that does not begin a run of hexadecimal digits was taken for an exponent above.
                byte if is_digit(byte) => {
                    while self.peek().is_some_and(is_digit) {
                        self.at += 1;
                    }
                }
                _ => break,
            }
        }
        !self.peek().is_some_and(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
    }

    /// Whether what follows makes the digits just taken a duration.
    fn scan_remaining_duration(&mut self) -> bool {
        if !self.accept_any(b"smhdwy") {
            return false;
        }
        self.accept(b's');
        while self.peek().is_some_and(|byte| byte.is_ascii_digit()) {
            while self.peek().is_some_and(|byte| byte.is_ascii_digit()) {
                self.at += 1;
            }
            if !self.accept_any(b"smhdw") {
                return false;
            }
            self.accept(b's');
        }
        let glued = self.peek().is_some_and(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
        self.at += usize::from(glued);
        !glued
    }
}
