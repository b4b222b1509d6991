//! The table of paths.

use crate::api::search::What;
use crate::guard::Needs;
use crate::import::Kept;
use crate::ui::Asset;
use http::Method;

/// What a path leads to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Route {
    Api(Api),
    Write,
    Read,
    Otlp,
    Import(Kept),
    Healthy,
    Ready,
    Reload,
    Quit,
    Metrics,
    Federate,
    NotificationsLive,
    OpenApi,
    /// A profile by its name; the list of them if it is empty.
    Profile(String),
    Profiles,
    UserAsset(String),
    UserAssets,
    Console(String),
    Home,
    Graph,
    Page,
    /// A file beside the page, if there is one of this name.
    Asset(Option<Asset>),
    Version,
}

/// The endpoints that answer with the JSON envelope.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Api {
    Query,
    QueryRange,
    QueryExemplars,
    Labels,
    /// The name as it stands in the path.
    LabelValues(String),
    Series,
    FormatQuery,
    ParseQuery,
    Targets,
    TargetsMetadata,
    Metadata,
    ScrapePools,
    ScrapePoolConfig,
    RelabelSteps,
    Alertmanagers,
    Rules,
    Alerts,
    Search(What),
    DeleteSeries,
    CleanTombstones,
    Snapshot,
    Features,
    Notifications,
    SelfMetrics,
    Config,
    Flags,
    BuildInfo,
    RuntimeInfo,
    Tsdb,
    TsdbBlocks,
    TsdbLimits,
    TsdbQuarantine,
    WalReplay,
    ActiveQueries,
    /// The number of a query as it stands in the path.
    CancelQuery(String),
    TopQueries,
}

impl Api {
    /// Whether an agent, which has no database to read, answers it.
    pub(super) fn is_for_agents(&self) -> bool {
        matches!(
            self,
            Self::Targets
                | Self::TargetsMetadata
                | Self::Metadata
                | Self::ScrapePools
                | Self::ScrapePoolConfig
                | Self::RelabelSteps
                | Self::Config
                | Self::Flags
                | Self::BuildInfo
                | Self::RuntimeInfo
                | Self::SelfMetrics
                | Self::WalReplay
                | Self::Features
                | Self::Notifications
        )
    }

    /// What a caller needs to be granted.
    pub(super) fn needs(&self) -> Needs {
        match self {
            Self::DeleteSeries | Self::CleanTombstones | Self::Snapshot | Self::CancelQuery(_) => {
                Needs::Admin
            }
            _ => Needs::Read,
        }
    }

    /// Whether its answers are compressed for those who ask for it.
    pub(super) fn packs(&self) -> bool {
        !matches!(self, Self::WalReplay | Self::Notifications | Self::Search(_))
    }

    /// Whether it is refused until the storage is open.
    fn needs_readiness(&self) -> bool {
        !matches!(self, Self::WalReplay | Self::Notifications)
    }
}

/// What holds for a path.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Endpoint {
    /// Its name in metrics.
    pub(super) label: &'static str,
    /// The `Allow` header.
    pub(super) allow: &'static str,
    /// Whether it is refused until the storage is open.
    pub(super) needs_readiness: bool,
    /// What a caller needs to be granted.
    pub(super) needs: Needs,
}

impl Endpoint {
    pub(super) fn allows(&self, method: &Method) -> bool {
        let is_probe = self.allow.contains("HEAD");
        match *method {
            Method::GET => self.allow.contains("GET"),
            Method::HEAD => is_probe,
            Method::POST => self.allow.contains("POST"),
            Method::PUT => self.allow.contains("PUT"),
            Method::DELETE => self.allow.contains("DELETE"),
            _ => false,
        }
    }
}

const GET: &str = "GET, OPTIONS";
const GET_HEAD: &str = "GET, HEAD, OPTIONS";
const GET_POST: &str = "GET, OPTIONS, POST";
const POST: &str = "OPTIONS, POST";
const POST_PUT: &str = "OPTIONS, POST, PUT";
const DELETE: &str = "DELETE, OPTIONS";
const ANY: &str = "GET, OPTIONS, POST, PUT";

/// What `path`, below the route prefix, leads to.
pub(super) fn find(path: &str) -> Option<(Route, Endpoint)> {
    if let Some((api, label, allow)) = find_api(path) {
        let (needs_readiness, needs) = (api.needs_readiness(), api.needs());
        return Some((Route::Api(api), Endpoint { label, allow, needs_readiness, needs }));
    }
    let (route, label, allow) = match path {
        "/api/v1/write" => (Route::Write, "/api/v1/write", POST),
        "/api/v1/otlp/v1/metrics" => (Route::Otlp, "/api/v1/otlp/v1/metrics", POST),
        "/api/v1/read" => (Route::Read, "/api/v1/read", POST),
        "/api/v1/openapi.yaml" => (Route::OpenApi, "/api/v1/openapi.yaml", GET),
        "/api/v1/import/openmetrics" => {
            (Route::Import(Kept::OpenMetrics), "/api/v1/import/openmetrics", POST)
        }
        "/api/v1/import/remote-write" => {
            (Route::Import(Kept::RemoteWrite), "/api/v1/import/remote-write", POST)
        }
        "/api/v1/notifications/live" => {
            (Route::NotificationsLive, "/api/v1/notifications/live", GET)
        }
        "/-/healthy" => (Route::Healthy, "/-/healthy", GET_HEAD),
        "/-/ready" => (Route::Ready, "/-/ready", GET_HEAD),
        "/-/reload" => (Route::Reload, "/-/reload", ANY),
        "/-/quit" => (Route::Quit, "/-/quit", ANY),
        "/metrics" => (Route::Metrics, "/metrics", GET),
        "/federate" => (Route::Federate, "/federate", GET),
        "/" => (Route::Home, "/", GET),
        "/graph" => (Route::Graph, "/graph", GET),
        "/version" => (Route::Version, "/version", GET),
        "/debug/pprof" => (Route::Profiles, "/debug/*subpath", GET_POST),
        "/user" => (Route::UserAssets, "/user/*filepath", GET),
        "/favicon.ico" | "/favicon.svg" | "/manifest.json" => {
            (Route::Asset(None), "/assets/*filepath", GET)
        }
        _ => match PAGES.iter().find(|page| **page == path) {
            Some(page) => (Route::Page, *page, GET),
            None => return find_below(path),
        },
    };
    let needs_readiness = matches!(
        route,
        Route::Ready
            | Route::Write
            | Route::Read
            | Route::Otlp
            | Route::Import(_)
            | Route::OpenApi
            | Route::Federate
    );
    let needs = match route {
        Route::Write | Route::Otlp => Needs::Write,
        Route::Import(_) | Route::Reload | Route::Quit => Needs::Admin,
        Route::Healthy | Route::Ready => Needs::Nothing,
        _ => Needs::Read,
    };
    Some((route, Endpoint { label, allow, needs_readiness, needs }))
}

/// What a path leads to whose end is a name.
fn find_below(path: &str) -> Option<(Route, Endpoint)> {
    let of = |route, label, allow| {
        let needs = if matches!(route, Route::Profile(_)) { Needs::Admin } else { Needs::Read };
        let needs_readiness = matches!(route, Route::Console(_));
        Some((route, Endpoint { label, allow, needs_readiness, needs }))
    };
    if let Some(name) = path.strip_prefix("/debug/pprof/") {
        return of(Route::Profile(name.to_owned()), "/debug/*subpath", GET_POST);
    }
    if let Some(name) = path.strip_prefix("/user/") {
        return of(Route::UserAsset(name.to_owned()), "/user/*filepath", GET);
    }
    if let Some(name) = path.strip_prefix("/consoles/") {
        return of(Route::Console(name.to_owned()), "/consoles/*filepath", GET);
    }
    let asset = Asset::find(path.strip_prefix("/assets/")?);
    of(Route::Asset(asset), "/assets/*filepath", GET)
}

/// Where Prometheus shows its pages: there is one page here, and bookmarks lead to it.
const PAGES: &[&str] = &[
    "/query",
    "/agent",
    "/alerts",
    "/rules",
    "/targets",
    "/service-discovery",
    "/status",
    "/tsdb-status",
    "/flags",
    "/config",
    "/alertmanager-discovery",
];

/// The endpoints of the API without parameters in their path, with the methods they take.
const APIS: &[(&str, Api, &str)] = &[
    ("/api/v1/query", Api::Query, GET_POST),
    ("/api/v1/query_range", Api::QueryRange, GET_POST),
    ("/api/v1/query_exemplars", Api::QueryExemplars, GET_POST),
    ("/api/v1/labels", Api::Labels, GET_POST),
    ("/api/v1/series", Api::Series, GET_POST),
    ("/api/v1/format_query", Api::FormatQuery, GET_POST),
    ("/api/v1/parse_query", Api::ParseQuery, GET_POST),
    ("/api/v1/targets", Api::Targets, GET),
    ("/api/v1/targets/metadata", Api::TargetsMetadata, GET),
    ("/api/v1/targets/relabel_steps", Api::RelabelSteps, GET),
    ("/api/v1/metadata", Api::Metadata, GET),
    ("/api/v1/scrape_pools", Api::ScrapePools, GET),
    ("/api/v1/scrape_pools/config", Api::ScrapePoolConfig, GET),
    ("/api/v1/alertmanagers", Api::Alertmanagers, GET),
    ("/api/v1/rules", Api::Rules, GET),
    ("/api/v1/alerts", Api::Alerts, GET),
    ("/api/v1/search/metric_names", Api::Search(What::MetricNames), GET_POST),
    ("/api/v1/search/label_names", Api::Search(What::LabelNames), GET_POST),
    ("/api/v1/search/label_values", Api::Search(What::LabelValues), GET_POST),
    ("/api/v1/admin/tsdb/delete_series", Api::DeleteSeries, POST_PUT),
    ("/api/v1/admin/tsdb/clean_tombstones", Api::CleanTombstones, POST_PUT),
    ("/api/v1/admin/tsdb/snapshot", Api::Snapshot, POST_PUT),
    ("/api/v1/features", Api::Features, GET),
    ("/api/v1/notifications", Api::Notifications, GET),
    ("/api/v1/status/self_metrics", Api::SelfMetrics, GET),
    ("/api/v1/status/config", Api::Config, GET),
    ("/api/v1/status/flags", Api::Flags, GET),
    ("/api/v1/status/buildinfo", Api::BuildInfo, GET),
    ("/api/v1/status/runtimeinfo", Api::RuntimeInfo, GET),
    ("/api/v1/status/tsdb", Api::Tsdb, GET),
    ("/api/v1/status/tsdb/blocks", Api::TsdbBlocks, GET),
    ("/api/v1/status/tsdb/limits", Api::TsdbLimits, GET),
    ("/api/v1/status/tsdb/quarantine", Api::TsdbQuarantine, GET),
    ("/api/v1/status/walreplay", Api::WalReplay, GET),
    ("/api/v1/status/active_queries", Api::ActiveQueries, GET),
    ("/api/v1/status/top_queries", Api::TopQueries, GET),
];

/// All paths of the API, parameters with a colon.
#[cfg(test)]
pub(crate) fn api_paths() -> Vec<&'static str> {
    let others = [
        "/api/v1/label/:name/values",
        "/api/v1/status/active_queries/:id",
        "/api/v1/write",
        "/api/v1/read",
        "/api/v1/otlp/v1/metrics",
        "/api/v1/import/openmetrics",
        "/api/v1/import/remote-write",
        "/api/v1/notifications/live",
        "/api/v1/openapi.yaml",
    ];
    APIS.iter().map(|(path, _, _)| *path).chain(others).collect()
}

fn find_api(path: &str) -> Option<(Api, &'static str, &'static str)> {
    if let Some(rest) = path.strip_prefix("/api/v1/label/")
        && let Some(name) = rest.strip_suffix("/values")
        && !name.is_empty()
        && !name.contains('/')
        && !name.to_ascii_lowercase().contains("%2f")
    {
        let label = "/api/v1/label/:name/values";
        return Some((Api::LabelValues(name.to_owned()), label, GET));
    }
    if let Some(id) = path.strip_prefix("/api/v1/status/active_queries/")
        && !id.is_empty()
        && !id.contains('/')
    {
        let label = "/api/v1/status/active_queries/:id";
        return Some((Api::CancelQuery(id.to_owned()), label, DELETE));
    }
    let (label, api, allow) = APIS.iter().find(|(known, _, _)| *known == path)?;
    Some((api.clone(), label, allow))
}
