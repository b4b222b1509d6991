//! OpenMetrics text, 0.0.1 and 1.0.0: entries out of a body that stays where it is. Accepts and refuses what Prometheus
//! does, which is at places more and at places less than the standard. Labels are only checked here: `labels` splits
//! them. Start timestamps of `_created` lines are looked up in `openmetrics::start`.
#![deny(clippy::indexing_slicing)]

use crate::entry::{
    Entry, Escapes, Exemplar, ExemplarLabels, ParseError, ParseOptions, Parser, Point, Sample,
    shown,
};
use crate::fingerprint::Fingerprint;
use crate::float::parse_float;
use crate::text::{is_label_start, is_name_byte, is_name_start};
use model::metadata::MetricType;
use start::StartLookup;

mod start;

/// Reads a body entry by entry.
#[derive(Clone, Debug)]
pub struct OpenMetricsParser<'a> {
    body: &'a [u8],
    at: usize,
    metric_type: MetricType,
    /// Length of the family name that was declared last.
    family_len: usize,
    exemplar: Option<Exemplar<'a>>,
    /// The end marker was read.
    ended: bool,
    /// The line of the last sample goes on where it should end: an error, but only after that sample.
    broken: bool,
    start: Option<StartLookup>,
}

impl<'a> OpenMetricsParser<'a> {
    /// Starts at the beginning of `body`.
    #[must_use]
    pub fn new(body: &'a [u8], options: ParseOptions) -> Self {
        Self {
            body,
            at: 0,
            metric_type: MetricType::Unknown,
            family_len: 0,
            exemplar: None,
            ended: false,
            broken: false,
            start: options.start_timestamps.then(StartLookup::default),
        }
    }

    /// As [`Parser::next`], but what it gives out lives as long as the body.
    #[inline]
    pub fn next_entry(&mut self) -> Result<Option<Entry<'a>>, ParseError> {
        loop {
            let Some(entry) = self.next_plain()? else { return Ok(None) };
            let Entry::Sample(mut sample) = entry else { return Ok(Some(entry)) };
            if self.start.is_some() && start::is_counting(self.metric_type) {
                if start::is_created(sample.series) {
                    continue;
                }
                sample.point.start_timestamp_ms = self.start_of(sample.series);
            }
            return Ok(Some(Entry::Sample(sample)));
        }
    }

    /// The exemplar of the sample given last.
    #[must_use]
    pub fn entry_exemplar(&self) -> Option<Exemplar<'a>> {
        self.exemplar
    }

    /// The next entry, `_created` lines like all others.
    #[inline]
    fn next_plain(&mut self) -> Result<Option<Entry<'a>>, ParseError> {
        self.exemplar = None;
        if self.broken {
            return Err(self.unexpected("the beginning of a line", self.at));
        }
        let start = self.at;
        match self.peek() {
            None if self.ended => Ok(None),
            None => Err(self.no_end()),
            Some(b'#') => self.comment(),
            Some(b'{') => {
                if !self.labels(false, false)? {
                    return Err(self.error(start, "no metric name".into()));
                }
                self.sample(start).map(|sample| Some(Entry::Sample(sample)))
            }
            Some(byte) if is_name_start(byte) => {
                self.skip_while(is_name_byte);
                if self.peek() == Some(b'{') {
                    self.labels(true, false)?;
                }
                self.sample(start).map(|sample| Some(Entry::Sample(sample)))
            }
            Some(_) => Err(self.unexpected("a metric name, '{' or '# '", start)),
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

    #[inline]
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
    fn sample(&mut self, start: usize) -> Result<Sample<'a>, ParseError> {
        let series = self.slice(start, self.at);
        Ok(Sample { series, point: self.point()? })
    }

    /// What follows a series: value, timestamp, exemplar, the end of the line.
    #[inline]
    fn point(&mut self) -> Result<Point, ParseError> {
        let mut point = Point { value: self.value("the metric")?, ..Point::default() };
        if self.peek() == Some(b'\n') {
            self.at += 1;
            return Ok(point);
        }
        let rest = self.rest();
        if rest.is_empty() {
            return Err(self.no_end());
        }
        if !rest.starts_with(b" # ") {
            if matches!(rest.get(1), None | Some(b' ' | b'\n')) {
                self.broken = true;
                return Ok(point);
            }
            point.timestamp_ms = Some(self.timestamp("timestamp")?);
            if self.peek() == Some(b'\n') {
                self.at += 1;
                return Ok(point);
            }
            if !self.rest().starts_with(b" # {") {
                return Err(self.unexpected("the end of the line after a timestamp", self.at));
            }
        }
        if !self.rest().starts_with(b" # {") {
            self.broken = true;
            return Ok(point);
        }
        self.at += b" # ".len();
        self.exemplar()?;
        Ok(point)
    }

    /// A blank and the number after it.
    #[inline]
    fn value(&mut self, before: &str) -> Result<f64, ParseError> {
        let begin = self.at + 1;
        if self.peek() == Some(b' ') {
            self.at = begin;
            self.skip_while(|b| b != b' ' && b != b'\n');
        }
        let text = self.slice(begin, self.at);
        if text.is_empty() {
            self.at = begin - 1;
            return Err(self.unexpected(&format!("a value after {before}"), self.at));
        }
        parse_float(text)
            .map_err(|reason| self.error(begin, format!("value {} {reason}", shown(text))))
    }

    /// A blank and seconds; milliseconds beyond 64 bits are the least number, as in Prometheus.
    fn timestamp(&mut self, what: &str) -> Result<i64, ParseError> {
        let begin = self.at + 1;
        let seconds = self.value("a blank")?;
        if !seconds.is_finite() {
            return Err(self.error(begin, format!("invalid {what} {seconds}")));
        }
        Ok(milliseconds(seconds))
    }

    /// The exemplar that begins with the brace here, up to the end of the line.
    fn exemplar(&mut self) -> Result<(), ParseError> {
        let begin = self.at;
        self.labels(true, true)?;
        let labels = ExemplarLabels::Text(self.slice(begin, self.at));
        let value = self.value("the labels of an exemplar")?;
        let mut timestamp_ms = None;
        if self.peek() == Some(b' ') {
            timestamp_ms = Some(self.timestamp("exemplar timestamp")?);
        }
        if self.at == self.body.len() {
            return Err(self.no_end());
        }
        if self.peek() != Some(b'\n') {
            return Err(self.unexpected("the end of the line after an exemplar", self.at));
        }
        self.at += 1;
        self.exemplar = Some(Exemplar { labels, value, timestamp_ms });
        Ok(())
    }

    /// Checks the labels that begin with the brace here. Returns whether a metric name was set, in or before them.
    fn labels(&mut self, mut named: bool, of_exemplar: bool) -> Result<bool, ParseError> {
        self.at += 1;
        if self.peek() == Some(b'}') {
            self.at += 1;
            return Ok(named);
        }
        loop {
            let begin = self.at;
            let quoted = match self.peek() {
                Some(b'"') => {
                    self.quoted("a label name", !of_exemplar)?;
                    true
                }
                Some(byte) if is_label_start(byte) => {
                    self.skip_while(|b| is_name_byte(b) && b != b':');
                    false
                }
                _ => return Err(self.unexpected("a label name", begin)),
            };
            if quoted && !of_exemplar && matches!(self.peek(), Some(b',' | b'}')) {
                if named {
                    return Err(self.error(begin, "the metric name is given twice".into()));
                }
                named = true;
            } else {
                self.label_value()?;
            }
            match self.peek() {
                Some(b',') => self.at += 1,
                Some(b'}') => {}
                _ => return Err(self.unexpected("',' or '}' after a label", self.at)),
            }
            if self.peek() == Some(b'}') {
                self.at += 1;
                return Ok(named);
            }
        }
    }

    fn label_value(&mut self) -> Result<(), ParseError> {
        if self.peek() != Some(b'=') {
            return Err(self.unexpected("'=' after a label name", self.at));
        }
        self.at += 1;
        let begin = self.at;
        if self.peek() != Some(b'"') {
            return Err(self.unexpected("a quoted label value", begin));
        }
        self.quoted("a quoted label value", false)?;
        let value = self.slice(begin, self.at);
        if std::str::from_utf8(value).is_err() {
            return Err(self.error(begin, format!("label value {} is not UTF-8", shown(value))));
        }
        Ok(())
    }

    /// Passes the quoted text that begins here. A backslash takes the next byte along, but no newline.
    fn quoted(&mut self, expected: &str, newlines: bool) -> Result<(), ParseError> {
        let begin = self.at;
        self.at += 1;
        loop {
            match self.peek() {
                Some(b'"') => {
                    self.at += 1;
                    return Ok(());
                }
                Some(b'\\') if !matches!(self.body.get(self.at + 1), None | Some(b'\n')) => {
                    self.at += 2;
                }
                None | Some(b'\\') => break,
                Some(b'\n') if !newlines => break,
                Some(_) => self.at += 1,
            }
        }
        Err(self.unexpected(&format!("{expected} with a closing quote"), begin))
    }

    fn comment(&mut self) -> Result<Option<Entry<'a>>, ParseError> {
        let start = self.at;
        let line = self.rest();
        if let Some(rest) = line.strip_prefix(b"# EOF") {
            self.at = self.body.len();
            if !matches!(rest, b"" | b"\n") {
                let at = self.body.len() - rest.len();
                return Err(self.error(at, "there is text after # EOF".into()));
            }
            self.ended = true;
            return Ok(None);
        }
        let Some(keyword @ (b"# HELP " | b"# TYPE " | b"# UNIT ")) = line.get(..7) else {
            return Err(self.unexpected("# HELP, # TYPE, # UNIT or # EOF", start));
        };
        self.at += keyword.len();
        let metric = self.family_name()?;
        self.family_len = metric.len();
        let rest = self.rest();
        let Some(newline) = memchr::memchr(b'\n', rest) else { return Err(self.no_end()) };
        let text_at = self.at + 1;
        let Some((b' ', text)) = rest.get(..newline).unwrap_or_default().split_first() else {
            return Err(self.unexpected("a blank and a text", self.at));
        };
        self.at += newline + 1;
        match keyword {
            b"# HELP " => match std::str::from_utf8(text) {
                Ok(help) => Ok(Some(Entry::Help { metric, help, escapes: Escapes::OpenMetrics })),
                Err(_) => {
                    Err(self.error(text_at, format!("help text {} is not UTF-8", shown(text))))
                }
            },
            b"# TYPE " => {
                let Some(metric_type) = metric_type(text) else {
                    return Err(self.error(text_at, format!("invalid metric type {}", shown(text))));
                };
                self.metric_type = metric_type;
                Ok(Some(Entry::Type { metric, metric_type }))
            }
            _ => {
                let before = metric.strip_suffix(text).and_then(<[u8]>::last);
                if !text.is_empty() && before != Some(&b'_') {
                    let reason =
                        format!("unit {} is not a suffix of metric {}", shown(text), shown(metric));
                    return Err(self.error(text_at, reason));
                }
                Ok(Some(Entry::Unit { metric, unit: text }))
            }
        }
    }

    fn family_name(&mut self) -> Result<&'a [u8], ParseError> {
        let begin = self.at;
        match self.peek() {
            Some(b'"') => {
                self.quoted("a metric name", true)?;
                Ok(self.slice(begin + 1, self.at - 1))
            }
            Some(byte) if is_name_start(byte) => {
                self.skip_while(is_name_byte);
                Ok(self.slice(begin, self.at))
            }
            _ => Err(self.unexpected("a metric name", begin)),
        }
    }

    #[cold]
    fn no_end(&self) -> ParseError {
        self.error(self.body.len(), "the body does not end with # EOF".into())
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

/// Seconds as milliseconds, towards zero; beyond 64 bits the least number, as Prometheus has it on amd64.
fn milliseconds(seconds: f64) -> i64 {
    const LIMIT: f64 = 9_223_372_036_854_775_808.0;
    let ms = seconds * 1000.0;
    if (-LIMIT..LIMIT).contains(&ms) { ms as i64 } else { i64::MIN }
}

fn metric_type(text: &[u8]) -> Option<MetricType> {
    use MetricType as T;
    [
        T::Counter,
        T::Gauge,
        T::Histogram,
        T::GaugeHistogram,
        T::Summary,
        T::Info,
        T::StateSet,
        T::Unknown,
    ]
    .into_iter()
    .find(|metric_type| metric_type.as_str().as_bytes() == text)
}

impl Parser for OpenMetricsParser<'_> {
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
        // Start timestamps need the labels.
        if self.start.is_some() || self.broken {
            return Ok(None);
        }
        let Some(series) = series.find(self.rest()) else { return Ok(None) };
        // Before anything but a blank the name is longer, or there are labels.
        if self.body.get(self.at + series.len()) != Some(&b' ') {
            return Ok(None);
        }
        self.exemplar = None;
        self.at += series.len();
        Ok(Some(Sample { series, point: self.point()? }))
    }

    #[inline]
    fn at_comment(&self) -> bool {
        self.peek() == Some(b'#') && !self.broken
    }

    #[inline]
    fn skip_line(&mut self, line: &[u8], metric_type: Option<MetricType>) -> bool {
        // For start timestamps the length of the family name matters.
        let found = self.start.is_none() && self.rest().starts_with(line);
        if found {
            self.at += line.len();
            self.exemplar = None;
            self.metric_type = metric_type.unwrap_or(self.metric_type);
        }
        found
    }

    #[inline]
    fn exemplar(&self, index: usize) -> Option<Exemplar<'_>> {
        self.exemplar.filter(|_| index == 0)
    }
}

#[cfg(test)]
mod tests;
