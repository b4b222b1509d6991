//! The HTTP client against servers on loopback: TLS options, HTTP/2, proxies, OAuth2, secrets in files, connections that
//! end. What scraping sends is tested in `http_client`.

mod certificates;
mod server;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use certificates::Authority;
use net::assertion::{Algorithm, RsaKey};
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
            asked[0].ends_with("audience=all&grant_type=client_credentials&scope=a+b"),
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
            second.ends_with("client_id=me&client_secret=s&grant_type=client_credentials"),
            "{second}"
        );
        assert!(!second.contains("authorization"), "{second}");
    });
}

/// The HTTP client of a job with these fields.
fn configured(fields: &str) -> HttpClientConfig {
    let text = format!("scrape_configs:\n- job_name: a\n{fields}");
    let context = cli::config::Context::new(&|_| None);
    let config = cli::config::load(text.as_bytes(), "/x/prometheus.yml", &context);
    let jobs = config.expect("a configuration").scrape_configs().expect("jobs");
    jobs[0].http_client.clone()
}

/// The decoded parts of the assertion in a request for a token, and what is signed.
fn assertion(request: &str) -> (Vec<Vec<u8>>, String) {
    let body = request.rsplit("\r\n\r\n").next().expect("a body");
    let grant = "&grant_type=urn%3Aietf%3Aparams%3Aoauth%3Agrant-type%3Ajwt-bearer";
    let token = body.strip_prefix("assertion=").expect("in the order of names");
    let token = token.strip_suffix(&format!("{grant}&resource=r&scope=a+b")).expect("the rest");
    let decoded = |part| URL_SAFE_NO_PAD.decode(part).expect("base64");
    let signed = token.rsplit_once('.').expect("parts").0.to_owned();
    (token.split('.').map(decoded).collect(), signed)
}

#[test]
fn assertions_are_signed_by_the_key_of_the_client() {
    const KEY: &[u8] = include_bytes!("../../net/src/assertion/tests/key.pem");
    run(async {
        let tokens = Server::plain(Answer::ok(r#"{"access_token":"t","expires_in":3600}"#)).await;
        let server = Server::plain(Answer::ok("x")).await;
        let scratch = Scratch::new("jwt");
        let file = scratch.path().join("key.pem");
        std::fs::write(&file, KEY).expect("written");
        let config = configured(&format!(
            "  oauth2:
    client_id: me
    grant_type: urn:ietf:params:oauth:grant-type:jwt-bearer
    client_certificate_key_file: {}
    client_certificate_key_id: k1
    signature_algorithm: RS512
    iss: us
    audience: them
    claims: {{n: 7, f: 1.5, t: '7', yes: true, none: null, deep: {{list: [1, x]}}, sub: other}}
    scopes: [a, b]
    endpoint_params: {{resource: r}}
    token_url: http://{}/token\n",
            file.display(),
            tokens.address
        ));
        let client = client(&config);
        let url = format!("http://{}/", server.address);
        for _ in 0..2 {
            assert_eq!(get(&client, &url).await, Ok("x".into()));
        }
        assert!(server.requests()[1].contains("authorization: Bearer t\r\n"));
        let asked = tokens.requests();
        assert_eq!(asked.len(), 1, "the token is kept");
        let (parts, signed) = assertion(&asked[0]);
        let json = |part: &[u8]| serde_json::from_slice::<serde_json::Value>(part).expect("JSON");
        assert_eq!(json(&parts[0]), serde_json::json!({"alg": "RS512", "kid": "k1", "typ": "JWT"}));
        let mut claims = json(&parts[1]);
        let times = [claims["iat"].take(), claims["exp"].take()].map(|t| t.as_u64().expect("s"));
        assert_eq!(times[1], times[0] + 600);
        assert_eq!(claims["jti"].take().as_str().map(str::len), Some(36));
        let expected = serde_json::json!({
            "iss": "us", "sub": "other", "aud": "them", "scope": "a b", "n": 7, "f": 1.5, "t": "7",
            "yes": true, "none": null, "deep": {"list": [1, "x"]},
            "iat": null, "exp": null, "jti": null,
        });
        assert_eq!(claims, expected);
        let key = RsaKey::from_pem("key", KEY).expect("a key");
        assert_eq!(key.sign(Algorithm::Rs512, signed.as_bytes()).expect("signed"), parts[2]);
        std::fs::write(&file, "no key").expect("written");
        let error = get(&client, &url).await.expect_err("the key is read again");
        assert!(error.ends_with("key.pem: no private key in PEM form"), "{error}");
    });
}

#[test]
fn what_the_client_sets_itself_is_not_replaced() {
    run(async {
        let tokens = Server::plain(Answer::ok("{}")).await;
        let oauth2 = |fields: &str| {
            let url = format!("http://{}/token", tokens.address);
            client(&configured(&format!(
                "  oauth2: {{client_id: me, scopes: [a], token_url: {url}, {fields}}}\n"
            )))
        };
        let url = "http://127.0.0.1:1/";
        let error = get(&oauth2("client_secret: s, endpoint_params: {scope: b}"), url).await;
        assert_eq!(
            error,
            Err(format!(
                "Get \"{url}\": endpoint_params: the parameter \"scope\" is set by the client itself"
            ))
        );
        let error = get(&oauth2("endpoint_params: {a: b}"), url).await;
        let what = "client_secret: oauth2 needs a client_secret or client_secret_file";
        assert_eq!(error, Err(format!("Get \"{url}\": {what}")));
        get(&oauth2("client_secret: s, endpoint_params: {grant_type: own}"), url)
            .await
            .expect_err("no token in the answer");
        assert!(tokens.requests()[0].ends_with("\r\n\r\ngrant_type=own&scope=a"));
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

#[test]
fn a_kept_connection_that_is_closed_is_no_failure() {
    run(async {
        let server = Server::fickle(Answer::ok("x"), 1).await;
        let url = format!("http://{}/", server.address);
        let client = client(&HttpClientConfig::default());
        for _ in 0..5 {
            assert_eq!(get(&client, &url).await, Ok("x".into()));
        }
        // Each but the first was sent over the kept connection and again over a new one, or over a fresh one at once.
        assert!((6..=9).contains(&server.requests().len()));
        let call = net::client::Call { method: "GET", url: &url, headers: &[], body: "".into() };
        let timeout = Duration::from_secs(20);
        let answer = client.call(&call, timeout, 10).await.expect("an answer");
        assert_eq!((answer.status, answer.body.as_slice()), (200, &b"x"[..]));
        assert!((7..=11).contains(&server.requests().len()));
        // What may have had an effect is not repeated. It fails over the kept connection; now and then there is a
        // fresh one, opened while the kept one was not free yet.
        let call = net::client::Call { method: "PUT", ..call };
        drop(client.call(&call, timeout, 10).await);
        assert!(server.requests().len() <= 12);
    });
}

#[test]
fn a_new_connection_that_is_closed_is_a_failure() {
    run(async {
        let server = Server::fickle(Answer::ok("x"), 0).await;
        let url = format!("http://{}/", server.address);
        get(&client(&HttpClientConfig::default()), &url).await.expect_err("closed");
        assert_eq!(server.requests().len(), 1);
    });
}

#[test]
fn connections_are_counted() {
    run(async {
        let registry = metrics::Registry::new();
        let dialer = net::dialer::Dialers::new(&registry).with("job");
        let options = ClientOptions { dialer: Some(dialer), ..ClientOptions::default() };
        let client = Client::new(&HttpClientConfig::default(), options).expect("a client");
        let server = Server::plain(Answer::closing("x")).await;
        for _ in 0..2 {
            get(&client, &format!("http://{}/", server.address)).await.expect("an answer");
        }
        let free = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
        let closed = free.local_addr().expect("bound");
        drop(free);
        get(&client, &format!("http://{closed}/")).await.expect_err("nobody is there");
        get(&client, "http://nowhere.invalid/").await.expect_err("no such name");
        drop(client);
        let counts = || {
            let mut text = String::new();
            registry.encode_text(&mut text);
            let lines = text.lines().filter_map(|line| line.strip_prefix("net_conntrack_dialer_"));
            lines.map(str::to_owned).collect::<Vec<_>>()
        };
        let all_closed = "conn_closed_total{dialer_name=\"job\"} 2";
        while !counts().iter().any(|line| line == all_closed) {
            tokio::task::yield_now().await;
        }
        let expected = [
            "conn_attempted_total{dialer_name=\"job\"} 4",
            all_closed,
            "conn_established_total{dialer_name=\"job\"} 2",
            "conn_failed_total{dialer_name=\"job\",reason=\"refused\"} 1",
            "conn_failed_total{dialer_name=\"job\",reason=\"resolution\"} 1",
            "conn_failed_total{dialer_name=\"job\",reason=\"timeout\"} 0",
            "conn_failed_total{dialer_name=\"job\",reason=\"unknown\"} 0",
        ];
        assert_eq!(counts(), expected);
    });
}
