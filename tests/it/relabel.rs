//! Recorded relabelling rules: what they make of label sets, and which of them are refused.

use model::LabelsBuilder;
use model::relabel::{Rule, Scratch, process};
use model::validate::NameValidation;
use serde_json::Value;

/// The rules of a recorded line, as a configuration would read them.
fn rules(line: &Value) -> Result<Vec<Rule>, String> {
    let scheme = match line["validation"].as_str() {
        Some("legacy") => NameValidation::Legacy,
        _ => NameValidation::Utf8,
    };
    let text = line["rules"].as_str().expect("rules are a text");
    let document = yaml::Document::parse("rules", text.as_bytes()).map_err(|e| e.to_string())?;
    let sections = yaml::load_many(&document.root, &yaml::relabel::RULE)
        .map_err(|problems| document.error(problems).to_string())?;
    let rules: Result<Vec<Rule>, yaml::Problem> =
        sections.iter().map(|section| yaml::relabel::rule(section, scheme)).collect();
    rules.map_err(|problem| document.error(vec![problem]).to_string())
}

fn pairs(labels: &Value) -> Vec<(String, String)> {
    let labels = labels.as_object().expect("labels are an object");
    labels
        .iter()
        .map(|(name, value)| (name.clone(), value.as_str().expect("text").to_owned()))
        .collect()
}

#[test]
fn recorded_rules_agree() {
    let lines = tests::golden("relabel.jsonl");
    let mut wrong = Vec::new();
    let mut scratch = Scratch::default();
    for line in &lines {
        let id = &line["id"];
        match (rules(line), line.get("error")) {
            (Err(_), Some(_)) => {}
            (Err(error), None) => wrong.push(format!("{id}: refused: {error}")),
            (Ok(_), Some(error)) => wrong.push(format!("{id}: accepted, want {error}")),
            (Ok(rules), None) => {
                let mut builder = LabelsBuilder::new();
                for (name, value) in pairs(&line["labels"]) {
                    builder.set(&name, &value);
                }
                let kept = process(&rules, &mut builder, &mut scratch);
                if line["drop"] == true {
                    if kept {
                        wrong.push(format!("{id}: kept"));
                    }
                    continue;
                }
                let got: Vec<(String, String)> =
                    builder.iter().map(|(n, v)| (n.to_owned(), v.to_owned())).collect();
                if !kept || got != pairs(&line["out"]) {
                    wrong.push(format!("{id}: kept {kept}, {got:?}, want {}", line["out"]));
                }
            }
        }
    }
    println!("relabel.jsonl {}/{}", lines.len() - wrong.len(), lines.len());
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn a_broken_rule_names_its_field_and_place() {
    let line = serde_json::json!({"rules": "- target_label: a\n- action: kep\n  regex: x\n"});
    let error = rules(&line).expect_err("kep is no action");
    assert!(
        error.starts_with("rules:2:11: action: there is no action \"kep\"; did you mean \"keep\"?"),
        "{error}"
    );
}
