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
    load(&storage, &golden_bytes("cases.rw"));
    let (mut total, mut failures) = (0, Vec::new());
    for line in golden("cases.jsonl") {
        let query = line["q"].as_str().unwrap();
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
    println!("cases.jsonl {}/{total}", total - failures.len());
    if let Ok(path) = std::env::var("FIRESTEEL_FAILURES") {
        std::fs::write(path, failures.join("\n")).unwrap();
    }
    assert!(failures.is_empty(), "{}", failures[..failures.len().min(10)].join("\n"));
}

/// Compares numbers to a relative 1e-9 and everything else exactly.
fn close(a: &Json, b: &Json) -> bool {
    match (a, b) {
        (Json::Array(a), Json::Array(b)) => {
            a.len() == b.len() && a.iter().zip(b).all(|(a, b)| close(a, b))
        }
        (Json::Object(a), Json::Object(b)) => {
            a.len() == b.len() && a.iter().all(|(name, a)| b.get(name).is_some_and(|b| close(a, b)))
        }
        (Json::String(x), Json::String(y)) if x != y => {
            let (Ok(x), Ok(y)) = (x.parse::<f64>(), y.parse::<f64>()) else { return false };
            (x - y).abs() <= 1e-9 * x.abs().max(y.abs())
        }
        (Json::Number(a), Json::Number(b)) => a.as_f64() == b.as_f64(),
        (a, b) => a == b,
    }
}

#[test]
fn random_queries_agree() {
    let Some(shared) = tests::shared() else { return };
    let storage = MemoryStorage::with_out_of_order();
    let bodies = std::fs::read(shared.join("golden/dataset.rw")).unwrap();
    load(&storage, &bodies);
    let answers = std::fs::read(shared.join("golden/answers.jsonl.gz")).unwrap();
    let mut unpacked = Vec::new();
    std::io::Read::read_to_end(&mut flate2::read::GzDecoder::new(&answers[..]), &mut unpacked)
        .unwrap();
    let engine = engine(|options| options.features.extended_range_selectors = false);
    let (mut total, mut failures) = (0, Vec::new());
    for (line, answer) in golden("queries.jsonl").iter().zip(tests::json_lines(&unpacked)) {
        let query = line["q"].as_str().unwrap();
        total += 1;
        let [start, end, step] = ["Start", "End", "Step"].map(|name| line[name].as_i64().unwrap());
        let got = if step == 0 {
            instant(&engine, &storage, query, start)
        } else {
            range(&engine, &storage, query, (start, end, step))
        };
        let agrees = match &got {
            Ok(got) => {
                let told =
                    |name: &str| answer[name].as_array().is_some_and(|list| !list.is_empty());
                close(&unordered(data(got)), &unordered(answer["data"].clone()))
                    && told("warnings") != got.annotations.warnings.is_empty()
                    && told("infos") != got.annotations.infos.is_empty()
            }
            Err(_) => answer["status"] == "error",
        };
        if !agrees {
            failures.push(format!(
                "{query}\n  got {:?}\n  not {answer}",
                got.map(|got| (data(&got).to_string(), got.annotations))
            ));
        }
    }
    println!("queries.jsonl {}/{total}", total - failures.len());
    if let Ok(path) = std::env::var("FIRESTEEL_FAILURES") {
        std::fs::write(path, failures.join("\n")).unwrap();
    }
    assert!(failures.is_empty(), "{}", failures[..failures.len().min(10)].join("\n"));
}

/// What the recorded server said of samples: query, times in seconds, looked at, read, most held at once.
type Statistics = (&'static str, (i64, i64, i64), u64, u64, usize);

#[test]
fn statistics_agree() {
    let Some(shared) = tests::shared() else { return };
    let storage = MemoryStorage::with_out_of_order();
    load(&storage, &std::fs::read(shared.join("golden/dataset.rw")).unwrap());
    let engine = engine(|_| {});
    const ONE: &str = "rate(req_total{code='200',env='prod',instance='a:9090'}[1m])";
    let recorded: [Statistics; 6] = [
        ("sum(rate(req_total[1m]))", (1793494800, 0, 0), 67, 67, 22),
        ("1", (1793494800, 0, 0), 0, 0, 1),
        ("sort(slow_total)", (1793494800, 0, 0), 3, 3, 9),
        ("sum(up)", (1793494800, 0, 0), 3, 3, 3),
        ("up", (1793494800, 1793494830, 15), 9, 9, 9),
        (ONE, (1793494800, 1793494860, 30), 13, 9, 8),
    ];
    for (query, (start, end, step), looked_at, read, peak) in recorded {
        let answer = if step == 0 {
            instant(&engine, &storage, query, start * 1000)
        } else {
            range(&engine, &storage, query, (start * 1000, end * 1000, step * 1000))
        };
        let stats = answer.unwrap().stats;
        let got = (stats.total_queryable_samples, stats.samples_read, stats.peak_samples);
        assert_eq!(got, (looked_at, read, peak), "{query}");
    }
}
