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
    let near = HeaderValue::from_static("../z");
    assert_eq!(redirect_target(&from, &near).expect("a URL").as_str(), "http://a.example/z");
    assert!(redirect_target(&from, &HeaderValue::from_static("file:///etc/passwd")).is_err());
    assert_eq!(redirection(302, Some(&near)), Some(&near));
    assert_eq!(redirection(302, None), None);
    assert_eq!(redirection(200, Some(&near)), None);
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

/// What a client makes of a server at `host` that gives the same answer to every request, and hangs up.
async fn asked(host: &str, answer: &'static [u8]) -> Result<Response, Error> {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let port = listener.local_addr().expect("an address").port();
    let serving = tokio::spawn(async move {
        while let Ok((mut socket, _)) = listener.accept().await {
            let mut head = Vec::new();
            while !head.ends_with(b"\r\n\r\n") {
                match tokio::io::AsyncReadExt::read_u8(&mut socket).await {
                    Ok(byte) => head.push(byte),
                    Err(_) => break,
                }
            }
            drop(tokio::io::AsyncWriteExt::write_all(&mut socket, answer).await);
        }
    });
    let client = Client::new(&HttpClientConfig::default(), ClientOptions::default());
    let timeout = Duration::from_secs(30);
    let url = format!("http://{host}:{port}/m");
    let request = Request { url: &url, headers: &[], timeout, body_size_limit: None };
    let answered = client.expect("a client").get(&request, &mut Vec::new()).await;
    serving.abort();
    answered
}

#[tokio::test]
async fn a_port_alone_is_one_of_this_machine() {
    let answer = asked("", b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n").await;
    assert_eq!(answer.expect("an answer").status, 200);
}

#[tokio::test]
async fn bad_answers_are_worded_as_in_go() {
    for (answer, said) in [
        (&b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\na 1\n"[..], "unexpected EOF"),
        (
            b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
            "invalid byte in chunk length",
        ),
        (
            b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 14\r\n\r\nnot compressed",
            "gzip: invalid header",
        ),
        (
            b"HTTP/1.1 302 Found\r\nLocation: /m\r\nContent-Length: 0\r\nConnection: close\r\n\r\n",
            "Get \"/m\": stopped after 10 redirects",
        ),
        (
            b"HTTP/1.1 302 Found\r\nLocation: ftp://x/\r\nContent-Length: 0\r\n\r\n",
            "Get \"ftp://x/\": unsupported protocol scheme \"ftp\"",
        ),
    ] {
        let answered = asked("127.0.0.1", answer).await;
        assert_eq!(answered.expect_err("a bad answer").to_string(), said);
    }
    for (answer, status) in [
        (&b"HTTP/1.1 404 Nothing here\r\nContent-Length: 0\r\n\r\n"[..], "404 Nothing here"),
        (b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n", "404 Not Found"),
        (b"HTTP/1.1 599 \r\nContent-Length: 0\r\n\r\n", "599 "),
    ] {
        let answered = asked("127.0.0.1", answer).await;
        let response = answered.expect("an answer");
        assert_eq!(format!("{} {}", response.status, response.reason), status);
    }
}

#[tokio::test]
async fn what_was_not_asked_is_worded_as_in_go() {
    let mut config = HttpClientConfig::default();
    let ask = async |config: &HttpClientConfig, url: &str| {
        let client = Client::new(config, ClientOptions::default()).expect("a client");
        let timeout = Duration::from_secs(30);
        let request = Request { url, headers: &[], timeout, body_size_limit: None };
        let failed = client.get(&request, &mut Vec::new()).await;
        failed.expect_err("it cannot be asked").to_string()
    };
    for (url, said) in [
        ("http://a:b/m", "parse \"http://a:b/m\": invalid port \":b\" after host"),
        ("http://a:99999/m", "Get \"http://a:99999/m\": dial tcp: address 99999: invalid port"),
    ] {
        assert_eq!(ask(&config, url).await, said);
    }
    let free = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let port = free.local_addr().expect("an address").port();
    drop(free);
    let said = ask(&config, &format!("http://localhost:{port}/")).await;
    let refused = format!(":{port}: connect: connection refused");
    let is_address = |host: &str| matches!(host, "127.0.0.1" | "[::1]");
    let begin = format!("Get \"http://localhost:{port}/\": dial tcp ");
    let address = said.strip_prefix(&begin).and_then(|rest| rest.strip_suffix(&refused));
    assert!(address.is_some_and(is_address), "{said}");
    config.proxy.proxy_url = format!("http://127.0.0.1:{port}");
    let said = ask(&config, "http://127.0.0.1:80/m").await;
    let dial = format!("proxyconnect tcp: dial tcp 127.0.0.1{refused}");
    assert_eq!(said, format!("Get \"http://127.0.0.1:80/m\": {dial}"));
    let path = "/nonexistent/secret".to_owned();
    let basic = crate::config::BasicAuth { password_file: path, ..Default::default() };
    config.basic_auth = Some(basic);
    let said = ask(&config, "http://127.0.0.1/m").await;
    assert_eq!(
        said,
        "Get \"http://127.0.0.1/m\": unable to read basic auth password: unable to read file \
         /nonexistent/secret: open /nonexistent/secret: no such file or directory"
    );
}
