//! Connections: TCP or a local socket, with TLS on top where the URL says so. Pooling is the client's.

use crate::Error;
use crate::dialer::{Dialer, Open};
use crate::proxy::{Proxies, Proxy, ProxyKind};
use crate::tls::TlsSettings;
use crate::traffic::Watched;
use http::Uri;
use hyper::rt::{Read, ReadBufCursor, Write};
use hyper_util::client::legacy::connect::{Connected, Connection};
use hyper_util::rt::TokioIo;
use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll, Waker};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpStream, UnixStream};
use tokio::time::timeout;
use tower::Service;

pub(crate) trait Io: AsyncRead + AsyncWrite + Send + Unpin {}
impl<T: AsyncRead + AsyncWrite + Send + Unpin> Io for T {}

/// A connection of any kind.
pub(crate) struct Stream {
    io: TokioIo<Watched<Box<dyn Io>>>,
    is_http2: bool,
    /// A proxy reads the requests: they name the whole URL.
    is_proxied: bool,
    /// Held as long as this is.
    _open: Option<Open>,
}

impl Stream {
    pub(crate) fn new(io: impl Io + 'static, is_http2: bool) -> Self {
        Self {
            io: TokioIo::new(Watched::new(Box::new(io))),
            is_http2,
            is_proxied: false,
            _open: None,
        }
    }

    /// Its bytes.
    pub(crate) fn io(&mut self) -> &mut (impl AsyncRead + AsyncWrite + Unpin + use<>) {
        self.io.inner_mut()
    }

    /// Whether it is open and nothing came that was not read.
    pub(crate) fn is_quiet(&mut self) -> bool {
        let mut byte = [0];
        let mut context = Context::from_waker(Waker::noop());
        Pin::new(self.io()).poll_read(&mut context, &mut ReadBuf::new(&mut byte)).is_pending()
    }
}

impl Connection for Stream {
    fn connected(&self) -> Connected {
        let connected = Connected::new().proxy(self.is_proxied);
        // Requests of HTTP/2 share a connection: its bytes do not tell whose they are.
        if self.is_http2 {
            connected.negotiated_h2()
        } else {
            connected.extra(self.io.inner().traffic())
        }
    }
}

impl Read for Stream {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: ReadBufCursor<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_read(cx, buf)
    }
}

impl Write for Stream {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.io).poll_write(cx, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_shutdown(cx)
    }
}

/// Why a connection to `host` was not made, in the words of Go, which operators look for. `address` is the one tried first.
fn dial_failure(host: &str, port: u16, address: Option<SocketAddr>, error: &io::Error) -> String {
    let what = match error.kind() {
        io::ErrorKind::ConnectionRefused => "connect: connection refused",
        io::ErrorKind::ConnectionReset => "connect: connection reset by peer",
        io::ErrorKind::HostUnreachable => "connect: no route to host",
        io::ErrorKind::NetworkUnreachable => "connect: network is unreachable",
        io::ErrorKind::TimedOut => "i/o timeout",
        // Only names that do not resolve have no number.
        _ if error.raw_os_error().is_none() => {
            let text = error.to_string();
            let what = match text.strip_prefix("failed to lookup address information: ") {
                Some(other) if !NO_NAME.contains(&other) => other,
                _ => "no such host",
            };
            return format!("dial tcp: lookup {host}: {what}");
        }
        _ => return format!("dial tcp {host}:{port}: {error}"),
    };
    match address {
        Some(address) => format!("dial tcp {address}: {what}"),
        None => format!("dial tcp {host}:{port}: {what}"),
    }
}

/// What resolvers say of names that do not exist.
const NO_NAME: [&str; 2] = ["Name or service not known", "No address associated with hostname"];

/// How long addresses of the family that the system prefers are tried alone.
const HEAD_START: Duration = Duration::from_millis(300);
/// How long an address may take while there is another one.
const PATIENCE: Duration = Duration::from_secs(2);

/// Connects to the first of `addresses` that answers. The error is that of the first.
async fn connect_in_turn(addresses: &[SocketAddr]) -> io::Result<TcpStream> {
    let mut first_error = None;
    for (index, &address) in addresses.iter().enumerate() {
        let connecting = TcpStream::connect(address);
        let connected = if index + 1 == addresses.len() {
            connecting.await
        } else {
            let late = |_| Err(io::Error::from(io::ErrorKind::TimedOut));
            timeout(PATIENCE, connecting).await.unwrap_or_else(late)
        };
        match connected {
            Ok(socket) => return Ok(socket),
            Err(error) => _ = first_error.get_or_insert(error),
        }
    }
    let nothing = || io::Error::new(io::ErrorKind::NotFound, "the name has no address");
    Err(first_error.unwrap_or_else(nothing))
}

/// Connects to the addresses of one family, and to those of the other beside them if these take long or fail.
async fn race(preferred: &[SocketAddr], others: &[SocketAddr]) -> io::Result<TcpStream> {
    let mut first = pin!(connect_in_turn(preferred));
    match timeout(HEAD_START, &mut first).await {
        Ok(Ok(socket)) => return Ok(socket),
        Ok(Err(error)) => return connect_in_turn(others).await.map_err(|_| error),
        Err(_elapsed) => {}
    }
    let mut second = pin!(connect_in_turn(others));
    tokio::select! {
        connected = &mut first => match connected {
            Ok(socket) => Ok(socket),
            Err(error) => second.await.map_err(|_| error),
        },
        connected = &mut second => match connected {
            Ok(socket) => Ok(socket),
            Err(_) => first.await,
        },
    }
}

/// Connects to the first address that answers, beginning `turn` places behind the first. That one is put into `address`.
async fn dial(
    host: &str,
    port: u16,
    turn: usize,
    address: &mut Option<SocketAddr>,
) -> io::Result<TcpStream> {
    let host = host.trim_start_matches('[').trim_end_matches(']');
    let mut addresses: Vec<SocketAddr> = tokio::net::lookup_host((host, port)).await?.collect();
    if !addresses.is_empty() {
        let begin = turn % addresses.len();
        addresses.rotate_left(begin);
    }
    *address = addresses.first().copied();
    let is_ipv4 = addresses.first().is_some_and(SocketAddr::is_ipv4);
    let (preferred, others): (Vec<_>, Vec<_>) =
        addresses.into_iter().partition(|address| address.is_ipv4() == is_ipv4);
    let socket = if others.is_empty() {
        connect_in_turn(&preferred).await?
    } else {
        race(&preferred, &others).await?
    };
    // Requests are written at once; waiting for more only delays them.
    socket.set_nodelay(true)?;
    Ok(socket)
}

/// Makes connections for the pool.
#[derive(Clone)]
pub(crate) struct Connector {
    tls: Arc<TlsSettings>,
    proxies: Arc<Proxies>,
    unix_socket: Option<Arc<PathBuf>>,
    /// How many connections were made, if each is to begin with another address of the host.
    turns: Option<Arc<AtomicUsize>>,
    dialer: Option<Dialer>,
}

impl Connector {
    pub(crate) fn new(
        tls: TlsSettings,
        proxies: Arc<Proxies>,
        unix_socket: Option<PathBuf>,
        takes_turns: bool,
        dialer: Option<Dialer>,
    ) -> Self {
        let unix_socket = unix_socket.map(Arc::new);
        let turns = takes_turns.then(Arc::default);
        Self { tls: Arc::new(tls), proxies, unix_socket, turns, dialer }
    }

    /// With which address of a host the next connection begins.
    fn turn(&self) -> usize {
        self.turns.as_ref().map_or(0, |turns| turns.fetch_add(1, Ordering::Relaxed))
    }

    /// Whether this leads to HTTP/1 without anything in between.
    pub(crate) fn is_plain(&self, uri: &Uri) -> bool {
        let (Some("http"), Some(host)) = (uri.scheme_str(), uri.host()) else { return false };
        let port = uri.port_u16().unwrap_or(80);
        self.unix_socket.is_some() || self.proxies.for_host(false, host, port).is_none()
    }

    /// Makes a connection.
    pub(crate) async fn connect(self, uri: Uri) -> Result<Stream, Error> {
        let failed = |what: &(dyn std::error::Error + 'static)| Error::Request {
            url: uri.to_string().into(),
            what: crate::error::chain(what),
        };
        let undialed =
            |what: String| Error::Request { url: uri.to_string().into(), what: what.into() };
        let is_tls = uri.scheme_str() == Some("https");
        let host = uri.host().unwrap_or_default();
        if let Some(path) = &self.unix_socket {
            let (socket, open) = self.counted(UnixStream::connect(&**path)).await;
            let socket =
                socket.map_err(|e| undialed(format!("dial unix {}: {e}", path.display())))?;
            let stream = self.secure(socket, host, is_tls, failed).await?;
            return Ok(Stream { _open: open, ..stream });
        }
        let port = uri.port_u16().unwrap_or(if is_tls { 443 } else { 80 });
        let proxy = self.proxies.for_host(is_tls, host, port);
        let (to_host, to_port) = proxy.map_or((host, port), |proxy| (&*proxy.host, proxy.port));
        let mut address = None;
        let dialing = dial(to_host, to_port, self.turn(), &mut address);
        let (socket, open) = self.counted(dialing).await;
        let socket = socket.map_err(|e| {
            let through = if proxy.is_some() { "proxyconnect tcp: " } else { "" };
            undialed(format!("{through}{}", dial_failure(to_host, to_port, address, &e)))
        })?;
        let stream = match proxy {
            Some(proxy) => self.through(proxy, socket, (host, port), is_tls, failed).await?,
            None => self.secure(socket, host, is_tls, failed).await?,
        };
        Ok(Stream { _open: open, ..stream })
    }

    /// Connects, and counts that.
    async fn counted<T>(
        &self,
        connecting: impl Future<Output = io::Result<T>>,
    ) -> (io::Result<T>, Option<Open>) {
        let attempt = self.dialer.as_ref().map(Dialer::attempt);
        let connected = connecting.await;
        let open = attempt.and_then(|attempt| attempt.end(&connected));
        (connected, open)
    }

    /// Goes on through the proxy behind `socket`.
    async fn through(
        &self,
        proxy: &Proxy,
        socket: TcpStream,
        (host, port): (&str, u16),
        is_tls: bool,
        failed: impl Fn(&(dyn std::error::Error + 'static)) -> Error,
    ) -> Result<Stream, Error> {
        let mut io: Box<dyn Io> = Box::new(socket);
        if proxy.kind == ProxyKind::Https {
            let config = self.tls.proxy_config().await?;
            let name = self.tls.server_name(&proxy.host)?;
            let connector = tokio_rustls::TlsConnector::from(config);
            io = Box::new(connector.connect(name, io).await.map_err(|e| failed(&e))?);
        }
        if !is_tls && proxy.kind != ProxyKind::Socks5 {
            return Ok(Stream { is_proxied: true, ..Stream::new(io, false) });
        }
        proxy.open(&mut io, host, port).await?;
        self.secure(io, host, is_tls, failed).await
    }

    async fn secure(
        &self,
        socket: impl Io + 'static,
        host: &str,
        is_tls: bool,
        failed: impl Fn(&(dyn std::error::Error + 'static)) -> Error,
    ) -> Result<Stream, Error> {
        if !is_tls {
            return Ok(Stream::new(socket, false));
        }
        let config = self.tls.client_config().await?;
        let name = self.tls.server_name(host)?;
        let connector = tokio_rustls::TlsConnector::from(config);
        let stream = connector.connect(name, socket).await.map_err(|e| failed(&e))?;
        let is_http2 = stream.get_ref().1.alpn_protocol() == Some(b"h2");
        Ok(Stream::new(stream, is_http2))
    }
}

impl Service<Uri> for Connector {
    type Response = Stream;
    type Error = Error;
    type Future = Pin<Box<dyn Future<Output = Result<Stream, Error>> + Send>>;

    fn poll_ready(&mut self, _cx: &mut Context<'_>) -> Poll<Result<(), Error>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, uri: Uri) -> Self::Future {
        Box::pin(self.clone().connect(uri))
    }
}

#[cfg(test)]
mod tests;
