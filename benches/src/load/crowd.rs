//! A crowd of small targets for the load driver: one thread answers for every address of 127.0.0.0/8, so that each
//! target has a host of its own and a connection of its own, as in a real network.

use metrics::Stopwatch;
use std::fmt::Write;
use std::io;
use std::net::Ipv4Addr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::runtime::Runtime;
use tokio::sync::oneshot;

/// A request beyond this size is none of a scraper.
const MAX_REQUEST_BYTES: usize = 16 << 10;

/// The crowd; it goes when dropped.
#[derive(Debug)]
pub struct Crowd {
    port: u16,
    served: Arc<AtomicU64>,
    // Dropping it ends the thread.
    _stop: oneshot::Sender<()>,
}

impl Crowd {
    /// Starts it: each page has `series` lines.
    pub fn start(series: usize) -> io::Result<Self> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let listener = runtime.block_on(TcpListener::bind((Ipv4Addr::UNSPECIFIED, 0)))?;
        let port = listener.local_addr()?.port();
        let served = Arc::new(AtomicU64::new(0));
        let (stop, stopped) = oneshot::channel();
        let counted = Arc::clone(&served);
        std::thread::Builder::new()
            .name("crowd".to_owned())
            .spawn(move || serve(&runtime, &listener, series, &counted, stopped))?;
        Ok(Self { port, served, _stop: stop })
    }

    /// The address of a target.
    #[must_use]
    pub fn address(&self, index: usize) -> String {
        let [_, b, c, d] = (index as u32 + 1).to_be_bytes();
        format!("127.{}.{c}.{d}:{}", b + 1, self.port)
    }

    /// Pages served so far.
    #[must_use]
    pub fn served(&self) -> u64 {
        self.served.load(Ordering::Relaxed)
    }
}

fn serve(
    runtime: &Runtime,
    listener: &TcpListener,
    series: usize,
    served: &Arc<AtomicU64>,
    stopped: oneshot::Receiver<()>,
) {
    let clock = Stopwatch::start();
    let accepting = async {
        loop {
            match listener.accept().await {
                // The socket hears all networks, the crowd answers this machine only.
                Ok((connection, from)) if from.ip().is_loopback() => {
                    let served = Arc::clone(served);
                    tokio::spawn(async move { answer(connection, series, clock, &served).await });
                }
                Ok(_) => {}
                // Out of file descriptors, say: others may have closed theirs by then.
                Err(_) => tokio::time::sleep(std::time::Duration::from_millis(10)).await,
            }
        }
    };
    runtime.block_on(async {
        tokio::select! {
            () = accepting => {}
            _ = stopped => {}
        }
    });
}

async fn answer(mut connection: TcpStream, series: usize, clock: Stopwatch, served: &AtomicU64) {
    let mut request = Vec::with_capacity(1024);
    loop {
        request.clear();
        while !request.ends_with(b"\r\n\r\n") {
            match connection.read_buf(&mut request).await {
                Ok(0) | Err(_) => return,
                Ok(_) if request.len() > MAX_REQUEST_BYTES => return,
                Ok(_) => {}
            }
        }
        served.fetch_add(1, Ordering::Relaxed);
        let answer = page(series, clock.elapsed_seconds());
        if connection.write_all(answer.as_bytes()).await.is_err() {
            return;
        }
    }
}

fn page(series: usize, seconds: f64) -> String {
    let mut body = String::from("# HELP idle A metric.\n# TYPE idle counter\n");
    for index in 0..series {
        writeln!(body, "idle{{item=\"{index}\"}} {}", seconds.floor()).expect("text in memory");
    }
    format!(
        "HTTP/1.1 200 OK\r\nContent-Type: text/plain; version=0.0.4; charset=utf-8\r\n\
         Content-Length: {}\r\n\r\n{body}",
        body.len()
    )
}
