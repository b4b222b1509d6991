//! The read seam of exemplars, beside that of samples: single observations with labels of their own.

use crate::Result;
use model::{Labels, Matcher, TimeRange};

/// A storage that keeps exemplars.
pub trait ExemplarQueryable: Send + Sync {
    /// The exemplars within `range` of the series that satisfy any of the `selectors` (each a list of matchers that
    /// must all hold). Series in the order of their labels, each once; exemplars of a series in time order.
    fn select_exemplars(
        &self,
        range: TimeRange,
        selectors: &[Vec<Matcher>],
    ) -> Result<Vec<SeriesExemplars>>;
}

/// The exemplars of a series.
#[derive(Clone, Debug, PartialEq)]
pub struct SeriesExemplars {
    /// The labels of the series.
    pub labels: Labels,
    /// Its exemplars in time order, at least one.
    pub exemplars: Vec<Exemplar>,
}

/// A single observation.
#[derive(Clone, Debug, PartialEq)]
pub struct Exemplar {
    /// Its own labels, such as the id of a trace.
    pub labels: Labels,
    /// When it was observed.
    pub timestamp_ms: i64,
    /// What was observed.
    pub value: f64,
}
