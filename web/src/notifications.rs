//! What whoever looks at the pages should know now, and who is told as it changes.

use parking_lot::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use tokio::sync::broadcast;

/// How many changes a slow listener may be behind.
const MAX_BEHIND: usize = 16;

/// The log is read.
pub const STARTING: &str = "Prometheus is starting and replaying the write-ahead log (WAL).";
/// The end has begun.
pub const STOPPING: &str = "Prometheus is shutting down and gracefully stopping all operations.";
/// The configuration in force is not that of the file.
pub const RELOAD_FAILED: &str = "Configuration reload has failed.";

/// A bound on memory or series is reached.
pub const REFUSING_SERIES: &str =
    "New series are refused, known ones go on: /api/v1/status/tsdb/limits says which and why.";

/// The server died again and again.
pub const SAFE_MODE: &str = "The server died several times soon after its start: safe mode, new series are refused for \
    fifteen minutes, known ones go on.";

/// Something to know.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Notification {
    /// What it says.
    pub text: &'static str,
    /// Since when, in milliseconds; when it ended if it is not active.
    pub date_ms: i64,
    /// Whether it still holds.
    pub active: bool,
}

/// What holds now, and its listeners.
#[derive(Debug)]
pub struct Notifications {
    active: Mutex<Vec<Notification>>,
    changes: broadcast::Sender<Notification>,
    max_listeners: usize,
    sent: AtomicU64,
    dropped: AtomicU64,
}

impl Notifications {
    /// Nothing to know yet; at most `max_listeners` listen at one time.
    #[must_use]
    pub fn new(max_listeners: usize) -> Self {
        let (changes, _) = broadcast::channel(MAX_BEHIND);
        let (sent, dropped) = Default::default();
        Self { active: Mutex::default(), changes, max_listeners, sent, dropped }
    }

    /// Says that `text` holds from `now_ms` on.
    pub fn add(&self, text: &'static str, now_ms: i64) {
        let mut active = self.active.lock();
        active.retain(|notification| notification.text != text);
        let notification = Notification { text, date_ms: now_ms, active: true };
        active.push(notification);
        self.tell(notification);
    }

    /// Says that `text` does not hold any more.
    pub fn remove(&self, text: &'static str, now_ms: i64) {
        let mut active = self.active.lock();
        let before = active.len();
        active.retain(|notification| notification.text != text);
        if active.len() < before {
            self.tell(Notification { text, date_ms: now_ms, active: false });
        }
    }

    fn tell(&self, notification: Notification) {
        // Nobody listens: that is what an error means.
        let listeners = self.changes.send(notification).unwrap_or(0);
        self.sent.fetch_add(listeners as u64, Ordering::Relaxed);
    }

    /// What holds now.
    pub(crate) fn active(&self) -> Vec<Notification> {
        self.active.lock().clone()
    }

    /// What holds now and a way to hear of changes; `None` if too many listen.
    pub(crate) fn listen(&self) -> Option<(Vec<Notification>, broadcast::Receiver<Notification>)> {
        let active = self.active.lock();
        let is_free = self.changes.receiver_count() < self.max_listeners;
        is_free.then(|| (active.clone(), self.changes.subscribe()))
    }

    /// A listener was too slow for `num` changes.
    pub(crate) fn missed(&self, num: u64) {
        self.dropped.fetch_add(num, Ordering::Relaxed);
    }

    /// Changes sent to listeners, and of those the ones that listeners were too slow for.
    pub(crate) fn counts(&self) -> [u64; 2] {
        [&self.sent, &self.dropped].map(|count| count.load(Ordering::Relaxed))
    }

    /// How many listen.
    pub(crate) fn listeners(&self) -> usize {
        self.changes.receiver_count()
    }
}
