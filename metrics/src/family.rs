//! Metrics of one name, told apart by label values. Children are found once and kept by those who count.

use crate::{Counter, Gauge, Histogram, Summary};
use parking_lot::Mutex;
use std::fmt;
use std::sync::Arc;

/// A number computed when someone asks.
pub(crate) type Function = Arc<dyn Fn() -> f64 + Send + Sync>;

/// One metric of a family.
#[derive(Clone)]
pub(crate) enum Child {
    Counter(Counter),
    Gauge(Gauge),
    Histogram(Histogram),
    Summary(Summary),
    Function(Function),
}

/// What a family's metrics are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Counter,
    Gauge,
    Histogram,
    Summary,
}

impl Kind {
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Counter => "counter",
            Self::Gauge => "gauge",
            Self::Histogram => "histogram",
            Self::Summary => "summary",
        }
    }
}

/// Label values of a child, in the order of the family's label names.
pub(crate) type Values = Box<[Box<str>]>;

/// All metrics of one name.
pub(crate) struct Family {
    pub(crate) help: Box<str>,
    pub(crate) kind: Kind,
    pub(crate) label_names: Values,
    /// Bucket bounds or quantiles of new children.
    parameters: Box<[f64]>,
    /// Sorted by label values.
    children: Mutex<Vec<(Values, Child)>>,
}

impl fmt::Debug for Family {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Family").field("kind", &self.kind).field("help", &self.help).finish()
    }
}

impl Family {
    pub(crate) fn new(kind: Kind, help: &str, label_names: &[&str], parameters: &[f64]) -> Self {
        let label_names = label_names.iter().map(|&name| name.into()).collect();
        let children = Mutex::default();
        Self { help: help.into(), kind, label_names, parameters: parameters.into(), children }
    }

    /// The child with these label values, new if it was not there.
    pub(crate) fn child(&self, values: &[&str]) -> Child {
        assert_eq!(values.len(), self.label_names.len(), "one value for each label of the family");
        let mut children = self.children.lock();
        let place = find(&children, values);
        let index = place.unwrap_or_else(|index| {
            let owned = values.iter().map(|&value| value.into()).collect();
            children.insert(index, (owned, self.new_child()));
            index
        });
        children[index].1.clone()
    }

    fn new_child(&self) -> Child {
        match self.kind {
            Kind::Counter => Child::Counter(Counter::default()),
            Kind::Gauge => Child::Gauge(Gauge::default()),
            Kind::Histogram => Child::Histogram(Histogram::new(&self.parameters)),
            Kind::Summary => Child::Summary(Summary::new(&self.parameters)),
        }
    }

    /// Makes `function` the only child.
    pub(crate) fn set_function(&self, function: Function) {
        *self.children.lock() = vec![(Box::default(), Child::Function(function))];
    }

    fn remove(&self, values: &[&str]) {
        let mut children = self.children.lock();
        if let Ok(index) = find(&children, values) {
            children.remove(index);
        }
    }

    /// The children in the order of their label values.
    pub(crate) fn children(&self) -> Vec<(Values, Child)> {
        self.children.lock().clone()
    }
}

fn find(children: &[(Values, Child)], values: &[&str]) -> Result<usize, usize> {
    children
        .binary_search_by(|(have, _)| have.iter().map(AsRef::as_ref).cmp(values.iter().copied()))
}

macro_rules! family_handle {
    ($(#[$doc:meta])* $name:ident, $child:ident) => {
        $(#[$doc])*
        #[derive(Clone, Debug)]
        pub struct $name(pub(crate) Arc<Family>);

        impl $name {
            /// The metric with these label values, in the order of the label names; new if it was not there.
            /// Keep the result: looking it up takes a lock.
            #[must_use]
            pub fn with(&self, values: &[&str]) -> $child {
                match self.0.child(values) {
                    Child::$child(child) => child,
                    _ => unreachable!("children have the kind of their family"),
                }
            }

            /// Forgets the metric with these label values; handles to it count into the void.
            pub fn remove(&self, values: &[&str]) {
                self.0.remove(values);
            }
        }
    };
}

family_handle!(
    /// Counters by label values.
    CounterVec,
    Counter
);
family_handle!(
    /// Gauges by label values.
    GaugeVec,
    Gauge
);
family_handle!(
    /// Histograms by label values.
    HistogramVec,
    Histogram
);
family_handle!(
    /// Summaries by label values.
    SummaryVec,
    Summary
);
