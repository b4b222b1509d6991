//! Small servers on loopback: they answer from a list and remember what they were asked.

use rustls::ServerConfig;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, copy_bidirectional};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;

/// What a server answers.
#[derive(Clone)]
pub(super) struct Answer {
    status: String,
    headers: String,
    content_type: String,
    body: String,
    closes: bool,
}

impl Answer {
    pub(super) fn status(status: &str, body: &str) -> Self {
        Self {
            status: status.into(),
            headers: String::new(),
            content_type: "application/json".into(),
            body: body.into(),
            closes: false,
        }
    }

    pub(super) fn ok(body: &str) -> Self {
        Self::status("200 OK", body)
    }

    /// The connection ends with the answer.
    pub(super) fn closing(body: &str) -> Self {
        Self { closes: true, ..Self::ok(body) }
    }

    pub(super) fn moved(location: &str) -> Self {
        Self { headers: format!("Location: {location}\r\n"), ..Self::status("302 Found", "") }
    }

    pub(super) fn content_type(self, content_type: &str) -> Self {
        Self { content_type: content_type.into(), ..self }
    }

    fn bytes(&self) -> Vec<u8> {
        let Self { status, headers, content_type, body, closes } = self;
        let connection = if *closes { "close" } else { "keep-alive" };
        format!(
            "HTTP/1.1 {status}\r\n{headers}Content-Type: {content_type}\r\nConnection: {connection}\r\n\
             Content-Length: {}\r\n\r\n{body}",
            body.len()
        )
        .into_bytes()
    }
}

#[derive(Default)]
struct Seen {
    requests: Vec<String>,
    protocol: Option<String>,
}

/// A server; it runs as long as the runtime.
pub(super) struct Server {
    pub(super) address: SocketAddr,
    seen: Arc<Mutex<Seen>>,
}

impl Server {
    async fn bind() -> (TcpListener, Self) {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = listener.local_addr().expect("bound");
        (listener, Self { address, seen: Arc::default() })
    }

    /// A server that always gives this answer.
    pub(super) async fn plain(answer: Answer) -> Self {
        Self::script(vec![answer]).await
    }

    /// A server that gives these answers in order, the last one for ever.
    pub(super) async fn script(answers: Vec<Answer>) -> Self {
        let (listener, server) = Self::bind().await;
        let seen = Arc::clone(&server.seen);
        tokio::spawn(async move {
            while let Ok((socket, _)) = listener.accept().await {
                tokio::spawn(serve(socket, answers.clone(), Arc::clone(&seen)));
            }
        });
        server
    }

    /// A server that answers so many requests of each connection and closes it when it gets one more.
    pub(super) async fn fickle(answer: Answer, answered: usize) -> Self {
        let (listener, server) = Self::bind().await;
        let seen = Arc::clone(&server.seen);
        tokio::spawn(async move {
            while let Ok((mut socket, _)) = listener.accept().await {
                let (answer, seen) = (answer.clone(), Arc::clone(&seen));
                tokio::spawn(async move {
                    let mut left = answered;
                    while let Some(request) = request(&mut socket).await {
                        seen.lock().expect("no panic").requests.push(request);
                        if left == 0 {
                            break;
                        }
                        left -= 1;
                        socket.write_all(&answer.bytes()).await.expect("written");
                    }
                });
            }
        });
        server
    }

    /// A server behind TLS.
    pub(super) async fn tls(config: ServerConfig, answer: Answer) -> Self {
        let (listener, server) = Self::bind().await;
        let acceptor = TlsAcceptor::from(Arc::new(config));
        let seen = Arc::clone(&server.seen);
        tokio::spawn(async move {
            while let Ok((socket, _)) = listener.accept().await {
                let (acceptor, answer, seen) =
                    (acceptor.clone(), answer.clone(), Arc::clone(&seen));
                tokio::spawn(async move {
                    let Ok(stream) = acceptor.accept(socket).await else { return };
                    let protocol = stream.get_ref().1.alpn_protocol().map(<[u8]>::to_vec);
                    let protocol = protocol.and_then(|name| String::from_utf8(name).ok());
                    seen.lock().expect("no panic").protocol = protocol;
                    serve(stream, vec![answer], seen).await;
                });
            }
        });
        server
    }

    /// A proxy whose tunnels all lead to `target`.
    pub(super) async fn tunnel(target: SocketAddr) -> Self {
        let (listener, server) = Self::bind().await;
        let seen = Arc::clone(&server.seen);
        tokio::spawn(async move {
            while let Ok((mut socket, _)) = listener.accept().await {
                let Some(request) = request(&mut socket).await else { continue };
                seen.lock().expect("no panic").requests.push(request);
                let mut behind = TcpStream::connect(target).await.expect("the target");
                socket.write_all(b"HTTP/1.1 200 OK\r\n\r\n").await.expect("written");
                tokio::spawn(async move {
                    drop(copy_bidirectional(&mut socket, &mut behind).await);
                });
            }
        });
        server
    }

    /// What it was asked, headers and bodies.
    pub(super) fn requests(&self) -> Vec<String> {
        self.seen.lock().expect("no panic").requests.clone()
    }

    /// What the last handshake agreed on.
    pub(super) fn protocol(&self) -> Option<String> {
        self.seen.lock().expect("no panic").protocol.clone()
    }
}

async fn serve(
    mut stream: impl AsyncRead + AsyncWrite + Unpin,
    answers: Vec<Answer>,
    seen: Arc<Mutex<Seen>>,
) {
    while let Some(request) = request(&mut stream).await {
        let number = {
            let mut seen = seen.lock().expect("no panic");
            seen.requests.push(request);
            seen.requests.len() - 1
        };
        let answer = &answers[number.min(answers.len() - 1)];
        if stream.write_all(&answer.bytes()).await.is_err() || stream.flush().await.is_err() {
            return;
        }
        if answer.closes {
            drop(stream.shutdown().await);
            return;
        }
    }
}

/// The next request, with its body; header names in lower case.
async fn request(stream: &mut (impl AsyncRead + Unpin)) -> Option<String> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(stream.read_u8().await.ok()?);
    }
    let head = String::from_utf8_lossy(&head).into_owned();
    let mut out = String::new();
    let mut length = 0;
    for (index, line) in head.split_inclusive("\r\n").enumerate() {
        match line.split_once(": ") {
            Some((name, value)) if index > 0 => {
                let name = name.to_ascii_lowercase();
                if name == "content-length" {
                    length = value.trim().parse().expect("a number");
                }
                out.extend([name.as_str(), ": ", value]);
            }
            _ => out.push_str(line),
        }
    }
    let mut body = vec![0; length];
    stream.read_exact(&mut body).await.ok()?;
    Some(out + &String::from_utf8_lossy(&body))
}
