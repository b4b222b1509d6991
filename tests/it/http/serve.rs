//! Servers in this process: the HTTP side over a given storage, on a port of its own.

use arc_swap::ArcSwap;
use disk::{Disk, SimDisk};
use metrics::Registry;
use model::{Labels, MatchOp, Matcher};
use parking_lot::Mutex;
use promql::{Engine, EngineOptions};
use remote::{Endpoints, Receiver, otlp, read, receive};
use scrape::{PoolStatus, TargetMetadata};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;
use storage::{Appendable, ExemplarQueryable, Queryable};
use tokio::runtime::Builder;
use tokio_util::sync::CancellationToken;
use tsdb::head::{Head, HeadOptions};
use web::api::status::{BuildInfo, RuntimeInfo, TsdbStatus, WalReplay};
use web::notifications::Notifications;
use web::{Api, Guard, Options, PoolConfig, QueryLog, Readiness, Server, Status, TargetsSource};

/// What differs from server to server.
pub(crate) struct Setup {
    pub(crate) engine: EngineOptions,
    pub(crate) query_timeout: Duration,
    pub(crate) readiness: Readiness,
    pub(crate) receiver: bool,
    pub(crate) receive: receive::Options,
    pub(crate) read: read::Limits,
    pub(crate) external_labels: Labels,
    pub(crate) otlp: Option<(otlp::Options, otlp::Config)>,
    pub(crate) now_ms: fn() -> i64,
    pub(crate) guard: Option<PathBuf>,
    pub(crate) exemplars: Option<Arc<dyn ExemplarQueryable>>,
    pub(crate) change: fn(&mut Options),
}

impl Default for Setup {
    fn default() -> Self {
        Self {
            engine: EngineOptions::default(),
            query_timeout: Duration::from_secs(120),
            readiness: Readiness::Ready,
            receiver: true,
            receive: receive::Options::default(),
            read: read::Limits::default(),
            external_labels: Labels::empty(),
            otlp: None,
            // 2026-11-01T02:00:00Z, the end of the recorded data.
            now_ms: || 1_793_498_400_000,
            guard: None,
            exemplars: None,
            change: |_| {},
        }
    }
}

struct NoTargets;

impl TargetsSource for NoTargets {
    fn pools(&self) -> Vec<PoolStatus> {
        Vec::new()
    }
    fn metadata(&self) -> Vec<TargetMetadata> {
        Vec::new()
    }
}

struct Fixed {
    readiness: Readiness,
    external_labels: Labels,
}

impl Status for Fixed {
    fn readiness(&self) -> Readiness {
        self.readiness
    }
    fn config_yaml(&self) -> String {
        "global:\n  scrape_interval: 1m\n".to_owned()
    }
    fn flags(&self) -> Vec<(String, String)> {
        vec![("a.flag".to_owned(), "<1>".to_owned()), ("b".to_owned(), String::new())]
    }
    fn build_info(&self) -> BuildInfo {
        BuildInfo { version: "3.14.0".to_owned(), ..Default::default() }
    }
    fn runtime_info(&self) -> RuntimeInfo {
        RuntimeInfo { start_time_ms: 1500, gogc: "75".to_owned(), ..Default::default() }
    }
    fn tsdb(&self, limit: usize) -> storage::Result<TsdbStatus> {
        let names = vec![("up".to_owned(), 3), ("x".to_owned(), 1)];
        assert!(limit > 0);
        Ok(TsdbStatus { num_series: 4, series_by_metric_name: names, ..Default::default() })
    }
    fn blocks(&self) -> storage::Result<Vec<String>> {
        Ok(Vec::new())
    }
    fn scrape_pool(&self, _name: &str) -> Option<PoolConfig> {
        None
    }
    fn external_labels(&self) -> Labels {
        self.external_labels.clone()
    }
    fn wal_replay(&self) -> WalReplay {
        WalReplay::default()
    }
}

/// An empty head on a simulated disk, with its log.
pub(crate) fn head() -> Head {
    let disk: Arc<dyn Disk> = Arc::new(SimDisk::new());
    let log = wal::Writer::open(Arc::clone(&disk), Path::new("wal"), Default::default());
    let options = HeadOptions::new(disk, PathBuf::from("chunks_head"));
    let head = Head::new(options, 1, &Registry::new());
    head.set_log(Arc::new(Mutex::new(log.expect("log"))));
    head
}

/// A head that keeps exemplars, as much as a stock server that is told to.
pub(crate) fn head_with_exemplars(setup: &mut Setup) -> Head {
    let head = head();
    head.set_max_exemplars(100_000);
    setup.exemplars = Some(Arc::new(head.clone()));
    head
}

/// What a server serves.
pub(crate) fn api(
    queryable: Arc<dyn Queryable>,
    appendable: Option<Arc<dyn Appendable>>,
    setup: &Setup,
) -> Api {
    let registry = Registry::new();
    let receiver = |to| Arc::new(Receiver::new(to, setup.receive.clone(), &registry));
    let otlp = setup.otlp.clone().zip(appendable.clone());
    let otlp = otlp.map(|((options, config), to)| {
        let config = Arc::new(ArcSwap::from_pointee(config));
        Arc::new(otlp::Receiver::new(to, options, config, &registry))
    });
    let external_labels = Arc::new(ArcSwap::from_pointee(setup.external_labels.clone()));
    let reader = read::Server::new(Arc::clone(&queryable), setup.read, external_labels, &registry);
    Api {
        remote: Endpoints { write: appendable.map(receiver), read: Some(Arc::new(reader)), otlp },
        queryable,
        exemplars: setup.exemplars.clone(),
        admin: None,
        import: None,
        guard: setup.guard.as_deref().map(|path| Guard::load(path).expect("web configuration")),
        notifications: Arc::new(Notifications::new(16)),
        engine: Arc::new(Arc::new(Engine::new(setup.engine)).into()),
        query_log: Arc::new(QueryLog::new(&registry)),
        running_queries: None,
        targets: Arc::new(NoTargets),
        status: Arc::new(Fixed {
            readiness: setup.readiness,
            external_labels: setup.external_labels.clone(),
        }),
        lifecycle: None,
        profiler: None,
        registry,
        now_ms: setup.now_ms,
        options: options(setup),
    }
}

/// A server that serves until it is dropped.
pub(crate) struct Running {
    pub(crate) address: SocketAddr,
    pub(crate) addresses: Vec<SocketAddr>,
    stop: CancellationToken,
    thread: Option<JoinHandle<()>>,
}

impl Running {
    /// Starts a server over a storage.
    pub(crate) fn start<S: Queryable + Appendable + 'static>(
        storage: Arc<S>,
        setup: &Setup,
    ) -> Self {
        let appendable: Arc<dyn Appendable> = Arc::clone(&storage) as _;
        Self::start_api(api(storage, setup.receiver.then_some(appendable), setup))
    }

    /// Starts a server.
    pub(crate) fn start_api(api: Api) -> Self {
        let runtime = Builder::new_multi_thread().worker_threads(2).enable_all().build();
        let runtime = runtime.expect("runtime");
        let server = runtime.block_on(Server::bind(api)).expect("bind");
        let addresses = server.addresses().to_vec();
        let stop = CancellationToken::new();
        let stopped = stop.clone();
        let serve = move || runtime.block_on(server.serve(stopped));
        let thread = std::thread::Builder::new().name("server".to_owned()).spawn(serve);
        Self { address: addresses[0], addresses, stop, thread: Some(thread.expect("thread")) }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.stop.cancel();
        if let Some(thread) = self.thread.take() {
            assert!(thread.join().is_ok(), "the server panicked");
        }
    }
}

fn options(setup: &Setup) -> Options {
    let mut options = Options {
        external: ("http".to_owned(), "prom.example:9090".to_owned()),
        external_path: String::new(),
        route_prefix: String::new(),
        cors_origin: Matcher::new("origin", MatchOp::Regex, ".*").expect("regex"),
        user_assets: String::new(),
        console_templates: "consoles".to_owned(),
        console_libraries: "console_libraries".to_owned(),
        page_title: "A <title> & more".to_owned(),
        max_connections: 512,
        read_timeout: Duration::from_secs(60),
        max_concurrency: 20,
        query_timeout: setup.query_timeout,
        slow_query: Duration::ZERO,
        listen: vec![SocketAddr::from(([127, 0, 0, 1], 0))],
        agent: false,
        admin_asked: false,
        search_max_limit: None,
        per_step_stats: false,
        switches: Vec::new(),
    };
    (setup.change)(&mut options);
    options
}
