//! What `cluster` promises, case by case.

use super::*;
use crate::api::Api;
use crate::loopback::{Loopback, Surroundings, section};

#[tokio::test]
async fn inside_of_a_pod_the_files_of_its_account_count() {
    let directory = std::env::temp_dir().join(format!("firesteel-account-{}", std::process::id()));
    std::fs::create_dir_all(&directory).expect("a directory");
    let account = directory.to_str().expect("a path");
    let server = Loopback::start(|_| (200, "{}".to_owned()));
    let surroundings = Surroundings::new(&[
        ("KUBERNETES_SERVICE_HOST", "fd00::1"),
        ("KUBERNETES_SERVICE_PORT", "6443"),
    ]);
    let context = surroundings.context();
    let http = HttpClientConfig::default();
    let cluster = inside(http.clone(), context.environment, account).expect("a cluster");
    assert_eq!(cluster.server, "https://[fd00::1]:6443");
    assert_eq!(cluster.http.tls_config.ca_file, format!("{account}/ca.crt"));
    // The token is read again for each request: it is replaced now and then. Without TLS no authority is asked.
    let mut http = cluster.http;
    http.tls_config.ca_file.clear();
    let api = Api::with_config(&context, &http, Duration::from_secs(20), None).expect("a client");
    api.get(&server.url()).await.expect_err("no token yet");
    for token in ["one", "two"] {
        std::fs::write(directory.join("token"), format!("{token}\n")).expect("written");
        api.get(&server.url()).await.expect("an answer");
    }
    let asked = server.asked();
    let tokens: Vec<&str> = asked.iter().map(|asked| asked.header("authorization")).collect();
    assert_eq!(tokens, ["Bearer one", "Bearer two"]);
    std::fs::remove_dir_all(&directory).expect("removed");
}

#[test]
fn outside_of_a_pod_a_server_is_needed() {
    let surroundings = Surroundings::new(&[]);
    let context = surroundings.context();
    let error = Cluster::from_section(
        &section("kubernetes_sd_configs", "{role: pod}"),
        context.environment,
    );
    let error = error.expect_err("no cluster").to_string();
    assert!(error.starts_with("KUBERNETES_SERVICE_HOST: is not set"), "{error}");
    let text = "{role: pod, api_server: 'https://x/'}";
    let cluster =
        Cluster::from_section(&section("kubernetes_sd_configs", text), context.environment);
    assert_eq!(cluster.expect("a cluster").server, "https://x");
}
