//! Proxies: which requests go through one, and the handshake with it. Pooling and TLS are elsewhere.

use crate::Error;
use crate::auth::basic_value;
use crate::config::ProxyConfig;
use http::header::{HeaderName, HeaderValue};
use std::net::IpAddr;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use url::Url;

/// An answer to `CONNECT` may have this many bytes of headers.
const MAX_ANSWER_BYTES: usize = 16 * 1024;

/// What lies between us and a server.
#[derive(Clone, Debug)]
pub(crate) struct Proxy {
    pub(crate) kind: ProxyKind,
    pub(crate) host: String,
    pub(crate) port: u16,
    /// User and password for the proxy.
    credentials: Option<(String, String)>,
    /// Headers of `CONNECT`.
    connect_headers: Vec<(HeaderName, HeaderValue)>,
}

/// How a proxy is spoken to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ProxyKind {
    Http,
    /// HTTP over TLS.
    Https,
    Socks5,
}

/// Which proxy a request goes through.
#[derive(Clone, Debug, Default)]
pub(crate) struct Proxies {
    http: Option<Proxy>,
    https: Option<Proxy>,
    exceptions: Vec<Exception>,
    /// Loopback addresses are reached directly.
    direct_loopback: bool,
}

impl Proxies {
    /// The proxies of a configuration; `environment` answers for variables.
    pub(crate) fn new(
        config: &ProxyConfig,
        environment: impl Fn(&str) -> Option<String>,
    ) -> Result<Self, Error> {
        let headers = connect_headers(config)?;
        if !config.proxy_url.is_empty() {
            let proxy = Proxy::new("proxy_url", &config.proxy_url, &headers)?;
            return Ok(Self {
                http: Some(proxy.clone()),
                https: Some(proxy),
                exceptions: exceptions(&config.no_proxy),
                // As in Prometheus: without exceptions everything goes through the proxy.
                direct_loopback: !config.no_proxy.is_empty(),
            });
        }
        if !config.proxy_from_environment {
            return Ok(Self::default());
        }
        let variable = |upper: &str| {
            environment(upper)
                .or_else(|| environment(&upper.to_lowercase()))
                .filter(|value| !value.is_empty())
        };
        let proxy =
            |name: &str| variable(name).map(|text| Proxy::new(name, &text, &headers)).transpose();
        Ok(Self {
            http: proxy("HTTP_PROXY")?,
            https: proxy("HTTPS_PROXY")?,
            exceptions: exceptions(&variable("NO_PROXY").unwrap_or_default()),
            direct_loopback: true,
        })
    }

    /// The proxy on the way to `host`, which may be an address in brackets.
    pub(crate) fn for_host(&self, is_tls: bool, host: &str, port: u16) -> Option<&Proxy> {
        let proxy = if is_tls { self.https.as_ref() } else { self.http.as_ref() }?;
        let host = host.trim_start_matches('[').trim_end_matches(']').trim_end_matches('.');
        let host = host.to_ascii_lowercase();
        let address: Option<IpAddr> = host.parse().ok();
        let is_loopback = host == "localhost" || address.is_some_and(|ip| ip.is_loopback());
        if self.direct_loopback && is_loopback {
            return None;
        }
        let excepted = |exception: &Exception| exception.matches(&host, address, port);
        (!self.exceptions.iter().any(excepted)).then_some(proxy)
    }
}

fn connect_headers(config: &ProxyConfig) -> Result<Vec<(HeaderName, HeaderValue)>, Error> {
    let mut headers = Vec::new();
    for (name, values) in &config.proxy_connect_header {
        for value in values {
            let name = HeaderName::try_from(name.as_str());
            let value = HeaderValue::try_from(value.expose());
            let (Ok(name), Ok(value)) = (name, value) else {
                return Err(config_error("proxy_connect_header", "a name or value is no header"));
            };
            headers.push((name, value));
        }
    }
    Ok(headers)
}

fn config_error(place: &str, what: &str) -> Error {
    Error::Config { place: place.into(), what: what.into() }
}

/// A host that is reached directly.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Exception {
    hosts: Hosts,
    port: Option<u16>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Hosts {
    All,
    /// An address and how many of its bits count.
    Network(IpAddr, u8),
    /// The domain, and whether that means its subdomains only.
    Domain(String, bool),
}

/// The exceptions of a list after commas; parts that make no sense are passed over, as in Prometheus.
fn exceptions(list: &str) -> Vec<Exception> {
    list.split(',')
        .filter_map(|part| exception(part.trim().to_ascii_lowercase().as_str()))
        .collect()
}

fn exception(text: &str) -> Option<Exception> {
    if text.is_empty() {
        return None;
    }
    if text == "*" {
        return Some(Exception { hosts: Hosts::All, port: None });
    }
    if let Some((address, bits)) = text.split_once('/') {
        let address: IpAddr = address.parse().ok()?;
        let most = if address.is_ipv4() { 32 } else { 128 };
        let bits = bits.parse().ok().filter(|bits| *bits <= most)?;
        return Some(Exception { hosts: Hosts::Network(address, bits), port: None });
    }
    let (host, port) = match text.rsplit_once(':') {
        Some((host, port)) if !host.contains(':') || host.ends_with(']') => {
            (host, Some(port.parse().ok()?))
        }
        _ => (text, None),
    };
    let host = host.trim_start_matches('[').trim_end_matches(']');
    if let Ok(address) = host.parse::<IpAddr>() {
        let bits = if address.is_ipv4() { 32 } else { 128 };
        return Some(Exception { hosts: Hosts::Network(address, bits), port });
    }
    let host = host.strip_prefix('*').unwrap_or(host);
    let (host, subdomains_only) = host.strip_prefix('.').map_or((host, false), |host| (host, true));
    (!host.is_empty())
        .then(|| Exception { hosts: Hosts::Domain(host.to_owned(), subdomains_only), port })
}

impl Exception {
    fn matches(&self, host: &str, address: Option<IpAddr>, port: u16) -> bool {
        if self.port.is_some_and(|own| own != port) {
            return false;
        }
        match &self.hosts {
            Hosts::All => true,
            Hosts::Network(network, bits) => {
                address.is_some_and(|address| is_in_network(address, *network, *bits))
            }
            Hosts::Domain(domain, subdomains_only) => {
                let rest = host.strip_suffix(domain.as_str());
                rest.is_some_and(|rest| {
                    if rest.is_empty() { !subdomains_only } else { rest.ends_with('.') }
                })
            }
        }
    }
}

fn is_in_network(address: IpAddr, network: IpAddr, bits: u8) -> bool {
    let bits = u32::from(bits);
    match (address.to_canonical(), network) {
        (IpAddr::V4(a), IpAddr::V4(b)) => {
            (a.to_bits() ^ b.to_bits()).checked_shr(32 - bits).unwrap_or(0) == 0
        }
        (IpAddr::V6(a), IpAddr::V6(b)) => {
            (a.to_bits() ^ b.to_bits()).checked_shr(128 - bits).unwrap_or(0) == 0
        }
        _ => false,
    }
}

impl Proxy {
    fn new(
        place: &str,
        text: &str,
        connect_headers: &[(HeaderName, HeaderValue)],
    ) -> Result<Self, Error> {
        let with_scheme =
            if text.contains("://") { text.to_owned() } else { format!("http://{text}") };
        let url = Url::parse(&with_scheme).map_err(|e| config_error(place, &e.to_string()))?;
        let (kind, default_port) = match url.scheme() {
            "http" => (ProxyKind::Http, 80),
            "https" => (ProxyKind::Https, 443),
            "socks5" | "socks5h" => (ProxyKind::Socks5, 1080),
            scheme => {
                return Err(config_error(place, &format!("no proxy protocol {scheme:?}")));
            }
        };
        let Some(host) = url.host_str() else {
            return Err(config_error(place, "a proxy needs a host"));
        };
        let password = decoded(url.password().unwrap_or_default());
        let credentials = (!url.username().is_empty()).then(|| (decoded(url.username()), password));
        Ok(Self {
            kind,
            host: host.to_owned(),
            port: url.port().unwrap_or(default_port),
            credentials,
            connect_headers: connect_headers.to_vec(),
        })
    }

    /// The header that plain requests through this proxy carry.
    pub(crate) fn authorization(&self) -> Option<HeaderValue> {
        let (user, password) = self.credentials.as_ref()?;
        let mut value = HeaderValue::try_from(basic_value(user, password)).ok()?;
        value.set_sensitive(true);
        Some(value)
    }

    /// Opens a tunnel to `host` through the proxy behind `stream`.
    pub(crate) async fn open(
        &self,
        stream: &mut (impl AsyncRead + AsyncWrite + Unpin),
        host: &str,
        port: u16,
    ) -> Result<(), Error> {
        let opened = match self.kind {
            ProxyKind::Socks5 => self.open_socks(stream, host, port).await,
            ProxyKind::Http | ProxyKind::Https => self.open_http(stream, host, port).await,
        };
        opened.map_err(|what| {
            let what = format!("proxy {}:{}: {what}", self.host, self.port);
            Error::Request { url: format!("{host}:{port}").into(), what: what.into() }
        })
    }

    async fn open_http(
        &self,
        stream: &mut (impl AsyncRead + AsyncWrite + Unpin),
        host: &str,
        port: u16,
    ) -> Result<(), Box<str>> {
        let mut request =
            format!("CONNECT {host}:{port} HTTP/1.1\r\nHost: {host}:{port}\r\n").into_bytes();
        let own = self.authorization().map(|value| (http::header::PROXY_AUTHORIZATION, value));
        let given = |name: &HeaderName| self.connect_headers.iter().any(|(other, _)| other == name);
        let own = own.into_iter().filter(|(name, _)| !given(name));
        for (name, value) in self.connect_headers.iter().cloned().chain(own) {
            request.extend_from_slice(name.as_str().as_bytes());
            request.extend_from_slice(b": ");
            request.extend_from_slice(value.as_bytes());
            request.extend_from_slice(b"\r\n");
        }
        request.extend_from_slice(b"\r\n");
        stream.write_all(&request).await.map_err(|e| text(&e))?;
        stream.flush().await.map_err(|e| text(&e))?;
        let mut answer = Vec::new();
        while !answer.ends_with(b"\r\n\r\n") {
            if answer.len() >= MAX_ANSWER_BYTES {
                return Err("its answer has no end".into());
            }
            // Byte by byte: what comes after belongs to the tunnel.
            answer.push(stream.read_u8().await.map_err(|e| text(&e))?);
        }
        let line = String::from_utf8_lossy(&answer);
        let line = line.lines().next().unwrap_or_default();
        let mut words = line.splitn(3, ' ');
        match (words.next(), words.next()) {
            (Some(version), Some("200")) if version.starts_with("HTTP/1.") => Ok(()),
            (Some(_), Some(_)) => Err(words.next().unwrap_or(line).into()),
            _ => Err(format!("{line:?} is no HTTP answer").into()),
        }
    }

    async fn open_socks(
        &self,
        stream: &mut (impl AsyncRead + AsyncWrite + Unpin),
        host: &str,
        port: u16,
    ) -> Result<(), Box<str>> {
        let methods: &[u8] = if self.credentials.is_some() { &[5, 2, 0, 2] } else { &[5, 1, 0] };
        stream.write_all(methods).await.map_err(|e| text(&e))?;
        let mut chosen = [0; 2];
        stream.read_exact(&mut chosen).await.map_err(|e| text(&e))?;
        match (chosen, &self.credentials) {
            ([5, 0], _) => {}
            ([5, 2], Some((user, password))) => {
                let mut login = vec![1];
                for part in [user, password] {
                    login.push(u8::try_from(part.len()).map_err(|_| "credentials too long")?);
                    login.extend_from_slice(part.as_bytes());
                }
                stream.write_all(&login).await.map_err(|e| text(&e))?;
                stream.read_exact(&mut chosen).await.map_err(|e| text(&e))?;
                if chosen[1] != 0 {
                    return Err("credentials refused".into());
                }
            }
            _ => return Err("no way to authenticate that both know".into()),
        }
        let name = host.trim_start_matches('[').trim_end_matches(']');
        let length = u8::try_from(name.len()).map_err(|_| "host name too long")?;
        let mut request = vec![5, 1, 0];
        match name.parse::<IpAddr>() {
            Ok(IpAddr::V4(address)) => {
                request.push(1);
                request.extend_from_slice(&address.octets());
            }
            Ok(IpAddr::V6(address)) => {
                request.push(4);
                request.extend_from_slice(&address.octets());
            }
            Err(_) => {
                request.extend_from_slice(&[3, length]);
                request.extend_from_slice(name.as_bytes());
            }
        }
        request.extend_from_slice(&port.to_be_bytes());
        stream.write_all(&request).await.map_err(|e| text(&e))?;
        let mut answer = [0; 4];
        stream.read_exact(&mut answer).await.map_err(|e| text(&e))?;
        if answer[1] != 0 {
            return Err(format!("refused with code {}", answer[1]).into());
        }
        let address_len = match answer[3] {
            1 => 4,
            4 => 16,
            3 => usize::from(stream.read_u8().await.map_err(|e| text(&e))?),
            kind => return Err(format!("an address of unknown kind {kind}").into()),
        };
        let mut bound = vec![0; address_len + 2];
        stream.read_exact(&mut bound).await.map_err(|e| text(&e))?;
        Ok(())
    }
}

fn text(error: &std::io::Error) -> Box<str> {
    crate::error::chain(error)
}

/// Percent-encoded text.
fn decoded(text: &str) -> String {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let [first, tail @ ..] = rest {
        let code = (*first == b'%').then(|| tail.get(..2)).flatten();
        let code = code.and_then(|digits| std::str::from_utf8(digits).ok());
        match code.and_then(|digits| u8::from_str_radix(digits, 16).ok()) {
            Some(byte) => {
                bytes.push(byte);
                rest = &tail[2..];
            }
            None => {
                bytes.push(*first);
                rest = tail;
            }
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

#[cfg(test)]
mod tests;
