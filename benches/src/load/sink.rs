//! A receiver of remote write 1.0 for the load driver: it counts samples and keeps none.

use super::proto::fields;
use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

/// What it has seen.
#[derive(Debug, Default)]
struct Seen {
    samples: AtomicU64,
    requests: AtomicU64,
    stop: AtomicBool,
}

/// The receiver; ends when dropped.
#[derive(Debug)]
pub struct Sink {
    /// Where it listens on loopback.
    pub port: u16,
    seen: Arc<Seen>,
}

impl Sink {
    /// Starts it.
    pub fn start() -> io::Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0")?;
        let port = listener.local_addr()?.port();
        let seen = Arc::new(Seen::default());
        let shared = Arc::clone(&seen);
        std::thread::Builder::new().name("sink".to_owned()).spawn(move || {
            for connection in listener.incoming().filter_map(Result::ok) {
                if shared.stop.load(Ordering::Relaxed) {
                    break;
                }
                let seen = Arc::clone(&shared);
                // A sender that goes away ends its connection only.
                drop(std::thread::Builder::new().spawn(move || serve(connection, &seen)));
            }
        })?;
        Ok(Self { port, seen })
    }

    /// Samples received so far.
    #[must_use]
    pub fn samples(&self) -> u64 {
        self.seen.samples.load(Ordering::Relaxed)
    }

    /// Requests received so far.
    #[must_use]
    pub fn requests(&self) -> u64 {
        self.seen.requests.load(Ordering::Relaxed)
    }
}

impl Drop for Sink {
    fn drop(&mut self) {
        self.seen.stop.store(true, Ordering::Relaxed);
        drop(TcpStream::connect(("127.0.0.1", self.port)));
    }
}

fn serve(connection: TcpStream, seen: &Seen) -> io::Result<()> {
    let mut reader = BufReader::new(connection);
    let (mut line, mut body) = (String::new(), Vec::new());
    let mut decoder = snap::raw::Decoder::new();
    loop {
        let mut length = 0;
        loop {
            line.clear();
            if reader.read_line(&mut line)? == 0 {
                return Ok(());
            }
            if line == "\r\n" {
                break;
            }
            if let Some(value) = line.to_ascii_lowercase().strip_prefix("content-length:") {
                length = value.trim().parse().map_err(io::Error::other)?;
            }
        }
        body.resize(length, 0);
        reader.read_exact(&mut body)?;
        let plain = decoder.decompress_vec(&body).map_err(io::Error::other)?;
        let series = fields(&plain).filter(|(number, _)| *number == 1);
        let samples = series.map(|(_, series)| fields(series).filter(|(n, _)| *n == 2).count());
        seen.samples.fetch_add(samples.sum::<usize>() as u64, Ordering::Relaxed);
        seen.requests.fetch_add(1, Ordering::Relaxed);
        reader.get_mut().write_all(b"HTTP/1.1 204 No Content\r\n\r\n")?;
    }
}
