//! Numbers as the API prints them: shortest digits that read back the same, laid out as Go does.

use model::{float, timestamp};

/// Whole numbers below this magnitude are exact and need no search for digits.
const MAX_WHOLE: f64 = 1e15;

/// Appends a sample value without quotes: plain notation from 1e-6 up to below 1e21, else with an exponent.
#[inline]
pub fn push_value(out: &mut Vec<u8>, value: f64) {
    let whole = value as i64;
    // Counters and states, the bulk of all samples. Minus zero has bits that no integer has.
    if value.abs() < MAX_WHOLE && (whole as f64).to_bits() == value.to_bits() {
        out.extend_from_slice(itoa::Buffer::new().format(whole).as_bytes());
    } else {
        float::write_api(value, out);
    }
}

/// Appends a number in plain notation, however long.
pub fn push_fixed(out: &mut Vec<u8>, value: f64) {
    float::write_fixed(value, out);
}

/// Appends milliseconds as seconds: an integer, or with exactly three decimals.
#[inline]
pub fn push_timestamp(out: &mut Vec<u8>, timestamp_ms: i64) {
    timestamp::write_json(timestamp_ms, out);
}

/// Appends milliseconds as seconds in the fewest digits.
pub fn push_seconds(out: &mut Vec<u8>, timestamp_ms: i64) {
    push_timestamp(out, timestamp_ms);
    if timestamp_ms % 1000 != 0 {
        while out.last() == Some(&b'0') {
            out.pop();
        }
    }
}
