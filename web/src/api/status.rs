//! `/api/v1/status/*`, and what the server has to know of itself for it.

use super::{Object, answer_object, push_html_text};
use crate::Status;
use crate::call::Done;
use crate::error::{ApiError, Result};
use crate::json::Out;
use crate::params::{Params, parse_int};
use model::timestamp::format_rfc3339;

/// What was built.
#[derive(Clone, Debug, Default)]
pub struct BuildInfo {
    /// Version of Prometheus we stand in for; clients decide by it.
    pub version: String,
    /// Commit.
    pub revision: String,
    /// Branch.
    pub branch: String,
    /// Who built it.
    pub build_user: String,
    /// When it was built.
    pub build_date: String,
    /// What compiled it, where Prometheus names its Go.
    pub go_version: String,
}

/// How the server runs.
#[derive(Clone, Debug, Default)]
pub struct RuntimeInfo {
    /// When it started, in ms.
    pub start_time_ms: i64,
    /// Working directory.
    pub cwd: String,
    /// Name of the machine.
    pub hostname: String,
    /// The wall clock, in ms.
    pub server_time_ms: i64,
    /// Whether the last (re)load of the configuration succeeded.
    pub reload_config_success: bool,
    /// When the configuration was last loaded, in ms.
    pub last_config_time_ms: i64,
    /// Corruptions that were met in the log.
    pub corruption_count: u64,
    /// Threads, where Prometheus counts goroutines.
    pub num_threads: usize,
    /// Processors in use.
    pub max_procs: usize,
    /// Memory the process may use, in bytes.
    pub memory_limit_bytes: i64,
    /// `runtime.gogc` of the configuration.
    pub gogc: String,
    /// The retention in force, as text.
    pub storage_retention: String,
}

/// A name and a count.
pub type NamedCount = (String, u64);

/// Counts of the head.
#[derive(Clone, Debug, Default)]
pub struct TsdbStatus {
    /// Series.
    pub num_series: u64,
    /// Distinct label pairs.
    pub num_label_pairs: u64,
    /// Chunks.
    pub num_chunks: u64,
    /// Oldest sample, in ms; the largest number while there is none.
    pub min_time_ms: i64,
    /// Newest sample, in ms; the smallest number while there is none.
    pub max_time_ms: i64,
    /// Metric names with the most series.
    pub series_by_metric_name: Vec<NamedCount>,
    /// Label names with the most values.
    pub values_by_label_name: Vec<NamedCount>,
    /// Label names with the most bytes of values.
    pub bytes_by_label_name: Vec<NamedCount>,
    /// Label pairs (`name=value`) with the most series.
    pub series_by_label_pair: Vec<NamedCount>,
}

/// How far the log was read at start: segment numbers.
#[derive(Clone, Copy, Debug, Default)]
pub struct WalReplay {
    /// The first segment.
    pub min: u64,
    /// The last segment.
    pub max: u64,
    /// The segment being read.
    pub current: u64,
}

/// `/api/v1/status/config`.
pub(crate) fn config(status: &dyn Status, out: &mut Out<'_>) -> Result<Done> {
    answer_object(out, |data| data.text("yaml", &status.config_yaml()))
}

/// `/api/v1/status/flags`.
pub(crate) fn flags(status: &dyn Status, out: &mut Out<'_>) -> Result<Done> {
    answer_object(out, |data| {
        for (name, value) in status.flags() {
            push_html_text(data.foreign_key(&name), &value);
        }
    })
}

/// The build information as an object: also what `/version` answers.
pub(crate) fn push_build_info(out: &mut Vec<u8>, info: &BuildInfo) {
    Object::write(out, |data| {
        data.text("version", &info.version);
        data.text("revision", &info.revision);
        data.text("branch", &info.branch);
        data.text("buildUser", &info.build_user);
        data.text("buildDate", &info.build_date);
        data.text("goVersion", &info.go_version);
    });
}

/// `/api/v1/status/buildinfo`.
pub(crate) fn build_info(status: &dyn Status, out: &mut Out<'_>) -> Result<Done> {
    super::begin(out);
    push_build_info(&mut out.bytes, &status.build_info());
    super::end(out)
}

/// `/api/v1/status/runtimeinfo`.
pub(crate) fn runtime_info(status: &dyn Status, out: &mut Out<'_>) -> Result<Done> {
    let info = status.runtime_info();
    answer_object(out, |data| {
        data.text("startTime", &format_rfc3339(info.start_time_ms));
        data.text("CWD", &info.cwd);
        data.text("hostname", &info.hostname);
        data.text("serverTime", &format_rfc3339(info.server_time_ms));
        data.plain("reloadConfigSuccess", info.reload_config_success);
        data.text("lastConfigTime", &format_rfc3339(info.last_config_time_ms));
        data.plain("corruptionCount", info.corruption_count);
        data.plain("goroutineCount", info.num_threads);
        data.plain("GOMAXPROCS", info.max_procs);
        data.plain("GOMEMLIMIT", info.memory_limit_bytes);
        data.text("GOGC", &info.gogc);
        data.text("GODEBUG", "");
        data.text("storageRetention", &info.storage_retention);
    })
}

/// `/api/v1/status/tsdb`.
pub(crate) fn tsdb(status: &dyn Status, params: &Params, out: &mut Out<'_>) -> Result<Done> {
    let limit = match params.get("limit") {
        "" => 10,
        text => match parse_int(text) {
            Ok(10_001..) => return Err(ApiError::bad_data("limit must not exceed 10000")),
            Ok(limit @ 1..) => limit as usize,
            _ => return Err(ApiError::bad_data("limit must be a positive number")),
        },
    };
    let stats = status.tsdb(limit)?;
    answer_object(out, |data| {
        data.object("headStats", |head| {
            head.plain("numSeries", stats.num_series);
            head.plain("numLabelPairs", stats.num_label_pairs);
            head.plain("chunkCount", stats.num_chunks);
            head.plain("minTime", stats.min_time_ms);
            head.plain("maxTime", stats.max_time_ms);
        });
        let lists = [
            ("seriesCountByMetricName", &stats.series_by_metric_name),
            ("labelValueCountByLabelName", &stats.values_by_label_name),
            ("memoryInBytesByLabelName", &stats.bytes_by_label_name),
            ("seriesCountByLabelValuePair", &stats.series_by_label_pair),
        ];
        for (name, list) in lists {
            data.list(name, list.iter().take(limit), |out, (name, value)| {
                Object::write(out, |entry| {
                    entry.text("name", name);
                    entry.plain("value", value);
                });
            });
        }
    })
}

/// `/api/v1/status/tsdb/blocks`.
pub(crate) fn blocks(status: &dyn Status, out: &mut Out<'_>) -> Result<Done> {
    let blocks = status.blocks()?;
    answer_object(out, |data| {
        data.list("blocks", blocks, |out, meta| out.extend_from_slice(meta.as_bytes()));
    })
}

/// `/api/v1/status/walreplay`.
pub(crate) fn wal_replay(status: &dyn Status, out: &mut Out<'_>) -> Result<Done> {
    let progress = status.wal_replay();
    answer_object(out, |data| {
        data.plain("min", progress.min);
        data.plain("max", progress.max);
        data.plain("current", progress.current);
    })
}
