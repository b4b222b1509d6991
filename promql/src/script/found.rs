//! What a query answered, row by row: from an engine, or from whoever else was asked. Judging it is `compare`'s.

use super::When;
use crate::engine::{Engine, Request};
use crate::value::{Matrix, Value, Vector};
use model::histogram::{Bucket, FloatHistogram};
use model::{Labels, float};
use std::sync::Arc;
use storage::{Annotations, Cancel, Queryable};

/// An answer.
#[derive(Clone, Debug)]
pub struct Reply {
    /// The result.
    pub found: Found,
    /// Warnings and infos with prefix and position.
    pub annotations: Annotations,
}

/// The result of a query.
#[derive(Clone, Debug)]
pub enum Found {
    /// One number.
    Scalar(f64),
    /// One text.
    Text(String),
    /// At most one sample for each series, in the order of the answer.
    Vector(Vec<(Labels, Sample)>),
    /// Samples over time for each series, in the order of the answer; those of a series by time.
    Matrix(Vec<(Labels, Vec<(i64, Sample)>)>),
}

/// A sample of an answer.
#[derive(Clone, Debug)]
pub enum Sample {
    /// A number.
    Float(f64),
    /// A native histogram.
    Histogram(Arc<FloatHistogram>),
    /// A native histogram as the API shows it: without schema, hint and empty buckets.
    Shown {
        /// Observations.
        count: f64,
        /// Their sum.
        sum: f64,
        /// The buckets that hold something, from the lowest to the highest.
        buckets: Vec<Bucket>,
    },
}

impl Sample {
    /// The sample in words.
    pub(super) fn text(&self) -> String {
        match self {
            Self::Float(value) => float::fixed(*value),
            Self::Histogram(histogram) => histogram.view().test_notation(),
            Self::Shown { count, sum, buckets } => {
                format!("count {count}, sum {sum}, buckets {buckets:?}")
            }
        }
    }
}

/// Asks an engine; the error in its words.
pub fn ask(
    engine: &Engine,
    storage: &dyn Queryable,
    query: &str,
    when: When,
) -> Result<Reply, String> {
    let cancel = Cancel::new();
    let request = Request::new(&cancel);
    let answer = match when {
        When::Instant { at_ms } => engine.instant(storage, query, at_ms, &request),
        When::Range { start_ms, end_ms, step_ms } => {
            engine.range(storage, query, start_ms, end_ms, step_ms, &request)
        }
    };
    let answer = answer.map_err(|error| error.to_string())?;
    Ok(Reply { found: rows(&answer.value), annotations: answer.annotations })
}

fn rows(value: &Value) -> Found {
    match value {
        Value::Scalar { value, .. } => Found::Scalar(*value),
        Value::String { value, .. } => Found::Text(value.clone()),
        Value::Vector(vector) => Found::Vector(elements(vector)),
        Value::Matrix(matrix) => {
            let labels = matrix.labels.iter().map(|labels| matrix.symbols.labels(labels));
            let series = |(row, labels)| (labels, samples_of(matrix, row));
            Found::Matrix(labels.enumerate().map(series).collect())
        }
    }
}

fn elements(vector: &Vector) -> Vec<(Labels, Sample)> {
    let labels = vector.labels.iter().map(|labels| vector.symbols.labels(labels));
    let element = |(row, labels)| {
        let histogram = vector.histograms.get(row).and_then(Option::as_ref);
        let float = Sample::Float(vector.values[row]);
        (labels, histogram.map_or(float, |histogram| Sample::Histogram(Arc::clone(histogram))))
    };
    labels.enumerate().map(element).collect()
}

/// The samples of one series of a matrix by time.
fn samples_of(matrix: &Matrix, row: usize) -> Vec<(i64, Sample)> {
    let floats = matrix.floats.of(row).map(|(_, time, value)| (time, Sample::Float(value)));
    let (times, histograms) = matrix.histograms.of(row);
    let histograms = times.iter().zip(histograms);
    let histograms =
        histograms.map(|(time, histogram)| (*time, Sample::Histogram(Arc::clone(histogram))));
    let mut all: Vec<_> = floats.chain(histograms).collect();
    all.sort_by_key(|(time, _)| *time);
    all
}
