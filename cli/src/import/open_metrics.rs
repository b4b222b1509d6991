//! OpenMetrics text as a source of past samples.

use super::{ImportError, Series, Sink, Source};
use expfmt::labels::{Declared, LabelBuffer, split_series};
use expfmt::{Entry, OpenMetricsParser, ParseOptions, Parser, Sample};
use model::LabelsBuilder;
use model::hash::HashMap;
use model::metadata::MetricType;
use tsdb::{ImportRow, ImportValue};

/// Samples between two reports.
const REPORT_ROWS: u64 = 1 << 17;

/// A text, and what its series get besides.
pub(crate) struct OpenMetrics<'a> {
    /// The text.
    pub(crate) body: &'a [u8],
    /// Labels that every series gets in the place of its own.
    pub(crate) labels: &'a [(String, String)],
}

impl<'a> OpenMetrics<'a> {
    /// Takes one sample; fails with what is wrong with it.
    fn take(
        &self,
        names: &mut Names<'a>,
        (sample, metric_type): (&Sample<'a>, MetricType),
        sink: &mut Sink<'_>,
    ) -> Result<(), Fault> {
        let Some(timestamp_ms) = sample.point.timestamp_ms else {
            let series = String::from_utf8_lossy(sample.series);
            return Err(Fault::Here(format!(
                "expected timestamp for series {series}, got none; add it behind the value"
            )));
        };
        if !sink.wants(timestamp_ms).map_err(Fault::Here)? {
            return Ok(());
        }
        let series = names.series(sample.series, metric_type, self.labels, &mut sink.series);
        let series = series.ok_or_else(|| {
            Fault::Here("a label name is not valid UTF-8; take the line out".to_owned())
        })?;
        let value = ImportValue::Float(sample.point.value);
        sink.take(ImportRow { series, timestamp_ms, value }).map_err(Fault::Elsewhere)
    }
}

/// What is wrong with a line, or with something that is no affair of the text.
enum Fault {
    Here(String),
    Elsewhere(ImportError),
}

impl Source for OpenMetrics<'_> {
    fn walk(&self, sink: &mut Sink<'_>) -> Result<(), ImportError> {
        let mut parser = OpenMetricsParser::new(self.body, ParseOptions::default());
        let mut names = Names::default();
        let mut metric_type = MetricType::Unknown;
        let mut num_samples = 0_u64;
        loop {
            let begin = parser.position();
            let sample = match parser.next_entry()? {
                None => return Ok(()),
                Some(Entry::Sample(sample)) => sample,
                Some(Entry::Type { metric_type: declared, .. }) => {
                    metric_type = declared;
                    continue;
                }
                Some(_) => continue,
            };
            self.take(&mut names, (&sample, metric_type), sink).map_err(|fault| match fault {
                Fault::Elsewhere(error) => error,
                Fault::Here(what) => {
                    let before = self.body.get(..begin).unwrap_or_default();
                    let line = before.iter().filter(|&&byte| byte == b'\n').count() + 1;
                    ImportError::Sample { line, what }
                }
            })?;
            num_samples += 1;
            if num_samples.is_multiple_of(REPORT_ROWS) {
                sink.reached(parser.position())?;
            }
        }
    }
}

/// The series of one pass.
#[derive(Default)]
struct Names<'a> {
    /// By the text of the series; the type decides how some labels are written.
    by_text: HashMap<&'a [u8], (MetricType, u32)>,
    pairs: LabelBuffer,
    builder: LabelsBuilder,
}

impl<'a> Names<'a> {
    /// The number of a series; `None` if a name of it is not UTF-8.
    fn series(
        &mut self,
        text: &'a [u8],
        metric_type: MetricType,
        extra: &[(String, String)],
        series: &mut Series,
    ) -> Option<u32> {
        if let Some((known, id)) = self.by_text.get(text)
            && *known == metric_type
        {
            return Some(*id);
        }
        let declared = Declared { metric_type, ..Declared::default() };
        split_series(text, &declared, &mut self.pairs);
        self.builder.clear();
        for (name, value) in self.pairs.iter() {
            let (name, value) = (std::str::from_utf8(name).ok()?, std::str::from_utf8(value).ok()?);
            self.builder.set(name, value);
        }
        for (name, value) in extra {
            self.builder.set(name, value);
        }
        let id = series.id(self.builder.labels());
        self.by_text.insert(text, (metric_type, id));
        Some(id)
    }
}
