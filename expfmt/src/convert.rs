//! Classic histograms of text formats as ones with custom buckets: a parser around another one that collects the series of
//! a histogram as they come and gives out their histogram when they end. What makes a histogram is in `classic`.

use crate::classic::ClassicHistogram;
use crate::entry::{Entry, Exemplar, ParseError, ParseOptions, Parser, Point, Sample};
use crate::fingerprint::Fingerprint;
use crate::labels::{Bound, Declared, Key, LabelBuffer, split_series, write_pair};
use crate::{OpenMetricsParser, TextParser};
use model::histogram::{CounterResetHint, Histogram};
use model::metadata::MetricType;

/// A parser whose entries borrow from the body alone.
pub trait LineParser<'a>: Parser {
    /// The next entry.
    fn next_line(&mut self) -> Result<Option<Entry<'a>>, ParseError>;

    /// The exemplar of the sample given last.
    fn line_exemplar(&self) -> Option<Exemplar<'a>>;
}

impl<'a> LineParser<'a> for TextParser<'a> {
    fn next_line(&mut self) -> Result<Option<Entry<'a>>, ParseError> {
        self.next_entry()
    }

    fn line_exemplar(&self) -> Option<Exemplar<'a>> {
        None
    }
}

impl<'a> LineParser<'a> for OpenMetricsParser<'a> {
    fn next_line(&mut self) -> Result<Option<Entry<'a>>, ParseError> {
        self.next_entry()
    }

    fn line_exemplar(&self) -> Option<Exemplar<'a>> {
        self.entry_exemplar()
    }
}

/// What a series is to a classic histogram.
#[derive(Clone, Copy, Debug)]
enum Part {
    Bucket(f64),
    Count,
    Sum,
}

/// What stands next to be given out.
#[derive(Clone, Copy, Debug)]
enum Pending<'a> {
    Nothing,
    Entry(Entry<'a>),
    /// A sample that goes into the histogram of `key`.
    Part(Sample<'a>, Part),
    End,
}

/// A parser with conversion.
#[derive(Debug)]
pub struct ConvertClassic<'a, P> {
    inner: P,
    keep_classic: bool,
    /// The family of the last declared type, if that is histogram; escapes as written.
    family: Option<&'a [u8]>,
    labels: LabelBuffer,
    /// Name and labels of the series that was read last, and those of the histogram that is being collected.
    key: Vec<u8>,
    key_labels: Vec<u8>,
    collected_key: Vec<u8>,
    collecting: bool,
    collected: ClassicHistogram,
    collected_exemplars: Vec<Exemplar<'a>>,
    point: Point,
    /// The histogram given out last.
    histogram: Option<Histogram>,
    exemplars: Vec<Exemplar<'a>>,
    pending: Pending<'a>,
}

impl<'a, P: LineParser<'a>> ConvertClassic<'a, P> {
    /// Converts what `inner` reads.
    pub fn new(inner: P, options: ParseOptions) -> Self {
        Self {
            inner,
            keep_classic: options.keep_classic,
            family: None,
            labels: LabelBuffer::default(),
            key: Vec::new(),
            key_labels: Vec::new(),
            collected_key: Vec::new(),
            collecting: false,
            collected: ClassicHistogram::default(),
            collected_exemplars: Vec::new(),
            point: Point::default(),
            histogram: None,
            exemplars: Vec::new(),
            pending: Pending::Nothing,
        }
    }

    /// What the series is to a histogram of the declared family, and whether its name is of that family: then `key`
    /// names the histogram, also where the series is no part of it, for its bound is no number.
    fn part(&mut self, series: &[u8]) -> (Option<Part>, bool) {
        let Some(family) = self.family else { return (None, false) };
        let declared = Declared { metric_type: MetricType::Histogram, ..Declared::default() };
        split_series(series, &declared, &mut self.labels);
        let mut pairs = self.labels.iter();
        let name = pairs.next().map_or(&[][..], |(_, name)| name);
        let mut is_bucket = false;
        let (base, mut part) = if let Some(base) = name.strip_suffix(b"_bucket") {
            is_bucket = true;
            (base, None)
        } else if let Some(base) = name.strip_suffix(b"_count") {
            (base, Some(Part::Count))
        } else if let Some(base) = name.strip_suffix(b"_sum") {
            (base, Some(Part::Sum))
        } else {
            (name, None)
        };
        if base != family {
            return (None, false);
        }
        self.key_labels.clear();
        for (name, value) in pairs {
            if name != b"le" {
                write_pair(name, value, &mut self.key_labels);
            } else if std::mem::take(&mut is_bucket) {
                let le = std::str::from_utf8(value).ok();
                let le = le.and_then(|le| model::float::parse_float(le).ok());
                part = le.filter(|le| !le.is_nan()).map(Part::Bucket);
            }
        }
        Key::write(family, "", Bound::No, &self.key_labels, &mut self.key);
        (part, true)
    }

    /// Takes a series into the histogram of `key`.
    fn collect(&mut self, part: Part, point: Point) {
        if !self.collecting {
            self.collecting = true;
            std::mem::swap(&mut self.key, &mut self.collected_key);
            self.point.start_timestamp_ms = point.start_timestamp_ms;
        }
        self.collected_exemplars.extend(self.inner.line_exemplar());
        self.point.timestamp_ms = point.timestamp_ms;
        match part {
            Part::Bucket(le) => self.collected.set_bucket(le, point.value),
            Part::Count => self.collected.set_count(point.value),
            Part::Sum => self.collected.set_sum(point.value),
        }
    }

    /// Ends the histogram that is being collected. One that contradicts itself is lost, as in Prometheus.
    fn finish(&mut self) -> bool {
        if !std::mem::take(&mut self.collecting) {
            return false;
        }
        self.histogram = self.collected.convert(CounterResetHint::Unknown).ok();
        std::mem::swap(&mut self.exemplars, &mut self.collected_exemplars);
        self.collected_exemplars.clear();
        self.histogram.is_some()
    }

    /// What to do with an entry that was read, and whether it ends the histogram that is being collected.
    fn classify(&mut self, entry: Entry<'a>) -> (Pending<'a>, bool) {
        let Entry::Sample(sample) = entry else {
            if let Entry::Type { metric, metric_type } = entry {
                self.family = (metric_type == MetricType::Histogram).then_some(metric);
            }
            return (Pending::Entry(entry), true);
        };
        let (part, is_of_family) = self.part(sample.series);
        let ends = !is_of_family || self.key != self.collected_key;
        match part {
            Some(part) => (Pending::Part(sample, part), ends),
            // Among the parts of a histogram it does not end it.
            None => (Pending::Entry(entry), ends),
        }
    }
}

impl<'a, P: LineParser<'a>> Parser for ConvertClassic<'a, P> {
    const DECLARES_FAMILIES: bool = false;
    const RECALLS_LINES: bool = false;

    fn position(&self) -> usize {
        self.inner.position()
    }

    fn next(&mut self) -> Result<Option<Entry<'_>>, ParseError> {
        loop {
            match std::mem::replace(&mut self.pending, Pending::Nothing) {
                Pending::Nothing => {}
                Pending::End => return Ok(None),
                Pending::Entry(entry) => {
                    self.exemplars.clear();
                    self.exemplars.extend(self.inner.line_exemplar());
                    return Ok(Some(entry));
                }
                Pending::Part(sample, part) => {
                    self.collect(part, sample.point);
                    if self.keep_classic {
                        self.exemplars.clear();
                        return Ok(Some(Entry::Sample(sample)));
                    }
                }
            }
            let (pending, ends) = match self.inner.next_line()? {
                Some(entry) => self.classify(entry),
                None => (Pending::End, true),
            };
            self.pending = pending;
            if ends && self.finish() {
                return Ok(Some(Entry::Histogram(Sample {
                    series: &self.collected_key,
                    point: self.point,
                })));
            }
        }
    }

    fn next_of(&mut self, _series: Fingerprint) -> Result<Option<Sample<'_>>, ParseError> {
        Ok(None)
    }

    fn at_comment(&self) -> bool {
        false
    }

    fn skip_line(&mut self, _line: &[u8], _metric_type: Option<MetricType>) -> bool {
        false
    }

    fn exemplar(&self, index: usize) -> Option<Exemplar<'_>> {
        self.exemplars.get(index).copied()
    }

    fn take_histogram(&mut self, _used: Option<Histogram>) -> Histogram {
        self.histogram.take().expect("taken once, after its entry")
    }
}

#[cfg(test)]
mod tests;
