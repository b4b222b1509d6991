//! Labels, order and numbers of printed answers.

use super::*;
use serde_json::json;

#[test]
fn labels_are_sorted_and_the_name_stands_before_them() {
    let name = json!({"__name__": "up"});
    assert_eq!(label_set(&name, true), "up");
    assert_eq!(label_set(&name, false), "{__name__=\"up\"}");
    assert_eq!(label_set(&json!({}), true), "{}");
    let labels = json!({"c": "d", "__name__": "up", "a": "b\""});
    assert_eq!(label_set(&labels, true), "up{a=\"b\\\"\", c=\"d\"}");
}

#[test]
fn series_of_ranges_are_sorted_as_in_go() {
    let (none, a, b) = (json!({}), json!({"a": "1"}), json!({"b": "0"}));
    assert_eq!(compare(&none, &a), Ordering::Less);
    assert_eq!(compare(&a, &b), Ordering::Greater, "what b has not comes last");
    assert_eq!(compare(&a, &json!({"a": "2"})), Ordering::Less);
    assert_eq!(compare(&a, &a), Ordering::Equal);
}

#[test]
fn numbers_have_no_exponents() {
    let value = json!([{"metric": {"b": "1", "a": "<"}, "value": [1.5, "1e-07"]}]);
    let expected = "[{\"metric\":{\"a\":\"\\u003c\",\"b\":\"1\"},\"value\":[1.5,\"0.0000001\"]}]";
    assert_eq!(json(&value), expected);
    assert_eq!(pair(&json!([2, "1e+21"])), "1000000000000000000000 @[2]");
}
