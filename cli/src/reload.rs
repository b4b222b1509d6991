//! Loading the configuration, at the start and again: all of it is checked before any of it is put in force.

mod watch;

pub(crate) use watch::Watch;

use crate::config::{self, Config};
use crate::flags::Flags;
use crate::peers::Reloadable;
use crate::settings::{ConfigSource, Settings};
use crate::status::{LoadedConfig, ServerStatus};
use crate::{Error, clock};
use arc_swap::ArcSwap;
use metrics::{Gauge, Registry};
use promql::Engine;
use scrape::config::ScrapeConfig;
use std::collections::BTreeMap;
use std::fs::File;
use std::sync::Arc;
use web::notifications::{Notifications, RELOAD_FAILED, STARTING};
use web::{PoolConfig, QueryLog};

/// The configuration of a server that was given none.
const EMBEDDED: &str = include_str!("embedded.yml");

/// A configuration that was checked and may be put in force.
pub(crate) struct Reloaded {
    pub(crate) config: Config,
    pub(crate) jobs: Vec<Arc<ScrapeConfig>>,
    /// The jobs as the pages show them, by name.
    pools: BTreeMap<String, PoolConfig>,
    /// Where queries are logged; opened anew with each configuration, so that the file may be moved away before.
    query_log: Option<File>,
}

/// Loads configurations and remembers how that went.
pub(crate) struct Reloader {
    source: ConfigSource,
    flags: Flags,
    port: u16,
    engine_options: promql::EngineOptions,
    engine: Arc<ArcSwap<Engine>>,
    query_log: Arc<QueryLog>,
    reloadable: Reloadable,
    status: Arc<ServerStatus>,
    notifications: Arc<Notifications>,
    successful: Gauge,
    success_time: Gauge,
}

impl Reloader {
    /// A loader for a server with these settings.
    pub(crate) fn new(
        settings: &Settings,
        registry: &Registry,
        engine: Arc<ArcSwap<Engine>>,
        status: Arc<ServerStatus>,
    ) -> Self {
        let notifications = Notifications::new(settings.flags.max_notifications_subscribers);
        notifications.add(STARTING, clock::now_ms());
        Self {
            source: settings.config.clone(),
            flags: settings.flags.clone(),
            port: settings.web.listen.first().map_or(9090, std::net::SocketAddr::port),
            engine_options: settings.engine,
            engine,
            query_log: Arc::new(QueryLog::new(registry)),
            reloadable: Reloadable::default(),
            status,
            notifications: Arc::new(notifications),
            successful: registry.gauge(
                "prometheus_config_last_reload_successful",
                "Whether the last configuration reload attempt was successful.",
            ),
            success_time: registry.gauge(
                "prometheus_config_last_reload_success_timestamp_seconds",
                "Timestamp of the last successful configuration reload.",
            ),
        }
    }

    /// What the pages tell.
    pub(crate) fn notifications(&self) -> &Arc<Notifications> {
        &self.notifications
    }

    /// Where queries are logged.
    pub(crate) fn query_log(&self) -> &Arc<QueryLog> {
        &self.query_log
    }

    /// What follows the configuration in force.
    pub(crate) fn reloadable(&self) -> &Reloadable {
        &self.reloadable
    }

    /// Looks for changes of the files from now on, if the flags ask for it.
    pub(crate) fn watch(&self) -> Option<Watch> {
        match &self.source {
            ConfigSource::File(file) => {
                self.flags.auto_reload.map(|interval| Watch::new(file, interval))
            }
            ConfigSource::Embedded => None,
        }
    }

    /// The file, as messages name it.
    pub(crate) fn file(&self) -> &str {
        match &self.source {
            ConfigSource::File(file) => file,
            ConfigSource::Embedded => "",
        }
    }

    /// Reads and checks the whole configuration; nothing changes.
    pub(crate) fn load(&self) -> Result<Reloaded, Error> {
        tracing::info!(filename = self.file(), "Loading configuration file");
        let environment = |name: &str| std::env::var(name).ok();
        let context = self.flags.context(&environment);
        let mut config = match &self.source {
            ConfigSource::File(path) => config::load_file(path, &context)?,
            ConfigSource::Embedded => {
                let text = EMBEDDED.replace("9090", &self.port.to_string());
                config::load(text.as_bytes(), "the embedded configuration", &context)?
            }
        };
        let is_xor2 = *config.storage.xor2.get_or_insert(self.flags.features.xor2_encoding);
        self.check_encoding(is_xor2)?;
        let (mut jobs, mut pools) = (Vec::new(), BTreeMap::new());
        for (job, yaml) in config.shown_scrape_configs()? {
            let relabel_rules = Arc::clone(&job.relabel_configs);
            pools.insert(job.job_name.clone(), PoolConfig { yaml, relabel_rules });
            jobs.push(Arc::new(job));
        }
        let query_log = open_log(&config.global.query_log_file)?;
        for job in &jobs {
            open_log(&job.scrape_failure_log_file)?;
        }
        Ok(Reloaded { config, jobs, pools, query_log })
    }

    /// Whether the encoding of floats is one that the flags allow.
    fn check_encoding(&self, is_xor2: bool) -> Result<(), Error> {
        if is_xor2 || !self.flags.features.start_timestamps || self.flags.agent {
            return Ok(());
        }
        let why = "xor cannot be had with --enable-feature=st-storage: it keeps no start timestamps, \
             use xor2";
        Err(Error::Setting { setting: "storage.tsdb.chunk_encoding.floats", why })
    }

    /// The parts have taken this configuration over: all of them, or all that could.
    pub(crate) fn in_force(&self, loaded: Reloaded, by_all: bool) {
        let interval_ms = loaded.config.global.evaluation_interval.as_millis();
        let options = promql::EngineOptions {
            default_eval_interval_ms: i64::try_from(interval_ms).unwrap_or(i64::MAX),
            ..self.engine_options
        };
        let engine = self.engine.load().with_options(options);
        self.engine.store(Arc::new(engine));
        self.query_log.set(loaded.query_log.map(|file| Box::new(file) as _));
        let external_labels = loaded.config.global.external_labels.clone();
        self.reloadable.external_labels.store(Arc::new(external_labels));
        self.reloadable.otlp.store(Arc::new(loaded.config.otlp()));
        let inactive = loaded.config.inactive();
        if !inactive.is_empty() {
            tracing::warn!(
                sections = inactive.join(", "),
                "These parts of the configuration were checked and are not active: this release does not build them yet"
            );
        }
        for name in &loaded.config.empty_variables {
            tracing::warn!(name = name.as_str(), "Empty environment variable");
        }
        self.status.config_loaded(LoadedConfig {
            yaml: loaded.config.to_yaml(),
            gogc: loaded.config.gogc(),
            pools: loaded.pools,
            external_labels: loaded.config.global.external_labels,
        });
        if !by_all {
            self.refused();
            return;
        }
        self.successful.set(1.0);
        self.success_time.set(clock::now_ms() as f64 / 1000.0);
        self.notifications.remove(RELOAD_FAILED, clock::now_ms());
    }

    /// A configuration was refused, or not taken by all.
    pub(crate) fn refused(&self) {
        self.successful.set(0.0);
        self.notifications.add(RELOAD_FAILED, clock::now_ms());
        self.status.config_refused();
    }
}

/// Opens a file that is written by lines, behind what is there; `None` if no file is given.
fn open_log(path: &str) -> Result<Option<File>, Error> {
    if path.is_empty() {
        return Ok(None);
    }
    let opened = File::options().append(true).create(true).open(path);
    opened.map(Some).map_err(|source| Error::LogFile { path: path.to_owned(), source })
}
