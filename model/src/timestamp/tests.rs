//! Round trips; the recorded tables are in the integration tests.

use super::*;

proptest::proptest! {
    #[test]
    fn rfc3339_reads_back(ms in -62_167_219_200_000i64..253_402_300_800_000) {
        proptest::prop_assert_eq!(parse_rfc3339(&format_rfc3339(ms)), Some(ms));
    }
}
