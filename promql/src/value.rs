//! What a query answers with: scalar, string, vector, matrix. Columns; labels are ids until someone prints them.

use crate::operator::cost;
use model::histogram::FloatHistogram;
use model::{LabelsColumn, Symbols};
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
                    + 16 * (matrix.values.len() + points.values.len())
                    + 8 * (matrix.ends.len() + points.ends.len())
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

/// Samples over time for each series, back to back: those of series `i` end before `ends[i]`.
#[derive(Clone, Debug, Default)]
pub struct Matrix {
    /// The table of the label ids.
    pub symbols: Arc<Symbols>,
    /// Labels of each series.
    pub labels: LabelsColumn,
    /// Where the samples of each series end.
    pub ends: Vec<usize>,
    /// Times of all samples.
    pub timestamps_ms: Vec<i64>,
    /// Values of all samples.
    pub values: Vec<f64>,
    /// The native histograms; nearly always none.
    pub histograms: HistogramPoints,
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
