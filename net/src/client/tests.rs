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

#[tokio::test]
async fn failures_are_worded_as_in_go() {
    let free = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let port = free.local_addr().expect("an address").port();
    drop(free);
    let client = Client::new(&HttpClientConfig::default(), ClientOptions::default());
    let client = client.expect("a client");
    let ask = async |url: &str| {
        let timeout = Duration::from_secs(30);
        let request = Request { url, headers: &[], timeout, body_size_limit: None };
        let failed = client.get(&request, &mut Vec::new()).await;
        failed.expect_err("nobody is there").to_string()
    };
    let url = format!("http://127.0.0.1:{port}/x");
    let refused = format!("dial tcp 127.0.0.1:{port}: connect: connection refused");
    assert_eq!(ask(&url).await, format!("Get {url:?}: {refused}"));
    let rude = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let url = format!("http://{}/", rude.local_addr().expect("an address"));
    let hang_up = async {
        // The whole request is read, so that nothing is reset.
        let (mut socket, _) = rude.accept().await.expect("a client");
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            head.push(tokio::io::AsyncReadExt::read_u8(&mut socket).await.expect("a byte"));
        }
        head
    };
    let (said, head) = tokio::join!(ask(&url), hang_up);
    assert_eq!(said, format!("Get {url:?}: EOF"));
    let head = String::from_utf8(head).expect("text");
    assert!(head.contains("\r\nUser-Agent: "), "{head}");
}
