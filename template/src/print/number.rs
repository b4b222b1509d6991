//! Numbers by the verbs of `printf`.

use super::{Printer, quoted};
use model::float;
use model::quote::{QuotedChar, is_printable};
use std::fmt::Write;

/// An integer by a verb that integers have.
pub(super) fn fmt_int(printer: &mut Printer, number: i64, verb: char) {
    let digits = match verb {
        'b' => format!("{:b}", number.unsigned_abs()),
        'o' | 'O' => format!("{:o}", number.unsigned_abs()),
        'x' => format!("{:x}", number.unsigned_abs()),
        'X' => format!("{:X}", number.unsigned_abs()),
        'c' | 'q' | 'U' => return character(printer, number, verb),
        _ => number.unsigned_abs().to_string(),
    };
    let flags = printer.flags;
    let (zero, negative) = (flags.zero, number < 0);
    printer.flags.zero = false;
    if flags.precision == Some(0) && number == 0 {
        printer.pad("");
        printer.flags.zero = zero;
        return;
    }
    let sign = match (negative, flags.plus, flags.space) {
        (true, _, _) => "-",
        (false, true, _) => "+",
        (false, false, true) => " ",
        _ => "",
    };
    let least = match (flags.precision, flags.width) {
        (Some(precision), _) => precision,
        (None, Some(width)) if zero && !flags.minus => width.saturating_sub(sign.len()),
        _ => 0,
    };
    let zeros = "0".repeat(least.saturating_sub(digits.len()));
    let prefix = match verb {
        'O' => "0o",
        'b' if flags.sharp => "0b",
        'o' if flags.sharp && zeros.is_empty() && digits != "0" => "0",
        'x' if flags.sharp => "0x",
        'X' if flags.sharp => "0X",
        _ => "",
    };
    printer.pad(&format!("{sign}{prefix}{zeros}{digits}"));
    printer.flags.zero = zero;
}

fn character(printer: &mut Printer, number: i64, verb: char) {
    let c = u32::try_from(number).ok().and_then(char::from_u32);
    let shown = c.unwrap_or(char::REPLACEMENT_CHARACTER);
    match verb {
        'c' => printer.pad(shown.encode_utf8(&mut [0; 4])),
        'q' if printer.flags.plus && !shown.is_ascii() => {
            let text = quoted(shown.encode_utf8(&mut [0; 4]), true);
            printer.pad(&format!("'{}'", text.trim_matches('"')));
        }
        'q' => printer.pad(&QuotedChar(shown).to_string()),
        _ => {
            let digits = printer.flags.precision.unwrap_or(4).max(4);
            // Negative numbers are shown as the large ones that their bits make.
            let mut text = format!("U+{:0digits$X}", number.cast_unsigned());
            if let Some(c) = c.filter(|&c| printer.flags.sharp && is_printable(c)) {
                write!(text, " '{c}'").expect("writing to memory cannot fail");
            }
            let zero = std::mem::take(&mut printer.flags.zero);
            printer.pad(&text);
            printer.flags.zero = zero;
        }
    }
}

/// A float by a verb that floats have.
pub(super) fn fmt_float(printer: &mut Printer, number: f64, verb: char) {
    let flags = printer.flags;
    let mut text = digits(number, verb, flags.precision);
    if verb.is_ascii_uppercase() && number.is_finite() {
        text.make_ascii_uppercase();
    }
    let (sign, mut body) = match text.as_bytes().first() {
        Some(b'-') => ("-", text[1..].to_owned()),
        Some(b'+') => ("+", text[1..].to_owned()),
        _ => ("", text),
    };
    let sign = match sign {
        "-" => "-",
        _ if flags.plus => "+",
        _ if flags.space => " ",
        // An infinity always has its sign.
        other => other,
    };
    if !number.is_finite() {
        let zero = std::mem::take(&mut printer.flags.zero);
        printer.pad(&format!("{sign}{body}"));
        printer.flags.zero = zero;
        return;
    }
    if flags.sharp && verb != 'b' {
        body = pointed(&body, verb, flags.precision);
    }
    match flags.width {
        Some(width) if flags.zero && width > sign.len() + body.len() => {
            printer.push(sign);
            printer.push(&"0".repeat(width - sign.len() - body.len()));
            printer.push(&body);
        }
        _ => printer.pad(&format!("{sign}{body}")),
    }
}

/// The sign and the digits of a float.
fn digits(number: f64, verb: char, precision: Option<usize>) -> String {
    match (verb, precision) {
        ('e' | 'E', _) => float::printf_e(number, precision.unwrap_or(6)),
        ('f' | 'F', _) => float::printf_f(number, precision.unwrap_or(6)),
        ('v' | 'g' | 'G', Some(precision)) => float::printf_g(number, precision),
        ('x' | 'X', _) if number.is_finite() => hexadecimal(number, precision),
        ('b', _) if number.is_finite() => binary(number),
        _ => float::general(number),
    }
}

/// With `#` there is a point, and `%g` keeps its zeros.
fn pointed(body: &str, verb: char, precision: Option<usize>) -> String {
    let exponent = body.find(['e', 'E', 'p', 'P']).unwrap_or(body.len());
    let (mantissa, tail) = body.split_at(exponent);
    let mut out = mantissa.to_owned();
    if !out.contains('.') {
        out.push('.');
    }
    if matches!(verb, 'v' | 'g' | 'G') {
        let digits = out.trim_start_matches(['0', '.']).bytes().filter(u8::is_ascii_digit).count();
        let wanted = precision.unwrap_or(6).max(1);
        // A zero before the point counts where nothing else does.
        let have = if digits == 0 { 1 } else { digits };
        out.push_str(&"0".repeat(wanted.saturating_sub(have)));
    }
    out + tail
}

/// Mantissa, exponent and sign: the mantissa has 53 bits unless the number is very small.
fn parts(number: f64) -> (u64, i32, &'static str) {
    let bits = number.to_bits();
    let (fraction, exponent) = (bits & ((1 << 52) - 1), (bits >> 52 & 0x7FF) as i32);
    let sign = if number.is_sign_negative() { "-" } else { "" };
    match exponent {
        0 => (fraction, -1074, sign),
        _ => (fraction | 1 << 52, exponent - 1075, sign),
    }
}

/// `6755399441055744p-52`.
fn binary(number: f64) -> String {
    let (mantissa, exponent, sign) = parts(number);
    format!("{sign}{mantissa}p{exponent:+}")
}

/// `0x1.8p+00`.
fn hexadecimal(number: f64, precision: Option<usize>) -> String {
    let (mut mantissa, mut exponent, sign) = parts(number);
    if mantissa == 0 {
        exponent = 0;
    } else {
        // One bit before the point, 60 behind it.
        let shift = mantissa.leading_zeros() as i32 - 3;
        mantissa <<= shift;
        exponent += 60 - shift;
    }
    if let Some(digits) = precision.filter(|&digits| digits < 15) {
        let unit = 1u64 << (60 - 4 * digits);
        let (rest, half) = (mantissa % unit, unit / 2);
        mantissa -= rest;
        if rest > half || rest == half && mantissa & unit != 0 {
            mantissa += unit;
        }
        if mantissa >= 1 << 61 {
            mantissa >>= 1;
            exponent += 1;
        }
    }
    let fraction = format!("{:015x}", mantissa & ((1 << 60) - 1));
    let fraction = match precision {
        Some(digits) => format!("{:0<digits$}", fraction.get(..digits).unwrap_or(&fraction)),
        None => fraction.trim_end_matches('0').to_owned(),
    };
    let point = if fraction.is_empty() { "" } else { "." };
    let size = exponent.abs();
    let direction = if exponent < 0 { '-' } else { '+' };
    format!("{sign}0x{}{point}{fraction}p{direction}{size:02}", mantissa >> 60)
}
