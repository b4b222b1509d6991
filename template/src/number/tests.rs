//! Constants as templates spell them.

use super::*;

#[test]
fn numbers_have_bases_underscores_and_exponents() {
    let cases = [
        ("1", Constant::Int(1)),
        ("-0x1F", Constant::Int(-31)),
        ("0b101", Constant::Int(5)),
        ("0o17", Constant::Int(15)),
        ("017", Constant::Int(15)),
        ("1_000", Constant::Int(1000)),
        ("1e3", Constant::Float(1000.0)),
        ("0x1p4", Constant::Float(16.0)),
        (".5", Constant::Float(0.5)),
        ("1i", Constant::Complex(0.0, 1.0)),
        ("18446744073709551615", Constant::Large),
    ];
    for (text, value) in cases {
        assert_eq!(number(text), Ok(value), "{text}");
    }
    assert_eq!(complex_number("1e-3-2i"), Ok(Constant::Complex(0.001, -2.0)));
    for text in ["1__0", "0x", "08", "1_", "."] {
        assert!(number(text).is_err(), "{text}");
    }
}

#[test]
fn escapes_are_those_of_go() {
    assert_eq!(unquote(r#""a\tb\x41\u2603\"\101""#).as_deref(), Some("a\tbA\u{2603}\"A"));
    assert_eq!(unquote("`a\\n`").as_deref(), Some("a\\n"));
    for text in [r#""\q""#, r#""\'""#, r#""\x4""#, r#""\400""#, r#""\ud800""#, "\"\\"] {
        assert_eq!(unquote(text), None, "{text}");
    }
    assert_eq!(character(r"'\''"), Ok(Constant::Int(39)));
    assert_eq!(character("'\u{2603}'"), Ok(Constant::Int(9731)));
    assert!(character("'ab'").is_err());
}
