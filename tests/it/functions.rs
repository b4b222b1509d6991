//! Range functions, elementary functions and classic quantiles against recordings, to the last bit.

use crate::queries::{append, engine, instant, number, only, same};
use storage::MemoryStorage;
use tests::golden;

/// A number as a query spells it exactly.
fn literal(value: f64) -> String {
    if value.is_nan() { "NaN".to_owned() } else { format!("{value}").replace("inf", "Inf") }
}

#[test]
fn range_functions_agree_to_the_last_bit() {
    let engine = engine(|_| {});
    let lines = golden("range_functions.jsonl");
    let mut failures = Vec::new();
    for line in &lines {
        let storage = MemoryStorage::new();
        let at_ms = line["t"].as_i64().unwrap();
        let times = line["dt"].as_array().unwrap().iter().map(|dt| at_ms + dt.as_i64().unwrap());
        let values = line["v"].as_array().unwrap().iter().map(|v| number(v).unwrap());
        append(&storage, &[("__name__", "m_total")], times.zip(values));
        let function = line["fn"].as_str().unwrap();
        let modifier = line["modifier"].as_str().unwrap_or("");
        let window = format!("m_total[{}ms] {modifier}", line["range"]);
        let mut args: Vec<String> =
            line["args"].as_array().unwrap().iter().map(ToString::to_string).collect();
        let at = if function == "quantile_over_time" { args.len() } else { 0 };
        args.insert(at, window);
        let query = format!("{function}({})", args.join(","));
        let answer = instant(&engine, &storage, &query, at_ms).unwrap();
        if !same(only(&answer), number(&line["out"])) {
            failures.push(format!(
                "{query}: {:?} instead of {}: {line}",
                only(&answer).map(|v| format!("{:016x}", v.to_bits())),
                line["out"]
            ));
        }
    }
    eprintln!("range_functions.jsonl {}/{}", lines.len() - failures.len(), lines.len());
    assert!(failures.is_empty(), "{}", failures[..failures.len().min(10)].join("\n"));
}

#[test]
fn elementary_functions_agree_to_the_last_bit() {
    let engine = engine(|_| {});
    let lines = golden("math.jsonl");
    let mut failures = Vec::new();
    for line in &lines {
        let args = line["args"].as_array().unwrap();
        let function = line["fn"].as_str().unwrap();
        let storage = MemoryStorage::new();
        append(&storage, &[("__name__", "x")], [(0, number(&args[0]).unwrap())]);
        let query = match function {
            "^" | "%" | "atan2" => {
                append(&storage, &[("__name__", "y")], [(0, number(&args[1]).unwrap())]);
                format!("x {function} y")
            }
            _ => {
                let rest = args[1..].iter().map(|a| format!(",{}", literal(number(a).unwrap())));
                format!("{function}(x{})", rest.collect::<String>())
            }
        };
        let answer = instant(&engine, &storage, &query, 0).unwrap();
        if !same(only(&answer), number(&line["out"])) {
            failures.push(format!(
                "{query}: {:?} {:?} {line}",
                only(&answer),
                only(&answer).map(|v| format!("{:016x}", v.to_bits()))
            ));
        }
    }
    eprintln!("math.jsonl {}/{}", lines.len() - failures.len(), lines.len());
    assert!(failures.is_empty(), "{}", failures[..failures.len().min(40)].join("\n"));
}

#[test]
fn classic_quantiles_and_fractions_agree_to_the_last_bit() {
    let engine = engine(|_| {});
    let (mut total, mut failures) = (0, Vec::new());
    for line in golden("quantile.jsonl") {
        let Some(buckets) = line["classic"].as_array() else { continue };
        total += 1;
        let storage = MemoryStorage::new();
        for bucket in buckets {
            let labels = [("__name__", "h_bucket"), ("le", bucket[0].as_str().unwrap())];
            append(&storage, &labels, [(0, number(&bucket[1]).unwrap())]);
        }
        for case in line["quantile"].as_array().unwrap() {
            let query = format!("histogram_quantile({}, h_bucket)", case[0]);
            let answer = instant(&engine, &storage, &query, 0).unwrap();
            let forced = !answer.annotations.infos.is_empty();
            let agrees = same(only(&answer), number(&case[1])) && case[2].as_bool() == Some(forced);
            if !agrees {
                failures.push(format!("{query}: {:?} {forced} {case} {line}", only(&answer)));
            }
        }
        for case in line["fraction"].as_array().unwrap() {
            let limits = [0, 1].map(|i| case[i].as_str().unwrap().to_owned());
            let query = format!("histogram_fraction({}, {}, h_bucket)", limits[0], limits[1]);
            let answer = instant(&engine, &storage, &query, 0).unwrap();
            if !same(only(&answer), number(&case[2])) {
                failures.push(format!("{query}: {:?} {case} {line}", only(&answer)));
            }
        }
    }
    eprintln!("quantile.jsonl: {total} classic histograms, {} cases differ", failures.len());
    assert!(total > 0 && failures.is_empty(), "{}", failures[..failures.len().min(10)].join("\n"));
}
