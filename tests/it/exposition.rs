//! The recorded exposition bodies and content types against `expfmt`. Not scraping: that is `scrape`.

mod client_golang;
mod naive;
mod written;

use expfmt::labels::{Declared, LabelBuffer, split_series};
use expfmt::{
    ConvertClassic, Entry, Format, OpenMetricsParser, ParseOptions, Parser, Point, ProtobufParser,
    Sample, TextParser,
};
use model::histogram::{CounterResetHint, Histogram, Span};
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

/// Labels as the recording writes them, sorted.
fn pairs(buffer: &LabelBuffer) -> Vec<Value> {
    let mut pairs: Vec<_> = buffer.iter().collect();
    pairs.sort_by_key(|(name, _)| name.to_vec());
    pairs.iter().map(|(n, v)| json!([text(n), text(v)])).collect()
}

fn bits(value: f64) -> String {
    format!("{:016x}", value.to_bits())
}

fn spans(spans: &[Span]) -> Value {
    spans.iter().map(|span| json!([span.offset, span.length])).collect()
}

/// A histogram in the words of the recording; numbers of the recording are compared as floats.
fn histogram(histogram: &Histogram) -> Value {
    let layout = histogram.layout();
    let hint = match histogram.hint() {
        CounterResetHint::Unknown => "unknown",
        CounterResetHint::CounterReset => "reset",
        CounterResetHint::NotCounterReset => "not_reset",
        CounterResetHint::Gauge => "gauge",
    };
    let float = |value: f64| json!(model::float::general(value));
    let floats = |values: &[f64]| -> Value { values.iter().map(|&value| float(value)).collect() };
    let mut out = json!({
        "schema": layout.schema, "hint": hint, "sum_bits": bits(histogram.sum()),
        "zero_threshold": float(layout.zero_threshold),
        "positive_spans": spans(&layout.positive_spans), "negative_spans": spans(&layout.negative_spans),
    });
    if !layout.custom_values.is_empty() {
        out["custom_values"] = floats(&layout.custom_values);
    }
    match histogram {
        Histogram::Int(h) => {
            out["kind"] = json!("int");
            out["count"] = json!(h.count.to_string());
            out["zero_count"] = json!(h.zero_count.to_string());
            out["positive_deltas"] = json!(h.positive_deltas);
            out["negative_deltas"] = json!(h.negative_deltas);
        }
        Histogram::Float(h) => {
            out["kind"] = json!("float");
            out["count"] = float(h.count);
            out["zero_count"] = float(h.zero_count);
            out["positive_buckets"] = floats(&h.positive);
            out["negative_buckets"] = floats(&h.negative);
        }
    }
    out
}

fn exemplars(parser: &impl Parser) -> Vec<Value> {
    let mut buffer = LabelBuffer::default();
    (0..)
        .map_while(|index| parser.exemplar(index))
        .map(|exemplar| {
            exemplar.labels(&mut buffer);
            let value = model::float::general(exemplar.value);
            json!({"labels": pairs(&buffer), "v": value, "ts": exemplar.timestamp_ms})
        })
        .collect()
}

/// The entries that a body gives, as comparable values, and the error that ended it.
fn entries<P: Parser>(mut parser: P, as_labels: bool) -> (Vec<Value>, Option<String>) {
    let (mut metric_type, mut unit) = (MetricType::Unknown, Vec::new());
    let mut buffer = LabelBuffer::default();
    let mut entries = Vec::new();
    loop {
        let entry = match parser.next() {
            Ok(Some(entry)) => entry,
            Ok(None) => return (entries, None),
            Err(error) => return (entries, Some(error.to_string())),
        };
        let declared = Declared { metric_type, unit: &unit, as_labels };
        let mut sample_value = |e: &str, sample: &Sample<'_>| {
            split_series(sample.series, &declared, &mut buffer);
            let Point { timestamp_ms, start_timestamp_ms, .. } = sample.point;
            json!({"e": e, "labels": pairs(&buffer), "ts": timestamp_ms, "st": start_timestamp_ms})
        };
        let mut value = match entry {
            Entry::Type { metric, metric_type: declared } => {
                metric_type = declared;
                json!({"e": "type", "metric": text(metric), "type": declared.as_str()})
            }
            Entry::Help { metric, help, escapes } => {
                if P::DECLARES_FAMILIES {
                    unit.clear();
                }
                let help = expfmt::unescape_help(help, escapes);
                json!({"e": "help", "metric": text(metric), "help": help})
            }
            Entry::Unit { metric, unit: declared } => {
                unit = declared.to_vec();
                json!({"e": "unit", "metric": text(metric), "unit": text(declared)})
            }
            Entry::Comment(comment) => json!({"e": "comment", "text": text(comment)}),
            Entry::Sample(sample) => {
                let mut value = sample_value("series", &sample);
                value["bits"] = json!(bits(sample.point.value));
                value
            }
            Entry::Histogram(sample) => sample_value("histogram", &sample),
        };
        if value["e"] == "histogram" {
            value["h"] = histogram(&parser.take_histogram(None));
        }
        if value["e"] == "histogram" || value["e"] == "series" {
            value["exemplars"] = json!(exemplars(&parser));
        }
        entries.push(value);
    }
}

/// Reads `body` as the recording did under the named set of options.
fn parse(format: Format, body: &[u8], set: &str) -> (Vec<Value>, Option<String>) {
    let has = |name: &str| set.split('+').any(|part| part == name);
    let options = ParseOptions {
        start_timestamps: has("st"),
        convert_classic: has("nhcb"),
        keep_classic: has("keep"),
        ignore_native: has("ignore_native"),
    };
    let as_labels = has("type_unit");
    let convert = options.convert_classic;
    match format {
        Format::Text if convert => {
            entries(ConvertClassic::new(TextParser::new(body), options), as_labels)
        }
        Format::Text => entries(TextParser::new(body), as_labels),
        Format::OpenMetrics if convert => {
            entries(ConvertClassic::new(OpenMetricsParser::new(body, options), options), as_labels)
        }
        Format::OpenMetrics => entries(OpenMetricsParser::new(body, options), as_labels),
        Format::Protobuf => entries(ProtobufParser::new(body, options), as_labels),
    }
}

fn recorded_labels(value: &Value) -> Value {
    match value.get("labels_list") {
        Some(list) => list.clone(),
        None => {
            let labels = value["labels"].as_object().expect("labels");
            labels.iter().map(|(n, v)| json!([n, v])).collect()
        }
    }
}

/// A recorded entry in the form of [`entries`].
fn recorded(entry: &Value) -> Value {
    if entry["e"] != "series" && entry["e"] != "histogram" {
        return entry.clone();
    }
    let st = entry.get("st").cloned().unwrap_or(json!(0));
    let exemplars: Vec<Value> = entry["exemplars"]
        .as_array()
        .into_iter()
        .flatten()
        .map(|e| json!({"labels": recorded_labels(e), "v": e["v"], "ts": e.get("ts")}))
        .collect();
    let labels = recorded_labels(entry);
    let mut out = json!({"e": entry["e"], "labels": labels, "ts": entry.get("ts"), "st": st, "exemplars": exemplars});
    if entry["e"] == "series" {
        out["bits"] = entry["bits"].clone();
    } else {
        out["h"] = entry["h"].clone();
        // It stands there in bits too.
        out["h"].as_object_mut().expect("a histogram").remove("sum");
    }
    out
}

/// Text forms of NaN all mean the same one.
fn one_nan(mut entries: Vec<Value>) -> Vec<Value> {
    for entry in &mut entries {
        for path in ["/bits", "/h/sum_bits"] {
            let Some(bits) = entry.pointer_mut(path) else { continue };
            let number = u64::from_str_radix(bits.as_str().expect("a text"), 16).expect("hex");
            if f64::from_bits(number).is_nan() {
                *bits = json!("NaN");
            }
        }
    }
    entries
}

const OPTION_SETS: [&str; 9] = [
    "default",
    "st",
    "keep",
    "ignore_native",
    "nhcb",
    "nhcb+keep",
    "nhcb+st",
    "nhcb+ignore_native",
    "type_unit",
];

/// Bodies where the reference has an evident fault: docs/differences.md.
const EXCEPTIONS: [&str; 5] = ["pb-087", "pb-088", "pb-089", "pb-090", "pb-102"];

fn compare(file: &str, format: Format) {
    let (mut total, mut variants) = (0, 0);
    let mut wrong = Vec::new();
    for line in tests::golden(&format!("exposition/{file}.jsonl")) {
        total += 1;
        let before = wrong.len();
        let body = if line.get("body").is_some() || line.get("body_b64").is_some() {
            bytes_of(&line, "body")
        } else {
            Vec::new()
        };
        let same = line["same_as_default"].as_array().expect("a list");
        for set in OPTION_SETS {
            let expected = match line["results"].get(set) {
                Some(expected) => expected,
                None if same.iter().any(|name| name == set) => &line["results"]["default"],
                None => continue,
            };
            variants += 1;
            let (mut entries, error) = parse(format, &body, set);
            let recorded = expected["entries"].as_array().into_iter().flatten().map(recorded);
            let mut recorded: Vec<Value> = recorded.collect();
            if format != Format::Protobuf {
                (entries, recorded) = (one_nan(entries), one_nan(recorded));
            }
            let same_end = error.is_some() == expected.get("error").is_some();
            if (entries != recorded || !same_end) && wrong.len() == before {
                let (ours, theirs) = (json!(entries), json!(recorded));
                wrong.push(format!(
                    "{} {} ({set}): {ours} {error:?}, recorded {theirs} {}",
                    line["id"], line["name"], expected["error"]
                ));
            }
            if let Some(error) = error {
                let place = if format == Format::Protobuf { "byte " } else { "line " };
                assert!(error.starts_with(place), "{error}");
            }
        }
    }
    println!(
        "exposition/{file}.jsonl {}/{total} under {variants} sets of options",
        total - wrong.len()
    );
    let excepted = |text: &String| EXCEPTIONS.iter().any(|id| text.contains(id));
    wrong.retain(|text| !excepted(text));
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn text_bodies_give_the_recorded_entries() {
    compare("text", Format::Text);
}

#[test]
fn openmetrics_bodies_give_the_recorded_entries() {
    compare("openmetrics", Format::OpenMetrics);
}

#[test]
fn protobuf_bodies_give_the_recorded_entries() {
    compare("protobuf", Format::Protobuf);
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
