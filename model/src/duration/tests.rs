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
