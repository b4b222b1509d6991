//! The notation of series in scripts and rule tests: `up{job="a"} 1 2 _ stale 0+10x5 {{sum:1}}`.

use super::histogram::{self, HistogramItem};
use crate::lexer::{Lexer, unquote};
use crate::token::{Kind, Token};
use model::float::parse_float;
use model::{Labels, LabelsBuilder, METRIC_NAME, STALE_NAN, duration};

/// One place in a sequence of samples.
#[derive(Clone, Debug)]
pub enum Item {
    /// No sample.
    Omitted,
    /// A number; also the staleness marker.
    Value(f64),
    /// A native histogram.
    Histogram(HistogramItem),
}

impl Item {
    /// Whether there is a sample.
    #[must_use]
    pub fn is_sample(&self) -> bool {
        !matches!(self, Self::Omitted)
    }
}

/// A series with its samples.
#[derive(Clone, Debug)]
pub struct SeriesLine {
    /// The labels.
    pub labels: Labels,
    /// The samples, one for each step.
    pub items: Vec<Item>,
    /// `@st`: since when the samples of the line with the same labels count, in milliseconds from their own times. The
    /// line has no items then.
    pub starts_ms: Vec<Option<i64>>,
}

/// Longer sequences are refused: a typing error must not eat all memory.
const MAX_ITEMS: u64 = 10_000_000;

/// Reads a line.
pub fn parse_series(line: &str) -> Result<SeriesLine, String> {
    let (labels, rest) = metric(line)?;
    if let Some(rest) = rest.strip_prefix("@st") {
        let mut starts_ms = Vec::new();
        let mut scanner = Scanner { rest };
        while scanner.skip_spaces() {
            scanner.start(&mut starts_ms)?;
        }
        return Ok(SeriesLine { labels, items: Vec::new(), starts_ms });
    }
    let mut items = Vec::new();
    let mut scanner = Scanner { rest };
    while scanner.skip_spaces() {
        scanner.item(&mut items)?;
    }
    Ok(SeriesLine { labels, items, starts_ms: Vec::new() })
}

/// The labels in front, and what follows.
fn metric(line: &str) -> Result<(Labels, &str), String> {
    let text = line.as_bytes();
    let mut lexer = Lexer::new(text);
    let mut labels = LabelsBuilder::new();
    let mut token = take(&mut lexer, text)?;
    let mut rest = 0;
    let name = token.kind.is_metric_name().then(|| text_of(token, line));
    if let Some(name) = name {
        rest = token.span.end as usize;
        if !line[rest..].trim_start().starts_with('{')
            || line[rest..].trim_start().starts_with("{{")
        {
            labels.set(METRIC_NAME, name);
            return Ok((labels.labels(), &line[rest..]));
        }
        token = take(&mut lexer, text)?;
    }
    if token.kind != Kind::LeftBrace {
        return Err(format!("unexpected {} in series", token.describe(text)));
    }
    loop {
        let label = take(&mut lexer, text)?;
        let label_name = match label.kind {
            Kind::RightBrace => {
                rest = rest.max(label.span.end as usize);
                break;
            }
            Kind::Comma => continue,
            Kind::Identifier => text_of(label, line).to_owned(),
            Kind::String => string(label, text),
            _ => return Err(format!("unexpected {} in label set", label.describe(text))),
        };
        let next = take(&mut lexer, text)?;
        match next.kind {
            Kind::Assign => {
                let value = take(&mut lexer, text)?;
                if value.kind != Kind::String {
                    return Err(format!("unexpected {} in label set", value.describe(text)));
                }
                labels.set(&label_name, &string(value, text));
            }
            Kind::Comma if label.kind == Kind::String => labels.set(METRIC_NAME, &label_name),
            Kind::RightBrace if label.kind == Kind::String => {
                labels.set(METRIC_NAME, &label_name);
                rest = next.span.end as usize;
                break;
            }
            _ => return Err(format!("unexpected {} in label set", next.describe(text))),
        }
    }
    if let Some(name) = name {
        labels.set(METRIC_NAME, name);
    }
    Ok((labels.labels(), &line[rest..]))
}

fn take(lexer: &mut Lexer<'_>, text: &[u8]) -> Result<Token, String> {
    let token = lexer.next();
    match token.kind {
        Kind::Error => Err(lexer.error().to_owned()),
        Kind::Eof => Err(format!("unexpected {} in series", token.describe(text))),
        _ => Ok(token),
    }
}

fn text_of(token: Token, line: &str) -> &str {
    &line[token.span.start as usize..token.span.end as usize]
}

fn string(token: Token, text: &[u8]) -> String {
    String::from_utf8_lossy(&unquote(token.bytes(text))).into_owned()
}

struct Scanner<'t> {
    rest: &'t str,
}

impl Scanner<'_> {
    /// Whether something follows the spaces.
    fn skip_spaces(&mut self) -> bool {
        self.rest = self.rest.trim_start();
        !self.rest.is_empty()
    }

    fn eat(&mut self, text: &str) -> bool {
        match self.rest.strip_prefix(text) {
            Some(rest) => {
                self.rest = rest;
                true
            }
            None => false,
        }
    }

    fn item(&mut self, items: &mut Vec<Item>) -> Result<(), String> {
        if self.eat("_") {
            let count = if self.eat("x") { self.count()? } else { 1 };
            items.extend((0..count).map(|_| Item::Omitted));
        } else if self.rest.starts_with("{{") {
            let first = self.histogram()?;
            let negative = self.rest.starts_with("-{{");
            let mut step = None;
            if negative || self.rest.starts_with("+{{") {
                self.rest = &self.rest[1..];
                step = Some(self.histogram()?);
            }
            let count = if self.eat("x") { self.count()? } else { 0 };
            let step = step.as_ref().map(|step| (negative, step));
            let sequence = first.sequence(step, count)?;
            items.extend(sequence.into_iter().map(Item::Histogram));
        } else if self.eat("stale") {
            let count = if self.eat("x") { self.count()? + 1 } else { 1 };
            items.extend((0..count).map(|_| Item::Value(STALE_NAN)));
        } else {
            let mut value = self.number()?;
            let delta = if self.rest.starts_with(['+', '-']) { self.number()? } else { 0.0 };
            let steps = if self.eat("x") { self.count()? } else { 0 };
            // Added up step by step: the rounding is part of the notation.
            for step in 0..=steps {
                value += if step == 0 { 0.0 } else { delta };
                items.push(Item::Value(value));
            }
        }
        if !self.rest.is_empty() && !self.rest.starts_with(char::is_whitespace) {
            return Err(format!("unexpected {:?} in series values", self.rest));
        }
        Ok(())
    }

    /// `_`, `-30s`, `-30s-1mx2`
    fn start(&mut self, starts_ms: &mut Vec<Option<i64>>) -> Result<(), String> {
        if self.eat("_") {
            let count = if self.eat("x") { self.count()? } else { 1 };
            starts_ms.extend((0..count).map(|_| None));
        } else {
            let mut start_ms = self.duration()?;
            let delta_ms = if self.rest.starts_with(['+', '-']) { self.duration()? } else { 0 };
            let steps = if self.eat("x") { self.count()? } else { 0 };
            for step in 0..=steps {
                start_ms += if step == 0 { 0 } else { delta_ms };
                starts_ms.push(Some(start_ms));
            }
        }
        if !self.rest.is_empty() && !self.rest.starts_with(char::is_whitespace) {
            return Err(format!("unexpected {:?} in start timestamps", self.rest));
        }
        Ok(())
    }

    /// A duration with an optional sign, in milliseconds; `x` ends it.
    fn duration(&mut self) -> Result<i64, String> {
        let sign = usize::from(self.rest.starts_with(['+', '-']));
        let is_inside = |byte: &u8| byte.is_ascii_alphanumeric() && *byte != b'x';
        let len = self.rest.bytes().skip(sign).take_while(is_inside).count();
        let (text, rest) = self.rest.split_at(sign + len);
        let digits = text.trim_start_matches('+');
        let duration = if digits.trim_start_matches('-') == "0" {
            Ok(0)
        } else {
            duration::parse_signed(digits)
        };
        self.rest = rest;
        duration.map_err(|error| format!("{text:?} in start timestamps: {error}"))
    }

    fn histogram(&mut self) -> Result<HistogramItem, String> {
        let Some(end) = self.rest.find("}}") else {
            return Err("histogram description is not closed".into());
        };
        let (description, rest) = self.rest.split_at(end);
        self.rest = &rest[2..];
        histogram::parse(&description[2..])
    }

    fn count(&mut self) -> Result<u64, String> {
        let len = self.rest.bytes().take_while(u8::is_ascii_digit).count();
        let (digits, rest) = self.rest.split_at(len);
        let count: u64 = digits
            .parse()
            .map_err(|_| format!("invalid repetition in series values: {:?}", self.rest))?;
        self.rest = rest;
        if count > MAX_ITEMS {
            return Err(format!("{count} repetitions are more than {MAX_ITEMS}"));
        }
        Ok(count)
    }

    /// A number with an optional sign. `x` ends it, and so does a sign that is not that of its exponent.
    fn number(&mut self) -> Result<f64, String> {
        let bytes = self.rest.as_bytes();
        let mut end = usize::from(matches!(bytes.first(), Some(b'+' | b'-')));
        while let Some(&byte) = bytes.get(end) {
            let exponent_sign = matches!(byte, b'+' | b'-')
                && matches!(bytes[end - 1], b'e' | b'E')
                && bytes[..end - 1].iter().any(u8::is_ascii_digit);
            if !(byte.is_ascii_alphanumeric() && byte != b'x' || byte == b'.' || exponent_sign) {
                break;
            }
            end += 1;
        }
        let (text, rest) = self.rest.split_at(end);
        let value = parse_float(text)
            .map_err(|_| format!("{text:?} in series values is neither a number nor \"stale\""))?;
        self.rest = rest;
        Ok(value)
    }
}
