//! Text to floats, as Go's `strconv.ParseFloat` reads it: hexadecimal floats, underscores, `inf`, ranges.

use crate::quote::Quoted;

/// Why a text is not a float; the text is Go's.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ParseFloatError {
    /// Not a number.
    #[error("strconv.ParseFloat: parsing {}: invalid syntax", Quoted(.0))]
    Syntax(Box<str>),
    /// Too large; Go answers with an infinity of the sign beside the error.
    #[error("strconv.ParseFloat: parsing {}: value out of range", Quoted(.0))]
    Range(Box<str>),
}

/// The float nearest to `text`.
pub fn parse_float(text: &str) -> Result<f64, ParseFloatError> {
    // The common case first: the standard library agrees with Go on plain decimals.
    if text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'.' | b'-' | b'+' | b'e' | b'E')) {
        return decimal(text, text);
    }
    let (negative, body) = match text.as_bytes().first() {
        Some(b'-') => (true, &text[1..]),
        Some(b'+') => (false, &text[1..]),
        _ => (false, text),
    };
    let signed = |value: f64| if negative { -value } else { value };
    if body.eq_ignore_ascii_case("inf") || body.eq_ignore_ascii_case("infinity") {
        return Ok(signed(f64::INFINITY));
    }
    if text.eq_ignore_ascii_case("nan") {
        return Ok(f64::from_bits(0x7FF8_0000_0000_0001));
    }
    let plain;
    let mut digits = body;
    if body.contains('_') {
        if !underscores_separate_digits(body) {
            return Err(ParseFloatError::Syntax(text.into()));
        }
        plain = body.replace('_', "");
        digits = &plain;
    }
    if let Some(hex) = digits.strip_prefix("0x").or_else(|| digits.strip_prefix("0X")) {
        let value = hexadecimal(hex).ok_or_else(|| ParseFloatError::Syntax(text.into()))?;
        if value.is_infinite() {
            return Err(ParseFloatError::Range(text.into()));
        }
        return Ok(signed(value));
    }
    if !digits.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'.' | b'-' | b'+' | b'e' | b'E')) {
        return Err(ParseFloatError::Syntax(text.into()));
    }
    decimal(digits, text).map(signed)
}

/// A plain decimal; `shown` goes into errors.
fn decimal(digits: &str, shown: &str) -> Result<f64, ParseFloatError> {
    let value: f64 = digits.parse().map_err(|_| ParseFloatError::Syntax(shown.into()))?;
    if value.is_infinite() { Err(ParseFloatError::Range(shown.into())) } else { Ok(value) }
}

/// Whether every underscore stands between two digits, or between a base prefix and a digit.
fn underscores_separate_digits(body: &str) -> bool {
    let lower = body.to_ascii_lowercase();
    let (hex, rest) = match lower.strip_prefix("0x") {
        Some(rest) => (true, rest),
        None => (false, lower.as_str()),
    };
    let is_digit = |byte: u8| if hex { byte.is_ascii_hexdigit() } else { byte.is_ascii_digit() };
    let mut before = hex;
    let bytes = rest.as_bytes();
    for (index, &byte) in bytes.iter().enumerate() {
        if byte == b'_' {
            if !before || !bytes.get(index + 1).is_some_and(|&next| is_digit(next)) {
                return false;
            }
            before = false;
        } else {
            before = is_digit(byte);
        }
    }
    true
}

/// `HEX.HEXpEXP` without prefix; the exponent is required. Rounds to even once; infinite if too large.
fn hexadecimal(text: &str) -> Option<f64> {
    let (mantissa, exponent) = text.split_once(['p', 'P'])?;
    let (sign, digits) = match exponent.as_bytes().first()? {
        b'-' => (-1, &exponent[1..]),
        b'+' => (1, &exponent[1..]),
        _ => (1, exponent),
    };
    if digits.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let size = digits.bytes().fold(0i64, |n, byte| (n * 10 + i64::from(byte - b'0')).min(100_000));
    let mut exponent = sign * size;
    let (mut bits, mut sticky, mut any, mut point) = (0u64, false, false, false);
    for byte in mantissa.bytes() {
        if byte == b'.' {
            if point {
                return None;
            }
            point = true;
            continue;
        }
        let digit = u64::from(char::from(byte).to_digit(16)?);
        any = true;
        if bits >> 60 == 0 {
            bits = (bits << 4) | digit;
            exponent -= if point { 4 } else { 0 };
        } else {
            sticky |= digit != 0;
            exponent += if point { 0 } else { 4 };
        }
    }
    any.then(|| round_to_float(bits, sticky, exponent))
}

/// `bits * 2^exponent`, a little more if `sticky`, rounded to the nearest float, ties to even.
fn round_to_float(bits: u64, sticky: bool, exponent: i64) -> f64 {
    if bits == 0 {
        return 0.0;
    }
    let shift = i64::from(bits.leading_zeros());
    let bits = bits << shift;
    let exponent = exponent - shift;
    // The value is 1.x * 2^(exponent + 63); denormal floats keep fewer bits.
    let top = exponent + 63;
    if top > 1023 {
        return f64::INFINITY;
    }
    let kept = if top >= -1022 { 53 } else { 53 - (-1022 - top) };
    if kept < 0 {
        return 0.0;
    }
    let dropped = 64 - kept;
    let (mut mantissa, rest, half) = if dropped == 64 {
        (0, u128::from(bits), 1u128 << 63)
    } else {
        (bits >> dropped, u128::from(bits & ((1 << dropped) - 1)), 1u128 << (dropped - 1))
    };
    if rest > half || (rest == half && (sticky || mantissa & 1 == 1)) {
        mantissa += 1;
    }
    if top >= -1022 {
        let biased = u64::try_from(top + 1023).expect("normal exponent");
        // A mantissa that rounded up to 2^53 carries into the exponent by itself.
        f64::from_bits(((biased - 1) << 52) + mantissa)
    } else {
        f64::from_bits(mantissa)
    }
}
