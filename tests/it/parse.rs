//! The parser and both printers against every recorded input: printed form, pretty form, type, error and position.

use base64::Engine as _;
use promql::{Features, parse, pretty};

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
