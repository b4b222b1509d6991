//! Reading scripts; running them is tested with the public ones.

use super::*;
use model::STALE_NAN;

fn items(text: &str) -> Vec<Item> {
    parse_series(&format!("x {text}")).expect(text).items
}

#[test]
fn series_notation() {
    assert_eq!(items("1 _ 3"), [Item::Value(1.0), Item::Omitted, Item::Value(3.0)]);
    assert_eq!(items("0+2x2"), [0.0, 2.0, 4.0].map(Item::Value));
    assert_eq!(items("-1-1e+1x1"), [-1.0, -11.0].map(Item::Value));
    assert_eq!(
        items("5x1 _x2"),
        [Item::Value(5.0), Item::Value(5.0), Item::Omitted, Item::Omitted]
    );
    assert_eq!(items("{{sum:1}}x1 {{}}+{{count:1}}x0"), [Item::Histogram; 3]);
    assert_eq!(items("Inf -Inf 1e3"), [f64::INFINITY, f64::NEG_INFINITY, 1000.0].map(Item::Value));
    let stale = items("stale");
    assert!(matches!(stale[..], [Item::Value(v)] if v.to_bits() == STALE_NAN.to_bits()));
    for wrong in ["1x", "foo", "1+", "{{", "1x99999999999999999999", "1y2"] {
        assert!(parse_series(&format!("x {wrong}")).is_err(), "{wrong}");
    }
}

#[test]
fn series_labels() {
    let labels = |text: &str| parse_series(text).expect(text).labels.to_string();
    assert_eq!(labels("{} 1"), "{}");
    assert_eq!(labels("a{b=\"c\", d='e'} 1"), "{__name__=\"a\", b=\"c\", d=\"e\"}");
    assert_eq!(labels("{\"a.b\", \"c d\"=\"e\"} 1"), "{__name__=\"a.b\", \"c d\"=\"e\"}");
    assert_eq!(labels("sum {{}}"), "{__name__=\"sum\"}");
    assert!(parse_series("a{b}").is_err());
}

#[test]
fn commands() {
    let text = "# note\nload 5m\n  a 1 2\n\neval range from 0 to 10m step 5m a\n  expect no_warn\n  a 1 2\n\n\
                eval_fail instant at 5m b(\n\neval instant at 1m 1\n  1\nclear\n";
    // The last block is closed by the end of its lines: a command directly below is read as part of it.
    assert!(Script::parse(text).is_err());
    let script = Script::parse(&text.replace("  1\nclear", "  1\n\nclear")).expect("script");
    assert_eq!(script.commands.len(), 5);
    let Command::Eval(eval) = &script.commands[1].1 else { panic!() };
    assert_eq!(eval.when, When::Range { start_ms: 0, end_ms: 600_000, step_ms: 300_000 });
    assert!(matches!(&eval.expected, Expected::Series(series) if series[0].items.len() == 2));
    let error = Script::parse("load 5m\n a 1\n b x\n").expect_err("x is no number");
    assert_eq!(
        error.to_string(),
        "line 3: \"\" in series values is neither a number nor \"stale\""
    );
}
