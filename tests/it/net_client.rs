//! The HTTP client against servers on loopback: TLS options, HTTP/2, proxies, OAuth2, secrets in files. What scraping
//! sends is tested in `http_client`.

mod certificates;
mod server;

use certificates::Authority;
use net::client::{Client, ClientOptions, Request};
use net::config::{Authorization, BasicAuth, HttpClientConfig, OAuth2, Secret, TlsVersion};
use server::{Answer, Server};
use std::time::Duration;
use tests::Scratch;

fn run<T>(future: impl Future<Output = T>) -> T {
    let mut builder = tokio::runtime::Builder::new_multi_thread();
    builder.worker_threads(2).enable_all().build().expect("a runtime").block_on(future)
}

fn client(config: &HttpClientConfig) -> Client {
    Client::new(config, ClientOptions { user_agent: "test".into(), ..ClientOptions::default() })
        .expect("a client")
}

/// Asks for `url`; the body, or the error.
async fn get(client: &Client, url: &str) -> Result<String, String> {
    let timeout = Duration::from_secs(20);
    let request = Request { url, headers: &[], timeout, body_size_limit: None };
    let mut body = Vec::new();
    match client.get(&request, &mut body).await {
        Ok(answer) if answer.status == 200 => Ok(String::from_utf8_lossy(&body).into_owned()),
        Ok(answer) => Err(format!("status {}", answer.status)),
        Err(error) => Err(error.to_string()),
    }
}

fn with_ca(authority: &Authority) -> HttpClientConfig {
    let mut config = HttpClientConfig::default();
    config.tls_config.ca = authority.pem();
    config
}

#[test]
fn servers_must_prove_their_name_by_a_trusted_authority() {
    run(async {
        let (authority, other) = (Authority::new(), Authority::new());
        let server =
            Server::tls(authority.server_config("good.example", None, &[]), Answer::ok("hello"))
                .await;
        let url = format!("https://{}/metrics", server.address);
        let mut config = with_ca(&authority);
        let error = get(&client(&config), &url).await.expect_err("the address is not in the name");
        assert!(error.contains("certificate"), "{error}");
        config.tls_config.server_name = "good.example".into();
        assert_eq!(get(&client(&config), &url).await, Ok("hello".into()));
        config.tls_config.ca = other.pem();
        let error = get(&client(&config), &url).await.expect_err("another authority");
        assert!(error.contains("certificate"), "{error}");
        config.tls_config.insecure_skip_verify = true;
        assert_eq!(get(&client(&config), &url).await, Ok("hello".into()));
    });
}

#[test]
fn versions_are_bounded() {
    run(async {
        let authority = Authority::new();
        let only_12 = authority.server_config("a.example", None, &[&rustls::version::TLS12]);
        let server = Server::tls(only_12, Answer::ok("old")).await;
        let url = format!("https://{}/", server.address);
        let mut config = with_ca(&authority);
        config.tls_config.server_name = "a.example".into();
        assert_eq!(get(&client(&config), &url).await, Ok("old".into()));
        config.tls_config.min_version = Some(TlsVersion::Tls13);
        get(&client(&config), &url).await.expect_err("the server is too old");
        config.tls_config.min_version = None;
        config.tls_config.max_version = Some(TlsVersion::Tls12);
        assert_eq!(get(&client(&config), &url).await, Ok("old".into()));
        config.tls_config.max_version = Some(TlsVersion::Tls11);
        let refused = Client::new(&config, ClientOptions::default());
        refused.expect_err("no version is left");
    });
}

#[test]
fn client_certificates_come_from_files_that_are_read_again() {
    run(async {
        let (authority, other) = (Authority::new(), Authority::new());
        let server_config = authority.server_config("a.example", Some(&authority), &[]);
        let server = Server::tls(server_config, Answer::closing("known")).await;
        let url = format!("https://{}/", server.address);
        let scratch = Scratch::new("net");
        let path = |name: &str| scratch.path().join(name).to_str().expect("a text").to_owned();
        let write = |authority: &Authority| {
            let (certificate, key) = authority.client();
            std::fs::write(path("cert"), certificate).expect("written");
            std::fs::write(path("key"), key).expect("written");
        };
        std::fs::write(path("ca"), authority.pem()).expect("written");
        let mut config = HttpClientConfig::default();
        config.tls_config.ca_file = path("ca");
        config.tls_config.server_name = "a.example".into();
        get(&client(&config), &url).await.expect_err("no certificate");
        (config.tls_config.cert_file, config.tls_config.key_file) = (path("cert"), path("key"));
        write(&other);
        let client = client(&config);
        get(&client, &url).await.expect_err("a stranger");
        write(&authority);
        assert_eq!(get(&client, &url).await, Ok("known".into()));
    });
}

#[test]
fn the_second_version_of_http_is_negotiated() {
    run(async {
        let authority = Authority::new();
        for (enable_http2, expected) in [(true, "h2"), (false, "http/1.1")] {
            let mut server_config = authority.server_config("a.example", None, &[]);
            server_config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
            let server = Server::tls(server_config, Answer::ok("x")).await;
            let mut config = with_ca(&authority);
            config.tls_config.server_name = "a.example".into();
            config.enable_http2 = enable_http2;
            // The script speaks HTTP/1.1 only: what was agreed on shows in the handshake.
            let url = format!("https://{}/", server.address);
            let asked = get(&client(&config), &url).await;
            assert_eq!(server.protocol().as_deref(), Some(expected));
            assert_eq!(asked.is_ok(), !enable_http2);
        }
    });
}

#[test]
fn plain_requests_go_through_a_proxy_as_they_are() {
    run(async {
        let proxy = Server::plain(Answer::ok("from the proxy")).await;
        let direct = Server::plain(Answer::ok("direct")).await;
        let mut config = HttpClientConfig::default();
        config.proxy.proxy_url = format!("http://user:pass@{}", proxy.address);
        let url = "http://nowhere.invalid:9100/metrics?a=b";
        assert_eq!(get(&client(&config), url).await, Ok("from the proxy".into()));
        let asked = proxy.requests().remove(0);
        assert!(asked.starts_with(&format!("GET {url} HTTP/1.1\r\n")), "{asked}");
        assert!(asked.contains("host: nowhere.invalid:9100\r\n"), "{asked}");
        assert!(asked.contains("proxy-authorization: Basic dXNlcjpwYXNz\r\n"), "{asked}");
        config.proxy.no_proxy = direct.address.ip().to_string();
        let url = format!("http://{}/", direct.address);
        assert_eq!(get(&client(&config), &url).await, Ok("direct".into()));
        assert!(!direct.requests()[0].contains("proxy-authorization"));
    });
}

#[test]
fn encrypted_requests_go_through_a_tunnel() {
    run(async {
        let authority = Authority::new();
        let server =
            Server::tls(authority.server_config("a.example", None, &[]), Answer::ok("inside"))
                .await;
        let proxy = Server::tunnel(server.address).await;
        let mut config = with_ca(&authority);
        config.proxy.proxy_url = format!("http://{}", proxy.address);
        config.proxy.proxy_connect_header = vec![("X-Reason".into(), vec![Secret::new("test")])];
        let asked = get(&client(&config), "https://a.example:9443/metrics").await;
        assert_eq!(asked, Ok("inside".into()));
        let connect = proxy.requests().remove(0);
        assert!(connect.starts_with("CONNECT a.example:9443 HTTP/1.1\r\n"), "{connect}");
        assert!(connect.contains("x-reason: test\r\n"), "{connect}");
        assert!(server.requests()[0].starts_with("GET /metrics HTTP/1.1\r\n"));
    });
}

#[test]
fn tokens_are_kept_until_they_expire() {
    run(async {
        let token = |name: &str, seconds: u64| {
            let body = format!(
                r#"{{"access_token":"{name}","token_type":"bearer","expires_in":{seconds}}}"#
            );
            Answer::ok(&body)
        };
        let tokens =
            Server::script(vec![token("short", 5), token("long", 3600), token("new", 3600)]).await;
        let server = Server::plain(Answer::ok("x")).await;
        let scratch = Scratch::new("oauth2");
        let secret = scratch.path().join("secret");
        std::fs::write(&secret, "s3&cret\n").expect("written");
        let oauth2 = OAuth2 {
            client_id: "me@x".into(),
            client_secret_file: secret.to_str().expect("a text").into(),
            scopes: vec!["a".into(), "b".into()],
            token_url: format!("http://{}/token", tokens.address),
            endpoint_params: vec![("audience".into(), "all".into())],
            ..OAuth2::default()
        };
        let client =
            client(&HttpClientConfig { oauth2: Some(oauth2), ..HttpClientConfig::default() });
        let url = format!("http://{}/", server.address);
        for round in 0..4 {
            if round == 3 {
                std::fs::write(&secret, "changed").expect("written");
            }
            assert_eq!(get(&client, &url).await, Ok("x".into()));
        }
        let seen = server.requests();
        for (request, token) in seen.iter().zip(["short", "long", "long", "new"]) {
            assert!(request.contains(&format!("authorization: Bearer {token}\r\n")), "{request}");
        }
        let asked = tokens.requests();
        assert_eq!(asked.len(), 3);
        assert!(
            asked[0].ends_with("grant_type=client_credentials&scope=a+b&audience=all"),
            "{}",
            asked[0]
        );
        // The parts of the header are encoded before they are joined: me%40x:s3%26cret.
        assert!(
            asked[0].contains("authorization: Basic bWUlNDB4OnMzJTI2Y3JldA==\r\n"),
            "{}",
            asked[0]
        );
    });
}

#[test]
fn a_token_server_that_wants_parameters_gets_them() {
    run(async {
        let refused = Answer::status("400 Bad Request", "{}");
        let form = Answer::ok("access_token=t&token_type=Custom").content_type("text/plain");
        let tokens = Server::script(vec![refused, form]).await;
        let server = Server::plain(Answer::ok("x")).await;
        let oauth2 = OAuth2 {
            client_id: "me".into(),
            client_secret: Secret::new("s"),
            token_url: format!("http://{}/token", tokens.address),
            ..OAuth2::default()
        };
        let client =
            client(&HttpClientConfig { oauth2: Some(oauth2), ..HttpClientConfig::default() });
        let url = format!("http://{}/", server.address);
        assert_eq!(get(&client, &url).await, Ok("x".into()));
        assert!(server.requests()[0].contains("authorization: Custom t\r\n"));
        let second = tokens.requests().remove(1);
        assert!(
            second.ends_with("grant_type=client_credentials&client_id=me&client_secret=s"),
            "{second}"
        );
        assert!(!second.contains("authorization"), "{second}");
    });
}

#[test]
fn secrets_in_files_are_read_for_each_request_and_stay_with_their_host() {
    run(async {
        let other = Server::plain(Answer::ok("other")).await;
        let moved = format!("http://localhost:{}/", other.address.port());
        let server =
            Server::script(vec![Answer::ok("1"), Answer::ok("2"), Answer::moved(&moved)]).await;
        let scratch = Scratch::new("secrets");
        let file = scratch.path().join("token");
        let path = file.to_str().expect("a text").to_owned();
        let authorization = Authorization {
            kind: "Bearer".into(),
            credentials_file: path.clone(),
            ..Authorization::default()
        };
        let mut config =
            HttpClientConfig { authorization: Some(authorization), ..HttpClientConfig::default() };
        let client_by_token = client(&config);
        let url = format!("http://{}/", server.address);
        for (token, body) in [("one", "1"), ("two", "2"), ("three", "other")] {
            std::fs::write(&file, token).expect("written");
            assert_eq!(get(&client_by_token, &url).await, Ok(body.into()));
            let seen = server.requests();
            let last = seen.last().expect("a request");
            assert!(last.contains(&format!("authorization: Bearer {token}\r\n")), "{last}");
        }
        assert!(!other.requests()[0].contains("authorization"), "credentials of another host");
        config.authorization = None;
        config.basic_auth =
            Some(BasicAuth { username: "u".into(), password_file: path, ..BasicAuth::default() });
        let url = format!("http://{}/", other.address);
        assert_eq!(get(&client(&config), &url).await, Ok("other".into()));
        assert!(other.requests()[1].contains("authorization: Basic dTp0aHJlZQ==\r\n"));
    });
}
