//! Round trips; the recorded tables are in the integration tests.

use super::*;

proptest::proptest! {
    #[test]
    fn printed_reads_back(bytes in 0i64..1 << 52) {
        proptest::prop_assert_eq!(parse(&format(bytes)), Ok(bytes));
    }
}
