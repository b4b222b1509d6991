//! The table of paths.

use crate::ui::Asset;
use http::Method;

/// What a path leads to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Route {
    Api(Api),
    Write,
    Read,
    Otlp,
    Healthy,
    Ready,
    Reload,
    Quit,
    Metrics,
    Home,
    Graph,
    Page,
    Asset(Asset),
    Version,
}

/// The endpoints that answer with the JSON envelope.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Api {
    Query,
    QueryRange,
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
    Config,
    Flags,
    BuildInfo,
    RuntimeInfo,
    Tsdb,
    WalReplay,
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
}

impl Endpoint {
    pub(super) fn allows(&self, method: &Method) -> bool {
        let is_probe = self.allow.contains("HEAD");
        match *method {
            Method::GET => self.allow.contains("GET"),
            Method::HEAD => is_probe,
            Method::POST => self.allow.contains("POST"),
            Method::PUT => self.allow.contains("PUT"),
            _ => false,
        }
    }
}

const GET: &str = "GET, OPTIONS";
const GET_HEAD: &str = "GET, HEAD, OPTIONS";
const GET_POST: &str = "GET, OPTIONS, POST";
const POST: &str = "OPTIONS, POST";
const ANY: &str = "GET, OPTIONS, POST, PUT";

/// What `path`, below the route prefix, leads to.
pub(super) fn find(path: &str) -> Option<(Route, Endpoint)> {
    if let Some(rest) = path.strip_prefix("/api/v1/label/")
        && let Some(name) = rest.strip_suffix("/values")
        && !name.is_empty()
        && !name.contains('/')
        && !name.to_ascii_lowercase().contains("%2f")
    {
        let label = "/api/v1/label/:name/values";
        let endpoint = Endpoint { label, allow: GET, needs_readiness: true };
        return Some((Route::Api(Api::LabelValues(name.to_owned())), endpoint));
    }
    let api = |api| Route::Api(api);
    let (route, label, allow) = match path {
        "/api/v1/query" => (api(Api::Query), "/api/v1/query", GET_POST),
        "/api/v1/query_range" => (api(Api::QueryRange), "/api/v1/query_range", GET_POST),
        "/api/v1/labels" => (api(Api::Labels), "/api/v1/labels", GET_POST),
        "/api/v1/series" => (api(Api::Series), "/api/v1/series", GET_POST),
        "/api/v1/format_query" => (api(Api::FormatQuery), "/api/v1/format_query", GET_POST),
        "/api/v1/parse_query" => (api(Api::ParseQuery), "/api/v1/parse_query", GET_POST),
        "/api/v1/targets" => (api(Api::Targets), "/api/v1/targets", GET),
        "/api/v1/targets/metadata" => (api(Api::TargetsMetadata), "/api/v1/targets/metadata", GET),
        "/api/v1/metadata" => (api(Api::Metadata), "/api/v1/metadata", GET),
        "/api/v1/scrape_pools" => (api(Api::ScrapePools), "/api/v1/scrape_pools", GET),
        "/api/v1/status/config" => (api(Api::Config), "/api/v1/status/config", GET),
        "/api/v1/status/flags" => (api(Api::Flags), "/api/v1/status/flags", GET),
        "/api/v1/status/buildinfo" => (api(Api::BuildInfo), "/api/v1/status/buildinfo", GET),
        "/api/v1/status/runtimeinfo" => (api(Api::RuntimeInfo), "/api/v1/status/runtimeinfo", GET),
        "/api/v1/status/tsdb" => (api(Api::Tsdb), "/api/v1/status/tsdb", GET),
        "/api/v1/status/walreplay" => (api(Api::WalReplay), "/api/v1/status/walreplay", GET),
        "/api/v1/write" => (Route::Write, "/api/v1/write", POST),
        "/api/v1/otlp/v1/metrics" => (Route::Otlp, "/api/v1/otlp/v1/metrics", POST),
        "/api/v1/read" => (Route::Read, "/api/v1/read", POST),
        "/-/healthy" => (Route::Healthy, "/-/healthy", GET_HEAD),
        "/-/ready" => (Route::Ready, "/-/ready", GET_HEAD),
        "/-/reload" => (Route::Reload, "/-/reload", ANY),
        "/-/quit" => (Route::Quit, "/-/quit", ANY),
        "/metrics" => (Route::Metrics, "/metrics", GET),
        "/" => (Route::Home, "/", GET),
        "/graph" => (Route::Graph, "/graph", GET),
        "/query" => (Route::Page, "/query", GET),
        "/version" => (Route::Version, "/version", GET),
        _ => {
            let asset = Asset::find(path.strip_prefix("/assets/")?)?;
            (Route::Asset(asset), "/assets/*filepath", GET)
        }
    };
    let needs_readiness = match &route {
        Route::Api(api) => *api != Api::WalReplay,
        Route::Ready | Route::Write | Route::Read | Route::Otlp => true,
        _ => false,
    };
    Some((route, Endpoint { label, allow, needs_readiness }))
}
