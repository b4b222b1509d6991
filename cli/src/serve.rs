//! Start order, stop order, and the loop between: signals, reload, quit. Nothing here decides what the parts do.
//!
//! Start: configuration, ports, scraping, log replay, remote write, what was scraped meanwhile, ready. Stop: scraping,
//! HTTP, remote write, maintenance, database.

use crate::import::upload::Importer;
use crate::late::LateDb;
use crate::maintain::Maintenance;
use crate::profile::ProcessProfiler;
use crate::reload::{Reloaded, Reloader, Watch};
use crate::running_queries::RunningFile;
use crate::settings::{self, Settings};
use crate::signals::{Signals, Wish};
use crate::status::{PROMETHEUS_VERSION, ServerStatus, hostname};
use crate::storage::{self, Postponed, Storage};
use crate::{Error, clock};
use arc_swap::ArcSwap;
use metrics::{Registry, Stopwatch};
use std::sync::Arc;
use tokio::sync::{mpsc, watch};
use tokio_util::sync::CancellationToken;
use web::notifications::{Notifications, STARTING, STOPPING};
use web::{Api, Command, Readiness, Server};

/// The parts that run until the end.
struct Running {
    /// Whether exemplars are kept, as many as the configuration says.
    keeps_exemplars: bool,
    status: Arc<ServerStatus>,
    discovery: discovery::Manager,
    scraping: scrape::Manager,
    reads: crate::peers::Reads,
    sender: Arc<remote::send::Sender>,
    maintenance: Maintenance,
    watch: Option<Maintenance>,
    storage: Storage,
}

/// The engine, which a reload replaces.
fn queries(settings: &Settings, registry: &Registry) -> Arc<ArcSwap<promql::Engine>> {
    let pool = settings.shared.memory.clone();
    registry.gauge_fn(
        "firesteel_query_memory_bytes",
        "Memory that queries hold right now.",
        move || pool.used_bytes() as f64,
    );
    let shared = settings.shared.clone();
    Arc::new(ArcSwap::from_pointee(promql::Engine::sharing(settings.engine, shared)))
}

fn signals() -> Result<Signals, Error> {
    Signals::new().map_err(|source| Error::Io { what: "receive signals", source })
}

fn status(late: &Arc<LateDb>, registry: &Registry) -> Arc<ServerStatus> {
    let status = Arc::new(ServerStatus::new(Arc::clone(late)));
    status.register(registry);
    status
}

/// Where targets come from, without jobs yet.
fn discovery(
    registry: &Registry,
) -> (discovery::Manager, watch::Receiver<Arc<discovery::TargetGroups>>) {
    discovery::Manager::new(discovery::ManagerOptions {
        registry: registry.clone(),
        name: "scrape".into(),
        user_agent: format!("Prometheus/{PROMETHEUS_VERSION}").into(),
        clock: Arc::new(clock::now_ms),
        environment: discovery::process_environment(),
    })
}

/// Prepares the process; what it tells of itself.
fn process() -> Registry {
    let open_files = crate::open_files::raise();
    tracing::debug!(open_files, "Limits of the process");
    let registry = Registry::new();
    metrics::register_process(&registry, &crate::status::BUILD);
    // Prometheus shows one that nobody uses, too.
    drop(net::dialer::Dialers::new(&registry).with("default"));
    registry
}

/// Runs a server until it is told to end.
pub(crate) async fn serve(mut settings: Settings) -> Result<(), Error> {
    let begin = Stopwatch::start();
    let mut signals = signals()?;
    let registry = process();
    let late = Arc::new(LateDb::new(settings.flags.agent));
    let status = status(&late, &registry);
    let engine = queries(&settings, &registry);
    // Load before anything is touched: a bad configuration leaves no trace.
    let reloader = Reloader::new(&settings, &registry, Arc::clone(&engine), Arc::clone(&status));
    let mut watch_files = reloader.watch();
    let loaded = reloader.load()?;
    settings.flags.apply_storage(&loaded.config.storage);
    let options = storage::Options::new(&settings, &loaded.config.storage);
    let keeps_exemplars = settings.flags.features.exemplar_storage && !settings.flags.agent;
    status.starting(&settings.flags, options.progress());
    let (discovery, groups) = discovery(&registry);
    let reads = crate::peers::Reads::new(&settings, &late, &registry);
    let scraping = scraping(&settings, &late, &registry, groups);
    let notifications = reloader.notifications();
    let (wishes, mut commands) = mpsc::channel(4);
    let notes = Arc::new(RunningFile::new(settings.web.max_concurrency, clock::now_ms));
    let api = api(
        &settings,
        (&late, &reads, &scraping),
        &reloader,
        (&status, engine, &notes),
        settings.flags.enable_lifecycle.then_some(wishes),
        &registry,
    )?;
    let server = Server::bind(api).await?;
    let addresses = listening(&server);
    let stop_web = CancellationToken::new();
    let serving = tokio::spawn(server.serve(stop_web.clone()));
    scrape(&discovery, &scraping, &loaded);
    let options = (options, settings.storage_path.as_path());
    let opened = Storage::open(options, &registry, &mut signals, &mut commands).await;
    let Some((storage, postponed)) = opened? else {
        stop_web.cancel();
        drop(serving.await);
        return Ok(());
    };
    note_queries(&notes, &settings);
    storage.show(&late);
    let sender = crate::peers::sender(&settings, &scraping, &registry);
    let maintenance = Maintenance::start(&storage, &settings, &sender)
        .map_err(|source| Error::Io { what: "start the maintenance thread", source })?;
    let watch = Maintenance::watch(&storage, Arc::clone(notifications))
        .map_err(|source| Error::Io { what: "start the thread that watches memory", source })?;
    let running = Running {
        keeps_exemplars,
        status,
        discovery,
        scraping,
        reads,
        sender,
        maintenance,
        watch,
        storage,
    };
    if let Err(error) = running.apply(&reloader, loaded) {
        running.stop(stop_web, serving).await?;
        return Err(error);
    }
    hand_on(&late);
    running.ready(notifications);
    greet(begin, &addresses, &settings);
    running.catch_up(&reloader, postponed, &mut watch_files);
    running.run_until_stopped(&reloader, &mut signals, &mut commands, watch_files).await;
    notifications.add(STOPPING, clock::now_ms());
    running.stop(stop_web, serving).await
}

/// Puts a loaded configuration in force for scraping. Tells whether that went well.
fn scrape(discovery: &discovery::Manager, scraping: &scrape::Manager, loaded: &Reloaded) -> bool {
    let jobs: Vec<(String, discovery::config::DiscoveryConfigs)> =
        loaded.jobs.iter().map(|job| (job.job_name.clone(), job.discovery.clone())).collect();
    discovery.apply_config(&jobs);
    let applied = scraping.apply_config(&loaded.config.global, &loaded.jobs);
    if let Err(error) = &applied {
        tracing::error!(err = %error, "A scrape job could not be changed; the others run");
    }
    applied.is_ok()
}

/// Writes what was scraped while the database was opened.
fn hand_on(late: &LateDb) {
    let Some(done) = tokio::task::block_in_place(|| late.hand_on_scraped()) else { return };
    tracing::info!(
        scrapes = done.num_transactions,
        samples = done.num_samples,
        refused = done.num_refused,
        "Wrote what was scraped while the log was read"
    );
    if let Some(error) = done.error {
        tracing::error!(scrapes = done.num_failed, err = %error, "Some of it is lost");
    }
}

/// Where the server listens; says so.
fn listening(server: &Server) -> Vec<std::net::SocketAddr> {
    for address in server.addresses() {
        tracing::info!(component = "web", address = %address, "Start listening for connections");
    }
    server.addresses().to_vec()
}

/// Ends when files of the configuration changed; never if nobody looks.
async fn changed(watch: &mut Option<Watch>) {
    match watch {
        Some(watch) => watch.changed().await,
        None => std::future::pending().await,
    }
}

/// What the HTTP side is given.
fn api(
    settings: &Settings,
    (late, reads, scraping): (&Arc<LateDb>, &crate::peers::Reads, &scrape::Manager),
    reloader: &Reloader,
    (status, engine, notes): (&Arc<ServerStatus>, Arc<ArcSwap<promql::Engine>>, &Arc<RunningFile>),
    lifecycle: Option<mpsc::Sender<Command>>,
    registry: &Registry,
) -> Result<Api, Error> {
    let flags = &settings.flags;
    let keeps_exemplars = flags.features.exemplar_storage && !flags.agent;
    let is_administered = flags.enable_admin_api && !flags.agent;
    Ok(Api {
        queryable: reads.queryable(),
        remote: crate::peers::endpoints(settings, reloader.reloadable(), late, registry),
        exemplars: keeps_exemplars.then(|| Arc::<LateDb>::clone(late) as _),
        guard: settings.guard()?,
        admin: is_administered.then(|| Arc::<LateDb>::clone(late) as _),
        import: is_administered.then(|| Arc::new(Importer::new(Arc::clone(late))) as _),
        notifications: Arc::clone(reloader.notifications()),
        engine,
        query_log: Arc::clone(reloader.query_log()),
        running_queries: Some(Arc::<RunningFile>::clone(notes) as _),
        targets: Arc::new(scraping.clone()),
        status: Arc::<ServerStatus>::clone(status),
        lifecycle,
        profiler: Some(Arc::<ProcessProfiler>::default()),
        registry: registry.clone(),
        now_ms: clock::now_ms,
        options: settings.web.clone(),
    })
}

/// Notes queries that run from now on, and tells which did not finish the last time. The database holds its lock, so
/// the file is ours.
fn note_queries(running: &RunningFile, settings: &Settings) {
    // An agent answers no queries.
    if settings.flags.agent {
        return;
    }
    let dir = &settings.storage_path;
    match running.open(dir) {
        Ok(None) => {}
        Ok(Some(queries)) => tracing::info!(
            component = "activeQueryTracker",
            queries,
            "These queries didn't finish in prometheus' last run:"
        ),
        Err(error) => tracing::error!(
            component = "activeQueryTracker",
            err = %error,
            dir = %dir.display(),
            "Failed to create queries.active; queries that run will not be noted"
        ),
    }
}

/// Says that all is well, since when and where.
fn greet(begin: Stopwatch, addresses: &[std::net::SocketAddr], settings: &Settings) {
    let seconds = begin.elapsed_seconds();
    tracing::info!(startup_s = format!("{seconds:.3}"), "Server is ready to receive web requests.");
    for address in addresses {
        welcome(*address, settings);
    }
}

/// The scrapers, without jobs yet.
fn scraping(
    settings: &Settings,
    late: &Arc<LateDb>,
    registry: &Registry,
    groups: watch::Receiver<Arc<discovery::TargetGroups>>,
) -> scrape::Manager {
    scrape::Manager::new(
        scrape::ManagerOptions {
            clock: Arc::new(clock::now_ms),
            appendable: late.scraped(),
            registry: registry.clone(),
            hostname: hostname().into(),
            discovery_reload_interval: settings.flags.discovery_reload_interval,
            timestamp_tolerance: settings.flags.timestamp_tolerance,
            features: settings.scrape,
            fetch: scrape::http_fetch_factory(
                &format!("Prometheus/{PROMETHEUS_VERSION}"),
                registry,
                settings::memory_left(&settings.flags),
            ),
        },
        groups,
    )
}

/// Says where to look and what to try next.
fn welcome(address: std::net::SocketAddr, settings: &Settings) {
    let place = if address.ip().is_unspecified() {
        format!("localhost:{}", address.port())
    } else {
        address.to_string()
    };
    let url = format!("http://{place}{}", settings.web.route_prefix);
    let next = if settings.flags.agent { "targets" } else { "query?query=up" };
    tracing::info!(
        page = format!("{url}/"),
        try_next = format!("curl '{url}/api/v1/{next}'"),
        data = %settings.storage_path.display(),
        "Where to look"
    );
}

impl Running {
    /// Puts a loaded configuration in force, for all parts that can take it.
    fn apply(&self, reloader: &Reloader, loaded: Reloaded) -> Result<(), Error> {
        self.storage.apply(&loaded, self.keeps_exemplars);
        let (receivers, labels) =
            (&loaded.config.remote_write, &loaded.config.global.external_labels);
        // Queues that end finish the request at hand.
        let errors = tokio::task::block_in_place(|| self.sender.apply(receivers.clone(), labels));
        // Queues of remote write are there before the samples they are to send.
        let is_scraped = scrape(&self.discovery, &self.scraping, &loaded);
        let is_read = self.reads.apply(&loaded.config.remote_read, labels);
        for error in &errors {
            tracing::error!(component = "remote", err = %error, "A receiver of remote write could not be set up");
        }
        let by_all = is_scraped && is_read && errors.is_empty();
        reloader.in_force(loaded, by_all);
        if by_all {
            tracing::info!(filename = reloader.file(), "Completed loading of configuration file");
            return Ok(());
        }
        Err(Error::Apply { file: reloader.file().to_owned() })
    }

    /// Requests are answered from now on.
    fn ready(&self, notifications: &Notifications) {
        self.status.set_readiness(Readiness::Ready);
        notifications.remove(STARTING, clock::now_ms());
    }

    async fn run_until_stopped(
        &self,
        reloader: &Reloader,
        signals: &mut Signals,
        commands: &mut mpsc::Receiver<Command>,
        mut watch: Option<Watch>,
    ) {
        loop {
            tokio::select! {
                wish = signals.next() => match wish {
                    Wish::Reload => drop(self.reload(reloader, &mut watch)),
                    Wish::Stop(signal) => {
                        tracing::warn!(signal, "Received an OS signal, exiting gracefully...");
                        return;
                    }
                },
                Some(command) = commands.recv() => match command {
                    Command::Reload(answer) => drop(answer.send(self.reload(reloader, &mut watch))),
                    Command::Quit => {
                        tracing::warn!("Received termination request via web service, exiting gracefully...");
                        return;
                    }
                },
                () = changed(&mut watch) => {
                    tracing::info!("Configuration file change detected, reloading the configuration.");
                    drop(self.reload(reloader, &mut watch));
                }
            }
        }
    }

    /// Does what was asked for while the storage was opened.
    fn catch_up(&self, reloader: &Reloader, postponed: Postponed, watch: &mut Option<Watch>) {
        if !postponed.by_signal && postponed.answers.is_empty() {
            return;
        }
        let reloaded = self.reload(reloader, watch);
        for answer in postponed.answers {
            // Who asked may have gone.
            drop(answer.send(reloaded.clone()));
        }
    }

    /// Loads the configuration again. Files that are refused are tried again at each look, as in Prometheus.
    fn reload(&self, reloader: &Reloader, watch: &mut Option<Watch>) -> Result<(), String> {
        let loaded = reloader.load().inspect_err(|_| reloader.refused());
        match loaded.and_then(|loaded| self.apply(reloader, loaded)) {
            Ok(()) => {
                if let Some(watch) = watch {
                    watch.took();
                }
                Ok(())
            }
            Err(error) => {
                tracing::error!(err = %error, "Error reloading config");
                Err(error.to_string())
            }
        }
    }

    async fn stop(
        self,
        stop_web: CancellationToken,
        serving: tokio::task::JoinHandle<()>,
    ) -> Result<(), Error> {
        self.status.set_readiness(Readiness::Stopping);
        tracing::info!("Stopping scrape discovery manager...");
        self.discovery.stop();
        tracing::info!("Stopping scrape manager...");
        self.scraping.stop().await;
        tracing::info!("Stopping the web handler...");
        stop_web.cancel();
        drop(serving.await);
        let (sender, storage) = (self.sender, self.storage);
        let ticking = [Some(self.maintenance), self.watch];
        tokio::task::spawn_blocking(move || {
            sender.stop();
            ticking.into_iter().flatten().for_each(Maintenance::stop);
            storage.close()
        })
        .await
        .map_err(|_| Error::Panicked("closing the database"))??;
        tracing::info!("See you next time!");
        Ok(())
    }
}
