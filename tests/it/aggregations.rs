//! Aggregations against recordings, to the last bit and in answer order.

use crate::queries::{append, engine, instant, number, only, same};
use promql::Value;
use storage::MemoryStorage;
use tests::golden;

#[test]
fn aggregations_agree_to_the_last_bit_and_in_order() {
    let engine = engine(|_| {});
    let lines = golden("aggregations.jsonl");
    let mut failures = Vec::new();
    for line in &lines {
        let storage = MemoryStorage::new();
        for (index, value) in line["v"].as_array().unwrap().iter().enumerate() {
            let labels = [("__name__", "m"), ("i", &*index.to_string())];
            append(&storage, &labels, [(0, number(value).unwrap())]);
        }
        let op = line["op"].as_str().unwrap();
        let param = line["k"].as_f64().or_else(|| number(&line["param"]));
        let param = param.map_or(String::new(), |p| format!("{p}, ").replace("inf", "Inf"));
        let query = format!("{op}({param}m)");
        let answer = instant(&engine, &storage, &query, 0).unwrap();
        let agrees = match line["order"].as_array() {
            None => same(only(&answer), number(&line["out"])),
            Some(order) => {
                let Value::Vector(vector) = &answer.value else { panic!("not a vector") };
                let got = vector.labels.iter().map(|labels| {
                    vector.symbols.labels(labels).get("i").unwrap().parse::<u64>().unwrap()
                });
                got.eq(order.iter().map(|i| i.as_u64().unwrap()))
            }
        };
        if !agrees {
            failures.push(format!("{query}: {:?} {line}", answer.value));
        }
    }
    eprintln!("aggregations.jsonl {}/{}", lines.len() - failures.len(), lines.len());
    assert!(failures.is_empty(), "{}", failures[..failures.len().min(5)].join("\n"));
}
