//! What the section `storage` tells the database.

use std::time::Duration;
use yaml::Section;

/// Settings of the storage that may change while it runs. Zero and `None` leave the decision to the flags.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct StorageConfig {
    /// How far behind the newest sample others may come.
    pub out_of_order_time_window: Duration,
    /// How long blocks are kept.
    pub retention_time: Option<Duration>,
    /// How many bytes are kept.
    pub retention_size_bytes: Option<u64>,
    /// How much of the file system may be used, in percent.
    pub retention_percentage: Option<f64>,
    /// How many exemplars are kept, where exemplars are kept at all.
    pub max_exemplars: usize,
    /// Whether new chunks of floats are XOR2.
    pub xor2: Option<bool>,
    /// How many series the head may hold; zero is no bound.
    pub max_head_series: u64,
    /// How many of them may have one value of the label `job`, unless the scrape job says otherwise; zero is no bound.
    pub max_head_series_per_job: u64,
    /// From what share of stale series on, zero to one, these leave memory early; zero never.
    pub stale_series_ratio: f64,
}

impl StorageConfig {
    pub(super) fn from_section(storage: &Section) -> Self {
        let Some(tsdb) = storage.section("tsdb") else { return Self::default() };
        let retention = tsdb.section("retention");
        let positive = |value: f64| (value > 0.0).then_some(value);
        Self {
            out_of_order_time_window: tsdb.duration("out_of_order_time_window"),
            retention_time: retention.map(|r| r.duration("time")).filter(|time| !time.is_zero()),
            retention_size_bytes: retention
                .and_then(|r| u64::try_from(r.int("size")).ok())
                .filter(|&size| size > 0),
            retention_percentage: retention.and_then(|r| positive(r.float("percentage"))),
            max_exemplars: storage
                .section("exemplars")
                .map_or(0, |section| usize::try_from(section.int("max_exemplars")).unwrap_or(0)),
            xor2: match tsdb.one("chunk_encoding").text("floats") {
                "" => None,
                floats => Some(floats == "xor2"),
            },
            max_head_series: tsdb.uint("max_head_series"),
            max_head_series_per_job: tsdb.uint("max_head_series_per_job"),
            stale_series_ratio: tsdb.float("stale_series_compaction_threshold"),
        }
    }
}
