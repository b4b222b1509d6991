//! Sections from documents: kinds, defaults, all problems at once.

use super::*;
use crate::{Document, no_check};

static INNER: Schema = Schema {
    name: "inner",
    parts: &[&[Field::new("size", Kind::Size), Field::new("on", Kind::Bool).or("true")]],
    check: no_check,
};

static OUTER: Schema = Schema {
    name: "outer",
    parts: &[&[
        Field::new("text", Kind::Text).or("x"),
        Field::new("count", Kind::Uint).or("7"),
        Field::new("time", Kind::Duration).or("1m"),
        Field::new("one", Kind::One(&INNER)),
        Field::new("maybe", Kind::Maybe(&INNER)),
        Field::new("many", Kind::Many(&INNER)),
        Field::new("map", Kind::Map),
    ]],
    check: no_check,
};

fn read(text: &str) -> Result<Section, Vec<String>> {
    let document = Document::parse("f.yml", text.as_bytes()).expect("YAML");
    load(&document.root, &OUTER).map_err(|problems| {
        problems
            .iter()
            .map(|problem| {
                format!("{}:{} {}", problem.mark.line, problem.mark.column, problem.message)
            })
            .collect()
    })
}

#[test]
fn what_is_absent_has_its_default_and_null_is_zero() {
    let section = read("{}").expect("good");
    assert_eq!(
        (section.text("text"), section.uint("count"), section.int("time")),
        ("x", 7, 60_000)
    );
    assert!(section.one("one").bool("on"));
    assert!(section.section("maybe").is_none());
    let section = read("{text: , count: ~, time: null, one: , maybe: , many: }").expect("good");
    assert_eq!((section.text("text"), section.uint("count"), section.int("time")), ("", 0, 0));
    assert!(!section.one("one").bool("on"));
    assert!(section.section("maybe").is_none() && section.sections("many").is_empty());
}

#[test]
fn scalars_are_read_as_the_field_wants() {
    let section =
        read("{text: 0123, count: 0x1F, one: {on: off}, map: {b: yes, a: 1.50}}").expect("good");
    assert_eq!((section.text("text"), section.uint("count")), ("0123", 31));
    assert!(!section.one("one").bool("on"));
    let map: Vec<(&str, &str)> =
        section.map("map").iter().map(|(name, text)| (name.as_str(), text.as_str())).collect();
    assert_eq!(map, [("a", "1.50"), ("b", "yes")]);
}

#[test]
fn all_problems_are_told_in_order() {
    let problems =
        read("count: -1\ntxet: a\none:\n  size: 5\n  om: true\nmany: {}\n").expect_err("bad");
    assert_eq!(
        problems,
        [
            "1:8 count wants an integer from 0, got \"-1\"",
            "2:1 unknown field \"txet\" in outer; did you mean \"text\"?",
            "4:9 size: units: unknown unit  in 5",
            "5:3 unknown field \"om\" in inner; did you mean \"on\"?",
            "6:7 many wants a list, got a section; put \"- \" before each entry",
        ]
    );
}

#[test]
fn keys_are_ordered_as_go_prints_them() {
    let mut keys = ["b", "a10", "a9", "a_1", "a", "A", "_x", "a100"];
    keys.sort_by(|a, b| compare_keys(a, b));
    assert_eq!(keys, ["_x", "A", "a", "a_1", "a9", "a10", "a100", "b"]);
}
