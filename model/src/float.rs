//! Floats as text the way Go writes and reads them, byte for byte: API answers, expositions, labels and PromQL all
//! show numbers through here. Reading lives in `float::parse`.

mod parse;

pub use parse::{ParseFloatError, parse_float};

use std::fmt;

/// The shortest digits that give a finite `|value|` back: `0.DIGITS * 10^point`.
struct Decimal {
    digits: [u8; 20],
    len: usize,
    point: i32,
}

impl Decimal {
    fn new(value: f64) -> Self {
        let mut buffer = zmij::Buffer::new();
        let text = buffer.format_finite(value.abs());
        let (mantissa, exponent) = match text.split_once('e') {
            Some((mantissa, exponent)) => {
                (mantissa, exponent.parse().expect("zmij writes a decimal exponent"))
            }
            None => (text, 0i32),
        };
        let mut decimal = Self { digits: [b'0'; 20], len: 0, point: exponent };
        let mut fraction = false;
        for &byte in mantissa.as_bytes() {
            if byte == b'.' {
                fraction = true;
                continue;
            }
            if decimal.len == 0 && byte == b'0' {
                decimal.point -= i32::from(fraction);
                continue;
            }
            if decimal.len < decimal.digits.len() {
                decimal.digits[decimal.len] = byte;
            }
            decimal.len += 1;
            decimal.point += i32::from(!fraction);
        }
        decimal.len = decimal.len.min(decimal.digits.len());
        while decimal.len > 0 && decimal.digits[decimal.len - 1] == b'0' {
            decimal.len -= 1;
        }
        if decimal.len == 0 {
            (decimal.len, decimal.point) = (1, 1);
        }
        decimal
    }

    fn digits(&self) -> &[u8] {
        &self.digits[..self.len]
    }

    /// Appends the digits without an exponent.
    fn write_fixed(&self, out: &mut Vec<u8>) {
        let digits = self.digits();
        let Ok(point) = usize::try_from(self.point) else {
            return Self::write_small(digits, self.point.unsigned_abs() as usize, out);
        };
        if point == 0 {
            return Self::write_small(digits, 0, out);
        }
        if digits.len() <= point {
            out.extend_from_slice(digits);
            out.resize(out.len() + point - digits.len(), b'0');
        } else {
            out.extend_from_slice(&digits[..point]);
            out.push(b'.');
            out.extend_from_slice(&digits[point..]);
        }
    }

    fn write_small(digits: &[u8], zeros: usize, out: &mut Vec<u8>) {
        out.extend_from_slice(b"0.");
        out.resize(out.len() + zeros, b'0');
        out.extend_from_slice(digits);
    }

    /// Appends the digits with an exponent.
    fn write_exponent(&self, out: &mut Vec<u8>) {
        let digits = self.digits();
        out.push(digits[0]);
        if digits.len() > 1 {
            out.push(b'.');
            out.extend_from_slice(&digits[1..]);
        }
        write_exponent(self.point - 1, out);
    }
}

/// Appends `e`, a sign and at least two digits.
fn write_exponent(exponent: i32, out: &mut Vec<u8>) {
    out.extend_from_slice(if exponent < 0 { b"e-" } else { b"e+" });
    let size = exponent.unsigned_abs();
    if size < 10 {
        out.push(b'0');
    }
    out.extend_from_slice(itoa::Buffer::new().format(size).as_bytes());
}

/// Where [`write_short`] needs no exponent.
const PLAIN: std::ops::Range<f64> = 1e-5..1e16;

/// Appends the shortest digits of a value whose size lies within [`PLAIN`]: as they are made, since no digit moves.
#[inline]
fn write_short(value: f64, out: &mut Vec<u8>) {
    let mut buffer = zmij::Buffer::new();
    let text = buffer.format_finite(value);
    out.extend_from_slice(text.strip_suffix(".0").unwrap_or(text).as_bytes());
}

/// Appends what is not finite, or the sign; `true` if that was all.
fn write_special(value: f64, out: &mut Vec<u8>) -> bool {
    if value.is_nan() {
        out.extend_from_slice(b"NaN");
    } else if value.is_infinite() {
        out.extend_from_slice(if value > 0.0 { b"+Inf" } else { b"-Inf" });
    } else {
        if value.is_sign_negative() {
            out.push(b'-');
        }
        return false;
    }
    true
}

/// Appends `value` without an exponent (Go's `'f', -1`): labels, samples in texts, PromQL literals.
pub fn write_fixed(value: f64, out: &mut Vec<u8>) {
    if PLAIN.contains(&value.abs()) {
        write_short(value, out);
    } else if !write_special(value, out) {
        Decimal::new(value).write_fixed(out);
    }
}

/// Appends `value` with an exponent if it is smaller than 1e-6 or at least 1e21: the JSON of the API.
#[inline]
pub fn write_api(value: f64, out: &mut Vec<u8>) {
    if PLAIN.contains(&value.abs()) {
        write_short(value, out);
    } else {
        write_wide(value, out);
    }
}

/// [`write_api`] of values of every size.
fn write_wide(value: f64, out: &mut Vec<u8>) {
    if write_special(value, out) {
        return;
    }
    let decimal = Decimal::new(value);
    let size = value.abs();
    if size != 0.0 && !(1e-6..1e21).contains(&size) {
        decimal.write_exponent(out);
    } else {
        decimal.write_fixed(out);
    }
}

/// Appends `value` with an exponent where that is below -4 or above 5 (Go's `'g', -1`): expositions, templates.
pub fn write_general(value: f64, out: &mut Vec<u8>) {
    if (1e-4..1e6).contains(&value.abs()) {
        return write_short(value, out);
    }
    if write_special(value, out) {
        return;
    }
    let decimal = Decimal::new(value);
    let exponent = decimal.point - 1;
    if !(-4..6).contains(&exponent) {
        decimal.write_exponent(out);
    } else {
        decimal.write_fixed(out);
    }
}

/// Appends a sample value as the text exposition writes it: like [`write_general`], zero without a sign.
pub fn write_exposition(value: f64, out: &mut Vec<u8>) {
    // Minus zero equals zero, and so loses its sign.
    write_general(if value == 0.0 { 0.0 } else { value }, out);
}

/// Appends `value` as OpenMetrics writes `le` and `quantile`: like [`write_exposition`], whole numbers with `.0`.
pub fn write_openmetrics(value: f64, out: &mut Vec<u8>) {
    let begin = out.len();
    write_exposition(value, out);
    if value.is_finite() && !out[begin..].iter().any(|byte| matches!(byte, b'.' | b'e')) {
        out.extend_from_slice(b".0");
    }
}

fn text(value: f64, write: fn(f64, &mut Vec<u8>)) -> String {
    let mut out = Vec::with_capacity(24);
    write(value, &mut out);
    String::from_utf8(out).expect("numbers are ASCII")
}

/// [`write_fixed`] as a string.
#[must_use]
pub fn fixed(value: f64) -> String {
    text(value, write_fixed)
}

/// [`write_api`] as a string.
#[must_use]
pub fn api(value: f64) -> String {
    text(value, write_api)
}

/// [`write_general`] as a string.
#[must_use]
pub fn general(value: f64) -> String {
    text(value, write_general)
}

/// [`write_exposition`] as a string.
#[must_use]
pub fn exposition(value: f64) -> String {
    text(value, write_exposition)
}

/// [`write_openmetrics`] as a string.
#[must_use]
pub fn openmetrics(value: f64) -> String {
    text(value, write_openmetrics)
}

/// `%.<precision>f` of Go's printf.
#[must_use]
pub fn printf_f(value: f64, precision: usize) -> String {
    if value.is_finite() { format!("{value:.precision$}") } else { fixed(value) }
}

/// `%.<precision>e` of Go's printf.
#[must_use]
pub fn printf_e(value: f64, precision: usize) -> String {
    if !value.is_finite() {
        return fixed(value);
    }
    let text = format!("{value:.precision$e}");
    let (mantissa, exponent) = text.split_once('e').expect("{:e} has an exponent");
    let mut out = mantissa.as_bytes().to_vec();
    write_exponent(exponent.parse().expect("decimal exponent"), &mut out);
    String::from_utf8(out).expect("numbers are ASCII")
}

/// `%.<precision>g` of Go's printf.
#[must_use]
pub fn printf_g(value: f64, precision: usize) -> String {
    if !value.is_finite() {
        return fixed(value);
    }
    let precision = precision.max(1);
    let scientific = format!("{value:.*e}", precision - 1);
    let (mantissa, exponent) = scientific.split_once('e').expect("{:e} has an exponent");
    let exponent: i32 = exponent.parse().expect("decimal exponent");
    let trimmed = |text: &str| {
        if text.contains('.') {
            text.trim_end_matches('0').trim_end_matches('.').to_owned()
        } else {
            text.to_owned()
        }
    };
    let digits = trimmed(mantissa).bytes().filter(u8::is_ascii_digit).count();
    // Go: a precision beyond the digits there are counts as that many, if they all stand before the point.
    let whole = i32::try_from(digits).unwrap_or(i32::MAX);
    let mut limit = i32::try_from(precision).unwrap_or(i32::MAX);
    if limit > whole && whole > exponent {
        limit = whole;
    }
    if exponent < -4 || exponent >= limit.max(1) {
        let mut out = trimmed(mantissa).into_bytes();
        write_exponent(exponent, &mut out);
        return String::from_utf8(out).expect("numbers are ASCII");
    }
    let decimals = usize::try_from(limit_decimals(precision, exponent)).unwrap_or(0);
    trimmed(&format!("{value:.decimals$}"))
}

fn limit_decimals(precision: usize, exponent: i32) -> i64 {
    i64::try_from(precision).unwrap_or(i64::MAX) - 1 - i64::from(exponent)
}

/// Displays a float as [`write_fixed`] does.
#[derive(Clone, Copy, Debug)]
pub struct Fixed(pub f64);

impl fmt::Display for Fixed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&fixed(self.0))
    }
}

#[cfg(test)]
mod tests;
