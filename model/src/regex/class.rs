//! Character classes by Go's rules: `[a-z]`, `\d`, `[:alpha:]`, `\pL`.

use super::RegexError;
use super::parse::{Parser, syntax_error};
use regex_syntax::hir::{Class, ClassUnicode, ClassUnicodeRange, HirKind};

pub(super) const INVALID_RANGE: &str = "invalid character class range";

/// The class of these ranges, folded if letters of either case are meant.
pub(super) fn ranges(pairs: &[(char, char)], fold: bool) -> ClassUnicode {
    let mut class = ClassUnicode::new(pairs.iter().map(|&(lo, hi)| ClassUnicodeRange::new(lo, hi)));
    if fold {
        class.case_fold_simple();
    }
    class
}

const DIGIT: &[(char, char)] = &[('0', '9')];
const SPACE: &[(char, char)] = &[('\t', '\n'), ('\x0c', '\r'), (' ', ' ')];
const WORD: &[(char, char)] = &[('0', '9'), ('A', 'Z'), ('_', '_'), ('a', 'z')];

fn posix(name: &str) -> Option<&'static [(char, char)]> {
    Some(match name {
        "alnum" => &[('0', '9'), ('A', 'Z'), ('a', 'z')],
        "alpha" => &[('A', 'Z'), ('a', 'z')],
        "ascii" => &[('\0', '\x7f')],
        "blank" => &[('\t', '\t'), (' ', ' ')],
        "cntrl" => &[('\0', '\x1f'), ('\x7f', '\x7f')],
        "digit" => DIGIT,
        "graph" => &[('!', '~')],
        "lower" => &[('a', 'z')],
        "print" => &[(' ', '~')],
        "punct" => &[('!', '/'), (':', '@'), ('[', '`'), ('{', '~')],
        "space" => &[('\t', '\r'), (' ', ' ')],
        "upper" => &[('A', 'Z')],
        "word" => WORD,
        "xdigit" => &[('0', '9'), ('A', 'F'), ('a', 'f')],
        _ => return None,
    })
}

/// `\d` and its kin at the front of `text`, with the bytes taken.
pub(super) fn perl(text: &str, fold: bool) -> Option<(ClassUnicode, usize)> {
    let letter = *text.as_bytes().strip_prefix(b"\\")?.first()?;
    let pairs = match letter.to_ascii_lowercase() {
        b'd' => DIGIT,
        b's' => SPACE,
        b'w' => WORD,
        _ => return None,
    };
    let mut class = ranges(pairs, fold);
    if letter.is_ascii_uppercase() {
        class.negate();
    }
    Some((class, 2))
}

/// `\pL` or `\p{Greek}` at the front of `text`, with the bytes taken.
pub(super) fn unicode(text: &str, fold: bool) -> Result<Option<(ClassUnicode, usize)>, RegexError> {
    let Some(rest) = text.strip_prefix("\\p").or_else(|| text.strip_prefix("\\P")) else {
        return Ok(None);
    };
    let Some(first) = rest.chars().next() else { return Ok(None) };
    let (name, len) = if first == '{' {
        let end = text.find('}').ok_or_else(|| syntax_error(INVALID_RANGE, text))?;
        (&text[3..end], end + 1)
    } else {
        (&rest[..first.len_utf8()], 2 + first.len_utf8())
    };
    let shown = &text[..len];
    let mut negative = text.starts_with("\\P");
    let name = match name.strip_prefix('^') {
        Some(name) => {
            negative = !negative;
            name
        }
        None => name,
    };
    let mut class = unicode_table(name).ok_or_else(|| syntax_error(INVALID_RANGE, shown))?;
    if fold {
        class.case_fold_simple();
    }
    if negative {
        class.negate();
    }
    Ok(Some((class, len)))
}

/// The characters of a general category or a script.
fn unicode_table(name: &str) -> Option<ClassUnicode> {
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | ' ');
    if name.is_empty() || !name.chars().all(plain) {
        return None;
    }
    ["gc", "sc"].into_iter().find_map(|property| {
        let hir = regex_syntax::parse(&format!("\\p{{{property}={name}}}")).ok()?;
        match hir.into_kind() {
            HirKind::Class(Class::Unicode(class)) => Some(class),
            HirKind::Literal(literal) => {
                let text = std::str::from_utf8(&literal.0).ok()?;
                let c = text.chars().next()?;
                Some(ranges(&[(c, c)], false))
            }
            _ => None,
        }
    })
}

/// `[:alpha:]` at the front of `text`, with the bytes taken.
fn named(text: &str, fold: bool) -> Result<Option<(ClassUnicode, usize)>, RegexError> {
    let Some(end) = text.strip_prefix("[:").and_then(|_| text.find(":]")) else {
        return Ok(None);
    };
    let end = end + 2;
    let inner = text[..end].get(2..end - 2).unwrap_or_default();
    let (negative, name) = match inner.strip_prefix('^') {
        Some(name) => (true, name),
        None => (false, inner),
    };
    let pairs = posix(name).ok_or_else(|| syntax_error(INVALID_RANGE, &text[..end]))?;
    let mut class = ranges(pairs, fold);
    if negative {
        class.negate();
    }
    Ok(Some((class, end)))
}

impl<'p> Parser<'p> {
    /// A class in brackets; the parser stands on the `[`.
    pub(super) fn bracket_class(&mut self) -> Result<ClassUnicode, RegexError> {
        let whole = self.rest();
        let fold = self.flags.fold_case;
        self.advance(1);
        let negative = self.eat('^');
        let mut class = ClassUnicode::empty();
        let mut first = true;
        while first || !self.rest().starts_with(']') {
            first = false;
            let text = self.rest();
            let group = match named(text, fold)? {
                Some(group) => Some(group),
                None => match unicode(text, fold)? {
                    Some(group) => Some(group),
                    None => perl(text, fold),
                },
            };
            if let Some((group, len)) = group {
                class.union(&group);
                self.advance(len);
                continue;
            }
            let lo = self.class_char(whole)?;
            let mut hi = lo;
            let after = self.rest().as_bytes();
            if after.len() >= 2 && after[0] == b'-' && after[1] != b']' {
                self.advance(1);
                hi = self.class_char(whole)?;
                if hi < lo {
                    let shown = &text[..text.len() - self.rest().len()];
                    return Err(syntax_error(INVALID_RANGE, shown));
                }
            }
            // Go allows surrogates here; no text contains them.
            if let Some(range) = scalar_range(lo, hi) {
                class.union(&ranges(&[range], fold));
            }
        }
        self.advance(1);
        if negative {
            class.negate();
        }
        Ok(class)
    }

    fn class_char(&mut self, whole: &'p str) -> Result<u32, RegexError> {
        let text = self.rest();
        match text.chars().next() {
            None => Err(syntax_error("missing closing ]", whole)),
            Some('\\') => self.escape(),
            Some(c) => {
                self.advance(c.len_utf8());
                Ok(c as u32)
            }
        }
    }
}

/// The characters between two code points, surrogates left out.
fn scalar_range(lo: u32, hi: u32) -> Option<(char, char)> {
    let up = |code| char::from_u32(code).unwrap_or('\u{e000}');
    let down = |code| char::from_u32(code).unwrap_or('\u{d7ff}');
    let (lo, hi) = (up(lo), down(hi));
    (lo <= hi).then_some((lo, hi))
}
