//! `512MB` to and from bytes: flags and limits of the configuration. All units are powers of 1024.

/// Why a text is not a size in bytes; the text is Prometheus'.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SizeError {
    /// No number, or one too large.
    #[error("units: invalid {0}")]
    Invalid(Box<str>),
    /// A unit that does not exist: it, then the whole text.
    #[error("units: unknown unit {0} in {1}")]
    UnknownUnit(Box<str>, Box<str>),
    /// More than 2^63 bytes.
    #[error("units: overflow parsing unit")]
    Overflow,
}

const PREFIXES: &str = "KMGTPE";

/// The bytes of a unit, spelled `KB` or, if `binary`, `KiB`.
fn unit_bytes(unit: &str, binary: bool) -> Option<f64> {
    if unit == "B" {
        return Some(1.0);
    }
    let prefix = unit.strip_suffix(if binary { "iB" } else { "B" })?;
    let power = PREFIXES.find(prefix).filter(|_| prefix.len() == 1)?;
    Some(f64::from(1 << 10).powi(i32::try_from(power).ok()? + 1))
}

/// The bytes of a size such as `512MB`, `1GiB` or `1GB512MB`; `0` needs no unit.
/// A text uses either `KB` or `KiB` throughout, as in Prometheus; both are 1024 bytes.
pub fn parse(text: &str) -> Result<i64, SizeError> {
    parse_units(text, true).or_else(|_| parse_units(text, false))
}

fn parse_units(text: &str, binary: bool) -> Result<i64, SizeError> {
    let invalid = || SizeError::Invalid(text.into());
    let (negative, mut rest) = match text.as_bytes().first() {
        Some(b'-') => (true, &text[1..]),
        Some(b'+') => (false, &text[1..]),
        _ => (false, text),
    };
    if rest == "0" {
        return Ok(0);
    }
    if rest.is_empty() {
        return Err(invalid());
    }
    let mut total = 0.0f64;
    while !rest.is_empty() {
        let (whole, whole_len) = leading_digits(rest).ok_or_else(invalid)?;
        rest = &rest[whole_len..];
        let (mut value, mut fraction_len) = (whole as f64, 0);
        if let Some(fraction) = rest.strip_prefix('.') {
            let (digits, len) = leading_digits(fraction).ok_or_else(invalid)?;
            value += digits as f64 / (0..len).fold(1.0, |scale, _| scale * 10.0);
            fraction_len = len;
            rest = &fraction[len..];
        }
        if whole_len + fraction_len == 0 {
            return Err(invalid());
        }
        let letters = rest.find(|c: char| c == '.' || c.is_ascii_digit()).unwrap_or(rest.len());
        let unit = &rest[..letters];
        rest = &rest[letters..];
        let scale = unit_bytes(unit, binary)
            .ok_or_else(|| SizeError::UnknownUnit(unit.into(), text.into()))?;
        total += value * scale;
    }
    let total = if negative { -total } else { total };
    if total.abs() > TWO_POW_63 {
        return Err(SizeError::Overflow);
    }
    // 2^63 itself passes in Prometheus and is the smallest integer there.
    Ok(if total == TWO_POW_63 { i64::MIN } else { total as i64 })
}

const TWO_POW_63: f64 = 9_223_372_036_854_775_808.0;

/// The number in front and its length; `None` where Prometheus' reader calls it too large.
fn leading_digits(text: &str) -> Option<(u64, usize)> {
    let mut number = 0u64;
    for (index, byte) in text.bytes().enumerate() {
        if !byte.is_ascii_digit() {
            return Some((number, index));
        }
        if number >= ((1 << 63) - 10) / 10 {
            return None;
        }
        number = number * 10 + u64::from(byte - b'0');
    }
    Some((number, text.len()))
}

/// The text of a size, largest units first.
#[must_use]
pub fn format(bytes: i64) -> String {
    if bytes == 0 {
        return "0B".into();
    }
    let mut out = String::new();
    let mut rest = bytes;
    for power in (0..=PREFIXES.len()).rev() {
        let unit = 1i64 << (10 * power);
        let count = rest / unit;
        if count != 0 {
            rest %= unit;
            out.push_str(&count.to_string());
            if let Some(prefix) = power.checked_sub(1) {
                out.push_str(&PREFIXES[prefix..=prefix]);
                out.push('i');
            }
            out.push('B');
        }
    }
    out
}

#[cfg(test)]
mod tests;
