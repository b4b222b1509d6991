//! Points in time as text: what the HTTP API takes and answers, RFC 3339. Durations live in `duration`.

use crate::duration;
use crate::float::{self, parse_float};
use crate::quote::Quoted;

/// A text that is neither seconds nor RFC 3339.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TimestampError {
    /// Not a time.
    #[error("cannot parse {} to a valid timestamp", Quoted(.0))]
    Time(Box<str>),
    /// Not a duration.
    #[error("cannot parse {} to a valid duration", Quoted(.0))]
    Duration(Box<str>),
    /// Too long.
    #[error("cannot parse {} to a valid duration. It overflows int64", Quoted(.0))]
    DurationOverflow(Box<str>),
}

/// The earliest time there is, as clients write it.
const MIN_TIME: (&str, i64) = ("-292273086-05-16T16:47:06Z", -9_223_309_901_257_974_000);
/// The latest time there is, as clients write it.
const MAX_TIME: (&str, i64) = ("292277025-08-18T07:12:54.999999999Z", 9_223_309_901_257_974_999);

/// Milliseconds of a time parameter: seconds in Go's float notation, or RFC 3339.
/// Seconds beyond the range wrap around as they do in Prometheus.
pub fn parse_time(text: &str) -> Result<i64, TimestampError> {
    if let Ok(seconds) = parse_float(text) {
        return Ok(seconds_to_ms(seconds));
    }
    if let Some(ms) = parse_rfc3339(text) {
        return Ok(ms);
    }
    [MIN_TIME, MAX_TIME]
        .into_iter()
        .find(|(known, _)| *known == text)
        .map(|(_, ms)| ms)
        .ok_or_else(|| TimestampError::Time(text.into()))
}

/// Go on amd64: what does not fit becomes the smallest integer.
fn to_i64(value: f64) -> i64 {
    let fits = (-9_223_372_036_854_775_808.0..9_223_372_036_854_775_808.0).contains(&value);
    if fits { value as i64 } else { i64::MIN }
}

fn seconds_to_ms(seconds: f64) -> i64 {
    let whole = seconds.trunc();
    let fraction = ((seconds - whole) * 1000.0).round() / 1000.0;
    let (mut secs, mut nanos) = (to_i64(whole), to_i64(fraction * 1e9));
    secs = secs.wrapping_add(nanos / 1_000_000_000);
    nanos %= 1_000_000_000;
    if nanos < 0 {
        nanos += 1_000_000_000;
        secs = secs.wrapping_sub(1);
    }
    secs.wrapping_mul(1000).wrapping_add(nanos / 1_000_000)
}

/// Nanoseconds of a duration parameter: seconds in Go's float notation, or `1h30m`.
pub fn parse_duration_ns(text: &str) -> Result<i64, TimestampError> {
    if let Ok(seconds) = parse_float(text) {
        let nanos = seconds * 1e9;
        if nanos.abs() > 9_223_372_036_854_775_808.0 {
            return Err(TimestampError::DurationOverflow(text.into()));
        }
        return Ok(to_i64(nanos));
    }
    let ms = duration::parse(text).map_err(|_| TimestampError::Duration(text.into()))?;
    Ok(ms * 1_000_000)
}

/// Milliseconds of an RFC 3339 time, upper-case `T` and `Z`, fraction after `.` or `,` cut to milliseconds.
#[must_use]
pub fn parse_rfc3339(text: &str) -> Option<i64> {
    let bytes = text.as_bytes();
    let (date, rest) = bytes.split_at_checked(19)?;
    let digits = |range: std::ops::Range<usize>| -> Option<i64> { number(&date[range]) };
    let separators = [(4, b'-'), (7, b'-'), (10, b'T'), (13, b':'), (16, b':')];
    if separators.iter().any(|&(at, byte)| date[at] != byte) {
        return None;
    }
    let (year, month, day) = (digits(0..4)?, digits(5..7)?, digits(8..10)?);
    let (hour, minute, second) = (digits(11..13)?, digits(14..16)?, digits(17..19)?);
    if !(1..=12).contains(&month) || day < 1 || day > days_in_month(year, month) {
        return None;
    }
    if hour > 23 || minute > 59 || second > 59 {
        return None;
    }
    let (mut nanos, mut zone) = (0, rest);
    if let Some((b'.' | b',', fraction)) = rest.split_first() {
        let len = fraction.iter().take_while(|byte| byte.is_ascii_digit()).count();
        if len == 0 {
            return None;
        }
        nanos = (0..9)
            .fold(0, |n, at| n * 10 + if at < len { i64::from(fraction[at] - b'0') } else { 0 });
        zone = &fraction[len..];
    }
    let offset_s = zone_offset(zone)?;
    let seconds = days_from_civil(year, month, day) * 86_400 + hour * 3600 + minute * 60 + second;
    Some((seconds - offset_s) * 1000 + nanos / 1_000_000)
}

fn number(digits: &[u8]) -> Option<i64> {
    digits
        .iter()
        .try_fold(0, |n, byte| byte.is_ascii_digit().then(|| n * 10 + i64::from(byte - b'0')))
}

fn zone_offset(zone: &[u8]) -> Option<i64> {
    match zone {
        b"Z" => Some(0),
        [sign @ (b'+' | b'-'), h1, h2, b':', m1, m2] => {
            let (hours, minutes) = (number(&[*h1, *h2])?, number(&[*m1, *m2])?);
            if hours > 24 || minutes > 60 {
                return None;
            }
            let size = hours * 3600 + minutes * 60;
            Some(if *sign == b'-' { -size } else { size })
        }
        _ => None,
    }
}

fn days_in_month(year: i64, month: i64) -> i64 {
    let leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    match month {
        2 => 28 + i64::from(leap),
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}

/// Days since 1970-01-01 in the Gregorian calendar. Years begin in March here, so that leap days come last.
fn days_from_civil(year: i64, month: i64, day: i64) -> i64 {
    let year = if month <= 2 { year - 1 } else { year };
    let era = year.div_euclid(400);
    let year_of_era = year.rem_euclid(400);
    let day_of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    era * 146_097 + year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year - 719_468
}

/// Year, month and day of the days since 1970-01-01.
fn civil_from_days(days: i64) -> (i64, i64, i64) {
    let days = days + 719_468;
    let era = days.div_euclid(146_097);
    let day_of_era = days.rem_euclid(146_097);
    let year_of_era =
        (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted_month = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * shifted_month + 2) / 5 + 1;
    let month = if shifted_month < 10 { shifted_month + 3 } else { shifted_month - 9 };
    (year_of_era + era * 400 + i64::from(month <= 2), month, day)
}

/// RFC 3339 in UTC with as many decimals as are not zero.
#[must_use]
pub fn format_rfc3339(ms: i64) -> String {
    let (seconds, millis) = (ms.div_euclid(1000), ms.rem_euclid(1000));
    let (year, month, day) = civil_from_days(seconds.div_euclid(86_400));
    let second_of_day = seconds.rem_euclid(86_400);
    let (hour, minute, second) =
        (second_of_day / 3600, second_of_day / 60 % 60, second_of_day % 60);
    let fraction = match millis {
        0 => String::new(),
        millis => format!(".{millis:03}").trim_end_matches('0').to_owned(),
    };
    format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}{fraction}Z")
}

/// Appends milliseconds as seconds, with three decimals unless they are whole: timestamps in the JSON of the API.
pub fn write_json(ms: i64, out: &mut Vec<u8>) {
    let mut digits = itoa::Buffer::new();
    let size = if ms < 0 { ms.wrapping_neg() } else { ms };
    if ms < 0 {
        out.push(b'-');
    }
    out.extend_from_slice(digits.format(size / 1000).as_bytes());
    let fraction = size % 1000;
    if fraction != 0 {
        out.push(b'.');
        out.resize(out.len() + usize::from(fraction < 100) + usize::from(fraction < 10), b'0');
        out.extend_from_slice(digits.format(fraction).as_bytes());
    }
}

/// Milliseconds as seconds with as many decimals as are not zero: expositions and texts.
#[must_use]
pub fn format_seconds(ms: i64) -> String {
    float::fixed(ms as f64 / 1000.0)
}

#[cfg(test)]
mod tests;
