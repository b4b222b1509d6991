//! The command line of the server: typed values for what works, texts for what shows all flags.
//! The flags themselves are data in `flags::table`; nothing is started here.

mod agent;
mod features;
mod parse;
mod table;
#[cfg(test)]
mod tests;

pub use agent::AgentFlags;
pub use features::Features;
pub use parse::FlagError;

use crate::config::{Context, Defaults, StorageConfig};
use parse::{Asked, Values};
use std::ffi::OsString;
use std::time::Duration;
use table::Mode;

/// What the command line asks for.
#[derive(Clone, Debug)]
pub enum Start {
    /// Run the server.
    Serve(Box<Flags>),
    /// Print this on the standard output and end well.
    Print(String),
}

/// The flags of the server, checked.
#[derive(Clone, Debug)]
pub struct Flags {
    /// `--config.file`
    pub config_file: String,
    /// `--config.auto-reload`, with its interval, at least a second.
    pub auto_reload: Option<Duration>,
    /// `--web.listen-address`, at least one, each with a port.
    pub listen_addresses: Vec<String>,
    /// `--web.external-url`, or what follows from host name and port; without a slash at the end of its path.
    pub external_url: String,
    /// `--web.route-prefix`, or the path of the external URL; begins with a slash.
    pub route_prefix: String,
    /// `--web.read-timeout`
    pub read_timeout: Duration,
    /// `--web.max-connections`
    pub max_connections: usize,
    /// `--web.enable-lifecycle`
    pub enable_lifecycle: bool,
    /// `--web.config.file`; empty for none.
    pub web_config_file: String,
    /// `--web.enable-admin-api`
    pub enable_admin_api: bool,
    /// `--web.search.max-limit`; zero is no bound.
    pub search_max_limit: usize,
    /// `--web.max-notifications-subscribers`
    pub max_notifications_subscribers: usize,
    /// `--web.enable-remote-write-receiver`
    pub enable_remote_write_receiver: bool,
    /// `--web.remote-write-receiver.accepted-protobuf-messages`
    pub accepted_messages: Vec<String>,
    /// `--web.enable-otlp-receiver`
    pub enable_otlp_receiver: bool,
    /// `web.user-assets`; empty for none.
    pub user_assets: String,
    /// `web.console.templates`.
    pub console_templates: String,
    /// `web.console.libraries`.
    pub console_libraries: String,
    /// `--web.page-title`
    pub page_title: String,
    /// `--web.cors.origin`, a regular expression that compiles.
    pub cors_origin: String,
    /// `--storage.tsdb.path`
    pub storage_path: String,
    /// `--storage.tsdb.wal-sync-delay`; `None` leaves flushing to the system.
    pub wal_sync_delay: Option<Duration>,
    /// `--storage.tsdb.head-image`
    pub head_image: bool,
    /// `--storage.tsdb.memory-budget`; `None` leaves it to the machine, zero is no bound.
    pub memory_budget_bytes: Option<u64>,
    /// `--storage.tsdb.safe-mode-crashes`; zero is never.
    pub safe_mode_crashes: usize,
    /// `--storage.tsdb.disk-reserve`; zero keeps none.
    pub disk_reserve_bytes: u64,
    /// `--storage.tsdb.disk-low-water`; zero is never.
    pub disk_low_water_bytes: u64,
    /// `--storage.tsdb.delay-compact-file.path`; empty for none.
    pub delay_compact_file: String,
    /// `--storage.tsdb.no-lockfile`
    pub no_lockfile: bool,
    /// `--storage.tsdb.retention.time`, or 15 days if there is no limit at all; zero is no limit.
    pub retention_time: Duration,
    /// `--storage.tsdb.retention.size`; zero is no limit.
    pub retention_size_bytes: u64,
    /// `storage.tsdb.retention.percentage` of the configuration; zero is no limit.
    pub retention_percentage: f64,
    /// `--storage.tsdb.min-block-duration`
    pub min_block_duration: Duration,
    /// `--storage.tsdb.max-block-duration`, or a tenth of the retention time, at most 31 days.
    pub max_block_duration: Duration,
    /// `--storage.tsdb.wal-segment-size`; zero leaves it to the log.
    pub wal_segment_size_bytes: u64,
    /// `--storage.tsdb.wal-compression` and `-type`: `snappy`, `zstd`; `None` for none.
    pub wal_compression: Option<String>,
    /// `--storage.tsdb.samples-per-chunk`
    pub samples_per_chunk: usize,
    /// `--storage.tsdb.block-reload-interval`, at least a second.
    pub block_reload_interval: Duration,
    /// `--query.lookback-delta`
    pub lookback_delta: Duration,
    /// `--query.timeout`
    pub query_timeout: Duration,
    /// `--query.log-slower-than`; zero is never.
    pub slow_query: Duration,
    /// `--query.max-concurrency`
    pub max_concurrency: usize,
    /// `--query.max-samples`
    pub max_samples: usize,
    /// `--query.max-memory-bytes`; zero is a quarter of the memory there is.
    pub max_memory_bytes: u64,
    /// `--query.max-total-memory-bytes`; zero is half of the memory there is.
    pub max_total_memory_bytes: u64,
    /// `--storage.remote.flush-deadline`
    pub remote_flush_deadline: Duration,
    /// `--storage.remote.read-sample-limit`; zero is no limit.
    pub read_max_samples: u64,
    /// `--storage.remote.read-concurrent-limit`; zero is no limit.
    pub read_max_concurrent: usize,
    /// `--storage.remote.read-max-bytes-in-frame`
    pub read_max_frame_bytes: usize,
    /// `--scrape.timestamp-tolerance`; zero without `--scrape.adjust-timestamps`.
    pub timestamp_tolerance: Duration,
    /// `--scrape.discovery-reload-interval`
    pub discovery_reload_interval: Duration,
    /// `--enable-feature`
    pub features: Features,
    /// `--agent`
    pub agent: bool,
    /// `--storage.agent.*`
    pub agent_storage: AgentFlags,
    /// `--log.level`
    pub log_level: String,
    /// `--log.format`
    pub log_format: String,
    /// What is worth saying at the start: flags and features that do nothing yet or should be replaced.
    pub warnings: Vec<String>,
    values: Values,
}

/// The retention if neither flags nor configuration limit it: 15 days.
const DEFAULT_RETENTION_MS: i64 = 15 * 24 * 3_600_000;
/// No block gets longer, whatever the retention: 31 days.
const LONGEST_BLOCK_MS: i64 = 31 * 24 * 3_600_000;

fn milliseconds(ms: i64) -> Duration {
    Duration::from_millis(u64::try_from(ms).unwrap_or(0))
}

/// Reads the command line, the name of the program first. `host` is the name of this machine.
pub fn parse(args: impl IntoIterator<Item = OsString>, host: &str) -> Result<Start, FlagError> {
    match parse::read(args)? {
        Asked::Help => Ok(Start::Print(parse::command().render_help().to_string())),
        Asked::Version => Ok(Start::Print(version())),
        Asked::Values(values) => {
            Flags::new(values, host).map(|flags| Start::Serve(Box::new(flags)))
        }
    }
}

/// What `--version` prints.
#[must_use]
pub fn version() -> String {
    format!(
        "firesteel, version {} (interface of Prometheus 3.14.0)\n  platform:         {}/{}\n",
        env!("CARGO_PKG_VERSION"),
        std::env::consts::OS,
        std::env::consts::ARCH,
    )
}

impl Flags {
    fn new(mut values: Values, host: &str) -> Result<Self, FlagError> {
        let mut warnings = Vec::new();
        check_mode(&values)?;
        check_values(&values)?;
        let features = Features::parse(values.list("enable-feature"), &mut warnings)
            .map_err(|what| FlagError::new(1, format!("error: --enable-feature: {what}")))?;
        if features.auto_reload {
            values.set("config.auto-reload", String::from("true"));
        }
        for flag in values.given().filter(|flag| flag.inert) {
            warnings.push(format!("flag --{} does nothing yet", flag.name));
        }
        for name in ["storage.tsdb.retention.time", "storage.tsdb.retention.size"] {
            if values.is_given(name) {
                warnings
                    .push(format!("flag --{name} is deprecated: set {name} in the configuration"));
            }
        }
        let external_url = external_url(&values, host)?;
        let path = yaml::url::parse(&external_url).map_or("", |parts| parts.path);
        let prefix = match values.text("web.route-prefix") {
            "" => path.split(['?', '#']).next().unwrap_or_default(),
            prefix => prefix,
        };
        let route_prefix = format!("/{}", prefix.trim_matches('/'));
        values.set("web.route-prefix", route_prefix.clone());
        let mut flags = Self::typed(values, features, warnings);
        flags.external_url = external_url;
        flags.route_prefix = route_prefix;
        flags.settle_retention();
        Ok(flags)
    }

    #[expect(clippy::too_many_lines, reason = "table")]
    fn typed(values: Values, features: Features, warnings: Vec<String>) -> Self {
        let duration = |name: &str| milliseconds(values.duration_ms(name));
        let size = |name: &str| u64::try_from(values.size(name)).unwrap_or(0);
        let count = |name: &str| usize::try_from(values.int(name)).unwrap_or(0);
        let text = |name: &str| values.text(name).to_owned();
        let second = Duration::from_secs(1);
        let reloads = values.switch("config.auto-reload") || features.auto_reload;
        Self {
            config_file: text("config.file"),
            auto_reload: reloads.then(|| duration("config.auto-reload-interval").max(second)),
            listen_addresses: values.list("web.listen-address").to_vec(),
            external_url: String::new(),
            route_prefix: String::new(),
            read_timeout: duration("web.read-timeout"),
            max_connections: count("web.max-connections"),
            enable_lifecycle: values.switch("web.enable-lifecycle"),
            web_config_file: text("web.config.file"),
            enable_admin_api: values.switch("web.enable-admin-api"),
            search_max_limit: count("web.search.max-limit"),
            max_notifications_subscribers: count("web.max-notifications-subscribers"),
            enable_remote_write_receiver: values.switch("web.enable-remote-write-receiver"),
            accepted_messages: values
                .list("web.remote-write-receiver.accepted-protobuf-messages")
                .to_vec(),
            enable_otlp_receiver: values.switch("web.enable-otlp-receiver"),
            user_assets: text("web.user-assets"),
            console_templates: text("web.console.templates"),
            console_libraries: text("web.console.libraries"),
            page_title: text("web.page-title"),
            cors_origin: text("web.cors.origin"),
            storage_path: text("storage.tsdb.path"),
            wal_sync_delay: values
                .is_given("storage.tsdb.wal-sync-delay")
                .then(|| duration("storage.tsdb.wal-sync-delay")),
            head_image: values.switch("storage.tsdb.head-image"),
            memory_budget_bytes: values
                .is_given("storage.tsdb.memory-budget")
                .then(|| size("storage.tsdb.memory-budget")),
            safe_mode_crashes: count("storage.tsdb.safe-mode-crashes"),
            disk_reserve_bytes: size("storage.tsdb.disk-reserve"),
            disk_low_water_bytes: size("storage.tsdb.disk-low-water"),
            delay_compact_file: text("storage.tsdb.delay-compact-file.path"),
            no_lockfile: values.switch("storage.tsdb.no-lockfile"),
            retention_time: duration("storage.tsdb.retention.time"),
            retention_size_bytes: size("storage.tsdb.retention.size"),
            retention_percentage: 0.0,
            min_block_duration: duration("storage.tsdb.min-block-duration"),
            max_block_duration: duration("storage.tsdb.max-block-duration"),
            wal_segment_size_bytes: size("storage.tsdb.wal-segment-size"),
            wal_compression: values
                .switch("storage.tsdb.wal-compression")
                .then(|| text("storage.tsdb.wal-compression-type")),
            samples_per_chunk: count("storage.tsdb.samples-per-chunk"),
            block_reload_interval: duration("storage.tsdb.block-reload-interval").max(second),
            lookback_delta: duration("query.lookback-delta"),
            query_timeout: duration("query.timeout"),
            slow_query: duration("query.log-slower-than"),
            max_concurrency: count("query.max-concurrency"),
            max_samples: count("query.max-samples"),
            max_memory_bytes: size("query.max-memory-bytes"),
            max_total_memory_bytes: size("query.max-total-memory-bytes"),
            remote_flush_deadline: duration("storage.remote.flush-deadline"),
            read_max_samples: count("storage.remote.read-sample-limit") as u64,
            read_max_concurrent: count("storage.remote.read-concurrent-limit"),
            read_max_frame_bytes: count("storage.remote.read-max-bytes-in-frame"),
            timestamp_tolerance: match values.switch("scrape.adjust-timestamps") {
                true => duration("scrape.timestamp-tolerance"),
                false => Duration::ZERO,
            },
            discovery_reload_interval: duration("scrape.discovery-reload-interval"),
            features,
            agent: values.switch("agent"),
            agent_storage: AgentFlags::new(&values),
            log_level: text("log.level"),
            log_format: text("log.format"),
            warnings,
            values,
        }
    }

    fn settle_retention(&mut self) {
        if self.retention_time.is_zero() && self.retention_size_bytes == 0 {
            self.retention_time = milliseconds(DEFAULT_RETENTION_MS);
        }
        self.settle_longest_block();
    }

    fn settle_longest_block(&mut self) {
        let retention_ms = i64::try_from(self.retention_time.as_millis()).unwrap_or(i64::MAX);
        // An agent has no blocks.
        if !self.agent && !self.values.is_given("storage.tsdb.max-block-duration") {
            let tenth = retention_ms / 10;
            let longest = if tenth > 0 { tenth.min(LONGEST_BLOCK_MS) } else { LONGEST_BLOCK_MS };
            self.max_block_duration = milliseconds(longest);
            self.values.set("storage.tsdb.max-block-duration", model::duration::format(longest));
        }
        self.values.set("storage.tsdb.retention.time", model::duration::format(retention_ms));
        let size = i64::try_from(self.retention_size_bytes).unwrap_or(i64::MAX);
        self.values.set("storage.tsdb.retention.size", model::size::format(size));
    }

    /// What these flags say to the configuration; `environment` answers for variables.
    #[must_use]
    pub fn context<'a>(&self, environment: &'a dyn Fn(&str) -> Option<String>) -> Context<'a> {
        Context {
            agent: self.agent,
            defaults: Defaults {
                protobuf_first: self.features.protobuf_first,
                extra_scrape_metrics: self.features.extra_scrape_metrics,
            },
            retention_time: self.retention_time,
            retention_size_bytes: self.retention_size_bytes,
            exemplar_storage: self.features.exemplar_storage,
            environment,
        }
    }

    /// Takes over the limits of the configuration, which win over the flags.
    pub fn apply_storage(&mut self, storage: &StorageConfig) {
        self.retention_time = storage.retention_time.unwrap_or_default();
        self.retention_size_bytes = storage.retention_size_bytes.unwrap_or(0);
        self.retention_percentage = storage.retention_percentage.unwrap_or(0.0);
        self.settle_longest_block();
    }

    /// Whether the command line has the flag `name`, written without dashes.
    #[must_use]
    pub fn is_given(&self, name: &str) -> bool {
        self.values.is_given(name)
    }

    /// All flags with their values as texts, by name.
    #[must_use]
    pub fn all(&self) -> Vec<(&'static str, String)> {
        self.values.all()
    }
}

/// Refuses flags of the other mode.
fn check_mode(values: &Values) -> Result<(), FlagError> {
    let (foreign, what) =
        if values.switch("agent") { (Mode::Server, "can not") } else { (Mode::Agent, "can only") };
    let names: Vec<String> = values
        .given()
        .filter(|flag| flag.mode == foreign)
        .map(|flag| format!("\"--{}\"", flag.name))
        .collect();
    if names.is_empty() {
        Ok(())
    } else {
        let names = names.join(" ");
        let text = format!("The following flag(s) {what} be used in agent mode: [{names}]");
        Err(FlagError::new(3, text))
    }
}

fn check_values(values: &Values) -> Result<(), FlagError> {
    let refuse =
        |name: &str, what: &str| Err(FlagError::new(1, format!("error: --{name}: {what}")));
    let ratio: f64 = values.text("auto-gomemlimit.ratio").parse().unwrap_or(0.0);
    if !(ratio > 0.0 && ratio <= 1.0) {
        return refuse("auto-gomemlimit.ratio", "lies above 0 and not above 1");
    }
    if values.int("web.search.max-limit") < 0 {
        return refuse("web.search.max-limit", "is not below 0; 0 is no bound");
    }
    if values.switch("agent") && values.int("storage.agent.checkpoint-batch-size") <= 0 {
        return refuse("storage.agent.checkpoint-batch-size", "is above 0");
    }
    for name in ["storage.tsdb.wal-segment-size", "storage.agent.wal-segment-size"] {
        let segment = values.size(name);
        if segment != 0 && !(10 << 20..=256 << 20).contains(&segment) {
            return refuse(name, "lies between 10MB and 256MB");
        }
    }
    let chunks = values.size("storage.tsdb.max-block-chunk-segment-size");
    if chunks != 0 && chunks < 1 << 20 {
        return refuse("storage.tsdb.max-block-chunk-segment-size", "is at least 1MB");
    }
    if let Err(error) = model::regex::Regex::new(values.text("web.cors.origin")) {
        return Err(FlagError::value("web.cors.origin", error));
    }
    for address in values.list("web.listen-address") {
        if port(address).is_none() {
            let what = format!("{address:?} has no port; write host:port or :port");
            return Err(FlagError::value("web.listen-address", what));
        }
    }
    Ok(())
}

/// The port of `host:port`.
fn port(address: &str) -> Option<&str> {
    let (host, port) = address.rsplit_once(':')?;
    let host_is_good = !host.contains(':') || (host.starts_with('[') && host.ends_with(']'));
    (host_is_good && !port.is_empty()).then_some(port)
}

/// The URL under which others reach us, without a slash at its end.
fn external_url(values: &Values, host: &str) -> Result<String, FlagError> {
    let given = values.text("web.external-url");
    if given.is_empty() {
        let port = values.list("web.listen-address").first().and_then(|address| port(address));
        let port = port.unwrap_or("9090");
        if !port.bytes().all(|byte| byte.is_ascii_digit()) {
            let what = format!("there is none, and {port:?} is no port to make one with");
            return Err(FlagError::value("web.external-url", what));
        }
        return Ok(format!("http://{host}:{port}"));
    }
    let wrong = |what: String| FlagError::value("web.external-url", what);
    if given.starts_with(['"', '\'']) || given.ends_with(['"', '\'']) {
        return Err(wrong(format!("{given} has quotes around it")));
    }
    yaml::url::parse(given).map_err(wrong)?;
    Ok(given.trim_end_matches('/').to_owned())
}
