//! Recorded discovery files: the groups they give, and which of them are refused.

use serde_json::{Value, json};
use std::path::Path;

fn pairs(labels: &Value) -> Vec<(String, String)> {
    let labels = labels.as_object().expect("labels are an object");
    let mut pairs: Vec<(String, String)> = labels
        .iter()
        .map(|(name, value)| (name.clone(), value.as_str().expect("text").to_owned()))
        // The path is added by who reads the file; labels without a value do not exist.
        .filter(|(name, value)| name != "__meta_filepath" && !value.is_empty())
        .collect();
    pairs.sort();
    pairs
}

#[test]
fn recorded_files_agree() {
    let lines = tests::golden("config/file_sd.jsonl");
    for line in &lines {
        let file = line["file"].as_str().expect("a file name");
        let body = line["body"].as_str().expect("a body");
        let got = discovery::file_format::parse(Path::new(file), body);
        match (got, line["groups"].as_array()) {
            (Ok(groups), Some(want)) => {
                assert_eq!(groups.len(), want.len(), "{}", line["id"]);
                for (group, want) in groups.iter().zip(want) {
                    let targets: Vec<Value> =
                        group.targets.iter().map(|target| json!({"__address__": target})).collect();
                    assert_eq!(json!(targets), want["targets"], "{}", line["id"]);
                    let labels: Vec<(String, String)> =
                        group.labels.iter().map(|(n, v)| (n.to_owned(), v.to_owned())).collect();
                    assert_eq!(labels, pairs(&want["labels"]), "{}", line["id"]);
                }
            }
            (Err(error), None) => assert!(error.to_string().contains(file), "{error}"),
            (got, want) => panic!("{}: {got:?}, want {want:?} {:?}", line["id"], line["error"]),
        }
    }
    println!("file_sd.jsonl {0}/{0}", lines.len());
}

#[test]
fn errors_name_group_and_field() {
    let path = Path::new("targets.json");
    let error = discovery::file_format::parse(path, r#"[{"targets":[]},{"target":["a"]}]"#)
        .expect_err("unknown field");
    assert_eq!(
        error.to_string(),
        "targets.json: group 2: unknown field \"target\"; did you mean \"targets\"?"
    );
}
