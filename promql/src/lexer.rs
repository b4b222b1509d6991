//! Text to tokens. What a character means depends on whether braces or brackets are open, as in Prometheus.

mod number;
mod string;

pub(crate) use string::unquote;

use crate::ast::Span;
use crate::token::{Kind, Token, keyword};
use model::quote::QuotedChar;

/// Reads tokens one after the other. After an error or the end it stays there.
#[derive(Debug)]
pub(crate) struct Lexer<'t> {
    text: &'t [u8],
    at: usize,
    /// Where the current token begins.
    start: usize,
    state: State,
    paren_depth: usize,
    bracket_open: bool,
    /// A colon was seen inside the brackets that are open.
    got_colon: bool,
    /// A number was seen inside some brackets, at any time.
    got_duration: bool,
    /// The message of the error token.
    error: Option<String>,
}

/// What is legal next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Statements,
    Braces,
    /// Inside brackets, before the first number.
    DurationExpr,
}

impl<'t> Lexer<'t> {
    pub(crate) fn new(text: &'t [u8]) -> Self {
        Self {
            text,
            at: 0,
            start: 0,
            state: State::Statements,
            paren_depth: 0,
            bracket_open: false,
            got_colon: false,
            got_duration: false,
            error: None,
        }
    }

    /// The message of the error token that was returned.
    pub(crate) fn error(&self) -> &str {
        self.error.as_deref().unwrap_or_default()
    }

    /// The next token; comments and spaces are passed over.
    pub(crate) fn next(&mut self) -> Token {
        if self.error.is_some() {
            return self.token(Kind::Error);
        }
        self.skip_blank();
        self.start = self.at;
        let kind = match self.state {
            State::Statements => self.statement(),
            State::Braces => self.inside_braces(),
            State::DurationExpr => self.duration_expr(),
        };
        self.token(kind)
    }

    /// The byte ranges of errors reach to the end of the text.
    fn token(&self, kind: Kind) -> Token {
        let end = if kind == Kind::Error { self.text.len() } else { self.at };
        Token { kind, span: Span::new(self.start, end) }
    }

    fn fail(&mut self, message: impl Into<String>) -> Kind {
        self.error = Some(message.into());
        Kind::Error
    }

    /// `message` and the character, which begins at the byte before `self.at` if it is ASCII.
    fn fail_at(&mut self, message: &str, at: usize) -> Kind {
        let c = self.char_at(at).map_or('\u{fffd}', |(c, _)| c);
        self.fail(format!("{message}{}", QuotedChar(c)))
    }

    fn peek(&self) -> Option<u8> {
        self.text.get(self.at).copied()
    }

    /// The character at a byte and its length; U+FFFD for what is not UTF-8.
    fn char_at(&self, at: usize) -> Option<(char, usize)> {
        let rest = &self.text[at.min(self.text.len())..];
        let head = &rest[..rest.len().min(4)];
        let chunk = head.utf8_chunks().next()?;
        Some(match chunk.valid().chars().next() {
            Some(c) => (c, c.len_utf8()),
            None => ('\u{fffd}', 1),
        })
    }

    fn accept(&mut self, byte: u8) -> bool {
        let found = self.peek() == Some(byte);
        self.at += usize::from(found);
        found
    }

    fn skip_blank(&mut self) {
        while let Some(byte) = self.peek() {
            match byte {
                b' ' | b'\t' | b'\n' | b'\r' => self.at += 1,
                b'#' if self.state != State::DurationExpr => {
                    let rest = &self.text[self.at..];
                    let line = rest.iter().position(|byte| matches!(byte, b'\n' | b'\r'));
                    self.at += line.unwrap_or(rest.len());
                }
                _ => return,
            }
        }
    }

    fn statement(&mut self) -> Kind {
        let Some(byte) = self.peek() else {
            return if self.paren_depth != 0 {
                self.fail("unclosed left parenthesis")
            } else if self.bracket_open {
                self.fail("unclosed left bracket")
            } else {
                Kind::Eof
            };
        };
        self.at += 1;
        match byte {
            b',' => Kind::Comma,
            b'*' => Kind::Mul,
            b'/' => Kind::Div,
            b'%' => Kind::Mod,
            b'+' => Kind::Add,
            b'-' => Kind::Sub,
            b'^' => Kind::Pow,
            b'@' => Kind::At,
            b'=' if self.accept(b'=') => Kind::Eq,
            b'=' if self.peek() == Some(b'~') => {
                self.fail_at("unexpected character after '=': ", self.at)
            }
            b'=' => Kind::Assign,
            b'!' if self.accept(b'=') => Kind::Ne,
            b'!' => self.fail_after_exclamation("unexpected character after '!': "),
            b'<' if self.accept(b'=') => Kind::Le,
            b'<' if self.accept(b'/') => Kind::TrimUpper,
            b'<' => Kind::Lt,
            b'>' if self.accept(b'=') => Kind::Ge,
            b'>' if self.accept(b'/') => Kind::TrimLower,
            b'>' => Kind::Gt,
            b'0'..=b'9' => self.number_or_duration(),
            b'.' if self.peek().is_some_and(|next| next.is_ascii_digit()) => {
                self.number_or_duration()
            }
            b'"' | b'\'' => self.string(byte),
            b'`' => self.raw_string(),
            b'a'..=b'z' | b'A'..=b'Z' | b'_' | b':' if self.bracket_open => {
                self.letter_inside_brackets(byte)
            }
            b'a'..=b'z' | b'A'..=b'Z' | b'_' | b':' => self.word(),
            b'(' => {
                self.paren_depth += 1;
                Kind::LeftParen
            }
            b')' => self.right_paren(),
            b'{' => {
                self.state = State::Braces;
                Kind::LeftBrace
            }
            b'[' if self.bracket_open => self.fail_at("unexpected left bracket ", self.start),
            b'[' => {
                self.got_colon = false;
                self.bracket_open = true;
                self.state = State::DurationExpr;
                Kind::LeftBracket
            }
            b']' if !self.bracket_open => self.fail_at("unexpected right bracket ", self.start),
            b']' => {
                self.bracket_open = false;
                Kind::RightBracket
            }
            _ => self.fail_at("unexpected character: ", self.start),
        }
    }

    /// The end of the text after `!` is shown as Go shows a missing character.
    fn fail_after_exclamation(&mut self, message: &str) -> Kind {
        if self.at >= self.text.len() {
            return self.fail(format!("{message}'\u{fffd}'"));
        }
        self.fail_at(message, self.at)
    }

    /// Prometheus reports the surplus parenthesis one byte late.
    fn right_paren(&mut self) -> Kind {
        if self.paren_depth == 0 {
            self.start = self.at;
            return self.fail("unexpected right parenthesis ')'");
        }
        self.paren_depth -= 1;
        Kind::RightParen
    }

    /// Inside brackets, after the first number.
    fn letter_inside_brackets(&mut self, byte: u8) -> Kind {
        match byte {
            b':' if self.got_colon => return self.fail("unexpected colon ':'"),
            b':' => {
                self.got_colon = true;
                return Kind::Colon;
            }
            b's' | b'S' | b'm' | b'M' | b'r' | b'R' => {
                if let Some(kind) = self.duration_keyword() {
                    return kind;
                }
            }
            _ => {}
        }
        self.fail(format!("unexpected character: {}, expected ':'", QuotedChar(byte as char)))
    }

    /// `step`, `range`, `max_of`, `min_of`.
    fn duration_keyword(&mut self) -> Option<Kind> {
        let word = self.text[self.start..]
            .iter()
            .take_while(|byte| byte.is_ascii_alphabetic() || **byte == b'_')
            .count();
        self.at = self.start + word;
        let kind = keyword(&self.text[self.start..self.at])?;
        let legal = matches!(kind, Kind::Step | Kind::Range | Kind::MaxOf | Kind::MinOf);
        legal.then_some(kind)
    }

    fn word(&mut self) -> Kind {
        let is_word = |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b':');
        self.at += self.text[self.at..].iter().take_while(|byte| is_word(byte)).count();
        let word = &self.text[self.start..self.at];
        match keyword(word) {
            Some(Kind::Fill | Kind::FillLeft | Kind::FillRight)
                if !self.is_followed_by_left_paren() =>
            {
                Kind::Identifier
            }
            Some(kind) => kind,
            None if word.contains(&b':') => Kind::MetricIdentifier,
            None => Kind::Identifier,
        }
    }

    fn is_followed_by_left_paren(&self) -> bool {
        let rest = self.text[self.at..].iter();
        rest.copied().find(|byte| !matches!(byte, b' ' | b'\t' | b'\n' | b'\r')) == Some(b'(')
    }

    fn inside_braces(&mut self) -> Kind {
        let Some(byte) = self.peek() else {
            return self.fail("unexpected end of input inside braces");
        };
        self.at += 1;
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'_' => {
                let is_word = |byte: &u8| byte.is_ascii_alphanumeric() || *byte == b'_';
                self.at += self.text[self.at..].iter().take_while(|byte| is_word(byte)).count();
                Kind::Identifier
            }
            b',' => Kind::Comma,
            b'"' | b'\'' => self.string(byte),
            b'`' => self.raw_string(),
            b'=' if self.accept(b'~') => Kind::EqRegex,
            b'=' => Kind::Assign,
            b'!' if self.accept(b'~') => Kind::NeRegex,
            b'!' if self.accept(b'=') => Kind::Ne,
            b'!' => self.fail_after_exclamation("unexpected character after '!' inside braces: "),
            b'{' => self.fail_at("unexpected left brace ", self.start),
            b'}' => {
                self.state = State::Statements;
                Kind::RightBrace
            }
            _ => self.fail_at("unexpected character inside braces: ", self.start),
        }
    }

    fn duration_expr(&mut self) -> Kind {
        let Some(byte) = self.peek() else {
            return self.fail("unexpected end of input in duration expression");
        };
        self.at += 1;
        match byte {
            b']' => {
                self.bracket_open = false;
                self.state = State::Statements;
                Kind::RightBracket
            }
            b':' if !self.got_duration => {
                self.start = self.at;
                self.fail("unexpected colon before duration in duration expression")
            }
            b':' if self.got_colon => {
                self.start = self.at;
                self.fail("unexpected repeated colon in duration expression")
            }
            b':' => {
                self.got_colon = true;
                Kind::Colon
            }
            b'(' => {
                self.paren_depth += 1;
                Kind::LeftParen
            }
            b')' => self.right_paren(),
            b'+' => Kind::Add,
            b'-' => Kind::Sub,
            b'*' => Kind::Mul,
            b'/' => Kind::Div,
            b'%' => Kind::Mod,
            b'^' => Kind::Pow,
            b',' => Kind::Comma,
            b's' | b'S' | b'm' | b'M' | b'r' | b'R' => {
                if let Some(kind) = self.duration_keyword() {
                    return kind;
                }
                self.fail_at("unexpected character in duration expression: ", self.start)
            }
            byte if byte.is_ascii_digit()
                || (byte == b'.' && self.peek().is_some_and(|next| next.is_ascii_digit())) =>
            {
                self.got_duration = true;
                self.state = State::Statements;
                self.number_or_duration()
            }
            _ => self.fail_at("unexpected character in duration expression: ", self.start),
        }
    }
}
