//! Durations and times as Go prints them.

use super::*;

#[test]
fn durations_are_those_of_go() {
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
        assert_eq!(duration(ms), expected);
    }
}

#[test]
fn times_of_before_1970_are_cut_towards_it() {
    assert_eq!(time(-1500, true), "1969-12-31 23:59:59 +0000 UTC");
    assert_eq!(time(1_699_999_200_999, true), "2023-11-14 22:00:00 +0000 UTC");
    assert_eq!(time(i64::MAX, true), i64::MAX.to_string(), "beyond the calendar");
}
