//! The HTTP side of the server: API, health, lifecycle, own metrics, one page. It is given its storages, its engine
//! and what to show; it knows neither the database nor the configuration file.
//! Reading order: [`Api`] (what it is given), `server`, `router`, `call` (how a handler runs), `api`, `json`.
#![forbid(unsafe_code)]

pub mod api;
mod body;
mod call;
mod compress;
mod error;
mod federate;
mod flights;
mod guard;
pub mod import;
pub mod json;
pub mod notifications;
mod observe;
mod openapi;
mod params;
pub mod profile;
mod queries;
mod query_log;
mod response;
mod router;
mod server;
mod spares;
mod ui;

pub use api::admin::Admin;
pub use guard::{Guard, GuardError};
pub use query_log::{QueryLog, RunningQueries};
pub use server::{ListenError, Server};

use arc_swap::ArcSwap;
use metrics::Registry;
use model::relabel::Rule;
use model::{Labels, Matcher};
use notifications::Notifications;
use promql::Engine;
use scrape::{PoolStatus, TargetMetadata};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use storage::{ExemplarQueryable, Queryable};
use tokio::sync::{mpsc, oneshot};

/// What the HTTP side serves.
pub struct Api {
    /// Where queries read.
    pub queryable: Arc<dyn Queryable>,
    /// Where exemplars are, if any are kept.
    pub exemplars: Option<Arc<dyn ExemplarQueryable>>,
    /// Deletes and copies data; `None` while the admin API is switched off.
    pub admin: Option<Arc<dyn Admin>>,
    /// Takes past samples; `None` while the admin API is switched off.
    pub import: Option<Arc<dyn import::Import>>,
    /// What the pages tell.
    pub notifications: Arc<Notifications>,
    /// Remote write, remote read and OTLP, as far as they are switched on.
    pub remote: remote::Endpoints,
    /// Runs queries; swapped when a reload changes what it depends on.
    pub engine: Arc<ArcSwap<Engine>>,
    /// Where queries are logged.
    pub query_log: Arc<QueryLog>,
    /// Where queries that run are noted.
    pub running_queries: Option<Arc<dyn RunningQueries>>,
    /// What scraping knows.
    pub targets: Arc<dyn TargetsSource>,
    /// What the server knows of itself.
    pub status: Arc<dyn Status>,
    /// Where reload and quit go; `None` while the lifecycle API is switched off.
    pub lifecycle: Option<mpsc::Sender<Command>>,
    /// Who may talk to the server; `None` lets everyone in.
    pub guard: Option<Guard>,
    /// Makes profiles; `None` offers none.
    pub profiler: Option<Arc<dyn profile::Profiler>>,
    /// Our own metrics.
    pub registry: Registry,
    /// The wall clock in milliseconds.
    pub now_ms: fn() -> i64,
    /// Flags.
    pub options: Options,
}

impl std::fmt::Debug for Api {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Api").field("options", &self.options).finish_non_exhaustive()
    }
}

/// The `--web.*` and `--query.*` flags that matter here.
#[derive(Clone, Debug)]
pub struct Options {
    /// Scheme, host and port of the external URL, for links to ourselves: `http`, `prom.example:9090`.
    pub external: (String, String),
    /// The path of the external URL, without a slash at its end; in redirects.
    pub external_path: String,
    /// Where all routes begin, without a slash at its end; empty for the root.
    pub route_prefix: String,
    /// Origins that may read answers; the value of the matcher is compared with the `Origin` header.
    pub cors_origin: Matcher,
    /// The directory below `/user/`; empty for none.
    pub user_assets: String,
    /// The directory of console templates.
    pub console_templates: String,
    /// The directory of what console templates share.
    pub console_libraries: String,
    /// The title of the page.
    pub page_title: String,
    /// Connections at one time, over all addresses.
    pub max_connections: usize,
    /// How long reading a request and idling on a connection may take.
    pub read_timeout: Duration,
    /// Queries at one time.
    pub max_concurrency: usize,
    /// How long a query may take.
    pub query_timeout: Duration,
    /// Queries that take longer than this are logged; zero logs none.
    pub slow_query: Duration,
    /// Addresses to listen on; port 0 lets the system choose.
    pub listen: Vec<SocketAddr>,
    /// The server is an agent: it has no data to query.
    pub agent: bool,
    /// Whether the admin API was asked for, also where there is nothing to administer.
    pub admin_asked: bool,
    /// The largest limit of a search, zero for no bound; `None` while the search API is switched off.
    pub search_max_limit: Option<usize>,
    /// `stats=all` lists what each step took.
    pub per_step_stats: bool,
    /// What `/api/v1/features` tells besides what is known here: category, name, whether it is on.
    pub switches: Vec<(&'static str, &'static str, bool)>,
}

/// Wishes of the lifecycle API.
#[derive(Debug)]
pub enum Command {
    /// Load the configuration again and answer: nothing, or what is wrong.
    Reload(oneshot::Sender<Result<(), String>>),
    /// Stop the server.
    Quit,
}

/// What scraping shows: the manager, or nothing in tests and agents without jobs.
pub trait TargetsSource: Send + Sync {
    /// The pools, sorted by name.
    fn pools(&self) -> Vec<PoolStatus>;
    /// The metadata of every active target.
    fn metadata(&self) -> Vec<TargetMetadata>;
}

impl TargetsSource for scrape::Manager {
    fn pools(&self) -> Vec<PoolStatus> {
        self.targets()
    }

    fn metadata(&self) -> Vec<TargetMetadata> {
        Self::metadata(self)
    }
}

/// How a scrape job is set up.
#[derive(Clone, Debug)]
pub struct PoolConfig {
    /// Its section, defaults included, secrets hidden.
    pub yaml: String,
    /// The rules that make its targets.
    pub relabel_rules: Arc<[Rule]>,
}

/// Whether requests are answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Readiness {
    /// The log is still read.
    Starting,
    /// All is well.
    Ready,
    /// The end has begun.
    Stopping,
}

/// What the server knows of itself.
pub trait Status: Send + Sync {
    /// Whether requests are answered.
    fn readiness(&self) -> Readiness;
    /// The configuration in force, secrets hidden.
    fn config_yaml(&self) -> String;
    /// All flags with their effective values, sorted by name.
    fn flags(&self) -> Vec<(String, String)>;
    /// What was built.
    fn build_info(&self) -> api::status::BuildInfo;
    /// How it runs.
    fn runtime_info(&self) -> api::status::RuntimeInfo;
    /// Counts of the head; the lists hold at most `limit` entries.
    fn tsdb(&self, limit: usize) -> storage::Result<api::status::TsdbStatus>;
    /// The meta data of each block as JSON, oldest first.
    fn blocks(&self) -> storage::Result<Vec<String>>;
    /// Bounds on memory and series, and what they refuse.
    fn limits(&self) -> storage::Result<api::limits::LimitsStatus> {
        Ok(api::limits::LimitsStatus::default())
    }
    /// Damaged data that was moved aside.
    fn quarantined(&self) -> storage::Result<Vec<api::quarantine::Quarantined>> {
        Ok(Vec::new())
    }
    /// A scrape job by name.
    fn scrape_pool(&self, name: &str) -> Option<PoolConfig>;
    /// Labels added to everything that leaves this server.
    fn external_labels(&self) -> Labels;
    /// First, last and current segment of the log that is read at start.
    fn wal_replay(&self) -> api::status::WalReplay;
}
