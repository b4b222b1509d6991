//! The rate limit: a bucket of requests that fills by one every interval.

use parking_lot::Mutex;
use std::time::Duration;
use tokio::time::Instant;

/// A bucket of requests.
#[derive(Debug)]
pub(super) struct RateLimit {
    interval: Duration,
    burst: f64,
    state: Mutex<(f64, Instant)>,
}

impl RateLimit {
    /// A full bucket.
    pub(super) fn new(interval: Duration, burst: u32) -> Self {
        let burst = f64::from(burst);
        Self { interval, burst, state: Mutex::new((burst, Instant::now())) }
    }

    /// Takes a request out of the bucket, if one is in it.
    pub(super) fn admit(&self) -> bool {
        let mut state = self.state.lock();
        let (tokens, filled) = &mut *state;
        let now = Instant::now();
        let gained = (now - *filled).as_secs_f64() / self.interval.as_secs_f64();
        *tokens = (*tokens + gained).min(self.burst);
        *filled = now;
        let is_in = *tokens >= 1.0;
        if is_in {
            *tokens -= 1.0;
        }
        is_in
    }
}
