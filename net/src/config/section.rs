//! The HTTP client section as a table of fields, what must hold among them, and the typed form made of it.

use super::oauth2::OAUTH2;
use super::{
    Authorization, BasicAuth, HttpClientConfig, HttpHeader, OAuth2, ProxyConfig, Secret, TlsConfig,
    TlsVersion,
};
use yaml::{Field, Kind, Problem, Schema, Section, Value, no_check};

/// Fields of an HTTP client with the usual defaults: redirects are followed, HTTP/2 is offered.
pub const HTTP_FIELDS: &[Field] = &http_fields("true", "true");

/// Fields of an HTTP client, which other sections take in among their own.
#[must_use]
pub const fn http_fields(
    follow_redirects: &'static str,
    enable_http2: &'static str,
) -> [Field; 13] {
    [
        Field::new("basic_auth", Kind::Maybe(&BASIC_AUTH)),
        Field::new("authorization", Kind::Maybe(&AUTHORIZATION)),
        Field::new("oauth2", Kind::Maybe(&OAUTH2)),
        Field::new("bearer_token", Kind::Secret),
        Field::new("bearer_token_file", Kind::Path),
        Field::new("tls_config", Kind::One(&TLS)),
        Field::new("follow_redirects", Kind::Bool).or(follow_redirects).always(),
        Field::new("enable_http2", Kind::Bool).or(enable_http2).always(),
        PROXY_FIELDS[0],
        PROXY_FIELDS[1],
        PROXY_FIELDS[2],
        PROXY_FIELDS[3],
        Field::new("http_headers", Kind::Named(&HEADER)),
    ]
}

pub(super) const PROXY_FIELDS: &[Field] = &[
    Field::new("proxy_url", Kind::Url),
    Field::new("no_proxy", Kind::Text),
    Field::new("proxy_from_environment", Kind::Bool),
    Field::new("proxy_connect_header", Kind::SecretLists),
];

/// User and password.
pub static BASIC_AUTH: Schema = Schema {
    name: "basic_auth",
    parts: &[&[
        Field::new("username", Kind::Text),
        Field::new("username_file", Kind::Path),
        Field::new("username_ref", Kind::Text),
        Field::new("password", Kind::Secret),
        Field::new("password_file", Kind::Path),
        Field::new("password_ref", Kind::Text),
    ]],
    check: |section| {
        at_most_one(section, &["username", "username_file", "username_ref"])?;
        at_most_one(section, &["password", "password_file", "password_ref"])
    },
};

static AUTHORIZATION: Schema = Schema {
    name: "authorization",
    parts: &[&[
        Field::new("type", Kind::Text),
        Field::new("credentials", Kind::Secret),
        Field::new("credentials_file", Kind::Path),
        Field::new("credentials_ref", Kind::Text),
    ]],
    check: check_authorization,
};

/// TLS of a client.
pub static TLS: Schema = Schema {
    name: "tls_config",
    parts: &[&[
        Field::new("ca", Kind::Text),
        Field::new("cert", Kind::Text),
        Field::new("key", Kind::Secret),
        Field::new("ca_file", Kind::Path),
        Field::new("cert_file", Kind::Path),
        Field::new("key_file", Kind::Path),
        Field::new("ca_ref", Kind::Text),
        Field::new("cert_ref", Kind::Text),
        Field::new("key_ref", Kind::Text),
        Field::new("server_name", Kind::Text),
        Field::new("insecure_skip_verify", Kind::Bool).always(),
        Field::new("min_version", Kind::Word(check_version)),
        Field::new("max_version", Kind::Word(check_version)),
    ]],
    check: check_tls,
};

static HEADER: Schema = Schema {
    name: "a header",
    parts: &[&[
        Field::new("values", Kind::List),
        Field::new("secrets", Kind::Secrets),
        Field::new("files", Kind::Paths),
    ]],
    check: no_check,
};

/// Headers that the client or its authentication sets; lower case.
const RESERVED_HEADERS: [&str; 18] = [
    "authorization",
    "host",
    "content-encoding",
    "content-length",
    "content-type",
    "user-agent",
    "connection",
    "keep-alive",
    "proxy-authenticate",
    "proxy-authorization",
    "www-authenticate",
    "accept-encoding",
    "x-prometheus-remote-write-version",
    "x-prometheus-remote-read-version",
    "x-prometheus-scrape-timeout-seconds",
    "x-amz-date",
    "x-amz-security-token",
    "x-amz-content-sha256",
];

/// Whether `name` is a header that only the client itself may set.
#[must_use]
pub fn reserved_header(name: &str) -> bool {
    RESERVED_HEADERS.iter().any(|reserved| reserved.eq_ignore_ascii_case(name))
}

/// Refuses a second text of `names`.
pub(super) fn at_most_one(section: &Section, names: &[&str]) -> Result<(), Problem> {
    match names.iter().filter(|name| section.has(name)).nth(1) {
        Some(second) => {
            let what =
                format!("{}: give at most one of {}", section.schema().name, names.join(", "));
            Err(section.problem(second, what))
        }
        None => Ok(()),
    }
}

fn check_authorization(section: &mut Section) -> Result<(), Problem> {
    at_most_one(section, &["credentials", "credentials_file", "credentials_ref"])?;
    let kind = section.text("type").trim();
    if kind.eq_ignore_ascii_case("basic") {
        return Err(section.problem("type", "use basic_auth for user and password"));
    }
    let kind = if kind.is_empty() { "Bearer" } else { kind };
    section.set("type", Value::Text(kind.to_owned()));
    Ok(())
}

fn check_version(text: &str) -> Result<(), String> {
    match TlsVersion::from_name(text) {
        Some(_) => Ok(()),
        None => {
            Err(format!("there is no TLS version {text:?}; there are TLS10, TLS11, TLS12, TLS13"))
        }
    }
}

fn check_tls(section: &mut Section) -> Result<(), Problem> {
    at_most_one(section, &["ca", "ca_file", "ca_ref"])?;
    at_most_one(section, &["cert", "cert_file", "cert_ref"])?;
    at_most_one(section, &["key", "key_file", "key_ref"])?;
    let given = |names: [&'static str; 3]| names.into_iter().find(|name| section.has(name));
    match (given(["cert", "cert_file", "cert_ref"]), given(["key", "key_file", "key_ref"])) {
        (Some(cert), None) => {
            Err(section.problem(cert, "a client certificate needs a key or key_file"))
        }
        (None, Some(key)) => Err(section.problem(key, "a client key needs a cert or cert_file")),
        _ => Ok(()),
    }
}

pub(super) fn check_proxy(section: &Section) -> Result<(), Problem> {
    let from_environment = section.bool("proxy_from_environment");
    let refuse = |name: &str, what: &str| Err(section.problem(name, what));
    if !section.lists("proxy_connect_header").is_empty()
        && !from_environment
        && !section.has("proxy_url")
    {
        return refuse(
            "proxy_connect_header",
            "proxy_connect_header needs a proxy_url or proxy_from_environment",
        );
    }
    if from_environment && section.has("proxy_url") {
        return refuse("proxy_url", "give either proxy_url or proxy_from_environment");
    }
    if from_environment && section.has("no_proxy") {
        return refuse(
            "no_proxy",
            "with proxy_from_environment the variable NO_PROXY counts, not no_proxy",
        );
    }
    if section.has("no_proxy") && !section.is_given("proxy_url") {
        return refuse("no_proxy", "no_proxy needs a proxy_url");
    }
    Ok(())
}

/// Checks the HTTP client fields of `section`; turns `bearer_token` and `bearer_token_file` into `authorization`.
pub fn check_http(section: &mut Section) -> Result<(), Problem> {
    at_most_one(section, &["bearer_token", "bearer_token_file"])?;
    let bearer = ["bearer_token", "bearer_token_file"].into_iter().find(|name| section.has(name));
    let methods = ["basic_auth", "authorization", "oauth2"].into_iter();
    let mut methods = methods.filter(|name| section.section(name).is_some());
    let second = match (methods.next(), bearer) {
        (Some(_), Some(bearer)) => Some(bearer),
        _ => methods.next(),
    };
    if let Some(second) = second {
        let what = "give at most one of basic_auth, authorization, oauth2, bearer_token, bearer_token_file";
        return Err(section.problem(second, what));
    }
    if let Some(bearer) = bearer {
        let mut authorization = Section::zero(&AUTHORIZATION, section.mark(bearer));
        let target = if bearer == "bearer_token" { "credentials" } else { "credentials_file" };
        authorization.set("type", Value::Text(String::from("Bearer")));
        authorization.set(target, section.value(bearer).clone());
        section.set("authorization", Value::Section(Box::new(authorization)));
        section.set(bearer, Value::Text(String::new()));
    }
    if let Some((name, _)) =
        section.named("http_headers").iter().find(|(name, _)| reserved_header(name))
    {
        return Err(
            section.problem("http_headers", format!("header {name:?} is set by the client itself"))
        );
    }
    check_proxy(section)
}

impl TlsVersion {
    fn from_name(name: &str) -> Option<Self> {
        match name {
            "TLS10" => Some(Self::Tls10),
            "TLS11" => Some(Self::Tls11),
            "TLS12" => Some(Self::Tls12),
            "TLS13" => Some(Self::Tls13),
            _ => None,
        }
    }
}

pub(super) fn text(section: &Section, name: &str) -> String {
    section.text(name).to_owned()
}

pub(super) fn secret(section: &Section, name: &str) -> Secret {
    Secret::new(section.text(name))
}

fn secrets(texts: &[String]) -> Vec<Secret> {
    texts.iter().map(Secret::new).collect()
}

impl HttpClientConfig {
    /// The client that the fields of `section` describe; they were checked when it was read.
    #[must_use]
    pub fn from_section(section: &Section) -> Self {
        Self {
            basic_auth: section.section("basic_auth").map(|basic| BasicAuth {
                username: text(basic, "username"),
                username_file: text(basic, "username_file"),
                password: secret(basic, "password"),
                password_file: text(basic, "password_file"),
            }),
            authorization: section.section("authorization").map(|authorization| Authorization {
                kind: text(authorization, "type"),
                credentials: secret(authorization, "credentials"),
                credentials_file: text(authorization, "credentials_file"),
            }),
            oauth2: section.section("oauth2").map(OAuth2::from_section),
            tls_config: TlsConfig::from_section(section.one("tls_config")),
            follow_redirects: section.bool("follow_redirects"),
            enable_http2: section.bool("enable_http2"),
            proxy: ProxyConfig::from_section(section),
            http_headers: section
                .named("http_headers")
                .iter()
                .map(|(name, header)| HttpHeader {
                    name: name.clone(),
                    values: header.list("values").to_vec(),
                    secrets: secrets(header.list("secrets")),
                    files: header.list("files").to_vec(),
                })
                .collect(),
        }
    }
}

impl TlsConfig {
    /// The settings in a `tls_config`.
    #[must_use]
    pub fn from_section(section: &Section) -> Self {
        Self {
            ca: text(section, "ca"),
            cert: text(section, "cert"),
            key: secret(section, "key"),
            ca_file: text(section, "ca_file"),
            cert_file: text(section, "cert_file"),
            key_file: text(section, "key_file"),
            server_name: text(section, "server_name"),
            insecure_skip_verify: section.bool("insecure_skip_verify"),
            min_version: TlsVersion::from_name(section.text("min_version")),
            max_version: TlsVersion::from_name(section.text("max_version")),
        }
    }
}

impl ProxyConfig {
    pub(super) fn from_section(section: &Section) -> Self {
        Self {
            proxy_url: text(section, "proxy_url"),
            no_proxy: text(section, "no_proxy"),
            proxy_from_environment: section.bool("proxy_from_environment"),
            proxy_connect_header: section
                .lists("proxy_connect_header")
                .iter()
                .map(|(name, values)| (name.clone(), secrets(values)))
                .collect(),
        }
    }
}
