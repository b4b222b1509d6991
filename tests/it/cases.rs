//! Whole queries and whole answers against recordings: values, labels, order, errors, annotations.

use crate::queries::{data, engine, instant, load, range, unordered};
use promql::{Answer, Error};
use serde_json::{Value as Json, json};
use storage::MemoryStorage;
use tests::{golden, golden_bytes};

fn milliseconds(json: &Json) -> i64 {
    (json.as_f64().unwrap() * 1000.0).round() as i64
}

/// Functions whose instant answers have an order.
fn is_ordered(query: &str) -> bool {
    ["sort", "topk", "bottomk", "limitk", "limit_ratio"].iter().any(|name| query.contains(name))
}

/// The answer in the form of the recording.
fn told(answer: &Result<Answer, Error>, ordered: bool) -> Json {
    match answer {
        Ok(answer) => {
            let data = data(answer);
            let data = if ordered { data } else { unordered(data) };
            let mut warnings: Vec<_> = answer.annotations.warnings.clone();
            let mut infos: Vec<_> = answer.annotations.infos.clone();
            warnings.sort();
            infos.sort();
            json!({"data": data, "warnings": warnings, "infos": infos})
        }
        Err(error) => json!({"error": error.to_string()}),
    }
}

fn expected(line: &Json, ordered: bool) -> Json {
    if let Some(error) = line["error"].as_str() {
        return json!({"error": error.trim_start_matches("invalid parameter \"query\": ")});
    }
    let list = |name: &str| if line[name].is_null() { json!([]) } else { line[name].clone() };
    let data = line["data"].clone();
    let data = if ordered { data } else { unordered(data) };
    json!({"data": data, "warnings": list("warnings"), "infos": list("infos")})
}

#[test]
fn whole_queries_agree() {
    let storage = MemoryStorage::with_out_of_order();
    let native = load(&storage, &golden_bytes("cases.rw"));
    let (mut total, mut skipped, mut failures) = (0, 0, Vec::new());
    for line in golden("cases.jsonl") {
        let query = line["q"].as_str().unwrap();
        let text = line.to_string();
        let touches_native = native.iter().any(|name| query.contains(name.as_str()))
            || text.contains("\"histogram") && text.contains("buckets");
        if touches_native {
            skipped += 1;
            continue;
        }
        total += 1;
        let features = line["more_features"].to_string();
        let engine = engine(|options| {
            options.delayed_name_removal = features.contains("delayed-name-removal");
            options.type_and_unit_labels = features.contains("type-and-unit-labels");
        });
        let is_range = !line["start"].is_null();
        let answer = if is_range {
            let times = ["start", "end", "step"].map(|name| milliseconds(&line[name]));
            range(&engine, &storage, query, (times[0], times[1], times[2]))
        } else {
            instant(&engine, &storage, query, milliseconds(&line["time"]))
        };
        let ordered = !is_range && is_ordered(query);
        let (got, expected) = (told(&answer, ordered), expected(&line, ordered));
        if got != expected {
            failures.push(format!("{query} {features}\n  got {got}\n  not {expected}"));
        }
    }
    eprintln!(
        "cases.jsonl {}/{total}, {skipped} on native histograms left out",
        total - failures.len()
    );
    if let Ok(path) = std::env::var("FIRESTEEL_FAILURES") {
        std::fs::write(path, failures.join("\n")).unwrap();
    }
    assert!(failures.is_empty(), "{}", failures[..failures.len().min(10)].join("\n"));
}
