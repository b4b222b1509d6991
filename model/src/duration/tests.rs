//! Round trips; the recorded tables are in the integration tests.

use super::*;

#[test]
fn both_ways() {
    assert_eq!(parse("1h30m"), Ok(5_400_000));
    assert_eq!(parse("0"), Ok(0));
    assert_eq!(parse_signed("-1s"), Ok(-1000));
    assert_eq!(format(5_400_000), "1h30m");
    assert_eq!(format(-1000), "-1s");
}

proptest::proptest! {
    #[test]
    fn printed_reads_back(ms in 0i64..9_000_000_000_000) {
        proptest::prop_assert_eq!(parse(&format(ms)), Ok(ms));
    }
}

#[test]
fn durations_can_be_printed_as_by_go() {
    let cases = [
        (0, "0s"),
        (1, "1ms"),
        (999, "999ms"),
        (1000, "1s"),
        (1500, "1.5s"),
        (60_000, "1m0s"),
        (3_600_000, "1h0m0s"),
        (10_800_002, "3h0m0.002s"),
        (-90_010, "-1m30.01s"),
        (64_800_000, "18h0m0s"),
    ];
    for (ms, expected) in cases {
        assert_eq!(format_as_go(ms), expected);
    }
}
