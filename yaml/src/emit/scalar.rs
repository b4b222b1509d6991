//! One scalar as text: plain where it cannot be taken for anything else, quoted otherwise, folded at the line width.

use super::Printer;
use crate::scalar::{Scalar, is_base60, is_timestamp, resolve};

/// Lines longer than this are folded at the next space.
pub(super) const WIDTH: usize = 80;

/// Where a scalar stands.
#[derive(Clone, Copy)]
pub(super) struct Place {
    /// Indentation of what holds it.
    pub indent: usize,
    /// Inside `[...]`.
    pub flow: bool,
    /// Left of a colon: no line breaks, no folding.
    pub key: bool,
}

/// What the characters of a text allow.
#[derive(Default)]
struct Traits {
    flow_indicator: bool,
    block_indicator: bool,
    line_break: bool,
    special: bool,
    outer_space: bool,
    trailing_space: bool,
    break_then_space: bool,
    space_then_break: bool,
}

fn is_break(c: char) -> bool {
    matches!(c, '\n' | '\r' | '\u{85}' | '\u{2028}' | '\u{2029}')
}

fn is_blank_or_break(c: char) -> bool {
    matches!(c, ' ' | '\t') || is_break(c)
}

/// What is printed as it is; the rest is escaped in double quotes.
fn is_printable(c: char) -> bool {
    matches!(c, '\n' | ' '..='~' | '\u{a0}'..='\u{d7ff}' | '\u{e000}'..='\u{fffd}')
        && c != '\u{feff}'
}

impl Traits {
    fn of(text: &str) -> Self {
        let mut traits = Self::default();
        if text.starts_with("---") || text.starts_with("...") {
            traits.block_indicator = true;
            traits.flow_indicator = true;
        }
        let chars: Vec<char> = text.chars().collect();
        let (mut spaced, mut broken) = (false, false);
        for (index, &c) in chars.iter().enumerate() {
            let first = index == 0;
            let last = index + 1 == chars.len();
            let before = first || is_blank_or_break(chars[index - 1]);
            let after = last || is_blank_or_break(chars[index + 1]);
            traits.indicators(c, first, before, after);
            traits.special |= !is_printable(c);
            traits.line_break |= is_break(c);
            if c == ' ' || is_break(c) {
                traits.outer_space |= first || last;
            }
            if c == ' ' {
                traits.trailing_space |= last;
                traits.break_then_space |= broken;
            } else if is_break(c) {
                traits.space_then_break |= spaced;
            }
            (spaced, broken) = (c == ' ', is_break(c));
        }
        traits
    }

    fn indicators(&mut self, c: char, first: bool, before: bool, after: bool) {
        match c {
            '#' | ',' | '[' | ']' | '{' | '}' | '&' | '*' | '!' | '|' | '>' | '\'' | '"' | '%'
            | '@' | '`'
                if first =>
            {
                self.flow_indicator = true;
                self.block_indicator = true;
            }
            '-' if first && after => {
                self.flow_indicator = true;
                self.block_indicator = true;
            }
            '?' | ':' if first => {
                self.flow_indicator = true;
                self.block_indicator |= after;
            }
            ',' | '?' | '[' | ']' | '{' | '}' => self.flow_indicator = true,
            ':' => {
                self.flow_indicator = true;
                self.block_indicator |= after;
            }
            '#' if before => {
                self.flow_indicator = true;
                self.block_indicator = true;
            }
            _ => {}
        }
    }

    fn plain(&self, flow: bool) -> bool {
        !(self.outer_space
            || self.break_then_space
            || self.space_then_break
            || self.special
            || self.line_break
            || if flow { self.flow_indicator } else { self.block_indicator })
    }

    fn single_quoted(&self) -> bool {
        !(self.break_then_space || self.space_then_break || self.special)
    }

    fn literal(&self) -> bool {
        !(self.trailing_space || self.space_then_break || self.special)
    }
}

impl Printer {
    /// Prints `text` in the simplest form that reads back as this text.
    pub(super) fn scalar(&mut self, text: &str, place: Place) {
        let traits = Traits::of(text);
        if text.contains('\n') {
            if traits.literal() && !place.flow && !place.key {
                self.literal(text, place.indent + 2);
            } else {
                self.double_quoted(text, place);
            }
            return;
        }
        let is_text = resolve(text) == Scalar::Text
            && text != "<<"
            && !is_base60(text)
            && !is_timestamp(text);
        if !is_text {
            self.double_quoted(text, place);
        } else if traits.plain(place.flow) {
            self.folded(text, place, false);
        } else if traits.single_quoted() {
            self.out.push('\'');
            self.folded(&text.replace('\'', "''"), place, true);
            self.out.push('\'');
        } else {
            self.double_quoted(text, place);
        }
    }

    /// Prints a text without line breaks, folded at single spaces.
    fn folded(&mut self, text: &str, place: Place, inner_only: bool) {
        let chars: Vec<char> = text.chars().collect();
        let mut spaces = false;
        for (index, &c) in chars.iter().enumerate() {
            let next_is_space = chars.get(index + 1) == Some(&' ');
            let inner = !inner_only || (index > 0 && index + 1 < chars.len());
            let fold = c == ' ' && !place.key && !spaces && inner && !next_is_space;
            if fold && self.column() > WIDTH {
                self.fresh(place.indent + 2);
            } else {
                self.out.push(c);
            }
            spaces = c == ' ';
        }
    }

    fn double_quoted(&mut self, text: &str, place: Place) {
        self.out.push('"');
        let chars: Vec<char> = text.chars().collect();
        let mut spaces = false;
        for (index, &c) in chars.iter().enumerate() {
            if c == ' ' {
                let inner = index > 0 && index + 1 < chars.len();
                if !place.key && !spaces && inner && self.column() > WIDTH {
                    self.fresh(place.indent + 2);
                    if chars[index + 1] == ' ' {
                        self.out.push('\\');
                    }
                } else {
                    self.out.push(' ');
                }
                spaces = true;
                continue;
            }
            spaces = false;
            if is_printable(c) && !is_break(c) && c != '"' && c != '\\' {
                self.out.push(c);
            } else {
                self.escaped(c);
            }
        }
        self.out.push('"');
    }

    fn escaped(&mut self, c: char) {
        let short = match c {
            '\0' => "\\0",
            '\x07' => "\\a",
            '\x08' => "\\b",
            '\t' => "\\t",
            '\n' => "\\n",
            '\x0b' => "\\v",
            '\x0c' => "\\f",
            '\r' => "\\r",
            '\x1b' => "\\e",
            '"' => "\\\"",
            '\\' => "\\\\",
            '\u{85}' => "\\N",
            '\u{a0}' => "\\_",
            '\u{2028}' => "\\L",
            '\u{2029}' => "\\P",
            _ => "",
        };
        if !short.is_empty() {
            self.out.push_str(short);
            return;
        }
        let code = u32::from(c);
        let (letter, digits) = match code {
            0..=0xff => ('x', 2),
            0x100..=0xffff => ('u', 4),
            _ => ('U', 8),
        };
        self.out.push('\\');
        self.out.push(letter);
        for place in (0..digits).rev() {
            let digit = char::from_digit((code >> (4 * place)) & 0xf, 16).expect("four bits");
            self.out.push(digit.to_ascii_uppercase());
        }
    }

    fn literal(&mut self, text: &str, indent: usize) {
        self.out.push('|');
        if text.starts_with([' ', '\n']) {
            self.out.push('2');
        }
        let body = text.strip_suffix('\n');
        match body {
            None => self.out.push('-'),
            Some(body) if body.is_empty() || body.ends_with('\n') => self.out.push('+'),
            Some(_) => {}
        }
        for line in body.unwrap_or(text).split('\n') {
            self.newline();
            if !line.is_empty() {
                self.indent(indent);
                self.out.push_str(line);
            }
        }
    }
}
