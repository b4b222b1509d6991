//! Tests of each result type, of escapes and of streaming.

use super::*;
use model::{LabelsColumn, Symbols};
use promql::{Floats, Matrix, Value, Vector};
use std::sync::Arc;

fn written(write: impl FnOnce(&mut Out<'_>) -> Result<(), Gone>) -> String {
    let mut all = Vec::new();
    let mut hand_on = |piece: &mut Vec<u8>| {
        all.append(piece);
        Ok(())
    };
    let mut out = Out::new(&mut hand_on);
    write(&mut out).expect("nobody goes away");
    let rest = out.bytes;
    all.extend(rest);
    String::from_utf8(all).expect("JSON is UTF-8")
}

fn result(value: &Value, limit: usize) -> String {
    written(|out| push_result(out, value, limit).map(drop))
}

fn labels(symbols: &Symbols, sets: &[&[(&str, &str)]]) -> LabelsColumn {
    let mut column = LabelsColumn::default();
    for set in sets {
        let pair = |&(name, value): &(&str, &str)| model::LabelPair {
            name: symbols.intern(name),
            value: symbols.intern(value),
        };
        column.push(set.iter().map(pair));
    }
    column
}

#[test]
fn scalars_and_strings_use_shortest_times() {
    let scalar = |timestamp_ms, value| result(&Value::Scalar { timestamp_ms, value }, 0);
    assert_eq!(
        scalar(1500, 1e21),
        r#""resultType":"scalar","result":[1.5,"1000000000000000000000"]"#
    );
    assert_eq!(scalar(-1, -0.0), r#""resultType":"scalar","result":[-0.001,"-0"]"#);
    let text = Value::String { timestamp_ms: 10, value: "<b>&'\u{2028}\n\u{2713}".into() };
    let expect =
        "\"resultType\":\"string\",\"result\":[0.01,\"\\u003cb\\u003e\\u0026'\\u2028\\n\u{2713}\"]";
    assert_eq!(result(&text, 0), expect);
}

#[test]
fn vectors_and_their_limit() {
    let symbols = Arc::new(Symbols::new());
    let sets: [&[(&str, &str)]; 3] =
        [&[("__name__", "up"), ("v", "<\"\u{1}\u{7f}\u{2028}>")], &[], &[]];
    let labels = labels(&symbols, &sets);
    let timestamps_ms = vec![1000, 1010, -500];
    let vector = Vector {
        symbols,
        labels,
        timestamps_ms,
        values: vec![1.0, f64::NAN, 1e-7],
        ..Vector::default()
    };
    let value = Value::Vector(vector);
    let first = "{\"metric\":{\"__name__\":\"up\",\"v\":\"<\\\"\\u0001\u{7f}\u{2028}>\"},\"value\":[1,\"1\"]}";
    let second = r#"{"metric":{},"value":[1.010,"NaN"]}"#;
    let third = r#"{"metric":{},"value":[-0.500,"1e-07"]}"#;
    let head = r#""resultType":"vector","result":["#;
    assert_eq!(result(&value, 0), format!("{head}{first},{second},{third}]"));
    assert_eq!(result(&value, 1), format!("{head}{first}]"));
    written(|out| {
        assert_eq!(push_result(out, &value, 2), Ok(true));
        assert_eq!(push_result(out, &value, 3), Ok(false));
        Ok(())
    });
}

#[test]
fn matrices_with_shared_and_own_times() {
    let symbols = Arc::new(Symbols::new());
    let labels = labels(&symbols, &[&[("a", "1")], &[("a", "2")], &[]]);
    let timestamps_ms = vec![1000, 2500, 1000, 3000, 4000];
    let values = vec![1.0, 2.5, f64::INFINITY, -1.0, 0.1 + 0.2];
    let floats = Floats::listed(vec![2, 5, 5], timestamps_ms, values);
    let matrix = Matrix { symbols, labels, floats, ..Matrix::default() };
    let expect = concat!(
        r#""resultType":"matrix","result":["#,
        r#"{"metric":{"a":"1"},"values":[[1,"1"],[2.500,"2.5"]]},"#,
        r#"{"metric":{"a":"2"},"values":[[1,"+Inf"],[3,"-1"],[4,"0.30000000000000004"]]},"#,
        r#"{"metric":{},"values":[]}]"#
    );
    assert_eq!(result(&Value::Matrix(matrix), 0), expect);
}

#[test]
fn large_answers_leave_in_pieces_and_stop_when_nobody_reads() {
    let symbols = Arc::new(Symbols::new());
    let labels = labels(&symbols, &[&[]]);
    let timestamps_ms: Vec<i64> = (0..50_000).map(|i| i * 1000).collect();
    let values = vec![0.5; timestamps_ms.len()];
    let floats = Floats::listed(vec![values.len()], timestamps_ms, values);
    let matrix = Matrix { symbols, labels, floats, ..Matrix::default() };
    let value = Value::Matrix(matrix);
    let mut num_pieces = 0;
    let mut hand_on = |piece: &mut Vec<u8>| {
        num_pieces += 1;
        piece.clear();
        if num_pieces < 3 { Ok(()) } else { Err(Gone) }
    };
    assert_eq!(push_result(&mut Out::new(&mut hand_on), &value, 0), Err(Gone));
    assert_eq!(num_pieces, 3);
}

#[test]
fn messages_are_capped_at_ten_a_kind() {
    let texts = |count: usize| (0..count).map(|i| i.to_string().into()).collect();
    let end = |warnings, infos| {
        written(|out| {
            push_end(out, &Annotations { warnings: texts(warnings), infos: texts(infos) })
        })
    };
    assert_eq!(end(0, 0), "}");
    assert_eq!(end(1, 2), r#","warnings":["0"],"infos":["0","1"]}"#);
    assert!(end(10, 0).ends_with(r#""8","9"]}"#));
    assert!(end(14, 11).starts_with(r#","warnings":["0","1""#));
    assert!(end(14, 11).contains(r#""9","4 more warning annotations omitted"],"infos""#));
    assert!(end(14, 11).ends_with(r#""9","1 more info annotations omitted"]}"#));
}
