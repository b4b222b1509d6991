//! Times as Go prints them.

use super::*;

#[test]
fn times_of_before_1970_are_cut_towards_it() {
    assert_eq!(time(-1500, true), "1969-12-31 23:59:59 +0000 UTC");
    assert_eq!(time(1_699_999_200_999, true), "2023-11-14 22:00:00 +0000 UTC");
    assert_eq!(time(i64::MAX, true), i64::MAX.to_string(), "beyond the calendar");
}
