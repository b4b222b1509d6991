//! The verbs of printf, and the bound on texts.

use super::*;
use crate::value::Text;
use std::sync::Arc;

fn made(format: &str, values: &[Value]) -> String {
    sprintf(format, values).expect("small")
}

#[test]
fn floats_have_all_forms() {
    let cases = [
        ("%x", 1.5, "0x1.8p+00"),
        ("%.0x", 1.5, "0x1p+01"),
        ("%.3X", -0.1, "-0X1.99AP-04"),
        ("%x", 0.0, "0x0p+00"),
        ("%b", 1.5, "6755399441055744p-52"),
        ("%#g", 1.0, "1.00000"),
        ("%#.3g", 12345.0, "1.23e+04"),
        ("%#.0f", 2.0, "2."),
        ("%+08.2f", 1.25, "+0001.25"),
        ("%08f", f64::INFINITY, "    +Inf"),
        ("%+v", f64::NAN, "NaN"),
        ("%G", 1e-9, "1E-09"),
        ("% e", 1.0, " 1.000000e+00"),
    ];
    for (format, number, text) in cases {
        assert_eq!(made(format, &[Value::Float(number)]), text, "{format} {number}");
    }
    assert_eq!(made("%.1f", &[Value::Complex(1.0, -2.5)]), "(1.0-2.5i)");
}

#[test]
fn integers_have_all_forms() {
    let cases = [
        ("%#o", 8, "010"),
        ("%O", 8, "0o10"),
        ("%#b", 5, "0b101"),
        ("%08d", -42, "-0000042"),
        ("%.5d", 42, "00042"),
        ("%-5dx", 42, "42   x"),
        ("%.0d", 0, ""),
        ("%#U", 9731, "U+2603 '\u{2603}'"),
        ("%c", 0x2603, "\u{2603}"),
        ("%x", -255, "-ff"),
        ("%t", 1, "%!t(int=1)"),
    ];
    for (format, number, text) in cases {
        assert_eq!(made(format, &[Value::Int(number)]), text, "{format} {number}");
    }
}

#[test]
fn what_is_wrong_is_said_in_place() {
    let values = [Value::Int(1), Value::text("x")];
    let cases = [
        ("%[3]d", "%!d(BADINDEX)"),
        ("%[x]d", "%!d(BADINDEX)"),
        ("%d %s %v", "1 x %!v(MISSING)"),
        ("%d", "1%!(EXTRA string=x)"),
        ("%d %d", "1 %!d(string=x)"),
        ("%2000000d", "%!(NOVERB)%!(EXTRA int=1, string=x)"),
        ("%[2]*d", "%!(BADWIDTH)%!d(MISSING)"),
    ];
    for (format, text) in cases {
        assert_eq!(made(format, &values), text, "{format}");
    }
}

#[test]
fn a_text_that_grows_is_stopped() {
    let half: Text = "x".repeat(MAX_BYTES / 2 + 1).into();
    let values = [Value::Text(Arc::clone(&half)), Value::Text(half)];
    assert_eq!(sprintf("%s%s", &values), Err(TOO_LARGE.to_owned()));
    assert_eq!(sprint(&values), Err(TOO_LARGE.to_owned()));
}
