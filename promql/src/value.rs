//! What a query answers with: scalar, string, vector, matrix. Columns; labels are ids until someone prints them.

use crate::bitmap;
use crate::operator::{StepBatch, cost};
use model::histogram::FloatHistogram;
use model::{LabelsColumn, StepGrid, Symbols};
use std::sync::Arc;

/// The result of a query.
#[derive(Clone, Debug)]
pub enum Value {
    /// One number.
    Scalar {
        /// Evaluation time.
        timestamp_ms: i64,
        /// The number.
        value: f64,
    },
    /// One text.
    String {
        /// Evaluation time.
        timestamp_ms: i64,
        /// The text.
        value: String,
    },
    /// At most one sample for each series.
    Vector(Vector),
    /// Samples over time for each series.
    Matrix(Matrix),
}

impl Value {
    /// Bytes of memory that it takes.
    pub(crate) fn size_bytes(&self) -> usize {
        let histogram = |histogram: &FloatHistogram| 16 * cost(histogram);
        match self {
            Self::Scalar { .. } => 0,
            Self::String { value, .. } => value.len(),
            Self::Vector(vector) => {
                let histograms = vector.histograms.iter().flatten().map(|value| histogram(value));
                vector.labels.size_bytes()
                    + 16 * vector.values.len()
                    + size_of_val(&vector.histograms[..])
                    + histograms.sum::<usize>()
            }
            Self::Matrix(matrix) => {
                let points = &matrix.histograms;
                matrix.labels.size_bytes()
                    + matrix.floats.size_bytes()
                    + 16 * points.values.len()
                    + 8 * points.ends.len()
                    + points.values.iter().map(|value| histogram(value)).sum::<usize>()
            }
        }
    }
}

/// One sample for each series; columns of equal length.
#[derive(Clone, Debug, Default)]
pub struct Vector {
    /// The table of the label ids.
    pub symbols: Arc<Symbols>,
    /// Labels of each series.
    pub labels: LabelsColumn,
    /// Time of each sample.
    pub timestamps_ms: Vec<i64>,
    /// Value of each sample; without meaning where it is a native histogram.
    pub values: Vec<f64>,
    /// For each sample its native histogram if it is one; empty if none is.
    pub histograms: Vec<Option<Arc<FloatHistogram>>>,
}

impl Vector {
    /// The native histogram of a sample that is one.
    #[must_use]
    pub fn histogram(&self, row: usize) -> Option<&FloatHistogram> {
        self.histograms.get(row)?.as_deref()
    }
}

/// Samples over time for each series.
#[derive(Clone, Debug, Default)]
pub struct Matrix {
    /// The table of the label ids.
    pub symbols: Arc<Symbols>,
    /// Labels of each series.
    pub labels: LabelsColumn,
    /// The floats of each series.
    pub floats: Floats,
    /// The native histograms; nearly always none.
    pub histograms: HistogramPoints,
}

/// Floats over time for each series of a matrix: listed with their times, or at the steps of a query in the rows that
/// its evaluation made.
#[derive(Clone, Debug)]
pub struct Floats(Kept);

#[derive(Clone, Debug)]
enum Kept {
    Listed {
        ends: Vec<usize>,
        timestamps_ms: Vec<i64>,
        values: Vec<f64>,
    },
    Stepped {
        grid: StepGrid,
        batches: Vec<StepBatch>,
        /// Batch and row of each series.
        places: Vec<(u32, u32)>,
    },
}

impl Default for Floats {
    fn default() -> Self {
        Self::listed(Vec::new(), Vec::new(), Vec::new())
    }
}

impl Floats {
    /// Times and values back to back: those of series `i` end before `ends[i]`.
    #[must_use]
    pub fn listed(ends: Vec<usize>, timestamps_ms: Vec<i64>, values: Vec<f64>) -> Self {
        Self(Kept::Listed { ends, timestamps_ms, values })
    }

    /// The rows at `places` (batch, row) of `batches`, whose columns are the steps of `grid`.
    pub(crate) fn stepped(
        grid: StepGrid,
        batches: Vec<StepBatch>,
        places: Vec<(u32, u32)>,
    ) -> Self {
        Self(Kept::Stepped { grid, batches, places })
    }

    /// The memory of one of the batches, for other rows.
    pub(crate) fn into_spare(self) -> StepBatch {
        match self.0 {
            Kept::Listed { .. } => StepBatch::default(),
            Kept::Stepped { batches, .. } => batches.into_iter().last().unwrap_or_default(),
        }
    }

    /// The floats of series `row`, by time.
    #[must_use]
    pub fn of(&self, row: usize) -> FloatPoints<'_> {
        match &self.0 {
            Kept::Listed { ends, timestamps_ms, values } => {
                let inside = if row == 0 { 0 } else { ends[row - 1] }..ends[row];
                let (times, values) = (&timestamps_ms[inside.clone()], &values[inside]);
                FloatPoints { times: Times::Listed(times), values, at: 0 }
            }
            Kept::Stepped { grid, batches, places } => {
                let (batch, row) = places[row];
                let (batch, row) = (&batches[batch as usize], row as usize);
                let times = Times::Stepped(*grid, batch.bits(row));
                FloatPoints { times, values: batch.row(row), at: 0 }
            }
        }
    }

    fn size_bytes(&self) -> usize {
        match &self.0 {
            Kept::Listed { ends, values, .. } => 8 * ends.len() + 16 * values.len(),
            Kept::Stepped { batches, places, .. } => {
                batches.iter().map(StepBatch::size_bytes).sum::<usize>() + 8 * places.len()
            }
        }
    }
}

#[derive(Clone, Copy, Debug)]
enum Times<'a> {
    Listed(&'a [i64]),
    /// A bit for each step that has a value.
    Stepped(StepGrid, &'a [u64]),
}

/// The floats of one series: place, time in milliseconds, value. Floats of different series at one place mostly have
/// equal times.
#[derive(Clone, Debug)]
pub struct FloatPoints<'a> {
    times: Times<'a>,
    values: &'a [f64],
    at: usize,
}

impl Iterator for FloatPoints<'_> {
    type Item = (usize, i64, f64);

    #[inline]
    fn next(&mut self) -> Option<Self::Item> {
        let (place, time_ms) = match self.times {
            Times::Listed(times) => (self.at, *times.get(self.at)?),
            Times::Stepped(grid, bits) => {
                let place = bitmap::next(bits, self.at)?;
                (place, grid.at(place))
            }
        };
        self.at = place + 1;
        Some((place, time_ms, self.values[place]))
    }
}

/// Native histograms over time for each series of a matrix, back to back like its floats.
#[derive(Clone, Debug, Default)]
pub struct HistogramPoints {
    /// Where those of each series end; empty if no series has any.
    pub ends: Vec<usize>,
    /// Times of all histograms.
    pub timestamps_ms: Vec<i64>,
    /// All histograms.
    pub values: Vec<Arc<FloatHistogram>>,
}

impl HistogramPoints {
    /// Times and histograms of series `row`.
    #[must_use]
    pub fn of(&self, row: usize) -> (&[i64], &[Arc<FloatHistogram>]) {
        let Some(&end) = self.ends.get(row) else { return (&[], &[]) };
        let begin = if row == 0 { 0 } else { self.ends[row - 1] };
        (&self.timestamps_ms[begin..end], &self.values[begin..end])
    }
}
