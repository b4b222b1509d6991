//! Times, durations, months and days of the week: their methods, their texts, and Go's layouts of times.

use crate::value::Value;
use jiff::Timestamp;
use jiff::civil::{DateTime, Weekday};
use jiff::tz::Offset;
use std::fmt::{self, Write};

/// A time, or a part of one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Clock {
    /// Nanoseconds since 1970.
    Time(i64),
    /// Nanoseconds.
    Duration(i64),
    /// 1 to 12.
    Month(i8),
    /// 0, a Sunday, to 6.
    Weekday(i8),
}

const MONTHS: [&str; 12] = [
    "January",
    "February",
    "March",
    "April",
    "May",
    "June",
    "July",
    "August",
    "September",
    "October",
    "November",
    "December",
];

const DAYS: [&str; 7] =
    ["Sunday", "Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday"];

/// How a time looks without a layout.
const PLAIN: &str = "2006-01-02 15:04:05.999999999 -0700 MST";

fn civil(nanos: i64) -> DateTime {
    let time = Timestamp::from_nanosecond(i128::from(nanos)).expect("64 bits are 584 years");
    Offset::UTC.to_datetime(time)
}

impl Clock {
    pub(crate) fn type_name(self) -> &'static str {
        match self {
            Self::Time(_) => "*time.Time",
            Self::Duration(_) => "*time.Duration",
            Self::Month(_) => "time.Month",
            Self::Weekday(_) => "time.Weekday",
        }
    }

    pub(crate) fn is_true(self) -> bool {
        !matches!(self, Self::Weekday(0))
    }

    /// The number behind it, where it is one.
    pub(crate) fn number(self) -> i64 {
        match self {
            Self::Time(nanos) | Self::Duration(nanos) => nanos,
            Self::Month(number) | Self::Weekday(number) => i64::from(number),
        }
    }

    /// Calls a method without arguments; `None` if there is none of this name.
    pub(crate) fn method(self, name: &str) -> Option<Value> {
        if name == "String" {
            return Some(Value::text(self.to_string()));
        }
        match self {
            Self::Time(nanos) => time_method(nanos, name),
            Self::Duration(nanos) => duration_method(nanos, name),
            Self::Month(_) | Self::Weekday(_) => None,
        }
    }
}

fn time_method(nanos: i64, name: &str) -> Option<Value> {
    let at = civil(nanos);
    Some(match name {
        "Year" => Value::Int(at.year().into()),
        "Month" => Value::Clock(Clock::Month(at.month())),
        "Day" => Value::Int(at.day().into()),
        "Hour" => Value::Int(at.hour().into()),
        "Minute" => Value::Int(at.minute().into()),
        "Second" => Value::Int(at.second().into()),
        "Nanosecond" => Value::Int(at.subsec_nanosecond().into()),
        "YearDay" => Value::Int(at.day_of_year().into()),
        "Weekday" => Value::Clock(Clock::Weekday(weekday(at))),
        "Unix" => Value::Int(nanos.div_euclid(1_000_000_000)),
        "UnixMilli" => Value::Int(nanos.div_euclid(1_000_000)),
        "UnixMicro" => Value::Int(nanos.div_euclid(1000)),
        "UnixNano" => Value::Int(nanos),
        "IsZero" => Value::Bool(false),
        "UTC" => Value::Clock(Clock::Time(nanos)),
        _ => return None,
    })
}

fn duration_method(nanos: i64, name: &str) -> Option<Value> {
    let units =
        |unit: i64| Value::Float((nanos / unit) as f64 + (nanos % unit) as f64 / unit as f64);
    Some(match name {
        "Hours" => units(3_600_000_000_000),
        "Minutes" => units(60_000_000_000),
        "Seconds" => units(1_000_000_000),
        "Milliseconds" => Value::Int(nanos / 1_000_000),
        "Microseconds" => Value::Int(nanos / 1000),
        "Nanoseconds" => Value::Int(nanos),
        _ => return None,
    })
}

fn weekday(at: DateTime) -> i8 {
    match at.weekday() {
        Weekday::Sunday => 0,
        other => other.to_monday_one_offset(),
    }
}

impl fmt::Display for Clock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Self::Time(nanos) => f.write_str(&format(nanos, PLAIN)),
            Self::Duration(nanos) => write_duration(nanos, f),
            Self::Month(number) => f.write_str(MONTHS[number as usize - 1]),
            Self::Weekday(number) => f.write_str(DAYS[number as usize]),
        }
    }
}

/// `1h1m1.5s`, `1.5ms`, `0s`.
fn write_duration(nanos: i64, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    let size = nanos.unsigned_abs();
    f.write_str(if nanos < 0 { "-" } else { "" })?;
    let (unit, name) = match size {
        0 => return f.write_str("0s"),
        1..1000 => (1, "ns"),
        1000..1_000_000 => (1000, "\u{b5}s"),
        1_000_000..1_000_000_000 => (1_000_000, "ms"),
        _ => (1_000_000_000, "s"),
    };
    let mut whole = size / unit;
    if name == "s" && whole >= 60 {
        if whole >= 3600 {
            write!(f, "{}h", whole / 3600)?;
        }
        write!(f, "{}m", whole / 60 % 60)?;
        whole %= 60;
    }
    write!(f, "{whole}")?;
    let rest = size % unit;
    if rest > 0 {
        let digits = unit.ilog10() as usize;
        let decimals = format!("{rest:0digits$}");
        write!(f, ".{}", decimals.trim_end_matches('0'))?;
    }
    f.write_str(name)
}

/// Pieces of layouts; where one begins like another the longer one comes first.
const PIECES: &[&str] = &[
    "January",
    "Jan",
    "Monday",
    "Mon",
    "MST",
    "01",
    "02",
    "03",
    "04",
    "05",
    "06",
    "002",
    "15",
    "2006",
    "__2",
    "_2006",
    "_2",
    "PM",
    "pm",
    "-07:00:00",
    "-07:00",
    "-070000",
    "-0700",
    "-07",
    "Z07:00:00",
    "Z07:00",
    "Z070000",
    "Z0700",
    "Z07",
    "1",
    "2",
    "3",
    "4",
    "5",
];

/// A time, which is UTC, by a layout of Go's: the layout shows what its reference time, January 2 15:04:05 2006, would
/// look like.
pub(crate) fn format(nanos: i64, layout: &str) -> String {
    let (at, mut out, mut rest) = (civil(nanos), String::new(), layout);
    while let Some(first) = rest.chars().next() {
        if let Some(len) = push_fraction(&at, rest, &mut out) {
            rest = &rest[len..];
            continue;
        }
        let found = PIECES.iter().find(|piece| {
            rest.strip_prefix(**piece).is_some_and(|after| {
                // "Jan" inside of a longer word is no month.
                !matches!(**piece, "Jan" | "Mon")
                    || !after.starts_with(|c: char| c.is_ascii_lowercase())
            })
        });
        match found {
            Some(&"_2006") => {
                write!(out, "_{:04}", at.year()).expect("writing to memory cannot fail");
                rest = &rest[5..];
            }
            Some(piece) => {
                push_piece(&at, piece, &mut out);
                rest = &rest[piece.len()..];
            }
            None => {
                out.push(first);
                rest = &rest[first.len_utf8()..];
            }
        }
    }
    out
}

/// A point or comma with zeros or nines is a fraction of a second; returns how long it is.
fn push_fraction(at: &DateTime, rest: &str, out: &mut String) -> Option<usize> {
    let point = rest.chars().next().filter(|c| matches!(c, '.' | ','))?;
    let digit = rest[1..].chars().next().filter(|c| matches!(c, '0' | '9'))?;
    let digits = rest[1..].chars().take_while(|c| *c == digit).count();
    if rest[1 + digits..].starts_with(|c: char| c.is_ascii_digit()) {
        return None;
    }
    let all = format!("{:09}", at.subsec_nanosecond());
    let shown = all.get(..digits).unwrap_or(&all);
    let shown = if digit == '9' { shown.trim_end_matches('0') } else { shown };
    if !shown.is_empty() {
        out.push(point);
        out.push_str(shown);
        out.extend(std::iter::repeat_n(
            '0',
            if digit == '0' { digits.saturating_sub(9) } else { 0 },
        ));
    }
    Some(1 + digits)
}

fn push_piece(at: &DateTime, piece: &str, out: &mut String) {
    let month = MONTHS[at.month() as usize - 1];
    let day = DAYS[weekday(*at) as usize];
    let hour = (at.hour() + 11) % 12 + 1;
    let written = match piece {
        "January" => out.write_str(month),
        "Jan" => out.write_str(&month[..3]),
        "1" => write!(out, "{}", at.month()),
        "01" => write!(out, "{:02}", at.month()),
        "Monday" => out.write_str(day),
        "Mon" => out.write_str(&day[..3]),
        "2" => write!(out, "{}", at.day()),
        "_2" => write!(out, "{:2}", at.day()),
        "02" => write!(out, "{:02}", at.day()),
        "__2" => write!(out, "{:3}", at.day_of_year()),
        "002" => write!(out, "{:03}", at.day_of_year()),
        "15" => write!(out, "{:02}", at.hour()),
        "3" => write!(out, "{hour}"),
        "03" => write!(out, "{hour:02}"),
        "4" => write!(out, "{}", at.minute()),
        "04" => write!(out, "{:02}", at.minute()),
        "5" => write!(out, "{}", at.second()),
        "05" => write!(out, "{:02}", at.second()),
        "2006" => write!(out, "{:04}", at.year()),
        "06" => write!(out, "{:02}", at.year().rem_euclid(100)),
        "PM" => out.write_str(if at.hour() < 12 { "AM" } else { "PM" }),
        "pm" => out.write_str(if at.hour() < 12 { "am" } else { "pm" }),
        "MST" => out.write_str("UTC"),
        "-07:00:00" => out.write_str("+00:00:00"),
        "-07:00" => out.write_str("+00:00"),
        "-070000" => out.write_str("+000000"),
        "-0700" => out.write_str("+0000"),
        "-07" => out.write_str("+00"),
        _ => out.write_str("Z"),
    };
    written.expect("writing to memory cannot fail");
}

#[cfg(test)]
mod tests;
