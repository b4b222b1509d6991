//! Round trips; the recorded tables are in the integration tests.

use super::*;

proptest::proptest! {
    #[test]
    fn values_scheme_loses_nothing(name in "[a-z_.:0-9 \u{e9}\u{1f600}]{1,12}") {
        let escaped = EscapingScheme::Values.escape(&name);
        proptest::prop_assert!(is_legacy_metric_name(&escaped), "{}", escaped);
        if !name.starts_with("U__") {
            proptest::prop_assert_eq!(EscapingScheme::Values.unescape(&escaped), name);
        }
    }
}
