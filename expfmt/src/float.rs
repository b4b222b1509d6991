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
/// Up to 18 digits with a fraction or a small exponent, the usual case, cost one multiplication or division of exact
/// numbers, which is rounded once.
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
    let mut end = digits.len();
    for (index, &byte) in digits.iter().enumerate() {
        let digit = byte.wrapping_sub(b'0');
        if digit < 10 {
            mantissa = mantissa.wrapping_mul(10).wrapping_add(u64::from(digit));
            num_digits += 1;
        } else if byte == b'.' && point.is_none() {
            point = Some(index);
        } else if matches!(byte, b'e' | b'E') {
            end = index;
            break;
        } else {
            return parse_slow(text);
        }
    }
    // More digits than 18 may have run over.
    if num_digits == 0 || num_digits > 18 || mantissa > MAX_EXACT_INTEGER {
        return parse_slow(text);
    }
    let mut power = point.map_or(0, |index| -((end - 1 - index) as i32));
    if end < digits.len() {
        let Some(exponent) = short_exponent(&digits[end + 1..]) else { return parse_slow(text) };
        power += exponent;
    }
    let Some(&scale) = EXACT_POWERS.get(power.unsigned_abs() as usize) else {
        return parse_slow(text);
    };
    let value = if power < 0 { mantissa as f64 / scale } else { mantissa as f64 * scale };
    Ok(if negative { -value } else { value })
}

/// An exponent of one or two digits.
#[inline]
fn short_exponent(text: &[u8]) -> Option<i32> {
    let (negative, digits) = match text {
        [b'-', rest @ ..] => (true, rest),
        [b'+', rest @ ..] => (false, rest),
        _ => (false, text),
    };
    let digit = |byte: u8| byte.is_ascii_digit().then(|| i32::from(byte - b'0'));
    let exponent = match *digits {
        [one] => digit(one)?,
        [ten, one] => digit(ten)? * 10 + digit(one)?,
        _ => return None,
    };
    Some(if negative { -exponent } else { exponent })
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
