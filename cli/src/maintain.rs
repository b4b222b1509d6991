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
use web::notifications::{Notifications, REFUSING_SERIES, SAFE_MODE};

/// How often it is looked how much memory and room on the disk there is.
const LOOK_AT_MEMORY: Duration = Duration::from_secs(1);
/// So many bytes of mapped files may join the memory of the process before all go back to the page cache: what queries
/// have read some time ago would else count as memory that is in use.
const MAPPED_GROWTH_BYTES: u64 = 32 << 20;
/// Looks without a refused series after which nobody has to know any more.
const QUIET_LOOKS: u32 = 60;
/// How often it is looked whether the log has grown much or many full chunks wait in memory.
const LOOK_AT_THE_LOG: Duration = Duration::from_secs(2);

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

    /// Looks at memory and room on the disk every second; what users should know of that goes to `notifications`.
    /// An agent has neither.
    pub(crate) fn watch(
        storage: &Storage,
        notifications: Arc<Notifications>,
    ) -> std::io::Result<Option<Self>> {
        let Storage::Db(db) = storage else { return Ok(None) };
        let db = Arc::clone(db);
        let mut told = Told { refused: 0, quiet_looks: QUIET_LOOKS, is_safe: false };
        let mut mapped = Mapped { left_bytes: 0 };
        Self::tick("tsdb-watch", LOOK_AT_MEMORY, move || {
            look(&db, &notifications, &mut told);
            mapped.look();
        })
        .map(Some)
    }

    fn of_db(db: Arc<Db>, interval: Duration) -> std::io::Result<Self> {
        let pause = interval.min(LOOK_AT_THE_LOG);
        let mut since_round = Duration::ZERO;
        Self::tick("tsdb-maintain", pause, move || {
            since_round += pause;
            if since_round < interval {
                if let Err(error) = db.map_many_chunks() {
                    tracing::error!(component = "tsdb", err = %error, "Full chunks stay in memory; writing them is tried again");
                }
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

/// Pages of mapped files in the memory of the process.
struct Mapped {
    /// What was left when they were released: the program.
    left_bytes: u64,
}

impl Mapped {
    fn look(&mut self) {
        if metrics::mapped_memory_bytes() > self.left_bytes + MAPPED_GROWTH_BYTES {
            disk::release_views();
            self.left_bytes = metrics::mapped_memory_bytes();
        }
    }
}

/// What users know of refused series, and of the mode.
struct Told {
    refused: u64,
    quiet_looks: u32,
    is_safe: bool,
}

fn look(db: &Db, notifications: &Notifications, told: &mut Told) {
    let now_ms = clock::now_ms();
    if let Err(error) = db.watch_memory(now_ms) {
        tracing::error!(component = "tsdb", err = %error, "Moving series out of memory failed; it is tried again");
    }
    if let Err(error) = db.watch_disk() {
        tracing::error!(component = "tsdb", err = %error, "Looking after the disk failed; it is tried again");
    }
    let is_safe = db.is_in_safe_mode();
    if is_safe != std::mem::replace(&mut told.is_safe, is_safe) {
        if is_safe {
            notifications.add(SAFE_MODE, now_ms);
        } else {
            notifications.remove(SAFE_MODE, now_ms);
        }
    }
    let refused = db.head().refused_series().iter().map(|refused| refused.count).sum::<u64>();
    if refused > told.refused {
        if told.quiet_looks >= QUIET_LOOKS {
            notifications.add(REFUSING_SERIES, now_ms);
        }
        (told.refused, told.quiet_looks) = (refused, 0);
    } else if told.quiet_looks < QUIET_LOOKS {
        told.quiet_looks += 1;
        if told.quiet_looks == QUIET_LOOKS {
            notifications.remove(REFUSING_SERIES, now_ms);
        }
    }
}
