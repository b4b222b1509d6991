//! Behaviour of single rules that recorded cases do not pin down.

use super::*;

fn run(config: RuleConfig, labels: &[(&str, &str)]) -> Option<Vec<(String, String)>> {
    let rule = Rule::new(config, NameValidation::Utf8).expect("a good rule");
    let mut builder = LabelsBuilder::new();
    for (name, value) in labels {
        builder.set(name, value);
    }
    process(&[rule], &mut builder, &mut Scratch::default())
        .then(|| builder.iter().map(|(n, v)| (n.to_owned(), v.to_owned())).collect())
}

fn pair(name: &str, value: &str) -> (String, String) {
    (name.to_owned(), value.to_owned())
}

#[test]
fn letters_change_case_one_for_one() {
    let config = RuleConfig {
        source_labels: Some(vec![String::from("a")]),
        target_label: String::from("a"),
        action: Action::Uppercase,
        ..RuleConfig::default()
    };
    let text = "stra\u{df}e \u{1f80} \u{1fb3} \u{e9}";
    let got = run(config.clone(), &[("a", text)]).expect("kept");
    assert_eq!(got, [pair("a", "STRA\u{df}E \u{1f88} \u{1fbc} \u{c9}")]);
    let got = run(RuleConfig { action: Action::Lowercase, ..config }, &[("a", "\u{130}A")]);
    assert_eq!(got.expect("kept"), [pair("a", "ia")]);
}

#[test]
fn labelmap_reads_the_labels_as_they_were() {
    let config = RuleConfig {
        regex: Some(String::from("x(.*)")),
        replacement: String::from("$1"),
        action: Action::LabelMap,
        ..RuleConfig::default()
    };
    let got = run(config, &[("xxa", "1"), ("xa", "2")]).expect("kept");
    assert_eq!(got, [pair("a", "2"), pair("xa", "1"), pair("xxa", "1")]);
}

#[test]
fn errors_name_the_field() {
    let config = RuleConfig { action: Action::HashMod, ..RuleConfig::default() };
    let error = Rule::new(config, NameValidation::Utf8).expect_err("no modulus");
    assert_eq!(error.field, "modulus");
}
