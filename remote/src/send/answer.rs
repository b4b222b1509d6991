//! What the answer of a receiver means: taken, to be sent again, or refused for good.

use super::config::WriteConfig;
use super::item::Counts;
use crate::receive::Message;
use net::client::Posted;
use std::time::Duration;

/// A receiver that asks for a longer pause is asked again all the same.
const MAX_PAUSE: Duration = Duration::from_secs(10 * 60);

/// How a request ended.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Outcome {
    /// The receiver is content. 2.0 tells how much it wrote, which should be all.
    Taken { written: Counts },
    /// Trying again may help, not before this pause if the receiver named one. `is_open`: the receiver may have stored it
    /// all the same.
    Again { what: String, pause: Option<Duration>, is_open: bool },
    /// Trying again will not help. 2.0 tells what was written all the same.
    Refused { status: u16, what: String, written: Counts },
}

/// What an answer to a request with so many items comes to.
pub(super) fn judge(config: &WriteConfig, posted: &Posted, counts: Counts, now_ms: i64) -> Outcome {
    let status = posted.status;
    let what = || {
        let said = String::from_utf8_lossy(&posted.body);
        format!("server returned HTTP status {status}: {}", said.trim())
    };
    let text = |name: &str| posted.headers.get(name).and_then(|value| value.to_str().ok());
    let told = |kind: &str, most: u64| -> u64 {
        let name = format!("x-prometheus-remote-write-{kind}-written");
        let told = text(&name).and_then(|value| value.parse().ok());
        told.filter(|_| config.message == Message::V2).unwrap_or(0).min(most)
    };
    let written = Counts {
        samples: told("samples", counts.samples),
        histograms: told("histograms", counts.histograms),
        exemplars: told("exemplars", counts.exemplars),
    };
    match status {
        200..=299 => {
            let is_silent = config.message == Message::V2
                && counts.samples + counts.histograms > 0
                && written.total() == 0;
            if is_silent {
                let what = format!(
                    "the receiver answered {status} and counts nothing of {} samples as written: it does not know 2.0",
                    counts.total()
                );
                return Outcome::Refused { status, what, written };
            }
            let is_v1 = config.message == Message::V1;
            Outcome::Taken { written: if is_v1 { counts } else { written } }
        }
        429 if !config.queue.retries_429 => Outcome::Refused { status, what: what(), written },
        429 | 500..=599 => {
            let pause = text("retry-after").and_then(|value| retry_after(value, now_ms));
            Outcome::Again { what: what(), pause, is_open: status != 429 }
        }
        _ => Outcome::Refused { status, what: what(), written },
    }
}

/// The pause that `Retry-After` asks for: seconds, or a date.
fn retry_after(value: &str, now_ms: i64) -> Option<Duration> {
    let pause = match value.trim().parse::<u64>() {
        Ok(seconds) => Duration::from_secs(seconds),
        Err(_) => {
            let ms = httpdate(value)?.checked_mul(1000)?.checked_sub(now_ms)?;
            Duration::from_millis(u64::try_from(ms).ok()?)
        }
    };
    (!pause.is_zero()).then_some(pause.min(MAX_PAUSE))
}

/// Seconds since the epoch of a date such as `Sun, 06 Nov 1994 08:49:37 GMT`.
fn httpdate(text: &str) -> Option<i64> {
    let mut parts = text.trim().split_ascii_whitespace().skip(1);
    let day: i64 = parts.next()?.parse().ok()?;
    let months =
        ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
    let name = parts.next()?;
    let month = months.iter().position(|month| *month == name)? as i64 + 1;
    let year: i64 = parts.next()?.parse().ok().filter(|year| (1970..10_000).contains(year))?;
    let mut clock = parts.next()?.split(':').map(|part| part.parse::<i64>().ok());
    let (hour, minute, second) = (clock.next()??, clock.next()??, clock.next()??);
    // Days since the epoch, the year beginning in March so that the leap day comes last.
    let shifted = if month > 2 { year } else { year - 1 };
    let days_before_month = (153 * ((month + 9) % 12) + 2) / 5;
    let days =
        shifted * 365 + shifted / 4 - shifted / 100 + shifted / 400 + days_before_month + day
            - 719_469;
    Some(((days * 24 + hour) * 60 + minute) * 60 + second)
}

#[cfg(test)]
mod tests;
