//! Clients that mean harm or know no better: what they get, and that everybody else is served all the same.

use crate::http::client::{Answer, exchange};
use crate::http::serve::{Running, Setup, head};
use crate::server::get;
use flate2::Compression;
use flate2::write::GzEncoder;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::sync::Arc;
use std::time::Duration;
use tests::golden_bytes;

fn start(setup: &Setup) -> Running {
    Running::start(Arc::new(head()), setup)
}

/// A server that waits a fifth of a second for what it reads.
fn impatient() -> Running {
    let change = |options: &mut web::Options| options.read_timeout = Duration::from_millis(200);
    start(&Setup { change, ..Setup::default() })
}

fn lives(running: &Running) {
    assert_eq!(get(running, "/-/healthy").0, 200);
}

fn connect(running: &Running) -> TcpStream {
    let stream = TcpStream::connect(running.address).expect("connect");
    stream.set_read_timeout(Some(Duration::from_secs(20))).expect("timeout");
    stream
}

/// Everything until the server hangs up.
fn rest(stream: &mut TcpStream) -> String {
    let mut bytes = Vec::new();
    // A reset is an end, too.
    drop(stream.read_to_end(&mut bytes));
    String::from_utf8_lossy(&bytes).into_owned()
}

fn form(running: &Running, path: &str, body: &str) -> Answer {
    let kind = ("Content-Type".to_owned(), "application/x-www-form-urlencoded".to_owned());
    exchange(running.address, "POST", path, &[kind], body.as_bytes())
}

#[test]
fn headers_that_never_end_are_not_waited_for() {
    let running = impatient();
    let mut silent: Vec<TcpStream> = (0..20).map(|_| connect(&running)).collect();
    let mut slow: Vec<TcpStream> = (0..20).map(|_| connect(&running)).collect();
    for stream in &mut slow {
        stream.write_all(b"GET /-/healthy HTTP/1.1\r\nHost: x\r\nX-Slow: ").expect("sent");
    }
    lives(&running);
    for stream in slow.iter_mut().chain(&mut silent) {
        let mut text = Vec::new();
        let ended = stream.read_to_end(&mut text);
        let is_late = |error: &std::io::Error| error.kind() == std::io::ErrorKind::WouldBlock;
        assert!(!ended.as_ref().is_err_and(is_late), "the server still waits");
        assert!(!String::from_utf8_lossy(&text).contains("200 OK"));
    }
    lives(&running);
}

#[test]
fn bodies_that_never_end_are_not_waited_for() {
    let running = impatient();
    let write = "POST /api/v1/write HTTP/1.1\r\nHost: x\r\nContent-Type: application/x-protobuf\r\n\
        Content-Encoding: snappy\r\nContent-Length: 1000\r\n\r\nabc";
    let form = "POST /api/v1/query HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n\
        Content-Type: application/x-www-form-urlencoded\r\n\r\nquery=";
    for request in [write, form] {
        let mut stream = connect(&running);
        stream.write_all(request.as_bytes()).expect("sent");
        assert!(rest(&mut stream).starts_with("HTTP/1.1 408"), "{request}");
    }
    lives(&running);
}

#[test]
fn connections_that_are_cut_leave_nothing_open() {
    let running = impatient();
    for length in [1, 10, 40] {
        let request = b"POST /api/v1/write HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\r\n";
        connect(&running).write_all(&request[..length]).expect("sent");
    }
    let begin = metrics::Stopwatch::start();
    // The one that asks.
    while !get(&running, "/metrics").1.contains("\nfiresteel_http_connections 1\n") {
        assert!(begin.elapsed() < Duration::from_secs(60), "connections stay open");
        std::thread::sleep(Duration::from_millis(10));
    }
}

#[test]
fn giant_heads_and_forms_are_refused() {
    let running = start(&Setup::default());
    let large = "x".repeat(4 << 20);
    for request in [
        format!("GET /-/healthy HTTP/1.1\r\nHost: x\r\nX-Large: {large}\r\n\r\n"),
        format!("GET /api/v1/query?query={large} HTTP/1.1\r\nHost: x\r\n\r\n"),
    ] {
        let mut stream = connect(&running);
        // The server hangs up before it has read everything.
        drop(stream.write_all(request.as_bytes()));
        assert!(!rest(&mut stream).contains("200 OK"));
    }
    let many: String = (0..5000).map(|i| format!("X-H{i}: 1\r\n")).collect();
    let mut stream = connect(&running);
    drop(stream.write_all(format!("GET / HTTP/1.1\r\nHost: x\r\n{many}\r\n").as_bytes()));
    assert!(rest(&mut stream).starts_with("HTTP/1.1 431"));
    let answer = form(&running, "/api/v1/query", &format!("query={}", "1".repeat(11 << 20)));
    assert_eq!(answer.status, 413, "{answer:?}");
    lives(&running);
}

#[test]
fn garbage_instead_of_http_is_hung_up_on() {
    let running = start(&Setup::default());
    for garbage in [
        &b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03"[..],
        b"\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\r\n\r\n",
        b"GET /-/healthy HTTP/9.9\r\n\r\n",
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\xff\xff\xff\xff\xff\xff\xff\xff\xff",
        b"POST /api/v1/write HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
        b"POST /api/v1/write HTTP/1.1\r\nHost: x\r\nContent-Length: -1\r\n\r\n",
    ] {
        let mut stream = connect(&running);
        stream.write_all(garbage).expect("sent");
        // The server may have hung up already.
        drop(stream.shutdown(std::net::Shutdown::Write));
        let text = rest(&mut stream);
        assert!(!text.contains("200 OK") && !text.contains("204 No"), "{text}");
    }
    for path in ["/%00", "/%ff%fe", "/api/v1/label/%ff/values", "/..%2f..%2fetc/passwd", "//etc"] {
        let status = get(&running, path).0;
        assert!((300..500).contains(&status), "{path}: {status}");
    }
    lives(&running);
}

/// Zeros, packed so well that a gibibyte of them is a mebibyte.
fn bomb(plain_bytes: usize) -> Vec<u8> {
    let mut packer = GzEncoder::new(Vec::new(), Compression::best());
    let zeros = vec![0; 1 << 20];
    for _ in 0..plain_bytes >> 20 {
        packer.write_all(&zeros).expect("memory");
    }
    packer.finish().expect("memory")
}

#[test]
fn what_unpacks_to_far_too_much_is_refused() {
    use remote::otlp;
    let config = otlp::Config::default();
    let setup = Setup { otlp: Some((otlp::Options::default(), config)), ..Setup::default() };
    let running = start(&setup);
    let send = |path: &str, kind: &str, encoding: &str, body: &[u8]| {
        let headers = [("Content-Type", kind), ("Content-Encoding", encoding)];
        let headers = headers.map(|(name, value)| (name.to_owned(), value.to_owned()));
        exchange(running.address, "POST", path, &headers, body).status
    };
    let kind = "application/x-protobuf";
    assert_eq!(send("/api/v1/otlp/v1/metrics", kind, "gzip", &bomb(256 << 20)), 400);
    // Four gibibytes, says the head of the block.
    let lie = b"\xff\xff\xff\xff\x0f\0\0\0";
    assert_eq!(send("/api/v1/write", kind, "snappy", lie), 400);
    assert_eq!(send("/api/v1/read", kind, "snappy", lie), 400);
    lives(&running);
}

#[test]
fn a_hundred_thousand_matchers_are_answered() {
    let running = start(&Setup::default());
    let extra = golden_bytes("http/extra.rw");
    let (len, message) = extra.split_first_chunk::<4>().expect("a length");
    let message = &message[..u32::from_le_bytes(*len) as usize];
    assert_eq!(exchange(running.address, "POST", "/api/v1/write", &[], message).status, 204);
    let matchers: Vec<String> = (0..100_000).map(|i| format!("l{i}!=\"x\"")).collect();
    let matchers = matchers.join(",");
    let query = format!("query=count({{__name__=\"edge_time\",{matchers}}})&time=1793496600");
    let answer = form(&running, "/api/v1/query", &query);
    assert!(answer.status == 200 && answer.text().contains("\"value\":["), "{}", answer.status);
    let selectors = "&match[]=edge_time".repeat(100_000);
    let answer = form(&running, "/api/v1/series", &format!("start=0{selectors}"));
    assert!(answer.status == 200 && answer.text().matches("edge_time").count() >= 1);
    let alternatives: Vec<String> = (0..100_000).map(|i| format!("v{i}")).collect();
    let query = format!("query=count({{__name__=~\"{}\"}})", alternatives.join("|"));
    assert_eq!(form(&running, "/api/v1/query", &query).status, 200);
    lives(&running);
}

#[test]
fn deep_queries_are_refused_with_words() {
    let running = start(&Setup::default());
    let deep = 100_000;
    for query in [
        format!("{}1{}", "(".repeat(deep), ")".repeat(deep)),
        format!("{}1", "-".repeat(deep)),
        format!("{}1{}", "abs(".repeat(deep), ")".repeat(deep)),
        format!("1{}", "%2B1".repeat(deep)),
        format!("x{}", "[5m:1m]".repeat(deep)),
        "(".repeat(deep),
        format!("{{a=~\"{}a{}\"}}", "(".repeat(deep), ")".repeat(deep)),
    ] {
        for path in ["/api/v1/query", "/api/v1/parse_query", "/api/v1/format_query"] {
            let answer = form(&running, path, &format!("query={query}"));
            let begin = &query[..10];
            assert_eq!(answer.status, 400, "{path} {begin}");
            assert!(answer.text().contains("\"errorType\":\"bad_data\""), "{path} {begin}");
        }
    }
    lives(&running);
}

#[test]
fn ten_thousand_connections_wait_side_by_side() {
    let limits = std::fs::read_to_string("/proc/self/limits").expect("limits");
    let files = limits.lines().find_map(|line| line.strip_prefix("Max open files"));
    let files = files.and_then(|rest| rest.split_ascii_whitespace().next());
    let files: usize = files.and_then(|number| number.parse().ok()).unwrap_or(usize::MAX);
    // Both ends are in this process, and other tests have files, too.
    let num = 10_000.min(files.saturating_sub(500) / 2);
    println!("{num} connections");
    let change = |options: &mut web::Options| options.max_connections = 20_000;
    let running = start(&Setup { change, ..Setup::default() });
    let mut streams: Vec<TcpStream> = (0..num).map(|_| connect(&running)).collect();
    for stream in &mut streams {
        stream.write_all(b"GET /-/healthy HTTP/1.1\r\nHost: x\r\n\r\n").expect("sent");
    }
    for stream in &mut streams {
        let mut begin = [0; 15];
        stream.read_exact(&mut begin).expect("answered");
        assert_eq!(&begin, b"HTTP/1.1 200 OK");
    }
    lives(&running);
}

#[test]
fn ten_thousand_writes_over_one_connection_without_waiting_for_answers_are_all_stored() {
    use remote::receive::Message;
    use remote::send::{Pushed, push_request};
    const REQUESTS: i64 = 10_000;
    let (setup, end_ms) = (Setup::default(), 1_793_498_400_000);
    let running = start(&setup);
    let mut writer = connect(&running);
    let mut reader = writer.try_clone().expect("a second handle");
    let sending = std::thread::Builder::new().name("sender".to_owned()).spawn(move || {
        for number in 0..REQUESTS {
            let sample = Pushed {
                labels: model::Labels::from_pairs([("__name__", "x"), ("job", "j")]),
                timestamp_ms: end_ms - REQUESTS + 1 + number,
                value: number as f64,
                metadata: None,
            };
            let request = push_request(Message::V1, vec![sample], &[]);
            let len = request.body.len();
            let head =
                format!("POST /api/v1/write HTTP/1.1\r\nHost: x\r\nContent-Length: {len}\r\n\r\n");
            writer.write_all(head.as_bytes()).expect("sent");
            writer.write_all(&request.body).expect("sent");
        }
    });
    let sending = sending.expect("a thread starts");
    let (mut stored, mut tail) = (0, Vec::new());
    while stored < REQUESTS {
        let mut bytes = [0; 4096];
        let len = reader.read(&mut bytes).expect("answers");
        assert!(len > 0, "hung up after {stored} answers");
        tail.extend_from_slice(&bytes[..len]);
        let end = tail.windows(4).rposition(|four| four == b"\r\n\r\n").map_or(0, |at| at + 4);
        let answers = String::from_utf8(tail.drain(..end).collect()).expect("text");
        let heads = answers.split_terminator("\r\n\r\n");
        stored += heads.inspect(|head| assert!(head.starts_with("HTTP/1.1 204 "), "{head}")).count()
            as i64;
    }
    sending.join().expect("sent");
    let path = format!("/api/v1/query?query=count_over_time(x[1m])&time={}", end_ms / 1000);
    let (status, text) = get(&running, &path);
    assert!(status == 200 && text.contains(&format!("\"{REQUESTS}\"")), "{status} {text}");
}
