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

proptest::proptest! {
    #[test]
    fn every_form_reads_back(bits: u64) {
        let value = f64::from_bits(bits);
        for text in [fixed(value), api(value), general(value), openmetrics(value)] {
            let back = parse_float(&text).expect("our own text");
            proptest::prop_assert!(back == value || (back.is_nan() && value.is_nan()), "{text}");
        }
    }
}
