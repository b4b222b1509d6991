//! What the client library for Go writes, in every format it has: each format gives the same series and values. The
//! exporter is a small Go program, tests/go/exporter: where the variable FIRESTEEL_GO_EXPORTER names the built program
//! this runs, elsewhere it says that it did not.

use super::parse;
use expfmt::Format;
use serde_json::Value;
use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::process::{Child, Command, Stdio};

/// The exporter; it ends when dropped.
struct Exporter {
    child: Child,
    address: String,
}

impl Drop for Exporter {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

#[expect(clippy::print_stderr, reason = "a skipped test says so")]
fn start() -> Option<Exporter> {
    let Some(program) = std::env::var_os("FIRESTEEL_GO_EXPORTER") else {
        eprintln!("SKIPPED: FIRESTEEL_GO_EXPORTER does not name the program of tests/go/exporter");
        return None;
    };
    let mut command = Command::new(program);
    command.stdin(Stdio::piped()).stdout(Stdio::piped());
    let mut child = command.spawn().expect("the program runs");
    let mut line = String::new();
    let output = child.stdout.take().expect("a pipe");
    BufReader::new(output).read_line(&mut line).expect("an address");
    Some(Exporter { child, address: line.trim().to_owned() })
}

impl Exporter {
    /// The format that is answered to an `Accept` header, and the body.
    fn get(&self, accept: &str) -> (Format, Vec<u8>) {
        let mut stream = TcpStream::connect(&self.address).expect("a connection");
        // Version 1.0 sends bodies in one piece.
        let request = format!("GET /metrics HTTP/1.0\r\nAccept: {accept}\r\n\r\n");
        stream.write_all(request.as_bytes()).expect("sent");
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).expect("an answer");
        let end = answer.windows(4).position(|four| four == b"\r\n\r\n").expect("a head");
        let head = String::from_utf8_lossy(&answer[..end]).into_owned();
        let content_type = head.lines().find_map(|line| line.strip_prefix("Content-Type: "));
        let (format, warning) =
            expfmt::negotiate(content_type.expect("a type"), None).expect("a format that we know");
        assert!(warning.is_none(), "{head}");
        (format, answer.split_off(end + 4))
    }
}

fn name_of(entry: &Value) -> &str {
    let mut labels = entry["labels"].as_array().into_iter().flatten();
    labels.find(|pair| pair[0] == "__name__").and_then(|pair| pair[1].as_str()).unwrap_or_default()
}

/// Values and exemplars by their labels; without what only some of the formats have.
fn series(entries: &[Value]) -> BTreeMap<String, (Value, usize)> {
    let all = entries.iter().filter(|entry| entry["e"] == "series");
    let all = all.filter(|entry| {
        let name = name_of(entry);
        !name.ends_with("_created") && !name.starts_with("demo_native") && !name.contains("quoted")
    });
    let of = |entry: &Value| {
        let exemplars = entry["exemplars"].as_array().map_or(0, Vec::len);
        (entry["labels"].to_string(), (entry["bits"].clone(), exemplars))
    };
    all.map(of).collect()
}

const PROTOBUF: &str = "application/vnd.google.protobuf;proto=io.prometheus.client.MetricFamily;\
    encoding=delimited";

#[test]
fn every_format_gives_the_same() {
    let Some(exporter) = start() else { return };
    let read = |accept: &str, want: Format, set: &str| {
        let (format, body) = exporter.get(accept);
        assert_eq!(format, want, "{accept}");
        let (entries, error) = parse(format, &body, set);
        assert_eq!(error, None, "{accept}");
        entries
    };
    let text = read("text/plain;version=0.0.4", Format::Text, "default");
    let open = read("application/openmetrics-text;version=1.0.0", Format::OpenMetrics, "st");
    let proto = read(PROTOBUF, Format::Protobuf, "keep+st");
    let values = |entries: &[Value]| -> BTreeMap<String, Value> {
        series(entries).into_iter().map(|(labels, (value, _))| (labels, value)).collect()
    };
    assert!(values(&text).len() > 20, "{text:?}");
    assert_eq!(values(&text), values(&open));
    assert_eq!(values(&text), values(&proto));
    for accept in ["text/plain;version=1.0.0", "application/openmetrics-text;version=0.0.1"] {
        let (format, body) = exporter.get(accept);
        let (entries, error) = parse(format, &body, "st");
        assert_eq!((error, values(&entries)), (None, values(&text)), "{accept}");
    }
    // Exemplars, where a format has them.
    assert!(series(&open).values().filter(|(_, exemplars)| *exemplars > 0).count() >= 4);
    // Those of a native histogram belong to it alone.
    let classic = |entries: &[Value]| -> BTreeMap<String, (Value, usize)> {
        let all = series(entries).into_iter();
        all.filter(|(labels, _)| !labels.contains("demo_both")).collect()
    };
    assert_eq!(classic(&open), classic(&proto));
    // Start timestamps come as series of their own in one format, with the series in the other.
    let starts = |entries: &[Value]| -> Vec<bool> {
        let counters = entries.iter().filter(|entry| name_of(entry) == "demo_requests_total");
        counters.map(|entry| entry["st"].as_i64().expect("a number") > 0).collect()
    };
    assert_eq!(starts(&open), [true, true]);
    assert_eq!(starts(&proto), [true, true]);
    // Native histograms are in one format only.
    let native = proto.iter().filter(|entry| entry["e"] == "histogram");
    let native: Vec<&str> = native.map(name_of).collect();
    assert_eq!(native, ["demo_both_seconds", "demo_both_seconds", "demo_native_seconds"]);
    // Names in UTF-8 stay as they are for those who ask.
    for accept in ["text/plain;version=1.0.0", PROTOBUF] {
        let (format, body) = exporter.get(&format!("{accept};escaping=allow-utf-8"));
        let (entries, error) = parse(format, &body, "default");
        assert_eq!(error, None);
        assert!(entries.iter().any(|entry| name_of(entry) == "demo.quoted name"), "{accept}");
    }
}
