//! Which texts are URLs, and their parts.

use super::*;

#[test]
fn parts_are_told_apart() {
    let parts = parse("https://u:p@[::1]:80/a?b=c#d").expect("a URL");
    assert_eq!(parts, Parts { scheme: "https", user: "u:p", host: "[::1]:80", path: "/a?b=c" });
    let parts = parse("unix:///run/x.sock").expect("a URL");
    assert_eq!((parts.scheme, parts.host, parts.path), ("unix", "", "/run/x.sock"));
    assert_eq!(parse("a/b:c").expect("a path").path, "a/b:c");
    assert!(parse("").is_ok());
}

#[test]
fn broken_ones_are_refused() {
    for text in [
        "://x",
        "http://a b",
        "http://[::1",
        "http://a:b/",
        "a b:c",
        "http://a/%zz",
        "http://a/%",
        "x\n",
    ] {
        let error = parse(text).expect_err(text);
        assert!(error.contains("is not a URL"), "{error}");
    }
}

#[test]
fn passwords_are_hidden() {
    assert_eq!(redacted("http://u:p@h/x"), "http://u:xxxxx@h/x");
    assert_eq!(redacted("http://u@h/x"), "http://u@h/x");
}
