//! Documents as trees: anchors, merges, what is refused and where.

use super::*;
use proptest::prelude::*;

fn parse(text: &str) -> Result<Node, Error> {
    Document::parse("f.yml", text.as_bytes()).map(|document| document.root)
}

fn show(node: &Node) -> String {
    match &node.content {
        Content::Scalar { text, plain: true } => text.clone(),
        Content::Scalar { text, plain: false } => format!("{text:?}"),
        Content::Bytes => String::from("bytes"),
        Content::List(list) => {
            format!("[{}]", list.iter().map(show).collect::<Vec<_>>().join(", "))
        }
        Content::Map(map) => {
            let pairs: Vec<String> =
                map.iter().map(|(key, value)| format!("{}: {}", show(key), show(value))).collect();
            format!("{{{}}}", pairs.join(", "))
        }
    }
}

fn check(text: &str, want: &str) {
    assert_eq!(show(&parse(text).expect("a good document")), want, "{text}");
}

fn refused(text: &str, line: u32, column: u32) {
    let error = parse(text).expect_err("a bad document");
    let mark = error.problems[0].mark;
    assert_eq!((mark.line, mark.column), (line, column), "{error}");
}

#[test]
fn merges_give_way_to_what_is_written() {
    check("a: &x {k: 1, l: 2}\nb:\n  <<: *x\n  k: 3\n", "{a: {k: 1, l: 2}, b: {k: 3, l: 2}}");
    check("a: &x {k: 1}\nb:\n  k: 3\n  <<: *x\n", "{a: {k: 1}, b: {k: 3}}");
    check("- &x {k: 1}\n- &y {l: 2}\n- <<: [*x, *y]\n", "[{k: 1}, {l: 2}, {k: 1, l: 2}]");
}

#[test]
fn quotes_and_tags_make_texts() {
    check("[1, '1', !!str 1, !!binary aGk=, !!binary /w==]", "[1, \"1\", \"1\", \"hi\", bytes]");
    check("a: |\n  x\n", "{a: \"x\\n\"}");
}

#[test]
fn only_the_first_document_counts() {
    check("a: 1\n---\nb: [\n", "{a: 1}");
}

#[test]
fn mistakes_have_a_place() {
    refused("a: 1\nb: 2\na: 3\n", 3, 1);
    refused("a: *x\n", 1, 4);
    refused("a: &x [*x]\n", 1, 8);
    refused("a: 1\n<<: 2\n", 2, 5);
    let error = Document::parse("f.yml", b"a: 1\nb: \xff\n").expect_err("not UTF-8");
    assert_eq!((error.problems[0].mark.line, error.problems[0].mark.column), (2, 4));
}

#[test]
fn aliases_cannot_blow_up() {
    let mut text = String::from("a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n");
    for level in 1..10 {
        let before = format!("*a{}", level - 1);
        let list = vec![before; 10].join(", ");
        text = format!("{text}a{level}: &a{level} [{list}]\n");
    }
    let error = parse(&text).expect_err("too large");
    assert!(error.problems[0].message.contains("values"), "{error}");
}

#[test]
fn nesting_has_a_bound() {
    assert!(parse(&"[".repeat(100_000)).is_err());
    assert!(parse(&"- ".repeat(100_000)).is_err());
}

proptest! {
    #[test]
    fn nothing_panics(text in "[-a: \\[\\]{}&*x<\"'#|>!\n\t,?%@`~0]{0,60}") {
        let parsed = parse(&text);
        prop_assert!(parsed.is_ok() || parsed.is_err_and(|error| !error.to_string().is_empty()));
    }
}
