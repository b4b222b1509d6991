//! Listens, counts connections, speaks HTTP/1.1 and HTTP/2, stops when told. What is answered is decided in `router`.

use crate::Api;
use crate::router::{self, State};
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto::Builder;
use metrics::{Counter, Gauge};
use socket2::{Domain, Protocol, Socket, Type};
use std::convert::Infallible;
use std::io;
use std::net::{Ipv6Addr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

/// How long requests in flight may take once the server stops.
const GRACE: Duration = Duration::from_secs(5);

/// Connections that may wait to be accepted; the system has a bound of its own.
const MAX_BACKLOG: i32 = 65_535;

/// How long to wait when accepting fails: mostly for file descriptors, which come back.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// An address cannot be listened on.
#[derive(Debug, thiserror::Error)]
#[error("listen on {address}: {source}")]
pub struct ListenError {
    /// The address.
    pub address: SocketAddr,
    /// The cause.
    pub source: io::Error,
}

/// A server that holds its ports and serves once asked to.
#[derive(Debug)]
pub struct Server {
    listeners: Vec<TcpListener>,
    addresses: Vec<SocketAddr>,
    state: Arc<State>,
}

impl Server {
    /// Opens the ports. Port 0 becomes the one the system chose, in [`Self::addresses`] and in the options of `api`.
    pub async fn bind(mut api: Api) -> Result<Self, ListenError> {
        let mut listeners = Vec::new();
        let mut addresses = Vec::new();
        for &address in &api.options.listen {
            let failed = |source| ListenError { address, source };
            let listener = listen(address).map_err(failed)?;
            addresses.push(listener.local_addr().map_err(failed)?);
            listeners.push(listener);
        }
        api.options.listen.clone_from(&addresses);
        Ok(Self { listeners, addresses, state: Arc::new(State::new(api)) })
    }

    /// Where it listens.
    #[must_use]
    pub fn addresses(&self) -> &[SocketAddr] {
        &self.addresses
    }

    /// Serves until `stop` is cancelled, then lets requests in flight finish for a few seconds.
    pub async fn serve(self, stop: CancellationToken) {
        let tracker = TaskTracker::new();
        let options = &self.state.api().options;
        let registry = &self.state.api().registry;
        let connections = Connections {
            free: Arc::new(Semaphore::new(
                options.max_connections.clamp(1, Semaphore::MAX_PERMITS),
            )),
            accepted: registry
                .counter_vec(
                    "net_conntrack_listener_conn_accepted_total",
                    "Total number of connections opened to the listener of a given name.",
                    &["listener_name"],
                )
                .with(&["http"]),
            closed: registry
                .counter_vec(
                    "net_conntrack_listener_conn_closed_total",
                    "Total number of connections closed that were made to the listener of a given name.",
                    &["listener_name"],
                )
                .with(&["http"]),
            open: registry.gauge("firesteel_http_connections", "Connections that are open."),
        };
        for listener in self.listeners {
            let accept = accept(
                listener,
                Arc::clone(&self.state),
                connections.clone(),
                tracker.clone(),
                stop.clone(),
            );
            tracker.spawn(accept);
        }
        stop.cancelled().await;
        self.state.stop.cancel();
        tracker.close();
        if tokio::time::timeout(GRACE, tracker.wait()).await.is_err() {
            tracing::warn!(
                open = connections.open.get(),
                "cutting connections that did not finish"
            );
        }
    }
}

/// Opens a port. Clients that come all at once wait until they are accepted, as many as the system lets.
/// Listens on `address`. All addresses of one family are all addresses of both, as for servers in Go: who serves
/// `0.0.0.0:9090`, the default, is reached where there is nothing but IPv6.
fn listen(address: SocketAddr) -> io::Result<TcpListener> {
    if !address.ip().is_unspecified() {
        return listen_on(address);
    }
    match listen_on((Ipv6Addr::UNSPECIFIED, address.port()).into()) {
        Err(error) if lacks_ipv6(&error) => listen_on(address),
        listening => listening,
    }
}

/// Whether listening failed because the system does not speak IPv6.
fn lacks_ipv6(error: &io::Error) -> bool {
    /// `EAFNOSUPPORT` has no kind of its own.
    const NO_FAMILY: i32 = 97;
    error.raw_os_error() == Some(NO_FAMILY)
        || matches!(error.kind(), io::ErrorKind::AddrNotAvailable | io::ErrorKind::Unsupported)
}

fn listen_on(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
    if address.is_ipv6() {
        // Addresses of IPv4 come in as such of IPv6.
        socket.set_only_v6(!address.ip().is_unspecified())?;
    }
    socket.set_reuse_address(true)?;
    socket.set_nonblocking(true)?;
    socket.bind(&address.into())?;
    socket.listen(MAX_BACKLOG)?;
    TcpListener::from_std(socket.into())
}

/// The bound on connections, and their counts.
#[derive(Clone, Debug)]
struct Connections {
    free: Arc<Semaphore>,
    accepted: Counter,
    closed: Counter,
    open: Gauge,
}

async fn accept(
    listener: TcpListener,
    state: Arc<State>,
    connections: Connections,
    tracker: TaskTracker,
    stop: CancellationToken,
) {
    loop {
        // The permit comes first: a client beyond the bound waits in the backlog, as in Prometheus.
        let permit = tokio::select! {
            permit = Arc::clone(&connections.free).acquire_owned() => permit,
            () = stop.cancelled() => return,
        };
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            () = stop.cancelled() => return,
        };
        match accepted {
            Ok((stream, peer)) => {
                connections.accepted.inc();
                // A client of IPv4 is known by its own address, not by one of IPv6 that stands for it.
                let peer = SocketAddr::new(peer.ip().to_canonical(), peer.port());
                let (open, closed) = (connections.open.clone(), connections.closed.clone());
                let serve = connection((stream, peer), Arc::clone(&state), stop.clone());
                tracker.spawn(async move {
                    open.inc();
                    serve.await;
                    open.dec();
                    closed.inc();
                    drop(permit);
                });
            }
            Err(error) => {
                tracing::warn!(%error, "accepting a connection failed");
                tokio::time::sleep(ACCEPT_PAUSE).await;
            }
        }
    }
}

async fn connection(
    (stream, peer): (TcpStream, SocketAddr),
    state: Arc<State>,
    stop: CancellationToken,
) {
    // Answers go out whole or in large pieces: waiting to fill packets only adds latency.
    if let Err(error) = stream.set_nodelay(true) {
        tracing::debug!(%error, "setting TCP_NODELAY failed");
    }
    let guard = state.api().guard.as_ref();
    let acceptor = match guard {
        Some(guard) if guard.has_tls() => guard.acceptor().await,
        _ => Ok(None),
    };
    match acceptor {
        Ok(None) => speak((stream, peer), state, stop).await,
        Ok(Some(acceptor)) => {
            let patience = state.api().options.read_timeout;
            match tokio::time::timeout(patience, acceptor.accept(stream)).await {
                Ok(Ok(stream)) => speak((stream, peer), state, stop).await,
                Ok(Err(error)) => tracing::debug!(%error, "TLS handshake failed"),
                Err(_elapsed) => tracing::debug!("TLS handshake timed out"),
            }
        }
        Err(error) => tracing::error!(component = "web", error, "TLS cannot be set up"),
    }
}

/// Speaks HTTP until the other side has enough or the server stops.
async fn speak<S>((stream, peer): (S, SocketAddr), state: Arc<State>, stop: CancellationToken)
where
    S: AsyncRead + AsyncWrite + Unpin + 'static,
{
    let patience = state.api().options.read_timeout;
    let mut builder = Builder::new(TokioExecutor::new());
    builder
        .http1()
        .timer(TokioTimer::new())
        .header_read_timeout(patience)
        .http2()
        .timer(TokioTimer::new())
        .keep_alive_interval(Some(patience));
    if state.api().guard.as_ref().is_some_and(|guard| !guard.http2()) {
        builder = builder.http1_only();
    }
    let begun = Arc::new(AtomicBool::new(false));
    let heard = Arc::clone(&begun);
    let service = service_fn(move |request| {
        heard.store(true, Ordering::Relaxed);
        let state = Arc::clone(&state);
        async move { Ok::<_, Infallible>(router::answer(state, peer, request).await) }
    });
    // Which version is spoken shows in the first bytes, and nothing else bounds the wait for those.
    let silence = async {
        tokio::time::sleep(patience).await;
        if begun.load(Ordering::Relaxed) {
            std::future::pending::<()>().await;
        }
    };
    let serving = builder.serve_connection(TokioIo::new(stream), service);
    tokio::pin!(serving);
    let served = tokio::select! {
        served = serving.as_mut() => served,
        () = silence => {
            tracing::debug!(%peer, "no request came over a connection");
            return;
        }
        () = stop.cancelled() => {
            serving.as_mut().graceful_shutdown();
            serving.await
        }
    };
    if let Err(error) = served {
        tracing::debug!(%error, "connection ended");
    }
}
