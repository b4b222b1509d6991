//! The label pairs of a series that a parser gave out: of its text, or of its key where the format has no text. Called on
//! cache misses only: the parser checks the grammar, this splits and unescapes.

use model::float::{parse_float, write_openmetrics};
use model::{METRIC_NAME, metadata::MetricType};
use std::ops::Range;

mod key;

pub(crate) use key::{Bound, Key, write_pair};

/// Label pairs in the order of the text, the metric name first, repeated names kept; reusable.
///
/// Bytes, because a quoted name need not be UTF-8; values are.
#[derive(Clone, Debug, Default)]
pub struct LabelBuffer {
    bytes: Vec<u8>,
    ends: Vec<[usize; 2]>,
}

impl LabelBuffer {
    /// Forgets the pairs and keeps the memory.
    pub fn clear(&mut self) {
        self.bytes.clear();
        self.ends.clear();
    }

    /// Number of pairs.
    #[must_use]
    pub fn len(&self) -> usize {
        self.ends.len()
    }

    /// Whether there are no pairs.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.ends.is_empty()
    }

    /// The pairs: name and value.
    pub fn iter(&self) -> impl Iterator<Item = (&[u8], &[u8])> {
        (0..self.ends.len()).map(|index| {
            let begin = if index == 0 { 0 } else { self.ends[index - 1][1] };
            let [name_end, value_end] = self.ends[index];
            (&self.bytes[begin..name_end], &self.bytes[name_end..value_end])
        })
    }

    /// Adds a pair.
    pub(crate) fn push(&mut self, name: &[u8], value: &[u8]) {
        self.bytes.extend_from_slice(name);
        let name_end = self.bytes.len();
        self.bytes.extend_from_slice(value);
        self.ends.push([name_end, self.bytes.len()]);
    }

    fn push_unescaped(&mut self, text: &[u8]) -> usize {
        unescape(text, &mut self.bytes);
        self.bytes.len()
    }
}

/// Replaces `\\`, `\"` and `\n`; any other backslash stays.
fn unescape(text: &[u8], out: &mut Vec<u8>) {
    let mut rest = text;
    while let Some(at) = memchr::memchr(b'\\', rest) {
        out.extend_from_slice(&rest[..at]);
        let replaced = match rest.get(at + 1) {
            Some(b'\\') => b'\\',
            Some(b'"') => b'"',
            Some(b'n') => b'\n',
            _ => {
                out.push(b'\\');
                rest = &rest[at + 1..];
                continue;
            }
        };
        out.push(replaced);
        rest = &rest[at + 2..];
    }
    out.extend_from_slice(rest);
}

/// Which label of a series is written in the form of OpenMetrics, by the last `# TYPE` before it.
fn normalised_label(metric_type: MetricType) -> &'static [u8] {
    match metric_type {
        MetricType::Histogram => b"le",
        MetricType::Summary => b"quantile",
        MetricType::Unknown
        | MetricType::Counter
        | MetricType::Gauge
        | MetricType::GaugeHistogram
        | MetricType::Info
        | MetricType::StateSet => b"",
    }
}

/// What the body declares about a series.
#[derive(Clone, Copy, Debug, Default)]
pub struct Declared<'a> {
    /// The type in force.
    pub metric_type: MetricType,
    /// The unit in force; empty if there is none.
    pub unit: &'a [u8],
    /// Type and unit, if there are any, become labels instead of exposed ones of these names.
    pub as_labels: bool,
}

impl Declared<'_> {
    /// The labels to add.
    fn labels(&self) -> impl Iterator<Item = (&'static str, &[u8])> {
        let metric_type = match self.metric_type {
            MetricType::Unknown => "",
            known => known.as_str(),
        };
        [(TYPE, metric_type.as_bytes()), (UNIT, self.unit)]
            .into_iter()
            .filter(|(_, value)| self.as_labels && !value.is_empty())
    }

    /// Whether an exposed label gives way to what is declared.
    fn hides(&self, name: &[u8]) -> bool {
        self.as_labels
            && match name {
                b"__name__" => true,
                b"__type__" => self.metric_type != MetricType::Unknown,
                b"__unit__" => !self.unit.is_empty(),
                _ => false,
            }
    }
}

const TYPE: &str = "__type__";
const UNIT: &str = "__unit__";

/// Splits `series`, which a parser gave out, into `out`.
pub fn split_series(series: &[u8], declared: &Declared<'_>, out: &mut LabelBuffer) {
    out.clear();
    match Key::read(series) {
        Some(key) => key.split(declared, out),
        None => split_text(series, declared, out),
    }
    for (name, value) in declared.labels() {
        out.push(name.as_bytes(), value);
    }
}

/// Splits the labels of an exemplar, braces included; escapes stay as written.
pub(crate) fn split_exemplar(text: &[u8], out: &mut LabelBuffer) {
    out.clear();
    let mut labels = Splitter { series: text, at: 1 };
    while let Some((name, value)) = labels.next() {
        let Some(value) = value else { continue };
        out.push(&text[name], &text[value]);
    }
}

fn split_text(series: &[u8], declared: &Declared<'_>, out: &mut LabelBuffer) {
    let braces = memchr::memchr2(b'{', b'"', series);
    let name_end = name_end(series);
    let mut labels = Splitter { series, at: braces.map_or(series.len(), |at| at + 1) };
    let name = if name_end > 0 { 0..name_end } else { labels.find_name() };
    // As a declared label, a name without text is none.
    if !declared.as_labels || !name.is_empty() {
        out.bytes.extend_from_slice(METRIC_NAME.as_bytes());
        let key_end = out.bytes.len();
        let value_end = out.push_unescaped(&series[name]);
        out.ends.push([key_end, value_end]);
    }
    let normalised = normalised_label(declared.metric_type);
    while let Some((name, value)) = labels.next() {
        let Some(value) = value else { continue };
        let begin = out.bytes.len();
        let name_end = out.push_unescaped(&series[name]);
        if declared.hides(&out.bytes[begin..name_end]) {
            out.bytes.truncate(begin);
            continue;
        }
        let value_end = out.push_unescaped(&series[value]);
        if !normalised.is_empty() && &out.bytes[begin..name_end] == normalised {
            normalise(&mut out.bytes, name_end);
        }
        let value_end = if normalised.is_empty() { value_end } else { out.bytes.len() };
        out.ends.push([name_end, value_end]);
    }
}

/// Rewrites the number after `begin`; a value that is no number stays.
fn normalise(bytes: &mut Vec<u8>, begin: usize) {
    // All that Go reads as a float, hexadecimal included, which values of samples may not be.
    let number = std::str::from_utf8(&bytes[begin..]).ok().and_then(|text| parse_float(text).ok());
    if let Some(number) = number {
        bytes.truncate(begin);
        write_openmetrics(number, bytes);
    }
}

/// Where an unquoted metric name ends; zero if the text begins with a brace. Blanks before a name belong to it.
fn name_end(series: &[u8]) -> usize {
    let blanks = series.iter().take_while(|b| matches!(b, b' ' | b'\t')).count();
    let name = series[blanks..].iter().take_while(|&&b| crate::text::is_name_byte(b)).count();
    if name == 0 { 0 } else { blanks + name }
}

/// The raw names and values of a series text, and the raw metric name.
pub(crate) fn raw_labels(series: &[u8]) -> (&[u8], impl Iterator<Item = (&[u8], &[u8])>) {
    let at = memchr::memchr2(b'{', b'"', series).map_or(series.len(), |at| at + 1);
    let mut walk = Splitter { series, at };
    let name_end = name_end(series);
    let name = if name_end > 0 { 0..name_end } else { walk.find_name() };
    let pairs = std::iter::from_fn(move || {
        loop {
            let (name, value) = walk.next()?;
            if let Some(value) = value {
                return Some((&series[name], &series[value]));
            }
        }
    });
    (&series[name], pairs)
}

/// Walks the labels between braces.
struct Splitter<'a> {
    series: &'a [u8],
    at: usize,
}

impl Splitter<'_> {
    fn find_name(&self) -> Range<usize> {
        let mut walk = Splitter { series: self.series, at: self.at };
        while let Some((name, value)) = walk.next() {
            if value.is_none() {
                return name;
            }
        }
        0..0
    }

    /// The next name and value; without a value it is the metric name.
    fn next(&mut self) -> Option<(Range<usize>, Option<Range<usize>>)> {
        self.skip(|b| matches!(b, b' ' | b'\t' | b','));
        let name = match *self.series.get(self.at)? {
            b'}' => return None,
            b'"' => self.quoted(),
            _ => {
                let begin = self.at;
                self.skip(crate::text::is_name_byte);
                begin..self.at
            }
        };
        self.skip(|b| matches!(b, b' ' | b'\t'));
        if self.series.get(self.at) != Some(&b'=') {
            return Some((name, None));
        }
        self.at += 1;
        self.skip(|b| matches!(b, b' ' | b'\t'));
        Some((name, Some(self.quoted())))
    }

    fn skip(&mut self, skipped: impl Fn(u8) -> bool) {
        while self.series.get(self.at).is_some_and(|&b| skipped(b)) {
            self.at += 1;
        }
    }

    /// The inside of the quotes that begin here.
    fn quoted(&mut self) -> Range<usize> {
        let begin = self.at + 1;
        let end = crate::text::closing_quote(self.series, begin).unwrap_or(self.series.len());
        self.at = end + 1;
        begin.min(end)..end
    }
}

#[cfg(test)]
mod tests;
