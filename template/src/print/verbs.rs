//! The language of `printf`: flags, width, precision, argument numbers, and what it says where an argument is wrong.

use super::{Flags, Printer};
use crate::value::Value;

/// The largest width or precision.
const MAX_NUMBER: usize = 1_000_000;

/// Values by a format.
pub(crate) fn sprintf(format: &str, values: &[Value]) -> Result<String, String> {
    let printer = Printer::default();
    let mut run = Run {
        printer,
        rest: format,
        values,
        next: 0,
        reordered: false,
        good: true,
        indexed: false,
    };
    run.all();
    run.printer.finish()
}

struct Run<'a> {
    printer: Printer,
    rest: &'a str,
    values: &'a [Value],
    /// The argument of the next verb.
    next: usize,
    /// Some argument was chosen by its number.
    reordered: bool,
    /// The numbers of this verb make sense.
    good: bool,
    /// A number of an argument was just read.
    indexed: bool,
}

impl Run<'_> {
    fn all(&mut self) {
        while let Some((text, after)) = self.rest.split_once('%') {
            self.printer.push(text);
            self.rest = after;
            self.verb();
        }
        self.printer.push(self.rest);
        if !self.reordered && self.next < self.values.len() {
            self.extra();
        }
    }

    /// What follows a `%`.
    fn verb(&mut self) {
        self.printer.flags = Flags::default();
        (self.good, self.indexed) = (true, false);
        self.flags();
        self.index();
        self.width();
        self.precision();
        if !self.indexed {
            self.index();
        }
        let mut chars = self.rest.chars();
        let Some(verb) = chars.next() else {
            return self.printer.push("%!(NOVERB)");
        };
        self.rest = chars.as_str();
        let complaint = match self.values.get(self.next) {
            _ if verb == '%' => return self.printer.push("%"),
            _ if !self.good => "(BADINDEX)",
            None => "(MISSING)",
            Some(value) => {
                self.next += 1;
                let flags = &mut self.printer.flags;
                if verb == 'v' {
                    (flags.syntax, flags.sharp) = (flags.sharp, false);
                    (flags.names, flags.plus) = (flags.plus, false);
                }
                return self.printer.value(value, verb, 0);
            }
        };
        self.printer.push("%!");
        self.printer.push(verb.encode_utf8(&mut [0; 4]));
        self.printer.push(complaint);
    }

    fn flags(&mut self) {
        let flags = &mut self.printer.flags;
        while let Some(c) = self.rest.chars().next() {
            match c {
                '#' => flags.sharp = true,
                '0' => flags.zero = !flags.minus,
                '+' => flags.plus = true,
                '-' => (flags.minus, flags.zero) = (true, false),
                ' ' => flags.space = true,
                _ => return,
            }
            self.rest = &self.rest[1..];
        }
    }

    /// `[2]`: the number of an argument.
    fn index(&mut self) {
        self.indexed = false;
        let Some(inner) = self.rest.strip_prefix('[') else { return };
        self.reordered = true;
        let Some((number, after)) = inner.split_once(']') else {
            self.good = false;
            self.rest = inner;
            return;
        };
        self.rest = after;
        match number.parse::<usize>().ok().and_then(|number| number.checked_sub(1)) {
            Some(index) if index < self.values.len() && !number.starts_with('+') => {
                (self.next, self.indexed) = (index, true);
            }
            _ => self.good = false,
        }
    }

    /// Digits; too large a number is none, and the end of the format.
    fn number(&mut self) -> Option<usize> {
        let digits = self.rest.bytes().take_while(u8::is_ascii_digit).count();
        let (number, after) = self.rest.split_at(digits);
        let number = number.parse::<usize>().ok()?;
        self.rest = if number > MAX_NUMBER { "" } else { after };
        (number <= MAX_NUMBER).then_some(number)
    }

    /// The argument that a `*` stands for.
    fn star(&mut self) -> Option<i64> {
        self.indexed = false;
        let value = self.values.get(self.next)?;
        self.next += 1;
        match value {
            Value::Int(number) if number.unsigned_abs() <= MAX_NUMBER as u64 => Some(*number),
            _ => None,
        }
    }

    fn width(&mut self) {
        let Some(after) = self.rest.strip_prefix('*') else {
            self.printer.flags.width = self.number();
            if self.indexed && self.printer.flags.width.is_some() {
                self.good = false;
            }
            return;
        };
        self.rest = after;
        let Some(width) = self.star() else { return self.printer.push("%!(BADWIDTH)") };
        let flags = &mut self.printer.flags;
        if width < 0 {
            (flags.minus, flags.zero) = (true, false);
        }
        flags.width = usize::try_from(width.unsigned_abs()).ok();
    }

    fn precision(&mut self) {
        let Some(after) = self.rest.strip_prefix('.') else { return };
        self.rest = after;
        if self.indexed {
            self.good = false;
        }
        self.index();
        let Some(after) = self.rest.strip_prefix('*') else {
            self.printer.flags.precision = Some(self.number().unwrap_or(0));
            return;
        };
        self.rest = after;
        match self.star().map(usize::try_from) {
            Some(Ok(precision)) => self.printer.flags.precision = Some(precision),
            _ => self.printer.push("%!(BADPREC)"),
        }
    }

    /// Arguments that no verb asked for.
    fn extra(&mut self) {
        self.printer.flags = Flags::default();
        self.printer.push("%!(EXTRA ");
        for (index, value) in self.values[self.next..].iter().enumerate() {
            self.printer.push(if index > 0 { ", " } else { "" });
            if !matches!(value, Value::Nil) {
                self.printer.push(&value.type_name());
                self.printer.push("=");
            }
            self.printer.value(value, 'v', 0);
        }
        self.printer.push(")");
    }
}
