//! The web configuration file: sections, checks, typed values.

use super::GuardError;
use super::ciphers::{self, Version};
use super::roles::Roles;
use http::{HeaderMap, HeaderName, HeaderValue};
use std::sync::Arc;
use std::time::Duration;
use yaml::{Document, Field, Kind, Problem, Schema, Section, no_check};

static ROOT: Schema = Schema {
    name: "the web configuration",
    parts: &[&[
        Field::new("tls_server_config", Kind::One(&TLS)),
        Field::new("http_server_config", Kind::One(&HTTP)),
        Field::new("basic_auth_users", Kind::Map),
        Field::new("user_roles", Kind::Map),
        Field::new("rate_limit", Kind::One(&RATE)),
    ]],
    check: check_users,
};

static TLS: Schema = Schema {
    name: "tls_server_config",
    parts: &[&[
        Field::new("cert", Kind::Text),
        Field::new("key", Kind::Secret),
        Field::new("client_ca", Kind::Text),
        Field::new("cert_file", Kind::Path),
        Field::new("key_file", Kind::Path),
        Field::new("client_auth_type", Kind::Text),
        Field::new("client_ca_file", Kind::Path),
        Field::new("client_allowed_sans", Kind::List),
        Field::new("cipher_suites", Kind::List),
        Field::new("curve_preferences", Kind::List),
        Field::new("min_version", Kind::Word(check_version)),
        Field::new("max_version", Kind::Word(check_version)),
        Field::new("prefer_server_cipher_suites", Kind::Bool).or("true"),
    ]],
    check: check_tls,
};

static HTTP: Schema = Schema {
    name: "http_server_config",
    parts: &[&[Field::new("http2", Kind::Bool).or("true"), Field::new("headers", Kind::Map)]],
    check: check_headers,
};

static RATE: Schema = Schema {
    name: "rate_limit",
    parts: &[&[Field::new("burst", Kind::Uint), Field::new("interval", Kind::Duration)]],
    check: no_check,
};

fn check_version(text: &str) -> Result<(), String> {
    match text {
        "" | "TLS10" | "TLS11" | "TLS12" | "TLS13" => Ok(()),
        _ => Err(format!("there is no version {text:?}; there are TLS10, TLS11, TLS12, TLS13")),
    }
}

/// The values that a header may have; none listed means any.
const HEADERS: &[(&str, &[&str])] = &[
    ("Strict-Transport-Security", &[]),
    ("X-Content-Type-Options", &["nosniff"]),
    ("X-Frame-Options", &["deny", "sameorigin"]),
    ("X-XSS-Protection", &[]),
    ("Content-Security-Policy", &[]),
];

fn check_headers(section: &mut Section) -> Result<(), Problem> {
    for (name, value) in section.map("headers") {
        let Some((_, allowed)) = HEADERS.iter().find(|(known, _)| known == name) else {
            let known: Vec<&str> = HEADERS.iter().map(|(name, _)| *name).collect();
            let what = format!("header {name:?} cannot be set here; {} can", known.join(", "));
            return Err(section.problem("headers", what));
        };
        if !value.is_empty() && !allowed.is_empty() && !allowed.contains(&value.as_str()) {
            let what = format!("{name} is one of {}, not {value:?}", allowed.join(", "));
            return Err(section.problem("headers", what));
        }
        if HeaderValue::from_str(value).is_err() {
            return Err(section.problem("headers", format!("{name} has a value that is no text")));
        }
    }
    Ok(())
}

fn check_users(section: &mut Section) -> Result<(), Problem> {
    for (name, hash) in section.map("basic_auth_users") {
        if let Some(what) = bad_hash(hash) {
            let what =
                format!("the password of {name:?} {what}; `htpasswd -nBC 10 \"\"` makes one");
            return Err(section.problem("basic_auth_users", what));
        }
    }
    check_roles(section)
}

/// Roles are for users that there are, and if any has roles, all have.
fn check_roles(section: &Section) -> Result<(), Problem> {
    let (users, roles) = (section.map("basic_auth_users"), section.map("user_roles"));
    let wrong = |what: String| Err(section.problem("user_roles", what));
    for (name, words) in roles {
        if !users.iter().any(|(user, _)| user == name) {
            let what = format!("there is no user {name:?} in basic_auth_users");
            return wrong(match yaml::suggest(name, users.iter().map(|(user, _)| &**user)) {
                Some(meant) => format!("{what}; did you mean {meant:?}?"),
                None => what,
            });
        }
        if let Err(what) = Roles::parse(words) {
            return wrong(format!("{what} (user {name:?})"));
        }
    }
    let lacking = users.iter().find(|(user, _)| !roles.iter().any(|(name, _)| name == user));
    match lacking {
        Some((user, _)) if !roles.is_empty() => {
            wrong(format!("user {user:?} has no role; as others have one, each needs one"))
        }
        _ => Ok(()),
    }
}

/// What keeps a text from being a bcrypt hash.
fn bad_hash(hash: &str) -> Option<&'static str> {
    let bytes = hash.as_bytes();
    let [b'$', version, b'a'..=b'z', b'$', rest @ ..] = bytes else {
        return Some("is no bcrypt hash");
    };
    if bytes.len() != 60 {
        return Some("is no bcrypt hash: those have 60 characters");
    }
    if *version != b'2' {
        return Some("is a hash of a version that is not known");
    }
    let cost = std::str::from_utf8(&rest[..2]).ok().and_then(|cost| cost.parse::<u32>().ok());
    match cost {
        Some(4..=31) => None,
        _ => Some("is a hash with a cost that is not between 4 and 31"),
    }
}

fn check_tls(section: &mut Section) -> Result<(), Problem> {
    let ask = |name: &'static str, what: String| Err(section.problem(name, what));
    let auth = section.text("client_auth_type");
    let Some(auth) = ClientAuth::from_name(auth) else {
        return ask("client_auth_type", format!("there is no client_auth_type {auth:?}"));
    };
    for name in section.list("cipher_suites") {
        if !ciphers::is_known(name) {
            return ask("cipher_suites", format!("there is no cipher suite {name:?}"));
        }
    }
    for name in section.list("curve_preferences") {
        if !ciphers::is_known_curve(name) {
            return ask("curve_preferences", format!("there is no curve {name:?}"));
        }
    }
    let has = |name: &str| section.has(name);
    let has_ca = has("client_ca") || has("client_ca_file");
    let is_used = ["cert", "cert_file", "key", "key_file"].into_iter().any(has);
    if !is_used && !has_ca && auth == ClientAuth::None {
        return Ok(());
    }
    for (text, file) in [("cert", "cert_file"), ("key", "key_file")] {
        match (has(text), has(file)) {
            (false, false) => return ask(text, format!("TLS needs {text} or {file}")),
            (true, true) => return ask(text, format!("give either {text} or {file}")),
            _ => {}
        }
    }
    if has("client_ca") && has("client_ca_file") {
        return ask("client_ca", "give either client_ca or client_ca_file".to_owned());
    }
    if has_ca && auth == ClientAuth::None {
        return ask(
            "client_auth_type",
            "certificates of clients need a client_auth_type".to_owned(),
        );
    }
    Ok(())
}

/// What is asked of clients.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum ClientAuth {
    /// Nothing.
    None,
    /// A certificate, if they have one; any.
    Request,
    /// A certificate; any.
    RequireAny,
    /// A certificate, if they have one; a good one.
    VerifyIfGiven,
    /// A good certificate.
    RequireAndVerify,
}

impl ClientAuth {
    fn from_name(name: &str) -> Option<Self> {
        Some(match name {
            "" | "NoClientCert" => Self::None,
            "RequestClientCert" => Self::Request,
            "RequireAnyClientCert" | "RequireClientCert" => Self::RequireAny,
            "VerifyClientCertIfGiven" => Self::VerifyIfGiven,
            "RequireAndVerifyClientCert" => Self::RequireAndVerify,
            _ => return None,
        })
    }
}

/// PEM written into the file, or where it lies.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Pem {
    text: String,
    path: String,
}

impl Pem {
    fn of(section: &Section, text: &str, path: &str) -> Self {
        let value = match section.value(text) {
            yaml::Value::Text(value) => value.clone(),
            _ => String::new(),
        };
        Self { text: value, path: section.text(path).to_owned() }
    }

    /// Its bytes; none if it is not given.
    pub(super) fn read(&self) -> Result<Vec<u8>, String> {
        if self.path.is_empty() {
            return Ok(self.text.clone().into_bytes());
        }
        std::fs::read(&self.path).map_err(|error| format!("reading {}: {error}", self.path))
    }
}

/// `tls_server_config` where TLS is wanted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct TlsSection {
    pub(super) cert: Pem,
    pub(super) key: Pem,
    pub(super) client_ca: Pem,
    pub(super) client_auth: ClientAuth,
    pub(super) allowed_sans: Vec<String>,
    pub(super) ciphers: Vec<String>,
    pub(super) curves: Vec<String>,
    pub(super) versions: (Version, Version),
    pub(super) own_order: bool,
}

impl TlsSection {
    fn from_section(section: &Section) -> Option<Self> {
        if !section.has("cert") && !section.has("cert_file") {
            return None;
        }
        let version = |name: &str, default| Version::from_name(section.text(name), default);
        Some(Self {
            cert: Pem::of(section, "cert", "cert_file"),
            key: Pem::of(section, "key", "key_file"),
            client_ca: Pem::of(section, "client_ca", "client_ca_file"),
            client_auth: ClientAuth::from_name(section.text("client_auth_type"))?,
            allowed_sans: section.list("client_allowed_sans").to_vec(),
            ciphers: section.list("cipher_suites").to_vec(),
            curves: section.list("curve_preferences").to_vec(),
            versions: (
                version("min_version", Version::Tls12),
                version("max_version", Version::Tls13),
            ),
            own_order: section.bool("prefer_server_cipher_suites"),
        })
    }

    /// Whether certificate and key can be read and belong together.
    pub(super) fn check_files(&self) -> Result<(), String> {
        super::tls::identity(&self.cert.read()?, &self.key.read()?)?;
        self.client_ca.read().map(drop)
    }
}

/// Someone who may come in.
#[derive(Clone, Debug)]
pub(super) struct User {
    pub(super) name: Arc<str>,
    pub(super) hash: String,
    pub(super) roles: Roles,
}

/// Users with their roles; without any roles everyone may do everything.
fn users(root: &Section) -> Vec<User> {
    let roles = root.map("user_roles");
    let of = |name: &str| {
        let words = roles.iter().find(|(user, _)| user == name);
        words.map_or(Roles::ALL, |(_, words)| Roles::parse(words).expect("checked as it was read"))
    };
    let users = root.map("basic_auth_users").iter();
    users
        .map(|(name, hash)| User {
            name: name.as_str().into(),
            hash: hash.clone(),
            roles: of(name),
        })
        .collect()
}

/// The file.
#[derive(Clone, Debug)]
pub(super) struct WebConfig {
    pub(super) tls: Option<TlsSection>,
    pub(super) http2: bool,
    pub(super) headers: HeaderMap,
    pub(super) users: Vec<User>,
    /// Time for one more request, and how many may come at once.
    pub(super) rate_limit: Option<(Duration, u32)>,
}

impl WebConfig {
    /// Reads `bytes` of `file`; its directory is what relative paths start from.
    pub(super) fn load(bytes: &[u8], file: &str) -> Result<Self, GuardError> {
        let document = Document::parse(file, bytes)?;
        let mut root = if document.is_empty {
            Section::defaults(&ROOT)
        } else {
            yaml::load(&document.root, &ROOT).map_err(|problems| document.error(problems))?
        };
        root.resolve_paths(&yaml::path::directory(file));
        let http = root.one("http_server_config");
        let headers = http.map("headers").iter().filter(|(_, value)| !value.is_empty());
        let headers = headers.filter_map(|(name, value)| {
            let name = HeaderName::from_bytes(name.as_bytes()).ok()?;
            Some((name, HeaderValue::from_str(value).ok()?))
        });
        let rate = root.one("rate_limit");
        let interval = rate.duration("interval");
        let burst = u32::try_from(rate.uint("burst")).unwrap_or(u32::MAX);
        Ok(Self {
            tls: TlsSection::from_section(root.one("tls_server_config")),
            // A section that is written out and empty has no defaults.
            http2: http.bool("http2") || !http.is_given("http2"),
            headers: headers.collect(),
            users: users(&root),
            rate_limit: (!interval.is_zero()).then_some((interval, burst)),
        })
    }
}
