//! The metrics of an agent, by the names of Prometheus.

use crate::metrics::LogMetrics;
use ::metrics::{Counter, Gauge, Registry};

/// The handles, registered once.
#[derive(Clone, Debug)]
pub(super) struct AgentMetrics {
    pub(super) active_series: Gauge,
    pub(super) deleted_series: Gauge,
    pub(super) samples: Counter,
    pub(super) histograms: Counter,
    pub(super) exemplars: Counter,
    pub(super) out_of_order: Counter,
    pub(super) replay_seconds: Gauge,
    pub(super) clean_start: Gauge,
    pub(super) log: LogMetrics,
}

impl AgentMetrics {
    pub(super) fn new(registry: &Registry) -> Self {
        let gauge = |name: &str, help| registry.gauge(&format!("prometheus_agent_{name}"), help);
        let counter =
            |name: &str, help| registry.counter(&format!("prometheus_agent_{name}"), help);
        let appended = registry.counter_vec(
            "prometheus_agent_samples_appended_total",
            "Total number of samples appended to the storage",
            &["type"],
        );
        Self {
            active_series: gauge(
                "active_series",
                "Number of active series being tracked by the WAL storage",
            ),
            deleted_series: gauge(
                "deleted_series",
                "Number of series pending deletion from the WAL",
            ),
            samples: appended.with(&["float"]),
            histograms: appended.with(&["histogram"]),
            exemplars: counter(
                "exemplars_appended_total",
                "Total number of exemplars appended to the storage",
            ),
            out_of_order: counter(
                "out_of_order_samples_total",
                "Total number of out of order samples ingestion failed attempts.",
            ),
            replay_seconds: gauge(
                "data_replay_duration_seconds",
                "Time taken to replay the data on disk.",
            ),
            clean_start: gauge(
                "clean_start",
                "1: the last shutdown was clean; 0: it was not; -1: there is no lock file to tell.",
            ),
            log: LogMetrics::of_agent(registry),
        }
    }
}
