//! Our own metrics: counters, gauges, histograms and summaries, named and printed as client_golang prints them.
//! A [`Registry`] is a handle passed in, never a global: two databases in one process keep apart.
//! Also the [`Stopwatch`], the only reader of the monotonic clock. No HTTP here.
#![forbid(unsafe_code)]

mod counter;
mod family;
mod float;
mod gauge;
mod histogram;
mod memory;
mod process;
mod registry;
mod stopwatch;
mod summary;
mod view;

pub use counter::Counter;
pub use family::{CounterVec, GaugeVec, HistogramVec, SummaryVec};
pub use gauge::Gauge;
pub use histogram::Histogram;
pub use memory::{mapped_memory_bytes, memory_limit_bytes, private_memory_bytes};
pub use process::register_process;
pub use registry::Registry;
pub use stopwatch::Stopwatch;
pub use summary::Summary;
pub use view::{FamilyView, MetricView, ValueView};

/// The default buckets of client_golang for durations in seconds.
pub const DEFAULT_BUCKETS: [f64; 11] =
    [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0];
