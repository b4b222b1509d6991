//! Lines as readers of Prometheus' logs expect them.

use super::*;
use std::sync::{Arc, Mutex};

fn logged(format: Format, log: impl FnOnce()) -> String {
    let lines = Arc::new(Mutex::new(Vec::new()));
    let sink = Arc::clone(&lines);
    let write = move |line: &[u8]| sink.lock().expect("not poisoned").extend_from_slice(line);
    let logger = Logger::new(format, || 1_730_896_789_211, write);
    let subscriber = tracing_subscriber::registry().with(level("info")).with(logger);
    tracing::subscriber::with_default(subscriber, log);
    let lines = lines.lock().expect("not poisoned").clone();
    String::from_utf8(lines).expect("UTF-8")
}

/// The line without its source, which moves with this file.
fn without_source(line: &str) -> String {
    let begin = line.find("source=tests.rs:").expect("a source");
    let end = begin + line[begin..].find(' ').expect("a message") + 1;
    format!("{}{}", &line[..begin], &line[end..])
}

#[test]
fn logfmt_quotes_what_needs_it() {
    let line = logged(Format::Logfmt, || {
        tracing::info!(
            component = "tsdb",
            path = "a b",
            count = 3,
            empty = "",
            "WAL \"replay\" done"
        );
    });
    let want = "time=2024-11-06T12:39:49.211Z level=INFO msg=\"WAL \\\"replay\\\" done\" component=tsdb path=\"a b\" count=3 empty=\"\"\n";
    assert_eq!(without_source(&line), want);
    let line = logged(Format::Logfmt, || tracing::warn!("plain"));
    assert_eq!(without_source(&line), "time=2024-11-06T12:39:49.211Z level=WARN msg=plain\n");
}

#[test]
fn json_lines_are_objects() {
    let line =
        logged(Format::Json, || tracing::error!(err = %"a\nb", ratio = 0.5, ok = true, "failed"));
    let value: serde_json::Value = serde_json::from_str(&line).expect("JSON");
    assert_eq!(value["level"], "ERROR");
    assert_eq!(value["msg"], "failed");
    assert_eq!(value["err"], "a\nb");
    assert_eq!(value["ratio"], 0.5);
    assert_eq!(value["ok"], true);
    assert_eq!(value["time"], "2024-11-06T12:39:49.211Z");
}

#[test]
fn lower_levels_are_left_out() {
    assert_eq!(logged(Format::Logfmt, || tracing::debug!("quiet")), "");
}
