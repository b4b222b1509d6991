//! What `proxy` promises: who goes through which proxy, and the handshakes byte by byte.

use super::*;
use crate::config::Secret;

fn proxies(url: &str, no_proxy: &str) -> Proxies {
    let config = ProxyConfig {
        proxy_url: url.into(),
        no_proxy: no_proxy.into(),
        proxy_connect_header: vec![("X-Way".into(), vec![Secret::new("a")])],
        ..ProxyConfig::default()
    };
    Proxies::new(&config, |_| None).expect("a good proxy")
}

#[test]
fn exceptions_are_reached_directly() {
    let all = proxies(
        "http://p:1",
        "10.0.0.0/8, .sub.example,example.org,1.2.3.4:90,[::2],*.star.example",
    );
    for (host, port, through) in [
        ("10.1.2.3", 80, false),
        ("11.1.2.3", 80, true),
        ("sub.example", 80, true),
        ("a.sub.example", 80, false),
        ("example.org", 80, false),
        ("www.Example.org.", 80, false),
        ("notexample.org", 80, true),
        ("1.2.3.4", 90, false),
        ("1.2.3.4", 80, true),
        ("[::2]", 80, false),
        ("[::3]", 80, true),
        ("x.star.example", 80, false),
        ("localhost", 80, false),
        ("127.0.0.9", 80, false),
    ] {
        assert_eq!(all.for_host(false, host, port).is_some(), through, "{host}:{port}");
    }
    assert!(proxies("http://p:1", "*").for_host(true, "a", 1).is_none());
    assert!(proxies("http://p:1", "").for_host(true, "localhost", 1).is_some());
    assert!(Proxies::default().for_host(true, "a", 1).is_none());
}

#[test]
fn the_environment_names_a_proxy_by_scheme() {
    let config = ProxyConfig { proxy_from_environment: true, ..ProxyConfig::default() };
    let environment = |name: &str| match name {
        "http_proxy" => Some("plain:3128".to_owned()),
        "HTTPS_PROXY" => Some("https://u:p%40@secure".to_owned()),
        "NO_PROXY" => Some("skip".to_owned()),
        _ => None,
    };
    let found = Proxies::new(&config, environment).expect("good proxies");
    let plain = found.for_host(false, "a", 80).expect("a proxy");
    assert_eq!((plain.kind, &*plain.host, plain.port), (ProxyKind::Http, "plain", 3128));
    let secure = found.for_host(true, "a", 443).expect("a proxy");
    assert_eq!((secure.kind, secure.port), (ProxyKind::Https, 443));
    assert_eq!(secure.credentials, Some(("u".into(), "p@".into())));
    assert!(found.for_host(true, "skip", 443).is_none());
    let bad = ProxyConfig { proxy_url: "ftp://a".into(), ..ProxyConfig::default() };
    assert!(Proxies::new(&bad, |_| None).is_err());
}

/// Lets `proxy` open a tunnel to a server that answers with `answers`, each after the bytes before.
async fn handshake(proxy: &Proxy, answers: &[(usize, &[u8])]) -> (Result<(), Error>, Vec<u8>) {
    let (mut ours, mut theirs) = tokio::io::duplex(4096);
    let served = async {
        let mut all = Vec::new();
        for (length, answer) in answers {
            let mut asked = vec![0; *length];
            theirs.read_exact(&mut asked).await.expect("a request");
            all.extend(asked);
            theirs.write_all(answer).await.expect("written");
        }
        all
    };
    tokio::join!(proxy.open(&mut ours, "a.example", 443), served)
}

fn run<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().build().expect("a runtime").block_on(future)
}

#[test]
fn tunnels_are_opened_by_connect() {
    let all = proxies("http://u:p@proxy:1", "");
    let proxy = all.for_host(true, "a.example", 443).expect("a proxy");
    let request = "CONNECT a.example:443 HTTP/1.1\r\nHost: a.example:443\r\nx-way: a\r\n\
                   proxy-authorization: Basic dTpw\r\n\r\n";
    let good = b"HTTP/1.1 200 Connection established\r\nX: y\r\n\r\n";
    let (opened, asked) = run(handshake(proxy, &[(request.len(), good)]));
    opened.expect("a tunnel");
    assert_eq!(String::from_utf8_lossy(&asked), request);
    let bad = b"HTTP/1.1 407 Proxy Authentication Required\r\n\r\n";
    let (opened, _) = run(handshake(proxy, &[(request.len(), bad)]));
    let error = opened.expect_err("refused").to_string();
    assert!(error.ends_with("proxy proxy:1: Proxy Authentication Required"), "{error}");
}

#[test]
fn tunnels_are_opened_by_socks() {
    let all = proxies("socks5://u:p@proxy", "");
    let proxy = all.for_host(true, "a.example", 443).expect("a proxy");
    assert_eq!(proxy.port, 1080);
    let answers: [(usize, &[u8]); 3] =
        [(4, &[5, 2]), (5, &[1, 0]), (16, &[5, 0, 0, 1, 127, 0, 0, 1, 0, 80])];
    let (opened, asked) = run(handshake(proxy, &answers));
    opened.expect("a tunnel");
    assert_eq!(&asked[4..9], b"\x01\x01u\x01p");
    assert_eq!(&asked[9..], b"\x05\x01\x00\x03\x09a.example\x01\xbb");
    let (opened, _) = run(handshake(proxy, &[(4, &[5, 0]), (16, &[5, 5, 0, 1])]));
    assert!(opened.expect_err("refused").to_string().ends_with("refused with code 5"));
}
