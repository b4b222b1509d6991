//! The flags of the agent's storage.

use super::milliseconds;
use super::parse::Values;
use std::time::Duration;

/// How often the log is cut unless told otherwise: every two hours.
const TRUNCATE_FREQUENCY: Duration = Duration::from_secs(2 * 3600);

/// `--storage.agent.*`
#[derive(Clone, Debug)]
pub struct AgentFlags {
    /// `--storage.agent.path`
    pub path: String,
    /// `--storage.agent.wal-segment-size`; zero leaves the choice to the storage.
    pub wal_segment_size_bytes: u64,
    /// `--storage.agent.wal-compression`, with its type.
    pub wal_compression: Option<String>,
    /// `--storage.agent.wal-truncate-frequency`
    pub truncate_frequency: Duration,
    /// `--storage.agent.retention.min-time`
    pub min_age: Duration,
    /// `--storage.agent.retention.max-time`, which is no shorter than the time between two cuts.
    pub max_age: Duration,
    /// `--storage.agent.no-lockfile`
    pub no_lockfile: bool,
}

impl AgentFlags {
    pub(super) fn new(values: &Values) -> Self {
        let duration =
            |name: &str| milliseconds(values.duration_ms(&format!("storage.agent.{name}")));
        let asked = duration("wal-truncate-frequency");
        let truncate_frequency = if asked.is_zero() { TRUNCATE_FREQUENCY } else { asked };
        let size = values.size("storage.agent.wal-segment-size");
        Self {
            path: values.text("storage.agent.path").to_owned(),
            wal_segment_size_bytes: u64::try_from(size).unwrap_or(0),
            wal_compression: values
                .switch("storage.agent.wal-compression")
                .then(|| values.text("storage.agent.wal-compression-type").to_owned()),
            truncate_frequency,
            min_age: duration("retention.min-time"),
            max_age: duration("retention.max-time").max(truncate_frequency),
            no_lockfile: values.switch("storage.agent.no-lockfile"),
        }
    }
}
