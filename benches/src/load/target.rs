//! Scrape targets for the load driver: one listener, many paths, a text exposition that moves a little each time.

use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

/// A server of `/metrics`-like pages; ends when dropped.
#[derive(Debug)]
pub struct Targets {
    /// Where it listens on loopback.
    pub port: u16,
    served: Arc<AtomicU64>,
    stop: Arc<AtomicBool>,
}

impl Targets {
    /// Starts it: each page has `series` lines.
    pub fn start(series: usize) -> std::io::Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0")?;
        let port = listener.local_addr()?.port();
        let served = Arc::new(AtomicU64::new(0));
        let stop = Arc::new(AtomicBool::new(false));
        let (counted, stopped) = (Arc::clone(&served), Arc::clone(&stop));
        std::thread::Builder::new().name("targets".to_owned()).spawn(move || {
            for connection in listener.incoming().filter_map(Result::ok) {
                if stopped.load(Ordering::Relaxed) {
                    break;
                }
                let counted = Arc::clone(&counted);
                let serving = std::thread::Builder::new()
                    .stack_size(256 << 10)
                    .spawn(move || serve(connection, series, &counted));
                drop(serving);
            }
        })?;
        Ok(Self { port, served, stop })
    }

    /// Pages served so far.
    #[must_use]
    pub fn served(&self) -> u64 {
        self.served.load(Ordering::Relaxed)
    }
}

impl Drop for Targets {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        drop(TcpStream::connect(("127.0.0.1", self.port)));
    }
}

fn serve(connection: TcpStream, series: usize, served: &AtomicU64) {
    let mut reader = BufReader::new(connection);
    let mut page = Vec::with_capacity(series * 80);
    loop {
        let mut line = String::new();
        loop {
            line.clear();
            match reader.read_line(&mut line) {
                Ok(0) | Err(_) => return,
                Ok(_) if line == "\r\n" => break,
                Ok(_) => {}
            }
        }
        let turn = served.fetch_add(1, Ordering::Relaxed);
        page.clear();
        for index in 0..series {
            let (family, item) = (index / 20, index % 20);
            if item == 0 {
                page.extend_from_slice(
                    format!("# HELP load_metric_{family:03} A metric.\n# TYPE load_metric_{family:03} gauge\n")
                        .as_bytes(),
                );
            }
            let value = super::series::mix(turn << 20 ^ index as u64) % 100_000;
            page.extend_from_slice(
                format!(
                    "load_metric_{family:03}{{item=\"{item}\",kind=\"test\"}} {}.{}\n",
                    value / 100,
                    value % 100
                )
                .as_bytes(),
            );
        }
        let head = format!(
            "HTTP/1.1 200 OK\r\nContent-Type: text/plain; version=0.0.4; charset=utf-8\r\nContent-Length: {}\r\n\r\n",
            page.len()
        );
        let stream = reader.get_mut();
        if stream.write_all(head.as_bytes()).and_then(|()| stream.write_all(&page)).is_err() {
            return;
        }
    }
}
