//! Decoded samples, one vector per field. Native histograms have columns of their own beside the floats.

#[cfg(test)]
mod tests;

use model::histogram::{
    CounterResetHint, FloatHistogram, HistogramView, IntHistogram, Layout, MAX_SCHEMA,
};
use std::ops::Range;
use std::sync::Arc;

/// The samples of one series in time order; float columns of equal length. A series that changes its kind has both
/// floats and histograms, each in time order and never two samples of one time.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct SampleColumns {
    /// Timestamps of the float samples.
    pub timestamps_ms: Vec<i64>,
    /// Values of the float samples; a staleness marker is a NaN with its own bit pattern.
    pub values: Vec<f64>,
    /// Since when each float sample counts, in milliseconds; zero where that is not known. Nearly always empty: what is
    /// missing at the end is not known either.
    pub start_timestamps_ms: Vec<i64>,
    /// The native histograms; nearly always empty.
    pub histograms: HistogramColumns,
}

impl SampleColumns {
    /// Forgets the samples and keeps the memory.
    pub fn clear(&mut self) {
        self.timestamps_ms.clear();
        self.values.clear();
        self.start_timestamps_ms.clear();
        self.histograms.clear();
    }

    /// Number of float samples.
    #[must_use]
    pub fn len(&self) -> usize {
        self.timestamps_ms.len()
    }

    /// Whether there are no samples of either kind.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.timestamps_ms.is_empty() && self.histograms.is_empty()
    }

    /// Bytes of memory that the samples take.
    #[must_use]
    pub fn size_bytes(&self) -> usize {
        size_of_val(&self.timestamps_ms[..])
            + size_of_val(&self.values[..])
            + size_of_val(&self.start_timestamps_ms[..])
            + self.histograms.size_bytes()
    }

    /// Adds one float sample.
    #[inline]
    pub fn push(&mut self, timestamp_ms: i64, value: f64) {
        self.timestamps_ms.push(timestamp_ms);
        self.values.push(value);
    }

    /// Adds one float sample that counts since `start_ms`, zero if that is not known.
    #[inline]
    pub fn push_started(&mut self, timestamp_ms: i64, value: f64, start_ms: i64) {
        push_start(&mut self.start_timestamps_ms, self.values.len(), start_ms);
        self.push(timestamp_ms, value);
    }

    /// Since when a float sample counts; zero if that is not known.
    #[inline]
    #[must_use]
    pub fn start_ms(&self, row: usize) -> i64 {
        self.start_timestamps_ms.get(row).copied().unwrap_or(0)
    }

    /// Adds the float samples of `other` at these places.
    pub fn extend_floats(&mut self, other: &Self, places: Range<usize>) {
        for place in
            places.clone().take(other.start_timestamps_ms.len().saturating_sub(places.start))
        {
            let row = self.values.len() + place - places.start;
            push_start(&mut self.start_timestamps_ms, row, other.start_timestamps_ms[place]);
        }
        self.timestamps_ms.extend_from_slice(&other.timestamps_ms[places.clone()]);
        self.values.extend_from_slice(&other.values[places]);
    }

    /// Takes the float samples at these places out.
    pub fn remove(&mut self, places: Range<usize>) {
        self.timestamps_ms.drain(places.clone());
        self.values.drain(places.clone());
        let starts = &mut self.start_timestamps_ms;
        starts.drain(places.start.min(starts.len())..places.end.min(starts.len()));
    }

    /// Keeps the float samples for whose values `keep` holds.
    pub fn retain_floats(&mut self, keep: impl Fn(f64) -> bool) {
        let kept = |values: &[f64], row: usize| values.get(row).is_some_and(|&value| keep(value));
        for column in [&mut self.timestamps_ms, &mut self.start_timestamps_ms] {
            let mut row = 0..;
            column.retain(|_| row.next().is_some_and(|row| kept(&self.values, row)));
        }
        self.values.retain(|&value| keep(value));
    }

    /// Forgets since when samples count.
    pub fn forget_starts(&mut self) {
        self.start_timestamps_ms.clear();
        self.histograms.start_timestamps_ms.clear();
    }
}

/// Notes the start of sample number `row`, if it is known.
#[inline]
fn push_start(starts: &mut Vec<i64>, row: usize, start_ms: i64) {
    if start_ms != 0 {
        starts.resize(row, 0);
        starts.push(start_ms);
    }
}

/// What of a histogram is the same for every number of buckets.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Row {
    layout: u32,
    hint: CounterResetHint,
    num_positive: u32,
    num_negative: u32,
    first_bucket: usize,
    zero_count: f64,
    count: f64,
    sum: f64,
}

/// Native histograms with float counts: rows of fixed size, layouts apart, all buckets back to back.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct HistogramColumns {
    timestamps_ms: Vec<i64>,
    /// As with floats; nearly always empty.
    start_timestamps_ms: Vec<i64>,
    rows: Vec<Row>,
    layouts: Vec<Arc<Layout>>,
    buckets: Vec<f64>,
}

impl HistogramColumns {
    /// Forgets the histograms and keeps the memory.
    pub fn clear(&mut self) {
        self.timestamps_ms.clear();
        self.start_timestamps_ms.clear();
        self.rows.clear();
        self.layouts.clear();
        self.buckets.clear();
    }

    /// Number of histograms.
    #[must_use]
    pub fn len(&self) -> usize {
        self.rows.len()
    }

    /// Whether there are none.
    #[inline]
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    /// Bytes of memory that they take.
    #[must_use]
    pub fn size_bytes(&self) -> usize {
        size_of_val(&self.timestamps_ms[..])
            + size_of_val(&self.start_timestamps_ms[..])
            + size_of_val(&self.rows[..])
            + size_of_val(&self.buckets[..])
    }

    /// Their timestamps.
    #[must_use]
    pub fn timestamps_ms(&self) -> &[i64] {
        &self.timestamps_ms
    }

    /// Since when a histogram counts, in milliseconds; zero if that is not known.
    #[inline]
    #[must_use]
    pub fn start_ms(&self, row: usize) -> i64 {
        self.start_timestamps_ms.get(row).copied().unwrap_or(0)
    }

    /// Whether any histogram says since when it counts.
    #[must_use]
    pub fn has_starts(&self) -> bool {
        !self.start_timestamps_ms.is_empty()
    }

    /// Says since when a histogram counts: one of the newest, in their order.
    pub fn set_start_ms(&mut self, row: usize, start_ms: i64) {
        self.start_timestamps_ms.truncate(row);
        push_start(&mut self.start_timestamps_ms, row, start_ms);
    }

    /// The histogram of one row.
    #[inline]
    #[must_use]
    pub fn get(&self, row: usize) -> HistogramView<'_> {
        let row = &self.rows[row];
        let negative = row.first_bucket + row.num_positive as usize;
        HistogramView {
            layout: &self.layouts[row.layout as usize],
            hint: row.hint,
            zero_count: row.zero_count,
            count: row.count,
            sum: row.sum,
            positive: &self.buckets[row.first_bucket..negative],
            negative: &self.buckets[negative..negative + row.num_negative as usize],
        }
    }

    /// Counter reset between the row before and this one.
    #[inline]
    #[must_use]
    pub fn hint(&self, row: usize) -> CounterResetHint {
        self.rows[row].hint
    }

    /// Changes what is known of a reset before a row.
    pub fn set_hint(&mut self, row: usize, hint: CounterResetHint) {
        self.rows[row].hint = hint;
    }

    /// Whether all histograms have one layout and none is a gauge: what is true of nearly every counter.
    #[must_use]
    pub fn is_uniform_counter(&self) -> bool {
        self.layouts.len() <= 1 && self.rows.iter().all(|row| row.hint != CounterResetHint::Gauge)
    }

    /// Keeps the rows at the places for which `keep` holds.
    pub fn retain(&mut self, mut keep: impl FnMut(usize) -> bool) {
        let mut kept = 0;
        for place in 0..self.rows.len() {
            if keep(place) {
                self.rows[kept] = self.rows[place];
                self.timestamps_ms[kept] = self.timestamps_ms[place];
                let start_ms = self.start_ms(place);
                if let Some(kept) = self.start_timestamps_ms.get_mut(kept) {
                    *kept = start_ms;
                }
                kept += 1;
            }
        }
        self.rows.truncate(kept);
        self.timestamps_ms.truncate(kept);
        self.start_timestamps_ms.truncate(kept);
    }

    /// Forgets all buckets and keeps counts and sums. What a hint leaves open is settled first, by comparing neighbours,
    /// since nobody can do it afterwards.
    pub fn keep_totals(&mut self) {
        let mut last: Option<usize> = None;
        let mut hints = Vec::with_capacity(self.len());
        for row in 0..self.len() {
            let view = self.get(row);
            let is_known = view.is_stale() || view.hint != CounterResetHint::Unknown;
            hints.push(match last {
                _ if is_known => view.hint,
                None => CounterResetHint::Unknown,
                Some(last) if view.detect_reset(self.get(last)) => CounterResetHint::CounterReset,
                Some(_) => CounterResetHint::NotCounterReset,
            });
            if !view.is_stale() {
                last = Some(row);
            }
        }
        let mut totals: Option<Arc<Layout>> = None;
        for layout in &mut self.layouts {
            let held = totals.take().filter(|held| held.schema == layout.schema);
            let held = held
                .unwrap_or_else(|| Arc::new(Layout { schema: layout.schema, ..Layout::default() }));
            *layout = Arc::clone(&held);
            totals = Some(held);
        }
        for (row, hint) in self.rows.iter_mut().zip(hints) {
            *row = Row {
                hint,
                num_positive: 0,
                num_negative: 0,
                first_bucket: 0,
                zero_count: 0.0,
                ..*row
            };
        }
        self.buckets.clear();
    }

    /// The layout of the newest rows if it says the same: chunks of one series mostly share theirs.
    pub(crate) fn shared_layout(&self, layout: Arc<Layout>) -> Arc<Layout> {
        self.layouts.last().filter(|last| ***last == *layout).map_or(layout, Arc::clone)
    }

    fn layout(&mut self, layout: &Arc<Layout>) -> u32 {
        if !self.layouts.last().is_some_and(|last| Arc::ptr_eq(last, layout)) {
            self.layouts.push(Arc::clone(layout));
        }
        self.layouts.len() as u32 - 1
    }

    /// Adds a histogram.
    pub fn push(&mut self, timestamp_ms: i64, histogram: HistogramView<'_>) {
        let first_bucket = self.buckets.len();
        self.buckets.extend_from_slice(histogram.positive);
        self.buckets.extend_from_slice(histogram.negative);
        let layout = self.layout(histogram.layout);
        self.timestamps_ms.push(timestamp_ms);
        self.rows.push(Row {
            layout,
            hint: histogram.hint,
            num_positive: histogram.positive.len() as u32,
            num_negative: histogram.negative.len() as u32,
            first_bucket,
            zero_count: histogram.zero_count,
            count: histogram.count,
            sum: histogram.sum,
        });
    }

    /// Adds a histogram with integer counts.
    pub fn push_int(&mut self, timestamp_ms: i64, histogram: &IntHistogram) {
        let counts = (histogram.zero_count, histogram.count, histogram.sum);
        let buckets = [&histogram.positive_deltas[..], &histogram.negative_deltas[..]];
        self.push_deltas(timestamp_ms, (&histogram.layout, histogram.hint), counts, buckets);
    }

    /// Adds a histogram with integer counts: of zero and of all, then the sum, then the buckets, positive and negative,
    /// each told by the difference to the one before.
    #[inline]
    pub(crate) fn push_deltas(
        &mut self,
        timestamp_ms: i64,
        (layout, hint): (&Arc<Layout>, CounterResetHint),
        (zero_count, count, sum): (u64, u64, f64),
        buckets: [&[i64]; 2],
    ) {
        let first_bucket = self.buckets.len();
        for deltas in buckets {
            let mut count = 0_i64;
            self.buckets.extend(deltas.iter().map(|delta| {
                count = count.wrapping_add(*delta);
                count as f64
            }));
        }
        let layout = self.layout(layout);
        self.timestamps_ms.push(timestamp_ms);
        self.rows.push(Row {
            layout,
            hint,
            num_positive: buckets[0].len() as u32,
            num_negative: buckets[1].len() as u32,
            first_bucket,
            zero_count: zero_count as f64,
            count: count as f64,
            sum,
        });
    }

    /// Adds count and sum of a histogram.
    pub(crate) fn push_totals(&mut self, timestamp_ms: i64, histogram: HistogramView<'_>) {
        let schema = histogram.layout.schema.min(MAX_SCHEMA);
        if self.layouts.last().is_none_or(|last| last.schema != schema) {
            self.layouts.push(Arc::new(Layout { schema, ..Layout::default() }));
        }
        self.timestamps_ms.push(timestamp_ms);
        self.rows.push(Row {
            layout: self.layouts.len() as u32 - 1,
            hint: histogram.hint,
            num_positive: 0,
            num_negative: 0,
            first_bucket: 0,
            zero_count: 0.0,
            count: histogram.count,
            sum: histogram.sum,
        });
    }

    /// Adds an owned float histogram.
    pub fn push_float(&mut self, timestamp_ms: i64, histogram: &FloatHistogram) {
        self.push(timestamp_ms, histogram.view());
    }
}
