//! What the recorded inputs do not show: hostile nesting, spans, random text.

use super::*;
use crate::ast::{At, Length};

fn ok(text: &str) -> Expr {
    parse(text, &Features::ALL).unwrap_or_else(|error| panic!("{text}: {error}"))
}

#[test]
fn nesting_ends_in_an_error() {
    let deep = 100_000;
    for (open, close) in [("(", ")"), ("sum(", ")"), ("abs(", ")"), ("-", ""), ("1 ^ ", "")] {
        let text = format!("{}x{}", open.repeat(deep), close.repeat(deep));
        let error = parse(&text, &Features::ALL).expect_err("far too deep");
        assert!(error.message.contains("nested deeper"), "{error}");
    }
    let brackets = format!("x[{}1{}]", "(".repeat(deep), ")".repeat(deep));
    assert!(parse(brackets, &Features::ALL).is_err());
    assert!(parse("x offset ".to_owned() + &"-".repeat(deep) + "1", &Features::ALL).is_err());
    assert!(parse("x[1".to_owned() + &"+1".repeat(deep) + "]", &Features::ALL).is_err());
    for operator in [" or ", " + ", " * "] {
        let error = parse(vec!["x"; deep].join(operator), &Features::ALL).expect_err("too high");
        assert!(error.message.contains("higher than"), "{error}");
    }
    let subqueries = format!("x{}", "[1m:1m]".repeat(deep));
    assert!(parse(subqueries, &Features::ALL).is_err());
}

#[test]
fn what_is_allowed_prints_and_drops_within_a_small_stack() {
    let worker = std::thread::Builder::new().stack_size(1 << 20).spawn(|| {
        let nested = format!("{}x{}", "(".repeat(200), ")".repeat(200));
        for text in [nested, vec!["x"; 900].join(" or ")] {
            let expr = ok(&text);
            assert_eq!(expr.to_string(), text);
            assert!(!crate::pretty(&expr).is_empty());
            assert_eq!(expr.clone().value_type(), crate::ast::ValueType::Vector);
        }
    });
    worker.expect("spawns").join().expect("within the stack");
}

#[test]
fn spans_and_modifiers() {
    let Expr::Vector(selector) = ok(" foo{a=\"b\"} offset -5m @ start()") else { panic!() };
    assert_eq!(selector.span, Span { start: 1, end: 32 });
    assert!(matches!(selector.at.offset, Length::Nanos(-300_000_000_000)));
    assert_eq!(selector.at.at, Some(At::Start));
    assert_eq!(selector.matchers.len(), 2);
    assert_eq!(ok("sum(a) by (b) / c").span(), Span { start: 0, end: 17 });
}

#[test]
fn lone_selectors() {
    assert_eq!(parse_selector("up{a=\"b\"}").map(|m| m.len()), Ok(2));
    assert!(parse_selector("{}").is_ok());
    assert!(parse_selector("up[5m]").is_err());
    assert!(parse_selector("up offset 5m").is_err());
}

/// Pieces of queries; random sequences of them reach deep into the grammar.
const PIECES: &[&str] = &[
    "foo",
    "sum",
    "by",
    "(",
    ")",
    "{",
    "}",
    "[",
    "]",
    "5m",
    "1",
    ":",
    ",",
    "=",
    "\"x\"",
    "=~",
    "offset",
    "@",
    "start",
    "+",
    "-",
    "*",
    "^",
    "or",
    "on",
    "group_left",
    "bool",
    "rate",
    " ",
    "#",
    "\n",
    "'",
    "`",
    "\\",
    "step",
    "max_of",
    "anchored",
    "fill",
    "!",
    "1e",
    "0x",
    "\u{e9}",
];

proptest::proptest! {
    #[test]
    fn never_panics(picks in proptest::collection::vec(0..PIECES.len(), 0..24)) {
        let text: String = picks.into_iter().map(|pick| PIECES[pick]).collect();
        if let Err(error) = parse(&text, &Features::ALL) {
            proptest::prop_assert!(!error.to_string().is_empty());
        }
    }

    #[test]
    fn printed_parses_to_the_same(picks in proptest::collection::vec(0..6usize, 1..40)) {
        let leaves = ["foo", "1", "sum by (a) (x)", "rate(x[5m])", "(a or b)", "-y"];
        let operators = [" + ", " * ", " ^ ", " == bool ", " - on (a) ", " / "];
        let mut text = String::new();
        for (index, pick) in picks.iter().enumerate() {
            if index > 0 {
                text.push_str(operators[(pick + index) % operators.len()]);
            }
            text.push_str(leaves[*pick]);
        }
        // Matching between scalars is an error; what parses must print and parse again.
        if let Ok(expr) = parse(&text, &Features::ALL) {
            let printed = expr.to_string();
            proptest::prop_assert_eq!(ok(&printed).to_string(), printed.clone());
            proptest::prop_assert_eq!(ok(&crate::pretty(&expr)).to_string(), printed);
        }
    }
}
