//! Paths joined and cleaned.

use super::*;

#[test]
fn joined_paths_are_clean() {
    for (directory, path, want) in [
        (".", "a.yml", "a.yml"),
        ("conf", "a.yml", "conf/a.yml"),
        ("conf", "../a.yml", "a.yml"),
        ("conf", "../../a.yml", "../a.yml"),
        ("/etc/", "./x//y", "/etc/x/y"),
        ("/", "../x", "/x"),
        ("conf", "/abs/../x", "/abs/../x"),
        ("conf", "", ""),
    ] {
        assert_eq!(join(directory, path), want);
    }
    assert_eq!(directory("prometheus.yml"), ".");
    assert_eq!(directory("a/b/c.yml"), "a/b");
    assert_eq!(directory("/c.yml"), "/");
}

#[test]
fn stars_stand_in_the_last_part() {
    assert!(is_pattern("a/*b*.yml") && is_pattern("a?/x"));
    assert!(!is_pattern("a/*/b.yml"));
}
