//! Go's pattern syntax (`regexp/syntax` with its Perl flags) to the HIR of `regex_syntax`. The order of the checks is
//! Go's, so that the first error is the one Go reports.

use super::RegexError;
use super::class;
use regex_syntax::hir::{Capture, Class, ClassUnicode, Hir, HirKind, Look, Repetition};

/// Groups deeper than this are refused, as Go does.
const MAX_DEPTH: usize = 1000;
/// Go's bound on repetition counts, also on the product of nested ones.
const MAX_REPEAT: u32 = 1000;

/// A parsed pattern.
#[derive(Debug)]
pub(super) struct Parsed {
    pub(super) hir: Hir,
    pub(super) names: Vec<Option<Box<str>>>,
}

pub(super) fn syntax_error(what: &'static str, piece: &str) -> RegexError {
    RegexError::Syntax(what, piece.into())
}

/// Parses a pattern; `dot_all` makes `.` match newlines from the start.
pub(super) fn parse(pattern: &str, dot_all: bool) -> Result<Parsed, RegexError> {
    let flags = Flags { dot_all, ..Flags::default() };
    let mut parser = Parser { pattern, at: 0, flags, names: vec![None] };
    let hir = parser.alternation(0)?;
    if !parser.rest().is_empty() {
        return Err(syntax_error("unexpected )", pattern));
    }
    Ok(Parsed { hir, names: parser.names })
}

#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Flags {
    pub(super) fold_case: bool,
    multi_line: bool,
    dot_all: bool,
    swap_greed: bool,
}

#[derive(Debug)]
pub(super) struct Parser<'p> {
    pattern: &'p str,
    at: usize,
    pub(super) flags: Flags,
    names: Vec<Option<Box<str>>>,
}

impl<'p> Parser<'p> {
    pub(super) fn rest(&self) -> &'p str {
        &self.pattern[self.at..]
    }

    pub(super) fn advance(&mut self, bytes: usize) {
        self.at += bytes;
    }

    pub(super) fn eat(&mut self, c: char) -> bool {
        let found = self.rest().starts_with(c);
        if found {
            self.at += c.len_utf8();
        }
        found
    }

    /// Alternatives up to the end or a closing parenthesis, which is not taken.
    fn alternation(&mut self, depth: usize) -> Result<Hir, RegexError> {
        if depth > MAX_DEPTH {
            return Err(syntax_error("expression nests too deeply", self.pattern));
        }
        let mut alternatives = Vec::new();
        loop {
            alternatives.push(self.concatenation(depth)?);
            if !self.eat('|') {
                return Ok(Hir::alternation(alternatives));
            }
        }
    }

    fn concatenation(&mut self, depth: usize) -> Result<Hir, RegexError> {
        let mut items: Vec<Hir> = Vec::new();
        // Where the repetition operator just before stands: two in a row are an error.
        let mut last_repeat = None;
        while let Some(c) = self.rest().chars().next() {
            let before = self.at;
            let mut repeat = None;
            match c {
                '|' | ')' => break,
                '(' => self.group(depth, &mut items)?,
                '*' | '+' | '?' => {
                    self.at += 1;
                    let (min, max) = match c {
                        '*' => (0, None),
                        '+' => (1, None),
                        _ => (0, Some(1)),
                    };
                    self.repeat(min, max, before, last_repeat, &mut items)?;
                    repeat = Some(before);
                }
                '{' => match self.counts() {
                    None => {
                        self.at += 1;
                        items.push(self.literal('{' as u32));
                    }
                    Some((min, max)) => {
                        let bad = min > MAX_REPEAT
                            || max.is_some_and(|max| max > MAX_REPEAT || min > max);
                        if bad {
                            let piece = &self.pattern[before..self.at];
                            return Err(syntax_error("invalid repeat count", piece));
                        }
                        self.repeat(min, max, before, last_repeat, &mut items)?;
                        repeat = Some(before);
                    }
                },
                _ => self.atom(c, &mut items)?,
            }
            last_repeat = repeat;
        }
        Ok(Hir::concat(items))
    }

    fn atom(&mut self, c: char, items: &mut Vec<Hir>) -> Result<(), RegexError> {
        let item = match c {
            '^' if self.flags.multi_line => Hir::look(Look::StartLF),
            '^' => Hir::look(Look::Start),
            '$' if self.flags.multi_line => Hir::look(Look::EndLF),
            '$' => Hir::look(Look::End),
            '.' if self.flags.dot_all => class_hir(class::ranges(&[('\0', char::MAX)], false)),
            '.' => class_hir(class::ranges(&[('\0', '\t'), ('\x0b', char::MAX)], false)),
            '[' => {
                let class = self.bracket_class()?;
                items.push(class_hir(class));
                return Ok(());
            }
            '\\' => return self.backslash(items),
            c => self.literal(c as u32),
        };
        self.at += c.len_utf8();
        items.push(item);
        Ok(())
    }

    fn backslash(&mut self, items: &mut Vec<Hir>) -> Result<(), RegexError> {
        let text = self.rest();
        let look = match text.as_bytes().get(1) {
            Some(b'A') => Some(Look::Start),
            Some(b'z') => Some(Look::End),
            Some(b'b') => Some(Look::WordAscii),
            Some(b'B') => Some(Look::WordAsciiNegate),
            Some(b'C') => return Err(syntax_error("invalid escape sequence", &text[..2])),
            Some(b'Q') => {
                let body = &text[2..];
                let (literal, len) = match body.split_once("\\E") {
                    Some((literal, _)) => (literal, literal.len() + 4),
                    None => (body, text.len()),
                };
                for c in literal.chars() {
                    let item = self.literal(c as u32);
                    items.push(item);
                }
                self.at += len;
                return Ok(());
            }
            _ => None,
        };
        if let Some(look) = look {
            self.at += 2;
            items.push(Hir::look(look));
            return Ok(());
        }
        let fold = self.flags.fold_case;
        let group = match class::unicode(text, fold)? {
            Some(group) => Some(group),
            None => class::perl(text, fold),
        };
        if let Some((group, len)) = group {
            self.at += len;
            items.push(class_hir(group));
            return Ok(());
        }
        let code = self.escape()?;
        let item = self.literal(code);
        items.push(item);
        Ok(())
    }

    /// One character, or its two cases.
    fn literal(&self, code: u32) -> Hir {
        let Some(c) = char::from_u32(code) else { return Hir::fail() };
        if self.flags.fold_case {
            return class_hir(class::ranges(&[(c, c)], true));
        }
        Hir::literal(c.encode_utf8(&mut [0; 4]).as_bytes())
    }

    /// The code point of an escape sequence; the parser stands on the backslash.
    pub(super) fn escape(&mut self) -> Result<u32, RegexError> {
        let text = self.rest();
        let mut chars = text[1..].chars();
        let Some(c) = chars.next() else {
            return Err(syntax_error("trailing backslash at end of expression", ""));
        };
        let code = match c {
            '0'..='7' => octal(c, &mut chars),
            'x' => hexadecimal(&mut chars),
            'a' => Some(7),
            'f' => Some(0x0c),
            'n' => Some(0x0a),
            'r' => Some(0x0d),
            't' => Some(0x09),
            'v' => Some(0x0b),
            c if c.is_ascii() && !c.is_ascii_alphanumeric() => Some(c as u32),
            _ => None,
        };
        let taken = text.len() - chars.as_str().len();
        self.at += taken;
        code.ok_or_else(|| syntax_error("invalid escape sequence", &text[..taken]))
    }

    fn group(&mut self, depth: usize, items: &mut Vec<Hir>) -> Result<(), RegexError> {
        let outer = self.flags;
        let mut index = None;
        if self.rest().starts_with("(?") {
            match self.group_head()? {
                GroupHead::FlagsOnly => return Ok(()),
                GroupHead::Plain => {}
                GroupHead::Named(name) => {
                    index = Some(self.names.len());
                    self.names.push(Some(name));
                }
            }
        } else {
            self.at += 1;
            index = Some(self.names.len());
            self.names.push(None);
        }
        let sub = self.alternation(depth + 1)?;
        if !self.eat(')') {
            return Err(syntax_error("missing closing )", self.pattern));
        }
        self.flags = outer;
        items.push(match index {
            None => sub,
            Some(index) => Hir::capture(Capture {
                index: u32::try_from(index).expect("fewer groups than bytes"),
                name: None,
                sub: Box::new(sub),
            }),
        });
        Ok(())
    }

    /// What follows `(?`: a name, flags, or flags for the rest of the enclosing group.
    fn group_head(&mut self) -> Result<GroupHead, RegexError> {
        let text = self.rest();
        let name = if text.len() > 4 && text.starts_with("(?P<") {
            Some(4)
        } else if text.len() > 3 && text.starts_with("(?<") {
            Some(3)
        } else {
            None
        };
        if let Some(begin) = name {
            let invalid = "invalid named capture";
            let end = text.find('>').ok_or_else(|| syntax_error(invalid, text))?;
            let name = &text[begin..end];
            let word = |byte: u8| byte == b'_' || byte.is_ascii_alphanumeric();
            if name.is_empty() || !name.bytes().all(word) {
                return Err(syntax_error(invalid, &text[..=end]));
            }
            self.at += end + 1;
            return Ok(GroupHead::Named(name.into()));
        }
        let (mut flags, mut on, mut saw_flag) = (self.flags, true, false);
        let mut end = 2;
        for c in text[2..].chars() {
            end += c.len_utf8();
            match c {
                'i' => flags.fold_case = on,
                'm' => flags.multi_line = on,
                's' => flags.dot_all = on,
                'U' => flags.swap_greed = on,
                '-' if on => {
                    (on, saw_flag) = (false, false);
                    continue;
                }
                ':' | ')' if on || saw_flag => {
                    self.at += end;
                    self.flags = flags;
                    let plain = c == ':';
                    return Ok(if plain { GroupHead::Plain } else { GroupHead::FlagsOnly });
                }
                _ => break,
            }
            saw_flag = true;
        }
        Err(syntax_error("invalid or unsupported Perl syntax", &text[..end]))
    }

    /// `{2}`, `{2,}`, `{2,5}`; `None`, taking nothing, if it is none of them. Counts too large to read are huge.
    fn counts(&mut self) -> Option<(u32, Option<u32>)> {
        let begin = self.at;
        let counts = self.counts_or_rubbish();
        if counts.is_none() {
            self.at = begin;
        }
        counts
    }

    fn counts_or_rubbish(&mut self) -> Option<(u32, Option<u32>)> {
        self.at += 1;
        let min = self.count()?;
        let max = if !self.eat(',') {
            Some(min)
        } else if self.rest().starts_with('}') {
            None
        } else {
            Some(self.count()?)
        };
        self.eat('}').then_some((min, max))
    }

    fn count(&mut self) -> Option<u32> {
        let text = self.rest();
        let len = text.bytes().take_while(u8::is_ascii_digit).count();
        if len == 0 || (len > 1 && text.starts_with('0')) {
            return None;
        }
        self.at += len;
        Some(text[..len].parse().unwrap_or(u32::MAX))
    }

    /// Applies a repetition operator, which stands from `before` up to here, to the last item.
    fn repeat(
        &mut self,
        min: u32,
        max: Option<u32>,
        before: usize,
        last_repeat: Option<usize>,
        items: &mut Vec<Hir>,
    ) -> Result<(), RegexError> {
        let lazy = self.eat('?');
        if let Some(last) = last_repeat {
            let piece = &self.pattern[last..self.at];
            return Err(syntax_error("invalid nested repetition operator", piece));
        }
        let piece = &self.pattern[before..self.at];
        let Some(sub) = items.pop() else {
            return Err(syntax_error("missing argument to repetition operator", piece));
        };
        let greedy = lazy == self.flags.swap_greed;
        let hir = Hir::repetition(Repetition { min, max, greedy, sub: Box::new(sub) });
        let large = min >= 2 || max.is_some_and(|max| max >= 2);
        if large && !repeats_fit(&hir, MAX_REPEAT) {
            return Err(syntax_error("invalid repeat count", piece));
        }
        items.push(hir);
        Ok(())
    }
}

enum GroupHead {
    Named(Box<str>),
    Plain,
    FlagsOnly,
}

fn class_hir(class: ClassUnicode) -> Hir {
    Hir::class(Class::Unicode(class))
}

/// Whether nested repetition counts multiply to at most `budget` along every path.
fn repeats_fit(hir: &Hir, budget: u32) -> bool {
    match hir.kind() {
        HirKind::Repetition(repetition) => {
            let count = repetition.max.unwrap_or(repetition.min);
            if repetition.max == Some(0) {
                return true;
            }
            count <= budget && repeats_fit(&repetition.sub, budget / count.max(1))
        }
        HirKind::Capture(capture) => repeats_fit(&capture.sub, budget),
        HirKind::Concat(parts) | HirKind::Alternation(parts) => {
            parts.iter().all(|part| repeats_fit(part, budget))
        }
        _ => true,
    }
}

/// Up to three octal digits; a lone digit other than zero would be a back reference.
fn octal(first: char, chars: &mut std::str::Chars<'_>) -> Option<u32> {
    let mut code = first.to_digit(8)?;
    let mut len = 1;
    while len < 3
        && let Some(digit) = chars.as_str().chars().next().and_then(|c| c.to_digit(8))
    {
        chars.next();
        code = code * 8 + digit;
        len += 1;
    }
    (first == '0' || len > 1).then_some(code)
}

/// `{1F600}` or two hexadecimal digits.
fn hexadecimal(chars: &mut std::str::Chars<'_>) -> Option<u32> {
    let first = chars.next()?;
    if first != '{' {
        let second = chars.next()?;
        return Some(first.to_digit(16)? * 16 + second.to_digit(16)?);
    }
    let (mut code, mut any) = (0u32, false);
    loop {
        let c = chars.next()?;
        if c == '}' {
            return any.then_some(code);
        }
        code = code * 16 + c.to_digit(16)?;
        if code > char::MAX as u32 {
            return None;
        }
        any = true;
    }
}
