//! What the flags come to: typed settings of the parts that are wired here. How flags are typed is in `flags`.

use crate::Error;
use crate::clock;
use crate::config::StorageConfig;
use crate::flags::Flags;
use net::client::MemoryLeft;
use std::net::{SocketAddr, ToSocketAddrs};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;
use tsdb::{AgentOptions, DbOptions, IMAGE_GROWTH_BYTES, MemoryBudget, SafeModeRule};

/// Starts that do not end well are counted for so long, and new series are refused for so long.
const SAFE_MODE_MS: i64 = 15 * 60 * 1000;

/// Where the configuration comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum ConfigSource {
    /// A file.
    File(String),
    /// The embedded default: the server scrapes itself.
    Embedded,
}

/// Settings of a server.
#[derive(Clone, Debug)]
pub(crate) struct Settings {
    /// The flags themselves: they are shown, and say how the configuration is read.
    pub(crate) flags: Flags,
    /// Where the configuration comes from.
    pub(crate) config: ConfigSource,
    /// The data directory.
    pub(crate) storage_path: PathBuf,
    /// How often the database looks after itself.
    pub(crate) block_reload_interval: Duration,
    /// How queries run; the configuration file gives the evaluation interval.
    pub(crate) engine: promql::EngineOptions,
    /// What queries share, also across reloads.
    pub(crate) shared: promql::Shared,
    /// What flags change about scraped samples.
    pub(crate) scrape: scrape::Features,
    /// The HTTP side.
    pub(crate) web: web::Options,
}

impl Settings {
    /// Who may talk to the server, if a file says so.
    pub(crate) fn guard(&self) -> Result<Option<web::Guard>, Error> {
        let path = &self.flags.web_config_file;
        if path.is_empty() {
            return Ok(None);
        }
        Ok(Some(web::Guard::load(std::path::Path::new(path))?))
    }
}

/// The settings of these flags; fails on values that only now turn out to be impossible.
pub(crate) fn from_flags(flags: &Flags) -> Result<Settings, Error> {
    for warning in &flags.warnings {
        tracing::warn!("{warning}");
    }
    let given = flags.is_given("config.file") || std::path::Path::new(&flags.config_file).exists();
    Ok(Settings {
        flags: flags.clone(),
        config: if given {
            ConfigSource::File(flags.config_file.clone())
        } else {
            ConfigSource::Embedded
        },
        storage_path: PathBuf::from(match flags.agent {
            true => &flags.agent_storage.path,
            false => &flags.storage_path,
        }),
        block_reload_interval: flags.block_reload_interval,
        engine: engine(flags),
        shared: shared(flags),
        scrape: scrape(flags),
        web: web(flags)?,
    })
}

fn milliseconds(duration: Duration) -> i64 {
    i64::try_from(duration.as_millis()).unwrap_or(i64::MAX)
}

/// How the database is opened; the flags hold the retention of the configuration by then.
pub(crate) fn database(flags: &Flags, storage: &StorageConfig) -> DbOptions {
    let defaults = DbOptions::default();
    let segment = flags.wal_segment_size_bytes;
    DbOptions {
        retention_ms: milliseconds(flags.retention_time),
        retention_bytes: flags.retention_size_bytes,
        retention_percentage: flags.retention_percentage,
        disk_low_water_bytes: flags.disk_low_water_bytes,
        disk_reserve_bytes: flags.disk_reserve_bytes,
        delay_compact_file: Some(PathBuf::from(&flags.delay_compact_file))
            .filter(|path| !path.as_os_str().is_empty()),
        min_block_ms: milliseconds(flags.min_block_duration),
        max_block_ms: milliseconds(flags.max_block_duration),
        wal_segment_bytes: if segment == 0 { defaults.wal_segment_bytes } else { segment },
        wal_compression: compression(flags.wal_compression.as_deref()),
        samples_per_chunk: u32::try_from(flags.samples_per_chunk).unwrap_or(u32::MAX),
        no_lockfile: flags.no_lockfile,
        max_exemplars: if flags.features.exemplar_storage { storage.max_exemplars } else { 0 },
        head_image_growth_bytes: if flags.head_image { IMAGE_GROWTH_BYTES } else { 0 },
        sync_commits: flags.wal_sync_delay,
        keep_metadata: flags.features.metadata_records,
        xor2: storage.xor2.unwrap_or(flags.features.xor2_encoding),
        started_histograms: flags.features.started_histograms,
        keep_starts: flags.features.start_timestamps,
        memory: memory_budget(flags),
        safe_mode: (flags.safe_mode_crashes > 0).then(|| SafeModeRule {
            crashes: flags.safe_mode_crashes,
            within_ms: SAFE_MODE_MS,
            now_ms: clock::now_ms(),
        }),
        ..defaults
    }
}

/// How the storage of an agent is opened.
pub(crate) fn agent(flags: &Flags, storage: &StorageConfig) -> AgentOptions {
    let (asked, defaults) = (&flags.agent_storage, AgentOptions::default());
    let segment = asked.wal_segment_size_bytes;
    AgentOptions {
        wal_segment_bytes: if segment == 0 { defaults.wal_segment_bytes } else { segment },
        wal_compression: compression(asked.wal_compression.as_deref()),
        no_lockfile: asked.no_lockfile,
        min_age_ms: milliseconds(asked.min_age),
        max_age_ms: milliseconds(asked.max_age),
        out_of_order_window_ms: milliseconds(storage.out_of_order_time_window),
        keep_metadata: flags.features.metadata_records,
    }
}

fn compression(kind: Option<&str>) -> wal::Compression {
    match kind {
        None => wal::Compression::None,
        Some("snappy") => wal::Compression::Snappy,
        Some(_) => wal::Compression::Zstd,
    }
}

/// How much memory the server may use, if that is bounded.
fn memory_budget(flags: &Flags) -> Option<MemoryBudget> {
    let of_machine = || metrics::memory_limit_bytes().map_or(0, |limit| limit / 10 * 9);
    let bytes = flags.memory_budget_bytes.unwrap_or_else(of_machine);
    (bytes > 0).then(|| {
        let budget = MemoryBudget::new(bytes, Arc::new(metrics::private_memory_bytes));
        budget.giving_back(Arc::new(crate::allocator::give_back))
    })
}

/// What the budget leaves for bodies of targets, if memory is bounded.
pub(crate) fn memory_left(flags: &Flags) -> Option<MemoryLeft> {
    let budget = memory_budget(flags)?;
    Some(Arc::new(move || budget.bytes().saturating_sub(budget.used_bytes())))
}

/// Whether the budget leaves so much for queries. Before that is denied, what was freed just now is given back.
fn has_left_for_queries(flags: &Flags) -> Option<promql::HasLeft> {
    let left = memory_left(flags)?;
    Some(Arc::new(move |bytes| {
        bytes <= left() || {
            crate::allocator::give_back();
            bytes <= left()
        }
    }))
}

/// The retention in force, as the status page words it.
pub(crate) fn retention_text(flags: &Flags) -> String {
    if flags.agent {
        return String::new();
    }
    let time = milliseconds(flags.retention_time);
    let time = (time > 0).then(|| model::duration::format(time));
    let size = i64::try_from(flags.retention_size_bytes).unwrap_or(i64::MAX);
    let size = (size > 0).then(|| model::size::format(size));
    let share = (flags.retention_percentage > 0.0)
        .then(|| format!("{}%", model::float::general(flags.retention_percentage)));
    time.into_iter().chain(size).chain(share).collect::<Vec<_>>().join(" or ")
}

fn scrape(flags: &Flags) -> scrape::Features {
    scrape::Features {
        type_and_unit_labels: flags.features.type_and_unit_labels,
        zero_samples: flags.features.zero_samples,
        start_timestamps: flags.features.start_timestamps,
        synthesise_starts: flags.features.synthesise_starts,
        metadata: flags.features.metadata_records,
    }
}

fn engine(flags: &Flags) -> promql::EngineOptions {
    promql::EngineOptions {
        max_samples: flags.max_samples,
        max_memory_bytes: memory_bound(flags.max_memory_bytes, 4),
        lookback_ms: milliseconds(flags.lookback_delta),
        features: promql::Features {
            experimental_functions: flags.features.promql_experimental_functions,
            extended_range_selectors: flags.features.promql_extended_range_selectors,
            binop_fill_modifiers: flags.features.promql_binop_fill_modifiers,
        },
        delayed_name_removal: flags.features.promql_delayed_name_removal,
        type_and_unit_labels: flags.features.type_and_unit_labels,
        use_start_timestamps: flags.features.use_start_timestamps,
        ..promql::EngineOptions::default()
    }
}

/// What all queries share.
fn shared(flags: &Flags) -> promql::Shared {
    let threads = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    promql::Shared {
        memory: promql::MemoryPool::new(
            memory_bound(flags.max_total_memory_bytes, 2),
            has_left_for_queries(flags),
        ),
        helpers: promql::Helpers::new(threads - 1),
        ..promql::Shared::default()
    }
}

/// The bound that was asked for, or its share of the memory there is; zero if nobody knows.
fn memory_bound(asked: u64, share: u64) -> u64 {
    if asked > 0 { asked } else { metrics::memory_limit_bytes().map_or(0, |limit| limit / share) }
}

fn web(flags: &Flags) -> Result<web::Options, Error> {
    let external = yaml::url::parse(&flags.external_url)
        .map_err(|_| Error::Flag { flag: "web.external-url", value: flags.external_url.clone() })?;
    let cors = model::Matcher::new("origin", model::MatchOp::Regex, &flags.cors_origin)
        .map_err(|_| Error::Flag { flag: "web.cors.origin", value: flags.cors_origin.clone() })?;
    let listen =
        flags.listen_addresses.iter().map(|text| address(text)).collect::<Result<_, _>>()?;
    Ok(web::Options {
        external: (external.scheme.to_owned(), external.host.to_owned()),
        external_path: path_of(external.path).to_owned(),
        route_prefix: flags.route_prefix.trim_end_matches('/').to_owned(),
        cors_origin: cors,
        user_assets: flags.user_assets.clone(),
        console_templates: flags.console_templates.clone(),
        console_libraries: flags.console_libraries.clone(),
        page_title: flags.page_title.clone(),
        max_connections: flags.max_connections,
        read_timeout: flags.read_timeout,
        max_concurrency: flags.max_concurrency,
        query_timeout: flags.query_timeout,
        slow_query: flags.slow_query,
        listen,
        agent: flags.agent,
        admin_asked: flags.enable_admin_api,
        search_max_limit: flags.features.search_api.then_some(flags.search_max_limit),
        per_step_stats: flags.features.promql_per_step_stats,
        switches: switches(flags),
    })
}

/// A path without a slash at its end, and without what is asked of it.
fn path_of(path: &str) -> &str {
    path.split(['?', '#']).next().unwrap_or_default().trim_end_matches('/')
}

/// What the features page tells that only flags know.
fn switches(flags: &Flags) -> Vec<(&'static str, &'static str, bool)> {
    let features = &flags.features;
    let mut switches = vec![
        ("otlp_receiver", "delta_conversion", features.otlp_delta_sums),
        ("otlp_receiver", "native_delta_ingestion", features.otlp_native_delta),
        ("prometheus", "auto_reload_config", flags.auto_reload.is_some()),
        ("scrape", "extra_scrape_metrics", true),
        ("scrape", "start_timestamp_zero_ingestion", features.zero_samples),
        ("scrape", "type_and_unit_labels", features.type_and_unit_labels),
        ("tsdb", "exemplar_storage", features.exemplar_storage),
        ("tsdb", "histograms_st_encoding", features.started_histograms),
        ("tsdb", "st_storage", features.start_timestamps),
        ("tsdb", "native_histograms", true),
        ("tsdb", "xor2_encoding", true),
    ];
    if features.synthesise_starts {
        switches.push(("scrape", "st-synthesis", true));
    }
    if features.metadata_records {
        switches.push(("tsdb", "metadata_wal_records", true));
    }
    let mechanisms = discovery::built().map(|name| ("service_discovery_providers", name, true));
    switches.extend(mechanisms);
    switches
}

/// An address to listen on: a host may be left out, and means all.
fn address(text: &str) -> Result<SocketAddr, Error> {
    let full = if text.starts_with(':') { format!("0.0.0.0{text}") } else { text.to_owned() };
    let refused = || Error::Flag { flag: "web.listen-address", value: text.to_owned() };
    full.to_socket_addrs().map_err(|_| refused())?.next().ok_or_else(refused)
}
