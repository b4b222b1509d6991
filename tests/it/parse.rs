//! The parser and both printers against every recorded input: printed form, pretty form, type, error and position;
//! selectors and numbers of the other tables.

use base64::Engine as _;
use promql::ast::Length;
use promql::{Expr, Features, parse, parse_selector, pretty};

#[test]
fn every_line_agrees() {
    let lines = tests::golden("parse.jsonl");
    let mut wrong = Vec::new();
    for line in &lines {
        let query = match line["q"].as_str() {
            Some(text) => text.as_bytes().to_vec(),
            None => base64::engine::general_purpose::STANDARD
                .decode(line["q_b64"].as_str().unwrap())
                .unwrap(),
        };
        let options: Vec<&str> =
            line["opts"].as_array().unwrap().iter().map(|v| v.as_str().unwrap()).collect();
        let features = Features {
            experimental_functions: options.contains(&"functions"),
            extended_range_selectors: options.contains(&"extended"),
            binop_fill_modifiers: options.contains(&"fill"),
        };
        let got = match parse(&query, &features) {
            Ok(expr) => serde_json::json!({
                "canon": expr.to_string(),
                "pretty": pretty(&expr),
                "type": expr.value_type().name(),
            }),
            Err(error) => {
                let span = error.place.map_or([0, 0], |place| [place.span.start, place.span.end]);
                serde_json::json!({ "error": error.to_string(), "pos": span })
            }
        };
        let fields = got.as_object().unwrap();
        if fields.iter().any(|(field, value)| line[field] != *value) {
            wrong.push(format!("{got}\n  is not {line}"));
        }
    }
    println!("parse.jsonl {}/{}", lines.len() - wrong.len(), lines.len());
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn every_recorded_selector_agrees() {
    let mut count = 0;
    let mut wrong = Vec::new();
    for line in tests::golden("series.jsonl") {
        let (Some("matchers"), Some(text)) = (line["k"].as_str(), line["in"].as_str()) else {
            continue;
        };
        // Label values that are not UTF-8 cannot be stored here, and so nothing matches them.
        let lossy = |m: &serde_json::Value| m["value"].is_object() || m["name"].is_object();
        if line["matchers"].as_array().is_some_and(|all| all.iter().any(lossy)) {
            continue;
        }
        count += 1;
        let agrees = match parse_selector(text) {
            Err(error) => line["error"].as_str() == Some(&error.to_string()),
            Ok(matchers) => {
                let expected = line["matchers"].as_array();
                let same = |all: &Vec<serde_json::Value>| {
                    all.len() == matchers.len()
                        && all.iter().zip(&matchers).all(|(want, got)| {
                            want["name"] == got.name()
                                && want["op"] == got.op().as_str()
                                && want["value"] == got.value()
                                && want["string"] == got.to_string()
                                && want["matches_empty"] == got.matches_empty()
                        })
                };
                expected.is_some_and(same)
                    && line["api_refuses"] == matchers.iter().all(model::Matcher::matches_empty)
            }
        };
        if !agrees {
            wrong.push(format!("{:?} is not {line}", parse_selector(text)));
        }
    }
    println!("series.jsonl matchers {}/{count}", count - wrong.len());
    assert!(wrong.is_empty() && count > 100, "{}", wrong.join("\n"));
}

/// Nanoseconds and whether they are computed.
fn length(length: &Length) -> (i64, bool) {
    match length {
        Length::Nanos(nanos) => (*nanos, false),
        Length::Expr(_) => (0, true),
    }
}

#[test]
fn every_recorded_number_and_duration_agrees() {
    let mut count = 0;
    let mut wrong = Vec::new();
    for line in tests::golden("scalars.jsonl") {
        let query = match line["k"].as_str() {
            Some("promql_number") => &line["in"],
            // The other parser is that of older versions.
            Some("promql_duration") if line["parser"] == "duration_expr" => &line["query"],
            _ => continue,
        };
        count += 1;
        let query = query.as_str().unwrap();
        let parsed = parse(query, &Features::default());
        let agrees = match &parsed {
            Err(error) => line["error"].as_str() == Some(&error.to_string()),
            Ok(expr) => {
                let value = match expr {
                    Expr::Number(number) => {
                        let bits = number.value.to_bits();
                        line["bits"] == format!("{bits:016x}")
                            && line["duration"] == number.duration
                    }
                    Expr::Vector(e) if line["form"] == "offset" => {
                        let (nanos, computed) = length(&e.at.offset);
                        line["ns"] == nanos && line["expr"].is_string() == computed
                    }
                    Expr::Matrix(e) => {
                        let (nanos, computed) = length(&e.range);
                        line["ns"] == nanos && line["expr"].is_string() == computed
                    }
                    Expr::Subquery(e) => {
                        let step = e.step.as_ref().map_or((0, false), length).0;
                        line["ns"] == length(&e.range).0 && line["step_ns"] == step
                    }
                    _ => line["node"].is_string(),
                };
                value && line["string"] == expr.to_string()
            }
        };
        if !agrees {
            wrong.push(format!("{parsed:?} is not {line}"));
        }
    }
    println!("scalars.jsonl promql {}/{count}", count - wrong.len());
    assert!(wrong.is_empty() && count > 200, "{}", wrong.join("\n"));
}
