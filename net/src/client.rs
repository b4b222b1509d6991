//! A pooled HTTP client, HTTP/1.1 and 2, with credentials, redirects and bodies that are capped and uncompressed on the
//! way. One for each job: connections, credentials and TLS settings are not shared.

mod again;
mod call;
mod post;
mod repeated;
mod sign;

pub use call::{Answer, Call, WholeAnswer};
pub use post::{Post, Posted};
pub use repeated::Repeated;
pub use sign::{Signer, Signing, Unsigned};

use crate::Error;
use crate::auth;
use crate::config::HttpClientConfig;
use crate::connect::Connector;
pub use crate::decompress::MemoryLeft;
use crate::decompress::{BodyLimit, BodyReader, foreseen};
use crate::dialer::Dialer;
use crate::direct::{Direct, Exchange, Head, LastHeaders, Letter};
use crate::error::chain;
use crate::oauth2::TokenSource;
use crate::proxy::{Proxies, Proxy, ProxyKind};
use crate::tls::TlsSettings;
use bytes::Bytes;
use http::header::{self, HeaderMap, HeaderName, HeaderValue};
use http_body_util::{BodyExt, Full};
use hyper::body::{Body as _, Incoming};
use hyper_util::client::legacy::Client as HyperClient;
use hyper_util::rt::{TokioExecutor, TokioTimer};
use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use url::Url;

const IDLE_TIMEOUT: Duration = Duration::from_secs(5 * 60);
const MAX_IDLE_PER_HOST: usize = 1000;
const MAX_REDIRECTS: usize = 10;
/// Most bytes that a connection reads at once. It keeps that much while it is idle, and there may be thousands.
const MAX_READ_BYTES: usize = 32 * 1024;

/// What a client needs beside its configuration.
#[derive(Clone, Default)]
pub struct ClientOptions {
    /// The `User-Agent`.
    pub user_agent: Box<str>,
    /// Connect to this socket, whatever the URL says.
    pub unix_socket: Option<PathBuf>,
    /// Begin each connection with the next address of the host, so that many share the work.
    pub round_robin_dns: bool,
    /// Makes further headers for each [`Post`].
    pub signer: Option<Arc<dyn Signer>>,
    /// Counts the connections.
    pub dialer: Option<Dialer>,
    /// Bodies of [`Request`]s that do not fit into this are refused.
    pub memory_left: Option<MemoryLeft>,
}

impl fmt::Debug for ClientOptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ClientOptions")
            .field("user_agent", &self.user_agent)
            .finish_non_exhaustive()
    }
}

/// A `GET` request.
#[derive(Clone, Copy, Debug)]
pub struct Request<'a> {
    /// The whole URL.
    pub url: &'a str,
    /// Further headers: names in lower case, values.
    pub headers: &'a [(&'static str, &'a str)],
    /// Time limit of everything, the body included.
    pub timeout: Duration,
    /// An uncompressed body of this length or more is an error.
    pub body_size_limit: Option<u64>,
}

impl<'a> Request<'a> {
    /// As it was given where possible: the URL type drops dot segments, which targets may tell apart.
    fn exact<'u>(&self, parsed: &'u Url) -> &'u str
    where
        'a: 'u,
    {
        let is_exact = parsed.username().is_empty() && without_host(self.url).is_none();
        if is_exact { self.url } else { parsed.as_str() }
    }

    fn failed(&self, what: Box<str>) -> Error {
        match parse_url(self.url) {
            Ok(url) => Error::Request { url: shown(&url, self.exact(&url)), what },
            Err(error) => error,
        }
    }
}

/// An answer without its body.
#[derive(Clone, Debug)]
pub struct Response {
    /// The status.
    pub status: u16,
    /// The words for the status, the usual ones if the server gives none of its own.
    pub reason: Box<str>,
    /// The content type; empty if there was none.
    pub content_type: Box<str>,
}

/// A client; cloning shares its connections.
#[derive(Clone)]
pub struct Client(Arc<Inner>);

struct Inner {
    direct: Direct,
    /// Of the requests that are asked directly.
    last_headers: LastHeaders,
    client: HyperClient<Connector, Full<Bytes>>,
    config: HttpClientConfig,
    user_agent: HeaderValue,
    proxies: Arc<Proxies>,
    tokens: Option<TokenSource>,
    signer: Option<Arc<dyn Signer>>,
    memory_left: Option<MemoryLeft>,
}

impl Inner {
    /// The headers of a request that the configuration asks for; nothing secret if it goes to another host than asked.
    async fn headers(&self, same_host: bool) -> Result<HeaderMap, Error> {
        let mut headers = auth::headers(&self.config, same_host).await?;
        if let Some(tokens) = &self.tokens
            && same_host
        {
            headers.insert(header::AUTHORIZATION, Box::pin(tokens.header()).await?);
        }
        Ok(headers)
    }

    /// Adds what a proxy that reads the request wants to see.
    fn add_proxy_headers(&self, url: &Url, headers: &mut HeaderMap) {
        if url.scheme() != "http" {
            return;
        }
        let host = url.host_str().unwrap_or_default();
        let port = url.port_or_known_default().unwrap_or_default();
        let proxy = self.proxies.for_host(false, host, port);
        if let Some(value) =
            proxy.filter(|p| p.kind != ProxyKind::Socks5).and_then(Proxy::authorization)
            && !headers.contains_key(header::PROXY_AUTHORIZATION)
        {
            headers.insert(header::PROXY_AUTHORIZATION, value);
        }
    }
}

impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Client").field("config", &self.0.config).finish_non_exhaustive()
    }
}

impl Client {
    /// Builds a client. No file is read yet.
    pub fn new(config: &HttpClientConfig, options: ClientOptions) -> Result<Self, Error> {
        let tokens = match &config.oauth2 {
            Some(oauth2) => Some(TokenSource::new(oauth2, &options.user_agent)?),
            None => None,
        };
        let proxies = match options.unix_socket {
            Some(_) => Proxies::default(),
            None => Proxies::new(&config.proxy, |name| std::env::var(name).ok())?,
        };
        let proxies = Arc::new(proxies);
        let tls = TlsSettings::new(config)?;
        let ClientOptions { unix_socket, round_robin_dns, dialer, .. } = options;
        let connector =
            Connector::new(tls, Arc::clone(&proxies), unix_socket, round_robin_dns, dialer);
        let direct = Direct::new(connector.clone());
        let client = HyperClient::builder(TokioExecutor::new())
            .pool_timer(TokioTimer::new())
            .pool_idle_timeout(IDLE_TIMEOUT)
            .pool_max_idle_per_host(MAX_IDLE_PER_HOST)
            // As Go writes them: there are targets that look for them so.
            .http1_title_case_headers(true)
            .http1_max_buf_size(MAX_READ_BYTES)
            .build(connector);
        let user_agent = HeaderValue::try_from(&*options.user_agent).map_err(|e| {
            Error::Config { place: "user agent".into(), what: e.to_string().into() }
        })?;
        Ok(Self(Arc::new(Inner {
            direct,
            last_headers: LastHeaders::default(),
            client,
            config: config.clone(),
            user_agent,
            proxies,
            tokens,
            signer: options.signer,
            memory_left: options.memory_left,
        })))
    }

    /// Asks, and replaces `body` with the uncompressed body of the answer if its status is 200; other bodies are left
    /// unread.
    pub async fn get(&self, request: &Request<'_>, body: &mut Vec<u8>) -> Result<Response, Error> {
        self.get_again(request, &Repeated::default(), body).await
    }

    /// The same for a request that is made again and again, of this client, with `kept` of the time before: URL and
    /// headers stay as they are.
    pub async fn get_again(
        &self,
        request: &Request<'_>,
        kept: &Repeated,
        body: &mut Vec<u8>,
    ) -> Result<Response, Error> {
        let answered = AtomicBool::new(false);
        let follow = self.follow(request, kept, body, &answered);
        match tokio::time::timeout(request.timeout, follow).await {
            Ok(result) => result,
            Err(_) if answered.load(Ordering::Relaxed) => {
                Err(Error::Body("context deadline exceeded".into()))
            }
            Err(_) => Err(Error::Timeout { url: request.url.into() }),
        }
    }

    /// `answered` is set when the body begins.
    async fn follow(
        &self,
        request: &Request<'_>,
        kept: &Repeated,
        body: &mut Vec<u8>,
        answered: &AtomicBool,
    ) -> Result<Response, Error> {
        let (mut first, mut url) = (None, None);
        let mut last_location = HeaderValue::from_static("");
        for _ in 0..=MAX_REDIRECTS {
            let (head, rest) = match (&url, kept.letter()) {
                (None, Some(letter)) => {
                    let (head, exchange) = self
                        .0
                        .direct
                        .ask(letter, body)
                        .await
                        .map_err(|what| request.failed(what))?;
                    (head, Rest::Direct(exchange))
                }
                (None, None) => {
                    let parsed = parse_url(request.url)?;
                    self.ask(&parsed, request, &parsed, Some(kept), body).await?
                }
                (Some(url), _) => {
                    let first = first.as_ref().expect("it was parsed to be redirected from");
                    self.ask(url, request, first, None, body).await?
                }
            };
            let location = redirection(head.status, head.location.as_ref());
            let Some(location) = location.filter(|_| self.0.config.follow_redirects) else {
                answered.store(true, Ordering::Relaxed);
                let left = self.0.memory_left.clone();
                let limit = BodyLimit::new(request.body_size_limit, left);
                return read(head, rest, limit, body).await;
            };
            let before = match url {
                Some(url) => url,
                None => first.insert(parse_url(request.url)?).clone(),
            };
            last_location = location.clone();
            url = Some(redirect_target(&before, location)?);
            if let Rest::Direct(exchange) = rest {
                exchange.discard(body);
            }
        }
        let what = format!("stopped after {MAX_REDIRECTS} redirects").into();
        let url = String::from_utf8_lossy(last_location.as_bytes()).into();
        Err(Error::Request { url, what })
    }

    /// What of the body came with the head may be in `body`.
    async fn ask(
        &self,
        url: &Url,
        request: &Request<'_>,
        first: &Url,
        kept: Option<&Repeated>,
        body: &mut Vec<u8>,
    ) -> Result<(Head, Rest), Error> {
        let same_host = is_same_host(first, url);
        let exact = if url == first { request.exact(url) } else { url.as_str() };
        let failed = |what: Box<str>| Error::Request { url: shown(url, exact), what };
        let headers = self.0.headers(same_host).await;
        let mut headers = headers.map_err(|e| failed(e.to_string().into()))?;
        // Hyper sends the headers in this order, after the host.
        let mut all = HeaderMap::with_capacity(headers.len() + 4);
        all.insert(header::USER_AGENT, self.0.user_agent.clone());
        for &(name, value) in request.headers {
            let value = HeaderValue::try_from(value).map_err(|e| failed(chain(&e)))?;
            all.insert(HeaderName::from_static(name), value);
        }
        if !url.username().is_empty() && !headers.contains_key(header::AUTHORIZATION) && same_host {
            let text = auth::basic_value(url.username(), url.password().unwrap_or_default());
            let value = HeaderValue::try_from(text).map_err(|e| failed(chain(&e)))?;
            headers.insert(header::AUTHORIZATION, value);
        }
        all.extend(headers);
        self.0.add_proxy_headers(url, &mut all);
        let mut asked =
            http::Request::get(exact).body(Full::default()).map_err(|e| failed(chain(&e)))?;
        *asked.headers_mut() = all;
        if self.0.direct.reaches(asked.uri()) {
            let letter = Letter::new(&asked, &self.0.last_headers).map_err(failed)?;
            let (head, exchange) = self.0.direct.ask(&letter, body).await.map_err(failed)?;
            if let Some(kept) = kept
                && self.0.config.is_constant()
            {
                kept.keep(letter);
            }
            return Ok((head, Rest::Direct(exchange)));
        }
        let answer = self.0.ask_again(&asked).await.map_err(|e| failed(chain(&e)))?;
        let (parts, incoming) = answer.into_parts();
        Ok((Head::of(&parts), Rest::Shared(incoming)))
    }
}

/// Where the rest of an answer comes from.
enum Rest {
    Direct(Exchange),
    /// A connection of the pooled client.
    Shared(Incoming),
}

/// Reads the body of a successful answer.
async fn read(
    head: Head,
    rest: Rest,
    limit: BodyLimit,
    body: &mut Vec<u8>,
) -> Result<Response, Error> {
    let is_gzip = head.is_gzip;
    let response =
        Response { status: head.status, reason: head.reason, content_type: head.content_type };
    match rest {
        Rest::Direct(exchange) if response.status != 200 => exchange.discard(body),
        Rest::Direct(exchange) => {
            exchange.read(body, limit).await?;
            return Ok(response);
        }
        Rest::Shared(incoming) if response.status == 200 => {
            read_shared(incoming, is_gzip, limit, body).await?;
            return Ok(response);
        }
        Rest::Shared(_) => {}
    }
    body.clear();
    Ok(response)
}

async fn read_shared(
    mut incoming: Incoming,
    is_gzip: bool,
    mut limit: BodyLimit,
    body: &mut Vec<u8>,
) -> Result<(), Error> {
    body.clear();
    if !is_gzip && let Some(length) = incoming.size_hint().exact() {
        limit.check(length, 0)?;
        body.reserve_exact(foreseen(0, length));
    }
    let mut reader = BodyReader::new(std::mem::take(body), is_gzip, limit);
    while let Some(frame) = incoming.frame().await {
        let frame = frame.map_err(|e| Error::Body(chain(&e)))?;
        if let Some(bytes) = frame.data_ref() {
            reader.push(bytes)?;
        }
    }
    *body = reader.finish()?;
    Ok(())
}

/// A URL that names a port and no host, which means this machine: its scheme, and what follows the colon of the port.
fn without_host(url: &str) -> Option<(&str, &str)> {
    url.split_once("://:").filter(|(scheme, _)| !scheme.contains('/'))
}

fn parse_url(text: &str) -> Result<Url, Error> {
    let invalid = |what: String| Error::Url { url: text.into(), what: what.into() };
    let local = without_host(text).map(|(scheme, rest)| format!("{scheme}://localhost:{rest}"));
    let url =
        Url::parse(local.as_deref().unwrap_or(text)).map_err(|e| match (e, bad_port(text)) {
            (url::ParseError::InvalidPort, Some(port))
                if port.bytes().all(|b| b.is_ascii_digit()) =>
            {
                let what = format!("dial tcp: address {port}: invalid port").into();
                Error::Request { url: text.into(), what }
            }
            (url::ParseError::InvalidPort, Some(port)) => {
                invalid(format!("invalid port {:?} after host", format!(":{port}")))
            }
            _ => invalid(e.to_string()),
        })?;
    match url.scheme() {
        "http" | "https" => Ok(url),
        scheme => Err(invalid(format!("unsupported protocol scheme {scheme:?}"))),
    }
}

/// The port of a URL, whatever it says.
fn bad_port(url: &str) -> Option<&str> {
    let authority = url.split("://").nth(1)?.split(['/', '?', '#']).next()?;
    authority.rsplit_once(':').map(|(_, port)| port)
}

/// A URL for errors, as Go prints it: the port that there is not left out, and no password.
fn shown(url: &Url, exact: &str) -> Box<str> {
    if url.password().is_some() {
        let mut url = url.clone();
        // It has a host, or it would not be asked.
        url.set_password(Some("***")).unwrap_or_default();
        return url.as_str().into();
    }
    if bad_port(exact) == Some("") { url.as_str().into() } else { exact.into() }
}

/// The place that an answer redirects to; without one it is the answer.
fn redirection(status: u16, location: Option<&HeaderValue>) -> Option<&HeaderValue> {
    location.filter(|_| matches!(status, 301 | 302 | 303 | 307 | 308))
}

/// Where an answer redirects to.
fn redirect_target(url: &Url, location: &HeaderValue) -> Result<Url, Error> {
    let failed = |what: String| Error::Request { url: url.as_str().into(), what: what.into() };
    let text = String::from_utf8_lossy(location.as_bytes());
    let target = url.join(&text).map_err(|e| failed(format!("Location {text:?}: {e}")))?;
    match parse_url(target.as_str()) {
        Err(Error::Url { url, what }) => Err(Error::Request { url, what }),
        parsed => parsed,
    }
}

/// Whether credentials for `first` may go to `next`: the same host, and no step back from TLS.
fn is_same_host(first: &Url, next: &Url) -> bool {
    first.host() == next.host() && (first.scheme() != "https" || next.scheme() == "https")
}

#[cfg(test)]
mod tests;
