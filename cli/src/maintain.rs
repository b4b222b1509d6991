//! The thread on which the database looks after itself: a tick now and then until told to stop. What a tick does is the
//! database's affair.

use crate::clock;
use parking_lot::{Condvar, Mutex};
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;
use tsdb::Db;

/// How often it is looked whether the log has grown much.
const LOOK_AT_THE_LOG: Duration = Duration::from_secs(5);

/// The running thread.
#[derive(Debug)]
pub(crate) struct Maintenance {
    stop: Arc<(Mutex<bool>, Condvar)>,
    thread: JoinHandle<()>,
}

impl Maintenance {
    /// Starts to tick every `interval`.
    pub(crate) fn start(db: Arc<Db>, interval: Duration) -> std::io::Result<Self> {
        let stop = Arc::new((Mutex::new(false), Condvar::new()));
        let told = Arc::clone(&stop);
        let thread = std::thread::Builder::new().name("tsdb-maintain".to_owned()).spawn(move || {
            let (stopped, wake) = &*told;
            let pause = interval.min(LOOK_AT_THE_LOG);
            let mut since_round = Duration::ZERO;
            loop {
                let mut stopped = stopped.lock();
                if !*stopped {
                    wake.wait_for(&mut stopped, pause);
                }
                if *stopped {
                    return;
                }
                drop(stopped);
                since_round += pause;
                if since_round < interval {
                    // A log that grows fast would otherwise be long at the next start.
                    db.refresh_image();
                    continue;
                }
                since_round = Duration::ZERO;
                if let Err(error) = db.maintain(clock::now_ms()) {
                    tracing::error!(component = "tsdb", err = %error, "Maintenance failed; it is tried again");
                }
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
