//! Where the API of a cluster is and how to talk to it: as configured, as a kubeconfig file says, or from inside of a
//! pod.

use crate::Error;
use crate::provider::Environment;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use net::config::{Authorization, BasicAuth, HttpClientConfig, Secret};
use std::time::Duration;
use tokio::time::sleep;
use yaml::Section;

const ACCOUNT: &str = "/var/run/secrets/kubernetes.io/serviceaccount";
const RETRY: Duration = Duration::from_secs(10);

/// An API.
#[derive(Debug)]
pub(super) struct Cluster {
    /// Its URL, without a slash at the end.
    pub(super) server: String,
    pub(super) http: HttpClientConfig,
}

impl Cluster {
    pub(super) fn from_section(
        section: &Section,
        environment: &Environment,
    ) -> Result<Self, Error> {
        let http = HttpClientConfig::from_section(section);
        let file = section.text("kubeconfig_file");
        if !file.is_empty() {
            return kubeconfig(file, http);
        }
        let server = section.text("api_server");
        if server.is_empty() {
            return inside(http, environment, ACCOUNT);
        }
        Ok(Self { server: server.trim_end_matches('/').to_owned(), http })
    }
}

/// The cluster around this pod, whose account is in the files of a directory.
fn inside(
    mut http: HttpClientConfig,
    environment: &Environment,
    account: &str,
) -> Result<Cluster, Error> {
    let variable = |name: &str| {
        let what = "is not set: without api_server this works inside of a cluster only";
        environment(name).ok_or_else(|| Error::config(name, what))
    };
    let host = variable("KUBERNETES_SERVICE_HOST")?;
    let port = variable("KUBERNETES_SERVICE_PORT")?;
    http.tls_config.ca_file = format!("{account}/ca.crt");
    http.authorization = Some(Authorization {
        kind: "Bearer".to_owned(),
        credentials: Secret::default(),
        credentials_file: format!("{account}/token"),
    });
    Ok(Cluster { server: format!("https://{}", crate::target::host_port(&host, port)), http })
}

/// The namespace of this pod, as soon as it can be read.
pub(super) async fn own_namespace(job: &str) -> String {
    let path = format!("{ACCOUNT}/namespace");
    loop {
        match tokio::fs::read_to_string(&path).await {
            Ok(name) if !name.trim().is_empty() => return name.trim().to_owned(),
            Ok(_) => tracing::error!(config = job, path, "The namespace of the pod is empty"),
            Err(error) => {
                tracing::error!(config = job, path, err = %error, "The namespace of the pod cannot be read");
            }
        }
        sleep(RETRY).await;
    }
}

/// The cluster of the current context of a kubeconfig file.
fn kubeconfig(file: &str, mut http: HttpClientConfig) -> Result<Cluster, Error> {
    let wrong = |what: &str| Error::config(file, what);
    let bytes = std::fs::read(file).map_err(|error| Error::config(file, error))?;
    let document =
        yaml::Document::parse(file, &bytes).map_err(|error| Error::config(file, error))?;
    let root = &document.root;
    let context_name =
        root.text_at("current-context").ok_or_else(|| wrong("no current-context"))?;
    let named = |list: &str, name: &str, inner: &str| {
        let mut entries = root.items_at(list);
        let entry = entries.find(|entry| entry.text_at("name") == Some(name));
        entry
            .and_then(|entry| entry.at(inner))
            .ok_or_else(|| wrong(&format!("{list} has no {inner} named {name:?}")))
    };
    let context = named("contexts", context_name, "context")?;
    let cluster_name = context.text_at("cluster").unwrap_or_default();
    let cluster = named("clusters", cluster_name, "cluster")?;
    let server = cluster.text_at("server").ok_or_else(|| wrong("the cluster has no server"))?;
    let directory = yaml::path::directory(file);
    let path = |node: &yaml::Node, name: &str| {
        node.text_at(name).map_or_else(String::new, |path| yaml::path::join(&directory, path))
    };
    let data = |node: &yaml::Node, name: &str| -> Result<String, Error> {
        let Some(text) = node.text_at(name) else { return Ok(String::new()) };
        let bytes = STANDARD.decode(text).map_err(|e| wrong(&format!("{name}: {e}")))?;
        String::from_utf8(bytes).map_err(|e| wrong(&format!("{name}: {e}")))
    };
    let tls = &mut http.tls_config;
    tls.ca = data(cluster, "certificate-authority-data")?;
    if tls.ca.is_empty() {
        tls.ca_file = path(cluster, "certificate-authority");
    }
    tls.insecure_skip_verify = cluster.text_at("insecure-skip-tls-verify") == Some("true");
    tls.server_name = cluster.text_at("tls-server-name").unwrap_or_default().to_owned();
    http.proxy.proxy_url = cluster.text_at("proxy-url").unwrap_or_default().to_owned();
    let Some(user_name) = context.text_at("user").filter(|name| !name.is_empty()) else {
        return Ok(Cluster { server: server.trim_end_matches('/').to_owned(), http });
    };
    let user = named("users", user_name, "user")?;
    if user.at("exec").is_some() || user.at("auth-provider").is_some() {
        return Err(wrong("users that run a command or a plugin are not supported"));
    }
    let tls = &mut http.tls_config;
    tls.cert = data(user, "client-certificate-data")?;
    tls.key = Secret::new(data(user, "client-key-data")?);
    if tls.cert.is_empty() {
        tls.cert_file = path(user, "client-certificate");
    }
    if tls.key.is_empty() {
        tls.key_file = path(user, "client-key");
    }
    let token_file = path(user, "tokenFile");
    let token = user.text_at("token").unwrap_or_default();
    if !token_file.is_empty() || !token.is_empty() {
        let credentials = if token_file.is_empty() { token } else { "" };
        http.authorization = Some(Authorization {
            kind: "Bearer".to_owned(),
            credentials: Secret::new(credentials),
            credentials_file: token_file,
        });
    } else if let Some(username) = user.text_at("username") {
        http.basic_auth = Some(BasicAuth {
            username: username.to_owned(),
            username_file: String::new(),
            password: Secret::new(user.text_at("password").unwrap_or_default()),
            password_file: String::new(),
        });
    }
    Ok(Cluster { server: server.trim_end_matches('/').to_owned(), http })
}

#[cfg(test)]
mod tests;
