//! The headers that `sigv4`, `azuread` and `google_iam` of remote write come to, with servers of tokens in this process.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use discovery::signing::{SignerOptions, signer};
use http::HeaderMap;
use net::client::{Signer, Unsigned};
use parking_lot::Mutex;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;

/// The first of January 2026.
const NOW_MS: i64 = 1_767_225_600_000;
const URL: &str =
    "https://aps-workspaces.eu-west-1.amazonaws.com/workspaces/ws-1/api/v1/remote_write";

/// The hash of the certificate, as openssl has it.
const CERTIFICATE_SHA256: &str = "xKMxMTCymPRUonIwl5WanzNS+gRtflUZLWaec+43X58=";

/// A server that hands out a token and remembers what it was asked: request line and body.
fn tokens() -> (SocketAddr, Arc<Mutex<Vec<String>>>) {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = listener.local_addr().expect("an address");
    let asked = Arc::<Mutex<Vec<String>>>::default();
    let noted = Arc::clone(&asked);
    let serve = move || {
        for stream in listener.incoming().map_while(Result::ok) {
            let mut reader = BufReader::new(&stream);
            let (mut first, mut length) = (String::new(), 0);
            reader.read_line(&mut first).expect("a request");
            loop {
                let mut line = String::new();
                reader.read_line(&mut line).expect("a header");
                let line = line.trim().to_ascii_lowercase();
                if line.is_empty() {
                    break;
                }
                if let Some(text) = line.strip_prefix("content-length: ") {
                    length = text.parse().expect("a number");
                }
            }
            let mut body = vec![0; length];
            reader.read_exact(&mut body).expect("a body");
            noted.lock().push(format!("{}|{}", first.trim(), String::from_utf8_lossy(&body)));
            let body = r#"{"access_token": "tok", "expires_in": 3599}"#;
            let answer = format!(
                "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: {}\r\n\r\n{body}",
                body.len()
            );
            (&stream).write_all(answer.as_bytes()).expect("answered");
        }
    };
    drop(std::thread::Builder::new().spawn(serve).expect("a thread"));
    (address, asked)
}

/// What an entry of remote write with this field makes of it in an environment of one variable.
fn signer_of(field: &str, variable: (&'static str, String)) -> Result<Arc<dyn Signer>, String> {
    let text = format!("url: {URL}\n{field}\n");
    let document = yaml::Document::parse("test", text.as_bytes()).expect("YAML");
    let section = yaml::load(&document.root, &remote::config::REMOTE_WRITE).expect("a section");
    let options = SignerOptions {
        user_agent: "test".into(),
        clock: Arc::new(|| NOW_MS),
        environment: Arc::new(move |name| (name == variable.0).then(|| variable.1.clone())),
    };
    let found = signer(&section, &options).map_err(|error| error.to_string())?;
    Ok(found.expect("the entry asks for one"))
}

async fn headers(signer: &dyn Signer) -> Vec<(&'static str, String)> {
    let headers = HeaderMap::new();
    let request = Unsigned { method: "POST", url: URL, headers: &headers, body: b"body" };
    signer.sign(request).await.expect("signed")
}

#[tokio::test]
async fn requests_to_aws_are_signed() {
    let field = "sigv4: {region: eu-west-1, access_key: key, secret_key: secret}";
    let signer = signer_of(field, ("NONE", String::new())).expect("a signer");
    let authorization = "AWS4-HMAC-SHA256 Credential=key/20260101/eu-west-1/aps/aws4_request, \
         SignedHeaders=host;x-amz-date, \
         Signature=4792dd23021c0a7d1c5c70c5d850ca37158940ec9a73902450d86485e72c44ae";
    let expected = vec![
        ("x-amz-date", "20260101T000000Z".to_owned()),
        ("authorization", authorization.to_owned()),
    ];
    assert_eq!(headers(&*signer).await, expected);
}

#[tokio::test]
async fn requests_to_azure_have_a_token() {
    let (address, asked) = tokens();
    let tenant = "00000000-0000-0000-0000-000000000001";
    let field = format!(
        "azuread: {{oauth: {{client_id: {tenant}, client_secret: s, tenant_id: {tenant}}}}}"
    );
    let host = ("AZURE_AUTHORITY_HOST", format!("http://{address}"));
    let signer = signer_of(&field, host).expect("a signer");
    for _ in 0..2 {
        let expected = vec![("authorization", "Bearer tok".to_owned())];
        assert_eq!(headers(&*signer).await, expected);
    }
    let asked = asked.lock().clone();
    assert_eq!(asked.len(), 1, "one token is good for both");
    assert!(asked[0].starts_with(&format!("POST /{tenant}/oauth2/v2.0/token")), "{}", asked[0]);
    let scope = "scope=https%3A%2F%2Fmonitor.azure.com%2F%2F.default";
    assert!(asked[0].contains(scope), "{}", asked[0]);
}

#[tokio::test]
async fn requests_to_google_have_a_token() {
    let (address, asked) = tokens();
    let host = ("GCE_METADATA_HOST", address.to_string());
    let signer = signer_of("google_iam: {}", host).expect("a signer");
    assert_eq!(headers(&*signer).await, vec![("authorization", "Bearer tok".to_owned())]);
    assert!(asked.lock()[0].contains("monitoring.write"), "{:?}", asked.lock());
}

#[tokio::test]
async fn an_application_may_show_a_certificate_to_azure() {
    let (address, asked) = tokens();
    let id = "00000000-0000-0000-0000-000000000001";
    let files = format!("{}/../net/src/assertion/tests", env!("CARGO_MANIFEST_DIR"));
    let field = |more: &str| {
        format!(
            "azuread: {{certificate: {{client_id: {id}, tenant_id: {id}, \
             certificate_path: '{files}/certificate.pem'{more}}}}}"
        )
    };
    let host = || ("AZURE_AUTHORITY_HOST", format!("http://{address}"));
    let more = format!(", certificate_key_path: '{files}/key.pem', send_certificate_chain: true");
    let signer = signer_of(&field(&more), host()).expect("a signer");
    assert_eq!(headers(&*signer).await, vec![("authorization", "Bearer tok".to_owned())]);
    let asked = asked.lock().pop().expect("asked");
    let assertion = asked.split("client_assertion=").nth(1).expect("an assertion");
    let assertion = assertion.split('&').next().expect("its end");
    let part = |number: usize| -> serde_json::Value {
        let part = assertion.split('.').nth(number).expect("three parts");
        serde_json::from_slice(&URL_SAFE_NO_PAD.decode(part).expect("base64")).expect("JSON")
    };
    let (header, claims) = (part(0), part(1));
    assert_eq!(header["alg"], "PS256");
    assert_eq!(header["x5t#S256"], CERTIFICATE_SHA256);
    assert_eq!(header["x5c"].as_array().map(Vec::len), Some(1));
    assert_eq!(claims["aud"], format!("http://{address}/{id}/oauth2/v2.0/token"));
    assert_eq!((&claims["iss"], &claims["sub"]), (&id.into(), &id.into()));
    assert_eq!(claims["exp"], NOW_MS / 1000 + 600);
    // The key is missing.
    let signer = signer_of(&field(""), host()).expect("a signer");
    let empty = HeaderMap::new();
    let request = Unsigned { method: "POST", url: URL, headers: &empty, body: b"body" };
    let error = signer.sign(request).await.expect_err("refused").to_string();
    assert!(error.contains("no private key in PEM form"), "{error}");
}
