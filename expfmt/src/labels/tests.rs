//! What `labels` promises, case by case.

use super::*;

fn split(series: &str, metric_type: MetricType) -> Vec<(String, String)> {
    let mut out = LabelBuffer::default();
    split_series(series.as_bytes(), metric_type, &mut out);
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
