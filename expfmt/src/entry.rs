//! What parsers give out, whatever the format: entries, samples, exemplars, errors, and the trait that readers of bodies
//! use. Not how a format is read.

use crate::fingerprint::Fingerprint;
use crate::labels::LabelBuffer;
use model::histogram::Histogram;
use model::metadata::MetricType;
use std::borrow::Cow;
use std::fmt;

/// One thing that a body says.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Entry<'a> {
    /// A sample.
    Sample(Sample<'a>),
    /// A native histogram; its value is what [`Parser::take_histogram`] gives.
    Histogram(Sample<'a>),
    /// A declared type; in force for all samples up to the next one.
    Type {
        /// The metric family, escapes as written.
        metric: &'a [u8],
        /// Its type.
        metric_type: MetricType,
    },
    /// A help text.
    Help {
        /// The metric family, escapes as written.
        metric: &'a [u8],
        /// The text, escapes as written: see [`unescape_help`].
        help: &'a str,
        /// What its backslashes mean.
        escapes: Escapes,
    },
    /// A declared unit; in force for all samples up to the next one.
    Unit {
        /// The metric family, escapes as written.
        metric: &'a [u8],
        /// The unit.
        unit: &'a [u8],
    },
    /// Any other line that begins with `#`, as written.
    Comment(&'a [u8]),
}

/// The meaning of backslashes in a help text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Escapes {
    /// None: they stand for themselves.
    No,
    /// `\\` and `\n`.
    Text,
    /// `\\`, `\n` and `\"`.
    OpenMetrics,
}

/// One sample.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Sample<'a> {
    /// Names the series within the target: the exact text of metric name and labels, or a key that
    /// [`crate::labels::split_series`] reads as well. The key of caches.
    pub series: &'a [u8],
    /// The value, its time and its start.
    pub point: Point,
}

/// A value in time.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Point {
    /// The value; meaningless for a histogram.
    pub value: f64,
    /// The exposed timestamp in ms.
    pub timestamp_ms: Option<i64>,
    /// Since when a counter counts, in ms; 0 if not known or not asked for.
    pub start_timestamp_ms: i64,
}

/// An observation that a sample shows as an example.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Exemplar<'a> {
    pub(crate) labels: ExemplarLabels<'a>,
    /// What was observed.
    pub value: f64,
    /// When, in ms; `None` if the target does not say.
    pub timestamp_ms: Option<i64>,
}

/// Labels of an exemplar as they stand in the body.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum ExemplarLabels<'a> {
    /// With the braces.
    Text(&'a [u8]),
    /// The whole message.
    Protobuf(&'a [u8]),
}

impl Exemplar<'_> {
    /// Puts its labels into `out`, in the order of the body; escapes of text formats stay as they are written.
    pub fn labels(&self, out: &mut LabelBuffer) {
        match self.labels {
            ExemplarLabels::Text(text) => crate::labels::split_exemplar(text, out),
            ExemplarLabels::Protobuf(message) => crate::protobuf::exemplar_labels(message, out),
        }
    }
}

/// Reads a body entry by entry.
pub trait Parser {
    /// Whether declarations concern the metrics of one family, instead of all that follow.
    const DECLARES_FAMILIES: bool;

    /// Whether entries are lines, so that [`Parser::position`], [`Parser::at_comment`] and [`Parser::skip_line`] serve to
    /// recognise those of an earlier body.
    const RECALLS_LINES: bool;

    /// Where the next entry begins, in bytes.
    fn position(&self) -> usize;

    /// The next entry; `None` at the end of the body. After an error the parser is of no more use.
    fn next(&mut self) -> Result<Option<Entry<'_>>, ParseError>;

    /// The next entry if it is a sample of `series`, which must be of an earlier [`Sample`]; `None`, and nothing is
    /// consumed, if it is anything else, or if the parser cannot tell so fast.
    fn next_of(&mut self, series: Fingerprint) -> Result<Option<Sample<'_>>, ParseError>;

    /// Whether the next line begins with `#`.
    fn at_comment(&self) -> bool;

    /// Whether the next bytes are `line`, which are then skipped: for lines known from an earlier body.
    /// `metric_type` is the type that the line declares, if it does.
    fn skip_line(&mut self, line: &[u8], metric_type: Option<MetricType>) -> bool;

    /// The exemplars of the entry given last, by number.
    fn exemplar(&self, _index: usize) -> Option<Exemplar<'_>> {
        None
    }

    /// The value of the [`Entry::Histogram`] given last. To be called at most once. `used` is memory for the next one.
    fn take_histogram(&mut self, _used: Option<Histogram>) -> Histogram {
        unreachable!("this format has no histograms")
    }
}

/// What a parser does beyond reading.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ParseOptions {
    /// Start timestamps are wanted; `_created` lines of OpenMetrics are no samples then.
    pub start_timestamps: bool,
    /// Classic histograms become ones with custom buckets.
    pub convert_classic: bool,
    /// Classic histograms stay, beside native or converted ones.
    pub keep_classic: bool,
    /// Native histograms are passed over in favour of the classic ones beside them.
    pub ignore_native: bool,
}

/// Why a body is refused from some place on.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{place}: {reason}")]
pub struct ParseError {
    /// Where.
    pub place: Place,
    /// What was expected and what was found.
    pub reason: Box<str>,
}

/// A place in a body.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    /// In text, both counted from one, the column in bytes.
    Text {
        /// The line.
        line: usize,
        /// The column.
        column: usize,
    },
    /// In protobuf: the offset in bytes of the family in question.
    Byte(usize),
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Text { line, column } => write!(f, "line {line}, column {column}"),
            Self::Byte(offset) => write!(f, "byte {offset}"),
        }
    }
}

impl ParseError {
    /// An error at `at` of the text `body`; shows the line.
    #[cold]
    pub(crate) fn in_text(body: &[u8], at: usize, mut reason: String) -> Self {
        let before = body.get(..at.min(body.len())).unwrap_or_default();
        let line_begin = memchr::memrchr(b'\n', before).map_or(0, |newline| newline + 1);
        let rest = body.get(line_begin..).unwrap_or_default();
        let length = memchr::memchr(b'\n', rest).unwrap_or(rest.len());
        reason.push_str(" in ");
        reason.push_str(&shown(rest.get(..length).unwrap_or_default()));
        let line = memchr::memchr_iter(b'\n', before).count() + 1;
        let column = before.len() - line_begin + 1;
        Self { place: Place::Text { line, column }, reason: reason.into() }
    }

    /// The error that something other than `expected` stands at `at` of the text `body`.
    #[cold]
    pub(crate) fn unexpected(body: &[u8], at: usize, expected: &str) -> Self {
        let rest = body.get(at..).unwrap_or_default();
        let found = match rest.first() {
            None => "the end of the body".to_owned(),
            Some(b'\n') => "the end of the line".to_owned(),
            Some(_) => shown(rest),
        };
        Self::in_text(body, at, format!("expected {expected}, got {found}"))
    }
}

/// The beginning of `bytes` up to the end of its line, quoted and short enough for an error message.
pub(crate) fn shown(bytes: &[u8]) -> String {
    const LONGEST: usize = 80;
    let line = bytes.split(|&b| b == b'\n').next().unwrap_or_default();
    let cut = line.get(..LONGEST).unwrap_or(line);
    let dots = if cut.len() < line.len() { "..." } else { "" };
    format!("\"{}{dots}\"", cut.escape_ascii())
}

/// Replaces the escapes of a help text.
#[must_use]
pub fn unescape_help(help: &str, escapes: Escapes) -> Cow<'_, str> {
    if escapes == Escapes::No || !help.contains('\\') {
        return Cow::Borrowed(help);
    }
    let mut out = String::with_capacity(help.len());
    let mut chars = help.chars();
    while let Some(c) = chars.next() {
        let replaced = match (c, chars.as_str().chars().next()) {
            ('\\', Some('\\')) => '\\',
            ('\\', Some('n')) => '\n',
            ('\\', Some('"')) if escapes == Escapes::OpenMetrics => '"',
            _ => {
                out.push(c);
                continue;
            }
        };
        out.push(replaced);
        chars.next();
    }
    Cow::Owned(out)
}

#[cfg(test)]
mod tests;
