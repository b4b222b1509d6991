//! Start timestamps of OpenMetrics: the `_created` line that belongs to a sample, which follows it. One look ahead serves
//! all samples before the line that it found, so that a body costs two readings at most.

use super::{OpenMetricsParser, milliseconds};
use crate::entry::Entry;
use crate::labels::raw_labels;
use model::metadata::MetricType;

const CREATED: &[u8] = b"_created";

/// What is known of the lines ahead.
#[derive(Clone, Debug, Default)]
pub(super) struct StartLookup {
    /// The series that was asked for last, and what the answer was.
    asked: Vec<u8>,
    answer_ms: i64,
    key: Vec<u8>,
    /// The next `_created` line: its series, empty if the family ends before one.
    created: Vec<u8>,
    created_ms: i64,
    /// Where that line, or what ends the family, begins; good for all samples before.
    valid_to: usize,
}

/// Whether metrics of this type count from a start on.
pub(super) fn is_counting(metric_type: MetricType) -> bool {
    matches!(metric_type, MetricType::Counter | MetricType::Histogram | MetricType::Summary)
}

/// Whether a sample says when its metric was created.
pub(super) fn is_created(series: &[u8]) -> bool {
    raw_labels(series).0.ends_with(CREATED)
}

/// Puts into `key` what the samples of one metric have in common: the name that `name_of` makes of the sample's, and
/// the labels in the order of the text, but for the bounds of buckets and quantiles.
fn write_key<'s>(series: &'s [u8], name_of: impl Fn(&'s [u8]) -> &'s [u8], key: &mut Vec<u8>) {
    let (name, labels) = raw_labels(series);
    key.clear();
    key.extend_from_slice(name_of(name));
    for (name, value) in labels.filter(|(name, _)| !matches!(*name, b"le" | b"quantile")) {
        // No raw label contains a newline without a quote before it.
        key.push(b'\n');
        key.extend_from_slice(name);
        key.push(b'"');
        key.extend_from_slice(value);
    }
}

impl OpenMetricsParser<'_> {
    /// The start timestamp of the sample of `series` that was just read, in ms; 0 if there is none.
    pub(super) fn start_of(&mut self, series: &[u8]) -> i64 {
        let Some(mut lookup) = self.start.take() else { return 0 };
        let family_len = self.family_len;
        let family = |name| <[u8]>::get(name, ..family_len).unwrap_or(name);
        write_key(series, family, &mut lookup.key);
        if lookup.key != lookup.asked {
            if lookup.valid_to < self.at {
                self.look_ahead(&mut lookup);
            }
            let found = lookup.key == lookup.created;
            lookup.answer_ms = if found { lookup.created_ms } else { 0 };
            std::mem::swap(&mut lookup.asked, &mut lookup.key);
        }
        let answer_ms = lookup.answer_ms;
        self.start = Some(lookup);
        answer_ms
    }

    /// Finds the next `_created` line before anything that is no sample.
    fn look_ahead(&self, lookup: &mut StartLookup) {
        lookup.created.clear();
        let mut ahead = self.clone();
        loop {
            lookup.valid_to = ahead.at;
            let Ok(Some(Entry::Sample(sample))) = ahead.next_plain() else { return };
            if is_created(sample.series) {
                let metric = |name| <[u8]>::strip_suffix(name, CREATED).unwrap_or(name);
                write_key(sample.series, metric, &mut lookup.created);
                lookup.created_ms = milliseconds(sample.point.value);
                return;
            }
        }
    }
}
