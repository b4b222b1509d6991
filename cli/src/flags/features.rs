//! `--enable-feature`: names to switches, and what to say about each.

/// Features that change what the server does.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Features {
    /// Functions and aggregations that may still change.
    pub promql_experimental_functions: bool,
    /// Range selectors `anchored` and `smoothed`.
    pub promql_extended_range_selectors: bool,
    /// `fill` modifiers of binary operators.
    pub promql_binop_fill_modifiers: bool,
    /// Metric names are dropped at the end of a query, not by each function.
    pub promql_delayed_name_removal: bool,
    /// `stats=all` lists samples by step.
    pub promql_per_step_stats: bool,
    /// Chunks of floats are XOR2 unless the configuration says otherwise.
    pub xor2_encoding: bool,
    /// Chunks of native histograms have start timestamps.
    pub started_histograms: bool,
    /// Exemplars are kept in memory.
    pub exemplar_storage: bool,
    /// Further metrics about each scrape by default.
    pub extra_scrape_metrics: bool,
    /// Protobuf is asked for first by default.
    pub protobuf_first: bool,
    /// Reload when files change.
    pub auto_reload: bool,
    /// Type and unit of metrics are labels.
    pub type_and_unit_labels: bool,
    /// A start timestamp is a sample of zero.
    pub zero_samples: bool,
    /// Start timestamps are stored.
    pub start_timestamps: bool,
    /// Rates look at start timestamps.
    pub use_start_timestamps: bool,
    /// Counters without a start timestamp get one.
    pub synthesise_starts: bool,
    /// Deltas of OTLP are summed up.
    pub otlp_delta_sums: bool,
    /// Deltas of OTLP are stored as they are.
    pub otlp_native_delta: bool,
    /// The search API answers.
    pub search_api: bool,
    /// Metadata is logged with the samples.
    pub metadata_records: bool,
}

/// Features that are known and do nothing yet.
const INERT: &[&str] = &["concurrent-rule-eval", "delayed-compaction", "old-ui", "use-uncached-io"];

/// Features that are always on, the image of the head for two of them, or were replaced by settings.
const SETTLED: &[&str] = &[
    "fast-startup",
    "memory-snapshot-on-shutdown",
    "native-histograms",
    "ooo-native-histograms",
    "promql-duration-expr",
];

/// Features that do what a flag or a setting does, which may go on when they are gone.
const REPLACED: &[(&str, &str)] = &[
    ("auto-reload-config", "use --config.auto-reload"),
    ("extra-scrape-metrics", "set extra_scrape_metrics in the configuration"),
    ("xor2-encoding", "set storage.tsdb.chunk_encoding.floats in the configuration"),
];

impl Features {
    fn switch(&mut self, name: &str) -> Option<&mut bool> {
        match name {
            "promql-experimental-functions" => Some(&mut self.promql_experimental_functions),
            "promql-extended-range-selectors" => Some(&mut self.promql_extended_range_selectors),
            "promql-binop-fill-modifiers" => Some(&mut self.promql_binop_fill_modifiers),
            "promql-delayed-name-removal" => Some(&mut self.promql_delayed_name_removal),
            "promql-per-step-stats" => Some(&mut self.promql_per_step_stats),
            "xor2-encoding" => Some(&mut self.xor2_encoding),
            "histograms-st-encoding" => Some(&mut self.started_histograms),
            "exemplar-storage" => Some(&mut self.exemplar_storage),
            "extra-scrape-metrics" => Some(&mut self.extra_scrape_metrics),
            "type-and-unit-labels" => Some(&mut self.type_and_unit_labels),
            "created-timestamp-zero-ingestion" => Some(&mut self.zero_samples),
            "st-storage" => Some(&mut self.start_timestamps),
            "use-start-timestamps" => Some(&mut self.use_start_timestamps),
            "st-synthesis" => Some(&mut self.synthesise_starts),
            "otlp-deltatocumulative" => Some(&mut self.otlp_delta_sums),
            "otlp-native-delta-ingestion" => Some(&mut self.otlp_native_delta),
            "search-api" => Some(&mut self.search_api),
            "metadata-wal-records" => Some(&mut self.metadata_records),
            "auto-reload-config" => Some(&mut self.auto_reload),
            _ => None,
        }
    }

    /// The features that `lists` name, each list with commas; what is worth a warning goes to `warnings`.
    pub(super) fn parse(lists: &[String], warnings: &mut Vec<String>) -> Result<Self, String> {
        let mut features = Self::default();
        let mut names: Vec<&str> = lists.iter().flat_map(|list| list.split(',')).collect();
        names.retain(|name| !name.is_empty());
        for name in &names {
            let known = features.switch(name).map(|switch| *switch = true).is_some();
            if let Some((_, instead)) = REPLACED.iter().find(|(replaced, _)| replaced == name) {
                warnings.push(format!("feature {name} is deprecated: {instead}"));
            } else if INERT.contains(name) {
                warnings.push(format!("feature {name} does nothing yet"));
            } else if SETTLED.contains(name) {
                warnings.push(format!("feature {name} needs no flag any more"));
            } else if !known {
                warnings.push(format!("there is no feature {name}"));
            }
        }
        features.protobuf_first |= features.zero_samples || features.start_timestamps;
        let pair = ["otlp-deltatocumulative", "otlp-native-delta-ingestion"];
        if pair.iter().all(|name| names.contains(name)) {
            return Err(format!("features {} and {} exclude each other", pair[0], pair[1]));
        }
        Ok(features)
    }
}
