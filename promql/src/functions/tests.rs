//! The table is what the parser believes: its order and its arities.

use super::*;

#[test]
fn table_is_sorted_and_found() {
    assert!(FUNCTIONS.is_sorted_by(|a, b| a.name < b.name));
    for function in FUNCTIONS {
        assert_eq!(find(function.name).map(|f| f.id), Some(function.id));
    }
    assert!(find("Rate").is_none());
}

#[test]
fn arities() {
    let bounds = |name| find(name).map(|f| (f.min_args(), f.max_args()));
    assert_eq!(bounds("pi"), Some((0, Some(0))));
    assert_eq!(bounds("round"), Some((1, Some(2))));
    assert_eq!(bounds("label_join"), Some((3, None)));
    assert_eq!(bounds("histogram_quantiles"), Some((3, Some(12))));
}
