//! Tests of the notation's edges.

fn check(value: f64, expect: &str) {
    let mut out = String::new();
    super::push_float(&mut out, value);
    assert_eq!(out, expect);
}

#[test]
fn notation_switches_as_go_does() {
    check(0.0, "0");
    check(-0.0, "-0");
    check(1.0, "1");
    check(0.1, "0.1");
    check(123_456.0, "123456");
    check(1_000_000.0, "1e+06");
    check(1_793_491_200_000.0, "1.7934912e+12");
    check(0.0001, "0.0001");
    check(0.000_01, "1e-05");
    check(1.5e300, "1.5e+300");
    check(f64::NAN, "NaN");
    check(f64::INFINITY, "+Inf");
    check(f64::NEG_INFINITY, "-Inf");
}
