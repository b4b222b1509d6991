//! The HTTP client section (`basic_auth`, `tls_config`, proxies, ...) as the client uses it: checked values, secrets
//! that do not print, paths already resolved. Reading it from YAML is in `config::section`; no sockets here.

mod oauth2;
mod section;

pub use section::{BASIC_AUTH, HTTP_FIELDS, TLS, check_http, http_fields, reserved_header};

use crate::assertion::Algorithm;
use serde_json::{Map, Value};
use std::fmt;

/// A text that never shows: `Debug` and `Display` print `<secret>`.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Secret(String);

impl Secret {
    /// Wraps `text`.
    #[must_use]
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// The text itself, for the one place that sends it.
    #[must_use]
    pub fn expose(&self) -> &str {
        &self.0
    }

    /// Whether there is no text.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("<secret>")
    }
}

impl fmt::Display for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("<secret>")
    }
}

/// How to talk to one kind of HTTP server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HttpClientConfig {
    /// User and password of basic authentication.
    pub basic_auth: Option<BasicAuth>,
    /// The `Authorization` header; `bearer_token` and `bearer_token_file` end up here as type `Bearer`.
    pub authorization: Option<Authorization>,
    /// OAuth 2.0 client credentials.
    pub oauth2: Option<OAuth2>,
    /// TLS towards the server.
    pub tls_config: TlsConfig,
    /// Whether redirects are followed.
    pub follow_redirects: bool,
    /// Whether HTTP/2 may be negotiated.
    pub enable_http2: bool,
    /// The proxy in between.
    pub proxy: ProxyConfig,
    /// Further request headers, in the order of their names.
    pub http_headers: Vec<HttpHeader>,
}

impl Default for HttpClientConfig {
    fn default() -> Self {
        Self {
            basic_auth: None,
            authorization: None,
            oauth2: None,
            tls_config: TlsConfig::default(),
            follow_redirects: true,
            enable_http2: true,
            proxy: ProxyConfig::default(),
            http_headers: Vec::new(),
        }
    }
}

impl HttpClientConfig {
    /// Whether its headers are the same for each request to one place: nothing of them is read from files or got from
    /// elsewhere.
    pub(crate) fn is_constant(&self) -> bool {
        let is_basic_read = self.basic_auth.as_ref().is_some_and(|basic| {
            !basic.username_file.is_empty() || !basic.password_file.is_empty()
        });
        let is_read = self.authorization.as_ref().is_some_and(|a| !a.credentials_file.is_empty());
        let are_headers_read = self.http_headers.iter().any(|header| !header.files.is_empty());
        self.oauth2.is_none() && !is_basic_read && !is_read && !are_headers_read
    }
}

/// Basic authentication. Of each text and its file at most one is set; files are read again for each request.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct BasicAuth {
    /// The user.
    pub username: String,
    /// A file that holds the user; empty for none.
    pub username_file: String,
    /// The password.
    pub password: Secret,
    /// A file that holds the password; empty for none.
    pub password_file: String,
}

/// The `Authorization` header: type and credentials.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Authorization {
    /// The type, `Bearer` unless given.
    pub kind: String,
    /// The credentials.
    pub credentials: Secret,
    /// A file that holds the credentials; empty for none.
    pub credentials_file: String,
}

/// OAuth 2.0 tokens by client credentials or a signed assertion.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct OAuth2 {
    /// The client.
    pub client_id: String,
    /// Its secret.
    pub client_secret: Secret,
    /// A file that holds the secret; empty for none.
    pub client_secret_file: String,
    /// Requested scopes.
    pub scopes: Vec<String>,
    /// Where tokens come from.
    pub token_url: String,
    /// Further parameters of the token request, by name.
    pub endpoint_params: Vec<(String, String)>,
    /// What takes the place of the secret in the JWT bearer grant.
    pub assertion: Option<Assertion>,
    /// TLS towards the token server.
    pub tls_config: TlsConfig,
    /// The proxy towards the token server.
    pub proxy: ProxyConfig,
}

/// How the client signs for itself in the JWT bearer grant. Of the key and its file at most one is set; the file is read
/// again for each request.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Assertion {
    /// The private RSA key, PEM.
    pub key: Secret,
    /// A file that holds the key; empty for none.
    pub key_file: String,
    /// The name by which the server knows the key; empty for none.
    pub key_id: String,
    /// How it signs.
    pub algorithm: Algorithm,
    /// Who signs; empty for the client.
    pub issuer: String,
    /// Whom it is for; empty for the URL of the tokens.
    pub audience: String,
    /// Further claims, which replace those of the same name.
    pub claims: Map<String, Value>,
}

/// TLS of a client. Of each text and its file at most one is set; files are read again when they change.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TlsConfig {
    /// Certificates of authorities, PEM.
    pub ca: String,
    /// Our certificate, PEM.
    pub cert: String,
    /// Our private key, PEM.
    pub key: Secret,
    /// A file for `ca`; empty for none.
    pub ca_file: String,
    /// A file for `cert`; empty for none.
    pub cert_file: String,
    /// A file for `key`; empty for none.
    pub key_file: String,
    /// The name the server must prove; empty for the name in the URL.
    pub server_name: String,
    /// Accept any certificate.
    pub insecure_skip_verify: bool,
    /// The oldest version to accept.
    pub min_version: Option<TlsVersion>,
    /// The newest version to offer.
    pub max_version: Option<TlsVersion>,
}

/// A version of TLS.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum TlsVersion {
    /// TLS 1.0
    Tls10,
    /// TLS 1.1
    Tls11,
    /// TLS 1.2
    Tls12,
    /// TLS 1.3
    Tls13,
}

/// Which proxy to use.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ProxyConfig {
    /// The proxy; empty for none.
    pub proxy_url: String,
    /// Hosts that are reached directly, comma-separated.
    pub no_proxy: String,
    /// Take the proxy from `HTTP_PROXY`, `HTTPS_PROXY` and `NO_PROXY`.
    pub proxy_from_environment: bool,
    /// Headers of the `CONNECT` request, by name.
    pub proxy_connect_header: Vec<(String, Vec<Secret>)>,
}

/// A request header and where its values come from: all are sent.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct HttpHeader {
    /// The name.
    pub name: String,
    /// Plain values.
    pub values: Vec<String>,
    /// Values that do not print.
    pub secrets: Vec<Secret>,
    /// Files that hold a value each.
    pub files: Vec<String>,
}
