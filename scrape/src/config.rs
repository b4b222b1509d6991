//! The scrape sections (`global`, `scrape_configs`) as the scraper uses them: checked, inherited, paths resolved.
//! Reading them from YAML is in the children of this module.

mod global;
mod job;
mod protocol;

pub use global::{Defaults, GLOBAL, check_global};
pub use job::{JOB, JOBS};

use discovery::config::DiscoveryConfigs;
use model::Labels;
use model::relabel::Rule;
pub use model::validate::{EscapingScheme, NameValidation};
use net::config::HttpClientConfig;
use std::sync::Arc;
use std::time::Duration;

/// Defaults of all jobs and what concerns the whole server.
#[derive(Clone, Debug, PartialEq)]
pub struct GlobalConfig {
    /// How often targets are scraped.
    pub scrape_interval: Duration,
    /// When a scrape is given up.
    pub scrape_timeout: Duration,
    /// Protocols to ask for, most wanted first; empty: decided per job.
    pub scrape_protocols: Vec<ScrapeProtocol>,
    /// How often rules are evaluated.
    pub evaluation_interval: Duration,
    /// How far rule evaluation looks behind the present.
    pub rule_query_offset: Duration,
    /// Where queries are logged; empty for nowhere.
    pub query_log_file: String,
    /// Where failed scrapes are logged; empty for nowhere.
    pub scrape_failure_log_file: String,
    /// Labels added to everything that leaves this server.
    pub external_labels: Labels,
    /// Limits that jobs inherit.
    pub limits: Limits,
    /// Which metric and label names are valid.
    pub metric_name_validation_scheme: NameValidation,
    /// Ask for native histograms.
    pub scrape_native_histograms: bool,
    /// Turn classic histograms into native ones with custom buckets.
    pub convert_classic_histograms_to_nhcb: bool,
    /// Keep classic histograms beside native ones.
    pub always_scrape_classic_histograms: bool,
    /// Store further metrics about each scrape.
    pub extra_scrape_metrics: bool,
}

/// Upper bounds; 0 is none.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Limits {
    /// Bytes of an uncompressed body.
    pub body_size_limit: u64,
    /// Samples of a scrape after relabelling.
    pub sample_limit: u64,
    /// Targets of a job.
    pub target_limit: u64,
    /// Labels of a series.
    pub label_limit: u64,
    /// Bytes of a label name.
    pub label_name_length_limit: u64,
    /// Bytes of a label value.
    pub label_value_length_limit: u64,
    /// Dropped targets to remember.
    pub keep_dropped_targets: u64,
    /// What happens beyond a bound.
    pub mode: LimitMode,
}

/// What happens to a scrape or a job beyond a bound.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum LimitMode {
    /// All of it fails.
    #[default]
    Reject,
    /// What was known before goes on, what is new is left out and counted.
    KeepExisting,
}

/// A job: what to scrape and how.
#[derive(Clone, Debug, PartialEq)]
pub struct ScrapeConfig {
    /// The name, unique; becomes label `job`.
    pub job_name: String,
    /// Labels of the target win over ours.
    pub honor_labels: bool,
    /// Timestamps of the target are stored.
    pub honor_timestamps: bool,
    /// Series with timestamps of the target become stale when they vanish.
    pub track_timestamps_staleness: bool,
    /// URL parameters, by name.
    pub params: Vec<(String, Vec<String>)>,
    /// How often.
    pub scrape_interval: Duration,
    /// When to give up; not above the interval.
    pub scrape_timeout: Duration,
    /// Protocols to ask for, most wanted first; never empty.
    pub scrape_protocols: Vec<ScrapeProtocol>,
    /// What to assume where the target does not say its format; `None`: the scrape fails.
    pub fallback_scrape_protocol: Option<ScrapeProtocol>,
    /// Ask for native histograms.
    pub scrape_native_histograms: bool,
    /// Keep classic histograms beside native ones.
    pub always_scrape_classic_histograms: bool,
    /// Turn classic histograms into native ones with custom buckets.
    pub convert_classic_histograms_to_nhcb: bool,
    /// Where failed scrapes are logged; empty for nowhere.
    pub scrape_failure_log_file: String,
    /// The path of the URL.
    pub metrics_path: String,
    /// `http` or `https`.
    pub scheme: String,
    /// Ask for compressed bodies.
    pub enable_compression: bool,
    /// Upper bounds.
    pub limits: Limits,
    /// Most series in memory whose label `job` is the name of this one; 0 leaves it to the storage.
    pub max_head_series: u64,
    /// Most buckets of a native histogram; 0 is no bound.
    pub native_histogram_bucket_limit: u64,
    /// Least growth factor between the buckets of a native histogram; 0 is no bound.
    pub native_histogram_min_bucket_factor: f64,
    /// Which metric and label names are valid.
    pub metric_name_validation_scheme: NameValidation,
    /// How metric names are asked for.
    pub metric_name_escaping_scheme: EscapingScheme,
    /// Store further metrics about each scrape.
    pub extra_scrape_metrics: bool,
    /// Where its targets come from.
    pub discovery: DiscoveryConfigs,
    /// How targets are reached.
    pub http_client: HttpClientConfig,
    /// Rules that make targets.
    pub relabel_configs: Arc<[Rule]>,
    /// Rules that every sample goes through.
    pub metric_relabel_configs: Arc<[Rule]>,
}

/// A format to ask a target for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ScrapeProtocol {
    /// Delimited protobuf.
    PrometheusProto,
    /// Text 0.0.4.
    PrometheusText0_0_4,
    /// Text 1.0.0.
    PrometheusText1_0_0,
    /// OpenMetrics 0.0.1.
    OpenMetricsText0_0_1,
    /// OpenMetrics 1.0.0.
    OpenMetricsText1_0_0,
}

impl ScrapeProtocol {
    /// All of them, in the order error texts list them.
    pub const ALL: [Self; 5] = [
        Self::OpenMetricsText0_0_1,
        Self::OpenMetricsText1_0_0,
        Self::PrometheusProto,
        Self::PrometheusText0_0_4,
        Self::PrometheusText1_0_0,
    ];

    /// The name in the configuration.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::PrometheusProto => "PrometheusProto",
            Self::PrometheusText0_0_4 => "PrometheusText0.0.4",
            Self::PrometheusText1_0_0 => "PrometheusText1.0.0",
            Self::OpenMetricsText0_0_1 => "OpenMetricsText0.0.1",
            Self::OpenMetricsText1_0_0 => "OpenMetricsText1.0.0",
        }
    }

    /// The protocol of this name.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|protocol| protocol.as_str() == name)
    }
}
