//! Operations on native histograms through the engine, against recordings.

use crate::queries::{data, engine, instant, unordered};
use model::SeriesRef;
use model::histogram::Histogram;
use promql::Engine;
use promql::script::{Item, parse_series};
use serde_json::{Value as Json, json};
use storage::{Appendable, HistogramBatch, LabelBatch, MemoryStorage};
use tests::golden;

fn histograms(line: &Json, name: &str) -> Vec<Histogram> {
    let texts = line[name].as_array().into_iter().flatten();
    let one = |text: &Json| {
        let series = parse_series(&format!("x {}", text.as_str().unwrap())).expect("a literal");
        match &series.items[..] {
            [Item::Histogram(item)] => Histogram::Float((*item.value).clone()),
            other => panic!("{text}: {other:?}"),
        }
    };
    texts.map(one).collect()
}

fn append(storage: &MemoryStorage, labels: &[(&str, &str)], samples: &[(i64, Histogram)]) {
    let mut appender = storage.appender(0);
    let (mut refs, mut rejected) = (Vec::new(), Vec::new());
    appender
        .resolve(LabelBatch::new(labels, &[labels.len() as u32]), &mut refs, &mut rejected)
        .unwrap();
    let refs: Vec<SeriesRef> = vec![refs[0].unwrap(); samples.len()];
    let (times, values): (Vec<i64>, Vec<Histogram>) = samples.iter().cloned().unzip();
    appender.append_histograms(HistogramBatch::new(&refs, &times, &values), &mut rejected).unwrap();
    appender.commit().unwrap();
    assert!(rejected.is_empty(), "{rejected:?}");
}

/// The recorded operation asked of the engine.
fn ask(engine: &Engine, line: &Json) -> Json {
    let storage = MemoryStorage::new();
    let op = line["op"].as_str().unwrap();
    let (query, at_ms) = if line["seq"].is_null() {
        for (index, value) in histograms(line, "in").into_iter().enumerate() {
            append(&storage, &[("__name__", "nh"), ("i", &index.to_string())], &[(1000, value)]);
        }
        let limit = || {
            line["x"]
                .as_f64()
                .map_or_else(|| line["x"].as_str().unwrap().to_owned(), |x| x.to_string())
        };
        let query = match op {
            "+" | "-" => format!("nh{{i=\"0\"}} {op} ignoring(i) nh{{i=\"1\"}}"),
            "</" | ">/" => format!("nh {op} {}", limit()),
            op => format!("{op}(nh)"),
        };
        (query, 1000)
    } else {
        let step = line["step"].as_i64().unwrap() * 1000;
        let samples = histograms(line, "seq").into_iter().enumerate();
        let samples: Vec<_> =
            samples.map(|(index, value)| (1_000_000 + step * index as i64, value)).collect();
        append(&storage, &[("__name__", "sq")], &samples);
        let range = line["range"].as_i64().unwrap();
        let at_ms = 1_000_000 + line["t"].as_i64().unwrap() * 1000;
        (format!("{op}(sq[{range}s])"), at_ms)
    };
    match instant(engine, &storage, &query, at_ms) {
        Err(error) => json!({"query": query, "error": error.to_string()}),
        Ok(answer) => {
            let mut warnings = answer.annotations.warnings.clone();
            let mut infos = answer.annotations.infos.clone();
            warnings.sort();
            infos.sort();
            json!({"query": query, "data": unordered(data(&answer))["result"], "warnings": warnings, "infos": infos})
        }
    }
}

/// The result without what the recording leaves out: times, and labels of the operands.
fn bare(rows: &Json) -> Json {
    let row = |row: &Json| {
        let sample = if row["histogram"].is_null() { &row["value"] } else { &row["histogram"] };
        let sample = if sample.is_array() { &sample[1] } else { sample };
        sample.clone()
    };
    rows.as_array().map_or(json!([]), |rows| rows.iter().map(row).collect())
}

#[test]
fn operations_on_native_histograms_agree() {
    let engine = engine(|_| {});
    let lines = golden("native_ops.jsonl");
    let mut failures = Vec::new();
    for line in &lines {
        let got = ask(&engine, line);
        let list = |json: &Json| if json.is_null() { json!([]) } else { json.clone() };
        let agrees = bare(&got["data"]) == bare(&line["data"])
            && got["warnings"] == list(&line["warnings"])
            && got["infos"] == list(&line["infos"]);
        if !agrees {
            failures.push(format!("{got}\n  not {line}"));
        }
    }
    println!("native_ops.jsonl {}/{}", lines.len() - failures.len(), lines.len());
    if let Ok(path) = std::env::var("FIRESTEEL_FAILURES") {
        std::fs::write(path, failures.join("\n")).unwrap();
    }
    assert!(failures.is_empty(), "{}", failures[..failures.len().min(10)].join("\n"));
}
