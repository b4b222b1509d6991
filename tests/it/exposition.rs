//! The recorded exposition bodies and content types against `expfmt`. Not scraping: that is `scrape`.

use expfmt::{Entry, Format, TextParser, labels};
use model::metadata::MetricType;
use serde_json::{Value, json};

fn bytes_of(line: &Value, field: &str) -> Vec<u8> {
    match line[field].as_str() {
        Some(text) => text.as_bytes().to_vec(),
        None => decode(line[format!("{field}_b64")].as_str().expect("text or base64")),
    }
}

fn decode(text: &str) -> Vec<u8> {
    use base64::Engine as _;
    base64::engine::general_purpose::STANDARD.decode(text).expect("base64")
}

/// A text as the recording writes it.
fn text(bytes: &[u8]) -> Value {
    use base64::Engine as _;
    match std::str::from_utf8(bytes) {
        Ok(text) => json!(text),
        Err(_) => json!({"b64": base64::engine::general_purpose::STANDARD.encode(bytes)}),
    }
}

/// The entries that a body gives, as comparable values, and the error that ended it.
fn parse(body: &[u8]) -> (Vec<Value>, Option<String>) {
    let mut parser = TextParser::new(body);
    let mut metric_type = MetricType::Unknown;
    let mut buffer = labels::LabelBuffer::default();
    let mut entries = Vec::new();
    loop {
        let entry = match parser.next() {
            Ok(Some(entry)) => entry,
            Ok(None) => return (entries, None),
            Err(error) => return (entries, Some(error.to_string())),
        };
        entries.push(match entry {
            Entry::Type { metric, metric_type: t } => {
                metric_type = t;
                json!({"e": "type", "metric": text(metric), "type": t.as_str()})
            }
            Entry::Help { metric, help } => {
                json!({"e": "help", "metric": text(metric), "help": expfmt::text::unescape_help(help)})
            }
            Entry::Comment(comment) => json!({"e": "comment", "text": text(comment)}),
            Entry::Sample(sample) => {
                labels::split_series(sample.series, metric_type, &mut buffer);
                let mut pairs: Vec<_> = buffer.iter().collect();
                pairs.sort_by_key(|(name, _)| name.to_vec());
                let pairs: Vec<Value> = pairs.iter().map(|(n, v)| json!([text(n), text(v)])).collect();
                let bits = if sample.value.is_nan() { 0x7ff8_0000_0000_0001 } else { sample.value.to_bits() };
                json!({"e": "series", "labels": pairs, "bits": format!("{bits:016x}"), "ts": sample.timestamp_ms})
            }
        });
    }
}

/// A recorded entry in the form of [`parse`].
fn recorded(entry: &Value) -> Value {
    if entry["e"] != "series" {
        return entry.clone();
    }
    let pairs = match entry.get("labels_list") {
        Some(list) => list.clone(),
        None => entry["labels"]
            .as_object()
            .expect("labels")
            .iter()
            .map(|(n, v)| json!([n, v]))
            .collect(),
    };
    json!({"e": "series", "labels": pairs, "bits": entry["bits"], "ts": entry.get("ts")})
}

#[test]
fn text_bodies_give_the_recorded_entries() {
    let mut total = 0;
    let mut wrong = Vec::new();
    for line in tests::golden("exposition/text.jsonl") {
        total += 1;
        let expected = &line["results"]["default"];
        let (entries, error) = parse(&bytes_of(&line, "body"));
        let recorded: Vec<Value> = expected["entries"]
            .as_array()
            .map_or_else(Vec::new, |list| list.iter().map(recorded).collect());
        let same_end = error.is_some() == expected.get("error").is_some();
        if entries != recorded || !same_end {
            wrong.push(format!(
                "{} {}: {entries:?} {error:?}, recorded {expected}",
                line["id"], line["name"]
            ));
        }
        if let Some(error) = error {
            assert!(error.starts_with("line "), "{error}");
        }
    }
    println!("exposition/text.jsonl {}/{total}", total - wrong.len());
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn content_types_choose_the_recorded_parser() {
    let format = |name: &str| {
        [Format::Text, Format::OpenMetrics, Format::Protobuf]
            .into_iter()
            .find(|f| f.media_type() == name)
    };
    let mut total = 0;
    for line in tests::golden("exposition/content_type.jsonl") {
        total += 1;
        let content_type = line["content_type"].as_str().expect("a header");
        let fallback = format(line["fallback"].as_str().expect("a media type"));
        let (parser, error) = match expfmt::negotiate(content_type, fallback) {
            Ok((format, warning)) => (Some(format), warning),
            Err(error) => (None, Some(error)),
        };
        let parser = match parser {
            None => "",
            Some(Format::Text) => "text",
            Some(Format::OpenMetrics) => "openmetrics",
            Some(Format::Protobuf) => "protobuf",
        };
        assert_eq!(parser, line["parser"], "{}", line["id"]);
        assert_eq!(
            error.map(|e| e.to_string()).as_deref(),
            line["error"].as_str(),
            "{}",
            line["id"]
        );
    }
    println!("exposition/content_type.jsonl {total}/{total}");
}
