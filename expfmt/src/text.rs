//! The Prometheus text format (0.0.4 and 1.0.0): entries out of a body that stays where it is. Accepts and refuses
//! exactly what Prometheus does, its oddities included; never panics on foreign bytes. Labels are only checked here:
//! `labels` splits them, on demand.
#![deny(clippy::indexing_slicing)]

use crate::entry::{Entry, Escapes, ParseError, Parser, Point, Sample, shown};
use crate::fingerprint::Fingerprint;
use crate::float::parse_float;
use model::metadata::MetricType;

mod scan;

use scan::is_blank;
pub(crate) use scan::{closing_quote, is_label_start, is_name_byte, is_name_start};

/// Reads a body entry by entry.
#[derive(Clone, Debug)]
pub struct TextParser<'a> {
    body: &'a [u8],
    at: usize,
}

impl<'a> TextParser<'a> {
    /// Starts at the beginning of `body`. A missing final newline is fine.
    #[must_use]
    pub fn new(body: &'a [u8]) -> Self {
        Self { body, at: 0 }
    }

    /// As [`Parser::next`], but what it gives out lives as long as the body.
    #[inline]
    pub fn next_entry(&mut self) -> Result<Option<Entry<'a>>, ParseError> {
        loop {
            let start = self.at;
            self.skip_blanks();
            match self.peek() {
                None | Some(0) => return Ok(None),
                Some(b'\n') => self.at += 1,
                Some(b'#') => return self.comment(start),
                Some(b'{') => {
                    let named = self.labels(false)?;
                    if !named {
                        return Err(self.error(start, "no metric name".into()));
                    }
                    return self.sample(start).map(|sample| Some(Entry::Sample(sample)));
                }
                Some(byte) if is_name_start(byte) => {
                    self.skip_while(is_name_byte);
                    let name_end = self.at;
                    self.skip_blanks();
                    if self.peek() == Some(b'{') {
                        self.labels(true)?;
                    } else {
                        self.at = name_end;
                    }
                    return self.sample(start).map(|sample| Some(Entry::Sample(sample)));
                }
                Some(_) => return Err(self.unexpected("a metric name, '{' or '#'", self.at)),
            }
        }
    }

    #[inline]
    fn rest(&self) -> &'a [u8] {
        self.body.get(self.at..).unwrap_or_default()
    }

    #[inline]
    fn peek(&self) -> Option<u8> {
        self.body.get(self.at).copied()
    }

    fn slice(&self, begin: usize, end: usize) -> &'a [u8] {
        self.body.get(begin..end).unwrap_or_default()
    }

    #[inline]
    fn skip_while(&mut self, skipped: impl Fn(u8) -> bool) {
        while self.peek().is_some_and(&skipped) {
            self.at += 1;
        }
    }

    #[inline]
    fn skip_blanks(&mut self) {
        self.skip_while(is_blank);
    }

    #[inline]
    fn sample(&mut self, start: usize) -> Result<Sample<'a>, ParseError> {
        let series = self.slice(start, self.at);
        Ok(Sample { series, point: self.point()? })
    }

    #[inline]
    fn point(&mut self) -> Result<Point, ParseError> {
        self.skip_blanks();
        let begin = self.at;
        self.skip_while(|b| !matches!(b, b' ' | b'\t' | b'\n' | b'{' | 0));
        let text = self.slice(begin, self.at);
        if text.is_empty() {
            return Err(self.unexpected("a value after the metric", self.at));
        }
        let value = match parse_float(text) {
            Ok(value) => value,
            Err(reason) => {
                return Err(self.error(begin, format!("value {} {reason}", shown(text))));
            }
        };
        self.skip_blanks();
        match self.peek() {
            None => Ok(Point { value, ..Point::default() }),
            Some(b'\n') => {
                self.at += 1;
                Ok(Point { value, ..Point::default() })
            }
            Some(b'0'..=b'9') => {
                let timestamp_ms = Some(self.timestamp()?);
                Ok(Point { value, timestamp_ms, start_timestamp_ms: 0 })
            }
            Some(_) => Err(self.unexpected("a timestamp in ms or the end of the line", self.at)),
        }
    }

    fn timestamp(&mut self) -> Result<i64, ParseError> {
        let begin = self.at;
        let mut timestamp_ms = Some(0_i64);
        while let Some(byte @ b'0'..=b'9') = self.peek() {
            timestamp_ms =
                timestamp_ms.and_then(|t| t.checked_mul(10)?.checked_add(i64::from(byte - b'0')));
            self.at += 1;
        }
        let Some(timestamp_ms) = timestamp_ms else {
            let text = String::from_utf8_lossy(self.slice(begin, self.at)).into_owned();
            return Err(self.error(begin, format!("timestamp {text} is beyond 64 bits")));
        };
        self.skip_blanks();
        match self.peek() {
            None => {}
            Some(b'\n') => self.at += 1,
            Some(_) => {
                return Err(self.unexpected("the end of the line after a timestamp", self.at));
            }
        }
        Ok(timestamp_ms)
    }

    /// Checks the labels that begin with the brace here. Returns whether a metric name was set, in or before them.
    fn labels(&mut self, mut named: bool) -> Result<bool, ParseError> {
        self.at += 1;
        self.skip_blanks();
        loop {
            let begin = self.at;
            let quoted = match self.peek() {
                Some(b'}') => {
                    self.at += 1;
                    return Ok(named);
                }
                Some(b'"') => {
                    self.quoted("a label name", false)?;
                    true
                }
                Some(byte) if is_label_start(byte) => {
                    self.skip_while(|b| is_name_byte(b) && b != b':');
                    false
                }
                _ => return Err(self.unexpected("a label name", begin)),
            };
            self.skip_blanks();
            if quoted && matches!(self.peek(), Some(b',' | b'}')) {
                if named {
                    return Err(self.error(begin, "the metric name is given twice".into()));
                }
                named = true;
                if self.peek() == Some(b',') {
                    self.at += 1;
                    self.skip_blanks();
                }
                continue;
            }
            self.label_value()?;
            self.skip_blanks();
            if self.peek() == Some(b',') {
                self.at += 1;
                self.skip_blanks();
            }
        }
    }

    fn label_value(&mut self) -> Result<(), ParseError> {
        if self.peek() != Some(b'=') {
            return Err(self.unexpected("'=' after a label name", self.at));
        }
        self.at += 1;
        self.skip_blanks();
        let begin = self.at;
        if self.peek() != Some(b'"') {
            return Err(self.unexpected("a quoted label value", begin));
        }
        self.quoted("a quoted label value", true)?;
        let value = self.slice(begin, self.at);
        if std::str::from_utf8(value).is_err() {
            let reason = format!("label value {} is not UTF-8", shown(value));
            return Err(self.error(begin, reason));
        }
        Ok(())
    }

    /// Passes the quoted text that begins here. Only label values may hold NUL.
    fn quoted(&mut self, expected: &str, nul_allowed: bool) -> Result<(), ParseError> {
        let begin = self.at;
        let Some(end) = closing_quote(self.body, begin + 1) else {
            return Err(self.unexpected(&format!("{expected} with a closing quote"), begin));
        };
        if !nul_allowed && memchr::memchr(0, self.slice(begin, end)).is_some() {
            return Err(self.unexpected(&format!("{expected} without NUL"), begin));
        }
        self.at = end + 1;
        Ok(())
    }

    fn comment(&mut self, start: usize) -> Result<Option<Entry<'a>>, ParseError> {
        let hash = self.at;
        self.at += 1;
        self.skip_blanks();
        let has_blank = self.at > hash + 1;
        let keyword = self.slice(self.at, self.at + 4);
        let blank_after = self.body.get(self.at + 4).is_some_and(|&b| is_blank(b));
        if has_blank && blank_after && (keyword == b"HELP" || keyword == b"TYPE") {
            self.at += 4;
            return self.meta(start, keyword == b"HELP").map(Some);
        }
        let rest = self.rest();
        let length = memchr::memchr(b'\n', rest).unwrap_or(rest.len());
        let line = rest.get(..length).unwrap_or_default();
        // A NUL right behind hash and blanks, or anywhere in a comment without them, ends the body.
        let nul_ends =
            if has_blank { line.first() == Some(&0) } else { memchr::memchr(0, line).is_some() };
        if nul_ends {
            return Ok(None);
        }
        let text = self.slice(hash, self.at + length);
        self.at = (self.at + length + 1).min(self.body.len());
        Ok(Some(Entry::Comment(text)))
    }

    fn meta(&mut self, start: usize, is_help: bool) -> Result<Entry<'a>, ParseError> {
        self.skip_blanks();
        let begin = self.at;
        let expected =
            if is_help { "a metric name after HELP" } else { "a metric name after TYPE" };
        let metric = match self.peek() {
            Some(b'"') => {
                self.quoted(expected, false)?;
                self.slice(begin + 1, self.at - 1)
            }
            Some(byte) if is_name_start(byte) => {
                self.skip_while(is_name_byte);
                self.slice(begin, self.at)
            }
            _ => return Err(self.unexpected(expected, begin)),
        };
        let rest = self.rest();
        let length = memchr::memchr(b'\n', rest).unwrap_or(rest.len());
        let line = rest.get(..length).unwrap_or_default();
        self.at = (self.at + length + 1).min(self.body.len());
        // The one byte after the name separates, whatever it is; blanks alone are no text.
        let text =
            if line.iter().all(|&b| is_blank(b)) { &[] } else { line.get(1..).unwrap_or_default() };
        if is_help {
            let Ok(help) = std::str::from_utf8(text) else {
                return Err(self.error(start, format!("help text {} is not UTF-8", shown(text))));
            };
            return Ok(Entry::Help { metric, help, escapes: Escapes::Text });
        }
        let metric_type = match text {
            b"counter" => MetricType::Counter,
            b"gauge" => MetricType::Gauge,
            b"histogram" => MetricType::Histogram,
            b"summary" => MetricType::Summary,
            b"untyped" => MetricType::Unknown,
            _ => {
                let reason = format!(
                    "invalid metric type {}, expected counter, gauge, histogram, summary or untyped",
                    shown(text)
                );
                return Err(self.error(start, reason));
            }
        };
        Ok(Entry::Type { metric, metric_type })
    }

    #[cold]
    fn unexpected(&self, expected: &str, at: usize) -> ParseError {
        ParseError::unexpected(self.body, at, expected)
    }

    #[cold]
    fn error(&self, at: usize, reason: String) -> ParseError {
        ParseError::in_text(self.body, at, reason)
    }
}

impl Parser for TextParser<'_> {
    const DECLARES_FAMILIES: bool = false;
    const RECALLS_LINES: bool = true;

    fn position(&self) -> usize {
        self.at
    }

    #[inline]
    fn next(&mut self) -> Result<Option<Entry<'_>>, ParseError> {
        self.next_entry()
    }

    #[inline]
    fn next_of(&mut self, series: Fingerprint) -> Result<Option<Sample<'_>>, ParseError> {
        let Some(series) = series.find(self.rest()) else { return Ok(None) };
        if series.last() != Some(&b'}') {
            // A bare name: the line's name may be longer, or labels may follow after blanks.
            let rest = self.slice(self.at + series.len(), self.body.len());
            let blanks = rest.iter().take_while(|&&b| is_blank(b)).count();
            if blanks == 0 || rest.get(blanks) == Some(&b'{') {
                return Ok(None);
            }
        }
        self.at += series.len();
        Ok(Some(Sample { series, point: self.point()? }))
    }

    #[inline]
    fn at_comment(&self) -> bool {
        self.peek() == Some(b'#')
    }

    #[inline]
    fn skip_line(&mut self, line: &[u8], _metric_type: Option<MetricType>) -> bool {
        let found = self.rest().starts_with(line);
        if found {
            self.at += line.len();
        }
        found
    }
}

#[cfg(test)]
mod tests;
