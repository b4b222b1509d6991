//! What a query answers with: scalar, string, vector, matrix. Columns; labels are ids until someone prints them.

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

/// One sample for each series; columns of equal length.
#[derive(Clone, Debug, Default)]
pub struct Vector {
    /// The table of the label ids.
    pub symbols: Arc<Symbols>,
    /// Labels of each series.
    pub labels: LabelsColumn,
    /// Time of each sample.
    pub timestamps_ms: Vec<i64>,
    /// Value of each sample.
    pub values: Vec<f64>,
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
}
