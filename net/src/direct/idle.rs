//! Connections between two requests, by where they lead. Those that ended meanwhile, or were idle for long, go.

use crate::connect::Stream;
use hashbrown::HashMap;
use parking_lot::Mutex;
use std::sync::{Arc, Weak};
use std::time::Duration;
use tokio::time::{Instant, sleep};

/// How long a connection may be idle.
const IDLE_TIMEOUT: Duration = Duration::from_secs(5 * 60);
/// How often is looked.
const SWEEP_INTERVAL: Duration = Duration::from_secs(30);
/// Most idle connections to one place.
const MAX_IDLE: usize = 1000;

struct Parked {
    stream: Stream,
    since: Instant,
}

#[derive(Default)]
struct Kept {
    by_authority: HashMap<Box<str>, Vec<Parked>>,
    /// Somebody looks from time to time.
    is_swept: bool,
}

/// Idle connections.
#[derive(Default)]
pub(super) struct Idle(Mutex<Kept>);

impl Idle {
    /// The connection that was used last and did not end.
    pub(super) fn take(&self, authority: &str) -> Option<Stream> {
        let mut kept = self.0.lock();
        let parked = kept.by_authority.get_mut(authority)?;
        while let Some(mut last) = parked.pop() {
            if last.stream.is_quiet() {
                return Some(last.stream);
            }
        }
        None
    }

    /// Keeps a connection. To be called within a runtime.
    pub(super) fn put(self: &Arc<Self>, authority: &str, stream: Stream) {
        let parked = Parked { stream, since: Instant::now() };
        let mut kept = self.0.lock();
        match kept.by_authority.get_mut(authority) {
            Some(others) if others.len() < MAX_IDLE => others.push(parked),
            Some(_) => {}
            None => _ = kept.by_authority.insert(authority.into(), vec![parked]),
        }
        if !std::mem::replace(&mut kept.is_swept, true) {
            drop(tokio::spawn(sweep_often(Arc::downgrade(self))));
        }
    }

    /// Ends what is idle since before `oldest`, or ended already. Returns whether nothing is left.
    fn sweep(&self, oldest: Instant) -> bool {
        let mut kept = self.0.lock();
        kept.by_authority.retain(|_, parked| {
            parked.retain_mut(|parked| parked.since >= oldest && parked.stream.is_quiet());
            !parked.is_empty()
        });
        kept.is_swept = !kept.by_authority.is_empty();
        !kept.is_swept
    }
}

/// Sweeps until nothing is left.
async fn sweep_often(idle: Weak<Idle>) {
    loop {
        sleep(SWEEP_INTERVAL).await;
        let Some(idle) = idle.upgrade() else { return };
        let oldest = Instant::now().checked_sub(IDLE_TIMEOUT);
        if oldest.is_some_and(|oldest| idle.sweep(oldest)) {
            return;
        }
    }
}

#[cfg(test)]
mod tests;
