//! Patterns with Go's own answers, as recorded: which inputs match, which patterns are refused with which text.

use model::regex::Regex;

#[test]
fn agrees_with_go() {
    let cases = tests::golden_bytes("regex_cases.json");
    let cases: serde_json::Value = serde_json::from_slice(&cases).expect("JSON");
    let inputs: Vec<&str> =
        cases["inputs"].as_array().unwrap().iter().map(|v| v.as_str().unwrap()).collect();
    let mut wrong = Vec::new();
    let all = cases["cases"].as_array().unwrap();
    for case in all {
        let pattern = case["pattern"].as_str().unwrap();
        let expected: Vec<usize> = case["matches"]
            .as_array()
            .unwrap()
            .iter()
            .map(|v| v.as_u64().unwrap() as usize)
            .collect();
        match Regex::anchored(pattern) {
            Ok(regex) => {
                let got: Vec<usize> =
                    (0..inputs.len()).filter(|&index| regex.is_match(inputs[index])).collect();
                if got != expected || case.get("error").is_some() {
                    wrong.push(format!("{pattern:?}: {got:?}, not {case}"));
                }
            }
            Err(error) => {
                if case["error"].as_str() != Some(&error.to_string()) {
                    wrong.push(format!("{pattern:?}: {error}, not {case}"));
                }
            }
        }
    }
    println!("regex_cases.json {}/{}", all.len() - wrong.len(), all.len());
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
