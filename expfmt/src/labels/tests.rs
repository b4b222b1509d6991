//! What `labels` promises, case by case.

use super::*;

fn split(series: &str, metric_type: MetricType) -> Vec<(String, String)> {
    let mut out = LabelBuffer::default();
    let declared = Declared { metric_type, ..Declared::default() };
    split_series(series.as_bytes(), &declared, &mut out);
    out.iter()
        .map(|(n, v)| {
            (String::from_utf8_lossy(n).into_owned(), String::from_utf8_lossy(v).into_owned())
        })
        .collect()
}

fn pairs(list: &[(&str, &str)]) -> Vec<(String, String)> {
    list.iter().map(|&(n, v)| (n.to_owned(), v.to_owned())).collect()
}

#[test]
fn names_outside_and_inside_braces() {
    assert_eq!(split("a", MetricType::Unknown), pairs(&[("__name__", "a")]));
    assert_eq!(split("a {}", MetricType::Unknown), pairs(&[("__name__", "a")]));
    let expected = pairs(&[("__name__", "a b"), ("c", "d"), ("e.f", "g")]);
    assert_eq!(split(r#"{c="d" , "a b", "e.f"="g",}"#, MetricType::Unknown), expected);
}

#[test]
fn escapes_and_normalised_bounds() {
    let series = r#"h_bucket{x="a\\b\"c\nd\t}",le="1"}"#;
    let plain = pairs(&[("__name__", "h_bucket"), ("x", "a\\b\"c\nd\\t}"), ("le", "1")]);
    assert_eq!(split(series, MetricType::Gauge), plain);
    let mut normal = plain;
    normal[2].1 = "1.0".to_owned();
    assert_eq!(split(series, MetricType::Histogram), normal);
}

#[test]
fn declared_type_and_unit_replace_exposed_ones() {
    let mut out = LabelBuffer::default();
    let mut declared =
        Declared { metric_type: MetricType::Counter, unit: b"bytes", as_labels: true };
    let shown = |out: &LabelBuffer| {
        let pairs: Vec<_> = out.iter().map(|(n, v)| [n, b"=", v].concat()).collect();
        String::from_utf8(pairs.join(&b' ')).expect("ASCII")
    };
    let mut key = Vec::new();
    let mut labels = Vec::new();
    write_pair(b"__unit__", b"y", &mut labels);
    write_pair(b"b", b"c", &mut labels);
    Key::write(b"a", "_sum", Bound::Quantile(1.0), &labels, &mut key);
    for series in [&br#"a{__type__="x",b="c"}"#[..], &key] {
        split_series(series, &declared, &mut out);
        assert!(shown(&out).ends_with("__type__=counter __unit__=bytes"), "{}", shown(&out));
        assert!(!shown(&out).contains("=x ") && !shown(&out).contains("=y "), "{}", shown(&out));
    }
    assert!(shown(&out).starts_with("__name__=a_sum b=c quantile=1.0 "), "{}", shown(&out));
    (declared.metric_type, declared.unit) = (MetricType::Unknown, b"");
    split_series(b"a", &declared, &mut out);
    assert_eq!(shown(&out), "__name__=a");
}
