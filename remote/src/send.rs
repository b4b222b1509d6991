//! Remote write out: for each receiver a queue that follows the log, and a position on disk from which it goes on after
//! a restart or a crash. Nothing is lost: the log is kept as long as the slowest receiver needs it.
//! Reading order: here (which queues there are), `follow` and `records` (log to items), `shard` and `repeated` (items to
//! requests), `mirror`, `ledger` and `place` (what is kept, and from where on).

mod answer;
mod block;
mod config;
mod encode;
mod follow;
mod item;
mod ledger;
mod metadata;
mod metrics;
mod mirror;
mod place;
mod push;
mod queue;
mod quiet;
mod records;
mod repeated;
mod reshard;
mod series;
mod shard;
mod wire;

pub use config::{MetadataConfig, QueueConfig, WriteConfig};
pub use metadata::MetadataSource;
pub use push::{PushRequest, Pushed, push_request};

use ::metrics::{Registry, Stopwatch};
use disk::Disk;
use follow::{Control, Follower};
use item::Doubt;
use ledger::Ledger;
use metrics::{Families, QueueMetrics};
use mirror::Mirror;
use model::Labels;
use net::client::{Client, ClientOptions, Signer};
use net::dialer::Dialers;
use parking_lot::Mutex;
use place::{Place, PlaceFiles};
use quiet::Quiet;
use shard::Context;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;
use tokio::runtime::Handle;
use wal::Position;
use yaml::Section;

/// How often positions are written and new segments taken in.
const KEEP: Duration = Duration::from_millis(500);

/// Numbers entries of the same name and URL; leaves out those that are the same throughout, as printed.
fn told_apart(configs: Vec<WriteConfig>, errors: &mut Vec<Error>) -> Vec<WriteConfig> {
    let mut apart: Vec<WriteConfig> = Vec::with_capacity(configs.len());
    let mut printed: Vec<String> = Vec::with_capacity(configs.len());
    for mut config in configs {
        let hash = crate::config::hash(&config.section);
        if printed.contains(&hash) {
            errors.push(Error::Duplicate { url: config.url.as_str().into() });
            continue;
        }
        printed.push(hash);
        let is_alike = |other: &&WriteConfig| other.name == config.name && other.url == config.url;
        config.occurrence = apart.iter().filter(is_alike).count();
        apart.push(config);
    }
    apart
}

/// Why there is no queue for a receiver, or for none.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The client cannot be built.
    #[error("remote_write {url}: {source}")]
    Client {
        /// The receiver.
        url: Box<str>,
        /// The cause.
        source: net::Error,
    },
    /// A receiver twice, with the same settings.
    #[error("duplicate remote write configs are not allowed, found duplicate for URL: {url}")]
    Duplicate {
        /// The receiver.
        url: Box<str>,
    },
    /// The log cannot be followed.
    #[error("remote write: {0}")]
    Log(#[from] wal::Error),
    /// The disk or the system said no.
    #[error("remote write: {0}")]
    Io(#[from] std::io::Error),
}

/// Who makes the headers that `sigv4`, `azuread` or `google_iam` of an entry ask for; `None` if it has none of them.
pub type SignerFactory =
    Arc<dyn Fn(&Section) -> Result<Option<Arc<dyn Signer>>, net::Error> + Send + Sync>;

/// What a sender needs to know of the server.
pub struct SenderOptions {
    /// Where log and positions lie.
    pub disk: Arc<dyn Disk>,
    /// The log of the database.
    pub log: PathBuf,
    /// A directory of our own on the same file system.
    pub dir: PathBuf,
    /// Counts.
    pub registry: Registry,
    /// The `User-Agent`.
    pub user_agent: Box<str>,
    /// The wall clock in milliseconds.
    pub now_ms: fn() -> i64,
    /// How long the queues may go on sending at the end.
    pub flush_deadline: Duration,
    /// Who signs for the receivers of clouds.
    pub signers: SignerFactory,
    /// What is known of metrics.
    pub metadata: Option<Arc<dyn MetadataSource>>,
}

impl std::fmt::Debug for SenderOptions {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("SenderOptions").field("log", &self.log).finish_non_exhaustive()
    }
}

struct Queue {
    external_labels: Labels,
    context: Arc<Context>,
    control: Arc<Control>,
    thread: Option<JoinHandle<()>>,
}

/// What the keeper looks after.
struct Shared {
    options: SenderOptions,
    mirror: Mirror,
    queues: Mutex<Vec<Queue>>,
    stop: AtomicBool,
}

/// The queues of all receivers.
pub struct Sender {
    runtime: Handle,
    families: Families,
    shared: Arc<Shared>,
    keeper: Mutex<Option<JoinHandle<()>>>,
}

impl std::fmt::Debug for Sender {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Sender")
            .field("queues", &self.shared.queues.lock().len())
            .finish_non_exhaustive()
    }
}

impl Sender {
    /// A sender without receivers; requests run on `runtime`.
    #[must_use]
    pub fn new(options: SenderOptions, runtime: Handle) -> Self {
        let families = Families::new(&options.registry);
        let mirror = Mirror::new(Arc::clone(&options.disk), &options.log, &options.dir.join("wal"));
        let shared =
            Shared { options, mirror, queues: Mutex::default(), stop: AtomicBool::new(false) };
        Self { runtime, families, shared: Arc::new(shared), keeper: Mutex::default() }
    }

    /// Sends to these receivers from now on. Queues whose entry did not change go on; others end after the request at
    /// hand, and what they did not send is sent by their successors. Blocks for that long.
    pub fn apply(&self, configs: Vec<WriteConfig>, external_labels: &Labels) -> Vec<Error> {
        let mut errors = Vec::new();
        let configs = told_apart(configs, &mut errors);
        let mut queues = self.shared.queues.lock();
        if configs.is_empty() && queues.is_empty() {
            if let Err(error) = self.shared.forget_everything() {
                errors.push(error);
            }
            return errors;
        }
        let mut old = std::mem::take(&mut *queues);
        let mut fresh = Vec::new();
        for config in configs {
            let same = old.iter().position(|queue| {
                queue.context.config.section == config.section
                    && queue.external_labels == *external_labels
            });
            match same {
                Some(at) => queues.push(old.swap_remove(at)),
                None => fresh.push(config),
            }
        }
        for mut queue in old {
            queue.end(Duration::ZERO);
            metrics::remove(&self.families, &queue.context.config);
            let key = queue.context.config.key();
            let saved = if fresh.iter().any(|config| config.key() == key) {
                queue.save()
            } else {
                queue.context.places.forget().map_err(Error::from)
            };
            errors.extend(saved.err());
        }
        // The log has to be in place before anyone reads it.
        errors.extend(self.shared.take_in(&queues).err());
        for config in fresh {
            match self.start(config, external_labels) {
                Ok(queue) => queues.push(queue),
                Err(error) => errors.push(error),
            }
        }
        if let Some(first) = queues.first() {
            first.context.counts_all.store(true, Ordering::Relaxed);
        }
        drop(queues);
        errors.extend(self.keep().err());
        errors
    }

    fn start(&self, config: WriteConfig, external_labels: &Labels) -> Result<Queue, Error> {
        let options = &self.shared.options;
        let signer = (options.signers)(&config.section)
            .map_err(|source| Error::Client { url: config.url.as_str().into(), source })?;
        let client = Client::new(
            &config.http,
            ClientOptions {
                user_agent: options.user_agent.clone(),
                round_robin_dns: config.round_robin_dns,
                signer,
                dialer: Some(Dialers::new(&options.registry).with("remote_storage_write_client")),
                ..ClientOptions::default()
            },
        );
        let client =
            client.map_err(|source| Error::Client { url: config.url.as_str().into(), source })?;
        let places = PlaceFiles::new(Arc::clone(&options.disk), &options.dir, &config.key());
        let saved = places.read(self.shared.mirror.dir())?;
        // A queue that is new begins with what is logged from this moment on, and goes on from here after a crash.
        let resume = saved.map_or_else(|| self.shared.end_of_log(), |saved| Ok(saved.position))?;
        let (num_shards, doubt) = begin(saved, &config.queue);
        let name = config.queue_name();
        let context = Arc::new(Context {
            metrics: QueueMetrics::new(&self.families, &config),
            ledger: Ledger::new(resume, (doubt != Doubt::Any).then_some(num_shards)),
            counts_all: AtomicBool::new(false),
            config,
            client,
            retries: Quiet::default(),
            failures: Quiet::default(),
            readings: Quiet::default(),
            now_ms: options.now_ms,
            places,
        });
        let control = Arc::new(Control::default());
        if let Some(source) = &options.metadata {
            metadata::spawn(&self.runtime, &context, &control.abandon, source);
        }
        let follower = Follower {
            context: Arc::clone(&context),
            control: Arc::clone(&control),
            disk: Arc::clone(&options.disk),
            dir: self.shared.mirror.dir().to_owned(),
            runtime: self.runtime.clone(),
            external_labels: external_labels.clone(),
            resume,
            doubt,
            num_shards,
        };
        let thread = std::thread::Builder::new().name(format!("write-{name}"));
        let external_labels = external_labels.clone();
        let mut queue = Queue { external_labels, context, control, thread: None };
        queue.save()?;
        queue.thread = Some(thread.spawn(move || follower.run())?);
        Ok(queue)
    }

    /// Starts the thread that looks after log and positions.
    fn keep(&self) -> Result<(), Error> {
        let mut keeper = self.keeper.lock();
        if keeper.is_none() {
            let shared = Arc::clone(&self.shared);
            let thread = std::thread::Builder::new().name("write-keeper".to_owned());
            *keeper = Some(thread.spawn(move || shared.keep())?);
        }
        Ok(())
    }

    /// The time of the newest sample that each receiver has; zero without receivers, and where one has none yet.
    #[must_use]
    pub fn lowest_sent_ms(&self) -> i64 {
        let queues = self.shared.queues.lock();
        let sent = queues.iter().map(|queue| queue.context.metrics.flow.highest_sent_ms());
        sent.min().unwrap_or(0)
    }

    /// Ends all queues: they send what they have within the deadline, the rest after the next start. Blocks.
    pub fn stop(&self) {
        let mut queues = std::mem::take(&mut *self.shared.queues.lock());
        let begin = Stopwatch::start();
        for queue in &queues {
            queue.control.stop.store(true, Ordering::Relaxed);
        }
        for queue in &mut queues {
            let deadline = self.shared.options.flush_deadline;
            queue.end(deadline.saturating_sub(begin.elapsed()));
            if let Err(error) = queue.save() {
                tracing::error!(component = "remote", err = %error, "A position was not saved");
            }
        }
        self.shared.stop.store(true, Ordering::Relaxed);
        if let Some(keeper) = self.keeper.lock().take() {
            keeper.thread().unpark();
            drop(keeper.join());
        }
    }
}

impl Queue {
    /// Ends it, at the latest after `deadline` and the request at hand.
    fn end(&mut self, deadline: Duration) {
        self.control.stop.store(true, Ordering::Relaxed);
        let begin = Stopwatch::start();
        let Some(thread) = self.thread.take() else { return };
        while !thread.is_finished() && begin.elapsed() < deadline {
            std::thread::sleep(Duration::from_millis(5));
        }
        self.control.abandon.cancel();
        drop(thread.join());
    }

    /// Writes down from where to go on.
    fn save(&self) -> Result<(), Error> {
        Ok(self.context.places.save(&self.context.ledger)?)
    }
}

/// How many shards a queue begins with, and whether what is logged already may have been sent. As many as before, where
/// that is known: then what was sent of each is known by the order in which it was sent.
fn begin(saved: Option<Place>, queue: &QueueConfig) -> (usize, Doubt) {
    match saved {
        None => (queue.min_shards, Doubt::None),
        Some(Place { shards, .. }) if (queue.min_shards..=queue.max_shards).contains(&shards) => {
            (shards, Doubt::InOrder)
        }
        Some(_) => (queue.min_shards, Doubt::Any),
    }
}

impl Shared {
    fn keep(&self) {
        while !self.stop.load(Ordering::Relaxed) {
            std::thread::park_timeout(KEEP);
            let queues = self.queues.lock();
            let saved = queues.iter().try_for_each(|queue| queue.save());
            if let Err(error) = saved.and_then(|()| self.take_in(&queues)) {
                tracing::error!(component = "remote", err = %error, "Looking after the log failed, trying again");
            }
        }
    }

    /// Takes in what the log gained.
    fn take_in(&self, queues: &[Queue]) -> Result<(), Error> {
        let settled = queues.iter().map(|queue| queue.context.ledger.settled().segment);
        Ok(self.mirror.follow(settled.min().unwrap_or(0))?)
    }

    /// Where the next record will be written, or a little before.
    fn end_of_log(&self) -> Result<Position, Error> {
        let (disk, dir) = (&*self.options.disk, self.mirror.dir());
        let Some(segment) = wal::list_segments(disk, dir)?.pop() else {
            return Ok(Position::default());
        };
        Ok(Position { segment, offset: disk.len(&wal::segment_path(dir, segment))? })
    }

    /// No receivers: the log is held for no one.
    fn forget_everything(&self) -> Result<(), Error> {
        if self.options.disk.is_dir(&self.options.dir) {
            self.options.disk.remove(&self.options.dir)?;
        }
        Ok(())
    }
}
