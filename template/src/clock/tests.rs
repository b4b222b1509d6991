//! Layouts of times, and durations as text.

use super::*;

#[test]
fn layouts_show_the_reference_time() {
    let at = 1_435_065_584_128_000_000;
    let cases = [
        ("2006-01-02T15:04:05Z07:00", "2015-06-23T13:19:44Z"),
        ("Mon Jan _2 15:04:05 2006", "Tue Jun 23 13:19:44 2015"),
        ("3:04PM .000 January 2006 -0700", "1:19PM .128 June 2015 +0000"),
        ("02/1/06 002 05,999999", "23/6/15 174 44,128"),
        ("Month", "Month"),
    ];
    for (layout, text) in cases {
        assert_eq!(format(at, layout), text, "{layout}");
    }
    assert_eq!(format(0, "15:04:05.999|.00"), "00:00:00|.00");
    assert_eq!(Clock::Time(i64::MIN).to_string(), "1677-09-21 00:12:43.145224192 +0000 UTC");
}

#[test]
fn durations_are_short() {
    let cases = [
        (1, "1ns"),
        (1500, "1.5\u{b5}s"),
        (-1_500_000_000, "-1.5s"),
        (3_661_500_000_000, "1h1m1.5s"),
        (3_600_000_000_000, "1h0m0s"),
        (i64::MIN, "-2562047h47m16.854775808s"),
    ];
    for (nanos, text) in cases {
        assert_eq!(Clock::Duration(nanos).to_string(), text);
    }
}
