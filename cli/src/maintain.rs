//! The thread on which the storage looks after itself: a tick now and then until told to stop. What a tick does is the
//! storage's affair.

use crate::clock;
use crate::settings::Settings;
use crate::storage::Storage;
use parking_lot::{Condvar, Mutex};
use remote::send::Sender;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;
use tsdb::{Agent, Db};

/// How often it is looked whether the log has grown much.
const LOOK_AT_THE_LOG: Duration = Duration::from_secs(5);

/// The running thread.
#[derive(Debug)]
pub(crate) struct Maintenance {
    stop: Arc<(Mutex<bool>, Condvar)>,
    thread: JoinHandle<()>,
}

impl Maintenance {
    /// Looks after `storage` as the settings say; `sender` knows what receivers of remote write have.
    pub(crate) fn start(
        storage: &Storage,
        settings: &Settings,
        sender: &Arc<Sender>,
    ) -> std::io::Result<Self> {
        let interval = settings.block_reload_interval;
        match storage {
            Storage::Db(db) => Self::of_db(Arc::clone(db), interval),
            Storage::Agent(agent) => {
                let frequency = settings.flags.agent_storage.truncate_frequency;
                Self::of_agent(Arc::clone(agent), Arc::clone(sender), interval, frequency)
            }
        }
    }

    fn of_db(db: Arc<Db>, interval: Duration) -> std::io::Result<Self> {
        let pause = interval.min(LOOK_AT_THE_LOG);
        let mut since_round = Duration::ZERO;
        Self::tick("tsdb-maintain", pause, move || {
            since_round += pause;
            if since_round < interval {
                // A log that grows fast would otherwise be long at the next start.
                db.refresh_image();
                return;
            }
            since_round = Duration::ZERO;
            if let Err(error) = db.maintain(clock::now_ms()) {
                tracing::error!(component = "tsdb", err = %error, "Maintenance failed; it is tried again");
            }
        })
    }

    fn of_agent(
        agent: Arc<Agent>,
        sender: Arc<Sender>,
        interval: Duration,
        frequency: Duration,
    ) -> std::io::Result<Self> {
        let pause = interval.min(frequency);
        let mut since_cut = Duration::ZERO;
        Self::tick("agent-maintain", pause, move || {
            since_cut += pause;
            let done = if since_cut < frequency {
                agent.maintain()
            } else {
                since_cut = Duration::ZERO;
                let oldest_ms = agent.oldest_kept_ms(sender.lowest_sent_ms(), clock::now_ms());
                agent.truncate(oldest_ms).map(drop)
            };
            if let Err(error) = done {
                tracing::error!(component = "agent", err = %error, "Maintenance failed; it is tried again");
            }
        })
    }

    /// Calls `round` after each pause until it is told to stop.
    fn tick(
        name: &str,
        pause: Duration,
        mut round: impl FnMut() + Send + 'static,
    ) -> std::io::Result<Self> {
        let stop = Arc::new((Mutex::new(false), Condvar::new()));
        let told = Arc::clone(&stop);
        let thread = std::thread::Builder::new().name(name.to_owned()).spawn(move || {
            let (stopped, wake) = &*told;
            loop {
                let mut stopped = stopped.lock();
                if !*stopped {
                    wake.wait_for(&mut stopped, pause);
                }
                if *stopped {
                    return;
                }
                drop(stopped);
                round();
            }
        })?;
        Ok(Self { stop, thread })
    }

    /// Waits for the tick under way, if any, and ends the thread.
    pub(crate) fn stop(self) {
        *self.stop.0.lock() = true;
        self.stop.1.notify_all();
        if self.thread.join().is_err() {
            tracing::error!("The maintenance thread had panicked");
        }
    }
}
