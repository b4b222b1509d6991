//! `1h30m` to and from milliseconds, as Prometheus reads and prints durations in configuration, API and PromQL.

use crate::quote::Quoted;
use std::fmt::{self, Write};

/// Why a text is not a duration; the text is Prometheus'.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DurationError {
    /// Nothing there.
    #[error("empty duration string")]
    Empty,
    /// No number, no unit, a unit twice or units not from large to small.
    #[error("not a valid duration string: {}", Quoted(.0))]
    Invalid(Box<str>),
    /// A unit that does not exist: it, then the whole text.
    #[error("unknown unit {} in duration {}", Quoted(.0), Quoted(.1))]
    UnknownUnit(Box<str>, Box<str>),
    /// More than 2^63 nanoseconds, about 292 years.
    #[error("duration out of range")]
    OutOfRange,
}

/// Units from large to small, with their milliseconds.
const UNITS: [(&str, u64); 7] = [
    ("y", 365 * 86_400_000),
    ("w", 7 * 86_400_000),
    ("d", 86_400_000),
    ("h", 3_600_000),
    ("m", 60_000),
    ("s", 1000),
    ("ms", 1),
];

/// The longest duration in milliseconds: what fits into 2^63 nanoseconds.
const MAX_MS: u64 = (1 << 63) / 1_000_000;

/// The milliseconds of a duration such as `1h30m`; `0` needs no unit.
pub fn parse(text: &str) -> Result<i64, DurationError> {
    if text == "0" {
        return Ok(0);
    }
    if text.is_empty() {
        return Err(DurationError::Empty);
    }
    let invalid = || DurationError::Invalid(text.into());
    let (mut rest, mut total_ms, mut units) = (text, 0u64, &UNITS[..]);
    while !rest.is_empty() {
        let digits = rest.bytes().take_while(u8::is_ascii_digit).count();
        if digits == 0 {
            return Err(invalid());
        }
        let number: u64 = rest[..digits].parse().map_err(|_| invalid())?;
        rest = &rest[digits..];
        let letters = rest.find(|c: char| c.is_ascii_digit()).unwrap_or(rest.len());
        let unit = &rest[..letters];
        rest = &rest[letters..];
        if unit.is_empty() {
            return Err(invalid());
        }
        if !UNITS.iter().any(|(name, _)| *name == unit) {
            return Err(DurationError::UnknownUnit(unit.into(), text.into()));
        }
        let Some(at) = units.iter().position(|(name, _)| *name == unit) else {
            return Err(invalid());
        };
        let unit_ms = units[at].1;
        units = &units[at + 1..];
        total_ms = number
            .checked_mul(unit_ms)
            .and_then(|part| part.checked_add(total_ms))
            .filter(|&total| total <= MAX_MS)
            .ok_or(DurationError::OutOfRange)?;
    }
    i64::try_from(total_ms).map_err(|_| DurationError::OutOfRange)
}

/// [`parse`] with an optional minus in front, as templates and some API parameters allow.
pub fn parse_signed(text: &str) -> Result<i64, DurationError> {
    match text.strip_prefix('-') {
        Some(rest) => parse(rest).map(|ms| -ms),
        None => parse(text),
    }
}

/// Displays milliseconds as a duration: years and weeks only where they divide exactly.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Duration {
    /// Milliseconds; may be negative.
    pub ms: i64,
}

impl fmt::Display for Duration {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut rest = self.ms.unsigned_abs();
        if rest == 0 {
            return f.write_str("0s");
        }
        if self.ms < 0 {
            f.write_char('-')?;
        }
        for (index, (name, unit_ms)) in UNITS.into_iter().enumerate() {
            let exact_only = index < 2;
            if rest >= unit_ms && (!exact_only || rest.is_multiple_of(unit_ms)) {
                write!(f, "{}{name}", rest / unit_ms)?;
                rest %= unit_ms;
            }
        }
        Ok(())
    }
}

/// The text of `ms` milliseconds.
#[must_use]
pub fn format(ms: i64) -> String {
    Duration { ms }.to_string()
}

/// The text of `ms` milliseconds as Go prints durations itself: `1h0m0.5s`, `20ms`, `0s`. Labels of metrics have it.
#[must_use]
pub fn format_as_go(ms: i64) -> String {
    let sign = if ms < 0 { "-" } else { "" };
    let left = ms.unsigned_abs();
    let (hours, minutes, seconds) = (left / 3_600_000, left / 60_000 % 60, left / 1000 % 60);
    let fraction = match left % 1000 {
        0 => String::new(),
        millis => format!(".{millis:03}").trim_end_matches('0').to_owned(),
    };
    match left {
        0 => "0s".to_owned(),
        1..1000 => format!("{sign}{left}ms"),
        1000..60_000 => format!("{sign}{seconds}{fraction}s"),
        60_000..3_600_000 => format!("{sign}{minutes}m{seconds}{fraction}s"),
        _ => format!("{sign}{hours}h{minutes}m{seconds}{fraction}s"),
    }
}

#[cfg(test)]
mod tests;
