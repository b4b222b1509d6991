//! When a target is scraped: spread over the interval by hash, on a grid, with timestamps that keep to it. Pure.

use std::time::Duration;

/// FNV-1a of 64 bits.
fn fnv1a(bytes: impl Iterator<Item = u8>) -> u64 {
    bytes.fold(0xcbf2_9ce4_8422_2325, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
    })
}

/// The identity of a target: its labels, hidden ones included, and its URL.
#[must_use]
pub fn target_hash(labels: &model::Labels, url: &str) -> u64 {
    fnv1a(format!("{:016}", labels.stable_hash()).bytes().chain(url.bytes()))
}

/// What makes servers that scrape the same targets do so at different times. `external_labels` is the printed set.
#[must_use]
pub fn offset_seed(hostname: &str, external_labels: &str) -> u64 {
    fnv1a(hostname.bytes().chain(external_labels.bytes()))
}

/// Where in each interval, counted from 1970, a target has its place.
#[must_use]
pub fn offset(hash: u64, seed: u64, interval: Duration) -> Duration {
    Duration::from_nanos((hash ^ seed) % nanos(interval))
}

/// How long to wait at `now_ms` for the first scrape.
#[must_use]
pub fn first_delay(now_ms: i64, offset: Duration, interval: Duration) -> Duration {
    let interval_ns = i128::from(nanos(interval));
    let now_ns = i128::from(now_ms) * 1_000_000;
    let until_next = interval_ns - now_ns.rem_euclid(interval_ns);
    let delay = (until_next + i128::from(nanos(offset))) % interval_ns;
    Duration::from_nanos(u64::try_from(delay).expect("a remainder is not negative"))
}

fn nanos(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX).max(1)
}

/// Gives scrapes their timestamps: those of a grid while ticks are close to it, so that timestamps compress well.
#[derive(Clone, Copy, Debug)]
pub struct Grid {
    next_ms: i64,
    interval_ms: i64,
    tolerance_ms: i64,
}

impl Grid {
    /// A grid that begins at `start_ms`. A tick may be off it by `tolerance`, and by a hundredth of the interval, and
    /// still count as on it.
    #[must_use]
    pub fn new(start_ms: i64, interval: Duration, tolerance: Duration) -> Self {
        let milliseconds = |time: Duration| i64::try_from(time.as_millis()).unwrap_or(i64::MAX);
        let interval_ms = milliseconds(interval).max(1);
        let tolerance_ms = milliseconds(tolerance).min(interval_ms / 100);
        Self { next_ms: start_ms, interval_ms, tolerance_ms }
    }

    /// The timestamp of a scrape that begins at `now_ms`. Where the clock was set back by more than an interval, the grid
    /// begins anew there: else every scrape would have the last timestamp until the clock has caught up.
    pub fn align(&mut self, now_ms: i64) -> i64 {
        self.next_ms = self.next_ms.min(now_ms);
        let behind = now_ms.saturating_sub(self.next_ms);
        if behind >= self.interval_ms {
            self.next_ms += behind / self.interval_ms * self.interval_ms;
        }
        let off = now_ms - self.next_ms;
        if off <= self.tolerance_ms { self.next_ms } else { now_ms }
    }
}

#[cfg(test)]
mod tests;
