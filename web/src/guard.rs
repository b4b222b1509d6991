//! Who may talk to the server and how: the file of `--web.config.file`. It is read again for each request and each
//! handshake; users, headers and certificates follow it, whether there is TLS, HTTP/2 and the rate limit do not.
//! Reading order: this file, `config` (the file), `users` (passwords), `roles`, `rate`, `tls`.

mod ciphers;
mod config;
mod rate;
mod roles;
mod tls;
mod users;

use crate::body::Body;
use crate::response::{Answer, error_text, set};
use arc_swap::ArcSwap;
use config::WebConfig;
use http::{HeaderMap, StatusCode, header};
use rate::RateLimit;
use roles::Roles;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use tokio_rustls::TlsAcceptor;
use users::Users;

pub(crate) use roles::Needs;

/// A web configuration cannot be used; the text shows file, line and column.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum GuardError {
    /// The file, or what it says.
    #[error(transparent)]
    Config(#[from] yaml::Error),
    /// A certificate, a key, or what TLS is to be.
    #[error("{file}: {what}")]
    Tls {
        /// The web configuration.
        file: String,
        /// What is wrong.
        what: String,
    },
}

/// A file and what it said when it was last read.
#[derive(Debug)]
struct Loaded {
    bytes: Vec<u8>,
    config: Option<WebConfig>,
}

/// Lets requests and connections in.
#[derive(Debug)]
pub struct Guard {
    path: PathBuf,
    loaded: ArcSwap<Loaded>,
    users: Users,
    rate: Option<RateLimit>,
    tls: Option<tls::Settings>,
    http2: bool,
}

fn parse(path: &Path, bytes: &[u8]) -> Result<WebConfig, GuardError> {
    WebConfig::load(bytes, &path.display().to_string())
}

fn read(path: &Path) -> Result<Vec<u8>, GuardError> {
    std::fs::read(path).map_err(|error| {
        let file = path.display().to_string();
        GuardError::Config(yaml::Error::whole(&file, format!("cannot be read: {error}")))
    })
}

impl Guard {
    /// Reads and checks the file `path` and the certificates it names.
    pub fn load(path: &Path) -> Result<Self, GuardError> {
        let bytes = read(path)?;
        let config = parse(path, &bytes)?;
        let tls = match &config.tls {
            None => None,
            Some(section) => {
                let what =
                    |what: String| GuardError::Tls { file: path.display().to_string(), what };
                section.check_files().map_err(what)?;
                let settings = tls::Settings::new(config.http2);
                settings.server_config(section).map_err(what)?;
                Some(settings)
            }
        };
        Ok(Self {
            path: path.to_owned(),
            rate: config.rate_limit.map(|(interval, burst)| RateLimit::new(interval, burst)),
            users: Users::default(),
            http2: config.http2,
            tls,
            loaded: ArcSwap::from_pointee(Loaded { bytes, config: Some(config) }),
        })
    }

    /// Checks the file `path` without files that it names having to fit together for TLS.
    pub fn check(path: &Path) -> Result<(), GuardError> {
        let config = parse(path, &read(path)?)?;
        let what = |what: String| GuardError::Tls { file: path.display().to_string(), what };
        config.tls.as_ref().map_or(Ok(()), |section| section.check_files().map_err(what))
    }

    /// What the file says now; `None` if it is broken or gone.
    async fn current(&self) -> Option<Arc<Loaded>> {
        let bytes = tokio::fs::read(&self.path).await.ok()?;
        let known = self.loaded.load_full();
        let loaded = if known.bytes == bytes {
            known
        } else {
            let config = parse(&self.path, &bytes);
            if let Err(error) = &config {
                tracing::error!(component = "web", %error, "The web configuration is broken; requests are refused");
            }
            let loaded = Arc::new(Loaded { bytes, config: config.ok() });
            self.loaded.store(Arc::clone(&loaded));
            loaded
        };
        loaded.config.is_some().then_some(loaded)
    }

    /// Whether connections speak TLS.
    pub(crate) fn has_tls(&self) -> bool {
        self.tls.is_some()
    }

    /// Whether HTTP/2 is spoken.
    pub(crate) fn http2(&self) -> bool {
        self.http2
    }

    /// How the next connection is shaken hands with.
    pub(crate) async fn acceptor(&self) -> Result<Option<TlsAcceptor>, String> {
        let Some(settings) = &self.tls else { return Ok(None) };
        let current = self.current().await.ok_or("the web configuration is broken")?;
        let section = current.config.as_ref().and_then(|config| config.tls.as_ref());
        let section = section.ok_or("the web configuration has no TLS any more")?;
        settings.server_config(section).map(|config| Some(TlsAcceptor::from(config)))
    }

    /// The refusal of a request, or who asks.
    pub(crate) async fn admit(&self, headers: &HeaderMap) -> Result<Caller, Box<Answer>> {
        if self.rate.as_ref().is_some_and(|rate| !rate.admit()) {
            return Err(refusal(StatusCode::TOO_MANY_REQUESTS, "Too Many Requests"));
        }
        let Some(current) = self.current().await else {
            return Err(refusal(StatusCode::INTERNAL_SERVER_ERROR, "Internal Server Error"));
        };
        let Some(config) = &current.config else { return Ok(Caller::default()) };
        if config.users.is_empty() {
            return Ok(Caller { headers: config.headers.clone(), ..Caller::default() });
        }
        if let Some(user) = self.users.admit(&config.users, headers).await {
            let name = Some(Arc::clone(&user.name));
            return Ok(Caller { headers: config.headers.clone(), name, roles: user.roles });
        }
        let mut answer = refusal(StatusCode::UNAUTHORIZED, "Unauthorized");
        set(&mut answer, header::WWW_AUTHENTICATE, "Basic");
        add(&mut answer, &config.headers);
        Err(answer)
    }
}

/// Who asks.
#[derive(Clone, Debug)]
pub(crate) struct Caller {
    /// The headers that answers get.
    pub(crate) headers: HeaderMap,
    /// The name, where users have names.
    pub(crate) name: Option<Arc<str>>,
    roles: Roles,
}

impl Default for Caller {
    /// Nobody in particular, who may do everything.
    fn default() -> Self {
        Self { headers: HeaderMap::new(), name: None, roles: Roles::ALL }
    }
}

impl Caller {
    /// The refusal of what the caller may not do.
    pub(crate) fn refuse(&self, needs: Needs) -> Option<Answer> {
        if self.roles.grant(needs) {
            return None;
        }
        let name = self.name.as_deref().unwrap_or_default();
        let what =
            format_args!("Forbidden: this needs role {:?}, which {name:?} lacks", needs.role());
        Some(error_text(StatusCode::FORBIDDEN, what))
    }
}

fn refusal(status: StatusCode, what: &str) -> Box<Answer> {
    Box::new(error_text(status, what))
}

/// Adds configured headers to an answer; what the answer itself says wins.
pub(crate) fn add(answer: &mut http::Response<Body>, headers: &HeaderMap) {
    for (name, value) in headers {
        answer.headers_mut().entry(name).or_insert_with(|| value.clone());
    }
}
