//! The exemplars of one body on their way to the storage. Its refusals never fail a scrape.

use crate::Result;
use crate::cache::{Cache, Slot, State};
use expfmt::labels::LabelBuffer;
use expfmt::{Exemplar, Parser};
use model::SeriesRef;
use std::hash::BuildHasher as _;
use storage::{Appender, ExemplarBatch, ExemplarRow, RejectReason};

#[derive(Clone, Copy, Debug)]
struct Row {
    slot: Slot,
    /// The number of the sample in the body: exemplars of one sample count together.
    sample: u32,
    timestamp_ms: i64,
    value: f64,
    /// Labels: from here on to `labels_end`.
    labels_begin: usize,
    labels_end: usize,
}

/// Exemplars with their labels behind one another.
#[derive(Debug, Default)]
pub(super) struct Exemplars {
    rows: Vec<Row>,
    text: String,
    /// Ends of names and values in `text`.
    ends: Vec<[usize; 2]>,
    num_samples: u32,
    labels: LabelBuffer,
    hasher: model::hash::BuildHasher,
}

impl Exemplars {
    /// The memory of rows and texts.
    pub(super) fn capacity_bytes(&self) -> usize {
        self.rows.capacity() * size_of::<Row>()
            + self.text.capacity()
            + self.ends.capacity() * size_of::<[usize; 2]>()
    }

    pub(super) fn clear(&mut self) {
        self.rows.clear();
        self.text.clear();
        self.ends.clear();
        self.num_samples = 0;
    }

    /// Takes over the exemplars of the sample that `parser` gave last. One without a timestamp gets that of the sample,
    /// unless it is the one of the scrape before; for histograms it is left out.
    pub(super) fn take(
        &mut self,
        parser: &impl Parser,
        cache: &mut Cache,
        slot: Slot,
        timestamp_ms: i64,
        of_histogram: bool,
    ) {
        let begin = self.rows.len();
        for exemplar in (0..).map_while(|index| parser.exemplar(index)) {
            if of_histogram && exemplar.timestamp_ms.is_none() {
                continue;
            }
            self.push(&exemplar, slot, exemplar.timestamp_ms.unwrap_or(timestamp_ms));
            let undated = exemplar.timestamp_ms.is_none().then(|| self.hash_of_last());
            if cache.is_known_exemplar(slot, undated) {
                self.rows.pop();
            }
        }
        self.rows[begin..]
            .sort_by(|a, b| a.timestamp_ms.cmp(&b.timestamp_ms).then(a.value.total_cmp(&b.value)));
        self.num_samples += 1;
    }

    /// A hash of labels and value of the last exemplar.
    fn hash_of_last(&self) -> u64 {
        let Some(row) = self.rows.last() else { return 0 };
        let labels = row.labels_begin..row.labels_end;
        let text_begin = labels.start.checked_sub(1).map_or(0, |before| self.ends[before][1]);
        let lengths =
            self.ends[labels].iter().map(|[name, value]| [name - text_begin, value - text_begin]);
        let lengths: Vec<[usize; 2]> = lengths.collect();
        self.hasher.hash_one((&self.text[text_begin..], lengths, row.value.to_bits()))
    }

    fn push(&mut self, exemplar: &Exemplar<'_>, slot: Slot, timestamp_ms: i64) {
        exemplar.labels(&mut self.labels);
        let mut pairs: Vec<_> = self.labels.iter().collect();
        pairs.sort_unstable();
        let labels_begin = self.ends.len();
        for (name, value) in pairs {
            self.text.push_str(&String::from_utf8_lossy(name));
            let name_end = self.text.len();
            self.text.push_str(&String::from_utf8_lossy(value));
            self.ends.push([name_end, self.text.len()]);
        }
        let (labels_end, value) = (self.ends.len(), exemplar.value);
        let sample = self.num_samples;
        self.rows.push(Row { slot, sample, timestamp_ms, value, labels_begin, labels_end });
    }

    /// Stages them. Returns how many were out of order, those left out of whose sample another one was taken.
    pub(super) fn append(&self, cache: &Cache, appender: &mut dyn Appender) -> Result<u64> {
        if self.rows.is_empty() {
            return Ok(0);
        }
        let begin_of = |index: usize| index.checked_sub(1).map_or(0, |before| self.ends[before][1]);
        let pairs: Vec<(&str, &str)> = (0..self.ends.len())
            .map(|index| {
                let [name_end, value_end] = self.ends[index];
                (&self.text[begin_of(index)..name_end], &self.text[name_end..value_end])
            })
            .collect();
        let (mut refs, mut samples): (Vec<SeriesRef>, Vec<u32>) = (Vec::new(), Vec::new());
        let mut rows = Vec::with_capacity(self.rows.len());
        for row in &self.rows {
            let State::Series(series) = cache.state(row.slot) else { continue };
            refs.push(series);
            samples.push(row.sample);
            let Row { timestamp_ms, value, labels_begin, labels_end, .. } = *row;
            let labels = &pairs[labels_begin..labels_end];
            rows.push(ExemplarRow { labels, timestamp_ms, value });
        }
        let mut rejected = Vec::new();
        appender.append_exemplars(ExemplarBatch::new(&refs, &rows), &mut rejected)?;
        let late: model::hash::HashSet<u32> = rejected
            .iter()
            .filter(|rejected| rejected.reason == RejectReason::OutOfOrderExemplar)
            .map(|rejected| rejected.row)
            .collect();
        let is_late = |row: usize| late.contains(&(row as u32));
        let mut num_late = 0;
        let mut row = 0;
        for group in samples.chunk_by(|a, b| a == b) {
            let rows = row..row + group.len();
            row = rows.end;
            num_late += if rows.clone().all(is_late) { group.len() as u64 } else { 0 };
        }
        Ok(num_late)
    }
}
