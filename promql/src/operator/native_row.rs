//! The native histograms of a row side by side, where all have one layout: what rates of counters yield, and what sums
//! of them take in without a histogram of its own for every step. Arithmetic on single histograms lives in `model`.

use super::cost;
use crate::bitmap;
use model::histogram::{CounterResetHint, FloatHistogram, HistogramView, Layout};
use std::sync::Arc;

/// Numbers of a histogram beside its buckets: zero bucket, count, sum.
const TOTALS: usize = 3;

/// Histograms of one layout over the steps of a row. Empty buckets stay in: whoever needs a histogram by itself leaves
/// them out.
#[derive(Clone, Debug)]
pub(crate) struct NativeRow {
    layout: Arc<Layout>,
    hint: CounterResetHint,
    num_positive: usize,
    present: Box<[u64]>,
    /// For each step zero bucket, count, sum, then the buckets.
    values: Box<[f64]>,
    /// What all of them count for against the limit of samples.
    num_samples: usize,
}

impl NativeRow {
    /// A row without histograms yet; `None` if histograms of this layout cannot be treated alike.
    pub(crate) fn new(
        first: HistogramView<'_>,
        hint: CounterResetHint,
        steps: usize,
    ) -> Option<Self> {
        if first.reaches_into_zero() || !first.layout.is_tidy() {
            return None;
        }
        let width = TOTALS + first.positive.len() + first.negative.len();
        Some(Self {
            layout: Arc::clone(first.layout),
            hint,
            num_positive: first.positive.len(),
            present: vec![0; bitmap::num_words(steps)].into(),
            values: vec![0.0; width * steps].into(),
            num_samples: 0,
        })
    }

    fn width(&self, steps: usize) -> usize {
        self.values.len() / steps
    }

    /// Sets the histogram of one step to `factor` times the difference of two histograms of the layout.
    pub(crate) fn put_difference(
        &mut self,
        (step, steps): (usize, usize),
        (last, first): (HistogramView<'_>, HistogramView<'_>),
        factor: f64,
    ) {
        let width = self.width(steps);
        let values = &mut self.values[step * width..(step + 1) * width];
        values[0] = (last.zero_count - first.zero_count) * factor;
        values[1] = (last.count - first.count) * factor;
        values[2] = (last.sum - first.sum) * factor;
        let (positive, negative) = values[TOTALS..].split_at_mut(self.num_positive);
        let mut is_full = true;
        for (out, last, first) in
            [(positive, last.positive, first.positive), (negative, last.negative, first.negative)]
        {
            for ((out, last), first) in out.iter_mut().zip(last).zip(first) {
                *out = (last - first) * factor;
                is_full &= *out != 0.0;
            }
        }
        bitmap::set(&mut self.present, step);
        self.num_samples += if is_full {
            let layout = &self.layout;
            let spans = layout.positive_spans.len() + layout.negative_spans.len();
            (168 + 8 * (spans + width - TOTALS + layout.custom_values.len()) + 8) / 16
        } else {
            cost(&self.alone(step, steps).expect("just set"))
        };
    }

    /// The steps that have a histogram, with it.
    pub(crate) fn views(&self, steps: usize) -> impl Iterator<Item = (usize, HistogramView<'_>)> {
        let width = self.width(steps);
        bitmap::ones(&self.present).map(move |step| (step, self.view(step, width)))
    }

    fn view(&self, step: usize, width: usize) -> HistogramView<'_> {
        let values = &self.values[step * width..(step + 1) * width];
        let (positive, negative) = values[TOTALS..].split_at(self.num_positive);
        HistogramView {
            layout: &self.layout,
            hint: self.hint,
            zero_count: values[0],
            count: values[1],
            sum: values[2],
            positive,
            negative,
        }
    }

    /// The histogram of one step as it stands by itself, without empty buckets.
    pub(crate) fn alone(&self, step: usize, steps: usize) -> Option<FloatHistogram> {
        bitmap::get(&self.present, step).then(|| {
            let mut histogram = self.view(step, self.width(steps)).to_owned();
            histogram.compact();
            histogram
        })
    }

    /// Which buckets all of them have.
    pub(crate) fn layout(&self) -> &Arc<Layout> {
        &self.layout
    }

    pub(crate) fn is_empty(&self) -> bool {
        bitmap::is_empty(&self.present)
    }

    /// What they count for against the limit of samples held.
    pub(crate) fn num_samples(&self) -> usize {
        self.num_samples
    }

    /// Bytes of memory that they take.
    pub(crate) fn size_bytes(&self) -> usize {
        size_of::<Self>() + size_of_val(&self.present[..]) + size_of_val(&self.values[..])
    }
}
