//! What `client` promises, case by case.

use super::*;

fn url(text: &str) -> Url {
    parse_url(text).expect("a URL")
}

#[test]
fn credentials_stay_with_their_host() {
    let first = url("https://a.example/metrics");
    assert!(is_same_host(&first, &url("https://a.example:8443/other")));
    assert!(!is_same_host(&first, &url("http://a.example/metrics")));
    assert!(!is_same_host(&first, &url("https://b.example/metrics")));
    assert!(is_same_host(&url("http://a.example/"), &url("https://a.example/")));
}

#[test]
fn redirects_follow_their_location() {
    let from = url("http://a.example/x/y?q=1");
    let moved = http::StatusCode::FOUND;
    let target = redirect_target(&from, moved, Some(&HeaderValue::from_static("../z")));
    assert_eq!(target.expect("a redirect").expect("a URL").as_str(), "http://a.example/z");
    assert!(redirect_target(&from, moved, None).is_none());
    let elsewhere = Some(HeaderValue::from_static("file:///etc/passwd"));
    assert!(redirect_target(&from, moved, elsewhere.as_ref()).is_some_and(|t| t.is_err()));
    assert!(redirect_target(&from, http::StatusCode::OK, None).is_none());
}
