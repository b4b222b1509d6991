//! What `float` promises, case by case.

use super::*;

#[test]
fn exact_and_slow_paths_agree_with_the_standard_library() {
    for text in [
        "0",
        "1",
        "007",
        "1.5",
        "0.1",
        "123456.789",
        "9007199254740993",
        "0.000000000000000001",
        "999999999999999999",
        "1e3",
        "1E-3",
        ".5",
        "5.",
        "4.35",
        "0.30000000000000004",
        "1e22",
        "1e23",
        "0e99",
        "1.234567e+06",
        "9.007199254740993e15",
        "2.2250738585072014e-308",
        "1.5e-05",
        "123.456e-21",
        ".5e1",
        "5.e-1",
        "1e007",
        "00000000000000000012",
        "18446744073709551616",
        "3.141592653589793238462643383279502884197",
    ] {
        for sign in ["", "+", "-"] {
            let text = format!("{sign}{text}");
            let expected: f64 = text.parse().expect("a float");
            let value = parse_float(text.as_bytes()).expect("a float");
            assert_eq!(value.to_bits(), expected.to_bits(), "{text}");
        }
    }
}

#[test]
fn refuses_what_go_refuses() {
    for text in [
        "", "-", "+", ".", "1e", "1e+", "1e5.", "1e1e1", "e5", "1e1_0", "--1", "1.2.3", "0x10",
        "1_000", "0x1p3", "+nan", "1s",
    ] {
        assert_eq!(parse_float(text.as_bytes()), Err(FloatError::Syntax), "{text}");
    }
    assert_eq!(parse_float(b"1e309"), Err(FloatError::Range));
    assert_eq!(parse_float(b"-infinity"), Ok(f64::NEG_INFINITY));
    assert!(parse_float(b"nAn").is_ok_and(f64::is_nan));
}
