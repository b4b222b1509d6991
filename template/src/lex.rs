//! Text of a template to tokens. Every token knows its place and line; what cannot be read ends the list as an error.

use model::quote::{Quoted, is_printable};
use std::fmt;

/// What a token is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Error,
    Eof,
    Text,
    LeftDelim,
    RightDelim,
    Space,
    Bool,
    /// A character that means something in some places only, such as a comma.
    Char,
    CharConstant,
    Complex,
    Number,
    Quoted,
    RawQuoted,
    Assign,
    Declare,
    Pipe,
    LeftParen,
    RightParen,
    Field,
    Identifier,
    Variable,
    Block,
    Break,
    Continue,
    Define,
    Dot,
    Else,
    End,
    If,
    Nil,
    Range,
    Template,
    With,
}

impl Kind {
    fn is_keyword(self) -> bool {
        matches!(
            self,
            Self::Block
                | Self::Break
                | Self::Continue
                | Self::Define
                | Self::Dot
                | Self::Else
                | Self::End
                | Self::If
                | Self::Nil
                | Self::Range
                | Self::Template
                | Self::With
        )
    }
}

/// Words that are no functions.
const KEYWORDS: &[(&str, Kind)] = &[
    ("block", Kind::Block),
    ("break", Kind::Break),
    ("continue", Kind::Continue),
    ("define", Kind::Define),
    ("else", Kind::Else),
    ("end", Kind::End),
    ("if", Kind::If),
    ("nil", Kind::Nil),
    ("range", Kind::Range),
    ("template", Kind::Template),
    ("with", Kind::With),
];

/// A piece of a template.
#[derive(Clone, Debug)]
pub(crate) struct Token {
    pub(crate) kind: Kind,
    /// The byte where it begins.
    pub(crate) pos: usize,
    /// Its text; for an error what is wrong.
    pub(crate) text: String,
    /// The line where it begins.
    pub(crate) line: usize,
}

impl fmt::Display for Token {
    /// As error texts cite it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.kind {
            Kind::Eof => f.write_str("EOF"),
            Kind::Error => f.write_str(&self.text),
            kind if kind.is_keyword() => write!(f, "<{}>", self.text),
            _ if self.text.len() > 10 => {
                let begin: String = self.text.chars().take(10).collect();
                write!(f, "{}...", Quoted(&begin))
            }
            _ => write!(f, "{}", Quoted(&self.text)),
        }
    }
}

const LEFT: &str = "{{";
const RIGHT: &str = "}}";

/// What a trim marker removes.
const SPACES: [char; 4] = [' ', '\t', '\r', '\n'];

fn is_space(c: char) -> bool {
    SPACES.contains(&c)
}

/// Whether `c` may be part of a name.
fn is_word(c: char) -> bool {
    c == '_' || c.is_alphanumeric()
}

/// The tokens of a text: the last one is the end or an error.
pub(crate) fn lex(text: &str) -> Vec<Token> {
    let mut lexer = Lexer { text, pos: 0, start: 0, line: 1, counted: 0, tokens: Vec::new() };
    if let Err(what) = lexer.all() {
        lexer.push(Kind::Error, what);
    }
    lexer.tokens
}

/// What ends the reading: the reason.
type Lexed = Result<(), String>;

struct Lexer<'a> {
    text: &'a str,
    pos: usize,
    /// Where the token under way begins.
    start: usize,
    /// The line of the byte at `counted`.
    line: usize,
    counted: usize,
    tokens: Vec<Token>,
}

impl Lexer<'_> {
    fn rest(&self) -> &str {
        &self.text[self.pos..]
    }

    fn peek(&self) -> Option<char> {
        self.rest().chars().next()
    }

    fn next(&mut self) -> Option<char> {
        let c = self.peek()?;
        self.pos += c.len_utf8();
        Some(c)
    }

    fn push(&mut self, kind: Kind, text: String) {
        self.line += self.text[self.counted..self.start].matches('\n').count();
        self.counted = self.start;
        self.tokens.push(Token { kind, pos: self.start, text, line: self.line });
    }

    fn emit(&mut self, kind: Kind) {
        let text = self.text[self.start..self.pos].to_owned();
        self.push(kind, text);
        self.start = self.pos;
    }

    fn ignore(&mut self) {
        self.start = self.pos;
    }

    fn accept(&mut self, valid: &str) -> bool {
        let accepted = self.peek().is_some_and(|c| valid.contains(c));
        if accepted {
            self.pos += 1;
        }
        accepted
    }

    fn accept_run(&mut self, valid: &str) {
        while self.accept(valid) {}
    }

    /// All of the text.
    fn all(&mut self) -> Lexed {
        loop {
            let Some(len) = self.rest().find(LEFT) else {
                self.pos = self.text.len();
                if self.pos > self.start {
                    self.emit(Kind::Text);
                }
                self.emit(Kind::Eof);
                return Ok(());
            };
            let delim = self.pos + len;
            let inside = &self.text[delim + LEFT.len()..];
            let mut after = inside.chars();
            let trims = after.next() == Some('-') && after.next().is_some_and(is_space);
            let shown = &self.text[self.pos..delim];
            self.pos += if trims { shown.trim_end_matches(SPACES).len() } else { len };
            if self.pos > self.start {
                self.emit(Kind::Text);
            }
            let marker = if trims { 2 } else { 0 };
            self.pos = delim;
            self.ignore();
            if inside[marker..].starts_with("/*") {
                self.pos += LEFT.len() + marker;
                self.ignore();
                self.comment()?;
            } else {
                self.pos += LEFT.len();
                self.emit(Kind::LeftDelim);
                self.pos += marker;
                self.ignore();
                self.action()?;
            }
        }
    }

    /// Whether a closing delimiter is next, and whether it trims.
    fn at_right_delim(&self) -> (bool, bool) {
        let rest = self.rest();
        let mut chars = rest.chars();
        if chars.next().is_some_and(is_space) && chars.as_str().starts_with("-}}") {
            return (true, true);
        }
        (rest.starts_with(RIGHT), false)
    }

    fn right_delim(&mut self, trims: bool) {
        self.pos += if trims { 2 } else { 0 };
        self.ignore();
        self.pos += RIGHT.len();
        self.emit(Kind::RightDelim);
        self.trim(trims);
    }

    fn trim(&mut self, trims: bool) {
        if trims {
            self.pos = self.text.len() - self.rest().trim_start_matches(SPACES).len();
        }
        self.ignore();
    }

    fn comment(&mut self) -> Lexed {
        let end = self.rest().find("*/").ok_or("unclosed comment")?;
        self.pos += end + 2;
        let (ends, trims) = self.at_right_delim();
        if !ends {
            return Err("comment ends before closing delimiter".to_owned());
        }
        self.pos += RIGHT.len() + if trims { 2 } else { 0 };
        self.trim(trims);
        Ok(())
    }

    /// What is between delimiters, the closing one included.
    fn action(&mut self) -> Lexed {
        let mut depth = 0u32;
        loop {
            let (ends, trims) = self.at_right_delim();
            if ends && depth == 0 {
                self.right_delim(trims);
                return Ok(());
            }
            if ends {
                return Err("unclosed left paren".to_owned());
            }
            match self.next().ok_or("unclosed action")? {
                c if is_space(c) => {
                    while self.peek().is_some_and(is_space)
                        && self.at_right_delim() == (false, false)
                    {
                        self.pos += 1;
                    }
                    self.emit(Kind::Space);
                }
                '=' => self.emit(Kind::Assign),
                ':' if self.accept("=") => self.emit(Kind::Declare),
                ':' => return Err("expected :=".to_owned()),
                '|' => self.emit(Kind::Pipe),
                '"' => self.quoted('"', "unterminated quoted string", Kind::Quoted)?,
                '\'' => self.quoted('\'', "unterminated character constant", Kind::CharConstant)?,
                '`' => {
                    let len = self.rest().find('`').ok_or("unterminated raw quoted string")?;
                    self.pos += len + 1;
                    self.emit(Kind::RawQuoted);
                }
                '$' => self.field(Kind::Variable)?,
                '.' if !self.peek().is_some_and(|c| c.is_ascii_digit())
                    && self.peek().is_some() =>
                {
                    self.field(Kind::Field)?;
                }
                '.' | '+' | '-' | '0'..='9' => {
                    self.pos -= 1;
                    self.number()?;
                }
                c if is_word(c) => self.word()?,
                '(' => {
                    depth += 1;
                    self.emit(Kind::LeftParen);
                }
                ')' => {
                    depth = depth.checked_sub(1).ok_or("unexpected right paren")?;
                    self.emit(Kind::RightParen);
                }
                ' '..='~' => self.emit(Kind::Char),
                c => return Err(format!("unrecognized character in action: {}", code_point(c))),
            }
        }
    }

    fn quoted(&mut self, end: char, unfinished: &str, kind: Kind) -> Lexed {
        loop {
            match self.next() {
                Some('\\') if self.peek().is_some_and(|c| c != '\n') => {
                    self.next();
                }
                None | Some('\n' | '\\') => return Err(unfinished.to_owned()),
                Some(c) if c == end => break,
                Some(_) => {}
            }
        }
        self.emit(kind);
        Ok(())
    }

    /// Whether what follows may come after a name.
    fn at_terminator(&self) -> bool {
        match self.peek() {
            None | Some('.' | ',' | '|' | ':' | ')' | '(') => true,
            Some(c) => is_space(c) || self.rest().starts_with(RIGHT),
        }
    }

    fn name(&mut self) -> Lexed {
        while self.peek().is_some_and(is_word) {
            self.next();
        }
        match self.peek() {
            Some(c) if !self.at_terminator() => Err(format!("bad character {}", code_point(c))),
            _ => Ok(()),
        }
    }

    /// `.name` or `$name`, of which the first character has been read.
    fn field(&mut self, kind: Kind) -> Lexed {
        let is_alone = self.at_terminator();
        if !is_alone {
            self.name()?;
        }
        self.emit(if is_alone && kind == Kind::Field { Kind::Dot } else { kind });
        Ok(())
    }

    fn word(&mut self) -> Lexed {
        self.name()?;
        let word = &self.text[self.start..self.pos];
        let keyword = KEYWORDS.iter().find(|(name, _)| *name == word);
        let kind = match (keyword, word) {
            (Some((_, kind)), _) => *kind,
            (None, "true" | "false") => Kind::Bool,
            (None, _) => Kind::Identifier,
        };
        self.emit(kind);
        Ok(())
    }

    fn number(&mut self) -> Lexed {
        let mut is_good = self.scan_number();
        let mut kind = Kind::Number;
        if is_good && matches!(self.peek(), Some('+' | '-')) {
            // Real and imaginary part, without a space.
            kind = Kind::Complex;
            is_good = self.scan_number() && self.text[..self.pos].ends_with('i');
        }
        if !is_good {
            let text = &self.text[self.start..self.pos];
            return Err(format!("bad number syntax: {}", Quoted(text)));
        }
        self.emit(kind);
        Ok(())
    }

    fn scan_number(&mut self) -> bool {
        self.accept("+-");
        let mut digits = "0123456789_";
        if self.accept("0") {
            if self.accept("xX") {
                digits = "0123456789abcdefABCDEF_";
            } else if self.accept("oO") {
                digits = "01234567_";
            } else if self.accept("bB") {
                digits = "01_";
            }
        }
        self.accept_run(digits);
        if self.accept(".") {
            self.accept_run(digits);
        }
        let exponent = match digits.len() {
            11 => "eE",
            23 => "pP",
            _ => "",
        };
        if self.accept(exponent) {
            self.accept("+-");
            self.accept_run("0123456789_");
        }
        self.accept("i");
        if self.peek().is_some_and(is_word) {
            self.next();
            return false;
        }
        true
    }
}

/// `U+005B '['`.
fn code_point(c: char) -> String {
    let number = format!("U+{:04X}", c as u32);
    if is_printable(c) { format!("{number} '{c}'") } else { number }
}
