//! Corner cases; the recorded tables are in the integration tests.

use super::*;

#[test]
fn shapes() {
    for (value, expected) in
        [(0.0, "0"), (-0.0, "-0"), (100.0, "100"), (0.001, "0.001"), (1.5e-7, "0.00000015")]
    {
        assert_eq!(fixed(value), expected);
    }
    assert_eq!(api(1e21), "1e+21");
    assert_eq!(api(1e-7), "1e-07");
    assert_eq!(general(1_000_000.0), "1e+06");
    assert_eq!(openmetrics(1.0), "1.0");
    assert_eq!(fixed(f64::NEG_INFINITY), "-Inf");
    assert_eq!(printf_g(0.0001, 2), "0.0001");
    assert_eq!(printf_g(1234.0, 2), "1.2e+03");
}

/// What [`write_short`] gives, made the long way.
fn moved(value: f64) -> String {
    let mut out = Vec::new();
    if value.is_sign_negative() {
        out.push(b'-');
    }
    Decimal::new(value).write_fixed(&mut out);
    String::from_utf8(out).expect("numbers are ASCII")
}

#[test]
fn short_values_at_the_edges() {
    for edge in [1e-5_f64, 1e-4, 1.0, 1e5, 1e6, 9_007_199_254_740_992.0, 1e15, 1e16] {
        for value in [edge, f64::from_bits(edge.to_bits() - 1), f64::from_bits(edge.to_bits() + 1)]
        {
            assert_eq!(fixed(value), moved(value));
            assert_eq!(api(-value), moved(-value));
        }
    }
}

proptest::proptest! {
    #[test]
    fn short_values(digits in 1_i64..100_000_000_000_000_000, point in 0_i32..20) {
        let value = digits as f64 / 10_f64.powi(point);
        proptest::prop_assert_eq!(fixed(value), moved(value));
        if value >= 1e-6 {
            proptest::prop_assert_eq!(api(value), moved(value));
        }
        if (1e-4..1e6).contains(&value) {
            proptest::prop_assert_eq!(general(value), moved(value));
        }
    }

    #[test]
    fn every_form_reads_back(bits: u64) {
        let value = f64::from_bits(bits);
        for text in [fixed(value), api(value), general(value), openmetrics(value)] {
            let back = parse_float(&text).expect("our own text");
            proptest::prop_assert!(back == value || (back.is_nan() && value.is_nan()), "{text}");
        }
    }
}
