//! Scrape targets for the load driver: one listener, many paths, expositions that move a little each time.

use super::native;
use super::series::mix;
use metrics::Stopwatch;
use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

/// A container runtime: every page has a line for each metric of each pod.
#[derive(Clone, Copy, Debug)]
pub struct Containers {
    /// Pods of a target.
    pub pods: usize,
    /// Metrics of a pod.
    pub metrics: usize,
    /// After this many seconds a tenth of the pods has new names.
    pub rename_every_s: u64,
}

impl Containers {
    /// Lines of a page.
    #[must_use]
    pub fn series(self) -> usize {
        self.pods * self.metrics
    }

    fn write(self, path: &str, turn: u64, seconds: u64, page: &mut Vec<u8>) -> std::io::Result<()> {
        let node: u64 = path.trim_start_matches('/').parse().unwrap_or(0);
        let pods: Vec<String> = (0..self.pods as u64)
            .map(|pod| {
                // Pod number p gets its next name in round p % 10 of every ten rounds.
                let round = seconds / self.rename_every_s.max(1);
                let generation = (round + 9 - pod % 10) / 10;
                let identity = mix(node << 32 | pod << 8 | generation);
                format!(
                    "container=\"main\",id=\"/kubepods.slice/kubepods-burstable.slice/pod{identity:016x}\",\
                     image=\"registry.example.com/team-{:02}/service-{pod:03}:1.{}\",name=\"k8s_main_{:08x}\",\
                     namespace=\"team-{:02}-production\",pod=\"service-{pod:03}-{:08x}-{:05x}\"",
                    pod % 40,
                    pod % 17,
                    identity >> 16 & 0xffff_ffff,
                    pod % 40,
                    identity >> 32,
                    identity & 0xfffff
                )
            })
            .collect();
        for metric in 0..self.metrics {
            writeln!(
                page,
                "# HELP container_metric_{metric:02}_total A metric.\n# TYPE container_metric_{metric:02}_total counter"
            )?;
            for (pod, labels) in pods.iter().enumerate() {
                let value = turn * 100 + mix(turn << 20 ^ (pod << 8 | metric) as u64) % 100;
                writeln!(page, "container_metric_{metric:02}_total{{{labels}}} {value}")?;
            }
        }
        Ok(())
    }
}

/// What a page holds.
#[derive(Clone, Copy, Debug)]
enum Content {
    /// This many lines with short labels.
    Plain(usize),
    /// Those of a container runtime.
    Containers(Containers),
    /// This many more with each page.
    Growing(usize),
    /// This many native histograms, in protobuf.
    Native(usize),
}

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
        Self::serving(Content::Plain(series))
    }

    /// Starts it: each path is a container runtime of its own.
    pub fn start_containers(shape: Containers) -> std::io::Result<Self> {
        Self::serving(Content::Containers(shape))
    }

    /// Starts it: each page has `step` lines more than the one before.
    pub fn start_growing(step: usize) -> std::io::Result<Self> {
        Self::serving(Content::Growing(step))
    }

    /// Starts it: each page has `histograms` native histograms in protobuf.
    pub fn start_native(histograms: usize) -> std::io::Result<Self> {
        Self::serving(Content::Native(histograms))
    }

    fn serving(content: Content) -> std::io::Result<Self> {
        let clock = Stopwatch::start();
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
                    .spawn(move || serve(connection, content, clock, &counted));
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

fn serve(connection: TcpStream, content: Content, clock: Stopwatch, served: &AtomicU64) {
    let mut reader = BufReader::new(connection);
    let mut page = Vec::new();
    let mut scratch = native::Scratch::default();
    let content_type = match content {
        Content::Native(_) => native::CONTENT_TYPE,
        Content::Plain(_) | Content::Containers(_) | Content::Growing(_) => {
            "text/plain; version=0.0.4; charset=utf-8"
        }
    };
    let (mut line, mut request) = (String::new(), String::new());
    loop {
        request.clear();
        loop {
            line.clear();
            match reader.read_line(&mut line) {
                Ok(0) | Err(_) => return,
                Ok(_) if line == "\r\n" => break,
                Ok(_) if request.is_empty() => request.clone_from(&line),
                Ok(_) => {}
            }
        }
        let turn = served.fetch_add(1, Ordering::Relaxed);
        page.clear();
        let written = match content {
            Content::Plain(series) => write_plain(series, turn, &mut page),
            Content::Growing(step) => write_growing(step * (turn as usize + 1), &mut page),
            Content::Native(histograms) => {
                native::write_page(histograms, turn, &mut scratch, &mut page);
                Ok(())
            }
            Content::Containers(shape) => {
                let path = request.split(' ').nth(1).unwrap_or("/");
                shape.write(path, turn, clock.elapsed_seconds() as u64, &mut page)
            }
        };
        let head = format!(
            "HTTP/1.1 200 OK\r\nContent-Type: {content_type}\r\nContent-Length: {}\r\n\r\n",
            page.len()
        );
        let stream = reader.get_mut();
        let sent = written.and_then(|()| stream.write_all(head.as_bytes()));
        if sent.and_then(|()| stream.write_all(&page)).is_err() {
            return;
        }
    }
}

fn write_growing(series: usize, page: &mut Vec<u8>) -> std::io::Result<()> {
    writeln!(page, "# TYPE flood gauge")?;
    (0..series).try_for_each(|index| writeln!(page, "flood{{request=\"{index:08x}\"}} 1"))
}

fn write_plain(series: usize, turn: u64, page: &mut Vec<u8>) -> std::io::Result<()> {
    for index in 0..series {
        let (family, item) = (index / 20, index % 20);
        if item == 0 {
            writeln!(
                page,
                "# HELP load_metric_{family:03} A metric.\n# TYPE load_metric_{family:03} gauge"
            )?;
        }
        let value = mix(turn << 20 ^ index as u64) % 100_000;
        let (whole, rest) = (value / 100, value % 100);
        writeln!(page, "load_metric_{family:03}{{item=\"{item}\",kind=\"test\"}} {whole}.{rest}")?;
    }
    Ok(())
}
