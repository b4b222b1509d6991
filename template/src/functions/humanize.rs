//! Numbers for people: with prefixes, as durations, as percentages, as times.

use crate::clock::Clock;
use crate::value::Value;
use model::float::{general, parse_float, printf_g};

type Made = Result<Value, String>;

/// A value as a number.
pub(super) fn float(value: &Value) -> Result<f64, String> {
    match value {
        Value::Float(value) => Ok(*value),
        Value::Int(value) => Ok(*value as f64),
        Value::Text(text) => parse_float(text).map_err(|error| error.to_string()),
        other => Err(format!("can't convert {} to float", other.type_name())),
    }
}

/// The integer of a float as the reference's processor makes it: what does not fit is the smallest.
pub(super) fn truncated(value: f64) -> i64 {
    let fits = (-9_223_372_036_854_775_808.0..9_223_372_036_854_775_808.0).contains(&value);
    if fits { value as i64 } else { i64::MIN }
}

/// Nanoseconds since 1970 of seconds, in whole milliseconds.
pub(super) fn nanos(seconds: f64) -> Result<i64, String> {
    let nanos = seconds * 1e9;
    if !(-9_223_372_036_854_775_808.0..=9_223_372_036_854_775_808.0).contains(&nanos) {
        let shown = general(seconds);
        return Err(format!(
            "{shown} cannot be represented as a nanoseconds timestamp since it overflows int64"
        ));
    }
    Ok(truncated(nanos) / 1_000_000 * 1_000_000)
}

fn short(value: f64) -> String {
    printf_g(value, 4)
}

/// A large value divided until it is below `unit`; the prefix says how often.
fn large(mut value: f64, unit: f64, prefixes: [&'static str; 8]) -> (f64, &'static str) {
    let mut prefix = "";
    for name in prefixes {
        if value.abs() < unit {
            break;
        }
        prefix = name;
        value /= unit;
    }
    (value, prefix)
}

/// A value below 1 multiplied until it is not.
fn small(mut value: f64) -> (f64, &'static str) {
    let mut prefix = "";
    for name in ["m", "u", "n", "p", "f", "a", "z", "y"] {
        if value.abs() >= 1.0 {
            break;
        }
        prefix = name;
        value *= 1000.0;
    }
    (value, prefix)
}

pub(super) fn humanize(values: &[Value]) -> Made {
    let value = float(&values[0])?;
    if value == 0.0 || !value.is_finite() {
        return Ok(Value::text(short(value)));
    }
    let (value, prefix) = if value.abs() >= 1.0 {
        large(value, 1000.0, ["k", "M", "G", "T", "P", "E", "Z", "Y"])
    } else {
        small(value)
    };
    Ok(Value::text(short(value) + prefix))
}

pub(super) fn humanize_1024(values: &[Value]) -> Made {
    let value = float(&values[0])?;
    if value.abs() <= 1.0 || !value.is_finite() {
        return Ok(Value::text(short(value)));
    }
    let (value, prefix) = large(value, 1024.0, ["ki", "Mi", "Gi", "Ti", "Pi", "Ei", "Zi", "Yi"]);
    Ok(Value::text(short(value) + prefix))
}

pub(super) fn duration(values: &[Value]) -> Made {
    let value = float(&values[0])?;
    if !value.is_finite() {
        return Ok(Value::text(short(value)));
    }
    if value.abs() < 1.0 {
        let (value, prefix) = if value == 0.0 { (value, "") } else { small(value) };
        return Ok(Value::text(format!("{}{prefix}s", short(value))));
    }
    let (sign, value) = if value < 0.0 { ("-", -value) } else { ("", value) };
    let whole = truncated(value);
    let (days, hours) = (whole / 86_400, whole / 3600 % 24);
    let (minutes, seconds) = (whole / 60 % 60, whole % 60);
    let text = match (days, hours, minutes) {
        (0, 0, 0) => format!("{sign}{}s", short(value)),
        (0, 0, _) => format!("{sign}{minutes}m {seconds}s"),
        (0, _, _) => format!("{sign}{hours}h {minutes}m {seconds}s"),
        _ => format!("{sign}{days}d {hours}h {minutes}m {seconds}s"),
    };
    Ok(Value::text(text))
}

pub(super) fn percentage(values: &[Value]) -> Made {
    Ok(Value::text(short(float(&values[0])? * 100.0) + "%"))
}

pub(super) fn timestamp(values: &[Value]) -> Made {
    let value = float(&values[0])?;
    let text =
        if value.is_finite() { Clock::Time(nanos(value)?).to_string() } else { short(value) };
    Ok(Value::text(text))
}
