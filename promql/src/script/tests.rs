//! Reading scripts; running them is tested with the public ones.

use super::*;
use model::STALE_NAN;

fn items(text: &str) -> Vec<Item> {
    parse_series(&format!("x {text}")).expect(text).items
}

/// The items in words.
fn spelled(text: &str) -> String {
    let word = |item: &Item| match item {
        Item::Omitted => "_".to_owned(),
        Item::Value(value) => model::float::fixed(*value),
        Item::Histogram(item) => item.value.view().test_notation(),
    };
    items(text).iter().map(word).collect::<Vec<_>>().join(" ")
}

#[test]
fn series_notation() {
    assert_eq!(spelled("1 _ 3"), "1 _ 3");
    assert_eq!(spelled("0+2x2"), "0 2 4");
    assert_eq!(spelled("-1-1e+1x1"), "-1 -11");
    assert_eq!(spelled("5x1 _x2"), "5 5 _ _");
    assert_eq!(spelled("Inf -Inf 1e3"), "+Inf -Inf 1000");
    assert_eq!(
        spelled("{{sum:1}}x1 {{}}+{{count:1 buckets:[1 2] offset:1}}x1"),
        "{{sum:1}} {{sum:1}} {{}} {{count:1 offset:1 buckets:[1 2]}}"
    );
    for wrong in ["{{foo:1}}", "{{sum:x}}", "{{count:1 count:2}}", "{{buckets:[1, 2]}}"] {
        assert!(parse_series(&format!("x {wrong}")).is_err(), "{wrong}");
    }
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
