//! Printed sections: quoting, folding, and that they read back.

use crate::{Document, Field, Kind, Schema, Section, Value, no_check};
use proptest::prelude::*;

static SECTION: Schema = Schema {
    name: "section",
    parts: &[&[
        Field::new("text", Kind::Text).always(),
        Field::new("list", Kind::List),
        Field::new("flow", Kind::FlowList),
        Field::new("map", Kind::Map),
        Field::new("url", Kind::Url),
        Field::new("secret", Kind::Secret),
        Field::new("any", Kind::Any),
    ]],
    check: no_check,
};

fn printed(yaml: &str) -> String {
    let document = Document::parse("f.yml", yaml.as_bytes()).expect("YAML");
    crate::load(&document.root, &SECTION).expect("a good section").to_yaml()
}

fn check(text: &str, want: &str) {
    let mut section = Section::defaults(&SECTION);
    section.set("text", Value::Text(text.to_owned()));
    assert_eq!(section.to_yaml(), format!("text: {want}\n"));
}

#[test]
fn texts_that_mean_something_else_are_quoted() {
    for text in ["", "1", "1.5", "0x1f", "true", "no", "~", "null", "<<", "1:30", "2001-12-14"] {
        check(text, &format!("\"{text}\""));
    }
    for text in [",", ": x", "a: b", "a #b", "- a", "*a", "a:", " a", "@x", "{a}"] {
        check(text, &format!("'{text}'"));
    }
    for text in [";", "a:b", "a#b", "-a", "(.*)", "http://a/b?c=d", "$1", "00:00:00:61", "..x"] {
        check(text, text);
    }
    check("it's: so", "'it''s: so'");
    check("tab\there", "\"tab\\there\"");
    check("\u{1f600}", "\"\\U0001F600\"");
    check("a\nb\n", "|\n  a\n  b");
    check("a\nb", "|-\n  a\n  b");
}

#[test]
fn long_lines_are_folded() {
    let words = ["word"; 30].join(" ");
    let first = ["word"; 16].join(" ");
    check(&words, &format!("{first}\n  {}", ["word"; 14].join(" ")));
    let flow: Vec<String> = (0..20).map(|i| format!("label{i:02}")).collect();
    let text = printed(&format!("flow: [{}]", flow.join(", ")));
    assert_eq!(text.lines().nth(1).map(str::len), Some(87), "{text}");
    assert!(text.lines().nth(2).is_some_and(|line| line.starts_with("  label")), "{text}");
}

#[test]
fn secrets_do_not_show() {
    let text = printed("{secret: s, url: 'http://u:p@h/x'}");
    assert_eq!(text, "text: \"\"\nurl: http://u:xxxxx@h/x\nsecret: <secret>\n");
}

#[test]
fn anything_keeps_its_shape() {
    let text = printed("any: {b: [1, {c: x}], a: {}, d: 'yes', e: yes}");
    let want = "text: \"\"\nany:\n  a: {}\n  b:\n  - 1\n  - c: x\n  d: \"yes\"\n  e: true\n";
    assert_eq!(text, want);
}

proptest! {
    #[test]
    fn printed_texts_read_back(text in "[a-c:#,'\"\\\\ \n\t\\-\\[\\]{}&*!|>%@`?~0-9.\u{e9}\u{2028}\u{1f600}]{0,100}") {
        let mut section = Section::defaults(&SECTION);
        section.set("text", Value::Text(text.clone()));
        section.set("list", Value::List(vec![text.clone(), String::from("x")]));
        section.set("map", Value::Map(vec![(text.clone(), text)]));
        let printed = section.to_yaml();
        let document = Document::parse("f.yml", printed.as_bytes());
        let document = document.unwrap_or_else(|error| panic!("{error}\n{printed}"));
        let again = crate::load(&document.root, &SECTION);
        let again = again.unwrap_or_else(|problems| panic!("{problems:?}\n{printed}"));
        prop_assert_eq!(again, section, "{}", printed);
    }
}
