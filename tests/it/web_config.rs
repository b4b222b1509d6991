//! The file of `--web.config.file`: which ones are good, and what TLS makes of clients with and without certificates.

use crate::http::serve::{Running, Setup, head};
use net::client::{Client, ClientOptions, Request};
use net::config::{HttpClientConfig, Secret};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;
use tests::{Scratch, golden};
use web::Guard;

const CA: &str = include_str!("web_config/ca.crt");
const SERVER: &str = include_str!("web_config/server.crt");
const SERVER_KEY: &str = include_str!("web_config/server.key");
const CLIENT: &str = include_str!("web_config/client.crt");
const CLIENT_KEY: &str = include_str!("web_config/client.key");

fn write(dir: &Path, name: &str, text: &str) {
    std::fs::write(dir.join(name), text).expect("written");
}

fn scratch() -> Scratch {
    let scratch = Scratch::new("web-config");
    let files = [
        ("good.crt", SERVER),
        ("good.key", SERVER_KEY),
        ("other.key", CLIENT_KEY),
        ("ca.crt", CA),
        ("text.txt", "not a certificate\n"),
    ];
    for (name, text) in files {
        write(scratch.path(), name, text);
    }
    scratch
}

#[test]
fn recorded_files() {
    let scratch = scratch();
    let lines = golden("config/web.jsonl");
    let mut failures = Vec::new();
    for line in &lines {
        let file = line["file"].as_str().expect("file").strip_prefix("web/").expect("a folder");
        let path = scratch.path().join(file);
        if let Some(yaml) = line["yaml"].as_str() {
            write(scratch.path(), file, yaml);
        }
        let checked = Guard::check(&path);
        if checked.is_ok() != (line["ok"] == true) {
            failures.push(format!("{}: {checked:?}, recorded {}", line["name"], line["error"]));
        }
    }
    println!("web.jsonl {}/{}", lines.len() - failures.len(), lines.len());
    assert!(failures.is_empty(), "{}", failures.join("\n"));
}

fn ask(running: &Running, identity: Option<(&str, &str)>) -> Result<u16, String> {
    let mut config = HttpClientConfig::default();
    config.tls_config.ca = CA.to_owned();
    if let Some((cert, key)) = identity {
        config.tls_config.cert = cert.to_owned();
        config.tls_config.key = Secret::new(key);
    }
    let client = Client::new(&config, ClientOptions::default()).map_err(|e| e.to_string())?;
    let url = format!("https://localhost:{}/-/healthy", running.address.port());
    let timeout = Duration::from_secs(20);
    let request = Request { url: &url, headers: &[], timeout, body_size_limit: None };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let answered = runtime.expect("runtime").block_on(client.get(&request, &mut Vec::new()));
    answered.map(|response| response.status).map_err(|error| error.to_string())
}

fn serve(scratch: &Scratch, more: &str) -> Running {
    let text = format!("tls_server_config:\n  cert_file: good.crt\n  key_file: good.key\n{more}");
    write(scratch.path(), "web.yml", &text);
    let setup = Setup { guard: Some(scratch.path().join("web.yml")), ..Setup::default() };
    Running::start(Arc::new(head()), &setup)
}

#[test]
fn clients_show_what_is_asked_of_them() {
    let scratch = scratch();
    let known = Some((CLIENT, CLIENT_KEY));
    let ca = "  client_ca_file: ca.crt\n";
    let cases = [
        ("", true, true),
        ("  client_auth_type: RequestClientCert\n", true, true),
        ("  client_auth_type: RequireAnyClientCert\n", false, true),
        ("  client_auth_type: VerifyClientCertIfGiven\n", true, true),
        ("  client_auth_type: RequireAndVerifyClientCert\n", false, true),
        (
            "  client_auth_type: RequireAndVerifyClientCert\n  client_allowed_sans: [a.example]\n",
            false,
            true,
        ),
        (
            "  client_auth_type: RequireAndVerifyClientCert\n  client_allowed_sans: [c.example]\n",
            false,
            false,
        ),
    ];
    for (auth, stranger, client) in cases {
        let more = if auth.contains("Verify") { format!("{auth}{ca}") } else { auth.to_owned() };
        let running = serve(&scratch, &more);
        let answer = ask(&running, None);
        assert_eq!(answer.is_ok(), stranger, "without a certificate, {more:?}: {answer:?}");
        let answer = ask(&running, known);
        assert_eq!(answer.is_ok(), client, "with a certificate, {more:?}: {answer:?}");
    }
}

#[test]
fn a_certificate_of_another_authority_is_refused_where_it_is_verified() {
    let scratch = scratch();
    // The certificate of the server itself vouches for nobody's.
    let auth = "  client_auth_type: VerifyClientCertIfGiven\n  client_ca_file: good.crt\n";
    let running = serve(&scratch, auth);
    assert_eq!(ask(&running, None), Ok(200));
    assert!(ask(&running, Some((CLIENT, CLIENT_KEY))).is_err());
}

#[test]
fn certificates_and_clients_follow_the_file() {
    let scratch = scratch();
    let running = serve(&scratch, "");
    assert_eq!(ask(&running, None), Ok(200));
    write(scratch.path(), "good.crt", CLIENT);
    write(scratch.path(), "good.key", CLIENT_KEY);
    assert!(ask(&running, None).is_err(), "the certificate is for another name now");
    write(scratch.path(), "good.crt", SERVER);
    write(scratch.path(), "good.key", SERVER_KEY);
    assert_eq!(ask(&running, None), Ok(200));
    let text = "tls_server_config:\n  cert_file: good.crt\n  key_file: good.key\n  \
                client_auth_type: RequireAnyClientCert\n";
    write(scratch.path(), "web.yml", text);
    assert!(ask(&running, None).is_err());
    assert_eq!(ask(&running, Some((CLIENT, CLIENT_KEY))), Ok(200));
}

#[test]
fn versions_that_are_not_spoken_are_refused_at_the_start() {
    let scratch = scratch();
    let text = "tls_server_config:\n  cert_file: good.crt\n  key_file: good.key\n  \
                min_version: TLS10\n  max_version: TLS11\n";
    write(scratch.path(), "web.yml", text);
    let path = scratch.path().join("web.yml");
    assert!(Guard::check(&path).is_ok());
    let error = Guard::load(&path).expect_err("no version is left").to_string();
    assert!(error.contains("TLS 1.2 and 1.3 are spoken"), "{error}");
}
