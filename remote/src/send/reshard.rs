//! How many shards a queue needs: rates smoothed over time, as Prometheus reckons.

use super::config::QueueConfig;
use super::metrics::Flow;
use std::sync::atomic::Ordering;

/// How often it is reckoned, in seconds.
pub(super) const INTERVAL_SECONDS: f64 = 10.0;

/// How much of a backlog is to be worked off each second.
const BACKLOG_SHARE: f64 = 0.05;

/// How far the need may be from what there is before anything changes.
const TOLERANCE: f64 = 0.3;

/// Shards are not taken away while sending lies further behind.
const MAX_DELAY_SECONDS: f64 = 10.0;

/// The weight of the newest interval.
const ALPHA: f64 = 0.2;

/// A rate that forgets.
#[derive(Clone, Copy, Debug, Default)]
struct Rate {
    last: f64,
    rate: Option<f64>,
}

impl Rate {
    fn update(&mut self, total: f64) -> f64 {
        let now = (total - self.last) / INTERVAL_SECONDS;
        self.last = total;
        let rate = self.rate.map_or(now, |rate| rate + ALPHA * (now - rate));
        self.rate = Some(rate);
        rate
    }
}

/// The rates of a queue.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Reckoner {
    read: Rate,
    dropped: Rate,
    sent: Rate,
    sending: Rate,
}

impl Reckoner {
    /// What is needed now that there are `shards`; also the need before it is rounded and bound.
    pub(super) fn update(
        &mut self,
        flow: &Flow,
        shards: usize,
        config: &QueueConfig,
    ) -> (usize, f64) {
        let total = |counter: &std::sync::atomic::AtomicU64| counter.load(Ordering::Relaxed) as f64;
        let read = self.read.update(total(&flow.read));
        let dropped = self.dropped.update(total(&flow.dropped));
        let sent = self.sent.update(total(&flow.sent));
        let sending = self.sending.update(flow.sending_seconds());
        if sent <= 0.0 {
            return (shards, shards as f64);
        }
        let kept = sent / (dropped + sent);
        let delay = flow.delay_seconds();
        let backlog = delay * read * kept;
        let desired = sending / sent * (read * kept + BACKLOG_SHARE * backlog);
        (bounded(desired, delay, shards, config), desired)
    }
}

fn bounded(desired: f64, delay: f64, shards: usize, config: &QueueConfig) -> usize {
    let now = shards as f64;
    let desired = desired.ceil();
    let tolerated = now * (1.0 - TOLERANCE)..=now * (1.0 + TOLERANCE);
    if tolerated.contains(&desired) || (desired < now && delay > MAX_DELAY_SECONDS) {
        return shards;
    }
    (desired as usize).clamp(config.min_shards.min(config.max_shards), config.max_shards)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    fn config() -> QueueConfig {
        QueueConfig {
            capacity: 1,
            min_shards: 1,
            max_shards: 50,
            max_samples_per_send: 1,
            batch_send_deadline: Duration::ZERO,
            min_backoff: Duration::ZERO,
            max_backoff: Duration::ZERO,
            retries_429: false,
            sample_age_limit: Duration::ZERO,
        }
    }

    #[test]
    fn shards_follow_the_need_within_bounds() {
        let config = config();
        assert_eq!(bounded(1.2, 0.0, 2, &config), 2);
        assert_eq!(bounded(3.1, 0.0, 2, &config), 4);
        assert_eq!(bounded(1.0, 11.0, 4, &config), 4);
        assert_eq!(bounded(0.0, 0.0, 4, &config), 1);
        assert_eq!(bounded(1e9, 0.0, 4, &config), 50);
        assert_eq!(Reckoner::default().update(&Flow::default(), 3, &config).0, 3);
    }
}
