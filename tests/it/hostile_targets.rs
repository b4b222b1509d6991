//! Targets that mean harm: bodies without end, compressed ones that swell, series of a million labels. They are refused
//! at the limits of their job, and nothing beyond the limits is read, kept or unpacked.

use expfmt::{Entry, Parser, TextParser};
use flate2::Compression;
use flate2::write::GzEncoder;
use net::client::{ClientOptions, MemoryLeft};
use scrape::{Fetch, FetchError, FetchRequest, HttpFetch, Repeated};
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

const LIMIT_BYTES: u64 = 4 << 20;
/// What sockets and buffers may hold beside.
const SLACK_BYTES: u64 = 16 << 20;
/// A gibibyte.
const HOSTILE_BYTES: u64 = 1 << 30;

/// A target that answers once: with this head, and parts of a body until it has sent enough or nobody listens.
fn target(
    head: &'static str,
    mut part: impl FnMut() -> Option<Vec<u8>> + Send + 'static,
) -> (SocketAddr, Arc<AtomicU64>) {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = listener.local_addr().expect("an address");
    let sent = Arc::new(AtomicU64::new(0));
    let counted = Arc::clone(&sent);
    let answer = move || {
        let (mut stream, _) = listener.accept().expect("a connection");
        let mut request = [0; 4096];
        drop(stream.read(&mut request));
        let head = format!(
            "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nConnection: close\r\n{head}\r\n"
        );
        if stream.write_all(head.as_bytes()).is_err() {
            return;
        }
        while let Some(bytes) = part() {
            if stream.write_all(&bytes).is_err() {
                return;
            }
            counted.fetch_add(bytes.len() as u64, Ordering::Relaxed);
        }
    };
    std::thread::Builder::new().spawn(answer).expect("a thread");
    (address, sent)
}

/// What fetching from `address` comes to, and the memory that the body takes then. Either the job bounds bodies, or the
/// memory that is left does.
async fn fetch_with(
    address: SocketAddr,
    memory_left: Option<u64>,
) -> (Result<Box<str>, FetchError>, u64) {
    let limit = if memory_left.is_some() { 0 } else { LIMIT_BYTES };
    let config = format!(
        "scrape_configs:\n- job_name: j\n  body_size_limit: {limit}B\n  static_configs: [{{targets: [x]}}]\n"
    );
    let context = cli::config::Context::new(&|_| None);
    let config = cli::config::load(config.as_bytes(), "prometheus.yml", &context).expect("good");
    let job = Arc::new(config.scrape_configs().expect("jobs").remove(0));
    let memory_left = memory_left.map(|left| -> MemoryLeft { Arc::new(move || left) });
    let options = ClientOptions { memory_left, ..ClientOptions::default() };
    let fetch = HttpFetch::new(&job, options).expect("a client");
    let mut body = Vec::new();
    let url = format!("http://{address}/metrics");
    let timeout = Duration::from_secs(120);
    let request =
        FetchRequest { url: &url, unix_socket: None, timeout, repeated: &Repeated::default() };
    let answer = fetch.fetch(request, &mut body).await;
    (answer, body.capacity() as u64)
}

async fn fetch(address: SocketAddr) -> (Result<Box<str>, FetchError>, u64) {
    fetch_with(address, None).await
}

/// A server in a control group of 1 GiB was killed by a target that grew with each scrape, although it refused the new
/// series: their lines took the memory.
#[tokio::test]
async fn a_body_beyond_the_memory_that_is_left_is_refused() {
    const LEFT_BYTES: u64 = 40 << 20;
    let line = "a_metric_with_some_name{label=\"value\"} 1\n".repeat(1000).into_bytes();
    for head in ["", "Content-Length: 1073741824\r\n"] {
        let line = line.clone();
        let mut left = HOSTILE_BYTES;
        let (address, sent) = target(head, move || {
            left = left.checked_sub(line.len() as u64)?;
            Some(line.clone())
        });
        let (answer, _) = fetch_with(address, Some(LEFT_BYTES)).await;
        let error = answer.expect_err("too much").to_string();
        assert!(error.ends_with("what --storage.tsdb.memory-budget leaves"), "{error}");
        let sent = sent.load(Ordering::Relaxed);
        assert!(sent <= 2 * LEFT_BYTES + SLACK_BYTES, "{sent} bytes were taken");
    }
}

async fn is_refused_at_the_limit(address: SocketAddr) {
    let (answer, kept_bytes) = fetch(address).await;
    assert!(matches!(answer, Err(FetchError::BodySizeLimit)), "{answer:?}");
    assert!(kept_bytes <= 2 * LIMIT_BYTES, "{kept_bytes} bytes are kept");
}

#[tokio::test]
async fn a_body_without_end_is_refused_at_the_limit() {
    let line = "a_metric_with_some_name{label=\"value\"} 1\n".repeat(1000).into_bytes();
    let mut left = HOSTILE_BYTES;
    let (address, sent) = target("", move || {
        left = left.checked_sub(line.len() as u64)?;
        Some(line.clone())
    });
    is_refused_at_the_limit(address).await;
    let sent = sent.load(Ordering::Relaxed);
    assert!(sent <= LIMIT_BYTES + SLACK_BYTES, "{sent} bytes were taken");
}

#[tokio::test]
async fn a_line_without_end_is_refused_at_the_limit() {
    let labels = "label=\"value\",".repeat(10_000).into_bytes();
    let mut is_first = true;
    let (address, _) = target("", move || {
        Some(if std::mem::take(&mut is_first) { b"a{".to_vec() } else { labels.clone() })
    });
    is_refused_at_the_limit(address).await;
}

#[tokio::test]
async fn a_compressed_body_is_refused_before_it_swells() {
    let mut packed = GzEncoder::new(Vec::new(), Compression::best());
    let part = vec![b'\n'; 1 << 20];
    for _ in 0..256 {
        packed.write_all(&part).expect("in memory");
    }
    let mut packed = Some(packed.finish().expect("in memory"));
    let (address, _) = target("Content-Encoding: gzip\r\n", move || packed.take());
    is_refused_at_the_limit(address).await;
}

#[tokio::test]
async fn packed_parts_one_after_the_other_are_one_body() {
    let mut packed = GzEncoder::new(Vec::new(), Compression::best());
    packed.write_all(&vec![b'\n'; 1 << 20]).expect("in memory");
    let packed = packed.finish().expect("in memory");
    let (address, sent) = target("Content-Encoding: gzip\r\n", move || Some(packed.clone()));
    is_refused_at_the_limit(address).await;
    let sent = sent.load(Ordering::Relaxed);
    assert!(sent <= SLACK_BYTES, "{sent} packed bytes were taken");
}

#[test]
fn a_million_labels_are_one_series_that_is_read_once() {
    let mut body = String::from("a{");
    for index in 0..1_000_000 {
        body.push('l');
        body.push_str(&index.to_string());
        body.push_str("=\"\",");
    }
    body.push_str("} 1\nb 2\n");
    let mut parser = TextParser::new(body.as_bytes());
    let mut lengths = Vec::new();
    while let Some(entry) = parser.next().expect("a good body") {
        if let Entry::Sample(sample) = entry {
            lengths.push(sample.series.len());
        }
    }
    assert_eq!(lengths, [body.len() - " 1\nb 2\n".len(), 1]);
}
