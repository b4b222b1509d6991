//! The server itself: what happens to connections, to work nobody waits for any more, to handlers that panic.

use crate::http::client::{exchange, parse};
use crate::http::serve::{Running, Setup, api, head};
use model::{Matcher, Symbols, TimeRange};
use std::io::{Read, Write};
use std::net::TcpStream;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;
use storage::{
    Appendable, Cancel, Error, FloatBatch, LabelBatch, MemoryStorage, Querier, Queryable, Result,
    SelectHints, SeriesSet,
};
use web::{Command, Readiness};

/// A storage whose selections wait until they are told to stop, and that knows how they ended.
#[derive(Default)]
pub(crate) struct Waits {
    pub(crate) begun: AtomicUsize,
    pub(crate) cancelled: AtomicUsize,
    timed_out: AtomicUsize,
}

struct WaitsHandle(Arc<Waits>);

impl Queryable for WaitsHandle {
    fn querier(&self, _range: TimeRange) -> Result<Box<dyn Querier>> {
        Ok(Box::new(Self(Arc::clone(&self.0))))
    }
}

impl Querier for WaitsHandle {
    fn select<'q>(
        &'q self,
        _matchers: &[Matcher],
        _hints: &SelectHints,
        _symbols: &'q Symbols,
        cancel: &'q Cancel,
    ) -> Result<Box<dyn SeriesSet + 'q>> {
        self.0.begun.fetch_add(1, Ordering::SeqCst);
        loop {
            match cancel.check() {
                Ok(()) => std::thread::yield_now(),
                Err(error) => {
                    let ended = match error {
                        Error::TimedOut => &self.0.timed_out,
                        _ => &self.0.cancelled,
                    };
                    ended.fetch_add(1, Ordering::SeqCst);
                    return Err(error);
                }
            }
        }
    }

    fn label_names(&self, _matchers: &[Matcher], _limit: usize) -> Result<Vec<Box<str>>> {
        panic!("the handler of labels panics")
    }

    fn label_values(
        &self,
        name: &str,
        _matchers: &[Matcher],
        _limit: usize,
    ) -> Result<Vec<Box<str>>> {
        if name == "large" {
            // More than sockets take in.
            return Ok((0..400).map(|_| "v".repeat(64 << 10).into()).collect());
        }
        Ok((0..200_000).map(|number| format!("value-{number}").into()).collect())
    }
}

pub(crate) fn waiting(setup: &Setup) -> (Running, Arc<Waits>) {
    let waits = Arc::new(Waits::default());
    let api = api(Arc::new(WaitsHandle(Arc::clone(&waits))), None, setup);
    (Running::start_api(api), waits)
}

/// Waits until a count is reached; fails after a minute.
pub(crate) fn reaches(count: &AtomicUsize, expect: usize) {
    for _ in 0..60_000 {
        if count.load(Ordering::SeqCst) >= expect {
            return;
        }
        std::thread::sleep(Duration::from_millis(1));
    }
    panic!("never reached {expect}");
}

pub(crate) fn get(running: &Running, path: &str) -> (u16, String) {
    let answer = exchange(running.address, "GET", path, &[], &[]);
    (answer.status, answer.text())
}

pub(crate) fn send(running: &Running, path: &str) -> TcpStream {
    let mut stream = TcpStream::connect(running.address).expect("connect");
    let request = format!("GET {path} HTTP/1.1\r\nHost: x\r\n\r\n");
    stream.write_all(request.as_bytes()).expect("send");
    stream
}

#[test]
fn a_client_who_hangs_up_cancels_its_query() {
    let (running, waits) = waiting(&Setup::default());
    let stream = send(&running, "/api/v1/query?query=up");
    reaches(&waits.begun, 1);
    drop(stream);
    reaches(&waits.cancelled, 1);
}

#[test]
fn a_query_beyond_its_time_is_503_also_while_it_waits_for_its_turn() {
    let setup = Setup { change: |options| options.max_concurrency = 1, ..Setup::default() };
    let (running, waits) = waiting(&setup);
    let first = send(&running, "/api/v1/query?query=up");
    reaches(&waits.begun, 1);
    let (status, text) = get(&running, "/api/v1/query?query=up&timeout=50ms");
    assert_eq!(status, 503);
    assert!(
        text.contains(r#""errorType":"timeout","error":"query timed out in query queue""#),
        "{text}"
    );
    assert_eq!(waits.begun.load(Ordering::SeqCst), 1);
    drop(first);
    reaches(&waits.cancelled, 1);
    let (status, text) = get(&running, "/api/v1/query?query=up&timeout=50ms");
    assert_eq!(status, 503);
    assert!(text.contains("query timed out in expression evaluation"), "{text}");
    assert_eq!(waits.timed_out.load(Ordering::SeqCst), 1);
}

#[test]
fn a_panic_is_a_500_and_a_count_and_the_server_lives() {
    let (running, _) = waiting(&Setup::default());
    let (status, text) = get(&running, "/api/v1/labels");
    assert_eq!(status, 500);
    assert!(text.contains(r#""errorType":"internal""#), "{text}");
    let (status, text) = get(&running, "/metrics");
    assert_eq!(status, 200);
    assert!(text.contains("\nfiresteel_http_panics_total 1\n"), "{text}");
    let counted = "\nprometheus_http_requests_total{code=\"500\",handler=\"/api/v1/labels\"} 1\n";
    assert!(text.contains(counted), "{text}");
}

#[test]
fn a_large_answer_streams_and_a_reader_who_leaves_stops_it() {
    let (running, _) = waiting(&Setup::default());
    let answer = exchange(running.address, "GET", "/api/v1/label/x/values", &[], &[]);
    assert_eq!(answer.header("transfer-encoding"), ["chunked"]);
    let text = answer.text();
    assert!(text.starts_with(r#"{"status":"success","data":["value-0","value-1","#));
    assert!(text.ends_with(r#","value-199999"]}"#));
    let mut stream = send(&running, "/api/v1/label/x/values");
    stream.read_exact(&mut [0; 100]).expect("some of it");
    drop(stream);
    assert_eq!(get(&running, "/-/healthy").0, 200);
}

#[test]
fn a_reader_who_takes_nothing_is_given_up() {
    let change = |options: &mut web::Options| options.read_timeout = Duration::from_millis(200);
    let (running, _) = waiting(&Setup { change, ..Setup::default() });
    let mut stream = send(&running, "/api/v1/label/large/values");
    let counted = "\nfiresteel_http_slow_readers_total 1\n";
    let begin = metrics::Stopwatch::start();
    while !get(&running, "/metrics").1.contains(counted) {
        assert!(begin.elapsed() < Duration::from_secs(60), "never given up");
        std::thread::sleep(Duration::from_millis(10));
    }
    // What is left of the answer does not end as whole answers do.
    let mut rest = Vec::new();
    drop(stream.read_to_end(&mut rest));
    assert!(!rest.ends_with(b"0\r\n\r\n"));
}

#[test]
fn connections_beyond_the_bound_wait() {
    let setup = Setup { change: |options| options.max_connections = 1, ..Setup::default() };
    let (running, waits) = waiting(&setup);
    let first = send(&running, "/api/v1/query?query=up");
    reaches(&waits.begun, 1);
    let mut second = send(&running, "/-/healthy");
    second.set_read_timeout(Some(Duration::from_millis(50))).expect("timeout");
    assert!(second.read(&mut [0; 1]).is_err(), "answered beside the first");
    drop(first);
    second.set_read_timeout(None).expect("timeout");
    let mut status = [0; 15];
    second.read_exact(&mut status).expect("answered after the first");
    assert_eq!(&status, b"HTTP/1.1 200 OK");
}

#[test]
fn not_ready_is_503_except_for_what_tells_why() {
    for (readiness, stopping) in [(Readiness::Starting, "false"), (Readiness::Stopping, "true")] {
        let running = Running::start(Arc::new(head()), &Setup { readiness, ..Setup::default() });
        for path in ["/-/ready", "/api/v1/query?query=1", "/api/v1/status/flags", "/api/v1/targets"]
        {
            let answer = exchange(running.address, "GET", path, &[], &[]);
            assert_eq!((answer.status, &*answer.text()), (503, "Service Unavailable"), "{path}");
            assert_eq!(answer.header("x-prometheus-stopping"), [stopping], "{path}");
        }
        assert_eq!(exchange(running.address, "POST", "/api/v1/write", &[], b"x").status, 503);
        for path in ["/-/healthy", "/api/v1/status/walreplay", "/metrics", "/query", "/version"] {
            assert_eq!(get(&running, path).0, 200, "{path}");
        }
        assert_eq!(get(&running, "/api/v1/nope").0, 404);
    }
}

#[test]
fn reload_answers_with_its_outcome_and_quit_once() {
    let (commands, mut asked) = tokio::sync::mpsc::channel(1);
    let mut api = api(Arc::new(head()), None, &Setup::default());
    api.lifecycle = Some(commands);
    let running = Running::start_api(api);
    let lead = std::thread::Builder::new().spawn(move || {
        let mut replies = vec![Ok(()), Err("bad <file>".to_owned())];
        while let Some(command) = asked.blocking_recv() {
            match command {
                Command::Reload(reply) => reply.send(replies.remove(0)).expect("somebody waits"),
                Command::Quit => return,
            }
        }
    });
    let post = |path: &str| {
        let answer = exchange(running.address, "POST", path, &[], &[]);
        (answer.status, answer.text())
    };
    assert_eq!(post("/-/reload"), (200, String::new()));
    assert_eq!(post("/-/reload"), (500, "failed to reload config: bad <file>\n".to_owned()));
    assert_eq!(post("/-/quit"), (200, "Requesting termination... Goodbye!".to_owned()));
    assert_eq!(post("/-/quit"), (200, "Termination already in progress.".to_owned()));
    lead.expect("thread").join().expect("quit arrived");
}

#[test]
fn several_addresses_and_the_page_with_its_title() {
    let setup =
        Setup { change: |options| options.listen = vec![options.listen[0]; 2], ..Setup::default() };
    let running = Running::start(Arc::new(head()), &setup);
    let [first, second] = running.addresses[..] else { panic!("two addresses") };
    assert_ne!(first, second);
    for address in [first, second] {
        let page = exchange(address, "GET", "/query", &[], &[]);
        assert_eq!(page.header("content-type"), ["text/html; charset=utf-8"]);
        assert!(page.text().contains("<title>A &lt;title> &amp; more</title>"));
        for asset in ["query.js", "query.css"] {
            assert!(page.text().contains(&format!("assets/{asset}")));
            assert_eq!(exchange(address, "GET", &format!("/assets/{asset}"), &[], &[]).status, 200);
        }
    }
}

#[test]
fn stopping_finishes_what_is_in_flight() {
    let (running, waits) = waiting(&Setup::default());
    let mut stream = send(&running, "/api/v1/query?query=up&timeout=300ms");
    reaches(&waits.begun, 1);
    drop(running);
    let mut answer = String::new();
    stream.read_to_string(&mut answer).expect("answered");
    assert!(answer.starts_with("HTTP/1.1 503"), "{answer}");
}

#[test]
fn streamed_answers_are_counted_whole() {
    let (running, _) = waiting(&Setup::default());
    let size = exchange(running.address, "GET", "/api/v1/label/x/values", &[], &[]).body.len();
    let name = "prometheus_http_response_size_bytes_sum{handler=\"/api/v1/label/:name/values\"} ";
    let begin = metrics::Stopwatch::start();
    // The reader has all of it a moment before it is counted.
    loop {
        let text = get(&running, "/metrics").1;
        let counted = text.lines().find_map(|line| line.strip_prefix(name));
        if counted.is_some_and(|number| number.parse() == Ok(size as f64)) {
            return;
        }
        assert!(begin.elapsed() < Duration::from_secs(60), "{text}");
        std::thread::sleep(Duration::from_millis(10));
    }
}

/// A thousand series, whose range over an hour by the second is some tens of megabytes of JSON.
fn large() -> Running {
    let storage = Arc::new(MemoryStorage::new());
    let (mut refs, mut rejected) = (Vec::new(), Vec::new());
    let mut appender = storage.appender(0);
    for number in 0..1000 {
        let number = format!("{number:04}");
        let pairs = [("__name__", "m"), ("number", &*number)];
        appender.resolve(LabelBatch::new(&pairs, &[2]), &mut refs, &mut rejected).expect("known");
    }
    let refs: Vec<_> = refs.into_iter().flatten().collect();
    for minute in 0..60 {
        let times = vec![minute * 60_000; refs.len()];
        let values: Vec<f64> = (0..refs.len()).map(|row| (row as i64 * minute) as f64).collect();
        let batch = FloatBatch::new(&refs, &times, &values);
        appender.append_floats(batch, &mut rejected).expect("appended");
    }
    appender.commit().expect("committed");
    Running::start_api(api(storage, None, &Setup::default()))
}

#[test]
fn a_large_range_that_leaves_while_it_is_evaluated_is_the_same_text() {
    let running = large();
    let ask = |query: &str, limit: usize| {
        let path = "/api/v1/query_range?start=0&end=3540&step=3";
        get(&running, &format!("{path}&limit={limit}&query={query}"))
    };
    for limit in [0, 300, 5000] {
        // A union is evaluated as a whole.
        let (whole, parts) = (ask("m%20or%20m", limit), ask("m", limit));
        assert_eq!(whole.0, 200);
        assert!(parts == whole, "limit {limit}: the answers differ");
        assert_eq!(whole.1.contains("results truncated due to limit"), limit == 300);
    }
}

#[test]
fn a_slow_reader_of_a_large_range_holds_no_query() {
    let running = large();
    let path = "/api/v1/query_range?start=0&end=3540&step=3&query=m";
    let mut stream = TcpStream::connect(running.address).expect("connect");
    let request = format!("GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).expect("send");
    let begin = metrics::Stopwatch::start();
    // Samples are counted when the evaluation is over, while nobody reads its answer.
    while get(&running, "/metrics").1.contains("\nprometheus_engine_query_samples_total 0\n") {
        assert!(begin.elapsed() < Duration::from_secs(60), "the query waits for its reader");
        std::thread::sleep(Duration::from_millis(10));
    }
    let expected = get(&running, &format!("{path}%20or%20m")).1;
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).expect("all of it");
    assert!(parse(&answer, "GET").text() == expected, "the answers differ");
}

#[test]
fn all_addresses_of_one_family_are_those_of_both() {
    let change = |options: &mut web::Options| {
        options.listen = vec!["0.0.0.0:0".parse().expect("an address")];
    };
    let (running, _) = waiting(&Setup { change, ..Setup::default() });
    let port = running.address.port();
    let get = |host: &str| {
        let address = format!("{host}:{port}").parse().expect("an address");
        exchange(address, "GET", "/-/healthy", &[], &[]).status
    };
    assert_eq!(get("127.0.0.1"), 200);
    if std::net::TcpListener::bind("[::1]:0").is_ok() {
        assert_eq!(get("[::1]"), 200);
    }
}
