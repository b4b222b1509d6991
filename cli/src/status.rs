//! What the server knows of itself, for the status endpoints.

use crate::clock;
use crate::flags::Flags;
use crate::late::LateDb;
use crate::settings::retention_text;
use metrics::Registry;
use model::Labels;
use parking_lot::Mutex;
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU8, Ordering};
use std::sync::{Arc, OnceLock};
use tsdb::ReplayProgress;
use web::api::limits::{LimitsStatus, Refused};
use web::api::quarantine::Quarantined;
use web::api::status::{BuildInfo, NamedCount, RuntimeInfo, TsdbStatus, WalReplay};
use web::{PoolConfig, Readiness};

/// The release of Prometheus that we stand in for; clients decide by it what they may use.
pub(crate) const PROMETHEUS_VERSION: &str = "3.14.0";

/// What was built, as labels of `prometheus_build_info`.
pub(crate) const BUILD: [(&str, &str); 7] = [
    ("branch", "main"),
    ("goarch", ARCHITECTURE),
    ("goos", std::env::consts::OS),
    ("goversion", "rust1.95"),
    ("revision", REVISION),
    ("tags", "unknown"),
    ("version", PROMETHEUS_VERSION),
];

/// The architecture by the name that Go has for it.
const ARCHITECTURE: &str = if cfg!(target_arch = "x86_64") {
    "amd64"
} else if cfg!(target_arch = "aarch64") {
    "arm64"
} else {
    std::env::consts::ARCH
};

const REVISION: &str = match option_env!("FIRESTEEL_REVISION") {
    Some(revision) => revision,
    None => "unknown",
};

/// The state behind the status endpoints; shared by all parts of the server.
#[derive(Debug)]
pub(crate) struct ServerStatus {
    readiness: AtomicU8,
    start_ms: i64,
    config: Mutex<ConfigState>,
    start: OnceLock<StartFacts>,
    db: Arc<LateDb>,
    threads: usize,
}

/// What is known once the configuration was read for the first time.
#[derive(Debug)]
struct StartFacts {
    flags: Vec<(String, String)>,
    retention: String,
    progress: Arc<ReplayProgress>,
}

/// What is shown of a configuration.
#[derive(Debug)]
pub(crate) struct LoadedConfig {
    /// All of it, secrets hidden.
    pub(crate) yaml: String,
    /// `runtime.gogc`, as text.
    pub(crate) gogc: String,
    /// The scrape jobs by name.
    pub(crate) pools: BTreeMap<String, PoolConfig>,
    /// The labels added to what leaves this server.
    pub(crate) external_labels: Labels,
}

impl Default for LoadedConfig {
    fn default() -> Self {
        Self {
            yaml: String::new(),
            gogc: String::new(),
            pools: BTreeMap::new(),
            external_labels: Labels::empty(),
        }
    }
}

#[derive(Debug, Default)]
struct ConfigState {
    config: LoadedConfig,
    succeeded: bool,
    loaded_ms: i64,
}

impl ServerStatus {
    /// The status of a server that starts now.
    pub(crate) fn new(db: Arc<LateDb>) -> Self {
        Self {
            readiness: AtomicU8::new(0),
            start_ms: clock::now_ms(),
            config: Mutex::default(),
            start: OnceLock::new(),
            db,
            threads: std::thread::available_parallelism().map_or(1, usize::from),
        }
    }

    /// Declares the metric that says whether requests are answered.
    pub(crate) fn register(self: &Arc<Self>, registry: &Registry) {
        let status = Arc::clone(self);
        registry.gauge_fn(
            "prometheus_ready",
            "Whether Prometheus startup was fully completed and the server is ready for normal operation.",
            move || f64::from(web::Status::readiness(&*status) == Readiness::Ready),
        );
    }

    /// The flags hold what the configuration changes in them; the database is about to open.
    pub(crate) fn starting(&self, flags: &Flags, progress: Arc<ReplayProgress>) {
        let shown = flags.all().into_iter().map(|(name, value)| (name.to_owned(), value)).collect();
        let retention = retention_text(flags);
        let first = self.start.set(StartFacts { flags: shown, retention, progress });
        assert!(first.is_ok(), "a server starts once");
    }

    /// Answers from now on as `readiness` says.
    pub(crate) fn set_readiness(&self, readiness: Readiness) {
        let number = match readiness {
            Readiness::Starting => 0,
            Readiness::Ready => 1,
            Readiness::Stopping => 2,
        };
        // Pairs with the load in `readiness`: who sees Ready sees the database behind it.
        self.readiness.store(number, Ordering::Release);
    }

    /// A configuration was loaded.
    pub(crate) fn config_loaded(&self, config: LoadedConfig) {
        *self.config.lock() = ConfigState { config, succeeded: true, loaded_ms: clock::now_ms() };
    }

    /// A configuration was refused; the one in force stays.
    pub(crate) fn config_refused(&self) {
        self.config.lock().succeeded = false;
    }
}

fn counts(stats: Vec<tsdb::head::LabelStat>) -> Vec<NamedCount> {
    stats.into_iter().map(|stat| (stat.name.into(), stat.value)).collect()
}

impl web::Status for ServerStatus {
    fn readiness(&self) -> Readiness {
        match self.readiness.load(Ordering::Acquire) {
            0 => Readiness::Starting,
            1 => Readiness::Ready,
            _ => Readiness::Stopping,
        }
    }

    fn config_yaml(&self) -> String {
        self.config.lock().config.yaml.clone()
    }

    fn flags(&self) -> Vec<(String, String)> {
        self.start.get().map(|start| start.flags.clone()).unwrap_or_default()
    }

    fn build_info(&self) -> BuildInfo {
        BuildInfo {
            version: PROMETHEUS_VERSION.to_owned(),
            revision: REVISION.to_owned(),
            branch: "main".to_owned(),
            build_user: "firesteel".to_owned(),
            build_date: option_env!("FIRESTEEL_BUILD_DATE").unwrap_or("unknown").to_owned(),
            go_version: "rust1.95".to_owned(),
        }
    }

    fn runtime_info(&self) -> RuntimeInfo {
        let config = self.config.lock();
        RuntimeInfo {
            start_time_ms: self.start_ms,
            cwd: std::env::current_dir().map_or_else(
                |error| format!("<error retrieving current working directory: {error}>"),
                |dir| dir.display().to_string(),
            ),
            hostname: hostname(),
            server_time_ms: clock::now_ms(),
            reload_config_success: config.succeeded,
            last_config_time_ms: config.loaded_ms,
            corruption_count: 0,
            num_threads: num_threads(),
            max_procs: self.threads,
            memory_limit_bytes: i64::MAX,
            gogc: config.config.gogc.clone(),
            storage_retention: self
                .start
                .get()
                .map(|start| start.retention.clone())
                .unwrap_or_default(),
        }
    }

    fn tsdb(&self, limit: usize) -> storage::Result<TsdbStatus> {
        let db = self.db.get().ok_or_else(|| storage::Error::Closed("TSDB not ready".into()))?;
        let stats = db.head().stats(limit);
        Ok(TsdbStatus {
            num_series: stats.num_series as u64,
            num_label_pairs: stats.num_label_pairs as u64,
            num_chunks: stats.num_chunks as u64,
            min_time_ms: stats.min_time_ms,
            max_time_ms: stats.max_time_ms,
            series_by_metric_name: counts(stats.series_count_by_metric_name),
            values_by_label_name: counts(stats.label_value_count_by_label_name),
            bytes_by_label_name: counts(stats.memory_in_bytes_by_label_name),
            series_by_label_pair: counts(stats.series_count_by_label_value_pair),
        })
    }

    fn limits(&self) -> storage::Result<LimitsStatus> {
        let db = self.db.get().ok_or_else(|| storage::Error::Closed("TSDB not ready".into()))?;
        let (memory, limits) = (db.memory(), db.head().series_limits());
        let refused = db.head().refused_series().into_iter().map(|refused| Refused {
            job: refused.job.into(),
            metric: refused.metric.into(),
            reason: refused.reason.as_str(),
            count: refused.count,
        });
        Ok(LimitsStatus {
            memory_budget_bytes: memory.budget_bytes,
            memory_soft_bytes: memory.soft_bytes,
            memory_hard_bytes: memory.hard_bytes,
            memory_used_bytes: memory.used_bytes,
            num_series: db.head().num_series() as u64,
            max_series: limits.total,
            max_series_per_job: limits.per_job,
            refused: refused.collect(),
        })
    }

    fn quarantined(&self) -> storage::Result<Vec<Quarantined>> {
        let db = self.db.get().ok_or_else(|| storage::Error::Closed("TSDB not ready".into()))?;
        let found = db.quarantined()?.into_iter().map(|found| Quarantined {
            dir: found.dir.display().to_string(),
            error: found.what.into(),
            num_samples: found.loss.num_samples,
            range_ms: found.loss.range.map(|range| (range.min_ms, range.max_ms)),
            damaged_bytes: found.loss.damaged_bytes,
        });
        Ok(found.collect())
    }

    fn blocks(&self) -> storage::Result<Vec<String>> {
        let db = self.db.get().ok_or_else(|| storage::Error::Closed("TSDB not ready".into()))?;
        let blocks = db.blocks();
        let metas = blocks.iter().map(|block| serde_json::to_string(block.meta()));
        let texts: Result<Vec<String>, serde_json::Error> = metas.collect();
        Ok(texts.expect("plain data as text"))
    }

    fn scrape_pool(&self, name: &str) -> Option<PoolConfig> {
        self.config.lock().config.pools.get(name).cloned()
    }

    fn external_labels(&self) -> Labels {
        self.config.lock().config.external_labels.clone()
    }

    fn wal_replay(&self) -> WalReplay {
        let progress = self.start.get().map(|start| start.progress.get()).unwrap_or_default();
        WalReplay {
            min: u64::from(progress.first),
            max: u64::from(progress.last),
            current: u64::from(progress.current),
        }
    }
}

/// Threads of this process.
fn num_threads() -> usize {
    std::fs::read_dir("/proc/self/task").map_or(1, Iterator::count)
}

/// The name of this machine.
pub(crate) fn hostname() -> String {
    std::fs::read_to_string("/proc/sys/kernel/hostname")
        .map_or_else(|_| "localhost".to_owned(), |name| name.trim().to_owned())
}
