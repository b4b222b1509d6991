//! What `file` promises, case by case.

use super::*;

#[test]
fn patterns_match_like_shells() {
    for (pattern, name, expected) in [
        ("*.json", "a.json", true),
        ("*.json", "a.yml", false),
        ("a?c", "abc", true),
        ("a[b-d]c", "acc", true),
        ("a[^b]c", "abc", false),
        ("a\\*", "a*", true),
        ("a\\*", "ab", false),
        ("a[b", "ab", false),
        ("**", "", true),
    ] {
        assert_eq!(glob(pattern, name), expected, "{pattern} {name}");
    }
}
