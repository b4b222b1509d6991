//! The table of functions, and bounds on what they make.

use super::*;

#[test]
fn functions_are_sorted_for_the_search() {
    assert!(FUNCTIONS.is_sorted_by(|a, b| a.name < b.name));
    assert!(find("tmpl", true).is_some());
    assert!(find("tmpl", false).is_none());
}

#[test]
fn args_do_not_grow_without_end() {
    let mut value = Value::Int(1);
    for _ in 0..MAX_DEPTH {
        value = args(&[value]).expect("not too deep");
    }
    assert!(args(&[value]).is_err());
}
