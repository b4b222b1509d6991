//! Numbers of the exposition formats: Go's syntax for floats without hexadecimal and underscores, read fast.

/// Why a number was refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FloatError {
    /// Not a number.
    #[error("is not a number")]
    Syntax,
    /// Its magnitude is beyond every float.
    #[error("is out of the range of 64-bit floats")]
    Range,
}

/// The powers of ten that are exact as floats.
const EXACT_POWERS: [f64; 23] = [
    1e0, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11, 1e12, 1e13, 1e14, 1e15, 1e16,
    1e17, 1e18, 1e19, 1e20, 1e21, 1e22,
];
const MAX_EXACT_INTEGER: u64 = 1 << 53;

/// Reads a number as Go's `ParseFloat` does, less hexadecimal and underscores; every NaN is the ordinary one.
///
/// Up to 18 digits with a fraction, the usual case, cost one multiplication or division, which is exact.
#[inline]
pub fn parse_float(text: &[u8]) -> Result<f64, FloatError> {
    let (negative, digits) = match text {
        [b'-', rest @ ..] => (true, rest),
        [b'+', rest @ ..] => (false, rest),
        _ => (false, text),
    };
    let mut mantissa = 0_u64;
    let mut num_digits = 0_usize;
    let mut point = None;
    if digits.len() > 19 {
        return parse_slow(text);
    }
    for (index, &byte) in digits.iter().enumerate() {
        let digit = byte.wrapping_sub(b'0');
        if digit < 10 {
            mantissa = mantissa.wrapping_mul(10).wrapping_add(u64::from(digit));
            num_digits += 1;
        } else if byte == b'.' && point.is_none() {
            point = Some(index);
        } else {
            return parse_slow(text);
        }
    }
    if num_digits == 0 || num_digits > 18 || mantissa > MAX_EXACT_INTEGER {
        return parse_slow(text);
    }
    let fraction_digits = point.map_or(0, |index| digits.len() - 1 - index);
    let value = mantissa as f64 / EXACT_POWERS[fraction_digits];
    Ok(if negative { -value } else { value })
}

#[cold]
fn parse_slow(text: &[u8]) -> Result<f64, FloatError> {
    let text = std::str::from_utf8(text).map_err(|_| FloatError::Syntax)?;
    let unsigned = text.strip_prefix(['+', '-']).unwrap_or(text);
    if unsigned.eq_ignore_ascii_case("nan") {
        return if unsigned.len() == text.len() { Ok(f64::NAN) } else { Err(FloatError::Syntax) };
    }
    let value: f64 = text.parse().map_err(|_| FloatError::Syntax)?;
    if value.is_infinite() && unsigned.bytes().any(|b| b.is_ascii_digit()) {
        return Err(FloatError::Range);
    }
    Ok(value)
}

#[cfg(test)]
mod tests;
