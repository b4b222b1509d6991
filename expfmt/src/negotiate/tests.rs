//! What `negotiate` promises, case by case.

use super::*;

#[test]
fn conflicting_parameters_and_quoted_values() {
    assert!(media_type("text/plain; a=1; a=2").is_err());
    assert_eq!(media_type("text/plain; a=\"x;\\\"y\" ; b=1"), Ok("text/plain"));
    assert!(media_type("text plain").is_err());
}
