//! The recorded remote-write exchanges of 1.0 and 2.0, replayed over HTTP; what is stored afterwards is read from the
//! storage.

use crate::http::client::exchange;
use crate::http::serve::{Running, Setup, head};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use chunk::SampleColumns;
use model::histogram::HistogramView;
use model::{MatchOp, Matcher, Symbols, TimeRange};
use remote::receive::Options;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::sync::Arc;
use storage::{Cancel, Queryable, SelectHints, SeriesBatch};
use tests::golden;

/// Samples of each series: time, and the bits of the value or what a histogram says.
pub(crate) type Stored = BTreeMap<String, Vec<(i64, String)>>;

/// All series of a storage: labels as JSON, timestamps and bits.
pub(crate) fn stored(storage: &dyn Queryable) -> Stored {
    let querier = storage.querier(TimeRange::ALL).expect("querier");
    let all = [Matcher::new("__name__", MatchOp::Regex, ".+").expect("regex")];
    let (symbols, cancel) = (Symbols::new(), Cancel::new());
    let hints = SelectHints::default();
    let mut set = querier.select(&all, &hints, &symbols, &cancel).expect("select");
    let (mut batch, mut samples) = (SeriesBatch::default(), SampleColumns::default());
    let mut found = Stored::new();
    while set.next_batch(&mut batch).expect("batch") {
        for series in 0..batch.len() {
            batch.read(series, TimeRange::ALL, &mut samples).expect("samples");
            let pairs = symbols.labels(batch.labels().get(series));
            let labels: Value = pairs.iter().map(|(n, v)| (n.to_owned(), json!(v))).collect();
            let bits = samples.values.iter().map(|value| format!("{:016x}", value.to_bits()));
            let mut rows: Vec<(i64, String)> =
                samples.timestamps_ms.iter().copied().zip(bits).collect();
            let histograms = &samples.histograms;
            rows.extend(
                histograms
                    .timestamps_ms()
                    .iter()
                    .enumerate()
                    .map(|(row, &timestamp)| (timestamp, histogram_text(histograms.get(row)))),
            );
            rows.sort_by_key(|(timestamp, _)| *timestamp);
            found.insert(labels.to_string(), rows);
        }
    }
    found.retain(|_, rows| !rows.is_empty());
    found
}

/// All that a histogram holds but its hint, which is the storage's to give.
fn histogram_text(histogram: HistogramView<'_>) -> String {
    let spans = |spans: &[model::histogram::Span]| -> Vec<(i64, i64)> {
        spans.iter().map(|span| (i64::from(span.offset), i64::from(span.length))).collect()
    };
    let layout = histogram.layout;
    format!(
        "{} {} {} {:016x} {} {:?} {:?} {:?} {:?} {:?}",
        layout.schema,
        layout.zero_threshold,
        histogram.count,
        histogram.sum.to_bits(),
        histogram.zero_count,
        spans(&layout.positive_spans),
        histogram.positive,
        spans(&layout.negative_spans),
        histogram.negative,
        layout.custom_values,
    )
}

/// The text of a recorded histogram, as [`histogram_text`] writes it.
fn recorded_text(histogram: &Value) -> String {
    let number = |name: &str| -> f64 {
        histogram[name].as_str().expect("a number").parse().expect("a number")
    };
    let list = |name: &str| -> Vec<f64> {
        let numbers = histogram[name].as_array().into_iter().flatten();
        numbers
            .map(|n| {
                n.as_f64().unwrap_or_else(|| n.as_str().expect("text").parse().expect("number"))
            })
            .collect()
    };
    let spans = |name: &str| -> Vec<(i64, i64)> {
        let spans = histogram[name].as_array().into_iter().flatten();
        spans
            .map(|span| (span[0].as_i64().expect("offset"), span[1].as_i64().expect("length")))
            .collect()
    };
    let counts = |side: &str| -> Vec<f64> {
        if histogram["kind"] == "float" {
            return list(&format!("{side}_buckets"));
        }
        let deltas = list(&format!("{side}_deltas"));
        deltas
            .iter()
            .scan(0.0, |sum, delta| {
                *sum += delta;
                Some(*sum)
            })
            .collect()
    };
    format!(
        "{} {} {} {} {} {:?} {:?} {:?} {:?} {:?}",
        histogram["schema"],
        number("zero_threshold"),
        number("count"),
        histogram["sum_bits"].as_str().expect("bits"),
        number("zero_count"),
        spans("positive_spans"),
        counts("positive"),
        spans("negative_spans"),
        counts("negative"),
        list("custom_values"),
    )
}

/// What a transcript says is stored.
pub(crate) fn expected(line: &Value) -> Stored {
    let mut found = Stored::new();
    for series in line["stored"].as_array().expect("stored") {
        let time = |row: &Value| row[0].as_i64().expect("timestamp");
        let floats = series["samples"].as_array().into_iter().flatten();
        let floats = floats.map(|row| (time(row), row[2].as_str().expect("bits").to_owned()));
        let histograms = series["histograms"].as_array().into_iter().flatten();
        let histograms = histograms.map(|row| (time(row), recorded_text(&row[1])));
        let mut rows: Vec<(i64, String)> = floats.chain(histograms).collect();
        rows.sort_by_key(|(timestamp, _)| *timestamp);
        if !rows.is_empty() {
            found.insert(series["labels"].to_string(), rows);
        }
    }
    found
}

/// How a line came out.
#[derive(Debug)]
pub(crate) enum Outcome {
    Agrees,
    Differs(String),
}

/// What is sent in a step of a transcript.
pub(crate) fn send(running: &Running, request: &Value) -> crate::http::client::Answer {
    let headers: Vec<(String, String)> = request["headers"]
        .as_object()
        .into_iter()
        .flatten()
        .map(|(name, value)| (name.clone(), value.as_str().expect("text").to_owned()))
        .collect();
    let body = match (request["body_b64"].as_str(), request["body"].as_str()) {
        (Some(packed), _) => STANDARD.decode(packed).expect("base64"),
        (None, text) => text.unwrap_or_default().as_bytes().to_vec(),
    };
    let method = request["method"].as_str().unwrap_or("POST");
    let path = request["path"].as_str().unwrap_or("/api/v1/write");
    exchange(running.address, method, path, &headers, &body)
}

/// Compares an answer with the recorded one.
pub(crate) fn compare(expect: &Value, answer: &crate::http::client::Answer) -> Outcome {
    let text = answer.text();
    if expect["status"] != answer.status || expect["body"] != text {
        return Outcome::Differs(format!("{expect} but {} {text:?}", answer.status));
    }
    for (name, value) in expect["headers"].as_object().into_iter().flatten() {
        if answer.header(name) != [value.as_str().expect("text")] {
            let got = answer.header(name);
            return Outcome::Differs(format!("{name}: {got:?} instead of {value}"));
        }
    }
    Outcome::Agrees
}

fn replay(line: &Value) -> Outcome {
    let head = Arc::new(head());
    if let Some(config) = line["config"].as_str() {
        assert!(config.ends_with("out_of_order_time_window: 10m\n"), "{config}");
        head.set_out_of_order_window(600_000);
    }
    let features = line["features"].as_str().unwrap_or_default();
    let receive = Options {
        type_and_unit_labels: features.contains("type-and-unit-labels"),
        zero_samples: features.contains("created-timestamp-zero-ingestion"),
        ..Options::default()
    };
    let setup = Setup { now_ms: || 1_793_498_400_000, receive, ..Setup::default() };
    let running = Running::start(Arc::clone(&head), &setup);
    for step in line["steps"].as_array().expect("steps") {
        match compare(&step["response"], &send(&running, &step["request"])) {
            Outcome::Agrees => {}
            differs @ Outcome::Differs(_) => return differs,
        }
    }
    let (got, expect) = (stored(&*head), expected(line));
    if got == expect {
        Outcome::Agrees
    } else {
        Outcome::Differs(format!("stored {got:?} instead of {expect:?}"))
    }
}

fn replay_all(file: &str) {
    let lines = golden(file);
    let (mut agreed, mut failures) = (0, Vec::new());
    for line in &lines {
        match replay(line) {
            Outcome::Agrees => agreed += 1,
            Outcome::Differs(what) => {
                failures.push(format!("{} {}: {what}", line["id"], line["name"]));
            }
        }
    }
    println!("{file} {agreed}/{} agreed", lines.len());
    assert!(failures.is_empty(), "{}:\n{}", failures.len(), failures.join("\n"));
}

#[test]
fn the_one_too_many_is_told_to_come_again() {
    let running = Running::start(Arc::new(head()), &Setup::default());
    let mut open = Vec::new();
    // Bodies that are announced and never come take up the room, sooner or later.
    let refused = (0..200).find_map(|_| {
        let mut stream = std::net::TcpStream::connect(running.address).expect("connected");
        let head = "POST /api/v1/write HTTP/1.1\r\nHost: x\r\nContent-Length: 30000000\r\n\r\n";
        stream.write_all(head.as_bytes()).expect("sent");
        stream.set_read_timeout(Some(std::time::Duration::from_millis(100))).expect("set");
        let mut answer = [0; 400];
        let len = stream.read(&mut answer).unwrap_or(0);
        open.push(stream);
        (len > 0).then(|| String::from_utf8_lossy(&answer[..len]).to_lowercase())
    });
    let refused = refused.expect("an answer");
    assert!(refused.starts_with("http/1.1 503") && refused.contains("retry-after: 5"), "{refused}");
    assert!(open.len() >= 3);
}

#[test]
fn version_1() {
    replay_all("remotewrite/v1.jsonl");
}

#[test]
fn version_2() {
    replay_all("remotewrite/v2.jsonl");
}
