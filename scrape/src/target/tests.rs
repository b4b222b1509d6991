//! What `target` promises, case by case.

use crate::url::target_url;

fn param(name: &str, values: &[&str]) -> (String, Vec<String>) {
    (name.to_owned(), values.iter().map(|&value| value.to_owned()).collect())
}

#[test]
fn urls_are_written_as_go_writes_them() {
    let params = [
        param("target", &["https://example.org/?a=b"]),
        param("debug", &["true"]),
        param("module", &["http_2xx", "a b"]),
    ];
    assert_eq!(
        target_url("https", "10.0.0.1:9100", "/probe", &params),
        "https://10.0.0.1:9100/probe?debug=true&module=http_2xx&module=a+b\
         &target=https%3A%2F%2Fexample.org%2F%3Fa%3Db"
    );
    assert_eq!(
        target_url("http", "[::1]:80", "metrics x?y", &[]),
        "http://[::1]:80/metrics%20x%3Fy"
    );
}
