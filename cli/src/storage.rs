//! What keeps samples: a database, or the log of an agent. Opened while others already listen, set up, closed.

use crate::clock;
use crate::config::StorageConfig;
use crate::import::upload;
use crate::late::LateDb;
use crate::reload::Reloaded;
use crate::settings::Settings;
use crate::signals::{Signals, Wish};
use crate::{Error, settings};
use metrics::Registry;
use std::path::Path;
use std::sync::Arc;
use tokio::sync::{mpsc, oneshot};
use tsdb::head::SeriesLimits;
use tsdb::{Agent, AgentOptions, Db, DbOptions, ReplayProgress};
use web::Command;

/// How it is opened.
pub(crate) enum Options {
    /// As a database.
    Db(Box<DbOptions>),
    /// As the log of an agent.
    Agent(AgentOptions),
}

impl Options {
    /// What flags and configuration ask for.
    pub(crate) fn new(settings: &Settings, storage: &StorageConfig) -> Self {
        if settings.flags.agent {
            Self::Agent(settings::agent(&settings.flags, storage))
        } else {
            Self::Db(Box::new(settings::database(&settings.flags, storage)))
        }
    }

    /// Where the progress of opening is to be seen; an agent shows none.
    pub(crate) fn progress(&self) -> Arc<ReplayProgress> {
        match self {
            Self::Db(options) => Arc::clone(&options.progress),
            Self::Agent(_) => Arc::default(),
        }
    }

    fn open(self, dir: &Path, registry: &Registry) -> Result<Storage, tsdb::Error> {
        let disk: Arc<dyn disk::Disk> = Arc::new(disk::RealDisk);
        let sink = crate::logging::tsdb_sink();
        match self {
            Self::Db(options) => {
                let seed = clock::seed();
                let db = Db::open(Arc::clone(&disk), dir, *options, seed, registry, sink)?;
                if let Err(error) = upload::clean(&*disk, dir) {
                    tracing::warn!(component = "import", err = %error, "What imports left behind cannot be removed");
                }
                Ok(Storage::Db(Arc::new(db)))
            }
            Self::Agent(options) => {
                let agent = Agent::open(disk, dir, options, registry, sink)?;
                Ok(Storage::Agent(Arc::new(agent)))
            }
        }
    }
}

/// What was opened.
#[derive(Clone, Debug)]
pub(crate) enum Storage {
    /// A database.
    Db(Arc<Db>),
    /// The log of an agent.
    Agent(Arc<Agent>),
}

/// Reloads that were asked for while the storage was opened: they are done when it is.
#[derive(Debug, Default)]
pub(crate) struct Postponed {
    /// By a signal, which waits for no answer.
    pub(crate) by_signal: bool,
    /// Who waits for an answer.
    pub(crate) answers: Vec<oneshot::Sender<Result<(), String>>>,
}

impl Storage {
    /// Opens it on a thread of its own; `None` if the server was told to end meanwhile.
    pub(crate) async fn open(
        (options, dir): (Options, &Path),
        registry: &Registry,
        signals: &mut Signals,
        commands: &mut mpsc::Receiver<Command>,
    ) -> Result<Option<(Self, Postponed)>, Error> {
        let mut postponed = Postponed::default();
        let (dir, registry) = (dir.to_owned(), registry.clone());
        let mut opening = tokio::task::spawn_blocking(move || options.open(&dir, &registry));
        loop {
            tokio::select! {
                opened = &mut opening => {
                    let opened = opened.map_err(|_| Error::Panicked("opening the database"))??;
                    return Ok(Some((opened, postponed)));
                }
                wish = signals.next() => match wish {
                    Wish::Reload => postponed.by_signal = true,
                    Wish::Stop(signal) => {
                        // The log stays as it is; whoever waits for minutes of replay wants to be let go.
                        tracing::warn!(signal, "Received an OS signal while the database opens, exiting");
                        return Ok(None);
                    }
                },
                Some(command) = commands.recv() => match command {
                    Command::Quit => return Ok(None),
                    Command::Reload(answer) => postponed.answers.push(answer),
                },
            }
        }
    }

    /// Puts it where the others look for it.
    pub(crate) fn show(&self, late: &LateDb) {
        match self {
            Self::Db(db) => late.set(Arc::clone(db)),
            Self::Agent(agent) => late.set_agent(Arc::clone(agent)),
        }
    }

    /// Puts in force what the configuration says of it.
    pub(crate) fn apply(&self, loaded: &Reloaded, keeps_exemplars: bool) {
        let config = &loaded.config.storage;
        let window = config.out_of_order_time_window.as_millis();
        let window_ms = i64::try_from(window).unwrap_or(i64::MAX);
        match self {
            Self::Db(db) => {
                if let Err(error) = db.set_out_of_order_window(window_ms) {
                    tracing::error!(err = %error, "Failed to apply the window of samples out of order");
                }
                db.set_xor2(config.xor2);
                db.head().set_series_limits(series_limits(loaded));
                db.set_stale_series_ratio(config.stale_series_ratio);
                if keeps_exemplars {
                    db.head().set_max_exemplars(config.max_exemplars);
                }
            }
            Self::Agent(agent) => agent.set_out_of_order_window(window_ms),
        }
    }

    /// Ends it in good order.
    pub(crate) fn close(&self) -> Result<(), tsdb::Error> {
        match self {
            Self::Db(db) => db.close(),
            Self::Agent(agent) => agent.close(),
        }
    }
}

/// How many series there may be, in all and by job.
fn series_limits(loaded: &Reloaded) -> SeriesLimits {
    let jobs = loaded.jobs.iter().filter(|job| job.max_head_series > 0);
    SeriesLimits {
        total: loaded.config.storage.max_head_series,
        per_job: loaded.config.storage.max_head_series_per_job,
        jobs: jobs.map(|job| (job.job_name.as_str().into(), job.max_head_series)).collect(),
    }
}
